"""
Carrying out a plan, and what it leads to.

What is met on the way may have to be written again: a change of which an earlier version turned
out to be on the server, a conflict that a policy resolved.  Each of these is a round, a plan of
its own, until there is nothing more to send.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import count
from typing import Any, Final

import attrs

from attrs import define, frozen

from kinto_orm.exceptions import Conflict, InvalidRequest, NotAttempted
from kinto_orm.flow import Document, Program, Sleep
from kinto_orm.flow.batching import PATIENCE
from kinto_orm.flow.json import same
from kinto_orm.flow.messages import Call
from kinto_orm.models.adopting import become, rebased
from kinto_orm.models.permissions import (
    adopt_permissions,
    all_permissions,
    hide_permissions,
    permission_changes,
)
from kinto_orm.models.policies import OnConflict
from kinto_orm.models.records import Record
from kinto_orm.patch_type import PatchType
from kinto_orm.session.changes import Change, Write
from kinto_orm.session.conflicts import Resolution, resolved, set_keys
from kinto_orm.session.events import announced, is_heard
from kinto_orm.session.identity import Entry
from kinto_orm.session.judging import superseding
from kinto_orm.session.loading import Loading
from kinto_orm.session.outcomes import carried_out
from kinto_orm.session.planning import planned
from kinto_orm.session.plans import Plan
from kinto_orm.session.progress import Progress
from kinto_orm.session.results import Fate, Outcome
from kinto_orm.session.sights import looked_up
from kinto_orm.session.snapshots import Stored, without_stamps
from kinto_orm.session.three_way import three_way
from kinto_orm.transport.codec import encode


#: How often a record that others keep changing is merged and sent again.
MERGES: Final = 10


@frozen(kw_only=True)
class Options:
    """
    How a commit is to go about it.

    Attributes:
        on_conflict: What becomes of conflicts; None if the classes and the session say so.
        lock: Whether batches lock the collections that they write to.
        progress: Who is told how far it has come.
        patch: How changes are written; None if the classes and the session say so.
    """

    on_conflict: OnConflict | None = None
    lock: bool = False
    progress: Callable[[Progress], object] | None = None
    patch: type[PatchType] | None = None


@define
class _Course:
    """
    How far a plan has come.

    Attributes:
        options: How to go about it.
        total: How many changes there are.
        done: Of how many it is known what became of them.
        requests: How many requests were answered.
        told: How many of the session's outcomes have been announced.
    """

    options: Options
    total: int
    told: int
    done: int = 0
    requests: int = 0


class Writing(Loading):
    """Carries out plans."""

    def __init__(
        self,
        client: Any,
        patch: type[PatchType],
        *,
        on_conflict: OnConflict = "raise",
        lock: bool = False,
    ) -> None:
        super().__init__(client, patch)
        self._on_conflict: OnConflict = on_conflict
        self._lock = lock
        self._course: _Course | None = None

    def _written(self, plan: Plan, limit: int, options: Options) -> Program[int]:
        """Send what *plan* says, and what that leads to; return how many requests that took."""
        course = self._course = _Course(options, len(plan.writes), len(self._outcomes))
        self._underway = {id(write.change.record) for write in plan.writes}
        waiting = list[Change]()
        try:
            for attempt in count(1):
                if is_heard("before_send"):
                    for write in plan.writes:
                        record = write.change.record
                        yield from announced("before_send", self, write, record=record)
                before = len(self._outcomes)
                yield from carried_out(plan, self)
                met = self._outcomes[before:]
                changes = superseding(met)
                changes += yield from self._resolved(met, options, may=attempt < MERGES)
                waiting += _kept_waiting(met)
                if not changes:  # What a record moves to may be there now.
                    changes = [change for change in waiting if self.is_ready(change)]
                    waiting = []
                if not changes:
                    return course.requests
                if attempt > 1:  # Somebody is as fast: after a while, let him.
                    yield Sleep(PATIENCE.pause(attempt - 1))
                plan = planned(changes, limit, locked=options.lock)
        finally:
            self._underway = set()
        raise AssertionError

    @property
    def _sent_so_far(self) -> int:
        """Return how many requests of the commit under way were answered."""
        return 0 if self._course is None else self._course.requests

    def answered(self, writes: Sequence[Write], *, requests: int) -> Program[None]:
        """Tell whoever wants to know that it is known what became of *writes*, in *requests*."""
        course = self._course
        if course is None:
            return
        course.requests += requests  # Before a handler may break it off.
        for outcome in self._outcomes[course.told :]:
            record = outcome.write.change.record
            yield from announced("after_send", self, outcome, record=record)
        course.told = len(self._outcomes)
        course.done = min(course.total, course.done + len(writes))
        if course.options.progress is not None:
            progress = Progress(course.done, course.total, course.requests)
            yield Call(partial(course.options.progress, progress))

    # -- Conflicts -----------------------------------------------------------------------------

    def _resolved(
        self, outcomes: Iterable[Outcome], options: Options, *, may: bool
    ) -> Program[list[Change]]:
        """Return what conflicts among *outcomes* are resolved to, if they *may* be."""
        changes: list[Change] = []
        for outcome in outcomes:
            conflict = outcome.error
            if not isinstance(conflict, Conflict):
                continue
            record = outcome.write.change.record
            yield from announced("conflict", self, conflict, record=record)
            entry = self._known.of(record)
            if entry is None or not may:
                continue
            try:
                policy = self._policy(record, options)
                change = yield from self._settlement(entry, outcome, policy)
            except Exception as error:  # noqa: BLE001 (whatever a user's function may raise)
                conflict.__cause__ = error
                conflict.add_note(f"It could not be resolved: {error}")
            else:
                changes += [] if change is None else [change]
        return changes

    def _policy(self, record: Record, options: Options) -> OnConflict:
        """Return what is to become of conflicts of *record*."""
        if options.on_conflict is not None:
            return options.on_conflict
        if self._is_repeating:  # A merge would keep what was worked out from values of before.
            return "raise"
        return self._on_conflict if record._on_conflict is None else record._on_conflict[0]

    def _settlement(
        self, entry: Entry, outcome: Outcome, policy: OnConflict
    ) -> Program[Change | None]:
        """Return what *policy* still has to be written; None if nothing has."""
        conflict, change = outcome.error, outcome.write.change
        assert isinstance(conflict, Conflict)
        resolution = yield from resolved(conflict, policy, change)
        if resolution is None:
            return None
        if resolution.document is not None:
            outcome = yield from _with_permissions(outcome)
        if self._known.of(change.record) is not entry:  # It was expunged meanwhile.
            return None
        return self._accepted(entry, outcome, resolution)

    def _accepted(self, entry: Entry, outcome: Outcome, resolution: Resolution) -> Change | None:
        """Take *resolution* into a record; return what is still to be written."""
        change, found, document = outcome.write.change, outcome.stored, resolution.document
        encode(document)  # Before anything is changed.
        if document is None:
            return self._taken_away(entry, outcome)
        if found is None:
            return self._brought_back(entry, change, document)
        document = _completed(change, found, document)
        target = rebased(type(entry.record), found.document, document)._dump()
        now = self._with_later_edits(entry, change, target)
        become(entry.record, rebased(type(entry.record), found.document, now))
        if found.permissions is None:
            hide_permissions(entry.record)
        else:
            adopt_permissions(entry.record, found.permissions)
        entry.loaded = entry.record.__dict__["_document"]
        if change.target is None:  # If it is deleted only since, that is for the next commit.
            entry.want()
        return self._still_to_do(entry, outcome.write, target)

    def _taken_away(self, entry: Entry, outcome: Outcome) -> Change | None:
        """Have the record of *entry* go; return what is still to be written."""
        change = outcome.write.change
        if change.target is not None:  # Otherwise it is, unless it was added again since.
            entry.wanted = False
        if outcome.stored is None:
            self.note(Outcome(outcome.write, Fate.DELETED))
            return None
        entry.loaded = outcome.stored.document
        return attrs.evolve(change, loaded=entry.loaded, target=None, earlier=(), resolves=True)

    def _brought_back(self, entry: Entry, change: Change, document: Document) -> Change:
        """Have the record of *entry* created again, as *document*."""
        if change.keys is not None:
            msg = "it was loaded in part, so that the rest of it is lost"
            raise InvalidRequest(msg)
        now = self._with_later_edits(entry, change, document)
        become(entry.record, rebased(type(entry.record), None, now))
        self._gone(entry.record, entry)
        return attrs.evolve(
            change,
            loaded=None,
            target=document,
            earlier=(),
            permissions=permission_changes(entry.record),
            all_permissions=all_permissions(entry.record),
            resolves=True,
        )

    def _with_later_edits(self, entry: Entry, change: Change, document: Document) -> Document:
        """Return *document* with what was edited since *change* was planned."""
        now = entry.record._dump() if entry.wanted else change.target
        if change.target is None or now is None or same(now, change.target):
            return document
        sets = set_keys(entry.record)
        return three_way(change.target, now, document, prefer="local", sets=sets).document

    def _still_to_do(self, entry: Entry, write: Write, document: Document) -> Change | None:
        """Return the change that leaves the record of *entry* as *document*; None if it is so."""
        change = attrs.evolve(
            write.change,
            loaded=entry.loaded,
            target=document,
            earlier=(),
            permissions=permission_changes(entry.record),
            all_permissions=all_permissions(entry.record),
            keys=None,
            resolves=True,
        )
        if change.is_one:
            return change
        self.note(Outcome(attrs.evolve(write, change=change), Fate.MERGED))
        return None


def _with_permissions(outcome: Outcome) -> Program[Outcome]:
    """Return *outcome* with what the record permits, if that is changed here (P2)."""
    change, stored = outcome.write.change, outcome.stored
    if stored is None or stored.permissions is not None or not permission_changes(change.record):
        return outcome
    (sight,) = yield from looked_up([change.key])
    if not isinstance(sight, Stored) or sight.version != stored.version:
        msg = "what it permits is changed here, and could not be read as of that version"
        raise InvalidRequest(msg)
    return attrs.evolve(outcome, stored=sight)


def _kept_waiting(outcomes: Iterable[Outcome]) -> list[Change]:
    """Return the changes that were not sent since a record was not yet where it moves to."""
    # Those that were not since the server was out of reach have a cause: it still is.
    kept = (
        each.write.change
        for each in outcomes
        if isinstance(each.error, NotAttempted) and each.error.__cause__ is None
    )
    return [change for change in kept if change.after is not None]


def _completed(change: Change, found: Stored, document: Document) -> Document:
    """Return *document*, of a record that was loaded in part, with what the rest of it is."""
    if change.keys is None:
        return document
    theirs = without_stamps(found.document)
    known = change.keys | (change.target or {}).keys()
    return {**{key: value for key, value in theirs.items() if key not in known}, **document}
