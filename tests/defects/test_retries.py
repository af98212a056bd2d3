"""How often something is tried, when, and what is said if it was in vain (K21 to K28)."""

from __future__ import annotations

import json
import time

from base64 import b64decode
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from threading import Timer
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from faults import FaultProxy, HttpAnswer, HttpRequest
from kinto_orm import Client, RetryPolicy, Timeout
from kinto_orm.exceptions import KintoException

from .conftest import PEER, PERSISTENT


#: What clients raise when no answer comes.
NO_ANSWER = (KintoException, requests.ConnectionError)


def fill(client: Client, count: int) -> None:
    """Create so many records."""
    with client.batch() as batch:
        for n in range(count):
            batch.create_record(id=f"r{n}")


def writes(request: HttpRequest) -> bool:
    """Tell whether *request* changes anything: it is a write, or a batch with one."""
    return any(method not in ("GET", "HEAD") for method, _ in request.entries)


def page(request: HttpRequest) -> int:
    """Return which page of a list on the server with small pages *request* is for."""
    for name, value in parse_qsl(urlsplit(request.path).query):
        if name == "_token":
            offset: int = json.loads(b64decode(value))["offset"]
            return offset // 6 + 1  # Kinto reads five records and one more, to see if there is one.
    return 1


def kinds(caught: pytest.ExceptionInfo[Exception]) -> set[str]:
    """Return the names of the classes that an exception is of."""
    return {kind.__name__ for kind in type(caught.value).__mro__}


def asks_to_back_off(seconds: int) -> Callable[[HttpAnswer], HttpAnswer]:
    """Return what has an answer ask for a pause."""
    return lambda answer: answer.having(backoff=str(seconds))


# -- How often ---------------------------------------------------------------------------------


def test_k21_a_page_is_asked_for_again(
    through: Callable[..., Any], paged: Client, paged_proxy: FaultProxy
) -> None:
    """Each time that a page does not come costs one more request, for that page."""
    fill(paged, 41)
    client = through(paged_proxy, paged, **PERSISTENT)
    paged_proxy.drop(when=lambda request: page(request) == 8, times=2)
    assert len(client.get_records()) == 41
    assert [page(each) for each in paged_proxy.requests] == [1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 9]


def test_k21_a_page_never_comes(
    through: Callable[..., Any], paged: Client, paged_proxy: FaultProxy
) -> None:
    """Of a page that never comes, attempts do not multiply by the pages before it."""
    fill(paged, 11)
    client = through(paged_proxy, paged, **PERSISTENT)
    paged_proxy.drop(when=lambda request: page(request) == 3, times=None)
    with pytest.raises(NO_ANSWER):
        client.get_records()
    assert [page(each) for each in paged_proxy.requests] == [1, 2, 3, 3, 3, 3, 3]


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.get_records(),
        lambda client: client.get_history(),
        lambda client: client.patch_record(id="a", data={"n": 1}),
        lambda client: client.create_record(id="b", data={}, if_not_exists=True),
        lambda client: client.delete_record(id="a", if_exists=True),
    ],
    ids=["list", "history", "patch", "create if not exists", "delete if exists"],
)
def test_k22_as_often_as_asked(
    through: Callable[..., Any], todos: Client, proxy: FaultProxy, call: Callable[[Any], Any]
) -> None:
    """Who asks for no retries has none, whatever the operation is made of."""
    client = through(proxy, todos, retry=0)
    proxy.drop(times=None)
    with pytest.raises(NO_ANSWER):
        call(client)
    assert len(proxy.calls) == 1


def test_k22_as_often_as_is_said(
    through: Callable[..., Any], todos: Client, proxy: FaultProxy
) -> None:
    """As many retries as are asked for are made, also when connections break."""
    client = through(proxy, todos, retry=6, retry_after=0)
    proxy.drop(times=None)
    with pytest.raises(NO_ANSWER):
        client.get_record(id="a")
    assert len(proxy.calls) == 1 + 6


