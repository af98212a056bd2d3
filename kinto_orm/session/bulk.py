"""
Deleting and updating all that a query finds.

A page is read, written, and forgotten, before the next one is.  Each record goes through the
session as if it had been loaded and changed there: with its precondition, in batches, and with
the truth about it at the end.  What could not be written stays in the session, as after any
commit; so does what was there before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, TypeAlias

from attrs import define, field

from kinto_orm.exceptions import CommitError, InvalidRequest, KintoException, ValidationError
from kinto_orm.flow import Program, Request, consumed
from kinto_orm.models.records import Record
from kinto_orm.query.reading import everything, pages_of
from kinto_orm.query.selects import Select
from kinto_orm.session.changes import Change, Write
from kinto_orm.session.identity import Entry
from kinto_orm.session.planning import check, planned
from kinto_orm.session.results import CommitResult, Fate, Outcome, failure_of, result_of
from kinto_orm.session.snapshots import target_of
from kinto_orm.session.writing import Options, Writing


#: What gives the change that a record of a query is to undergo.
Changing: TypeAlias = Callable[[Entry], Change]


@define
class _Tally:
    """What a deletion or an update has done so far."""

    untouched: list[Record] = field(factory=list[Record])
    requests: int = 0


class Bulk(Writing):
    """Writes what a query finds."""

    def _delete_all(self, select: Select) -> Program[CommitResult]:
        """Delete what *select* finds."""

        def to_go(entry: Entry) -> Change:
            entry.wanted = False
            return self._change(entry, None)

        return (yield from self._write_all(select.with_(only=frozenset()), to_go))

    def _update_all(self, select: Select, values: dict[str, Any]) -> Program[CommitResult]:
        """Give *values* to what *select* finds."""

        def changed(entry: Entry) -> Change:
            for name, value in values.items():
                setattr(entry.record, name, _own(value))
            return self._change(entry, target_of(entry.record))

        return (yield from self._write_all(select, changed))

    def _write_all(self, select: Select, changing: Changing) -> Program[CommitResult]:
        """Read what *select* finds, page after page, and write each page."""
        self._refuse_uncommitted(select)
        self._begun()
        tally, told = _Tally(), len(self._outcomes)
        limit: int = yield from self.client._batch_limit()
        guests = set(map(id, self._known.records()))

        def write(records: Sequence[Record]) -> Program[None]:
            yield from self._write_page(records, changing, limit, tally)
            for record in records:
                entry = self._known.of(record)
                if entry is not None and id(record) not in guests and entry.is_clean:
                    self._known.drop(record)

        broken: KintoException | None = None
        try:
            if select.snapshot or select.orders:  # What is written would move the pages.
                found = yield from everything(self, select)
                yield from write(found)
            else:
                yield from consumed(pages_of(self, select), write)
        except KintoException as error:
            if not tally.requests:
                raise
            broken = error
        outcomes, self._outcomes = self._outcomes[told:], self._outcomes[:told]
        return _concluded(outcomes, tally, broken)

    def _refuse_uncommitted(self, select: Select) -> None:
        """Refuse to write what *select* finds, if some of it has changes that wait."""
        place = self._place(select.model)
        for entry in self._known.unsettled():
            if (entry.key.bucket, entry.key.collection) == place:
                name = f"{type(entry.record).__name__} {entry.key}"
                msg = (
                    f"{name} has changes that are not committed: commit or expunge it before what"
                    f" is in its collection is changed as a whole"
                )
                raise InvalidRequest(msg)

    def _write_page(
        self, records: Sequence[Record], changing: Changing, limit: int, tally: _Tally
    ) -> Program[None]:
        """Write the changes of a page."""
        changes: list[Change] = []
        for record in records:
            entry = self._known.of(record)
            assert entry is not None
            state = dict(record.__dict__)
            try:
                change = changing(entry)
                check([change])
                self._check_links(entry)
            except Exception as error:  # noqa: BLE001 (whatever a validator may raise)
                record.__dict__.clear()
                record.__dict__.update(state)
                self.note(_refused(self._change(entry, target_of(record)), error))
                continue
            if change.is_one:
                changes.append(change)
            else:
                tally.untouched.append(record)
        plan = planned(changes, limit, locked=self._lock)
        tally.requests += yield from self._written(plan, limit, Options(lock=self._lock))


def _own(value: Any) -> Any:
    """Return *value* for one record alone: no two may share a list.  A record is linked to."""
    return value if isinstance(value, Record) else deepcopy(value)


def _refused(change: Change, error: Exception) -> Outcome:
    """Return that a record cannot be given its values."""
    record = change.record
    msg = f"{type(record).__name__} {change.key} was not changed: {error}"
    failure = ValidationError(msg, getattr(error, "faults", ()))
    failure.record, failure.__cause__ = record, error
    return Outcome(
        Write(change, Request("PATCH", change.key.path), "refused"), Fate.ERROR, None, failure
    )


def _concluded(
    outcomes: list[Outcome], tally: _Tally, broken: KintoException | None
) -> CommitResult:
    """Return what was done, or raise what went wrong."""
    last = list({id(outcome.write.change.record): outcome for outcome in outcomes}.values())
    result = result_of(last, tally.untouched, [], tally.requests)
    error = failure_of(last, result)
    if broken is not None:
        failures = [each.error for each in last if each.error is not None]
        msg = f"what the query finds could not be read to its end ({result}):"
        raise CommitError(msg, [*failures, broken], result=result) from broken
    if error is not None:
        raise error
    return result
