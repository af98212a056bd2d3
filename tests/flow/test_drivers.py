"""Drivers: the same operations, run on this thread and in an event loop."""

from __future__ import annotations

import asyncio
import inspect

from collections.abc import Callable, Generator
from contextlib import aclosing
from typing import Any

import pytest

from kinto_orm.exceptions import NotSent
from kinto_orm.flow import (
    Awaiting,
    Blocking,
    Now,
    Page,
    Program,
    Request,
    Response,
    Sleep,
    Stream,
    operation,
    stream,
)

from .scripts import Script, replies


class Endpoints:
    """Operations that show how they are run, and note how they end."""

    def __init__(self) -> None:
        self.log: list[str] = []

    @operation
    def ask(self, path: str, *, times: int = 1) -> Program[list[Any]]:
        """Ask for *path*, some times; return what came."""
        try:
            found = []
            for _ in range(times):
                response: Response = yield Request("GET", path)
                found.append(response.body)
            return found
        finally:
            self.log.append("closed")

    @operation
    def pause(self) -> Program[float]:
        """Tell how long a pause took."""
        before: float = yield Now()
        yield Sleep(2.5)
        after: float = yield Now()
        return after - before

    @operation
    def recover(self) -> Program[str]:
        """Ask, and if that fails ask again, whatever the reason."""
        try:
            yield Request("GET", "/first")
        except BaseException as error:  # noqa: BLE001 (that is what the tests are about)
            self.log.append(type(error).__name__)
            yield Request("GET", "/second")
            self.log.append("went on")
        return "recovered"

    @operation
    def swallow(self) -> Program[str]:
        """Ask, and if that fails be content, whatever the reason."""
        try:
            yield Request("GET", "/")
        except BaseException as error:  # noqa: BLE001 (that is what the tests are about)
            self.log.append(type(error).__name__)
        return "content"

    @operation
    def refuse(self) -> Program[None]:
        """Raise an error of its own."""
        try:
            yield Request("GET", "/")
            msg = "not that"
            raise LookupError(msg)
        finally:
            self.log.append("closed")

    @stream
    def walk(self, *, pages: int = 2) -> Stream[str]:
        """Give the items of some pages."""
        try:
            for number in range(pages):
                response: Response = yield Request("GET", f"/{number}")
                yield Page(response.body)
        finally:
            self.log.append("closed")


class BlockingEndpoints(Endpoints, Blocking):
    def __init__(self, port: Script) -> None:
        super().__init__()
        self._port = port


