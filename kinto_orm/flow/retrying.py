"""
When to make a request again, and how long to wait before.

There is one policy, around whole operations, so that attempts never multiply.  A request is made
again if that cannot do harm:

- a read, when no usable answer came or the server was not up to it (429, 502, 503, 504);
- a write, when it was certainly not applied: it did not reach the server, or was refused with a
  409 (the database rolled it back, docs/protocol.md, B4) or a 429.

A write whose answer was lost, or that met a 5xx, may have been applied: sending it again without
looking would report a false conflict.  The error goes to the flow: a commit reads back and then
decides (see `session.outcomes`).
"""

from __future__ import annotations

import random

from collections.abc import Callable, Generator
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from attrs import define, field, frozen

from kinto_orm.exceptions import NotSent, TransportError
from kinto_orm.flow.around import around
from kinto_orm.flow.messages import Now, Program, Request, Response, Sleep


T = TypeVar("T")
S = TypeVar("S")

_BUSY = frozenset({429, 502, 503, 504})
_NOT_APPLIED = frozenset({409, 429})


@frozen(kw_only=True)
class RetryPolicy:
    """
    How persistent to be.

    Attributes:
        attempts: How often a request is made at the most, the first time included.
        budget: Seconds, from the first failure on, after which no new attempt begins.
        first: The longest pause before the second attempt, in seconds.  It doubles with each.
        longest: The longest pause of all, in seconds.  A `Retry-After` beyond it is not waited
            for: the error is raised at once.
        jitter: Gives a number from 0 to 1, by which a pause is multiplied, so that clients that
            failed together do not come back together.
    """

    attempts: int = 5
    budget: float = 60.0
    first: float = 0.2
    longest: float = 30.0
    jitter: Callable[[], float] = random.random

    def pause(self, attempt: int) -> float:
        """Return the seconds to wait after *attempt*, the first being 1."""
        longest: float = min(self.longest, self.first * 2.0 ** min(attempt - 1, 1000))
        return longest * (0.5 + 0.5 * self.jitter())


@define
class Pacing:
    """
    What the server asks of all requests of a client: a pause (header `Backoff`).

    Attributes:
        until: When the pause ends, on the clock of `Now`; None if there is none.
    """

    until: float | None = None
    longest: float = field(default=60.0, kw_only=True)


def retrying(
    program: Generator[S, Any, T], policy: RetryPolicy, pacing: Pacing
) -> Generator[S | Request | Sleep | Now, Any, T]:
    """Run *program*, making its requests again as *policy* says and no faster than *pacing*."""
    return around(program, lambda request: _persist(request, policy, pacing))


def _persist(request: Request, policy: RetryPolicy, pacing: Pacing) -> Program[Response]:
    """Make *request*, again if that can do no harm; return the last response."""
    began: float | None = None
    for attempt in range(1, policy.attempts + 1):
        if pacing.until is not None:
            yield from _wait(pacing)
        try:
            response: Response = yield request
        except TransportError as error:
            delay = policy.pause(attempt)
            if attempt == policy.attempts or not _harmless_after(request, error):
                raise
            failure: TransportError | Response = error
        else:
            if "backoff" in response.headers:
                yield from _slow_down(response, pacing)
            if attempt == policy.attempts or not _harmless(request, response):
                return response
            # To a 409 the server says how long to wait for a database that is not there.
            asked = None if response.status == 409 else retry_after(response)
            delay = policy.pause(attempt) if asked is None else asked
            failure = response
        now: float = yield Now()
        began = now if began is None else began
        if delay > policy.longest or now + delay - began > policy.budget:
            return _given_up(failure)
        yield Sleep(delay)
    msg = f"a policy must allow an attempt, not {policy.attempts}"
    raise ValueError(msg)


def _given_up(failure: TransportError | Response) -> Response:
    if isinstance(failure, TransportError):
        raise failure
    return failure


def _harmless_after(request: Request, error: TransportError) -> bool:
    return isinstance(error, NotSent) or not request.writes


def _harmless(request: Request, response: Response) -> bool:
    """Tell whether *request* may be made again after *response*."""
    if response.status == 409 and request.settled:
        return False  # Whoever made it repeats it, with what else was rolled back.
    if response.status in _NOT_APPLIED:
        return True
    return response.status in _BUSY and not request.writes


def retry_after(response: Response) -> float | None:
    """
    Return the seconds that the server asks to wait, or None if it does not say.

    Both forms of `Retry-After` count (RFC 9110, section 10.2.3): seconds, or a date, which is
    compared to the server's own clock.
    """
    value = response.headers.get("retry-after")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(value).replace(tzinfo=UTC)
        now = parsedate_to_datetime(response.headers["date"]).replace(tzinfo=UTC)
    except (KeyError, ValueError, OverflowError):
        return None
    return max(0.0, (until - now).total_seconds())


def _slow_down(response: Response, pacing: Pacing) -> Program[None]:
    """Note in *pacing* what the server asks for in the header `Backoff`."""
    try:
        seconds = float(response.headers["backoff"])
    except ValueError:
        return
    now: float = yield Now()
    pacing.until = now + min(seconds, pacing.longest)


def _wait(pacing: Pacing) -> Program[None]:
    """Wait until *pacing* allows the next request."""
    until = pacing.until
    now: float = yield Now()
    if until is not None and until > now:
        yield Sleep(until - now)
    if pacing.until == until:  # Nobody else was asked to wait longer.
        pacing.until = None