# -- What is repeated, and what is looked up ---------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "sent"),
    [
        (FaultProxy.drop, ["PUT", "GET", "PUT"]),
        (FaultProxy.lose_answer, ["PUT", "GET"]),
    ],
    ids=["dropped", "answer lost"],
)
def test_k23_a_batch_is_repeated(
    through: Callable[..., Any],
    todos: Client,
    proxy: FaultProxy,
    fault: Callable[..., Any],
    sent: list[str],
) -> None:
    """A batch whose connection breaks is looked up, and what was not applied is sent again."""
    client = through(proxy, todos, **PERSISTENT)
    fault(proxy, when=writes)
    with client.batch() as batch:
        batch.create_record(id="a", data={"n": 1})
        batch.create_record(id="b", data={"n": 2})
    assert [body["data"]["n"] for body in batch.results()] == [1, 2]
    assert {each["id"] for each in todos.get_records()} == {"a", "b"}
    batches = [request.entries for request in proxy.requests if request.method == "POST"]
    assert [{method for method, _ in entries} for entries in batches] == [{each} for each in sent]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda client, _: client.create_record(id="b", data={"n": 2})["data"], {"n": 2}),
        (
            lambda client, stamp: client.update_record(id="a", data={"n": 3}, if_match=stamp)[
                "data"
            ],
            {"n": 3},
        ),
        (
            lambda client, stamp: client.patch_record(id="a", data={"n": 4}, if_match=stamp)[
                "data"
            ],
            {"n": 4},
        ),
        (lambda client, _: client.delete_record(id="a"), {"deleted": True}),
        (lambda client, stamp: client.delete_record(id="a", if_match=stamp), {"deleted": True}),
    ],
    ids=["create", "update", "patch", "delete", "delete if unchanged"],
)
def test_k24_an_answer_is_lost(
    through: Callable[..., Any],
    todos: Client,
    proxy: FaultProxy,
    call: Callable[[Any, int], dict[str, Any]],
    expected: dict[str, Any],
) -> None:
    """A write that was applied, and whose answer is lost, does not conflict with itself."""
    stamp = todos.create_record(id="a", data={"n": 1})["data"]["last_modified"]
    client = through(proxy, todos, **PERSISTENT)
    proxy.lose_answer(when=writes)
    written = call(client, stamp)
    assert written.items() >= expected.items()
    there = {each["id"]: each for each in todos.get_records()}
    assert there.get(written["id"]) == (None if "deleted" in written else written)
    assert [method != "GET" for method, _ in proxy.calls] == [True, False]


# -- When --------------------------------------------------------------------------------------


def test_k25_a_pause_between_pages(
    through: Callable[..., Any], paged: Client, paged_proxy: FaultProxy
) -> None:
    """A pause that the server asks for is made, and the list goes on."""
    fill(paged, 11)
    client = through(paged_proxy, paged)
    paged_proxy.change_answer(asks_to_back_off(1))
    began = time.monotonic()
    assert len(client.get_records()) == 11
    assert time.monotonic() - began >= 1
    assert len(paged_proxy.calls) == 3


def test_k25_a_pause_between_batches(
    through: Callable[..., Any], paged: Client, paged_proxy: FaultProxy
) -> None:
    """A pause that the server asks for is made, and the rest of a batch is sent."""
    client = through(paged_proxy, paged)
    paged_proxy.change_answer(asks_to_back_off(1), when=writes)
    began = time.monotonic()
    fill(client, 11)
    assert time.monotonic() - began >= 1
    assert len(paged.get_records()) == 11
    assert [len(request.entries) for request in filter(writes, paged_proxy.requests)] == [10, 1]


def test_k27_pauses_grow(
    through: Callable[..., Any], peer: ModuleType, todos: Client, proxy: FaultProxy
) -> None:
    """A server that is not up to its work is left alone for longer each time."""
    patient = RetryPolicy(first=0.02, jitter=lambda: 1.0) if PEER == "kinto_orm" else 4
    client = through(proxy, todos, retry=patient)
    times: list[float] = []

    def noted(_: HttpRequest) -> bool:
        times.append(time.monotonic())
        return True

    proxy.answer(503, {"code": 503}, when=noted, times=None)
    with pytest.raises(peer.KintoException, match="503"):
        client.get_record(id="a")
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert len(pauses) == 4
    assert all(pause >= 0.02 * 2**n for n, pause in enumerate(pauses))


