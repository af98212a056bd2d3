"""
Review: changes are asked for, looked at, and then signed and published (the plugin `kinto-signer`).

A state of a collection is its ``status``; the server does the rest.
"""

from __future__ import annotations

from typing import Any

from kinto_orm.client.endpoints import objects
from kinto_orm.client.endpoints.objects import Id, IfMatch, Object, Permissions, accepted
from kinto_orm.client.endpoints.server import ServerEndpoints
from kinto_orm.flow import Document, Flow, Request, operation
from kinto_orm.patch_type import BasicPatch
from kinto_orm.transport.params import controls


class ReviewEndpoints(ServerEndpoints):
    """Endpoints of the review of a collection."""

    @operation
    def get_changeset(
        self,
        /,
        bucket: Id | None = None,
        collection: Id | None = None,
        bust_cache: bool = False,  # noqa: FBT001, FBT002 (as kinto-http's)
        **params: Any,
    ) -> Flow[dict[str, Any]]:
        """
        Return a collection as it is published: ``changes``, ``metadata``, ``timestamp``.

        Args:
            bucket: Id of the bucket; if omitted, that of the client.
            collection: Id of the collection; if omitted, that of the client.
            bust_cache: Whether to ask in a way that no cache on the way has the answer.
            params: Other parameters: ``_since``, or ``_expected``, which is 0 by default.

        Raises:
            NotFound: If there is no such collection, or the server does not have that endpoint.
        """
        import secrets  # With what few programs need.

        # Numbers that no changeset will have as its timestamp for a long time.
        expected = 999_999_000_000 + secrets.randbelow(1_000_000) if bust_cache else 0
        path = self._path("changeset", bucket, collection)
        asked = controls({"_expected": expected, **params})
        response = yield (request := Request("GET", path, asked))
        found: dict[str, Any] = accepted(request, response).body
        return found

    @operation
    def request_review(
        self, /, message: str, id: Id | None = None, bucket: Id | None = None, **options: Any
    ) -> Flow[Object]:
        """
        Ask for a review of what was changed in a collection.

        Args:
            message: What to tell the reviewers.
            id: Id of the collection; if omitted, that of the client.
            bucket: Id of its bucket; if omitted, that of the client.
            options: As for `patch_collection`; *data* is sent with it.

        Raises:
            PreconditionFailed: If it has another timestamp than *if_match*.
        """
        states = {"status": "to-review", "last_editor_comment": message}
        return (yield from self._patched(id, bucket, states, **options))

    @operation
    def approve_changes(
        self, /, id: Id | None = None, bucket: Id | None = None, **options: Any
    ) -> Flow[Object]:
        """Approve what was changed: it is signed and published.  See `request_review`."""
        return (yield from self._patched(id, bucket, {"status": "to-sign"}, **options))

    @operation
    def decline_changes(
        self, /, message: str, id: Id | None = None, bucket: Id | None = None, **options: Any
    ) -> Flow[Object]:
        """Decline what was changed, with a *message* to the editors.  See `request_review`."""
        states = {"status": "work-in-progress", "last_reviewer_comment": message}
        return (yield from self._patched(id, bucket, states, **options))

    @operation
    def rollback_changes(
        self, /, message: str, id: Id | None = None, bucket: Id | None = None, **options: Any
    ) -> Flow[Object]:
        """Go back to what is published, with a *message*.  See `request_review`."""
        states = {"status": "to-rollback", "last_editor_comment": message}
        return (yield from self._patched(id, bucket, states, **options))

    def _patched(
        self,
        id: Id | None,
        bucket: Id | None,
        states: Document,
        *,
        collection: Id | None = None,
        data: Document | None = None,
        original: Document | None = None,
        permissions: Permissions | None = None,
        safe: bool = True,
        if_match: IfMatch = None,
    ) -> Flow[Object]:
        path = self._path("collection", bucket, collection if id is None else id)
        changes = BasicPatch({**(data or {}), **states}, permissions)
        return (
            yield from objects.patch(
                path, changes, None, None, original=original, safe=safe, if_match=if_match
            )
        )
