"""
Whether values survive: what is loaded again must be equal, and of the same type.

Type checkers see most mistakes that this finds, text in the place of a `UUID` for one.  Others
they cannot see: a hook that writes less than there is, a member of a union that comes back as
another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime
from typing import Any, Final

import cattrs

from kinto_orm.flow.json import same
from kinto_orm.models.faults import Fault, joined, shown
from kinto_orm.models.types import is_composite, is_model, parts_of, with_article


_MISSING = object()

#: Of which two that are equal, and of the same class, are the same.
_PLAIN: Final = frozenset({str, int, bool, date})


def survives(value: Any, again: Any, converter: cattrs.Converter) -> bool:
    """Tell whether *value* came back as *again*."""
    return next(lost(value, again, converter), None) is None


def lost(value: Any, again: Any, converter: cattrs.Converter, path: str = "") -> Iterator[Fault]:
    """Give what in *value*, at *path* of a document, did not come back in *again*."""
    if value is again or (value.__class__ is again.__class__ in _PLAIN and value == again):
        return
    if is_model(type(again)) and type(value) is type(again):
        yield from lost_of_record(value, again, path)
    elif is_composite(type(again)) and type(value) is type(again):
        kind: Any = type(again)
        for part in parts_of(kind):
            one, other = getattr(value, part.name), getattr(again, part.name)
            yield from lost(one, other, converter, joined(path, part.name))
    elif _are_lists(value, again):
        for index, (one, other) in enumerate(zip(value, again, strict=True)):
            yield from lost(one, other, converter, f"{path}[{index}]")
    elif _have_same_keys(value, again):
        for key in again:
            yield from lost(value[key], again[key], converter, f"{path}[{key!r}]")
    elif not _is_equal(value, again, converter):
        yield _fault(path, value, again)


def lost_of_record(record: Any, again: Any, path: str = "") -> Iterator[Fault]:
    """Give what did not come back of *record*, embedded or not, or must not have been changed."""
    state, document = record.__dict__, again.__dict__["_document"]
    written = state.get("_document")
    for spec in type(record)._specs():
        if spec.name not in state:
            continue
        here, value = joined(path, spec.key), state[spec.name]
        if spec.key in document:
            yield from lost(value, again.__dict__[spec.name], spec.converter, here)
        elif value is None and again.__dict__[spec.name] is not None:
            default = shown(again.__dict__[spec.name])
            yield Fault(
                here,
                f"None would come back as {default}, the default: declare the field with null=True",
                "a value",
            )
        if spec.read_only and written is not None:
            before, after = written.get(spec.key, _MISSING), document.get(spec.key, _MISSING)
            if not same(before, after):
                yield _changed(here, before, after)


def _changed(path: str, before: Any, after: Any) -> Fault:
    was = "missing" if before is _MISSING else shown(before)
    return Fault(
        path,
        f"is read-only and was changed in place, from {was}: refresh the record, or make another"
        " one with evolve()",
        was,
        None if after is _MISSING else after,
    )


def _fault(path: str, value: Any, again: Any) -> Fault:
    expected = with_article(type(again).__name__)
    message = f"expected {expected}, found {shown(value)}, which would come back as {shown(again)}"
    return Fault(path, message, expected, value)


def _are_lists(value: Any, again: Any) -> bool:
    """Tell whether both are lists, item by item; a tuple may stand for a list."""
    if not isinstance(again, (list, tuple)) or not isinstance(value, (list, tuple)):
        return False
    kind = (list, tuple) if type(again) is list else type(again)
    return isinstance(value, kind) and len(value) == len(again)


def _have_same_keys(value: Any, again: Any) -> bool:
    if not isinstance(again, dict) or not isinstance(value, Mapping):
        return False
    kinds = {key: type(key) for key in again}
    return value.keys() == kinds.keys() and all(isinstance(key, kinds[key]) for key in value)


def _is_equal(value: Any, again: Any, converter: cattrs.Converter) -> bool:
    kind = type(again)
    if kind in (int, float):  # JSON has one kind of number.
        return isinstance(value, (int, float)) and not isinstance(value, bool) and value == again
    if not isinstance(value, kind) or isinstance(again, dict):
        return False
    if isinstance(again, datetime):
        return _is_same_moment(value, again)
    if isinstance(again, AbstractSet):
        return _are_same_items(value, again, converter)
    equality: Any = type(value).__eq__
    if equality is object.__eq__:  # Equality says nothing of such objects.
        return same(converter.unstructure(value), converter.unstructure(again))
    return bool(value == again)


def _is_same_moment(value: datetime, again: datetime) -> bool:
    if value.tzinfo is None or again.tzinfo is None:
        return value == again
    # Of an hour that a time zone has twice, Python says that it equals no other.
    return value.astimezone(UTC) == again.astimezone(UTC)


def _are_same_items(
    value: AbstractSet[Any], again: AbstractSet[Any], converter: cattrs.Converter
) -> bool:
    if len(value) != len(again):
        return False
    left = list(again - value)
    for one in value - again:
        partner = next((other for other in left if survives(one, other, converter)), _MISSING)
        if partner is _MISSING:
            return False
        left.remove(partner)
    return True
