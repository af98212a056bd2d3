"""Running what reads, changes and commits again, when somebody else was first."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from kinto_orm.exceptions import Conflict, ConflictError, InvalidRequest
from kinto_orm.flow import Program, Sleep
from kinto_orm.flow.batching import PATIENCE
from kinto_orm.flow.messages import Call
from kinto_orm.models.kinds import base_of_kinds
from kinto_orm.models.layout import load
from kinto_orm.session.committing import Committing
from kinto_orm.session.editing import Editing
from kinto_orm.session.results import EFFECTS, Outcome


#: How often work is run at the most.
ATTEMPTS: Final = 20


class Repeating(Editing):
    """Runs work again on a conflict."""

    #: How many writes were applied.
    _effects = 0

    def note(self, outcome: Outcome) -> None:
        """Take *outcome* into the session."""
        super().note(outcome)
        if outcome.fate in EFFECTS:
            self._effects += 1

    def _repeated(
        self, work: Callable[[Any], Any], *, attempts: int, lock: bool, repeatable: bool
    ) -> Program[Any]:
        """Run *work*, and commit; again on a conflict (see `Session.retry`)."""
        if attempts < 1:
            msg = f"work must be run once at least, not {attempts} times"
            raise InvalidRequest(msg)
        if any(True for _ in self._known.unsettled()):
            msg = "the session has changes that are not committed: commit them before, or undo them"
            raise InvalidRequest(msg)
        before = self._lock, self._is_repeating
        self._lock, self._is_repeating = lock, True
        try:
            for attempt in range(1, attempts + 1):
                effects = self._effects
                try:
                    result = yield Call(partial(work, self))
                    if any(True for _ in self._known.unsettled()):
                        yield from Committing.commit.flow(self)
                except ConflictError as error:
                    if attempt == attempts:
                        error.add_note(f"It was tried {attempts} times.")
                        raise
                    if self._effects > effects and not repeatable:
                        error.add_note(_NOT_AGAIN)
                        raise
                    self._give_way(error)
                else:
                    return result
                yield Sleep(PATIENCE.pause(attempt))
        finally:
            self._lock, self._is_repeating = before
        raise AssertionError

    def _give_way(self, error: ConflictError) -> None:
        """Undo what was changed here; have what the others wrote."""
        for conflict in error.exceptions:
            assert isinstance(conflict, Conflict)
            entry = self._known.of(conflict.record)
            if entry is None:
                continue
            if conflict.remote is None:
                self._known.drop(entry.record)
                continue
            fresh = load(base_of_kinds(type(entry.record)), conflict.remote)
            if type(fresh) is type(entry.record):
                self._replace(entry, fresh, conflict.remote)
            else:  # It is a record of another kind now.
                self._known.drop(entry.record)
        self.rollback()


_NOT_AGAIN: Final = (
    "A part of what the work changed is on the server, so that it was not run again: what it does"
    " would be done twice. If that does no harm, say repeatable=True; or change one record at a"
    " time."
)
