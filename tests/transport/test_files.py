"""Files over the wire: uploads, downloads, and what another server learns of a client."""

from __future__ import annotations

import gzip
import hashlib
import io
import warnings

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import requests

from faults import FaultProxy, HttpRequest
from flow.scripts import one
from kinto_orm.exceptions import AnswerLost, InvalidRequest, KintoException, NotSent
from kinto_orm.flow import Form, Request, Response
from kinto_orm.flow.messages import Download
from kinto_orm.transport.wire import user_agent

from .drivers import ONCE, QUICK, Awaiting, Driver
from .test_forms import parsed


PATH = "/buckets/b/collections/c/records/r/attachment"
CONTENT = bytes(range(256)) * 300


def upload(source: Any) -> Request:
    """Return an upload."""
    fields = {"data": '{"n": 1}'}
    return Request("POST", PATH, body=Form(source, "é.bin", "application/x-test", fields))


def content_of(request: HttpRequest) -> list[tuple[str, str | None, str, bytes]]:
    """Return the parts of the form that was sent."""
    return parsed(request.headers["Content-Type"], request.body)


class TestUploads:
    def test_arrives(self, driver: Driver, proxy: FaultProxy, tmp_path: Path) -> None:
        """A form arrives as it is, with its length: not in chunks, which not each server takes."""
        (tmp_path / "file").write_bytes(CONTENT)
        for source in (tmp_path / "file", io.BytesIO(CONTENT)):
            proxy.answer(201, {})
            driver.send(proxy.url, upload(source), credentials=("ann", "secret"))
            sent = proxy.requests[-1]
            assert str(sent) == f"POST /v1{PATH}"
            assert content_of(sent) == [
                ("data", None, "application/json", b'{"n": 1}'),
                ("attachment", "é.bin", "application/x-test", CONTENT),
            ]
            assert int(sent.headers["Content-Length"]) == len(sent.body)
            assert sent.headers["Transfer-Encoding"] is None
            assert sent.headers["Authorization"].startswith("Basic ")
            assert sent.headers["Accept"] == "application/json"

    def test_again(self, driver: Driver, proxy: FaultProxy) -> None:
        """Each attempt sends the file from its start."""
        client: Any = driver.client(proxy.url, retry=QUICK)
        file = io.BytesIO(CONTENT)
        proxy.answer(429, headers={"Retry-After": "0"}, times=2)
        proxy.answer(201, {"filename": "é.bin"})
        response = client._run(one(upload(file)))
        assert response.status == 201
        assert len(proxy.requests) == 3
        assert {content_of(request)[1][-1] for request in proxy.requests} == {CONTENT}
        assert not file.closed

    def test_lost(self, driver: Driver, proxy: FaultProxy) -> None:
        """An upload whose answer is lost is looked up by its hash, and not sent twice."""
        client: Any = driver.client(proxy.url, retry=QUICK)
        there = {
            "hash": hashlib.sha256(CONTENT).hexdigest(),
            "filename": "é.bin",
            "mimetype": "application/x-test",
        }
        proxy.drop()
        proxy.answer(200, {"data": {"id": "r", "n": 1, "attachment": there}})
        assert client._run(one(upload(io.BytesIO(CONTENT)))).body == there
        assert [method for method, _ in proxy.calls] == ["POST", "GET"]

    def test_no_file(self, driver: Driver, proxy: FaultProxy, tmp_path: Path) -> None:
        """If the file cannot be read, nothing is sent; the error is that of the system."""
        with pytest.raises(FileNotFoundError):
            driver.send(proxy.url, upload(tmp_path / "missing"))
        assert proxy.requests == []


def download(url: str, path: Path, **options: Any) -> Request:
    """Return a request for a file that is elsewhere."""
    return Request("GET", "/file", url=f"{url}/file", into=Download(path, **options))


