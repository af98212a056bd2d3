"""The blocking transport, on requests."""

from __future__ import annotations

import time

from typing import Any

import requests

from attrs import define, field
from urllib3.exceptions import NewConnectionError, SSLError

from kinto_orm.exceptions import AnswerLost, NotSent, TransportError
from kinto_orm.flow.messages import Now, Request, Response, Sleep, Step
from kinto_orm.transport.auth import Credentials, signer
from kinto_orm.transport.wire import Server, Timeout, incoming


@define(eq=False)
class Blocking:
    """
    Makes the steps of a flow on the calling thread.

    Threads may share it: connections are kept in a pool.

    Attributes:
        server: Where requests go.
        credentials: Who they are from.
        timeout: How long to wait for a connection, and for an answer.
        session: A session of *requests* to use, with its proxies, certificates and adapters; if
            omitted, one of its own, which `close` closes.
    """

    server: Server
    credentials: Credentials = field(default=None, repr=False)
    timeout: Timeout = field(factory=Timeout)
    session: requests.Session = field(factory=requests.Session, repr=False)

    _sign: Any = field(init=False, repr=False)

    @_sign.default
    def _signer(self) -> Any:
        return signer(self.credentials)

    def perform(self, step: Step) -> Any:
        """
        Make *step*; return its answer.

        Raises:
            NotSent: If a request did not reach the server.
            AnswerLost: If it may have, but no usable answer came.
            UnsendableValue: If its body cannot be sent.
        """
        if isinstance(step, Request):
            return self._send(step)
        if isinstance(step, Sleep):
            return time.sleep(step.seconds)
        assert isinstance(step, Now)
        return time.monotonic()

    def close(self) -> None:
        """Close the connections."""
        self.session.close()

    def _send(self, request: Request) -> Response:
        out = self.server.outgoing(request)
        try:
            reply = self.session.request(
                out.method,
                out.url,
                headers=out.headers,
                data=out.body,
                auth=self._sign,
                timeout=(self.timeout.connect, self.timeout.read),
                allow_redirects=False,
            )
        except (requests.RequestException, ValueError) as error:
            raise _translated(request, error) from error
        return incoming(request, reply.status_code, reply.headers.items(), reply.content)


def _translated(request: Request, error: Exception) -> TransportError:
    """Return *error* as one of ours: could *request* have reached the server?"""
    what = f"{request.method} {request.path}"
    if isinstance(error, requests.RequestException):
        error.request = None  # It has the credentials.
    if _never_connected(error):
        return NotSent(f"{what} did not reach the server: {_cause(error)}", error, request=request)
    msg = f"{what} was sent, but no usable answer came: {_cause(error)}"
    return AnswerLost(msg, error, request=request)


def _never_connected(error: Exception) -> bool:
    if isinstance(error, (requests.ConnectTimeout, requests.exceptions.InvalidURL)):
        return True
    # urllib3 says so by the class of its reason; requests wraps it.
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(reason, SSLError):
        return "CERTIFICATE_VERIFY_FAILED" in str(reason) or "WRONG_VERSION" in str(reason)
    return isinstance(reason, NewConnectionError)


def _cause(error: BaseException) -> str:
    """Return the innermost reason: those around it name objects and addresses in memory."""
    inner = error
    while True:
        within = (getattr(inner, "reason", None), *inner.args)
        found = next((each for each in within if isinstance(each, BaseException)), None)
        if found is None:
            break
        inner = found
    text = str(inner)
    return text.partition("): ")[2] or text or type(inner).__name__
