"""K44 and K45: whatever a client can do, its batch can do as well."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest

from faults import FaultProxy
from kinto_orm import Client


@pytest.fixture
def client(through: Callable[..., Any], proxy: FaultProxy, todos: Client) -> Any:
    """Give the client that is tested."""
    return through(proxy, todos)


def posts(proxy: FaultProxy) -> int:
    """Return how many batches passed."""
    return [method for method, _ in proxy.calls].count("POST")


# -- K44: what may be in a batch ---------------------------------------------------------------


def test_k44_reads(client: Any, todos: Client, proxy: FaultProxy) -> None:
    """Objects of all kinds are read in a batch, and lists, with filters."""
    todos.create_record(id="a", data={"done": True})
    todos.create_record(id="b", data={"done": False})
    with client.batch() as batch:
        batch.get_bucket()
        batch.get_collection()
        batch.get_record(id="a")
        batch.get_records(done=False)
    bucket, collection, record, records = batch.results()
    assert bucket == todos.get_bucket()
    assert collection == todos.get_collection()
    assert record == todos.get_record(id="a")
    assert [each["id"] for each in records["data"]] == ["b"]
    assert posts(proxy) == 1


def test_k44_reads_behind_writes(client: Any, todos: Client) -> None:
    """What is read in a batch is what was written before it there."""
    with client.batch() as batch:
        batch.create_record(id="a", data={"n": 1})
        batch.get_record(id="a")
        batch.patch_record(id="a", data={"n": 2})
        batch.get_records()
    _, record, _, records = batch.results()
    assert record["data"]["n"] == 1
    assert records["data"] == todos.get_records()
    assert records["data"][0]["n"] == 2


def test_k44_pages(through: Callable[..., Any], paged: Client, paged_proxy: FaultProxy) -> None:
    """A list that is read in a batch is whole, however many pages it has."""
    for start in (0, 8):
        with paged.batch() as batch:
            for n in range(start, start + 8):
                batch.create_record(id=f"r{n}")
    with through(paged_proxy, paged).batch() as batch:
        batch.get_records()
        batch.get_record(id="r3")
    records, record = batch.results()
    assert {each["id"] for each in records["data"]} == {f"r{n}" for n in range(16)}
    assert record["data"]["id"] == "r3"


def test_k44_repr(client: Any) -> None:
    """A batch can be shown, as in a debugger: before, while, and after it is filled."""
    with client.batch() as batch:
        assert "0 requests" in repr(batch)
        batch.create_record(id="a")
        assert "1 request" in repr(batch)
    assert "BatchClient" in repr(batch)


def test_k44_clone(client: Any, todos: Client, proxy: FaultProxy) -> None:
    """A clone of a batch, with another collection, records for the same batch."""
    todos.create_collection(id="others")
    with client.batch() as batch:
        batch.create_record(id="a")
        others = batch.clone(collection="others")
        others.create_record(id="b")
        batch.create_record(id="c")
    assert {each["id"] for each in todos.get_records()} == {"a", "c"}
    assert [each["id"] for each in todos.get_records(collection="others")] == ["b"]
    assert [each["data"]["id"] for each in batch.results()] == ["a", "b", "c"]
    assert posts(proxy) == 1


def test_k44_head(client: Any, todos: Client) -> None:
    """What asks for headers only has its result from a batch, too."""
    record = todos.create_record(id="a")
    with client.batch() as batch:
        timestamp = batch.get_records_timestamp()
        batch.create_record(id="b")
    assert timestamp.result() == str(record["data"]["last_modified"])
    with client.batch() as batch:
        batch.delete_record(id="a")
        count = batch.count_records()
    assert count.result() == 1


def test_k44_json_patch(client: Any, todos: Client, peer: ModuleType) -> None:
    """A JSON Patch does not spoil the batch that it is in, and is made in its turn (B1)."""
    todos.create_record(id="a", data={"n": 1})
    operations = [
        {"op": "test", "path": "/data/n", "value": 2},
        {"op": "add", "path": "/data/m", "value": 3},
    ]
    with client.batch() as batch:
        batch.patch_record(id="a", data={"n": 2})
        batch.patch_record(id="a", changes=peer.patch_type.JSONPatch(operations))
        batch.patch_record(id="a", data={"n": 4})
        batch.create_record(id="b")
    [_, patched, last, created] = batch.results()
    assert patched["data"].items() >= {"n": 2, "m": 3}.items()
    assert last["data"].items() >= {"n": 4, "m": 3}.items()
    assert todos.get_records() == [created["data"], last["data"]]


@pytest.mark.parametrize("kind", ["record", "collection", "group", "bucket"])
def test_k44_if_not_exists(client: Any, todos: Client, kind: str) -> None:
    """In a batch, too, what exists is returned if that is asked for, and what is new created."""
    new = f"{todos.bucket_name}-new"
    old = todos.bucket_name if kind == "bucket" else "old"
    more: dict[str, Any] = {"members": []} if kind == "group" else {}
    getattr(todos, f"create_{kind}")(id=old, data={"n": 1, **more}, if_not_exists=True)
    there = getattr(todos, f"get_{kind}")(id=old)
    with client.batch() as batch:
        create = getattr(batch, f"create_{kind}")
        create(id=old, data={"n": 2, **more}, if_not_exists=True)
        create(id=new, data={"n": 3, **more}, if_not_exists=True)
    found, created = batch.results()
    assert found == there
    assert created["data"]["n"] == 3
    assert getattr(todos, f"get_{kind}")(id=old) == there


def test_k44_if_exists(client: Any, todos: Client) -> None:
    """In a batch, too, nothing needs to be there to be deleted if that is asked for."""
    todos.create_record(id="a")
    with client.batch() as batch:
        missing = batch.delete_record(id="missing", if_exists=True)
        gone = batch.delete_record(id="a", if_exists=True)
        batch.delete_collection(id="missing", if_exists=True)
        batch.delete_group(id="missing", if_exists=True)
    assert missing.result() is None
    assert gone.result()["deleted"] is True
    assert todos.get_records() == []


@pytest.mark.parametrize("name", ["batch", "batches", "batch-2"])
def test_k44_named_like_the_endpoint(client: Any, todos: Client, name: str) -> None:
    """Nothing is wrong with a collection, a record or a group that is called "batch" (B8)."""
    with client.batch() as batch:
        batch.create_collection(id=name)
        batch.create_record(id=name, collection=name, data={"n": 1})
        batch.patch_record(id=name, collection=name, data={"n": 2})
        batch.create_group(id=name, data={"members": []})
    [record] = todos.get_records(collection=name)
    assert (record["id"], record["n"]) == (name, 2)
    assert todos.get_group(id=name)["data"]["id"] == name


# -- K45: examples -----------------------------------------------------------------------------


def test_k45_integers(client: Any, todos: Client, proxy: FaultProxy) -> None:
    """The first example of kinto-http's README runs: ids may be integers, zero included."""
    example = """
        with client.batch() as batch:
            for idx in range(0, 100):
                batch.update_record(data={"id": idx})
    """
    exec(dedent(example), {"client": client})
    assert {each["id"] for each in todos.get_records()} == {str(n) for n in range(100)}
    assert posts(proxy) == 4


def test_k45_reads(client: Any, todos: Client) -> None:
    """The second example runs: an id needs no name, and a batch has results."""
    example = """
        with client.batch() as batch:
            batch.get_record("r1")
            batch.get_record("r2")
            batch.get_record("r3")

        r1, r2, r3 = batch.results()
    """
    for id in ("r1", "r2", "r3"):
        todos.create_record(id=id, data={"of": id})
    names: dict[str, Any] = {"client": client}
    exec(dedent(example), names)
    assert [names[id]["data"]["of"] for id in ("r1", "r2", "r3")] == ["r1", "r2", "r3"]
    assert names["r1"] == todos.get_record("r1")
