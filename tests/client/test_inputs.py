"""What programs really give to a client, and what they really get."""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import aiohttp
import pytest
import requests

from faults import PATIENCE, FaultProxy, HttpAnswer, HttpRequest
from kinto_orm import AsyncClient, Client, JSONPatch, MergePatch
from kinto_orm.embedded import KintoServer
from kinto_orm.exceptions import (
    AnswerLost,
    InvalidRequest,
    KintoBatchException,
    KintoException,
    PreconditionFailed,
    RecordNotFound,
    ServerError,
    UnsupportedQuery,
)
from transport.drivers import QUICK, Driver


UNAVAILABLE = {"code": 503, "errno": 201, "error": "Service Unavailable", "message": "later"}

CHANGES = [MergePatch({"n": 3}), JSONPatch([{"op": "add", "path": "/data/n", "value": 3}])]


def ids(records: list[dict[str, Any]]) -> set[str]:
    """Return the ids of *records*."""
    return {each["id"] for each in records}


class TestStale:
    """P1: changes to a document that is given with them are changes to that version."""

    @pytest.mark.parametrize("changes", CHANGES, ids=["merge", "json"])
    def test_record(self, counted: Client, changes: Any) -> None:
        """A record that was changed since is not overwritten."""
        known = counted.create_record(id="a", data={"n": 1})["data"]
        new = counted.patch_record(id="a", data={"n": 2})["data"]
        with pytest.raises(PreconditionFailed) as caught:
            counted.patch_record(data=known, changes=changes)
        assert caught.value.existing == new
        assert counted.patch_record(data=new, changes=changes)["data"]["n"] == 3

    @pytest.mark.parametrize("changes", CHANGES, ids=["merge", "json"])
    def test_collection(self, counted: Client, changes: Any) -> None:
        """Nor is a collection."""
        known = counted.get_collection()["data"]
        new = counted.patch_collection(data={"n": 2})["data"]
        with pytest.raises(PreconditionFailed):
            counted.patch_collection(data=known, changes=changes)
        assert counted.patch_collection(data=new, changes=changes)["data"]["n"] == 3


class TestData:
    @pytest.mark.parametrize("data", [[1], "text", 5, b"x"])
    def test_none(self, counted: Client, proxy: FaultProxy, data: Any) -> None:
        """Data that is no dictionary is refused; nothing is sent."""
        calls: list[Callable[[], Any]] = [
            lambda: counted.create_record(data=data),
            lambda: counted.create_record(id="a", data=data),
            lambda: counted.update_record(id="a", data=data),
            lambda: counted.patch_record(id="a", data=data),
            lambda: counted.patch_record(id="a", original=data, data={"n": 1}),
            lambda: counted.create_collection(id="a", data=data),
        ]
        for call in calls:
            with pytest.raises(InvalidRequest, match="data must be a dictionary, not"):
                call()
        assert proxy.calls == []

    def test_subclasses(self, counted: Client) -> None:
        """Dictionaries of all kinds are taken, with dates in them, wherever these are."""
        moment = datetime(2020, 1, 2, 3, 4, tzinfo=UTC)
        inner: defaultdict[str, Any] = defaultdict(list, days=[date(2020, 1, 2)])
        counted.create_record(id="a", data=OrderedDict(at=moment, inner=inner))
        data = counted.get_record(id="a")["data"]
        assert data["at"] == "2020-01-02T03:04:00+00:00"
        assert data["inner"] == {"days": ["2020-01-02"]}
        assert counted.patch_record(id="a", data=inner)["data"]["days"] == ["2020-01-02"]

    @pytest.mark.parametrize("kind", [dict, OrderedDict])
    def test_is_not_changed(self, counted: Client, kind: Callable[..., Any]) -> None:
        """What a program gives stays as it is: an id that is a number, say."""
        data = kind(id=7, days=(date(2020, 1, 2),))
        assert counted.create_record(data=data)["data"]["id"] == "7"
        assert counted.update_record(data=data)["data"]["id"] == "7"
        assert counted.patch_record(data=data)["data"]["id"] == "7"
        assert data == {"id": 7, "days": (date(2020, 1, 2),)}

    def test_uuid(self, counted: Client) -> None:
        """D2: a UUID is an id, given on its own or with the data."""
        first, second = uuid.uuid4(), uuid.uuid4()
        counted.create_record(id=first)
        counted.create_record(data={"id": second})
        assert ids(counted.get_records()) == {str(first), str(second)}
        assert counted.get_record(id=first)["data"]["id"] == str(first)


