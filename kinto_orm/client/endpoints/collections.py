"""Collections."""

from __future__ import annotations

from typing import Any

from kinto_orm.client.endpoints import listing, objects
from kinto_orm.client.endpoints.listing import Asked
from kinto_orm.client.endpoints.objects import Id, IfMatch, Object, Permissions
from kinto_orm.client.endpoints.server import ServerEndpoints, either
from kinto_orm.flow import Document, Flow, Program, operation
from kinto_orm.patch_type import PatchType


class CollectionEndpoints(ServerEndpoints):
    """Endpoints of collections."""

    @operation
    def get_collection(
        self,
        /,
        id: Id | None = None,
        *,
        collection: Id | None = None,
        bucket: Id | None = None,
        if_none_match: IfMatch = None,
        **params: Any,
    ) -> Flow[Object]:
        """
        Return a collection.

        Args:
            id: Id of the collection; if omitted, that of the client.
            collection: The same as *id*.
            bucket: Id of its bucket; if omitted, that of the client.
            if_none_match: Timestamp of the collection as it is known.
            params: Other parameters, such as ``_fields``.

        Raises:
            CollectionNotFound: If there is none.
            Forbidden: If the user may not see it, or there is no such bucket.
            NotModified: If it still has the timestamp *if_none_match*.
        """
        return (
            yield from objects.fetch(
                self._path("collection", bucket, either("collection", id, collection)),
                params,
                if_none_match,
            )
        )

    @operation
    def get_collections(
        self,
        /,
        *,
        bucket: Id | None = None,
        pages: float | None = None,
        if_none_match: IfMatch = None,
        snapshot: bool = False,
        **filters: Any,
    ) -> Program[list[Document]]:
        """Return the data of all collections of a bucket; arguments as for `get_records`."""
        asked = Asked(self._path("collections", bucket), filters, pages, if_none_match, snapshot)
        return (yield from listing.read_all(asked))

    @operation
    def count_collections(self, /, *, bucket: Id | None = None, **filters: Any) -> Program[int]:
        """Return how many collections there are; none is read."""
        return (yield from listing.count(self._path("collections", bucket), filters))

    @operation
    def create_collection(
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
        Create a collection.

        Args:
            id: Id of the collection; if omitted, that in *data*, or else that of the client.
            collection: The same as *id*.
            bucket: Id of its bucket; if omitted, that of the client.
            data: What it holds.
            permissions: Lists of principals, by permission.
            safe: Whether to leave a collection that exists alone, which is the default; if
                false, it is replaced.
            if_not_exists: Whether to return a collection that exists.

        Raises:
            PreconditionFailed: If it exists (and *safe*, and not *if_not_exists*).
        """
        path = self._path("collection", bucket, either("collection", id, collection, data))
        return (yield from objects.create(path, data, permissions, safe=safe, get=if_not_exists))

    @operation
    def update_collection(
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
        Replace a collection, or create it.

        Args:
            id: Id of the collection; if omitted, that in *data*, or else that of the client.
            collection: The same as *id*.
            bucket: Id of its bucket; if omitted, that of the client.
            data: What it holds; if omitted, it keeps what it has.
            permissions: Lists of principals, by permission.
            safe: As for `update_record`.
            if_match: As for `update_record`.

        Raises:
            PreconditionFailed: If it has another timestamp.
        """
        path = self._path("collection", bucket, either("collection", id, collection, data))
        return (yield from objects.replace(path, data, permissions, safe=safe, if_match=if_match))

    @operation
    def patch_collection(
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
        Change a collection.

        Args:
            id: Id of the collection; if omitted, that in *original* or *data*, or that of the
                client.
            collection: The same as *id*.
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
            "collection", bucket, either("collection", id, collection, original or data)
        )
        return (
            yield from objects.patch(
                path, changes, data, permissions, original=original, safe=safe, if_match=if_match
            )
        )

    @operation
    def delete_collection(
        self,
        id: Id | None = None,
        *,
        collection: Id | None = None,
        bucket: Id | None = None,
        safe: bool = True,
        if_match: IfMatch = None,
        if_exists: bool = False,
    ) -> Flow[Document | None]:
        """
        Delete a collection and its records; return its tombstone.

        Args:
            id: Id of the collection; if omitted, that of the client.
            collection: The same as *id*.
            bucket: Id of its bucket; if omitted, that of the client.
            safe: Whether to heed *if_match*, which is the default.
            if_match: As for `update_record`.
            if_exists: Whether to return None if there is none.

        Raises:
            CollectionNotFound: If there is none.
            Forbidden: If the user may not see it, or there is no such bucket.
            PreconditionFailed: If it has another timestamp.
        """
        path = self._path("collection", bucket, either("collection", id, collection))
        return (yield from objects.delete(path, safe=safe, if_match=if_match, if_exists=if_exists))

    @operation
    def delete_collections(
        self,
        /,
        *,
        bucket: Id | None = None,
        safe: bool = True,
        if_match: IfMatch = None,
        **filters: Any,
    ) -> Program[list[Document]]:
        """Delete all collections of a bucket, on all pages; return their tombstones."""
        path = self._path("collections", bucket)
        return (yield from listing.delete_all(path, filters, safe=safe, if_match=if_match))
