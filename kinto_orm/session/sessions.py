"""Sessions: units of work, one that blocks and one that awaits."""

from __future__ import annotations

import threading
import warnings

from collections.abc import Generator, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

from kinto_orm.client.clients import AsyncClient, Client
from kinto_orm.client.endpoints.objects import accepted
from kinto_orm.client.paths import checked
from kinto_orm.exceptions import (
    ConcurrentUseError,
    InvalidRequest,
    RecordNotFound,
    StalePlanError,
    UnsavedChangesWarning,
    missing_of,
)
from kinto_orm.flow import Awaiting, Blocking, Document, Program, Request, Response, operation
from kinto_orm.models.json import same
from kinto_orm.models.layout import load
from kinto_orm.models.records import Record
from kinto_orm.patch_type import MergePatch, PatchType
from kinto_orm.query.queries import AsyncQuery, Query, Select
from kinto_orm.session.identity import IdentityMap, Key
from kinto_orm.session.outcomes import carried_out, looked_up
from kinto_orm.session.planning import Change, Plan, Write, check, planned
from kinto_orm.session.results import DONE, CommitResult, Fate, Outcome, failure_of, result_of
from kinto_orm.session.snapshots import adopt, base_of, is_dirty, target_of


R = TypeVar("R", bound=Record)


