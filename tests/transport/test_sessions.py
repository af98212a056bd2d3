"""Sessions: the raw way to a server, what is shared, and what the server has to say to people."""

from __future__ import annotations

import asyncio
import hashlib
import io
import warnings

from datetime import date
from typing import Any

import pytest

from faults import FaultProxy
from kinto_orm import AsyncClient, BackoffException, Client, RetryPolicy, Timeout, create_session
from kinto_orm.exceptions import (
    BadRequest,
    BucketNotFound,
    InvalidRequest,
    NotFound,
    PreconditionFailed,
    ServerError,
)
from kinto_orm.flow import Headers
from kinto_orm.transport import AsyncHTTPSession, HTTPSession
from kinto_orm.transport.wire import Server

from .drivers import ONCE, QUICK, Blocking, Driver, _Awaited
from .test_forms import parsed


JSON_PATCH = {"Content-Type": "application/json-patch+json"}


def opened(driver: Driver, url: str, **options: Any) -> Any:
    """Return a session of the kind of *driver*, which blocks."""
    session = driver.client(url, **options).session
    return session if isinstance(driver, Blocking) else _Awaited(session, driver.runner)  # type: ignore[attr-defined]


@pytest.fixture
def session(driver: Driver, proxy: FaultProxy) -> Any:
    """Give a session whose server says what a test wants."""
    return opened(driver, proxy.url, retry=ONCE)


class TestAnswers:
    def test_shape(self, session: Any, proxy: FaultProxy) -> None:
        """It gives the body, decoded, and the headers, found in any case."""
        proxy.answer(200, {"data": {"a": "é"}}, {"ETag": '"5"'})
        body, headers = session.request("get", "/buckets/b")
        assert body == {"data": {"a": "é"}}
        assert isinstance(headers, Headers)
        assert headers["ETag"] == headers["etag"] == '"5"'
        assert proxy.calls == [("GET", "/v1/buckets/b")]

    def test_not_modified(self, session: Any, proxy: FaultProxy) -> None:
        """A 304 is no error: there is no body, but there are headers."""
        proxy.answer(304, headers={"ETag": '"5"'})
        body, headers = session.request("get", "/x", headers={"If-None-Match": '"5"'})
        assert body is None
        assert headers["etag"] == '"5"'

    @pytest.mark.parametrize(("method", "status"), [("delete", 204), ("head", 200)])
    def test_no_body(self, session: Any, proxy: FaultProxy, method: str, status: int) -> None:
        """Nor is there a body where the answer has none."""
        proxy.answer(status, headers={"Total-Objects": "3"})
        body, headers = session.request(method, "/x")
        assert body is None
        assert headers["Total-Objects"] == "3"

    @pytest.mark.parametrize(
        ("status", "error"),
        [(400, BadRequest), (404, NotFound), (412, PreconditionFailed), (500, ServerError)],
    )
    def test_refused(
        self, session: Any, proxy: FaultProxy, status: int, error: type[Exception]
    ) -> None:
        """What the server refuses is raised, of a class for each status."""
        proxy.answer(status, {"code": status, "message": "because"})
        with pytest.raises(error, match="because"):
            session.request("post", "/x")

    def test_hidden(self, session: Any, proxy: FaultProxy) -> None:
        """P4: a bucket that cannot be seen is one that is not there."""
        proxy.answer(403, {"code": 403})
        with pytest.raises(BucketNotFound):
            session.request("get", "/buckets/b")


