"""What the server must have, in plain dicts: documents without stamps, and who may do what."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from itertools import count
from typing import Any, Final

from attrs import define, field

from .kinds import Document, equal


#: A collection, and an id in it.
Key = tuple[str, str]

Lists = dict[str, set[str]]

COLLECTIONS: Final = ("todos", "places")
IDS: Final = ("a", "b", "c", "d")
#: What is there from the start.
FIRST: Final = IDS[:3]
KEYS: Final = [(collection, ident) for collection in COLLECTIONS for ident in IDS]


@define
class Stored:
    """
    A record on the server.

    Attributes:
        document: Its document, without a timestamp.
        permissions: Who may do what.
        version: Which write of all it was that left it so.
    """

    document: Document
    permissions: Lists
    version: int


@define
class World:
    """
    All that is on the server.

    Attributes:
        me: The principal that writes all of it.
        records: What there is.
        stamps: The timestamps that the server gave to the versions.
    """

    me: str
    records: dict[Key, Stored] = field(factory=dict[Key, Stored])
    stamps: dict[int, int] = field(factory=dict[int, int])
    _versions: count[int] = field(factory=lambda: count(1))

    def write(self, key: Key, document: Document, permissions: Lists | None = None) -> Stored:
        """Have *document* under *key*; of the permissions, those that are given are replaced."""
        before = self.records.get(key)
        kept = {"read": set[str](), "write": set[str]()} if before is None else before.permissions
        lists = {**deepcopy(kept), **deepcopy(permissions or {})}
        lists["write"] = lists["write"] | {self.me}
        stored = Stored(deepcopy(document), lists, next(self._versions))
        self.records[key] = stored
        return stored

    def delete(self, key: Key) -> None:
        """Have nothing under *key*."""
        del self.records[key]

    def among(self, collection: str, tags: Iterable[str] = ()) -> list[str]:
        """Return the ids of what is in *collection*, of a kind in *tags* if there are some."""
        tags = set(tags)
        return sorted(
            ident
            for (where, ident), stored in self.records.items()
            if where == collection and (not tags or stored.document["kind"] in tags)
        )

    def check(self, collection: str, found: dict[str, Document]) -> None:
        """Compare with what was *found* on the server: documents, and which of them moved."""
        assert sorted(found) == self.among(collection)
        for ident, document in found.items():
            stored = self.records[collection, ident]
            stamp = document.pop("last_modified")
            assert equal(document, stored.document), (document, stored.document)
            # A version that was seen before has not been written since.
            assert self.stamps.setdefault(stored.version, stamp) == stamp

    def stamp(self, version: int | None) -> int | None:
        """Return the timestamp of a version."""
        return None if version is None else self.stamps[version]


def as_sets(lists: dict[str, Any]) -> Lists:
    """Return permissions as the model has them."""
    return {name: set(map(str, lists.get(name, ()))) for name in ("read", "write")}
