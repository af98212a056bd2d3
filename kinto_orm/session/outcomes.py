"""
From responses to what is true on the server.

A response says what became of a write, with three exceptions:

- A 409 in a batch undid what was before it.  `flow.batching.settled` sends that again.
- No answer, or a 5xx, says nothing.  The records are read back and compared: what is as it was
  before is sent again, with its precondition, so that a first try that is late can do no harm.
- A 412 whose `existing` is exactly what was meant is no conflict (see `judging`).
"""

from __future__ import annotations

import logging

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from kinto_orm.exceptions import (
    AnswerLost,
    KintoException,
    NotAttempted,
    NotSent,
    PreconditionFailed,
    ServerError,
    TransactionConflict,
    TransportError,
)
from kinto_orm.flow.batching import PATIENCE, Answer, settled
from kinto_orm.flow.messages import Program, Response, Sleep
from kinto_orm.flow.refusals import existing_of, is_of_kinto, response_error
from kinto_orm.flow.retrying import RetryPolicy, not_explained, stands_in_its_own_way
from kinto_orm.session.changes import Change, Write
from kinto_orm.session.judging import (
    conflicting,
    failed,
    judged,
    kept_back,
    not_made,
    of_one,
    seen,
    unknown,
)
from kinto_orm.session.locking import Locking, warn_of_unlocked
from kinto_orm.session.plans import Plan
from kinto_orm.session.results import Fate, Outcome
from kinto_orm.session.sights import looked_up
from kinto_orm.session.snapshots import Stored


logger: logging.Logger = logging.getLogger(__name__)

_NO_COPY: Final = "its copy is not where it moves to"

#: Errors after which it is not known whether a write was applied.
_OPEN = (AnswerLost, ServerError)


class Ledger(Protocol):
    """Who is told what is sent, before it is, and what became of it, as soon as that is known."""

    def sending(self, writes: Sequence[Write]) -> None:
        """Note that *writes* are about to be sent."""

    def note(self, outcome: Outcome) -> None:
        """Note what became of a write."""

    def is_ready(self, change: Change) -> bool:
        """Tell whether what must be there before *change* is sent is there."""
        ...

    def answered(self, writes: Sequence[Write], *, requests: int) -> Program[None]:
        """Do what is to be done when it has been noted what became of *writes*, in *requests*."""
        ...


def carried_out(plan: Plan, ledger: Ledger, patience: RetryPolicy = PATIENCE) -> Program[None]:
    """
    Send what *plan* says, chunk after chunk; tell *ledger* what becomes of each write.

    When the server is out of reach, what is left of the plan is not sent.  When it was only unable
    to say what it had, it is asked again at the end, as long as it says something.
    """
    broken: KintoException | None = None
    unseen: dict[Write, KintoException] = {}
    bracket = Locking(plan.writes) if plan.locked else None
    if plan.locked:
        warn_of_unlocked(plan.writes)
    for chunk in plan.chunks:
        ready = [write for write in chunk if broken is None and ledger.is_ready(write.change)]
        for write in chunk if len(ready) < len(chunk) else ():
            if write not in ready:
                why = f"a request before it failed: {broken}" if broken else _NO_COPY
                ledger.note(not_made(write, kept_back(write, why, broken)))
        if ready:
            broken = yield from _sent(ready, ledger, patience, bracket, unseen)
        yield from ledger.answered(chunk, requests=1 if ready else 0)
    while unseen and broken is None:
        left: dict[Write, KintoException] = {}
        broken = yield from _recovered(unseen, ledger, patience, bracket, left)
        yield from ledger.answered((), requests=0)
        if len(left) == len(unseen):
            break
        unseen = left


def _sent(
    writes: Sequence[Write],
    ledger: Ledger,
    patience: RetryPolicy,
    bracket: Locking | None,
    unseen: dict[Write, KintoException],
) -> Program[KintoException | None]:
    """
    Send *writes* together; return the error after which nothing more should be sent.

    Those that the server could not be asked about are added to *unseen*.
    """
    ledger.sending(writes)
    answers = yield from settled([write.request for write in writes], patience, bracket)
    left = _judged(writes, answers, ledger)
    if left:
        return (yield from _recovered(left, ledger, patience, bracket, unseen))
    lost = (each for each in answers if isinstance(each, (NotSent, NotAttempted)))
    return next(lost, None)


