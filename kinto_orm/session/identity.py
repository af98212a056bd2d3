"""One object for each record of a session, and what the session knows of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from kinto_orm.client.paths import record_path
from kinto_orm.exceptions import InvalidRequest
from kinto_orm.flow.json import same
from kinto_orm.flow.messages import Document
from kinto_orm.models.building import Build
from kinto_orm.models.layout import layout_of
from kinto_orm.models.permissions import permission_changes
from kinto_orm.models.records import Record
from kinto_orm.patch_type import PatchType
from kinto_orm.session.snapshots import target_of, without_stamps


if TYPE_CHECKING:
    from kinto_orm.session.changes import Write


@frozen(order=True)
class Key:
    """Which record it is."""

    bucket: str
    collection: str
    id: str

    @property
    def path(self) -> str:
        """Return its path on the server."""
        return record_path(self.bucket, self.collection, self.id)

    def __str__(self) -> str:
        return f"{self.bucket}/{self.collection}/{self.id}"


@define(eq=False)
class Entry:
    """
    What a session knows of a record, and what the user wants of it.

    Attributes:
        key: Where the record is.
        record: The user's object.
        loaded: The document as the server has it, as far as the session knows; None if none.
        wanted: Whether there shall be one.
        sent: Writes that were sent, once for each time, and may be applied yet for all that is
            known.
        undone: Those of them whose changes were undone here since (see `Editing.rollback`).
        blind: A patch that is to be applied to it, whatever the server has.
        after: Where the record is moved to: it must be there before this one may go.
        origins: The entries that wait for this one: the record is moved from there.
    """

    key: Key
    record: Record
    loaded: Document | None
    wanted: bool = True
    sent: list[Write] = field(factory=list["Write"])
    undone: tuple[Write, ...] = ()
    blind: PatchType | None = None
    after: Entry | None = None
    origins: list[Entry] = field(factory=list["Entry"])

    def want(self) -> None:
        """Have the record stay, or come to be; if it was to be moved, what is there is a copy."""
        self.wanted = True
        if self.after is not None:
            self.after.origins.remove(self)
            self.after = None

    def follow(self, other: Entry) -> None:
        """Have the record go, but not before that of *other* is there."""
        if self.after is not None:
            self.after.origins.remove(self)
        self.wanted, self.after = False, other
        other.origins.append(self)

    def release(self) -> None:
        """Have what waits for this one wait no longer: it goes anyway, since this was there."""
        for origin in self.origins:
            origin.after = None
        self.origins.clear()

    def outdate(self) -> None:
        """Forget the writes whose precondition cannot come true any more."""
        version = None if self.loaded is None else self.loaded.get("last_modified")
        self.sent = [write for write in self.sent if write.change.version == version]

    @property
    def is_new(self) -> bool:
        """Tell whether the record is to be created."""
        return self.wanted and self.loaded is None

    @property
    def is_untouched(self) -> bool:
        """Tell whether the record certainly is as it was loaded; False says nothing."""
        record, loaded = self.record, self.loaded
        if loaded is None or not self.wanted or self.blind is not None:
            return False
        is_known = record._document is loaded and record.__dict__.get("id") == self.key.id
        return is_known and _stands_for(record, loaded)

    @property
    def is_dirty(self) -> bool:
        """Tell whether the record was changed since it was loaded."""
        return (
            self.wanted
            and self.loaded is not None
            and not self.is_untouched
            and (
                self.blind is not None
                or bool(permission_changes(self.record))
                or not same(without_stamps(self.loaded), target_of(self.record))
            )
        )

    @property
    def is_clean(self) -> bool:
        """Tell whether there is nothing to write, and nothing to find out."""
        return self.wanted and self.loaded is not None and not self.sent and not self.is_dirty


class IdentityMap:
    """
    The records of a session, by key and by object.

    Records are held strongly: a change would be lost with a record that nobody else holds.  What
    was loaded is *settled*: what is known of it is in the record itself.  It gets an entry when
    somebody asks for one, which of most records nobody does.
    """

    def __init__(self) -> None:
        #: What is known of those that are not settled, by their identity; new ones in the order
        #: in which they were added.
        self._entries: dict[int, Entry] = {}
        #: All records, by bucket and collection, and then by id.
        self._places: dict[tuple[str, str], dict[str, Record]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._places.values()))

    def __contains__(self, record: Record) -> bool:
        return id(record) in self._entries or self._settled_at(record) is not None

    def __iter__(self) -> Iterator[Entry]:
        """Give the entries of all records: each has one from then on."""
        return iter([self._entry(record) for record in self.records()])

    def records(self) -> list[Record]:
        """Return all records."""
        return list(chain.from_iterable(map(dict.values, self._places.values())))

    def entries(self) -> list[Entry]:
        """Return the entries that there are: nothing is wanted of any other record."""
        return list(self._entries.values())

    def suspects(self) -> Iterator[Entry]:
        """Give the entries of records that are not certainly as they were loaded."""
        changed = set(map(id, self._changed()))
        for entry in self.entries():
            if id(entry) in changed or not entry.is_untouched:
                yield entry

    def _changed(self) -> list[Entry]:
        """Return the entries of records that were settled, and are not certainly as loaded."""
        found: list[Record] = []
        kind, certain = Record, layout_of(Record).comparison.certain
        for record in self._settled():
            if record.__class__ is not kind:
                kind = record.__class__
                certain = layout_of(kind).comparison.certain
            document, is_same = record._document, None
            try:  # As most are: this is to be quick, and to leave no dictionary of attributes.
                if document is not None and (is_same := certain(record, document)):
                    continue
            except Exception:  # noqa: BLE001, S110 (it is not certain)
                pass
            if is_same is False or not _is_as_loaded(record):
                found.append(record)
        return [self._entry(record) for record in found]

    def _settled(self) -> list[Record]:
        """Return the records that are settled."""
        records, entries = self.records(), self._entries
        return [each for each in records if id(each) not in entries] if entries else records

    def unsettled(self) -> Iterator[Entry]:
        """Give the entries of records of which something is to be written, or to be found out."""
        for entry in self.suspects():
            if not entry.is_clean:
                yield entry
        for entry in self.entries():
            if entry.sent and entry.is_untouched:
                yield entry

    def besides(self, numbers: AbstractSet[int]) -> list[Entry]:
        """Return the entries of all records but those that have these *numbers* as identity."""
        return [self._entry(each) for each in self.records() if id(each) not in numbers]

    def find(self, key: Key) -> Entry | None:
        """Return the entry under *key*, if there is one."""
        record = self._at(key)
        return None if record is None else self._entry(record)

    def of(self, record: Record) -> Entry | None:
        """Return the entry of *record*, if it has one.  Identity counts, not equality."""
        return self._entry(record) if record in self else None

    def settled(self, place: tuple[str, str], ident: str) -> Record | None:
        """Return the record at a *place* that has this id, if it is settled."""
        record = self._places.get(place, {}).get(ident)
        return None if id(record) in self._entries else record

    def absent(self, place: tuple[str, str], ids: Iterable[str]) -> list[str]:
        """Return those *ids* at a *place* of which there is no record, each once."""
        members = self._places.get(place, {})
        return [each for each in dict.fromkeys(ids) if each not in members]

    def present(self, place: tuple[str, str], ids: Iterable[str]) -> list[Record]:
        """Return the records at a *place* that have these *ids*, as far as there are any."""
        members = self._places.get(place, {})
        return [members[each] for each in ids if each in members]

    def load(
        self,
        place: tuple[str, str],
        ids: Iterable[str],
        documents: Iterable[Document],
        *,
        build: Build,
        make: Callable[[Document], Any],
        meet: Callable[[Document], Any],
    ) -> list[Any]:
        """
        Return the records of *documents*, which were just read.

        Args:
            place: Their bucket and their collection.
            ids: The ids of the documents.
            documents: Whole documents.
            build: Makes a record that is not here yet, or fails.
            make: Makes one for which that failed, or says what is wrong.
            meet: Returns one that is here, brought up to date; None if it is to go.
        """
        members, found = self._places.setdefault(place, {}), list[Any]()
        for ident, document in zip(ids, documents, strict=True):
            if ident not in members:
                try:
                    record = build(document)
                except Exception:  # noqa: BLE001 (it is said what is wrong)
                    record = make(document)
                members[ident] = record
            elif (record := meet(document)) is None:
                continue
            found.append(record)
        return found

    def put(self, entry: Entry) -> None:
        """
        Keep *entry*.

        Raises:
            InvalidRequest: If another object stands for the same record, or the object for another
                record.
        """
        record, key = entry.record, entry.key
        if (known := self.of(record)) is not None and known.key != key:
            raise InvalidRequest(renamed(record, known.key))
        if (other := self._at(key)) is not None and other is not record:
            msg = (
                f"{type(record).__name__} {key}: the session has another object for this record."
                " Change that one, or expunge it first"
            )
            raise InvalidRequest(msg)
        self._places.setdefault((key.bucket, key.collection), {})[key.id] = record
        self._entries[id(record)] = entry

    def drop(self, record: Record) -> None:
        """Forget *record*."""
        if record in self:
            key = self._entry(record).key
            del self._places[key.bucket, key.collection][key.id]
            del self._entries[id(record)]

    def clear(self) -> None:
        """Forget all records."""
        self._entries.clear()
        self._places.clear()

    def _at(self, key: Key) -> Record | None:
        return self._places.get((key.bucket, key.collection), {}).get(key.id)

    def _entry(self, record: Record) -> Entry:
        """Return the entry of a *record* that is here."""
        found = self._entries.get(id(record))
        if found is None:
            key = self._settled_at(record)
            assert key is not None
            found = self._entries[id(record)] = Entry(key, record, _loaded_of(record))
        return found

    def _settled_at(self, record: Record) -> Key | None:
        """Return where a *record* is, if it is a settled one of these."""
        # Its own may have been changed since; if it was loaded from nothing, there is no other.
        ident: Any = (_loaded_of(record) or {}).get("id") or record.__dict__.get("id")
        for (bucket, collection), members in self._places.items():
            if members.get(ident) is record:
                return Key(bucket, collection, ident)
        return None


def _loaded_of(record: Record) -> Document | None:
    """Return the document that a *record* was loaded from, if it was."""
    state = record.__dict__
    # Another session that has it, too, may have deleted it since.
    return state.get("_document") or state.get("_form")


def _is_as_loaded(record: Record) -> bool:
    """Tell whether a settled *record* certainly is as it was loaded; False says nothing."""
    state = record.__dict__
    document: Document | None = state.get("_document")
    return document is not None and _stands_for(record, document)


def _stands_for(record: Record, document: Document) -> bool:
    """Tell whether *record*, its permissions included, certainly is as *document* is."""
    if record._held is not None and permission_changes(record):
        return False
    return layout_of(type(record)).comparison.holds(record, document)


def renamed(record: Record, key: Key) -> str:
    """Return the message that *record*, which is the one under *key*, has another id now."""
    return (
        f"{type(record).__name__} {key} was given the id {record.id!r}: an id cannot be changed."
        " Add a new record and delete this one"
    )
