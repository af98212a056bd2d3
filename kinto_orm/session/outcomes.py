"""
From responses to what is true on the server.

A response says what became of a write, with three exceptions:

- A 409 in a batch undid what was before it.  `flow.batching.settled` sends that again.
- No answer, or a 5xx, says nothing.  The records are read back and compared: what is as it was
  before is sent again, with its precondition, so that a first try that is late can do no harm.
- A 412 whose `existing` is exactly what was meant is no conflict: the record is as it should be.

A record that is gone has three shapes (docs/protocol.md, P2); here they are one.
"""

from __future__ import annotations

import logging

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

from attrs import evolve

from kinto_orm.client.endpoints.objects import data_of, permissions_of
from kinto_orm.exceptions import (
    AnswerLost,
    Conflict,
    KintoException,
    NotAttempted,
    NotSent,
    OutcomeUnknown,
    PreconditionFailed,
    SchemaViolation,
    ServerError,
    TransactionConflict,
    TransportError,
)
from kinto_orm.flow.batching import PATIENCE, Answer, settled
from kinto_orm.flow.messages import Document, Program, Response, Sleep
from kinto_orm.flow.refusals import (
    existing_of,
    is_of_kinto,
    missing_of,
    response_error,
    schema_violation,
)
from kinto_orm.flow.retrying import RetryPolicy, not_explained, stands_in_its_own_way
from kinto_orm.models.parts import known_part
from kinto_orm.models.permissions import permitted
from kinto_orm.patch_type import JSONPatch, PatchType
from kinto_orm.session.changes import Aim, Change, Write
from kinto_orm.session.locking import Locking
from kinto_orm.session.patches import leaves_as_it_is
from kinto_orm.session.plans import Plan
from kinto_orm.session.results import Fate, Outcome
from kinto_orm.session.sights import looked_up
from kinto_orm.session.snapshots import Stored, agree, has_kept, without_stamps
from kinto_orm.session.three_way import three_way


logger: logging.Logger = logging.getLogger(__name__)

_DONE: Final = {"create": Fate.CREATED, "update": Fate.UPDATED, "delete": Fate.DELETED}

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

    def answered(self, writes: Sequence[Write], *, requests: int) -> Program[None]:
        """Do what is to be done when it has been noted what became of *writes*, in *requests*."""


def carried_out(plan: Plan, ledger: Ledger, patience: RetryPolicy = PATIENCE) -> Program[None]:
    """
    Send what *plan* says, chunk after chunk; tell *ledger* what becomes of each write.

    When the server is out of reach, what is left of the plan is not sent.  When it was only unable
    to say what it had, it is asked again at the end, as long as it says something.
    """
    broken: KintoException | None = None
    unseen: dict[Write, KintoException] = {}
    bracket = Locking(plan.writes) if plan.locked else None
    for chunk in plan.chunks:
        ready = [write for write in chunk if broken is None and ledger.is_ready(write.change)]
        for write in chunk:
            if write not in ready:
                why = f"a request before it failed: {broken}" if broken else _NO_COPY
                ledger.note(_not_made(write, _kept_back(write, why, broken)))
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
            outcome: Outcome | None = _not_made(write, _of(write, answer))
        else:
            outcome = judged(write, answer, again=before is not None)
            if outcome is None:
                left[write] = _open(write, answer, again=before is not None)
                continue
        assert outcome is not None
        if outcome.fate is Fate.ERROR and before is not None and _may_be_late(before[write]):
            outcome = _unknown(write, before[write])  # Refused this time: the first may yet come.
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


