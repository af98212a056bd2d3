"""Which error a response stands for, and what that says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from kinto_orm.exceptions import (
    BadRequest,
    BucketHidden,
    BucketNotFound,
    CollectionNotFound,
    Forbidden,
    NotFound,
    NotModified,
    PreconditionFailed,
    RecordNotFound,
    ResponseError,
    SchemaViolation,
    ServerError,
    TooManyRequests,
    TransactionConflict,
    Unauthorized,
)
from kinto_orm.flow.messages import Request, Response
from kinto_orm.flow.violations import faults_of, is_violation


_BY_STATUS: Final[dict[int, type[ResponseError]]] = {
    304: NotModified,
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: TransactionConflict,
    412: PreconditionFailed,
    429: TooManyRequests,
}

_REMEDIES = {
    304: "it has not changed",
    401: "check the credentials",
    403: "the user lacks the permission, or the bucket does not exist: Kinto answers 403 to both",
    409: "the database rolled the transaction back: try again",
    412: "it was changed, created or deleted meanwhile: read it again",
    413: "the request is larger than the server allows: send less at a time",
    429: "the server asks for fewer requests: wait",
}


_MISSING = {
    "bucket": (BucketNotFound, "there is no such bucket: create it first"),
    "collection": (CollectionNotFound, "there is no collection {}: create it, and its bucket"),
    "record": (RecordNotFound, "there is no such record"),
}


def response_error(request: Request, response: Response) -> ResponseError:
    """Return the error that *response* to *request* stands for."""
    if is_violation(request, response):
        return schema_violation(request, response, _data_in(request))
    status, remedy = response.status, _REMEDIES.get(response.status)
    kind = _BY_STATUS.get(status, ServerError if status >= 500 else ResponseError)
    if status == 403 and request.method in ("GET", "HEAD") and _is_of_a_bucket(request):
        kind = BucketHidden
    if status == 404 and (missing := missing_of(response)) in _MISSING:
        kind, remedy = _MISSING[missing]
        remedy = remedy.format(repr(details_of(response).get("id")))
    message = f"{request.method} {request.path}: {status} {_reason(response)}"
    return kind(message + (f" ({remedy})" if remedy else ""), request=request, response=response)


def schema_violation(
    request: Request, response: Response, data: object, what: str = ""
) -> SchemaViolation:
    """
    Return the error of a record that the schema of its collection forbids.

    Args:
        request: What was asked.
        response: The refusal.
        data: What the record was to hold, as far as that is known.
        what: Which record it is.
    """
    faults = faults_of(response, data)
    listed = "; ".join(map(str, faults))
    message = (
        f"{what or f'{request.method} {request.path}'}: the schema of its collection forbids this:"
        f" {listed}"
    )
    return SchemaViolation(message, faults, request=request, response=response)


def _data_in(request: Request) -> object:
    return request.body.get("data") if isinstance(request.body, Mapping) else None


def _is_of_a_bucket(request: Request) -> bool:
    """Tell whether *request* is for a bucket itself."""
    return request.path.startswith("/buckets/") and request.path.count("/") == 2


def existing_of(response: Response | None) -> dict[str, Any] | None:
    """Return the object that a 412 says exists, or None (see docs/protocol.md, P2)."""
    existing = details_of(response).get("existing")
    return existing if isinstance(existing, dict) else None


def details_of(response: Response | None) -> Mapping[str, Any]:
    """Return the *details* of an error, if they are an object; else an empty one."""
    body = None if response is None else response.body
    details = body.get("details") if isinstance(body, Mapping) else None
    return details if isinstance(details, Mapping) else {}


def is_of_kinto(response: Response | None) -> bool:
    """Tell whether Kinto itself gave *response*, an error, and not a proxy in front of it (P9)."""
    return response is not None and isinstance(response.body, Mapping) and "errno" in response.body


def missing_of(response: Response) -> str:
    """Return of what kind the object is that a 404 misses: *"record"*, *"collection"*, …"""
    return str(details_of(response).get("resource_name", ""))


def _reason(response: Response) -> str:
    body = response.body
    if not isinstance(body, Mapping):
        return "without an explanation"
    parts = [body.get("error"), body.get("message"), _described(body.get("details"))]
    return ": ".join(str(part) for part in parts if part)


def _described(details: object) -> str:
    """Return what the *details* of a 400 say: which field, and what is wrong with it."""
    if not isinstance(details, Sequence) or isinstance(details, str):
        return ""
    found = [detail for detail in details if isinstance(detail, Mapping)]
    return "; ".join(
        f"{detail.get('name') or detail.get('location')}: {detail.get('description')}"
        for detail in found
    )
