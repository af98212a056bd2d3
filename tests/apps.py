"""A program to test with: each test runs on sessions that block and on some that await."""

from __future__ import annotations

import asyncio
import inspect

from collections.abc import Callable, Iterable
from typing import Any, Self

from attrs import define, field

from kinto_orm import AsyncClient, AsyncSession, Client, Session
from kinto_orm.embedded import KintoServer
from kinto_orm.flow import Request


@define(slots=False)
class Counted:
    """What makes the steps of a client, and notes the requests among them."""

    port: Any
    sent: list[Request] = field(factory=list[Request])

    def perform(self, step: Any) -> Any:
        """Make *step*; what a port that awaits gives is awaited by the driver."""
        if isinstance(step, Request):
            self.sent.append(step)
        return self.port.perform(step)

    def begin(self, step: Any) -> Any:
        """Begin to make *step*."""
        if isinstance(step, Request):
            self.sent.append(step)
        return self.port.begin(step)

    def close(self) -> Any:
        """Close the connections."""
        return self.port.close()


@define(slots=False)
class App:
    """
    A program under test, written once for both kinds of session.

    Attributes:
        bucket: A bucket of its own, which exists, with a collection ``todos``.
        raw: A client that looks at the server, apart from the program.
    """

    server: KintoServer
    bucket: str
    awaiting: bool
    raw: Client
    runner: asyncio.Runner | None
    _clients: list[Any] = field(factory=list[Any])

    def run(self, given: Any) -> Any:
        """Return *given*, awaited if it wants that."""
        if not inspect.isawaitable(given):
            return given
        assert self.runner is not None

        async def awaited() -> Any:
            return await given

        return self.runner.run(awaited())

    def collected(self, items: Any) -> list[Any]:
        """Return the *items* that are awaited one after the other."""

        async def collect() -> list[Any]:
            return [item async for item in items]

        found: list[Any] = self.run(collect())
        return found

    def client(self, url: str | None = None, **options: Any) -> Any:
        """Return a client, which is closed with the test; what it sends is in its *sent*."""
        kind: Callable[..., Any] = AsyncClient if self.awaiting else Client
        usual = {"bucket": self.bucket, "collection": "todos", "auth": self.server.auth}
        client = kind(server_url=url or self.server.url, **{**usual, **options})
        client._port = Counted(client._port)
        client.sent = client._port.sent
        self._clients.append(client)
        return client

    def session(self, client: Any = None, **options: Any) -> Any:
        """Return a session, whose methods do not need to be awaited."""
        kind: Callable[..., Any] = AsyncSession if self.awaiting else Session
        return Run(self, kind(self.client() if client is None else client, **options))

    def create(self, documents: Iterable[dict[str, Any]], collection: str | None = "todos") -> None:
        """Create a collection with *documents*, as they are."""
        self.raw.create_collection(id=collection, if_not_exists=True)
        documents = list(documents)
        with self.raw.batch(collection=collection) as batch:
            for document in documents:
                batch.create_record(data=document)

    def stored(self, collection: str | None = "todos") -> dict[str, dict[str, Any]]:
        """Return what the server has, by id."""
        return {each["id"]: each for each in self.raw.get_records(collection=collection)}

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients:
            self.run(client.close())
        self.raw.close()
        if self.runner is not None:
            self.runner.close()


class Run:
    """Has the attributes of a session or a query; what they return is awaited."""

    def __init__(self, app: App, inner: Any) -> None:
        self._app = app
        self._inner = inner

    @property
    def sent(self) -> list[Request]:
        """Return the requests of the session's client."""
        sent: list[Request] = self._inner.client.sent
        return sent

    @property
    def writes(self) -> list[Request]:
        """Return those that may have changed something."""
        return [request for request in self.sent if request.writes]

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            result = self._app.run(found(*args, **kwargs))
            if hasattr(result, "order_by"):
                return Run(self._app, result)
            return self._app.collected(result) if hasattr(result, "__aiter__") else result

        return call

    def __contains__(self, record: Any) -> bool:
        return record in self._inner

    def __iter__(self) -> Any:
        if not hasattr(self._inner, "__aiter__"):
            return iter(self._inner)
        return iter(self._app.collected(self._inner))

    def __eq__(self, other: object) -> bool:
        return bool(self._inner == (other._inner if isinstance(other, Run) else other))

    def __hash__(self) -> int:
        return hash(self._inner)

    def __repr__(self) -> str:
        return repr(self._inner)

    def __str__(self) -> str:
        return str(self._inner)

    def __enter__(self) -> Self:
        self._app.run((self._inner.__aenter__ if self._app.awaiting else self._inner.__enter__)())
        return self

    def __exit__(self, *exc: object) -> None:
        leave = self._inner.__aexit__ if self._app.awaiting else self._inner.__exit__
        self._app.run(leave(*exc))


#: Both kinds of session, and all kinds of server, if not each with each.
COMBINATIONS = (
    "blocking on memory",
    "awaiting on memory+history",
    "awaiting on postgresql",
    "blocking on postgresql+history",
)

#: Two that have as little as possible in common, for what does not depend on the rest.
APART = ("blocking on memory", "awaiting on postgresql+history")
