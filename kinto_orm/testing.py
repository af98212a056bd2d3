"""
What a client sends, noted for tests.

    with recording(client) as requests:
        session.commit()
    assert requests.count == 1

The fixtures of the pytest plugin are in the module *pytest_kinto_orm*, which pytest finds by
itself.  It is not part of this package: a plugin is loaded by whoever runs pytest, and the package
with it would be.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from types import TracebackType
from typing import Any, Final, overload

from attrs import define, evolve

from kinto_orm.client.clients import AsyncClient, Client
from kinto_orm.flow.messages import Form, Headers, Request


#: Where pytest, if it is told of this module, finds the fixtures.
pytest_plugins: Final = ("pytest_kinto_orm",)

#: Headers that are no secret; of any other, the value is not kept.
_SHOWN: Final = frozenset(
    {"accept", "content-type", "if-match", "if-none-match", "range", "response-behavior"}
)


class Requests:
    """
    The requests that were sent, in order.

    They can be counted, indexed and looped over.  Each is a `Request`, with *method*, *path*,
    *params*, *headers* and *body* as they were then; those of a batch are its *parts*.  A request
    that was repeated is there as often as it was sent.

    There are no secrets in them: credentials are not part of a request, the values of headers that
    may hold some are left out, and so is what is sent of accounts.
    """

    def __init__(self) -> None:
        self._noted: list[Request] = []

    def note(self, request: Request) -> None:
        """Add *request*."""
        self._noted.append(_as_it_is(request))

    @property
    def count(self) -> int:
        """Return how many there are; a batch is one."""
        return len(self._noted)

    @property
    def writes(self) -> list[Request]:
        """Return those that may have changed something; batches with a write, as a whole."""
        return [request for request in self._noted if request.writes]

    def clear(self) -> None:
        """Forget them."""
        self._noted.clear()

    def expect(self, count: int) -> AbstractContextManager[None]:
        """
        Expect that a block sends exactly *count* requests.

        Raises:
            AssertionError: If it did not; it lists those that were sent.
        """
        return _Expected(self, count)

    def __len__(self) -> int:
        return len(self._noted)

    def __iter__(self) -> Iterator[Request]:
        return iter(tuple(self._noted))

    @overload
    def __getitem__(self, index: int) -> Request: ...
    @overload
    def __getitem__(self, index: slice) -> list[Request]: ...
    def __getitem__(self, index: int | slice) -> Request | list[Request]:
        return self._noted[index]

    def __repr__(self) -> str:
        return f"<Requests, {len(self)}>"

    def __str__(self) -> str:
        return _listed(self._noted)


@define
class _Expected(AbstractContextManager[None]):
    """The end of a block that is to send *count* requests."""

    requests: Requests
    count: int
    _before: int = 0

    def __enter__(self) -> None:
        self._before = self.requests.count

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        __tracebackhide__ = True  # By pytest, which is to show the block.
        sent = self.requests[self._before :]
        if exc_type is None and len(sent) != self.count:
            raise AssertionError(_differs(self.count, sent))


@contextmanager
def recording(*clients: Client | AsyncClient) -> Generator[Requests]:
    """
    Note what *clients* send while a block runs.

    That is what their sessions and clones send as well, and other clients of the same
    `HTTPSession`.
    """
    requests = Requests()
    watched: list[list[Any]] = []
    for client in clients:
        watchers = client.session._port.watchers
        if not any(watchers is each for each in watched):
            watched.append(watchers)
    for watchers in watched:
        watchers.append(requests.note)
    try:
        yield requests
    finally:
        for watchers in watched:
            watchers.remove(requests.note)


def _as_it_is(request: Request) -> Request:
    """Return *request* without its secrets, and apart from what may change."""
    if request.parts:
        body: Any = {"requests": [_entry(part) for part in request.parts]}
    else:
        body = _body(request)
    return evolve(request, headers=_headers(request), body=body)


def _entry(part: Request) -> Mapping[str, Any]:
    return {
        "method": part.method,
        "path": part.path_url,
        "headers": _headers(part),
        "body": _body(part),
    }


def _headers(request: Request) -> Headers:
    return Headers(
        (name, value if name.lower() in _SHOWN else "***")
        for name, value in request.headers.items()
    )


def _body(request: Request) -> Any:
    if request.path.startswith("/accounts"):
        return None
    return request.body if isinstance(request.body, Form) else deepcopy(request.body)


def _differs(count: int, sent: list[Request]) -> str:
    """Return what is wrong if *count* were expected, and these *sent*."""
    were = "1 was" if len(sent) == 1 else f"{len(sent)} were"
    plural = "" if count == 1 else "s"
    if not sent:
        return f"expected {count} request{plural}, but none was sent"
    return f"expected {count} request{plural}, but {were} sent:\n{_listed(sent)}"


def _listed(requests: list[Request]) -> str:
    """Return *requests*, one a line, those of a batch below it."""
    lines: list[str] = []
    for number, request in enumerate(requests, 1):
        lines.append(f"{number:>4}. {request.method} {request.path_url}")
        lines += [f"        {part.method} {part.path_url}" for part in request.parts]
    return "\n".join(lines)
