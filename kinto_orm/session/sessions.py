"""Sessions: units of work, one that blocks and one that awaits."""

from __future__ import annotations

import warnings

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from kinto_orm.client.clients import AsyncClient, Client
from kinto_orm.client.endpoints.objects import content, permissions_of
from kinto_orm.client.endpoints.server import BATCH_LIMIT
from kinto_orm.exceptions import (
    InvalidRequest,
    KintoException,
    RecordNotFound,
    TransportError,
    UnsavedChangesWarning,
)
from kinto_orm.flow import Awaiting, Blocking, Program, Request, Response, operation
from kinto_orm.flow.refusals import missing_of
from kinto_orm.models.binding import unbound
from kinto_orm.models.layout import base_of_kinds, load
from kinto_orm.models.parts import part_of
from kinto_orm.models.records import Record
from kinto_orm.patch_type import MergePatch, PatchType
from kinto_orm.query.queries import AsyncQuery, Query, QueryBase
from kinto_orm.query.questions import select_of
from kinto_orm.session.attaching import Attaching
from kinto_orm.session.identity import Entry, Key
from kinto_orm.session.outcomes import carried_out, looked_up, seen, superseding
from kinto_orm.session.planning import Change, Plan, check, planned
from kinto_orm.session.results import CommitResult, Fate, failure_of, result_of
from kinto_orm.session.snapshots import Stored


R = TypeVar("R", bound=Record)
T = TypeVar("T")


class SessionBase(Attaching):
    """
    A unit of work, without the waiting.

    It knows the records that were loaded through it or added to it, one object for each, and
    writes what is new, changed or deleted when `commit` is called, and only then.
    """

    def __init__(self, client: Any, *, patch: type[PatchType] = MergePatch) -> None:
        super().__init__(client, patch)

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"<{name} with {len(self._known)} records, {len(self.new)} new>"

    # -- Reading -------------------------------------------------------------------------------

    @operation
    def get(self, model: type[R], id: str) -> Program[R | None]:
        """
        Return the record *id* of *model*, or None if there is none.

        A record that is in the session is returned as it is there, without a request.

        Raises:
            InvalidId: If Kinto does not take *id*.
            ValidationError: If what is there does not fit *model*.
            CollectionNotFound: If there is no such collection.
        """
        with self._guard:
            return (yield from self._get(model, id))

    @operation
    def get_one(self, model: type[R], id: str) -> Program[R]:
        """
        Return the record *id* of *model*.

        Raises:
            RecordNotFound: If there is none.
            InvalidId, ValidationError, CollectionNotFound: As `get`.
        """
        with self._guard:
            found = yield from self._get(model, id)
        if found is None:
            msg = f"there is no {model.__name__} {self._key(model, id)}"
            raise RecordNotFound(msg)
        return found

    def _get(self, model: type[R], ident: str) -> Program[R | None]:
        key = self._key(model, ident)
        entry = self._known.find(key)
        if entry is not None and not entry.wanted:
            return None
        if entry is None or part_of(entry.record) is not None:
            stored = yield from self._read(key)
            if stored is None:
                return None
            found = self._take(model, stored.document, None, stored.permissions)
            if found is not None and part_of(found) is not None:
                msg = (
                    f"{type(found).__name__} {key} was loaded in part and changed here, and changed"
                    " elsewhere since: refresh it"
                )
                raise InvalidRequest(msg)
            return found
        record: Any = entry.record
        if not isinstance(record, unbound(model)):
            msg = f"{key} is a {type(record).__name__}, not a {model.__name__}"
            raise InvalidRequest(msg)
        return record

    def _read(self, key: Key) -> Program[Stored | None]:
        """Return the record under *key* as the server has it, or None if there is none."""
        response: Response = yield (request := Request("GET", key.path))
        if response.status == 404 and missing_of(response) == "record":
            return None
        return Stored(content(request, response), permissions_of(response))

    @operation
    def refresh(self, record: Record) -> Program[None]:
        """
        Read *record* again: it becomes what the server has, and local changes are lost.

        All of it is loaded then, its permissions included.

        Raises:
            InvalidRequest: If it is not in the session.
            RecordNotFound: If the server does not have it (any more).
        """
        with self._guard:
            entry = self._mine(record)
            stored = yield from self._read(entry.key)
            if stored is None:
                msg = f"there is no {type(record).__name__} {entry.key} (any more)"
                raise RecordNotFound(msg)
            fresh = load(base_of_kinds(type(record)), stored.document)
            if unbound(type(fresh)) is not unbound(type(record)):
                msg = f"{entry.key} is a {type(fresh).__name__} now: expunge it and get it again"
                raise InvalidRequest(msg)
            self._replace(entry, fresh, stored.document, stored.permissions)

    @operation
    def load_permissions(self, *records: Record) -> Program[None]:
        """
        Read the permissions of *records*, which lists do not have; several in one request.

        Their local changes stay.

        Raises:
            InvalidRequest: If one is not in the session, or was changed here and elsewhere.
            RecordNotFound: If the server does not have one (any more).
        """
        with self._guard:
            entries = [self._mine(record) for record in records]
            sights = yield from looked_up([entry.key for entry in entries])
            for entry, sight in zip(entries, sights, strict=True):
                if isinstance(sight, KintoException):
                    raise sight
                self._permit(entry, sight)

    def _permit(self, entry: Entry, stored: Stored | None) -> None:
        """Take in the permissions of a record."""
        name = f"{type(entry.record).__name__} {entry.key}"
        if stored is None:
            msg = f"there is no {name} (any more)"
            raise RecordNotFound(msg)
        model = base_of_kinds(type(entry.record))
        self._take(model, stored.document, None, stored.permissions)
        if entry.loaded is None or entry.loaded.get("last_modified") != stored.version:
            msg = f"{name} was changed here, and elsewhere since it was loaded: refresh it"
            raise InvalidRequest(msg)

    def _mine(self, record: Record) -> Entry:
        entry = self._known.of(record)
        if entry is None:
            msg = f"{record!r} is not in the session"
            raise InvalidRequest(msg)
        return entry

    # -- Writing -------------------------------------------------------------------------------

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
            if isinstance(sight, TransportError):
                raise sight
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

    # -- Leaving -------------------------------------------------------------------------------

    def _left(self, *, failed: bool) -> None:
        """Discard what was not committed, and say so unless an error is on its way."""
        try:
            changes = 0 if failed else len(self.new) + len(self.dirty) + len(self.deleted)
        finally:
            self.clear()
        if changes:
            plural = "" if changes == 1 else "s"
            warnings.warn(
                f"the session was left with {changes} uncommitted change{plural}",
                UnsavedChangesWarning,
                stacklevel=3,
            )


