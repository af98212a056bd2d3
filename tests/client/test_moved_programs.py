"""Small programs, written for kinto-http, of which one line was changed: the import."""

from __future__ import annotations

import argparse
import asyncio
import logging

from collections.abc import Generator
from datetime import UTC, date, datetime
from typing import Any

import pytest

import kinto_orm as kinto_http

from faults import FaultProxy
from kinto_orm import cli_utils, utils
from kinto_orm.embedded import KintoServer
from kinto_orm.patch_type import BasicPatch, JSONPatch, MergePatch


@pytest.fixture(scope="module")
def server() -> Generator[KintoServer]:
    """Give a server where each user has a bucket that need not be created, and a history."""
    settings: dict[str, Any] = {"experimental_permissions_endpoint": True}
    with KintoServer(
        includes="kinto.plugins.default_bucket", history=True, paginate_by=10, **settings
    ) as server:
        yield server


@pytest.fixture
def auth(bucket: str) -> tuple[str, str]:
    """Give the credentials of a new user."""
    return f"user-of-{bucket}", "secret"


@pytest.fixture
def client(server: KintoServer, auth: tuple[str, str], bucket: str) -> Generator[kinto_http.Client]:
    """Give a client of a new bucket and collection."""
    client = kinto_http.Client(
        server_url=server.url, auth=auth, bucket=bucket, collection="receipts"
    )
    client.create_bucket()
    client.create_collection()
    yield client
    client.close()


def test_first_steps(server: KintoServer, auth: tuple[str, str]) -> None:
    """Records of the default bucket are created, changed, and written again."""
    client = kinto_http.Client(server_url=server.url, auth=auth)
    for n in range(3):
        client.create_record(bucket="default", collection="todos", data={"n": n})
    for record in client.get_records(bucket="default", collection="todos"):
        record["title"] = f"Todo {record['n']}"
        client.update_record(data=record, collection="todos")
    titles = {each["title"] for each in client.get_records(collection="todos")}
    assert titles == {"Todo 0", "Todo 1", "Todo 2"}
    client.close()


def test_clone(client: kinto_http.Client) -> None:
    """A clone is the same in another place."""
    other = client.clone(collection="orders")
    other.create_collection()
    other.create_record(id="a")
    assert [each["id"] for each in other.get_records()] == ["a"]
    assert client.get_records() == []


def test_awaiting(server: KintoServer, auth: tuple[str, str]) -> None:
    """The client that awaits has the same methods."""

    async def main() -> dict[str, Any]:
        async with kinto_http.AsyncClient(server_url=server.url, auth=auth) as client:
            await client.create_record(id="a", collection="todos", data={"n": 1})
            assert (await client.get_record(id="a", collection="todos"))["data"]["n"] == 1
            return await client.server_info()

    assert "history" in asyncio.run(main())["capabilities"]


def test_tokens(proxy: FaultProxy) -> None:
    """Tokens can be given as an object, or as text."""
    for auth in (kinto_http.BearerTokenAuth("xyz", type="Bearer+OIDC"), "Bearer+OIDC xyz"):
        client = kinto_http.Client(server_url=proxy.url, auth=auth)
        client.server_info()
        assert proxy.requests[-1].headers["Authorization"] == "Bearer+OIDC xyz"
        client.close()


def test_headers(proxy: FaultProxy) -> None:
    """Headers go with each request."""
    headers = {"Allow-Access": "CDN", "User-Agent": "updater"}
    client = kinto_http.Client(server_url=proxy.url, headers=headers, timeout=(3.05, 27))
    client.server_info()
    client.close()
    assert {name: proxy.requests[-1].headers[name] for name in headers} == headers


def test_dry_mode(client: kinto_http.Client, caplog: pytest.LogCaptureFixture) -> None:
    """In a dry run nothing is written."""
    caplog.set_level(logging.DEBUG)
    dry = client.clone(dry_mode=True)
    dry.create_record(id="a")
    dry.delete_collection(id="receipts")
    assert "PUT" in caplog.text
    assert client.get_records() == []
    dry.close()


