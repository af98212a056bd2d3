"""What goes wrong when a session writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

from kinto_orm.exceptions.base import KintoException


if TYPE_CHECKING:
    from kinto_orm.session.results import CommitResult
    from kinto_orm.session.staleness import Difference


#: What was done to a record on both sides, in the words of Git.
ConflictKind: TypeAlias = Literal["both modified", "both added", "deleted by us", "deleted by them"]


class ConcurrentUseError(KintoException):
    """A session is used from two threads or tasks at once; these may share a client alone."""


class StalePlanError(KintoException):
    """
    A plan is out of date: records in it are not as they were; nothing was sent.

    Attributes:
        differences: What moved, one `Difference` a record.
    """

    def __init__(
        self, message: str = "", differences: Sequence[Difference] = (), **of: Any
    ) -> None:
        super().__init__(message, **of)
        self.differences: tuple[Difference, ...] = tuple(differences)


class Conflict(KintoException):
    """
    A record was changed, created or deleted elsewhere since it was loaded; nothing was written.

    Attributes:
        record: The record, as the user changed it.
        base: The document as it was loaded, or None if the record is new.
        local: The document as it was to be, or None if it was to be deleted.
        remote: The document as the server has it, with its ``last_modified``; None if it has none.
        fields: The paths that were changed on both sides, to something different.
    """

    def __init__(
        self,
        message: str,
        *,
        record: Any,
        base: dict[str, Any] | None,
        local: dict[str, Any] | None,
        remote: dict[str, Any] | None,
        fields: Sequence[str],
    ) -> None:
        super().__init__(message)
        self.record = record
        self.base = base
        self.local = local
        self.remote = remote
        self.fields: tuple[str, ...] = tuple(fields)

    @property
    def kind(self) -> ConflictKind:
        """Return what was done to the record on both sides."""
        if self.remote is None:
            return "deleted by them"
        if self.local is None:
            return "deleted by us"
        return "both added" if self.base is None else "both modified"


class NotConfirmed(KintoException):
    """A write was answered as done, but a look afterwards (*verify*) found something else."""


class OutcomeUnknown(KintoException):
    """It could not be found out whether a write was applied: the server is out of reach."""


class NotAttempted(KintoException):
    """A write was not sent, since one before it in the commit met an error of the connection."""


class CommitError(ExceptionGroup[KintoException], KintoException):
    """
    A commit did not succeed in everything.

    What succeeded is in the session already; what failed is still to be written, so that it can
    be mended and committed again.

    Attributes:
        exceptions: The errors, one a record, each with its *record*.
        result: The `CommitResult`: what is true on the server for each record.
    """

    result: CommitResult

    def __new__(
        cls, message: str, errors: Sequence[KintoException], *, result: CommitResult | None = None
    ) -> Self:
        return super().__new__(cls, message, errors)

    def __init__(
        self, message: str, errors: Sequence[KintoException], *, result: CommitResult | None = None
    ) -> None:
        super().__init__(message, errors)
        if result is not None:  # It is None for a moment, when an error is copied.
            self.result = result

    def __str__(self) -> str:
        return "\n".join([self.message, *(f"  {error}" for error in self.exceptions)])

    def derive(self, excs: Sequence[KintoException], /) -> CommitError:  # type: ignore[override]
        """Return an error of a part of the errors, with the same result."""
        return type(self)(self.message, excs, result=self.result)


class ConflictError(CommitError):
    """A commit met conflicts, and nothing worse: each of its *exceptions* is a `Conflict`."""