class TestPermissions:
    @pytest.mark.parametrize("kind", [set, frozenset, list, tuple])
    def test_kinds(self, counted: Client, kind: Callable[..., Any]) -> None:
        """Principals can be given as a set, or in an order, which means nothing."""
        principals = kind(["system.Everyone", "account:ann"])
        created = counted.create_record(id="a", permissions={"read": principals})
        assert set(created["permissions"]["read"]) == set(principals)
        patched = counted.patch_record(id="a", permissions={"write": principals})
        assert set(patched["permissions"]["write"]) >= set(principals)

    @pytest.mark.parametrize("permissions", [{"read": "system.Everyone"}, ["read"], "read"])
    def test_no_principals(self, counted: Client, proxy: FaultProxy, permissions: Any) -> None:
        """A text is not taken for a list of principals, each a letter."""
        for call in (counted.create_record, counted.update_record, counted.patch_record):
            with pytest.raises(InvalidRequest, match="permissions must be lists of principals"):
                call(id="a", permissions=permissions)
        assert proxy.calls == []


class TestFilters:
    @pytest.fixture
    def two(self, counted: Client, proxy: FaultProxy) -> Client:
        """Give a client of two records, *a* with a title and *b* without."""
        counted.create_record(id="a", data={"title": "x"})
        counted.create_record(id="b")
        proxy.forget()
        return counted

    def test_has(self, two: Client, proxy: FaultProxy) -> None:
        """To have a field or not is true or false; the server would take any text for true."""
        for value in ("maybe", "", "True", 1, 2):
            with pytest.raises(UnsupportedQuery, match="must be True or False"):
                two.get_records(has_title=value)
        assert proxy.calls == []
        for true, false in ((True, False), ("true", "false")):
            assert ids(two.get_records(has_title=true)) == {"a"}
            assert ids(two.get_records(has_title=false)) == {"b"}

    def test_in(self, two: Client, proxy: FaultProxy) -> None:
        """F2: a text with a comma is not a list, although the server would split it."""
        for filters in ({"in_id": "a,b"}, {"exclude_id": "a,b"}):
            with pytest.raises(UnsupportedQuery, match="must be a list of values"):
                two.get_records(**filters)  # type: ignore[arg-type]
        assert proxy.calls == []
        assert ids(two.get_records(in_id="a")) == ids(two.get_records(in_id=["a"])) == {"a"}
        assert ids(two.get_records(exclude_id="a")) == {"b"}

    def test_of_permissions(self, driver: Driver, proxy: FaultProxy) -> None:
        """Raw parameters go as they are; no list is made of their commas."""
        proxy.answer(200, {"data": []}, times=None)
        client = driver.client(proxy.url)
        client.get_permissions(params={"exclude_resource_name": "record,bucket"})
        client.get_permissions(params={"_sort": "id"})
        (_, first), (_, second) = proxy.calls
        assert "exclude_resource_name=record%2Cbucket" in first
        assert second == "/v1/permissions?_sort=id"


