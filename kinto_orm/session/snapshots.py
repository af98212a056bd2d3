"""
What was loaded, what it is now, and what is between the two.

A record keeps the document that it was loaded from (see `models.layout`), so that the difference
to what it stands for now is all there is to know of a change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from attrs import frozen

from kinto_orm.flow.json import nearly_same, same
from kinto_orm.flow.messages import Document
from kinto_orm.models.adopting import adopt as adopt_document
from kinto_orm.models.adopting import take_over
from kinto_orm.models.layout import layout_of
from kinto_orm.models.parts import adopt_part, keys_of, known_part, part_of
from kinto_orm.models.permissions import Lists, adopt_permissions, permission_changes
from kinto_orm.models.records import Record


#: What the server alone sets.  `schema` is, too, but only where the collection has one.
_STAMPS = frozenset({"last_modified"})


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
    if sent is not None:
        keys = keys_of(record)
        known = None if keys is None else keys | sent.keys()
        take_over(record, sent, known_part(stored.document, known))
    if part_of(record) is None:
        adopt_document(record, stored.document)
    else:
        adopt_part(record, stored.document)
    adopt_permissions(record, stored.permissions, permissions)
    document: Document = record.__dict__["_document"]
    return document


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
    return sorted(_changed(before, after, ""))


def _changed(before: Any, after: Any, path: str) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in before.keys() | after.keys():
            inner = f"{path}.{key}" if path else str(key)
            if key not in before or key not in after:
                yield inner
            else:
                yield from _changed(before[key], after[key], inner)
    elif not same(before, after):
        yield path


def clashing(base: Any, local: Any, remote: Any) -> tuple[str, ...]:
    """Return the paths that both sides changed, to something different."""
    theirs, apart = changed_paths(base, remote), changed_paths(local, remote)
    return tuple(
        path
        for path in changed_paths(base, local)
        if _overlaps(path, theirs) and _overlaps(path, apart)
    )


def has_kept(remote: Any, base: Any, local: Any) -> bool:
    """Tell whether *remote* has all that *local* changed in *base*, whatever else it has."""
    apart = changed_paths(local, remote)
    return not any(_overlaps(path, apart) for path in changed_paths(base, local))


def _overlaps(path: str, others: list[str]) -> bool:
    return any(
        path == other or path.startswith(f"{other}.") or other.startswith(f"{path}.")
        for other in others
    )
