"""
A server that was recorded, or one that is recorded now.

The cassettes are in the folder beside this file, one for each test.  ``make cassettes`` records
them again, from an embedded Kinto; they are not written by hand.  They hold no credentials, no
hashes of such, and no address but that of a server that does not exist.
"""

from __future__ import annotations

import os
import re

from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest
import vcr

from client.ways import WAYS, Way
from kinto_orm import Client
from kinto_orm.embedded import KintoServer


CASSETTES: Final = Path(__file__).with_name("cassettes")
RECORDING: Final = "KINTO_ORM_RECORD" in os.environ

#: Where the recorded server seems to be.
URL: Final = "http://kinto.invalid/v1"

#: What a client looks at, of what the server says.
HEADERS: Final = frozenset(
    {
        "content-type",
        "etag",
        "last-modified",
        "next-page",
        "total-objects",
        "total-records",
        "alert",
        "backoff",
    }
)


def without_traces(text: bytes) -> bytes:
    """Return *text* without where it comes from, and without what is derived from passwords."""
    text = re.sub(rb"http://127\.0\.0\.1:\d+/v1", URL.encode(), text)
    text = re.sub(rb"basicauth:[0-9a-f]+", b"account:somebody", text)
    return re.sub(rb'("password": ?)"[^"]*"', rb'\1"hidden"', text)


def kept_request(request: Any) -> Any:
    """Return what is kept of a request: as if sent to a server that does not exist."""
    request.uri = URL + request.uri.partition("/v1")[2]
    body = request.body.read() if hasattr(request.body, "read") else request.body
    request.body = body and without_traces(body)
    return request


def kept_response(response: Any) -> Any:
    """Return what is kept of a response."""
    response["headers"] = {
        name: [without_traces(value.encode()).decode() for value in values]
        for name, values in response["headers"].items()
        if name.lower() in HEADERS
    }
    response["body"]["string"] = without_traces(response["body"]["string"])
    return response


RECORDER: Final = vcr.VCR(
    cassette_library_dir=str(CASSETTES),
    record_mode=vcr.mode.ALL if RECORDING else vcr.mode.NONE,
    match_on=["method", "path", "query", "body"],
    filter_headers=["Authorization", "User-Agent", "Host"],
    before_record_request=kept_request,
    before_record_response=kept_response,
    decode_compressed_response=True,
)


@pytest.fixture
def settings() -> dict[str, Any]:
    """Give the settings of the server that is recorded."""
    return {}


@pytest.fixture
def place(request: pytest.FixtureRequest, settings: dict[str, Any]) -> Generator[dict[str, Any]]:
    """Give the arguments of a client, whose exchange is recorded or played back."""
    name = cassette_of(request.node.name)
    with ExitStack() as stack:
        place: dict[str, Any] = {"server_url": URL, "auth": ("nobody", "nothing")}
        if RECORDING:
            server = stack.enter_context(KintoServer(**settings))
            place = {"server_url": server.url, "auth": server.auth}
            (CASSETTES / name).unlink(missing_ok=True)  # What is in it would be kept.
        cassette = stack.enter_context(RECORDER.use_cassette(name))
        yield place
        if not RECORDING:
            assert cassette.all_played


def cassette_of(test: str) -> str:
    """Return the name of the cassette of a *test*: of ``test_records[awaiting]``, say."""
    return re.sub(r"test_(\w+)(?:\[(\w+)\])?", r"\1-\2", test).strip("-") + ".yaml"


@pytest.fixture(params=["blocking", "awaiting"])
def way(request: pytest.FixtureRequest) -> Generator[Way]:
    """Give both kinds of clients in turn."""
    with WAYS[request.param]() as way:
        yield way


@pytest.fixture
def client(way: Way, place: dict[str, Any]) -> Client:
    """Give a client of either kind, with a bucket and a collection."""
    url = place.pop("server_url")
    client = way.client(url, **place, bucket="recorded", collection="things")
    client.create_bucket()
    client.create_collection()
    return client
