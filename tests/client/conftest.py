"""Clients of both kinds, and servers with settings of their own."""

from __future__ import annotations

from collections.abc import Callable, Generator

import pytest

from faults import FaultProxy
from kinto_orm import Client
from kinto_orm.embedded import KintoServer
from transport import drivers
from transport.drivers import Driver

from . import ways
from .ways import Way


driver = drivers.driver
way = ways.way


@pytest.fixture
def store(servers: Callable[[str], KintoServer]) -> KintoServer:
    """Give a server with all that it takes."""
    return servers("memory+history")


@pytest.fixture
def user(bucket: str) -> tuple[str, str]:
    """Give the credentials of a new user, to whom the server shows nothing of others."""
    return f"user-of-{bucket}", "secret"


@pytest.fixture
def caller(way: Way, store: KintoServer, user: tuple[str, str], bucket: str) -> Client:
    """Give a client of that user, in each way; its bucket and collection, *things*, are new."""
    return own(way.client(store.url, auth=user, bucket=bucket, collection="things"))


def own(client: Client) -> Client:
    """Return *client*, whose bucket and collection are created."""
    client.create_bucket()
    client.create_collection()
    return client


@pytest.fixture
def client(driver: Driver, server: KintoServer, bucket: str) -> Client:
    """Give a client whose bucket and collection, *things*, are new."""
    client = driver.client(server.url, auth=server.auth, bucket=bucket, collection="things")
    with client.batch() as batch:
        batch.create_bucket()
        batch.create_collection()
    return client


@pytest.fixture
def memory(servers: Callable[[str], KintoServer]) -> KintoServer:
    """Give one kind of server, for what has nothing to do with how it stores."""
    return servers("memory")


@pytest.fixture
def proxy(memory: KintoServer) -> Generator[FaultProxy]:
    """Give a proxy before that server, which counts what is sent."""
    with FaultProxy(memory.url) as proxy:
        yield proxy


@pytest.fixture
def counted(driver: Driver, memory: KintoServer, proxy: FaultProxy, bucket: str) -> Client:
    """Give a client as *client* does, whose requests pass the proxy: from now on."""
    client = driver.client(proxy.url, auth=memory.auth, bucket=bucket, collection="things")
    client.create_bucket()
    client.create_collection()
    proxy.forget()
    return client


@pytest.fixture(scope="session")
def small() -> Generator[KintoServer]:
    """Give a server with small pages, of 5, and small batches, of 10."""
    with KintoServer(paginate_by=5, batch_max_requests=10) as server:
        yield server


@pytest.fixture(scope="session")
def accounts() -> Generator[KintoServer]:
    """Give a server whose users have passwords."""
    policy = "kinto.plugins.accounts.authentication.AccountsAuthenticationPolicy"
    settings = {
        "multiauth.policies": "account",
        "multiauth.policy.account.use": policy,
        "includes": "kinto.plugins.accounts",
        "account_create_principals": "system.Everyone",
    }
    with KintoServer(**settings) as server:  # type: ignore[arg-type]
        yield server
