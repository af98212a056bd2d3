"""
Links: a record that has the id of another.

A link is that id, a string, and nothing else until somebody asks for more: a query that includes
it (see `Query.include`), or an assignment of the record itself.  Then it has the record, too.  It
never asks the server by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar, get_args, get_origin, overload

import attrs

from kinto_orm.exceptions import NotLoaded, RecordNotFound
from kinto_orm.models.conditions import Condition
from kinto_orm.models.fields import Field, _attribute
from kinto_orm.models.types import resolved_types


if TYPE_CHECKING:
    from kinto_orm.models.records import Record


P = TypeVar("P")
E = TypeVar("E")
T = TypeVar("T")

_UNKNOWN: Final = object()
_GONE: Final = object()


class Link(str, Generic[P]):  # noqa: SLOT000 (it has the record, too)
    """
    The id of another record, and the record itself once it is loaded.

        class Post(Record, bucket="blog", collection="posts"):
            author: Link[Person]
            editor: Link[Person | None] = link(default=None)
            readers: Field[list[Link[Person]]] = field(factory=list)

        Post(author=ann)  # or author="ann"
        for post in session.query(Post).include(Post.author):
            print(post.author.record.name)

    Args:
        target: The record, or its id.
    """

    def __new__(cls, target: P | str) -> Self:
        made = super().__new__(cls, id_of(target))
        made._record = target.record_or(_UNKNOWN) if isinstance(target, Link) else target
        if isinstance(made._record, str):
            made._record = _UNKNOWN
        return made

    if TYPE_CHECKING:
        _record: Any

        @overload
        def __get__(self: Link[E | None], instance: None, owner: type[Any]) -> LinkField[E]: ...
        @overload
        def __get__(self, instance: None, owner: type[Any]) -> LinkField[P]: ...
        @overload
        def __get__(self: Link[E | None], instance: object, owner: type[Any]) -> Link[E] | None: ...
        @overload
        def __get__(self, instance: object, owner: type[Any]) -> Link[P]: ...
        def __get__(self, instance: object, owner: type[Any]) -> Any: ...
        def __set__(self, instance: Any, value: P | str) -> None: ...

    def __repr__(self) -> str:
        return f"Link({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle it without the record."""
        return type(self), (str(self),)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self

    @property
    def id(self) -> str:
        """Return the id of the record that it leads to."""
        return str(self)

    @property
    def is_loaded(self) -> bool:
        """Tell whether the record is here."""
        return self._record is not _UNKNOWN and self._record is not _GONE

    @property
    def record(self) -> P:
        """
        Return the record that it leads to.

        Raises:
            NotLoaded: If it was not loaded.
            RecordNotFound: If it was looked for, and there is none.
        """
        if self._record is _UNKNOWN:
            msg = (
                f"the record that the link {str(self)!r} leads to is not loaded: include the field"
                " in the query, .include(…), or get the record by this id"
            )
            raise NotLoaded(msg)
        if self._record is _GONE:
            msg = f"there is no record that the link {str(self)!r} leads to (any more)"
            raise RecordNotFound(msg)
        found: P = self._record
        return found

    def record_or(self, default: T) -> P | T:
        """Return the record that it leads to, or *default* if that is not here."""
        return self._record if self.is_loaded else default

    def _lead_to(self, record: object | None) -> None:
        """Note which record was found; None if there is none."""
        self._record = _GONE if record is None else record


class LinkField(Field[Any], Generic[P]):
    """A link on the class: it is compared with a record, or with its id."""

    if TYPE_CHECKING:

        def __eq__(self, value: P | str | None) -> Condition: ...  # type: ignore[override]
        def __ne__(self, value: P | str | None) -> Condition: ...  # type: ignore[override]
        def is_(self, value: P | str | None) -> Condition: ...

    def __hash__(self) -> int:
        return super().__hash__()


@overload
def link(
    *, default: None, alias: str | None = None, key: str | None = None, null: bool = False
) -> Link[Any]: ...
@overload
def link(*, alias: str | None = None, key: str | None = None) -> Link[Any]: ...
def link(**options: Any) -> Any:
    """Say of a link what its annotation does not, as `field` does."""
    return _attribute(**options)


def id_of(target: Any) -> str:
    """Return the id of a record, or an id itself."""
    ident = target if isinstance(target, str) else getattr(target, "id", None)
    if not isinstance(ident, str):
        msg = f"a link leads to a record, or has its id, not {target!r}"
        raise TypeError(msg)
    return str(ident)


def as_link(target: Any) -> Any:
    """Return *target* as a link; None stays."""
    return target if target is None or isinstance(target, Link) else Link(target)


def linked_class(field: Field[Any]) -> type[Record]:
    """
    Return the class of the records that *field* has links to.

    Raises:
        TypeError: If it has none.
    """
    kind = resolved_types(field._owner)[field._name]
    found = link_target(kind)
    if found is None:
        msg = f"{field!r} is no link, nor a list of links"
        raise TypeError(msg)
    return found


def link_target(kind: Any) -> type[Record] | None:
    """Return the class of the records that links in a type lead to; None if it has none."""
    arguments = get_args(kind)
    if get_origin(kind) is Link:
        (only,) = arguments
        parts = get_args(only) or (only,)
        linked: type[Record] = next(part for part in parts if part is not NoneType)
        return linked
    return next((found for each in arguments if (found := link_target(each)) is not None), None)


def links_in(value: Any) -> Iterator[Link[Any]]:
    """Give the links in the *value* of a field."""
    if isinstance(value, Link):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from links_in(item)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from links_in(item)


def links_of(record: Record) -> Iterator[tuple[str, Link[Any]]]:
    """Give the links in the fields of *record*, each with the name of its field."""
    for spec in type(record)._linked():
        for link in links_in(record.__dict__.get(spec.name)):
            yield spec.name, link


def connect(record: Record, links: Iterable[tuple[str, Link[Any]]]) -> None:
    """Have links of *record* that lead nowhere lead where *links* of the same fields do."""
    reached = {(name, link.id): link.record for name, link in links if link.is_loaded}
    for name, link in links_of(record):
        if not link.is_loaded and (name, link.id) in reached:
            link._lead_to(reached[name, link.id])


def with_links(names: set[str], attributes: list[attrs.Attribute[Any]]) -> list[Any]:
    """Have attrs convert the fields *names* to links."""
    return [each.evolve(converter=as_link) if each.name in names else each for each in attributes]
