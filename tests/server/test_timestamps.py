"""Timestamps, tombstones and pages."""

from __future__ import annotations

from typing import Any

import pytest

from kinto_orm.embedded import KintoServer

from .collisions import database_url, query
from .conftest import Tailor
from .kinds import STORAGES, on, on_both_storages, on_memory, on_postgresql
from .wire import Wire, ids_of, put


def version_of(wire: Wire, records: str) -> int:
    """Return the timestamp of a list."""
    return int(wire.get(records).etag.strip('"'))


class TestWrites:
    @pytest.mark.parametrize(
        ("method", "body"),
        [
            pytest.param("PATCH", {"data": {}}, id="an empty PATCH"),
            pytest.param("PUT", {"data": {"n": 0}}, id="an identical PUT"),
            pytest.param("PUT", None, id="a PUT without a body"),
            pytest.param(
                "PATCH", {"permissions": {"read": ["system.Everyone"]}}, id="permissions alone"
            ),
            pytest.param("PATCH", {"permissions": {}}, id="no permissions alone"),
        ],
    )
    def test_bump_the_timestamp(
        self, wire: Wire, records: str, method: str, body: dict[str, Any] | None
    ) -> None:
        """T1: whatever they write, of the record and of its list."""
        wire.create(records, "a")
        before, list_before = wire.get(f"{records}/a").timestamp, version_of(wire, records)
        assert wire.send(method, f"{records}/a", body).status == 200
        after = wire.get(f"{records}/a")
        assert after.timestamp > before
        assert after.data["n"] == 0
        assert version_of(wire, records) > list_before

    def test_of_nothing_are_refused(self, wire: Wire, records: str) -> None:
        """T1: only a PATCH with neither data nor permissions writes nothing: it is a 400."""
        wire.create(records, "a")
        before = wire.get(f"{records}/a").timestamp
        assert wire.patch(f"{records}/a", {}).status == 400
        assert wire.get(f"{records}/a").timestamp == before


class TestGivenTimestamp:
    """What more there is to T3; the rest of it has no test yet."""

    @on_postgresql
    def test_of_another_record_conflicts_for_ever(self, wire: Wire, records: str) -> None:
        """T3: a past last_modified that another record has is a 409, each time it is sent."""
        wire.create(records, "old", "new")
        old = wire.get(f"{records}/old").timestamp
        body = {"data": {"last_modified": old}}
        assert [wire.put(f"{records}/copy", body).status for _ in range(2)] == [409, 409]

    @on_memory
    def test_of_another_record_is_taken_in_memory(self, wire: Wire, records: str) -> None:
        """T3: in memory there are then two records with the same timestamp."""
        wire.create(records, "old", "new")
        old = wire.get(f"{records}/old").timestamp
        assert wire.put(f"{records}/copy", {"data": {"last_modified": old}}).timestamp == old


@on_both_storages
class TestWalk:
    """Six records, two on a page; some change after the first page."""

    IDS = ("a", "b", "c", "d", "e", "f")

    @pytest.fixture
    def records(self, wire: Wire, records: str) -> str:
        wire.create(records, *self.IDS)
        return records

    def test_in_default_order_misses_what_changes(self, wire: Wire, records: str) -> None:
        """T4: newest first, a record that changes moves to a page that was read already."""
        first = wire.get(f"{records}?_limit=2")
        wire.patch(f"{records}/a", {"data": {"n": 9}})
        assert ids_of(wire.walk(first)) == ["f", "e", "d", "c", "b"]

    def test_oldest_first_sees_twice_what_changes(self, wire: Wire, records: str) -> None:
        """T4: with ``_sort=last_modified`` it moves to the end."""
        first = wire.get(f"{records}?_limit=2&_sort=last_modified")
        wire.patch(f"{records}/a", {"data": {"n": 9}})
        assert ids_of(wire.walk(first)) == [*self.IDS, "a"]

    def test_by_id_is_stable(self, wire: Wire, records: str) -> None:
        """T4: with ``_sort=id`` each record is seen once."""
        first = wire.get(f"{records}?_limit=2&_sort=id")
        wire.patch(f"{records}/a", {"data": {"n": 9}})
        wire.patch(f"{records}/f", {"data": {"n": 9}})
        assert ids_of(wire.walk(first)) == list(self.IDS)

    def test_can_be_checked(self, wire: Wire, records: str) -> None:
        """T4: ``If-Match`` with the first page's ETag is a 412 when the collection has moved."""
        first = wire.get(f"{records}?_limit=2")
        assert first.next_page is not None
        unmoved = {"If-Match": first.etag}
        assert wire.get(first.next_page, unmoved).status == 200
        wire.patch(f"{records}/a", {"data": {"n": 9}})
        assert wire.get(first.next_page, unmoved).status == 412


