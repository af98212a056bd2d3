"""
Blocking and awaiting as one, so that each test is written once.

    def test_something(driver, server):
        client = driver.client(server.url, auth=server.auth)
        client.get_bucket(id="b")

With `Blocking` that is a `Client`.  With `Awaiting` it is an `AsyncClient`, each of whose calls is
run to its end in an event loop of the driver's own.
"""

from __future__ import annotations

import asyncio
import inspect

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Self, cast

import pytest

from kinto_orm import AsyncClient, Client, RetryPolicy
from kinto_orm.flow import Request, Response
from kinto_orm.transport import awaiting, blocking
from kinto_orm.transport.credentials import Credentials
from kinto_orm.transport.wire import Server, Timeout


#: Gives up at once.
ONCE = RetryPolicy(attempts=1)

#: As persistent as by default, but quick.
QUICK = RetryPolicy(first=0.001, jitter=lambda: 0.0)


class Driver(ABC):
    """Opens clients and transports of one kind, and closes them in the end."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    @abstractmethod
    def client(self, url: str, **options: Any) -> Client:
        """Open a client with these *options*, of a server with the root *url*."""

    @abstractmethod
    def port(
        self, url: str, credentials: Credentials = None, timeout: Timeout | None = None
    ) -> blocking.Blocking:
        """Open a transport to a server with the root *url*."""

    @abstractmethod
    def at_once(self, target: Any, calls: Sequence[Callable[[Any], Any]]) -> list[Any]:
        """Make *calls* on *target* (a client or a port) at the same time; return their results."""

    def send(self, url: str, request: Request, **options: Any) -> Response:
        """Send one *request* by a transport of its own; return the response."""
        response: Response = self.port(url, **options).perform(request)
        return response


class Blocking(Driver):
    """What blocks, in threads."""

    def client(self, url: str, **options: Any) -> Client:
        return self._stack.enter_context(Client(server_url=url, **options))

    def port(
        self, url: str, credentials: Credentials = None, timeout: Timeout | None = None
    ) -> blocking.Blocking:
        port = blocking.Blocking(Server(url), credentials, timeout or Timeout())
        self._stack.callback(port.close)
        return port

    def at_once(self, target: Any, calls: Sequence[Callable[[Any], Any]]) -> list[Any]:
        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(lambda call: call(target), calls))


class Awaiting(Driver):
    """What awaits, in an event loop."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = self._stack.enter_context(asyncio.Runner())

    def client(self, url: str, **options: Any) -> Client:
        client = AsyncClient(server_url=url, **options)
        self._stack.callback(lambda: self.runner.run(client.close()))
        return cast(Client, _Awaited(client, self.runner))

    def port(
        self, url: str, credentials: Credentials = None, timeout: Timeout | None = None
    ) -> blocking.Blocking:
        port = awaiting.Awaiting(Server(url), credentials, timeout or Timeout())
        self._stack.callback(lambda: self.runner.run(port.close()))
        return cast(blocking.Blocking, _Awaited(port, self.runner))

    def at_once(self, target: Any, calls: Sequence[Callable[[Any], Any]]) -> list[Any]:
        async def gathered() -> list[Any]:
            return await asyncio.gather(*(call(target._target) for call in calls))

        return self.runner.run(gathered())


class _Awaited:
    """Runs each coroutine of its target to its end."""

    def __init__(self, target: Any, runner: asyncio.Runner) -> None:
        self._target = target
        self._runner = runner

    def __repr__(self) -> str:
        return repr(self._target)

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._target, name)
        if not callable(member):
            return member

        def call(*args: Any, **kwargs: Any) -> Any:
            result = member(*args, **kwargs)
            if inspect.iscoroutine(result):
                return self._runner.run(result)
            if isinstance(result, AsyncClient):  # A clone.
                return _Awaited(result, self._runner)
            if hasattr(result, "__anext__"):
                return self._iterated(result)
            return self._entered(result) if hasattr(result, "__aenter__") else result

        return call

    def _iterated(self, items: AsyncGenerator[Any]) -> Generator[Any]:
        """Give what asynchronous *items* give."""
        end = object()
        try:
            while (item := self._runner.run(_coroutine(anext(items, end)))) is not end:
                yield item
        finally:
            self._runner.run(items.aclose())

    @contextmanager
    def _entered(self, context: Any) -> Generator[Any]:
        """Enter an asynchronous *context*, for a ``with`` statement."""
        entered = self._runner.run(_coroutine(context.__aenter__()))
        try:
            yield entered
        except BaseException as error:
            leaving = context.__aexit__(type(error), error, error.__traceback__)
            if not self._runner.run(_coroutine(leaving)):
                raise
        else:
            self._runner.run(_coroutine(context.__aexit__(None, None, None)))


async def _coroutine(awaitable: Any) -> Any:
    return await awaitable


@pytest.fixture(params=[Blocking, Awaiting], ids=["blocking", "awaiting"])
def driver(request: pytest.FixtureRequest) -> Generator[Driver]:
    """Give each kind of driver in turn."""
    with request.param() as driver:
        yield driver
