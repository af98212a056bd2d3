"""What is written: where, how much, and what is said of it (K1 to K5, K7 to K10, K13, K14, K17)."""

from __future__ import annotations

import hashlib
import importlib

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from faults import FaultProxy, HttpRequest
from kinto_orm import Client
from kinto_orm.embedded import KintoServer
from server.collisions import collide
from server.kinds import on_postgresql

from .conftest import PEER, PERSISTENT, owned


def ids(documents: list[dict[str, Any]]) -> set[str]:
    """Return the ids of *documents*."""
    return {each["id"] for each in documents}


# -- The right object --------------------------------------------------------------------------


def test_k01_a_collection_called_v1(
    through: Callable[..., Any], todos: Client, proxy: FaultProxy
) -> None:
    """A collection may be called like the prefix of the API: no other one is emptied or deleted."""
    for name in ("v1", "records"):
        todos.create_collection(id=name)
        todos.create_record(id="a", collection=name)
    with through(proxy, todos).batch() as batch:
        batch.delete_records(collection="v1")
        batch.create_record(id="b")
    assert ids(todos.get_collections()) == {"todos", "v1", "records"}
    assert ids(todos.get_records(collection="records")) == {"a"}
    assert ids(todos.get_records(collection="v1")) == set()


def test_k01_a_bucket_that_ends_in_v1(
    through: Callable[..., Any], todos: Client, proxy: FaultProxy, bucket: str
) -> None:
    """The id of a bucket may end like the prefix of the API: no other one is deleted."""
    meant, other = f"{bucket}v1", f"{bucket}groups"
    for name in (meant, other):
        todos.create_bucket(id=name)
        todos.create_group(id="editors", bucket=name, data={"members": []})
    with through(proxy, todos).batch() as batch:
        batch.delete_groups(bucket=meant)
        batch.create_record(id="b")
    assert {meant, other} <= ids(todos.get_buckets())
    assert ids(todos.get_groups(bucket=other)) == {"editors"}
    assert todos.get_groups(bucket=meant) == []


def test_k01_writes_in_such_a_bucket(
    through: Callable[..., Any], todos: Client, proxy: FaultProxy, bucket: str
) -> None:
    """What is written in a batch is written where it was meant to be, whatever that is called."""
    todos.create_bucket(id=f"{bucket}-rev1")
    with through(proxy, todos).batch(bucket=f"{bucket}-rev1", collection="v1") as batch:
        batch.create_collection()
        batch.create_record(id="v1")
    assert ids(todos.get_records(bucket=f"{bucket}-rev1", collection="v1")) == {"v1"}


@pytest.mark.parametrize(
    ("wrong", "other"), [("a.b", "ab"), ("été 1", "ete-1"), ("日本", "ri-ben")]
)
def test_k07_an_invalid_id(
    through: Callable[..., Any],
    peer: ModuleType,
    todos: Client,
    proxy: FaultProxy,
    wrong: str,
    other: str,
) -> None:
    """An id that Kinto does not take is refused; it never becomes that of another record."""
    todos.create_record(id=other, data={"n": 1})
    client = through(proxy, todos)
    with pytest.raises(peer.KintoException, match="cannot be the id of a record"):
        client.update_record(id=wrong, data={"n": 2})
    assert proxy.calls == []
    assert todos.get_record(id=other)["data"]["n"] == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.delete_collection(id=""),
        lambda client: client.delete_bucket(id=""),
        lambda client: client.delete_records(collection=""),
        lambda client: client.update_record(id="b", collection="", data={}),
    ],
    ids=["collection", "bucket", "records", "record"],
)
def test_k08_an_empty_id(
    through: Callable[..., Any],
    peer: ModuleType,
    todos: Client,
    proxy: FaultProxy,
    call: Callable[[Any], Any],
) -> None:
    """An empty id is a mistake of the caller: the client's own object does not stand for it."""
    todos.create_record(id="a")
    client = through(proxy, todos)
    with pytest.raises(peer.KintoException, match="'' cannot be the id"):
        call(client)
    assert proxy.calls == []
    assert ids(todos.get_records()) == {"a"}


