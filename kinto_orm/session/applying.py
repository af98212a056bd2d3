"""Plans that are committed later: by the session that made them, or by another."""

from __future__ import annotations

from copy import deepcopy

from attrs import evolve

from kinto_orm.exceptions import InvalidRequest, KintoException
from kinto_orm.flow import Program
from kinto_orm.models.permissions import adopt_permissions
from kinto_orm.models.records import Record
from kinto_orm.session.changes import Change, Write
from kinto_orm.session.identity import Entry
from kinto_orm.session.patching import Patching
from kinto_orm.session.plans import Plan
from kinto_orm.session.sights import looked_up
from kinto_orm.session.snapshots import Stored
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
        sights = yield from looked_up([change.key for change in changes])
        found: list[Stored | None] = []
        for sight in sights:
            if isinstance(sight, KintoException):
                raise sight
            found.append(sight)
        moved = [moved_there(*each) for each in zip(changes, found, strict=True)]
        if differences := [each for each in moved if each is not None]:
            raise stale(differences)
        for change, stored in zip(changes, found, strict=True):
            _refuse_hidden(change, stored)
        stores = {change.key: stored for change, stored in zip(changes, found, strict=True)}
        return Plan(
            tuple(
                tuple(self._taken_over(write, stores[write.change.key]) for write in chunk)
                for chunk in plan.chunks
            ),
            locked=plan.locked,
        )

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
        if entry is None or (entry.is_clean and type(entry.record) is type(change.record)):
            return
        name = f"{type(entry.record).__name__} {entry.key}"
        what = "has changes that are not committed" if not entry.is_clean else "is of another class"
        msg = f"the plan cannot be taken in: {name} is in the session, and {what}; expunge it first"
        raise InvalidRequest(msg)

    def _taken_over(self, write: Write, stored: Stored | None) -> Write:
        """Return *write* for the session's own object; the plan's stays as it is."""
        change, fresh = write.change, deepcopy(write.change.record)
        adopt_permissions(fresh, None if stored is None else stored.permissions)
        record = self._put(change, fresh)
        for name, members in change.permissions.items():
            setattr(record.permissions, name, members)
        loaded = record.__dict__["_document"]
        return Write(evolve(change, record=record, loaded=loaded), write.request, write.form)

    def _put(self, change: Change, fresh: Record) -> Record:
        """Have the session know *fresh*, or its own object for the same record be as that."""
        entry = self._known.find(change.key)
        if entry is None:
            entry = Entry(change.key, fresh, None)
            self._known.put(entry)
        else:
            entry.record.__dict__.clear()
            entry.record.__dict__.update(fresh.__dict__)
        entry.loaded, entry.wanted = fresh.__dict__["_document"], change.target is not None
        return entry.record


def _refuse_hidden(change: Change, stored: Stored | None) -> None:
    """Refuse to change permissions that the server does not show: who may write sees them (P5)."""
    if change.permissions and stored is not None and not stored.permissions:
        msg = f"the plan changes the permissions of {change.key}, which you may not see, nor write"
        raise InvalidRequest(msg)
