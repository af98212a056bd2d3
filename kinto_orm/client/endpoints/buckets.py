"""Buckets."""

from __future__ import annotations

from typing import Any

from kinto_orm.client.endpoints import listing, objects
from kinto_orm.client.endpoints.listing import Asked
from kinto_orm.client.endpoints.objects import Id, IfMatch, Object, Permissions
from kinto_orm.client.endpoints.server import ServerEndpoints, either
from kinto_orm.exceptions import Forbidden
from kinto_orm.flow import Document, Flow, Program, Request, operation
from kinto_orm.patch_type import PatchType


class BucketEndpoints(ServerEndpoints):
    """Endpoints of buckets."""

    @operation
    def get_bucket(
        self,
        /,
        id: Id | None = None,
        *,
        bucket: Id | None = None,
        if_none_match: IfMatch = None,
        **params: Any,
    ) -> Flow[Object]:
        """
        Return a bucket.

        Args:
            id: Id of the bucket; if omitted, that of the client.
            bucket: The same as *id*.
            if_none_match: Timestamp of the bucket as it is known.
            params: Other parameters, such as ``_fields``.

        Raises:
            BucketNotFound: If there is none, or the user may not see it: Kinto answers 403 to both
                (P4), which is a `BucketHidden`.
            NotModified: If it still has the timestamp *if_none_match*.
        """
        return (
            yield from objects.fetch(
                self._path("bucket", either("bucket", id, bucket)), params, if_none_match
            )
        )

    @operation
    def get_buckets(
        self,
        /,
        *,
        pages: float | None = None,
        if_none_match: IfMatch = None,
        snapshot: bool = False,
        **filters: Any,
    ) -> Program[list[Document]]:
        """Return the data of all buckets that the user may see; arguments as for `get_records`."""
        asked = Asked(self._path("buckets"), filters, pages, if_none_match, snapshot)
        return (yield from listing.read_all(asked))

    @operation
    def count_buckets(self, /, **filters: Any) -> Program[int]:
        """Return how many buckets there are; none is read."""
        return (yield from listing.count(self._path("buckets"), filters))

    @operation
    def create_bucket(
        self,
        id: Id | None = None,
        *,
        bucket: Id | None = None,
        data: Document | None = None,
        permissions: Permissions | None = None,
        safe: bool = True,
        if_not_exists: bool = False,
    ) -> Flow[Object]:
        """
        Create a bucket.

        Args:
            id: Id of the bucket; if omitted, that in *data*, or else that of the client.
            bucket: The same as *id*.
            data: What it holds.
            permissions: Lists of principals, by permission.
            safe: Whether to leave a bucket that exists alone, which is the default; if
                false, it is replaced.
            if_not_exists: Whether to return a bucket that exists.

        Raises:
            PreconditionFailed: If it exists (and *safe*, and not *if_not_exists*).
        """
        path = self._path("bucket", either("bucket", id, bucket, data))
        return (yield from objects.create(path, data, permissions, safe=safe, get=if_not_exists))

    @operation
    def update_bucket(
        self,
        id: Id | None = None,
        *,
        bucket: Id | None = None,
        data: Document | None = None,
        permissions: Permissions | None = None,
        safe: bool | None = None,
        if_match: IfMatch = None,
    ) -> Flow[Object]:
        """
        Replace a bucket, or create it.

        Args:
            id: Id of the bucket; if omitted, that in *data*, or else that of the client.
            bucket: The same as *id*.
            data: What it holds; if omitted, it keeps what it has.
            permissions: Lists of principals, by permission.
            safe: As for `update_record`.
            if_match: As for `update_record`.

        Raises:
            PreconditionFailed: If it has another timestamp.
        """
        path = self._path("bucket", either("bucket", id, bucket, data))
        return (yield from objects.replace(path, data, permissions, safe=safe, if_match=if_match))

    @operation
    def patch_bucket(
        self,
        id: Id | None = None,
        *,
        bucket: Id | None = None,
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
            id: Id of the bucket; if omitted, that in *original* or *data*, or that of the
                client.
            bucket: The same as *id*.
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
        path = self._path("bucket", either("bucket", id, bucket, original or data))
        return (
            yield from objects.patch(
                path, changes, data, permissions, original=original, safe=safe, if_match=if_match
            )
        )

    @operation
    def delete_bucket(
        self,
        id: Id | None = None,
        *,
        bucket: Id | None = None,
        safe: bool = True,
        if_match: IfMatch = None,
        if_exists: bool = False,
    ) -> Flow[Document | None]:
        """
        Delete a bucket and all in it; return its tombstone.

        Args:
            id: Id of the bucket; if omitted, that of the client.
            bucket: The same as *id*.
            safe: Whether to heed *if_match*, which is the default.
            if_match: As for `update_record`.
            if_exists: Whether to return None if there is none.  Kinto answers 403 then, as
                if the user were not allowed to; if the user may see the bucket, that is it.

        Raises:
            Forbidden: If the user may not delete it, or there is none: Kinto answers 403 to both
                (P4).
            PreconditionFailed: If it has another timestamp.
        """
        path = self._path("bucket", either("bucket", id, bucket))
        try:
            return (
                yield from objects.delete(path, safe=safe, if_match=if_match, if_exists=if_exists)
            )
        except Forbidden:
            if not if_exists:
                raise
            if (yield Request("GET", path)).status not in (403, 404):
                raise
            return None

    @operation
    def delete_buckets(
        self,
        /,
        *,
        safe: bool = True,
        if_match: IfMatch = None,
        **filters: Any,
    ) -> Program[list[Document]]:
        """Delete all buckets that the user may delete, on all pages; return their tombstones."""
        path = self._path("buckets")
        return (yield from listing.delete_all(path, filters, safe=safe, if_match=if_match))
