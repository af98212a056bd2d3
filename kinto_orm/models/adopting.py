"""
After a write: what the server has now is what a record was loaded from.

Its values stay as they are, so that edits which were made meanwhile stay edits.  But where the
server made something else of what was sent, the record gets that: Kinto keeps floats of more than
15 digits not always as they are (docs/protocol.md, D1), and plugins may set keys.  Otherwise the
record would count as changed for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from kinto_orm.exceptions import InvalidRequest
from kinto_orm.flow.json import copied, same
from kinto_orm.flow.messages import Document
from kinto_orm.models.layout import Layout, layout_of, load
from kinto_orm.models.links import connect, links_of
from kinto_orm.models.merging import recognised
from kinto_orm.models.specs import Spec
from kinto_orm.models.state import EXTRA, HELD, PART
from kinto_orm.models.types import is_composite, is_model, parts_of


if TYPE_CHECKING:
    from kinto_orm.models.records import Model, Record


R = TypeVar("R", bound="Record")

_MISSING: Final = object()

#: Values that have no other inside.
_SCALARS: Final = frozenset({str, int, float, bool, NoneType, date, datetime})

#: What a record has beside its document.
_OWN: Final = frozenset({HELD, "_acl"})


def adopt(record: Model, document: Document) -> None:
    """Take *document* as what *record* was loaded from; leave its values as they are."""
    layout, state = layout_of(type(record)), record.__dict__
    state["_document"] = document
    if layout.model._is_record:
        state["last_modified"] = document.get("last_modified")
    if layout.of_system:
        adopt_system(record, document)
    for spec in layout.nested:
        _adopt_inside(state.get(spec.name), document.get(spec.key))


def adopt_system(record: Model, document: Document) -> None:
    """Give *record* what the server alone sets, where its class declares that: a `schema` (D4)."""
    for spec in layout_of(type(record)).of_system:
        if spec.key in document and spec.name in record.__dict__:
            with suppress(Exception):  # What does not fit stays a difference.
                record.__dict__[spec.name] = spec.load(document[spec.key])


def _adopt_inside(value: Any, written: Any) -> None:
    """
    Have the embedded records in *value* know what is *written* for them now.

    One that stands for something else was put there, or edited, since that was sent: what it was
    loaded from is its own.
    """
    if value.__class__ in _SCALARS:  # As most are.
        return
    if is_model(type(value)):
        if value._document is written:
            return
        if isinstance(written, dict) and same(value._dump(), written):
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
    mine = record._dump()
    for key in changed:
        if same(mine.get(key, _MISSING), sent.get(key, _MISSING)):
            _take(record, layout, key, document.get(key, _MISSING))


def _take(record: Record, layout: Layout, key: str, value: Any) -> None:
    """Give *record* the *value* that the server has under *key*."""
    state = record.__dict__
    spec = next((each for each in layout.specs if each.key == key), None)
    if spec is not None:
        if value is not _MISSING and spec.name in state:
            with suppress(Exception):  # What does not fit stays an edit.
                state[spec.name] = _into(state[spec.name], spec.load(copied(value)), set())
    elif value is _MISSING:
        record.extra.pop(key, None)
    elif EXTRA in state or PART not in state:
        record.extra[key] = _into(record.extra.get(key), copied(value), set())


def _into(value: Any, new: Any, met: set[int]) -> Any:
    """
    Make *value* what *new* is, in place where that can be: somebody may hold it.

    Args:
        value: What there is.
        new: What it shall be.
        met: By their identity, values that became something else already: what is in two places
            may not be the same in both from now on.

    Returns:
        *value*, or *new* if it cannot be changed.
    """
    if type(value) is not type(new) or id(value) in met:
        return new
    met.add(id(value))
    if isinstance(value, list):
        origins = _origins(value, new)
        value[:] = [
            item if origin is None else _into(value[origin], item, met)
            for item, origin in zip(new, origins, strict=True)
        ]
    elif isinstance(value, dict):
        merged = {key: _into(value.get(key), item, met) for key, item in new.items()}
        value.clear()
        value.update(merged)
    elif isinstance(value, set):
        value.clear()
        value.update(new)
    elif is_model(type(value)):
        for key, item in _whole_state(new).items():
            # What it was loaded from is its own: others may share that.
            is_own = key.startswith("_") and key != EXTRA
            value.__dict__[key] = item if is_own else _into(value.__dict__.get(key), item, met)
    elif is_composite(type(value)):
        return _into_composite(value, new, met)
    else:
        return new
    return value


def _whole_state(record: Model) -> dict[str, Any]:
    """Return the attributes of *record*, an empty `extra` included."""
    state = record.__dict__
    return state if PART in state else {EXTRA: {}, **state}


def _origins(old: list[Any], new: list[Any]) -> Sequence[int | None]:
    """Return for each item of *new* which of *old* it was, so that who holds that has it still."""
    if all(isinstance(item, dict) or is_model(type(item)) for item in (*old, *new)):
        return recognised(_written(old), _written(new))
    return range(len(old)) if len(old) == len(new) else [None] * len(new)


def _written(items: Iterable[Any]) -> list[Any]:
    return [item if isinstance(item, dict) else item._dump() for item in items]


def _into_composite(value: Any, new: Any, met: set[int]) -> Any:
    kind: Any = type(value)
    for part in parts_of(kind):
        before = getattr(value, part.name)
        after = _into(before, getattr(new, part.name), met)
        if after is not before:
            try:
                setattr(value, part.name, after)
            except Exception:  # noqa: BLE001 (it is frozen, say)
                return new
    return value


def rebased(kind: type[R], remote: Document | None, target: Document) -> R:
    """
    Return a record of *kind* as if it had been loaded from *remote* and changed to *target*.

    What it stands for may lack defaults that *target* has and *remote* has not.

    Args:
        kind: The class of the record.
        remote: A document of the server; None if it has none.
        target: What the record shall stand for, without a timestamp.

    Raises:
        ValidationError: If one of them does not fit its class.
        InvalidRequest: If they are of another kind of record, or such a record does not stand for
            *target*.
    """
    fresh: R = load(kind, copied(target))
    base: R = fresh if remote is None else load(kind, copied(remote))
    if {type(base), type(fresh)} != {kind}:
        msg = f"{target.get('id')!r} is a {type(base).__name__} elsewhere now, no {kind.__name__}"
        raise InvalidRequest(msg)
    if remote is None:
        base.__dict__.update(_document=None, last_modified=None)
        return base
    for spec in layout_of(kind).specs:
        if not same(remote.get(spec.key, _MISSING), target.get(spec.key, _MISSING)):
            base.__dict__[spec.name] = fresh.__dict__[spec.name]
    base.extra = fresh.extra
    _check_stands_for(base, remote, target)
    return base


def _check_stands_for(record: Record, remote: Document, target: Document) -> None:
    specs = {spec.key: spec for spec in layout_of(type(record)).specs}
    stands_for = record._dump()
    for key in stands_for.keys() | target.keys():
        if key in specs and key not in stands_for and key not in remote:
            continue  # It has its default.
        found, meant = stands_for.get(key, _MISSING), target.get(key, _MISSING)
        if not same(found, meant) and not _mean_the_same(specs.get(key), found, meant):
            msg = (
                f"{type(record).__name__} {record.id!r} cannot be what the changes here and"
                f" elsewhere amount to: {key} would be another"
            )
            raise InvalidRequest(msg)


def _mean_the_same(spec: Spec | None, one: Any, other: Any) -> bool:
    """Tell whether two ways to write a field mean the same: a set has no order, for one."""
    if spec is None or one is _MISSING or other is _MISSING:
        return False
    return same(spec.encoded(spec.load(copied(one))), spec.encoded(spec.load(copied(other))))


def become(record: Record, other: Record) -> None:
    """Have *record* be as *other*, which is of no use then, in place; permissions stay."""
    connect(other, links_of(record))
    mine, met = record.__dict__, set[int]()
    for name in ("_made", "_form", "_part"):
        mine.pop(name, None)
    for name, value in _whole_state(other).items():
        if name not in _OWN:
            is_own = name.startswith("_") and name != EXTRA
            mine[name] = value if is_own else _into(mine.get(name), value, met)
