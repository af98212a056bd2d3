"""
Twins: what an object of a record must be, in plain JSON.

A twin knows the values of the fields, and what the object was loaded from.  It belongs to no
session: an object may be in none, in one, or in two.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from attrs import define, field

from kinto_orm import Permissions, Record

from .kinds import Document, Kind, equal, kind_of, python, written
from .world import Key, Lists, Stored


@define(eq=False)
class Twin:
    """
    What an object must be.

    Attributes:
        record: The object.
        kind: What kind of record it is.
        ident: Its id.
        values: The values of its fields, as JSON; of those that it has.
        extra: What its document has besides.
        base: The document that it was loaded from; None if it is not on the server.
        past: That of the record before it was deleted.
        version: The version of *base*.
        part: The names of the fields that were loaded; None if all were.
        permissions: Who shall do what; None if that is not known.
        permitted: Who may do what on the server.
    """

    record: Record
    kind: Kind
    ident: str
    values: Document
    extra: Document
    base: Document | None = None
    past: Document | None = None
    version: int | None = None
    part: frozenset[str] | None = None
    permissions: Lists | None = None
    permitted: Lists = field(factory=dict[str, set[str]])

    def __repr__(self) -> str:
        return f"<twin of {self.record!r}>"

    @property
    def key(self) -> Key:
        """Return where it is."""
        return self.kind.collection, self.ident

    @property
    def known(self) -> set[str] | None:
        """Return the keys of its document that were loaded; None if all were."""
        return None if self.part is None else {"id", *self.kind.tag, *self.part}

    # -- What it stands for --------------------------------------------------------------------

    def document(self) -> Document:
        """Return the document that it stands for."""
        before = self.past if self.base is None else self.base
        document: Document = {"id": self.ident, **self.kind.tag, **deepcopy(self.extra)}
        for name, value in self.values.items():
            rule = self.kind.rules[name]
            is_loaded = self.part is None or name in self.part
            if before is None or name not in before:
                if before is not None and is_loaded and equal(value, rule.default):
                    continue
                if value is not None or rule.null:
                    document[name] = deepcopy(value)
            elif value is not None or rule.null or before[name] is None:
                is_same = equal(written(name, before[name]), written(name, value))
                document[name] = deepcopy(before[name] if is_same else value)
        return document

    def changed_permissions(self) -> Lists:
        """Return the permissions that are to change."""
        return {
            name: set(members)
            for name, members in (self.permissions or {}).items()
            if members != self.permitted.get(name, set())
        }

    # -- What becomes of it --------------------------------------------------------------------

    def adopt(self, stored: Stored) -> None:
        """Note that *stored* is what it was loaded from, and keep what it is."""
        self.base, self.version = deepcopy(stored.document), stored.version
        self.complete(stored, None)

    def complete(self, stored: Stored, part: frozenset[str] | None) -> None:
        """Give it the fields *part* of the version that it has, where it has not loaded them."""
        names = frozenset(self.kind.rules) if part is None else part
        fresh = self.kind.loaded(stored.document, names)
        self.values = {**fresh, **self.values}
        if self.part is not None:
            if part is None:
                self.extra = self.kind.undeclared(stored.document)
            self.part = None if part is None else self.part | part
        self.base = self._known_of(stored.document)

    def _known_of(self, document: Document) -> Document:
        keys = self.known
        return {
            key: deepcopy(value) for key, value in document.items() if keys is None or key in keys
        }

    def replace(self, stored: Stored, part: frozenset[str] | None = None) -> None:
        """Have it be what *stored* says, or a part of that."""
        names = frozenset(self.kind.rules) if part is None else part
        self.values = self.kind.loaded(stored.document, names)
        self.extra = self.kind.undeclared(stored.document) if part is None else {}
        self.part, self.version, self.past = part, stored.version, None
        self.base = self._known_of(stored.document)
        self.permissions, self.permitted = None, {}

    def permit(self, lists: Lists, sent: Lists | None = None) -> None:
        """Take *lists* as what the server permits; what changed since they were *sent* stays."""
        if self.permissions is None:
            self.permissions = deepcopy(lists)
        else:
            for name, held in self.permissions.items():
                then = (sent or {}).get(name, self.permitted.get(name, set()))
                self.permissions[name] = (lists[name] - (then - held)) | (held - then)
        self.permitted = deepcopy(lists)

    def hide_permissions(self) -> None:
        """Note that the server has others by now, which it did not tell."""
        if not self.changed_permissions():
            self.permissions, self.permitted = None, {}

    def vanish(self) -> None:
        """Note that the server does not have it any more."""
        self.past = self.base if self.base is not None else self.past
        self.base = self.version = None
        self.permissions = self.permissions or {"read": set(), "write": set()}
        self.permitted = {}

    # -- What it is compared with --------------------------------------------------------------

    def check_permissions(self) -> None:
        """Compare who may do what by the object: to look at that makes it keep more."""
        permissions = self.record.permissions
        assert permissions.is_loaded == (self.permissions is not None)
        for name, members in (self.permissions or {}).items():
            assert set(getattr(permissions, name)) == members

    def check(self, stamp: int | None) -> None:
        """Compare the object: it stands for the document, of the version with this timestamp."""
        document = self.document() if stamp is None else {**self.document(), "last_modified": stamp}
        assert equal(self.record.to_document(), document), (self.record.to_document(), document)
        assert self.record.last_modified == stamp
        for name, value in self.values.items():
            assert getattr(self.record, name) == python(name, value)


def twin_of(key: Key, stored: Stored, part: frozenset[str] | None) -> Twin:
    """Return the twin of a record that is loaded; its object is not known yet."""
    unseen: Any = None
    twin = Twin(unseen, kind_of(key[0], stored.document), key[1], {}, {})
    twin.replace(stored, part)
    return twin


def new_twin(kind: Kind, ident: str, values: Document, extra: Document, read: list[str]) -> Twin:
    """Return the twin of a new record."""
    given = {name: python(name, value) for name, value in values.items()}
    permissions: Any = {"permissions": Permissions(read=read)} if read else {}
    record = kind.model(id=ident, extra=deepcopy(extra), **given, **permissions)
    values = {
        name: written(name, values.get(name, rule.default)) for name, rule in kind.rules.items()
    }
    twin = Twin(record, kind, ident, values, deepcopy(extra))
    twin.permissions = {"read": set(read), "write": set()}
    return twin
