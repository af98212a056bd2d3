"""
Lists: read page after page, counted, deleted.

Pages are asked for one by one, in a loop, however many there are.  Of the URL that the server
gives for the next one only the query counts: its scheme, host and prefix come from a
configuration that may be wrong, or not ours to follow with credentials (docs/protocol.md, T6).
"""

from __future__ import annotations

import math

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from attrs import field, frozen

from kinto_orm.client.endpoints.objects import IfMatch, accepted, content, precondition, unless
from kinto_orm.exceptions import AnswerLost, KintoException, ServerError, SnapshotMoved
from kinto_orm.flow import Document, Page, Program, Request, Response, Stream, collected
from kinto_orm.transport.params import parameters


#: How often a list is read again that moves while it is read.
_TRIES: Final = 5


@frozen
class Asked:
    """
    What is asked of a list.

    Attributes:
        path: Its path.
        filters: Parameters, as a user gives them (see `transport.params.parameters`).
        pages: How many to read at the most; if omitted, one if there is a ``_limit``, else all.
        if_none_match: The timestamp of the list as it is known.
        snapshot: Whether all pages must be of one moment (T4).
        key: What tells the items of the list apart.
        raw: More parameters, ready to be sent.
    """

    path: str
    filters: Mapping[str, Any] = field(factory=dict[str, Any])
    pages: float | None = None
    if_none_match: IfMatch = None
    snapshot: bool = False
    key: str = "id"
    raw: Sequence[tuple[str, str]] = ()

    @property
    def is_hopeless(self) -> bool:
        """Tell whether nothing can match: a value that is to be one of none."""
        return any(
            name.startswith("in_") and _is_empty(value) for name, value in self.filters.items()
        )

    def params(self) -> list[tuple[str, str]]:
        """Return the query string."""
        # What is excluded by an empty list, storages see differently: nothing is.
        given = {
            name: value
            for name, value in self.filters.items()
            if not (name.startswith("exclude_") and _is_empty(value))
        }
        return [*parameters(given), *self.raw]


def _is_empty(value: Any) -> bool:
    """Tell whether *value* is a list of none; an empty text is a value."""
    return isinstance(value, (list, tuple, set, frozenset)) and not value


def read_pages(asked: Asked) -> Stream[Document]:
    """Go through the bodies of the answers, one for each page."""
    return _read(asked, lambda body: [body])


def read_items(asked: Asked) -> Stream[Document]:
    """Go through what is listed."""
    return _read(asked, lambda body: body["data"])


def _read(asked: Asked, items: Callable[[Document], list[Document]]) -> Stream[Document]:
    if asked.is_hopeless:
        return
    headers = unless(asked.if_none_match)
    left = (1 if "_limit" in asked.filters else math.inf) if asked.pages is None else asked.pages
    request: Request | None = Request("GET", asked.path, asked.params(), headers)
    first: str | None = None
    while request is not None and left > 0:
        response: Response = yield request
        if first is not None and response.status == 412:
            msg = f"GET {request.path}: the list was changed while its pages were read: try again"
            raise SnapshotMoved(msg, request=request, response=response)
        content(request, response)
        yield Page(items(response.body))
        left -= 1
        if asked.snapshot:
            first = first or response.headers["etag"]
        request = next_page(request, response, {} if first is None else {"If-Match": first})


def read_all(asked: Asked) -> Program[list[Document]]:
    """Return all that is listed; what moved from page to page meanwhile, once."""
    for left in reversed(range(_TRIES)):
        try:
            bodies = yield from collected(read_pages(asked))
        except SnapshotMoved:
            if not left:
                raise
        else:
            items = [item for body in bodies for item in body["data"]]
            if len(bodies) < 2:
                return items
            return list({item.get(asked.key, at): item for at, item in enumerate(items)}.values())
    raise AssertionError


def next_page(
    request: Request, response: Response, headers: Mapping[str, str] | None = None
) -> Request | None:
    """Return the request for the page behind *response*, if there is one."""
    url = response.headers.get("next-page")
    if url is None:
        return None
    params = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    if params == list(request.params):
        msg = f"{request.method} {request.path}: the server gives this page as the next one"
        raise KintoException(msg, request=request, response=response)
    return Request(request.method, request.path, params, headers or {})


def count(path: str, filters: Mapping[str, Any]) -> Program[int]:
    """Return how many are listed; none is read."""
    asked = Asked(path, filters)
    if asked.is_hopeless:
        return 0
    response: Response = yield (request := Request("HEAD", path, asked.params()))
    return int(accepted(request, response).headers["total-objects"])


def timestamp(path: str) -> Program[str]:
    """Return the timestamp of a list, as digits."""
    response: Response = yield (request := Request("HEAD", path))
    return accepted(request, response).headers["etag"].removeprefix("W/").strip('"')


def delete_all(
    path: str, filters: Mapping[str, Any], *, safe: bool | None, if_match: IfMatch
) -> Program[list[Document]]:
    """Delete all that is listed, on all pages; return the tombstones."""
    one_page = "_limit" in filters
    # In some orders it would stop early (T7); if all of it goes, order does not matter.
    asked = Asked(path, {k: v for k, v in filters.items() if one_page or k != "_sort"})
    if asked.is_hopeless:
        return []
    headers = precondition(None, safe=safe, if_match=if_match)
    first = Request("DELETE", path, asked.params(), headers)
    request: Request | None = first
    deleted: list[Document] = []
    try:
        while request is not None:
            try:
                response: Response = yield request
                deleted += content(request, response)
            except (AnswerLost, ServerError):
                if request is first or headers:
                    raise
                request = first  # The page cannot be asked for twice; what is left of it, can.
                continue
            if headers:  # Of this page, others must not have changed anything either.
                headers = {"If-Match": response.headers["etag"]}
            request = None if one_page else next_page(request, response, headers)
    except KintoException as error:
        if deleted:
            error.add_note(f"{len(deleted)} were deleted before that, on earlier pages")
        raise
    return deleted