class TestRequests:
    def sent(self, session: Any, proxy: FaultProxy, *args: Any, **kwargs: Any) -> Any:
        """Make a request; return it as it was sent."""
        proxy.answer(200, {})
        session.request(*args, **kwargs)
        return proxy.requests[-1]

    @pytest.mark.parametrize(
        ("endpoint", "path"),
        [
            ("/buckets", "/v1/buckets"),
            ("buckets", "/v1/buckets"),
            ("/", "/v1/"),
            ("/x?_since=5&a=", "/v1/x?_since=5&a="),
            ("/x?a=%22b%26%22", "/v1/x?a=%22b%26%22"),
        ],
    )
    def test_paths(self, session: Any, proxy: FaultProxy, endpoint: str, path: str) -> None:
        """A path is one below the root of the API, maybe with a query string."""
        assert self.sent(session, proxy, "get", endpoint).path == path

    def test_whole_urls(self, session: Any, proxy: FaultProxy) -> None:
        """A whole URL may be given, if it is one of the server's API: of a next page, say."""
        for end in ("", "/", "/buckets?_token=x"):
            assert self.sent(session, proxy, "get", proxy.url + end).path == f"/v1{end or '/'}"

    @pytest.mark.parametrize(
        "url",
        [
            "https://example.org/v1/buckets",
            "http://127.0.0.1/v1/",
            "{url}2/",
            "{url}@example.org/",
            "http://user:password@{host}/v1/",
            "ftp://{host}/v1/",
            "file:///etc/passwd",
        ],
    )
    def test_elsewhere(self, session: Any, proxy: FaultProxy, url: str) -> None:
        """K71: any other is refused, since credentials would go there."""
        url = url.format(url=proxy.url, host=proxy.url.split("/")[2])
        with pytest.raises(InvalidRequest, match="is not of this server"):
            session.request("get", url)
        assert proxy.requests == []

    @pytest.mark.parametrize("path", ["//example.org/x", "///example.org/x"])
    def test_no_host(self, session: Any, proxy: FaultProxy, path: str) -> None:
        """What looks like a host is a part of a path."""
        assert self.sent(session, proxy, "get", path).path == "/v1/example.org/x"

    def test_params(self, session: Any, proxy: FaultProxy) -> None:
        """Parameters are added to those in the path: text as it is, anything else as JSON."""
        params = {"a": "x y", "b": True, "c": ["p", 1], "d": None, "in_e": ["1", "2,3"]}
        sent = self.sent(session, proxy, "get", "/x?z=1", params=params)
        assert sent.path == ("/v1/x?z=1&a=x+y&b=true&c=p%2C1&in_e=%221%22%2C%222%5Cu002c3%22")

    @pytest.mark.parametrize(
        ("given", "body"),
        [
            ({"data": {"a": 1}}, {"data": {"a": 1}}),
            ({"data": {}}, {"data": {}}),
            ({"permissions": {"read": ["x"]}}, {"permissions": {"read": ["x"]}}),
            ({"payload": {"a": 1}}, {"a": 1}),
            ({"payload": {"a": 1}, "data": {"b": 2}}, {"a": 1, "data": {"b": 2}}),
            ({"data": {"due": date(2024, 1, 2)}}, {"data": {"due": "2024-01-02"}}),
            ({"data": [1, 2]}, {"data": [1, 2]}),
            ({}, {}),
        ],
    )
    @pytest.mark.parametrize("method", ["put", "PATCH", "Post"])
    def test_bodies(
        self, session: Any, proxy: FaultProxy, method: str, given: Any, body: Any
    ) -> None:
        """A body is made of data, permissions and the rest; dates are text."""
        sent = self.sent(session, proxy, method, "/x", **given)
        assert sent.method == method.upper()
        assert sent.json == body
        assert sent.headers["Content-Type"] == "application/json"

    def test_list(self, session: Any, proxy: FaultProxy) -> None:
        """A list is sent as it is: a JSON Patch."""
        operations = [{"op": "remove", "path": "/data/a"}]
        sent = self.sent(session, proxy, "patch", "/x", payload=operations, headers=JSON_PATCH)
        assert sent.json == operations
        assert sent.headers.get_all("Content-Type") == ["application/json-patch+json"]

    def test_permissions_as_an_object(self, session: Any, proxy: FaultProxy) -> None:
        """Permissions may be an object that knows how it is written."""

        class Permissions:
            def as_dict(self) -> dict[str, list[str]]:
                return {"read": ["x"]}

        sent = self.sent(session, proxy, "put", "/x", permissions=Permissions())
        assert sent.json == {"permissions": {"read": ["x"]}}

    @pytest.mark.parametrize("method", ["get", "HEAD"])
    @pytest.mark.parametrize(
        "given",
        [
            {"data": {}},
            {"permissions": {}},
            {"payload": {"a": 1}},
            {"payload": [1]},
            {"files": [("attachment", ("a", b"", "text/plain"))]},
        ],
    )
    def test_reads_have_none(
        self, session: Any, proxy: FaultProxy, method: str, given: Any
    ) -> None:
        """A read with a body is refused."""
        with pytest.raises(InvalidRequest, match="has no body"):
            session.request(method, "/x", **given)
        assert proxy.requests == []

    @pytest.mark.parametrize("name", ["content-type", "Content-Type", "CONTENT-TYPE"])
    def test_headers(self, session: Any, proxy: FaultProxy, name: str) -> None:
        """A header replaces that of the client, whatever the case of its name: none is twice."""
        merge = "application/merge-patch+json"
        sent = self.sent(session, proxy, "patch", "/x", data={"a": None}, headers={name: merge})
        assert sent.headers.get_all("Content-Type") == [merge]

    @pytest.mark.parametrize("headers", [{"If-Match": 5}, {"X-A": "a\nb"}, {"X\n": "a"}])
    def test_wrong_headers(self, session: Any, proxy: FaultProxy, headers: Any) -> None:
        """A header that cannot be sent is refused."""
        with pytest.raises(InvalidRequest, match="cannot be sent"):
            session.request("get", "/x", headers=headers)
        assert proxy.requests == []

    @pytest.mark.parametrize("data", [{"a": "é"}, '{"a": "é"}'])
    @pytest.mark.parametrize("source", [b"content", io.BytesIO(b"content")])
    def test_files(self, session: Any, proxy: FaultProxy, data: Any, source: Any) -> None:
        """A file is uploaded as *requests* takes it; what goes with it is JSON."""
        files = [("attachment", ("a.txt", source, "text/plain"))]
        sent = self.sent(session, proxy, "post", "/r/attachment", data=data, files=files)
        (fields, file) = parsed(sent.headers["Content-Type"], sent.body)
        assert fields[:3] == ("data", None, "application/json")
        assert fields[3].decode().replace(" ", "") == '{"a":"é"}'
        assert file == ("attachment", "a.txt", "text/plain", b"content")

    def test_no_server(self, driver: Driver) -> None:
        """A client of no server can be made; it says so when something is to be sent."""
        session = opened(driver, "", auth=("a", "b"))
        with pytest.raises(InvalidRequest, match="has no server_url"):
            session.request("get", "/")
        with pytest.raises(InvalidRequest, match="is not of this server"):
            session.request("get", "https://example.org/v1/")


