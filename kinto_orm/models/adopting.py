"""
After a write: what the server has now is what a record was loaded from.

Its values stay as they are, so that edits which were made meanwhile stay edits.  But where the
server made something else of what was sent, the record gets that: Kinto keeps floats of more than
15 digits not always as they are (docs/protocol.md, D1), and plugins may set keys.  Otherwise the
record would count as changed for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from kinto_orm.flow.json import copied, same
from kinto_orm.flow.messages import Document
from kinto_orm.models.layout import Layout, layout_of
from kinto_orm.models.types import is_model


if TYPE_CHECKING:
    from kinto_orm.models.records import Model, Record


_MISSING: Final = object()


def adopt(record: Model, document: Document) -> None:
    """Take *document* as what *record* was loaded from; leave its values as they are."""
    layout = layout_of(type(record))
    record.__dict__["_document"] = document
    if layout.model._is_record:
        record.__dict__["last_modified"] = document.get("last_modified")
    for spec in layout.specs:
        if spec.key in layout.system and spec.key in document:  # A declared `schema` (D4).
            record.__dict__[spec.name] = spec.load(document[spec.key])
        _adopt_inside(record.__dict__.get(spec.name), document.get(spec.key))


def _adopt_inside(value: Any, written: Any) -> None:
    """Have the embedded records in *value* know what is *written* for them now."""
    if is_model(type(value)):
        if isinstance(written, dict):
            adopt(value, written)
    elif isinstance(value, (list, tuple)) and isinstance(written, list):
        for one, other in zip(value, written, strict=False):
            _adopt_inside(one, other)
    elif isinstance(value, Mapping) and isinstance(written, Mapping):
        for key in value.keys() & written.keys():
            _adopt_inside(value[key], written[key])


def take_over(record: Record, sent: Mapping[str, Any], document: Document) -> None:
    """
    Give *record* what the server made of its values, but for those that were edited meanwhile.

    Args:
        record: The record.
        sent: The document that was sent.
        document: The document that the server answered.
    """
    layout = layout_of(type(record))
    fixed = layout.system | {record._tag_field}
    changed = [
        key
        for key in document.keys() | sent.keys()
        if key not in fixed and not same(sent.get(key, _MISSING), document.get(key, _MISSING))
    ]
    if not changed:
        return
    now = record._dump()
    for key in changed:
        if same(now.get(key, _MISSING), sent.get(key, _MISSING)):
            _take(record, layout, key, document.get(key, _MISSING))


def _take(record: Record, layout: Layout, key: str, value: Any) -> None:
    spec = next((each for each in layout.specs if each.key == key), None)
    if spec is not None:
        if value is not _MISSING and spec.name in record.__dict__:
            try:
                record.__dict__[spec.name] = spec.load(copied(value))
            except ValueError:
                return  # It stays an edit of what does not fit.
    elif value is _MISSING:
        record.extra.pop(key, None)
    elif "extra" in record.__dict__:
        record.extra[key] = copied(value)
