"""
What an answer, or a look at the server, says of a write.

A 412 whose `existing` is exactly what was meant is no conflict: the record is as it should be.  A
record that is gone has three shapes (docs/protocol.md, P2); here they are one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import evolve

from kinto_orm.client.endpoints.objects import data_of, permissions_of
from kinto_orm.exceptions import (
    AnswerLost,
    Conflict,
    KintoException,
    NotAttempted,
    NotSent,
    OutcomeUnknown,
    SchemaViolation,
    ServerError,
    TransactionConflict,
)
from kinto_orm.flow.json import copied
from kinto_orm.flow.messages import Document, Response
from kinto_orm.flow.refusals import existing_of, missing_of, response_error, schema_violation
from kinto_orm.models.parts import known_part
from kinto_orm.models.permissions import permitted
from kinto_orm.patch_type import JSONPatch, PatchType
from kinto_orm.session.changes import Aim, Change, Write
from kinto_orm.session.conflicts import joined
from kinto_orm.session.patches import leaves_as_it_is
from kinto_orm.session.results import Fate, Outcome
from kinto_orm.session.snapshots import Stored, agree, has_kept, without_stamps


_DONE: Final = {"create": Fate.CREATED, "update": Fate.UPDATED, "delete": Fate.DELETED}


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
    return failed(write, _refusal(write, response))


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
            return conflicting(write, found, again=again)
        fate = _done(change) if ours or found is None else Fate.UNCHANGED
        return Outcome(write, fate, found)
    if any(_is(change, found, aim) for aim in change.earlier):
        return Outcome(write, Fate.SUPERSEDED, found)
    again = again or bool(change.earlier)
    if again and _is_kept(change, found):  # Others wrote after it, and something else.
        return Outcome(write, _done(change), found)
    return conflicting(write, found, again=again)


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


# -- Looked at ----------------------------------------------------------------------------------


def seen(write: Write, found: Stored | None, *, again: bool = True) -> Outcome | None:
    """
    Return what it means that the server has *found* now; None: *write* was not applied.

    Args:
        write: The write.
        found: What the server has.
        again: Whether that may be its doing.
    """
    change = write.change
    if change.blind is not None:
        return _seen_blind(write, change.blind, found)
    before = None if found is None else found.version
    if change.version == before and not (found is None and change.target is None):
        return None
    return _met(write, found, again=again)


def _seen_blind(write: Write, patch: PatchType, found: Stored | None) -> Outcome | None:
    """Return what it means that the server has *found*, after a *patch* without a precondition."""
    if found is None:
        return None
    if isinstance(patch, JSONPatch):
        return unknown(write, OutcomeUnknown("nothing tells whether a JSON Patch was applied"))
    applied = leaves_as_it_is(patch, found.document, found.permissions)
    return Outcome(write, Fate.UPDATED, found) if applied else None


# -- What went wrong ---------------------------------------------------------------------------


def conflicting(write: Write, found: Stored | None, *, again: bool) -> Outcome:
    """Return the conflict of *write* with what was *found*."""
    change = write.change
    remote = None if found is None else found.document
    theirs = without_stamps(remote or {})
    fields = joined(change, change.base or {}, change.target or {}, theirs).clashes
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
        base=copied(change.base),  # They are the program's, to change as it likes.
        local=copied(change.target),
        remote=copied(remote),
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


def failed(write: Write, error: KintoException) -> Outcome:
    """Return that *write* met *error*, and was not applied."""
    error.record = write.change.record
    return Outcome(write, Fate.ERROR, error=error)


def not_made(write: Write, error: KintoException) -> Outcome:
    """Return what it means that *write* did not reach the server this time."""
    # An earlier one may still be on its way: that this one is not says nothing of that.
    return unknown(write, error) if write.change.earlier else failed(write, error)


def unknown(write: Write, cause: BaseException) -> Outcome:
    """Return that it is not known what became of *write*, because of *cause*."""
    change = write.change
    why = str(cause) or type(cause).__name__
    error = OutcomeUnknown(
        f"{type(change.record).__name__} {change.key}: it is not known whether it was"
        f" {change.action}d ({why}); the next commit finds out first"
    )
    error.record, error.__cause__ = change.record, cause
    return Outcome(write, Fate.UNKNOWN, error=error)


def of_one(write: Write, error: KintoException) -> KintoException:
    """Return *error*, which several writes share, as the error of this one."""
    change = write.change
    message = f"{type(change.record).__name__} {change.key} was not written: {error}"
    kinds = (NotSent, AnswerLost, ServerError, TransactionConflict)
    kind = next((kind for kind in kinds if isinstance(error, kind)), type(error))
    mine = kind(message, error, request=error.request, response=error.response)
    mine.__cause__ = error
    return mine


def kept_back(write: Write, why: str, cause: KintoException | None) -> NotAttempted:
    """Return the error of *write*, which was not sent."""
    change = write.change
    error = NotAttempted(f"{type(change.record).__name__} {change.key} was not sent, since {why}")
    error.__cause__ = cause
    return error