class Exclusive:
    """A lock that is not waited for: who meets it closed has made a mistake."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            msg = (
                "the session is in use by another thread or task: give each a session of its own"
                " (they may share the client)"
            )
            raise ConcurrentUseError(msg)

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class SessionBase:
    """
    A unit of work, without the waiting.

    It knows the records that were loaded through it or added to it, one object for each, and
    writes what is new, changed or deleted when `commit` is called, and only then.
    """

    def __init__(self, client: Any, *, patch: type[PatchType] = MergePatch) -> None:
        self.client = client
        self._port = client._port
        self._patch = patch
        self._guard = Exclusive()
        self._known = IdentityMap()
        self._new: dict[int, Record] = {}
        self._deleted: dict[int, Record] = {}
        #: Writes whose fate is not known, by the identity of their record.
        self._unsettled: dict[int, Write] = {}

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"<{name} with {len(self._known)} records, {len(self._new)} new>"

    def _governed(self, program: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        governed: Generator[Any, Any, Any] = self.client._governed(program)
        return governed

    # -- What is in it -------------------------------------------------------------------------

    @property
    def new(self) -> tuple[Record, ...]:
        """Return the records that are to be created."""
        return tuple(self._new.values())

    @property
    def dirty(self) -> tuple[Record, ...]:
        """Return the records that were changed since they were loaded."""
        return tuple(record for _, record in self._loaded() if is_dirty(record))

    @property
    def deleted(self) -> tuple[Record, ...]:
        """Return the records that are to be deleted."""
        return tuple(self._deleted.values())

    def is_modified(self, record: Record) -> bool:
        """Tell whether *record* was changed since it was loaded."""
        return is_dirty(record)

    def __contains__(self, record: Record) -> bool:
        return self._known.key(record) is not None

    def _loaded(self) -> Iterable[tuple[Key, Record]]:
        """Give the records that are on the server and are to stay there."""
        for key, record in self._known:
            if id(record) not in self._new and id(record) not in self._deleted:
                yield key, record

    # -- Changing it ---------------------------------------------------------------------------

    def add(self, record: Record) -> None:
        """
        Have *record* written at the next commit.

        A record that was never on the server is created.  One that was loaded, by whatever
        session, is taken in with its changes.

        Raises:
            InvalidId: If Kinto does not take its id.
            InvalidRequest: If the session has another object for the same record.
            TypeError: If its class has no collection.
        """
        self._known.put(self._key(type(record), record.id), record)
        self._deleted.pop(id(record), None)
        if record.last_modified is None:
            self._new[id(record)] = record

    def add_all(self, records: Iterable[Record]) -> None:
        """Have all *records* written at the next commit."""
        for record in records:
            self.add(record)

    def delete(self, record: Record) -> None:
        """
        Have *record* deleted at the next commit; forget it if it was to be created.

        Raises:
            InvalidRequest: If it was never on the server, and is not in the session.
        """
        if self._new.pop(id(record), None) is not None:
            self._known.drop(record)
            return
        if self._known.key(record) is None:
            if record.last_modified is None:
                msg = f"{record!r} cannot be deleted: it was not loaded, nor added to the session"
                raise InvalidRequest(msg)
            self.add(record)
        self._deleted[id(record)] = record

    def expunge(self, record: Record) -> None:
        """Forget *record*, with its changes; it stays as it is."""
        self._known.drop(record)
        for kept in (self._new, self._deleted, self._unsettled):
            kept.pop(id(record), None)

    def clear(self) -> None:
        """Forget all records, with their changes."""
        self._known.clear()
        self._new.clear()
        self._deleted.clear()
        self._unsettled.clear()

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
        known = self._known.find(key)
        if known is not None:
            if not isinstance(known, model):
                msg = f"{key} is a {type(known).__name__}, not a {model.__name__}"
                raise InvalidRequest(msg)
            return None if id(known) in self._deleted else known
        document = yield from self._read(key)
        return None if document is None else self._take(model, document)

    def _read(self, key: Key) -> Program[Document | None]:
        """Return the document of the record under *key*, or None if there is none."""
        response: Response = yield (request := Request("GET", key.path))
        if response.status == 404 and missing_of(response) != "collection":
            return None
        document: Document = accepted(request, response).body["data"]
        return document

    @operation
    def refresh(self, record: Record) -> Program[None]:
        """
        Read *record* again: it becomes what the server has, and local changes are lost.

        Raises:
            InvalidRequest: If it is not in the session.
            RecordNotFound: If the server does not have it (any more).
        """
        with self._guard:
            key = self._known.key(record)
            if key is None:
                msg = f"{record!r} is not in the session"
                raise InvalidRequest(msg)
            document = yield from self._read(key)
            if document is None:
                msg = f"there is no {type(record).__name__} {key} (any more)"
                raise RecordNotFound(msg)
            _replace(record, document)
            for kept in (self._new, self._deleted, self._unsettled):
                kept.pop(id(record), None)

    def _place(self, model: type[Record]) -> tuple[str, str]:
        """Return the bucket and the collection of *model*."""
        bucket = model._bucket or self.client.bucket_name
        collection = model._collection or self.client.collection_name
        if bucket is None or collection is None:
            missing = "bucket" if bucket is None else "collection"
            msg = f"{model.__name__} has no {missing}: class {model.__name__}(Record, {missing}=…)"
            raise TypeError(msg)
        return checked("bucket", bucket), checked("collection", collection)

    def _key(self, model: type[Record], id: str) -> Key:
        return Key(*self._place(model), checked("record", id))

    def _take(self, model: type[R], document: Document) -> R:
        """
        Return the record of the session that *document*, which was just read, stands for.

        One that is in the session is brought up to date, unless it has local changes.
        """
        key = Key(*self._place(model), document["id"])
        known = self._known.find(key)
        if known is None:
            record: R = load(model, document)
            self._known.put(key, record)
            return record
        if not isinstance(known, model):
            msg = f"{key} is a {type(known).__name__}, not a {model.__name__}"
            raise InvalidRequest(msg)
        stale = known.last_modified != document.get("last_modified")
        if stale and self._is_clean(known):
            _replace(known, document)
        return known

    def _is_clean(self, record: Record) -> bool:
        busy = (self._new, self._deleted, self._unsettled)
        return not any(id(record) in kept for kept in busy) and not is_dirty(record)

    # -- Writing -------------------------------------------------------------------------------

    @operation
    def plan(self) -> Program[Plan]:
        """
        Return what a commit would send: nothing is written.

        The server may be asked for its settings, once for each client, and for records of which
        a commit before could not find out whether they were written.

        Raises:
            UnsendableValue: If a record holds what cannot be sent.
            InvalidRequest: If a record was given another id.
        """
        with self._guard:
            yield from self._settle([])
            return (yield from self._planned())

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
            UnsendableValue, InvalidRequest: As `plan`; nothing is sent.
        """
        with self._guard:
            outcomes: list[Outcome] = []
            yield from self._settle(outcomes)
            if plan is None:
                plan = yield from self._planned()
            else:
                self._check(plan)
            yield from carried_out(plan, lambda outcome: self._note(outcome, outcomes))
        return self._concluded(plan, outcomes)

    def _planned(self) -> Program[Plan]:
        changes = list(self._changes())
        check(changes)
        limit = 1 if len(changes) < 2 else (yield from self.client._batch_limit())
        return planned(changes, limit)

    def _changes(self) -> Iterable[Change]:
        for record in self._new.values():
            yield self._change(record, None, target_of(record))
        for _, record in self._loaded():
            base, target = base_of(record), target_of(record)
            if not same(base, target):
                yield self._change(record, base, target)
        for record in self._deleted.values():
            yield self._change(record, base_of(record), None)

    def _change(self, record: Record, base: Document | None, target: Document | None) -> Change:
        key = self._known.key(record)
        assert key is not None
        if record.id != key.id:
            msg = (
                f"{type(record).__name__} {key} was given the id {record.id!r}: an id cannot be"
                " changed. Add a new record and delete this one"
            )
            raise InvalidRequest(msg)
        version = None if base is None else record.last_modified
        return Change(record, key, base, target, version, record._patch or self._patch)

    def _check(self, plan: Plan) -> None:
        """Refuse *plan* if the records in it are not as they were when it was made."""
        moved = [write for write in plan.writes if not self._is_current(write.change)]
        if moved:
            named = ", ".join(str(write.change.key) for write in moved)
            msg = (
                "the plan is out of date: these records were committed, refreshed or removed"
                f" since it was made: {named}. Make another"
            )
            raise StalePlanError(msg)

    def _is_current(self, change: Change) -> bool:
        record = change.record
        if self._known.key(record) != change.key or (id(record) in self._new) != (
            change.base is None
        ):
            return False
        version = None if change.base is None else record.last_modified
        deleted = id(record) in self._deleted
        return change.version == version and deleted == (change.target is None)

    def _settle(self, outcomes: list[Outcome]) -> Program[None]:
        """Find out what became of writes of which that is not known yet."""
        if self._unsettled:
            writes = list(self._unsettled.values())
            yield from looked_up(writes, lambda outcome: self._note(outcome, outcomes))
            self._unsettled.clear()

    def _note(self, outcome: Outcome, outcomes: list[Outcome]) -> None:
        """Take *outcome* into the session, and to *outcomes*."""
        outcomes.append(outcome)
        record = outcome.write.change.record
        if outcome.fate is Fate.UNKNOWN:
            self._unsettled[id(record)] = outcome.write
        elif outcome.fate is Fate.DELETED:
            self.expunge(record)
            record.__dict__.update(_document=None, last_modified=None)
        elif outcome.fate in DONE and outcome.document is not None:
            self._new.pop(id(record), None)
            adopt(record, outcome.document)

    def _concluded(self, plan: Plan, outcomes: list[Outcome]) -> CommitResult:
        """Return the result that *outcomes* amount to, or raise the error."""
        last = {id(outcome.write.change.record): outcome for outcome in outcomes}
        final = list(last.values())
        untouched = [record for _, record in self._known if id(record) not in last]
        result = result_of(final, untouched, len(plan))
        error = failure_of(final, result)
        if error is not None:
            raise error
        return result

    # -- Leaving -------------------------------------------------------------------------------

    def _left(self, *, failed: bool) -> None:
        """Discard what was not committed, and say so unless an error is on its way."""
        changes = len(self.new) + len(self.dirty) + len(self.deleted)
        self.clear()
        if changes and not failed:
            plural = "" if changes == 1 else "s"
            warnings.warn(
                f"the session was left with {changes} change{plural} that were not committed",
                UnsavedChangesWarning,
                stacklevel=3,
            )


def _replace(record: Record, document: Document) -> None:
    """Have *record* be what *document* says."""
    fresh = load(type(record), document)
    record.__dict__.clear()
    record.__dict__.update(fresh.__dict__)


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

    def query(self, model: type[R]) -> Query[R]:
        """Look for records of *model*."""
        return Query(self, Select(model))

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

    def query(self, model: type[R]) -> AsyncQuery[R]:
        """Look for records of *model*."""
        return AsyncQuery(self, Select(model))

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
