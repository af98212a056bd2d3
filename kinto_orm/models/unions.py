"""
Unions: which of its members a value in a document is, and which one a value here is.

A document tells them apart by the kind of JSON, where that is enough.  Objects are told apart by
tags: a field that is a `Literal`, or the ``tag_field`` of records; then by shape: the class whose
required keys are all there, and which leaves the fewest keys undeclared.  What is left is tried in
the order of declaration, text and numbers as such last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Any, Final, Literal, get_args, get_origin, is_typeddict
from uuid import UUID

import cattrs

from attrs import frozen

from kinto_orm.models.faults import Unfit
from kinto_orm.models.forms import is_known, ours
from kinto_orm.models.types import (
    Part,
    called,
    is_composite,
    is_model,
    members_of,
    model_of,
    origin_of,
    parts_of,
    plain,
)


_ALL: Final = frozenset({NoneType, bool, int, float, str, list, dict})
_NUMBERS: Final = frozenset({int, float})

#: The types that JSON has, by what a decoder makes of them; more that are kept as one of these.
_WIRES: Final[dict[Any, frozenset[type[Any]]]] = {
    NoneType: frozenset({NoneType}),
    bool: frozenset({bool}),
    int: _NUMBERS,
    float: _NUMBERS,
    timedelta: _NUMBERS,
    **{kind: frozenset({str}) for kind in (str, bytes, UUID, Decimal, date, time, datetime)},
    **{kind: frozenset({list}) for kind in (list, tuple, set, frozenset)},
    dict: frozenset({dict}),
}

#: What takes anything of its kind of JSON, and so comes last; 1.0 is a float before it is an int.
_LAST: Final = (dict, float, int, str, Any)


def is_union(kind: Any) -> bool:
    """Tell whether *kind* is a union."""
    return plain(kind) is kind and len(members_of(kind)) > 1


def union_load(kind: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    """Return what loads a value of a union."""
    members = [member for member in members_of(kind) if member is not NoneType]
    if len(members) == 1 and NoneType in members_of(kind):
        return _optional_load(members[0], converter)
    members = list(members_of(kind))
    by_wire = {
        wire: [
            _Member(each, converter.get_structure_hook(each))
            for each in sorted(members, key=_rank)
            if wire in _wires(each, converter)
        ]
        for wire in _ALL
    }

    def load(value: Any, _: Any) -> Any:
        candidates = by_wire.get(value.__class__, [])
        if value.__class__ is dict and len(candidates) > 1:
            candidates = _fitting(candidates, value)
        if len(candidates) == 1:
            return candidates[0].load(value)
        for candidate in candidates:
            try:
                return candidate.load(value)
            except Exception:  # noqa: BLE001, S112 (whatever a hook may raise: the next one)
                continue
        raise Unfit(called(kind), value)

    return ours(load)


def _optional_load(kind: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    hook = converter.get_structure_hook(kind)
    return ours(lambda value, _: None if value is None else hook(value, kind))


def _rank(kind: Any) -> int:
    """Return how late a member is tried."""
    origin = origin_of(plain(kind))
    return _LAST.index(origin) + 1 if origin in _LAST else 0


def _wires(kind: Any, converter: cattrs.Converter) -> frozenset[type[Any]]:
    """Return the kinds of JSON that a *kind* may be."""
    bare = plain(kind)
    if is_model(bare) or is_typeddict(bare):
        return _WIRES[dict]
    if bare is Any or not is_known(kind, converter):
        return _ALL
    if is_composite(bare):
        return _WIRES[dict]
    if get_origin(bare) is Literal:
        return _of_values(get_args(bare))
    if isinstance(bare, type) and issubclass(bare, Enum):
        return _of_values(tuple(bare))
    origin = origin_of(bare)
    if origin in _WIRES:
        return _WIRES[origin]
    bases = (_WIRES[base] for base in getattr(origin, "__mro__", ()) if base in _WIRES)
    return next(bases, _ALL)


def _of_values(values: tuple[Any, ...]) -> frozenset[type[Any]]:
    plain_values = (value.value if isinstance(value, Enum) else value for value in values)
    return frozenset(wire for value in plain_values for wire in _WIRES.get(type(value), _ALL))


# -- Objects, by their tags and shapes ---------------------------------------------------------


@frozen
class _Member:
    """A member of a union, and how it is loaded."""

    kind: Any
    hook: Callable[[Any, Any], Any]

    def load(self, value: Any) -> Any:
        """Return the value that *value* in a document stands for."""
        return self.hook(value, self.kind)

    def parts(self, document: Any) -> tuple[Part, ...] | None:
        """Return what an object has that is this member; None if *document* cannot be one."""
        bare = plain(self.kind)
        if (model := model_of(bare)) is not None:
            found: tuple[Part, ...] | None = model._parts(bare, document)
            return found
        if is_composite(bare):
            return parts_of(bare)
        if is_typeddict(bare):
            required: frozenset[str] = bare.__required_keys__
            return tuple(Part(key, Any, key in required) for key in bare.__annotations__)
        return ()


def _fitting(members: list[_Member], document: dict[str, Any]) -> list[_Member]:
    """Return the *members* that *document* may be, what fits best first."""
    shapes = [(member, member.parts(document)) for member in members]
    tagged = [
        (member, parts)
        for member, parts in shapes
        if parts is not None and _has_tags(parts, document)
    ]
    if len(tagged) == 1:  # It says itself what is wrong.
        return [tagged[0][0]]
    ranked = [
        (not parts, len(document.keys() - {part.name for part in parts}), place, member)
        for place, (member, parts) in enumerate(tagged)
        if _has_required(parts, document)
    ]
    return [member for *_, member in sorted(ranked)]


def _has_tags(parts: tuple[Part, ...], document: dict[str, Any]) -> bool:
    for part in parts:
        kind = plain(part.kind)
        if get_origin(kind) is Literal and part.name in document:
            found = document[part.name]
            values = (v.value if isinstance(v, Enum) else v for v in get_args(kind))
            if not any(type(found) is type(value) and found == value for value in values):
                return False
    return True


def _has_required(parts: tuple[Part, ...], document: dict[str, Any]) -> bool:
    return all(part.name in document for part in parts if part.required)


# -- Values ------------------------------------------------------------------------------------


def union_dump(kind: Any, converter: cattrs.Converter) -> Callable[[Any], Any]:
    """Return what dumps a value of a union, as the member that it belongs to."""
    hooks = [
        (member, converter.get_unstructure_hook(member))
        for member in members_of(kind)
        if member not in (NoneType, Any)
    ]
    if len(hooks) == 1 and NoneType in members_of(kind):
        only = hooks[0][1]
        return ours(lambda value: None if value is None else only(value))

    def dump(value: Any) -> Any:
        for member, hook in hooks:
            if belongs(member, value):
                return hook(value)
        return converter.unstructure(value)

    return ours(dump)


def belongs(kind: Any, value: Any) -> bool:
    """Tell whether *value* is one of *kind*, as far as its items."""
    kind = plain(kind)
    members = members_of(kind)
    if len(members) > 1:
        return any(belongs(member, value) for member in members)
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if kind is Any:
        return True
    if origin is Literal:
        return any(type(value) is type(each) and value == each for each in arguments)
    if origin is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if not isinstance(origin, type) or is_typeddict(origin):
        return isinstance(value, Mapping)
    if not isinstance(value, origin) or isinstance(value, _NOT.get(origin, ())):
        return False
    return _has_items(origin, arguments, value)


#: Subclasses whose values are not those of the class, whatever Python says.
_NOT: Final[dict[type[Any], Any]] = {int: bool, date: datetime}


def _has_items(origin: type[Any], arguments: tuple[Any, ...], value: Any) -> bool:
    if not arguments or is_model(origin) or is_composite(origin):
        return True
    if origin is dict:
        key, item = arguments
        return all(belongs(key, one) and belongs(item, other) for one, other in value.items())
    if origin is tuple and Ellipsis not in arguments:
        return len(value) == len(arguments) and all(map(belongs, arguments, value))
    if origin in _WIRES:
        return all(belongs(arguments[0], each) for each in value)
    return True
