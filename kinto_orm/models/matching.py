"""
What a filter of the server finds, said of one document.

The rules are those of a server on PostgreSQL (docs/protocol.md, F5 to F7); where the memory
storage has others, docs/queries.md says so.  Text is ordered by code points, as a database with
the collation ``C`` does, and as the memory storage does.
"""

from __future__ import annotations

import operator
import re

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final


#: What stands where a document has no such key.
MISSING: Final = object()

_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "eq": operator.eq,
    "not": operator.ne,
    "lt": operator.lt,
    "max": operator.le,
    "gt": operator.gt,
    "min": operator.ge,
}


def found_at(document: Mapping[str, Any], path: Iterable[str]) -> Any:
    """Return what is at *path*, which leads through objects alone; `MISSING` if nothing is."""
    value: Any = document
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return MISSING
        value = value[key]
    return value


def fulfils(found: Any, comparison: str, value: Any) -> bool:
    """
    Tell whether a filter finds a document.

    Args:
        found: What the document has at the path of the filter, or `MISSING`.
        comparison: A `kinto_orm.models.conditions.Operator`.
        value: What it is compared with, as JSON.
    """
    if comparison in _COMPARISONS:
        return _COMPARISONS[comparison](canonical(found), canonical(value))
    if comparison == "has":
        return (found is not MISSING) is value
    if comparison in ("in", "exclude"):
        return (canonical(found) in map(canonical, value)) is (comparison == "in")
    if comparison == "contains":
        return isinstance(found, (list, tuple)) and includes(found, value)
    if comparison == "contains_any":
        return isinstance(found, (list, tuple)) and not {*map(canonical, found)}.isdisjoint(
            map(canonical, value)
        )
    return isinstance(found, str) and _resembles(found, comparison, value)


def canonical(value: Any) -> tuple[int, Any]:
    """
    Return a JSON value, or `MISSING`, such that equal values are equal, and the order is Kinto's.

    That is: null, text, number, boolean, list, object, missing; but PostgreSQL has an empty list
    before null.  Among lists, and among objects, there is no order.
    """
    if value is MISSING:
        return 6, ()
    if value is None:
        return 0, ()
    if isinstance(value, str):
        return 1, value
    if isinstance(value, bool):
        return 3, value
    if isinstance(value, (int, float)):
        # A float is what it is written as, which is not quite what it is in binary.
        return 2, Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if isinstance(value, (list, tuple)):
        return (4, tuple(map(canonical, value))) if value else (-1, ())
    if isinstance(value, Mapping):
        return 5, frozenset((key, canonical(inner)) for key, inner in value.items())
    msg = f"{value!r:.60} is no JSON value"
    raise TypeError(msg)


def includes(outer: Any, inner: Any) -> bool:
    """Tell whether *outer* contains *inner* as PostgreSQL's ``@>`` has it: objects in part, too."""
    if isinstance(outer, Mapping) and isinstance(inner, Mapping):
        return all(key in outer and includes(outer[key], inner[key]) for key in inner)
    if isinstance(outer, (list, tuple)) and isinstance(inner, (list, tuple)):
        return all(any(includes(one, item) for one in outer) for item in inner)
    return canonical(outer) == canonical(inner)


def _resembles(found: str, comparison: str, text: str) -> bool:
    found, text = _folded(found), _folded(text)
    if comparison == "startswith":
        return found.startswith(text)
    if comparison == "endswith":
        return found.endswith(text)
    if "*" not in text:
        return text in found
    return bool(re.fullmatch(".*".join(map(re.escape, text.split("*"))), found, re.DOTALL))


def _folded(text: str) -> str:
    """Return *text* in lower case, each letter by itself and as one letter, as ``lower()`` does."""
    return "".join(letter.lower()[0] for letter in text)
