"""Both transports: what goes over the wire, and what is made of what goes wrong there."""

from __future__ import annotations

import socket
import sys
import threading

from collections.abc import Callable, Generator
from contextlib import ExitStack, closing

import pytest

from faults import FaultProxy
from kinto_orm.embedded import KintoServer
from kinto_orm.exceptions import (
    AnswerLost,
    InvalidRequest,
    KintoException,
    NotSent,
    TransportError,
    UnsendableValue,
)
from kinto_orm.flow import Now, Request, Sleep
from kinto_orm.transport.wire import Timeout

from .drivers import ONCE, Driver


READ = Request("GET", "/buckets/b")
WRITE = Request("PUT", "/buckets/b", headers={"If-Match": '"5"'}, body={"data": {"a": "é"}})


@pytest.fixture
def deaf() -> Generator[str]:
    """Give the URL of a server that takes no connections: its port is bound, and that is all."""
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/v1"


@pytest.fixture
def crowded() -> Generator[str]:
    """Give the URL of a server at which so many queue for a connection that no more get in."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)  # noqa: FBT003 (so it is called)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


@pytest.fixture
def plain() -> Generator[str]:
    """Give the URL, for TLS, of a server that does not speak TLS."""

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with connection:
                if not connection.recv(65536):
                    return
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"https://127.0.0.1:{address[1]}/v1"
        finally:
            socket.create_connection(address).close()
            thread.join()


class TestWire:
    def test_request(self, driver: Driver, proxy: FaultProxy) -> None:
        """Method, path, query, headers and body arrive as they are in the request."""
        proxy.answer(200, {})
        request = Request(
            "PATCH",
            "/buckets/b",
            [("a", "1"), ("a", '"é &"')],
            {"Content-Type": "application/json-patch+json", "If-Match": "*"},
            [{"op": "remove", "path": "/data/é"}],
        )
        driver.send(proxy.url, request)
        [sent] = proxy.requests
        assert str(sent) == "PATCH /v1/buckets/b?a=1&a=%22%C3%A9+%26%22"
        assert sent.headers["Content-Type"] == "application/json-patch+json"
        assert sent.headers["If-Match"] == "*"
        assert sent.headers["Accept"] == "application/json"
        assert sent.json == request.body

    @pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
    def test_no_body(self, driver: Driver, proxy: FaultProxy, method: str) -> None:
        """A request without a body has neither a body nor the type of one."""
        proxy.answer(200, {})
        driver.send(proxy.url, Request(method, "/x"))
        [sent] = proxy.requests
        assert sent.body == b""
        assert sent.headers["Content-Type"] is None

    def test_response(self, driver: Driver, proxy: FaultProxy) -> None:
        """Status, body and headers come back, the names of these in lower case."""
        proxy.answer(404, {"code": 404, "message": "é"}, {"ETag": '"5"', "X-Twice": "é"})
        response = driver.send(proxy.url, READ)
        assert response.status == 404
        assert response.body == {"code": 404, "message": "é"}
        assert response.headers["etag"] == '"5"'
        assert not response.rehearsed

    def test_head(self, driver: Driver, proxy: FaultProxy) -> None:
        """A HEAD has headers only."""
        proxy.answer(200, {"long": "body"}, {"Total-Objects": "7"})
        response = driver.send(proxy.url, Request("HEAD", "/x"))
        assert response.body is None
        assert response.headers["total-objects"] == "7"

    def test_connection_is_kept(self, driver: Driver, proxy: FaultProxy) -> None:
        """Requests one after the other use one connection."""
        proxy.answer(200, {}, times=None)
        port = driver.port(proxy.url)
        for _ in range(5):
            port.perform(WRITE)
        assert len(proxy.requests) == 5
        assert proxy.connections == 1

    def test_large(self, driver: Driver, proxy: FaultProxy) -> None:
        """Large bodies pass, both ways."""
        text = "é" * 1_000_000
        proxy.answer(200, {"text": text})
        response = driver.send(proxy.url, Request("PUT", "/x", body={"text": text}))
        assert proxy.requests[0].json == response.body == {"text": text}

    def test_clock_and_pauses(self, driver: Driver, proxy: FaultProxy) -> None:
        """The clock never goes backwards, and a pause is as long as it says."""
        port = driver.port(proxy.url)
        before = port.perform(Now())
        assert port.perform(Sleep(0.02)) is None
        assert port.perform(Now()) - before >= 0.02

    def test_unsendable(self, driver: Driver, proxy: FaultProxy) -> None:
        """A value that cannot be sent is refused, and nothing is sent."""
        with pytest.raises(UnsendableValue, match=r"^data\.a cannot be sent"):
            driver.send(proxy.url, Request("PUT", "/x", body={"data": {"a": "\0"}}))
        assert proxy.connections == 0

    @pytest.mark.parametrize("headers", [{"X": "a\r\nY: b"}, {"X": "€"}, {"X\n": "a"}])
    def test_wrong_headers(
        self, driver: Driver, proxy: FaultProxy, headers: dict[str, str]
    ) -> None:
        """Headers that cannot be sent are refused as such: nobody need ask what was applied."""
        proxy.answer(200, {}, times=None)
        with pytest.raises(InvalidRequest):
            driver.client(proxy.url, headers=headers, retry=ONCE).delete_bucket(id="b")
        assert proxy.requests == []


class TestNotSent:
    def test_refused(self, driver: Driver, deaf: str) -> None:
        """A connection that is refused carries nothing: the request did not reach the server."""
        with pytest.raises(NotSent) as caught:
            driver.send(deaf, WRITE)
        assert str(caught.value).startswith("PUT /buckets/b did not reach the server: ")
        assert " object at 0x" not in str(caught.value)
        assert caught.value.request is WRITE
        assert caught.value.response is None
        assert caught.value.exception is caught.value.__cause__ is not None

    @pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, queues are of other lengths")
    def test_connect_timeout(self, driver: Driver, crowded: str) -> None:
        """Nor does a connection that takes too long."""
        with pytest.raises(NotSent, match=r"^PUT /buckets/b did not reach the server"):
            driver.send(crowded, WRITE, timeout=Timeout(connect=0.1, read=20.0))

    def test_tls(self, driver: Driver, plain: str) -> None:
        """Nor does one that fails before it is secure."""
        with pytest.raises(NotSent, match=r"^PUT /buckets/b did not reach the server"):
            driver.send(plain, WRITE)


class TestAnswerLost:
    def test_dropped(self, driver: Driver, proxy: FaultProxy) -> None:
        """When the connection closes without an answer, the request may have been applied."""
        proxy.drop()
        with pytest.raises(AnswerLost) as caught:
            driver.send(proxy.url, WRITE)
        assert str(caught.value).startswith("PUT /buckets/b was sent, but no usable answer came: ")
        assert caught.value.request is WRITE
        assert caught.value.exception is caught.value.__cause__ is not None

    def test_read_timeout(
        self, driver: Driver, servers: Callable[[str], KintoServer], bucket: str
    ) -> None:
        """So it may when the answer takes too long: this one has been."""
        server = servers("memory")
        port = driver.port(server.url, server.auth)
        request = Request("PUT", f"/buckets/{bucket}", body={"data": {}})
        with FaultProxy(server.url) as proxy:
            held = proxy.hold_answer()
            impatient = driver.port(proxy.url, server.auth, Timeout(connect=20.0, read=0.1))
            with pytest.raises(AnswerLost, match=f"PUT {request.path} was sent, .*(?i:time)"):
                impatient.perform(request)
            held.wait()
        assert port.perform(Request("GET", request.path)).status == 200

    @pytest.mark.parametrize("body", [{"data": {"a": "b" * 1000}}, {}])
    def test_truncated(self, driver: Driver, proxy: FaultProxy, body: object) -> None:
        """So it may when the answer breaks off."""
        with FaultProxy(proxy.url) as front:
            proxy.answer(200, body)
            front.truncate_answer()
            with pytest.raises(AnswerLost, match="PUT /buckets/b was sent"):
                driver.send(front.url, WRITE)
        assert len(proxy.requests) == 1

    def test_broken_head(self, driver: Driver, proxy: FaultProxy) -> None:
        """So it may when the answer breaks off before there is a body."""
        with FaultProxy(proxy.url) as front:
            proxy.answer(200, b"")
            front.truncate_answer()
            with pytest.raises(AnswerLost):
                driver.send(front.url, WRITE)

    def test_broken_encoding(self, driver: Driver, proxy: FaultProxy) -> None:
        """So it may when the answer cannot be decompressed."""
        proxy.answer(200, {}, {"Content-Encoding": "gzip"})
        with pytest.raises(AnswerLost, match="PUT /buckets/b was sent"):
            driver.send(proxy.url, WRITE)

    def test_page(self, driver: Driver, proxy: FaultProxy) -> None:
        """So it may when a success is a page for people."""
        proxy.answer(200, "<html>Welcome</html>", {"Content-Type": "text/html"})
        with pytest.raises(AnswerLost, match="is not JSON"):
            driver.send(proxy.url, WRITE)

    @pytest.mark.parametrize("body", [b"", "[]", "{}"])
    @pytest.mark.parametrize("method", ["get_bucket", "get_buckets", "delete_bucket"])
    def test_not_of_kinto(
        self, driver: Driver, proxy: FaultProxy, method: str, body: bytes | str
    ) -> None:
        """So it may when a success is JSON, but not what Kinto answers."""
        proxy.answer(200, body, {"Content-Type": "application/json"})
        client = driver.client(proxy.url, bucket="b", retry=ONCE)
        with pytest.raises(AnswerLost):
            getattr(client, method)()

    def test_error_page(self, driver: Driver, proxy: FaultProxy) -> None:
        """An error may be such a page: it is a response, with text."""
        proxy.answer(502, "<html>Bad Gateway</html>", {"Content-Type": "text/html"})
        response = driver.send(proxy.url, READ)
        assert response.status == 502
        assert response.body == "<html>Bad Gateway</html>"

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
    def test_kept_connection_that_closes(
        self, driver: Driver, proxy: FaultProxy, method: str
    ) -> None:
        """A request on a kept connection that closes is not sent again by the transport."""
        proxy.answer(200, {})
        port = driver.port(proxy.url)
        port.perform(READ)
        proxy.forget()
        proxy.drop(times=None)
        with pytest.raises(AnswerLost):
            port.perform(Request(method, "/buckets/b"))
        assert proxy.connections == 1
        assert proxy.calls == [(method, "/v1/buckets/b")]

    def test_goes_on(self, driver: Driver, proxy: FaultProxy) -> None:
        """After an error the transport is as good as before."""
        proxy.drop()
        proxy.answer(200, {"fine": True})
        port = driver.port(proxy.url)
        with pytest.raises(TransportError):
            port.perform(READ)
        assert port.perform(READ).body == {"fine": True}


class TestRedirections:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_are_not_followed(self, driver: Driver, proxy: FaultProxy, status: int) -> None:
        """A redirection is refused; nobody else gets the request, or the credentials."""
        with FaultProxy(proxy.url) as other:
            proxy.answer(status, headers={"Location": f"{other.url}/buckets/b"})
            with pytest.raises(KintoException, match="redirects"):
                driver.send(proxy.url, WRITE, credentials=("name", "secret"))
            assert other.connections == 0
        assert len(proxy.requests) == 1

    def test_same_origin(self, driver: Driver, proxy: FaultProxy) -> None:
        """That holds for the server's own origin as well: a write would become a read."""
        proxy.answer(302, headers={"Location": "/v1/elsewhere"})
        with pytest.raises(KintoException, match="'/v1/elsewhere'"):
            driver.send(proxy.url, WRITE)
        assert len(proxy.requests) == 1

    @pytest.mark.parametrize("location", ["", "http://[", "http://host:port/", "javascript:1"])
    def test_to_nowhere(self, driver: Driver, proxy: FaultProxy, location: str) -> None:
        """It is no other if the address is nonsense."""
        proxy.answer(302, headers={"Location": location})
        with pytest.raises(KintoException):
            driver.send(proxy.url, WRITE)
