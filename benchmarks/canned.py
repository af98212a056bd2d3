"""
A server that only seems to be a Kinto: its answers have Kinto's form, and cost next to nothing.

It has collections of as many records as the URL says: ``http://…/5000/v1``, in pages of a thousand.
What is written to it is answered as Kinto 26.5 does, and forgotten, so that each reader finds the
same records.  Preconditions are taken to hold.
"""

from __future__ import annotations

import re

from base64 import b64decode, b64encode
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any, Final
from urllib.parse import parse_qsl, quote

import orjson

from attrs import frozen

from benchmarks.documents import NEWEST, RECORDS, Document, Documents


#: How many records are on a page, and how many requests in a batch.
PAGE: Final = 1000
BATCH: Final = 25

_TARGET: Final = re.compile(r"/(?P<size>\d+)/v1(?P<path>/[^?]*)?(?:\?(?P<query>.*))?")
_RECORD: Final = re.compile(f"{RECORDS}/(?P<id>[^/?]+)")

_EXPOSED: Final = "Content-Length, Retry-After, Content-Type, Alert, Backoff"
_POLICY: Final = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; "
_USER: Final = f"basicauth:{'5ca1ab1e' * 8}"
_USUAL: Final = {
    "Access-Control-Expose-Headers": _EXPOSED,
    "Content-Security-Policy": _POLICY,
    "Content-Type": "application/json",
    "Server": "waitress",
    "X-Content-Type-Options": "nosniff",
}
_READ: Final = {
    **_USUAL,
    "Access-Control-Expose-Headers": (
        "Content-Length, Retry-After, Expires, Pragma, Cache-Control, Last-Modified, Next-Page,"
        " ETag, Content-Type, Alert, Backoff"
    ),
    "Cache-Control": "no-cache, no-store",
}


