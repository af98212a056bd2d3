"""
A dry run: reads are made, writes are logged.

It is a flow around a flow, so that it is one for all transports.  What a write is answered with
is made up, and marked so (`Response.rehearsed`): nobody may take it for what is on the server.
"""

from __future__ import annotations

import logging

from collections.abc import Generator
from typing import Any, TypeVar
from urllib.parse import unquote

import attrs

from kinto_orm.flow.around import around
from kinto_orm.flow.messages import Form, Program, Request, Response, Step, entries


T = TypeVar("T")
S = TypeVar("S")

logger: logging.Logger = logging.getLogger("kinto_orm.dry_run")


def rehearsing(program: Generator[S, Any, T]) -> Generator[S | Step, Any, T]:
    """Run *program*, making only those of its requests that change nothing."""
    return around(program, _rehearsed)


def _rehearsed(request: Request) -> Program[Response]:
    """Answer *request*, of which only reads are made."""
    if not request.writes:
        answer: Response = yield request
        return answer
    if request.path != "/batch":
        return _played(request.method, request.path, request.body)
    whole = entries(request.body)
    reads = [entry for entry in whole if entry["method"] in ("GET", "HEAD")]
    answers: list[Any] = []
    if reads:
        response: Response = yield attrs.evolve(request, body={"requests": reads})
        if response.status != 200:
            return response
        answers = list(response.body["responses"])
    parts = [
        answers.pop(0)
        if entry["method"] in ("GET", "HEAD")
        else _as_part(_played(entry["method"], entry["path"], entry.get("body")))
        for entry in whole
    ]
    return Response(200, {"responses": parts}, rehearsed=True)


def _played(method: str, path: str, body: Any) -> Response:
    """Log a write; return what stands for the answer: the object as it was to be written."""
    secret = body is None or path.startswith("/accounts/")
    logger.info("not sent: %s %s %s", method, path, "" if secret else body)
    if isinstance(body, Form):
        return Response(200, {"filename": body.filename, "mimetype": body.mimetype}, rehearsed=True)
    data = body.get("data") if isinstance(body, dict) else None
    if method == "DELETE" and path.count("/") % 2:  # A list, of which nothing is known.
        return Response(200, {"data": []}, rehearsed=True)
    ident = unquote(path.rpartition("/")[2])  # In a batch, it may be encoded (B8).
    data = {"id": ident, "deleted": True} if method == "DELETE" else {"id": ident, **(data or {})}
    permissions = body.get("permissions") if isinstance(body, dict) else None
    played = {"data": data, "permissions": permissions or {}}
    return Response(200, played, rehearsed=True)


def _as_part(response: Response) -> dict[str, Any]:
    return {"status": response.status, "body": response.body, "rehearsed": True}