class Session(SessionBase, Blocking):
    """
    A unit of work.

        with Session(client) as session:
            for todo in session.query(Todo).filter(Todo.done == False):
                todo.done = True
            session.commit()

    Args:
        client: The client that it asks.
        patch: How a change is written: `MergePatch`, `JSONPatch` or `BasicPatch`; a class may say
            otherwise for its records.
    """

    client: Client

    def __init__(self, client: Client, *, patch: type[PatchType] = MergePatch) -> None:
        super().__init__(client, patch=patch)

    @overload
    def query(self, model: type[R]) -> Query[R]: ...
    @overload
    def query(self, model: QueryBase[T]) -> Query[T]: ...
    def query(self, model: Any) -> Query[Any]:
        """Look for records of *model*, or for what a query of another session looks for."""
        return Query(self, select_of(model))

    def close(self) -> None:
        """Forget all records, with their changes; records stay as they are."""
        self.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._left(failed=exc is not None)


class AsyncSession(SessionBase, Awaiting):
    """
    A unit of work that awaits: it has the methods of `Session`, those that ask as coroutines.

    Args:
        client: The client that it asks.
        patch: As for `Session`.
    """

    client: AsyncClient

    def __init__(self, client: AsyncClient, *, patch: type[PatchType] = MergePatch) -> None:
        super().__init__(client, patch=patch)

    @overload
    def query(self, model: type[R]) -> AsyncQuery[R]: ...
    @overload
    def query(self, model: QueryBase[T]) -> AsyncQuery[T]: ...
    def query(self, model: Any) -> AsyncQuery[Any]:
        """Look for records of *model*, or for what a query of another session looks for."""
        return AsyncQuery(self, select_of(model))

    async def close(self) -> None:
        """Forget all records, with their changes; records stay as they are."""
        self.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._left(failed=exc is not None)
