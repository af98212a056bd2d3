"""
Fields: plain values on a record, expressions on its class.

Type checkers see a descriptor: `Todo.title` is a ``Field[str]``, `todo.title` a ``str``.  At run
time there is none: a record keeps its values in its ``__dict__``, where a lookup meets them
before the `Field` of the class, so that reading and setting cost what they cost anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

import attrs

from kinto_orm.exceptions import UnsupportedQuery
from kinto_orm.models.conditions import Condition, Order
from kinto_orm.models.types import embedded_class


T = TypeVar("T")
E = TypeVar("E")

#: Where a field keeps what attrs has no place for.
METADATA = "kinto_orm"


class Field(Generic[T]):
    """
    A field of a record: its value on an instance, an expression on the class.

    Comparisons give a `Condition`, for `Query.filter`.  Like everything in Kinto, they go by a
    total order over all types (docs/protocol.md, F5): ``!=``, ``>``, ``>=`` and `not_in` also
    match records that lack the field.
    """

    def __init__(self, owner: type[Any], name: str, path: tuple[str, ...]) -> None:
        self._owner = owner
        self._name = name
        self._path = path

    def __repr__(self) -> str:
        return f"<Field {self._owner.__name__}.{self._name}>"

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type[Any]) -> Self: ...
        @overload
        def __get__(self, instance: object, owner: type[Any]) -> T: ...
        def __get__(self, instance: object, owner: type[Any]) -> Any: ...
        def __set__(self, instance: Any, value: T) -> None: ...

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __eq__(self, value: T) -> Condition:  # type: ignore[override]
        return self.is_(value)

    def __ne__(self, value: T) -> Condition:  # type: ignore[override]
        if value is None and not self._keeps_null():
            return Condition(self, "has", value=True)
        return Condition(self, "not", value)

    def __lt__(self, value: T) -> Condition:
        return Condition(self, "lt", value)

    def __le__(self, value: T) -> Condition:
        return Condition(self, "max", value)

    def __gt__(self, value: T) -> Condition:
        return Condition(self, "gt", value)

    def __ge__(self, value: T) -> Condition:
        return Condition(self, "min", value)

    def __pos__(self) -> Order:
        return Order(self)

    def __neg__(self) -> Order:
        return Order(self, descending=True)

    def is_(self, value: T) -> Condition:
        """
        Match records whose value is *value*: ``==`` for linters that dislike ``== False``.

        A value of None stands for a missing key, or for null where the field keeps nulls.
        """
        if value is None and not self._keeps_null():
            return Condition(self, "has", value=False)
        return Condition(self, "eq", value)

    def in_(self, values: Iterable[T]) -> Condition:
        """Match records whose value is one of *values*."""
        return Condition(self, "in", self._several(values))

    def not_in(self, values: Iterable[T]) -> Condition:
        """Match records whose value is none of *values*, or missing."""
        return Condition(self, "exclude", self._several(values))

    def _several(self, values: Iterable[T]) -> tuple[T, ...]:
        if isinstance(values, (str, bytes)):
            msg = f"{self!r} is compared with several values: give a list, not {values!r}"
            raise TypeError(msg)
        several = tuple(values)
        if None in several and not self._keeps_null():
            msg = (
                f"{self!r} is missing where it is None, and Kinto cannot ask for missing or a"
                " value at once: make two queries"
            )
            raise UnsupportedQuery(msg)
        return several

    def _keeps_null(self) -> bool:
        attribute: attrs.Attribute[Any] = getattr(attrs.fields(self._owner), self._name)
        return bool(attribute.metadata.get(METADATA, {}).get("null"))


class Embedded(Generic[T]):
    """
    A field that holds an object with fields of its own.

    On the class it stands for the class of that object, so that `Todo.address.city` is a
    ``Field[str]`` as `Address.city` is.
    """

    def __init__(self, owner: type[Any], name: str, path: tuple[str, ...]) -> None:
        self._owner = owner
        self._name = name
        self._path = path

    def __repr__(self) -> str:
        return f"<Embedded {self._owner.__name__}.{self._name}>"

    if TYPE_CHECKING:

        @overload
        def __get__(self: Embedded[E | None], instance: None, owner: type[Any]) -> type[E]: ...
        @overload
        def __get__(self, instance: None, owner: type[Any]) -> type[T]: ...
        @overload
        def __get__(self, instance: object, owner: type[Any]) -> T: ...
        def __get__(self, instance: object, owner: type[Any]) -> Any: ...
        def __set__(self, instance: Any, value: T) -> None: ...

    def __getattr__(self, name: str) -> Field[Any] | Embedded[Any]:
        if name.startswith("__"):
            raise AttributeError(name)  # Asked by copy, pickle, inspect and the like.
        inner = getattr(embedded_class(self._owner, self._name), name)
        if not isinstance(inner, (Field, Embedded)):
            msg = f"{self!r} has no field {name!r}"
            raise AttributeError(msg)
        return type(inner)(inner._owner, inner._name, (*self._path, *inner._path))


if TYPE_CHECKING:
    #: A check that attrs calls with the record, its attribute and the value.
    Validator = Callable[[Any, attrs.Attribute[Any], Any], object]


@overload
def field(
    *,
    default: T,
    alias: str | None = None,
    key: str | None = None,
    null: bool = False,
    read_only: bool = False,
    init: bool = True,
    repr: bool = True,
    eq: bool = True,
    validator: Validator | list[Validator] | None = None,
    converter: Callable[[Any], Any] | None = None,
    metadata: Mapping[Any, Any] | None = None,
) -> Field[T]: ...
@overload
def field(
    *,
    factory: Callable[[], T],
    alias: str | None = None,
    key: str | None = None,
    null: bool = False,
    read_only: bool = False,
    init: bool = True,
    repr: bool = True,
    eq: bool = True,
    validator: Validator | list[Validator] | None = None,
    converter: Callable[[Any], Any] | None = None,
    metadata: Mapping[Any, Any] | None = None,
) -> Field[T]: ...
@overload
def field(
    *,
    alias: str | None = None,
    key: str | None = None,
    null: bool = False,
    read_only: bool = False,
    init: bool = True,
    repr: bool = True,
    eq: bool = True,
    validator: Validator | list[Validator] | None = None,
    converter: Callable[[Any], Any] | None = None,
    metadata: Mapping[Any, Any] | None = None,
) -> Field[Any]: ...
def field(**options: Any) -> Any:  # noqa: D417 (the arguments are those of the overloads)
    """
    Say of a field what its annotation does not.

    Args:
        default: The value of a record that is given none.  A document that lacks the key is not
            changed by it.
        factory: Makes the default, for each record anew.
        alias: The name in documents, and of the argument of the constructor.
        key: The name in documents alone, which may be anything.
        null: Whether None is kept as JSON null.  Otherwise, None removes the key.
        read_only: Whether its value, once given or loaded, stays what it is.
        init: Whether the constructor takes it.
        repr: Whether ``repr(record)`` shows it.
        eq: Whether ``==`` compares it.
        validator: As in `attrs.field`: it is called when a record is made, loaded or changed.
        converter: As in `attrs.field`.
        metadata: As in `attrs.field`.
    """
    return _attribute(**options)


@overload
def embedded(
    *,
    default: T,
    alias: str | None = None,
    key: str | None = None,
    null: bool = False,
    read_only: bool = False,
) -> Embedded[T]: ...
@overload
def embedded(
    *,
    factory: Callable[[], T],
    alias: str | None = None,
    key: str | None = None,
    read_only: bool = False,
) -> Embedded[T]: ...
@overload
def embedded(
    *, alias: str | None = None, key: str | None = None, read_only: bool = False
) -> Embedded[Any]: ...
def embedded(**options: Any) -> Any:
    """Say of an embedded object what its annotation does not, as `field` does."""
    return _attribute(**options)


def _attribute(
    *,
    alias: str | None = None,
    key: str | None = None,
    null: bool = False,
    read_only: bool = False,
    metadata: Mapping[Any, Any] | None = None,
    **options: Any,
) -> Any:
    if alias is not None:
        if not str(alias).isidentifier():
            msg = f"alias {alias!r} cannot name an argument of the constructor: use key={alias!r}"
            raise ValueError(msg)
        options["alias"] = alias
    if isinstance(default := options.get("default"), (list, dict, set)):
        kind = type(default).__name__
        msg = f"default={default!r} would be one {kind} for all records: use factory={kind}"
        raise ValueError(msg)
    if read_only:
        options["on_setattr"] = _refuse_to_set
    ours = {"key": key or alias, "null": null, "read_only": read_only}
    return attrs.field(metadata={**(metadata or {}), METADATA: ours}, **options)


def _refuse_to_set(record: Any, attribute: attrs.Attribute[Any], value: Any) -> Any:
    ident = f" {record.__dict__['id']!r}" if "id" in record.__dict__ else ""
    msg = (
        f"{type(record).__name__}{ident}: {attribute.name} is read-only, and cannot be set to"
        f" {value!r:.60}: make another one, with evolve({attribute.alias}=…)"
    )
    raise AttributeError(msg)
