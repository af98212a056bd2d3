"""
What became of a list: which of its items stayed, went, came, moved or changed inside.

JSON gives the items of a list no names, so that two lists alone do not always tell.  Here nothing
is guessed.  What is taken for certain is this:

- An item is where its like is, if both lists have it once: `_exact`.
- An object is where one is that shares with it what no other item of either list has, if both
  share nothing of the kind with a third: `_linked`.  It changed inside.
- The items that keep their order are the longest such sequence (`_anchors`), as far as there is
  one such sequence only.  What is certain and out of order moved.
- Between two items that stayed, what both lists begin and end with stayed as well; one item in the
  place of another is that item, changed.

Everything else is a `Hunk`.  It is *open* if what came of it may be read in more than one way: then
it can be taken as a whole, but nothing can be said of what is in it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, pairwise
from typing import Any

from attrs import evolve, frozen

from kinto_orm.flow.json import hashable, leaves


@frozen
class Hunk:
    """
    Neighbours in a list, and what is in their place now.  Either may be none.

    Attributes:
        start: The first of the neighbours.
        stop: The one after the last.
        now: The first item in their place.
        end: The one after the last.
        open: Whether it is open which of these became which, or whether one did at all.
    """

    start: int
    stop: int
    now: int
    end: int
    open: bool = False

    @property
    def gaps(self) -> range:
        """Return before which items of the old list it may have put something."""
        if self.open:
            return range(self.start, self.stop + 1)
        return range(self.start, self.start + (self.now < self.end))

    @property
    def is_one_for_one(self) -> bool:
        """Tell whether one item is in the place of one."""
        return (self.stop - self.start, self.end - self.now) == (1, 1)


@frozen
class Alignment:
    """
    What became of a list.

    Attributes:
        places: For each of its items where it is now, if it is still in order.
        moved: Where those are that are not in order.
        hunks: What is between the items that are in order.
        fresh: What the old list has nowhere, as hashable values, and where it is now.
    """

    places: tuple[int | None, ...]
    moved: Mapping[int, int]
    hunks: tuple[Hunk, ...]
    fresh: Mapping[Any, Sequence[int]]


def alignment(old: Sequence[Any], new: Sequence[Any]) -> Alignment:
    """
    Return what became of *old*, which is *new* now.

    It takes time in proportion to the size of both, n, and to n log n where items moved.
    """
    before, after = [hashable(item) for item in old], [hashable(item) for item in new]
    exact = _exact(before, after)
    linked, torn = _linked(old, new, before, after)
    certain = exact | linked
    anchors, moved = _anchors(certain)
    places: list[int | None] = [None] * len(old)
    for origin in anchors:
        places[origin] = certain[origin]
    shifted = _Items(frozenset(moved), frozenset(moved.values()))
    hunks: list[Hunk] = []
    for hunk in _left(places, before, after):
        is_open = hunk.open or torn.meet(hunk)
        if hunk.is_one_for_one and not is_open and not shifted.meet(hunk):
            places[hunk.start] = hunk.now
        else:
            several = hunk.start < hunk.stop and hunk.now < hunk.end
            hunks.append(evolve(hunk, open=is_open or several))
    return Alignment(tuple(places), moved, tuple(hunks), _fresh(before, after))


@frozen
class _Items:
    """Items of the old list and of the new one, by their indices."""

    old: frozenset[int]
    new: frozenset[int]

    def meet(self, hunk: Hunk) -> bool:
        """Tell whether one of them is in *hunk*."""
        return not (
            self.old.isdisjoint(range(hunk.start, hunk.stop))
            and self.new.isdisjoint(range(hunk.now, hunk.end))
        )


def _fresh(before: Sequence[Any], after: Sequence[Any]) -> dict[Any, list[int]]:
    known = set(before)
    fresh: dict[Any, list[int]] = {}
    for index, key in enumerate(after):
        if key not in known:
            fresh.setdefault(key, []).append(index)
    return fresh


# -- What is certain ---------------------------------------------------------------------------


def _exact(before: Sequence[Any], after: Sequence[Any]) -> dict[int, int]:
    """Return where the items are of which both lists have one."""
    here, there = _once(enumerate(before)), _once(enumerate(after))
    return {here[key]: there[key] for key in here if key in there}


def _once(found: Iterable[tuple[int, Any]]) -> dict[Any, int]:
    """Return what was *found* in one place only, and where."""
    places: dict[Any, int] = {}
    several: set[Any] = set()
    for index, key in found:
        if places.setdefault(key, index) != index:
            several.add(key)
    return {key: index for key, index in places.items() if key not in several}


def _linked(
    old: Sequence[Any], new: Sequence[Any], before: Sequence[Any], after: Sequence[Any]
) -> tuple[dict[int, int], _Items]:
    """Return where the objects are that changed inside, and the objects that may be several."""
    here, there = frozenset(before), frozenset(after)
    gone = {index for index, key in enumerate(before) if key not in there}
    come = {index for index, key in enumerate(after) if key not in here}
    if not gone or not come:
        return {}, _Items(frozenset(), frozenset())
    left, right = _once(_leaves_of(old)), _once(_leaves_of(new))
    links = {
        (left[leaf], right[leaf])
        for leaf in left
        if leaf in right and left[leaf] in gone and right[leaf] in come
    }
    links = {(o, n) for o, n in links if not _have_other_ids(old[o], new[n])}
    ends = Counter(o for o, _ in links), Counter(n for _, n in links)
    pairs = {o: n for o, n in links if ends[0][o] == ends[1][n] == 1}
    return pairs, _Items(
        frozenset(ends[0].keys() - pairs.keys()), frozenset(ends[1].keys() - pairs.values())
    )


def _leaves_of(items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    for index, item in enumerate(items):
        if isinstance(item, dict):
            for leaf in leaves(item):
                yield index, leaf


def _have_other_ids(one: Any, other: Any) -> bool:
    """Tell whether both objects have an id, each its own."""
    ids = one.get("id"), other.get("id")
    return None not in ids and hashable(ids[0]) != hashable(ids[1])


def are_alike(one: Any, other: Any) -> bool:
    """Tell whether two items, one in the place of the other, may be the same that changed."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return False
    shared = not set(leaves(one)).isdisjoint(leaves(other))
    return shared and not _have_other_ids(one, other)


