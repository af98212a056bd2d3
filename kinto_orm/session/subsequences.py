"""
Which items of a list are still there in another: the longest common subsequence, or nearly so.

Few edits are found exactly, in time that grows with the lists and with the square of the edits
(Eugene W. Myers, "An O(ND) Difference Algorithm and Its Variations", 1986).  If there are many,
the items that either list has just once are lined up first, and what is between these exactly.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias


#: Positions in two lists that hold the same, in order.
Pairs: TypeAlias = list[tuple[int, int]]

#: How many edits are looked for, and how many items compared on the way, before it is given up.
_EDITS: Final = 512
_STEPS: Final = 1_000_000


def aligned(one: Sequence[Hashable], other: Sequence[Hashable]) -> Pairs:
    """Return the positions at which *one* and *other* have the same items, in order."""
    pairs = _shortest(one, other)
    return list(_anchored(one, other)) if pairs is None else pairs


def _anchored(one: Sequence[Hashable], other: Sequence[Hashable]) -> Iterator[tuple[int, int]]:
    """Give pairs, with those first in mind that leave no choice."""
    x = y = 0
    for i, j in [*_anchors(one, other), (len(one), len(other))]:
        between = _shortest(one[x:i], other[y:j]) or []
        yield from ((x + a, y + b) for a, b in between)
        if i < len(one):
            yield i, j
        x, y = i + 1, j + 1


def _anchors(one: Sequence[Hashable], other: Sequence[Hashable]) -> Pairs:
    """Return the longest series of pairs of items that are in each list once."""
    counts = Counter(one), Counter(other)
    places = {item: j for j, item in enumerate(other) if counts[1][item] == 1}
    pairs = [
        (i, places[item]) for i, item in enumerate(one) if item in places and counts[0][item] == 1
    ]
    return _rising(pairs)


def _rising(pairs: Pairs) -> Pairs:
    """Return the longest part of *pairs* in which both positions rise."""
    tails: list[int] = []  # Of series of each length, the least position that one ends with.
    last: list[int] = []  # Which pair that is.
    before: list[int] = []  # For each pair, which one precedes it.
    for index, (_, j) in enumerate(pairs):
        length = bisect_left(tails, j)
        before.append(last[length - 1] if length else -1)
        tails[length:] = [j, *tails[length + 1 :]] if length < len(tails) else [j]
        last[length:] = [index, *last[length + 1 :]] if length < len(last) else [index]
    found: Pairs = []
    index = last[-1] if last else -1
    while index >= 0:
        found.append(pairs[index])
        index = before[index]
    return found[::-1]


def _shortest(one: Sequence[Hashable], other: Sequence[Hashable]) -> Pairs | None:
    """Return the pairs that the fewest edits leave; None if that takes too many."""
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    head = [(index, index) for index in range(start)]
    tail = _edited(one[start:], other[start:])
    return None if tail is None else head + [(start + i, start + j) for i, j in tail]


def _edited(one: Sequence[Hashable], other: Sequence[Hashable]) -> Pairs | None:
    """
    Return the same for lists that begin with different items.

    With each edit that is allowed, the furthest point is found that can be reached on each
    diagonal, which is a difference of positions.
    """
    furthest, trail, steps = {1: 0}, list[dict[int, int]](), 0
    for edits in range(min(len(one) + len(other), _EDITS) + 1):
        trail.append(dict(furthest))
        for diagonal in range(-edits, edits + 1, 2):
            x = start = _entered(furthest, diagonal, edits)[0]
            y = x - diagonal
            while x < len(one) and y < len(other) and one[x] == other[y]:
                x, y = x + 1, y + 1
            furthest[diagonal] = x
            steps += x - start
            if x >= len(one) and y >= len(other):
                return _traced(trail, len(one), len(other))
        if steps > _STEPS:
            break
    return None


def _entered(furthest: Mapping[int, int], diagonal: int, edits: int) -> tuple[int, int]:
    """Return where the last edit leads to on *diagonal*, and from which one it comes."""
    if diagonal == -edits or (
        diagonal != edits and furthest[diagonal - 1] < furthest[diagonal + 1]
    ):
        return furthest[diagonal + 1], diagonal + 1
    return furthest[diagonal - 1] + 1, diagonal - 1


def _traced(trail: Sequence[Mapping[int, int]], x: int, y: int) -> Pairs:
    """Return the pairs on the way that led to *x* and *y*, the ends of both lists."""
    pairs: Pairs = []
    for edits in range(len(trail) - 1, -1, -1):
        _, diagonal = _entered(trail[edits], x - y, edits)
        from_x = trail[edits][diagonal]
        from_y = from_x - diagonal
        while x > from_x and y > from_y:
            x, y = x - 1, y - 1
            pairs.append((x, y))
        x, y = from_x, from_y
    return pairs[::-1]
