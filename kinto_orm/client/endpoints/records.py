"""Records."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from kinto_orm.client.endpoints import listing, objects
from kinto_orm.client.endpoints.listing import Asked
from kinto_orm.client.endpoints.objects import Id, IfMatch, Object, Permissions
from kinto_orm.client.endpoints.server import ServerEndpoints, either
from kinto_orm.flow import Document, Flow, Program, Stream, operation, stream
from kinto_orm.patch_type import PatchType


class RecordEndpoints(ServerEndpoints):
    """Endpoints of records."""

    @operation
    def get_record(
        self,
        /,
        id: Id,
        *,
        collection: Id | None = None,
        bucket: Id | None = None,
        if_none_match: IfMatch = None,
        **params: Any,
    ) -> Flow[Object]:
        """
        Return a record.

        Args:
            id: Id of the record.
            collection: Id of its collection; if omitted, that of the client.
            bucket: Id of its bucket; if omitted, that of the client.
            if_none_match: Timestamp of the record as it is known.
            params: Other parameters, such as ``_fields``.

        Raises:
            RecordNotFound: If there is none.
            CollectionNotFound: If there is no such collection.
            Forbidden: If the user may not see it, or there is no such bucket.
            NotModified: If it still has the timestamp *if_none_match*.
        """
        path = self._path("record", bucket, collection, id=id)
        return (yield from objects.fetch(path, params, if_none_match))

    @operation
    def get_records(
        self,
        /,
        *,
        collection: Id | None = None,
        bucket: Id | None = None,
        pages: float | None = None,
        if_none_match: IfMatch = None,
        snapshot: bool = False,
        **filters: Any,
    ) -> Program[list[Document]]:
        """
        Return the data of the records of a collection, newest first, of all pages.

        Args:
            collection: Id of the collection; if omitted, that of the client.
            bucket: Id of its bucket; if omitted, that of the client.
            pages: How many pages to read at the most; by default one if there is a ``_limit``, else
                all.
            if_none_match: Timestamp of the collection as it is known.
            snapshot: Whether all must be as they are at one moment.  If something is written while
                they are read, they are read again, a few times (docs/protocol.md, T4).
            filters: Fields that must have a value, ``title="42"``; or be compared to one:
                ``min_size=3``, ``in_id=[…]``, ``has_note=True``, … (``eq_…``, ``lt_``, ``gt_``,
                ``min_``, ``max_``, ``not_``, ``in_``, ``exclude_``, ``like_``, ``has_``,
                ``contains_``, ``contains_any_``).  Write ``eq_`` where a field is called like an
                argument, or begins like an operator.  And what Kinto has beyond: ``_limit``,
                ``_sort``, ``_fields``, ``_since``, ``_before``.

        Raises:
            NotModified: If the collection still has the timestamp *if_none_match*.
            SnapshotMoved: If something was written, however often they were read.
            UnsupportedQuery: If the server cannot be asked that.
        """
        path = self._path("records", bucket, collection)
        asked = Asked(path, filters, pages, if_none_match, snapshot)
        return (yield from listing.read_all(asked))

    @stream
    def get_paginated_records(
        self,
        /,
        *,
        collection: Id | None = None,
        bucket: Id | None = None,
        pages: float = float("inf"),
        if_none_match: IfMatch = None,
        snapshot: bool = False,
        **filters: Any,
    ) -> Stream[Document]:
        """
        Go through the pages: each is ``{"data": [record, …]}``.

        The arguments are as for `get_records`, but that *snapshot* cannot read anything again: it
        raises `SnapshotMoved`.
        """
        path = self._path("records", bucket, collection)
        asked = Asked(path, filters, pages, if_none_match, snapshot)
        return (yield from listing.read_pages(asked))

    @stream
    def iter_records(
        self,
        /,
        *,
        collection: Id | None = None,
        bucket: Id | None = None,
        pages: float = float("inf"),
        if_none_match: IfMatch = None,
        snapshot: bool = False,
        **filters: Any,
    ) -> Stream[Document]:
        """
        Go through the records, in the order of their ids unless told otherwise.

        A page is asked for when the one before is used up, and not kept.  In this order no record
        is missed or met twice, whatever is written meanwhile (docs/protocol.md, T4).  The
        arguments are as for `get_paginated_records`.
        """
        path = self._path("records", bucket, collection)
        filters.setdefault("_sort", "id")
        asked = Asked(path, filters, pages, if_none_match, snapshot)
        return (yield from listing.read_items(asked))

    @operation
    def count_records(
        self, /, *, collection: Id | None = None, bucket: Id | None = None, **filters: Any
    ) -> Program[int]:
        """Return how many records there are; none is read.  *filters* are as for `get_records`."""
        path = self._path("records", bucket, collection)
        return (yield from listing.count(path, filters))

    @operation
    def get_records_timestamp(
        self, *, collection: Id | None = None, bucket: Id | None = None
    ) -> Program[str]:
        """Return when a record of a collection was last written or deleted, as digits."""
        return (yield from listing.timestamp(self._path("records", bucket, collection)))

    @operation
    def create_record(
        self,
        id: Id | None = None,
        *,
        collection: Id | None = None,
        bucket: Id | None = None,
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
            safe: Whether to leave a record that exists alone, which is the default; if false, it
                is replaced.
            if_not_exists: Whether to return a record that exists.

        Raises:
            PreconditionFailed: If it exists (and *safe*, and not *if_not_exists*).
        """
        # Drawn before the first attempt: a second one must not create another record.
        found = either("record", id, None, data)
        path = self._path("record", bucket, collection, id=str(uuid4()) if found is None else found)
        return (yield from objects.create(path, data, permissions, safe=safe, get=if_not_exists))

    @operation
    def update_record(
        self,
        id: Id | None = None,
        *,
        collection: Id | None = None,
        bucket: Id | None = None,
        data: Document | None = None,
        permissions: Permissions | None = None,
        safe: bool | None = None,
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
            safe: Whether to heed *if_match*, and the timestamp in *data*, which is the default.  If
                told so, and there is no timestamp, only a record that does not exist is written.
            if_match: Timestamp that it must have, in milliseconds; "*": it must exist.  If
                omitted, the ``last_modified`` of *data*, if that has one.

        Raises:
            PreconditionFailed: If it has another timestamp.
        """
        path = self._path("record", bucket, collection, id=either("record", id, None, data))
        return (yield from objects.replace(path, data, permissions, safe=safe, if_match=if_match))

    @operation
    def patch_record(
        self,
        id: Id | None = None,
        *,
        collection: Id | None = None,
        bucket: Id | None = None,
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
            safe: Whether to heed *if_match* and *original*, which is the default.
            if_match: As for `update_record`.

        Raises:
            PreconditionFailed: If it has another timestamp.
        """
        path = self._path(
            "record", bucket, collection, id=either("record", id, None, original or data)
        )
        return (
            yield from objects.patch(
                path, changes, data, permissions, original=original, safe=safe, if_match=if_match
            )
        )

    @operation
    def delete_record(
        self,
        id: Id,
        *,
        collection: Id | None = None,
        bucket: Id | None = None,
        safe: bool = True,
        if_match: IfMatch = None,
        if_exists: bool = False,
        last_modified: int | None = None,
    ) -> Flow[Document | None]:
        """
        Delete a record; return its tombstone.

        Args:
            id: Id of the record.
            collection: Id of its collection; if omitted, that of the client.
            bucket: Id of its bucket; if omitted, that of the client.
            safe: Whether to heed *if_match*, which is the default.
            if_match: As for `update_record`.
            if_exists: Whether to return None if there is none.
            last_modified: Timestamp of the tombstone, for copies of what is elsewhere; the server
                heeds it if it is newer than that of the record.

        Raises:
            RecordNotFound: If there is none.
            PreconditionFailed: If it has another timestamp.
        """
        path = self._path("record", bucket, collection, id=id)
        params = {} if last_modified is None else {"last_modified": str(int(last_modified))}
        return (
            yield from objects.delete(
                path, safe=safe, if_match=if_match, if_exists=if_exists, params=params
            )
        )

    @operation
    def delete_records(
        self,
        /,
        *,
        collection: Id | None = None,
        bucket: Id | None = None,
        safe: bool = True,
        if_match: IfMatch = None,
        **filters: Any,
    ) -> Program[list[Document]]:
        """
        Delete the records of a collection, on all pages; return their tombstones.

        If the answer for a page is lost, it is deleted once more, and its tombstones are missing.

        Args:
            collection: Id of the collection; if omitted, that of the client.
            bucket: Id of its bucket; if omitted, that of the client.
            safe: Whether to heed *if_match*, which is the default.
            if_match: Timestamp that the collection must have before the first page.
            filters: Which ones, as for `get_records`; with ``_limit``, so many at the most.
        """
        path = self._path("records", bucket, collection)
        return (yield from listing.delete_all(path, filters, safe=safe, if_match=if_match))
