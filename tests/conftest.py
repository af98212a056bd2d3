"""Real servers, started when a test first wants one and kept for the session."""

from __future__ import annotations

import uuid

from collections.abc import Callable, Generator
from contextlib import ExitStack

import pytest

from kinto_orm.embedded import KintoServer


#: Every kind of server that behaviour is tested on.
KINDS = ("memory", "memory+history", "postgresql", "postgresql+history")


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
