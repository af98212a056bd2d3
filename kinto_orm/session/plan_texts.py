"""
A plan as text (JSON), for another process.

The text has for each write where the record is, which class it is of, the document that was loaded
and the one that it shall be.  That is enough to work out the requests; they are in it as well, for
those who read it.  When it is read, they are worked out again, and must be the same: a text cannot
have a session send what no change of a record amounts to.

Nothing is imported because a text says so: who reads it says which classes there are.
"""

from __future__ import annotations

import json

from collections.abc import Iterable, Sequence
from typing import Any, Final

from attrs import evolve

from kinto_orm.exceptions import InvalidRequest
from kinto_orm.flow.json import same
from kinto_orm.flow.messages import Document
from kinto_orm.models.records import Record
from kinto_orm.session.changes import Change
from kinto_orm.session.identity import Key
from kinto_orm.session.plan_changes import read_change, with_kinds, written_change, written_request
from kinto_orm.session.plan_parts import Part
from kinto_orm.session.planning import check, planned
from kinto_orm.session.plans import Plan


_FORMAT: Final = "kinto-orm plan"
_VERSION: Final = 1

_PLAN: Final = {"format", "version", "locked", "limit", "chunks"}


def plan_text(plan: Plan) -> str:
    """
    Return *plan* as text.

    Raises:
        InvalidRequest: If it has a patch of a kind that is not the package's.
    """
    keys = {id(write.change.record): write.change.key for write in plan.writes}
    document = {
        "format": _FORMAT,
        "version": _VERSION,
        "locked": plan.locked,
        "limit": plan.limit,
        "chunks": [[written_change(write, keys) for write in chunk] for chunk in plan.chunks],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def plan_in(text: str | bytes, models: Iterable[type[Record]]) -> Plan:
    """
    Return the plan that *text* has.

    Raises:
        InvalidRequest: If it has none, or one that *models* do not amount to.
    """
    try:
        return _plan(Part(_decoded(text), ""), list(with_kinds(models)))
    except RecursionError:
        Part(None, "").refuse("it is nested too deeply")


def _plan(root: Part, kinds: Sequence[type[Record]]) -> Plan:
    root.has_just(_PLAN)
    root.part("format").must_be(_FORMAT)
    root.part("version").must_be(_VERSION)
    chunks = [list(chunk.items()) for chunk in root.part("chunks").items()]
    listed = [at for chunk in chunks for at in chunk]
    changes = _linked(listed, [read_change(at, kinds) for at in listed])
    check(changes)
    plan = planned(changes, root.part("limit").amount(), locked=root.part("locked").truth())
    _compare(chunks, plan)
    return evolve(plan, detached=True)


def _linked(listed: Sequence[Part], changes: Sequence[Change]) -> list[Change]:
    """Return *changes*, which are written at the places *listed*, with what each waits for."""
    copies = {str(change.key): change.record for change in changes if change.target is not None}
    linked: list[Change] = []
    for at, change in zip(listed, changes, strict=True):
        after = at.part("after")
        if after.value is None:
            linked.append(change)
            continue
        if change.target is not None:
            after.refuse("only a deletion waits for another write")
        if after.text() not in copies:
            after.refuse(f"the plan writes no {after.value}, which this deletion is to wait for")
        linked.append(evolve(change, after=copies[after.value]))
    return linked


def _decoded(text: str | bytes) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object)
    except ValueError as error:
        msg = f"this is no plan, or not all of one: {error}"
        raise InvalidRequest(msg) from error


def _object(pairs: list[tuple[str, Any]]) -> Document:
    """Return an object; refuse one that would say one thing to a reader, and another to us."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        msg = f"{next(name for name in names if names.count(name) > 1)!r} is there twice"
        raise ValueError(msg)
    return found


def _compare(chunks: Sequence[Sequence[Part]], plan: Plan) -> None:
    """Refuse a text whose requests are not those of *plan*, which its changes amount to."""
    if [len(chunk) for chunk in chunks] != [len(chunk) for chunk in plan.chunks]:
        Part(None, "chunks").refuse("these changes do not travel together like this")
    keys = set[Key]()
    for read, made in zip(chunks, plan.chunks, strict=True):
        for at, write in zip(read, made, strict=True):
            if write.change.key in keys:
                at.refuse(f"it writes {write.change.key} a second time")
            keys.add(write.change.key)
            if not same(at.part("request").value, written_request(write.request)):
                at.part("request").refuse("its change amounts to another request; make a new plan")
