"""Conflicts: what a 409 undoes, and when there is one."""

from __future__ import annotations

import pytest

from kinto_orm.embedded import KintoServer

from .collisions import collide, overlap, overtake, set_ahead
from .kinds import on, on_memory, on_postgresql
from .wire import Wire, put, sub


class TestConflict:
    @on_postgresql
    @pytest.mark.parametrize("position", range(4))
    def test_rolls_back_what_is_before_and_commits_what_is_after(
        self, server: KintoServer, wire: Wire, records: str, position: int
    ) -> None:
        """B3: of four creations, those before the 409 say 201 and are absent; HTTP says 200."""
        with collide(server, records, position):
            answer = wire.batch(*(put(f"{records}/{n}") for n in range(4)))
        expected = [201] * 4
        expected[position] = 409
        assert answer.status == 200
        assert answer.statuses == expected
        assert answer.responses[position].headers["Retry-After"] == "3"
        assert sorted(wire.get(records).ids) == [str(n) for n in range(position + 1, 4)]

    @on_postgresql
    def test_rolls_back_every_kind_of_write(
        self, server: KintoServer, wire: Wire, collection: str, records: str
    ) -> None:
        """B3: updates, patches, deletions and permissions before a 409 are undone as well."""
        wire.create(records, "put", "patch", "delete", "share")
        before = {each["id"]: each for each in wire.get(records).data}
        everyone = {"permissions": {"read": ["system.Everyone"]}}
        with collide(server, records, 4):
            answer = wire.batch(
                put(f"{records}/put", n=9),
                sub("PATCH", f"{records}/patch", {"data": {"n": 9}}),
                sub("DELETE", f"{records}/delete"),
                sub("PATCH", f"{records}/share", everyone),
                put(f"{records}/refused"),
                put(f"{collection}", title="after"),
            )
        assert answer.statuses == [200, 200, 200, 200, 409, 200]
        assert {each["id"]: each for each in wire.get(records).data} == before
        assert "read" not in wire.get(f"{records}/share").body["permissions"]
        assert wire.stored(collection.removesuffix("/things"), "things") == {"title": "after"}

    @on_postgresql
    @pytest.mark.parametrize("method", ["PUT", "PATCH", "POST", "DELETE"])
    def test_outside_a_batch(
        self, server: KintoServer, wire: Wire, records: str, method: str
    ) -> None:
        """B3: a single write gets a 409 as well, is not applied, and can be sent again."""
        wire.create(records, "a")
        path = records if method == "POST" else f"{records}/a"
        body = None if method == "DELETE" else {"data": {"n": 9}}
        with collide(server, records):
            answer = wire.send(method, path, body)
        assert answer.status == 409
        assert answer.body["errno"] == 122
        assert answer.headers["Retry-After"] == "3"
        assert wire.get(records).ids == ["a"]
        assert wire.stored(records, "a") == {"n": 0}
        assert wire.send(method, path, body).status == (201 if method == "POST" else 200)

    @on_memory
    def test_rolls_back_nothing_in_memory(
        self, server: KintoServer, wire: Wire, stranger: Wire, records: str
    ) -> None:
        """B3: in memory the writes around a 409 are all kept."""
        collection = records.removesuffix("/records")
        wire.patch(collection, {"permissions": {"write": ["system.Authenticated"]}})

        def create_first() -> None:
            assert stranger.put(f"{records}/wanted", {"data": {"by": "stranger"}}).status == 201

        with overtake(server, "wanted", create_first):
            answer = wire.batch(*(put(f"{records}/{id}") for id in ("before", "wanted", "after")))
        assert answer.status == 200
        assert answer.statuses == [201, 409, 201]
        assert sorted(wire.get(records).ids) == ["after", "before", "wanted"]
        assert wire.stored(records, "wanted") == {"by": "stranger"}

    @on_postgresql
    def test_empties_a_collection_whose_deletion_it_rolls_back(
        self, server: KintoServer, wire: Wire, collection: str, records: str, bucket: str
    ) -> None:
        """B3: the collection is back, its records are gone: they are purged after the batch."""
        wire.create(records, "a", "b")
        others = f"/buckets/{bucket}/collections/others"
        wire.put(others)
        with collide(server, f"{others}/records"):
            answer = wire.batch(sub("DELETE", collection), put(f"{others}/records/refused"))
        assert answer.statuses == [200, 409]
        assert wire.get(collection).status == 200
        assert wire.get(f"{records}?_since=1").data == []

    @on("postgresql+history")
    def test_leaves_history_of_what_it_rolled_back(
        self, server: KintoServer, wire: Wire, bucket: str, records: str
    ) -> None:
        """B3: the history has an entry for a creation that was undone."""
        with collide(server, records, 1):
            answer = wire.batch(put(f"{records}/undone"), put(f"{records}/refused"))
        assert answer.statuses == [201, 409]
        assert wire.get(f"{records}/undone").status == 404
        history = wire.get(f"/buckets/{bucket}/history?uri={records}/undone")
        assert [each["action"] for each in history.data] == ["create"]


