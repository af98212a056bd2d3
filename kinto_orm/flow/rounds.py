"""
Recorded operations, run together; and what became of those whose answers were lost.

Requests travel in the order of their operations, as many at a time as fit.  What belongs together
does not travel together: a batch is no transaction, and in the end its requests were not made in
their order.  A 409 undoes what was before it and not what is behind it (B3); what is deleted takes
with it what the batch put there afterwards (B10); a batch that is lost is looked up object by
object.  So a request waits for the next round if one before it is for the same object, or for one
above or below it, and either writes.

A batch is not answered as a whole when the connection breaks, or the server fails (B5).  Its
writes are looked up then, all at once, and those that were not applied are sent again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kinto_orm.exceptions import (
    AnswerLost,
    KintoException,
    NotAttempted,
    NotSent,
    OutcomeUnknown,
    ServerError,
    TransportError,
)
from kinto_orm.flow.batching import PATIENCE, Answer, Chunk, kept_back, settled
from kinto_orm.flow.messages import Program, Request, Response, Step
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

    An operation that turns out to need a second request has it made in the next round, before
    those behind it.  An operation that fails does not keep the others from going on.  When no
    answer comes, and *policy* does not help, those under way end with that error, and those
    behind them are not sent.
    """
    waiting = deque(pending for pending in recorded if pending.step is not None)
    under_way: list[Pending[Any]] = []
    try:
        while waiting:
            under_way = yield from _next_round(waiting, limit)
            requests = [each.step for each in under_way if isinstance(each.step, Request)]
            if not requests:
                continue
            answers = yield from certain(requests, limit, policy)
            for pending, answer in zip(under_way, answers, strict=True):
                if isinstance(answer, Response):
                    pending.receive(answer)
                else:
                    pending.fail(answer)
            if (broken := _why_to_stop(answers)) is not None:
                while waiting:
                    _keep_back(waiting.popleft(), broken)
            waiting.extendleft(each for each in reversed(under_way) if each.step is not None)
            under_way = []
    except BaseException as error:
        for pending in under_way:
            if pending.step is not None:
                pending.end(_interrupted(pending.step, error))
        for pending in waiting:
            _keep_back(pending, error)
        raise


def _next_round(waiting: deque[Pending[Any]], limit: int) -> Program[list[Pending[Any]]]:
    """Take from *waiting* the first ones that may travel together, ready for that."""
    chunk = Chunk(limit)
    taken: list[Pending[Any]] = []
    try:
        while waiting:
            yield from _prepared(waiting[0])
            request = waiting[0].step
            if isinstance(request, Request):
                if not chunk.takes(request):
                    break
                taken.append(waiting[0])
            waiting.popleft()
    except BaseException:
        waiting.extendleft(reversed(taken))  # They were not sent.
        raise
    return taken


def _keep_back(pending: Pending[Any], cause: BaseException) -> None:
    """End *pending*, which was not sent, because of *cause*."""
    if isinstance(pending.step, Request):
        pending.end(kept_back(pending.step, cause))
    else:
        error = NotAttempted(f"it went no further, since a request failed: {cause!r}")
        error.__cause__ = cause
        pending.end(error)


def _interrupted(step: Step, cause: BaseException) -> AnswerLost:
    """Return the error of an operation that was under way, with this *step*."""
    request = step if isinstance(step, Request) else None
    what = "it" if request is None else f"{request.method} {request.path}"
    error = AnswerLost(f"{what} was interrupted: it may have been applied", request=request)
    error.__cause__ = cause
    return error


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

    They are for objects that have nothing to do with each other (see `Chunk`).  Those that were not
    applied are sent again, as often as *policy* says: first together, then each alone, since the
    server may be unable to stand one of them (B5).
    """
    patience = PATIENCE if policy.attempts > 1 else NEVER_AGAIN
    answers = yield from settled(requests, patience)
    attempts = Attempts(policy)
    doubtful = _doubtful(requests, answers, range(len(requests)))
    while doubtful and (yield from attempts.paused(requests[doubtful[0]], answers[doubtful[0]])):
        unknown = yield from _looked_up(requests, answers, doubtful, limit)
        again = [index for index in doubtful if index in unknown and unknown[index] is None]
        for group in [again] if attempts.made == 2 and again else [[index] for index in again]:
            made = yield from settled([requests[index] for index in group], patience)
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


def _looked_up(
    requests: Sequence[Request], answers: list[Answer], indices: Iterable[int], limit: int
) -> Program[dict[int, Exception | None]]:
    """
    Look at what some of *requests* were to write; give *answers* to those that were applied.

    Returns:
        Of those that were not, None; of those of which that is not known, why.
    """
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
