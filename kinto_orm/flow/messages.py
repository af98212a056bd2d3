"""Requests, responses and the other steps of a flow, as values."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from json import dumps
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeAlias, TypeVar
from urllib.parse import parse_qsl, urlencode

from attrs import field, frozen


T = TypeVar("T")

#: A JSON object, as it is in Python.
Document: TypeAlias = dict[str, Any]

#: A query string, not encoded yet.
Params: TypeAlias = Mapping[str, str] | Sequence[tuple[str, str]]


class Headers(Mapping[str, str]):
    """Header fields, which are found by their names in any case; these are kept in lower case."""

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields = {name.lower(): value for name, value in fields}

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._fields

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return self._fields == {str(name).lower(): value for name, value in other.items()}

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Headers {', '.join(self._fields)}>"


@frozen
class Form:
    """
    A form with a file in it (RFC 7578): the body of an upload.

    It is read while it is sent, and from its start at each attempt.

    Attributes:
        source: Where the file is, or an open one, which can be rewound.
        filename: What it is called there.
        mimetype: What it is, such as ``image/png``.
        fields: The other parts of the form.
    """

    source: Path | BinaryIO
    filename: str
    mimetype: str
    fields: Mapping[str, str] = field(factory=dict[str, str])


@frozen
class Download:
    """
    A file to write the body of an answer to, as it comes.

    The response has its size and its hash instead: ``{"size": bytes, "hash": SHA-256}``.

    Attributes:
        path: Where to write.
        block: How many bytes to write at once, at the most.
        enough: How many bytes are expected; if there are more, the rest is not read.
    """

    path: Path
    block: int = 2**18
    enough: int | None = None


@frozen
class Request:
    """
    What a flow wants to ask of the server.

    Attributes:
        method: HTTP method, in capitals.
        path: Path below the root of the API, beginning with a slash, percent-encoded.  Never a
            whole URL: what a flow asks goes to the client's own server.
        params: Query string, values not encoded yet; as pairs where a name may recur.
        headers: Request headers, beyond those that each request has.
        body: A JSON value, a `Form`, or None for no body.
        settled: Whether who makes it takes care of a 409, and of a lost answer, so that nobody
            else has to.
        once: Whether it is made only once, whatever comes.
        leads: Whether a write is to follow, by the same operation and to the same object.
        into: Where the body of the answer is written to, if not into the response.
        url: A whole URL to ask instead of the path.  It gets neither credentials nor the headers
            of the client.
    """

    method: str
    path: str
    params: Params = ()
    headers: Mapping[str, str] = field(factory=dict[str, str])
    body: Any = field(default=None, repr=False)
    settled: bool = field(default=False, eq=False, repr=False)
    once: bool = field(default=False, eq=False, repr=False)
    leads: bool = field(default=False, eq=False, repr=False)
    into: Download | None = field(default=None, kw_only=True)
    url: str | None = field(default=None, kw_only=True)

    def as_settled(self) -> Request:
        """Return the same request, of which who makes it takes care."""
        return Request(
            self.method,
            self.path,
            self.params,
            self.headers,
            self.body,
            settled=True,
            once=self.once,
            leads=self.leads,
            into=self.into,
            url=self.url,
        )

    @property
    def writes(self) -> bool:
        """Tell whether the request may change something on the server."""
        if self.path == "/batch":
            usual = (self.body.get("defaults") or {}).get("method")
            asked = self.body.get("requests", ())
            return any(entry.get("method", usual) not in ("GET", "HEAD") for entry in asked)
        return self.method not in ("GET", "HEAD")

    @property
    def parts(self) -> tuple[Request, ...]:
        """Return the requests that a batch is made of; none if it is not a batch."""
        if self.path != "/batch" or not isinstance(self.body, Mapping):
            return ()
        return tuple(map(_part, entries(self.body)))

    @property
    def path_url(self) -> str:
        """Return the path with the query string, as the requests of *requests* have it."""
        return f"{self.path}?{urlencode(self.params)}" if self.params else self.path


def entries(batch: Mapping[str, Any]) -> list[dict[str, Any]]:
    """
    Return the entries of the body of a *batch*, each with what it says of all (B11).

    The server adds it as this does: what an entry says itself counts, in objects key by key.
    """
    defaults = batch.get("defaults") or {}
    return [_filled(entry, defaults) for entry in batch.get("requests", ())]


def _filled(entry: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    filled = {**defaults, **entry}
    for name, value in defaults.items():
        if isinstance(value, Mapping) and isinstance(own := entry.get(name), Mapping):
            filled[name] = _filled(own, value)
    return filled


def _part(entry: Mapping[str, Any]) -> Request:
    """Return the request that an *entry* of a batch stands for."""
    path, _, query = str(entry.get("path", "")).partition("?")
    return Request(
        str(entry.get("method", "GET")),
        path,
        parse_qsl(query, keep_blank_values=True),
        Headers(entry.get("headers", {}).items()),
        entry.get("body"),
    )


@frozen
class Response:
    """
    What the server answered.

    Attributes:
        status: HTTP status code.
        body: The JSON value in it; None if it is empty; text if an error is not JSON.
        headers: Response headers, their names in lower case.
        rehearsed: Whether it is made up, by a dry run: nothing was sent.
    """

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(factory=Headers)
    rehearsed: bool = False

    @property
    def status_code(self) -> int:
        """Return the status, by the name that the responses of *requests* give it."""
        return self.status

    @property
    def ok(self) -> bool:
        """Tell whether it is a success."""
        return self.status < 400

    @property
    def reason(self) -> str:
        """Return what the status is called."""
        from http.client import responses  # With much else, which few programs need before.

        return responses.get(self.status, "")

    @property
    def text(self) -> str:
        """Return the body as text; JSON not byte for byte as it was sent."""
        if self.body is None:
            return ""
        return self.body if isinstance(self.body, str) else dumps(self.body)

    def json(self) -> Any:
        """Return the body, as the responses of *requests* do."""
        return self.body


@frozen
class Sleep:
    """A pause; answered by None."""

    seconds: float


@frozen
class Now:
    """A look at the clock; answered by seconds since some moment, which never go backwards."""


@frozen
class Work(Generic[T]):
    """Something that takes a while without the server, with files; answered by its result."""

    do: Callable[[], T]


@frozen
class Call(Generic[T]):
    """
    A function of the user's to call; answered by its result.

    Where one can wait, it may be a coroutine function.
    """

    do: Callable[[], T]


@frozen
class Page(Generic[T]):
    """
    Items that a stream has for its reader; answered by None.

    Attributes:
        items: The items.
        ahead: Whether the stream may be asked for its next step before these are used up, and the
            request that it wants then be made meanwhile.  If not, it waits until they are.
    """

    items: Sequence[T]
    ahead: bool = False


#: What a driver can be asked to do.
Step: TypeAlias = Request | Sleep | Now | Work[Any] | Call[Any]

#: A single operation under way.
Flow: TypeAlias = Generator[Request, Response, T]

#: An operation that may want to pause, too.  Each step is answered as its class says.
Program: TypeAlias = Generator[Step, Any, T]

#: A listing under way.
Stream: TypeAlias = Generator[Step | Page[T], Any, None]
