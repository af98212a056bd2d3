"""Sessions that clients share, clones, who closes what, and what is shown of them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pickle
import ssl

from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import aiohttp
import pytest
import requests

from requests.adapters import HTTPAdapter

from faults import FaultProxy
from kinto_orm import (
    AsyncClient,
    BearerTokenAuth,
    BrowserOAuth,
    Client,
    KintoBatchException,
    RetryPolicy,
    Timeout,
    TokenAuth,
    create_session,
)
from kinto_orm.embedded import KintoServer
from kinto_orm.exceptions import KintoException, NotSent
from kinto_orm.transport.sessions import AsyncHTTPSession, HTTPSession

from .ways import WAYS, Way


SECRET = "s3cr3t"

#: What a client can be told of how to ask.
OPTIONS: dict[str, Any] = {
    "retry": RetryPolicy(attempts=2, first=0.001),
    "timeout": Timeout(3, 4),
    "headers": {"X-Test": "kept"},
    "dry_mode": True,
    "ignore_batch_4xx": True,
}


@pytest.fixture(params=["blocking", "awaiting"])
def way(request: pytest.FixtureRequest) -> Generator[Way]:
    """Give both kinds of clients in turn."""
    with WAYS[request.param]() as way:
        yield way


def session_of(client: Client) -> Any:
    """Return the session of *client* itself, which can be given to others."""
    return client.session.target  # type: ignore[attr-defined]


def kept(client: Client) -> dict[str, Any]:
    """Return what *client* was told."""
    return {
        "retry": client.session.retry,
        "timeout": client.session.timeout,
        "headers": client.session.headers,
        "dry_mode": client.dry_mode,
        "ignore_batch_4xx": client.ignore_batch_4xx,
    }


class TestClone:
    def test_keeps(self, way: Way, memory: KintoServer) -> None:
        """K10: a clone keeps everything that it is not told to change."""
        client = way.client(memory.url, auth=("a", "b"), bucket="b", collection="c", **OPTIONS)
        assert kept(client) == OPTIONS
        for change in (
            {},
            {"bucket": "x"},
            {"auth": ("c", "d")},
            {"server_url": "http://other.invalid/v1"},
            {"bucket": "x", "auth": ("c", "d")},
        ):
            clone = client.clone(**change)
            assert kept(clone) == OPTIONS
            assert clone.collection_name == "c"
            assert clone.bucket_name == change.get("bucket", "b")
            assert clone.server_url == change.get("server_url", memory.url)
            assert clone.session.auth == change.get("auth", ("a", "b"))

    @pytest.mark.parametrize(
        "change",
        [
            {"retry": RetryPolicy(attempts=7)},
            {"timeout": Timeout(None, None)},
            {"headers": {}},
            {"dry_mode": False},
            {"ignore_batch_4xx": False},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_changes(self, way: Way, memory: KintoServer, change: dict[str, Any]) -> None:
        """What it is told to change, is changed; and not in its original."""
        client = way.client(memory.url, **OPTIONS)
        assert kept(client.clone(**change)) == {**OPTIONS, **change}
        assert kept(client) == OPTIONS

    def test_shares(self, way: Way, memory: KintoServer) -> None:
        """It shares the session, if nothing of that changes."""
        client = way.client(memory.url)
        assert session_of(client.clone(bucket="x")) is session_of(client)
        assert session_of(client.clone(timeout=3)) is not session_of(client)

    def test_nowhere(self, way: Way, memory: KintoServer) -> None:
        """It may have no bucket and no collection of its own."""
        clone = way.client(memory.url, bucket="b", collection="c").clone(
            bucket=None, collection=None
        )
        assert (clone.bucket_name, clone.collection_name) == (None, None)

    def test_headers(self, way: Way, proxy: FaultProxy) -> None:
        """Headers of a client go with each request, of a clone and of a batch as well."""
        client = way.client(proxy.url, headers={"X-Test": "kept", "User-Agent": "mine"})
        client.server_info()
        client.clone(auth=("a", "b")).server_info()
        assert [each.headers["X-Test"] for each in proxy.requests] == ["kept"] * 2
        assert [each.headers["User-Agent"] for each in proxy.requests] == ["mine"] * 2


class TestSharing:
    def test_session(self, way: Way, proxy: FaultProxy, memory: KintoServer) -> None:
        """Clients that share a session share its connections, and what it knows."""
        first = way.client(proxy.url, auth=memory.auth)
        other = way.client(session=session_of(first), bucket="other")
        assert first.server_info() == other.server_info()
        other.heartbeat()
        assert other.bucket_name == "other"
        assert len(proxy.requests) == 2
        assert proxy.connections == 1

    def test_close(self, way: Way, proxy: FaultProxy) -> None:
        """Only the client whose session it is closes it: not one that shares it, nor a clone."""
        first = way.client(proxy.url)
        session = session_of(first)
        first.heartbeat()
        for other in (
            way.client(session=session),
            first.clone(bucket="x"),
            way.client(proxy.url).clone(session=session),
        ):
            other.heartbeat()
            other.close()
            first.heartbeat()
        assert proxy.connections == 1

    def test_own_settings(self, way: Way, memory: KintoServer) -> None:
        """A client that shares a session may be more patient than the others."""
        first = way.client(memory.url, auth=memory.auth, retry=0)
        other = way.client(session=session_of(first), timeout=7)
        assert other.session.timeout == Timeout(7, 7)
        assert first.session.timeout == Timeout()
        assert other.session.nb_retry == 0
        assert other.current_user() == first.current_user()

    def test_contradictions(self, way: Way, memory: KintoServer) -> None:
        """A session has its server and its credentials: nobody can give it others."""
        session = session_of(way.client(memory.url))
        with pytest.raises(AttributeError, match="session"):
            way.client(memory.url, session=session)
        with pytest.raises(AttributeError, match="session"):
            way.client(session=session, auth=("a", "b"))

    def test_nothing(self, way: Way) -> None:
        """A client that is told no server is an error of its caller."""
        with pytest.raises(AttributeError, match="which server"):
            way.client()

    def test_kinds(self, memory: KintoServer) -> None:
        """A session that blocks is not one for a client that awaits, nor the other way round."""
        with pytest.raises(TypeError, match="AsyncClient needs a session of its own kind"):
            AsyncClient(session=HTTPSession(memory.url))
        with pytest.raises(TypeError, match="Client needs a session of its own kind"):
            Client(session=AsyncHTTPSession(memory.url))


class TestCreateSession:
    def test_session(self, memory: KintoServer) -> None:
        """A session can be made, and be used by clients."""
        with create_session(memory.url, memory.auth, timeout=3, retry=2) as session:
            assert isinstance(session, HTTPSession)
            assert create_session(session=session) is session
            assert session.timeout == Timeout(3, 3)
            assert session.nb_retry == 2
            client = Client(session=session, bucket="b")
            assert client.current_user() == session.request("GET", "/")[0]["user"]

    def test_contradictions(self, memory: KintoServer) -> None:
        """It is of one server."""
        with pytest.raises(AttributeError):
            create_session()
        with (
            create_session(memory.url) as session,
            pytest.raises(AttributeError),
        ):
            create_session(memory.url, session=session)


class TestOfRequests:
    @pytest.fixture
    def http(self) -> Generator[requests.Session]:
        """Give a session of a user's own."""
        with requests.Session() as http:
            yield http

    def test_used(self, http: requests.Session, memory: KintoServer) -> None:
        """A session of requests is used as it is: its adapters, its headers, its credentials."""
        sent: list[requests.PreparedRequest] = []

        class Seen(HTTPAdapter):
            def send(self, request: Any, *args: Any, **kwargs: Any) -> requests.Response:
                sent.append(request)
                return super().send(request, *args, **kwargs)

        http.mount("http://", Seen())
        http.headers["X-Of"] = "requests"
        http.auth = ("ann", SECRET)
        with Client(server_url=memory.url, session=http) as client:
            user = client.current_user()
            assert client.clone(timeout=3).current_user() == user
        assert user is not None
        assert [each.headers["X-Of"] for each in sent] == ["requests"] * 2

    def test_stays_open(self, http: requests.Session, proxy: FaultProxy) -> None:
        """It stays open when a client that uses it is closed."""
        for _ in range(2):
            with Client(server_url=proxy.url, session=http) as client:
                client.heartbeat()
        http.get(f"{proxy.url}/__heartbeat__", timeout=10)
        assert proxy.connections == 1

    def test_proxies(self, http: requests.Session, memory: KintoServer) -> None:
        """What it says of proxies holds; what a proxy did not get was not sent."""
        http.proxies["http"] = "http://127.0.0.1:9"
        with (
            Client(server_url=memory.url, session=http, retry=0) as client,
            pytest.raises(NotSent),
        ):
            client.server_info()


