"""
How a query is read: page after page.

A session that has asked the same before sends along what the collection's timestamp was then.  If
nothing in it has changed, the server answers 304, and the records that the session has are the
answer, if they are as they were then.  An answer is only remembered if the collection had been
quiet for a while: a transaction that takes longer than a later one does not move the timestamp
when it ends (docs/protocol.md, T2), so that what it wrote would never be seen.

While a page is used, the next one may be under way.  If the session writes something in the
meantime, that page may be older than what the session knows, and is asked for again.
"""

from __future__ import annotations

import logging

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from attrs import frozen

from kinto_orm.client.endpoints.listing import next_page
from kinto_orm.client.endpoints.objects import content, etag
from kinto_orm.client.paths import records_path
from kinto_orm.exceptions import SnapshotMoved, ValidationError
from kinto_orm.flow import Document, Page, Program, Request, Response, Stream, collected
from kinto_orm.flow.garbage import collected_later
from kinto_orm.models.layout import builder_of, load
from kinto_orm.models.parts import load_part
from kinto_orm.models.records import Record
from kinto_orm.query.items import LOCK, Invalid, Tombstone
from kinto_orm.query.linking import check_links, linked
from kinto_orm.query.selects import Select


if TYPE_CHECKING:
    from kinto_orm.session.results import CommitResult


logger: logging.Logger = logging.getLogger(__name__)

#: How often a snapshot is begun again that others write to.
_TRIES: Final = 5

_id_of: Final = itemgetter("id")
_version_of: Final = itemgetter("last_modified")

#: A document, and the fields that were loaded of it; None if all were.
Loaded: TypeAlias = tuple[Document, frozenset[str] | None]


#: How long nothing may have been written to a collection before an answer is remembered, in
#: seconds.  Transactions that take longer are rare, and end in a time-out of most servers.
QUIET: Final = 5.0


@frozen
class Answered:
    """
    What a query gave.

    Attributes:
        timestamp: The timestamp of the collection then, in milliseconds.
        ids: The ids of the records, in order.
        versions: Their timestamps.
    """

    timestamp: str
    ids: Sequence[str]
    versions: Sequence[int]


