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

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from kinto_orm.client.endpoints.objects import content, data_of
from kinto_orm.exceptions import (
    AnswerLost,
    Conflict,
    KintoException,
    NotAttempted,
    NotSent,
    OutcomeUnknown,
    ServerError,
    TransactionConflict,
    existing_of,
)
from kinto_orm.flow.batching import PATIENCE, settled, together_once
from kinto_orm.flow.messages import Document, Program, Request, Response, Sleep
from kinto_orm.flow.refusals import missing_of, response_error
from kinto_orm.flow.retrying import RetryPolicy
from kinto_orm.session.planning import Plan, Write
from kinto_orm.session.results import Fate, Outcome
from kinto_orm.session.snapshots import agree, clashing


#: Whom to tell what became of a write, as soon as that is known.
Listener: TypeAlias = Callable[[Outcome], None]

_DONE: Final = {"create": Fate.CREATED, "update": Fate.UPDATED, "delete": Fate.DELETED}


def carried_out(plan: Plan, tell: Listener, patience: RetryPolicy = PATIENCE) -> Program[None]:
    """
    Send what *plan* says, chunk after chunk; *tell* what becomes of each write.

    When the server is out of reach, what is left of the plan is not sent.  When this is
    interrupted, the writes under way are told as unknown.
    """
    broken: KintoException | None = None
    for chunk in plan.chunks:
        if broken is not None:
            for write in chunk:
                tell(_failed(write, _kept_back(write, broken)))
            continue
        told: set[int] = set()

        def once(outcome: Outcome, told: set[int] = told) -> None:
            told.add(id(outcome.write))
            tell(outcome)

        try:
            broken = yield from _sent(chunk, once, patience)
        except BaseException as interruption:
            for write in chunk:
                if id(write) not in told:
                    tell(_unknown(write, interruption))
            raise


def _sent(
    writes: Sequence[Write], tell: Listener, patience: RetryPolicy
) -> Program[KintoException | None]:
    """Send *writes* together; return the error after which nothing more should be sent."""
    try:
        responses = yield from settled([write.request for write in writes], patience)
    except (AnswerLost, ServerError) as error:
        return (yield from _recovered(writes, error, tell, patience))
    except KintoException as error:  # Refused as a whole, or not sent at all.
        for write in writes:
            tell(_failed(write, _of(write, error)))
        return error
    open_writes, cause = _judged(writes, responses, tell)
    if not open_writes:
        return None
    assert cause is not None
    return (yield from _recovered(open_writes, cause, tell, patience))


def _judged(
    writes: Sequence[Write], responses: Sequence[Response], tell: Listener, *, again: bool = False
) -> tuple[list[Write], KintoException | None]:
    """Tell what *responses* say; return the writes of which they say nothing, and why."""
    left: list[Write] = []
    cause: KintoException | None = None
    for write, response in zip(writes, responses, strict=True):
        outcome = judged(write, response, again=again)
        if outcome is None:
            left.append(write)
            cause = response_error(write.request, response)
        else:
            tell(outcome)
    return left, cause


def judged(write: Write, response: Response, *, again: bool = False) -> Outcome | None:
    """
    Return what *response* says of *write*; None if it does not say whether it was applied.

    Args:
        write: The write.
        response: Its response.
        again: Whether it had been sent before, so that what is found may be its own doing.
    """
    change, status = write.change, response.status
    again = again or change.attempted
    if response.rehearsed:
        return Outcome(write, Fate.NOT_SENT)
    if status < 300 and (document := data_of(response)) is not None:
        return Outcome(write, _DONE[change.action], document)
    if status < 300 or status >= 500 or status == 409:
        return None
    if status == 404 and missing_of(response) != "collection":
        if change.action == "delete":
            return Outcome(write, Fate.DELETED)
        return _conflict(write, None)
    if status == 412:
        return _met(write, existing_of(response), again=again)
    return _failed(write, response_error(write.request, response))


def _met(write: Write, found: Document | None, *, again: bool) -> Outcome:
    """Return what it means that the server has *found* in the place of what was expected."""
    target = write.change.target
    if found is None:
        return Outcome(write, Fate.DELETED) if target is None else _conflict(write, None)
    if target is not None and agree(write.change.record, found, target):
        return Outcome(write, _DONE[write.change.action] if again else Fate.UNCHANGED, found)
    return _conflict(write, found)


# -- No answer ---------------------------------------------------------------------------------


def _recovered(
    writes: Sequence[Write], cause: KintoException, tell: Listener, patience: RetryPolicy
) -> Program[KintoException | None]:
    """
    Find out what became of *writes*, and send again what was not applied.

    First all of it together; then each alone, since one that the server cannot stand (a 5xx)
    takes down those that travel with it.
    """
    left = list(writes)
    for attempt, together in enumerate((True, False, None), 1):
        yield Sleep(patience.pause(attempt))
        try:
            left = yield from looked_up(left, tell)
        except KintoException as error:
            for write in left:
                tell(_unknown(write, cause))
            return error
        if not left:
            return None
        if together is None:
            break
        groups = [left] if together else [[write] for write in left]
        left = []
        for group in groups:
            try:
                responses = yield from settled([write.request for write in group], patience)
            except KintoException as error:
                cause = error
                left += group
            else:
                unanswered, reason = _judged(group, responses, tell, again=True)
                cause = reason or cause
                left += unanswered
        if not left:
            return None
    for write in left:
        tell(_failed(write, _of(write, cause)))
    return None


def looked_up(writes: Sequence[Write], tell: Listener) -> Program[list[Write]]:
    """
    Read the records of *writes* back; tell what was applied, return what was not.

    Raises:
        KintoException: If they cannot be read.
    """
    reads = [Request("GET", write.change.key.path) for write in writes]
    responses = yield from together_once(reads)
    for read, response in zip(reads, responses, strict=True):
        if response.status != 404:
            content(read, response)
    left: list[Write] = []
    for write, response in zip(writes, responses, strict=True):
        found = data_of(response) if response.status == 200 else None
        outcome = _seen(write, found)
        if outcome is None:
            left.append(write)
        else:
            tell(outcome)
    return left


def _seen(write: Write, found: Document | None) -> Outcome | None:
    """Return what it means that the server has *found* now; None: *write* was not applied."""
    change = write.change
    if change.action == "create" and found is None:
        return None
    if found is not None and change.version == found.get("last_modified"):
        return None
    return _met(write, found, again=True)


# -- What went wrong ---------------------------------------------------------------------------


def _conflict(write: Write, remote: Document | None) -> Outcome:
    change = write.change
    fields = clashing(change.base or {}, change.target or {}, remote or {})
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
    msg = (
        f"{type(change.record).__name__} {change.key} {happened}{at}{since}{both}. Nothing was"
        f" written to it: {remedy}"
    )
    error = Conflict(
        msg,
        record=change.record,
        base=change.base,
        local=change.target,
        remote=remote,
        fields=fields if remote is not None else change.paths,
    )
    return Outcome(write, Fate.CONFLICT, error=error)


def _failed(write: Write, error: KintoException) -> Outcome:
    error.record = write.change.record
    return Outcome(write, Fate.ERROR, error=error)


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


def _kept_back(write: Write, cause: KintoException) -> NotAttempted:
    change = write.change
    msg = (
        f"{type(change.record).__name__} {change.key} was not sent, since a request before it"
        f" failed: {cause}"
    )
    error = NotAttempted(msg)
    error.__cause__ = cause
    return error
