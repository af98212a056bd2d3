"""
What a client says that it did, the server has, once: with others at work, and on bad networks.

All servers here store in PostgreSQL and keep a history, which tells how often a record was
created.
"""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import threading
import time

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from faults import FaultProxy, HttpRequest
from kinto_orm import Client, RetryPolicy
from kinto_orm.embedded import KintoServer
from kinto_orm.exceptions import KintoBatchException, PreconditionFailed
from server.collisions import database_url, rival
from transport.drivers import QUICK, Driver

from .ways import Way, not_batched


#: As many attempts as it takes a server to come back, and as short pauses as a test can do with.
PATIENT = RetryPolicy(attempts=100, first=0.05, longest=0.2)

#: What became of creations: the error of each id, None if it was done.
Said = Mapping[str, Exception | None]


def create(client: Client, ids: Iterable[str]) -> Said:
    """Create records in one batch; return what the client says of each."""
    handles: dict[str, Any] = {}
    try:
        with client.batch() as batch:
            for id in ids:
                handles[id] = batch.create_record(id=id, data={"by": "me", "of": id})
    except KintoBatchException:
        pass
    return {id: handle.error for id, handle in handles.items()}


def check(raw: Client, said: Said) -> None:
    """Check that it is on the server as was *said*, and that nothing was written twice."""
    stored = {each["id"]: each for each in raw.get_records()}
    # There may be entries of what a 409 undid, too (B3): these are of another time.
    there = {(id, record["last_modified"]): record for id, record in stored.items()}
    entries = [each for each in history(raw) if stamp(each) in there]
    assert Counter(map(stamp, entries)) == dict.fromkeys(there, 1)
    for id, error in said.items():
        if error is None:
            assert stored[id].items() >= {"by": "me", "of": id}.items()
        else:
            assert stored.get(id, {}).get("by") != "me"


def check_all(raw: Client, said: Said) -> None:
    """Check the same where nobody else writes: then nothing is undone, and all entries count."""
    check(raw, said)
    assert Counter(each["record_id"] for each in history(raw)) == dict.fromkeys(said, 1)


def history(raw: Client) -> list[dict[str, Any]]:
    """Return all entries of records in *things*, which must be of creations."""
    entries = raw.get_history(resource_name="record", collection_id="things")
    assert {each["action"] for each in entries} <= {"create"}
    return entries


def stamp(entry: dict[str, Any]) -> tuple[str, int]:
    """Return which record an *entry* of the history is of, and of when."""
    return entry["record_id"], entry["target"]["data"]["last_modified"]


@pytest.fixture
def kinto(servers: Callable[[str], KintoServer]) -> KintoServer:
    """Give the server."""
    return servers("postgresql+history")


@pytest.fixture
def raw(kinto: KintoServer, bucket: str) -> Generator[Client]:
    """Give a client of a new bucket and collection, *things*, which looks at what is there."""
    place = {"bucket": bucket, "collection": "things"}
    with Client(server_url=kinto.url, auth=kinto.auth, **place) as client:  # type: ignore[arg-type]
        client.create_bucket()
        client.create_collection()
        client.create_collection(id="others")
        yield client


@contextmanager
def two_writers(kinto: KintoServer, raw: Client) -> Generator[list[Said]]:
    """Have two others create records in the bucket meanwhile; give what they say of them."""
    stop = threading.Event()
    said: list[Said] = []

    def write(name: str, collection: str) -> None:
        place = {"bucket": raw.bucket_name, "collection": collection}
        with Client(server_url=kinto.url, auth=kinto.auth, **place) as client:  # type: ignore[arg-type]
            for round_ in itertools.count():
                said.append(create(client, [f"{name}-{round_}-{n}" for n in range(10)]))
                if stop.is_set():
                    return

    with ThreadPoolExecutor(2) as pool:
        writing = [pool.submit(write, "first", "things"), pool.submit(write, "second", "others")]
        try:
            yield said
        finally:
            stop.set()
        for each in writing:
            each.result()