class Tracker(Protocol):
    """What a query needs of its session."""

    _port: Any

    #: Grows with each commit.
    _commits: int

    @property
    def _guard(self) -> AbstractContextManager[object]:
        """Return what lets one thread or task in at a time."""
        ...

    def _governed(self, program: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Return *program* with what goes around each."""
        ...

    def _place(self, model: type[Record]) -> tuple[str, str]:
        """Return the bucket and the collection of *model*."""
        ...

    def _take(self, model: type[Any], document: Document, part: frozenset[str] | None) -> Any:
        """Return the record of the session that *document* stands for; None if it is to go."""
        ...

    def _take_all(
        self, model: type[Any], ids: Sequence[str], documents: Sequence[Document]
    ) -> list[Any]:
        """Return the records of whole *documents*, which have these *ids*; not those that go."""
        ...

    def _here(
        self,
        model: type[Any],
        ident: str,
        part: frozenset[str] | None = None,
        version: int | None = None,
    ) -> tuple[bool, Any]:
        """Tell whether the session has a record, as it is wanted; None if it is to go."""
        ...

    def _freshened(self, select: Select, documents: Sequence[Document]) -> Program[list[Loaded]]:
        """Return *documents*, each as much of it as the record in the session has loaded."""
        ...

    def _recall(self, select: Select) -> Answered | None:
        """Return what *select* gave when it was last asked for."""
        ...

    def _remember(self, select: Select, answered: Answered) -> None:
        """Keep what *select* gave."""
        ...

    def _delete_all(self, select: Select) -> Program[CommitResult]:
        """Delete what *select* finds."""
        ...

    def _update_all(self, select: Select, values: dict[str, Any]) -> Program[CommitResult]:
        """Give *values* to what *select* finds."""
        ...


def everything(session: Tracker, select: Select) -> Program[list[Any]]:
    """
    Return all that *select* finds; a snapshot is begun again if it moves.

    What links lead to is loaded at the end, for all pages together.
    """
    check_links(select)
    for left in reversed(range(_TRIES if select.snapshot else 1)):
        try:
            bare = select.with_(links=(), only=select.part)
            found = yield from collected(pages_of(session, bare))
        except SnapshotMoved:
            if not left:
                raise
        else:
            yield from linked(session, select, found, set())
            return found
    raise AssertionError


def pages_of(
    session: Tracker, select: Select, *, ahead: bool = False, whole: bool = False
) -> Stream[Any]:
    """
    Go through what *select* finds.

    Args:
        session: Whose records they are.
        select: What to look for.
        ahead: Whether the reader lets the next page be asked for while it uses one.  Then it is
            not holding the session's guard; otherwise it is.
        whole: Whether a page is one item, instead of many.
    """
    if select.hopeless:
        return
    check_links(select)
    walk = _Walk(session, select)
    request: Request | None = walk.first()
    while request is not None:
        commits = session._commits
        response: Response = yield request
        if commits != session._commits:
            continue
        with session._guard if ahead else nullcontext():
            items = yield from walk.taken(request, response)
        if items is None:  # It is as before, but the session has not all of it as it was then.
            request = walk.first()
            continue
        for part in walk.parts(items, response):
            yield Page([part] if whole else part, ahead)
        request = walk.following(request, response)


class _Walk:
    """A way through the pages of a query."""

    def __init__(self, session: Tracker, select: Select) -> None:
        self._session, self._select = session, select
        self._before = session._recall(select) if _is_repeatable(select) else None
        self._path = records_path(*session._place(select.model))
        self._left = select.limit
        self._gone = set[tuple[Any, str]]()
        self._timestamps = set[str]()
        #: What is to be remembered of records; None if nothing is.
        self._ids: list[str] | None = [] if _is_repeatable(select) else None
        self._versions: list[int] = []

    def first(self) -> Request:
        """Return the request for the first page."""
        headers = {}
        if self._before is not None:
            headers["If-None-Match"] = etag(self._before.timestamp)
        return Request("GET", self._path, self._select.params(), headers)

    def taken(self, request: Request, response: Response) -> Program[list[Any] | None]:
        """Return what is on a page; None if it has to be asked for again."""
        if response.status == 304 and self._before is not None:
            return (yield from self._recalled())
        if response.status == 412 and self._timestamps:
            msg = (
                f"GET {request.path}: the collection was changed while its pages were read: try"
                " again, or read without snapshot()"
            )
            raise SnapshotMoved(msg, request=request, response=response)
        documents: list[Document] = content(request, response)
        if not self._timestamps and not _is_quiet(response):
            self._ids = None  # Something older may turn up.
        self._timestamps.add(_timestamp(response))
        if self._is_simple(documents):
            with collected_later():
                items = self._simple(documents)
        else:
            loaded = yield from self._session._freshened(self._select, documents)
            items = self._kept(loaded)
        yield from linked(self._session, self._select, items, self._gone)
        return items

    def _is_simple(self, documents: Sequence[Document]) -> bool:
        """Tell whether all *documents* of a page are wanted, and just as they are."""
        select = self._select
        is_bare = select.part is None and not select.deleted and select.on_invalid == "raise"
        return is_bare and (self._left is None or self._left >= len(documents))

    def _simple(self, documents: Sequence[Document]) -> list[Any]:
        """Return what all *documents* of a page stand for."""
        model, ids = self._select.model, list(map(_id_of, documents))
        if LOCK in ids:
            documents = [each for each in documents if each["id"] != LOCK]
            ids.remove(LOCK)
        if self._select.tracked:
            items = self._session._take_all(model, ids, documents)
        else:
            items = _load_all(model, documents)
        if len(items) != len(documents):
            self._ids = None  # Some are to go, which may be taken back.
        if self._ids is not None:
            self._ids += ids
            self._versions += map(_version_of, documents)
        if self._left is not None:
            self._left -= len(items)
        return items

    def _kept(self, loaded: Sequence[Loaded]) -> list[Any]:
        """Return what *loaded* documents stand for, as many as are wanted yet."""
        items: list[Any] = []
        for document, item in _items(self._session, self._select, loaded):
            if self._left is not None and self._left <= 0:
                break
            if item is None:
                self._ids = None  # It is to go, which may be taken back.
                continue
            items.append(item)
            if self._ids is not None:
                self._ids.append(document["id"])
                self._versions.append(document["last_modified"])
            if self._left is not None:
                self._left -= 1
        return items

    def parts(self, items: list[Any], response: Response) -> Iterator[list[Any]]:
        """Give *items* page by page; what was there before is in pages, too."""
        size = self._select.page_size if response.status == 304 else None
        if size is None:
            yield items
        else:
            yield from (items[start : start + size] for start in range(0, len(items), size))

    def following(self, request: Request, response: Response) -> Request | None:
        """Return the request for the next page, if there is one."""
        if response.status == 304:
            return None
        is_enough = self._left is not None and self._left <= 0
        headers = {}
        if self._select.snapshot:
            headers = {"If-Match": etag(min(self._timestamps))}
        following = None if is_enough else next_page(request, response, headers)
        if following is None:
            self._remember()
        return following

    def _remember(self) -> None:
        """Keep what was found, if it is of one moment."""
        if self._ids is not None and len(self._timestamps) == 1:
            answered = Answered(self._timestamps.pop(), self._ids, self._versions)
            self._session._remember(self._select, answered)

    def _recalled(self) -> Program[list[Any] | None]:
        """Return the records that the query gave before; None if one is not here any more."""
        assert self._before is not None
        found = []
        for ident, version in zip(self._before.ids, self._before.versions, strict=True):
            part = self._select.part
            is_here, record = self._session._here(self._select.model, ident, part, version)
            if not is_here or (record is None and self._select.limit is not None):
                self._before = None
                return None
            if record is not None:
                found.append(record)
        yield from linked(self._session, self._select, found, self._gone)
        return found


def _timestamp(response: Response) -> str:
    """Return the timestamp of a list, as digits."""
    return response.headers["etag"].removeprefix("W/").strip('"')


def _is_quiet(response: Response) -> bool:
    """Tell whether the collection has not been written to for a while, by the server's clock."""
    from email.utils import parsedate_to_datetime  # With much else, which requests load anyway.

    try:
        now = parsedate_to_datetime(response.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return False
    return now - int(_timestamp(response)) / 1000 >= QUIET


def _is_repeatable(select: Select) -> bool:
    """Tell whether what *select* gives is in the session afterwards."""
    return select.tracked and not select.deleted and select.on_invalid == "raise"


def _items(
    session: Tracker, select: Select, loaded: Sequence[Loaded]
) -> Iterator[tuple[Document, Any]]:
    """Give each of the *loaded* documents, and what it stands for; None if that is to go."""
    for document, part in loaded:
        if document["id"] == LOCK:
            continue
        if select.deleted and document.get("deleted") is True:
            yield document, Tombstone(document["id"], document["last_modified"])
            continue
        try:
            item = _record(session, select, document, part)
        except ValidationError as error:
            if select.on_invalid == "raise":
                raise
            if select.on_invalid == "keep":
                stamp = document["last_modified"]
                yield document, Invalid(document["id"], stamp, document, error)
            else:
                logger.warning("left out: %s", error)
        else:
            yield document, item


def _record(
    session: Tracker, select: Select, document: Document, part: frozenset[str] | None
) -> Any:
    if select.tracked:
        return session._take(select.model, document, part)
    if part is None:
        return load(select.model, document)
    return load_part(select.model, document, part)


def _load_all(model: type[Record], documents: Iterable[Any]) -> list[Any]:
    """
    Return the records that *documents* stand for, as `load` does.

    Raises:
        ValidationError: If one does not fit.
    """
    build, records = builder_of(model), list[Any]()
    for document in documents:
        try:
            records.append(build(document))
        except Exception:  # noqa: BLE001 (it is said what is wrong)
            records.append(load(model, document))
    return records
