"""
A JSON Patch (RFC 6902) in few bytes: what changes inside a value, or all of it where that is less.

Lists are aligned (see `alignment`), so that an item which is inserted is one operation, wherever
that is.  Where items of one list stand against items of another, those are taken for the same item
that have most in common.  At each level the operations are weighed against the whole value.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from attrs import define, field

from kinto_orm.flow.json import hashable, same
from kinto_orm.session.subsequences import Pairs, aligned
from kinto_orm.transport.codec import encode


#: An operation, as RFC 6902 has it.
Operation: TypeAlias = dict[str, Any]

#: How many items are moved in a list, at the most: where each is has to be kept count of.
_MOVES: Final = 200

#: How many pairs of items are compared, at the most, to find which of them are alike.
_COMPARED: Final = 400

#: Bytes of an operation without its path and its value.
_REMOVAL, _ADDITION, _REPLACEMENT = 26, 32, 36


def json_patch(
    base: Mapping[str, Any], target: Mapping[str, Any], path: str = "/data"
) -> list[Operation]:
    """Return the operations that turn the object *base*, at *path*, into *target*."""
    return list(_in_object(base, target, path))


def json_size(value: Any) -> int:
    """Return how many bytes *value* has as JSON."""
    return len(encode(value))


def pointed(path: str, key: str) -> str:
    """Return the JSON Pointer (RFC 6901) to *key* of the object at *path*."""
    return f"{path}/{key.replace('~', '~0').replace('/', '~1')}"


def _changed(old: Any, new: Any, path: str) -> list[Operation]:
    """Return the fewest bytes that turn *old* into *new*."""
    if same(old, new):
        return []
    whole: list[Operation] = [{"op": "replace", "path": path, "value": new}]
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        inside = list(_in_object(old, new, path))
    elif isinstance(old, list) and isinstance(new, list):
        inside = list(_in_list(old, new, path))
    else:
        return whole
    return min(inside, whole, key=json_size)


def _in_object(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[Operation]:
    gone, added = _only_in(old, new), _only_in(new, old)
    for key, before in _renamed(gone, added):
        yield {"op": "move", "from": pointed(path, before), "path": pointed(path, key)}
        del gone[before], added[key]
    for key in gone:
        yield {"op": "remove", "path": pointed(path, key)}
    for key, value in new.items():
        if key in old:
            yield from _changed(old[key], value, pointed(path, key))
        elif key in added:
            yield {"op": "add", "path": pointed(path, key), "value": value}


def _only_in(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in one.items() if key not in other}


def _renamed(gone: Mapping[str, Any], added: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the keys that are new with a value of one that is gone, and which one that is."""
    if not gone or not added:
        return []
    places: defaultdict[Any, list[str]] = defaultdict(list)
    for key in gone:
        places[hashable(gone[key])].append(key)
    found = ((key, places[hashable(value)]) for key, value in added.items())
    return [(key, keys.pop()) for key, keys in found if keys]


# -- Lists -------------------------------------------------------------------------------------


def _in_list(old: Sequence[Any], new: Sequence[Any], path: str) -> Iterator[Operation]:
    numbers: dict[Any, int] = {}  # For each value, one that is compared at once.
    ones = [numbers.setdefault(hashable(item), len(numbers)) for item in old]
    others = [numbers.setdefault(hashable(item), len(numbers)) for item in new]
    kept = aligned(ones, others)
    moved = _moved(ones, others, kept)
    leaving = set(moved.values())
    edit, x, y = _Edit(path), 0, 0
    for i, j in [*kept, (len(old), len(new))]:
        free_old = [index for index in range(x, i) if index not in leaving]
        free_new = [index for index in range(y, j) if index not in moved]
        alike = _alike([old[a] for a in free_old], [new[b] for b in free_new], len(path))
        for a, b in [*((free_old[a], free_new[b]) for a, b in alike), (i, j)]:
            for index in range(x, a):
                yield from edit.passed(index, leaves=index in leaving)
            for index in range(y, b):
                yield from edit.placed(new[index], moved.get(index))
            if a < i:
                yield from _changed(old[a], new[b], edit.here)
            if a < len(old):
                edit.kept(a)
            x, y = a + 1, b + 1


def _moved(ones: Sequence[int], others: Sequence[int], kept: Pairs) -> dict[int, int]:
    """Return which items are elsewhere now: by their new positions, the old ones."""
    stay_old, stay_new = {i for i, _ in kept}, {j for _, j in kept}
    places: defaultdict[int, list[int]] = defaultdict(list)
    for index in range(len(ones) - 1, -1, -1):
        if index not in stay_old:
            places[ones[index]].append(index)
    found = ((j, places.get(item)) for j, item in enumerate(others) if j not in stay_new)
    moved = {j: where.pop() for j, where in found if where}
    return moved if len(moved) <= _MOVES else {}


