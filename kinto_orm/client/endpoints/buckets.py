"""Buckets."""

from __future__ import annotations

from kinto_orm.client.endpoints import objects
from kinto_orm.client.endpoints.objects import IfMatch, Object, Permissions
from kinto_orm.client.endpoints.server import ServerEndpoints
from kinto_orm.client.paths import bucket_path
from kinto_orm.flow import Document, Flow, operation
from kinto_orm.patch_type import PatchType


class BucketEndpoints(ServerEndpoints):
    """Endpoints of buckets."""

    @operation
    def get_bucket(self, *, id: str | None = None) -> Flow[Object]:
        """
        Return a bucket.

        Raises:
            Forbidden: If there is none, or the user may not see it: Kinto tells these not apart.
            BucketNotFound: If there is none, for users who may see all.
        """
        return (yield from objects.fetch(bucket_path(self._bucket(id))))

    @operation
    def get_buckets(self) -> Flow[list[Document]]:
        """Return the data of all buckets that the user may see."""
        return (yield from objects.fetch_all("/buckets", {}))

    @operation
    def create_bucket(
        self,
        *,
        id: str | None = None,
        data: Document | None = None,
        permissions: Permissions | None = None,
        safe: bool = True,
        if_not_exists: bool = False,
    ) -> Flow[Object]:
        """
        Create a bucket.

        Args:
            id: Id of the bucket; if omitted, that of the client.
            data: What it holds, without ``last_modified``.
            permissions: Lists of principals, by permission.
            safe: Whether to leave a bucket that exists alone; if false, it is replaced.
            if_not_exists: Whether to return a bucket that exists.

        Raises:
            PreconditionFailed: If it exists (and *safe*, and not *if_not_exists*).
        """
        path = bucket_path(self._bucket(id))
        return (yield from objects.create(path, data, permissions, safe=safe, get=if_not_exists))

    @operation
    def update_bucket(
        self,
        *,
        id: str | None = None,
        data: Document | None = None,
        permissions: Permissions | None = None,
        safe: bool = True,
        if_match: IfMatch = None,
    ) -> Flow[Object]:
        """
        Replace a bucket, or create it.

        Args:
            id: Id of the bucket; if omitted, that of the client.
            data: What it holds, without ``last_modified``; if omitted, it keeps what it has.
            permissions: Lists of principals, by permission.
            safe: Whether to heed *if_match*.
            if_match: Timestamp that it must have, in milliseconds; "*": it must exist.  If
                omitted, the ``last_modified`` of *data*, if that has one.

        Raises:
            PreconditionFailed: If it has another timestamp.
        """
        path = bucket_path(self._bucket(id))
        return (yield from objects.replace(path, data, permissions, safe=safe, if_match=if_match))

    @operation
    def patch_bucket(
        self,
        *,
        id: str | None = None,
        changes: PatchType | None = None,
        data: Document | None = None,
        original: Document | None = None,
        permissions: Permissions | None = None,
        safe: bool = True,
        if_match: IfMatch = None,
    ) -> Flow[Object]:
        """
        Change a bucket.

        Args:
            id: Id of the bucket; if omitted, that of the client.
            changes: What to change, as a `BasicPatch`, `MergePatch` or `JSONPatch`; instead of
                *data* and *permissions*, which are a `BasicPatch`.
            data: Attributes to replace.
            original: The data that the change is made from: its timestamp is the one expected.
            permissions: Permissions to replace.
            safe: Whether to heed *if_match* and *original*.
            if_match: As for `update_bucket`.

        Raises:
            PreconditionFailed: If it has another timestamp.
        """
        path = bucket_path(self._bucket(id))
        return (
            yield from objects.patch(
                path, changes, data, permissions, original=original, safe=safe, if_match=if_match
            )
        )

    @operation
    def delete_bucket(
        self,
        *,
        id: str | None = None,
        safe: bool = True,
        if_match: IfMatch = None,
        if_exists: bool = False,
    ) -> Flow[Document]:
        """
        Delete a bucket and all in it; return its tombstone.

        Args:
            id: Id of the bucket; if omitted, that of the client.
            safe: Whether to heed *if_match*.
            if_match: As for `update_bucket`.
            if_exists: Whether to return ``{}`` if Kinto says that there is none.  It says so to
                users who may see all; to others it says that they may not.

        Raises:
            Forbidden: If there is none: so Kinto says.
            PreconditionFailed: If it has another timestamp.
        """
        path = bucket_path(self._bucket(id))
        return (yield from objects.delete(path, safe=safe, if_match=if_match, if_exists=if_exists))
