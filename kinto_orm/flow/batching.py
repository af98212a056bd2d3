"""
Many requests in few: what Kinto's batch endpoint really does, and how to be safe with it.

The rules, by their numbers in docs/protocol.md:

- B1: a body that is a list (a JSON Patch) makes the whole batch a 400.  Such a request leaves the
  batch and travels alone, in its turn; so do files.
- B2: the server overwrites a `Content-Type` header, and then reads a merge patch as a replacement
  of attributes.  It does not overwrite a `content-type`, but that is luck: a merge patch that
  reads differently either way travels alone as well.
- B3: on PostgreSQL, a 409 undoes everything before it in the batch, whatever their answers say,
  and nothing behind it.  Everything up to the last 409 is sent again (`settled`).
- B6: any other error is of its own sub-request alone.
- B7: a conditional GET would make the whole batch a 500, if the answer is a 304: it goes alone.
- B8: a path with ``/batch`` in it is refused, so that one letter of it is percent-encoded.
- B9: headers of the outer request would be inherited by all, so that it has none.

A whole batch that is refused (400, 413) was not applied.  It is halved until the request that is
at fault stands alone, so that the others do not suffer for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeAlias, TypeGuard, TypeVar

import attrs

from kinto_orm.exceptions import (
    AnswerLost,
    KintoException,
    NotAttempted,
    ServerError,
    TransportError,
    existing_of,
)
from kinto_orm.flow.messages import Form, Headers, Program, Request, Response, Sleep, Step
from kinto_orm.flow.recovering import MERGE_PATCH, found_out
from kinto_orm.flow.refusals import response_error
from kinto_orm.flow.retrying import RetryPolicy, is_lost, stands_in_its_own_way


T = TypeVar("T")

#: How long to go on after a 409: other writers may keep a collection busy for a while.
PATIENCE = RetryPolicy(attempts=12, first=0.05, longest=2.0)

NEVER_AGAIN = RetryPolicy(attempts=1)

#: What came of a request of several: a response, or what kept it from having one.
Answer: TypeAlias = Response | KintoException

_CONFLICT = 409
_REFUSED_WHOLE = frozenset({400, 413})


# -- Single round trips ------------------------------------------------------------------------


def travels_alone(request: Request) -> bool:
    """Tell whether *request* cannot be part of a batch (B1, B2, B7)."""
    if isinstance(request.body, (list, Form)) or request.into is not None:
        return True
    if request.method == "GET":
        return "If-None-Match" in request.headers
    if request.headers.get("Content-Type") == MERGE_PATCH:
        return not request.settled and not _reads_the_same(request.body.get("data") or {})
    return False


def _reads_the_same(patch: dict[str, Any]) -> bool:
    """Tell whether a merge *patch* says the same as a replacement of attributes (B2)."""
    return not any(value is None or isinstance(value, dict) for value in patch.values())


def chunks(requests: Sequence[Request], limit: int) -> list[list[int]]:
    """
    Return the indices of *requests*, in their order, as they may travel together.

    Each list is at most *limit* long; what travels alone stands alone.
    """
    parted: list[list[int]] = []
    open_chunk = False
    for index, request in enumerate(requests):
        alone = travels_alone(request)
        if alone or not open_chunk or len(parted[-1]) == limit:
            parted.append([])
        parted[-1].append(index)
        open_chunk = not alone
    return parted


def outer(requests: Sequence[Request]) -> Request:
    """Return the one request that makes all *requests*."""
    if len(requests) == 1:
        return requests[0]
    return Request("POST", "/batch", body={"requests": [_entry(each) for each in requests]})


def _entry(request: Request) -> dict[str, Any]:
    """Return *request* as an entry of a batch."""
    entry: dict[str, Any] = {
        "method": request.method,
        "path": _path(request),
    }
    if request.headers:
        # In lower case, or the server overwrites the content type (B2).
        entry["headers"] = {name.lower(): value for name, value in request.headers.items()}
    if request.body is not None:
        entry["body"] = request.body
    return entry


def _path(request: Request) -> str:
    return request.path_url.replace("/batch", "/%62atch")


def together_once(requests: Sequence[Request]) -> Program[list[Answer]]:
    """
    Make *requests* in one round trip; return what came of each, in order.

    What is known of each is returned, never raised, so that the failure of some does not hide
    what became of others.  If the server refuses them as a whole (400, 413), they are halved until
    the culprit stands alone.
    """
    request = attrs.evolve(outer(requests), settled=True)
    try:
        response: Response = yield request
    except KintoException as error:
        return [error] * len(requests)
    if len(requests) == 1:
        return [response]
    if response.status == _CONFLICT:  # All of them were rolled back (B4).
        return [response] * len(requests)
    if response.status in _REFUSED_WHOLE:
        middle = len(requests) // 2
        first: list[Answer] = yield from together_once(requests[:middle])
        if lost := next((each for each in first if isinstance(each, TransportError)), None):
            return first + [kept_back(each, lost) for each in requests[middle:]]
        return first + (yield from together_once(requests[middle:]))
    if response.status != 200:
        return [response_error(request, response)] * len(requests)
    parts = response.body.get("responses") if isinstance(response.body, dict) else None
    if not _answers_each(parts, len(requests)):
        msg = f"POST /batch: the answer does not have one response for each of {len(requests)}"
        return [AnswerLost(msg, request=request, response=response)] * len(requests)
    return [_part(part) for part in parts]


def _answers_each(parts: Any, count: int) -> TypeGuard[list[dict[str, Any]]]:
    """Tell whether *parts* are the responses to as many requests as *count*."""
    return (
        isinstance(parts, list)
        and len(parts) == count
        and all(isinstance(part, dict) and "status" in part for part in parts)
    )


def _part(part: dict[str, Any]) -> Response:
    return Response(
        part["status"],
        part.get("body") or None,  # A HEAD has an empty string for a body (B11).
        Headers(part.get("headers", {}).items()),
        part.get("rehearsed", False),
    )


# -- Rolled back (B3) --------------------------------------------------------------------------


def settled(requests: Sequence[Request], patience: RetryPolicy = PATIENCE) -> Program[list[Answer]]:
    """
    Make *requests* in one round trip, and again those that a 409 undid.

    An `AnswerLost`, a `ServerError` or a 409 stands for a request of which nothing is known:
    whether it was applied must be looked up.  Any other error is of a request that was not.
    """
    answers: dict[int, Answer] = {}
    written: dict[int, Response] = {}
    undone = list(range(len(requests)))
    for attempt in range(1, patience.attempts + 1):
        now = yield from together_once([requests[index] for index in undone])
        for index, answer in zip(undone, now, strict=True):
            if attempt > 1:
                answer = _confirmed(requests[index], written.get(index), answer)  # noqa: PLW2901
            if isinstance(answer, Response) and answer.status < 300:
                written[index] = answer
            answers[index] = answer
        last = _last_conflict(now)
        if last is None:
            break
        # It undid all before it, and is undone itself.
        undone = undone[: last + 1]
        if attempt < patience.attempts:
            yield Sleep(patience.pause(attempt))
        else:
            answers.update(dict.fromkeys(undone, now[last]))
            break
    return [answers[index] for index in range(len(requests))]


def _last_conflict(answers: Sequence[Answer]) -> int | None:
    """Return the index of the last 409, if there is one."""
    found = [
        index
        for index, answer in enumerate(answers)
        if isinstance(answer, Response) and answer.status == _CONFLICT
    ]
    return found[-1] if found else None


def _confirmed(request: Request, written: Response | None, now: Answer) -> Answer:
    """
    Return the answer to a *request* that is true, after it was repeated: *now*, or *written*.

    A write that was not undone after all (on memory storage nothing ever is) is refused when it
    is repeated.  It was applied if what stands in its way is what it had *written* there itself.
    If the repetition fails, it is not known which of the two storages this is.
    """
    if isinstance(now, KintoException):
        msg = f"{request.method} {request.path} was undone by a 409, and not repeated: {now}"
        return AnswerLost(msg, now, request=request)
    if written is None:
        return now
    if request.method == "DELETE" and now.status == 404:
        return written
    if now.status == 412 and existing_of(now) == (written.body or {}).get("data"):
        return written
    if now.status in (400, 401, 403, 413, 429):  # It says nothing of what is there.
        msg = f"{request.method} {request.path} was undone by a 409, then met a {now.status}"
        return AnswerLost(msg, request=request, response=now)
    return now


# -- Lost --------------------------------------------------------------------------------------


def certain(requests: Sequence[Request], limit: int, policy: RetryPolicy) -> Program[list[Answer]]:
    """
    Make *requests* in one round trip; find out what became of those whose answers were lost.

    Those that were not applied are sent again, as often as *policy* says: first together, then
    each alone, since the server may be unable to stand one of them (B5).
    """
    answers = dict(enumerate((yield from settled(requests))))
    repeated: set[int] = set()
    for attempt in range(1, policy.attempts):
        again = [index for index, answer in answers.items() if _is_unread(requests, index, answer)]
        doubtful = [
            index
            for index, answer in answers.items()
            if is_lost(requests[index], answer)
            or (index in repeated and stands_in_its_own_way(answer))
        ]
        if not (doubtful or again):
            break
        yield Sleep(policy.pause(attempt))
        looks = {index: Pending(found_out(requests[index])) for index in doubtful}
        yield from together(list(looks.values()), limit)
        for index, look in looks.items():
            if look.error is not None:
                continue
            if (found := look.result()) is not None:
                answers[index] = found
            elif is_lost(requests[index], answers[index]):
                again.append(index)
        if not again:
            break
        repeated = set(again)
        for group in [sorted(again)] if attempt == 1 else [[index] for index in sorted(again)]:
            made = yield from settled([requests[index] for index in group])
            answers.update(zip(group, made, strict=True))
    return [answers[index] for index in range(len(requests))]


def _is_unread(requests: Sequence[Request], index: int, answer: Answer) -> bool:
    """Tell whether a read was lost with the writes that it was sent with, and only so."""
    lost = isinstance(answer, (AnswerLost, ServerError))
    return lost and not requests[index].writes and any(each.writes for each in requests)


# -- Batches of recorded operations ------------------------------------------------------------


class Pending(Generic[T]):
    """
    The result-to-be of an operation that a batch recorded.

    Attributes:
        step: What the operation waits for; None if it has ended.
    """

    step: Step | None = None
    _value: T
    _error: Exception | None = None

    def __init__(self, flow: Program[T]) -> None:
        self._flow = flow
        self._answers: list[Response] = []
        self._advance(lambda: next(flow))  # Raises at once what is wrong with the arguments.

    def __repr__(self) -> str:
        if isinstance(self.step, Request):
            return f"<Pending {self.step.method} {self.step.path}>"
        outcome = "done" if self._error is None else repr(self._error)
        return f"<Pending: {outcome}>"

    def result(self) -> T:
        """
        Return what the operation returned, or raise what it raised.

        Raises:
            RuntimeError: If its batch has not been sent yet.
        """
        if self.step is not None:
            msg = f"the batch with {self!r} has not been sent yet"
            raise RuntimeError(msg)
        if self._error is not None:
            raise self._error
        return self._value

    @property
    def error(self) -> Exception | None:
        """Return what the operation raised, if it did."""
        return self._error

    @property
    def body(self) -> Any:
        """Return what the server answered: of several pages, one with the data of all."""
        if self.step is not None or (not self._answers and self._error is not None):
            return self.result()  # Raises.
        if not self._answers:
            return self._value  # It was known without a request.
        pages = [each.body["data"] for each in self._answers if _is_page(each.body)]
        if len(pages) > 1:
            return {"data": [item for page in pages for item in page]}
        return self._answers[-1].body

    @property
    def answer(self) -> dict[str, Any]:
        """Return the server's last answer as a batch has it: *status*, *headers* and *body*."""
        if not self._answers:
            return {"status": None, "headers": {}, "body": {"message": str(self._error or "")}}
        last = self._answers[-1]
        return {"status": last.status, "headers": dict(last.headers), "body": last.body}

    def receive(self, answer: Any) -> None:
        """Give the operation the *answer* to its step: it goes on to the next, or to its end."""
        if isinstance(answer, Response):
            self._answers.append(answer)
        self._go_on(lambda: self._flow.send(answer))

    def fail(self, error: Exception) -> None:
        """Have *error* raised inside the operation, which may go on nevertheless."""
        self._go_on(lambda: self._flow.throw(error))

    def _go_on(self, to_next: Callable[[], Step]) -> None:
        try:
            self._advance(to_next)
        except Exception as error:  # noqa: BLE001 (kept for the one who asks for the result)
            self._flow.close()
            self.step, self._error = None, error

    def _advance(self, to_next: Callable[[], Step]) -> None:
        try:
            self.step = to_next()
        except StopIteration as stop:
            self.step, self._value = None, stop.value


def _is_page(body: Any) -> bool:
    return isinstance(body, dict) and isinstance(body.get("data"), list)


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


def kept_back(request: Request, cause: KintoException) -> NotAttempted:
    """Return the error of a *request* that was not made because of *cause*."""
    msg = f"{request.method} {request.path} was not sent, since a request before it failed: {cause}"
    error = NotAttempted(msg, request=request)
    error.__cause__ = cause
    return error