class TestParallelBatches:
    @on_postgresql
    def test_to_one_collection_conflict(
        self, server: KintoServer, wire: Wire, records: str, gate: str
    ) -> None:
        """B4: two batches take the same last_modified; the later one has a 409 in it."""
        set_ahead(server, records)
        first, second = overlap(
            server,
            gate.removesuffix("/gate"),
            lambda: wire.batch(put(f"{records}/first"), put(gate)),
            lambda: wire.batch(put(f"{records}/second"), put(f"{records}/third")),
        )
        assert first.statuses == [201, 201]
        assert second.statuses == [409, 201]
        assert sorted(wire.get(records).ids) == ["first", "third"]

    @on_postgresql
    def test_lose_creations_that_they_report(
        self, server: KintoServer, wire: Wire, records: str, gate: str, bucket: str
    ) -> None:
        """B4: what the later batch did before its 409 says 201 and is absent."""
        others = f"/buckets/{bucket}/collections/others"
        wire.put(others)
        set_ahead(server, records)
        _, second = overlap(
            server,
            gate.removesuffix("/gate"),
            lambda: wire.batch(put(f"{records}/first"), put(gate)),
            lambda: wire.batch(put(f"{others}/records/lost"), put(f"{records}/second")),
        )
        assert second.statuses == [201, 409]
        assert wire.get(f"{others}/records/lost").status == 404

    @on("postgresql")
    def test_to_two_collections_do_not_conflict(
        self, server: KintoServer, wire: Wire, records: str, gate: str, bucket: str
    ) -> None:
        """B4: without history, collections of one bucket have nothing to do with each other."""
        others = f"/buckets/{bucket}/collections/others"
        wire.put(others)
        set_ahead(server, records)
        set_ahead(server, f"{others}/records")
        first, second = overlap(
            server,
            gate.removesuffix("/gate"),
            lambda: wire.batch(put(f"{records}/first"), put(gate)),
            lambda: wire.batch(put(f"{others}/records/second")),
            waiting=1,
        )
        assert first.statuses == [201, 201]
        assert second.statuses == [201]

    @on("postgresql+history")
    def test_to_two_collections_conflict_in_their_history(
        self, server: KintoServer, wire: Wire, records: str, gate: str, bucket: str
    ) -> None:
        """B4: with history they conflict all the same; the whole later batch is a 409."""
        others = f"/buckets/{bucket}/collections/others"
        wire.put(others)
        set_ahead(server, f"/buckets/{bucket}/history")
        first, second = overlap(
            server,
            f"/buckets/{bucket}-gate/history",
            lambda: wire.batch(put(f"{records}/first"), put(gate)),
            lambda: wire.batch(put(f"{others}/records/second")),
        )
        assert first.statuses == [201, 201]
        assert second.status == 409
        assert wire.get(f"{others}/records").ids == []

    @on("postgresql")
    def test_in_opposite_orders_deadlock(
        self, server: KintoServer, wire: Wire, records: str, gate: str
    ) -> None:
        """B4: when each waits for what the other has written, one is a 503 as a whole."""
        wire.create(records, "a", "b")
        first, second = overlap(
            server,
            gate.removesuffix("/gate"),
            lambda: wire.batch(put(f"{records}/a", by=1), put(gate), put(f"{records}/b", by=1)),
            lambda: wire.batch(put(f"{records}/b", by=2), put(f"{records}/a", by=2)),
        )
        assert sorted([first.status, second.status]) == [200, 503]
        refused = first if first.status == 503 else second
        assert refused.headers["Retry-After"] == "3"
        assert wire.stored(records, "a") == wire.stored(records, "b")

    @on("postgresql+history")
    def test_whole_batch_conflict(
        self, server: KintoServer, wire: Wire, bucket: str, records: str
    ) -> None:
        """B4: when the POST itself is a 409, all of it is rolled back."""
        with collide(server, f"/buckets/{bucket}/history", 1):
            answer = wire.batch(*(put(f"{records}/{n}") for n in range(3)))
        assert answer.status == 409
        assert answer.headers["Retry-After"] == "3"
        assert wire.get(records).ids == []
