"""What keeps a usable answer from coming."""

from __future__ import annotations

from typing import Any

from kinto_orm.exceptions.base import KintoException


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


class EmbeddedServerError(KintoException):
    """The embedded server could not be started, or is not running."""
