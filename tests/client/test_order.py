"""Batches are made in their order, whatever gets lost; and what became of each part is said."""

from __future__ import annotations

import asyncio
import json

from collections.abc import Callable, Generator
from typing import Any, TypeAlias

import attrs
import pytest

from faults import FaultProxy, HttpAnswer, HttpRequest
from kinto_orm import AsyncClient, Client
from kinto_orm.client.clients import BatchClient
from kinto_orm.embedded import KintoServer
from kinto_orm.exceptions import (
    AnswerLost,
    KintoBatchException,
    NotAttempted,
    TransactionConflict,
    UnsendableValue,
)
from server.kinds import on_both_storages
from transport.drivers import QUICK, Driver


#: Records operations on a record with an id, which is at a timestamp: returns their handles.
Recipe: TypeAlias = Callable[[BatchClient, str, int], list[Any]]


def is_batch(request: HttpRequest) -> bool:
    """Tell whether *request* is one of several."""
    return request.path == "/v1/batch"


def done(batch_of: Client, record: Callable[[BatchClient], list[Any]]) -> list[Any]:
    """Run a batch, whatever fails in it; return what came of each handle."""
    handles: list[Any] = []
    try:
        with batch_of.batch() as batch:
            handles += record(batch)
    except KintoBatchException:
        pass
    return [outcome(each) for each in handles]


def outcome(handle: Any) -> Any:
    """Return the class of the error of *handle*, or the data it gives, but when that was."""
    if handle.error is not None:
        return type(handle.error).__name__
    result = handle.result()
    return without_time(result.get("data", result))


def without_time(data: dict[str, Any]) -> dict[str, Any]:
    """Return *data* but its id and when it was written."""
    return {name: value for name, value in data.items() if name not in ("id", "last_modified")}


@on_both_storages
class TestParents:
    """B10: what is deleted does not take with it what comes after it."""

    def test_collection(self, client: Client) -> None:
        """A collection that is deleted, created and filled in one batch stays filled."""
        client.create_record(id="old")
        with client.batch() as batch:
            batch.delete_collection()
            batch.create_collection(data={"of": "new"})
            batch.create_record(id="a", data={"n": 1})
        assert [without_time(each) for each in client.get_records()] == [{"n": 1}]
        assert client.get_collection()["data"]["of"] == "new"

    def test_bucket(self, client: Client) -> None:
        """Who deletes a bucket and creates it in one batch owns the new one."""
        with client.batch() as batch:
            batch.delete_bucket()
            batch.create_bucket()
        assert client.get_collections() == []
        client.create_collection()
        assert client.delete_bucket() is not None

    def test_list(self, client: Client) -> None:
        """A list of collections is deleted before one of them is created again."""
        with client.batch() as batch:
            batch.delete_collections()
            batch.create_collection()
            batch.create_record(id="a", data={"n": 1})
        assert [without_time(each) for each in client.get_records()] == [{"n": 1}]


@on_both_storages
class TestSameObject:
    def test_existing(self, client: Client) -> None:
        """The second request of a creation is made before the deletion that comes after it."""
        client.create_record(id="a", data={"n": 1})
        with client.batch() as batch:
            there = batch.create_record(id="a", data={"n": 2}, if_not_exists=True)
            gone = batch.delete_record(id="a")
        assert there.result()["data"]["n"] == 1
        assert gone.result() is not None
        assert client.get_records() == []

    def test_members(self, client: Client) -> None:
        """Members are added before they are replaced, however many requests that takes."""
        client.create_group(id="g", data={"members": ["x"]})
        with client.batch() as batch:
            batch.add_members(id="g", members=["a"])
            batch.update_group(id="g", data={"members": ["b"]})
        assert client.get_group(id="g")["data"]["members"] == ["b"]

    def test_reads(self, client: Client) -> None:
        """A read sees what was written before it, and not what is written after it."""
        client.create_record(id="a", data={"n": 0})
        with client.batch() as batch:
            before = batch.get_record(id="a")
            batch.update_record(id="a", data={"n": 1})
            between = batch.get_records()
            batch.update_record(id="a", data={"n": 2})
            after = batch.get_record(id="a")
        assert before.result()["data"]["n"] == 0
        assert [each["n"] for each in between.result()] == [1]
        assert after.result()["data"]["n"] == 2


