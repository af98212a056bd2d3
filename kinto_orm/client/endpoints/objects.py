"""
What buckets, collections and records have in common: each is an object, with data and permissions.

Everything here is a flow, shared by the endpoints with ``yield from``.
"""

from __future__ import annotations

from typing import Any, NoReturn, TypeAlias, TypedDict
from urllib.parse import parse_qsl, urlsplit

from kinto_orm.exceptions import AnswerLost, InvalidRequest
from kinto_orm.flow.messages import Document, Flow, Params, Request, Response
from kinto_orm.flow.refusals import response_error
from kinto_orm.patch_type import BasicPatch, PatchType


#: Who may do what: a list of principals for each permission, such as ``{"write": ["account:x"]}``.
Permissions: TypeAlias = dict[str, list[str]]

#: A timestamp that an object must have: milliseconds since the epoch; or "*": any.
IfMatch: TypeAlias = int | str | None


class Object(TypedDict):
    """An object as Kinto gives it: its data (with ``id`` and ``last_modified``) and permissions."""

    data: Document
    permissions: Permissions


def fetch(path: str) -> Flow[Object]:
    """Return the object at *path*."""
    response = yield (request := Request("GET", path))
    content(request, response)
    found: Object = response.body
    return found


def fetch_all(path: str, params: Params) -> Flow[list[Document]]:
    """Return all that *path* lists."""
    found: list[Document] = []
    request: Request | None = Request("GET", path, params)
    while request is not None:
        response = yield request
        found += content(request, response)
        request = next_page(request, response)
    return found


def next_page(request: Request, response: Response) -> Request | None:
    """
    Return the request for the page behind *response*, if there is one.

    Of the URL that the server gives only the query counts: its scheme, host and prefix come from
    a configuration that may be wrong, or not ours to follow with credentials (T6).
    """
    url = response.headers.get("next-page")
    if url is None:
        return None
    params = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    return Request(request.method, request.path, params, request.headers)


def create(
    path: str, data: Document | None, permissions: Permissions | None, *, safe: bool, get: bool
) -> Flow[Object]:
    """Create the object at *path*; if it exists, replace it, raise, or *get* it."""
    headers = {"If-None-Match": "*"} if safe or get else {}
    body = _body({} if data is None else data, permissions)
    response = yield (request := Request("PUT", path, {}, headers, body))
    if get and response.status == 412:
        return (yield from fetch(path))
    content(request, response)
    created: Object = response.body
    return created


def replace(
    path: str,
    data: Document | None,
    permissions: Permissions | None,
    *,
    safe: bool,
    if_match: IfMatch,
) -> Flow[Object]:
    """Replace the object at *path*, or create it."""
    headers = precondition(data, safe=safe, if_match=if_match)
    body = _body(data, permissions)
    response = yield (request := Request("PUT", path, {}, headers, body))
    content(request, response)
    replaced: Object = response.body
    return replaced


def patch(
    path: str,
    changes: PatchType | None,
    data: Document | None,
    permissions: Permissions | None,
    *,
    original: Document | None,
    safe: bool,
    if_match: IfMatch,
) -> Flow[Object]:
    """Change the object at *path*."""
    if changes is None:
        if data is None and permissions is None:
            msg = f"PATCH {path}: there is nothing to change: give changes, data or permissions"
            raise InvalidRequest(msg)
        changes = BasicPatch(data, permissions)
    if not isinstance(changes, PatchType):
        msg = f"changes must be a BasicPatch, MergePatch or JSONPatch, not {changes!r}"
        raise TypeError(msg)
    known = original if original is not None else getattr(changes, "data", None)
    headers = precondition(known, safe=safe, if_match=if_match)
    headers["Content-Type"] = changes.content_type
    response = yield (request := Request("PATCH", path, {}, headers, changes.body))
    content(request, response)
    patched: Object = response.body
    return patched


def delete(
    path: str,
    *,
    safe: bool,
    if_match: IfMatch,
    if_exists: bool,
) -> Flow[Document]:
    """Delete the object at *path*; return its tombstone."""
    headers = precondition(None, safe=safe, if_match=if_match)
    response = yield (request := Request("DELETE", path, {}, headers))
    if if_exists and response.status == 404:
        return {}
    tombstone: Document = content(request, response)
    return tombstone


def precondition(data: Document | None, *, safe: bool, if_match: IfMatch) -> dict[str, str]:
    """
    Return the headers that have a write refused if the object has changed (P1).

    That is known from *if_match*, or else from the ``last_modified`` of *data*.
    """
    if not safe:
        return {}
    stamp = if_match if if_match is not None else (data or {}).get("last_modified")
    return {} if stamp is None else {"If-Match": etag(stamp)}


def etag(stamp: int | str) -> str:
    """Return the header value for a timestamp: digits in double quotes, or a bare ``*``."""
    text = str(stamp).strip('"')
    if text != "*" and not (text.isascii() and text.isdigit()):
        msg = f"if_match must be a timestamp in milliseconds, or '*', not {stamp!r}"
        raise InvalidRequest(msg)
    return text if text == "*" else f'"{text}"'


def accepted(request: Request, response: Response) -> Response:
    """Return *response*, or raise the error that it stands for."""
    if response.status >= 400:
        refuse(request, response)
    return response


def content(request: Request, response: Response) -> Any:
    """Return the *data* of *response*, or raise the error that it stands for."""
    data = data_of(accepted(request, response))
    if data is None:
        msg = f"{request.method} {request.path}: the answer ({response.status}) is not Kinto's"
        raise AnswerLost(msg, request=request, response=response)
    return data


def data_of(response: Response) -> Any:
    """Return the *data* in the body of *response*, or None."""
    return response.body.get("data") if isinstance(response.body, dict) else None


def refuse(request: Request, response: Response) -> NoReturn:
    """Raise the error that *response* stands for."""
    raise response_error(request, response)


def _body(data: Document | None, permissions: Permissions | None) -> dict[str, Any]:
    """Return the body of a PUT; without data, an object keeps what it has (P5)."""
    if data is not None and "__permissions__" in data:
        msg = "data must not hold the key '__permissions__': Kinto would take it for permissions"
        raise InvalidRequest(msg)  # P6.
    parts = {"data": data, "permissions": permissions}
    return {name: part for name, part in parts.items() if part is not None}
