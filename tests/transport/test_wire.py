"""Requests on their way to bytes, and bytes on their way to responses."""

from __future__ import annotations

from typing import Any

import pytest

from kinto_orm import Client
from kinto_orm.exceptions import (
    AnswerLost,
    InvalidRequest,
    KintoException,
    TransportError,
    UnsendableValue,
)
from kinto_orm.flow import Request, Response
from kinto_orm.transport.wire import Server, Timeout, incoming, user_agent


SERVER = Server("https://example.org/v1")
READ = Request("GET", "/buckets/b")


class TestServer:
    @pytest.mark.parametrize("url", ["https://example.org/v1", "https://example.org/v1///"])
    def test_slashes(self, url: str) -> None:
        """Slashes at the end of the URL do not count."""
        assert Server(url).outgoing(READ).url == "https://example.org/v1/buckets/b"

    @pytest.mark.parametrize("url", ["http://localhost:8888/v1", "HTTP://[::1]:8888/v1"])
    def test_urls(self, url: str) -> None:
        """The URL may have a port, and a numeric address."""
        assert Server(url).url == url

    @pytest.mark.parametrize(
        "url",
        [
            "example.org/v1",
            "/v1",
            "ftp://example.org/v1",
            "https:///v1",
            "http://[/v1",
            "http://host:port/v1",
            "http://host:99999/v1",
        ],
    )
    def test_not_a_url(self, url: str) -> None:
        """What is not a URL is refused at once, and not when the first request is made."""
        with pytest.raises(InvalidRequest, match="server_url"):
            Server(url)


class TestOutgoing:
    def test_read(self) -> None:
        """A read has no body, and no type of one; it asks for JSON."""
        out = SERVER.outgoing(READ)
        assert (out.method, out.url, out.body) == ("GET", "https://example.org/v1/buckets/b", None)
        assert out.headers == {"User-Agent": user_agent(), "Accept": "application/json"}

    def test_write(self) -> None:
        """A write has its body as JSON."""
        out = SERVER.outgoing(Request("PUT", "/x", body={"data": {"a": "é"}}))
        assert out.body == '{"data":{"a":"é"}}'.encode()
        assert out.headers["Content-Type"] == "application/json"

    def test_own_content_type(self) -> None:
        """A request may have another content type."""
        headers = {"Content-Type": "application/json-patch+json"}
        out = SERVER.outgoing(Request("PATCH", "/x", headers=headers, body=[]))
        assert out.headers["Content-Type"] == "application/json-patch+json"
        assert out.body == b"[]"

    @pytest.mark.parametrize(("body", "sent"), [({}, b"{}"), (0, b"0"), ("", b'""'), ([], b"[]")])
    def test_falsy_bodies(self, body: Any, sent: bytes) -> None:
        """Only None is no body."""
        assert SERVER.outgoing(Request("PUT", "/x", body=body)).body == sent

    @pytest.mark.parametrize(
        ("params", "query"),
        [
            ({"a": "1", "b": '"x&y"'}, "a=1&b=%22x%26y%22"),
            ([("a", "1"), ("a", "é")], "a=1&a=%C3%A9"),
            ({}, ""),
        ],
    )
    def test_query(self, params: Any, query: str) -> None:
        """The query is encoded; a name may recur."""
        assert SERVER.outgoing(Request("GET", "/x", params)).url.partition("?")[2] == query

    def test_headers(self) -> None:
        """Each request has the headers of the server; its own win."""
        server = Server("https://example.org/v1", {"X-A": "1", "Accept": "*/*"})
        out = server.outgoing(Request("GET", "/x", headers={"X-A": "2"}))
        assert out.headers == {"User-Agent": user_agent(), "X-A": "2", "Accept": "*/*"}

    def test_headers_in_any_case(self) -> None:
        """That is so whatever the case of their names is: none is sent twice."""
        server = Server("https://example.org/v1", {"x-a": "1", "user-agent": "program/1"})
        headers = {"X-A": "2", "content-type": "application/merge-patch+json"}
        out = server.outgoing(Request("PATCH", "/x", headers=headers, body={}))
        assert out.headers == {"user-agent": "program/1", "Accept": "application/json", **headers}

    @pytest.mark.parametrize("headers", [{"X-A": "a\nb"}, {"X-A": "é"}, {"X-A": 5}, {"é": "a"}])
    def test_unsendable_headers(self, headers: dict[str, Any]) -> None:
        """A header that cannot be sent is refused, of a request as of a client."""
        with pytest.raises(InvalidRequest, match="cannot be sent"):
            SERVER.outgoing(Request("GET", "/x", headers=headers))
        with pytest.raises(InvalidRequest, match="cannot be sent"):
            Server("https://example.org/v1", headers)

    def test_no_server(self) -> None:
        """Without a URL of the server, nothing can be sent but to elsewhere."""
        nowhere = Server("")
        with pytest.raises(InvalidRequest, match="the client has no server_url"):
            nowhere.outgoing(READ)
        out = nowhere.outgoing(Request("GET", "/file", url="https://files.example.org/file"))
        assert out.foreign

    def test_elsewhere(self) -> None:
        """What goes elsewhere has no header of the client, and is asked for as it is."""
        server = Server("https://example.org/v1", {"X-Token": "secret"})
        out = server.outgoing(Request("GET", "/file", url="https://files.example.org/file"))
        assert out.url == "https://files.example.org/file"
        assert out.headers == {"User-Agent": user_agent(), "Accept-Encoding": "identity"}

    def test_unsendable(self) -> None:
        """A body that cannot be sent is refused."""
        with pytest.raises(UnsendableValue, match=r"^data\.a cannot be sent"):
            SERVER.outgoing(Request("PUT", "/x", body={"data": {"a": "\0"}}))


