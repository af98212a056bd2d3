"""JSON values as Python has them: copied, and compared as JSON compares."""

from __future__ import annotations

import math
import operator

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final


_SCALARS = frozenset({str, int, float, bool, type(None)})

_MISSING: Final = object()

#: Those of which two are compared by what they are, whatever is compared how.
_PLAIN = frozenset({str, int, bool})


def copied(value: Any) -> Any:
    """Return a copy of a JSON *value*, so that changing one does not change the other."""
    kind = value.__class__
    if kind in _SCALARS:
        return value
    if isinstance(value, Mapping):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [copied(item) for item in value]
    return value


def _comparison(equal: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Return what tells whether two JSON values are the same, by *equal* for text and numbers."""

    def same(one: Any, other: Any) -> bool:
        if one is other:
            return True
        kind = one.__class__
        if kind is other.__class__ and kind in _PLAIN:  # As most are.
            return bool(equal(one, other))
        if kind is dict is other.__class__:
            return len(one) == len(other) and all(
                item is (there := other.get(key, _MISSING)) or same(item, there)
                for key, item in one.items()
            )
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
        if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
            return len(one) == len(other) and all(map(same, one, other))
        return isinstance(one, bool) == isinstance(other, bool) and bool(equal(one, other))

    return same


def _is_close(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-15)
    return bool(one == other)


_exactly, _nearly = _comparison(operator.eq), _comparison(_is_close)


def same(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are equal: ``1`` is ``1.0``, but not ``true``."""
    return _exactly(one, other)


def nearly_same(one: Any, other: Any) -> bool:
    """Tell the same, but compare floats by as many digits as Kinto keeps (D1)."""
    return _nearly(one, other)


def common_ends(one: Sequence[Any], other: Sequence[Any]) -> tuple[int, int]:
    """Return how many items both lists begin with, and how many of the others they end with."""
    shorter = min(len(one), len(other))
    start = 0
    while start < shorter and same(one[start], other[start]):
        start += 1
    end = 0
    while end < shorter - start and same(one[-1 - end], other[-1 - end]):
        end += 1
    return start, end


def hashable(value: Any) -> Any:
    """Return what has the same hash, and is equal, where JSON values are the same."""
    if isinstance(value, dict):
        return frozenset((key, hashable(item)) for key, item in value.items())
    if isinstance(value, list):
        return tuple(map(hashable, value))
    return isinstance(value, bool), value


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give what *value* holds, each with its path; what is empty says nothing."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, path)
    elif value:
        yield path, hashable(value)
