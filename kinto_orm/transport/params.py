"""
Filters and other parameters, as a query string.

The rules, by their numbers in docs/protocol.md: values are always JSON, so that ``"42"`` is not
42 (F1); commas in the strings of a list are escaped, since the server splits the list before it
decodes it (F2); operators are always written, so that a field called ``min_size`` is not taken
for one (F3); what the server would silently not match is refused (F4); ``has_`` comes first,
since on memory storage it cancels what is before it (F7).
"""

from __future__ import annotations

import re

from collections.abc import Iterable, Mapping
from typing import Any, Final

from kinto_orm.exceptions import UnsupportedQuery
from kinto_orm.transport.codec import encode, jsonable


#: Paths that filters and sorting know (F4): keys, with dots between those of objects.
PATH: Final = re.compile(r"[\w.]+")

#: Operators of filters, longer ones before those that they begin with.
OPERATORS: Final = (
    "contains_any", "contains", "exclude", "eq", "gt", "has", "in", "like", "lt", "max", "min",
    "not",
)  # fmt: skip

_OPERATOR: Final = re.compile(f"({'|'.join(OPERATORS)})_(.+)")

#: Parameters that are a moment: milliseconds since the epoch.
_MOMENTS: Final = frozenset({"_since", "_to", "_before"})


def parameters(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """
    Return what a user asks for as parameters of a query string.

    Args:
        given: Names as kinto-http has them: ``title`` or ``eq_title``, ``min_size``, ``in_id``,
            ``_since``, ``_limit``, ``_sort``, ``_fields``, …; any values.

    Raises:
        UnsupportedQuery: If the server cannot be asked that.
    """
    asked = [item for item in given.items() if item[1] is not None or not item[0].startswith("_")]
    return _telling_deletions(has_first(_parameter(name, value) for name, value in asked))


def _telling_deletions(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return *pairs* such that tombstones, which `_fields` would strip, can be told (T5)."""
    if not any(name in _MOMENTS or name.endswith("_last_modified") for name, _ in pairs):
        return pairs
    return [(name, f"{value},deleted" if name == "_fields" else value) for name, value in pairs]


def has_first(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return *pairs* in an order that all storages understand (F7)."""
    return sorted(pairs, key=lambda pair: not pair[0].startswith("has_"))


def raw_parameters(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return parameters of a query string: text as it is, anything else as JSON."""
    return [(name, _raw(name, value)) for name, value in given.items() if value is not None]


def controls(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return parameters that are no filters: ``_since`` as the server wants it, others as text."""
    return [
        (name, _control(name, jsonable(value)))
        for name, value in given.items()
        if value is not None
    ]


def text_of(value: Any) -> str:
    """Return *value* as JSON, which is what the server decodes (F1)."""
    return encode(value).decode()


def listed(values: Iterable[Any]) -> str:
    """Return *values* as the list that ``in_`` and ``exclude_`` take (F2)."""
    return ",".join(text_of(value).replace(",", "\\u002c") for value in values)


def _parameter(name: str, value: Any) -> tuple[str, str]:
    value = jsonable(list(value) if isinstance(value, (set, frozenset)) else value)
    if name.startswith("_"):
        return name, _control(name, value)
    found = _OPERATOR.fullmatch(name)
    operator, path = found.groups() if found else ("eq", name)
    if PATH.fullmatch(path) is None:
        msg = (
            f"{path!r} cannot be asked for: Kinto filters by keys of letters, digits, '_' and '.'"
            " only. Read the objects and compare here"
        )
        raise UnsupportedQuery(msg)
    if path == "last_modified":
        if operator in ("in", "exclude"):
            msg = f"Kinto does not take {operator}_last_modified: ask with gt_, lt_, min_ or max_"
            raise UnsupportedQuery(msg)
        value = _moments(value)
    elif path == "id":
        value = _ids(value)
    return f"{operator}_{path}", _value(operator, value)


def _value(operator: str, value: Any) -> str:
    if operator == "has":
        if not (isinstance(value, bool) or value in ("true", "false")):
            msg = f"has_… must be True or False, not {value!r}"
            raise UnsupportedQuery(msg)
        return str(value).lower()
    if operator in ("in", "exclude"):
        if isinstance(value, str) and "," in value:
            msg = f"{operator}_… must be a list of values, not {value!r}: Kinto would split it"
            raise UnsupportedQuery(msg)
        values = value if isinstance(value, list) else [value]
        if any(isinstance(each, (list, dict)) for each in values):
            msg = "Kinto cannot compare with a list of lists or objects: ask one by one"
            raise UnsupportedQuery(msg)
        return listed(values)
    return text_of(value)


def _control(name: str, value: Any) -> str:
    if name in _MOMENTS:
        return f'"{moment(name, value)}"'
    if name in ("_sort", "_fields"):
        return _names(name, value)
    return _raw(name, value)


def _names(name: str, value: Any) -> str:
    """Return names as ``_sort`` and ``_fields`` take them."""
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        msg = f"{name} must be the name of a field, or a list of names, not {value!r}"
        raise UnsupportedQuery(msg)
    names = [each.strip() for each in names]
    for each in names:
        if name == "_sort" and PATH.fullmatch(each.removeprefix("-")) is None:
            msg = f"_sort cannot be {each!r}: Kinto takes letters, digits, '_' and '.' only"
            raise UnsupportedQuery(msg)  # It would say nothing (F4).
    return ",".join(names)


def moment(name: str, value: Any) -> str:
    """Return a timestamp as digits: it may be given as an ETag, too."""
    text = str(value).strip('"')
    if isinstance(value, bool) or not (text.isascii() and text.isdigit()):
        msg = f"{name} must be a timestamp in milliseconds, not {value!r}"
        raise UnsupportedQuery(msg)
    return text


def _moments(value: Any) -> Any:
    """Return a timestamp as a number: with an operator, the server takes no ETag."""
    text = value.strip('"') if isinstance(value, str) else ""
    return int(text) if text.isascii() and text.isdigit() else value


def _ids(value: Any) -> Any:
    """Return ids as text, which is what they are there, also where they are numbers."""
    if isinstance(value, list):
        return [_ids(each) for each in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _raw(name: str, value: Any) -> str:
    value = jsonable(value)
    if isinstance(value, list):
        in_list = name.startswith(("in_", "exclude_"))
        return listed(value) if in_list else ",".join(_raw("", each) for each in value)
    return value if isinstance(value, str) else text_of(value)