@on_both_storages
class TestTombstones:
    @pytest.fixture
    def records(self, wire: Wire, records: str) -> str:
        """Give a list of a record *alive*, with *n*, and a deleted one, *dead*."""
        wire.create(records, "dead", "alive")
        wire.delete(f"{records}/dead")
        return records

    def test_appear_with_a_filter_on_last_modified(self, wire: Wire, records: str) -> None:
        """T5: whichever filter that is."""
        version = version_of(wire, records)
        for asked in (
            "_since=1",
            "gt_last_modified=1",
            "min_last_modified=1",
            "not_last_modified=1",
            f"_before={version + 1}",
            f"lt_last_modified={version + 1}",
            f"max_last_modified={version}",
        ):
            dead, alive = wire.get(f"{records}?{asked}").data
            assert dead == {"id": "dead", "last_modified": version, "deleted": True}
            assert alive["id"] == "alive"
        assert wire.get(f"{records}?last_modified={version}").ids == ["dead"]

    def test_do_not_appear_otherwise(self, wire: Wire, records: str) -> None:
        """T5: without a filter on last_modified there are none, whatever else is asked."""
        expected = {"": ["alive"], "deleted=true": [], 'id="dead"': [], "has_n=false": []}
        assert {asked: wire.get(f"{records}?{asked}").ids for asked in expected} == expected

    def test_do_not_pass_other_filters(self, wire: Wire, records: str) -> None:
        """T5: another filter besides drops them, as they have no such field."""
        for other in ("n=1", "has_n=true", "lt_n=9", "max_n=9", "in_n=1,2"):
            assert wire.get(f"{records}?_since=1&{other}").ids == ["alive"]

    def test_pass_filters_that_a_missing_field_passes(self, wire: Wire, records: str) -> None:
        """T5: a filter that also matches records without the field (F5) keeps them."""
        for other in ("has_n=false", "not_n=1", "exclude_n=1", "gt_n=1", "min_n=2"):
            assert wire.get(f"{records}?_since=1&{other}").ids == ["dead"]
        assert wire.get(f"{records}?_since=1&deleted=true").ids == ["dead"]
        assert wire.get(f'{records}?_since=1&id="dead"').ids == ["dead"]

    def test_look_alive_without_the_flag(self, wire: Wire, records: str) -> None:
        """T5: ``_fields`` without *deleted* drops the flag, and nothing else tells."""
        version = version_of(wire, records)
        dead, alive = wire.get(f"{records}?_since=1&_fields=n").data
        assert dead == {"id": "dead", "last_modified": version}
        assert alive.keys() == {"id", "last_modified", "n"}
        assert wire.get(f"{records}?_since=1&_fields=deleted").data[0]["deleted"] is True

    def test_go_with_their_collection(self, wire: Wire, collection: str, records: str) -> None:
        """T5: deleting a collection purges the tombstones of its records."""
        wire.delete(collection)
        wire.put(collection)
        assert wire.get(f"{records}?_since=1").data == []

    def test_go_with_their_bucket(
        self, wire: Wire, bucket: str, collection: str, records: str
    ) -> None:
        """T5: deleting a bucket purges those of its collections and of their records."""
        wire.delete(collection)
        assert wire.get(f"/buckets/{bucket}/collections?_since=1").ids == ["things"]
        wire.delete(f"/buckets/{bucket}")
        wire.put(f"/buckets/{bucket}")
        assert wire.get(f"/buckets/{bucket}/collections?_since=1").data == []
        wire.put(collection)
        assert wire.get(f"{records}?_since=1").data == []

    @pytest.mark.parametrize("headers", [{}, {"If-None-Match": "*"}])
    def test_are_written_over(self, wire: Wire, records: str, headers: dict[str, str]) -> None:
        """T5: PUT over a tombstone is a 201: for preconditions there is nothing there."""
        assert wire.put(f"{records}/dead", {"data": {}}, headers).status == 201
        assert wire.get(f"{records}?_since=1&deleted=true").data == []


class TestPages:
    """A page has at most five records, a fetch at most eight; ten there are."""

    @pytest.fixture(params=STORAGES)
    def server(self, request: pytest.FixtureRequest, tailored: Tailor) -> KintoServer:
        return tailored(
            request.param,
            paginate_by=5,
            storage_max_fetch_size=8,
            http_scheme="https",
            http_host="kinto.example:8443",
        )

    @pytest.fixture
    def records(self, wire: Wire, records: str) -> str:
        wire.create(records, *"abcdefghij")
        return records

    def test_have_a_size(self, wire: Wire, records: str) -> None:
        """T6: the least of _limit, paginate_by and storage_max_fetch_size; 0 means no limit."""
        for asked, size in {"": 5, "_limit=3": 3, "_limit=7": 5, "_limit=0": 8}.items():
            page = wire.get(f"{records}?{asked}")
            assert len(page.data) == size
            assert page.next_page is not None

    def test_are_named_as_the_configuration_says(self, wire: Wire, records: str) -> None:
        """T6: Next-Page is absolute, and may point where the client cannot go."""
        page = wire.get(records).next_page
        assert page is not None
        assert page.startswith(f"https://kinto.example:8443/v1{records}?")

    def test_are_not_counted_in_get(self, wire: Wire, records: str) -> None:
        """T6: Total-Objects is in answers to HEAD only, and counts all pages."""
        assert "Total-Objects" not in wire.get(records).headers
        assert wire.head(records).headers["Total-Objects"] == "10"
        assert wire.head(f"{records}?n=1").headers["Total-Objects"] == "1"
        assert wire.head(f"{records}?_limit=2").headers["Total-Objects"] == "10"

    def test_count_has_no_tombstones(self, wire: Wire, records: str) -> None:
        """T6: also where the list has them."""
        wire.delete(f"{records}/a")
        assert "a" in wire.get(f"{records}?_since=1&_limit=0").ids
        assert wire.head(f"{records}?_since=1").headers["Total-Objects"] == "9"