class TestRepetition:
    """Raw requests are as persistent as others."""

    def test_lost_write(self, driver: Driver, proxy: FaultProxy) -> None:
        """A write that is lost is looked up, also by headers in lower case."""
        session = opened(driver, proxy.url, retry=QUICK)
        proxy.drop()
        proxy.answer(200, {"data": {"n": 1, "last_modified": 5}, "permissions": {}})
        proxy.answer(200, {"data": {"n": 1, "last_modified": 6}, "permissions": {}})
        body, _ = session.request("put", "/buckets/b", data={"n": 1}, headers={"if-match": '"5"'})
        assert body["data"]["last_modified"] == 6
        assert [method for method, _ in proxy.calls] == ["PUT", "GET", "PUT"]

    def test_lost_post(self, driver: Driver, proxy: FaultProxy) -> None:
        """A POST may have created something, and is not repeated."""
        session = opened(driver, proxy.url, retry=QUICK)
        proxy.answer(503, {"code": 503})
        with pytest.raises(ServerError):
            session.request("post", "/buckets", data={"id": "b"})
        assert len(proxy.requests) == 1

    def test_upload(self, driver: Driver, proxy: FaultProxy) -> None:
        """An upload from bytes is looked up by their hash."""
        session = opened(driver, proxy.url, retry=QUICK)
        there = {
            "hash": hashlib.sha256(b"x").hexdigest(),
            "filename": "a",
            "mimetype": "text/plain",
        }
        proxy.answer(503)
        proxy.answer(200, {"data": {"id": "r", "attachment": there}})
        path = "/buckets/b/collections/c/records/r/attachment"
        body, _ = session.request("post", path, files=[("attachment", ("a", b"x", "text/plain"))])
        assert body == there


class TestBackoff:
    def test_is_shared(self, driver: Driver, proxy: FaultProxy) -> None:
        """What the server asks of one client, all that share its session heed."""
        client = driver.client(proxy.url, retry=ONCE)
        proxy.answer(200, {"data": {}}, {"Backoff": "3600"})
        client.get_bucket(id="b")
        for other in (client, client.clone(bucket="c"), client.clone(retry=2)):
            with pytest.raises(BackoffException, match="a pause of 3600 more seconds") as caught:
                other.get_bucket(id="b")
            assert 3590 < caught.value.backoff <= 3600
        assert len(proxy.requests) == 1