# -- All of it ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["record", "collection", "group", "bucket"])
def test_k09_more_than_a_page_is_deleted(
    connect: Callable[..., Any], small: KintoServer, bucket: str, kind: str
) -> None:
    """To delete a list is to delete all of it, however many pages that are; all are returned."""
    nobody_else = (f"owner-of-{bucket}", "secret")
    client = connect(small.url, auth=nobody_else, bucket=bucket, collection="things")
    if kind != "bucket":
        client.create_bucket()
    if kind == "record":
        client.create_collection()
    made = {f"{bucket}-{n}" for n in range(12)}
    with client.batch() as batch:
        for each in sorted(made):
            getattr(batch, f"create_{kind}")(id=each, data={"members": []})
    assert ids(getattr(client, f"delete_{kind}s")()) == made
    assert getattr(client, f"get_{kind}s")() == []


def test_k09_more_than_a_page_of_history_is_purged(
    through: Callable[..., Any], paged: Client, paged_proxy: FaultProxy
) -> None:
    """To purge the history of a bucket is to delete all of it."""
    with paged.batch() as batch:
        for n in range(10):
            batch.create_record(id=f"r{n}")
    assert len(paged.get_history()) == 12
    assert len(through(paged_proxy, paged).purge_history()) == 12
    assert paged.get_history() == []
    assert [method for method, _ in paged_proxy.calls] == ["DELETE"] * 3


# -- Batches -----------------------------------------------------------------------------------


@on_postgresql
@pytest.mark.parametrize("ignore", [True, False], ids=["4xx ignored", "4xx raised"])
def test_k02_a_409_in_a_batch(
    through: Callable[..., Any], peer: ModuleType, server: KintoServer, bucket: str, *, ignore: bool
) -> None:
    """What a 409 has undone is sent again, and the results say what is on the server (B3)."""
    records = f"/buckets/{bucket}/collections/todos/records"
    with owned(server, bucket) as own, FaultProxy(server.url) as proxy:
        client = through(proxy, own, ignore_batch_4xx=ignore)
        with suppress(peer.KintoException), collide(server, records, 2), client.batch() as batch:
            for name in "abcd":
                batch.create_record(id=name)
        written = {body["data"]["id"] for body in batch.results() if "data" in body}
        assert written == ids(own.get_records())
        assert written == set("abcd")
        sent = [len(request.entries) for request in proxy.requests if request.method == "POST"]
        assert sent == [4, 3]


def test_k03_a_merge_patch_in_a_batch(
    through: Callable[..., Any], todos: Client, proxy: FaultProxy
) -> None:
    """A merge patch means the same in a batch: objects are merged, null removes (B2)."""
    merge_patch = importlib.import_module(f"{PEER}.patch_type").MergePatch
    todos.create_record(id="a", data={"gone": 1, "nested": {"kept": 2, "changed": 3}})
    with through(proxy, todos).batch() as batch:
        batch.create_record(id="b")
        batch.patch_record(id="a", changes=merge_patch({"gone": None, "nested": {"changed": 4}}))
    data = todos.get_record(id="a")["data"]
    del data["last_modified"]
    assert data == {"id": "a", "nested": {"kept": 2, "changed": 4}}


# -- Once --------------------------------------------------------------------------------------


def test_k04_the_answer_to_a_creation_is_lost(
    through: Callable[..., Any], todos: Client, proxy: FaultProxy
) -> None:
    """A record without an id of the caller's is created once, whatever becomes of the answer."""
    client = through(proxy, todos, **PERSISTENT)
    proxy.lose_answer()
    created = client.create_record(data={"title": "Buy milk"})
    assert todos.get_records() == [created["data"]]


def test_k05_an_upload_is_repeated(
    through: Callable[..., Any], todos: Client, proxy: FaultProxy, tmp_path: Path
) -> None:
    """An upload that is made again has the whole file again."""

    def uploads(request: HttpRequest) -> bool:
        return request.method == "POST" and request.path.endswith("/attachment")

    content = bytes(range(256)) * 1000
    (file := tmp_path / "picture.png").write_bytes(content)
    client = through(proxy, todos, **PERSISTENT)
    attachment = {"hash": hashlib.sha256(content).hexdigest(), "size": len(content)}
    proxy.answer(503, {"code": 503}, when=uploads)
    proxy.answer(201, attachment, when=uploads)
    assert client.add_attachment(id="a", filepath=str(file)) == attachment
    bodies = [request.body for request in filter(uploads, proxy.requests)]
    assert [content in body for body in bodies] == [True, True]


# -- Clones ------------------------------------------------------------------------------------


