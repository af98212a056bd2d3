"""What kinto-http's list of defects says of its performance, as far as that can be counted."""

from __future__ import annotations

import hashlib
import importlib
import logging
import threading
import tracemalloc

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from faults import FaultProxy
from kinto_orm import Client
from kinto_orm.embedded import KintoServer


@pytest.fixture
def client(through: Callable[..., Any], proxy: FaultProxy, todos: Client) -> Any:
    """Give the client that is tested."""
    return through(proxy, todos)


# -- Requests and connections ------------------------------------------------------------------


def test_performance_clones_know_the_server(client: Any, proxy: FaultProxy) -> None:
    """What the server says of itself is asked once, for all clones of a client."""
    clones = [client.clone(collection=f"c{n}") for n in range(5)]
    for clone in clones:
        with clone.batch() as batch:
            batch.create_collection()
            batch.create_collection(id=f"{clone.collection_name}-too")
        assert clone.server_info()["settings"]["batch_max_requests"] == 25
    assert client.server_info() == clones[0].server_info()
    paths = [path for _, path in proxy.calls]
    assert paths.count("/v1/") == 1
    assert paths.count("/v1/batch") == 5


def test_performance_threads_share_connections(
    peer: ModuleType, todos: Client, proxy: FaultProxy
) -> None:
    """A thread uses the connection that another one is done with, instead of one of its own."""
    client = peer.Client(server_url=proxy.url, auth=KintoServer.auth, bucket=todos.bucket_name)
    for _ in range(5):
        with ThreadPoolExecutor(1) as pool:
            pool.submit(client.get_bucket).result()
    assert proxy.connections == 1
    client.close()


# -- Logs --------------------------------------------------------------------------------------


class Day(date):
    """A date that counts how often it is written as text."""

    written = 0

    def isoformat(self) -> str:
        Day.written += 1
        return super().isoformat()


def test_performance_values_are_written_once(
    client: Any, todos: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is sent is made JSON of once: to send it, and not for logs that nobody reads."""
    monkeypatch.setattr(Day, "written", 0)
    with client.batch() as batch:
        for n in range(60):
            batch.create_record(id=f"r{n}", data={"due": Day(2026, 1, 1)})
    assert Day.written == 60
    assert {each["due"] for each in todos.get_records()} == {"2026-01-01"}


def test_performance_logs_are_lazy(
    client: Any, peer: ModuleType, todos: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """What nobody listens to is not logged, so that nothing is formatted for it."""
    todos.create_record(id="a", data={"n": 1})
    made: list[str] = []
    factory = logging.getLogRecordFactory()

    def noted(name: str, *args: Any, **kwargs: Any) -> logging.LogRecord:
        made.append(name)
        return factory(name, *args, **kwargs)

    logging.setLogRecordFactory(noted)
    try:
        with caplog.at_level(logging.WARNING), client.batch() as batch:
            batch.patch_record(id="a", data={"n": 2})
            batch.create_record(id="b")
    finally:
        logging.setLogRecordFactory(factory)
    assert [name for name in made if name.startswith(peer.__name__)] == []


def test_performance_logs_are_quiet(
    client: Any, peer: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    """A success is no news: it is logged for who debugs, and for nobody else."""
    with caplog.at_level(logging.DEBUG), client.batch() as batch:
        for n in range(30):
            batch.create_record(id=f"r{n}")
    own = [each for each in caplog.records if each.name.startswith(peer.__name__)]
    assert own
    assert {each.levelno for each in own} == {logging.DEBUG}


# -- Memory ------------------------------------------------------------------------------------

#: The size of a file that would be noticed in memory, in bytes.
SIZE = 2**24

#: Its hash: it has nothing but zeros.
DIGEST = hashlib.sha256(bytes(SIZE)).hexdigest()


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Give a large file."""
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(SIZE)
    return path


class Taking(BaseHTTPRequestHandler):
    """Takes a file, of which it keeps nothing but the size, and says that it has it."""

    sizes: list[int]

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        self.sizes.append(size)
        for left in range(size, 0, -(2**16)):
            self.rfile.read(min(left, 2**16))
        body = b'{"hash": "%s"}' % DIGEST.encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: Any) -> None:
        pass


@pytest.fixture
def taking() -> Generator[tuple[str, list[int]]]:
    """Give the URL of a server that takes files, and the sizes of the bodies that it got."""
    sizes: list[int] = []
    handler = type("Handler", (Taking,), {"sizes": sizes})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1", sizes
        server.shutdown()
        thread.join()


@pytest.fixture
def peak() -> Generator[Callable[[], int]]:
    """Give what tells how much memory was used at the most, in bytes."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


def test_performance_uploads_are_read_in_parts(
    connect: Callable[..., Any],
    large: Path,
    taking: tuple[str, list[int]],
    peak: Callable[[], int],
) -> None:
    """A file is sent while it is read, so that it need not fit in memory."""
    url, sizes = taking
    client = connect(url, auth=KintoServer.auth, bucket="b", collection="c")
    client.add_attachment(id="a", filepath=large)
    [sent] = sizes
    assert sent > SIZE
    assert peak() < SIZE / 2


def test_performance_hashes_are_made_in_parts(
    peer: ModuleType, large: Path, peak: Callable[[], int]
) -> None:
    """To know the hash of a file, it need not fit in memory, either."""
    compute_sha256 = importlib.import_module(f"{peer.__name__}.utils").compute_sha256
    assert compute_sha256(large) == DIGEST
    assert peak() < SIZE / 2
