"""What a session knows, and what is to become of it: state, and nothing that is sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from kinto_orm.client.paths import checked
from kinto_orm.exceptions import InvalidRequest, StalePlanError
from kinto_orm.flow import Document
from kinto_orm.models.json import same
from kinto_orm.models.layout import load
from kinto_orm.models.records import Record
from kinto_orm.patch_type import PatchType
from kinto_orm.session.identity import IdentityMap, Key
from kinto_orm.session.planning import Change, Plan, Write
from kinto_orm.session.results import DONE, Fate, Outcome
from kinto_orm.session.snapshots import adopt, base_of, is_dirty, target_of


R = TypeVar("R", bound=Record)


class UnitOfWork:
    """
    The records that were loaded or added, one object for each, and what changed.

    Attributes:
        client: The client, for the bucket and collection of classes that name none.
    """

    def __init__(self, client: Any, patch: type[PatchType]) -> None:
        self.client = client
        self._patch = patch
        self._known = IdentityMap()
        self._new: dict[int, Record] = {}
        self._deleted: dict[int, Record] = {}
        #: Writes whose fate is not known, by the identity of their record.
        self._unsettled: dict[int, Write] = {}
        #: Records of which a write was sent that had not been applied when that was looked at.
        self._attempted: set[int] = set()

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
        self._forget(record)

    def clear(self) -> None:
        """Forget all records, with their changes."""
        for kept in (self._known, self._new, self._deleted, self._unsettled, self._attempted):
            kept.clear()

    def _forget(self, record: Record) -> None:
        """Forget what was to become of *record*."""
        for kept in (self._new, self._deleted, self._unsettled):
            kept.pop(id(record), None)
        self._attempted.discard(id(record))

    # -- What was read -------------------------------------------------------------------------

    def _place(self, model: type[Record]) -> tuple[str, str]:
        """Return the bucket and the collection of *model*."""
        if not (isinstance(model, type) and issubclass(model, Record)):
            msg = f"{model!r} is not a class of records: derive it from Record"
            raise TypeError(msg)
        bucket, collection = model._bucket, model._collection
        bucket = self.client.bucket_name if bucket is None else bucket
        collection = self.client.collection_name if collection is None else collection
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

    def _take_all(self, model: type[R], documents: Iterable[Document]) -> list[R]:
        """Return the records that *documents* stand for, without those that are to be deleted."""
        taken = [self._take(model, document) for document in documents]
        return [record for record in taken if id(record) not in self._deleted]

    def _is_clean(self, record: Record) -> bool:
        busy = (self._new, self._deleted, self._unsettled)
        return not any(id(record) in kept for kept in busy) and not is_dirty(record)

    def _refreshed(self, record: Record, document: Document) -> None:
        """Have *record*, whatever was to become of it, be what *document* says."""
        _replace(record, document)
        self._forget(record)

    # -- What is to be written -----------------------------------------------------------------

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
        patch = record._patch or self._patch
        attempted = id(record) in self._attempted
        return Change(record, key, base, target, version, patch, attempted)

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

    # -- What was written ----------------------------------------------------------------------

    def _note(self, outcome: Outcome, outcomes: list[Outcome]) -> None:
        """Take *outcome* into the session, and to *outcomes*."""
        outcomes.append(outcome)
        record = outcome.write.change.record
        self._attempted.discard(id(record))
        if outcome.fate is Fate.UNKNOWN:
            self._unsettled[id(record)] = outcome.write
        elif outcome.fate is Fate.DELETED:
            self.expunge(record)
            record.__dict__.update(_document=None, last_modified=None)
        elif outcome.fate in DONE and outcome.document is not None:
            self._new.pop(id(record), None)
            adopt(record, outcome.document)


def _replace(record: Record, document: Document) -> None:
    """Have *record* be what *document* says."""
    fresh = load(type(record), document)
    record.__dict__.clear()
    record.__dict__.update(fresh.__dict__)