def judged(write: Write, response: Response, *, again: bool = False) -> Outcome | None:
    """
    Return what *response* says of *write*; None if it does not say whether it was applied.

    Args:
        write: The write.
        response: Its response.
        again: Whether it had been sent before, so that what is found may be its own doing.
    """
    change, status = write.change, response.status
    if response.rehearsed:
        return Outcome(write, Fate.NOT_SENT)
    if status < 300 and (document := data_of(response)) is not None:
        return Outcome(write, _done(change), Stored(document, permissions_of(response)))
    if status < 300 or status >= 500 or status == 409:
        return None
    if status == 404 and missing_of(response) == "record" and change.blind is None:
        return _met(write, None, again=again)
    if status == 412:
        existing = existing_of(response)
        if existing is not None and any(aim.permissions for aim in (change.aim, *change.earlier)):
            return None  # It may be as it was meant, but what it permits is not told (P2).
        return _met(write, None if existing is None else Stored(existing), again=again)
    return _failed(write, _refusal(write, response))


def _done(change: Change) -> Fate:
    """Return what has become of a record whose *change* is on the server."""
    fate = _DONE[change.action]
    return Fate.MERGED if change.resolves and fate is Fate.UPDATED else fate


def _met(write: Write, found: Stored | None, *, again: bool) -> Outcome:
    """Return what it means that the server has *found* in the place of what was expected."""
    change = write.change
    if _is(change, found, change.aim):
        ours = again or any(_is(change, found, aim) for aim in change.earlier)
        if change.strict and not ours:
            return _conflict(write, found, again=again)
        fate = _done(change) if ours or found is None else Fate.UNCHANGED
        return Outcome(write, fate, found)
    if any(_is(change, found, aim) for aim in change.earlier):
        return Outcome(write, Fate.SUPERSEDED, found)
    again = again or bool(change.earlier)
    if again and _is_kept(change, found):  # Others wrote after it, and something else.
        return Outcome(write, _done(change), found)
    return _conflict(write, found, again=again)


def _is(change: Change, found: Stored | None, aim: Aim) -> bool:
    """Tell whether what was *found* is the *aim* of a write."""
    if found is None or aim.document is None:
        return found is None and aim.document is None
    document = found.document
    if change.keys is not None:  # Of the rest, nothing was known, and nothing is meant.
        document = known_part(document, change.keys | aim.document.keys())
    if not agree(change.record, document, aim.document):
        return False
    return not aim.permissions or permitted(found.permissions, aim.permissions)


def _is_kept(change: Change, found: Stored | None) -> bool:
    """Tell whether what was *found* has all that was to be changed."""
    if found is None or change.target is None:
        return False
    if change.permissions and not permitted(found.permissions, change.permissions):
        return False
    return has_kept(found.document, change.base or {}, change.target)


def superseding(outcomes: Iterable[Outcome]) -> list[Change]:
    """Return what is still to be written of those that an earlier write turned out to precede."""
    changes = [
        evolve(outcome.write.change, loaded=_document_of(outcome), earlier=())
        for outcome in outcomes
        if outcome.fate is Fate.SUPERSEDED
    ]
    return [change for change in changes if change.is_one]


def _document_of(outcome: Outcome) -> Document | None:
    """Return what is known now of the document of a record."""
    if outcome.stored is None:
        return None
    return known_part(outcome.stored.document, outcome.write.change.keys)


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
            elif (outcome := seen(write, sight)) is not None:
                ledger.note(outcome)
            else:
                continue
            del left[write]
        if lost := next((each for each in sights if isinstance(each, TransportError)), None):
            for write, error in left.items():
                ledger.note(_unknown(write, error))
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
        ledger.note(_unknown(write, error) if late else _failed(write, _of(write, error)))
    return None


def _unseen(write: Write, error: KintoException) -> Outcome:
    """Return what is known of *write*, which met *error*, when the server cannot be asked."""
    if isinstance(error, PreconditionFailed) and (response := error.response) is not None:
        # It was never sent before, and is not applied, whatever the record permits.
        return _conflict(write, Stored(existing_of(response) or {}), again=False)
    return _unknown(write, error)


