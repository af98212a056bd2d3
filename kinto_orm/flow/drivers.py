"""
What runs a flow: on this thread, in an event loop, or together with others.

A driver answers each step of a flow.  If that fails, it raises the error *inside* the flow, at
the step, so that the flow can handle it as if it had done the I/O itself.  That holds for
KeyboardInterrupt and cancellation, too: a commit notes which requests were under way.  But a flow
cannot go on after these: whatever it yields then, the driver lets the interruption through.

A flow is always closed, so that its `finally` clauses run when it ends, however it ends.

Of a stream that allows it, the next page is asked for while this one is used (`Page.ahead`).
Only the request is made elsewhere, in a thread or a task; the flow itself never runs at the same
time as its reader.  So it need not know of it, and what goes wrong with such a request is raised
at its step like anything else, where retries see it.
"""

from __future__ import annotations

import inspect

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import closing
from functools import cache, wraps
from typing import Any, ClassVar, Protocol, TypeAlias, TypeVar

from kinto_orm.flow.messages import Page, Program, Request, Step, Stream
from kinto_orm.flow.operations import operation, stream
from kinto_orm.flow.pending import Pending


T = TypeVar("T")
S = TypeVar("S")

#: What came of a step: its answer, or what was raised.
_Answer: TypeAlias = tuple[Any, BaseException | None]


class Ahead(Protocol):
    """A port that can begin a request before somebody waits for it.  Not each port has to."""

    def begin(self, step: Request) -> Any:
        """
        Begin to make *step*.

        Returns:
            What has its answer, and a method to `cancel` it: a future, whose `result` blocks, or a
            task, which is awaited.
        """


class BlockingPort(Protocol):
    """Where a blocking driver has its steps made."""

    def perform(self, step: Step) -> Any:
        """Make *step*; return its answer."""

    def close(self) -> None:
        """Close the connections."""


class AwaitingPort(Protocol):
    """Where an awaiting driver has its steps made."""

    async def perform(self, step: Step) -> Any:
        """Make *step*; return its answer."""

    async def close(self) -> None:
        """Close the connections."""


class Driver:
    """Runs operations: a subclass has a plain function for each operation among its bases."""

    #: What a caller gets, in terms of what the flow gives.
    _operation_gives: ClassVar[str] = "{}"
    _stream_gives: ClassVar[str] = "{}"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        members: dict[str, object] = {}
        for base in reversed(cls.__mro__):
            members |= vars(base)
        for name, member in members.items():
            if isinstance(member, operation):
                call, gives = cls._running(member.flow), cls._operation_gives
            elif isinstance(member, stream):
                call, gives = cls._listing(member.flow), cls._stream_gives
            else:
                continue
            setattr(cls, name, _signed(call, member.flow, gives))

    @staticmethod
    def _running(flow: Callable[..., Program[Any]]) -> Callable[..., Any]:
        """Return the function that runs the operation *flow*."""
        return flow

    @staticmethod
    def _listing(flow: Callable[..., Stream[Any]]) -> Callable[..., Any]:
        """Return the function that runs the stream *flow*."""
        return flow

    def _governed(self, program: Generator[S, Any, T]) -> Generator[S, Any, T]:
        """Return *program* with what goes around each: retries, say.  Here: nothing."""
        return program


class Blocking(Driver):
    """Runs operations on the calling thread."""

    _stream_gives = "Iterator[{}]"
    _port: BlockingPort

    def _run(self, program: Program[T]) -> T:
        with closing(self._governed(program)) as governed:
            try:
                step = next(governed)
                while True:
                    step = _sent(governed, self._answered(step))
            except StopIteration as stop:
                result: T = stop.value
                return result

    def _iterate(self, pages: Stream[T]) -> Iterator[T]:
        with closing(self._governed(pages)) as governed:
            try:
                step = next(governed)
                while True:
                    if not isinstance(step, Page):
                        step = _sent(governed, self._answered(step))
                        continue
                    coming = _Coming(governed, self._port) if step.ahead else None
                    try:
                        yield from step.items
                    except BaseException:
                        if coming is not None:
                            coming.drop()
                        raise
                    step = next(governed) if coming is None else coming.step()
                    if coming is not None and coming.underway is not None:
                        step = _sent(governed, self._answered(step, coming.underway))
            except StopIteration:
                return

    def _answered(self, step: Any, underway: Any = None) -> _Answer:
        """Make *step*, if it is not *underway*; return its answer."""
        try:
            return (self._port.perform(step) if underway is None else underway.result()), None
        except BaseException as error:  # noqa: BLE001 (raised inside the flow)
            return None, error

    @staticmethod
    def _running(flow: Callable[..., Program[Any]]) -> Callable[..., Any]:
        @wraps(flow)
        def call(self: Blocking, /, *args: Any, **kwargs: Any) -> Any:
            return self._run(flow(self, *args, **kwargs))

        return call

    @staticmethod
    def _listing(flow: Callable[..., Stream[Any]]) -> Callable[..., Any]:
        @wraps(flow)
        def call(self: Blocking, /, *args: Any, **kwargs: Any) -> Any:
            return self._iterate(flow(self, *args, **kwargs))

        return call