class TestSession:
    def test_headers(self, counted: Client, proxy: FaultProxy) -> None:
        """Headers of a session can be replaced, and changed."""
        for number in "12":
            counted.session.headers = {"X-Own": number}
            counted.get_records()
        counted.session.headers["X-More"] = "3"
        counted.get_records()
        assert [each.headers["X-Own"] for each in proxy.requests] == ["1", "2", "2"]
        assert proxy.requests[-1].headers["X-More"] == "3"

    def test_auth(self, driver: Driver, memory: KintoServer) -> None:
        """Who becomes somebody else does not tell the others that they are."""
        client = driver.client(memory.url, auth=memory.auth)
        clone = client.clone(retry=1)
        me = client.server_info()["user"]
        assert clone.server_info()["user"] == me
        clone.session.auth = ("somebody", "else")
        assert clone.server_info()["user"] != me
        assert client.server_info()["user"] == client.current_user() == me
        assert clone.current_user() != me
        clone.close()

    def test_of_aiohttp(self, memory: KintoServer) -> None:
        """A session of aiohttp is not one for a client that blocks."""

        async def main() -> None:
            async with aiohttp.ClientSession() as http:
                with pytest.raises(TypeError, match="session must be an HTTPSession"):
                    Client(server_url=memory.url, session=http)

        asyncio.run(main())

    def test_of_requests(self, memory: KintoServer) -> None:
        """A session of requests is not one for a client that awaits."""

        async def main(http: requests.Session) -> None:
            async with AsyncClient(server_url=memory.url, session=http) as client:
                with pytest.raises(TypeError, match="session must be an AsyncHTTPSession"):
                    await client.server_info()

        with requests.Session() as http:
            asyncio.run(main(http))

    def test_of_nothing(self, memory: KintoServer) -> None:
        """A text is not a session of any kind."""
        with pytest.raises(TypeError, match="session must be an HTTPSession"):
            Client(server_url=memory.url, session="x")


class TestErrors:
    def test_response(self, counted: Client) -> None:
        """The response of an error has what those of requests have."""
        created = counted.create_record(id="a")["data"]
        with pytest.raises(PreconditionFailed) as caught:
            counted.create_record(id="a")
        response: Any = caught.value.response
        assert (response.status_code, response.reason, response.ok) == (
            412, "Precondition Failed", False,
        )  # fmt: skip
        assert response.json()["details"]["existing"] == created
        assert '"existing"' in response.text
        for name in ("ETag", "etag", "ETAG"):
            assert response.headers[name] == f'"{created["last_modified"]}"'
        assert bool(response)

    def test_batch(self, counted: Client) -> None:
        """So have the answers of a batch of which some failed."""
        with pytest.raises(KintoBatchException) as caught, counted.batch() as batch:  # noqa: PT012
            batch.get_record(id="none")
            made = batch.create_record(id="a")
        missing, created = caught.value.results[0][0]["responses"]
        assert (missing["status"], created["status"]) == (404, 201)
        for name in ("ETag", "etag", "ETAG"):
            assert created["headers"][name] == f'"{made.result()["data"]["last_modified"]}"'
        (error,) = caught.value.exceptions
        assert isinstance(error, RecordNotFound)
        assert error.response is not None
        assert (error.response.reason, error.response.ok) == ("Not Found", False)


