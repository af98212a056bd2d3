"""Every call of a client: what it takes, and what it gives, in each kind of client."""

from collections.abc import AsyncGenerator, Coroutine, Generator
from datetime import date
from typing import Any, TypeAlias, assert_type

import aiohttp
import requests

from requests.auth import HTTPBasicAuth

from kinto_orm import (
    AsyncClient,
    BasicPatch,
    BearerTokenAuth,
    BrowserOAuth,
    Client,
    Endpoints,
    MergePatch,
    RetryPolicy,
    TokenAuth,
    create_session,
)
from kinto_orm.client.clients import BatchClient
from kinto_orm.client.endpoints.objects import Object
from kinto_orm.flow import Headers, Pending
from kinto_orm.transport import AsyncHTTPSession, HTTPSession


Document: TypeAlias = dict[str, Any]
Raw: TypeAlias = tuple[Any, Headers]


class Mine(Client):
    """A client with more methods."""


def clients(mine: Mine, url: str) -> None:
    assert_type(mine.clone(bucket="b"), Mine)
    assert_type(mine.clone(bucket="b").session, HTTPSession)
    assert_type(AsyncClient(server_url=url).clone(), AsyncClient)
    assert_type(AsyncClient(server_url=url).session, AsyncHTTPSession)
    assert_type(mine.dry_mode, bool)
    assert_type(mine.endpoints, Endpoints)
    assert_type(mine.endpoints.get("record", bucket="b", collection="c", id=3), str)
    Client(server_url=url, auth=BearerTokenAuth("x"), retry=3, retry_after=1.5)
    Client(server_url=url, auth=TokenAuth("x", type="Basic"), retry=RetryPolicy())
    Client(server_url=url, auth=BrowserOAuth(provider="x"), bucket=None)
    Client(session=mine.session, collection=7)
    Client(server_url=url, session=requests.Session(), auth=HTTPBasicAuth("a", "b"))
    assert_type(create_session(url, ("a", "b"), timeout=3), HTTPSession)

    Client(url)  # E
    Client(server_url=url, retry="3")  # E
    Client(server_url=url, nope=3)  # E
    TokenAuth()  # E


async def awaiting_clients(http: aiohttp.ClientSession, url: str) -> None:
    async with AsyncClient(server_url=url, session=http) as client:
        assert_type(client, AsyncClient)
    await client.close()


def of_the_server(client: Client) -> None:
    assert_type(client.server_info(refresh=True), Document)
    assert_type(client.current_user(), Document | None)
    assert_type(client.heartbeat(), Document)
    assert_type(client.lbheartbeat(), Document)
    assert_type(client.version(), Document)
    client.flush()
    assert_type(client.get_permissions(("record",), resource_name="bucket"), list[Document])
    assert_type(client.get_endpoint("record", id=3), str)
    assert_type(client.session.request("GET", "/", params={"a": 1}), Raw)
    assert_type(client.session.request("PUT", "/x", {"a": 1}, headers={"A": "b"})[1]["ETag"], str)

    client.session.request("GET")  # E
    client.get_endpoint()  # E
    client.server_info(refresh="yes")  # E


def objects(client: Client) -> None:
    assert_type(client.get_bucket(if_none_match=3), Object)
    assert_type(client.get_group(id="g", bucket="b"), Object)
    assert_type(client.get_collection(collection="c"), Object)
    assert_type(client.get_record(id=7, if_none_match='"3"', _fields=["a"]), Object)
    assert_type(client.get_record("x"), Object)
    assert_type(client.create_group(id="g", data={"members": ["x"]}), Object)
    assert_type(client.add_members(id="g", members=["x"]), Object)
    assert_type(client.remove_members("g", members={"x"}), Object)
    assert_type(client.update_collection(data={"a": 1}, safe=True), Object)
    assert_type(client.patch_bucket(changes=BasicPatch({"a": 1}), if_match="*"), Object)
    assert_type(client.patch_record(original={"id": "x"}, changes=MergePatch({"a": 1})), Object)
    assert_type(client.delete_bucket(if_exists=True), Document | None)
    assert_type(client.delete_group(id="g"), Document | None)
    assert_type(client.delete_collection(), Document | None)
    assert_type(client.delete_record(id="x", last_modified=3), Document | None)

    client.get_record(id=None)  # E
    client.get_record(id=1.5)  # E
    client.get_record(id="x", if_none_match=1.5)  # E
    client.create_record(data=["a"])  # E
    client.create_record(nope=1)  # E
    client.patch_record(id="x", changes={"a": 1})  # E
    client.patch_record(id="x", changes=BasicPatch)  # E
    client.delete_record(id="x", last_modified="3")  # E
    client.add_members(id="g", members=[1])  # E
    _ = client.delete_record(id="x")["deleted"]  # E


