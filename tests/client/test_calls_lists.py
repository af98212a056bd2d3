"""Calls for lists of buckets, groups, collections and records, in each way (see `ways`)."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

from attrs import frozen

from faults import FaultProxy, HttpAnswer, HttpRequest
from kinto_orm import Client
from kinto_orm.embedded import KintoServer
from kinto_orm.exceptions import NotModified, PreconditionFailed, SnapshotMoved, UnsupportedQuery

from .conftest import own
from .ways import Way, not_batched


@frozen
class Kind:
    """
    The calls for a list of one kind of object.

    Attributes:
        name: Name of the kind.
        before: How many there are before a test makes some.
        client: Who asks.
    """

    name: str
    before: int
    client: Client

    def all(self, **filters: Any) -> list[dict[str, Any]]:
        """Return those that a test made, which have an *n* (not by ``has_n``: F7)."""
        found: list[dict[str, Any]] = self.call("get_{}s", max_n=100, **filters)
        return found

    def call(self, name: str, **options: Any) -> Any:
        """Call the method *name*, which has a place for the name of the kind."""
        return getattr(self.client, name.format(self.name))(**options)

    def make(self, ids: list[str]) -> list[int]:
        """Make objects; return their timestamps."""
        made = [
            self.call("create_{}", id=self.id(id), data={"n": n, "even": n % 2 == 0})
            for n, id in enumerate(ids)
        ]
        return [each["data"]["last_modified"] for each in made]

    def id(self, id: str) -> str:
        """Return what *id* is for: of buckets, no other test may use the same."""
        return f"{self.client.bucket_name}-{id}"

    def ids(self, found: list[dict[str, Any]]) -> list[str]:
        """Return the opposite of `id`, of what was *found*."""
        return [each["id"].removeprefix(self.id("")) for each in found]


@pytest.fixture(params=[("bucket", 1), ("group", 0), ("collection", 1), ("record", 0)])
def kind(request: pytest.FixtureRequest, caller: Client) -> Kind:
    """Give each kind in turn."""
    name, before = request.param
    return Kind(name, before, caller)


class TestEachKind:
    def test_list(self, kind: Kind) -> None:
        """A list has the data of all that the user may see, the newest first."""
        before = len(kind.call("get_{}s"))  # Other tests may have left buckets that all may read.
        kind.make(["a", "b", "c"])
        assert [id for id in kind.ids(kind.all()) if len(id) == 1] == ["c", "b", "a"]
        assert len(kind.call("get_{}s")) == 3 + before

    def test_count(self, kind: Kind) -> None:
        """To count, nothing is read; filters count as well."""
        before = kind.call("count_{}s")
        kind.make(["a", "b", "c"])
        assert kind.call("count_{}s") == 3 + before
        assert kind.call("count_{}s", even=True) == 2
        assert kind.call("count_{}s", in_n=[]) == 0

    def test_filters(self, kind: Kind) -> None:
        """Filters compare fields, in all the ways of Kinto."""
        kind.make(["a", "b", "c"])
        assert kind.ids(kind.all(n=1)) == ["b"]
        assert kind.ids(kind.all(not_n=1, _sort="id")) == ["a", "c"]
        assert kind.ids(kind.all(min_n=1, _sort=["-n"])) == ["c", "b"]
        assert kind.ids(kind.all(in_n=[0, 2], even=True, _sort="n")) == ["a", "c"]
        assert kind.ids(kind.all(exclude_id=[kind.id("a")], _sort="id")) == ["b", "c"]
        assert kind.all(in_n=[]) == []

    def test_pages(self, kind: Kind) -> None:
        """A limit is that of one page, unless more pages are wanted."""
        kind.make(["a", "b", "c", "d", "e"])
        assert kind.ids(kind.all(_sort="n", _limit=2)) == ["a", "b"]
        assert kind.ids(kind.all(_sort="n", _limit=2, pages=2)) == ["a", "b", "c", "d"]
        assert kind.ids(kind.all(_sort="n", _limit=2, pages=float("inf"))) == list("abcde")

    def test_fields(self, kind: Kind) -> None:
        """Fields can be chosen; ids and timestamps always come."""
        stamps = kind.make(["a"])
        expected = [{"id": kind.id("a"), "last_modified": stamps[0], "n": 0}]
        assert kind.all(_fields="n") == expected
        assert kind.all(_fields=["n"]) == expected

    def test_timestamps(self, kind: Kind) -> None:
        """A list can be that of what was written since, or before."""
        stamps = kind.make(["a", "b", "c"])
        assert kind.ids(kind.all(_since=stamps[0])) == ["c", "b"]
        assert kind.ids(kind.all(_since=str(stamps[1]))) == ["c"]
        assert kind.ids(kind.all(_before=f'"{stamps[1]}"')) == ["a"]
        assert kind.ids(kind.all(last_modified=stamps[1])) == ["b"]
        assert kind.ids(kind.all(gt_last_modified=stamps[0], lt_last_modified=stamps[2])) == ["b"]

    def test_tombstones(self, kind: Kind) -> None:
        """T5: what was deleted since is listed as tombstones, if no other filter hides them."""
        stamps = kind.make(["a", "b"])
        kind.call("delete_{}", id=kind.id("a"))
        found = kind.call("get_{}s", _since=stamps[0])
        expected = [(kind.id("a"), True), (kind.id("b"), None)]
        if kind.name == "bucket":  # Of which only those are listed that the user may still see.
            expected = expected[1:]
        assert [(each["id"], each.get("deleted")) for each in found] == expected

    def test_not_modified(self, kind: Kind) -> None:
        """K11: a list that is known already is told from an empty one."""
        stamps = kind.make(["a"])
        with pytest.raises(NotModified):
            kind.call("get_{}s", if_none_match=stamps[0])
        kind.call("delete_{}", id=kind.id("a"))
        assert kind.all(if_none_match=stamps[0]) == []

    def test_snapshot(self, kind: Kind) -> None:
        """A list that must be of one moment is as any, if nothing moves."""
        kind.make(["a", "b", "c"])
        found = kind.all(snapshot=True, _sort="n", _limit=2, pages=5)
        assert kind.ids(found) == ["a", "b", "c"]

    def test_delete(self, kind: Kind) -> None:
        """All that match are deleted, on all pages; tombstones are left."""
        kind.make(["a", "b", "c"])
        gone = kind.call("delete_{}s", even=True)
        assert sorted(kind.ids(gone)) == ["a", "c"]
        assert all(each["deleted"] for each in gone)
        assert kind.call("delete_{}s", in_n=[]) == []
        assert len(kind.call("delete_{}s", n=1, _limit=5)) == 1
        assert kind.all() == []

    def test_delete_all(self, kind: Kind) -> None:
        """Without filters all goes that the user may delete, if the list has that timestamp."""
        stamps = kind.make(["a", "b"])
        with pytest.raises(PreconditionFailed):
            kind.call("delete_{}s", if_match=stamps[0])
        assert len(kind.call("delete_{}s", if_match=stamps[1])) == 2 + kind.before
        if kind.name != "record":  # Those of a bucket that is gone cannot be listed.
            own = str(kind.client.bucket_name)
            left = [each["id"] for each in kind.client.get_buckets()]
            assert own not in left or kind.call("get_{}s") == []


class TestRecords:
    def test_timestamp(self, caller: Client) -> None:
        """K12: the timestamp of a collection is asked for each time."""
        first = caller.create_record(id="a")["data"]["last_modified"]
        assert caller.get_records_timestamp() == str(first)
        gone = caller.delete_record(id="a")
        assert gone is not None
        assert caller.get_records_timestamp(collection="things") == str(gone["last_modified"])

    def test_text(self, caller: Client) -> None:
        """K40: a text that looks like something else is a text."""
        for n, value in enumerate(["42", 42, "true", True, "null", None, "a,b", '"']):
            caller.create_record(id=f"r{n}", data={"x": value})
        for n, value in enumerate(["42", 42, "true", True, "null", None, "a,b", '"']):
            assert [each["id"] for each in caller.get_records(x=value)] == [f"r{n}"]
            assert [each["id"] for each in caller.get_records(in_x=[value])] == [f"r{n}"]

    def test_names(self, caller: Client) -> None:
        """K42: a field that is called like an argument is asked for by an operator."""
        caller.create_record(id="a", data={"pages": 3, "bucket": "x", "min_size": 1, "self": 5})
        for filters in ({"eq_pages": 3}, {"eq_bucket": "x"}, {"eq_min_size": 1}, {"self": 5}):
            assert [each["id"] for each in caller.get_records(**filters)] == ["a"]

    def test_unsupported(self, caller: Client) -> None:
        """F4: what the server would not match, without a word, is refused."""
        for filters in ({"a-b": 1}, {"_sort": "a-b"}, {"in_x": [[1]]}):
            with pytest.raises(UnsupportedQuery):
                caller.get_records(**filters)


@pytest.fixture
def watched(small: KintoServer) -> Generator[FaultProxy]:
    """Give a proxy before a server with pages of 5."""
    with FaultProxy(small.url) as proxy:
        yield proxy


@pytest.fixture
def full(way: Way, watched: FaultProxy, user: tuple[str, str], bucket: str) -> Client:
    """Give a client, through that proxy, with twelve records."""
    client = own(way.client(watched.url, auth=user, bucket=bucket, collection="things"))
    for n in range(12):
        client.create_record(id=f"r{n:02}", data={"n": n})
    watched.forget()
    return client


def lists(request: HttpRequest) -> bool:
    """Tell whether *request* reads a page of records."""
    return request.method == "GET" and "/records" in request.path


def moving(full: Client, small: KintoServer) -> Callable[[HttpAnswer], HttpAnswer]:
    """Return what changes the last record behind an answer, which it leaves as it is."""

    def move(answer: HttpAnswer) -> HttpAnswer:
        with Client(server_url=small.url, auth=full.session.auth, bucket=full.bucket_name) as other:
            other.patch_record(id="r11", collection="things", data={"moved": True})
        return answer

    return move


class TestPages:
    def test_all(self, full: Client, watched: FaultProxy) -> None:
        """Pages are asked for one by one; nothing is missed."""
        assert len(full.get_records()) == 12
        assert len(watched.requests) == 3

    def test_count(self, full: Client, watched: FaultProxy) -> None:
        """To count is one request."""
        assert full.count_records() == 12
        assert [method for method, _ in watched.calls] == ["HEAD"]

    def test_delete(self, full: Client) -> None:
        """K9: what is on the other pages is deleted as well."""
        assert len(full.delete_records(min_n=3, _sort="last_modified")) == 9
        assert full.count_records() == 3

    def test_delete_some(self, full: Client) -> None:
        """With a limit, so many are deleted."""
        assert len(full.delete_records(_limit=3)) == 3
        assert full.count_records() == 9

    def test_moved(self, full: Client, watched: FaultProxy, small: KintoServer) -> None:
        """T4: what moves from one page to another meanwhile is listed once, as it is at last."""
        watched.change_answer(moving(full, small), when=lists)
        found = full.get_records(_sort="last_modified")
        assert sorted(each["id"] for each in found) == [f"r{n:02}" for n in range(12)]

    def test_snapshot(self, full: Client, watched: FaultProxy, small: KintoServer) -> None:
        """T4: a list that must be of one moment is read again if it moves."""
        watched.change_answer(moving(full, small), when=lists)
        found = full.get_records(snapshot=True)
        assert found[0]["moved"]
        assert len(found) == 12
        assert len(watched.requests) == 1 + 1 + 3

    def test_unsteady_snapshot(self, full: Client, watched: FaultProxy, small: KintoServer) -> None:
        """A list that never stops moving is given up."""
        watched.change_answer(moving(full, small), when=lists, times=None)
        with pytest.raises(SnapshotMoved, match="try again"):
            full.get_records(snapshot=True)
        assert len(watched.requests) == 2 * 5


@not_batched
class TestStreams:
    def test_iterated(self, full: Client, watched: FaultProxy) -> None:
        """Records come in the order of their ids; a page is asked for when it is wanted."""
        records = full.iter_records()
        assert [next(records)["id"] for _ in range(5)] == [f"r{n:02}" for n in range(5)]
        assert len(watched.requests) == 1
        assert [each["id"] for each in records] == [f"r{n:02}" for n in range(5, 12)]
        assert len(watched.requests) == 3

    def test_filtered(self, full: Client) -> None:
        """They can be filtered, and have another order."""
        assert [each["n"] for each in full.iter_records(_sort="-n", gt_n=8)] == [11, 10, 9]
        assert [each["n"] for each in full.iter_records(_limit=2, pages=2)] == [0, 1, 2, 3]
        assert list(full.iter_records(in_n=[])) == []

    def test_pages(self, full: Client) -> None:
        """Pages are as the server gives them."""
        pages = list(full.get_paginated_records(_sort="n"))
        assert [[each["n"] for each in page["data"]] for page in pages] == [
            [0, 1, 2, 3, 4],
            [5, 6, 7, 8, 9],
            [10, 11],
        ]
        assert len(list(full.get_paginated_records(_limit=4, pages=2))) == 2

    def test_snapshot(self, full: Client, watched: FaultProxy, small: KintoServer) -> None:
        """T4: what was given cannot be taken back: if the list moves, that is an error."""
        watched.change_answer(moving(full, small), when=lists)
        given: list[int] = []
        with pytest.raises(SnapshotMoved):
            given.extend(each["n"] for each in full.iter_records(snapshot=True))
        watched.change_answer(moving(full, small), when=lists)
        with pytest.raises(SnapshotMoved):
            list(full.get_paginated_records(snapshot=True))

    def test_not_modified(self, full: Client) -> None:
        """A collection that is known already is told from an empty one."""
        for call in (full.iter_records, full.get_paginated_records):
            with pytest.raises(NotModified):
                list(call(if_none_match=full.get_records_timestamp()))


@pytest.mark.parametrize("way", ["batched"], indirect=True)
def test_no_streams_in_batches(full: Client, watched: FaultProxy) -> None:
    """What is read page after page cannot be in a batch; nothing is sent."""
    for name in ("iter_records", "get_paginated_records", "iter_history"):
        with full.batch() as batch, pytest.raises(TypeError, match=f"{name}.*batch"):
            getattr(batch, name)()
    assert watched.calls == []
