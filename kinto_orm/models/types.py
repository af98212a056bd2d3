"""The types of fields: found, taken apart and told apart."""

from __future__ import annotations

import dataclasses
import inspect
import sys

from collections.abc import (
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    MutableSequence,
    MutableSet,
    Sequence,
)
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NewType,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)
from uuid import UUID

import attrs

from attrs import frozen


_COLLECTIONS: Final = frozenset({Union, UnionType, list, dict, tuple, set, frozenset})
_SINGLE: Final = frozenset(
    {str, int, float, bool, NoneType, datetime, date, time, timedelta, UUID, Decimal, bytes}
)

#: What abstract containers are, when they are loaded.
_CONCRETE: Final[dict[Any, Any]] = {
    Sequence: list,
    MutableSequence: list,
    AbstractSet: set,
    MutableSet: set,
    Mapping: dict,
    MutableMapping: dict,
}

#: How the types that JSON has, and some more, are called in messages.
_CALLED: Final[dict[Any, str]] = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    NoneType: "null",
    list: "a list",
    tuple: "a list",
    set: "a list",
    frozenset: "a list",
    dict: "an object",
    datetime: "a datetime",
    timedelta: "a number of seconds",
    Any: "anything",
}


# -- Taken apart -------------------------------------------------------------------------------


def plain(kind: Any) -> Any:
    """Return *kind* without what does not change its values: aliases, NewType, Annotated."""
    while True:
        if isinstance(kind, NewType):
            kind = kind.__supertype__
        elif get_origin(kind) is Annotated:
            kind = kind.__origin__
        elif type(kind).__name__ == "TypeAliasType":  # Of Python 3.12.
            kind = kind.__value__
        else:
            return kind


def origin_of(kind: Any) -> Any:
    """Return the class of the values of *kind*: `list` for ``list[int]`` and ``Sequence[int]``."""
    origin = get_origin(kind) or kind
    return _CONCRETE.get(origin, origin)


def members_of(kind: Any) -> tuple[Any, ...]:
    """Return the members of *kind*, if it is a union, or *kind* itself; unions in it are flat."""
    bare = plain(kind)
    if get_origin(bare) not in (Union, UnionType):
        return (kind,)
    return tuple(member for each in get_args(bare) for member in members_of(each))


def is_optional(kind: Any) -> bool:
    """Tell whether None is a value of *kind*, among others."""
    members = members_of(kind)
    return Any in members or (len(members) > 1 and NoneType in members)


def is_set(kind: Any) -> bool:
    """Tell whether the values of *kind* are sets, or None."""
    members = [member for member in members_of(kind) if member is not NoneType]
    return bool(members) and all(origin_of(plain(each)) in (set, frozenset) for each in members)


def model_of(kind: Any) -> type[Any] | None:
    """Return the class of records, embedded or not, that *kind* is; ``Page[int]`` is a `Page`."""
    origin = get_origin(kind) or kind
    return origin if isinstance(origin, type) and hasattr(origin, "_tag_field") else None


def is_model(kind: Any) -> bool:
    """Tell whether *kind* is a class of records, or of embedded records."""
    return model_of(kind) is not None


def is_link(kind: Any) -> bool:
    """Tell whether *kind* is a link to another record."""
    found = get_origin(kind) or kind
    return isinstance(found, type) and hasattr(found, "_lead_to")


def models_in(kind: Any) -> Iterator[Any]:
    """Give the classes of records, embedded or not, that *kind* names."""
    kind = plain(kind)
    if is_model(kind):
        yield kind
    elif get_origin(kind) is not Literal and not is_link(kind):
        for argument in get_args(kind):
            yield from models_in(argument)


def is_closed(kind: Any) -> bool:
    """Tell whether values of *kind* are made anew, so that they share nothing with a document."""
    kind = plain(kind)
    origin, arguments = origin_of(kind), get_args(kind)
    if origin is Literal or is_link(kind):
        return True
    if origin in _COLLECTIONS and arguments:
        return all(argument is Ellipsis or is_closed(argument) for argument in arguments)
    return kind in _SINGLE or is_model(kind) or (isinstance(kind, type) and issubclass(kind, Enum))


def called(kind: Any) -> str:
    """Return how messages call the values of *kind*."""
    members = members_of(kind)
    if len(members) > 1:
        return listed(called(member) for member in members)
    kind = plain(kind)
    if get_origin(kind) is Literal:
        return listed(repr(value) for value in get_args(kind))
    if (name := _CALLED.get(origin_of(kind))) is not None:
        return name
    return with_article(getattr(get_origin(kind) or kind, "__name__", str(kind)))


def with_article(name: str) -> str:
    """Return *name* as one of its kind is called."""
    return f"{'an' if name[:1] in 'AEIOaeio' else 'a'} {name}"


def listed(names: Iterable[str]) -> str:
    """Return *names* as a sentence has them: ``a, b or c``."""
    *others, last = dict.fromkeys(names)
    return f"{', '.join(others)} or {last}" if others else last


# -- Classes of the user's own -----------------------------------------------------------------