class TestWriters:
    """On PostgreSQL, with history, with two other writers at work."""

    def test_batch(self, driver: Driver, kinto: KintoServer, raw: Client) -> None:
        """A batch of 100 creations says the truth about every one of them: done, or refused."""
        client = driver.client(
            kinto.url, auth=kinto.auth, bucket=raw.bucket_name, collection="things"
        )
        rounds = [[f"mine-{n}" for n in range(100)]]
        there = [id for ids in rounds for id in ids[::20]]
        with raw.batch() as batch:
            for id in there:
                batch.create_record(id=id, data={"by": "another"})
        said: dict[str, Exception | None] = {}
        with two_writers(kinto, raw) as others:
            for ids in rounds:
                said |= create(client, ids)
        failed = {id: error for id, error in said.items() if error is not None}
        assert list(failed) == there
        assert all(isinstance(error, PreconditionFailed) for error in failed.values())
        for each in others:
            assert list(each.values()) == [None] * len(each)
            said |= {id: None for id in each if id.startswith("first")}
        check(raw, said)

    def test_lost_answers(self, driver: Driver, kinto: KintoServer, raw: Client) -> None:
        """It does so when every third answer is lost, too."""
        with FaultProxy(kinto.url) as proxy, two_writers(kinto, raw):
            client = driver.client(
                proxy.url,
                auth=kinto.auth,
                bucket=raw.bucket_name,
                collection="things",
                retry=QUICK,
            )
            client.server_info()
            count = itertools.count(1)
            lost = proxy.lose_answer(when=lambda _: next(count) % 3 == 0, times=None)
            said = create(client, [f"mine-{n}" for n in range(100)])
            assert lost.count >= 1
        assert list(said.values()) == [None] * 100
        check(raw, said)

    def test_one_by_one(self, driver: Driver, kinto: KintoServer, raw: Client) -> None:
        """Creations that are not in a batch are as true, when every seventh answer is lost."""
        with FaultProxy(kinto.url) as proxy, two_writers(kinto, raw):
            client = driver.client(
                proxy.url,
                auth=kinto.auth,
                bucket=raw.bucket_name,
                collection="things",
                retry=QUICK,
            )
            count = itertools.count(1)
            lost = proxy.lose_answer(when=lambda _: next(count) % 7 == 0, times=None)
            ids = [f"mine-{n}" for n in range(20)]
            for id in ids:
                client.create_record(id=id, data={"by": "me", "of": id})
            assert lost.count >= 3
        check(raw, dict.fromkeys(ids))


# -- Servers that go away, and come back -------------------------------------------------------


class Restarted:
    """A server in a process of its own, on the database of another one."""

    def __init__(self, kinto: KintoServer) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._database = database_url(kinto)
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Return the root of its API, which it always has."""
        return f"http://127.0.0.1:{self._port}/v1"

    def start(self) -> None:
        """Start it; return when it listens."""
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-W",
                "ignore",
                "-m",
                "client.served",
                self._database,
                str(self._port),
            ],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        """Kill it, whatever it is doing."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def restarted(servers: Callable[[str], KintoServer]) -> Generator[Restarted]:
    """Give a server that can be killed, and started again."""
    server = Restarted(servers("postgresql+history"))
    server.start()
    yield server
    server.kill()


@pytest.mark.early
class TestServerComesBack:
    @not_batched
    def test_walk(self, way: Way, restarted: Restarted, raw: Client) -> None:
        """A walk goes on when the server is there again; nothing is missed or met twice."""
        ids = [f"r{n:02}" for n in range(60)]
        create(raw, ids)
        client = way.client(
            restarted.url,
            auth=KintoServer.auth,
            bucket=raw.bucket_name,
            collection="things",
            retry=PATIENT,
        )
        seen = []
        with ThreadPoolExecutor(1) as pool:
            for record in client.iter_records(_limit=10):
                seen.append(record["id"])
                if len(seen) == 25:
                    restarted.kill()
                    starting = pool.submit(restarted.start)
            starting.result()
        assert seen == ids

    def test_batch(
        self, driver: Driver, kinto: KintoServer, restarted: Restarted, raw: Client
    ) -> None:
        """A server that dies in a batch has what the client says, and once, when it is back."""
        client = driver.client(
            restarted.url,
            auth=KintoServer.auth,
            bucket=raw.bucket_name,
            collection="things",
            retry=PATIENT,
        )
        records = f"/buckets/{raw.bucket_name}/collections/things/records"
        with rival(kinto, records, 30) as it, ThreadPoolExecutor(1) as pool:
            # The server has written 30 of 100, and waits to write one more.

            def restart() -> None:
                it.wait_for(1)
                restarted.kill()
                it.rollback()
                restarted.start()

            restarting = pool.submit(restart)
            said = create(client, [f"mine-{n}" for n in range(100)])
            restarting.result()
        assert list(said.values()) == [None] * 100
        check_all(raw, said)


