"""Logging in with a browser, at a real Kinto that trusts an OpenID provider of the tests' own."""

from __future__ import annotations

import base64
import json
import logging
import re
import socket
import struct
import threading
import webbrowser

from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests

from faults import PATIENCE, FaultProxy
from kinto_orm.embedded import KintoServer
from kinto_orm.exceptions import KintoException, NotSent, TransportError
from kinto_orm.flow import Request
from kinto_orm.transport import login
from kinto_orm.transport.auth import signed_headers
from kinto_orm.transport.login import BrowserOAuth

from .drivers import Driver
from .issuer import Browser, Issuer


READ = Request("GET", "/")

#: What a server says that trusts one provider.
TRUSTING = {
    "capabilities": {"openid": {"providers": [{"name": "one", "auth_path": "/openid/one/login"}]}}
}


@pytest.fixture(scope="module")
def issuers() -> Generator[dict[str, Issuer]]:
    """Give two issuers, by the names that the server has for them."""
    with ExitStack() as stack:
        yield {
            "staff": stack.enter_context(Issuer("alice")),
            "guests": stack.enter_context(Issuer("bob")),
        }


@pytest.fixture(scope="module")
def kinto(issuers: Mapping[str, Issuer]) -> Generator[KintoServer]:
    """Give a server that trusts them both."""
    settings = {"includes": "kinto.plugins.openid", "multiauth.policies": " ".join(issuers)}
    for name, issuer in issuers.items():
        settings.update(issuer.settings(name))
    with KintoServer(**settings) as server:  # type: ignore[arg-type]
        yield server


@pytest.fixture
def issuer(issuers: Mapping[str, Issuer]) -> Generator[Issuer]:
    """Give the first issuer, which has given out no token yet."""
    issuer = issuers["staff"]
    issuer.tokens.clear()
    yield issuer
    issuer.expires_in, issuer.refusal, issuer.fault = 3600, None, None


@pytest.fixture(autouse=True)
def browser(monkeypatch: pytest.MonkeyPatch) -> Generator[Browser]:
    """Have pages opened in a browser of ours."""
    browser = Browser()
    monkeypatch.setattr(webbrowser, "open", browser.open)
    yield browser
    browser.close()


