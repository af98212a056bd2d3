"""
Each call of a client in three ways, so that each test of a call is written once.

    def test_something(caller):
        assert caller.get_records() == []

*caller* is a `Client`; or an `AsyncClient`, each of whose calls is run to its end; or a client that
makes each call in a batch of one, and returns the result of its handle, or raises its error.
"""

from __future__ import annotations

import asyncio
import inspect

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self, cast

import pytest

from kinto_orm import AsyncClient, Client
from kinto_orm.client.clients import AllEndpoints
from kinto_orm.exceptions import KintoBatchException
from kinto_orm.flow import operation
from kinto_orm.transport.sessions import AsyncHTTPSession, HTTPSession
from transport import drivers


class Way(ABC):
    """Opens clients of one kind, makes calls, and closes the clients in the end."""

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

    def client(self, url: str | None = None, **options: Any) -> Client:
        """Open a client with these *options*, of a server with the root *url*."""
        return self.opened(self._kind(server_url=url, **options))

    def opened(self, target: Any) -> Client:
        """Return *target*, a client or a clone, called in this way; it is closed in the end."""
        self._stack.callback(lambda: self.call(target, "close"))
        return cast(Client, Called(self, target))

    @property
    @abstractmethod
    def _kind(self) -> Any:
        """Return the class of the clients."""

    @abstractmethod
    def call(self, target: Any, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call the method *name* of *target*, a client or its session; return what it returns."""


class Called:
    """Has the attributes of a client, or of its session; its methods are called in one way."""

    def __init__(self, way: Way, target: Any, client: Any = None) -> None:
        self.way = way
        self.target = target
        self.client = client

    def __repr__(self) -> str:
        return repr(self.target)

    def __getattr__(self, name: str) -> Any:
        member = getattr(self.target, name)
        if isinstance(member, (HTTPSession, AsyncHTTPSession)):
            return Called(self.way, member, self.target)
        if not callable(member):
            return member

        def call(*args: Any, **kwargs: Any) -> Any:
            if name == "request":
                result = self.way.call(self.client, "session.request", *args, **kwargs)
            else:
                result = self.way.call(self.target, name, *args, **kwargs)
            return self.way.opened(result) if isinstance(result, (Client, AsyncClient)) else result

        return call


def member(target: Any, path: str) -> Any:
    """Return what *target* has at a dotted *path*."""
    for name in filter(None, path.split(".")):
        target = getattr(target, name)
    return target


class Blocking(Way):
    """What blocks."""

    _kind = Client

    def call(self, target: Any, name: str, /, *args: Any, **kwargs: Any) -> Any:
        return member(target, name)(*args, **kwargs)


class Awaiting(Way):
    """What awaits, in an event loop."""

    _kind = AsyncClient

    def __init__(self) -> None:
        super().__init__()
        self.runner = self._stack.enter_context(asyncio.Runner())

    def call(self, target: Any, name: str, /, *args: Any, **kwargs: Any) -> Any:
        owner, _, method = name.rpartition(".")
        awaited = drivers._Awaited(member(target, owner), self.runner)
        result = getattr(awaited, method)(*args, **kwargs)
        return getattr(result, "_target", result)


class Batched(Way):
    """What blocks, each call in a batch of one."""

    _kind = Client

    def call(self, target: Any, name: str, /, *args: Any, **kwargs: Any) -> Any:
        if name != "session.request" and not is_operation(name):
            return getattr(target, name)(*args, **kwargs)
        try:
            with target.batch() as batch:
                handle = member(batch, name)(*args, **kwargs)
        except KintoBatchException as error:
            (cause,) = error.exceptions
            raise cause from None
        return handle.result()


def is_operation(name: str) -> bool:
    """Tell whether *name* is that of a method which asks the server once, and can be in a batch."""
    return isinstance(inspect.getattr_static(AllEndpoints, name, None), operation)


#: The ways, by their names.
WAYS: dict[str, Callable[[], Way]] = {
    "blocking": Blocking,
    "awaiting": Awaiting,
    "batched": Batched,
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Generator[Way]:
    """Give each way in turn."""
    with WAYS[request.param]() as way:
        yield way


#: For tests of what cannot be in a batch.
not_batched = pytest.mark.parametrize("way", ["blocking", "awaiting"], indirect=True)
