"""Ids in, paths out: the only place that builds a path."""

from __future__ import annotations

import re

from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from kinto_orm.exceptions import InvalidId, KintoException, MissingId


#: What Kinto takes for an id (docs/protocol.md, D2).  It uses `match`, so that a newline at the
#: end slips through there; here it does not.
ID: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]*")

#: The same for accounts, which may be called like an address of e-mail.
ACCOUNT: Final = re.compile(r"[a-zA-Z0-9][+.@a-zA-Z0-9_-]*")

_BUCKET: Final = "/buckets/{bucket}"
_COLLECTION: Final = f"{_BUCKET}/collections/{{collection}}"
_RECORD: Final = f"{_COLLECTION}/records/{{id}}"

#: The paths of a server's endpoints, by the names that `Client.get_endpoint` takes.
PATTERNS: Final = {
    "root": "/",
    "batch": "/batch",
    "heartbeat": "/__heartbeat__",
    "lbheartbeat": "/__lbheartbeat__",
    "version": "/__version__",
    "flush": "/__flush__",
    "permissions": "/permissions",
    "accounts": "/accounts",
    "account": "/accounts/{id}",
    "buckets": "/buckets",
    "bucket": _BUCKET,
    "history": f"{_BUCKET}/history",
    "groups": f"{_BUCKET}/groups",
    "group": f"{_BUCKET}/groups/{{group}}",
    "collections": f"{_BUCKET}/collections",
    "collection": _COLLECTION,
    "records": f"{_COLLECTION}/records",
    "record": _RECORD,
    "attachment": f"{_RECORD}/attachment",
    "changeset": f"{_COLLECTION}/changeset",
}

_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")


def path_of(endpoint: str, **ids: Any) -> str:
    """
    Return the path of *endpoint*, one of `PATTERNS`, with *ids* in it.

    Raises:
        InvalidId: If Kinto would not take one of them.
        MissingId: If one is None.
        KintoException: If there is no such endpoint.
    """
    pattern = PATTERNS.get(endpoint)
    if pattern is None:
        msg = f"there is no endpoint {endpoint!r}: there are {', '.join(PATTERNS)}"
        raise KintoException(msg)

    def checked_id(match: re.Match[str]) -> str:
        name = match[1]
        kind = endpoint if name == "id" and endpoint != "attachment" else name
        if ids.get(name) is None:
            msg = f"which {kind}? Give its id, here or to the client"
            raise MissingId(msg)
        return checked("record" if kind == "id" else kind, ids[name])

    path = _PLACEHOLDER.sub(checked_id, pattern)
    if ids.get("bucket") == "default" and "default" in str(ids.get("id", "")):
        msg = (
            f"{ids['id']!r} cannot be the id of a record in the bucket 'default': Kinto replaces"
            " that word in ids by the bucket's own (docs/protocol.md, D3). Name the bucket by its"
            " own id, current_user()['bucket']"
        )
        raise InvalidId(msg)
    return path


def checked(kind: str, id: Any) -> str:
    """
    Return *id* as it is; an integer as its decimal digits.

    Raises:
        InvalidId: If Kinto would not take it for the id of a *kind*.  It is never rewritten: two
            ids would become one.
    """
    text = id if id.__class__ is str else plain_id(id)
    if not isinstance(text, str) or (ACCOUNT if kind == "account" else ID).fullmatch(text) is None:
        others = "'+', '.', '@', '_'" if kind == "account" else "'_'"
        msg = (
            f"{id!r} cannot be the id of a {kind}: it must be a string of letters (a-z, A-Z),"
            f" digits, {others} and '-' that begins with a letter or a digit"
        )
        raise InvalidId(msg)
    return text


def plain_id(id: Any) -> Any:
    """Return an integer *id* as its decimal digits, a UUID as text, anything else as it is."""
    is_text_of = isinstance(id, UUID) or (isinstance(id, int) and not isinstance(id, bool))
    return str(id) if is_text_of else id


def collection_path(bucket: str, collection: str) -> str:
    """Return the path of a collection."""
    return path_of("collection", bucket=bucket, collection=collection)


def records_path(bucket: str, collection: str) -> str:
    """Return the path of the records of a collection."""
    return path_of("records", bucket=bucket, collection=collection)


def record_path(bucket: str, collection: str, id: str) -> str:
    """Return the path of a record."""
    if id is None or bucket == "default":
        return path_of("record", bucket=bucket, collection=collection, id=id)
    return f"{_cached_records_path(bucket, collection)}/{checked('record', id)}"


_cached_records_path = lru_cache(maxsize=128)(records_path)


class Endpoints:
    """
    Names to paths: ``Endpoints().get("record", bucket="b", collection="c", id="r")``.

    Args:
        root: What all paths begin with.
    """

    def __init__(self, root: str = "") -> None:
        self._root = root

    def get(self, endpoint: str, **ids: Any) -> str:
        """
        Return the path of *endpoint*.

        Args:
            endpoint: *root*, *batch*, *buckets*, *bucket*, …, *record*: see `Client.get_endpoint`.
            ids: The ids in it: *bucket*, *group*, *collection*, *id*.

        Raises:
            KintoException: If there is no such endpoint, an id is missing, or cannot be one.
        """
        return self._root + path_of(endpoint, **ids)