class TestOfAiohttp:
    def run(self, main: Callable[[aiohttp.ClientSession], Any]) -> None:
        """Run *main* with a session of aiohttp."""

        @contextlib.asynccontextmanager
        async def opened() -> AsyncGenerator[aiohttp.ClientSession]:
            connector = aiohttp.TCPConnector(ssl=ssl.create_default_context())
            async with aiohttp.ClientSession(
                connector=connector, headers={"X-Of": "aiohttp"}
            ) as http:
                yield http

        async def run() -> None:
            async with opened() as http:
                await main(http)

        asyncio.run(run())

    def test_used(self, proxy: FaultProxy) -> None:
        """A session of aiohttp is used as it is, and stays open when the client is closed."""

        async def main(http: aiohttp.ClientSession) -> None:
            for _ in range(2):
                async with AsyncClient(server_url=proxy.url, session=http) as client:
                    await client.heartbeat()
                    await client.clone(timeout=3).heartbeat()
            assert not http.closed

        self.run(main)
        assert [each.headers["X-Of"] for each in proxy.requests] == ["aiohttp"] * 4
        assert proxy.connections == 1


class TestShown:
    """No secret is in what is shown, logged, raised or pickled."""

    @pytest.mark.parametrize(
        "auth",
        [
            ("ann", SECRET),
            f"ann:{SECRET}",
            f"Bearer {SECRET}",
            BearerTokenAuth(SECRET),
            TokenAuth(SECRET, "Basic"),
            requests.auth.HTTPBasicAuth("ann", SECRET),
        ],
        ids=["pair", "text", "bearer", "BearerTokenAuth", "TokenAuth", "requests"],
    )
    def test_credentials(
        self,
        way: Way,
        memory: KintoServer,
        auth: Any,
        bucket: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Credentials, in all the forms that they can have."""
        caplog.set_level(logging.DEBUG)
        client = way.client(memory.url, auth=auth, bucket=bucket, headers={"X-Key": SECRET})
        session = session_of(client)
        shown = [repr(each) for each in (client, session, session._port, session._server)]
        with pytest.raises(KintoException) as caught:
            client.get_bucket()
        error = caught.value
        shown += [repr(error), str(error), repr(error.request), repr(error.response)]
        shown += [str(pickle.loads(pickle.dumps(error)).__dict__)]
        shown += [repr(value) for value in vars(client.target).values()]  # type: ignore[attr-defined]
        if not isinstance(auth, (tuple, str)):
            shown.append(repr(auth))
        shown.append(caplog.text)
        for text in shown:
            assert SECRET not in text

    def test_batch(self, memory: KintoServer, bucket: str) -> None:
        """What is recorded for a batch."""
        auth = ("ann", SECRET)
        with Client(server_url=memory.url, auth=auth, bucket=bucket) as client:
            with client.batch() as batch:
                pending = batch.create_bucket()
                shown = [repr(batch), repr(pending), repr(batch.session)]
            shown.append(repr(pending))
        for text in shown:
            assert SECRET not in text

    def test_errors(self, memory: KintoServer) -> None:
        """Credentials in a URL, and those that are wrong."""
        for options in (
            {"server_url": f"http://ann:{SECRET}@localhost/v1"},
            {"server_url": memory.url, "auth": SECRET},
            {"server_url": memory.url, "auth": f"Bearer {SECRET}\n"},
            {"server_url": memory.url, "auth": (f"a:{SECRET}", "x")},
        ):
            with pytest.raises(ValueError) as caught:  # noqa: PT011
                Client(**options)
            assert SECRET not in str(caught.value)

    def test_browser(self) -> None:
        """A token that a login gave."""
        assert SECRET not in repr(BrowserOAuth(provider="x"))

    def test_accounts(
        self, way: Way, memory: KintoServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Passwords of accounts, in a dry run as well."""
        caplog.set_level(logging.DEBUG)
        client = way.client(memory.url, dry_mode=True)
        client.create_account(id="ann", password=SECRET)
        client.change_password(id="ann", password=SECRET)
        client.session.request("PUT", "/accounts/ann", data={"password": SECRET})
        assert "/accounts/ann" in caplog.text
        assert SECRET not in caplog.text

    def test_batch_of_accounts(self, memory: KintoServer, caplog: pytest.LogCaptureFixture) -> None:
        """Passwords of accounts that are created in a batch."""
        caplog.set_level(logging.DEBUG)
        with Client(server_url=memory.url) as client:
            with pytest.raises(KintoBatchException) as caught, client.batch() as batch:
                handles = [batch.create_account(id=id, password=SECRET) for id in ("ann", "bob")]
            shown = [str(caught.value), repr(handles), caplog.text]
            shown += [repr(each.request) for each in caught.value.exceptions]  # type: ignore[attr-defined]
        for text in shown:
            assert SECRET not in text
