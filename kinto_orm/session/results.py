"""What a commit gives: for every record what is true on the server."""

from __future__ import annotations

from enum import Enum
from typing import Final

from attrs import field, frozen

from kinto_orm.exceptions import CommitError, Conflict, ConflictError, KintoException
from kinto_orm.models.records import Record
from kinto_orm.session.changes import Write
from kinto_orm.session.identity import Entry
from kinto_orm.session.snapshots import Stored


class Fate(Enum):
    """What became of a write."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    MERGED = "merged"
    UNCHANGED = "unchanged"
    CONFLICT = "conflict"
    ERROR = "error"
    UNKNOWN = "unknown"
    NOT_SENT = "not sent"
    #: An earlier write of the same record turned out to have been applied: this one is sent anew.
    SUPERSEDED = "superseded"


#: What has changed something on the server.
EFFECTS: Final = frozenset({Fate.CREATED, Fate.UPDATED, Fate.DELETED, Fate.MERGED})


@frozen(eq=False)
class Outcome:
    """
    What became of a write.

    Attributes:
        write: The write.
        fate: What became of it.
        stored: The record as the server has it now, as far as that was told.
        error: What went wrong, if something did.
    """

    write: Write
    fate: Fate
    stored: Stored | None = None
    error: KintoException | None = None

    @property
    def is_gone(self) -> bool:
        """Tell whether the record is gone because this session deleted it."""
        return self.fate is Fate.DELETED or (self.fate is Fate.SUPERSEDED and self.stored is None)


@frozen(eq=False, kw_only=True)
class CommitResult:
    """
    What a commit did.  Every record of the session is in exactly one of these.

    Attributes:
        created: Records that are new on the server.
        updated: Records whose changes are on the server.
        deleted: Records that are gone from the server.
        unchanged: Records that were not written: nothing had changed, or the server had exactly
            this already.
        merged: Records that were changed elsewhere, too, and are on the server as *on_conflict*
            resolved that; this has been taken into them.
        conflicts: For each record that was changed elsewhere since it was loaded, a `Conflict`.
        errors: For each record that could not be written, the error, with its *record*.
        unknown: Records of which it is not known whether they were written: the server was out of
            reach.  The next commit finds out before it writes anything.
        not_sent: Records whose changes were not sent: a dry run kept them back, or they were made
            after the plan.
        requests: How many requests wrote, or tried to.
    """

    created: tuple[Record, ...] = ()
    updated: tuple[Record, ...] = ()
    deleted: tuple[Record, ...] = ()
    unchanged: tuple[Record, ...] = field(default=(), repr=False)
    merged: tuple[Record, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    errors: tuple[KintoException, ...] = ()
    unknown: tuple[Record, ...] = ()
    not_sent: tuple[Record, ...] = ()
    requests: int = 0

    @property
    def ok(self) -> bool:
        """Tell whether the server has everything as the session has it."""
        return not (self.conflicts or self.errors or self.unknown or self.not_sent)

    def __str__(self) -> str:
        counts = {
            "created": self.created,
            "updated": self.updated,
            "deleted": self.deleted,
            "merged": self.merged,
            "in conflict": self.conflicts,
            "failed": self.errors,
            "unknown": self.unknown,
            "not sent": self.not_sent,
            "unchanged": self.unchanged,
        }
        said = [f"{len(records)} {what}" for what, records in counts.items() if records]
        plural = "" if self.requests == 1 else "s"
        return f"{', '.join(said) or 'nothing to do'}; {self.requests} request{plural}"


def result_of(
    outcomes: list[Outcome], untouched: list[Record], kept: list[Entry], requests: int
) -> CommitResult:
    """
    Return the result that these add up to.

    Args:
        outcomes: What became of writes, one a record.
        untouched: Records that had no change.
        kept: What else the session knows: changes that were not in the plan, and records that are
            to go, of which it is not known whether they came.
        requests: How many requests wrote.
    """
    by_fate: dict[Fate, list[Record]] = {}
    for outcome in outcomes:
        by_fate.setdefault(outcome.fate, []).append(outcome.write.change.record)

    def records(fate: Fate) -> list[Record]:
        return by_fate.get(fate, [])

    failures = [each.error for each in outcomes if each.error is not None]
    return CommitResult(
        created=tuple(records(Fate.CREATED)),
        updated=tuple(records(Fate.UPDATED)),
        deleted=tuple(records(Fate.DELETED)),
        unchanged=(*records(Fate.UNCHANGED), *untouched),
        merged=tuple(records(Fate.MERGED)),
        conflicts=tuple(error for error in failures if isinstance(error, Conflict)),
        errors=tuple(
            each.error for each in outcomes if each.fate is Fate.ERROR and each.error is not None
        ),
        unknown=(*records(Fate.UNKNOWN), *(each.record for each in kept if each.sent)),
        not_sent=(
            *records(Fate.NOT_SENT),
            *records(Fate.SUPERSEDED),
            *(each.record for each in kept if not each.sent),
        ),
        requests=requests,
    )


def failure_of(outcomes: list[Outcome], result: CommitResult) -> CommitError | None:
    """Return the error that *outcomes* amount to, or None if they went well."""
    failures = [each.error for each in outcomes if each.error is not None]
    if not failures:
        return None
    kind = ConflictError if len(failures) == len(result.conflicts) else CommitError
    message = f"{len(failures)} of {len(outcomes)} changes were not made ({result}):"
    return kind(message, failures, result=result)