def test_unrelated(counted: Client, proxy: FaultProxy) -> None:
    """What has nothing to do with each other travels in one request; so do reads of one object."""
    counted.create_record(id="a")
    counted.create_record(id="b", data={"n": 1})
    counted.server_info()
    proxy.forget()
    with counted.batch() as batch:
        batch.update_record(id="a", data={"n": 1})
        batch.get_record(id="b")
        batch.get_record(id="b")
        batch.create_record(id="c")
        batch.delete_record(id="d", if_exists=True)
        batch.create_group(id="g", data={"members": []})
        batch.create_collection(id="others")
    assert proxy.calls == [("POST", "/v1/batch")]


# -- Lost --------------------------------------------------------------------------------------


def replaced(batch: BatchClient, id: str, stamp: int) -> list[Any]:
    """Create what is there; delete it as it is known; change what is gone."""
    return [
        batch.create_record(id=id, data={"mine": 1}),
        batch.delete_record(id=id, if_match=stamp),
        batch.patch_record(id=id, data={"p": 1}),
    ]


def grown(batch: BatchClient, id: str, _: int) -> list[Any]:
    """Create and change a new one; then change it as it never was."""
    id = f"new-{id}"
    return [
        batch.create_record(id=id, data={"a": 1}),
        batch.patch_record(id=id, data={"b": 1}),
        batch.patch_record(id=id, data={"c": 1}, if_match=1),
    ]


def renewed(batch: BatchClient, id: str, _: int) -> list[Any]:
    """Delete and create it; then delete it as it never was."""
    return [
        batch.delete_record(id=id),
        batch.create_record(id=id, data={"v": 1}),
        batch.delete_record(id=id, if_match=1),
    ]


class TestLost:
    @pytest.fixture
    def kinto(self, servers: Callable[[str], KintoServer]) -> KintoServer:
        """Give a server that keeps a history, which tells what was done twice."""
        return servers("postgresql+history")

    @pytest.fixture
    def raw(self, kinto: KintoServer, bucket: str) -> Generator[Client]:
        """Give a client of a new bucket and collection, which looks at what is there."""
        with Client(
            server_url=kinto.url, auth=kinto.auth, bucket=bucket, collection="things"
        ) as client:
            client.create_bucket()
            client.create_collection()
            yield client

    @pytest.mark.parametrize(
        ("recipe", "expected"),
        [
            (replaced, ["PreconditionFailed", {"deleted": True}, "RecordNotFound"]),
            (grown, [{"a": 1}, {"a": 1, "b": 1}, "PreconditionFailed"]),
            (renewed, [{"deleted": True}, {"v": 1}, "PreconditionFailed"]),
        ],
    )
    def test_each_answer(
        self, driver: Driver, kinto: KintoServer, raw: Client, recipe: Recipe, expected: list[Any]
    ) -> None:
        """Whichever answer is lost, what is said and what is there are as if none had been."""
        seen: list[Any] = []
        count = lost = 0
        while lost <= count:
            id = f"x{lost}"
            stamp = raw.create_record(id=id, data={"v": 0})["data"]["last_modified"]
            with FaultProxy(kinto.url) as proxy:
                if lost:
                    fault = proxy.lose_answer(nth=lost)
                client = driver.client(
                    proxy.url, auth=kinto.auth, bucket=raw.bucket_name, collection="things",
                    retry=QUICK,
                )  # fmt: skip
                said = done(client, lambda batch: recipe(batch, id, stamp))  # noqa: B023
                if not lost:
                    count = len(proxy.requests)
                assert not lost or fault.count == 1
            seen.append((said, [*self.stored(raw, id), *self.stored(raw, f"new-{id}")]))
            lost += 1
        assert count >= 4
        assert seen[0][0] == expected
        assert seen == seen[:1] * len(seen)

    def stored(self, raw: Client, id: str) -> list[Any]:
        """Return what there is of a record, and what there was."""
        return [
            [without_time(each) for each in raw.get_records(id=id)],
            [each["action"] for each in raw.get_history(record_id=id)],
        ]


def test_unsendable(counted: Client, proxy: FaultProxy) -> None:
    """D1: a value that cannot be sent is refused; all others of its batch are done."""
    with pytest.raises(KintoBatchException) as caught, counted.batch() as batch:  # noqa: PT012
        for n in range(30):
            batch.create_record(id=f"r{n}", data={"n": float("nan") if n == 3 else n})
    assert [type(each) for each in caught.value.exceptions] == [UnsendableValue]
    assert isinstance(caught.value.outcomes[3], UnsendableValue)
    assert {each["n"] for each in counted.get_records()} == set(range(30)) - {3}
    assert all(b"NaN" not in request.body for request in proxy.requests)


