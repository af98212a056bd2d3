"""Queries: immutable, lazy, and run by the session that they belong to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar, overload

from kinto_orm.client.endpoints.objects import accepted
from kinto_orm.client.paths import records_path
from kinto_orm.exceptions import MultipleRecordsFound, RecordNotFound, UnsupportedQuery
from kinto_orm.flow import Awaiting, Blocking, Program, Request, Response, Stream, operation, stream
from kinto_orm.models.conditions import All, Condition, Order
from kinto_orm.models.fields import Embedded, Field
from kinto_orm.models.links import linked_class
from kinto_orm.models.records import EmbeddedRecord, Record
from kinto_orm.query.items import Invalid, Tombstone
from kinto_orm.query.reading import Tracker, everything, pages_of
from kinto_orm.query.selects import Select
from kinto_orm.transport.params import moment


if TYPE_CHECKING:
    from kinto_orm.session.results import CommitResult


T = TypeVar("T")


class QueryBase(Generic[T]):
    """
    A query, without the waiting.

    It is a value: each method gives a new query, two that ask for the same are equal, and nothing
    is sent before one of its ends is called.  Records come in the order of `order_by`, or of their
    ids: one that does not change while pages are read.

    ``repr(query)`` shows its URL, ``str(query)`` the expression that makes it.
    """

    def __init__(self, session: Tracker, select: Select) -> None:
        self._session = session
        self._select = select
        self._port = session._port

    def __repr__(self) -> str:
        path = records_path(*self._session._place(self._select.model))
        return f"<{type(self).__name__} {self._select.url(path)}>"

    def __str__(self) -> str:
        return str(self._select)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QueryBase):
            return NotImplemented
        return self._select == other._select

    def __hash__(self) -> int:
        return hash(self._select)

    def _governed(self, program: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        return self._session._governed(program)

    def _with(self, **changes: Any) -> Self:
        return type(self)(self._session, self._select.with_(**changes))

    # -- What to look for ----------------------------------------------------------------------

    def filter(self, /, *conditions: Condition | All, **equals: Any) -> Self:
        """
        Ask for records that fulfil these *conditions*, too.

        Args:
            conditions: Comparisons of fields: ``Todo.priority > 3``.
            equals: Fields that must have a value: ``done=False``.

        Raises:
            TypeError: If something is not a condition, or not a field.
        """
        added: list[Condition] = []
        for condition in conditions:
            if isinstance(condition, All):
                added += condition.conditions
            elif isinstance(condition, Condition):
                added.append(condition)
            else:
                msg = (
                    f"filter() takes conditions such as {self._select.model.__name__}.id == 'x',"
                    f" not {condition!r}"
                )
                raise TypeError(msg)
        added += [self._field(name) == value for name, value in equals.items()]
        return self._with(conditions=(*self._select.conditions, *added))

    def order_by(self, *keys: Field[Any] | Order) -> Self:
        """Sort by *keys*: ``order_by(-Todo.priority, Todo.title)``, ties by id."""
        for key in keys:
            if not isinstance(key, (Field, Order)):
                msg = (
                    f"order_by() takes fields such as {self._select.model.__name__}.id, not {key!r}"
                )
                raise TypeError(msg)
        orders = tuple(key if isinstance(key, Order) else Order(key) for key in keys)
        return self._with(orders=orders)

    def limit(self, count: int) -> Self:
        """Ask for *count* records at the most."""
        return self._with(limit=_at_least_one("a limit", count))

    def page_size(self, count: int) -> Self:
        """Have pages of *count* records; the server may make them smaller."""
        return self._with(page_size=_at_least_one("the size of a page", count))

    def since(self, moment_: int | str) -> Self:
        """
        Ask for records that were changed after a moment.

        Args:
            moment_: A timestamp of the server, in milliseconds since the epoch: the
                `last_modified` of a record, or what `timestamp` gives.
        """
        return self._with(since=int(moment("since()", moment_)))

    def before(self, moment_: int | str) -> Self:
        """Ask for records that were last changed before a moment, as of `since`."""
        return self._with(before=int(moment("before()", moment_)))

    def only(self, *fields: Field[Any] | type[EmbeddedRecord]) -> Self:
        """
        Load these *fields* alone, besides the id and the timestamp.

        Other fields of the records have no value then, not even a default: reading one is a
        `NotLoaded`.  What is changed is written as a patch, never as a whole document.

        Raises:
            TypeError: If something is not a field of the class.
            UnsupportedQuery: If it is inside another field.
        """
        names = set[str]()
        for each in fields:
            if not isinstance(each, (Field, Embedded)):
                msg = f"only() takes fields such as {self._select.model.__name__}.id, not {each!r}"
                raise TypeError(msg)
            if len(each._path) > 1:
                msg = f"only() takes whole fields: load {each._path[0]!r}, instead of {each!r}"
                raise UnsupportedQuery(msg)
            self._field(each._name)
            names.add(each._name)
        return self._with(only=frozenset(names - {"id", "last_modified"}))

    def include(self, *links: Field[Any]) -> Self:
        """
        Load the records that these *links* lead to, too, in as few requests as possible.

            session.query(Post).include(Post.author, Person.team)

        A field of a class that is only met through another link is followed from there.  Each is
        followed once.

        Raises:
            TypeError: If something is not a link, nor a list of links.
            UnsupportedQuery: If it is inside an embedded record.
        """
        for each in links:
            if not isinstance(each, Field):
                msg = f"include() takes links such as Post.author, not {each!r}"
                raise TypeError(msg)
            linked_class(each)
            if len(each._path) > 1:
                msg = f"include() takes fields of records, not {each!r}, which is inside one"
                raise UnsupportedQuery(msg)
        return self._with(links=(*self._select.links, *links))

    def untracked(self) -> Self:
        """
        Have records that the session does not keep, whatever it has of them.

        They are as the server has them.  Going through them takes no more memory than a page.
        """
        return self._with(tracked=False)

    def snapshot(self) -> Self:
        """
        Have records as they were at one moment, on all pages.

        `all`, and what else reads everything, begins again if the collection is changed meanwhile;
        going through the records raises `SnapshotMoved`.
        """
        return self._with(snapshot=True)

    def _field(self, name: str) -> Field[Any] | Embedded[Any]:
        found = getattr(self._select.model, name, None)
        if not isinstance(found, (Field, Embedded)):
            msg = f"{self._select.model.__name__} has no field {name!r}"
            raise TypeError(msg)
        return found

    # -- What to do with it --------------------------------------------------------------------

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
        """Return how many records there are; none is read.  A limit does not count."""
        return (yield from self._count())

    @operation
    def exists(self) -> Program[bool]:
        """Tell whether there is a record; none is read."""
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
        with self._session._guard:
            return (yield from self._session._update_all(self._plain("update"), values))

    def _plain(self, verb: str) -> Select:
        """Return what to look for, to change it; refuse what makes no sense with that."""
        select = self._select
        if select.deleted or select.on_invalid != "raise":
            msg = f"{verb}() takes records alone: leave out with_deleted() and on_invalid()"
            raise UnsupportedQuery(msg)
        return select.with_(only=None, links=())

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


def select_of(asked: Any) -> Select:
    """Return what a class, or a query, asks for."""
    if isinstance(asked, QueryBase):
        return asked._select
    if not (isinstance(asked, type) and issubclass(asked, Record)):
        msg = f"{asked!r} is not a class of records: derive it from Record"
        raise TypeError(msg)
    return Select(model=asked)


def _at_least_one(what: str, count: int) -> int:
    if count < 1:
        msg = f"{what} must be at least 1, not {count}"
        raise ValueError(msg)
    return count


def _invalid_is(do: str) -> str:
    if do not in ("raise", "skip", "keep"):
        msg = f"on_invalid() takes 'raise', 'skip' or 'keep', not {do!r}"
        raise ValueError(msg)
    return do