class TestDownloads:
    @pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 70000])
    def test_arrives(self, driver: Driver, proxy: FaultProxy, tmp_path: Path, size: int) -> None:
        """The answer is written as it comes; the response has its size and its hash."""
        content, path = CONTENT[:size], tmp_path / "file"
        proxy.answer(200, content)
        response = driver.send("", download(proxy.url, path, block=1000))
        digest = hashlib.sha256(content).hexdigest()
        assert response == Response(200, {"size": size, "hash": digest})
        assert path.read_bytes() == content

    def test_as_it_is(self, driver: Driver, proxy: FaultProxy, tmp_path: Path) -> None:
        """It is asked for as it is, and not decoded, whatever a server says: hashes are of it."""
        packed = gzip.compress(CONTENT)
        proxy.answer(200, packed, {"Content-Encoding": "gzip"})
        driver.send("", download(proxy.url, tmp_path / "file"))
        assert (tmp_path / "file").read_bytes() == packed
        assert proxy.requests[0].headers["Accept-Encoding"] == "identity"

    @pytest.mark.parametrize("status", [403, 404, 500])
    @pytest.mark.parametrize("body", ["<html>no</html>", {"code": 1}])
    def test_refused(
        self, driver: Driver, proxy: FaultProxy, tmp_path: Path, status: int, body: Any
    ) -> None:
        """A refusal is a response with its explanation; nothing is written."""
        proxy.answer(status, body)
        response = driver.send("", download(proxy.url, tmp_path / "file"))
        assert response == Response(status, body, response.headers)
        assert not (tmp_path / "file").exists()

    def test_truncated(self, driver: Driver, proxy: FaultProxy, tmp_path: Path) -> None:
        """An answer that breaks off is lost, and asked for once more: the file has it once."""
        path = tmp_path / "file"
        with FaultProxy(proxy.url) as front:
            proxy.answer(200, CONTENT, times=None)
            front.truncate_answer(times=2)
            with pytest.raises(AnswerLost, match="GET /file was sent"):
                driver.send("", download(front.url, path))
            client: Any = driver.client(proxy.url, retry=QUICK)
            response = client._run(one(download(front.url, path)))
            assert len(front.requests) == 3
        assert response.body["hash"] == hashlib.sha256(CONTENT).hexdigest()
        assert path.read_bytes() == CONTENT

    def test_too_long(self, driver: Driver, proxy: FaultProxy, tmp_path: Path) -> None:
        """If there is more than is expected, the rest is not read."""
        path = tmp_path / "file"
        proxy.answer(200, CONTENT)
        response = driver.send("", download(proxy.url, path, block=1000, enough=1500))
        assert 1500 < response.body["size"] == path.stat().st_size <= 2500

    def test_no_place(self, driver: Driver, proxy: FaultProxy, tmp_path: Path) -> None:
        """If it cannot be written, the error is that of the system, and not one of the network."""
        proxy.answer(200, CONTENT)
        with pytest.raises(FileNotFoundError):
            driver.send("", download(proxy.url, tmp_path / "missing" / "file"))

    def test_nobody_there(self, driver: Driver, tmp_path: Path) -> None:
        """A server that is not there is one that was not reached."""
        with FaultProxy("http://127.0.0.1:9") as gone:
            url = gone.url
        with pytest.raises(NotSent, match="GET /file did not reach the server"):
            driver.send("", download(url, tmp_path / "file"))

    def test_redirection(self, driver: Driver, proxy: FaultProxy, tmp_path: Path) -> None:
        """A redirection is not followed here either."""
        proxy.answer(302, headers={"Location": f"{proxy.url}/elsewhere"})
        with pytest.raises(KintoException, match="redirects"):
            driver.send("", download(proxy.url, tmp_path / "file"))
        assert len(proxy.requests) == 1


SECRETS = {"X-Session": "secret", "X-Api-Key": "secret"}


@pytest.fixture
def elsewhere() -> Generator[FaultProxy]:
    """Give a server that is not the client's."""
    with FaultProxy("http://127.0.0.1:9/v1") as other:
        other.answer(200, CONTENT, times=None)
        yield other


@pytest.fixture
def session(driver: Driver) -> Generator[Callable[..., Any]]:
    """Give a way to open a user's own session, of requests or of aiohttp."""
    opened: list[Any] = []

    def blocking(user: tuple[str, str] | None) -> requests.Session:
        made = requests.Session()
        made.auth = user
        made.headers.update(SECRETS)
        made.cookies.set("token", "secret")
        made.params = {"key": "secret"}
        return made

    async def awaiting(user: tuple[str, str] | None) -> aiohttp.ClientSession:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Of BasicAuth.
            made = aiohttp.ClientSession(
                auth=None if user is None else aiohttp.BasicAuth(*user),
                headers=SECRETS,
                cookie_jar=aiohttp.CookieJar(unsafe=True),
            )
        made.cookie_jar.update_cookies({"token": "secret"})
        return made

    def session(user: tuple[str, str] | None = None) -> Any:
        made: Any
        made = driver.runner.run(awaiting(user)) if isinstance(driver, Awaiting) else blocking(user)
        opened.append(made)
        return made

    yield session
    for each in opened:
        closing = each.close()
        if isinstance(driver, Awaiting):
            driver.runner.run(closing)