class TestAfterTheBlock:
    def test_sent(self, counted: Client, proxy: FaultProxy) -> None:
        """A batch that was sent takes no more: it would never be."""
        with counted.batch() as batch:
            batch.create_record(id="a")
            elsewhere = batch.clone(collection="others")
        proxy.forget()
        with pytest.raises(RuntimeError, match=r"create_record\(\) comes too late"):
            batch.create_record(id="b")
        with pytest.raises(RuntimeError, match="comes too late"):
            elsewhere.create_record(id="b")
        with pytest.raises(RuntimeError, match="comes too late"):
            batch.session.request("GET", "/")
        assert len(batch.results()) == 1
        assert proxy.calls == []

    def test_raised(self, counted: Client, proxy: FaultProxy) -> None:
        """Nor does one whose block raised, and which is not sent."""
        with pytest.raises(LookupError), counted.batch() as batch:
            raise LookupError
        with pytest.raises(RuntimeError, match="comes too late"):
            batch.create_record(id="a")
        assert proxy.calls == []


# -- Interrupted -------------------------------------------------------------------------------


class Interrupting:
    """A port at which the user presses Ctrl-C when the second batch was sent."""

    def __init__(self, port: Any) -> None:
        self.port = port
        self.batches = 0

    def perform(self, step: Any) -> Any:
        answer = self.port.perform(step)
        self.batches += getattr(step, "path", "") == "/batch"
        if self.batches == 2:
            raise KeyboardInterrupt
        return answer


class TestInterrupted:
    """Of 25 operations, 10 at a time, the second ten are under way when it happens."""

    def check(self, handles: list[Any], client: Client) -> None:
        """Check that each handle says what is known of it, and that it is so."""
        errors = [type(each.error) for each in handles]
        assert errors == [type(None)] * 10 + [AnswerLost] * 10 + [NotAttempted] * 5
        assert [each.result()["data"]["id"] for each in handles[:10]] == [
            f"r{n}" for n in range(10)
        ]
        assert {each["id"] for each in client.get_records()} == {f"r{n}" for n in range(20)}
        assert all("may have been applied" in str(each.error) for each in handles[10:20])
        assert all("was not sent" in str(each.error) for each in handles[20:])

    @pytest.fixture
    def place(self, small: KintoServer, bucket: str) -> dict[str, Any]:
        """Give a new bucket and collection on a server with small batches."""
        place: dict[str, Any] = {"auth": small.auth, "bucket": bucket, "collection": "things"}
        with Client(server_url=small.url, **place) as client:
            client.create_bucket()
            client.create_collection()
        return place

    def test_blocking(
        self, small: KintoServer, place: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After Ctrl-C, each handle has its result, or says that it may or cannot have one."""
        with Client(server_url=small.url, **place) as client:
            monkeypatch.setattr(client, "_port", Interrupting(client._port))
            with pytest.raises(KeyboardInterrupt), client.batch() as batch:
                handles = [batch.create_record(id=f"r{n}") for n in range(25)]
            monkeypatch.undo()
            self.check(handles, client)

    def test_awaiting(self, small: KintoServer, place: dict[str, Any]) -> None:
        """After a task is cancelled, likewise."""
        handles: list[Any] = []

        async def write(client: AsyncClient) -> None:
            async with client.batch() as batch:
                handles.extend(batch.create_record(id=f"r{n}") for n in range(25))

        async def main(proxy: FaultProxy) -> None:
            fault = proxy.hold_answer(when=is_batch, nth=2)
            async with AsyncClient(server_url=proxy.url, **place) as client:
                task = asyncio.create_task(write(client))
                await asyncio.to_thread(fault.wait)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

        with FaultProxy(small.url) as proxy, Client(server_url=small.url, **place) as client:
            asyncio.run(main(proxy))
            self.check(handles, client)


def test_conflict_without_retries(
    driver: Driver, memory: KintoServer, counted: Client, proxy: FaultProxy
) -> None:
    """B3: who wants nothing repeated is told of a 409, for all that it undid, and at once."""

    def collide(answer: HttpAnswer) -> HttpAnswer:
        body = json.loads(answer.body)
        body["responses"][2]["status"] = 409
        return attrs.evolve(answer, body=json.dumps(body).encode())

    client = driver.client(
        proxy.url, auth=memory.auth, bucket=counted.bucket_name, collection="things", retry=0
    )
    proxy.change_answer(collide, when=is_batch)
    said = done(client, lambda batch: [batch.create_record(id=id) for id in "abcd"])
    assert said == [TransactionConflict.__name__] * 3 + [{}]
    assert proxy.calls.count(("POST", "/v1/batch")) == 1
