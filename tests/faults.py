"""
A proxy that does what networks do: it loses, cuts, delays and forges.

    with FaultProxy(server.url) as proxy:
        proxy.lose_answer(when=lambda request: request.method == "PATCH")
        client = Client(server_url=proxy.url, auth=server.auth)
        ...
        assert proxy.calls == [("PATCH", "/v1/buckets/b")]

It listens on a free port of the loopback interface, has a thread for each connection, and keeps
connections alive as HTTP/1.1 says.  What passes is whole: a request is read to its end before it
is forwarded, and an answer before it is given back.

A fault is what is done instead, once it is asked for.  It takes:

- *when*: a predicate of the request; without, any request;
- *nth*: which of the requests that fit is the first to suffer: 1, the next one, by default;
- *times*: how many suffer, from that one on: 1 by default, None for all of them.

Of several faults that want a request, the one that was asked for first has it, and the others do
not count that request.
"""

from __future__ import annotations

import json
import socket
import threading

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from email.message import Message
from http.client import HTTPConnection, HTTPException, parse_headers, responses
from io import BufferedReader
from types import TracebackType
from typing import Any, Final, Self, TypeAlias
from urllib.parse import urlsplit

import attrs

from attrs import define, field, frozen


#: How long, in seconds, anything here waits for what must come.  Only broken tests wait so long.
PATIENCE: Final = 20.0

#: Headers of one connection, which are not those of the next.
_OF_A_CONNECTION: Final = frozenset({"connection", "keep-alive", "transfer-encoding"})


@frozen
class HttpRequest:
    """
    A request as it came over the wire.

    Attributes:
        method: HTTP method.
        path: Request target: path and query, with the prefix of the API, percent-encoded.
        headers: Request headers; names in any case.
        body: Its bytes.
    """

    method: str
    path: str
    headers: Message = field(repr=False)
    body: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def json(self) -> Any:
        """Return the JSON value in the body; None if it is empty."""
        return json.loads(self.body) if self.body else None

    @property
    def entries(self) -> list[tuple[str, str]]:
        """Return method and path of what it asks for: of each request in a batch, or its own."""
        if urlsplit(self.path).path.endswith("/batch"):
            usual = self.json.get("defaults", {}).get("method")
            return [(each.get("method", usual), each["path"]) for each in self.json["requests"]]
        return [(self.method, self.path)]


