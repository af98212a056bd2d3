"""
Everything that this package raises.

    KintoException
     ├── InvalidRequest (ValueError)      refused before anything was sent
     │    ├── InvalidId                     an id that Kinto does not take
     │    ├── MissingId (KeyError, TypeError)  it was not said which object is meant
     │    ├── UnsendableValue               a value that JSON or Kinto cannot hold
     │    └── UnsupportedQuery              a condition that the server cannot express
     ├── TransportError                   no usable answer came
     │    ├── NotSent                       the request did not reach the server
     │    │    └── BackoffException             the server asks for a pause that is too long
     │    └── AnswerLost                    it may have: the outcome is unknown
     ├── ResponseError                    the server refused
     │    ├── NotModified                   304
     │    ├── BadRequest                    400
     │    ├── Unauthorized                  401
     │    ├── Forbidden                     403
     │    ├── NotFound                      404
     │    │    ├── BucketNotFound
     │    │    │    └── BucketHidden (Forbidden)  or the user may not see it
     │    │    ├── CollectionNotFound
     │    │    └── RecordNotFound
     │    ├── TransactionConflict           409
     │    ├── PreconditionFailed            412
     │    │    └── SnapshotMoved                while a list was read
     │    ├── TooManyRequests               429
     │    └── ServerError                   5xx
     ├── AttachmentError                  a file that is not what the server says, or a bad name
     ├── ValidationError (ValueError)     a document does not fit its class
     │    └── SchemaViolation (BadRequest)  nor, says the server, the schema of its collection
     ├── NotLoaded                        a part of a record that was not asked for
     ├── MultipleRecordsFound             one() met several
     ├── ConcurrentUseError               a session used from two places at once
     ├── StalePlanError                   a plan whose records have moved on
     ├── Conflict                         a record was changed elsewhere, too
     ├── NotConfirmed                     a look at the server found something else than was written
     ├── KintoBatchException              some operations of a client's batch failed
     ├── OutcomeUnknown                   a write whose fate could not be found out
     ├── EmbeddedServerError              the embedded server did not start, or does not run
     ├── NotAttempted                     a write that a failure before it kept back
     └── CommitError (ExceptionGroup)     a commit that did not succeed in everything
          └── ConflictError                 because of conflicts alone
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias


if TYPE_CHECKING:
    from kinto_orm.flow.faults import Fault
    from kinto_orm.flow.messages import Request, Response
    from kinto_orm.session.results import CommitResult
    from kinto_orm.session.staleness import Difference


#: What was done to a record on both sides, in the words of Git.
ConflictKind: TypeAlias = Literal["both modified", "both added", "deleted by us", "deleted by them"]


class KintoException(Exception):
    """
    Base of all exceptions of this package.

    Attributes:
        exception: What it was caused by, if by an exception.
        request: The request that failed, if there was one; by default that of its cause.
        response: The server's answer, if there was one; by default that of its cause.
        record: The record that was to be written, if the error is of one.
    """

    exception: BaseException | None = None
    request: Request | None = None
    response: Response | None = None
    record: Any = None

    def __init__(
        self,
        message: str = "",
        exception: BaseException | None = None,
        *,
        request: Request | None = None,
        response: Response | None = None,
    ) -> None:
        super().__init__(message)
        self.exception = exception
        cause = exception if isinstance(exception, KintoException) else self
        self.request = cause.request if request is None else request
        self.response = cause.response if response is None else response

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle it without what it was caused by: that may hold credentials."""
        kept = {name: value for name, value in vars(self).items() if name != "exception"}
        return _revived, (type(self), self.args, kept)

    @property
    def message(self) -> str:
        """Return what was attempted, on what, what came of it, and what to do."""
        return str(self.args[0]) if self.args else ""

    def __str__(self) -> str:
        return self.message


def _revived(kind: type[KintoException], args: tuple[Any, ...], state: dict[str, Any]) -> Any:
    """Return a copy of an exception, whatever the arguments of its constructor are."""
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class InvalidRequest(KintoException, ValueError):
    """A request would have been wrong, so that none was sent."""


class InvalidId(InvalidRequest):
    """An id does not match Kinto's pattern (see docs/protocol.md, D2)."""


class MissingId(InvalidRequest, KeyError, TypeError):
    """It was not said which object is meant, and the client has none of its own."""


class UnsendableValue(InvalidRequest):
    """A value cannot be sent without being changed (see docs/protocol.md, D1)."""


class UnsupportedQuery(InvalidRequest):
    """A condition cannot be expressed to the server (see docs/protocol.md, F4)."""


class TransportError(KintoException):
    """No usable answer came from the server."""


