"""Connections to the servers of tests/conftest.py, and servers with settings of their own."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack
from functools import partial

import pytest

from kinto_orm.embedded import KintoServer

from .wire import Wire, sub


#: Give the server with this storage and these settings; the same one each time.
Tailor = Callable[..., KintoServer]

#: Give the server with this storage.
Chooser = Callable[[str], KintoServer]


@pytest.fixture(scope="session")
def tailored() -> Generator[Tailor]:
    """Give servers with settings other than the default ones: ``tailored(storage, **settings)``."""
    started: dict[object, KintoServer] = {}
    with ExitStack() as stack:

        def start(storage: str, **settings: str | int | bool) -> KintoServer:
            key = (storage, *sorted(settings.items()))
            if key not in started:
                server = KintoServer(storage=storage, **settings)  # type: ignore[arg-type]
                started[key] = stack.enter_context(server)
            return started[key]

        yield start


@pytest.fixture(scope="session")
def validating(tailored: Tailor) -> Chooser:
    """Give a server on a storage that validates records, and has a default bucket."""
    return partial(
        tailored,
        experimental_collection_schema_validation=True,
        includes="kinto.plugins.default_bucket",
    )


@pytest.fixture(scope="session")
def accounts(tailored: Tailor) -> KintoServer:
    """Give a server whose users have passwords."""
    return tailored(
        "memory",
        includes="kinto.plugins.accounts",
        account_create_principals="system.Everyone",
        **{
            "multiauth.policies": "account",
            "multiauth.policy.account.use": (
                "kinto.plugins.accounts.authentication.AccountsAuthenticationPolicy"
            ),
        },
    )


@pytest.fixture
def wire(server: KintoServer) -> Generator[Wire]:
    """Give a connection as a user who may create buckets."""
    with Wire(server.url, server.auth) as it:
        yield it


@pytest.fixture
def stranger(server: KintoServer) -> Generator[Wire]:
    """Give a connection as another user, who has no permission on anything."""
    with Wire(server.url, ("stranger", "danger")) as it:
        yield it


@pytest.fixture
def nobody(server: KintoServer) -> Generator[Wire]:
    """Give a connection without credentials."""
    with Wire(server.url, None) as it:
        yield it


@pytest.fixture
def collection(wire: Wire, bucket: str) -> str:
    """Give the path of a new collection in a new bucket."""
    path = f"/buckets/{bucket}/collections/things"
    assert wire.batch(sub("PUT", f"/buckets/{bucket}"), sub("PUT", path)).statuses == [201, 201]
    return path


@pytest.fixture
def records(collection: str) -> str:
    """Give the path of the list of records of a new collection."""
    return f"{collection}/records"


@pytest.fixture
def gate(wire: Wire, bucket: str) -> str:
    """Give the path of a record to be, in another bucket, at which a request can be held up."""
    path = f"/buckets/{bucket}-gate/collections/gates"
    creations = sub("PUT", f"/buckets/{bucket}-gate"), sub("PUT", path)
    assert wire.batch(*creations).statuses == [201, 201]
    return f"{path}/records/gate"
