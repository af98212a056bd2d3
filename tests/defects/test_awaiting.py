"""K60 to K63: what is awaited is done, at the same time as other things, and can be cancelled."""

from __future__ import annotations

import asyncio
import hashlib

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import pytest

import faults

from faults import Fault, FaultProxy, HttpRequest
from kinto_orm import Client
from kinto_orm.embedded import KintoServer


#: Opens a client that awaits, of a server with the given root.
Opened: TypeAlias = Callable[[str], AbstractAsyncContextManager[Any]]


@pytest.fixture(autouse=True)
def patience(peer: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait long for what another client will not do."""
    if peer.__name__ != "kinto_orm":
        monkeypatch.setattr(faults, "PATIENCE", 2.0)


@pytest.fixture
def opened(peer: ModuleType, todos: Client) -> Opened:
    """Give what opens a client that awaits, and closes it if that can be closed."""

    @asynccontextmanager
    async def opened(url: str) -> AsyncGenerator[Any]:
        client = peer.AsyncClient(
            server_url=url,
            auth=KintoServer.auth,
            bucket=todos.bucket_name,
            collection=todos.collection_name,
        )
        try:
            yield client
        finally:
            if hasattr(client, "close"):
                await client.close()

    return opened


async def under_way(task: asyncio.Task[Any], held: Fault) -> None:
    """Wait until the answer to what *task* asks is held back; meanwhile the loop must go on."""
    waiting = asyncio.create_task(asyncio.to_thread(held.wait))
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    assert not task.done(), task.exception() or "the event loop has stood still"
    await waiting


# -- K60: review -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "message", "status"),
    [
        ("request_review", ["please"], "to-review"),
        ("approve_changes", [], "to-sign"),
        ("decline_changes", ["no"], "work-in-progress"),
        ("rollback_changes", ["back"], "to-rollback"),
    ],
)
def test_k60_review(
    opened: Opened, todos: Client, proxy: FaultProxy, method: str, message: list[str], status: str
) -> None:
    """A step of a review that was awaited has been sent, and gives the collection as it is then."""

    async def reviewed() -> Any:
        async with opened(proxy.url) as client:
            return await getattr(client, method)(*message)

    collection = asyncio.run(reviewed())
    assert [each for each, _ in proxy.calls] == ["PATCH"]
    assert collection == todos.get_collection()
    assert collection["data"]["status"] == status


# -- K61: batches ------------------------------------------------------------------------------


async def write(client: Any) -> None:
    """Write two records in a batch."""
    async with client.batch() as batch:
        batch.create_record(id="a")
        batch.create_record(id="b")


def test_k61_batch(opened: Opened, todos: Client, proxy: FaultProxy) -> None:
    """A batch of a client that awaits is entered with ``async with``, and sent on leaving."""

    async def written() -> None:
        async with opened(proxy.url) as client:
            await write(client)

    asyncio.run(written())
    assert {each["id"] for each in todos.get_records()} == {"a", "b"}
    assert [method for method, _ in proxy.calls] == ["GET", "POST"]


def test_k61_others_go_on(opened: Opened, todos: Client, proxy: FaultProxy) -> None:
    """While the answer to a batch is awaited, other tasks go on, with the same client as well."""
    held = proxy.hold_answer(when=lambda request: request.method == "POST")

    async def written() -> None:
        async with opened(proxy.url) as client:
            task = asyncio.create_task(write(client))
            await under_way(task, held)
            assert (await client.get_bucket())["data"]["id"] == todos.bucket_name
            assert not task.done()
            held.release()
            await task

    asyncio.run(written())
    assert {each["id"] for each in todos.get_records()} == {"a", "b"}


# -- K62: what is slow -------------------------------------------------------------------------


CONTENT = bytes(range(256)) * 1000

RECORD = {
    "id": "a",
    "attachment": {
        "filename": "data.bin",
        "location": "folder/data.bin",
        "mimetype": "application/octet-stream",
        "size": len(CONTENT),
        "hash": hashlib.sha256(CONTENT).hexdigest(),
    },
}


def is_file(request: HttpRequest) -> bool:
    """Tell whether *request* is for the file."""
    return request.path.endswith("/data.bin")


@pytest.fixture
def files() -> Generator[FaultProxy]:
    """Give a proxy before a server that has a file."""
    with FaultProxy("http://127.0.0.1:9/v1") as server, FaultProxy(server.url) as proxy:
        attachments = {"base_url": f"{proxy.url}/files/"}
        info = {"settings": {}, "capabilities": {"attachments": attachments}}
        server.answer(200, CONTENT, when=is_file, times=None)
        server.answer(200, info, times=None)
        yield proxy


def test_k62_download(opened: Opened, files: FaultProxy, tmp_path: Path) -> None:
    """While a file is downloaded, other tasks go on."""
    held = files.hold_answer(when=is_file)

    async def downloaded() -> Any:
        async with opened(files.url) as client:
            task = asyncio.create_task(client.download_attachment(RECORD, str(tmp_path)))
            await under_way(task, held)
            held.release()
            return await task

    path = Path(asyncio.run(downloaded()))
    assert path == tmp_path / "data.bin"
    assert path.read_bytes() == CONTENT


def test_k62_pages(opened: Opened, todos: Client, proxy: FaultProxy) -> None:
    """Pages are read with ``async for``; while one is awaited, other tasks go on."""
    for n in range(3):
        todos.create_record(id=f"r{n}")
    held = proxy.hold_answer(nth=2)

    async def read(client: Any) -> list[Any]:
        return [page["data"] async for page in client.get_paginated_records(_limit=1)]

    async def paged() -> list[Any]:
        async with opened(proxy.url) as client:
            task = asyncio.create_task(read(client))
            await under_way(task, held)
            held.release()
            return await task

    assert [each["id"] for [each] in asyncio.run(paged())] == ["r2", "r1", "r0"]


# -- K63: many at once -------------------------------------------------------------------------


@asynccontextmanager
async def serving(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any],
) -> AsyncGenerator[str]:
    """Serve each connection with *answer*, in this event loop; give the root of the server."""

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await answer(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0, backlog=MANY)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()


MANY = 200

FOUND = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n"
    b"Connection: close\r\n\r\n" + b'{"data":{}}'
)


def test_k63_many_at_once(opened: Opened) -> None:
    """As many as 200 requests are under way at the same time: none waits for another's answer."""

    async def asked() -> int:
        came = 0
        all_came = asyncio.Event()

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal came
            came += 1
            if came == MANY:
                all_came.set()
            await all_came.wait()
            writer.write(FOUND)
            await writer.drain()

        async with serving(answer) as url, opened(url) as client:
            calls = [client.get_collection() for _ in range(MANY)]
            async with asyncio.timeout(faults.PATIENCE):
                await asyncio.gather(*calls)
        return came

    assert asyncio.run(asked()) == MANY


def test_k63_cancellation(opened: Opened) -> None:
    """A task that is cancelled ends at once, and its request with it: the connection is closed."""

    async def cancelled() -> None:
        came, left = asyncio.Event(), asyncio.Event()

        async def answer(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            came.set()
            assert await reader.read() == b""  # Until the client has gone.
            left.set()

        async with serving(answer) as url, opened(url) as client:
            task = asyncio.create_task(client.get_collection())
            await came.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            async with asyncio.timeout(faults.PATIENCE):
                await left.wait()

    asyncio.run(cancelled())


def test_k63_what_asks_nobody_is_not_awaited(opened: Opened) -> None:
    """What needs no answer of a server is a plain call: paths, clones, the client as text."""

    async def called() -> None:
        async with opened("http://127.0.0.1:9/v1") as client:
            assert client.get_endpoint("bucket", bucket="b") == "/buckets/b"
            other = client.clone(bucket="b", collection="c")
            assert "127.0.0.1:9/v1" in repr(other)

    asyncio.run(called())
