"""
Whether what came of two sides' changes has both, as far as a policy promises it.

This is another way to see it than a merge: the paths that each side changed, and what is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

from runs.documents import GONE, Document, alike, at, bare, leaves
from runs.witness import State


Path: TypeAlias = tuple[str, ...]

#: What a copy may have of its class, and what was there before it has not.
_DEFAULTS: Final[tuple[Any, ...]] = (None, False, 0, [])

#: What titles begin with that a handler gives while a commit is under way.
LATE: Final = "late #"

#: What a side changed: at each path, what is there.
Changes: TypeAlias = dict[Path, Any]


def changes(before: Document | None, after: Document) -> Changes:
    """Return what was changed."""
    return dict(leaves(before or {}, after))


def theirs(states: Sequence[State]) -> tuple[Changes, bool]:
    """
    Return what others changed while a record went through *states*, and whether it was gone.

    The first of *states* is what they began with.
    """
    found: Changes = {}
    gone, before = False, states[0].document if states else None
    for state in states[1:]:
        if state.document is None:
            found, gone = {}, True
        elif state.writer == "theirs":
            for path, value in leaves(bare(before or {}), bare(state.document)):
                found = {old: kept for old, kept in found.items() if not overlap(old, path)}
                found[path] = value
        before = state.document
    return found, gone


def overlap(one: Path, other: Path) -> bool:
    """Tell whether one of two paths is inside the other."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def overlaps(path: Path, others: Changes) -> list[Any]:
    """Return what *others* put at *path*, above or below it."""
    return [value for other, value in others.items() if overlap(path, other)]


def clash(one: Changes, other: Changes) -> bool:
    """Tell whether two sides may be said to clash: both changed something at one place."""
    return any(overlaps(path, other) for path in one)


def not_joined(
    found: Document,
    base: Document,
    ours: Changes,
    others: Changes,
    policy: str,
    *,
    defaults: Changes,
) -> Iterator[str]:
    """
    Give what *found* lacks of two sides' changes of *base*, or has besides them.

    The *defaults* of a new record are changes as well, but need not be there.
    """
    ours = {**ours, **defaults}
    for mine, other, wins in ((ours, others, "client_wins"), (others, ours, "server_wins")):
        whose = "ours" if mine is ours else "theirs"
        for path, value in mine.items():
            if mine is ours and path in defaults:
                continue
            if mine is others and str(value).startswith(LATE):
                continue  # Only the session gives such titles: it is its own, and came late.
            there, opposite = at(found, path), overlaps(path, other)
            if opposite and policy not in (wins, "merge"):
                continue
            if opposite and isinstance(value, list) and isinstance(opposite[0], list):
                held = there if isinstance(there, list) else []
                before = at(base, path)
                new = [each for each in value if not _has(before, each)]
                if not all(_has(held, each) for each in new):
                    yield f"{whose} of {'.'.join(path)} is {value!r}, and there is {there!r}"
            elif base or there is not GONE or value not in _DEFAULTS:
                if alike(there, value):
                    continue
                yield f"{whose} of {'.'.join(path)} is {value!r}, and there is {there!r}"
    for path, value in leaves(base, found):
        if not overlaps(path, ours) and not overlaps(path, others):
            yield f"nobody made {'.'.join(path)} {value!r}"


def _has(items: Any, item: Any) -> bool:
    return items is not GONE and any(alike(each, item) for each in items)
