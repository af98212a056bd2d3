"""A commit, from what changed to its result."""

from __future__ import annotations

import logging

from collections.abc import Callable

from kinto_orm.client.endpoints.server import BATCH_LIMIT
from kinto_orm.exceptions import (
    CommitError,
    InvalidRequest,
    KintoException,
    ServerError,
    TransportError,
)
from kinto_orm.flow import Program, operation
from kinto_orm.models.policies import OnConflict, checked_policy
from kinto_orm.models.records import Record
from kinto_orm.patch_type import PatchType, checked_kind
from kinto_orm.session.applying import Applying
from kinto_orm.session.events import announced
from kinto_orm.session.judging import seen
from kinto_orm.session.planning import check, planned
from kinto_orm.session.plans import Plan
from kinto_orm.session.progress import Progress
from kinto_orm.session.results import CommitResult, Fate, failure_of, result_of
from kinto_orm.session.sights import looked_up
from kinto_orm.session.verifying import verified
from kinto_orm.session.writing import Options


logger: logging.Logger = logging.getLogger(__name__)


class Committing(Applying):
    """
    Plans and commits.

    Attributes:
        last_result: What the last commit did, also if it failed or was interrupted; None if there
            was none.
    """

    last_result: CommitResult | None = None
    #: Whether handlers of `before_commit` are being called.
    _preparing = False

    @operation
    def plan(
        self, *, patch: type[PatchType] | None = None, lock: bool | None = None
    ) -> Program[Plan]:
        """
        Return what a commit would send: nothing is written.

        Args:
            patch: How changes are written, whatever the session and the classes say.
            lock: Whether its batches lock their collections (P3); if omitted, as the session says.

        The server may be asked for its settings, once for each client, and for records of which
        a commit before could not find out whether they were written.

        Raises:
            UnsendableValue: If a record holds what cannot be sent.
            ValidationError: If a record holds what its class does not allow.
            InvalidRequest: If a record was given another id.
            TransportError: If the server cannot be asked.
        """
        check_ways(patch, None)
        locked = self._lock if lock is None else lock
        with self._guard:
            yield from self._settle()
            return (yield from self._planned(patch, locked=locked))

    @operation
    def commit(
        self,
        plan: Plan | None = None,
        *,
        patch: type[PatchType] | None = None,
        on_conflict: OnConflict | None = None,
        lock: bool | None = None,
        verify: bool = False,
        progress: Callable[[Progress], object] | None = None,
    ) -> Program[CommitResult]:
        """
        Write what is new, changed or deleted, or what *plan* says.

        Nothing that did not change is sent.  What was written is taken into the session before an
        error is raised; what was not stays to be written.  Changes that are made while it is
        under way stay, too.

        Args:
            plan: What to write; it may have been made in another process (`Plan.from_json`).
            patch: How changes are written, whatever the session and the classes say.
            on_conflict: What becomes of records that were changed elsewhere, too; if omitted, as
                their classes say, or the session.
            lock: Whether those who write the same records at the same time are kept waiting, if
                they lock, too (P3); if omitted, as the session says.  A plan says so itself.
            verify: Whether what was written is read again, to see that the server has it.
            progress: A function that is told how far it has come, after each request.

        Raises:
            ConflictError: If records were changed elsewhere, and nothing worse happened.
            CommitError: If records could not be written.
            StalePlanError: If records of *plan* are not as they were then; nothing is sent.
            InvalidRequest: If the session has other changes of records of *plan*, which comes from
                another; nothing is sent.
            UnsendableValue, ValidationError, InvalidRequest, TransportError: As `plan`; nothing is
                sent.
        """
        if plan is not None and (patch is not None or lock is not None):
            msg = (
                "a plan says how each change is written, and whether it locks: give patch= and"
                " lock= to session.plan()"
            )
            raise InvalidRequest(msg)
        check_ways(patch, on_conflict)
        yield from self._prepared()
        with self._guard:
            locked = self._lock if lock is None else lock
            if plan is not None:
                locked = plan.locked
            options = Options(on_conflict=on_conflict, lock=locked, progress=progress, patch=patch)
            error, result = yield from self._committed(plan, options, verify=verify)
        try:
            yield from announced("after_commit", self, self, result)
        except BaseException as raised:
            if error is not None:
                raised.add_note(f"the commit had failed before: {error}")
            raise
        if error is not None:
            raise error
        return result

    def _prepared(self) -> Program[None]:
        """Call who listens to `before_commit`."""
        if self._preparing:
            msg = "a handler of before_commit cannot commit: its commit is about to begin"
            raise InvalidRequest(msg)
        self._preparing = True
        try:
            yield from announced("before_commit", self, self)
        finally:
            self._preparing = False

    def _committed(
        self, plan: Plan | None, options: Options, *, verify: bool
    ) -> Program[tuple[CommitError | None, CommitResult]]:
        """Commit; return the error that is to be raised, if there is one, and the result."""
        self._begun()
        yield from self._settle()
        is_all, known = plan is None, self.client._limit
        if plan is None:
            plan = yield from self._planned(options.patch, locked=options.lock)
            is_all = known == self.client._limit  # Else it was asked for, which took a while.
        else:
            plan = yield from self._ready(plan)
        untouched = self._untouched(plan, is_all=is_all)
        limit = self.client._limit or BATCH_LIMIT
        try:
            requests = yield from self._written(plan, limit, options)
            if verify:
                self._outcomes += yield from verified(self._outcomes)
        except BaseException as error:
            self.last_result = self._told(untouched, self._sent_so_far)[1]
            error.add_note(f"the commit was broken off: {self.last_result}")
            raise
        error_, self.last_result = self._told(untouched, requests)
        self._outcomes = []
        _log(self.last_result)
        return error_, self.last_result

    def _planned(self, patch: type[PatchType] | None, *, locked: bool) -> Program[Plan]:
        """Return the plan of all that is to be written."""
        changes = list(self._changes(patch))
        check(changes)  # Before anything is asked.
        limit = self.client._limit
        if limit is None and len(changes) < 2 and not locked:  # There is no batch.
            limit = BATCH_LIMIT
        if limit is None:  # What is changed, added or deleted meanwhile is for the next commit.
            self._underway = {id(change.record) for change in changes}
            try:
                limit = yield from self.client._batch_limit()
            finally:
                self._underway = set()
        return planned(changes, limit, locked=locked)

    def _settle(self) -> Program[None]:
        """Find out what became of writes of which that is not known yet."""
        entries = [entry for entry in self._known.entries() if entry.sent]
        sights = yield from looked_up([entry.key for entry in entries])
        for entry, sight in zip(entries, sights, strict=True):
            if isinstance(sight, (TransportError, ServerError)):
                raise sight  # Nothing is written before it is known what was.
            if isinstance(sight, KintoException):
                continue  # It cannot be read.  Its writes are open, and the next ones as safe.
            found = [seen(write, sight) for write in reversed(entry.sent)]
            true = [each for each in found if each is not None and each.error is None]
            # Each write is known by its own target, and by those of writes before it.
            true.sort(key=lambda outcome: outcome.fate is Fate.SUPERSEDED)
            if true:
                self.note(true[0])
            elif any(each is not None for each in found):  # Somebody else's: these came too late.
                version = None if sight is None else sight.version
                if not entry.wanted and entry.loaded is None and version is not None:
                    # It may have come, and others changed it since: its deletion meets that.  (A
                    # version of 0 would be passed over, see docs/protocol.md, P1.)
                    entry.loaded = {**(entry.sent[-1].change.target or {}), "last_modified": 1}
                entry.sent = [each for each in entry.sent if each.change.version == version]

    def _untouched(self, plan: Plan, *, is_all: bool) -> list[Record]:
        """
        Return the records of which there is nothing to write, in *plan* or besides.

        Args:
            plan: What is about to be written.
            is_all: Whether that is all there is, and nothing can have been changed since.
        """
        busy = {id(change.record) for change in (() if is_all else self._changes())}
        busy |= {id(write.change.record) for write in plan.writes}
        busy |= {id(outcome.write.change.record) for outcome in self._outcomes}
        busy |= {id(entry.record) for entry in self._known.entries() if not entry.wanted}
        records = self._known.records()
        return [record for record in records if id(record) not in busy] if busy else records

    def _told(
        self, untouched: list[Record], requests: int
    ) -> tuple[CommitError | None, CommitResult]:
        """Return what the outcomes amount to: an error, if it is one, and the result."""
        if not self._outcomes and not self._known.entries():  # Nothing was wanted of any record.
            return None, CommitResult(unchanged=tuple(untouched), requests=requests)
        last = {id(outcome.write.change.record): outcome for outcome in self._outcomes}
        final = list(last.values())
        told = last.keys() | set(map(id, untouched))
        kept = self._known.besides(told)
        result = result_of(final, untouched, kept, requests)
        return failure_of(final, result), result


def _log(result: CommitResult) -> None:
    """Log what a commit did, if there was anything to do."""
    if result.unknown:
        logger.warning("a commit could not find out what was written: %s", result)
    elif result.requests:
        logger.info("a commit: %s", result)


def check_ways(patch: type[PatchType] | None, on_conflict: OnConflict | None) -> None:
    """
    Refuse what is no way to write a change, or to resolve a conflict.

    Raises:
        TypeError: If *patch* is no kind of patch.
        InvalidRequest: If *on_conflict* is no policy.
    """
    if patch is not None:
        checked_kind(patch)
    if on_conflict is not None:
        checked_policy(on_conflict)
