"""
Conditions as the query string of a Kinto server.

The rules are those of `transport.params`.  What a server would misread, or find on one storage
and not on another, is said in another way, or refused before anything is sent.
"""

from __future__ import annotations

import re
import sys

from collections.abc import Iterable, Iterator
from typing import Any, Final

from kinto_orm.exceptions import UnsupportedQuery
from kinto_orm.models.conditions import PATTERNS, Condition, Order
from kinto_orm.models.locations import Location
from kinto_orm.transport.params import has_first, listed, text_of


#: Keys that filters and sorting know (F4).  A dot leads into an object; in a key, only the memory
#: storage finds it.
_KEY: Final = re.compile(r"\w+")

#: Characters that a pattern takes for others: the first four on PostgreSQL and on memory storage,
#: ``%`` and ``_`` on the former, the rest on the latter.  After a backslash they are themselves.
_SPECIAL: Final = re.compile(r"[\\%_.^$+?{}\[\]()|]")

#: What a text is, in Kinto's order over all types (F5): greater than null, less than any number.
_TEXT: Final = (("gt", "null"), ("lt", text_of(-sys.float_info.max)))

#: What a list is greater than.  Objects are as well, but nothing that has items for memory storage.
_LIST: Final = (("gt", "true"),)

_ORDERING: Final = frozenset({"lt", "max", "gt", "min"})


def encoded(
    conditions: Iterable[Condition], model: type[Any] | None = None
) -> list[tuple[str, str]]:
    """
    Return *conditions* on records of *model* as parameters of a query string.

    Raises:
        UnsupportedQuery: If the server cannot be asked that.
        UnsendableValue: If a value is none of its field.
    """
    asked = [condition for condition in conditions if not _is_idle(condition)]
    return distinct(has_first(pair for each in asked for pair in _encoded(each, model)))


def distinct(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """
    Return *pairs*, each of which counts: the values of one name, the server would make a list.

    It strips names when it has told them apart, so that blanks make others of them (F9).
    """
    names: set[str] = set()
    distinct: list[tuple[str, str]] = []
    for name, value in dict.fromkeys(pairs):
        while name in names:
            name += " "  # noqa: PLW2901 (which is the point)
        names.add(name)
        distinct.append((name, value))
    return distinct


def _encoded(condition: Condition, model: type[Any] | None) -> Iterator[tuple[str, str]]:
    operator, value = condition.operator, condition.value
    path = path_of(condition.field)
    _check(condition, path)
    if operator == "has":
        yield f"has_{path}", "true" if value else "false"
    elif operator in PATTERNS:
        if path != "id":  # Which is text.
            yield from ((f"{guard}_{path}", bound) for guard, bound in _TEXT)
        yield f"like_{path}", text_of(_pattern(condition))
    elif operator in ("contains", "contains_any"):
        yield from ((f"{guard}_{path}", bound) for guard, bound in _LIST)
        yield f"{operator}_{path}", text_of(condition.wired(model))
    else:
        wire = condition.wired(model)
        _check_wire(condition, path, wire)
        yield f"{operator}_{path}", listed(wire) if isinstance(value, tuple) else text_of(wire)


def _pattern(condition: Condition) -> str:
    """Return the pattern of ``like_``, which means the same on all storages (F6)."""
    text: str = condition.value
    if condition.operator == "like":
        pattern = text if "*" in text else f"*{text}*"
    elif "*" in text:
        msg = (
            f"{condition!r}: Kinto takes '*' for anything, and has no other way to write it. Use"
            " like() if that will do, or ask for a part of the text without it"
        )
        raise UnsupportedQuery(msg)
    else:
        pattern = f"{text}*" if condition.operator == "startswith" else f"*{text}"
    return _SPECIAL.sub(r"\\\g<0>", pattern)


# -- What cannot be asked ------------------------------------------------------------------------


def _check(condition: Condition, path: str) -> None:
    """Refuse operators that do not go with the field."""
    operator, value = condition.operator, condition.value
    if operator == "contains" and path.startswith("any_"):
        _refuse(condition, "the server would take it for contains_any: ask that of each item")
    if operator in _ORDERING and value is None and not condition.field._keeps_null():
        _refuse(
            condition, "None is a missing key, which is not compared: use exists() or missing()"
        )
    if path == "last_modified" and operator not in {"eq", "not", *_ORDERING}:
        _refuse(condition, "Kinto compares last_modified with ==, !=, <, <=, > and >= alone")
    if path == "id" and operator in ("contains", "contains_any"):
        _refuse(condition, "an id is text: use like()")


def _check_wire(condition: Condition, path: str, wire: Any) -> None:
    """Refuse values that the server does not take, or not in the same way everywhere."""
    several = isinstance(condition.value, tuple)
    items = wire if several else [wire]
    if any(isinstance(item, (list, dict)) for item in items):
        if several:
            _refuse(
                condition, "Kinto cannot compare with a list of lists or objects: ask one by one"
            )
        if condition.operator in _ORDERING:
            _refuse(condition, "lists and objects have no order that all storages know")
    if path == "id" and not all(isinstance(item, str) for item in items):
        _refuse(condition, "an id is text")
    if path == "last_modified" and not _is_moment(wire):
        _refuse(condition, "last_modified is a number of milliseconds since the epoch")


def _is_moment(wire: Any) -> bool:
    return isinstance(wire, int) and not isinstance(wire, bool) and wire >= 0


def _refuse(condition: Condition, reason: str) -> None:
    msg = f"{condition!r}: {reason}"
    raise UnsupportedQuery(msg)


def path_of(field: Location) -> str:
    """Return the path of *field*; refuse one that the server would not know."""
    for key in field._path:
        if _KEY.fullmatch(key) is None:
            msg = (
                f"{field!r} has the key {key!r} in documents: Kinto filters and sorts by keys of"
                " letters, digits and '_' only. Read the records and compare here"
            )
            raise UnsupportedQuery(msg)
    return ".".join(field._path)


# -- What need not be asked ----------------------------------------------------------------------


def is_hopeless(condition: Condition) -> bool:
    """Tell whether nothing can fulfil *condition*: a value, or an item, that is one of none."""
    return condition.operator in ("in", "contains_any") and not condition.value


def _is_idle(condition: Condition) -> bool:
    """Tell whether everything fulfils *condition*: storages read an empty list differently."""
    return condition.operator == "exclude" and not condition.value


def sorting(orders: Iterable[Order]) -> str:
    """Return *orders* as the value of ``_sort``; ties go by id, so that pages are stable."""
    keys = [f"{'-' if order.descending else ''}{path_of(order.field)}" for order in orders]
    if not {"id", "-id"} & set(keys):
        keys.append("id")
    return ",".join(keys)