class AwaitingScript:
    """A script that is waited for."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def perform(self, step: Any) -> Any:
        await asyncio.sleep(0)
        return self._script.perform(step)

    async def close(self) -> None:
        self._script.close()


class AwaitingEndpoints(Endpoints, Awaiting):
    def __init__(self, port: Script) -> None:
        super().__init__()
        self._port = AwaitingScript(port)


class Runner:
    """Runs operations on one kind of driver, so that a test is written once."""

    def __init__(self, kind: type[BlockingEndpoints | AwaitingEndpoints]) -> None:
        self._kind = kind

    def on(self, script: Script) -> BlockingEndpoints | AwaitingEndpoints:
        return self._kind(script)

    def call(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self._kind is BlockingEndpoints:
            return call(*args, **kwargs)
        return asyncio.run(call(*args, **kwargs))

    def items(self, call: Callable[..., Any], *, stop: int | None = None, **kwargs: Any) -> Any:
        """Return what a stream gives, up to *stop* items; it is closed then."""
        if self._kind is BlockingEndpoints:
            found = []
            for item in call(**kwargs):
                found.append(item)
                if len(found) == stop:
                    break
            return found

        async def listed() -> list[Any]:
            found = []
            async with aclosing(call(**kwargs)) as items:
                async for item in items:
                    found.append(item)
                    if len(found) == stop:
                        break
            return found

        return asyncio.run(listed())


@pytest.fixture(params=[BlockingEndpoints, AwaitingEndpoints], ids=["blocking", "awaiting"])
def runner(request: pytest.FixtureRequest) -> Runner:
    """Give each kind of driver in turn."""
    return Runner(request.param)


def answers(*bodies: Any) -> Script:
    """Return a script in which requests are answered with *bodies*."""
    return Script(replies(*(Response(200, body) for body in bodies)))


class TestOperations:
    def test_result(self, runner: Runner) -> None:
        """A call makes the steps of the operation and returns its result."""
        script = answers("one", "two")
        endpoints = runner.on(script)
        assert runner.call(endpoints.ask, "/x", times=2) == ["one", "two"]
        assert script.calls == ["GET /x", "GET /x"]

    def test_no_step(self, runner: Runner) -> None:
        """An operation may end without a step."""
        assert runner.call(runner.on(Script()).ask, "/x", times=0) == []

    def test_clock_and_pauses(self, runner: Runner) -> None:
        """Pauses and the clock are steps as requests are."""
        assert runner.call(runner.on(Script()).pause) == 2.5

    def test_own_error(self, runner: Runner) -> None:
        """What the operation raises, the caller gets."""
        endpoints = runner.on(answers(None))
        with pytest.raises(LookupError, match="not that"):
            runner.call(endpoints.refuse)
        assert endpoints.log == ["closed"]

    def test_error_is_raised_inside(self, runner: Runner) -> None:
        """An error of a step is raised inside the operation, which may handle it and go on."""
        script = Script(replies(NotSent("no way"), Response(200)))
        endpoints = runner.on(script)
        assert runner.call(endpoints.recover) == "recovered"
        assert endpoints.log == ["NotSent", "went on"]
        assert script.calls == ["GET /first", "GET /second"]

    def test_error_passes(self, runner: Runner) -> None:
        """An error that the operation does not handle is the caller's, and the flow is closed."""
        error = NotSent("no way")
        endpoints = runner.on(Script(replies(error)))
        with pytest.raises(NotSent) as caught:
            runner.call(endpoints.ask, "/x")
        assert caught.value is error
        assert endpoints.log == ["closed"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
class TestInterruptions:
    def test_closes(self, runner: Runner, interruption: type[BaseException]) -> None:
        """An interruption passes, and the flow is closed."""
        endpoints = runner.on(Script(replies(interruption())))
        with pytest.raises(interruption):
            runner.call(endpoints.ask, "/x")
        assert endpoints.log == ["closed"]

    def test_flow_cannot_go_on(self, runner: Runner, interruption: type[BaseException]) -> None:
        """A flow learns of an interruption, but no further step of it is made."""
        script = Script(replies(interruption()))
        endpoints = runner.on(script)
        with pytest.raises(interruption):
            runner.call(endpoints.recover)
        assert endpoints.log == [interruption.__name__]
        assert script.calls == ["GET /first"]

    def test_flow_cannot_hide_it(self, runner: Runner, interruption: type[BaseException]) -> None:
        """A flow that ends as if nothing had happened does not keep it from the caller."""
        endpoints = runner.on(Script(replies(interruption())))
        with pytest.raises(interruption):
            runner.call(endpoints.swallow)
        assert endpoints.log == [interruption.__name__]

    def test_of_a_stream(self, runner: Runner, interruption: type[BaseException]) -> None:
        """It is the same for streams."""
        endpoints = runner.on(Script(replies(Response(200, ["a"]), interruption())))
        with pytest.raises(interruption):
            runner.items(endpoints.walk)
        assert endpoints.log == ["closed"]


class TestStreams:
    def test_items(self, runner: Runner) -> None:
        """A stream gives item after item, over all pages."""
        endpoints = runner.on(answers(["a", "b"], [], ["c"]))
        assert runner.items(endpoints.walk, pages=3) == ["a", "b", "c"]
        assert endpoints.log == ["closed"]

    def test_is_lazy(self, runner: Runner) -> None:
        """A page is asked for when the items before it are used up, not earlier."""
        script = answers(["a", "b"], ["c"])
        endpoints = runner.on(script)
        assert runner.items(endpoints.walk, stop=2) == ["a", "b"]
        assert script.calls == ["GET /0"]

    def test_early_break(self, runner: Runner) -> None:
        """Leaving a loop over a stream closes its flow."""
        endpoints = runner.on(answers(["a", "b"], ["c"]))
        assert runner.items(endpoints.walk, stop=1) == ["a"]
        assert endpoints.log == ["closed"]

    def test_error(self, runner: Runner) -> None:
        """An error between two pages is the reader's."""
        endpoints = runner.on(Script(replies(Response(200, ["a"]), NotSent("no way"))))
        with pytest.raises(NotSent, match="no way"):
            runner.items(endpoints.walk)
        assert endpoints.log == ["closed"]

    def test_nothing_happens_unread(self, runner: Runner) -> None:
        """Asking for a stream sends nothing: reading it does."""
        script = Script()
        runner.on(script).walk()
        assert script.steps == []

    def test_error_of_the_reader(self) -> None:
        """An error in the body of the loop is not the flow's, but closes it."""
        endpoints = BlockingEndpoints(answers(["a", "b"]))

        def read() -> None:
            for item in endpoints.walk():
                raise LookupError(item)

        with pytest.raises(LookupError, match="a"):
            read()
        assert endpoints.log == ["closed"]


class Stalled:
    """A port whose answers do not come."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def perform(self, _: object) -> object:
        self.asked.set()
        return await asyncio.get_running_loop().create_future()

    async def close(self) -> None:
        """Do nothing: there are no connections."""


class AwaitingStalled(Endpoints, Awaiting):
    def __init__(self) -> None:
        super().__init__()
        self._port: Stalled = Stalled()


class TestCancelling:
    def test_task(self) -> None:
        """A cancelled task raises CancelledError at the step that its flow waits for."""

        async def cancelled() -> list[str]:
            endpoints = AwaitingStalled()
            task = asyncio.ensure_future(endpoints.recover())
            await endpoints._port.asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert task.cancelled()
            return endpoints.log

        assert asyncio.run(cancelled()) == ["CancelledError"]

    def test_time_limit(self) -> None:
        """`asyncio.timeout` works around an operation."""

        async def limited() -> list[str]:
            endpoints = AwaitingStalled()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await endpoints.ask("/x")
            return endpoints.log

        assert asyncio.run(limited()) == ["closed"]


class TestFunctions:
    def test_plain_functions(self) -> None:
        """A driver has functions where its base has declarations."""
        assert inspect.isfunction(BlockingEndpoints.ask)
        assert inspect.iscoroutinefunction(AwaitingEndpoints.ask)

    @pytest.mark.parametrize(
        ("kind", "ask", "walk"),
        [
            (BlockingEndpoints, "list[Any]", "Iterator[str]"),
            (AwaitingEndpoints, "list[Any]", "AsyncIterator[str]"),
        ],
    )
    def test_signatures(self, kind: type[Endpoints], ask: str, walk: str) -> None:
        """They have the parameters of the flow, and say what a caller gets."""
        asking = inspect.signature(kind.ask)  # type: ignore[arg-type]
        assert str(asking.replace(return_annotation=inspect.Signature.empty)) == (
            "(self, path: 'str', *, times: 'int' = 1)"
        )
        assert asking.return_annotation == ask
        assert inspect.signature(kind.walk).return_annotation == walk  # type: ignore[arg-type]
        assert kind.ask.__annotations__["return"] == ask

    @pytest.mark.parametrize("kind", [BlockingEndpoints, AwaitingEndpoints])
    def test_names_and_docstrings(self, kind: type[Endpoints]) -> None:
        """They have the name and the docstring of the flow."""
        assert kind.ask.__name__ == "ask"  # type: ignore[attr-defined]
        assert kind.ask.__doc__ == "Ask for *path*, some times; return what came."
        assert Endpoints.ask.__doc__ == kind.ask.__doc__

    def test_wrong_arguments(self, runner: Runner) -> None:
        """Arguments that the flow does not have are a TypeError, as of any function."""
        script = Script()
        endpoints = runner.on(script)
        with pytest.raises(TypeError, match="unexpected keyword argument 'time'"):
            runner.call(endpoints.ask, "/x", time=2)
        assert script.steps == []

    def test_subclass(self) -> None:
        """A subclass of a driver may override an operation, and use that of its base."""

        class Louder(BlockingEndpoints):
            @operation
            def ask(self, path: str, *, times: int = 1) -> Program[list[Any]]:
                """Ask twice as often."""
                return (yield from Endpoints.ask.flow(self, path, times=2 * times))

        endpoints = Louder(answers("a", "b"))
        assert endpoints.ask("/x") == ["a", "b"]
        assert BlockingEndpoints(answers("a")).ask("/x") == ["a"]


class Governed(BlockingEndpoints):
    def _governed(self, program: Any) -> Any:
        def shouting() -> Generator[Any, Any, Any]:
            result = yield from program
            return [body.upper() for body in result]

        return shouting()


def test_governed() -> None:
    """What goes around each operation of a driver sees its result."""
    assert Governed(answers("a")).ask("/x") == ["A"]
