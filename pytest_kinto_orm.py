"""
Fixtures for tests of programs that use kinto-orm: a real Kinto, and clients of it.

It stands beside the package, and imports it no sooner than a test wants a fixture, so that pytest
starts as fast as without it, and what measures coverage sees the package being loaded.
"""

from __future__ import annotations

import uuid
import warnings

from collections.abc import Generator
from typing import TYPE_CHECKING, Final

import pytest


if TYPE_CHECKING:
    from kinto_orm import AsyncClient, Client, Session
    from kinto_orm.embedded import KintoServer
    from kinto_orm.testing import Requests


#: Modules of the server, whose warnings are not for who tests a client.
_SERVER: Final = (
    r"(kinto|pyramid|webob|cornice\w*|colander|zope|venusian|waitress|transaction|sqlalchemy)(\.|$)"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that say which server tests run on."""
    group = parser.getgroup("kinto-orm")
    group.addoption(
        "--kinto-storage",
        choices=("memory", "postgresql"),
        help="where the server of the fixture kinto_server keeps its data",
    )
    group.addoption(
        "--kinto-history",
        action="store_true",
        default=None,
        help="turn on the history plugin of that server",
    )
    parser.addini("kinto_storage", "as --kinto-storage", default="memory")
    parser.addini("kinto_history", "as --kinto-history", type="bool", default=False)


@pytest.fixture(scope="session")
def kinto_server(pytestconfig: pytest.Config) -> Generator[KintoServer]:
    """
    Give a real Kinto in this process, one for all tests; with pytest-xdist, one for each worker.

    Where it keeps its data, ``--kinto-storage`` or the ini option *kinto_storage* says: in
    *memory*, or in *postgresql*.  ``--kinto-history`` or *kinto_history* turns on its history.
    """
    from kinto_orm.embedded import EmbeddedServerError, KintoServer

    storage = pytestconfig.getoption("--kinto-storage") or pytestconfig.getini("kinto_storage")
    history = pytestconfig.getoption("--kinto-history") or pytestconfig.getini("kinto_history")
    _ignore_its_warnings(pytestconfig)
    try:
        server = KintoServer(storage=storage, history=history).start()
    except (EmbeddedServerError, ValueError) as error:
        pytest.fail(str(error), pytrace=False)
    yield server
    server.stop()


def _ignore_its_warnings(config: pytest.Config) -> None:
    """Have warnings of the server be no errors: it runs in this process, with its filters."""
    # In what is left of this phase of a test, and from the next one on.
    warnings.filterwarnings("ignore", module=_SERVER)
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    config.addinivalue_line("filterwarnings", f"ignore::Warning:{_SERVER}")
    config.addinivalue_line("filterwarnings", "ignore:pkg_resources is deprecated")


@pytest.fixture
def kinto_client(kinto_server: KintoServer) -> Generator[Client]:
    """
    Give a client with a bucket of its own, which is empty.

    It knows the settings of the server already.  After the test, the buckets are deleted that were
    not there before: its own, and those that the test has created as the same user.
    """
    from kinto_orm import Client

    bucket = f"test-{uuid.uuid4().hex}"
    with Client(server_url=kinto_server.url, auth=kinto_server.auth, bucket=bucket) as client:
        client.server_info()
        before = {each["id"] for each in client.get_buckets()}
        client.create_bucket()
        yield client
    # With another one: a test may close its client, or change who it is.
    with Client(server_url=kinto_server.url, auth=kinto_server.auth) as cleaner:
        for each in cleaner.get_buckets():
            if each["id"] not in before:
                cleaner.delete_bucket(id=each["id"])


@pytest.fixture
def kinto_session(kinto_client: Client) -> Generator[Session]:
    """
    Give a session of `kinto_client`.

    What a test has not committed is forgotten, without a warning.
    """
    from kinto_orm import Session

    session = Session(kinto_client)
    yield session
    session.close()


@pytest.fixture
def kinto_async_client(kinto_client: Client) -> AsyncClient:
    """
    Give an awaiting client with the bucket of `kinto_client`, not open yet.

    The test opens and closes it, in its own event loop: ``async with kinto_async_client as
    client``.  So it does not matter which plugin runs the loop, if any.
    """
    from kinto_orm import AsyncClient

    session, bucket = kinto_client.session, kinto_client.bucket_name
    client = AsyncClient(server_url=session.server_url, auth=session.auth, bucket=bucket)
    client.session.known = session.known
    client.session._port.watchers = session._port.watchers
    return client


@pytest.fixture
def kinto_requests(kinto_client: Client) -> Generator[Requests]:
    """Give what `kinto_client` and `kinto_async_client` send, with their sessions and clones."""
    from kinto_orm.testing import recording

    with recording(kinto_client) as requests:
        yield requests