class Awaiting(Driver):
    """Runs operations in an event loop."""

    _stream_gives = "AsyncIterator[{}]"
    _port: AwaitingPort

    async def _run(self, program: Program[T]) -> T:
        with closing(self._governed(program)) as governed:
            try:
                step = next(governed)
                while True:
                    step = _sent(governed, await self._answered(step))
            except StopIteration as stop:
                result: T = stop.value
                return result

    async def _iterate(self, pages: Stream[T]) -> AsyncIterator[T]:
        with closing(self._governed(pages)) as governed:
            try:
                step = next(governed)
                while True:
                    if not isinstance(step, Page):
                        step = _sent(governed, await self._answered(step))
                        continue
                    coming = _Coming(governed, self._port) if step.ahead else None
                    try:
                        for item in step.items:
                            yield item
                    except BaseException:
                        if coming is not None:
                            coming.drop()
                        raise
                    step = next(governed) if coming is None else coming.step()
                    if coming is not None and coming.underway is not None:
                        step = _sent(governed, await self._answered(step, coming.underway))
            except StopIteration:
                return

    async def _answered(self, step: Any, underway: Any = None) -> _Answer:
        """Make *step*, if it is not *underway*; return its answer."""
        try:
            return (await (self._port.perform(step) if underway is None else underway)), None
        except BaseException as error:  # noqa: BLE001 (raised inside the flow)
            return None, error

    @staticmethod
    def _running(flow: Callable[..., Program[Any]]) -> Callable[..., Any]:
        @wraps(flow)
        async def call(self: Awaiting, /, *args: Any, **kwargs: Any) -> Any:
            return await self._run(flow(self, *args, **kwargs))

        return call

    @staticmethod
    def _listing(flow: Callable[..., Stream[Any]]) -> Callable[..., Any]:
        @wraps(flow)
        def call(self: Awaiting, /, *args: Any, **kwargs: Any) -> Any:
            return self._iterate(flow(self, *args, **kwargs))

        return call


class Recorded(list[Pending[Any]]):
    """
    The operations of a batch.

    Attributes:
        closed: Whether no more can be added.
    """

    closed: bool = False


class Recording(Driver):
    """Records operations, which are then run together (see `together`)."""

    _operation_gives = "Pending[{}]"

    def __init__(self) -> None:
        self.recorded: Recorded = Recorded()

    @staticmethod
    def _running(flow: Callable[..., Program[Any]]) -> Callable[..., Any]:
        @wraps(flow)
        def call(self: Recording, /, *args: Any, **kwargs: Any) -> Any:
            if self.recorded.closed:
                msg = f"{flow.__name__}() comes too late: its batch has ended, and was sent, or not"
                raise RuntimeError(msg)
            pending = Pending(flow(self, *args, **kwargs))
            self.recorded.append(pending)
            return pending

        return call

    @staticmethod
    def _listing(flow: Callable[..., Stream[Any]]) -> Callable[..., Any]:
        @wraps(flow)
        def call(self: Recording, /, *args: Any, **kwargs: Any) -> Any:
            msg = f"{flow.__name__}() reads page after page: it cannot be part of a batch"
            raise TypeError(msg)

        return call


class _Coming:
    """
    What a stream wants when the page that it has just given is used up.

    Attributes:
        underway: The request that it wants, which is being made already; None if it is no request,
            or the port cannot begin one.
    """

    def __init__(self, flow: Generator[Any, Any, Any], port: Any) -> None:
        self._step: Any = None
        self._error: BaseException | None = None
        try:
            self._step = next(flow)
        except BaseException as error:  # noqa: BLE001 (raised when its turn comes)
            self._error = error
        begin: Callable[[Request], Any] = getattr(port, "begin", lambda _: None)
        self.underway: Any = begin(self._step) if isinstance(self._step, Request) else None

    def step(self) -> Any:
        """Return the step; raise what the stream raised instead, StopIteration at its end."""
        if self._error is not None:
            raise self._error
        return self._step

    def drop(self) -> None:
        """Do without it."""
        if self.underway is not None:
            self.underway.cancel()


def _sent(flow: Generator[S, Any, Any], answer: _Answer) -> S:
    """Give *flow* the answer to its step; return its next step."""
    value, error = answer
    return flow.send(value) if error is None else _raise_inside(flow, error)


def _raise_inside(program: Generator[S, Any, Any], error: BaseException) -> S:
    """Raise *error* at the step where *program* waits; return its next step."""
    try:
        step = program.throw(error)
    except StopIteration:
        if isinstance(error, Exception):
            raise
    else:
        if isinstance(error, Exception):
            return step
    raise error  # An interruption: whoever asks to stop is not kept waiting, nor left unanswered.


def _signed(call: Any, flow: Callable[..., Any], gives: str) -> Any:
    """Give *call* the signature of *flow*, but returning what a caller gets."""
    signature = _signature(flow)
    _, _, item = str(signature.return_annotation).partition("[")
    returns = gives.format(item.removesuffix("]"))
    call.__signature__ = signature.replace(return_annotation=returns)
    call.__annotations__ = {**flow.__annotations__, "return": returns}
    return call


@cache
def _signature(flow: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of *flow*, which is the same on each kind of driver."""
    return inspect.signature(flow)