@define
class _Edit:
    """
    A list that is changed from its beginning to its end, and where everything is meanwhile.

    What is before *at* is as it shall be, but for items that are to be moved to behind it.
    """

    path: str
    at: int = 0
    #: How many of the old items were passed.
    seen: int = 0
    #: Where items wait that are to be moved on, by their old positions.
    waiting: dict[int, int] = field(factory=dict[int, int])
    #: Old positions of items, not passed yet, that were moved to the front.
    fetched: list[int] = field(factory=list[int])

    @property
    def here(self) -> str:
        """Return the path of the item at hand."""
        return f"{self.path}/{self.at}"

    def kept(self, old: int) -> None:
        """Note that the item *old* stays."""
        self.at, self.seen = self.at + 1, old + 1

    def passed(self, old: int, *, leaves: bool) -> Iterator[Operation]:
        """Remove the item *old*, unless it *leaves* for another place, or has left."""
        self.seen = old + 1
        if not leaves:
            yield {"op": "remove", "path": self.here}
        elif old not in self.fetched:
            self.waiting[old] = self.at
            self.at += 1

    def placed(self, value: Any, old: int | None) -> Iterator[Operation]:
        """Insert *value*, or move it from where it was, at *old*."""
        if old is None:
            yield {"op": "add", "path": self.here, "value": value}
            self.at += 1
        elif old in self.waiting:
            yield from self._moved_on(old)
        else:
            ahead = bisect_left(self.fetched, old) - bisect_left(self.fetched, self.seen)
            source = self.at + old - self.seen - ahead
            yield {"op": "move", "from": f"{self.path}/{source}", "path": self.here}
            insort(self.fetched, old)
            self.at += 1

    def _moved_on(self, old: int) -> Iterator[Operation]:
        source = self.waiting.pop(old)
        for each, place in self.waiting.items():
            self.waiting[each] = place - (place > source)
        if source != self.at - 1:
            target = f"{self.path}/{self.at - 1}"
            yield {"op": "move", "from": f"{self.path}/{source}", "path": target}


# -- Which items are alike ---------------------------------------------------------------------


def _alike(old: Sequence[Any], new: Sequence[Any], weight: int) -> Pairs:
    """
    Return which items of *old* had best become which of *new*, in order.

    Of more than can be compared with each other, those at the same place are.

    Args:
        old: Items, none of which is in the other list.
        new: The others.
        weight: Bytes of the path of the list.
    """
    if len(old) * len(new) > _COMPARED:
        return [(index, index) for index in range(min(len(old), len(new)))]
    sizes = [json_size(item) for item in new]
    removal = weight + _REMOVAL
    additions = [weight + _ADDITION + size for size in sizes]
    costs = [[sum(additions[j:]) for j in range(len(new) + 1)]]
    choices: list[list[int]] = []
    for i in range(len(old) - 1, -1, -1):
        row, choice, below = [costs[0][-1] + removal], [0], costs[0]
        for j in range(len(new) - 1, -1, -1):
            ways = (
                _distance(old[i], new[j], weight, sizes[j]) + below[j + 1],
                removal + below[j],
                additions[j] + row[0],
            )
            row.insert(0, min(ways))
            choice.insert(0, ways.index(row[0]))
        costs.insert(0, row)
        choices.insert(0, choice)
    return _chosen(choices, len(old), len(new))


def _chosen(choices: Sequence[Sequence[int]], rows: int, columns: int) -> Pairs:
    pairs: Pairs = []
    i = j = 0
    while i < rows and j < columns:
        if choices[i][j] == 0:
            pairs.append((i, j))
        i, j = i + (choices[i][j] != 2), j + (choices[i][j] != 1)
    return pairs


def _distance(old: Any, new: Any, weight: int, size: int) -> int:
    """Return how many bytes it takes to make *new* of *old*, about; *size* is that of *new*."""
    whole = weight + _REPLACEMENT + size
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = [key for key in new if key not in old or not same(old[key], new[key])]
        parts = [weight + _REPLACEMENT + len(key) + json_size(new[key]) for key in keys]
        gone = len(old.keys() - new.keys())
        return min(whole, sum(parts) + gone * (weight + _REMOVAL))
    if isinstance(old, list) and isinstance(new, list):
        before, after = Counter(map(hashable, old)), Counter(map(hashable, new))
        gone, added = (before - after).total(), (after - before).total()
        share = size // max(len(new), 1)
        return min(whole, gone * (weight + _REMOVAL) + added * (weight + _ADDITION + share))
    return whole
