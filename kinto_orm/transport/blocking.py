"""The blocking transport, on requests."""

from __future__ import annotations

import inspect
import logging
import time

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Any

import requests

from attrs import define, field
from urllib3.exceptions import HTTPError, NewConnectionError, SSLError

from kinto_orm.exceptions import AnswerLost, NotSent, TransportError
from kinto_orm.flow.messages import Call, Now, Request, Response, Sleep, Step, Work
from kinto_orm.transport.auth import signer
from kinto_orm.transport.credentials import Credentials
from kinto_orm.transport.files import Sink
from kinto_orm.transport.forms import opened
from kinto_orm.transport.journal import Exchange
from kinto_orm.transport.plain import PlainSession, nobody
from kinto_orm.transport.secrets import concealed
from kinto_orm.transport.wire import Outgoing, Server, Timeout, incoming, refuse_unsendable


logger: logging.Logger = logging.getLogger(__name__)


@define(eq=False)
class Blocking:
    """
    Makes the steps of a flow on the calling thread.

    Threads may share it: connections are kept in a pool.

    Attributes:
        server: Where requests go.
        credentials: Who they are from.
        timeout: How long to wait for a connection, and for an answer.
        session: A session of *requests* to use, with its proxies, certificates and adapters; it
            stays open.  If omitted, one of its own, which `close` closes.
        watchers: Who is told of each request before it is sent.
    """

    server: Server
    credentials: Credentials = field(default=None, repr=False)
    timeout: Timeout = field(factory=Timeout)
    session: requests.Session | None = field(default=None, repr=False)
    watchers: list[Callable[[Request], object]] = field(factory=list, init=False, repr=False)
    _http: Any = field(init=False, repr=False)
    _sign: Any = field(init=False, repr=False)

    @_http.default
    def _opened(self) -> requests.Session:
        if self.session is None:
            return PlainSession()
        if not isinstance(self.session, requests.Session):
            msg = f"session must be an HTTPSession, or a session of requests, not {self.session!r}"
            raise TypeError(msg)
        return self.session

    def __attrs_post_init__(self) -> None:
        self.use(self.credentials)

    def use(self, credentials: Credentials) -> None:
        """Have later requests be from *credentials*."""
        self.credentials, self._sign = credentials, signer(credentials)
        if credentials is None and self._http.auth is not None:
            self._sign = signer(self._http.auth)

    def perform(self, step: Step) -> Any:
        """
        Make *step*; return its answer.

        Raises:
            NotSent: If a request did not reach the server.
            AnswerLost: If it may have, but no usable answer came.
            UnsendableValue: If its body cannot be sent.
        """
        if isinstance(step, Request):
            self._announce(step)
            return self._send(step)
        if isinstance(step, Sleep):
            return time.sleep(step.seconds)
        if isinstance(step, Work):
            return step.do()
        if isinstance(step, Call):
            return _called(step)
        assert isinstance(step, Now)
        return time.monotonic()

    def begin(self, step: Request) -> Future[Any]:
        """Begin to make *step* on another thread, which does not keep the process from ending."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()  # From now on it cannot be cancelled, but forgotten.
        self._announce(step)

        def make() -> None:
            try:
                future.set_result(self._send(step))
            except BaseException as error:  # noqa: BLE001 (raised where the result is wanted)
                future.set_exception(error)

        Thread(target=make, name="kinto-orm: next page", daemon=True).start()
        return future

    def close(self) -> None:
        """Close the connections."""
        if self.session is None:
            self._http.close()

    def _announce(self, request: Request) -> None:
        for watch in self.watchers:
            watch(request)

    def _send(self, request: Request) -> Response:
        if not logger.isEnabledFor(logging.DEBUG):
            return self._answered(request)
        with Exchange(logger, request) as exchange:
            exchange.response = self._answered(request)
        return exchange.response

    def _answered(self, request: Request) -> Response:
        out = self.server.outgoing(request)
        if out.form is None:
            return self._exchanged(request, out, out.body)
        with opened(out.form) as parts:
            out.headers["Content-Type"] = parts.content_type
            return self._exchanged(request, out, parts)

    def _exchanged(self, request: Request, out: Outgoing, data: Any) -> Response:
        session = _without_credentials(self._http) if out.foreign else self._http
        prepared = _prepared(session, request, out, data)
        if not out.foreign:
            # Outside of what is translated: what goes wrong here is the caller's, or a secret.
            prepared = self._sign(prepared)
            prepared.prepare_content_length(prepared.body)
            refuse_unsendable(request, prepared.headers)
        is_own = self.session is None
        stream = is_own or request.into is not None
        way: Any = session.merge_environment_settings(prepared.url, {}, stream, None, None)
        try:
            with session.send(
                prepared,
                timeout=(self.timeout.connect, self.timeout.read),
                allow_redirects=False,
                **way,
            ) as reply:
                if request.into is not None and reply.status_code == 200:
                    body, saved = b"", _saved(reply, request)
                else:  # At once, where no hook may have read it: requests takes many small parts.
                    body = reply.raw.read(decode_content=True) if is_own else reply.content
                    saved = None
        except (requests.RequestException, HTTPError, ValueError) as error:
            raise _translated(request, error) from error
        if saved is not None:
            return Response(200, saved)
        status = reply.status_code
        headers, body = concealed(status, reply.headers.items(), body, prepared.headers)
        return incoming(request, status, headers, body)


def _prepared(
    session: requests.Session, request: Request, out: Outgoing, data: Any
) -> requests.PreparedRequest:
    """Return what is to be sent, not signed yet."""
    made = requests.Request(out.method, out.url, out.headers, data=data, auth=nobody)
    try:
        return session.prepare_request(made)
    except requests.RequestException as error:
        raise _translated(request, error) from error


def _saved(reply: requests.Response, request: Request) -> dict[str, Any]:
    """Write the body of *reply* to where *request* wants it; return its size and hash."""
    assert request.into is not None
    with Sink(request.into) as sink:
        for block in reply.raw.stream(request.into.block, decode_content=False):
            sink.write(block)
            if sink.is_too_long:
                break
    return sink.seen


def _without_credentials(session: requests.Session) -> requests.Session:
    """Return a session that goes the same ways as *session*, and says nothing of who asks."""
    bare = requests.Session()
    bare.proxies, bare.trust_env = session.proxies, session.trust_env
    bare.verify, bare.cert, bare.adapters = session.verify, session.cert, session.adapters
    return bare


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
    reason = getattr(reason, "original_error", reason)  # Of a proxy that could not be reached.
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


def _called(call: Call[Any]) -> Any:
    """Make *call*, to a function which must not want to be awaited."""
    result = call.do()
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        msg = f"{call.do!r} is to be awaited: a blocking session can call plain functions alone"
        raise TypeError(msg)
    return result
