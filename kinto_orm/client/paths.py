"""Ids in, URLs out: the only place that builds a path."""

from __future__ import annotations

import re

from typing import Final

from kinto_orm.exceptions import InvalidId


#: What Kinto takes for an id (docs/protocol.md, D2).  It uses `match`, so that a newline at the
#: end slips through there; here it does not.
ID: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]*")


def checked(kind: str, id: str) -> str:
    """
    Return *id* as it is.

    Raises:
        InvalidId: If Kinto would not take it for the id of a *kind*.  It is never rewritten: two
            ids would become one.
    """
    if not isinstance(id, str) or ID.fullmatch(id) is None:
        msg = (
            f"{id!r} cannot be the id of a {kind}: it must be a string of letters (a-z, A-Z),"
            " digits, '_' and '-' that begins with a letter or a digit"
        )
        raise InvalidId(msg)
    return id


def bucket_path(bucket: str) -> str:
    """Return the path of a bucket."""
    return f"/buckets/{checked('bucket', bucket)}"


def collections_path(bucket: str) -> str:
    """Return the path of the collections of a bucket."""
    return f"{bucket_path(bucket)}/collections"


def collection_path(bucket: str, collection: str) -> str:
    """Return the path of a collection."""
    return f"{collections_path(bucket)}/{checked('collection', collection)}"


def records_path(bucket: str, collection: str) -> str:
    """Return the path of the records of a collection."""
    return f"{collection_path(bucket, collection)}/records"


def record_path(bucket: str, collection: str, id: str) -> str:
    """Return the path of a record."""
    if bucket == "default" and "default" in id:
        msg = (
            f"{id!r} cannot be the id of a record in the bucket 'default': Kinto replaces that word"
            " in ids by the bucket's own (docs/protocol.md, D3). Name the bucket by its own id,"
            " server_info()['user']['bucket']"
        )
        raise InvalidId(msg)
    return f"{records_path(bucket, collection)}/{checked('record', id)}"
