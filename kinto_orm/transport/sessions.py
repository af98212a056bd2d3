"""
A server, and who asks it, how persistently: what the clients that share it have in common.

`HTTPSession.request` is the raw way out, for what no method of the client does.
"""

from __future__ import annotations

import warnings

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from io import BytesIO
from types import TracebackType
from typing import Any, Final, Self, TypeAlias, TypeVar
from urllib.parse import parse_qsl, urlsplit

import attrs

from attrs import define

from kinto_orm.exceptions import InvalidRequest
from kinto_orm.flow import (
    Awaiting,
    Blocking,
    Flow,
    Form,
    Headers,
    Pacing,
    Recording,
    Request,
    RetryPolicy,
    operation,
    retrying,
)
from kinto_orm.flow.drivers import Recorded
from kinto_orm.flow.refusals import response_error
from kinto_orm.transport.codec import encode, jsonable
from kinto_orm.transport.credentials import Credentials
from kinto_orm.transport.dry import rehearsing
from kinto_orm.transport.params import raw_parameters
from kinto_orm.transport.wire import Server, Timeout


T = TypeVar("T")
S = TypeVar("S")

#: Seconds, as one number or as a pair: for a connection, for an answer; None for ever.
Seconds: TypeAlias = float | tuple[float | None, float | None] | Timeout | None

#: As long as is usual.
DEFAULT_TIMEOUT: Final = Timeout()

_WITH_A_BODY: Final = frozenset({"POST", "PUT", "PATCH"})

#: How many calls a warning is below the program that it is for: its operation, and the driver.
_CALLER: Final = 5


@define
class Known:
    """What is known of a server, so that it need not be asked again."""

    info: dict[str, Any] | None = None


class RawRequests(ABC):
    """The raw way to a server."""

    known: Known

    @property
    @abstractmethod
    def server_url(self) -> str:
        """Return the root of the server's API."""

    @operation
    def request(
        self,
        method: str,
        endpoint: str,
        data: Any = None,
        permissions: Any = None,
        payload: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        files: Any = None,
    ) -> Flow[tuple[Any, Headers]]:
        """
        Make a request; return the body of the answer, decoded, and its headers.

        Args:
            method: HTTP method.
            endpoint: Path below the root of the API (see `Client.get_endpoint`), maybe with a
                query string; or a whole URL, if it is one of this server.
            data: The *data* of the body.
            permissions: The *permissions* of the body.
            payload: The rest of the body; a list is sent as it is.
            headers: Headers of this request.
            params: Query string: text as it is, anything else as JSON; lists joined by commas.
            files: Of an upload: ``[("attachment", (filename, file, mimetype))]``.

        Returns:
            The body is None for a 204, a 304, and to a HEAD.  Headers are found by their names
            in any case.

        Raises:
            ResponseError: If the server refuses it, of a class for each status.
            InvalidRequest: If it would be wrong.
        """
        path, query = self._path(endpoint)
        body = _body(method.upper(), data, permissions, payload, files)
        pairs = [*query, *raw_parameters(params or {})]
        made = Request(method.upper(), path, pairs, Headers((headers or {}).items()), body)
        response = yield made
        if response.status >= 400:
            raise response_error(made, response)
        return response.body, Headers(response.headers.items())

    def _path(self, endpoint: str) -> tuple[str, list[tuple[str, str]]]:
        """Return path and query string of *endpoint*."""
        url = endpoint
        if urlsplit(url).scheme:
            if not (self.server_url and f"{url}/".startswith(f"{self.server_url}/")):
                msg = f"{url} is not of this server, {self.server_url}: credentials would go there"
                raise InvalidRequest(msg)
            url = url.removeprefix(self.server_url)
        parts = urlsplit(f"/{url.lstrip('/')}")
        return parts.path, parse_qsl(parts.query, keep_blank_values=True)


def _body(method: str, data: Any, permissions: Any, payload: Any, files: Any) -> Any:
    if hasattr(permissions, "as_dict"):
        permissions = permissions.as_dict()
    given = {"data": data, "permissions": permissions}
    parts = {name: part for name, part in given.items() if part is not None}
    body: Any = payload if isinstance(payload, list) else {**(payload or {}), **parts}
    if method in ("GET", "HEAD") and (body or files):
        msg = f"a {method} has no body"
        raise InvalidRequest(msg)
    if files:
        return _form(files, body)
    return jsonable(body) if body or method in _WITH_A_BODY else None


def _form(files: Any, parts: Mapping[str, Any]) -> Form:
    ((_, (filename, source, mimetype)),) = files
    texts = {name: _json(part) for name, part in parts.items()}
    file = BytesIO(source) if isinstance(source, bytes) else source
    return Form(file, filename, mimetype or "application/octet-stream", texts)


def _json(part: Any) -> str:
    return part if isinstance(part, str) else encode(jsonable(part)).decode()


