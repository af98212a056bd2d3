"""A commit, from what changed to its result."""

from __future__ import annotations

from collections.abc import Sequence

from kinto_orm.client.endpoints.server import BATCH_LIMIT
from kinto_orm.exceptions import KintoException, ServerError, TransportError
from kinto_orm.flow import Program, operation
from kinto_orm.models.records import Record
from kinto_orm.session.getting import Getting
from kinto_orm.session.outcomes import carried_out, seen, superseding
from kinto_orm.session.planning import Change, Plan, check, planned
from kinto_orm.session.results import CommitResult, Fate, failure_of, result_of
from kinto_orm.session.sights import looked_up


class Committing(Getting):
    """Plans and commits."""

    @operation
    def plan(self) -> Program[Plan]:
        """
        Return what a commit would send: nothing is written.

        The server may be asked for its settings, once for each client, and for records of which
        a commit before could not find out whether they were written.

        Raises:
            UnsendableValue: If a record holds what cannot be sent.
            ValidationError: If a record holds what its class does not allow.
            InvalidRequest: If a record was given another id.
            TransportError: If the server cannot be asked.
        """
        with self._guard:
            yield from self._settle()
            limit = yield from self._limit()
            changes = list(self._changes())
            check(changes)
            return planned(changes, limit)

    @operation
    def commit(self, plan: Plan | None = None) -> Program[CommitResult]:
        """
        Write what is new, changed or deleted, or what *plan* says.

        Nothing that did not change is sent.  What was written is taken into the session before an
        error is raised; what was not stays to be written.  Changes that are made while it is
        under way stay, too.

        Raises:
            ConflictError: If records were changed elsewhere, and nothing worse happened.
            CommitError: If records could not be written.
            StalePlanError: If records of *plan* are not as they were then; nothing is sent.
            UnsendableValue, ValidationError, InvalidRequest, TransportError: As `plan`; nothing is
                sent.
        """
        with self._guard:
            self._begun()
            yield from self._settle()
            if plan is None:
                limit = yield from self._limit()
                changes = list(self._changes())
                check(changes)
                plan = planned(changes, limit)
            else:
                limit, changes = self.client._limit or BATCH_LIMIT, list(self._changes())
                self._check(plan)
            untouched, requests = self._untouched(changes, plan), 0
            self._underway = {id(write.change.record) for write in plan.writes}
            try:
                while plan.chunks:
                    requests += len(plan)
                    before = len(self._outcomes)
                    yield from carried_out(plan, self)
                    plan = planned(superseding(self._outcomes[before:]), limit)
            finally:
                self._underway = set()
        return self._concluded(untouched, requests)

    def _limit(self) -> Program[int]:
        """Return how many writes fit in a batch; ask the server, if there may be one."""
        if self.client._limit is None:
            changes = list(self._changes())
            check(changes)  # Before anything is asked.
            if len(changes) < 2:
                return BATCH_LIMIT
        limit: int = yield from self.client._batch_limit()
        return limit

    def _settle(self) -> Program[None]:
        """Find out what became of writes of which that is not known yet."""
        entries = [entry for entry in self._known if entry.sent]
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
                entry.sent = [each for each in entry.sent if each.change.version == version]

    def _untouched(self, changes: Sequence[Change], plan: Plan) -> list[Record]:
        """Return the records of which there is nothing to write."""
        busy = {id(change.record) for change in changes}
        busy |= {id(write.change.record) for write in plan.writes}
        busy |= {id(outcome.write.change.record) for outcome in self._outcomes}
        return [
            entry.record for entry in self._known if entry.wanted and id(entry.record) not in busy
        ]

    def _concluded(self, untouched: list[Record], requests: int) -> CommitResult:
        """Return the result that the outcomes amount to, or raise the error."""
        outcomes, self._outcomes = self._outcomes, []
        last = {id(outcome.write.change.record): outcome for outcome in outcomes}
        final = list(last.values())
        told = last.keys() | {id(record) for record in untouched}
        kept = [entry for entry in self._known if id(entry.record) not in told]
        result = result_of(final, untouched, kept, requests)
        error = failure_of(final, result)
        if error is not None:
            raise error
        return result
