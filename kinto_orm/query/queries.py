"""Queries: immutable, lazy, and run by the session that they belong to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from kinto_orm.client.endpoints.objects import accepted
from kinto_orm.client.paths import records_path
from kinto_orm.exceptions import MultipleRecordsFound, RecordNotFound, UnsupportedQuery
from kinto_orm.flow import Awaiting, Blocking, Program, Request, Response, Stream, operation, stream
from kinto_orm.models.layout import layout_of
from kinto_orm.query.items import Invalid, Tombstone
from kinto_orm.query.questions import Question
from kinto_orm.query.reading import everything, pages_of
from kinto_orm.query.selects import Select


if TYPE_CHECKING:
    from kinto_orm.session.results import CommitResult


T = TypeVar("T")


class QueryBase(Question[T]):
    """A query, without the waiting: its ends ask for what its question says."""

    @stream
    def pages(self) -> Stream[list[T]]:
        """Go through the pages, each a list of records."""
        return (yield from pages_of(self._session, self._select, ahead=True, whole=True))

    @stream
    def stream(self) -> Stream[T]:
        """Go through the records; the next page is asked for while one is used."""
        return (yield from pages_of(self._session, self._select, ahead=True))

    @operation
    def all(self) -> Program[list[T]]:
        """Return all records."""
        with self._session._guard:
            return (yield from self._read())

    @operation
    def first(self) -> Program[T | None]:
        """Return the first record, or None."""
        with self._session._guard:
            found = yield from self._read(limit=1)
        return found[0] if found else None

    @operation
    def one(self) -> Program[T]:
        """
        Return the only record.

        Raises:
            RecordNotFound: If there is none.
            MultipleRecordsFound: If there are several.
        """
        found = yield from self._one()
        if found is None:
            msg = f"there is no record for {self!r}"
            raise RecordNotFound(msg)
        return found

    @operation
    def one_or_none(self) -> Program[T | None]:
        """
        Return the only record, or None.

        Raises:
            MultipleRecordsFound: If there are several.
        """
        return (yield from self._one())

    @operation
    def count(self) -> Program[int]:
        """
        Return how many records there are; none is read.  A limit does not count.

        Raises:
            UnsupportedQuery: If tombstones are asked for, too, which the server does not count.
        """
        if self._select.deleted:
            msg = "count() with with_deleted(): Kinto counts no tombstones. Read, and count here"
            raise UnsupportedQuery(msg)
        return (yield from self._count())

    @operation
    def exists(self) -> Program[bool]:
        """Tell whether there is a record; none is read, but for a tombstone (`with_deleted`)."""
        if self._select.deleted:
            with self._session._guard:
                return bool((yield from self._read(limit=1)))
        return (yield from self._count()) > 0

    @operation
    def timestamp(self) -> Program[int]:
        """Return when anything in the collection was last changed, in milliseconds."""
        path = records_path(*self._session._place(self._select.model))
        with self._session._guard:
            response: Response = yield (request := Request("HEAD", path))
        return int(accepted(request, response).headers["etag"].removeprefix("W/").strip('"'))

    @operation
    def delete(self) -> Program[CommitResult]:
        """
        Delete all records that match, page after page, in batches.

        Each is deleted only if it is as it was read.  Nothing else of the session is written.

        Raises:
            CommitError: If some could not be deleted; its *result* says what became of each.
            InvalidRequest: If the session has uncommitted changes in the collection.
        """
        with self._session._guard:
            return (yield from self._session._delete_all(self._plain("delete")))

    @operation
    def update(self, /, **values: Any) -> Program[CommitResult]:
        """
        Give all records that match these *values*, page after page, in batches.

        Each is changed only if it is as it was read; one that has these values is not written.
        Nothing else of the session is written.

        Raises:
            TypeError: If the class has no such field.
            CommitError: If some could not be changed; its *result* says what became of each.
            InvalidRequest: If the session has uncommitted changes in the collection.
        """
        for name in values:
            if name in ("id", "last_modified"):
                msg = f"update() cannot change {name!r}: it is Kinto's own"
                raise TypeError(msg)
            self._field(name)
        fixed = [each.name for each in layout_of(self._select.model).specs if each.read_only]
        if wrong := values.keys() & set(fixed):
            msg = f"update() cannot change {', '.join(sorted(wrong))}: read-only"
            raise TypeError(msg)
        with self._session._guard:
            return (yield from self._session._update_all(self._plain("update"), values))

    def _plain(self, verb: str) -> Select:
        """Return what to look for, to change it; refuse what makes no sense with that."""
        select = self._select
        if select.deleted or select.on_invalid != "raise":
            msg = f"{verb}() takes records alone: leave out with_deleted() and on_invalid()"
            raise UnsupportedQuery(msg)
        return select.with_(only=None, links=(), tracked=True)

    def _count(self) -> Program[int]:
        if self._select.hopeless:
            return 0
        path = records_path(*self._session._place(self._select.model))
        with self._session._guard:
            response: Response = yield (request := Request("HEAD", path, self._select.counting()))
        return int(accepted(request, response).headers["total-objects"])

    def _one(self) -> Program[T | None]:
        with self._session._guard:
            found = yield from self._read(limit=2)
        if len(found) > 1:
            msg = f"there are several records for {self!r}"
            raise MultipleRecordsFound(msg)
        return found[0] if found else None

    def _read(self, limit: int | None = None) -> Program[list[T]]:
        """Return all records, of which a snapshot is taken anew if it moves."""
        select = self._select if limit is None else self._select.with_(limit=limit)
        return (yield from everything(self._session, select))


class Query(QueryBase[T], Blocking):
    """A query that blocks: go through it, or call one of its ends."""

    def __iter__(self) -> Iterator[T]:
        return self.stream()

    def with_deleted(self) -> Query[T | Tombstone]:
        """Ask for what was deleted, too: each as a `Tombstone`."""
        return Query(self._session, self._select.with_(deleted=True))

    @overload
    def on_invalid(self, do: Literal["keep"]) -> Query[T | Invalid]: ...
    @overload
    def on_invalid(self, do: Literal["raise", "skip"]) -> Query[T]: ...
    def on_invalid(self, do: Literal["raise", "skip", "keep"]) -> Query[Any]:
        """
        Say what becomes of documents that do not fit the class.

        Args:
            do: *raise* a `ValidationError` (the default), *skip* them, with a line in the log, or
                *keep* each as an `Invalid`.
        """
        return Query(self._session, self._select.with_(on_invalid=_invalid_is(do)))


class AsyncQuery(QueryBase[T], Awaiting):
    """A query that awaits: go through it with ``async for``, or await one of its ends."""

    def __aiter__(self) -> AsyncIterator[T]:
        return self.stream()

    def with_deleted(self) -> AsyncQuery[T | Tombstone]:
        """Ask for what was deleted, too: each as a `Tombstone`."""
        return AsyncQuery(self._session, self._select.with_(deleted=True))

    @overload
    def on_invalid(self, do: Literal["keep"]) -> AsyncQuery[T | Invalid]: ...
    @overload
    def on_invalid(self, do: Literal["raise", "skip"]) -> AsyncQuery[T]: ...
    def on_invalid(self, do: Literal["raise", "skip", "keep"]) -> AsyncQuery[Any]:
        """Say what becomes of documents that do not fit the class, as `Query.on_invalid`."""
        return AsyncQuery(self._session, self._select.with_(on_invalid=_invalid_is(do)))


def _invalid_is(do: str) -> str:
    if do not in ("raise", "skip", "keep"):
        msg = f"on_invalid() takes 'raise', 'skip' or 'keep', not {do!r}"
        raise ValueError(msg)
    return do
