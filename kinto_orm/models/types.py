"""The types of fields: found, taken apart and told apart."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin
from uuid import UUID

import attrs


_EXACT: Final = frozenset({str, int, float, bool, NoneType, Any, list, dict})


_COLLECTIONS: Final = frozenset({Union, UnionType, list, dict, tuple, set, frozenset})
_SINGLE: Final = frozenset({str, int, float, bool, NoneType, datetime, date, time, UUID, Decimal})


def is_model(kind: Any) -> bool:
    """Tell whether *kind* is a class of records, or of embedded records."""
    return isinstance(kind, type) and hasattr(kind, "_tag_field")


def is_link(kind: Any) -> bool:
    """Tell whether *kind* is a link to another record."""
    found = get_origin(kind) or kind
    return isinstance(found, type) and hasattr(found, "_lead_to")


def is_exact(kind: Any) -> bool:
    """Tell whether each value of *kind* has one form only in JSON."""
    origin = get_origin(kind)
    if origin in (Union, UnionType, list, dict):
        return all(is_exact(argument) for argument in get_args(kind))
    if origin is Literal:
        return not any(isinstance(value, Enum) for value in get_args(kind))
    return kind in _EXACT or is_model(kind) or is_link(kind)


def is_closed(kind: Any) -> bool:
    """Tell whether values of *kind* are made anew, so that they share nothing with a document."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal or is_link(kind):
        return True
    if origin in _COLLECTIONS and arguments:
        return all(argument is Ellipsis or is_closed(argument) for argument in arguments)
    return kind in _SINGLE or is_model(kind) or (isinstance(kind, type) and issubclass(kind, Enum))


def is_optional(kind: Any) -> bool:
    """Tell whether None is a value of *kind*."""
    return get_origin(kind) in (Union, UnionType) and NoneType in get_args(kind)


def embedded_class(owner: type[Any], name: str) -> type[Any]:
    """Return the class of the object that a field holds: what is left of its type without None."""
    kind = resolved_types(owner)[name]
    parts = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    (found,) = (part for part in parts if part is not NoneType)
    return found  # type: ignore[no-any-return]


def resolved_types(model: type[Any]) -> dict[str, Any]:
    """
    Return the types of the fields of *model*, by name.

    Raises:
        TypeError: If an annotation names what cannot be found.
    """
    names = {base.__name__: base for base in reversed(model.__mro__)}
    for base in reversed(model.__mro__):
        names |= base.__dict__.get("_namespace", {})
    try:
        attrs.resolve_types(model, None, names)
    except NameError as error:
        msg = (
            f"{model.__name__}: the type of a field cannot be found: {error}. A class that is"
            " declared in a function sees what is declared before it"
        )
        raise TypeError(msg) from error
    return {attribute.name: _outside(attribute.type) for attribute in attrs.fields(model)}


def _outside(kind: Any) -> Any:
    """Return *kind*, a link to a record or to none, as a link or None."""
    if is_link(kind):
        (inner,) = get_args(kind)
        if NoneType in (parts := get_args(inner)):
            (target,) = (part for part in parts if part is not NoneType)
            return get_origin(kind)[target] | None
    return kind
