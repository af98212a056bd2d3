"""What was done in a bucket (the plugin `kinto.plugins.history`)."""

from __future__ import annotations

from typing import Any

from kinto_orm.client.endpoints import listing
from kinto_orm.client.endpoints.listing import Asked
from kinto_orm.client.endpoints.objects import Id, IfMatch
from kinto_orm.client.endpoints.server import ServerEndpoints
from kinto_orm.flow import Document, Program, Stream, operation, stream


class HistoryEndpoints(ServerEndpoints):
    """Endpoints of the history of a bucket."""

    @operation
    def get_history(
        self,
        /,
        *,
        bucket: Id | None = None,
        pages: float | None = None,
        if_none_match: IfMatch = None,
        snapshot: bool = False,
        **filters: Any,
    ) -> Program[list[Document]]:
        """
        Return what was done in a bucket, the latest first, on all pages.

        The arguments are as for `get_records`; entries have ``uri``, ``action``, ``user_id``,
        ``resource_name``, ``record_id``, …, ``target``, ``last_modified``.

        Raises:
            NotFound: If the server does not have that plugin.
        """
        path = self._path("history", bucket)
        asked = Asked(path, filters, pages, if_none_match, snapshot)
        return (yield from listing.read_all(asked))

    @stream
    def iter_history(self, /, *, bucket: Id | None = None, **filters: Any) -> Stream[Document]:
        """Go through what was done in a bucket, the latest first; pages are not kept."""
        path = self._path("history", bucket)
        return (yield from listing.read_items(Asked(path, filters, pages=float("inf"))))

    @operation
    def purge_history(
        self,
        /,
        *,
        bucket: Id | None = None,
        safe: bool = True,
        if_match: IfMatch = None,
        **filters: Any,
    ) -> Program[list[Document]]:
        """Delete entries of the history of a bucket, all or those that match, on all pages."""
        path = self._path("history", bucket)
        return (yield from listing.delete_all(path, filters, safe=safe, if_match=if_match))
