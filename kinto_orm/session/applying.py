"""Plans that are committed later: by the session that made them, or by another."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

from attrs import evolve

from kinto_orm.exceptions import InvalidRequest, KintoException
from kinto_orm.flow import Program
from kinto_orm.models.binding import unbound
from kinto_orm.models.permissions import adopt_permissions
from kinto_orm.models.records import Record
from kinto_orm.patch_type import PatchType
from kinto_orm.session.changes import Change, Write
from kinto_orm.session.identity import Entry, Key
from kinto_orm.session.patching import Patching
from kinto_orm.session.plans import Plan
from kinto_orm.session.sights import looked_up
from kinto_orm.session.snapshots import Stored, target_of
from kinto_orm.session.staleness import moved_here, moved_there, stale


class Applying(Patching):
    """Makes sure that a plan is still true before it is sent."""

    def _ready(self, plan: Plan) -> Program[Plan]:
        """
        Return *plan* for the records of this session; those of a plan that was read are taken in.

        Raises:
            StalePlanError: If records are not as they were when the plan was made.
            InvalidRequest: If the session has other changes of its records, or they are elsewhere.
            KintoException: If the server does not say what it has.
        """
        if plan.detached:
            return (yield from self._taken_in(plan))
        moved = [
            moved_here(write.change, self._known.of(write.change.record)) for write in plan.writes
        ]
        if differences := [each for each in moved if each is not None]:
            raise stale(differences)
        return plan

    def _taken_in(self, plan: Plan) -> Program[Plan]:
        changes = [write.change for write in plan.writes]
        for change in changes:
            self._refuse_elsewhere(change)
            self._refuse_edited(change)
        stores = yield from _unmoved([change for change in changes if change.blind is None])
        # What moves comes after its copy: each finds the one that it waits for.
        chunks = tuple(
            tuple(self._taken_over(write, stores.get(write.change.key)) for write in chunk)
            for chunk in plan.chunks
        )
        return evolve(plan, chunks=chunks, detached=False)

    def _refuse_elsewhere(self, change: Change) -> None:
        here = self._key(type(change.record), change.key.id)
        if here != change.key:
            msg = (
                f"the plan writes {change.key}, but for this session's client the class"
                f" {type(change.record).__name__} is in {here.bucket}/{here.collection}"
            )
            raise InvalidRequest(msg)

    def _refuse_edited(self, change: Change) -> None:
        entry = self._known.find(change.key)
        if entry is None or (entry.is_clean and _is_of_its_class(entry.record, change)):
            return
        name = f"{type(entry.record).__name__} {entry.key}"
        what = "has changes that are not committed" if not entry.is_clean else "is of another class"
        msg = f"the plan cannot be taken in: {name} is in the session, and {what}; expunge it first"
        raise InvalidRequest(msg)

    def _taken_over(self, write: Write, stored: Stored | None) -> Write:
        """Return *write* for the session's own object; the plan's stays as it is."""
        change = write.change
        if change.blind is not None:
            own = self._patched(change, change.blind)
        else:
            own = self._changed(change, stored)
        return evolve(write, change=own)

    def _patched(self, change: Change, patch: PatchType) -> Change:
        """Have the session's own object be patched as *change* says."""
        record = self.patch(type(change.record), change.key.id, patch)
        return self._change(self._mine(record), target_of(record))

    def _changed(self, change: Change, stored: Stored | None) -> Change:
        """Have the session's own object be changed as *change* says."""
        fresh = deepcopy(change.record)
        adopt_permissions(fresh, None if stored is None else stored.permissions)
        entry = self._put(change, fresh)
        record = entry.record
        for name, members in change.permissions.items():
            setattr(record.permissions, name, members)
        after = None if change.after is None else self._copy_of(change.after)
        if after is not None:
            entry.follow(after)
        return evolve(
            change,
            record=record,
            loaded=record.__dict__["_document"],
            after=None if after is None else after.record,
        )

    def _copy_of(self, record: Record) -> Entry | None:
        """Return the session's own entry of the copy that is *record* in a plan."""
        return self._known.find(self._key(type(record), record.id))

    def _put(self, change: Change, fresh: Record) -> Entry:
        """Have the session know *fresh*, or its own object for the same record be as that."""
        entry = self._known.find(change.key)
        if entry is None:
            entry = Entry(change.key, fresh, None)
            self._known.put(entry)
        else:
            entry.record.__dict__.clear()
            entry.record.__dict__.update(fresh.__dict__)
        entry.loaded, entry.wanted = fresh.__dict__["_document"], change.target is not None
        if not entry.wanted:
            entry.release()
        return entry


def _unmoved(changes: Sequence[Change]) -> Program[dict[Key, Stored | None]]:
    """Return what the server has of the records of *changes*, if that is what these are of."""
    sights = yield from looked_up([change.key for change in changes])
    found: list[Stored | None] = []
    for sight in sights:
        if isinstance(sight, KintoException):
            raise sight
        found.append(sight)
    pairs = list(zip(changes, found, strict=True))
    moved = [moved_there(change, stored) for change, stored in pairs]
    if differences := [each for each in moved if each is not None]:
        raise stale(differences)
    for change, stored in pairs:
        _refuse_hidden(change, stored)
    return {change.key: stored for change, stored in pairs}


def _is_of_its_class(record: Record, change: Change) -> bool:
    """Tell whether *record* may be changed so: a patch, which knows no kind, is of all kinds."""
    model = type(change.record)
    return type(record) is model or (
        change.blind is not None and isinstance(record, unbound(model))
    )


def _refuse_hidden(change: Change, stored: Stored | None) -> None:
    """Refuse to change permissions that the server does not show: who may write sees them (P5)."""
    if change.permissions and stored is not None and not stored.permissions:
        msg = f"the plan changes the permissions of {change.key}, which you may not see, nor write"
        raise InvalidRequest(msg)
