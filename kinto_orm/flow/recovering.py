"""
What became of a write whose answer was lost.

The server is asked for the object, and it is compared to what was meant.  If it is so, the write
was applied, or is not needed any more: its answer is made from what is there.  If it is not, the
write was not applied, or something else has happened since; it is sent again, with its
precondition, so that the server judges.

What cannot be told so is not repeated: a JSON Patch without a precondition (it may add the same
item twice), a password (the server does not show it), a POST.
"""

from __future__ import annotations

import hashlib

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from kinto_orm.exceptions import OutcomeUnknown
from kinto_orm.flow.json import same
from kinto_orm.flow.messages import Document, Form, Program, Request, Response, Work
from kinto_orm.flow.refusals import response_error


#: What the server sets in an object (D4: `schema` where the collection has one).
_SET_BY_SERVER: Final = frozenset({"id", "last_modified", "schema"})

#: What says that a body is a merge patch (RFC 7396).
MERGE_PATCH: Final = "application/merge-patch+json"

_BLOCK: Final = 2**20


def can_be_found_out(request: Request) -> bool:
    """Tell whether a look at the server can say whether *request*, a write, was applied."""
    if request.path.startswith("/accounts") or isinstance(request.body, (str, bytes)):
        return False
    return request.method in ("PUT", "PATCH", "DELETE") or isinstance(request.body, Form)


def found_out(request: Request) -> Program[Response | None]:
    """
    Return the answer to *request*, a write that was applied; or None if it was not.

    Raises:
        OutcomeUnknown: If that cannot be told.
        KintoException: If the server does not say what it has.
    """
    path = request.path.removesuffix("/attachment")
    if _is_list(path):
        # It may have moved the list itself; and no page can be asked for twice.
        if "If-Match" in request.headers or "_token" in dict(request.params):
            msg = f"DELETE {path}: it cannot be told whether this was applied"
            raise OutcomeUnknown(msg, request=request)
        return None  # To delete what matches once more does no harm.
    response: Response = yield (read := Request("GET", path))
    if response.status >= 500 or response.status in (401, 429):
        raise response_error(read, response)
    there = response.body if response.status == 200 else None
    if path != request.path:
        return (yield from _attached(request, there))
    if request.method == "DELETE":
        return _deleted(path, response) if there is None else None
    if there is None or not _is_as_meant(request, there):
        return None
    return response


def _is_list(path: str) -> bool:
    """Tell whether *path* is one of a list: ``/buckets``, ``/buckets/b/collections``, …"""
    return path.count("/") % 2 == 1


def _deleted(path: str, response: Response) -> Response | None:
    """Return what stands for the answer to a deletion: a tombstone, whose time is not known."""
    # A bucket that is gone is a 403, like one that the user may not see (P4).
    if response.status == 404 or (response.status == 403 and path.count("/") == 2):
        return Response(200, {"data": {"id": path.rpartition("/")[2], "deleted": True}})
    return None


def _is_as_meant(request: Request, there: Document) -> bool:
    if isinstance(request.body, list):
        return _json_patch_is_needless(request, there)
    body = request.body or {}
    data, permissions = body.get("data"), body.get("permissions")
    return _data_is_as_meant(request, data, there["data"]) and all(
        set(principals) <= set(there["permissions"].get(name, ()))
        for name, principals in (permissions or {}).items()
    )


def _data_is_as_meant(request: Request, data: Document | None, there: Document) -> bool:
    if data is None:
        return True
    if request.method == "PUT":
        return same(_own(there), _own(data))
    if request.headers.get("Content-Type") == MERGE_PATCH:
        return same(merged(there, data), there)
    return all(name in there and same(there[name], value) for name, value in _own(data).items())


def _own(data: Document) -> Document:
    return {name: value for name, value in data.items() if name not in _SET_BY_SERVER}


def merged(value: Any, patch: Any) -> Any:
    """Return *value* as a merge *patch* changes it (RFC 7396, section 2)."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(value) if isinstance(value, Mapping) else {}
    for name, part in patch.items():
        if part is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), part)
    return result


def _json_patch_is_needless(request: Request, there: Document) -> bool:
    expected = request.headers.get("If-Match", "").strip('"')
    if expected == str(there["data"]["last_modified"]):
        return False
    msg = f"{request.method} {request.path}: it cannot be told whether this JSON Patch was applied"
    raise OutcomeUnknown(msg, request=request)


def _attached(request: Request, there: Document | None) -> Program[Response | None]:
    """Return the answer to the upload, or the removal, of an attachment."""
    attachment = None if there is None else there["data"].get("attachment")
    if request.method == "DELETE":
        return Response(204) if attachment is None and there is not None else None
    source = request.body.source
    digest: str = yield Work(lambda: sha256(source))
    if attachment is None:
        return None
    hashes = (attachment.get("hash"), (attachment.get("original") or {}).get("hash"))
    return Response(200, attachment) if digest in hashes else None


def sha256(source: Path | Any) -> str:
    """Return the SHA-256 of a file, read in parts; an open one is read from its start."""
    digest = hashlib.sha256()
    if isinstance(source, Path):
        with source.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    else:
        source.seek(0)
        while block := source.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