@pytest.fixture
def deserted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have pages opened where nobody sits; give them."""
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: not opened.append(url))  # type: ignore[func-returns-value]
    return opened


def oauth(url: str, provider: str | None = None, timeout: float = PATIENCE) -> BrowserOAuth:
    """Return what logs in at the server with the root *url*, as a client that has it would."""
    auth = BrowserOAuth(provider, timeout=timeout)
    auth.server_url = url
    return auth


def signed(auth: BrowserOAuth) -> str:
    """Return the header by which *auth* signs a request."""
    return signed_headers(auth, "GET", "https://example.org/", {}, None)["Authorization"]


def callback(page: str) -> str:
    """Return where a browser that was sent to *page* is to come back."""
    return parse_qs(urlsplit(page).query)["callback"][0]


def address(page: str) -> tuple[str, int]:
    """Return where the listener is that waits for the browser sent to *page*."""
    parts = urlsplit(callback(page))
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def appended(answer: object) -> str:
    """Return *answer* as Kinto appends that of a provider to the callback."""
    return quote(base64.b64encode(json.dumps(answer).encode()).decode())


INJECTED = {"access_token": "INJECTED", "token_type": "Bearer"}


class TestLogin:
    def test_logs_in(self, driver: Driver, kinto: KintoServer, issuer: Issuer) -> None:
        """The first request waits for the user to log in, and is then made as that user."""
        auth = oauth(kinto.url)
        answer = driver.send(kinto.url, READ, credentials=auth)
        assert answer.body["user"]["id"] == "staff:alice"
        assert (auth.header_type, [auth.token]) == ("Bearer", issuer.tokens)

    def test_logs_in_once(self, driver: Driver, kinto: KintoServer, browser: Browser) -> None:
        """The token is kept for the requests that follow."""
        auth = oauth(kinto.url)
        port = driver.port(kinto.url, auth)
        for _ in range(3):
            assert port.perform(READ).body["user"]["id"] == "staff:alice"
        assert len(browser.opened) == 1

    def test_writes(self, driver: Driver, kinto: KintoServer, bucket: str) -> None:
        """A client says at which server to log in; what it makes is that user's."""
        client = driver.client(kinto.url, auth=BrowserOAuth(timeout=PATIENCE))
        made = client.create_bucket(id=bucket)
        assert made["permissions"]["write"] == ["staff:alice"]

    def test_page(self, kinto: KintoServer, browser: Browser) -> None:
        """The page that is opened is the server's, with where to come back, properly quoted."""
        signed(oauth(kinto.url + "/"))
        [page] = browser.opened
        assert page.startswith(f"{kinto.url}/openid/staff/login?callback=http%3A%2F%2F127.0.0.1%3A")
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/auth/[\w-]{43}/", callback(page))
        assert parse_qs(urlsplit(page).query)["scope"] == ["openid email"]
        assert " " not in page

    def test_answer(self, kinto: KintoServer, issuer: Issuer, browser: Browser) -> None:
        """What Kinto appends to the callback is read, whatever it is quoted like."""
        auth = oauth(kinto.url)
        signed(auth)
        browser.close()
        last = browser.shown[0].history[-1].headers["Location"]
        answer = last.removeprefix(callback(browser.opened[0]))
        assert {"%2B", "%3D", "/"} <= set(re.findall(r"%..|/", answer))
        assert [auth.token] == issuer.tokens

    def test_by_name(self, driver: Driver, kinto: KintoServer) -> None:
        """Of several providers one is chosen by its name, not only the first."""
        answer = driver.send(kinto.url, READ, credentials=oauth(kinto.url, "guests"))
        assert answer.body["user"]["id"] == "guests:bob"

    def test_no_browser(
        self,
        kinto: KintoServer,
        browser: Browser,
        issuer: Issuer,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """If no browser can be opened, the user is told the page, and can open it."""

        class User(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                browser.open(record.getMessage().rpartition(" ")[2])

        user = User()
        monkeypatch.setattr(webbrowser, "open", lambda _: False)
        login.logger.addHandler(user)
        try:
            assert signed(oauth(kinto.url)) == f"Bearer {issuer.tokens[0]}"
        finally:
            login.logger.removeHandler(user)
        assert [record.levelname for record in caplog.records if record.name == "kinto_orm.login"]
        assert browser.opened[0] in caplog.text

    def test_again(self, kinto: KintoServer, browser: Browser) -> None:
        """Without its token, it logs in again, with another state and thus at another URL."""
        auth = oauth(kinto.url)
        first = signed(auth)
        auth.token = None
        assert signed(auth) != first
        one, other = (urlsplit(callback(page)).path for page in browser.opened)
        assert one != other


class TestToken:
    def test_of_a_users_own(self, deserted: list[str]) -> None:
        """A token that the program has kept is used, without a login."""
        auth = oauth("http://127.0.0.1:9/v1")
        auth.set_jwt_token({"token_type": "Bearer+OIDC", "access_token": "kept"})
        assert (auth.header_type, auth.token) == ("Bearer+OIDC", "kept")
        assert signed(auth) == "Bearer+OIDC kept"
        assert deserted == []

    def test_assigned(self, deserted: list[str]) -> None:
        """A token may be assigned, too; it is taken for one of OAuth."""
        auth = BrowserOAuth()
        auth.token = "kept"
        assert signed(auth) == "Bearer kept"
        assert deserted == []

    @pytest.mark.parametrize(
        "data", [{}, {"access_token": 5}, {"access_token": "S3cr3t\n"}, {"access_token": ""}]
    )
    def test_unusable(self, data: dict[str, Any]) -> None:
        """A token that cannot be sent is refused, and not shown; the one before is kept."""
        auth = BrowserOAuth()
        auth.set_jwt_token({"access_token": "kept"})
        with pytest.raises(ValueError, match=r"^auth ") as caught:
            auth.set_jwt_token(data)
        assert "S3cr3t" not in str(caught.value)
        assert signed(auth) == "Bearer kept"

    def test_can_be_kept(self, kinto: KintoServer) -> None:
        """A subclass sees what the provider answered, and may use it: it can keep the token."""
        kept: list[Any] = []

        class Keeping(BrowserOAuth):
            def set_jwt_token(self, jwt_data: Mapping[str, Any]) -> None:
                super().set_jwt_token(jwt_data)
                kept.append((dict(jwt_data), signed(self)))

        auth = Keeping(timeout=PATIENCE)
        auth.server_url = kinto.url
        header = signed(auth)
        [(data, seen)] = kept
        assert seen == header == f"{data['token_type']} {data['access_token']}"
        assert data["expires_in"] == 3600


class TestExpiry:
    @pytest.fixture
    def now(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """Give the clock on the wall, to be set."""
        now = [1000.0]
        monkeypatch.setattr(login, "time", lambda: now[0])
        return now

    @pytest.mark.parametrize(("seconds", "used"), [(3600, 3570), (100, 90)])
    def test_k73_expiry(
        self, kinto: KintoServer, issuer: Issuer, now: list[float], seconds: int, used: int
    ) -> None:
        """A token is used until shortly before its end; then the user logs in again."""
        issuer.expires_in = seconds
        auth = oauth(kinto.url)
        first = signed(auth)
        now[0] += used - 1
        assert signed(auth) == first
        now[0] += 1
        second = signed(auth)
        assert [first, second] == [f"Bearer {token}" for token in issuer.tokens]

    @pytest.mark.parametrize(
        "end", [{}, {"expires_in": None}, {"expires_in": "soon"}, {"expires_in": 0}]
    )
    def test_none(self, end: dict[str, Any], now: list[float], deserted: list[str]) -> None:
        """A token that says no end is used for ever."""
        auth = BrowserOAuth()
        auth.set_jwt_token({**INJECTED, **end})
        now[0] += 10**9
        assert signed(auth) == "Bearer INJECTED"
        assert deserted == []

    def test_as_text(self, kinto: KintoServer, issuer: Issuer, now: list[float]) -> None:
        """Seconds that are text, as some providers send them, count as well."""
        auth = oauth(kinto.url)
        auth.set_jwt_token({**INJECTED, "expires_in": "100"})
        now[0] += 90
        assert signed(auth) == f"Bearer {issuer.tokens[0]}"

    def test_of_another_token(self, now: list[float], deserted: list[str]) -> None:
        """The end of a token is not that of the one that is assigned in its place."""
        auth = BrowserOAuth()
        auth.set_jwt_token({**INJECTED, "expires_in": 100})
        auth.token = "kept"
        now[0] += 200
        assert signed(auth) == "Bearer kept"
        assert deserted == []


#: What may come to the listener but is no answer to the login, and how it is refused.  A path
#: below the callback begins with "…".
STRAY = {
    "no state": (f"/auth/{appended(INJECTED)}", 403),
    "no answer": ("/auth/", 403),
    "an empty state": (f"/auth//{appended(INJECTED)}", 403),
    "a wrong state": (f"/auth/{'x' * 43}/{appended(INJECTED)}", 403),
    "a state that is no ASCII": (f"/auth/é/{appended(INJECTED)}", 403),
    "an error of another": ("/auth/x/error=access_denied", 403),
    "icon": ("/favicon.ico", 404),
    "root": ("/", 404),
    "another place": (f"/x/auth/{appended(INJECTED)}", 404),
    "nothing": ("…", 400),
    "no Base64": ("…!", 400),
    "no JSON": ("…" + quote(base64.b64encode(b"<html>").decode()), 400),
    "no object": ("…" + appended([1]), 400),
    "no token": ("…" + appended({}), 400),
    "a token with a header": ("…" + appended({"access_token": "x\r\nX-Admin: yes"}), 400),
    "a type with a header": ("…" + appended({**INJECTED, "token_type": "x\r\nX:"}), 400),
}


class TestListener:
    @pytest.mark.parametrize(("path", "status"), STRAY.values(), ids=STRAY)
    def test_k73_stray(
        self, kinto: KintoServer, browser: Browser, issuer: Issuer, path: str, status: int
    ) -> None:
        """What is no answer to this login is refused, and the login goes on."""
        refused: list[requests.Response] = []

        def inject(page: str) -> None:
            host, port = address(page)
            url = (
                path.replace("…", callback(page)) if "…" in path else f"http://{host}:{port}{path}"
            )
            refused.append(requests.get(url, timeout=PATIENCE))

        browser.meanwhile = inject
        assert signed(oauth(kinto.url)) == f"Bearer {issuer.tokens[0]}"
        assert [answer.status_code for answer in refused] == [status]

    @pytest.mark.parametrize(
        "line", ["POST {} HTTP/1.1", "HEAD {} HTTP/1.1", "GET {} HTTP/9.9", "{}", "{} {} {} {}"]
    )
    def test_other_requests(
        self, kinto: KintoServer, browser: Browser, issuer: Issuer, line: str
    ) -> None:
        """What is no request for a page is refused, and not repeated in the answer."""
        answers: list[str] = []

        def ask(page: str) -> None:
            path = urlsplit(callback(page)).path + "S3cr3t"
            with socket.create_connection(address(page), PATIENCE) as connection:
                connection.sendall(line.replace("{}", path).encode() + b"\r\n\r\n")
                answers.append(connection.makefile().read())

        browser.meanwhile = ask
        assert signed(oauth(kinto.url)) == f"Bearer {issuer.tokens[0]}"
        assert "This cannot be done here." in answers[0]
        assert "S3cr3t" not in answers[0]

    def test_k73_loopback_only(self, kinto: KintoServer, browser: Browser) -> None:
        """It cannot be reached but by the address that the browser is sent to."""
        reached: list[str] = []

        def reach(page: str) -> None:
            for host in (*addresses(), "127.0.0.1"):
                try:
                    socket.create_connection((host, address(page)[1]), 1).close()
                except OSError:
                    continue
                reached.append(host)

        browser.meanwhile = reach
        signed(oauth(kinto.url))
        assert reached == ["127.0.0.1"]

    def test_idle_connections(self, kinto: KintoServer, browser: Browser, issuer: Issuer) -> None:
        """Connections that a browser opens in advance, and does not use, are not waited for."""
        with ExitStack() as stack:

            def connect(page: str) -> None:
                for _ in range(8):
                    stack.enter_context(socket.create_connection(address(page), PATIENCE))

            browser.meanwhile = connect
            assert signed(oauth(kinto.url)) == f"Bearer {issuer.tokens[0]}"

    @pytest.mark.parametrize("sent", ["", "GET ", "GET /auth/x/ HTTP/1.1\r\n\r\n"])
    def test_broken_connections(
        self,
        kinto: KintoServer,
        issuer: Issuer,
        browser: Browser,
        capfd: pytest.CaptureFixture[str],
        sent: str,
    ) -> None:
        """Of connections that break nothing is said, and the login goes on."""

        def leave(page: str) -> None:
            with socket.create_connection(address(page), PATIENCE) as connection:
                # With a reset instead of an orderly end.
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                connection.sendall(sent.encode())

        browser.meanwhile = leave
        assert signed(oauth(kinto.url)) == f"Bearer {issuer.tokens[0]}"
        assert capfd.readouterr() == ("", "")

    def test_browser_is_gone(
        self,
        kinto: KintoServer,
        issuer: Issuer,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        """A browser that has come back with the token need not wait for the page."""

        def gone(*_: object) -> None:
            raise BrokenPipeError

        monkeypatch.setattr(login._Callback, "_show", gone)
        assert signed(oauth(kinto.url)) == f"Bearer {issuer.tokens[0]}"
        assert capfd.readouterr() == ("", "")

    def test_k73_page(self, kinto: KintoServer, issuer: Issuer, browser: Browser) -> None:
        """The page that the user sees has no token, and neither caches nor other sites get it."""
        signed(oauth(kinto.url))
        browser.close()
        [page] = browser.shown
        assert page.status_code == 200
        assert "You are logged in." in page.text
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert 'history.replaceState(null, "", "/")' in page.text
        shown = page.text + str(page.headers)
        assert issuer.tokens[0] not in shown
        assert page.url.rpartition("/auth/")[2] not in shown

    def test_is_closed(self, kinto: KintoServer, browser: Browser) -> None:
        """After a login nobody listens any more."""
        signed(oauth(kinto.url))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address(browser.opened[0]), PATIENCE)


def addresses() -> set[str]:
    """Return addresses of this machine that are not the one of the listener."""
    found = {"127.0.0.2"}  # On Linux, all of 127.0.0.0/8 is.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outside:
        try:
            outside.connect(("192.0.2.1", 9))  # Sends nothing.
        except OSError:
            return found  # Without a network.
        return found | {outside.getsockname()[0]}


class TestSecrecy:
    def test_k73_token_is_not_shown(
        self,
        driver: Driver,
        kinto: KintoServer,
        browser: Browser,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        """The token is in nothing that is logged, at any level, printed or shown."""
        auth = oauth(kinto.url)
        with caplog.at_level(logging.DEBUG):
            driver.client(kinto.url, auth=auth).server_info()
            browser.close()
        ours = [record for record in caplog.records if record.threadName != "browser"]
        assert ours
        answer = browser.shown[0].url.rpartition("/")[2]
        shown = "\n".join([*map(logging.Formatter().format, ours), *capfd.readouterr()])
        shown += f"{auth!r} {auth}"
        assert auth.token is not None
        assert auth.token not in shown
        assert answer not in shown

    def test_repr(self) -> None:
        """What is shown is the provider, and whether there is a token."""
        auth = BrowserOAuth("staff")
        assert repr(auth) == "<BrowserOAuth provider='staff', not logged in>"
        auth.set_jwt_token(INJECTED)
        assert repr(auth) == "<BrowserOAuth provider='staff', logged in>"


class TestFailures:
    def test_k73_time_out(self, driver: Driver, proxy: FaultProxy, deserted: list[str]) -> None:
        """If nobody logs in, the request fails: it is not sent, and not tried again."""
        proxy.answer(200, TRUSTING, times=None)
        auth = oauth(proxy.url, timeout=0.01)
        with pytest.raises(KintoException, match=r"within 0\.01 seconds") as caught:
            driver.client(proxy.url, auth=auth).create_bucket(id="b")
        assert not isinstance(caught.value, TransportError)
        assert proxy.calls == [("GET", "/v1/")]
        assert len(deserted) == 1
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address(deserted[0]), PATIENCE)

    def test_can_be_tried_again(self, kinto: KintoServer, issuer: Issuer, browser: Browser) -> None:
        """After a login that failed the next request begins another."""
        auth = oauth(kinto.url)
        issuer.refusal = {"error": "access_denied"}
        with pytest.raises(KintoException):
            signed(auth)
        issuer.refusal = None
        assert signed(auth) == f"Bearer {issuer.tokens[0]}"
        assert len(browser.opened) == 2

    def test_refused(self, kinto: KintoServer, issuer: Issuer, browser: Browser) -> None:
        """If the provider refuses, its reason is raised at once, and the user is told."""
        issuer.refusal = {"error": "access_denied", "error_description": "Not you\n\x1b[2J"}
        with pytest.raises(
            KintoException, match=r"refused .* 'access_denied: Not you\\n"
        ) as caught:
            signed(oauth(kinto.url))
        assert "\x1b" not in str(caught.value)
        browser.close()
        assert "The login was refused." in browser.shown[0].text

    def test_no_token(self, kinto: KintoServer, issuer: Issuer) -> None:
        """The same goes for a provider that gives the server no token for its code."""
        issuer.fault = {"error": "invalid_grant"}
        with pytest.raises(KintoException, match="refused the login: 'invalid_grant'"):
            signed(oauth(kinto.url))

    def test_no_such_provider(self, kinto: KintoServer, browser: Browser) -> None:
        """Of a provider that the server does not have, the error says which it has."""
        with pytest.raises(KintoException, match=r"provider 'github': .* are 'staff', 'guests'"):
            signed(oauth(kinto.url, "github"))
        assert browser.opened == []

    def test_openid_is_off(self, servers: Callable[[str], KintoServer], browser: Browser) -> None:
        """Without the plugin, the error says so."""
        with pytest.raises(KintoException, match="openid plugin is off"):
            signed(oauth(servers("memory").url))
        assert browser.opened == []

    @pytest.mark.parametrize(
        "openid",
        [None, [], {}, {"providers": []}, {"providers": 5}, {"providers": [{"name": "x"}]}],
    )
    def test_odd_servers(self, proxy: FaultProxy, openid: Any) -> None:
        """The same goes for whatever else has no provider in it."""
        proxy.answer(200, {"capabilities": {"openid": openid}})
        with pytest.raises(KintoException, match="openid plugin is off"):
            signed(oauth(proxy.url))

    @pytest.mark.parametrize("path", ["/a b", "@elsewhere.example", "//elsewhere.example/"])
    def test_odd_paths(self, proxy: FaultProxy, deserted: list[str], path: str) -> None:
        """Whatever path a provider has, the page is one of the server's."""
        proxy.answer(
            200, {"capabilities": {"openid": {"providers": [{"name": "x", "auth_path": path}]}}}
        )
        with pytest.raises(KintoException):
            signed(oauth(proxy.url, timeout=0.01))
        assert deserted[0].startswith(f"{proxy.url}/{quote(path.strip('/'))}")

    def test_unknown_server(self) -> None:
        """Without a client that it was given to, it says what is missing."""
        with pytest.raises(KintoException, match="give it to a client"):
            signed(BrowserOAuth())

    @pytest.mark.parametrize("fault", ["drop", "not JSON", "no server"])
    def test_out_of_reach(
        self, driver: Driver, proxy: FaultProxy, deserted: list[str], fault: str
    ) -> None:
        """If the server cannot be asked, nothing was changed: the request was not sent."""
        match fault:
            case "drop":
                proxy.drop()
            case "not JSON":
                proxy.answer(200, "<html>")
            case "no server":
                proxy.close()
        with pytest.raises(NotSent, match="cannot log in: GET /"):
            driver.send(proxy.url, Request("PUT", "/x", body={}), credentials=oauth(proxy.url))
        assert deserted == []

    @pytest.mark.parametrize(("status", "body"), [(302, None), (404, {}), (503, {})])
    def test_no_answer(
        self, driver: Driver, proxy: FaultProxy, deserted: list[str], status: int, body: Any
    ) -> None:
        """A redirection is not followed, and an error is none of the request's own."""
        proxy.answer(status, body, headers={"Location": f"{proxy.url}/elsewhere"}, times=None)
        with pytest.raises(KintoException, match=f"cannot log in: GET /: .*{status}") as caught:
            driver.send(proxy.url, READ, credentials=oauth(proxy.url))
        assert type(caught.value) is KintoException
        assert proxy.calls == [("GET", "/v1/")]
        assert deserted == []

    def test_k74_netrc(
        self,
        proxy: FaultProxy,
        deserted: list[str],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The server is asked without credentials: not even with those of ``~/.netrc``."""
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login name password secret\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        proxy.answer(200, TRUSTING)
        with pytest.raises(KintoException):
            signed(oauth(proxy.url, timeout=0.01))
        assert proxy.requests[0].headers["Authorization"] is None
        assert len(deserted) == 1

    @pytest.mark.parametrize("timeout", [0, -1, float("nan")])
    def test_no_time(self, timeout: float) -> None:
        """A time-out that is none is refused."""
        with pytest.raises(ValueError, match="more than 0"):
            BrowserOAuth(timeout=timeout)


class Counting:
    """A lock that tells how many have come to it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._arrived = threading.Semaphore(0)

    def __enter__(self) -> None:
        self._arrived.release()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def wait(self, count: int) -> None:
        """Wait until *count* have come."""
        for _ in range(count):
            assert self._arrived.acquire(timeout=PATIENCE)


class TestThreads:
    COUNT = 4

    @pytest.fixture
    def auth(
        self, kinto: KintoServer, browser: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> BrowserOAuth:
        """Give one where nobody logs in before all threads want it."""
        auth, lock = oauth(kinto.url), Counting()
        monkeypatch.setattr(auth, "_lock", lock)
        browser.meanwhile = lambda _: lock.wait(self.COUNT)
        return auth

    def test_one_login(self, auth: BrowserOAuth, browser: Browser, issuer: Issuer) -> None:
        """Threads that want a token at the same time wait for one login."""
        with ThreadPoolExecutor(self.COUNT) as pool:
            headers = list(pool.map(signed, [auth] * self.COUNT))
        assert headers == [f"Bearer {issuer.tokens[0]}"] * self.COUNT
        assert len(browser.opened) == 1

    def test_one_failure(self, auth: BrowserOAuth, browser: Browser, issuer: Issuer) -> None:
        """If that fails, it fails for all of them: the user is not asked once for each."""
        issuer.refusal = {"error": "access_denied"}
        with ThreadPoolExecutor(self.COUNT) as pool:
            tried = [pool.submit(signed, auth) for _ in range(self.COUNT)]
        errors = [each.exception() for each in tried]
        assert all(isinstance(error, KintoException) for error in errors)
        assert all("'access_denied'" in str(error) for error in errors)
        waited = [error for error in errors if "waited for" in str(error)]
        assert len(waited) == self.COUNT - 1
        assert len(browser.opened) == 1

    def test_interrupted(self, auth: BrowserOAuth, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ctrl-C ends a login; those that waited for it are told."""

        def interrupted(_: str) -> bool:
            lock: Any = auth._lock
            lock.wait(self.COUNT)
            raise KeyboardInterrupt

        monkeypatch.setattr(webbrowser, "open", interrupted)
        with ThreadPoolExecutor(self.COUNT) as pool:
            tried = [pool.submit(signed, auth) for _ in range(self.COUNT)]
        errors = [each.exception() for each in tried]
        assert sorted(type(error).__name__ for error in errors) == [
            "KeyboardInterrupt",
            *["KintoException"] * (self.COUNT - 1),
        ]
