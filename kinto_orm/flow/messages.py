"""Requests, responses and the other steps of a flow, as values."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

from attrs import field, frozen


T = TypeVar("T")

#: A JSON object, as it is in Python.
Document: TypeAlias = dict[str, Any]

#: A query string, not encoded yet.
Params: TypeAlias = Mapping[str, str] | Sequence[tuple[str, str]]


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
        body: A JSON value, or None for no body.
        settled: Whether who makes it takes care of a 409, so that nobody else has to.
    """

    method: str
    path: str
    params: Params = ()
    headers: Mapping[str, str] = field(factory=dict[str, str])
    body: Any = None
    settled: bool = field(default=False, eq=False, repr=False)

    @property
    def writes(self) -> bool:
        """Tell whether the request may change something on the server."""
        if self.path == "/batch":
            return any(entry["method"] not in ("GET", "HEAD") for entry in self.body["requests"])
        return self.method not in ("GET", "HEAD")


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
    headers: Mapping[str, str] = field(factory=dict[str, str])
    rehearsed: bool = False


@frozen
class Sleep:
    """A pause; answered by None."""

    seconds: float


@frozen
class Now:
    """A look at the clock; answered by seconds since some moment, which never go backwards."""


@frozen
class Page(Generic[T]):
    """Items that a stream has for its reader; answered by None, when these are used up."""

    items: Sequence[T]


#: What a driver can be asked to do.
Step: TypeAlias = Request | Sleep | Now

#: A single operation under way.
Flow: TypeAlias = Generator[Request, Response, T]

#: An operation that may want to pause, too.  Each step is answered as its class says.
Program: TypeAlias = Generator[Step, Any, T]

#: A listing under way.
Stream: TypeAlias = Generator[Step | Page[T], Any, None]
