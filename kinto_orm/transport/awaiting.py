"""The awaiting transport, on aiohttp."""

from __future__ import annotations

import asyncio
import time

from io import BytesIO
from typing import TYPE_CHECKING, Any

import requests

from attrs import define, field

from kinto_orm.exceptions import AnswerLost, KintoException, NotSent, TransportError
from kinto_orm.flow.messages import Now, Request, Response, Sleep, Step
from kinto_orm.transport.auth import Credentials, signed_headers, signer
from kinto_orm.transport.wire import Outgoing, Server, Timeout, incoming


if TYPE_CHECKING:
    import aiohttp


@define(eq=False)
class Awaiting:
    """
    Makes the steps of a flow in an event loop.

    Tasks of one loop may share it: connections are kept in a pool.

    Attributes:
        server: Where requests go.
        credentials: Who they are from.
        timeout: How long to wait for a connection, and for an answer.
        connections: How many there are at most at the same time.
    """

    server: Server
    credentials: Credentials = field(default=None, repr=False)
    timeout: Timeout = field(factory=Timeout)
    connections: int = 100
    _session: aiohttp.ClientSession | None = field(default=None, init=False, repr=False)
    _loop: asyncio.AbstractEventLoop | None = field(default=None, init=False, repr=False)
    _sign: Any = field(init=False, repr=False)

    @_sign.default
    def _signer(self) -> Any:
        return signer(self.credentials)

    async def perform(self, step: Step) -> Any:
        """
        Make *step*; return its answer.

        Raises:
            NotSent: If a request did not reach the server.
            AnswerLost: If it may have, but no usable answer came.
            UnsendableValue: If its body cannot be sent.
        """
        if isinstance(step, Request):
            return await self._send(step)
        if isinstance(step, Sleep):
            return await asyncio.sleep(step.seconds)
        assert isinstance(step, Now)
        return time.monotonic()

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _send(self, request: Request) -> Response:
        import aiohttp

        from yarl import URL

        out = self.server.outgoing(request)
        session = self._opened()
        try:
            async with session.request(
                out.method,
                URL(out.url, encoded=True),
                headers=self._signed(out),
                # As a file, since of many bytes aiohttp warns.
                data=None if out.body is None else BytesIO(out.body),
                allow_redirects=False,
            ) as reply:
                body = await reply.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _translated(request, error) from error
        return incoming(request, reply.status, reply.headers.items(), body)

    def _signed(self, out: Outgoing) -> dict[str, str]:
        try:
            return signed_headers(self._sign, out.method, out.url, out.headers, out.body)
        except requests.RequestException as error:
            msg = f"the request cannot be signed: {error}"
            raise KintoException(msg, error) from error

    def _opened(self) -> aiohttp.ClientSession:
        """Return the session, which belongs to the loop that runs when it is first wanted."""
        import aiohttp

        loop = asyncio.get_running_loop()
        if self._session is None:
            self._loop = loop
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self.connections),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=self.timeout.connect, sock_read=self.timeout.read
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("Content-Type",),
            )
            # aiohttp sends a PUT or DELETE a second time when a kept connection turns out to be
            # closed.  The first may have been applied: what to do then is not for it to decide.
            self._session._retry_connection = False
        elif self._loop is not loop:
            msg = (
                "the client was opened in another event loop: close it there, or make one for each"
            )
            raise KintoException(msg)
        return self._session


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
