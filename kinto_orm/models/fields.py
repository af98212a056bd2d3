"""
Fields: plain values on a record, expressions on its class.

Type checkers see a descriptor: `Todo.title` is a ``Field[str]``, `todo.title` a ``str``.  At run
time a record keeps its values in its ``__dict__``, where a lookup meets them before the `Field`
of the class, which does not see to setting: reading and setting cost what they cost anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    NoReturn,
    Protocol,
    Self,
    TypeAlias,
    TypeVar,
    overload,
)

import attrs

from kinto_orm.exceptions import UnsupportedQuery
from kinto_orm.models.conditions import Condition, Operator, Order
from kinto_orm.models.locations import METADATA as METADATA  # noqa: PLC0414 (others look here)
from kinto_orm.models.locations import Location, value_type, without_none
from kinto_orm.models.types import is_model


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E")

if TYPE_CHECKING:

    class Holding(Protocol[T_co]):
        """A field, of the values of which something is asked."""

        def _holds(self) -> T_co: ...
        def _with_items(self, operator: Operator, items: Iterable[Any]) -> Condition: ...

    class Inner(Protocol[T_co]):
        """An embedded record, of which the class is asked."""

        def _itself(self) -> T_co: ...

    class Nothing:
        """What no field holds; but those may that hold anything."""

    #: Fields that hold a dictionary, or a list in some form; or None.
    Dictionary: TypeAlias = Holding[Mapping[str, E] | None]
    Items: TypeAlias = Holding[list[E] | set[E] | frozenset[E] | tuple[E, ...] | None]


class Field(Location, Generic[T]):
    """
    A field of a record: its value on an instance, an expression on the class.

    Comparisons give a `Condition`, for `Query.filter`.  Like everything in Kinto, they go by a
    total order over all types (docs/protocol.md, F5): ``!=``, ``>``, ``>=`` and `not_in` also
    match records that lack the field, unless `Condition.present` is asked for.

    What a dictionary has under a key is a field, too: ``Todo.counts["a"] > 3``.
    """

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type[Any]) -> Self: ...
        @overload
        def __get__(self, instance: object, owner: type[Any]) -> T: ...
        def __get__(self, instance: object, owner: type[Any]) -> Any: ...
        def __set__(self, instance: Any, value: T) -> None: ...
        def _holds(self) -> T: ...

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __eq__(self, value: T) -> Condition:  # type: ignore[override]
        return self.is_(value)

    def __ne__(self, value: T) -> Condition:  # type: ignore[override]
        return ~self.is_(value)

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

    @overload  # Of anything, whatever is in it.
    def __getitem__(self: Dictionary[Nothing], key: str) -> Field[Any]: ...  # type: ignore[overload-overlap]
    @overload  # Of an embedded record, the fields can be asked for, as `Embedded` has it.
    def __getitem__(self: Dictionary[Inner[E]], key: str) -> type[E]: ...  # type: ignore[overload-overlap]
    @overload
    def __getitem__(self: Dictionary[E], key: str) -> Field[E]: ...
    def __getitem__(self, key: str) -> Any:
        if not isinstance(key, str):
            msg = f"{self!r} has keys that are text, not {key!r}; for items, use contains()"
            raise TypeError(msg)
        try:
            kind = without_none(value_type(self._kind()))
        except LookupError as error:
            msg = f"{self!r}: {error}; for items of a list, use contains()"
            raise TypeError(msg) from error
        return self._under(key, Embedded if is_model(kind) else Field)

    def __contains__(self, item: object) -> NoReturn:
        """
        Refuse ``in``, which Python would make true or false.

        Raises:
            TypeError: Always.
        """
        msg = f"{item!r} in {self!r} is no condition: use contains() for items, exists() for keys"
        raise TypeError(msg)

    def is_(self, value: T) -> Condition:
        """
        Match records whose value is *value*: ``==`` for linters that dislike ``== False``.

        A value of None stands for a missing key, or for null where the field keeps nulls.
        """
        if value is None and not self._keeps_null():
            return self.missing()
        return Condition(self, "eq", value)

    def in_(self, values: Iterable[T]) -> Condition:
        """Match records whose value is one of *values*."""
        return Condition(self, "in", self._several(values))

    def not_in(self, values: Iterable[T]) -> Condition:
        """Match records whose value is none of *values*, or missing."""
        return Condition(self, "exclude", self._several(values))

    def exists(self) -> Condition:
        """Match records that have the field; null counts."""
        return self._has(value=True)

    def missing(self) -> Condition:
        """Match records that lack the field; null is not missing."""
        return self._has(value=False)

    def like(self, pattern: str) -> Condition:
        """
        Match records whose value is a text like *pattern*, in upper or lower case.

        Args:
            pattern: ``*`` stands for anything, also for nothing; all else stands for itself.
                Without a ``*``, it may be anywhere in the text.
        """
        return Condition(self, "like", self._text(pattern))

    def startswith(self, text: str) -> Condition:
        """Match records whose value is a text that begins with *text*, in upper or lower case."""
        return Condition(self, "startswith", self._text(text))

    def endswith(self, text: str) -> Condition:
        """Match records whose value is a text that ends with *text*, in upper or lower case."""
        return Condition(self, "endswith", self._text(text))

    def contains(self: Items[E], *items: E) -> Condition:
        """Match records whose value is a list that has all *items*."""
        if not items:
            msg = f"{self!r}.contains() takes an item, or several"
            raise TypeError(msg)
        return self._with_items("contains", items)

    def contains_any(self: Items[E], items: Iterable[E]) -> Condition:
        """Match records whose value is a list that has one of *items*, or several."""
        return self._with_items("contains_any", items)

    def _with_items(self, operator: Operator, items: Iterable[Any]) -> Condition:
        return Condition(self, operator, self._listed(items))

    def _text(self, text: str) -> str:
        if not isinstance(text, str):
            msg = f"{self!r} is compared with a pattern, which is text, not {text!r}"
            raise TypeError(msg)
        return text

    def _listed(self, values: Iterable[E]) -> tuple[E, ...]:
        if isinstance(values, (str, bytes)):
            msg = f"{self!r} is compared with several values: give a list, not {values!r}"
            raise TypeError(msg)
        return tuple(values)

    def _several(self, values: Iterable[T]) -> tuple[T, ...]:
        several = self._listed(values)
        if any(value is None for value in several) and not self._keeps_null():
            msg = (
                f"{self!r} is missing where it is None, and Kinto cannot ask for missing or a"
                " value at once: make two queries"
            )
            raise UnsupportedQuery(msg)
        return several


class Embedded(Location, Generic[T]):
    """
    A field that holds an object with fields of its own.

    On the class it stands for the class of that object, so that `Todo.address.city` is a
    ``Field[str]`` as `Address.city` is.  Of itself it says only whether it is there:
    ``Todo.address == None`` and ``!= None``.
    """

    if TYPE_CHECKING:

        @overload
        def __get__(self: Embedded[E | None], instance: None, owner: type[Any]) -> type[E]: ...
        @overload
        def __get__(self, instance: None, owner: type[Any]) -> type[T]: ...
        @overload
        def __get__(self, instance: object, owner: type[Any]) -> T: ...
        def __get__(self, instance: object, owner: type[Any]) -> Any: ...
        def __set__(self, instance: Any, value: T) -> None: ...

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __eq__(self, value: object) -> Condition:  # type: ignore[override]
        self._check_none(value)
        return Condition(self, "eq", None) if self._keeps_null() else self._has(value=False)

    def __ne__(self, value: object) -> Condition:  # type: ignore[override]
        self._check_none(value)
        return ~(self == None)  # noqa: E711

    def __getattr__(self, name: str) -> Field[Any] | Embedded[Any]:
        if name.startswith("_"):
            raise AttributeError(name)  # Asked by copy, pickle, inspect and the like.
        kind = self._kind()
        if not is_model(kind):
            msg = f"{self!r} is {kind}, which has no fields of its own"
            raise AttributeError(msg)
        inner = getattr(kind, name, None)
        if not isinstance(inner, (Field, Embedded)):
            msg = f"{self!r} has no field {name!r}"
            raise AttributeError(msg)
        return inner._inside(self)

    def _check_none(self, value: object) -> None:
        if value is not None:
            msg = f"{self!r} is compared with None alone: compare its fields, not {value!r}"
            raise TypeError(msg)


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
