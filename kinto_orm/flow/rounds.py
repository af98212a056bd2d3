"""
Recorded operations, run together in rounds; and what became of those whose answers were lost.

A batch is not answered as a whole when the connection breaks, or the server fails (B5).  Its
writes are looked up then, all at once, and those that were not applied are sent again.  The
requests of a batch are made in order, so that a look at an object tells of the last write to it:

- if that was applied, those before it had their turn as well; their answers are lost for good;
- if it was not, they are sent again with it, in their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kinto_orm.exceptions import (
    AnswerLost,
    KintoException,
    NotSent,
    OutcomeUnknown,
    ServerError,
    TransportError,
)
from kinto_orm.flow.batching import Answer, chunks, kept_back, settled
from kinto_orm.flow.messages import Program, Request, Response
from kinto_orm.flow.pending import Pending
from kinto_orm.flow.recovering import found_out
from kinto_orm.flow.retrying import (
    Attempts,
    RetryPolicy,
    is_lost,
    not_explained,
    stands_in_its_own_way,
)


NEVER_AGAIN = RetryPolicy(attempts=1)


# -- Rounds ------------------------------------------------------------------------------------


def together(
    recorded: Sequence[Pending[Any]], limit: int, policy: RetryPolicy = NEVER_AGAIN
) -> Program[None]:
    """
    Run *recorded* operations together, at most *limit* requests at a time.

    They advance in rounds: an operation that turns out to need a second request has it made in
    the second round.  An operation that fails does not keep the others from going on.  When no
    answer comes, and *policy* does not help, those under way end with that error, and those
    behind them are not sent.
    """
    while waiting := [pending for pending in recorded if pending.step is not None]:
        for pending in waiting:
            yield from _prepared(pending)
        ready = [pending for pending in waiting if isinstance(pending.step, Request)]
        requests = [pending.step for pending in ready if isinstance(pending.step, Request)]
        broken: KintoException | None = None
        for indices in chunks(requests, limit):
            if broken is not None:
                for index in indices:
                    ready[index].fail(kept_back(requests[index], broken))
                continue
            answers = yield from certain([requests[index] for index in indices], limit, policy)
            for index, answer in zip(indices, answers, strict=True):
                if isinstance(answer, Response):
                    ready[index].receive(answer)
                else:
                    ready[index].fail(answer)
            broken = _why_to_stop(answers)


def _prepared(pending: Pending[Any]) -> Program[None]:
    """Make the steps of *pending* that are not requests, up to the next request."""
    while pending.step is not None and not isinstance(pending.step, Request):
        try:
            answer: Any = yield pending.step
        except Exception as error:  # noqa: BLE001 (raised inside the flow)
            pending.fail(error)
        else:
            pending.receive(answer)


def _why_to_stop(answers: Sequence[Answer]) -> KintoException | None:
    """Return the error after which nothing more should be sent, if all met one."""
    errors = [each for each in answers if isinstance(each, (TransportError, ServerError))]
    return errors[-1] if len(errors) == len(answers) else None


# -- Lost --------------------------------------------------------------------------------------


def certain(requests: Sequence[Request], limit: int, policy: RetryPolicy) -> Program[list[Answer]]:
    """
    Make *requests* in one round trip; find out what became of those whose answers were lost.

    Those that were not applied are sent again, as often as *policy* says: first together, then
    each alone, since the server may be unable to stand one of them (B5).
    """
    answers = yield from settled(requests)
    attempts = Attempts(policy)
    doubtful = _doubtful(requests, answers, range(len(requests)))
    while doubtful and (yield from attempts.paused(answers[doubtful[0]])):
        unknown = yield from _unknown(requests, answers, doubtful, limit)
        again = [index for index in doubtful if index in unknown and unknown[index] is None]
        for group in [again] if attempts.made == 2 and again else [[index] for index in again]:
            before = _doubtful(requests, answers, [each for each in again if each < group[0]])
            if any(_covers(requests, group[0], each) for each in before):
                continue  # That was lost once more: it must not be overtaken.
            made = yield from settled([requests[index] for index in group])
            for index, answer in zip(group, made, strict=True):
                answers[index] = answer
            if isinstance(made[-1], NotSent):
                break  # The server is gone: what is behind it is as lost as before.
        late = {each: found for each in again if stands_in_its_own_way(found := answers[each])}
        for index, why in (yield from _looked_up(requests, answers, late, limit)).items():
            if why is not None:
                answers[index] = not_explained(requests[index], late[index], why)
        told = [index for index in unknown if not isinstance(unknown[index], OutcomeUnknown)]
        doubtful = _doubtful(requests, answers, sorted(told))
    return answers


def _doubtful(
    requests: Sequence[Request], answers: Sequence[Answer], among: Iterable[int]
) -> list[int]:
    """Return the indices, *among* these, of what was lost: writes, and reads sent with them."""
    writes = any(request.writes for request in requests)
    return [
        index
        for index in among
        if is_lost(requests[index], answers[index])
        or (writes and not requests[index].writes and _has_no_answer(answers[index]))
    ]


def _has_no_answer(answer: Answer) -> bool:
    return isinstance(answer, (AnswerLost, ServerError))


def _unknown(
    requests: Sequence[Request], answers: list[Answer], doubtful: Sequence[int], limit: int
) -> Program[dict[int, Exception | None]]:
    """
    Find out what became of *doubtful* requests; give *answers* to those that were applied.

    Returns:
        Of those that had no turn, None; of those of which that is not known, why.  Those that are
        missing had theirs, whether they have an answer or not.
    """
    behind = {
        index: [each for each in doubtful if each > index and _covers(requests, each, index)]
        for index in doubtful
    }
    last = [index for index in doubtful if not behind[index]]
    unknown = yield from _looked_up(requests, answers, last, limit)
    for index in reversed(doubtful):
        if behind[index] and all(each in unknown for each in behind[index]):
            reasons = [unknown[each] for each in behind[index]]
            unknown[index] = next(filter(None, reasons), None)
    return unknown


def _covers(requests: Sequence[Request], later: int, earlier: int) -> bool:
    """Tell whether, behind a *later* request, a look tells nothing of an *earlier* one."""
    one, other = requests[earlier], requests[later]
    path, other_path = (each.path.removesuffix("/attachment") for each in (one, other))
    if not other.writes:
        return False
    # What is written to a child does not show in its parent, but that is not empty any more.
    covers_child = one.method not in ("PUT", "PATCH") and other_path.startswith(f"{path}/")
    covers_parent = other.method == "DELETE" and path.startswith(f"{other_path}/")
    return path == other_path or covers_child or covers_parent


def _looked_up(
    requests: Sequence[Request], answers: list[Answer], indices: Iterable[int], limit: int
) -> Program[dict[int, Exception | None]]:
    """Look at what some of *requests* were to write; as `_unknown`."""
    unknown: dict[int, Exception | None] = {}
    looks: Mapping[int, Pending[Response | None]] = {
        index: Pending(found_out(requests[index])) for index in indices if requests[index].writes
    }
    yield from together(list(looks.values()), limit)
    for index in indices:
        look = looks.get(index)
        if look is None or look.error is not None:
            unknown[index] = None if look is None else look.error
        elif (found := look.result()) is None:
            unknown[index] = None
        else:
            answers[index] = found
    return unknown