@frozen
class Part:
    """A field of a class that is no record: an attrs class, a dataclass."""

    name: str
    kind: Any
    required: bool


def is_composite(kind: Any) -> bool:
    """Tell whether *kind* is an attrs class or a dataclass, and no record."""
    origin = get_origin(kind) or kind
    if not isinstance(origin, type) or is_model(origin):
        return False
    return attrs.has(origin) or dataclasses.is_dataclass(origin)


@lru_cache(maxsize=1024)
def parts_of(kind: Any) -> tuple[Part, ...]:
    """Return the fields of a composite *kind* that its constructor takes."""
    origin = get_origin(kind) or kind
    hints = get_type_hints(origin, include_extras=True)
    bound = dict(zip(getattr(origin, "__parameters__", ()), get_args(kind), strict=False))
    required: dict[str, bool]
    if attrs.has(origin):
        fields = [each for each in attrs.fields(origin) if each.init]
        required = {each.name: each.default is attrs.NOTHING for each in fields}
    else:
        required = {
            each.name: each.default is each.default_factory is dataclasses.MISSING
            for each in dataclasses.fields(origin)
            if each.init
        }
    return tuple(
        Part(name, substituted(hints.get(name, Any), bound), needed)
        for name, needed in required.items()
    )


# -- Found -------------------------------------------------------------------------------------


def resolved_types(kind: Any) -> dict[str, Any]:
    """
    Return the types of the fields of *kind*, a class of records or ``Page[int]``, by name.

    A type variable stands for what a subclass or *kind* has for it; for its bound if nothing
    does.

    Raises:
        TypeError: If an annotation names what cannot be found.
    """
    model = model_of(kind)
    assert model is not None
    bound, types = _bindings(kind), dict[str, Any]()
    for base in reversed(model.__mro__):
        if attrs.has(base) and inspect.get_annotations(base):
            variables = bound.get(base, {})
            for name, hint in _hints(base, model).items():
                types[name] = _outside(substituted(hint, variables))
    return {each.name: types.get(each.name, Any) for each in attrs.fields(model)}


def _outside(kind: Any) -> Any:
    """Return *kind*, a link to a record or to none, as a link or None."""
    if is_link(kind):
        (inner,) = get_args(kind) or (Any,)
        if NoneType in (parts := get_args(inner)):
            (target,) = (part for part in parts if part is not NoneType)
            return get_origin(kind)[target] | None
    return kind


def _hints(base: type[Any], model: type[Any]) -> dict[str, Any]:
    """Return the annotations in *base* of fields of *model*, evaluated where they were written."""
    names = {each.__name__: each for each in reversed(model.__mro__)}
    for each in reversed(model.__mro__):
        names |= each.__dict__.get("_namespace", {})
    names |= base.__dict__.get("_namespace", {})
    fields = {attribute.name for attribute in attrs.fields(model)}
    annotations = inspect.get_annotations(base)
    written = {name: hint for name, hint in annotations.items() if name in fields}
    carrier = type(base.__name__, (), {"__annotations__": written})
    try:
        module = vars(sys.modules[base.__module__])
        return get_type_hints(carrier, module, names, include_extras=True)
    except NameError as error:
        msg = (
            f"{model.__name__}: the type of a field cannot be found: {error}. A class that is"
            " declared in a function sees what is declared before it"
        )
        raise TypeError(msg) from error


def _bindings(kind: Any) -> dict[type[Any], dict[Any, Any]]:
    """Return what the type variables of *kind* and of its bases stand for, by class."""
    found: dict[type[Any], dict[Any, Any]] = {}
    _bind(kind, {}, found)
    return found


def _bind(kind: Any, outer: Mapping[Any, Any], found: dict[type[Any], dict[Any, Any]]) -> None:
    origin = get_origin(kind) or kind
    parameters, arguments = getattr(origin, "__parameters__", ()), get_args(kind)
    values = arguments or tuple(map(_loosest, parameters))
    variables = {
        parameter: substituted(value, outer)
        for parameter, value in zip(parameters, values, strict=False)
    }
    if arguments or origin not in found:
        found[origin] = variables
    for base in getattr(origin, "__orig_bases__", origin.__bases__):
        if is_model(base):
            _bind(base, variables, found)


def _loosest(variable: Any) -> Any:
    """Return what a type *variable* stands for that nothing is said of."""
    default = getattr(variable, "__default__", None)  # Of Python 3.13.
    if default is not None and type(default).__name__ != "NoDefaultType":
        return default
    if getattr(variable, "__constraints__", ()):
        return Union[variable.__constraints__]  # noqa: UP007 (they are not known here)
    bound = getattr(variable, "__bound__", None)
    return Any if bound is None else bound


def substituted(kind: Any, variables: Mapping[Any, Any]) -> Any:
    """Return *kind* with what its type *variables* stand for."""
    if isinstance(kind, TypeVar):
        return variables[kind] if kind in variables else _loosest(kind)
    parameters = getattr(kind, "__parameters__", ())
    if not parameters or isinstance(kind, type):
        return kind
    return kind[tuple(substituted(each, variables) for each in parameters)]