def _anchors(certain: Mapping[int, int]) -> tuple[list[int], dict[int, int]]:
    """
    Return which items stayed in order, and where those are that moved.

    Those that stayed are in each of the longest sequences that are in order; those that moved are
    in none.  The others are neither: of two neighbours that changed places, each may have moved.
    """
    origins = sorted(certain)
    places = [certain[origin] for origin in origins]
    if all(one < other for one, other in pairwise(places)):
        return origins, {}
    up = _lengths(places)
    down = _lengths([-place for place in reversed(places)])[::-1]
    longest = max(up)
    within = [one + other - 1 == longest for one, other in zip(up, down, strict=True)]
    rivals = Counter(length for length, is_in in zip(up, within, strict=True) if is_in)
    rows = list(zip(origins, up, within, strict=True))
    anchors = [origin for origin, length, is_in in rows if is_in and rivals[length] == 1]
    return anchors, {origin: certain[origin] for origin, _, is_in in rows if not is_in}


def _lengths(numbers: Sequence[int]) -> list[int]:
    """Return for each number how long the longest rising sequence is that ends with it."""
    tails: list[int] = []
    lengths: list[int] = []
    for number in numbers:
        length = bisect_left(tails, number)
        tails[length : length + 1] = [number]
        lengths.append(length + 1)
    return lengths


# -- What is between ---------------------------------------------------------------------------


def _left(places: list[int | None], before: Sequence[Any], after: Sequence[Any]) -> Iterator[Hunk]:
    """Give what is between the items that have *places*; note there what has stayed of it."""
    regions = _between(places, len(after))
    trimmed = [_trimmed(region, before, after) for region in regions]
    for region, hunk in zip(regions, trimmed, strict=True):
        _stay(places, region, hunk)
    left = [hunk for hunk in trimmed if hunk.start < hunk.stop or hunk.now < hunk.end]
    return _with_copies_open(left, before, after)


def _between(places: Sequence[int | None], size: int) -> list[Hunk]:
    """Return what is before, between and after the items that have *places*."""
    known = [(origin, place) for origin, place in enumerate(places) if place is not None]
    ends = [(-1, -1), *known, (len(places), size)]
    return [
        Hunk(start + 1, stop, now + 1, end)
        for (start, now), (stop, end) in pairwise(ends)
        if (stop - start, end - now) != (1, 1)
    ]


def _trimmed(region: Hunk, before: Sequence[Any], after: Sequence[Any]) -> Hunk:
    """
    Return *region* without what it begins and ends with before and after.

    That is left out only if there is no copy of it in what remains: of three equal items of which
    two are left, nobody knows which one went.
    """
    start, stop, now, end = region.start, region.stop, region.now, region.end
    while start < stop and now < end and before[start] == after[now]:
        start, now = start + 1, now + 1
    while start < stop and now < end and before[stop - 1] == after[end - 1]:
        stop, end = stop - 1, end - 1
    outside = {*before[region.start : start], *before[stop : region.stop]}
    if not outside.isdisjoint(chain(before[start:stop], after[now:end])):
        return evolve(region, open=True)
    return Hunk(start, stop, now, end)


def _stay(places: list[int | None], region: Hunk, hunk: Hunk) -> None:
    """Note where the items are that are in *region*, but not in the *hunk* that is left of it."""
    for origin in range(region.start, hunk.start):
        places[origin] = region.now + origin - region.start
    for origin in range(hunk.stop, region.stop):
        places[origin] = region.end + origin - region.stop


def _with_copies_open(
    hunks: Sequence[Hunk], before: Sequence[Any], after: Sequence[Any]
) -> Iterator[Hunk]:
    """Give *hunks*, open where one lost what another gained: a copy may have moved."""
    lost = [set(before[hunk.start : hunk.stop]) for hunk in hunks]
    gained = [set(after[hunk.now : hunk.end]) for hunk in hunks]
    # What is certain to have moved is in no doubt: there is one of it.
    here, there = Counter(before), Counter(after)
    lost_at, gained_at = set(chain(*lost)), set(chain(*gained))
    copies = {key for key in lost_at & gained_at if here[key] > 1 or there[key] > 1}
    for hunk, gone, come in zip(hunks, lost, gained, strict=True):
        yield hunk if copies.isdisjoint(gone | come) else evolve(hunk, open=True)