@frozen
class HttpAnswer:
    """
    An answer as it goes over the wire.

    Attributes:
        status: HTTP status code.
        headers: Response headers, as pairs; without those that say how long the body is.
        body: Its bytes.
        length: What `Content-Length` says, where that is not the length of *body* (to a HEAD).
    """

    status: int
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    length: str | None = None

    def having(self, **headers: str) -> HttpAnswer:
        """Return it with other *headers*: ``having(next_page="…")`` replaces `Next-Page`."""
        new = {name.replace("_", "-"): value for name, value in headers.items()}
        kept = [(name, value) for name, value in self.headers if name.lower() not in new]
        return attrs.evolve(self, headers=[*kept, *new.items()])

    def encoded(self) -> tuple[bytes, bytes]:
        """Return its head and its body, as bytes."""
        lines = [f"HTTP/1.1 {self.status} {responses.get(self.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.status not in (204, 304):
            lines.append(f"Content-Length: {self.length or len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1"), self.body


#: Says which requests a fault is for.
Predicate: TypeAlias = Callable[[HttpRequest], bool]

#: A way to ask the server.
Ask: TypeAlias = Callable[[], HttpAnswer]

#: What a fault does to a request: what it returns is given back.  Behind bytes, or instead of None,
#: the connection is closed.
Deed: TypeAlias = Callable[[HttpRequest, Ask], HttpAnswer | bytes | None]


@define(eq=False)
class Fault:
    """
    What was asked for, to see whether it happened.

    Attributes:
        count: How many requests it was done to.
    """

    _when: Predicate
    _nth: int
    _times: int | None
    _deed: Deed
    count: int = 0
    _fitting: int = 0
    _met: threading.Event = field(factory=threading.Event)
    _released: threading.Event = field(factory=threading.Event)

    def wait(self) -> None:
        """Wait until it has struck: the connection is cut, or the answer is held back."""
        assert self._met.wait(PATIENCE), "the request that was to fail has not come"

    def release(self) -> None:
        """Let go the answers that it holds back, and those to come."""
        self._released.set()

    def _takes(self, request: HttpRequest) -> bool:
        """Tell whether *request* is one to suffer, and count it."""
        if self._times is not None and self.count >= self._times:
            return False
        if not self._when(request):
            return False
        self._fitting += 1
        if self._fitting < self._nth:
            return False
        self.count += 1
        return True


class FaultProxy:
    """
    Stand between a client and the server at the URL *upstream*.

    Use it as a context manager.  The server need not exist, if no request is forwarded.
    """

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._prefix = parts.path
        self._lock = threading.Lock()
        self._requests: list[HttpRequest] = []
        self._faults: list[Fault] = []
        self._open: set[socket.socket] = set()
        self._connections = 0
        self._closing = False
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._address: tuple[str, int] = self._listener.getsockname()

    @property
    def url(self) -> str:
        """Return the root of the server's API, through the proxy."""
        return f"http://127.0.0.1:{self._address[1]}{self._prefix}"

    # -- What has passed -----------------------------------------------------------------------

    @property
    def requests(self) -> list[HttpRequest]:
        """Return the requests that came, in the order of their ends; those that failed as well."""
        with self._lock:
            return list(self._requests)

    @property
    def calls(self) -> list[tuple[str, str]]:
        """Return method and path of the requests that came."""
        return [(request.method, request.path) for request in self.requests]

    @property
    def connections(self) -> int:
        """Return how many connections were opened to the proxy."""
        with self._lock:
            return self._connections

    def forget(self) -> None:
        """Forget the requests that came so far."""
        with self._lock:
            self._requests.clear()

    # -- What can go wrong ---------------------------------------------------------------------

    def drop(self, *, when: Predicate | None = None, nth: int = 1, times: int | None = 1) -> Fault:
        """Close the connection instead of forwarding the request."""
        return self.instead(lambda _, __: None, when=when, nth=nth, times=times)

    def lose_answer(
        self, *, when: Predicate | None = None, nth: int = 1, times: int | None = 1
    ) -> Fault:
        """Forward the request, but close the connection instead of giving back the answer."""

        def lose(_: HttpRequest, ask: Ask) -> None:
            ask()

        return self.instead(lose, when=when, nth=nth, times=times)

    def truncate_answer(
        self,
        *,
        behind: bytes | None = None,
        when: Predicate | None = None,
        nth: int = 1,
        times: int | None = 1,
    ) -> Fault:
        """
        Forward the request, but close the connection in the middle of the answer.

        That is in the middle of its body, if it has one; or *behind* what is to be the last of it.
        """

        def truncate(_: HttpRequest, ask: Ask) -> bytes:
            head, body = ask().encoded()
            if behind is not None:
                return head[: head.index(behind) + len(behind)]
            return head + body[: len(body) // 2] if body else head[: len(head) // 2]

        return self.instead(truncate, when=when, nth=nth, times=times)

    def hold_answer(
        self, *, when: Predicate | None = None, nth: int = 1, times: int | None = 1
    ) -> Fault:
        """
        Forward the request, but keep its answer until `Fault.release`.

        `Fault.wait` returns when the server has answered and the answer is held.
        """

        def hold(_: HttpRequest, ask: Ask) -> HttpAnswer:
            answer = ask()
            fault._met.set()
            fault._released.wait(PATIENCE)
            return answer

        fault = self.instead(hold, when=when, nth=nth, times=times)
        return fault

    def answer(
        self,
        status: int,
        body: Any = b"",
        headers: Mapping[str, str] | None = None,
        *,
        forward: bool = False,
        when: Predicate | None = None,
        nth: int = 1,
        times: int | None = 1,
    ) -> Fault:
        """
        Give another answer: *status*, *headers* and *body* (bytes, text, or a JSON value).

        The server does not get the request, unless *forward* says so: then it does what is
        asked, and its answer is replaced.
        """
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        if not isinstance(body, (bytes, str)):
            sent.setdefault("content-type", "application/json")
            body = json.dumps(body)
        content = body.encode() if isinstance(body, str) else body
        forged = HttpAnswer(status, list(sent.items()), content)

        def forge(_: HttpRequest, ask: Ask) -> HttpAnswer:
            if forward:
                ask()
            return forged

        return self.instead(forge, when=when, nth=nth, times=times)

    def change_answer(
        self,
        change: Callable[[HttpAnswer], HttpAnswer],
        *,
        when: Predicate | None = None,
        nth: int = 1,
        times: int | None = 1,
    ) -> Fault:
        """Forward the request, and give back what *change* makes of the answer."""
        return self.instead(lambda _, ask: change(ask()), when=when, nth=nth, times=times)

    def instead(
        self, deed: Deed, *, when: Predicate | None = None, nth: int = 1, times: int | None = 1
    ) -> Fault:
        """Do *deed*, given the request and a way to ask the server, instead of forwarding."""
        fault = Fault(when or (lambda _: True), nth, times, deed)
        with self._lock:
            self._faults.append(fault)
        return fault

    def forward(self, request: HttpRequest) -> HttpAnswer:
        """Make *request*, over a connection of its own; return the answer."""
        upstream = HTTPConnection(*self._upstream, timeout=PATIENCE)
        with closing(upstream):
            return _forwarded(request, upstream)

    def forward_half(self, request: HttpRequest) -> None:
        """Begin to make *request*, and break off in the middle of its body."""
        upstream = HTTPConnection(*self._upstream, timeout=PATIENCE)
        with closing(upstream):
            _put_head(request, upstream)
            upstream.endheaders(request.body[: len(request.body) // 2])

    def wait_until_left(self) -> None:
        """Wait until clients have closed all connections that they opened."""
        for thread in self._threads[1:]:  # The first one accepts connections.
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a connection has not been closed"

    # -- How it works --------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; held answers are let go."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            for fault in self._faults:
                fault.release()
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):  # Wakes the thread that accepts.
            socket.create_connection(self._address, PATIENCE).close()
        while self._threads:
            self._threads.pop().join(PATIENCE)
        self._listener.close()

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, name="fault-proxy", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with self._lock:
                if self._closing:
                    connection.close()
                    return
                self._open.add(connection)
                self._connections += 1
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        """Handle the requests of one *connection*, one after the other."""
        upstream = HTTPConnection(*self._upstream, timeout=PATIENCE)
        try:
            with connection, connection.makefile("rb") as reader:
                # Gone: the client, or the server; either way there is no one to tell but by
                # closing.
                with suppress(OSError, HTTPException):
                    while self._handle(connection, reader, upstream):
                        pass
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        finally:
            upstream.close()
            with self._lock:
                self._open.discard(connection)

    def _handle(
        self, connection: socket.socket, reader: BufferedReader, upstream: HTTPConnection
    ) -> bool:
        """Handle one request; tell whether another may follow."""
        request = _read_request(reader)
        if request is None:
            return False
        with self._lock:
            self._requests.append(request)
            fault = next((fault for fault in self._faults if fault._takes(request)), None)
        if fault is None:
            answer: HttpAnswer | bytes | None = _forwarded(request, upstream)
        else:
            try:
                answer = fault._deed(request, lambda: _forwarded(request, upstream))
            finally:
                fault._met.set()
        if not isinstance(answer, HttpAnswer):
            connection.sendall(answer or b"")
            return False
        head, body = answer.encoded()
        connection.sendall(head if request.method == "HEAD" else head + body)
        return request.headers.get("connection", "").lower() != "close"


def _read_request(reader: BufferedReader) -> HttpRequest | None:
    """Read the next request; return None if there is none."""
    line = reader.readline().decode("latin-1").split()
    if len(line) != 3:
        return None
    headers = parse_headers(reader)
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = _read_chunks(reader)
    else:
        length = int(headers.get("content-length", 0))
        body = reader.read(length)
        if len(body) < length:
            return None
    return HttpRequest(line[0], line[1], headers, body)


def _read_chunks(reader: BufferedReader) -> bytes:
    body = b""
    while size := int(reader.readline().partition(b";")[0], 16):
        body += reader.read(size)
        reader.readline()
    while reader.readline() not in (b"\r\n", b""):  # Trailers.
        pass
    return body


def _forwarded(request: HttpRequest, upstream: HTTPConnection) -> HttpAnswer:
    """Make *request*; return the answer."""
    _put_head(request, upstream)
    upstream.endheaders(request.body)
    answer = upstream.getresponse()
    headers = [
        (name, value)
        for name, value in answer.getheaders()
        if name.lower() not in _OF_A_CONNECTION and name.lower() != "content-length"
    ]
    length = answer.getheader("Content-Length") if request.method == "HEAD" else None
    return HttpAnswer(answer.status, headers, answer.read(), length)


def _put_head(request: HttpRequest, upstream: HTTPConnection) -> None:
    """Say what is asked, up to the length of the body."""
    upstream.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
    for name, value in request.headers.items():
        if name.lower() not in _OF_A_CONNECTION and name.lower() != "content-length":
            upstream.putheader(name, value)
    if request.body or request.method not in ("GET", "HEAD", "DELETE"):
        upstream.putheader("Content-Length", str(len(request.body)))
