"""Groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from kinto_orm.client.endpoints import listing, objects
from kinto_orm.client.endpoints.listing import Asked
from kinto_orm.client.endpoints.objects import Id, IfMatch, Object, Permissions
from kinto_orm.client.endpoints.server import ServerEndpoints, either
from kinto_orm.exceptions import InvalidRequest, PreconditionFailed
from kinto_orm.flow import Document, Flow, Program, operation
from kinto_orm.patch_type import PatchType


#: How often members are changed at the most while others change the same group.
_TRIES: Final = 10


class GroupEndpoints(ServerEndpoints):
    """Endpoints of groups."""

    @operation
    def get_group(
        self,
        /,
        id: Id | None = None,
        *,
        group: Id | None = None,
        bucket: Id | None = None,
        if_none_match: IfMatch = None,
        **params: Any,
    ) -> Flow[Object]:
        """
        Return a group.

        Args:
            id: Id of the group.
            group: The same as *id*.
            bucket: Id of its bucket; if omitted, that of the client.
            if_none_match: Timestamp of the group as it is known.
            params: Other parameters, such as ``_fields``.

        Raises:
            NotFound: If there is none.
            Forbidden: If the user may not see it, or there is no such bucket.
            NotModified: If it still has the timestamp *if_none_match*.
        """
        return (
            yield from objects.fetch(
                self._path("group", bucket, group=either("group", id, group)), params, if_none_match
            )
        )

    @operation
    def get_groups(
        self,
        /,
        *,
        bucket: Id | None = None,
        pages: float | None = None,
        if_none_match: IfMatch = None,
        snapshot: bool = False,
        **filters: Any,
    ) -> Program[list[Document]]:
        """Return the data of all groups of a bucket; arguments as for `get_records`."""
        asked = Asked(self._path("groups", bucket), filters, pages, if_none_match, snapshot)
        return (yield from listing.read_all(asked))

    @operation
    def count_groups(self, /, *, bucket: Id | None = None, **filters: Any) -> Program[int]:
        """Return how many groups there are; none is read."""
        return (yield from listing.count(self._path("groups", bucket), filters))

    @operation
    def create_group(
        self,
        id: Id | None = None,
        *,
        group: Id | None = None,
        bucket: Id | None = None,
        data: Document | None = None,
        permissions: Permissions | None = None,
        safe: bool = True,
        if_not_exists: bool = False,
    ) -> Flow[Object]:
        """
        Create a group.

        Args:
            id: Id of the group; if omitted, that in *data*.
            group: The same as *id*.
            bucket: Id of its bucket; if omitted, that of the client.
            data: What it holds: ``members``, a list of principals.
            permissions: Lists of principals, by permission.
            safe: Whether to leave a group that exists alone, which is the default; if
                false, it is replaced.
            if_not_exists: Whether to return a group that exists.

        Raises:
            PreconditionFailed: If it exists (and *safe*, and not *if_not_exists*).
        """
        path = self._path("group", bucket, group=either("group", id, group, data))
        return (yield from objects.create(path, data, permissions, safe=safe, get=if_not_exists))

    @operation
    def update_group(
        self,
        id: Id | None = None,
        *,
        group: Id | None = None,
        bucket: Id | None = None,
        data: Document | None = None,
        permissions: Permissions | None = None,
        safe: bool | None = None,
        if_match: IfMatch = None,
    ) -> Flow[Object]:
        """
        Replace a group, or create it.

        Args:
            id: Id of the group; if omitted, that in *data*.
            group: The same as *id*.
            bucket: Id of its bucket; if omitted, that of the client.
            data: What it holds; if omitted, it keeps what it has.
            permissions: Lists of principals, by permission.
            safe: As for `update_record`.
            if_match: As for `update_record`.

        Raises:
            PreconditionFailed: If it has another timestamp.
        """
        path = self._path("group", bucket, group=either("group", id, group, data))
        return (yield from objects.replace(path, data, permissions, safe=safe, if_match=if_match))

    @operation
    def patch_group(
        self,
        id: Id | None = None,
        *,
        group: Id | None = None,
        bucket: Id | None = None,
        changes: PatchType | None = None,
        data: Document | None = None,
        original: Document | None = None,
        permissions: Permissions | None = None,
        safe: bool = True,
        if_match: IfMatch = None,
    ) -> Flow[Object]:
        """
        Change a group.

        Args:
            id: Id of the group; if omitted, that in *original* or *data*.
            group: The same as *id*.
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
        path = self._path("group", bucket, group=either("group", id, group, original or data))
        return (
            yield from objects.patch(
                path, changes, data, permissions, original=original, safe=safe, if_match=if_match
            )
        )

    @operation
    def delete_group(
        self,
        id: Id | None = None,
        *,
        group: Id | None = None,
        bucket: Id | None = None,
        safe: bool = True,
        if_match: IfMatch = None,
        if_exists: bool = False,
    ) -> Flow[Document | None]:
        """
        Delete a group; return its tombstone.

        Args:
            id: Id of the group.
            group: The same as *id*.
            bucket: Id of its bucket; if omitted, that of the client.
            safe: Whether to heed *if_match*, which is the default.
            if_match: As for `update_record`.
            if_exists: Whether to return None if there is none.

        Raises:
            NotFound: If there is none.
            Forbidden: If the user may not see it, or there is no such bucket.
            PreconditionFailed: If it has another timestamp.
        """
        path = self._path("group", bucket, group=either("group", id, group))
        return (yield from objects.delete(path, safe=safe, if_match=if_match, if_exists=if_exists))

    @operation
    def delete_groups(
        self,
        /,
        *,
        bucket: Id | None = None,
        safe: bool = True,
        if_match: IfMatch = None,
        **filters: Any,
    ) -> Program[list[Document]]:
        """Delete all groups of a bucket, on all pages; return their tombstones."""
        path = self._path("groups", bucket)
        return (yield from listing.delete_all(path, filters, safe=safe, if_match=if_match))

    @operation
    def add_members(
        self,
        id: Id | None = None,
        *,
        members: Iterable[str],
        group: Id | None = None,
        bucket: Id | None = None,
    ) -> Flow[Object]:
        """
        Add principals to a group; return it.

        Those that it has stay where they are, the new ones come behind them.  If it is changed
        elsewhere meanwhile, it is read again, so that nobody's change is lost.  Nothing is written
        if all are members.

        Args:
            id: Id of the group.
            members: Principals, such as ``account:alexis``.
            group: The same as *id*.
            bucket: Id of its bucket; if omitted, that of the client.

        Raises:
            NotFound: If there is no such group.
            Forbidden: If the user may not see it, or there is no such bucket.
            PreconditionFailed: If it was changed elsewhere each of the ten times.
        """
        path = self._path("group", bucket, group=either("group", id, group))
        added = dict.fromkeys(_principals(members))
        return (
            yield from _with_members(
                path, lambda there: [*there, *(each for each in added if each not in there)]
            )
        )

    @operation
    def remove_members(
        self,
        id: Id | None = None,
        *,
        members: Iterable[str],
        group: Id | None = None,
        bucket: Id | None = None,
    ) -> Flow[Object]:
        """
        Remove principals from a group; return it.

        The others stay in their order.  Nothing is written if none is a member.  The arguments and
        errors are those of `add_members`.
        """
        path = self._path("group", bucket, group=either("group", id, group))
        removed = frozenset(_principals(members))
        return (
            yield from _with_members(
                path, lambda there: [each for each in there if each not in removed]
            )
        )


def _principals(members: Iterable[str]) -> list[str]:
    """Return *members* as a list; a single text would be taken for its letters."""
    found = [members] if isinstance(members, str) else list(members)
    if isinstance(members, str) or not all(isinstance(each, str) for each in found):
        msg = f"members must be a list of principals, such as ['account:alexis'], not {members!r}"
        raise InvalidRequest(msg)
    return found


def _with_members(path: str, changed: Callable[[list[str]], list[str]]) -> Flow[Object]:
    """Give the group at *path* the members that *changed* makes of those that it has."""
    for left in reversed(range(_TRIES)):
        group = yield from objects.fetch(path, leads=True)
        there: list[str] = group["data"].get("members", [])
        members = changed(there)
        if members == there:
            return group
        try:
            return (
                yield from objects.patch(
                    path,
                    None,
                    {"members": members},
                    None,
                    original=group["data"],
                    safe=True,
                    if_match=None,
                )
            )
        except PreconditionFailed:
            if not left:
                raise
    raise AssertionError
