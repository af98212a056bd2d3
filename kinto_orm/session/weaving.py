"""
What two sides made of a list, made one: item by item, or not at all.

Both lists are laid along the one that they come from (see `alignment`).  What is beside each other
then is put together, unless it is not certain how:

- Both put different items at the same place: nobody knows which come first.
- One changed, moved or rewrote what the other removed, moved or rewrote.
- One put something beside an item that the other moved: nobody knows whether it goes along.
- Both put an item that is new, and the same, each at a place of its own: it may be meant once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Literal

from attrs import frozen

from kinto_orm.flow.json import nearly_same
from kinto_orm.session.alignment import Alignment, Hunk, alignment


@frozen
class Kept:
    """
    An item that both sides kept in its place.

    Attributes:
        base: What it was.
        local: What one side made of it.
        remote: What the other made of it.
        index: Where it is in the local list.
    """

    base: Any
    local: Any
    remote: Any
    index: int


@frozen
class Put:
    """Items that one side put where they are, or both did."""

    items: Sequence[Any]


def woven(
    base: Sequence[Any], local: Sequence[Any], remote: Sequence[Any]
) -> Iterator[Kept | Put] | None:
    """
    Return what the merged list is made of, in order; None if that is not certain.

    It takes time in proportion to the size of the three, n; to n log n where items moved.
    """
    ours = _Side(base, local, alignment(base, local))
    theirs = _Side(base, remote, alignment(base, remote))
    shared = _shared(ours, theirs)
    if (
        _leaves_alone(ours, theirs, shared)
        and _leaves_alone(theirs, ours, shared)
        and _meet_at_places(ours, theirs)
    ):
        return _pieces(ours, theirs, shared)
    return None


@frozen
class _Side:
    """What one side made of a list."""

    base: Sequence[Any]
    now: Sequence[Any]
    alignment: Alignment

    def put(self, hunk: Hunk | None) -> Sequence[Any]:
        """Return what is in the place of *hunk*."""
        return () if hunk is None else self.now[hunk.now : hunk.end]

    def hunks(self) -> dict[int, Hunk]:
        """Return the hunks, by where they start."""
        return {hunk.start: hunk for hunk in self.alignment.hunks}

    def keeps(self, origin: int) -> bool:
        """Tell whether an item is as it was, and in its place."""
        place = self.alignment.places[origin]
        return place is not None and nearly_same(self.base[origin], self.now[place])

    def fate(self, origin: int) -> Literal["kept", "moved", "removed"]:
        """Return what became of an item."""
        if self.alignment.places[origin] is not None:
            return "kept"
        return "moved" if origin in self.alignment.moved else "removed"


def _shared(ours: _Side, theirs: _Side) -> frozenset[int]:
    """Return where the hunks start of which both sides made the same."""
    others = theirs.hunks()
    return frozenset(
        start
        for start, hunk in ours.hunks().items()
        if (other := others.get(start)) is not None
        and (hunk.stop, hunk.open) == (other.stop, other.open)
        and nearly_same(ours.put(hunk), theirs.put(other))
    )


def _leaves_alone(ours: _Side, theirs: _Side, shared: Collection[int]) -> bool:
    """Tell whether *ours* did nothing to what *theirs* changed, but for what is *shared*."""
    gaps = {gap for hunk in theirs.alignment.hunks for gap in hunk.gaps}
    apart = [hunk for hunk in ours.alignment.hunks if hunk.start not in shared]
    return (
        all(gaps.isdisjoint(hunk.gaps) for hunk in apart)
        and all(_takes_what_is_free(hunk, ours, theirs) for hunk in apart)
        and _moves_what_is_free(ours, theirs, gaps, shared)
    )


def _takes_what_is_free(hunk: Hunk, ours: _Side, theirs: _Side) -> bool:
    """Tell whether the other side kept what is in *hunk*, or it is gone from both in one way."""
    return all(
        theirs.keeps(origin) or (not hunk.open and ours.fate(origin) == theirs.fate(origin))
        for origin in range(hunk.start, hunk.stop)
    )


def _moves_what_is_free(
    ours: _Side, theirs: _Side, gaps: Collection[int], shared: Collection[int]
) -> bool:
    """Tell whether the other side let be what *ours* moved, or moved it to the same place."""
    here, there = _landed(ours, shared), _landed(theirs, shared)
    return all(
        origin in here and origin in there
        if origin in theirs.alignment.moved
        else theirs.keeps(origin) and origin not in gaps and origin + 1 not in gaps
        for origin in ours.alignment.moved
    )


def _landed(side: _Side, shared: Collection[int]) -> set[int]:
    """Return which items moved to where both sides put the same."""
    hunks = [hunk for hunk in side.alignment.hunks if hunk.start in shared]
    places = {place for hunk in hunks for place in range(hunk.now, hunk.end)}
    return {origin for origin, place in side.alignment.moved.items() if place in places}


def _meet_at_places(ours: _Side, theirs: _Side) -> bool:
    """Tell whether what is new, and the same on both sides, is at the same places."""
    here, there = ours.alignment.fresh, theirs.alignment.fresh
    both = here.keys() & there.keys()
    if not both:
        return True
    sites = _sites(ours), _sites(theirs)
    return all(
        [sites[0][place] for place in here[key]] == [sites[1][place] for place in there[key]]
        for key in both
    )


def _sites(side: _Side) -> dict[int, tuple[str, int]]:
    """Return for each item of the list as it is now where that is in the old one."""
    kept = {
        place: ("in place of", origin)
        for origin, place in enumerate(side.alignment.places)
        if place is not None
    }
    put = {
        place: ("put before", hunk.start)
        for hunk in side.alignment.hunks
        for place in range(hunk.now, hunk.end)
    }
    return kept | put


def _pieces(ours: _Side, theirs: _Side, shared: Collection[int]) -> Iterator[Kept | Put]:
    mine, others = ours.hunks(), theirs.hunks()
    for origin in range(len(ours.base) + 1):
        if origin not in shared:
            yield Put(ours.put(mine.get(origin)))
        yield Put(theirs.put(others.get(origin)))
        if origin < len(ours.base):
            here, there = ours.alignment.places[origin], theirs.alignment.places[origin]
            if here is not None and there is not None:
                yield Kept(ours.base[origin], ours.now[here], theirs.now[there], here)
