"""
The defects of another client, by number: what they are, docs/from-kinto-http.md says.

Each test here is named after one.  All pass with `kinto_orm`.  With ``KINTO_PEER=kinto_http`` in
the environment, and that package installed, the same tests run with its clients, and each must
fail: so that none of them passes by chance.
"""

from __future__ import annotations

import importlib
import os

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest

from faults import FaultProxy
from kinto_orm import Client
from kinto_orm.embedded import KintoServer
from transport.drivers import Awaiting, Blocking, Driver


PEER = os.environ.get("KINTO_PEER", "kinto_orm")

#: Options of a client that is as persistent as ours is by default, and makes no pauses.
PERSISTENT: Mapping[str, Any] = {"retry": 4, "retry_after": 0}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have each test fail that runs with another client."""
    if PEER != "kinto_orm":
        for item in items:
            if "/defects/" in item.path.as_posix():
                item.add_marker(pytest.mark.xfail(reason=f"a defect of {PEER}", strict=True))


@pytest.fixture(scope="session")
def peer() -> ModuleType:
    """Give the package whose clients are tested."""
    return importlib.import_module(PEER)


@pytest.fixture(
    params=[Blocking, Awaiting] if PEER == "kinto_orm" else [Blocking],
    ids=["blocking", "awaiting"] if PEER == "kinto_orm" else ["blocking"],
)
def driver(request: pytest.FixtureRequest) -> Generator[Driver]:
    """Give each kind of driver in turn; of another package, only the one that blocks."""
    with request.param() as driver:
        yield driver


@pytest.fixture
def connect(driver: Driver, peer: ModuleType) -> Callable[..., Any]:
    """Give what makes clients, which are called as if they blocked: ``connect(url, auth=…)``."""

    def connected(url: str, **options: Any) -> Any:
        if PEER == "kinto_orm":
            return driver.client(url, **options)
        return peer.Client(server_url=url, **options)

    return connected


@pytest.fixture
def memory(servers: Callable[[str], KintoServer]) -> KintoServer:
    """Give one kind of server, for what has nothing to do with how it stores."""
    return servers("memory")


@pytest.fixture
def proxy(memory: KintoServer) -> Generator[FaultProxy]:
    """Give a proxy before that server, which counts what is sent."""
    with FaultProxy(memory.url) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def small() -> Generator[KintoServer]:
    """Give a server with small pages, of 5, and small batches, of 10, and all endpoints."""
    with KintoServer(
        history=True, paginate_by=5, batch_max_requests=10, experimental_permissions_endpoint=True
    ) as server:
        yield server


@contextmanager
def owned(server: KintoServer, bucket: str) -> Generator[Client]:
    """Give a client of our own that blocks, of a new bucket and collection, *todos*."""
    with Client(
        server_url=server.url, auth=server.auth, bucket=bucket, collection="todos"
    ) as client:
        client.create_bucket()
        client.create_collection()
        yield client


@pytest.fixture
def todos(memory: KintoServer, bucket: str) -> Generator[Client]:
    """Give a client of our own that blocks, of a new bucket and collection, *todos*."""
    with owned(memory, bucket) as client:
        yield client


@pytest.fixture
def paged(small: KintoServer, bucket: str) -> Generator[Client]:
    """Give a client as *todos*, of the server with small pages."""
    with owned(small, bucket) as client:
        yield client


@pytest.fixture
def paged_proxy(small: KintoServer) -> Generator[FaultProxy]:
    """Give a proxy before the server with small pages."""
    with FaultProxy(small.url) as proxy:
        yield proxy


@pytest.fixture
def through(connect: Callable[..., Any]) -> Callable[..., Any]:
    """Give what makes clients as one of our own, but through a proxy: ``through(proxy, todos)``."""

    def made(proxy: FaultProxy, own: Client, **options: Any) -> Any:
        place = {"bucket": own.bucket_name, "collection": own.collection_name}
        return connect(proxy.url, auth=KintoServer.auth, **place, **options)

    return made