def _judged(
    writes: Sequence[Write],
    answers: Sequence[Answer],
    ledger: Ledger,
    before: Mapping[Write, KintoException] | None = None,
) -> dict[Write, KintoException]:
    """
    Tell what *answers* say; return the writes of which they say nothing, and why.

    Args:
        writes: What was sent.
        answers: What came of it.
        ledger: Whom to tell.
        before: Why nothing was known of them the time before, if there was one.
    """
    left: dict[Write, KintoException] = {}
    for write, answer in zip(writes, answers, strict=True):
        if isinstance(answer, _OPEN):
            left[write] = answer
            continue
        if isinstance(answer, KintoException):
            outcome: Outcome | None = not_made(write, of_one(write, answer))
        else:
            outcome = judged(write, answer, again=before is not None)
            if outcome is None:
                left[write] = _open(write, answer, again=before is not None)
                continue
        assert outcome is not None
        if outcome.fate is Fate.ERROR and before is not None and _may_be_late(before[write]):
            outcome = unknown(write, before[write])  # Refused this time: the first may yet come.
        ledger.note(outcome)
    return left


def _open(write: Write, answer: Response, *, again: bool) -> KintoException:
    """Return why *answer* does not say what became of *write*."""
    error = response_error(write.request, answer)
    if stands_in_its_own_way(answer) and (again or write.change.earlier):
        return not_explained(write.request, answer, error)
    return error


def _may_be_late(error: KintoException) -> bool:
    """Tell whether a write that met *error* may still be applied."""
    if isinstance(error, ServerError):
        return not is_of_kinto(error.response)
    return isinstance(error, AnswerLost)


# -- No answer ---------------------------------------------------------------------------------


def _recovered(
    open_writes: Mapping[Write, KintoException],
    ledger: Ledger,
    patience: RetryPolicy,
    bracket: Locking | None,
    unseen: dict[Write, KintoException],
) -> Program[KintoException | None]:
    """
    Find out what became of writes, and send again what was not applied.

    Those that the server cannot be asked about are unknown for now, and added to *unseen*.

    First all of it together; then each alone, since one that the server cannot stand (a 5xx)
    takes down those that travel with it.  What only ever met 409s was sent often enough.
    """
    left = dict(open_writes)
    only_conflicts = all(isinstance(error, TransactionConflict) for error in left.values())
    rounds = (None,) if only_conflicts else (True, False, None)
    for attempt, together in enumerate(rounds, 1):
        logger.info("%s writes were not answered, and are looked up", len(left))
        yield Sleep(patience.pause(attempt))
        sights = yield from looked_up([write.change.key for write in left])
        for write, sight in zip(list(left), sights, strict=True):
            if isinstance(sight, KintoException):
                ledger.note(known := _unseen(write, left[write]))
                if known.fate is Fate.UNKNOWN:
                    unseen[write] = left[write]
            elif (outcome := seen(write, sight, again=_was_lost(left[write]))) is not None:
                ledger.note(outcome)
            else:
                continue
            del left[write]
        if sights and isinstance(lost := sights[-1], TransportError):
            for write, error in left.items():
                ledger.note(unknown(write, error))
            return lost
        if together is None:
            break
        groups = [list(left)] if together else [[write] for write in left]
        for group in filter(None, groups):
            ledger.sending(group)
            answers = yield from settled([write.request for write in group], patience, bracket)
            unanswered = _judged(group, answers, ledger, left)
            for write in group:
                del left[write]
            left |= unanswered
    for write, error in left.items():
        late = _may_be_late(error)
        ledger.note(unknown(write, error) if late else failed(write, of_one(write, error)))
    return None


def _was_lost(error: KintoException) -> bool:
    """Tell whether a write that met *error* may have been applied."""
    return not isinstance(error, PreconditionFailed)  # Which is of a first try, see `_open`.


def _unseen(write: Write, error: KintoException) -> Outcome:
    """Return what is known of *write*, which met *error*, when the server cannot be asked."""
    if not _was_lost(error) and (response := error.response) is not None:
        return conflicting(write, Stored(existing_of(response) or {}), again=False)
    return unknown(write, error)
