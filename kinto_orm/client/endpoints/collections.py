"""Collections."""

from __future__ import annotations

from kinto_orm.client.endpoints import objects
from kinto_orm.client.endpoints.objects import IfMatch, Object, Permissions
from kinto_orm.client.endpoints.server import ServerEndpoints
from kinto_orm.client.paths import collection_path, collections_path
from kinto_orm.flow import Document, Flow, operation
from kinto_orm.patch_type import PatchType


class CollectionEndpoints(ServerEndpoints):
    """Endpoints of collections."""

    @operation
    def get_collection(self, *, id: str | None = None, bucket: str | None = None) -> Flow[Object]:
        """
        Return a collection.

        Raises:
            CollectionNotFound: If there is none.
            Forbidden: If the user may not see it, or there is no such bucket.
        """
        path = collection_path(self._bucket(bucket), self._collection(id))
        return (yield from objects.fetch(path))

    @operation
    def get_collections(self, *, bucket: str | None = None) -> Flow[list[Document]]:
        """Return the data of all collections of a bucket."""
        return (yield from objects.fetch_all(collections_path(self._bucket(bucket)), {}))

    @operation
    def create_collection(
        self,
        *,
        id: str | None = None,
        bucket: str | None = None,
        data: Document | None = None,
        permissions: Permissions | None = None,
        safe: bool = True,
        if_not_exists: bool = False,
    ) -> Flow[Object]:
        """
        Create a collection.

        Args:
            id: Id of the collection; if omitted, that of the client.
            bucket: Id of its bucket; if omitted, that of the client.
            data: What it holds, without ``last_modified``.
            permissions: Lists of principals, by permission.
            safe: Whether to leave a collection that exists alone; if false, it is replaced.
            if_not_exists: Whether to return a collection that exists.

        Raises:
            PreconditionFailed: If it exists (and *safe*, and not *if_not_exists*).
        """
        path = collection_path(self._bucket(bucket), self._collection(id))
        return (yield from objects.create(path, data, permissions, safe=safe, get=if_not_exists))

    @operation
    def update_collection(
        self,
        *,
        id: str | None = None,
        bucket: str | None = None,
        data: Document | None = None,
        permissions: Permissions | None = None,
        safe: bool = True,
        if_match: IfMatch = None,
    ) -> Flow[Object]:
        """
        Replace a collection, or create it.

        Args:
            id: Id of the collection; if omitted, that of the client.
            bucket: Id of its bucket; if omitted, that of the client.
            data: What it holds, without ``last_modified``; if omitted, it keeps what it has.
            permissions: Lists of principals, by permission.
            safe: Whether to heed *if_match*.
            if_match: Timestamp that it must have, in milliseconds; "*": it must exist.  If
                omitted, the ``last_modified`` of *data*, if that has one.

        Raises:
            PreconditionFailed: If it has another timestamp.
        """
        path = collection_path(self._bucket(bucket), self._collection(id))
        return (yield from objects.replace(path, data, permissions, safe=safe, if_match=if_match))

    @operation
    def patch_collection(
        self,
        *,
        id: str | None = None,
        bucket: str | None = None,
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
            id: Id of the collection; if omitted, that of the client.
            bucket: Id of its bucket; if omitted, that of the client.
            changes: What to change, as a `BasicPatch`, `MergePatch` or `JSONPatch`; instead of
                *data* and *permissions*, which are a `BasicPatch`.
            data: Attributes to replace.
            original: The data that the change is made from: its timestamp is the one expected.
            permissions: Permissions to replace.
            safe: Whether to heed *if_match* and *original*.
            if_match: As for `update_collection`.

        Raises:
            PreconditionFailed: If it has another timestamp.
        """
        path = collection_path(self._bucket(bucket), self._collection(id))
        return (
            yield from objects.patch(
                path, changes, data, permissions, original=original, safe=safe, if_match=if_match
            )
        )

    @operation
    def delete_collection(
        self,
        *,
        id: str | None = None,
        bucket: str | None = None,
        safe: bool = True,
        if_match: IfMatch = None,
        if_exists: bool = False,
    ) -> Flow[Document]:
        """
        Delete a collection and its records; return its tombstone.

        Args:
            id: Id of the collection; if omitted, that of the client.
            bucket: Id of its bucket; if omitted, that of the client.
            safe: Whether to heed *if_match*.
            if_match: As for `update_collection`.
            if_exists: Whether to return ``{}`` if there is none.

        Raises:
            CollectionNotFound: If there is none.
            PreconditionFailed: If it has another timestamp.
        """
        path = collection_path(self._bucket(bucket), self._collection(id))
        return (yield from objects.delete(path, safe=safe, if_match=if_match, if_exists=if_exists))
