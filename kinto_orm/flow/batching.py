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
- B11: what all sub-requests have alike, method or headers, is said once, as a default.
- B3, B10: what has to do with each other does not travel together (`Chunk`).

A whole batch that is refused (400, 413) was not applied.  It is halved until the request that is
at fault stands alone, so that the others do not suffer for it.
"""

from __future__ import annotations

import logging

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Protocol, TypeAlias, TypeGuard

from kinto_orm.exceptions import (
    AnswerLost,
    KintoException,
    NotAttempted,
    TransportError,
    UnsendableValue,
)
from kinto_orm.flow.messages import Form, Headers, Program, Request, Response, Sleep
from kinto_orm.flow.recovering import MERGE_PATCH
from kinto_orm.flow.refusals import existing_of, response_error
from kinto_orm.flow.retrying import RetryPolicy


logger: logging.Logger = logging.getLogger(__name__)

#: How long to go on after a 409: other writers may keep a collection busy for a while.
PATIENCE = RetryPolicy(attempts=12, first=0.05, longest=2.0)

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


class Chunk:
    """
    What travels together: *limit* requests at the most, none of which has to do with another.

    Two have to do with each other if either writes, or leads to a write, and they are for the same
    object, or for one above or below the other.
    """

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._read, self._written = _Places(), _Places()

    def takes(self, request: Request) -> bool:
        """Take *request*, if it may travel with those that were taken; tell whether it may."""
        alone, place = travels_alone(request), _place(request)
        if self._left == 0 or (alone and (self._read or self._written)):
            return False
        above = _above(place)
        writes = request.writes or request.leads
        if self._written.touch(place, above) or (writes and self._read.touch(place, above)):
            return False
        (self._written if writes else self._read).add(place, above)
        self._left = 0 if alone else self._left - 1
        return True


class _Places:
    """Paths, and those above them."""

    def __init__(self) -> None:
        self._places: set[str] = set()
        self._above: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._places)

    def add(self, place: str, above: Sequence[str]) -> None:
        """Add *place*, and what is *above* it."""
        self._places.add(place)
        self._above.update(above)

    def touch(self, place: str, above: Sequence[str]) -> bool:
        """Tell whether one of them is *place*, or *above* or below it."""
        if place in self._places or place in self._above:
            return True
        return not self._places.isdisjoint(above)


def _place(request: Request) -> str:
    """Return the path of the object, or the list, that *request* is for."""
    path = request.path.removesuffix("/attachment")
    if path in ("/permissions", "/__flush__"):
        return ""  # It is of all there is.
    return path.removesuffix("/history").removesuffix("/changeset")


def _above(place: str) -> list[str]:
    """Return the paths above *place*: of ``/buckets/b``, that is ``/buckets`` and nothing."""
    return [*accumulate(place.split("/")[:-1], "{}/{}".format)]


def outer(requests: Sequence[Request]) -> Request:
    """Return the one request that makes all *requests*."""
    if len(requests) == 1:
        return requests[0]
    return Request(
        "POST",
        "/batch",
        body=_said_once([_entry(each) for each in requests]),
        once=all(each.once for each in requests),
    )


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


def _said_once(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the body of a batch of *entries*, in which what all have alike is a default (B11)."""
    first = entries[0]
    alike = {
        name: first[name]
        for name in ("method", "headers")
        if name in first and all(each.get(name) == first[name] for each in entries)
    }
    if not alike:
        return {"requests": entries}
    rest = [{name: each[name] for name in each if name not in alike} for each in entries]
    return {"defaults": alike, "requests": rest}


def _path(request: Request) -> str:
    return request.path_url.replace("/batch", "/%62atch")


class Bracket(Protocol):
    """What goes before and behind the requests of each batch: a lock, say."""

    def before(self, requests: Sequence[Request]) -> list[Request]:
        """Return what goes before *requests*."""
        ...

    def behind(self, requests: Sequence[Request]) -> list[Request]:
        """Return what goes behind *requests*."""
        ...

    def told(self, requests: Sequence[Request], answers: Sequence[Response]) -> None:
        """Note the *answers* to what went before *requests*."""


