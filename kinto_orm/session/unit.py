"""What a session knows, and what is to become of it: state, and nothing that is sent."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from kinto_orm.client.paths import checked
from kinto_orm.exceptions import (
    AnswerLost,
    InvalidRequest,
    NotAttempted,
    ServerError,
    TransactionConflict,
)
from kinto_orm.flow import Document
from kinto_orm.flow.json import same
from kinto_orm.models.collections import collection_of
from kinto_orm.models.links import links_of
from kinto_orm.models.parts import keys_of
from kinto_orm.models.permissions import all_permissions, forget_permissions, permission_changes
from kinto_orm.models.records import Record
from kinto_orm.patch_type import PatchType, checked_kind
from kinto_orm.session.changes import Change, Write
from kinto_orm.session.exclusive import Exclusive
from kinto_orm.session.identity import Entry, IdentityMap, Key, renamed
from kinto_orm.session.observing import Counting
from kinto_orm.session.results import EFFECTS, Fate, Outcome
from kinto_orm.session.snapshots import adopt, is_dirty, loaded_of, target_of, without_stamps


R = TypeVar("R", bound=Record)

#: Errors after which a write may yet be applied.
_OPEN = (AnswerLost, ServerError, TransactionConflict)


class UnitOfWork:
    """
    The records that were loaded or added, one object for each, and what changed.

    Attributes:
        client: The client, for the bucket and collection of classes that name none.
    """

    def __init__(self, client: Any, patch: type[PatchType]) -> None:
        self.client = client
        self._port: Any = Counting(client._port)
        self._guard = Exclusive()
        self._patch = checked_kind(patch)
        self._known = IdentityMap()
        #: What became of writes, until a result has said so.
        self._outcomes: list[Outcome] = []
        #: The records of a plan that is being sent, by their identity.
        self._underway: set[int] = set()
        #: Whether what is done is done again on a conflict (see `repeating`).
        self._is_repeating = False
        #: How often something may have been written.
        self._commits = 0

    def _governed(self, program: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Return *program* with what goes around each."""
        governed: Generator[Any, Any, Any] = self.client._governed(program)
        return governed

    @property
    def request_count(self) -> int:
        """
        Return how many HTTP requests the session has made, those of its queries included.

        Each attempt counts, and a batch is one.  A page that is asked for while the one before is
        used counts from then on.
        """
        count: int = self._port.count
        return count

    # -- What is in it -------------------------------------------------------------------------

    @property
    def new(self) -> tuple[Record, ...]:
        """Return the records that are to be created."""
        return tuple(entry.record for entry in self._known.entries() if entry.is_new)

    @property
    def dirty(self) -> tuple[Record, ...]:
        """Return the records that were changed since they were loaded."""
        return tuple(entry.record for entry in self._known.suspects() if entry.is_dirty)

    @property
    def deleted(self) -> tuple[Record, ...]:
        """Return the records that are to be deleted."""
        return tuple(entry.record for entry in self._known.entries() if not entry.wanted)

    def is_modified(self, record: Record) -> bool:
        """Tell whether *record* was changed since it was loaded; one that is new was not."""
        entry = self._known.of(record)
        if entry is None:
            return loaded_of(record) is not None and is_dirty(record)
        return entry.is_dirty

    def __contains__(self, record: Record) -> bool:
        return record in self._known

    # -- Changing it ---------------------------------------------------------------------------

    def add(self, record: Record) -> None:
        """
        Have *record* written at the next commit.

        A record that was never on the server is created.  One that was loaded, by whatever
        session, is taken in with its changes.  One that was to be deleted, or moved, stays.

        Raises:
            InvalidId: If Kinto does not take its id.
            InvalidRequest: If the session has another object for the same record, or if it was
                loaded under another id.
            TypeError: If its class has no collection.
        """
        key, entry = self._key(type(record), record.id), self._known.of(record)
        if entry is None or entry.key != key:
            entry = self._take_in(key, record)
        entry.want()

    def _take_in(self, key: Key, record: Record) -> Entry:
        """Have *record* in the session, as it is."""
        loaded = loaded_of(record)
        if loaded is not None and loaded.get("id") != record.id:
            raise InvalidRequest(renamed(record, Key(key.bucket, key.collection, loaded["id"])))
        entry = Entry(key, record, loaded)
        self._known.put(entry)
        return entry

    def add_all(self, records: Iterable[Record]) -> None:
        """Have all *records* written at the next commit."""
        for record in records:
            self.add(record)

    def delete(self, record: Record) -> None:
        """
        Have *record* deleted at the next commit; forget it if it was to be created.

        If it was moved here (see `move`), it is deleted where it came from.

        Raises:
            InvalidRequest: If it was never on the server, and is not in the session.
        """
        if self._known.of(record) is None:
            if record.last_modified is None:
                msg = f"{record!r} cannot be deleted: it was not loaded, nor added to the session"
                raise InvalidRequest(msg)
            self.add(record)
        entry = self._known.of(record)
        assert entry is not None
        if entry.blind is not None:
            msg = f"{record!r} cannot be deleted: it is to be patched; commit that first"
            raise InvalidRequest(msg)
        entry.wanted = False
        entry.release()
        if entry.loaded is None and not entry.sent and id(record) not in self._underway:
            self._known.drop(record)

    def expunge(self, record: Record) -> None:
        """
        Forget *record*, with its changes; it stays as it is.

        If it was to be moved here (see `move`), it stays where it is.
        """
        entry = self._known.of(record)
        if entry is not None:
            self._forget(entry)

    def _forget(self, entry: Entry) -> None:
        """Forget *entry*; what waits for it to be created is not to go any more."""
        if entry.loaded is None:
            for origin in list(entry.origins):
                origin.want()
        entry.release()
        self._known.drop(entry.record)

    def clear(self) -> None:
        """Forget all records, with their changes."""
        self._known.clear()
        if not self._guard.is_closed:  # A commit that is under way has yet to tell what it did.
            self._outcomes.clear()

    # -- What was read -------------------------------------------------------------------------

    def _place(self, model: type[Record]) -> tuple[str, str]:
        """Return the bucket and the collection of *model*."""
        return collection_of(model, self.client)

    def _key(self, model: type[Record], id: str) -> Key:
        return Key(*self._place(model), checked("record", id))

    # -- What is to be written -----------------------------------------------------------------

    def _changes(self, patch: type[PatchType] | None = None) -> Iterator[Change]:
        """Give what is to be written; all as *patch* says, if it is given."""
        for entry in self._known.suspects():
            if entry.wanted:
                self._check_id(entry)
                self._check_whole(entry)
                self._check_blind(entry)
                change = self._change(entry, target_of(entry.record), patch)
                if change.is_one:
                    self._check_links(entry)
                    yield change
            elif entry.loaded is not None:
                yield self._change(entry, None)
            elif not entry.sent:  # It was to be created, then to be deleted, and is not there.
                self._known.drop(entry.record)

    def _change(
        self, entry: Entry, target: Document | None, patch: type[PatchType] | None = None
    ) -> Change:
        return Change(
            record=entry.record,
            key=entry.key,
            loaded=entry.loaded,
            target=target,
            patch=patch or entry.record._patch or self._patch,
            earlier=tuple(write.change.aim for write in entry.sent),
            permissions=permission_changes(entry.record) if target is not None else {},
            all_permissions=all_permissions(entry.record) if target is not None else {},
            keys=keys_of(entry.record),
            strict=self._is_repeating,
            blind=entry.blind if target is not None else None,
            after=None if entry.after is None else entry.after.record,
        )

    def _check_id(self, entry: Entry) -> None:
        record = entry.record
        if record.id != entry.key.id:
            raise InvalidRequest(renamed(record, entry.key))

    def _check_whole(self, entry: Entry) -> None:
        """Refuse to create a record of which only a part is known."""
        record = entry.record
        if entry.loaded is None and keys_of(record) is not None:
            msg = (
                f"{type(record).__name__} {entry.key} cannot be created: it was loaded in part, and"
                " has been deleted since, so that the rest of it is lost. Expunge it, and add a new"
                " record"
            )
            raise InvalidRequest(msg)

    def _check_blind(self, entry: Entry) -> None:
        """Refuse changes of a record that was not loaded, or that is to be patched as well."""
        record, loaded = entry.record, entry.loaded
        is_stand_in = loaded is not None and loaded.get("last_modified") is None
        if not is_stand_in and entry.blind is None:
            return
        if permission_changes(record) or not same(without_stamps(loaded or {}), target_of(record)):
            msg = (
                f"{type(record).__name__} {entry.key} was changed, and is to be patched without"
                " being loaded: commit the one before the other; get() loads it"
            )
            raise InvalidRequest(msg)

    def _check_links(self, entry: Entry) -> None:
        """Refuse links to records that are on no server, and are not about to be created."""
        record = entry.record
        for name, link in links_of(record):
            target = link.record_or(None)
            if target is not None and target.id != link:
                msg = (
                    f"{type(record).__name__} {entry.key}: {name} has the id {link.id!r}, which"
                    f" {target!r} had when the link was made: set it again"
                )
                raise InvalidRequest(msg)
            if target is None or target.last_modified is not None or target in self:
                continue
            msg = (
                f"{type(record).__name__} {entry.key}: {name} leads to {target!r}, which is new:"
                " add it to the session, too"
            )
            raise InvalidRequest(msg)

    # -- What was written ----------------------------------------------------------------------

    def sending(self, writes: Sequence[Write]) -> None:
        """Note that *writes* are about to be sent: from now on they may be applied."""
        for write in writes:
            entry = self._known.of(write.change.record)
            if entry is not None:
                entry.sent.append(write)

    def _begun(self) -> None:
        """Begin a commit: of those before, what has an effect is still to be told."""
        self._commits += 1
        self._outcomes = [each for each in self._outcomes if each.fate in EFFECTS]

    def note(self, outcome: Outcome) -> None:
        """Take *outcome* into the session."""
        self._outcomes.append(outcome)
        record, fate = outcome.write.change.record, outcome.fate
        entry = self._known.of(record)
        if fate is Fate.UNKNOWN or isinstance(outcome.error, _OPEN):
            return
        if entry is not None:
            if fate in (Fate.ERROR, Fate.NOT_SENT):
                # Of this time it was not applied; of times before, that is not known.
                if not isinstance(outcome.error, NotAttempted) and outcome.write in entry.sent:
                    entry.sent.remove(outcome.write)
                return
            entry.sent.clear()
        if fate is Fate.CONFLICT:
            return
        if outcome.is_gone:
            self._gone(record, entry)
        elif outcome.stored is not None:
            change, is_ours = outcome.write.change, fate in EFFECTS
            sent = change.target if is_ours else None
            loaded = adopt(record, outcome.stored, sent, change.permissions)
            if entry is not None:
                entry.loaded = loaded

    def is_ready(self, change: Change) -> bool:
        """Tell whether what must be there before *change* is sent is there."""
        after = change.after
        copy = None if after is None else self._known.of(after)
        return after is None or (copy is not None and copy.loaded is not None)

    def _gone(self, record: Record, entry: Entry | None) -> None:
        """Note that the server does not have *record* any more."""
        # Should it be created again, it is written as it was.
        form = record.__dict__.get("_document") or record.__dict__.get("_form")
        record.__dict__.update(_document=None, last_modified=None, _form=form)
        forget_permissions(record)
        if entry is not None:
            entry.loaded = None
            if not entry.wanted:
                self._known.drop(record)