def received(status: int, body: bytes = b"", **headers: str) -> Response:
    """Return what came over the wire as a response."""
    return incoming(READ, status, headers.items(), body)


class TestIncoming:
    def test_json(self) -> None:
        """A body is decoded; names of headers are in lower case."""
        assert received(200, b'{"a": 1}', ETag='"5"') == Response(200, {"a": 1}, {"etag": '"5"'})

    @pytest.mark.parametrize("status", [204, 304, 404, 500])
    def test_empty(self, status: int) -> None:
        """An empty body is None."""
        assert received(status) == Response(status)

    def test_head(self) -> None:
        """So it is for a HEAD that succeeds."""
        assert incoming(Request("HEAD", "/x"), 200, (), b"") == Response(200)

    @pytest.mark.parametrize("status", [400, 404, 502, 503])
    def test_error_as_text(self, status: int) -> None:
        """An error need not be JSON: proxies answer with pages."""
        assert received(status, b"<html>\xe9").body == "<html>�"

    @pytest.mark.parametrize("body", [b"", b"<html>", b'{"a": ', b"\xff", b"NaN"])
    def test_success_must_be_json(self, body: bytes) -> None:
        """A success that is not JSON, but empty, say, is not Kinto's: nothing is known."""
        with pytest.raises(AnswerLost, match="is there a Kinto server at server_url") as caught:
            received(200, body)
        assert caught.value.request is READ

    @pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
    def test_redirection(self, status: int) -> None:
        """A redirection is an error that says where to, and it is not tried again."""
        with pytest.raises(KintoException, match="https://elsewhere") as caught:
            received(status, Location="https://elsewhere")
        assert not isinstance(caught.value, TransportError)
        assert caught.value.response is not None
        assert caught.value.response.status == status


class TestTimeout:
    def test_default(self) -> None:
        """By default it is 5 seconds for a connection, and 30 for an answer."""
        assert Timeout() == Timeout(connect=5.0, read=30.0)
        with Client(server_url=SERVER.url) as client:
            assert client._port.timeout == Timeout(5.0, 30.0)

    @pytest.mark.parametrize(
        ("given", "timeout"),
        [
            (2, Timeout(2, 2)),
            ((1, 60), Timeout(1, 60)),
            ((None, 60), Timeout(None, 60)),
            (None, Timeout(None, None)),
            (Timeout(1, 2), Timeout(1, 2)),
        ],
    )
    def test_forms(self, given: Any, timeout: Timeout) -> None:
        """It is given as one number, as a pair, or as None: for ever."""
        with Client(server_url=SERVER.url, timeout=given) as client:
            assert client._port.timeout == timeout

    @pytest.mark.parametrize("given", [0, -1, (0, 1), (1, 0)])
    def test_none_at_all(self, given: Any) -> None:
        """Not to wait at all is refused: to one transport, 0 would mean for ever."""
        with (
            pytest.raises(ValueError, match=r"time-?out"),
            Client(server_url=SERVER.url, timeout=given),
        ):
            pass
