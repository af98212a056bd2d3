"""The awaiting transport, on aiohttp."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import requests

from attrs import define, field

from kinto_orm.exceptions import AnswerLost, InvalidRequest, KintoException, NotSent, TransportError
from kinto_orm.flow.messages import Call, Now, Request, Response, Sleep, Step, Work
from kinto_orm.transport.auth import added_headers, signed_headers, signer
from kinto_orm.transport.credentials import Credentials
from kinto_orm.transport.files import Sink
from kinto_orm.transport.forms import BLOCK, Parts, opened
from kinto_orm.transport.journal import Exchange
from kinto_orm.transport.secrets import concealed
from kinto_orm.transport.wire import Outgoing, Server, Timeout, incoming, refuse_unsendable


if TYPE_CHECKING:
    import aiohttp


logger: logging.Logger = logging.getLogger(__name__)

#: How many bytes are many, to aiohttp.
_LARGE: Final = 2**20


@define(eq=False)
class Awaiting:
    """
    Makes the steps of a flow in an event loop.

    Tasks of one loop may share it: connections are kept in a pool.

    Attributes:
        server: Where requests go.
        credentials: Who they are from.
        timeout: How long to wait for a connection, and for an answer.
        session: A session of *aiohttp* to use, with its connector, proxies and certificates; it
            stays open.  If omitted, one of its own, which `close` closes.
        connections: How many there are at most at the same time, in a session of its own.  Some
            systems let a process open no more than 256 files.
        watchers: Who is told of each request before it is sent.
    """

    server: Server
    credentials: Credentials = field(default=None, repr=False)
    timeout: Timeout = field(factory=Timeout)
    session: aiohttp.ClientSession | None = field(default=None, repr=False)
    connections: int = 200
    watchers: list[Callable[[Request], object]] = field(factory=list, init=False, repr=False)
    _http: aiohttp.ClientSession | None = field(default=None, init=False, repr=False)
    _loop: asyncio.AbstractEventLoop | None = field(default=None, init=False, repr=False)
    _begun: set[asyncio.Task[Any]] = field(factory=set, init=False, repr=False)
    _sign: Any = field(init=False, repr=False)
    _way: Any = field(default=None, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.use(self.credentials)

    def use(self, credentials: Credentials) -> None:
        """Have later requests be from *credentials*."""
        self.credentials, self._sign = credentials, signer(credentials)

    async def perform(self, step: Step) -> Any:
        """
        Make *step*; return its answer.

        Raises:
            NotSent: If a request did not reach the server.
            AnswerLost: If it may have, but no usable answer came.
            UnsendableValue: If its body cannot be sent.
        """
        if isinstance(step, Request):
            self._announce(step)
            return await self._send(step)
        if isinstance(step, Sleep):
            return await asyncio.sleep(step.seconds)
        if isinstance(step, Work):
            return await asyncio.to_thread(step.do)
        if isinstance(step, Call):
            result = step.do()
            return (await result) if inspect.isawaitable(result) else result
        assert isinstance(step, Now)
        return time.monotonic()

    def begin(self, step: Request) -> asyncio.Task[Any]:
        """Begin to make *step* in another task."""
        self._announce(step)
        task = asyncio.ensure_future(self._send(step))
        self._begun.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        """Forget *task*: if its reader has gone away, it does not matter how it ended."""
        self._begun.discard(task)
        if not task.cancelled():
            task.exception()

    async def close(self) -> None:
        """Close the connections."""
        begun = list(self._begun)
        for task in begun:
            task.cancel()  # Otherwise, one that has not started yet would open connections again.
        await asyncio.gather(*begun, return_exceptions=True)
        http, self._http = self._http, None
        if http is not None and http is not self.session:
            await http.close()

    def _announce(self, request: Request) -> None:
        for watch in self.watchers:
            watch(request)

    async def _send(self, request: Request) -> Response:
        if not logger.isEnabledFor(logging.DEBUG):
            return await self._answered(request)
        with Exchange(logger, request) as exchange:
            exchange.response = await self._answered(request)
        return exchange.response

    async def _answered(self, request: Request) -> Response:
        out = self.server.outgoing(request)
        http = self._opened()
        if out.foreign:
            is_mine = http is not self.session
            way = _proxy_of_environment(out.url) if is_mine else _proxy(http, out.url)
            async with _without_credentials(http) as bare:
                return await self._exchanged(bare, request, out, None, way)
        way = self._way
        out.headers.update(await self._signed(request, out))
        if out.form is None:
            return await self._exchanged(http, request, out, _data(out.body), way)
        # The file is opened here, outside of what is translated: it is the caller's.
        with opened(out.form) as parts:
            out.headers["Content-Type"] = parts.content_type
            out.headers["Content-Length"] = str(parts.len)
            return await self._exchanged(http, request, out, _blocks(parts), way)

    async def _exchanged(
        self,
        http: aiohttp.ClientSession,
        request: Request,
        out: Outgoing,
        data: Any,
        proxy: Any,
    ) -> Response:
        import aiohttp

        try:
            async with _asked(http, request, out, data, proxy, self.timeout) as reply:
                if request.into is None or reply.status != 200:
                    body, saved = await reply.read(), None
                else:
                    body, saved = b"", await _saved(reply, request)
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            if isinstance(error.__cause__, KintoException):  # Of the file that was sent.
                raise error.__cause__ from None
            raise _translated(request, error) from error
        if saved is not None:
            return Response(200, saved)
        sent = reply.request_info.headers
        headers, body = concealed(reply.status, reply.headers.items(), body, sent)
        return incoming(request, reply.status, headers, body)

    async def _signed(self, request: Request, out: Outgoing) -> dict[str, str]:
        headers = added_headers(self._sign)
        if headers is None:
            try:  # A user's own may take its time: ask for a token, say.
                headers = await asyncio.to_thread(
                    signed_headers, self._sign, out.method, out.url, out.headers, out.body
                )
            except requests.RequestException as error:
                msg = f"the request cannot be signed: {error}"
                raise KintoException(msg, error) from error
        refuse_unsendable(request, headers)
        return headers

    def _opened(self) -> aiohttp.ClientSession:
        """Return the session, which belongs to the loop that runs when it is first wanted."""
        import aiohttp

        loop = asyncio.get_running_loop()
        if self._http is None and self.session is not None:
            if not isinstance(self.session, aiohttp.ClientSession):
                msg = f"session must be an AsyncHTTPSession, or one of aiohttp: {self.session!r}"
                raise TypeError(msg)
            if self.session.auth is not None and self.credentials is not None:
                msg = "the client has credentials, and so has its session of aiohttp: give one"
                raise InvalidRequest(msg)
            self._loop, self._http = loop, self.session
            self._http._retry_connection = False  # As below.
        elif self._http is None:
            self._loop = loop
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self.connections),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
            # aiohttp sends a PUT or DELETE a second time when a kept connection turns out to be
            # closed.  The first may have been applied: what to do then is not for it to decide.
            self._http._retry_connection = False
            self._way = _proxy_of_environment(self.server.url)
        elif self._loop is not loop:
            msg = (
                "the client was opened in another event loop: close it there, or make one for each"
            )
            raise KintoException(msg)
        return self._http


def _without_credentials(http: aiohttp.ClientSession) -> aiohttp.ClientSession:
    """Return a session that goes the same ways as *http*, and says nothing of who asks."""
    import aiohttp

    return aiohttp.ClientSession(
        connector=http.connector,
        connector_owner=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def _proxy(http: aiohttp.ClientSession, url: str) -> Any:
    """Return the proxy on the way to *url*: of *http*, or of the environment if it heeds that."""
    if (own := getattr(http, "_default_proxy", None)) is not None:
        return own
    # Not by trust_env, with which aiohttp would send credentials of ~/.netrc.
    return _proxy_of_environment(url) if http.trust_env else None


def _proxy_of_environment(url: str) -> str | None:
    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)


def _asked(
    http: aiohttp.ClientSession,
    request: Request,
    out: Outgoing,
    data: Any,
    proxy: Any,
    timeout: Timeout,
) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
    from yarl import URL

    return http.request(
        out.method,
        URL(out.url, encoded=True),
        headers=out.headers,
        data=data,
        proxy=proxy,
        timeout=_patience(timeout),
        allow_redirects=False,
        auto_decompress=request.into is None,
        skip_auto_headers=("Content-Type",),
    )


def _data(body: bytes | None) -> bytes | BytesIO | None:
    """Return *body*, as a file if it is large: of so many bytes, aiohttp warns."""
    return body if body is None or len(body) < _LARGE else BytesIO(body)


@cache
def _patience(timeout: Timeout) -> aiohttp.ClientTimeout:
    """Return *timeout* as aiohttp has it."""
    from aiohttp import ClientTimeout

    return ClientTimeout(total=None, sock_connect=timeout.connect, sock_read=timeout.read)


async def _blocks(parts: Parts) -> AsyncGenerator[bytes]:
    while block := await asyncio.to_thread(parts.read, BLOCK):
        yield block


async def _saved(reply: aiohttp.ClientResponse, request: Request) -> dict[str, Any]:
    """Write the body of *reply* to where *request* wants it; return its size and hash."""
    assert request.into is not None
    with Sink(request.into) as sink:
        async for block in reply.content.iter_chunked(request.into.block):
            await asyncio.to_thread(sink.write, block)
            if sink.is_too_long:
                break
    return sink.seen


def _translated(request: Request, error: Exception) -> TransportError:
    """Return *error* as one of ours: could *request* have reached the server?"""
    import aiohttp

    what = f"{request.method} {request.path}"
    cause = str(error) or type(error).__name__
    if isinstance(
        error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
    ):
        return NotSent(f"{what} did not reach the server: {cause}", error, request=request)
    msg = f"{what} was sent, but no usable answer came: {cause}"
    return AnswerLost(msg, error, request=request)