def together_once(
    requests: Sequence[Request], bracket: Bracket | None = None
) -> Program[list[Answer]]:
    """
    Make *requests* in one round trip; return what came of each, in order.

    What is known of each is returned, never raised, so that the failure of some does not hide
    what became of others.  If the server refuses them as a whole (400, 413), they are halved until
    the culprit stands alone.
    """
    before = [] if bracket is None else bracket.before(requests)
    behind = [] if bracket is None else bracket.behind(requests)
    entries = [*before, *requests, *behind]
    request = outer(entries).as_settled()
    try:
        response: Response = yield request
    except KintoException as error:
        if isinstance(error, UnsendableValue) and len(requests) > 1:
            return (yield from _halved(requests, bracket))
        return [error] * len(requests)
    if len(entries) == 1:
        return [response]
    if response.status == _CONFLICT:  # All of them were rolled back (B4).
        return [response] * len(requests)
    if response.status in _REFUSED_WHOLE and len(requests) > 1:
        return (yield from _halved(requests, bracket))
    if response.status != 200:
        return [response_error(request, response)] * len(requests)
    parts = response.body.get("responses") if isinstance(response.body, dict) else None
    if not _answers_each(parts, len(entries)):
        msg = f"POST /batch: the answer does not have one response for each of {len(entries)}"
        return [AnswerLost(msg, request=request, response=response)] * len(requests)
    answers = [_part(part) for part in parts]
    if bracket is not None:
        bracket.told(requests, answers[: len(before)])
    end = len(before) + len(requests)
    undone = next((each for each in answers[end:] if each.status == _CONFLICT), None)
    # A 409 behind them undid them all (B3).
    return list(answers[len(before) : end]) if undone is None else [undone] * len(requests)


def _halved(requests: Sequence[Request], bracket: Bracket | None) -> Program[list[Answer]]:
    """Make *requests* in two round trips, since one of them spoils it for all."""
    middle = len(requests) // 2
    first: list[Answer] = yield from together_once(requests[:middle], bracket)
    if lost := next((each for each in first if isinstance(each, TransportError)), None):
        return first + [kept_back(each, lost) for each in requests[middle:]]
    return first + (yield from together_once(requests[middle:], bracket))


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


def kept_back(request: Request, cause: BaseException) -> NotAttempted:
    """Return the error of a *request* that was not made because of *cause*."""
    why = str(cause) or repr(cause)
    msg = f"{request.method} {request.path} was not sent, since a request before it failed: {why}"
    error = NotAttempted(msg, request=request)
    error.__cause__ = cause
    return error


# -- Rolled back (B3) --------------------------------------------------------------------------


def settled(
    requests: Sequence[Request],
    patience: RetryPolicy = PATIENCE,
    bracket: Bracket | None = None,
) -> Program[list[Answer]]:
    """
    Make *requests* in one round trip, and again those that a 409 undid.

    An `AnswerLost`, a `ServerError` or a 409 stands for a request of which nothing is known:
    whether it was applied must be looked up.  Any other error is of a request that was not.
    """
    answers: dict[int, Answer] = {}
    written: dict[int, Response] = {}
    undone = list(range(len(requests)))
    for attempt in range(1, patience.attempts + 1):
        now = yield from together_once([requests[index] for index in undone], bracket)
        for index, answer in zip(undone, now, strict=True):
            if attempt > 1:
                answer = _confirmed(requests[index], written.get(index), answer)  # noqa: PLW2901
            if isinstance(answer, Response) and answer.status < 300:
                written[index] = answer
            answers[index] = answer
        last = _last_conflict(now)
        if last is None:
            break
        # It undid all before it, and is undone itself.  What cannot be sent never was there.
        undone = [
            index for index in undone[: last + 1] if not isinstance(answers[index], UnsendableValue)
        ]
        if attempt < patience.attempts:
            delay = patience.pause(attempt)
            logger.info("a 409 undid %d requests; they are repeated in %.1f s", len(undone), delay)
            yield Sleep(delay)
        else:
            logger.warning(
                "a 409 undid %d requests; given up: they were tried %d times", len(undone), attempt
            )
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
