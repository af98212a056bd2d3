"""
When to make a request again, and how long to wait before.

There is one policy, around whole operations, so that attempts never multiply.  A request is made
again if that cannot do harm:

- a read, when no usable answer came or the server was not up to it (429, 502, 503, 504);
- a write, when it was certainly not applied: it did not reach the server, or was refused with a
  409 (the database rolled it back, docs/protocol.md, B4) or a 429;
- a write whose answer was lost, or that met a 5xx, when a look at the server says that it was not
  applied (see `recovering`).  If it was, the answer is made from what is there: to send it again
  would report a false conflict.  Whoever makes a request that is `settled` looks for himself.

A look that fails counts as an attempt.
"""

from __future__ import annotations

import logging
import math
import random

from collections.abc import Callable, Generator
from datetime import UTC
from typing import Any, TypeAlias, TypeGuard, TypeVar

from attrs import define, field, frozen

from kinto_orm.exceptions import (
    AnswerLost,
    BackoffException,
    KintoException,
    NotSent,
    OutcomeUnknown,
    ServerError,
    TransportError,
)
from kinto_orm.flow.around import around
from kinto_orm.flow.messages import Now, Program, Request, Response, Sleep, Step
from kinto_orm.flow.recovering import can_be_found_out, found_out


logger: logging.Logger = logging.getLogger(__name__)

T = TypeVar("T")
S = TypeVar("S")

#: What came of an attempt.
Outcome: TypeAlias = Response | TransportError

_BUSY = frozenset({429, 502, 503, 504})
_NOT_APPLIED = frozenset({409, 429})


