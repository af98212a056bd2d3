"""
Files of records, for sessions (the plugin *kinto-attachment*).

The server changes the record when a file comes or goes, and heeds no precondition
(docs/protocol.md, D5).  So the record is looked at before, and taken anew after.
"""

from __future__ import annotations

import os

from collections.abc import Mapping
from typing import Any, Final

from kinto_orm.client.endpoints import objects
from kinto_orm.client.endpoints.attachments import AttachmentEndpoints
from kinto_orm.exceptions import Conflict, InvalidRequest
from kinto_orm.flow import Document, Program, operation
from kinto_orm.flow.json import same
from kinto_orm.models.kinds import base_of_kinds
from kinto_orm.models.layout import layout_of, load
from kinto_orm.models.records import Record
from kinto_orm.session.bulk import Bulk
from kinto_orm.session.identity import Entry
from kinto_orm.session.snapshots import Stored, adopt, without_stamps


#: The key that the plugin keeps what it says of a file under.
ATTACHMENT: Final = "attachment"


class Attaching(Bulk):
    """A unit of work whose records may have files."""

    @operation
    def attach(
        self,
        record: Record,
        filepath: str | os.PathLike[str],
        *,
        filename: str | None = None,
        mimetype: str | None = None,
    ) -> Program[None]:
        """
        Upload a file to *record*, at once; the record then says what the server says of it.

        A file that it has is replaced.  The record must be on the server and have no changes; what
        is changed while the file is on its way stays a change.

        Args:
            record: A record of the session.
            filepath: Where the file is.
            filename: What it is called there; if omitted, as here.
            mimetype: What it is; if omitted, what its name says.

        Raises:
            InvalidRequest: If the record is new, changed or to be deleted; nothing is sent.
            Conflict: If the record was changed elsewhere since it was loaded; nothing is uploaded.
            RecordNotFound: If it was deleted elsewhere.
            OSError: If the file cannot be read; nothing is uploaded.
            AttachmentError: If the server has another file afterwards.
        """
        with self._guard:
            entry = yield from self._unchanged(record, f"a file cannot be attached to {record!r}")
            key = entry.key
            yield from AttachmentEndpoints.add_attachment.flow(
                self.client,
                key.id,
                filepath,
                filename,
                bucket=key.bucket,
                collection=key.collection,
                mimetype=mimetype,
            )
            yield from self._taken_anew(entry)

    @operation
    def detach(self, record: Record) -> Program[None]:
        """
        Remove the file of *record*, at once; it does not matter if there is none.

        Raises:
            InvalidRequest, Conflict, RecordNotFound: As `attach`.
        """
        with self._guard:
            entry = yield from self._unchanged(record, f"a file cannot be removed from {record!r}")
            key = entry.key
            yield from AttachmentEndpoints.remove_attachment.flow(
                self.client, key.id, bucket=key.bucket, collection=key.collection
            )
            yield from self._taken_anew(entry)

    def _unchanged(self, record: Record, what: str) -> Program[Entry]:
        """Return the entry of *record*, if it is as it was loaded, here and on the server."""
        entry = self._known.of(record)
        if entry is None:
            msg = f"{what}: it is not in the session; get it, or add it and commit"
            raise InvalidRequest(msg)
        if entry.loaded is None or entry.sent:
            msg = f"{what}: it is not known to be on the server; commit first"
            raise InvalidRequest(msg)
        if not entry.is_clean:
            state = "has unsaved changes" if entry.wanted else "is to be deleted"
            msg = f"{what}: it {state}; commit them first, or refresh it"
            raise InvalidRequest(msg)
        found = (yield from objects.fetch(entry.key.path, leads=True))["data"]
        if found["last_modified"] != entry.loaded.get("last_modified"):
            raise _moved(entry, found)
        return entry

    def _taken_anew(self, entry: Entry) -> Program[None]:
        """
        Take what the server has of a record into it.

        It may have been edited meanwhile.  Then it gets the file alone; and if more than that is
        new on the server, nothing, so that its next commit meets the conflict.
        """
        found = yield from objects.fetch(entry.key.path)
        document, permissions = found["data"], found["permissions"]
        if entry.is_clean:
            fresh = load(base_of_kinds(type(entry.record)), document)
            self._replace(entry, fresh, document, permissions)
        elif entry.loaded is not None and same(_but_file(document), _but_file(entry.loaded)):
            _set_file(entry.record, document)
            entry.loaded = adopt(entry.record, Stored(document, permissions))


def _but_file(document: Mapping[str, Any]) -> Document:
    return {key: item for key, item in without_stamps(document).items() if key != ATTACHMENT}


def _set_file(record: Record, document: Document) -> None:
    """Have *record* say of its file what *document* says."""
    value = document.get(ATTACHMENT)
    specs = layout_of(type(record)).specs
    spec = next((spec for spec in specs if spec.key == ATTACHMENT), None)
    if spec is None:
        record.extra[ATTACHMENT] = value
    else:
        record.__dict__[spec.name] = spec.load(value)


def _moved(entry: Entry, remote: Document) -> Conflict:
    record, base = entry.record, without_stamps(entry.loaded or {})
    msg = (
        f"{type(record).__name__} {entry.key} was changed elsewhere at {remote['last_modified']}"
        f" since it was loaded ({record.last_modified}). Its file was left as it is: refresh the"
        " record, and try again"
    )
    return Conflict(msg, record=record, base=base, local=base, remote=remote, fields=())
