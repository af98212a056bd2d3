"""
What two sides made of a document, made one.

    base     {"title": "Trip", "stops": ["Rome", "Oslo"]}
    local    {"title": "Tour", "stops": ["Rome", "Oslo", "Bonn"]}
    remote   {"title": "Trip", "stops": ["Oslo"]}
    merged   {"title": "Tour", "stops": ["Oslo", "Bonn"]}

What one side changed is as that side has it.  Where both changed the same, to something different,
the two *clash*, and one of them is preferred as a whole.

Objects are merged key by key, lists item by item.  An item of a list has no name, so a list is
merged only where it is certain what became of each item, and where the new ones go (see
`weaving`).  Otherwise the whole list clashes.  No value is made up: each one is in one of the
three.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Sequence
from typing import Any, Final, Literal, TypeAlias

from attrs import frozen

from kinto_orm.flow.json import hashable, nearly_same, same
from kinto_orm.flow.messages import Document
from kinto_orm.session.alignment import are_alike
from kinto_orm.session.snapshots import within
from kinto_orm.session.weaving import Kept, Put, woven


Side = Literal["local", "remote"]

_MISSING: Final = object()
_OPEN: Final = object()


@frozen
class _Clash:
    """Two values for one path, each of which may be missing."""

    path: str
    local: Any
    remote: Any


#: A merge: asks which value to take where the sides clash, returns what comes out.
_Merging: TypeAlias = Generator[_Clash, Any, Any]


@frozen
class Merged:
    """
    A document that two sides changed.

    Attributes:
        document: Both changes, made one; at the paths that clash, the value of one side.
        clashes: The paths at which both made different changes, as in ``stops[1].city``, sorted.
            An index is one of the local list.
    """

    document: Document
    clashes: tuple[str, ...] = ()


def three_way(
    base: Document,
    local: Document,
    remote: Document,
    *,
    prefer: Side = "local",
    sets: Collection[str] = (),
) -> Merged:
    """
    Merge what became of *base* on two sides.

    Where both made nearly the same of it (see `nearly_same`), that is spelt as *remote* has it.
    The result shares values with the three documents; copy it before you change it.

    It takes time in proportion to the size of the documents, n: O(n) for each level of objects and
    lists in which both sides changed something, O(n log n) for lists in which items moved.

    Args:
        base: What both began with, without a timestamp; empty if there was nothing.
        local: What one side made of it.
        remote: What the other made of it.
        prefer: The side whose value is taken where they clash.
        sets: Keys of the document whose lists are sets.  These never clash.
    """
    sides = base, local, remote
    apart = {key for key in sets if all(isinstance(side.get(key, []), list) for side in sides)}
    before, here, there = (_without(side, apart) for side in sides)
    clashes: list[str] = []
    document = _decided(_object(before, here, there, ""), prefer, clashes)
    for key in sorted(apart):
        value = _set(*(side.get(key, _MISSING) for side in sides))
        if value is not _MISSING:
            document[key] = value
    return Merged(document, tuple(sorted(clashes)))


def _without(document: Document, keys: Collection[str]) -> Document:
    return {key: value for key, value in document.items() if key not in keys}


def _decided(merging: _Merging, prefer: Side, clashes: list[str]) -> Any:
    """Return what comes out of *merging* if one side is preferred; note where that mattered."""
    try:
        clash = next(merging)
        while True:
            clashes.append(clash.path)
            clash = merging.send(clash.local if prefer == "local" else clash.remote)
    except StopIteration as done:
        return done.value


def _value(base: Any, local: Any, remote: Any, path: str) -> _Merging:
    """Merge values, each of which may be missing."""
    settled = _settled(base, local, remote)
    if settled is not _OPEN:
        return settled
    return (yield from _both(base, local, remote, path))


def _both(base: Any, local: Any, remote: Any, path: str) -> _Merging:
    """Merge values that both sides changed."""
    if isinstance(local, dict) and isinstance(remote, dict):
        before = {} if base is _MISSING else base
        if isinstance(before, dict):
            return (yield from _object(before, local, remote, path))
    if isinstance(base, list) and isinstance(local, list) and isinstance(remote, list):
        pieces = woven(base, local, remote)
        if pieces is not None:
            return (yield from _list(pieces, path))
    return (yield _Clash(path, local, remote))


def _settled(base: Any, local: Any, remote: Any) -> Any:
    """Return what comes out if one side changed nothing, or both the same; or else `_OPEN`."""
    if same(base, local):
        return remote
    if same(base, remote):
        return local
    if nearly_same(local, remote) or nearly_same(base, local):
        return remote
    return local if nearly_same(base, remote) else _OPEN


def _object(base: Document, local: Document, remote: Document, path: str) -> _Merging:
    result: Document = {}
    for key in {**remote, **local}:
        before, here, there = (side.get(key, _MISSING) for side in (base, local, remote))
        value = yield from _value(before, here, there, within(path, key))
        if value is not _MISSING:
            result[key] = value
    return result


def _list(pieces: Iterable[Kept | Put], path: str) -> _Merging:
    result: list[Any] = []
    for piece in pieces:
        if isinstance(piece, Put):
            result += piece.items
        else:
            result.append((yield from _item(piece, f"{path}[{piece.index}]")))
    return result


def _item(kept: Kept, path: str) -> _Merging:
    """Merge an item.  An object that may be another one now is not looked into."""
    base, local, remote = kept.base, kept.local, kept.remote
    settled = _settled(base, local, remote)
    if settled is not _OPEN:
        return settled
    if isinstance(base, dict) and not (are_alike(base, local) and are_alike(base, remote)):
        return (yield _Clash(path, local, remote))
    return (yield from _both(base, local, remote, path))


# -- Sets --------------------------------------------------------------------------------------


def merge_sets(base: Sequence[Any], local: Sequence[Any], remote: Sequence[Any]) -> list[Any]:
    """
    Merge lists whose order says nothing: *remote*, and what *local* added, less what it removed.

    That is in the order of *remote*, then of *local*.
    """
    before, here = _members(base), _members(local)
    gone = before.keys() - here.keys()
    kept = [item for item in remote if hashable(item) not in gone]
    known = before.keys() | _members(remote).keys()
    return kept + [item for key, item in here.items() if key not in known]


def _members(items: Iterable[Any]) -> dict[Any, Any]:
    """Return each of *items* once, by what it is equal to."""
    members: dict[Any, Any] = {}
    for item in items:
        members.setdefault(hashable(item), item)
    return members


def _set(base: Any, local: Any, remote: Any) -> Any:
    """Merge sets, each of which may be missing: that is an empty one, but stays as it is."""
    before, here, there = (
        None if each is _MISSING else _members(each).keys() for each in (base, local, remote)
    )
    if before == here:
        return remote
    if before == there:
        return local
    members = merge_sets(*([] if each is _MISSING else each for each in (base, local, remote)))
    return _MISSING if not members and None in (here, there) else members
