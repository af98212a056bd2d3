"""What is read: all of it, as it is now; or what is said instead (K11, K12, K15, K20, K29, K30)."""

from __future__ import annotations

import inspect
import sys

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, TypeVar

import pytest

from faults import FaultProxy
from kinto_orm import Client
from kinto_orm.embedded import KintoServer


T = TypeVar("T")


def fill(client: Client, count: int) -> set[str]:
    """Create so many records; return their ids."""
    made = {f"r{n}" for n in range(count)}
    with client.batch() as batch:
        for each in sorted(made):
            batch.create_record(id=each)
    return made


# -- Not modified, not cached ------------------------------------------------------------------


def test_k11_not_modified(
    through: Callable[..., Any], peer: ModuleType, todos: Client, proxy: FaultProxy
) -> None:
    """A list that has not changed is told from one that is empty."""
    client = through(proxy, todos)
    assert client.get_records() == []
    fill(todos, 2)
    stamp = todos.get_records_timestamp()
    with pytest.raises(peer.KintoException, match="304"):
        client.get_records(if_none_match=stamp)
    todos.delete_records()
    assert client.get_records(if_none_match=stamp) == []


def test_k12_the_timestamp_of_a_list(
    through: Callable[..., Any], todos: Client, proxy: FaultProxy
) -> None:
    """The timestamp of a list is the one that it has now, whoever wrote since."""
    client = through(proxy, todos)
    seen = [client.get_records_timestamp()]
    client.create_record(id="a")
    seen.append(client.get_records_timestamp())
    todos.create_record(id="b")
    seen.append(client.get_records_timestamp())
    assert sorted(set(seen)) == seen
    assert seen[-1] == todos.get_records_timestamp()


# -- Pages -------------------------------------------------------------------------------------


def test_k15_all_pages_of_permissions(
    connect: Callable[..., Any], small: KintoServer, bucket: str
) -> None:
    """The list of permissions has all objects, however many pages that takes."""
    nobody_else = (f"owner-of-{bucket}", "secret")
    client = connect(small.url, auth=nobody_else, bucket=bucket, collection="todos")
    client.create_bucket()
    client.create_collection()
    made = fill(client, 12)
    found = client.get_permissions()
    assert {each["record_id"] for each in found if each["resource_name"] == "record"} == made
    assert len({each["uri"] for each in found}) == len(found)


def with_room_for(calls: int, call: Callable[[], T]) -> T:
    """
    Return what *call* returns where the stack has room for so many *calls*, and no more.

    A request needs about 30, so that a client that needs another one for each page runs out of
    them soon, and not after many hundreds of pages.
    """
    depth, frame = 0, inspect.currentframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back

    def deeper(left: int) -> T:
        return call() if left <= 0 else deeper(left - 1)

    return deeper(sys.getrecursionlimit() - depth - calls)


def test_k20_many_pages(through: Callable[..., Any], todos: Client, proxy: FaultProxy) -> None:
    """A list has as many pages as there are: they are not limited by the depth of the stack."""
    made = fill(todos, 100)
    client = through(proxy, todos)
    client.server_info()
    found = with_room_for(100, lambda: client.get_records(_limit=1, pages=float("inf")))
    assert {each["id"] for each in found} == made


def test_k20_many_pages_one_by_one(
    through: Callable[..., Any], todos: Client, proxy: FaultProxy
) -> None:
    """Nor are pages that are gone through one by one."""
    made = fill(todos, 100)
    client = through(proxy, todos)
    client.server_info()
    pages = with_room_for(100, lambda: list(client.get_paginated_records(_limit=1)))
    assert {each["id"] for page in pages for each in page["data"]} == made


def texts_in(value: Any, package: str) -> Iterator[str]:
    """Give the texts that *value* keeps, in containers and in objects of the *package*."""
    open_, seen = [value], set()
    while open_:
        each = open_.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            open_ += [*each, *each.values()]
        elif isinstance(each, (list, tuple, set, frozenset)):
            open_ += each
        elif type(each).__module__.partition(".")[0] == package:
            slots = [name for kind in type(each).__mro__ for name in getattr(kind, "__slots__", ())]
            open_ += [getattr(each, name, None) for name in slots]
            open_ += getattr(each, "__dict__", {}).values()


def test_k29_nothing_is_kept_of_pages(
    through: Callable[..., Any], peer: ModuleType, paged: Client, paged_proxy: FaultProxy
) -> None:
    """A client keeps nothing of the pages that it has read."""
    fill(paged, 31)
    client = through(paged_proxy, paged)
    assert len(client.get_records()) == 31
    assert len(paged_proxy.calls) == 7
    kept = list(texts_in(getattr(client, "_target", client), peer.__name__))
    assert paged.bucket_name in kept
    assert [text for text in kept if "_token" in text] == []


# -- Answers that are none ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", ["<html>Sign in to the guests' network</html>", "", '{"data": ['], ids=["page", "", "["]
)
@pytest.mark.parametrize(
    "call",
    [lambda client: client.get_records(), lambda client: client.get_record(id="a")],
    ids=["list", "record"],
)
def test_k30_not_json(
    through: Callable[..., Any],
    peer: ModuleType,
    todos: Client,
    proxy: FaultProxy,
    call: Callable[[Any], Any],
    body: str,
) -> None:
    """A success that is not JSON is an error of the package, which says what it probably is."""
    client = through(proxy, todos, retry=0)
    proxy.answer(200, body)
    with pytest.raises(peer.KintoException, match="is there a Kinto server at server_url"):
        call(client)
