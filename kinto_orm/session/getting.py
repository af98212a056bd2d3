"""Reading records by their ids, into a session."""

from __future__ import annotations

from typing import Any, TypeVar

from kinto_orm.client.endpoints.objects import content, permissions_of
from kinto_orm.exceptions import InvalidRequest, KintoException, RecordNotFound
from kinto_orm.flow import Program, Request, Response, operation
from kinto_orm.flow.refusals import missing_of
from kinto_orm.models.binding import unbound
from kinto_orm.models.layout import base_of_kinds, load
from kinto_orm.models.parts import part_of
from kinto_orm.models.permissions import adopt_permissions
from kinto_orm.models.records import Record
from kinto_orm.session.attaching import Attaching
from kinto_orm.session.identity import Entry, Key
from kinto_orm.session.outcomes import looked_up
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
            _refuse_other_kind(entry, fresh)
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
        if entry.loaded is None or entry.loaded.get("last_modified") != stored.version:
            _refuse_other_kind(entry, load(model, stored.document))
        self._take(model, stored.document, None, stored.permissions)
        if entry.loaded is None or entry.loaded.get("last_modified") != stored.version:
            msg = f"{name} was changed here, and elsewhere since it was loaded: refresh it"
            raise InvalidRequest(msg)
        if not entry.wanted:  # Then it was not taken.
            adopt_permissions(entry.record, stored.permissions)

    def _mine(self, record: Record) -> Entry:
        entry = self._known.of(record)
        if entry is None:
            msg = f"{record!r} is not in the session"
            raise InvalidRequest(msg)
        return entry


def _refuse_other_kind(entry: Entry, fresh: Record) -> None:
    """Refuse to have a record become what the server has now, if that is of another class."""
    if unbound(type(fresh)) is not unbound(type(entry.record)):
        msg = f"{entry.key} is a {type(fresh).__name__} now: expunge it and get it again"
        raise InvalidRequest(msg)
