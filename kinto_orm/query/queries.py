"""Queries: immutable, lazy, and run by the session that they belong to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Generic, Protocol, Self, TypeVar

import attrs

from attrs import frozen

from kinto_orm.client.endpoints.listing import next_page
from kinto_orm.client.endpoints.objects import accepted, content
from kinto_orm.client.paths import records_path
from kinto_orm.exceptions import InvalidRequest, MultipleRecordsFound, RecordNotFound
from kinto_orm.flow import (
    Awaiting,
    Blocking,
    Document,
    Page,
    Program,
    Request,
    Response,
    Stream,
    collected,
    operation,
    stream,
)
from kinto_orm.models.conditions import All, Condition, Order
from kinto_orm.models.fields import Field
from kinto_orm.models.records import Record
from kinto_orm.query.encoding import encoded, is_hopeless, sorting
from kinto_orm.transport.params import listed


R = TypeVar("R", bound=Record)


@frozen
class Select(Generic[R]):
    """What to look for, as a value."""

    model: type[R]
    conditions: tuple[Condition, ...] = ()
    orders: tuple[Order, ...] = ()
    limit: int | None = None

    @property
    def hopeless(self) -> bool:
        """Tell whether nothing can match, so that the server need not be asked."""
        return any(map(is_hopeless, self.conditions))

    def params(self) -> list[tuple[str, str]]:
        """Return the query string of the request for the first page."""
        params = encoded(self.conditions, self.model) + _kinds(self.model)
        params.append(("_sort", sorting(self.orders)))
        if self.limit is not None:
            params.append(("_limit", str(self.limit)))
        return params


def _kinds(model: type[Record]) -> list[tuple[str, str]]:
    """Return what tells the records of *model* from others in the collection."""
    if model._tag is None and "_tags" in vars(model):
        return []  # The base of all kinds.
    tags = [tag for tag, kind in model._tags.items() if issubclass(kind, model)]
    return [(f"in_{model._tag_field}", listed(tags))] if tags else []


class Tracker(Protocol):
    """What a query needs of its session."""

    _port: Any

    @property
    def _guard(self) -> AbstractContextManager[object]:
        """Return what lets one thread or task in at a time."""
        ...

    def _place(self, model: type[Record]) -> tuple[str, str]:
        """Return the bucket and the collection of *model*."""
        ...

    def _take_all(self, model: type[R], documents: Sequence[Document]) -> list[R]:
        """Return the records of the session that *documents* stand for."""
        ...

    def _governed(self, program: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Return *program* with what goes around each."""
        ...


class QueryBase(Generic[R]):
    """
    A query, without the waiting.

    Each method gives a new query; nothing is sent before one of its ends is called.  Records come
    in the order of `order_by`, or of their ids: one that does not change while pages are read.
    """

    def __init__(self, session: Tracker, select: Select[R]) -> None:
        self._session = session
        self._select = select
        self._port = session._port

    def __repr__(self) -> str:
        try:
            params = self._select.params()
        except InvalidRequest as error:
            return f"<{type(self).__name__} {self._path()}, which cannot be asked: {error}>"
        query = "&".join(f"{name}={value}" for name, value in params)
        return f"<{type(self).__name__} {self._path()}?{query}>"

    def _governed(self, program: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        return self._session._governed(program)

    def _path(self) -> str:
        return records_path(*self._session._place(self._select.model))

    def _with(self, **changes: Any) -> Self:
        return type(self)(self._session, attrs.evolve(self._select, **changes))

    # -- What to look for ----------------------------------------------------------------------

    def filter(self, *conditions: Condition | All, **equals: Any) -> Self:
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
        added += [self._field(name).is_(value) for name, value in equals.items()]
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
        if count < 1:
            msg = f"a limit must be at least 1, not {count}"
            raise ValueError(msg)
        return self._with(limit=count)

    def _field(self, name: str) -> Field[Any]:
        found = getattr(self._select.model, name, None)
        if not isinstance(found, Field):
            msg = f"{self._select.model.__name__} has no field {name!r}"
            raise TypeError(msg)
        return found

    # -- What to do with it --------------------------------------------------------------------

    @stream
    def stream(self) -> Stream[R]:
        """Go through the records; a page is asked for when the one before is used up."""
        return (yield from self._pages(self._select))

    @operation
    def all(self) -> Program[list[R]]:
        """Return all records."""
        return (yield from collected(self._pages(self._select)))

    @operation
    def first(self) -> Program[R | None]:
        """Return the first record, or None."""
        found = yield from collected(self._pages(attrs.evolve(self._select, limit=1)))
        return found[0] if found else None

    @operation
    def one(self) -> Program[R]:
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
    def one_or_none(self) -> Program[R | None]:
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

    def _count(self) -> Program[int]:
        if self._select.hopeless:
            return 0
        params = attrs.evolve(self._select, limit=None).params()
        with self._session._guard:
            response: Response = yield (request := Request("HEAD", self._path(), params))
        return int(accepted(request, response).headers["total-objects"])

    def _pages(self, select: Select[R]) -> Stream[R]:
        session, left = self._session, select.limit
        if select.hopeless:
            return
        request: Request | None = Request("GET", self._path(), select.params())
        while request is not None:
            with session._guard:
                response: Response = yield request
                documents = content(request, response)[:left]
                records = session._take_all(select.model, documents)
            yield Page(records)
            if left is not None and (left := left - len(documents)) <= 0:
                return
            request = next_page(request, response)

    def _one(self) -> Program[R | None]:
        found = yield from collected(self._pages(attrs.evolve(self._select, limit=2)))
        if len(found) > 1:
            msg = f"there are several records for {self!r}"
            raise MultipleRecordsFound(msg)
        return found[0] if found else None


class Query(QueryBase[R], Blocking):
    """A query that blocks: go through it, or call one of its ends."""

    def __iter__(self) -> Iterator[R]:
        return self.stream()


class AsyncQuery(QueryBase[R], Awaiting):
    """A query that awaits: go through it with ``async for``, or await one of its ends."""

    def __aiter__(self) -> AsyncIterator[R]:
        return self.stream()