def test_permissions(client: kinto_http.Client) -> None:
    """Permissions are read, changed, written, and listed."""
    client.create_record(id="a", data={"n": 1}, permissions={"read": ["account:ann"]})
    record = client.get_record(id="a")
    record["permissions"]["write"].append("account:bob")
    client.update_record(**record)
    assert "account:bob" in client.get_record(id="a")["permissions"]["write"]
    listed = client.get_permissions(exclude_resource_names=("record",))
    assert any(
        each.get("collection_id") == "receipts" and "write" in each["permissions"]
        for each in listed
    )


def test_if_exists(client: kinto_http.Client, bucket: str) -> None:
    """What may exist is created, what may be missing is deleted."""
    for _ in range(2):
        client.create_bucket(id=bucket, if_not_exists=True)
        client.create_collection(id="articles", bucket=bucket, if_not_exists=True)
        client.create_group(id="g", bucket=bucket, if_not_exists=True)
        client.create_record(id="r", if_not_exists=True)
    for _ in range(2):
        client.delete_record(id="r", if_exists=True)
        client.delete_group(id="g", if_exists=True)
        client.delete_collection(id="articles", if_exists=True)
    for _ in range(2):
        client.delete_bucket(id=bucket, if_exists=True)
    assert bucket not in {each["id"] for each in client.get_buckets()}


def test_patches(client: kinto_http.Client) -> None:
    """Three kinds of changes, and the short form of one."""
    client.create_record(id="a", data={"members": [], "of": {"x": 1}})
    client.patch_record(id="a", changes=BasicPatch({"over": "write"}))
    client.patch_record(id="a", changes=MergePatch({"of": {"y": 2}, "over": None}))
    operations = [{"op": "add", "path": "/data/members/0", "value": "ldap:user@corp.com"}]
    client.patch_record(id="a", changes=JSONPatch(operations))
    patched = client.patch_record(id="a", data={"n": 1})["data"]
    assert (
        patched.items()
        >= {
            "members": ["ldap:user@corp.com"],
            "of": {"x": 1, "y": 2},
            "n": 1,
        }.items()
    )
    assert "over" not in patched


def test_concurrency(client: kinto_http.Client) -> None:
    """What was changed meanwhile is not overwritten."""
    read = client.create_record(id="a", data={"n": 1})["data"]
    client.update_record(id="a", data={"n": 2})
    with pytest.raises(kinto_http.KintoException) as caught:
        client.update_record(data={**read, "n": 3})
    assert caught.value.response.status_code == 412  # type: ignore[union-attr]
    with pytest.raises(kinto_http.KintoException):
        client.delete_record(id="a", if_match=read["last_modified"])


def test_batch(client: kinto_http.Client) -> None:
    """Many records are written together, and read together."""
    with client.batch() as batch:
        for n in range(100):
            batch.update_record(data={"id": n, "n": n})
    assert len(batch.results()) == 100
    with client.batch() as batch:
        batch.get_record(id="1")
        batch.get_record(id="2")
        batch.get_record(id="3")
    assert [each["data"]["n"] for each in batch.results()] == [1, 2, 3]
    assert len(client.get_records()) == 100


def test_batch_that_fails(client: kinto_http.Client) -> None:
    """What fails in a batch is raised in the end, unless it is to be ignored."""
    client.create_record(id="a", data={"n": 1})
    with pytest.raises(kinto_http.KintoBatchException) as caught, client.batch() as batch:
        _ = batch.create_record(id="a"), batch.create_record(id="b")
    (failed,) = caught.value.exceptions
    assert failed.response.status_code == 412  # type: ignore[attr-defined]
    answers = [each for body, _ in caught.value.results for each in body["responses"]]
    assert [each["status"] for each in answers] == [412, 201]
    patient = client.clone(ignore_batch_4xx=True)
    with patient.batch() as batch:
        batch.create_record(id="a")
        batch.create_record(id="c")
    assert [each.get("code") for each in batch.results()] == [412, None]
    assert {each["id"] for each in client.get_records()} == {"a", "b", "c"}


