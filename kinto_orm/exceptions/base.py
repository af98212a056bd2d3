"""What all exceptions of this package are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from kinto_orm.flow.messages import Request, Response


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
