"""
What became of a write whose answer was lost.

The server is asked for the object, and it is compared to what was meant.  If it is so, the write
was applied, or is not needed any more: its answer is made from what is there.  If it is not, the
write was not applied, or something else has happened since; it is sent again, with its
precondition, so that the server judges.

What cannot be told so is not repeated: a JSON Patch without a precondition (it may add the same
item twice), a password (the server does not show it), the deletion of so many of a list (it would
be of as many more), a POST.
"""

from __future__ import annotations

import json

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from kinto_orm.exceptions import OutcomeUnknown
from kinto_orm.flow.json import same
from kinto_orm.flow.messages import Document, Form, Program, Request, Response, Work
from kinto_orm.flow.refusals import response_error


#: What says that a body is a merge patch (RFC 7396).
MERGE_PATCH: Final = "application/merge-patch+json"

_BLOCK: Final = 2**20


def can_be_found_out(request: Request) -> bool:
    """Tell whether a look at the server can say whether *request*, a write, was applied."""
    path, is_upload = request.path, isinstance(request.body, Form)
    if path.endswith("/attachment"):
        return request.method == "DELETE" or (request.method == "POST" and is_upload)
    if path.startswith("/accounts") or isinstance(request.body, (str, bytes)) or is_upload:
        return False
    if _is_list(path):
        # It may have moved the list itself; and no page can be asked for twice.
        params = dict(request.params).keys()
        one_time = "If-Match" in request.headers or params & {"_limit", "_token"}
        return request.method == "DELETE" and not one_time
    if isinstance(request.body, list):
        return request.headers.get("If-Match", "*") != "*"
    return request.method in ("PUT", "PATCH", "DELETE")


def found_out(request: Request) -> Program[Response | None]:
    """
    Return the answer to *request*, a write that was applied; or None if it was not.

    It must be one that `can_be_found_out`.

    Raises:
        OutcomeUnknown: If that cannot be told.
        KintoException: If the server does not say what it has.
    """
    path = request.path.removesuffix("/attachment")
    if _is_list(path):
        return None  # To delete what matches once more does no harm.
    response: Response = yield (read := Request("GET", path, once=True))
    there = _object_in(response)
    if there is None and response.status not in (403, 404):
        raise response_error(read, response)
    if path != request.path:
        return (yield from _attached(request, there))
    if request.method == "DELETE":
        return _deleted(path, response) if there is None else None
    if there is None or _is_untouched(request, there):
        return None
    if isinstance(request.body, list):
        msg = f"{request.method} {path}: it cannot be told whether this JSON Patch was applied"
        raise OutcomeUnknown(msg, request=request)
    return response if _is_as_meant(request, there) else None


def _is_list(path: str) -> bool:
    """Tell whether *path* is one of a list: ``/buckets``, ``/buckets/b/collections``, …"""
    return path.count("/") % 2 == 1


def _object_in(response: Response) -> Document | None:
    """Return the object that *response* has, if it has one."""
    body = response.body
    is_object = response.status == 200 and isinstance(body, dict) and "data" in body
    return body if is_object else None


def _is_untouched(request: Request, there: Document) -> bool:
    """Tell whether what is there still is what *request* was to change: writes move it (T1)."""
    stamp = there["data"].get("last_modified")
    return request.headers.get("If-Match") == f'"{stamp}"'


def _deleted(path: str, response: Response) -> Response | None:
    """Return what stands for the answer to a deletion: a tombstone, whose time is not known."""
    if response.status == 404:
        return Response(200, {"data": {"id": path.rpartition("/")[2], "deleted": True}})
    if path.count("/") > 2:
        return None
    # A bucket that is gone is a 403, like one that the user may not see (P4).
    msg = f"DELETE {path}: it cannot be told whether this was applied"
    raise OutcomeUnknown(msg)


def _is_as_meant(request: Request, there: Document) -> bool:
    body = request.body or {}
    data, permissions = body.get("data"), body.get("permissions")
    return _data_is_as_meant(request, data, there["data"]) and _permissions_are_as_meant(
        request, permissions or {}, there.get("permissions", {})
    )


def _data_is_as_meant(request: Request, data: Document | None, there: Document) -> bool:
    if data is None:
        return True
    names = _set_by_server(request, there)
    own = {name: value for name, value in data.items() if name not in names}
    found = {name: value for name, value in there.items() if name not in names}
    if request.method == "PUT":
        return same(found, own)
    if request.headers.get("Content-Type") == MERGE_PATCH:
        return same(merged(found, own), found)
    return all(name in found and same(found[name], value) for name, value in own.items())


def _set_by_server(request: Request, there: Document) -> set[str]:
    """Return which keys of what is *there* say nothing of what was written."""
    names = {"id", "last_modified"}
    if "/records/" in request.path and isinstance(there.get("schema"), int):
        names.add("schema")  # The version of the collection's (D4).
    return names


def _permissions_are_as_meant(
    request: Request, meant: dict[str, list[str]], there: dict[str, list[str]]
) -> bool:
    """Tell whether permissions are as they were written: the writer is added to them (P5)."""
    if not meant:
        return True
    # A PUT takes away those that it does not name.
    for name in meant.keys() | (there.keys() if request.method == "PUT" else set[str]()):
        expected, found = set(meant.get(name, ())), set(there.get(name, ()))
        if expected - found or len(found - expected) > (name == "write"):
            return False
    return True


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


def _attached(request: Request, there: Document | None) -> Program[Response | None]:
    """Return the answer to the upload, or the removal, of an attachment."""
    attachment = None if there is None else there["data"].get("attachment")
    if request.method == "DELETE":
        return Response(204) if attachment is None and there is not None else None
    source = request.body.source
    digest: str = yield Work(lambda: sha256(source))
    if there is None or attachment is None:
        return None
    applied = digest in hashes(attachment) and _goes_with(request, attachment, there)
    return Response(200, attachment) if applied else None


def _goes_with(request: Request, attachment: Document, there: Document) -> bool:
    """Tell whether it is of this upload: the same file may have been there before."""
    form: Form = request.body
    body = {name: json.loads(text) for name, text in form.fields.items()}
    body.get("data", {}).pop("attachment", None)  # The server sets it.
    kind = form.mimetype.partition(";")[0]
    return (
        attachment.get("filename") == form.filename
        and attachment.get("mimetype") == kind
        and _is_as_meant(Request("PATCH", request.path, body=body), there)
    )


def hashes(attachment: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the hashes of a file: as it is kept, and as it was before it was compressed."""
    return attachment.get("hash"), (attachment.get("original") or {}).get("hash")


def sha256(source: Path | Any) -> str:
    """Return the SHA-256 of a file, read in parts; an open one is read from its start."""
    import hashlib  # With a library of its own, which only files need.

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
