"""HTTP as it is written, to a Kinto server: nothing is added, followed, retried or interpreted."""

from __future__ import annotations

import json

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import requests

from attrs import field, frozen
from requests.structures import CaseInsensitiveDict


Headers = Mapping[str, str]
Credentials = tuple[str, str]

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"


def _any_case(headers: Headers) -> Headers:
    return CaseInsensitiveDict(dict(headers))


@frozen
class Answer:
    """What came back: from the server, or for one sub-request of a batch."""

    status: int
    headers: Headers = field(converter=_any_case)
    #: The JSON document; without one, the text.
    body: Any

    @property
    def data(self) -> Any:
        return self.body["data"]

    @property
    def timestamp(self) -> int:
        """Return the ``last_modified`` of the object."""
        return int(self.data["last_modified"])

    @property
    def ids(self) -> list[str]:
        """Return the ids of a list, in its order."""
        return [each["id"] for each in self.data]

    @property
    def etag(self) -> str:
        return self.headers["ETag"]

    @property
    def next_page(self) -> str | None:
        return self.headers.get("Next-Page")

    @property
    def responses(self) -> list[Answer]:
        """Return what came back for each sub-request of a batch."""
        return [
            Answer(each["status"], each["headers"], each["body"]) for each in self.body["responses"]
        ]

    @property
    def statuses(self) -> list[int]:
        return [each.status for each in self.responses]


class Wire:
    """A connection to the server at *url* as somebody, or as nobody."""

    def __init__(self, url: str, auth: Credentials | None) -> None:
        self.url = url
        self.auth = auth
        self._session = requests.Session()
        self._session.trust_env = False  # Neither ~/.netrc nor proxies.

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._session.close()

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Headers | None = None,
        *,
        raw: bytes | None = None,
        content_type: str | None = "application/json",
    ) -> Answer:
        """Send *body* as JSON, or *raw* as it is; *path* begins after ``/v1``, or is a URL."""
        sent = dict(headers or {})
        if body is not None:
            raw = json.dumps(body).encode()
        if raw is not None and content_type is not None:
            sent.setdefault("Content-Type", content_type)
        url = self.url + path if path.startswith("/") else path
        response = self._session.request(
            method, url, data=raw, headers=sent, auth=self.auth, allow_redirects=False, timeout=30
        )
        return Answer(response.status_code, response.headers, _decoded(response))

    def get(self, path: str, headers: Headers | None = None) -> Answer:
        return self.send("GET", path, None, headers)

    def head(self, path: str) -> Answer:
        return self.send("HEAD", path)

    def delete(self, path: str, headers: Headers | None = None) -> Answer:
        return self.send("DELETE", path, None, headers)

    def put(self, path: str, body: Any = None, headers: Headers | None = None) -> Answer:
        return self.send("PUT", path, body, headers)

    def post(self, path: str, body: Any = None, headers: Headers | None = None) -> Answer:
        return self.send("POST", path, body, headers)

    def patch(self, path: str, body: Any = None, headers: Headers | None = None) -> Answer:
        return self.send("PATCH", path, body, headers)

    def batch(self, *sub_requests: Mapping[str, Any], headers: Headers | None = None) -> Answer:
        """Send sub-requests, see `sub`, in one ``POST /batch``."""
        return self.post("/batch", {"requests": list(sub_requests)}, headers)

    def create(self, records: str, *ids: str) -> None:
        """Create records at the list *records* in the order of *ids*, each with its place, *n*."""
        self.store(records, {each: {"n": n} for n, each in enumerate(ids)})

    def store(self, records: str, documents: Mapping[str, Any]) -> None:
        """Create records at the list *records*, by id."""
        writes = [sub("PUT", f"{records}/{id}", {"data": it}) for id, it in documents.items()]
        assert self.batch(*writes).statuses == [201] * len(writes)

    def stored(self, records: str, record: str) -> dict[str, Any]:
        """Return what a user has put into a record."""
        data = self.get(f"{records}/{record}").data
        return {key: data[key] for key in data.keys() - {"id", "last_modified"}}

    def walk(self, first: Answer, method: str = "GET") -> list[Answer]:
        """Return *first* and all pages that follow it."""
        pages = [first]
        while (following := pages[-1].next_page) is not None:
            pages.append(self.send(method, following))
        return pages


def sub(
    method: str, path: str, body: Any = None, headers: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return a sub-request of a batch."""
    request: dict[str, Any] = {"method": method, "path": path}
    if body is not None:
        request["body"] = body
    if headers is not None:
        request["headers"] = headers
    return request


def put(path: str, headers: Mapping[str, Any] | None = None, **data: Any) -> dict[str, Any]:
    """Return a sub-request that writes a whole document."""
    return sub("PUT", path, {"data": data}, headers)


def ids_of(pages: list[Answer]) -> list[str]:
    """Return the ids of all pages, in their order."""
    return [each for page in pages for each in page.ids]


def _decoded(response: requests.Response) -> Any:
    try:
        return response.json()
    except requests.JSONDecodeError:
        return response.text
