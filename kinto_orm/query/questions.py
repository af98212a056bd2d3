"""What a query asks for, and how that is said: each method gives a new question."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Generic, Self, TypeVar

from kinto_orm.client.paths import records_path
from kinto_orm.exceptions import UnsupportedQuery
from kinto_orm.models.conditions import All, Condition, Order
from kinto_orm.models.fields import Embedded, Field
from kinto_orm.models.links import linked_class
from kinto_orm.models.records import EmbeddedRecord, Record
from kinto_orm.query.reading import Tracker
from kinto_orm.query.selects import Select
from kinto_orm.transport.params import moment


T = TypeVar("T")


class Question(Generic[T]):
    """
    What to look for, and whom to ask.

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
        if not isinstance(other, Question):
            return NotImplemented
        return self._select == other._select

    def __hash__(self) -> int:
        return hash(self._select)

    def _governed(self, program: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        return self._session._governed(program)

    def _with(self, **changes: Any) -> Self:
        return type(self)(self._session, self._select.with_(**changes))

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
            if len(each._path) > 1 or not issubclass(each._owner, Record):
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


def select_of(asked: Any) -> Select:
    """Return what a class, or a query, asks for."""
    if isinstance(asked, Question):
        return asked._select
    if not (isinstance(asked, type) and issubclass(asked, Record)):
        msg = f"{asked!r} is not a class of records: derive it from Record"
        raise TypeError(msg)
    return Select(model=asked)


def _at_least_one(what: str, count: int) -> int:
    if not isinstance(count, int) or isinstance(count, bool):
        msg = f"{what} must be a number, not {count!r}"
        raise TypeError(msg)
    if count < 1:
        msg = f"{what} must be at least 1, not {count}"
        raise ValueError(msg)
    return count