def test_errors(server: KintoServer, client: kinto_http.Client) -> None:
    """Errors tell what was asked, and what the answer was."""
    stranger = kinto_http.Client(server_url=server.url, auth=("stranger", "x"))
    with pytest.raises(kinto_http.KintoException) as caught:
        stranger.create_group(id="friends", bucket=client.bucket_name)
    error = caught.value
    assert error.response is not None
    assert error.request is not None
    assert error.response.status_code == 403
    assert error.response.json()["errno"] == 121
    assert error.request.method == "PUT"
    assert error.request.path_url.endswith("/groups/friends")
    with pytest.raises(kinto_http.BucketNotFound):
        client.get_bucket(id="nowhere")
    with pytest.raises(kinto_http.CollectionNotFound):
        client.get_collection(id="nowhere")
    stranger.close()


def test_retry(proxy: FaultProxy, memory: KintoServer) -> None:
    """A server that is busy is asked again."""
    proxy.answer(503, {"code": 503}, {"Retry-After": "30"}, times=2)
    client = kinto_http.Client(server_url=proxy.url, auth=memory.auth, retry=10, retry_after=0)
    assert client.server_info()["settings"]
    assert len(proxy.requests) == 3
    client.close()


def test_pages(client: kinto_http.Client) -> None:
    """Lists come whole, or as many pages as are wanted."""
    with client.batch() as batch:
        for n in range(25):
            batch.create_record(id=f"r{n}", data={"n": n})
    assert len(client.get_records()) == 25
    assert [len(page["data"]) for page in client.get_paginated_records()] == [10, 10, 5]
    assert len(client.get_records(_limit=5)) == 5
    assert len(client.get_records(_limit=5, pages=float("inf"))) == 25
    assert len(client.get_records(_limit=5, pages=2)) == 10
    assert {each["n"] for each in client.get_records(in_id=["r1", "r2"])} == {1, 2}
    assert client.get_records_timestamp().isdigit()


def test_history(client: kinto_http.Client) -> None:
    """The history of a bucket is read, and purged."""
    assert len(client.get_history()) == 2
    assert len(client.get_history(_limit=1, _sort="-last_modified", _since="1533762576015")) == 1
    (entry,) = client.get_history(resource_name="collection")
    client.purge_history(_before=f'"{entry["last_modified"]}"', user_id=entry["user_id"])
    assert client.get_history() == [entry]


def test_endpoint(client: kinto_http.Client) -> None:
    """Paths can be had, for requests of one's own."""
    path = client.get_endpoint("record", id="c6894b2c")
    assert path == f"/buckets/{client.bucket_name}/collections/receipts/records/c6894b2c"
    client.session.request("put", path, data={"n": 1})
    body, headers = client.session.request("get", path)
    assert headers["ETag"] == f'"{body["data"]["last_modified"]}"'


def test_dates(client: kinto_http.Client) -> None:
    """Dates are sent as text."""
    data = {"on": date(2025, 1, 31), "at": datetime(2025, 1, 31, tzinfo=UTC)}
    stored = client.create_record(data=data)["data"]
    assert stored["on"] == "2025-01-31"
    assert stored["at"] == "2025-01-31T00:00:00+00:00"


def test_script(
    server: KintoServer, auth: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script has the usual options."""
    arguments = ["-s", server.url, "-a", ":".join(auth), "-b", "default", "-c", "todos"]
    monkeypatch.setattr("sys.argv", ["script", *arguments, "--retry", "2", "-v"])
    parser = argparse.ArgumentParser(description="Download records")
    cli_utils.add_parser_options(parser)
    args = parser.parse_args()
    cli_utils.setup_logger(logging.getLogger("kinto_orm.script"), args)
    client = cli_utils.create_client_from_args(args)
    assert client.get_records() == []
    assert client.session.nb_retry == 2
    client.close()


def test_sync(client: kinto_http.Client) -> None:
    """A collection is made as a file is, by what differs."""
    client.create_record(data={"id": "a", "n": 1})
    client.create_record(data={"id": "b", "n": 1})
    wanted = [{"id": "a", "n": 2}, {"id": "c", "n": 3}]
    create, update, delete = utils.collection_diff(wanted, client.get_records())
    with client.batch() as batch:
        for record in create:
            batch.create_record(data=record)
        for old, new in update:
            batch.update_record(data=new, if_match=old["last_modified"])
        for record in delete:
            batch.delete_record(id=record["id"], if_match=record["last_modified"])
    assert [(each["id"], each["n"]) for each in client.get_records(_sort="id")] == [
        ("a", 2),
        ("c", 3),
    ]
