"""
What buckets, groups, collections and records have in common: data, and permissions.

Everything here is a flow, shared by the endpoints with ``yield from``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, TypeAlias, TypedDict
from uuid import UUID

from kinto_orm.client.paths import plain_id
from kinto_orm.exceptions import AnswerLost, InvalidRequest
from kinto_orm.flow.messages import Document, Flow, Params, Request, Response
from kinto_orm.flow.refusals import response_error
from kinto_orm.patch_type import BasicPatch, PatchType, WholeDocument
from kinto_orm.transport.codec import jsonable
from kinto_orm.transport.params import parameters


#: Who may do what: a list of principals for each permission, such as ``{"write": ["account:x"]}``.
Permissions: TypeAlias = dict[str, list[str]]

#: A timestamp that an object must have: milliseconds since the epoch; or "*": any.
IfMatch: TypeAlias = int | str | None

#: An id.  An integer stands for its decimal digits.
Id: TypeAlias = str | int | UUID


class Object(TypedDict):
    """An object as Kinto gives it: its data (with ``id`` and ``last_modified``) and permissions."""

    data: Document
    permissions: Permissions


def fetch(
    path: str,
    params: Mapping[str, Any] | None = None,
    if_none_match: IfMatch = None,
    *,
    leads: bool = False,
) -> Flow[Object]:
    """Return the object at *path*; *leads* says whether a write is to follow."""
    asked, headers = parameters(params or {}), unless(if_none_match)
    response = yield (request := Request("GET", path, asked, headers, leads=leads))
    content(request, response)
    found: Object = response.body
    return found


def create(
    path: str,
    data: Document | None,
    permissions: Permissions | None,
    *,
    safe: bool | None,
    get: bool,
) -> Flow[Object]:
    """Create the object at *path*; if it exists, replace it, raise, or *get* it."""
    headers = {"If-None-Match": "*"} if safe is not False or get else {}
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
    safe: bool | None,
    if_match: IfMatch,
) -> Flow[Object]:
    """Replace the object at *path*, or create it."""
    headers = precondition(data, safe=safe, if_match=if_match)
    if safe and not headers:
        # Of what is there, if anything, nothing is known: it must not be overwritten.
        headers = {"If-None-Match": "*"}
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
    safe: bool | None,
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
    if isinstance(changes, WholeDocument):
        msg = f"PATCH {path}: a WholeDocument is no patch, but for sessions: use an update_… method"
        raise InvalidRequest(msg)
    known = next((each for each in (original, data, getattr(changes, "data", None)) if each), None)
    headers = precondition(known, safe=safe, if_match=if_match)
    headers["Content-Type"] = changes.content_type
    body = jsonable(changes.body) if isinstance(changes.body, list) else _sendable(changes.body)
    response = yield (request := Request("PATCH", path, {}, headers, body))
    content(request, response)
    patched: Object = response.body
    return patched


def delete(
    path: str,
    *,
    safe: bool | None,
    if_match: IfMatch,
    if_exists: bool,
    params: Params = (),
) -> Flow[Document | None]:
    """Delete the object at *path*; return its tombstone."""
    headers = precondition(None, safe=safe, if_match=if_match)
    response = yield (request := Request("DELETE", path, params, headers))
    if if_exists and response.status == 404:
        return None
    tombstone: Document = content(request, response)
    return tombstone


def precondition(data: Document | None, *, safe: bool | None, if_match: IfMatch) -> dict[str, str]:
    """
    Return the headers that have a write refused if the object has changed (P1).

    That is known from *if_match*, or else from the ``last_modified`` of *data*.
    """
    if safe is False:
        return {}
    stamp = if_match if if_match is not None else documented(data).get("last_modified")
    return {} if stamp is None else {"If-Match": etag(stamp)}


def unless(if_none_match: IfMatch) -> dict[str, str]:
    """Return the headers that have a read refused if nothing has changed since that timestamp."""
    if if_none_match == "*":
        msg = "if_none_match must be a timestamp in milliseconds: '*' is for writes"
        raise InvalidRequest(msg)
    return {} if if_none_match is None else {"If-None-Match": etag(if_none_match)}


def etag(stamp: int | str) -> str:
    """Return the header value for a timestamp: digits in double quotes, or a bare ``*``."""
    text = str(stamp).strip('"')
    if text != "*" and not (text.isascii() and text.isdigit()):
        msg = f"a timestamp must be in milliseconds, or '*', not {stamp!r}"
        raise InvalidRequest(msg)
    return text if text == "*" else f'"{text}"'


def accepted(request: Request, response: Response) -> Response:
    """Return *response*, or raise the error that it stands for."""
    if response.status >= 300:
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


def permissions_of(response: Response) -> Permissions | None:
    """Return the *permissions* in the body of *response*, or None."""
    return response.body.get("permissions") if isinstance(response.body, dict) else None


def refuse(request: Request, response: Response) -> NoReturn:
    """Raise the error that *response* stands for."""
    raise response_error(request, response)


def _body(data: Document | None, permissions: Permissions | None) -> dict[str, Any]:
    """Return the body of a PUT; without data, an object keeps what it has (P5)."""
    parts = {"data": data, "permissions": permissions}
    return _sendable({name: part for name, part in parts.items() if part is not None})


def _sendable(body: dict[str, Any]) -> dict[str, Any]:
    """Return *body* as JSON can hold it, with its id as the path has it."""
    if "__permissions__" in documented(body.get("data")):
        msg = "data must not hold the key '__permissions__': Kinto would take it for permissions"
        raise InvalidRequest(msg)  # P6.
    sendable: dict[str, Any] = jsonable(body)
    if "id" in (sendable.get("data") or {}):
        sendable["data"]["id"] = plain_id(sendable["data"]["id"])
    if "permissions" in body:
        sendable["permissions"] = _listed(body["permissions"])
    return sendable


def _listed(permissions: Any) -> Permissions:
    """Return *permissions* with lists of principals, which may be given as sets."""
    if not isinstance(permissions, Mapping) or any(
        isinstance(p, str) for p in permissions.values()
    ):
        msg = f"permissions must be lists of principals by permission, not {permissions!r}"
        raise InvalidRequest(msg)
    return {
        name: sorted(found) if isinstance(found, (set, frozenset)) else list(found)
        for name, found in permissions.items()
    }


def documented(data: Any) -> Mapping[str, Any]:
    """Return *data*, or an empty document if it is None; refuse what is none."""
    if data is not None and not isinstance(data, Mapping):
        msg = f"data must be a dictionary, not {data!r}"
        raise InvalidRequest(msg)
    return {} if data is None else data
