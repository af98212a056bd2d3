"""
Records that were loaded in part: some fields are known, others are not.

Such a record has no value at all for a field that was not loaded, so that it cannot be taken for
one that has its default.  It keeps which fields were loaded.  What is set afterwards is written
whatever it is, since what the server has there is not known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from attrs import NOTHING

from kinto_orm.exceptions import UnsendableValue, ValidationError
from kinto_orm.flow.json import copied
from kinto_orm.flow.messages import Document
from kinto_orm.models.adopting import adopt_system
from kinto_orm.models.diagnosis import converted, unfit
from kinto_orm.models.faults import MISSING, Fault, faults_of
from kinto_orm.models.kinds import kind_of
from kinto_orm.models.layout import Layout, layout_of
from kinto_orm.models.specs import Spec
from kinto_orm.models.state import EXTRA, PART
from kinto_orm.models.types import called


if TYPE_CHECKING:
    from kinto_orm.models.records import Record


R = TypeVar("R", bound="Record")


def part_of(record: Record) -> frozenset[str] | None:
    """Return the names of the fields of *record* that were loaded; None if all of it was."""
    part: frozenset[str] | None = record.__dict__.get(PART)
    return part


def names_of(record: Record) -> frozenset[str] | None:
    """Return the names of the fields that *record* has; None if it was not loaded in part."""
    part = part_of(record)
    if part is None:
        return None
    specs = layout_of(type(record)).specs
    return part | {spec.name for spec in specs if spec.name in record.__dict__}


def keys_of(record: Record) -> frozenset[str] | None:
    """Return the keys that are known of the document of *record*; None if all are."""
    part = part_of(record)
    if part is None:
        return None
    layout = layout_of(type(record))
    keys = frozenset(spec.key for spec in layout.specs if spec.name in part)
    return keys | {"id", "last_modified", record._tag_field}


def load_part(model: type[Record], document: Document, part: frozenset[str]) -> Any:
    """
    Return the record of *model*, or of a kind of it, of which *document* has a part.

    Raises:
        ValidationError: If that does not fit.
    """
    kind = kind_of(model, document)
    record = object.__new__(kind)
    layout = layout_of(kind)
    record.__dict__.update(_private_defaults(kind))
    record.__dict__.update(
        {"id": document["id"], "last_modified": document.get("last_modified")},
        _document=document,
        _part=part,
    )
    _fill(record, layout, document, part)
    return record


def stand_in(model: type[R], id: str) -> R:
    """Return a record of *model* of which nothing was loaded: it has an *id*, and that is all."""
    document = {"id": id, **({model._tag_field: model._tag} if model._tag else {})}
    record: R = load_part(model, document, frozenset())
    return record


def complete(record: Record, document: Document, part: frozenset[str] | None = None) -> None:
    """
    Take what *document* has of the fields of *record* that were not loaded; leave the others.

    Args:
        record: A record that was loaded in part, from the same version.
        document: A document of that version.
        part: The names of the fields that the document has; None if it has all.

    Raises:
        ValidationError: If that does not fit; the record is as before.
    """
    layout, known = layout_of(type(record)), part_of(record)
    assert known is not None
    names = part if part is not None else frozenset(spec.name for spec in layout.specs)
    before = dict(record.__dict__)
    added = frozenset(name for name in names if name not in before)
    try:
        _fill(record, layout, document, added)
    except ValidationError:
        record.__dict__.clear()
        record.__dict__.update(before)
        raise
    record.__dict__["_document"] = {**before["_document"], **document}
    if part is None:
        del record.__dict__[PART]
        given = record.__dict__.get(EXTRA, {})
        record.__dict__[EXTRA] = {**layout.undeclared(document), **given}
    else:
        record.__dict__[PART] = known | part


def dump_part(record: Record, document: Document) -> Document:
    """Return *document*, which *record* stands for, with what was set without being loaded."""
    part, written = part_of(record), record.__dict__["_document"] or {}
    assert part is not None
    tag = record._tag_field
    if tag and tag in written:  # Of a kind that no class has, it would be in `extra`.
        document.setdefault(tag, written[tag])
    for spec in layout_of(type(record)).specs:
        if spec.name not in part and spec.name in record.__dict__:
            value = record.__dict__[spec.name]
            if value is None and not spec.null:
                msg = (
                    f"{type(record).__name__} {record.id!r}: {spec.name} cannot be removed, since"
                    " it was not loaded: refresh the record first"
                )
                raise UnsendableValue(msg)
            document[spec.key] = spec.encoded(value)
    return document


def adopt_part(record: Record, document: Document) -> None:
    """
    Take *document*, a whole one, as what *record* was loaded from; leave what it has as it is.

    It has all its fields then, unless one does not fit.
    """
    record.__dict__[PART] = names_of(record)
    record.__dict__["last_modified"] = document.get("last_modified")
    record.__dict__["_document"] = known_part(document, keys_of(record))
    adopt_system(record, document)
    try:
        complete(record, document)
    except ValidationError:
        return
    record.__dict__["_document"] = document


def take_keys(record: Record, document: Document, keys: Collection[str]) -> None:
    """
    Give *record* the values that *document* has under *keys*; what it was loaded from stays.

    Args:
        record: A record, all of which was loaded or a part.
        document: What it shall stand for, as far as *keys* go.
        keys: Keys of documents; one that is missing there has its default.

    Raises:
        ValidationError: If they do not fit; the record is as before.
    """
    layout = layout_of(type(record))
    names = frozenset(spec.name for spec in layout.specs if spec.key in keys)
    values = load_part(type(record), document, names).__dict__
    record.__dict__.update({name: values[name] for name in names})
    record.__dict__.setdefault("_made", {}).update(values.get("_made", {}))
    for key in set(keys) - layout.keys:
        if key in document:
            record.extra[key] = copied(document[key])
        else:
            record.extra.pop(key, None)


def known_part(document: Mapping[str, Any], keys: Collection[str] | None) -> Document:
    """Return what *document* has under *keys*; all of it, if these are None."""
    if keys is None:
        return dict(document)
    return {key: value for key, value in document.items() if key in keys}


def _fill(record: Any, layout: Layout, document: Document, names: Collection[str]) -> None:
    """Give *record* the fields *names*, out of *document*."""
    faults = [
        fault
        for spec in layout.specs
        if spec.name in names
        for fault in _filled(record, layout, spec, document)
    ]
    if faults:
        raise unfit(layout.model, document, faults)


def _filled(record: Any, layout: Layout, spec: Spec, document: Document) -> Iterator[Fault]:
    """Give *record* one field; give what is wrong with it."""
    if spec.key not in document and spec.default is NOTHING and spec.key not in layout.optional:
        yield Fault(spec.key, MISSING, called(spec.kind))
        return
    state = record.__dict__
    attribute = getattr(attrs.fields(layout.model), spec.name)
    try:
        if spec.key in document:
            state[spec.name] = spec.load(layout.unshared(spec, document[spec.key]))
        else:
            state[spec.name] = _default(record, spec, attribute)
        if attribute.validator is not None:
            attribute.validator(record, attribute, state[spec.name])
    except Exception as error:  # noqa: BLE001 (whatever a user's converter may raise)
        yield from faults_of(error, spec.key)


def _default(record: Any, spec: Spec, attribute: attrs.Attribute[Any]) -> Any:
    """Return the value of a field whose key is missing."""
    default: Any = spec.default
    if default is NOTHING:
        return None  # Which is among the values.
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        default = default.factory(record) if default.takes_self else default.factory()
    default = converted(attribute, default, record)
    record.__dict__.setdefault("_made", {})[spec.key] = spec.encoded(default)
    return default


def _private_defaults(model: type[Any]) -> dict[str, Any]:
    """Return what a new record has in the attributes that are no fields."""
    given = {}
    for attribute in attrs.fields(model):
        if attribute.name.startswith("_") and attribute.default is not NOTHING:
            default: Any = attribute.default
            is_made = isinstance(default, attrs.Factory)  # type: ignore[arg-type]
            given[attribute.name] = default.factory() if is_made else default
    return given
