"""Credentials: how they are given, where they go, and where they never show."""

from __future__ import annotations

import base64
import logging
import pickle
import traceback

from pathlib import Path
from typing import Any

import pytest
import requests

from requests.auth import HTTPBasicAuth

from faults import FaultProxy
from kinto_orm.exceptions import KintoException
from kinto_orm.flow import Request
from kinto_orm.transport.auth import BearerTokenAuth, TokenAuth, signed_headers, signer
from kinto_orm.transport.credentials import Credentials
from kinto_orm.transport.wire import Server

from .drivers import ONCE, Driver


READ = Request("GET", "/")


def basic(name: str, password: str) -> str:
    """Return the header for a name and a password, in UTF-8 (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


class Token(requests.auth.AuthBase):
    """An auth object of a user's own, which signs what is sent."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Custom {request.method} {request.path_url}"
        request.headers["X-Length"] = str(len(request.body or b""))
        return request


class Marked(BearerTokenAuth):
    """A token of a user's own kind, which looks at what is sent."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"{self.type} {self.token} {request.method}"
        return request


FORMS: list[tuple[Credentials, str | None]] = [
    (None, None),
    (("name", "secret"), basic("name", "secret")),
    ("name:secret", basic("name", "secret")),
    ("name:se:cr:et", basic("name", "se:cr:et")),
    ("name:", basic("name", "")),
    (("name", ""), basic("name", "")),
    (("é", "€"), basic("é", "€")),
    ("my name:my secret", basic("my name", "my secret")),
    ("Bearer abc", "Bearer abc"),
    ("bearer abc", "bearer abc"),
    ("Bearer abc:def", "Bearer abc:def"),
    ("BEARER abc", "BEARER abc"),
    ("Bearer+OIDC abc", "Bearer+OIDC abc"),
    ("Bearer  abc def", "Bearer  abc def"),
    ("Basic bmFtZTpzZWNyZXQ=", "Basic bmFtZTpzZWNyZXQ="),
    ("name:secret with spaces", basic("name", "secret with spaces")),
    ("bearer:secret with spaces", basic("bearer", "secret with spaces")),
    ("basic:", basic("basic", "")),
    ("", None),
    (TokenAuth("abc"), "Bearer abc"),
    (TokenAuth("bmFtZTpzZWNyZXQ=", "Basic"), "Basic bmFtZTpzZWNyZXQ="),
    (BearerTokenAuth("abc:def"), "Bearer abc:def"),
    (BearerTokenAuth("abc", type="Bearer+OIDC"), "Bearer+OIDC abc"),
    (HTTPBasicAuth("name", "secret"), basic("name", "secret")),
    (Token(), "Custom GET /v1/"),
    (Marked("abc"), "Bearer abc GET"),
]


class TestForms:
    @pytest.mark.parametrize(
        ("credentials", "header"), FORMS, ids=[str(number) for number in range(len(FORMS))]
    )
    def test_on_the_wire(
        self, driver: Driver, proxy: FaultProxy, credentials: Credentials, header: str | None
    ) -> None:
        """Each form becomes the header that it stands for, by both transports."""
        proxy.answer(200, {})
        driver.send(proxy.url, READ, credentials=credentials)
        assert proxy.requests[0].headers["Authorization"] == header

    @pytest.mark.parametrize(
        "credentials",
        [
            "mytoken",
            "mybearertoken",
            "Token abc",
            ("name",),
            (),
            ("a", "b", "c"),
            5,
            b"name:secret",
        ],
    )
    def test_unknown(self, credentials: Any) -> None:
        """Anything else is refused at once, and not shown."""
        with pytest.raises(ValueError, match=r"^auth ") as caught:
            signer(credentials)
        assert str(credentials) not in str(caught.value)

    @pytest.mark.parametrize("token", ["abc:def", "a:b:c", ":", "https://example.org/"])
    @pytest.mark.parametrize("scheme", ["Bearer", "bearer", "Bearer+OIDC"])
    def test_k49_colon_in_a_token(self, scheme: str, token: str) -> None:
        """A token that has a colon is one, not a user name and a password."""
        assert signer(f"{scheme} {token}") == TokenAuth(token, scheme)

    @pytest.mark.parametrize("credentials", ["Bearer", "Bearer ", "bearer   ", "Basic ", " "])
    def test_no_token(self, credentials: str) -> None:
        """A scheme without a token is refused: a variable may be empty."""
        with pytest.raises(ValueError, match=r"^auth "):
            signer(credentials)

    @pytest.mark.parametrize(
        "credentials", [("name", None), (None, "secret"), ("name", b"secret"), (1, 2)]
    )
    def test_not_text(self, credentials: Any) -> None:
        """Of a pair, both must be text: a variable that is not set is a ValueError, too."""
        with pytest.raises(ValueError, match=r"^auth ") as caught:
            signer(credentials)
        assert "secret" not in str(caught.value)

    def test_colon_in_a_name(self) -> None:
        """A name cannot have a colon: another user's name would arrive (RFC 7617, section 2)."""
        with pytest.raises(ValueError, match=r"^auth "):
            signer(("name:x", "secret"))

    @pytest.mark.parametrize("end", ["\n", "\r\nX-Admin: yes", "\0", "€"])
    def test_not_a_header(self, end: str) -> None:
        """A token that no header can hold, such as one with the end of its line, is refused."""
        with pytest.raises(ValueError, match=r"^auth ") as caught:
            signer(f"Bearer abc{end}")
        assert "abc" not in str(caught.value)

    @pytest.mark.parametrize("end", ["\n", "\r\nX-Admin: yes"])
    def test_line_ends(self, driver: Driver, proxy: FaultProxy, end: str) -> None:
        """Wherever it is refused, it is not shown, and nothing is sent."""
        proxy.answer(200, {})
        credentials = f"Bearer abc{end}"
        with pytest.raises((KintoException, ValueError)) as caught:
            driver.send(proxy.url, READ, credentials=credentials)
        assert "abc" not in "".join(traceback.format_exception_only(caught.value))
        assert proxy.requests == []

    def test_request_is_whole(self) -> None:
        """An auth object sees method, path and body, and may add any header."""
        url = "https://example.org/v1/x?a=1"
        headers = signed_headers(signer(Token()), "PUT", url, {"X": "y"}, b"body")
        assert headers == {
            "X": "y",
            "Authorization": "Custom PUT /v1/x?a=1",
            "X-Length": "4",
        }

    def test_headers_that_are_there(self, driver: Driver, proxy: FaultProxy) -> None:
        """Credentials take the place of a header of that name, in whatever case that is written."""
        proxy.answer(200, {})
        request = Request("GET", "/", headers={"authorization": "Bearer other", "x-mine": "1"})
        driver.send(proxy.url, request, credentials=("name", "secret"))
        sent = proxy.requests[0].headers
        assert sent.get_all("Authorization") == [basic("name", "secret")]
        assert sent["X-Mine"] == "1"

    def test_body_is_seen(self, driver: Driver, proxy: FaultProxy) -> None:
        """It is the same by both transports."""
        proxy.answer(200, {})
        driver.send(proxy.url, Request("PUT", "/x", body={"a": 1}), credentials=Token())
        assert proxy.requests[0].headers["X-Length"] == "7"
        assert proxy.requests[0].headers["Content-Length"] == "7"


