"""
Changes of records that were not loaded.

    session.patch(Todo, "milk", JSONPatch([{"op": "add", "path": "/data/tags/-", "value": "new"}]))

Nothing is known of what is there, so there is no precondition: the patch has to make sense
whatever that is.  It travels alone.  Until it has been applied, its record is a stand-in, which
has an id and nothing else.
"""

from __future__ import annotations

from typing import Any, TypeVar

from kinto_orm.exceptions import InvalidRequest
from kinto_orm.flow.json import same
from kinto_orm.models.adopting import become, rebased
from kinto_orm.models.binding import unbound
from kinto_orm.models.parts import stand_in
from kinto_orm.models.permissions import adopt_permissions
from kinto_orm.models.records import Record
from kinto_orm.patch_type import PatchType, WholeDocument
from kinto_orm.session.changes import Write
from kinto_orm.session.conflicts import set_keys
from kinto_orm.session.getting import Getting
from kinto_orm.session.identity import Entry
from kinto_orm.session.results import Fate, Outcome
from kinto_orm.session.snapshots import Stored, target_of, without_stamps
from kinto_orm.session.three_way import three_way
from kinto_orm.transport.codec import encode


R = TypeVar("R", bound=Record)


class Patching(Getting):
    """Changes records that were not loaded."""

    def patch(self, model: type[R], id: str, patch: PatchType) -> R:
        """
        Have the record *id* of *model* changed by *patch* at the next commit, whatever it is then.

        If its answer is lost, a `MergePatch` or a `BasicPatch` is sent again unless it has been
        applied.  Of a `JSONPatch` that cannot be told: it stays unknown, and is not sent again.

        Args:
            model: The class of the record.
            id: Its id.
            patch: How to change it.  A `JSONPatch` may ``test`` what it depends on; the server
                refuses all of it otherwise, and the record is in `CommitResult.errors`.

        Returns:
            The record: one that the session has, or a stand-in, of which nothing is loaded.  After
            the commit, it is as the server has it; a stand-in for one of another kind is forgotten.

        Raises:
            InvalidRequest: If the session has changes of the record, or *patch* is none.
            InvalidId: If Kinto does not take *id*.
            UnsendableValue: If *patch* has what cannot be sent.
        """
        if not isinstance(patch, PatchType) or isinstance(patch, WholeDocument):
            msg = f"a record is patched by a MergePatch, a JSONPatch or a BasicPatch, not {patch!r}"
            raise InvalidRequest(msg)
        encode(patch.body)
        key = self._key(model, id)
        entry = self._known.find(key)
        if entry is None:
            record = stand_in(model, id)
            entry = Entry(key, record, record.__dict__["_document"])
            self._known.put(entry)
        elif not isinstance(entry.record, unbound(model)):
            msg = f"{key} is a {type(entry.record).__name__}, not a {model.__name__}"
            raise InvalidRequest(msg)
        elif entry.blind is not None or not entry.is_clean:
            msg = f"{model.__name__} {key} has changes that are not committed: commit them first"
            raise InvalidRequest(msg)
        entry.blind = patch
        patched: Any = entry.record
        return patched  # type: ignore[no-any-return]

    def note(self, outcome: Outcome) -> None:
        """Take *outcome* into the session."""
        change = outcome.write.change
        if change.blind is None:
            super().note(outcome)
            return
        self._outcomes.append(outcome)
        entry = self._known.of(change.record)
        if entry is None and outcome.fate is Fate.UPDATED:  # It was not known before whether it is.
            entry = Entry(change.key, change.record, change.loaded, blind=change.blind)
            self._known.put(entry)
        if entry is None:
            return
        if outcome.fate in (Fate.ERROR, Fate.NOT_SENT):
            if outcome.write in entry.sent:
                entry.sent.remove(outcome.write)
            return
        if entry.blind is change.blind:  # Even if nobody knows: it cannot be sent again.
            entry.blind = None
        entry.sent.clear()
        if outcome.stored is None:
            if change.version is None:
                self._known.drop(change.record)
            return
        try:
            self._taken_anew_by(entry, outcome.write, outcome.stored)
        except InvalidRequest:  # It is of another kind, or does not fit.
            self._known.drop(entry.record)

    def _taken_anew_by(self, entry: Entry, write: Write, stored: Stored) -> None:
        """Have the record of *entry* be what a patch made of it; what was edited since stays."""
        record, then = entry.record, write.change.target or {}
        theirs, now = without_stamps(stored.document), target_of(record)
        if not same(now, then):
            theirs = three_way(then, now, theirs, sets=set_keys(record)).document
        become(record, rebased(type(record), stored.document, theirs))
        adopt_permissions(record, stored.permissions)
        entry.loaded = record.__dict__["_document"]