def test_k27_until_a_date(through: Callable[..., Any], todos: Client, proxy: FaultProxy) -> None:
    """`Retry-After` may be a date, which counts by the server's clock (RFC 9110, 10.2.3)."""
    todos.create_record(id="a")
    client = through(proxy, todos, retry=4)
    minute = "Wed, 21 Oct 2015 07:28"
    dates = {"Date": f"{minute}:00 GMT", "Retry-After": f"{minute}:01 GMT"}
    proxy.answer(503, {"code": 503}, dates)
    began = time.monotonic()
    assert client.get_record(id="a")["data"]["id"] == "a"
    assert time.monotonic() - began >= 1
    assert len(proxy.calls) == 2


# -- What is said ------------------------------------------------------------------------------


def test_k26_what_keeps_a_bucket_from_being_seen(
    through: Callable[..., Any],
    connect: Callable[..., Any],
    peer: ModuleType,
    todos: Client,
    proxy: FaultProxy,
) -> None:
    """A server that fails, and a user who is not known, are no missing buckets."""
    client = through(proxy, todos, retry=0)
    proxy.answer(503, {"code": 503})
    with pytest.raises(peer.KintoException) as failed:
        client.get_bucket()
    assert "BucketNotFound" not in kinds(failed)
    assert "ServerError" in kinds(failed)
    with pytest.raises(peer.KintoException) as unknown:
        connect(proxy.url).get_bucket(id=todos.bucket_name)
    assert "Unauthorized" in kinds(unknown)
    with pytest.raises(peer.BucketNotFound) as hidden:
        client.get_bucket(id=f"{todos.bucket_name}-2")
    assert {"BucketHidden", "Forbidden"} <= kinds(hidden)


def test_k26_a_long_pause(
    through: Callable[..., Any], peer: ModuleType, todos: Client, proxy: FaultProxy
) -> None:
    """A pause that is too long to be waited out is said to be one: it is no missing bucket."""
    client = through(proxy, todos)
    proxy.change_answer(asks_to_back_off(3600))
    client.get_bucket()
    with pytest.raises(peer.KintoException) as caught:
        client.get_bucket()
    assert "BucketNotFound" not in kinds(caught)
    assert "BackoffException" in kinds(caught)
    assert len(proxy.calls) == 1


def test_k27_errors_before_a_failure(
    through: Callable[..., Any], peer: ModuleType, paged: Client, paged_proxy: FaultProxy
) -> None:
    """When the second half of a batch fails, what was refused in the first is reported as well."""
    paged.create_record(id="r3")
    client = through(paged_proxy, paged, retry=0)
    paged_proxy.answer(503, {"code": 503}, when=writes, nth=2)
    with pytest.raises(peer.KintoBatchException) as caught:
        fill(client, 12)
    assert [each.response.status for each in caught.value.exceptions] == [412, 503, 503]
    assert len(paged.get_records()) == 10


# -- How long ----------------------------------------------------------------------------------


def test_k28_time_outs(through: Callable[..., Any], todos: Client, proxy: FaultProxy) -> None:
    """Nobody waits for ever who did not ask for it: 5 s for a connection, 30 s for an answer."""
    assert through(proxy, todos).session.timeout == Timeout(connect=5, read=30)


def test_k28_time_outs_of_downloads(
    through: Callable[..., Any], todos: Client, proxy: FaultProxy, tmp_path: Path
) -> None:
    """The client's time-out holds for downloads, too."""
    client = through(proxy, todos, timeout=0.1, retry=0)
    location = f"{proxy.url}/attachments/"
    capabilities = {"attachments": {"base_url": location}}
    proxy.answer(200, {"capabilities": capabilities}, when=lambda request: request.path == "/v1/")
    held = proxy.hold_answer(when=lambda request: "/attachments/" in request.path, times=None)
    attachment = {"location": "a", "filename": "a", "hash": "0" * 64, "size": 1}
    late = Timer(5, held.release)  # So that a client that waits for ever does not.
    late.start()
    with pytest.raises((*NO_ANSWER, requests.RequestException)):
        client.download_attachment({"id": "a", "attachment": attachment}, str(tmp_path))
    assert late.is_alive()
    late.cancel()
    late.join()