def seen(write: Write, found: Stored | None) -> Outcome | None:
    """Return what it means that the server has *found* now; None: *write* was not applied."""
    change = write.change
    if change.blind is not None:
        return _seen_blind(write, change.blind, found)
    before = None if found is None else found.version
    if change.version == before and not (found is None and change.target is None):
        return None
    return _met(write, found, again=True)


def _seen_blind(write: Write, patch: PatchType, found: Stored | None) -> Outcome | None:
    """Return what it means that the server has *found*, after a *patch* without a precondition."""
    if found is None:
        return None
    if isinstance(patch, JSONPatch):
        return _unknown(write, OutcomeUnknown("nothing tells whether a JSON Patch was applied"))
    applied = leaves_as_it_is(patch, found.document, found.permissions)
    return Outcome(write, Fate.UPDATED, found) if applied else None


# -- What went wrong ---------------------------------------------------------------------------


def _conflict(write: Write, found: Stored | None, *, again: bool) -> Outcome:
    change = write.change
    remote = None if found is None else found.document
    theirs = without_stamps(remote or {})
    fields = three_way(change.base or {}, change.target or {}, theirs).clashes
    what = {"create": "created", "update": "changed", "delete": "changed"}[change.action]
    happened = f"was {what} elsewhere" if remote is not None else "was deleted elsewhere"
    at = f" at {remote.get('last_modified')}" if remote is not None else ""
    since = "" if change.version is None else f" since it was loaded ({change.version})"
    both = f"; both sides changed {', '.join(fields)}" if fields and remote is not None else ""
    remedy = (
        "expunge it, or add a new record"
        if remote is None
        else "refresh it, make the change again and commit"
    )
    written = "It may have been written before that" if again else "Nothing was written to it"
    name = f"{type(change.record).__name__} {change.key}"
    msg = f"{name} {happened}{at}{since}{both}. {written}: {remedy}"
    error = Conflict(
        msg,
        record=change.record,
        base=change.base,
        local=change.target,
        remote=remote,
        fields=fields if remote is not None else change.paths,
    )
    return Outcome(write, Fate.CONFLICT, found, error)


def _refusal(write: Write, response: Response) -> KintoException:
    """Return the error of a write that the server refused."""
    error, change = response_error(write.request, response), write.change
    if isinstance(error, SchemaViolation):
        what = f"{type(change.record).__name__} {change.key} was not written"
        return schema_violation(write.request, response, change.target, what)
    return error


def _failed(write: Write, error: KintoException) -> Outcome:
    error.record = write.change.record
    return Outcome(write, Fate.ERROR, error=error)


def _not_made(write: Write, error: KintoException) -> Outcome:
    """Return what it means that *write* did not reach the server this time."""
    # An earlier one may still be on its way: that this one is not says nothing of that.
    return _unknown(write, error) if write.change.earlier else _failed(write, error)


def _unknown(write: Write, cause: BaseException) -> Outcome:
    change = write.change
    why = str(cause) or type(cause).__name__
    error = OutcomeUnknown(
        f"{type(change.record).__name__} {change.key}: it is not known whether it was"
        f" {change.action}d ({why}); the next commit finds out first"
    )
    error.record, error.__cause__ = change.record, cause
    return Outcome(write, Fate.UNKNOWN, error=error)


def _of(write: Write, error: KintoException) -> KintoException:
    """Return *error*, which several writes share, as the error of this one."""
    change = write.change
    message = f"{type(change.record).__name__} {change.key} was not written: {error}"
    kinds = (NotSent, AnswerLost, ServerError, TransactionConflict)
    kind = next((kind for kind in kinds if isinstance(error, kind)), type(error))
    mine = kind(message, error, request=error.request, response=error.response)
    mine.__cause__ = error
    return mine


def _kept_back(write: Write, why: str, cause: KintoException | None) -> NotAttempted:
    change = write.change
    error = NotAttempted(f"{type(change.record).__name__} {change.key} was not sent, since {why}")
    error.__cause__ = cause
    return error
