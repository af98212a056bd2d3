"""K46, K47 and K50: dry runs that read, names that agree, and what was missing."""

from __future__ import annotations

import asyncio
import importlib

from collections.abc import Callable, Generator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requests

from faults import FaultProxy, HttpAnswer
from kinto_orm import Client
from kinto_orm.embedded import KintoServer


@pytest.fixture
def client(through: Callable[..., Any], proxy: FaultProxy, todos: Client) -> Any:
    """Give the client that is tested."""
    return through(proxy, todos)


@pytest.fixture(scope="module")
def accounts() -> Generator[KintoServer]:
    """Give a server whose users have passwords."""
    policy = "kinto.plugins.accounts.authentication.AccountsAuthenticationPolicy"
    settings = {
        "multiauth.policies": "account",
        "multiauth.policy.account.use": policy,
        "includes": "kinto.plugins.accounts",
        "account_create_principals": "system.Everyone",
    }
    with KintoServer(**settings) as server:  # type: ignore[arg-type]
        yield server


def methods(proxy: FaultProxy) -> list[str]:
    """Return the methods of the requests that passed."""
    return [method for method, _ in proxy.calls]


# -- K46: dry runs -----------------------------------------------------------------------------


@pytest.fixture
def dry(through: Callable[..., Any], proxy: FaultProxy, todos: Client) -> Any:
    """Give a client that writes nothing."""
    todos.create_record(id="a", data={"n": 1})
    todos.create_group(id="g", data={"members": []})
    return through(proxy, todos, dry_mode=True)


def test_k46_deletions(dry: Any, todos: Client, proxy: FaultProxy) -> None:
    """In a dry run each deletion is answered, and none is made."""
    assert dry.delete_record(id="a")["id"] == "a"
    assert dry.delete_group(id="g")["id"] == "g"
    assert dry.delete_collection()["id"] == "todos"
    assert dry.delete_bucket()["id"] == todos.bucket_name
    for kind in ("record", "group", "collection"):
        assert isinstance(getattr(dry, f"delete_{kind}s")(), list)
    assert set(methods(proxy)) <= {"GET", "HEAD"}
    assert todos.get_record(id="a")["data"]["n"] == 1


def test_k46_reads(dry: Any, todos: Client) -> None:
    """What a dry run reads is real: only so can it tell what would be written."""
    assert dry.get_records() == todos.get_records() != []
    assert dry.get_record(id="a") == todos.get_record(id="a")
    assert dry.get_bucket() == todos.get_bucket()
    assert dry.get_records_timestamp() == todos.get_records_timestamp()
    assert dry.server_info()["project_name"] == "kinto"


def test_k46_batches(dry: Any, todos: Client) -> None:
    """A batch of a dry run reads and does not write, either; it has a result for each."""
    with dry.batch() as batch:
        batch.get_record(id="a")
        batch.update_record(id="a", data={"n": 2})
        batch.delete_record(id="a")
        batch.get_records()
    read, updated, deleted, listed = batch.results()
    assert read == todos.get_record(id="a")
    assert updated["data"].items() >= {"id": "a", "n": 2}.items()
    assert deleted["data"].items() >= {"id": "a", "deleted": True}.items()
    assert listed["data"] == todos.get_records() != []


# -- K47: names --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bucket", "collection", "group"])
def test_k47_names_of_kinds(client: Any, todos: Client, kind: str) -> None:
    """What is called *id* among its own kind may be called by that, as it is everywhere else."""
    which = {kind: f"{todos.bucket_name}-2" if kind == "bucket" else "one"}
    options: dict[str, Any] = {"data": {"members": [], "n": 1}}
    assert getattr(client, f"create_{kind}")(**which, **options)["data"]["id"] == which[kind]
    assert getattr(client, f"get_{kind}")(**which)["data"]["n"] == 1
    assert getattr(client, f"update_{kind}")(**which, **options)["data"]["n"] == 1
    assert getattr(client, f"patch_{kind}")(**which, data={"n": 2})["data"]["n"] == 2
    assert getattr(client, f"delete_{kind}")(**which)["id"] == which[kind]
    assert todos.get_collection()["data"]["id"] == "todos"


def test_k47_two_names(client: Any, todos: Client, proxy: FaultProxy) -> None:
    """Two ids for one object are refused, and nothing is sent: one of them is meant, not both."""
    for kind in ("bucket", "collection", "group"):
        with pytest.raises(ValueError, match="which"):
            getattr(client, f"delete_{kind}")(id="one", **{kind: "other"})
    assert proxy.calls == []
    assert todos.get_collection()["data"]["id"] == "todos"


