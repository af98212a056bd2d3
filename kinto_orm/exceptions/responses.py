"""What the server refuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kinto_orm.exceptions.base import KintoException


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