class TestDefaultPages:
    @on_both_storages
    def test_are_named_as_the_request_says(self, wire: Wire, records: str) -> None:
        """T6: where the configuration says nothing, Next-Page has the Host of the request."""
        wire.create(records, "a", "b")
        page = wire.get(f"{records}?_limit=1", {"Host": "elsewhere.example"}).next_page
        assert page is not None
        assert page.startswith(f"http://elsewhere.example/v1{records}?")

    @on("postgresql")
    def test_have_ten_thousand_records(
        self, server: KintoServer, wire: Wire, collection: str, records: str
    ) -> None:
        """T6: storage_max_fetch_size is 10,000 where the configuration says nothing."""
        version = version_of(wire, records)
        with query(database_url(server)) as cursor:
            # Without triggers, which take a second for so many.
            cursor.execute("SET session_replication_role = replica")
            cursor.execute(
                "INSERT INTO objects (id, parent_id, resource_name, last_modified, deleted)"
                " SELECT n, %s, 'record', from_epoch(%s + n), FALSE"
                " FROM generate_series(1, 10001) AS n",
                (collection, version),
            )
        for asked in ("", "?_limit=0", "?_limit=20000"):
            page = wire.get(f"{records}{asked}")
            assert len(page.data) == 10_000
            assert page.next_page is not None
        assert wire.head(records).headers["Total-Objects"] == "10001"


@on_both_storages
class TestDeletionOfALarge:
    """Ten records, three on a page, whose ids, *n* and timestamps are in different orders."""

    @pytest.fixture
    def records(self, wire: Wire, records: str) -> str:
        writes = [put(f"{records}/{n * 7 % 10}", n=n * 3 % 10) for n in range(10)]
        assert wire.batch(*writes).statuses == [201] * 10
        return records

    @pytest.mark.parametrize("order", ["", "-last_modified", "id", "-id", "-n"])
    def test_list_has_pages(self, wire: Wire, records: str, order: str) -> None:
        """T7: it deletes a page, and says where to send the next DELETE."""
        pages = wire.walk(wire.delete(f"{records}?_limit=3&_sort={order}"), "DELETE")
        assert [len(page.data) for page in pages] == [3, 3, 3, 1]
        assert wire.get(records).data == []

    @pytest.mark.parametrize("order", ["last_modified", "n", "n,id"])
    def test_list_stops_early(self, wire: Wire, records: str, order: str) -> None:
        """T7: oldest first, or by a field upwards, it stops after three of ten."""
        pages = wire.walk(wire.delete(f"{records}?_limit=3&_sort={order}"), "DELETE")
        assert [len(page.data) for page in pages] == [3, 0]
        assert len(wire.get(records).data) == 7

    def test_list_cannot_be_repeated(self, wire: Wire, records: str) -> None:
        """T7: a page's token is used once; a page of a GET is not one of a DELETE."""
        page = wire.delete(f"{records}?_limit=3").next_page
        assert page is not None
        assert wire.delete(page).status == 200
        again = wire.delete(page)
        assert again.status == 400
        assert "already used or has expired" in again.body["message"]
        listed = wire.get(f"{records}?_limit=3").next_page
        assert listed is not None
        assert wire.delete(listed).status == 400


class TestTokens:
    @on_postgresql
    def test_are_kept_ten_minutes(self, server: KintoServer, wire: Wire, records: str) -> None:
        """T7: then they go when something next cleans the cache, as the heartbeat does."""
        wire.create(records, *"abcdef")
        page = wire.delete(f"{records}?_limit=2").next_page
        assert page is not None
        assert 590 < self.age(server, seconds=601) <= 600
        later = wire.delete(page)
        assert later.status == 200
        assert later.next_page is not None
        self.age(server, seconds=601)
        assert wire.get("/__heartbeat__").status == 200
        assert wire.delete(later.next_page).status == 400

    def age(self, server: KintoServer, seconds: int) -> float:
        """Make all tokens older; return how many seconds the newest had to live."""
        with query(database_url(server)) as cursor:
            cursor.execute(
                "SELECT EXTRACT(EPOCH FROM MAX(ttl) - now()) FROM cache"
                " WHERE key LIKE 'pagination-token-%'"
            )
            ((left,),) = cursor.fetchall()
            cursor.execute("UPDATE cache SET ttl = ttl - %s * INTERVAL '1 second'", (seconds,))
        return float(left)