# -- K50: what was missing ---------------------------------------------------------------------


def test_k50_count(client: Any, todos: Client, proxy: FaultProxy) -> None:
    """Objects are counted, all or those that match, without reading one."""
    for n in range(3):
        todos.create_record(id=f"r{n}", data={"n": n})
    assert client.count_records() == 3
    assert client.count_records(gt_n=0) == 2
    assert client.count_collections() == 1
    assert client.count_groups() == 0
    assert client.count_buckets(id=todos.bucket_name) == 1
    assert set(methods(proxy)) == {"HEAD"}


def test_k50_accounts(connect: Callable[..., Any], accounts: KintoServer, bucket: str) -> None:
    """An account is created, read, given another password and deleted; its hash is not shown."""
    anybody = connect(accounts.url)
    created = anybody.create_account(id=bucket, password="first", data={"of": "test"})
    user = connect(accounts.url, auth=(bucket, "first"))
    assert user.get_account(id=bucket) == created
    assert created["data"].keys() == {"id", "of", "last_modified"}
    assert user.current_user()["id"] == f"account:{bucket}"

    user.change_password(id=bucket, password="second")
    assert user.current_user() is None
    user = connect(accounts.url, auth=(bucket, "second"))
    assert [each["of"] for each in user.get_accounts()] == ["test"]
    assert user.delete_account(id=bucket)["deleted"]
    assert user.current_user() is None


def test_k50_flush(connect: Callable[..., Any]) -> None:
    """A server for tests can be emptied."""
    with KintoServer(includes="kinto.plugins.flush") as server:
        client = connect(server.url, auth=server.auth)
        client.create_bucket(id="b")
        client.flush()
        assert client.get_buckets() == []


def test_k50_heartbeat(client: Any) -> None:
    """The server says whether it is well, and whether it runs."""
    assert client.heartbeat().items() >= {"storage": True, "cache": True}.items()
    assert client.lbheartbeat() == {}


def test_k50_snapshot(through: Callable[..., Any], paged: Client, paged_proxy: FaultProxy) -> None:
    """A list may be asked for as it is at one moment, though it takes several pages to read."""
    with paged.batch() as batch:
        for n in range(8):
            batch.create_record(id=f"account-{n}", data={"money": 10})

    def move_money(answer: HttpAnswer) -> HttpAnswer:
        with paged.batch() as batch:
            batch.patch_record(id="account-7", data={"money": 3})  # It is on the first page, ...
            batch.patch_record(id="account-0", data={"money": 17})  # ... and this on the second.
        return answer

    paged_proxy.change_answer(move_money)
    found = through(paged_proxy, paged).get_records(snapshot=True)
    assert sum(each["money"] for each in found) == 80
    assert found == paged.get_records()


@pytest.mark.parametrize("kind", ["record", "collection", "group", "bucket"])
def test_k50_conditional_get(client: Any, todos: Client, peer: ModuleType, kind: str) -> None:
    """An object that one has is read again only if it has changed."""
    todos.create_record(id="a")
    todos.create_group(id="a", data={"members": []})
    which = {"id": "a"} if kind in ("record", "group") else {}
    get = getattr(client, f"get_{kind}")
    stamp = get(**which)["data"]["last_modified"]
    with pytest.raises(peer.KintoException) as caught:
        get(**which, if_none_match=stamp)
    assert caught.value.response.status_code == 304
    changed = getattr(todos, f"patch_{kind}")(**which, data={"n": 1})
    assert get(**which, if_none_match=stamp) == changed


def test_k50_tombstones(client: Any, todos: Client) -> None:
    """What was deleted can be told from what is there, whatever fields are asked for (T5)."""
    first = todos.create_record(id="old", data={"title": "old", "note": "x"})
    todos.create_record(id="gone", data={"title": "gone"})
    new = todos.create_record(id="new", data={"title": "new"})
    gone = todos.delete_record(id="gone")
    found = client.get_records(_since=first["data"]["last_modified"], _fields=["title"])
    assert found == [gone, new["data"]]
    assert client.get_records(_fields=["title"])[0] == new["data"]