class NotSent(TransportError):
    """The request did not reach the server: nothing was changed there."""


class BackoffException(NotSent):
    """
    The server asks for a pause (header `Backoff`) that is longer than the policy allows.

    Attributes:
        backoff: Seconds that are left of it.
    """

    def __init__(
        self,
        message: str = "",
        backoff: float = 0,
        exception: BaseException | None = None,
        **of: Any,
    ) -> None:
        super().__init__(message, exception, **of)
        self.backoff: float = backoff


class AnswerLost(TransportError):
    """The request was sent, but its answer did not arrive: it may have been applied."""


class ResponseError(KintoException):
    """
    The server refused a request.

    Attributes:
        status: HTTP status code.
        details: What the server said of the reasons (*details* of the error).
    """

    @property
    def status(self) -> int:
        """Return the HTTP status code."""
        return 0 if self.response is None else self.response.status

    @property
    def details(self) -> Any:
        """Return what the server said of the reasons, if anything."""
        body = None if self.response is None else self.response.body
        return body.get("details") if isinstance(body, Mapping) else None


class NotModified(ResponseError):
    """What was asked for has not changed since the state that the request named (304)."""


class BadRequest(ResponseError):
    """The server does not understand the request, or a schema forbids the data (400)."""


class Unauthorized(ResponseError):
    """Credentials are missing or wrong (401)."""


class Forbidden(ResponseError):
    """The user may not do this, or the bucket does not exist (403, see docs/protocol.md, P4)."""


class NotFound(ResponseError):
    """There is no such object (404)."""


class BucketNotFound(NotFound):
    """There is no such bucket, or the user may not see it."""


class BucketHidden(BucketNotFound, Forbidden):
    """There is no such bucket, or the user may not see it: Kinto answers 403 to both."""


class CollectionNotFound(NotFound):
    """There is no such collection."""


class RecordNotFound(NotFound):
    """There is no such record."""


class TransactionConflict(ResponseError):
    """The server's database rolled a transaction back (409): nothing was changed, try again."""


class PreconditionFailed(ResponseError):
    """The object is not in the state that the request named (412)."""

    @property
    def existing(self) -> dict[str, Any] | None:
        """Return the data of the object that is there instead, or None if there is none."""
        existing = self.details.get("existing") if isinstance(self.details, Mapping) else None
        return existing if isinstance(existing, dict) else None


class SnapshotMoved(PreconditionFailed):
    """A list changed while its pages were read, which were to be those of one moment."""


class TooManyRequests(ResponseError):
    """The server asks to slow down (429)."""


class ServerError(ResponseError):
    """The server failed (5xx): for a write, the outcome is unknown."""


class KintoBatchException(KintoException):
    """
    Operations of a client's batch failed; the others succeeded.

    Attributes:
        exceptions: What was raised, in the order of the operations.
        results: What the server answered, as pairs of a body and headers, as kinto-http has it:
            the body's ``responses`` has *status* and *body* for each operation.
        outcomes: For each operation what it returned, or what it raised.
    """

    def __init__(
        self,
        exceptions: Sequence[Exception],
        results: Sequence[tuple[Any, Any]] = (),
        outcomes: Sequence[Any] = (),
    ) -> None:
        count = f"{len(exceptions)} of {len(outcomes) or len(exceptions)} operations failed"
        super().__init__("\n".join([f"{count}:", *(f"  {error}" for error in exceptions)]))
        self.exceptions: list[Exception] = list(exceptions)
        self.results: list[tuple[Any, Any]] = list(results)
        self.outcomes: list[Any] = list(outcomes)


class AttachmentError(KintoException):
    """A file is not what the server says of it, or what the server says is not acceptable."""


class ValidationError(KintoException, ValueError):
    """
    A document does not fit its class.

    Attributes:
        faults: All that is wrong, each with its path, what was expected and what was found.
    """

    def __init__(self, message: str, faults: Sequence[Fault] = (), **of: Any) -> None:
        super().__init__(message, **of)
        self.faults: tuple[Fault, ...] = tuple(faults)


class SchemaViolation(ValidationError, BadRequest):
    """The server refused a record, since the schema of its collection forbids what it holds."""


class NotLoaded(KintoException):
    """A field, the permissions or a link of a record was not asked for; the message says how to."""


class MultipleRecordsFound(KintoException):
    """There are several records where one was asked for."""


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


class EmbeddedServerError(KintoException):
    """The embedded server could not be started, or is not running."""


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


class UnsavedChangesWarning(UserWarning):
    """A session was left with changes that were not committed; they are discarded."""


class UnlockedWarning(UserWarning):
    """A collection could not be locked: others may overwrite what is written there (P3)."""