def lists(client: Client, day: date) -> None:
    assert_type(client.get_buckets(name="x"), list[Document])
    assert_type(client.get_groups(contains_members="x"), list[Document])
    assert_type(client.get_collections(_since=3), list[Document])
    assert_type(client.get_records(gt_due=day, _limit=5, pages=2, snapshot=True), list[Document])
    assert_type(client.get_history(resource_name="record"), list[Document])
    assert_type(client.get_paginated_records(pages=float("inf")), Generator[Document, None, None])
    assert_type(client.iter_records(_sort=["-n"]), Generator[Document, None, None])
    assert_type(client.iter_history(bucket="b"), Generator[Document, None, None])
    assert_type(client.count_buckets(), int)
    assert_type(client.count_groups(bucket="b"), int)
    assert_type(client.count_collections(n=1), int)
    assert_type(client.count_records(n=1), int)
    assert_type(client.get_records_timestamp(), str)
    assert_type(client.delete_buckets(n=1), list[Document])
    assert_type(client.delete_groups(), list[Document])
    assert_type(client.delete_collections(if_match=3), list[Document])
    assert_type(client.delete_records(n=1, safe=False), list[Document])
    assert_type(client.purge_history(_before=3), list[Document])

    client.get_records(snapshot="yes")  # E
    client.get_records(pages="2")  # E
    client.get_records(collection=1.5)  # E
    _ = client.iter_records()[0]  # E


def plugins(client: Client) -> None:
    assert_type(client.get_account(id="ann"), Object)
    assert_type(client.get_accounts(), list[Document])
    assert_type(client.create_account(id="ann", password="x", data={}), Object)
    assert_type(client.change_password(id="ann", password="y"), Object)
    assert_type(client.delete_account(id="ann", if_exists=True), Document | None)
    assert_type(client.get_changeset("main", "c", bust_cache=True), Document)
    assert_type(client.request_review("please", "c", "staging"), Object)
    assert_type(client.approve_changes(), Object)
    assert_type(client.decline_changes("no", if_match=3), Object)
    assert_type(client.rollback_changes("back"), Object)
    assert_type(client.add_attachment("x", "cat.png", mimetype="image/png"), Document)
    assert_type(client.download_attachment({"attachment": {}}, save_metadata=True), str)
    client.remove_attachment("x")

    client.create_account(id="ann")  # E
    client.request_review()  # E
    client.add_attachment("x")  # E
    client.download_attachment("x")  # E


def batches(client: Client) -> None:
    with client.batch(collection="c") as batch:
        assert_type(batch.clone(collection="d"), BatchClient)
        assert_type(batch.get_record(id="x"), Pending[Object])
        assert_type(batch.get_records(n=1), Pending[list[Document]])
        assert_type(batch.count_records(), Pending[int])
        assert_type(batch.delete_record(id="x"), Pending[Document | None])
        assert_type(batch.delete_records(n=1), Pending[list[Document]])
        assert_type(batch.server_info(), Pending[Document])
        assert_type(batch.current_user(), Pending[Document | None])
        assert_type(batch.get_history(), Pending[list[Document]])
        assert_type(batch.request_review("please"), Pending[Object])
        assert_type(batch.create_account(id="ann", password="x"), Pending[Object])
        assert_type(batch.get_endpoint("root"), str)
        assert_type(batch.session.request("GET", "/"), Pending[Raw])
        batch.get_record(id=1.5)  # E
        batch.batch()  # E
    assert_type(batch.results(), list[Any])
    assert_type(batch.get_record(id="x").error, Exception | None)


async def awaited(client: AsyncClient) -> None:
    await assert_type(client.get_record(id="x"), Coroutine[Any, Any, Object])
    assert_type(await client.delete_record(id="x"), Document | None)
    assert_type(await client.get_records(n=1), list[Document])
    assert_type(await client.count_records(n=1), int)
    assert_type(await client.current_user(), Document | None)
    assert_type(await client.get_permissions(["record"]), list[Document])
    assert_type(await client.session.request("GET", "/"), Raw)
    assert_type(await client.request_review("please"), Object)
    assert_type(await client.download_attachment({}), str)
    assert_type(client.get_endpoint("root"), str)
    assert_type(client.iter_records(), AsyncGenerator[Document, None])
    assert_type(client.get_paginated_records(), AsyncGenerator[Document, None])
    assert_type([each async for each in client.iter_history()], list[Document])
    async with client.batch() as batch:
        assert_type(batch.get_record(id="x"), Pending[Object])

    await client.iter_records()  # E
    await client.get_endpoint("root")  # E
    client.session.request("GET", "/")[0]  # E
    for _ in client.iter_records():  # E
        pass
    async for _ in client.get_records():  # E
        pass