# -- Servers that are slow, or busy ------------------------------------------------------------


@pytest.fixture
def proxy(kinto: KintoServer) -> Generator[FaultProxy]:
    """Give a proxy before the server."""
    with FaultProxy(kinto.url) as proxy:
        yield proxy


def seconds() -> str:
    """Return a `Retry-After` of a second, as a number."""
    return "1"


def date() -> str:
    """Return a `Retry-After` of a second, as a date; dates have no fractions."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)


@pytest.mark.parametrize(("form", "ids"), [(seconds, ["a", "b"]), (date, ["a"])])
def test_retry_after(
    driver: Driver, proxy: FaultProxy, raw: Client, form: Callable[[], str], ids: list[str]
) -> None:
    """A server that says when to come again is not asked before, and written to once."""
    client = driver.client(
        proxy.url,
        auth=KintoServer.auth,
        bucket=raw.bucket_name,
        collection="things",
        retry=QUICK,
    )
    client.server_info()
    now = format_datetime(datetime.now(UTC), usegmt=True)
    proxy.answer(
        503,
        {"code": 503, "errno": 201, "error": "Service Unavailable"},
        {"Retry-After": form(), "Date": now},
        when=lambda request: request.method in ("PUT", "POST"),
    )
    began = time.monotonic()
    said = create(client, ids)  # Of one, not as a batch.
    assert time.monotonic() - began >= 0.99
    assert said == dict.fromkeys(ids)
    check_all(raw, said)


class TestTimeOut:
    """A client that does not wait any longer."""

    def client(self, driver: Driver, proxy: FaultProxy, raw: Client) -> Client:
        """Return a client that waits for a third of a second."""
        client = driver.client(
            proxy.url,
            auth=KintoServer.auth,
            bucket=raw.bucket_name,
            collection="things",
            timeout=0.35,
            retry=QUICK,
        )
        client.server_info()
        return client

    def test_answer_is_late(self, driver: Driver, proxy: FaultProxy, raw: Client) -> None:
        """If an answer comes too late, what it is about is looked up, and not done twice."""
        client = self.client(driver, proxy, raw)
        held = proxy.hold_answer(when=lambda request: request.method in ("PUT", "POST"), times=2)
        client.create_record(id="a", data={"by": "me", "of": "a"})
        said = create(client, ["b", "c"])
        assert held.count == 2
        assert said == {"b": None, "c": None}
        check_all(raw, {**said, "a": None})

    def test_reads(self, driver: Driver, proxy: FaultProxy, raw: Client) -> None:
        """A read whose answer is late is made again."""
        create(raw, ["a", "b"])
        client = self.client(driver, proxy, raw)
        held = proxy.hold_answer(times=2)
        assert [each["id"] for each in client.get_records(_sort="id")] == ["a", "b"]
        assert held.count == 2

    @pytest.mark.parametrize("ids", [["a"], ["a", "b"]], ids=["alone", "batch"])
    def test_server_is_late(
        self, driver: Driver, kinto: KintoServer, proxy: FaultProxy, raw: Client, ids: list[str]
    ) -> None:
        """A write that the server makes after the client has given it up is not made twice."""
        client = self.client(driver, proxy, raw)

        def is_write(request: HttpRequest) -> bool:
            return any(method == "PUT" for method, _ in request.entries)

        again = threading.Event()
        count = itertools.count(1)

        def second(request: HttpRequest) -> bool:
            if is_write(request) and next(count) == 2:
                again.set()
            return False

        proxy.drop(when=second)
        records = f"/buckets/{raw.bucket_name}/collections/things/records"
        with rival(kinto, records) as it, ThreadPoolExecutor(1) as pool:
            # It waits until the client has sent its write a second time, which finds nothing.

            def let_go() -> None:
                it.wait_for(1)
                assert again.wait(10)
                it.rollback()

            letting = pool.submit(let_go)
            said = create(client, ids)
            letting.result()
        assert said == dict.fromkeys(ids)
        check_all(raw, said)