def test_k50_time_of_a_deletion(client: Any, todos: Client) -> None:
    """A copy of a deletion has the time that it was deleted at elsewhere."""
    stamp = todos.create_record(id="a")["data"]["last_modified"] + 1000
    assert client.delete_record(id="a", last_modified=stamp)["last_modified"] == stamp
    [tombstone] = todos.get_records(_since=0)
    assert tombstone == {"id": "a", "deleted": True, "last_modified": stamp}


# -- K50: connections --------------------------------------------------------------------------


class Noting(requests.adapters.HTTPAdapter):
    """An adapter that notes how it is asked to connect."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Any, ...]] = []

    def send(self, request: Any, *args: Any, **options: Any) -> requests.Response:
        self.asked.append((options["verify"], options["cert"]))
        return super().send(request, *args, **options)


def test_k50_session_of_requests(
    peer: ModuleType, todos: Client, proxy: FaultProxy, tmp_path: Path
) -> None:
    """A client uses a session of *requests* with its adapters, certificates, headers, proxies."""
    place = {"bucket": todos.bucket_name, "collection": "todos"}
    with requests.Session() as http:
        http.trust_env = False
        http.mount("http://", adapter := Noting())
        http.verify, http.cert = str(tmp_path), str(tmp_path)
        http.headers["Via"] = "test"
        http.proxies = {"http": proxy.url.removesuffix("/v1")}
        client = peer.Client(server_url=todos.server_url, session=http, auth=KintoServer.auth)
        client = client.clone(**place)
        client.create_record(id="a")
        client.close()
        assert http.get(todos.server_url).ok  # It is not the client's to close.
    assert set(adapter.asked) == {(str(tmp_path), str(tmp_path))}
    assert todos.get_record(id="a")["data"]["id"] == "a"
    assert {request.headers["Via"] for request in proxy.requests} == {"test"}
    assert all(request.path.startswith(todos.server_url) for request in proxy.requests)


def test_k50_session_of_aiohttp(peer: ModuleType, todos: Client) -> None:
    """A client that awaits uses a session of *aiohttp*, which it leaves open."""
    aiohttp = importlib.import_module("aiohttp")
    seen: list[str] = []

    async def started(_session: Any, _context: Any, params: Any) -> None:
        seen.append(params.method)

    async def used() -> None:
        trace = aiohttp.TraceConfig()
        trace.on_request_start.append(started)
        async with aiohttp.ClientSession(trace_configs=[trace]) as http:
            options = {"auth": KintoServer.auth, "session": http}
            client = peer.AsyncClient(server_url=todos.server_url, **options)
            await client.get_bucket(id=todos.bucket_name)
            await client.close()
            assert not http.closed

    asyncio.run(used())
    assert seen == ["GET"]


def test_k50_close(client: Any, proxy: FaultProxy) -> None:
    """A client that is closed has no connections open; that may be done twice."""
    client.get_bucket()
    client.close()
    client.close()
    proxy.wait_until_left()
    assert proxy.connections == 1


# -- K50: what is built on the client ----------------------------------------------------------


def test_k50_replication(peer: ModuleType, todos: Client, proxy: FaultProxy) -> None:
    """A collection is copied to another, deletions as well; what is equal is not written again."""
    replicate = importlib.import_module(f"{peer.__name__}.replication").replicate
    todos.create_record(id="a", data={"n": 1})
    todos.create_record(id="b", data={"n": 2})
    options = {"auth": KintoServer.auth, "bucket": todos.bucket_name}
    origin = peer.Client(server_url=todos.server_url, **options, collection="todos")
    copy = peer.Client(server_url=proxy.url, **options, collection="copy")
    replicate(origin, copy)
    assert copy.get_records() == todos.get_records()
    proxy.forget()
    replicate(origin, copy)
    assert set(methods(proxy)) <= {"GET", "HEAD"}
    todos.delete_record(id="a")
    replicate(origin, copy)
    assert copy.get_records() == todos.get_records()
    origin.close()
    copy.close()


def test_k50_models(peer: ModuleType, todos: Client) -> None:
    """Records can be objects of classes, whose changes are found out and written."""
    place = {"bucket": todos.bucket_name, "collection": "todos"}
    todo = type("Todo", (peer.Record,), {"__annotations__": {"title": peer.Field[str]}}, **place)
    with peer.Session(todos) as session:
        session.add(milk := todo(id="milk", title="Milk"))
        session.commit()
        milk.title = "Oat milk"
        session.commit()
    assert todos.get_record(id="milk")["data"]["title"] == "Oat milk"
