"""That conflicts come when they are asked for, and only then."""

from __future__ import annotations

import pytest

from kinto_orm.embedded import KintoServer

from .collisions import collide
from .kinds import on_postgresql
from .wire import Wire, put


@on_postgresql
class TestCollide:
    def test_refuses_retries(self, server: KintoServer, wire: Wire, records: str) -> None:
        """A second number counts the writes after the first refusal."""
        a, b, c = (put(f"{records}/{id}") for id in "abc")
        with collide(server, records, 1, 2):
            assert wire.batch(a, b, c).statuses == [201, 409, 201]
            assert wire.batch(a, b).statuses == [201, 409]
            assert wire.batch(a, b).statuses == [201, 201]
        assert sorted(wire.get(records).ids) == ["a", "b", "c"]

    def test_counts_writes_to_its_list_only(
        self, server: KintoServer, wire: Wire, collection: str, records: str
    ) -> None:
        """Neither reads nor writes to other lists bring the refusal nearer."""
        with collide(server, records, 1):
            assert wire.get(records).status == 200
            assert wire.put(collection).status == 200
            assert wire.put(f"{records}/a").status == 201
            assert wire.put(f"{records}/b").status == 409

    def test_says_when_no_write_came(self, server: KintoServer, wire: Wire, records: str) -> None:
        """A test that asks for a conflict and has none fails."""
        with pytest.raises(AssertionError, match="no write"), collide(server, records, 1):
            assert wire.put(f"{records}/a").status == 201

    def test_lets_errors_pass(self, server: KintoServer, records: str) -> None:
        """What goes wrong inside is what is reported."""
        with pytest.raises(ZeroDivisionError), collide(server, records):
            _ = 1 / 0
