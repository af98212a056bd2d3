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

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

from kinto_orm.flow.json import common_ends, hashable, leaves, same


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
    moved = _moved(written, old, new)
    # A default that was missing may stay so.
    added = {
        key: moved.get(key, value)
        for key, value in new.items()
        if key not in written and not same(old.get(key, _MISSING), value)
    }
    return {**result, **added}


def _moved(written: dict[str, Any], old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return what was written under keys that are gone, and is under others now, as it is."""
    gone = [key for key in old if key not in new and key in written]
    moved: dict[str, Any] = {}
    for key, value in new.items():
        if key not in old and key not in written:
            origin = next((each for each in gone if same(old[each], value)), None)
            if origin is not None:
                gone.remove(origin)
                moved[key] = written[origin]
    return moved


def _merged_list(written: list[Any], old: list[Any], new: list[Any]) -> list[Any]:
    if len(written) != len(old):
        return new  # Which item of one is which of the other, nobody knows.
    origins = aligned(old, new)
    return [
        value if origin is None else merged(written[origin], old[origin], value)
        for value, origin in zip(new, origins, strict=True)
    ]


def aligned(old: list[Any], new: list[Any]) -> list[int | None]:
    """
    Return for each item of *new* which item of *old* it was; None if it was not there.

    What both lists begin and end with has stayed.  Between, an item is one that equals it,
    wherever that was; then the one that has most in common with it; what is left is taken in order,
    if there are as many left on both sides.
    """
    found: list[int | None] = [None] * len(new)
    start, end = common_ends(old, new)
    for index in range(start):
        found[index] = index
    for index in range(1, end + 1):
        found[len(new) - index] = len(old) - index
    left = list(range(start, len(old) - end))
    open_ = list(range(start, len(new) - end))
    for pairs in (_equal, _alike):
        for origin, index in list(pairs(old, new, left, open_)):
            found[index] = origin
            left.remove(origin)
            open_.remove(index)
    if len(left) == len(open_):
        for origin, index in zip(left, open_, strict=True):
            found[index] = origin
    return found


def recognised(old: list[Any], new: list[Any]) -> list[int | None]:
    """
    Return for each object of *new* which of *old* it was, if that is certain enough to say.

    It is one that equals it; or one with which it shares what no other has; or the one that was in
    its place, between the same neighbours.
    """
    found: list[int | None] = aligned(old, new)
    here, there = [set(leaves(item)) for item in old], [set(leaves(item)) for item in new]
    count = Counter(leaf for leaves in (*here, *there) for leaf in leaves)
    ends: list[int | None] = [-1, *found, len(old)]

    def is_certain(index: int, origin: int) -> bool:
        return (
            same(old[origin], new[index])
            or any(count[leaf] == 2 for leaf in here[origin] & there[index])
            or (ends[index], ends[index + 2]) == (origin - 1, origin + 1)
        )

    return [
        origin if origin is not None and is_certain(index, origin) else None
        for index, origin in enumerate(found)
    ]


def _equal(
    old: list[Any], new: list[Any], left: Iterable[int], open_: Iterable[int]
) -> Iterator[tuple[int, int]]:
    places: dict[Any, list[int]] = {}
    for origin in left:
        places.setdefault(hashable(old[origin]), []).append(origin)
    for index in open_:
        if equal := places.get(hashable(new[index])):
            yield equal.pop(0), index


def _alike(
    old: list[Any], new: list[Any], left: list[int], open_: list[int]
) -> Iterator[tuple[int, int]]:
    here, there = [set(leaves(item)) for item in old], [set(leaves(item)) for item in new]
    count = Counter(leaf for leaves in (*here, *there) for leaf in leaves)

    def rank(pair: tuple[int, int]) -> tuple[float, int]:
        """Return what has most in common first; of these, what stands between the same items."""
        origin, index = pair
        known = origin - bisect_left(left, origin), index - bisect_left(open_, index)
        # What few items have says more than what many have.
        common = sum(1 / count[leaf] for leaf in here[origin] & there[index])
        return -common, abs(known[0] - known[1])

    pairs = [(o, i) for o in left for i in open_ if here[o] & there[i]]
    used: tuple[set[int], set[int]] = set(), set()
    for origin, index in sorted(pairs, key=rank):
        if origin not in used[0] and index not in used[1]:
            used[0].add(origin)
            used[1].add(index)
            yield origin, index
