"""What the server says of itself, and what concerns it as a whole."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from kinto_orm.client.endpoints import listing
from kinto_orm.client.endpoints.listing import Asked
from kinto_orm.client.endpoints.objects import Id, accepted, documented, refuse
from kinto_orm.client.paths import path_of
from kinto_orm.exceptions import AnswerLost, InvalidRequest
from kinto_orm.flow import Document, Flow, Program, Request, operation
from kinto_orm.transport.params import raw_parameters
from kinto_orm.transport.sessions import Known


#: How many requests a batch may hold where the server does not say: Kinto's default.
BATCH_LIMIT = 25


class ServerEndpoints(ABC):
    """Endpoints of the server as a whole, and the client's own objects."""

    bucket_name: Id | None = None
    collection_name: Id | None = None

    @property
    @abstractmethod
    def _known(self) -> Known:
        """Return what is known of the server."""

    @property
    @abstractmethod
    def _root(self) -> str:
        """Return the URL of the server."""

    @operation
    def server_info(self, *, refresh: bool = False) -> Flow[dict[str, Any]]:
        """
        Return what the server says of itself: version, ``settings``, ``capabilities``, ``user``.

        It is asked once for all clients that share a session.  With a wrong password it answers
        as well, but without ``user`` (docs/protocol.md, P4).

        Args:
            refresh: Whether to ask again.
        """
        return (yield from server_root(self._known, refresh=refresh))

    @operation
    def current_user(self) -> Flow[dict[str, Any] | None]:
        """
        Return who the server takes the client for: ``id``, ``principals``, ``bucket``, …

        None stands for anybody: there are no credentials, or they are wrong.  The server is asked
        each time.
        """
        info = yield from server_root(self._known, refresh=True)
        return info.get("user")

    @operation
    def heartbeat(self) -> Flow[dict[str, Any]]:
        """
        Return which parts of the server are well: ``{"storage": True, "cache": False, …}``.

        Raises:
            ResponseError: If the answer is something else.
        """
        response = yield (request := Request("GET", path_of("heartbeat"), once=True))
        if response.status not in (200, 503) or not isinstance(response.body, dict):
            refuse(request, response)
        if "errno" in response.body:
            refuse(request, response)
        return response.body

    @operation
    def lbheartbeat(self) -> Flow[dict[str, Any]]:
        """Return ``{}`` if the server runs; its parts are not looked at."""
        response = yield (request := Request("GET", path_of("lbheartbeat"), once=True))
        found: dict[str, Any] = accepted(request, response).body
        return found

    @operation
    def version(self) -> Flow[dict[str, Any]]:
        """
        Return which version of what is deployed, if the server says: ``{"version": …, …}``.

        Raises:
            ServerError: If it does not say: Kinto fails where it has no file to read that from.
        """
        response = yield (request := Request("GET", path_of("version")))
        found: dict[str, Any] = accepted(request, response).body
        return found

    @operation
    def flush(self) -> Flow[None]:
        """
        Delete everything on the server.

        Only for tests: it needs the plugin `kinto.plugins.flush`, which lets anybody do that.

        Raises:
            ResponseError: If the server does not have it.
        """
        response = yield (request := Request("POST", path_of("flush"), body={}))
        accepted(request, response)

    @operation
    def get_permissions(
        self,
        /,
        exclude_resource_names: list[str] | tuple[str, ...] | None = None,
        *,
        params: dict[str, Any] | None = None,
        **filters: Any,
    ) -> Program[list[Document]]:
        """
        Return what the user may do with which objects, of all kinds.

        Args:
            exclude_resource_names: Kinds to leave out: ``["record"]``.
            params: Parameters as a dictionary, whose texts go as they are.
            filters: Filters, as for `get_records`.

        Returns:
            For each object its ``uri``, ``resource_name``, ids, and ``permissions``.

        Raises:
            NotFound: If the server does not have that endpoint.
        """
        asked = dict(filters)
        if exclude_resource_names:
            asked["exclude_resource_name"] = list(exclude_resource_names)
        # The ids of objects of different kinds may be the same: only these are each one's own.
        if "_sort" not in (params or {}):
            asked.setdefault("_sort", "uri")
        raw = raw_parameters(params or {})
        path = path_of("permissions")
        return (yield from listing.read_all(Asked(path, asked, key="uri", raw=raw)))

    def get_endpoint(
        self,
        name: str,
        *,
        bucket: Id | None = None,
        group: Id | None = None,
        collection: Id | None = None,
        id: Id | None = None,
    ) -> str:
        """
        Return the path of an endpoint, for `session.request`.

        Args:
            name: What it is called: *root*, *batch*, *buckets*, *bucket*, *groups*, *group*,
                *collections*, *collection*, *records*, *record*, *history*, *permissions*, …
            bucket: Id of the bucket; if omitted, that of the client.
            group: Id of the group.
            collection: Id of the collection; if omitted, that of the client.
            id: Id of the record, or of the account.

        Raises:
            KintoException: If there is no such endpoint, an id is missing, or cannot be one.
        """
        bucket = self.bucket_name if bucket is None else bucket
        collection = self.collection_name if collection is None else collection
        return path_of(name, bucket=bucket, group=group, collection=collection, id=id)

    def _path(
        self,
        /,
        endpoint: str,
        bucket: Id | None = None,
        collection: Id | None = None,
        **ids: Id | None,
    ) -> str:
        """Return the path of *endpoint*; the client's own bucket and collection stand for None."""
        bucket = self.bucket_name if bucket is None else bucket
        collection = self.collection_name if collection is None else collection
        return path_of(endpoint, bucket=bucket, collection=collection, **ids)


def server_root(known: Known, *, refresh: bool = False) -> Flow[dict[str, Any]]:
    """Return what the server says of itself, which is asked once."""
    if known.info is None or refresh:
        response = yield (request := Request("GET", path_of("root")))
        info = accepted(request, response).body
        if not isinstance(info, dict):
            msg = f"GET /: this is not a Kinto server, which says: {info!r:.80}"
            raise AnswerLost(msg, request=request, response=response)
        known.info = info
    assert known.info is not None
    return known.info


def batch_limit(info: dict[str, Any]) -> int:
    """Return how many requests a batch may hold, from the server's *info*."""
    limit = info.get("settings", {}).get("batch_max_requests")
    return int(limit) if limit else BATCH_LIMIT


def either(kind: str, id: Id | None, alias: Id | None, data: Document | None = None) -> Id | None:
    """
    Return the id that was given: as *id*, as *alias* (``collection=``), or in *data*.

    Raises:
        InvalidRequest: If two different ones were given.
    """
    if id is not None and alias is not None and id != alias:
        msg = f"which {kind}? Both id={id!r} and {kind}={alias!r} are given"
        raise InvalidRequest(msg)
    found = alias if id is None else id
    return documented(data).get("id") if found is None else found