class TestFailures:
    @pytest.mark.parametrize("in_batch", [False, True], ids=["alone", "batch"])
    @pytest.mark.parametrize("lost", [False, True], ids=["503", "lost"])
    def test_bucket_of_another(
        self,
        driver: Driver,
        memory: KintoServer,
        proxy: FaultProxy,
        bucket: str,
        *,
        in_batch: bool,
        lost: bool,
    ) -> None:
        """P4: that a bucket cannot be seen does not say that it was deleted."""
        other = driver.client(memory.url, auth=("somebody", "else"), bucket=bucket)
        other.create_bucket()
        client = driver.client(proxy.url, auth=memory.auth, bucket=bucket, retry=QUICK)

        def deletes(request: HttpRequest) -> bool:
            return "DELETE" in (method for method, _ in request.entries)

        if lost:
            proxy.lose_answer(when=deletes)
        else:
            proxy.answer(503, UNAVAILABLE, when=deletes)
        with pytest.raises(KintoException) as caught:
            delete(client, in_batch=in_batch)
        error = caught.value.exceptions[0] if in_batch else caught.value  # type: ignore[attr-defined]
        assert isinstance(error, AnswerLost if lost else ServerError)
        assert other.get_bucket()["data"]["id"] == bucket

    def test_cut_head(self, counted: Client, proxy: FaultProxy) -> None:
        """An answer without a body that is cut off is not believed, but asked for again."""
        with counted.batch() as batch:
            for n in range(12):
                batch.create_record(id=f"r{n}")
        stamp = max(each["last_modified"] for each in counted.get_records())
        counted.session.retry = QUICK
        whole = f'Etag: "{stamp}"'.encode()
        for behind in (b"HTTP/1.1 200", b"OK\r\n", b"Etag", b'Etag: "', whole[:-4], whole[:-1]):
            proxy.truncate_answer(behind=behind, when=lambda request: request.method == "HEAD")
            proxy.forget()
            assert counted.get_records_timestamp() == str(stamp)
            assert len(proxy.calls) == 2
        for behind in (whole, b"Total-Obj", b"Total-Objects: ", b"Total-Objects: 1"):
            proxy.truncate_answer(behind=behind, when=lambda request: request.method == "HEAD")
            proxy.forget()
            assert counted.count_records() == 12
            assert len(proxy.calls) == 2

    @pytest.mark.parametrize("root", [b"null", b"[]", b"5"])
    def test_no_kinto(self, driver: Driver, proxy: FaultProxy, root: bytes) -> None:
        """A server that answers in JSON, but not as Kinto does, is none."""
        proxy.answer(200, root, {"Content-Type": "application/json"}, times=None)
        client = driver.client(proxy.url)
        for call in (client.server_info, client.server_info, client.current_user):
            with pytest.raises(KintoException, match="this is not a Kinto server"):
                call()


def delete(client: Client, *, in_batch: bool) -> None:
    """Delete the bucket of *client*; in a batch, with something else."""
    if not in_batch:
        client.delete_bucket()
        return
    with client.batch() as batch:
        batch.delete_bucket()
        batch.get_bucket(id="none")


# -- On the way --------------------------------------------------------------------------------


def test_cookies(driver: Driver, memory: KintoServer, proxy: FaultProxy) -> None:
    """Cookies that a server sets are not sent back: they could say who asks."""
    proxy.change_answer(lambda answer: answer.having(set_cookie="who=ann; Path=/"), times=None)
    client = driver.client(proxy.url, auth=memory.auth)
    client.server_info()
    client.current_user()
    client.get_buckets()
    assert [each.headers["Cookie"] for each in proxy.requests] == [None] * len(proxy.requests)


class TestProxy:
    @pytest.fixture(autouse=True)
    def env(self, monkeypatch: pytest.MonkeyPatch, proxy: FaultProxy) -> pytest.MonkeyPatch:
        """Have the proxy in the environment, and nothing else of that kind; give what sets it."""
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/v1"))
        return monkeypatch

    def test_used(self, driver: Driver, proxy: FaultProxy) -> None:
        """The proxy of the environment is the way to a server."""
        proxy.answer(200, {"settings": {}})
        assert driver.client("http://kinto.invalid/v1").server_info() == {"settings": {}}
        assert proxy.calls == [("GET", "http://kinto.invalid/v1/")]

    def test_not_used(
        self, driver: Driver, memory: KintoServer, proxy: FaultProxy, env: pytest.MonkeyPatch
    ) -> None:
        """Unless the environment says otherwise of that server."""
        env.setenv("NO_PROXY", "127.0.0.1")
        assert driver.client(memory.url).server_info()["settings"]
        assert proxy.calls == []


def test_threads(
    driver: Driver,
    memory: KintoServer,
    proxy: FaultProxy,
    bucket: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Twenty threads, or tasks, share a client: none waits for another, and nothing is amiss."""
    caplog.set_level(logging.WARNING)
    together = threading.Barrier(20)

    def met(answer: HttpAnswer) -> HttpAnswer:
        together.wait(PATIENCE)
        return answer

    proxy.change_answer(met, times=None)
    client = driver.client(proxy.url, auth=memory.auth, bucket=bucket)
    for _ in range(2):
        found = driver.at_once(client, [lambda it: it.heartbeat()] * 20)
        assert len(found) == 20
    assert proxy.connections == 20
    assert caplog.records == []