class TestElsewhere:
    """A whole URL is asked without anything that says who asks."""

    def assert_tells_nothing(self, client: Any, elsewhere: FaultProxy, tmp_path: Path) -> None:
        """Have *client* download something, and look at what was sent."""
        client._run(one(download(elsewhere.url, tmp_path / "file")))
        [sent] = elsewhere.requests
        assert str(sent) == "GET /v1/file"
        assert "secret" not in str(sent.headers.items())
        names = {"Authorization", "Cookie", "Proxy-Authorization", *SECRETS}
        assert not names & {name.title() for name in sent.headers}
        assert sent.headers["User-Agent"] == user_agent()

    def test_client(
        self, driver: Driver, proxy: FaultProxy, elsewhere: FaultProxy, tmp_path: Path
    ) -> None:
        """It gets neither the credentials nor the headers of the client."""
        client = driver.client(proxy.url, auth=("ann", "secret"), headers=SECRETS)
        self.assert_tells_nothing(client, elsewhere, tmp_path)

    @pytest.mark.parametrize("user", [None, ("ann", "secret")])
    def test_own_session(
        self,
        driver: Driver,
        proxy: FaultProxy,
        elsewhere: FaultProxy,
        session: Callable[..., Any],
        tmp_path: Path,
        user: tuple[str, str] | None,
    ) -> None:
        """Nor those of a user's own session, nor its cookies; the client's own server does."""
        client = driver.client(proxy.url, session=session(user))
        self.assert_tells_nothing(client, elsewhere, tmp_path)
        proxy.answer(200, {"settings": {}})
        client.server_info()
        [own] = proxy.requests
        assert own.headers["X-Session"] == "secret"
        assert "token=secret" in own.headers["Cookie"]
        assert (own.headers["Authorization"] is None) is (user is None)

    def test_netrc(
        self,
        driver: Driver,
        proxy: FaultProxy,
        elsewhere: FaultProxy,
        session: Callable[..., Any],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Nor what stands in ``~/.netrc``, also where a session heeds the environment."""
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password secret\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        own = session()
        if isinstance(driver, Awaiting):
            own._trust_env = True
        client = driver.client(proxy.url, session=own)
        self.assert_tells_nothing(client, elsewhere, tmp_path)

    def test_proxy(
        self,
        driver: Driver,
        proxy: FaultProxy,
        session: Callable[..., Any],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The way there is that of the session: through the proxy of the environment, say."""
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1"))
        monkeypatch.setenv("no_proxy", "localhost")
        own = session()
        if isinstance(driver, Awaiting):
            own._trust_env = True
        client: Any = driver.client("http://localhost:9/v1", session=own)
        proxy.answer(200, CONTENT)
        client._run(one(download("http://files.example.org", tmp_path / "file")))
        assert proxy.calls == [("GET", "http://files.example.org/file")]


class TestOwnSession:
    def test_is_used_and_left_open(
        self, driver: Driver, proxy: FaultProxy, session: Callable[..., Any]
    ) -> None:
        """A user's own session makes the requests, and stays open when the client is closed."""
        own = session()
        proxy.answer(200, {"settings": {}}, times=None)
        for _ in range(2):
            client = driver.client(proxy.url, session=own, retry=ONCE)
            client.server_info()
            client.close()
        assert proxy.connections == 1
        assert [request.headers["X-Session"] for request in proxy.requests] == ["secret"] * 2

    def test_both_have_credentials(
        self, driver: Driver, proxy: FaultProxy, session: Callable[..., Any]
    ) -> None:
        """If both have credentials, the client's count, or it is told that these are too many."""
        client = driver.client(proxy.url, session=session(("bob", "other")), auth="Bearer secret")
        proxy.answer(200, {"settings": {}})
        if isinstance(driver, Awaiting):
            with pytest.raises(InvalidRequest, match="has credentials, and so has its session"):
                client.server_info()
            assert proxy.requests == []
        else:
            client.server_info()
            assert proxy.requests[0].headers["Authorization"] == "Bearer secret"


def test_user_agents(driver: Driver, proxy: FaultProxy) -> None:
    """A server is told what asks; a program can say its own name instead."""
    for headers in ({}, {"User-Agent": "program/1"}, {"user-agent": "program/2"}):
        proxy.answer(200, {"settings": {}})
        driver.client(proxy.url, headers=headers).server_info()
    agents = [request.headers.get_all("User-Agent") for request in proxy.requests]
    assert agents == [[user_agent()], ["program/1"], ["program/2"]]
    assert user_agent().startswith("kinto_orm/")


def test_at_once(driver: Driver, proxy: FaultProxy, tmp_path: Path) -> None:
    """Threads, or tasks, download with one client: each gets its own file."""
    proxy.answer(200, CONTENT, times=None)
    client = driver.client(proxy.url)
    found = driver.at_once(
        client,
        [
            lambda it, n=n: it._run(one(download(proxy.url, tmp_path / str(n))))  # type: ignore[misc]
            for n in range(4)
        ],
    )
    assert {each.body["size"] for each in found} == {len(CONTENT)}
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {CONTENT}
