"""Servers that keep files, and clients of both kinds."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from attrs import frozen

from faults import FaultProxy
from kinto_orm import Client
from kinto_orm.embedded import KintoServer
from transport import drivers
from transport.drivers import QUICK, Driver

from .serving import say_where


driver = drivers.driver


@frozen
class Keeper:
    """
    A Kinto that keeps files.

    Attributes:
        server: The server.
        folder: Where it keeps them.
    """

    server: KintoServer
    folder: Path

    def say_where(self, base_url: str | None, capability: str | None = None) -> None:
        """Have it say where they are (see `serving.say_where`)."""
        say_where(str(self.folder), base_url, capability)

    def kept(self) -> list[bytes]:
        """Return all files that it keeps."""
        return [each.read_bytes() for each in self.folder.iterdir()]


@pytest.fixture(scope="session")
def keepers(tmp_path_factory: pytest.TempPathFactory) -> Generator[Callable[[str], Keeper]]:
    """Give a server of a kind that keeps files; the same one each time."""
    started: dict[str, Keeper] = {}
    with ExitStack() as stack:

        def start(kind: str) -> Keeper:
            if kind not in started:
                storage, _, history = kind.partition("+")
                folder = tmp_path_factory.mktemp("kept")
                settings = {
                    "includes": "kinto_attachment attachments.serving",
                    "kinto.attachment.base_path": str(folder),
                    "kinto.attachment.extensions": "any",
                    "experimental_collection_schema_validation": "true",
                }
                server = KintoServer(storage=storage, history=bool(history), **settings)  # type: ignore[arg-type]
                started[kind] = Keeper(stack.enter_context(server), folder)
            return started[kind]

        yield start


@pytest.fixture(params=["memory"])
def keeper(request: pytest.FixtureRequest, keepers: Callable[[str], Keeper]) -> Keeper:
    """Give a server; choose with ``parametrize("keeper", …, indirect=True)``."""
    return keepers(request.param)


@pytest.fixture
def api(keeper: Keeper) -> Generator[FaultProxy]:
    """Give a proxy before its API."""
    with FaultProxy(keeper.server.url) as proxy:
        yield proxy


@pytest.fixture
def files(keeper: Keeper) -> Generator[FaultProxy]:
    """Give a proxy before its files: to a client, another host."""
    with FaultProxy(keeper.server.url) as proxy:
        keeper.say_where(f"{proxy.url}/attachments/")
        yield proxy


@pytest.fixture
def client(driver: Driver, api: FaultProxy, files: FaultProxy, bucket: str) -> Client:
    """Give a client whose bucket and collection, *things*, are new."""
    assert files.calls == []
    client = driver.client(
        api.url, auth=KintoServer.auth, bucket=bucket, collection="things", retry=QUICK
    )
    client.create_bucket()
    client.create_collection()
    client.server_info()
    api.forget()
    return client


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Give a file to upload."""
    path = tmp_path / "source" / "cat.png"
    path.parent.mkdir()
    path.write_bytes(b"meow\r\n\0" * 1000)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder to download to, which is empty."""
    path = tmp_path / "target"
    path.mkdir()
    return path