class TestNetrc:
    def test_k74_is_not_read(
        self, driver: Driver, proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without credentials a request is anonymous: those of ``~/.netrc`` are not looked for."""
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login name password secret\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        assert requests.utils.get_netrc_auth(proxy.url) == ("name", "secret")
        proxy.answer(200, {"data": {}}, times=None)
        driver.client(proxy.url).get_bucket(id="b")
        driver.send(proxy.url, READ)
        assert len(proxy.requests) == 2
        assert [request.headers["Authorization"] for request in proxy.requests] == [None, None]

    def test_does_not_replace(
        self, driver: Driver, proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With credentials it does not replace these."""
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login name password secret\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        proxy.answer(200, {})
        driver.send(proxy.url, READ, credentials="Bearer abc")
        assert proxy.requests[0].headers["Authorization"] == "Bearer abc"


class TestTokenAuth:
    def test_attributes(self) -> None:
        """It has the names of its arguments; without a type, it is one of OAuth."""
        auth = TokenAuth("abc", "Basic")
        assert (auth.token, auth.type) == ("abc", "Basic")
        for kind in (TokenAuth, BearerTokenAuth):
            assert kind("abc").type == kind("abc", type=None).type == "Bearer"
        assert isinstance(BearerTokenAuth("abc"), TokenAuth)

    def test_equality(self) -> None:
        """Two are equal if they are of one class and sign alike."""
        assert TokenAuth("abc") == TokenAuth("abc", "Bearer")
        assert TokenAuth("abc") != TokenAuth("abd")
        assert TokenAuth("abc") != TokenAuth("abc", "Basic")
        assert BearerTokenAuth("abc") == BearerTokenAuth("abc")
        assert TokenAuth("abc") != BearerTokenAuth("abc")

    def test_can_be_renewed(self, driver: Driver, proxy: FaultProxy) -> None:
        """A token that is assigned is that of the next request."""
        proxy.answer(200, {}, times=None)
        auth = TokenAuth("one")
        port = driver.port(proxy.url, auth)
        port.perform(READ)
        auth.token = "two"
        port.perform(READ)
        headers = [request.headers["Authorization"] for request in proxy.requests]
        assert headers == ["Bearer one", "Bearer two"]

    @pytest.mark.parametrize(
        "token", ["", " ", None, b"S3cr3t", 5, "S3cr3t\n", "S3cr3t\r\nX: y", "S3cr3t\0", "S3cr3té"]
    )
    def test_unusable_tokens(self, token: Any) -> None:
        """A token that no header can hold is refused, also later, and not shown."""
        auth = TokenAuth("abc")
        with pytest.raises(ValueError, match=r"^auth ") as made:
            BearerTokenAuth(token)
        with pytest.raises(ValueError, match=r"^auth ") as assigned:
            auth.token = token
        assert "S3cr3t" not in f"{made.value}{assigned.value}"
        assert auth.token == "abc"

    @pytest.mark.parametrize("scheme", [" ", "My Bearer", "Bearer\r\nX: y", "Bearer:", "Bäärer", 5])
    def test_unusable_types(self, scheme: Any) -> None:
        """So is a type that is no scheme."""
        with pytest.raises(ValueError, match=r"^auth "):
            TokenAuth("abc", scheme)

    def test_repr(self) -> None:
        """What is shown is the type."""
        assert repr(TokenAuth("abc", "Basic")) == "TokenAuth(type='Basic')"
        assert str(BearerTokenAuth("abc")) == "BearerTokenAuth(type='Bearer')"


SECRET = "S3cr3t"
SECRETS = [SECRET, base64.b64encode(f"name:{SECRET}".encode()).decode()]


def hidden(text: str) -> bool:
    """Tell whether *text* has no secret in it, neither as it was given nor as it is sent."""
    return not any(secret in text for secret in SECRETS)


@pytest.mark.parametrize(
    "credentials", [("name", SECRET), f"name:{SECRET}", f"Bearer {SECRET}", BearerTokenAuth(SECRET)]
)
class TestSecrecy:
    def test_of_clients(self, driver: Driver, proxy: FaultProxy, credentials: Credentials) -> None:
        """A client, and what it is made of, do not show them."""
        client: Any = driver.client(proxy.url, auth=credentials)
        session = client.session
        for part in (client, session, session._server, session._port, session._port._sign):
            assert hidden(f"{part!r} {part}")
        assert hidden(repr(client.batch()))

    @pytest.mark.parametrize(
        "fault", ["drop", "truncate", "redirect", "not JSON", "refused", "no server"]
    )
    def test_of_errors(
        self, driver: Driver, proxy: FaultProxy, credentials: Credentials, fault: str
    ) -> None:
        """An error does not show them, nor does its traceback or what it was caused by."""
        url = proxy.url
        match fault:
            case "drop":
                proxy.drop()
            case "truncate":
                proxy.truncate_answer()
            case "redirect":
                proxy.answer(302, headers={"Location": "https://elsewhere.example/v1/"})
            case "not JSON":
                proxy.answer(200, "<html>")
            case "refused":
                proxy.answer(401, {"code": 401, "message": "no"})
            case "no server":
                proxy.close()
        client = driver.client(url, auth=credentials, retry=ONCE)
        with pytest.raises(KintoException) as caught:
            client.update_record(id="r", bucket="b", collection="c", data={"a": 1})
        error = caught.value
        assert hidden("".join(traceback.format_exception(error)))
        for shown in (error, error.request, error.response, error.exception, error.__cause__):
            assert hidden(f"{shown!r} {shown}")
        assert hidden(str(vars(error)))

    def test_of_kept_errors(
        self, driver: Driver, proxy: FaultProxy, credentials: Credentials
    ) -> None:
        """An error that is pickled, to be sent to another process, does not hold them."""
        proxy.drop()
        client = driver.client(proxy.url, auth=credentials, retry=ONCE)
        with pytest.raises(KintoException) as caught:
            client.get_bucket(id="b")
        kept = pickle.dumps(caught.value)
        assert not any(secret.encode() in kept for secret in SECRETS)
        assert str(pickle.loads(kept)) == str(caught.value)

    def test_of_logs(
        self,
        driver: Driver,
        proxy: FaultProxy,
        credentials: Credentials,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """What is logged, at any level and in a dry run, does not show them."""
        proxy.answer(200, {"data": {}}, times=None)
        with caplog.at_level(logging.DEBUG):
            client = driver.client(proxy.url, auth=credentials, dry_mode=True)
            client.get_bucket(id="b")
            client.create_bucket(id="b", data={"a": 1})
        assert "not sent: PUT /buckets/b" in caplog.text
        assert hidden(caplog.text)


class TestServerUrl:
    @pytest.mark.parametrize(
        "url",
        [
            f"https://name:{SECRET}@example.org/v1",
            f"https://{SECRET}@example.org/v1",
            f"name:{SECRET}@example.org/v1",
            f"ftp://name:{SECRET}@example.org/v1",
            f"https://name:{SECRET}@/v1",
        ],
    )
    def test_credentials(self, url: str) -> None:
        """Credentials in the URL are refused, and not shown: URLs are in logs."""
        with pytest.raises(KintoException) as caught:
            Server(url)
        assert hidden(str(caught.value))
