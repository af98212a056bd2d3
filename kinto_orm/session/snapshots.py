"""
What was loaded, what it is now, and what is between the two.

A record keeps the document that it was loaded from (see `models.layout`), so that the difference
to what it stands for now is all there is to know of a change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from enum import Enum
from typing import Any, Final

from attrs import frozen

from kinto_orm.exceptions import ValidationError
from kinto_orm.flow.json import nearly_same, same
from kinto_orm.flow.messages import Document
from kinto_orm.models.adopting import adopt as adopt_document
from kinto_orm.models.adopting import take_over
from kinto_orm.models.layout import layout_of
from kinto_orm.models.parts import adopt_part, keys_of, known_part, part_of, take_keys
from kinto_orm.models.permissions import Lists, adopt_permissions, permission_changes
from kinto_orm.models.records import Record
from kinto_orm.models.sameness import JSON


class Absent(Enum):
    """What stands where there is no JSON value: None is one."""

    #: The document has no such key.
    MISSING = "missing"
    #: The record was loaded in part, without it: whether there is one is not known.
    NOT_LOADED = "not loaded"

    def __repr__(self) -> str:
        return self.name


MISSING: Final = Absent.MISSING
NOT_LOADED: Final = Absent.NOT_LOADED

#: What stands for an empty key in a path: an empty path is that of the whole document.
EMPTY_KEY: Final = '""'

#: What the server alone sets.  `schema` is, too, but only where the collection has one.
_STAMPS = frozenset({"last_modified"})


def loaded_of(record: Record) -> Document | None:
    """
    Return the document that *record* was loaded from; None if it was never on a server.

    A document without a timestamp, as `Record.from_document` may be given, comes from nowhere.
    """
    document: Document | None = record.__dict__.get("_document")
    return None if document is None or document.get("last_modified") is None else document


def base_of(record: Record) -> Document | None:
    """Return the document that *record* was loaded from, without its timestamp; None if new."""
    written: Document | None = record.__dict__.get("_document")
    return None if written is None else without_stamps(written)


def target_of(record: Record) -> Document:
    """Return the document that *record* stands for now, without a timestamp."""
    return record._dump()


def is_dirty(record: Record) -> bool:
    """Tell whether *record* differs from what it was loaded from, its permissions included."""
    return bool(permission_changes(record)) or not same(base_of(record), target_of(record))


@frozen
class Stored:
    """
    A record as the server has it.

    Attributes:
        document: Its document.
        permissions: Who may do what; None if that was not told, empty if it is hidden (P5).
    """

    document: Document
    permissions: Lists | None = None

    @property
    def version(self) -> int | None:
        """Return its timestamp, in milliseconds."""
        return self.document.get("last_modified")


def adopt(
    record: Record,
    stored: Stored,
    sent: Mapping[str, Any] | None = None,
    permissions: Lists | None = None,
) -> Document:
    """
    Take *stored* as what *record* was loaded from; edits since then stay edits.

    Args:
        record: The record.
        stored: What the server has.
        sent: The document that was sent, if that is what the server made it of.
        permissions: The permissions that were sent.

    Returns:
        What the record is compared with from now on: of one that was loaded in part, that part.
    """
    document = stored.document
    if sent is not None:
        keys = keys_of(record)
        if keys is None and same(document, {**sent, "last_modified": stored.version}):
            document = _as_known(document, sent, record._document or {})  # As most are.
        else:
            known = known_part(document, None if keys is None else keys | sent.keys())
            take_over(record, sent, known)
            _let_go(record, sent, known)
    if part_of(record) is None:
        adopt_document(record, document)
    else:
        adopt_part(record, document)
    adopt_permissions(record, stored.permissions, permissions)
    adopted: Document = record.__dict__["_document"]
    return adopted


def _as_known(
    document: Mapping[str, Any], sent: Mapping[str, Any], before: Mapping[str, Any]
) -> Document:
    """
    Return *document* in objects that a record has as well, by which it is soon found clean.

    Not in such as could be changed in the record: a hook of the user's own may write a value as
    that itself, and then its later changes would be changes of the document, too.

    Args:
        document: What the server has.
        sent: The same, as it was sent.
        before: What the record was loaded from before; that is no part of it.
    """
    known: Document = {}
    for key, value in document.items():
        mine = sent.get(key, MISSING)
        if mine.__class__ in JSON or mine is before.get(key):
            known[key] = mine
        elif isinstance(value, dict) and isinstance(mine, Mapping):
            known[key] = _as_known(value, mine, {})
        else:
            known[key] = value
    return known


def _let_go(record: Record, sent: Mapping[str, Any], document: Document) -> None:
    """Give *record* its defaults where others removed what was *sent*; not over an edit."""
    layout = layout_of(type(record))
    gone = (sent.keys() - document.keys()) & layout.keys - layout.system - {record._tag_field}
    if not gone:  # As almost always.
        return
    now = target_of(record)
    for key in gone:
        if same(now.get(key, MISSING), sent[key]):
            with suppress(ValidationError):  # It has no default, and stays an edit.
                take_keys(record, {"id": record.id}, {key})


def without_stamps(document: Mapping[str, Any]) -> Document:
    """Return *document* without what the server alone sets."""
    return {key: value for key, value in document.items() if key not in _STAMPS}


def agree(record: Record, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether two documents of *record* hold the same, whoever wrote them, and kept them."""
    ignored = _STAMPS | ({"schema"} - layout_of(type(record)).declared)
    return nearly_same(_without(one, ignored), _without(other, ignored))


def _without(document: Mapping[str, Any], keys: Collection[str]) -> Document:
    return {key: value for key, value in document.items() if key not in keys}


def changed_paths(before: Any, after: Any) -> list[str]:
    """
    Return the paths at which two JSON values differ, as deep as objects go.

    A list counts as a whole.
    """
    return sorted(path for path, _, _ in differences(before, after))


def differences(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """
    Give the paths at which two JSON values differ, each with what both have there.

    Where one of them has nothing, that is `MISSING`.
    """
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in before.keys() | after.keys():
            inner = within(path, key)
            one, other = before.get(key, MISSING), after.get(key, MISSING)
            if one is MISSING or other is MISSING:
                yield inner, one, other
            else:
                yield from differences(one, other, inner)
    elif not same(before, after):
        yield path, before, after


def within(path: str, key: str) -> str:
    """Return the path of what the object at *path* has under *key*: an empty one is ``""``."""
    step = key or EMPTY_KEY
    return f"{path}.{step}" if path else step


def has_kept(remote: Any, base: Any, local: Any) -> bool:
    """Tell whether *remote* has all that *local* changed in *base*, whatever else it has."""
    apart = changed_paths(local, remote)
    return not any(overlaps(path, apart) for path in changed_paths(base, local))


def overlaps(path: str, others: Collection[str]) -> bool:
    """Tell whether *path* is one of *others*, or is above or below one."""
    return any(
        path == other or path.startswith(f"{other}.") or other.startswith(f"{path}.")
        for other in others
    )
