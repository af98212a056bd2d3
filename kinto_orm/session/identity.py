"""One object for each record of a session, and what the session knows of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from kinto_orm.client.paths import record_path
from kinto_orm.exceptions import InvalidRequest
from kinto_orm.flow.json import same
from kinto_orm.flow.messages import Document
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
        state = record.__dict__
        return (
            state.get("_document") is loaded
            and state.get("id") == self.key.id
            and not permission_changes(record)
            and layout_of(type(record)).comparison.holds(state, state["_document"])
        )

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


@define
class IdentityMap:
    """
    The entries of a session, by key and by object.

    Records are held strongly: a change would be lost with a record that nobody else holds.
    """

    _by_key: dict[Key, Entry] = field(factory=dict[Key, Entry])
    _by_object: dict[int, Entry] = field(factory=dict[int, Entry])

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._by_key.values()))

    def __len__(self) -> int:
        return len(self._by_key)

    def find(self, key: Key) -> Entry | None:
        """Return the entry under *key*, if there is one."""
        return self._by_key.get(key)

    def of(self, record: Record) -> Entry | None:
        """Return the entry of *record*, if it has one.  Identity counts, not equality."""
        return self._by_object.get(id(record))

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
        if key in self._by_key and self._by_key[key].record is not record:
            msg = (
                f"{type(record).__name__} {key}: the session has another object for this record."
                " Change that one, or expunge it first"
            )
            raise InvalidRequest(msg)
        self._by_key[key] = self._by_object[id(record)] = entry

    def drop(self, record: Record) -> None:
        """Forget *record*."""
        entry = self._by_object.pop(id(record), None)
        if entry is not None:
            del self._by_key[entry.key]

    def clear(self) -> None:
        """Forget all records."""
        self._by_key.clear()
        self._by_object.clear()


def renamed(record: Record, key: Key) -> str:
    """Return the message that *record*, which is the one under *key*, has another id now."""
    return (
        f"{type(record).__name__} {key} was given the id {record.id!r}: an id cannot be changed."
        " Add a new record and delete this one"
    )
