"""What is wrong with records, or with what they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kinto_orm.exceptions.base import KintoException
from kinto_orm.exceptions.responses import BadRequest


if TYPE_CHECKING:
    from kinto_orm.flow.faults import Fault


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


class AttachmentError(KintoException):
    """A file is not what the server says of it, or what the server says is not acceptable."""