def test_k10_a_clone_of_a_dry_run(
    through: Callable[..., Any], todos: Client, proxy: FaultProxy
) -> None:
    """A clone of a client that writes nothing writes nothing, whoever it asks as."""
    clone = through(proxy, todos, dry_mode=True).clone(auth=("somebody", "else"))
    clone.create_bucket(id=f"{todos.bucket_name}-2")
    assert proxy.calls == []


def test_k10_a_clone_keeps_headers(
    through: Callable[..., Any], todos: Client, proxy: FaultProxy
) -> None:
    """A clone with other credentials sends the headers of its original."""
    client = through(proxy, todos, headers={"X-Sent-By": "tests"})
    clone = client.clone(auth=("somebody", "else"))
    clone.server_info()
    if PEER == "kinto_orm":
        clone.close()
    assert proxy.requests[-1].headers["X-Sent-By"] == "tests"


@pytest.mark.parametrize("changes", [{"auth": ("somebody", "else")}, {"server_url": "http://b/v1"}])
def test_k10_a_clone_keeps_time_outs(
    through: Callable[..., Any], todos: Client, proxy: FaultProxy, changes: dict[str, Any]
) -> None:
    """A clone with other credentials, or of another server, waits as long as its original."""
    client = through(proxy, todos, timeout=7)
    assert client.clone(**changes).session.timeout == client.session.timeout


def test_k10_a_clone_ignores_what_its_original_does(
    through: Callable[..., Any], todos: Client, proxy: FaultProxy
) -> None:
    """A clone goes on ignoring what the server refuses in batches."""
    todos.create_record(id="a")
    clone = through(proxy, todos, ignore_batch_4xx=True).clone(bucket=todos.bucket_name)
    with clone.batch() as batch:
        batch.create_record(id="a")
        batch.create_record(id="b")
    assert ids(todos.get_records()) == {"a", "b"}


# -- Preconditions -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["record", "collection", "group", "bucket"])
def test_k13_safe_without_a_timestamp(
    through: Callable[..., Any], peer: ModuleType, todos: Client, proxy: FaultProxy, kind: str
) -> None:
    """
    Who asks for safety and knows no timestamp overwrites nothing.

    Who does not ask is guarded by the timestamp, if there is one, and else overwrites.
    """
    name = f"{todos.bucket_name}-{kind}"
    client = through(proxy, todos)
    update = getattr(client, f"update_{kind}")
    first = update(id=name, data={"n": 1, "members": []}, safe=True)["data"]
    with pytest.raises(peer.KintoException, match="412"):
        update(id=name, data={"n": 2, "members": []}, safe=True)
    assert getattr(todos, f"get_{kind}")(id=name)["data"] == first
    assert update(id=name, data={"n": 3, "members": []})["data"]["n"] == 3
    with pytest.raises(peer.KintoException, match="412"):
        update(id=name, data={**first, "n": 4})


def test_k14_only_if_it_exists(
    through: Callable[..., Any], peer: ModuleType, todos: Client, proxy: FaultProxy
) -> None:
    """``if_match="*"`` has a write done if there is something to write over, and else refused."""
    client = through(proxy, todos)
    todos.create_record(id="a", data={"n": 1})
    assert client.update_record(id="a", data={"n": 2}, if_match="*")["data"]["n"] == 2
    assert client.patch_record(id="a", data={"m": 3}, if_match="*")["data"]["m"] == 3
    assert client.delete_record(id="a", if_match="*")["deleted"]
    with pytest.raises(peer.KintoException, match="412"):
        client.update_record(id="a", data={"n": 4}, if_match="*")
    assert todos.get_records() == []


# -- Attachments -------------------------------------------------------------------------------


def test_k17_an_attachment_that_was_removed(
    through: Callable[..., Any], todos: Client, proxy: FaultProxy, tmp_path: Path
) -> None:
    """A record whose attachment was removed (D5: it is null) has none, and that is what is said."""
    capabilities = {"attachments": {"base_url": f"{proxy.url}/attachments/"}}
    proxy.answer(200, {"capabilities": capabilities}, when=lambda request: request.path == "/v1/")
    todos.create_record(id="a", data={"attachment": None})
    client = through(proxy, todos)
    record = client.get_record(id="a")["data"]
    with pytest.raises(ValueError, match="has no attachment"):
        client.download_attachment(record, filepath=str(tmp_path))
    assert list(tmp_path.iterdir()) == []
