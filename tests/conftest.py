"""Real servers, started when a test first wants one and kept for the session."""

from __future__ import annotations

import asyncio
import uuid

from collections.abc import Callable, Generator
from contextlib import ExitStack

import pytest

from hypothesis import HealthCheck, settings

from apps import COMBINATIONS, App
from kinto_orm import Client
from kinto_orm.embedded import KintoServer
from offline import OFFLINE, go_offline, wants_server


# How long a law takes says more of the machine, and of what else it does, than of the law.
settings.register_profile("laws", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("laws")

#: Every kind of server that behaviour is tested on.
KINDS = ("memory", "memory+history", "postgresql", "postgresql+history")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that want a server where there is no network."""
    if OFFLINE:
        wanting = [item for item in items if wants_server(item)]
        config.hook.pytest_deselected(items=wanting)
        items[:] = [item for item in items if item not in wanting]


@pytest.fixture(scope="session", autouse=OFFLINE)
def offline() -> Generator[None]:
    """Have no network, in all tests, if that is wanted (see `offline.OFFLINE`)."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        go_offline(monkeypatch)
        yield


@pytest.fixture(scope="session")
def servers() -> Generator[Callable[[str], KintoServer]]:
    """Give a server of a kind (see `KINDS`); the same one each time."""
    started: dict[str, KintoServer] = {}
    with ExitStack() as stack:

        def start(kind: str) -> KintoServer:
            if kind not in started:
                storage, _, history = kind.partition("+")
                server = KintoServer(storage=storage, history=bool(history))  # type: ignore[arg-type]
                started[kind] = stack.enter_context(server)
            return started[kind]

        yield start


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest, servers: Callable[[str], KintoServer]) -> KintoServer:
    """Give each kind of server in turn; choose with ``parametrize("server", …, indirect=True)``."""
    return servers(request.param)


@pytest.fixture
def bucket() -> str:
    """Give the id of a bucket that no other test uses; it does not exist yet."""
    return f"b{uuid.uuid4().hex}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have tests with an *app* run on each of `COMBINATIONS`, or on the `APPS` of their module."""
    marks = metafunc.definition.iter_markers("parametrize")
    chosen = getattr(metafunc.module, "APPS", COMBINATIONS)
    if chosen and "app" in metafunc.fixturenames and not any(m.args[0] == "app" for m in marks):
        metafunc.parametrize("app", chosen, indirect=True)


@pytest.fixture
def app(
    request: pytest.FixtureRequest, servers: Callable[[str], KintoServer], bucket: str
) -> Generator[App]:
    """Give a program with a bucket of its own, as each of `COMBINATIONS`, or as its module says."""
    waiting, _, kind = request.param.partition(" on ")
    server, awaiting = servers(kind), waiting == "awaiting"
    raw = Client(server_url=server.url, auth=server.auth, bucket=bucket, collection="todos")
    raw.create_bucket()
    raw.create_collection()
    app = App(server, bucket, awaiting, raw, asyncio.Runner() if awaiting else None)
    yield app
    app.close()
