"""What a commit would change, value by value, for somebody who looks at it."""

from __future__ import annotations

import json

from collections.abc import Iterator
from typing import Any, Final

from attrs import field, frozen

from kinto_orm.flow.json import copied
from kinto_orm.models.permissions import permission_edits
from kinto_orm.models.records import Record
from kinto_orm.session.changes import Change
from kinto_orm.session.identity import Key
from kinto_orm.session.snapshots import MISSING, NOT_LOADED, Absent, differences


#: How many characters of a value are shown.
_SHOWN: Final = 80


@frozen
class FieldChange:
    """
    A value that the next commit would change.

    A record that is created, or deleted, changes as a whole: the path is empty, and the value is
    its document, from or to `MISSING`.

    Attributes:
        record: The record; equality is that of the others.
        key: Where it is: its *bucket*, its *collection* and its *id*.
        path: Where the value is in the document: ``address.city``; or ``permissions.read``.
        old: What was loaded, as JSON has it; `MISSING` if there was nothing, `NOT_LOADED` if that
            is not known, since the record was loaded in part.
        new: What there will be; `MISSING` if nothing.
    """

    record: Record = field(eq=False, repr=False)
    key: Key
    path: str
    old: Any
    new: Any

    def __str__(self) -> str:
        name = f"{type(self.record).__name__} {self.key}"
        if not self.path and self.new is MISSING:
            return f"{name}: deleted"
        if not self.path:
            return f"{name}: created: {_shown(self.new)}"
        return f"{name}: {self.path}: {_shown(self.old)} → {_shown(self.new)}"


def _shown(value: Any) -> str:
    if isinstance(value, Absent):
        return f"({value.value})"
    text = json.dumps(value, ensure_ascii=False, default=repr)  # It may hold what cannot be sent.
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def field_changes(change: Change) -> Iterator[FieldChange]:
    """Give what *change* does, sorted by path."""
    record, key = change.record, change.key
    for path, old, new in sorted(_differences(change), key=lambda each: each[0]):
        yield FieldChange(record, key, path, copied(old), copied(new))


def _differences(change: Change) -> Iterator[tuple[str, Any, Any]]:
    if change.base is None or change.target is None:
        yield "", _or_missing(change.base), _or_missing(change.target)
    else:
        unseen = frozenset(change.unseen)
        for path, old, new in differences(change.base, change.target):
            yield path, NOT_LOADED if path in unseen else old, new
    if change.target is not None:
        for name, (before, after) in permission_edits(change.record).items():
            held = None if change.base is None else sorted(before)
            yield f"permissions.{name}", _or_missing(held), sorted(after)


def _or_missing(value: Any) -> Any:
    return MISSING if value is None else value
