"""What the server says of itself."""

from __future__ import annotations

from typing import Any

from kinto_orm.client.endpoints.objects import accepted
from kinto_orm.flow import Flow, Request, operation


#: How many requests a batch may hold where the server does not say: Kinto's default.
BATCH_LIMIT = 25


class ServerEndpoints:
    """Endpoints of the server as a whole, and the client's own objects."""

    bucket_name: str | None = None
    collection_name: str | None = None

    @operation
    def server_info(self) -> Flow[dict[str, Any]]:
        """
        Return what the server says of itself: version, ``settings``, ``capabilities``, ``user``.

        With a wrong password it answers as well, but without ``user`` (docs/protocol.md, P4).
        """
        return (yield from server_root())

    def _bucket(self, bucket: str | None) -> str:
        return _chosen("bucket", bucket, self.bucket_name)

    def _collection(self, collection: str | None) -> str:
        return _chosen("collection", collection, self.collection_name)


def server_root() -> Flow[dict[str, Any]]:
    """Ask the server for its settings."""
    response = yield (request := Request("GET", "/"))
    info: dict[str, Any] = accepted(request, response).body
    return info


def batch_limit(info: dict[str, Any]) -> int:
    """Return how many requests a batch may hold, from the server's *info*."""
    limit = info.get("settings", {}).get("batch_max_requests")
    return int(limit) if limit else BATCH_LIMIT


def _chosen(kind: str, given: str | None, own: str | None) -> str:
    """Return the id that was *given*, or the client's *own*: only None stands for that."""
    chosen = own if given is None else given
    if chosen is None:
        msg = f"which {kind}? Give {kind}=, here or to the client"
        raise TypeError(msg)
    return chosen
