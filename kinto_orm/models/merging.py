"""
A change of a value, made to what is written of it.

A value may be written with more than it keeps: keys that its class does not declare, an ISO 8601
date without dashes.  So what changed is found between two normal forms, that of what was loaded
and that of what there is now, and is then made to what was written.  There, everything that the
change does not touch stays as it is.

What is written has no place in the normal form where they differ in shape; there, the new normal
form is taken as it is.  Whoever merges sees to it that what comes out means the new value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from kinto_orm.flow.json import same


_MISSING: Final = object()


def merged(written: Any, old: Any, new: Any) -> Any:
    """
    Return *written* with the change from *old* to *new*.

    Args:
        written: What a document has.
        old: What it would have, were it written again.
        new: What it shall mean.
    """
    if same(old, new):
        return written
    if isinstance(written, dict) and isinstance(old, dict) and isinstance(new, dict):
        return _merged_object(written, old, new)
    if isinstance(written, list) and isinstance(old, list) and isinstance(new, list):
        if len(written) == len(old):
            return _merged_list(written, old, new)
    return new


def _merged_object(
    written: dict[str, Any], old: dict[str, Any], new: dict[str, Any]
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in written.items():
        if key in new:
            result[key] = merged(value, old.get(key, _MISSING), new[key])
        elif key not in old:
            result[key] = value  # Not declared.
    for key, value in new.items():
        if key not in written and not same(old.get(key, _MISSING), value):
            result[key] = value  # Else it is a default, which was missing and may stay so.
    return result


def _merged_list(written: list[Any], old: list[Any], new: list[Any]) -> list[Any]:
    origins = aligned(old, new)
    return [
        value if origin is None else merged(written[origin], old[origin], value)
        for value, origin in zip(new, origins, strict=True)
    ]


def aligned(old: list[Any], new: list[Any]) -> list[int | None]:
    """
    Return for each item of *new* which item of *old* it was; None if it was not there.

    What both lists begin and end with has stayed.  Between, an item is one that equals it,
    wherever that was; then an object is the one that has most in common with it; what is left is
    taken in order, if there are as many left on both sides.
    """
    found: list[int | None] = [None] * len(new)
    start, end = _ends(old, new)
    for index in range(start):
        found[index] = index
    for index in range(1, end + 1):
        found[len(new) - index] = len(old) - index
    left = list(range(start, len(old) - end))
    open_ = list(range(start, len(new) - end))
    for pairs in (_equal, _alike, _in_order):
        for origin, index in list(pairs(old, new, left, open_)):
            found[index] = origin
        taken = {origin for origin in found if origin is not None}
        left = [origin for origin in left if origin not in taken]
        open_ = [index for index in open_ if found[index] is None]
    return found


def _ends(old: list[Any], new: list[Any]) -> tuple[int, int]:
    """Return how many items both lists begin with, and how many of the others they end with."""
    shorter = min(len(old), len(new))
    start = 0
    while start < shorter and same(old[start], new[start]):
        start += 1
    end = 0
    while end < shorter - start and same(old[-1 - end], new[-1 - end]):
        end += 1
    return start, end


def _equal(
    old: list[Any], new: list[Any], left: Iterable[int], open_: Iterable[int]
) -> Iterator[tuple[int, int]]:
    places: dict[Any, list[int]] = {}
    for origin in left:
        places.setdefault(_hashable(old[origin]), []).append(origin)
    for index in open_:
        if equal := places.get(_hashable(new[index])):
            yield equal.pop(0), index


def _alike(
    old: list[Any], new: list[Any], left: Iterable[int], open_: Iterable[int]
) -> Iterator[tuple[int, int]]:
    free = [origin for origin in left if isinstance(old[origin], dict)]
    for index in open_:
        value = new[index]
        if isinstance(value, dict) and free:
            best = max(free, key=lambda origin: _common(old[origin], value))
            if _common(old[best], value):
                free.remove(best)
                yield best, index


def _common(one: dict[str, Any], other: dict[str, Any]) -> int:
    return sum(same(value, other.get(key, _MISSING)) for key, value in one.items())


def _in_order(
    old: list[Any], new: list[Any], left: list[int], open_: list[int]
) -> Iterator[tuple[int, int]]:
    if len(left) == len(open_):
        yield from zip(left, open_, strict=True)


def _hashable(value: Any) -> Any:
    """Return what has the same hash, and is equal, where JSON values are the same."""
    if isinstance(value, dict):
        return frozenset((key, _hashable(item)) for key, item in value.items())
    if isinstance(value, list):
        return tuple(map(_hashable, value))
    return isinstance(value, bool), value