class TestAlerts:
    def test_warns_afterwards(self, driver: Driver, proxy: FaultProxy) -> None:
        """What the server has to say to people is a warning, once the operation is complete."""
        client = driver.client(proxy.url)
        headers = {"Alert": '{"message": "soon off"}'}
        page = {"Next-Page": f"{proxy.url}/buckets?_token=x", **headers}
        proxy.answer(200, {"data": [{"id": "a"}]}, page)
        proxy.answer(200, {"data": [{"id": "b"}]}, headers)
        with pytest.warns(DeprecationWarning, match="soon off") as caught:
            found = client.get_buckets()
        assert [each["id"] for each in found] == ["a", "b"]
        assert len(caught) == 1

    def test_as_an_error(self, driver: Driver, proxy: FaultProxy) -> None:
        """Where warnings are errors, it is raised, but nothing was cut off; and it is said once."""
        client = driver.client(proxy.url)
        proxy.answer(200, {"data": {"id": "b"}}, {"Alert": "soon off"})
        proxy.answer(200, {"data": {"id": "b"}})
        with pytest.raises(DeprecationWarning, match="soon off"):
            client.create_bucket(id="b")
        assert client.get_bucket(id="b")["data"]["id"] == "b"

    def test_is_for_the_caller(self, proxy: FaultProxy) -> None:
        """It names the line that made the call, so that it is shown at all."""
        proxy.answer(200, {"data": {"id": "b"}}, {"Alert": "soon off"}, times=None)

        async def awaited() -> None:
            async with AsyncClient(server_url=proxy.url) as client:
                await client.get_bucket(id="b")

        with warnings.catch_warnings(record=True) as caught, Client(server_url=proxy.url) as client:
            warnings.simplefilter("always")
            client.get_bucket(id="b")
            client.session.request("get", "/buckets/b")
            asyncio.run(awaited())
        assert [each.filename for each in caught] == [__file__] * 3


class TestMaking:
    def test_evolved(self) -> None:
        """A session that is evolved is as the first but for the changes; it knows as much."""
        first = HTTPSession(
            "https://example.org/v1", ("a", "b"), (1, 2), {"X-A": "1"}, retry=3, retry_after=0.5
        )
        first.known.info = {"settings": {}}
        second = first.evolve(dry_mode=True)
        assert second.dry_mode
        assert not first.dry_mode
        for name in ("server_url", "auth", "timeout", "headers", "nb_retry", "retry_after"):
            assert getattr(second, name) == getattr(first, name), name
        assert second.known is first.known
        others: list[dict[str, Any]] = [{"auth": None}, {"server_url": ""}, {"headers": {}}]
        for changes in others:
            assert first.evolve(**changes).known.info is None

    def test_retry(self) -> None:
        """How persistent it is can be a policy, or a number of repetitions, and fixed pauses."""
        assert HTTPSession("").nb_retry == 4
        assert HTTPSession("", retry=0).nb_retry == 0
        assert HTTPSession("", retry=RetryPolicy(attempts=3)).nb_retry == 2
        session = HTTPSession("", retry=2, retry_after=1.5)
        assert (session.nb_retry, session.retry_after) == (2, 1.5)
        assert session.evolve(retry=5).retry_after == 1.5
        assert session.evolve(retry=RetryPolicy()).retry_after is None

    @pytest.mark.parametrize(
        ("given", "timeout"),
        [
            (3, Timeout(3, 3)),
            ((1, 2), Timeout(1, 2)),
            ((None, 2), Timeout(None, 2)),
            (None, Timeout(None, None)),
            (Timeout(1, 2), Timeout(1, 2)),
        ],
    )
    def test_timeout(self, given: Any, timeout: Timeout) -> None:
        """A time-out is one number, or two, or none."""
        assert HTTPSession("", timeout=given).timeout == timeout
        assert AsyncHTTPSession("", timeout=given).timeout == timeout
        assert HTTPSession("").timeout == Timeout()

    def test_create_session(self) -> None:
        """As for kinto-http: a session, or what one is made of, but not both."""
        session = create_session("https://example.org/v1", ("a", "b"), retry=1)
        assert (session.server_url, session.auth) == ("https://example.org/v1", ("a", "b"))
        assert create_session(session=session) is session
        with pytest.raises(AttributeError, match="which server"):
            create_session()
        with pytest.raises(AttributeError, match="knows its server"):
            create_session(session=session, auth=("a", "b"))

    def test_shows_no_secrets(self) -> None:
        """It shows its server, and nothing of who asks."""
        session = HTTPSession("https://example.org/v1", ("ann", "secret"), headers={"X": "secret"})
        assert repr(session) == "<HTTPSession https://example.org/v1>"
        assert "secret" not in repr(session._port)
        assert "secret" not in repr(Server("https://example.org/v1", {"X": "secret"}))

    def test_clones_leave_sessions_open(self, driver: Driver, proxy: FaultProxy) -> None:
        """A clone that shares a session, whose ever it is, does not close it."""
        proxy.answer(200, {"data": {}}, times=None)
        first, second = driver.client(proxy.url), driver.client(proxy.url)
        second.get_bucket(id="b")
        for clone in (first.clone(session=second.session), second.clone(bucket="b")):
            clone.get_bucket(id="b")
            clone.close()
        second.get_bucket(id="b")
        assert proxy.connections == 1