@frozen
class Answer:
    """What the server says: status, headers and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


class Canned:
    """Gives answers; it does no I/O."""

    def __init__(self) -> None:
        self._documents = Documents()
        self._pages: dict[tuple[int, int, int], bytes] = {}
        self._singles: dict[str, Answer] = {}
        self._known: dict[str, Document] = {}
        self._clock = NEWEST

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, *, host: str
    ) -> Answer:
        """Return the answer to a request; names of *headers* are in lower case."""
        found = _TARGET.fullmatch(target)
        if found is None:
            return _failure(404)
        size, path, query = int(found["size"]), found["path"] or "/", found["query"] or ""
        self._prepare(size)
        if path == "/":
            return Answer(200, _USUAL, _root(f"http://{host}/{size}/v1/"))
        if path == "/batch":
            return self._batch(orjson.loads(body))
        if path == RECORDS:
            return self._list(method, size, dict(parse_qsl(query)), headers, host)
        record = _RECORD.fullmatch(path)
        if record is None:
            return _failure(404)
        if method == "GET":
            return self._one(record["id"])
        status, answer = self._written(method, record["id"], orjson.loads(body), headers)
        return Answer(status, {**_USUAL, **_stamps(answer)}, orjson.dumps(answer))

    def _prepare(self, size: int) -> None:
        if len(self._known) < size:
            self._known = {each["id"]: each for each in self._documents.first(size)}

    # -- Reading -------------------------------------------------------------------------------

    def _list(
        self,
        method: str,
        size: int,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        host: str,
    ) -> Answer:
        if headers.get("if-none-match") == f'"{NEWEST}"':
            return Answer(304, {**_READ, **_stamped(NEWEST)})
        start = _offset(query["_token"]) if "_token" in query else 0
        limit = min(int(query.get("_limit", PAGE)), PAGE)
        page = self._page(size, start, limit)
        said = {**_READ, **_stamped(NEWEST)}
        if method == "HEAD":
            said |= {"Total-Objects": str(size), "Total-Records": str(size)}
        if start + limit < size:
            url = f"http://{host}/{size}/v1{RECORDS}"
            said["Next-Page"] = f"{url}?_limit={limit}&_token={quote(_token(start + limit))}"
        return Answer(200, said, page)

    def _page(self, size: int, start: int, limit: int) -> bytes:
        key = size, start, limit
        if key not in self._pages:
            documents = self._documents.first(size)[start : start + limit]
            self._pages[key] = orjson.dumps({"data": documents})
        return self._pages[key]

    def _one(self, ident: str) -> Answer:
        if ident not in self._singles:
            document = self._known.get(ident)
            if document is None:
                return _failure(404)
            answer = _whole(document)
            said = {**_READ, **_stamps(answer)}
            self._singles[ident] = Answer(200, said, orjson.dumps(answer))
        return self._singles[ident]

    # -- Writing -------------------------------------------------------------------------------

    def _batch(self, body: Any) -> Answer:
        defaults, entries = body.get("defaults", {}), body["requests"]
        if len(entries) > BATCH:
            return _failure(400)
        answers = [self._part({**defaults, **entry}) for entry in entries]
        return Answer(200, _USUAL, orjson.dumps({"responses": answers}))

    def _part(self, entry: Mapping[str, Any]) -> Document:
        """Return the answer to one request of a batch."""
        path, method = entry["path"].removeprefix("/v1"), entry.get("method", "GET")
        record = _RECORD.fullmatch(path)
        if record is None or method not in ("PUT", "PATCH"):
            return {"path": f"/v1{path}", "status": 404, "headers": {}, "body": _fault(404)}
        # The content type is lost on the way, unless it is spelt in lower case.
        kept = {name: value for name, value in entry.get("headers", {}).items() if name.islower()}
        status, answer = self._written(method, record["id"], entry.get("body", {}), kept)
        said = {
            **_stamps(answer),
            "Content-Type": "application/json",
            "Content-Length": str(len(orjson.dumps(answer))),
            "Access-Control-Expose-Headers": _EXPOSED,
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": _POLICY,
        }
        return {"path": f"/v1{path}", "status": status, "headers": said, "body": answer}

    def _written(
        self, method: str, ident: str, body: Any, headers: Mapping[str, str]
    ) -> tuple[int, Document]:
        """Return what is answered to a write: its status, and the record after it."""
        before = {} if method == "PUT" else self._known.get(ident, {})
        data = body.get("data", {})
        merge = headers.get("content-type", "").startswith("application/merge-patch+json")
        after = _merged(before, data) if merge else {**before, **data}
        self._clock += 1
        status = 200 if ident in self._known else 201
        return status, _whole({**after, "id": ident, "last_modified": self._clock})


def _whole(document: Document) -> Document:
    return {"permissions": {"write": [_USER]}, "data": document}


def _merged(value: Any, patch: Any) -> Any:
    """Return *value* after a merge patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    after = dict(value) if isinstance(value, dict) else {}
    for key, item in patch.items():
        if item is None:
            after.pop(key, None)
        else:
            after[key] = _merged(after.get(key), item)
    return after


def _stamps(answer: Document) -> dict[str, str]:
    return _stamped(answer["data"]["last_modified"])


def _stamped(timestamp: int) -> dict[str, str]:
    return {
        "Last-Modified": formatdate(timestamp / 1000, usegmt=True),
        "ETag": f'"{timestamp}"',
    }


def _token(offset: int) -> str:
    """Return a token for the page that begins at *offset*, about as long as one of Kinto's."""
    last = {"last_object": {"last_modified": NEWEST}, "offset": offset}
    nonce = "pagination-token-5cf9a06c-81c2-4cbf-b8ea-91a7564cca49"
    return b64encode(orjson.dumps({**last, "nonce": nonce})).decode()


def _offset(token: str) -> int:
    offset: int = orjson.loads(b64decode(token))["offset"]
    return offset


def _root(url: str) -> bytes:
    return orjson.dumps(
        {
            "project_name": "kinto",
            "project_version": "26.5.0",
            "http_api_version": "1.23",
            "project_docs": "https://kinto.readthedocs.io/",
            "url": url,
            "settings": {
                "explicit_permissions": True,
                "batch_max_requests": BATCH,
                "readonly": False,
            },
            "user": {"id": _USER, "principals": [_USER, "system.Authenticated", "system.Everyone"]},
            "config": None,
            "capabilities": {
                "basicauth": {
                    "description": "Very basic authentication sessions.",
                    "url": "http://kinto.readthedocs.io/en/stable/api/1.x/authentication.html",
                }
            },
        }
    )


def _failure(status: int) -> Answer:
    return Answer(status, _USUAL, orjson.dumps(_fault(status)))


def _fault(status: int) -> Document:
    return {"code": status, "errno": 111, "error": "Canned", "message": "This is not on offer."}