def _is_one_or_more(_: Any, __: Any, attempts: int) -> None:
    if attempts < 1:
        msg = f"a policy must allow an attempt, not {attempts}"
        raise ValueError(msg)


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
        fixed: Seconds of each pause, whatever the server says, instead of all that.
        backoff: The longest `Backoff` of the server that is waited out, in seconds.  One beyond
            it is a `BackoffException` for the requests that follow, until it is over.
        jitter: Gives a number from 0 to 1, by which a pause is multiplied, so that clients that
            failed together do not come back together.
    """

    attempts: int = field(default=5, validator=_is_one_or_more)
    budget: float = 60.0
    first: float = 0.2
    longest: float = 30.0
    fixed: float | None = None
    backoff: float = 60.0
    jitter: Callable[[], float] = random.random

    def pause(self, attempt: int) -> float:
        """Return the seconds to wait after *attempt*, the first being 1."""
        if self.fixed is not None:
            return self.fixed
        longest: float = min(self.longest, self.first * 2.0 ** min(attempt - 1, 1000))
        return longest * (0.5 + 0.5 * self.jitter())


@define
class Pacing:
    """
    What the server asks of all requests of a client.

    Attributes:
        until: When the pause ends that it asked for (header `Backoff`), on the clock of `Now`;
            None if there is none.
        alerts: What it has to say to people (header `Alert`), until somebody says it.
    """

    until: float | None = None
    alerts: list[str] = field(factory=list[str])


def retrying(
    program: Generator[S, Any, T], policy: RetryPolicy, pacing: Pacing
) -> Generator[S | Step, Any, T]:
    """Run *program*, making its requests again as *policy* says and no faster than *pacing*."""
    return around(program, lambda request: _persist(request, policy, pacing))


@define
class Attempts:
    """
    Counts the attempts at something, and pauses between them.

    Attributes:
        policy: How many there may be, and how long they may take.
        made: How many have begun.
    """

    policy: RetryPolicy
    made: int = 1
    _began: float | None = None

    def paused(self, request: Request, outcome: Response | KintoException) -> Program[bool]:
        """
        Pause after *outcome* of *request*, if there may be another attempt.

        Returns:
            Whether there may.
        """
        policy = self.policy
        if policy.attempts == 1:
            return False
        if self.made == policy.attempts:
            self._give_up(request, outcome)
            return False
        delay = _delay(outcome, policy, self.made)
        now: float = yield Now()
        self._began = now if self._began is None else self._began
        too_late = now + delay - self._began > policy.budget
        if too_late or delay > max(policy.longest, policy.fixed or 0):
            self._give_up(request, outcome, f", since a pause of {delay:.1f} s is too long")
            return False
        logger.info(
            "%s %s: %s; attempt %d of %d in %.1f s",
            request.method,
            request.path,
            named(outcome),
            self.made + 1,
            policy.attempts,
            delay,
        )
        yield Sleep(delay)
        self.made += 1
        return True

    def _give_up(self, request: Request, outcome: Response | KintoException, why: str = "") -> None:
        what = f"{request.method} {request.path}: {named(outcome)}"
        logger.warning("%s; given up after attempt %d%s", what, self.made, why)


def named(outcome: Response | KintoException) -> str:
    """Return what *outcome* is called in logs, which do not have what a server says."""
    return str(outcome.status) if isinstance(outcome, Response) else type(outcome).__name__


def _persist(request: Request, policy: RetryPolicy, pacing: Pacing) -> Program[Response]:
    """Make *request*, again if that can do no harm; return the last response."""
    attempts = Attempts(policy)
    lost: Outcome | None = None  # Why it is not known whether a write was applied.
    repeated = False
    while True:
        outcome: Outcome | None = None
        if lost is not None:
            try:
                outcome = yield from _looked_up(request, policy, pacing)
            except OutcomeUnknown:
                logger.warning(
                    "%s %s: %s; it is not known whether it was applied",
                    request.method,
                    request.path,
                    named(lost),
                )
                return _given_up(lost)
            except KintoException:
                outcome = lost
            repeated = outcome is None
        if outcome is None:
            outcome = yield from _tried(request, policy, pacing)
            if repeated and stands_in_its_own_way(outcome):
                return (yield from _explained(request, outcome, policy, pacing))
        lost = outcome if is_lost(request, outcome) else None
        if lost is None and not _harmless(request, outcome):
            return _given_up(outcome)
        if not (yield from attempts.paused(request, outcome)):
            return _given_up(outcome)


def _explained(
    request: Request, refusal: Response, policy: RetryPolicy, pacing: Pacing
) -> Program[Response]:
    """Return the true answer to a repeated *request*: its first try may have come late."""
    try:
        found = yield from _looked_up(request, policy, pacing)
    except KintoException as error:
        raise not_explained(request, refusal, error) from error
    return refusal if found is None else found


def not_explained(request: Request, refusal: Response, why: Exception) -> AnswerLost:
    """Return the error of a repeated *request*: it may have met what it had written itself."""
    msg = (
        f"{request.method} {request.path} was lost, repeated, and met a {refusal.status}, which may"
        f" be because of the first try: {why}"
    )
    return AnswerLost(msg, request=request, response=refusal)


def stands_in_its_own_way(outcome: object) -> TypeGuard[Response]:
    """Tell whether a repeated write may be refused because its first try came late."""
    return isinstance(outcome, Response) and outcome.status in (404, 412)


def _tried(request: Request, policy: RetryPolicy, pacing: Pacing) -> Program[Outcome]:
    """Make *request* once, when the server wants it; return what came of it."""
    if pacing.until is not None:
        yield from _wait(request, policy, pacing)
    try:
        response: Response = yield request
    except TransportError as error:
        return error
    if "backoff" in response.headers:
        yield from _slow_down(response, pacing)
    if (alert := response.headers.get("alert")) is not None and alert not in pacing.alerts:
        logger.warning("the server says: %s", alert)
        pacing.alerts.append(alert)
    return response


def _looked_up(request: Request, policy: RetryPolicy, pacing: Pacing) -> Program[Response | None]:
    """Return the answer to *request*, a write that was lost; None if it was not applied."""

    def read(step: Request) -> Program[Response]:
        outcome = yield from _tried(step, policy, pacing)
        return _given_up(outcome)

    return (yield from around(found_out(request), read))


def is_lost(request: Request, outcome: object) -> bool:
    """Tell whether *outcome* leaves it open whether *request* was applied, and that can be told."""
    if not request.writes or request.settled or request.once or not can_be_found_out(request):
        return False
    if isinstance(outcome, Response):
        return outcome.status >= 500
    return isinstance(outcome, (AnswerLost, ServerError))


def _harmless(request: Request, outcome: Outcome) -> bool:
    """Tell whether *request* may be made again after *outcome*."""
    if request.once:
        return False
    if isinstance(outcome, TransportError):
        return isinstance(outcome, NotSent) or not request.writes
    if outcome.status == 409 and request.settled:
        return False  # Whoever made it repeats it, with what else was rolled back.
    if outcome.status in _NOT_APPLIED:
        return True
    return outcome.status in _BUSY and not request.writes


def _given_up(outcome: Outcome) -> Response:
    if isinstance(outcome, TransportError):
        raise outcome
    return outcome


def _delay(outcome: Response | KintoException, policy: RetryPolicy, attempt: int) -> float:
    """Return the seconds to wait after *outcome*."""
    response = outcome if isinstance(outcome, Response) else outcome.response
    asked = None
    # To a 409 the server says how long to wait for a database that is not there.
    if response is not None and response.status != 409 and policy.fixed is None:
        asked = retry_after(response)
    return policy.pause(attempt) if asked is None else asked


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
    from email.utils import parsedate_to_datetime  # With much else, for few answers.

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
    if 0 < seconds < math.inf:
        logger.info("the server asks for a pause of %.1f s (Backoff)", seconds)
        now: float = yield Now()
        pacing.until = now + seconds


def _wait(request: Request, policy: RetryPolicy, pacing: Pacing) -> Program[None]:
    """
    Wait until *pacing* allows the next request.

    Raises:
        BackoffException: If that is later than *policy* allows.
    """
    until = pacing.until
    now: float = yield Now()
    if until is not None and until > now:
        left = until - now
        if left > policy.backoff:
            msg = (
                f"{request.method} {request.path} was not sent: the server asks for a pause of"
                f" {left:.0f} more seconds (Backoff). Wait, or allow it: RetryPolicy(backoff=…)"
            )
            raise BackoffException(msg, left, request=request)
        yield Sleep(left)
    if pacing.until == until:  # Nobody else was asked to wait longer.
        pacing.until = None
