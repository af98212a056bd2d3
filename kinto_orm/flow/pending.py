"""What a batch records: an operation under way, and its result-to-be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from kinto_orm.exceptions import ResponseError
from kinto_orm.flow.messages import Program, Request, Response, Step


T = TypeVar("T")


class Pending(Generic[T]):
    """
    The result-to-be of an operation that a batch recorded.

    Attributes:
        step: What the operation waits for; None if it has ended.
    """

    step: Step | None = None
    _value: T
    _error: Exception | None = None

    def __init__(self, flow: Program[T]) -> None:
        self._flow = flow
        self._answers: list[Response] = []
        self._advance(lambda: next(flow))  # Raises at once what is wrong with the arguments.

    def __repr__(self) -> str:
        if isinstance(self.step, Request):
            return f"<Pending {self.step.method} {self.step.path}>"
        if self.step is not None:
            return "<Pending: waiting>"
        outcome = "done" if self._error is None else repr(self._error)
        return f"<Pending: {outcome}>"

    def result(self) -> T:
        """
        Return what the operation returned, or raise what it raised.

        Raises:
            RuntimeError: If its batch has not been sent yet.
        """
        if self.step is not None:
            msg = f"the batch with {self!r} has not been sent yet"
            raise RuntimeError(msg)
        if self._error is not None:
            raise self._error
        return self._value

    @property
    def error(self) -> Exception | None:
        """Return what the operation raised, if it did."""
        return self._error

    @property
    def body(self) -> Any:
        """
        Return what the server answered: of several pages, one with the data of all.

        Raises:
            Exception: What the operation raised, if that is not an answer of the server.
        """
        if self.step is not None or not (self._error is None or self._was_answered):
            return self.result()  # Raises.
        if self._error is not None:
            return self._answers[-1].body
        pages = sum(_is_page(each.body) for each in self._answers)
        if pages > 1 or (not self._answers and isinstance(self._value, list)):
            return {"data": self._value}
        # Without an answer it was known before.
        return self._answers[-1].body if self._answers else self._value

    @property
    def answer(self) -> dict[str, Any]:
        """Return the server's last answer as a batch has it: *status*, *headers* and *body*."""
        if not self._answers or not (self._error is None or self._was_answered):
            return {"status": None, "headers": {}, "body": {"message": str(self._error or "")}}
        last = self._answers[-1]
        return {"status": last.status, "headers": last.headers, "body": last.body}

    @property
    def _was_answered(self) -> bool:
        """Tell whether the error is what the server answered at last."""
        return isinstance(self._error, ResponseError) and bool(self._answers)

    def receive(self, answer: Any) -> None:
        """Give the operation the *answer* to its step: it goes on to the next, or to its end."""
        if isinstance(answer, Response):
            self._answers.append(answer)
        self._go_on(lambda: self._flow.send(answer))

    def fail(self, error: Exception) -> None:
        """Have *error* raised inside the operation, which may go on nevertheless."""
        self._go_on(lambda: self._flow.throw(error))

    def end(self, error: Exception) -> None:
        """End the operation with *error*, whatever it would do about that."""
        self._flow.close()
        self.step, self._error = None, error

    def _go_on(self, to_next: Callable[[], Step]) -> None:
        try:
            self._advance(to_next)
        except Exception as error:  # noqa: BLE001 (kept for the one who asks for the result)
            self.end(error)

    def _advance(self, to_next: Callable[[], Step]) -> None:
        try:
            self.step = to_next()
        except StopIteration as stop:
            self.step, self._value = None, stop.value


def _is_page(body: Any) -> bool:
    return isinstance(body, dict) and isinstance(body.get("data"), list)
