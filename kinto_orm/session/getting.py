"""
Reading records by their ids, into a session.

What is read together is taken in together: an error of one record does not lose the others.  It
is raised when all that can be is in the session.  Of several errors that is the first, with the
others in its notes: so it is the same one that the record would meet alone, and whoever handles
that handles this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from kinto_orm.client.endpoints.server import BATCH_LIMIT
from kinto_orm.exceptions import InvalidRequest, KintoException, RecordNotFound, TransportError
from kinto_orm.flow import Program, operation
from kinto_orm.models.binding import unbound
from kinto_orm.models.kinds import base_of_kinds
from kinto_orm.models.layout import load
from kinto_orm.models.parts import part_of
from kinto_orm.models.permissions import adopt_permissions
from kinto_orm.models.records import Record
from kinto_orm.session.attaching import Attaching
from kinto_orm.session.identity import Entry, Key
from kinto_orm.session.sights import Sight, look
from kinto_orm.session.snapshots import Stored


R = TypeVar("R", bound=Record)


class Getting(Attaching):
    """Reads records by their ids."""

    @operation
    def get(self, model: type[R], id: str) -> Program[R | None]:
        """
        Return the record *id* of *model*, or None if there is none.

        A record that is in the session is returned as it is there, without a request.

        Raises:
            InvalidId: If Kinto does not take *id*.
            InvalidRequest: If the session has it, as a record of another class.
            ValidationError: If what is there does not fit *model*.
            CollectionNotFound: If there is no such collection.
        """
        with self._guard:
            (found,) = yield from self._got(model, [id])
        return found

    @operation
    def get_one(self, model: type[R], id: str) -> Program[R]:
        """
        Return the record *id* of *model*.

        Raises:
            RecordNotFound: If there is none.
            InvalidId, InvalidRequest, ValidationError, CollectionNotFound: As `get`.
        """
        with self._guard:
            (found,) = yield from self._got(model, [id])
        if found is None:
            msg = f"there is no {model.__name__} {self._key(model, id)}"
            raise RecordNotFound(msg)
        return found

    @operation
    def get_many(self, model: type[R], ids: Iterable[str]) -> Program[list[R | None]]:
        """
        Return the records of *model* with these *ids*, in their order.

        None stands for one that is not there.  What is in the session is not asked for, the rest
        is read together.  An id that comes twice gives the same record twice.

        Raises:
            InvalidId: If Kinto does not take one of *ids*; nothing is asked for.
            InvalidRequest, ValidationError, CollectionNotFound: As `get`, of the first record that
                meets it; all others are in the session then, and what these met is in its notes.
        """
        if isinstance(ids, str):
            msg = f"get_many() takes a list of ids, not {ids!r}: for a single one there is get()"
            raise TypeError(msg)
        with self._guard:
            return (yield from self._got(model, list(ids)))

    def _got(self, model: type[R], ids: Sequence[str]) -> Program[list[R | None]]:
        """Return the records with these *ids*, those that are in the session as they are."""
        keys = [self._key(model, id) for id in ids]
        found: dict[Key, R | None] = {}
        errors: list[KintoException] = []
        absent: list[Key] = []
        for key in dict.fromkeys(keys):
            entry = self._known.find(key)
            if entry is None or (entry.wanted and part_of(entry.record) is not None):
                absent.append(key)
                continue
            try:
                found[key] = _here(model, entry)
            except KintoException as error:
                errors.append(error)
        sights = yield from self._looked_at(absent)
        for key, sight in zip(absent, sights, strict=True):
            try:
                found[key] = self._taken(model, key, sight)
            except KintoException as error:
                errors.append(error)
        _raise_first(errors)
        return [found[key] for key in keys]

    def _taken(self, model: type[R], key: Key, sight: Sight) -> R | None:
        """Return the record that was looked for, and take it into the session."""
        if isinstance(sight, KintoException):
            raise sight
        if sight is None:
            return None
        found = self._take(model, sight.document, None, sight.permissions)
        if found is not None and part_of(found) is not None:
            msg = (
                f"{type(found).__name__} {key} was loaded in part and changed here, and changed"
                " elsewhere since: refresh it"
            )
            raise InvalidRequest(msg)
        return found

    def _looked_at(self, keys: Sequence[Key]) -> Program[list[Sight]]:
        """Return for each record what the server has, None if nothing, or what went wrong."""
        sights: list[Sight] = []
        limit: int = self.client._limit or BATCH_LIMIT
        for start in range(0, len(keys), limit):
            # Whoever asks for a record of a collection that is not there should know.
            sights += yield from look(keys[start : start + limit], gone=("record",))
            if lost := next((each for each in sights if isinstance(each, TransportError)), None):
                sights += [lost] * (len(keys) - len(sights))  # It would be so for the others.
                break
        return sights

    @operation
    def refresh(self, *records: Record) -> Program[None]:
        """
        Read *records* again, several together: they become what the server has.

        Local changes are lost, as are patches that wait.  All of each record is loaded, its
        permissions included.

        Raises:
            TypeError: If there are none.
            InvalidRequest: If one is not in the session, so that nothing is asked for; or if one
                is of another class now.
            RecordNotFound: If the server does not have some of them (any more); all are named.
            ValidationError: If what is there does not fit its class.

        If one fails, the others are refreshed; it is as before.  Of several errors the first is
        raised, with the others in its notes.
        """
        if not records:
            msg = "refresh() takes the records that are to be read again: refresh(todo, …)"
            raise TypeError(msg)
        with self._guard:
            yield from self._read_again(records, self._refreshed)

    def _refreshed(self, entry: Entry, stored: Stored) -> None:
        """Have a record be what is *stored*."""
        record = entry.record
        fresh = load(base_of_kinds(type(record)), stored.document)
        _refuse_other_kind(entry, fresh)
        self._replace(entry, fresh, stored.document, stored.permissions)

    @operation
    def load_permissions(self, *records: Record) -> Program[None]:
        """
        Read the permissions of *records*, which lists do not have; several together.

        Their local changes stay.

        Raises:
            InvalidRequest: If one is not in the session, or was changed here and elsewhere.
            RecordNotFound: If the server does not have some of them (any more); all are named.

        If one fails, the others have theirs.  Of several errors the first is raised, with the
        others in its notes.
        """
        with self._guard:
            yield from self._read_again(records, self._permit)

    def _permit(self, entry: Entry, stored: Stored) -> None:
        """Take in the permissions of a record."""
        model = base_of_kinds(type(entry.record))
        if entry.loaded is None or entry.loaded.get("last_modified") != stored.version:
            _refuse_other_kind(entry, load(model, stored.document))
        self._take(model, stored.document, None, stored.permissions)
        if entry.loaded is None or entry.loaded.get("last_modified") != stored.version:
            msg = (
                f"{type(entry.record).__name__} {entry.key} was changed here, and elsewhere since"
                " it was loaded: refresh it"
            )
            raise InvalidRequest(msg)
        if not entry.wanted:  # Then it was not taken.
            adopt_permissions(entry.record, stored.permissions)

    def _read_again(
        self, records: Sequence[Record], take: Callable[[Entry, Stored], None]
    ) -> Program[None]:
        """Read *records*, and have *take* what was found of each."""
        entries = list(dict.fromkeys(map(self._mine, records)))
        sights = yield from self._looked_at([entry.key for entry in entries])
        errors: list[KintoException] = []
        for entry, sight in zip(entries, sights, strict=True):
            try:
                if isinstance(sight, KintoException):
                    raise sight
                if sight is not None:
                    take(entry, sight)
            except KintoException as error:
                errors.append(error)
        gone = [e for e, sight in zip(entries, sights, strict=True) if sight is None]
        _raise_first([*_not_found(gone), *errors])

    def _mine(self, record: Record) -> Entry:
        entry = self._known.of(record)
        if entry is None:
            msg = f"{record!r} is not in the session"
            raise InvalidRequest(msg)
        return entry


def _here(model: type[R], entry: Entry) -> R | None:
    """Return the record of *entry*; None if it is to go."""
    if not entry.wanted:
        return None
    record: Any = entry.record
    if not isinstance(record, unbound(model)):
        msg = f"{entry.key} is a {type(record).__name__}, not a {model.__name__}"
        raise InvalidRequest(msg)
    return record


def _not_found(entries: Sequence[Entry]) -> list[KintoException]:
    """Return the error that the records of *entries* are gone, if there are some."""
    if not entries:
        return []
    named = ", ".join(f"{type(entry.record).__name__} {entry.key}" for entry in entries)
    return [RecordNotFound(f"there is no {named} (any more)")]


def _raise_first(errors: Iterable[KintoException]) -> None:
    """Raise the first of *errors*, if there are some, with the others in its notes."""
    unique = list(dict.fromkeys(errors))  # One may have met several records.
    if unique:
        for other in unique[1:]:
            unique[0].add_note(f"Besides: {other}")
        raise unique[0]


def _refuse_other_kind(entry: Entry, fresh: Record) -> None:
    """Refuse to have a record become what the server has now, if that is of another class."""
    if unbound(type(fresh)) is not unbound(type(entry.record)):
        msg = f"{entry.key} is a {type(fresh).__name__} now: expunge it and get it again"
        raise InvalidRequest(msg)
