"""Changes become a plan: what can be sent at all, in which order, and what travels together."""

from __future__ import annotations

from collections.abc import Sequence

from kinto_orm.exceptions import UnsendableValue, ValidationError
from kinto_orm.flow.messages import Document
from kinto_orm.models.diagnosis import unfit
from kinto_orm.models.layout import layout_of, load
from kinto_orm.models.parts import load_part, names_of
from kinto_orm.models.records import Record
from kinto_orm.models.survival import lost_of_record, survives
from kinto_orm.patch_type import WholeDocument
from kinto_orm.session.changes import Change
from kinto_orm.session.forms import must_travel_alone, should_travel_alone, written
from kinto_orm.session.plans import Plan
from kinto_orm.transport.codec import decode, encode


def planned(changes: Sequence[Change], limit: int, *, locked: bool = False) -> Plan:
    """
    Return the plan for *changes*, with batches of at most *limit*.

    Args:
        changes: What is to be written.
        limit: How many requests fit in a batch.
        locked: Whether collections are locked meanwhile (see `locking`).

    Records are created in the order in which they were added.  What exists is written in the
    order of its keys: two batches that write the same records in opposite orders block each other
    on PostgreSQL, and one of them fails as a whole (docs/protocol.md, B4).

    What moves is deleted in a later batch than the one that its copy is in.
    """
    new: list[Change] = []
    known: list[Change] = []
    for change in changes:
        (new if change.action == "create" else known).append(change)
    changes = [*new, *sorted(known, key=_place)]
    here = {id(change.record) for change in changes}
    late = [change for change in changes if id(change.after) in here]
    early = [change for change in changes if id(change.after) not in here]
    parts = _parts(early, limit, locked=locked) + _parts(late, limit, locked=locked)
    chunks = (
        tuple(written(change, alone=_is_alone(part, locked=locked)) for change in part)
        for part in parts
    )
    return Plan(tuple(chunks), limit=limit, locked=locked)


def _place(change: Change) -> tuple[str, str, str]:
    """Return what known records are sorted by: their keys, which take longer to compare."""
    key = change.key
    return key.bucket, key.collection, key.id


def _is_alone(part: Sequence[Change], *, locked: bool) -> bool:
    """Tell whether *part* is one request; a lock makes a batch of what can be in one."""
    return len(part) == 1 and (not locked or _is_lonely(part[0], locked=True))


def _is_lonely(change: Change, *, locked: bool) -> bool:
    """Tell whether *change* travels alone.  A lock, which is in a batch, is better than guards."""
    return must_travel_alone(change) if locked else should_travel_alone(change)


def _parts(changes: Sequence[Change], limit: int, *, locked: bool) -> list[list[Change]]:
    """Return *changes* in the parts that travel together."""
    parts: list[list[Change]] = []
    lonely: list[list[Change]] = []
    room, places = 0, set[tuple[str, str]]()
    for change in changes:
        if _is_lonely(change, locked=locked):
            lonely.append([change])
            continue
        place = (change.key.bucket, change.key.collection)
        wants_lock = locked and change.base is not None
        if room < (3 if wants_lock and place not in places else 1):
            parts.append([])
            room, places = limit, set()
        if wants_lock and place not in places:
            places.add(place)
            room -= 2  # What locks, and what unlocks.
        room -= 1
        parts[-1].append(change)
    return parts + lonely


def check(changes: Sequence[Change]) -> None:
    """
    Refuse what cannot be sent, or could not be loaded again, before anything is sent.

    Raises:
        UnsendableValue: If a document holds what cannot be sent; all such are named.
        ValidationError: If a document does not fit its class, if a value would come back as
            another, or if a read-only one was changed in place; all such are named.
    """
    unsent: list[str] = []
    unfit: list[ValidationError] = []
    for change in changes:
        if change.target is None:
            continue
        try:
            if not _survives(change, change.target):
                _check_survival(change.record, decode(encode(change.target)))
        except UnsendableValue as error:
            unsent.append(f"{type(change.record).__name__} {change.key}: {error}")
        except ValidationError as error:
            unfit.append(error)
    if unsent:
        lines = ["nothing was sent, since these values cannot be:", *unsent]
        raise UnsendableValue("\n".join(lines))
    if unfit:
        lines = ["nothing was sent, since these records could not be loaded again:"]
        faults = [fault for each in unfit for fault in each.faults]
        raise ValidationError("\n".join([*lines, *map(str, unfit)]), faults)


def _survives(change: Change, target: Document) -> bool:
    """
    Tell whether what *change* writes certainly comes back; False says nothing.

    What is not written was loaded, and will be again.

    Raises:
        UnsendableValue: If *target*, what is written, holds what cannot be sent.
    """
    record, layout = change.record, layout_of(type(change.record))
    if change.base is None or layout.is_validated or not layout.declared <= target.keys():
        return False  # It is new, or values are looked at together.
    if issubclass(change.patch, WholeDocument) or not change.base.keys() <= target.keys():
        return False  # It is written as a whole.
    state, sent = record.__dict__, decode(encode(change.attributes))
    specs = [layout.by_key[key] for key in sent if key in layout.by_key]
    if any(spec.read_only or spec.name not in state for spec in specs):
        return False
    try:
        return all(
            survives(
                state[spec.name], spec.load(layout.unshared(spec, sent[spec.key])), spec.converter
            )
            for spec in specs
        )
    except Exception:  # noqa: BLE001 (the longer way says what is wrong)
        return False


def _check_survival(record: Record, document: Document) -> None:
    """Refuse *record* if what is loaded from its *document* is not the same."""
    names = names_of(record)
    again = (
        load(type(record), document) if names is None else load_part(type(record), document, names)
    )
    faults = list(lost_of_record(record, again))
    if faults:
        raise unfit(type(record), document, faults)
