"""Records."""

from __future__ import annotations

from uuid import uuid4

from kinto_orm.client.endpoints import objects
from kinto_orm.client.endpoints.objects import IfMatch, Object, Permissions
from kinto_orm.client.endpoints.server import ServerEndpoints
from kinto_orm.client.paths import record_path, records_path
from kinto_orm.flow import Document, Flow, operation
from kinto_orm.patch_type import PatchType


class RecordEndpoints(ServerEndpoints):
    """Endpoints of records."""

    @operation
    def get_record(
        self, *, id: str, collection: str | None = None, bucket: str | None = None
    ) -> Flow[Object]:
        """
        Return a record.

        Raises:
            RecordNotFound: If there is none.
            CollectionNotFound: If there is no such collection.
            Forbidden: If the user may not see it, or there is no such bucket.
        """
        return (yield from objects.fetch(self._record(bucket, collection, id)))

    @operation
    def get_records(
        self, *, collection: str | None = None, bucket: str | None = None
    ) -> Flow[list[Document]]:
        """Return the data of all records of a collection."""
        return (
            yield from objects.fetch_all(
                records_path(self._bucket(bucket), self._collection(collection)), {}
            )
        )

    @operation
    def create_record(
        self,
        *,
        id: str | None = None,
        collection: str | None = None,
        bucket: str | None = None,
        data: Document | None = None,
        permissions: Permissions | None = None,
        safe: bool = True,
        if_not_exists: bool = False,
    ) -> Flow[Object]:
        """
        Create a record.

        Args:
            id: Id of the record; if omitted, that in *data*, or else a new uuid.
            collection: Id of its collection; if omitted, that of the client.
            bucket: Id of its bucket; if omitted, that of the client.
            data: What it holds, without ``last_modified``.
            permissions: Lists of principals, by permission.
            safe: Whether to leave a record that exists alone; if false, it is replaced.
            if_not_exists: Whether to return a record that exists.

        Raises:
            PreconditionFailed: If it exists (and *safe*, and not *if_not_exists*).
        """
        found = _id(id, data)
        path = self._record(bucket, collection, str(uuid4()) if found is None else found)
        return (yield from objects.create(path, data, permissions, safe=safe, get=if_not_exists))

    @operation
    def update_record(
        self,
        *,
        id: str | None = None,
        collection: str | None = None,
        bucket: str | None = None,
        data: Document | None = None,
        permissions: Permissions | None = None,
        safe: bool = True,
        if_match: IfMatch = None,
    ) -> Flow[Object]:
        """
        Replace a record, or create it.

        Args:
            id: Id of the record; if omitted, that in *data*.
            collection: Id of its collection; if omitted, that of the client.
            bucket: Id of its bucket; if omitted, that of the client.
            data: What it holds, without ``last_modified``; if omitted, it keeps what it has.
            permissions: Lists of principals, by permission.
            safe: Whether to heed *if_match*.
            if_match: Timestamp that it must have, in milliseconds; "*": it must exist.  If
                omitted, the ``last_modified`` of *data*, if that has one.

        Raises:
            PreconditionFailed: If it has another timestamp.
        """
        path = self._record(bucket, collection, _required_id(id, data))
        return (yield from objects.replace(path, data, permissions, safe=safe, if_match=if_match))

    @operation
    def patch_record(
        self,
        *,
        id: str | None = None,
        collection: str | None = None,
        bucket: str | None = None,
        changes: PatchType | None = None,
        data: Document | None = None,
        original: Document | None = None,
        permissions: Permissions | None = None,
        safe: bool = True,
        if_match: IfMatch = None,
    ) -> Flow[Object]:
        """
        Change a record.

        Args:
            id: Id of the record; if omitted, that in *original* or *data*.
            collection: Id of its collection; if omitted, that of the client.
            bucket: Id of its bucket; if omitted, that of the client.
            changes: What to change, as a `BasicPatch`, `MergePatch` or `JSONPatch`; instead of
                *data* and *permissions*, which are a `BasicPatch`.
            data: Attributes to replace.
            original: The data that the change is made from: its timestamp is the one expected.
            permissions: Permissions to replace.
            safe: Whether to heed *if_match* and *original*.
            if_match: As for `update_record`.

        Raises:
            PreconditionFailed: If it has another timestamp.
        """
        path = self._record(bucket, collection, _required_id(id, original or data))
        return (
            yield from objects.patch(
                path, changes, data, permissions, original=original, safe=safe, if_match=if_match
            )
        )

    @operation
    def delete_record(
        self,
        *,
        id: str,
        collection: str | None = None,
        bucket: str | None = None,
        safe: bool = True,
        if_match: IfMatch = None,
        if_exists: bool = False,
    ) -> Flow[Document]:
        """
        Delete a record; return its tombstone.

        Args:
            id: Id of the record.
            collection: Id of its collection; if omitted, that of the client.
            bucket: Id of its bucket; if omitted, that of the client.
            safe: Whether to heed *if_match*.
            if_match: As for `update_record`.
            if_exists: Whether to return ``{}`` if there is none.

        Raises:
            RecordNotFound: If there is none.
            PreconditionFailed: If it has another timestamp.
        """
        path = self._record(bucket, collection, id)
        return (yield from objects.delete(path, safe=safe, if_match=if_match, if_exists=if_exists))

    def _record(self, bucket: str | None, collection: str | None, id: str) -> str:
        return record_path(self._bucket(bucket), self._collection(collection), id)


def _id(id: str | None, data: Document | None) -> str | None:
    return (data or {}).get("id") if id is None else id


def _required_id(id: str | None, data: Document | None) -> str:
    if (found := _id(id, data)) is None:
        msg = "which record? Give id=, or data with an 'id'"
        raise TypeError(msg)
    return found