class _SessionBase(RawRequests):
    """What sessions that block and that await have in common."""

    @staticmethod
    @abstractmethod
    def _transport(*args: Any) -> Any:
        """Return what makes the steps of its flows; it is loaded for who makes requests."""

    def __init__(
        self,
        server_url: str | None = None,
        auth: Credentials = None,
        timeout: Seconds = DEFAULT_TIMEOUT,
        headers: Mapping[str, str] | None = None,
        retry: RetryPolicy | int | None = None,
        retry_after: float | None = None,
        dry_mode: bool = False,  # noqa: FBT001, FBT002 (as kinto-http's)
        *,
        http: Any = None,
    ) -> None:
        self._headers: dict[str, str] = dict(headers or {})
        self.retry: RetryPolicy = _policy(retry, retry_after)
        self.dry_mode = dry_mode
        self.http = http
        self.known: Known = Known()
        self._server = Server(server_url or "", self._headers)
        self._pacing = Pacing()
        self._port: Any = self._transport(self._server, None, _timeout(timeout), http)
        self.auth = auth

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.server_url}>"

    @property
    def server_url(self) -> str:
        """Return the root of the server's API."""
        return self._server.url

    @property
    def auth(self) -> Credentials:
        """Return who asks; it may be set."""
        credentials: Credentials = self._port.credentials
        return credentials

    @auth.setter
    def auth(self, auth: Credentials) -> None:
        if hasattr(auth, "server_url"):  # As BrowserOAuth's.
            known = (auth.server_url or "").rstrip("/")  # type: ignore[union-attr]
            if known not in ("", self.server_url):
                msg = "this login is at another server, which would get this one's token: make one"
                raise InvalidRequest(msg)
            auth.server_url = self.server_url  # type: ignore[union-attr]
        self._port.use(auth)
        self.known = Known()  # It says who asks.

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers of each request; they may be changed."""
        return self._headers

    @headers.setter
    def headers(self, headers: Mapping[str, str]) -> None:
        given = dict(headers)
        self._headers.clear()
        self._headers.update(given)

    @property
    def timeout(self) -> Timeout:
        """Return how long to wait; it may be set, as for a client."""
        timeout: Timeout = self._port.timeout
        return timeout

    @timeout.setter
    def timeout(self, timeout: Seconds) -> None:
        self._port.timeout = _timeout(timeout)

    @property
    def nb_retry(self) -> int:
        """Return how often a request is made again at the most."""
        return self.retry.attempts - 1

    @property
    def retry_after(self) -> float | None:
        """Return the seconds of each pause, if they are fixed."""
        return self.retry.fixed

    def evolve(self, **changes: Any) -> Self:
        """Return a session with these arguments changed; of its own connections."""
        kept: dict[str, Any] = {
            "server_url": self.server_url,
            "auth": self.auth,
            "timeout": self.timeout,
            "headers": self.headers,
            "retry": self.retry,
            "dry_mode": self.dry_mode,
            "http": self.http,
        }
        if not isinstance(changes.get("retry", self.retry), RetryPolicy):
            kept["retry_after"] = self.retry_after
        made = type(self)(**{**kept, **changes})
        made._port.watchers = self._port.watchers  # Who watches, watches it as well.
        if not {"server_url", "auth", "headers"} & changes.keys():
            made.known, made._pacing = self.known, self._pacing
        return made

    def _governed(self, program: Generator[S, Any, T]) -> Generator[Any, Any, T]:
        """Run *program* with retries, and in a dry run without its writes."""
        if self.dry_mode:
            program = rehearsing(program)  # type: ignore[assignment]
        result = yield from retrying(program, self.retry, self._pacing)
        alerts, self._pacing.alerts = self._pacing.alerts, []
        for alert in alerts:
            # Not before: if warnings are errors, it must not be cut off half-way.
            warnings.warn(alert, DeprecationWarning, stacklevel=_CALLER)
        return result


def _timeout(given: Seconds) -> Timeout:
    if isinstance(given, Timeout):
        return given
    return Timeout(*given) if isinstance(given, tuple) else Timeout(given, given)


def _policy(retry: RetryPolicy | int | None, retry_after: float | None) -> RetryPolicy:
    if not isinstance(retry, RetryPolicy):
        retry = RetryPolicy() if retry is None else RetryPolicy(attempts=retry + 1)
    return retry if retry_after is None else attrs.evolve(retry, fixed=retry_after)


class HTTPSession(_SessionBase, Blocking):
    """
    A server, who asks it, and how persistently; it blocks.

    Clients share one with ``Client(session=…)``.  The arguments are those of `Client`; *http* is a
    session of *requests* to use.
    """

    @staticmethod
    def _transport(*args: Any) -> Any:
        """Return what makes the requests."""
        from kinto_orm.transport import blocking

        return blocking.Blocking(*args)

    def close(self) -> None:
        """Close the connections."""
        self._port.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AsyncHTTPSession(_SessionBase, Awaiting):
    """A server, who asks it, and how persistently; it awaits (see `HTTPSession`)."""

    @staticmethod
    def _transport(*args: Any) -> Any:
        """Return what makes the requests."""
        from kinto_orm.transport import awaiting

        return awaiting.Awaiting(*args)

    async def close(self) -> None:
        """Close the connections."""
        await self._port.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


class RecordingSession(RawRequests, Recording):
    """Records requests for a batch."""

    def __init__(self, session: _SessionBase, recorded: Recorded) -> None:
        super().__init__()
        self.recorded = recorded
        self.known: Known = session.known
        self._session = session

    @property
    def server_url(self) -> str:
        """Return the root of the server's API."""
        return self._session.server_url


def create_session(
    server_url: str | None = None,
    auth: Credentials = None,
    session: HTTPSession | None = None,
    **options: Any,
) -> HTTPSession:
    """
    Return *session*, or a new `HTTPSession`.

    Raises:
        AttributeError: If both a session and a server are given, or neither.
    """
    if session is not None and (server_url is not None or auth is not None):
        msg = "a session knows its server and its credentials: give it, or server_url and auth"
        raise AttributeError(msg)
    if session is None and server_url is None and auth is None:
        msg = "which server? Give server_url (and auth), or a session"
        raise AttributeError(msg)
    return HTTPSession(server_url, auth, **options) if session is None else session
