"""Calls for one bucket, group, collection or record, in each way (see `ways`)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from attrs import frozen

from kinto_orm import BasicPatch, Client, JSONPatch, MergePatch
from kinto_orm.embedded import KintoServer
from kinto_orm.exceptions import (
    BucketHidden,
    BucketNotFound,
    CollectionNotFound,
    Forbidden,
    InvalidId,
    InvalidRequest,
    KintoException,
    MissingId,
    NotFound,
    NotModified,
    PreconditionFailed,
    RecordNotFound,
)


@frozen
class Kind:
    """The calls for one kind of object, such as `patch`, of an object that does not exist yet."""

    name: str
    id: str
    client: Client

    def __getattr__(self, method: str) -> Callable[..., Any]:
        call = getattr(self.client, f"{method}_{self.name}")
        return lambda **options: call(**{"id": self.id, **options})

    @property
    def bare(self) -> dict[str, Any]:
        """Return the data that an object has that was given none."""
        return {"members": []} if self.name == "group" else {}

    def data(self, found: Any = None) -> dict[str, Any]:
        """Return what a user wrote, of what was *found*, or is there."""
        data = (self.get() if found is None else found)["data"]
        return {key: data[key] for key in data.keys() - {"id", "last_modified", *self.bare}}


#: What is raised for one that is missing: Kinto does not tell whether there is a bucket.
MISSING: dict[str, type[KintoException]] = {
    "bucket": Forbidden,
    "group": NotFound,
    "collection": CollectionNotFound,
    "record": RecordNotFound,
}


@pytest.fixture(params=list(MISSING))
def thing(request: pytest.FixtureRequest, caller: Client, bucket: str) -> Kind:
    """Give each kind of object in turn."""
    return Kind(request.param, f"{bucket}-x", caller)


class TestCreate:
    def test_create(self, thing: Kind) -> None:
        """What comes back is what is stored: data, and permissions."""
        created = thing.create(
            data={"a": {"b": [1, None]}}, permissions={"read": ["system.Everyone"]}
        )
        assert created["data"]["id"] == thing.id
        assert thing.data(created) == {"a": {"b": [1, None]}}
        assert created["permissions"]["read"] == ["system.Everyone"]
        (writer,) = created["permissions"]["write"]
        assert writer == thing.client.current_user()["id"]  # type: ignore[index]
        assert thing.get() == created

    def test_nothing(self, thing: Kind) -> None:
        """It may hold nothing."""
        assert thing.create()["data"].items() >= thing.bare.items()
        assert thing.data() == {}

    def test_safe(self, thing: Kind) -> None:
        """What exists is left alone, and told; or given; or replaced."""
        first = thing.create(data={"n": 1})
        with pytest.raises(PreconditionFailed) as caught:
            thing.create(data={"n": 2})
        assert caught.value.existing == first["data"]
        assert thing.create(data={"n": 2}, if_not_exists=True) == first
        assert thing.create(data={"n": 2}, if_not_exists=True, safe=False) == first
        thing.create(data={"m": 3}, safe=False)
        assert thing.data() == {"m": 3}

    def test_id_in_data(self, thing: Kind) -> None:
        """The id may be in the data."""
        thing.create(id=None, data={"id": thing.id, "n": 1})
        assert thing.data() == {"n": 1}

    def test_alias(self, thing: Kind) -> None:
        """The id may be called as the kind is: ``collection=…``."""
        if thing.name == "record":
            with pytest.raises(TypeError, match="record"):
                thing.create(record=thing.id)
            return
        alias = {"id": None, thing.name: thing.id}
        assert thing.create(**alias)["data"]["id"] == thing.id
        assert thing.get(**alias)["data"]["id"] == thing.id
        assert thing.update(**alias, data={"n": 1})["data"]["n"] == 1
        assert thing.patch(**alias, data={"n": 2})["data"]["n"] == 2
        with pytest.raises(InvalidRequest, match=f"which {thing.name}"):
            thing.get(**{thing.name: "another"})
        assert thing.delete(**alias)["deleted"]


class TestGet:
    def test_not_modified(self, thing: Kind) -> None:
        """What is known already is not sent again: that is told by an exception."""
        created = thing.create(data={"n": 1})["data"]
        with pytest.raises(NotModified) as caught:
            thing.get(if_none_match=created["last_modified"])
        assert caught.value.status == 304
        assert thing.get(if_none_match=created["last_modified"] - 1)["data"] == created

    def test_fields(self, thing: Kind) -> None:
        """Fields can be chosen; ids and timestamps always come."""
        data = thing.create(data={"n": 1, "m": {"x": 2, "y": 3}})["data"]
        found = thing.get(_fields=["n", "m.x"])["data"]
        assert found == {
            "id": thing.id,
            "last_modified": data["last_modified"],
            "n": 1,
            "m": {"x": 2},
        }

    def test_missing(self, thing: Kind) -> None:
        """What is missing is an error, of a class for each kind."""
        with pytest.raises(MISSING[thing.name]):
            thing.get()
        if thing.name == "bucket":
            with pytest.raises(BucketNotFound, match="does not exist"):
                thing.get()

    def test_without_an_id(self, thing: Kind) -> None:
        """The client's own bucket and collection are those of whatever names none."""
        if thing.name in ("bucket", "collection"):
            own = getattr(thing.client, f"{thing.name}_name")
            assert thing.get(id=None)["data"]["id"] == own
        else:
            with pytest.raises(MissingId, match=f"which {thing.name}"):
                thing.get(id=None)

    def test_empty_id(self, thing: Kind) -> None:
        """K8: an id that is empty is wrong, and never stands for another object."""
        for method in ("get", "update", "delete"):
            with pytest.raises(InvalidId):
                getattr(thing, method)(id="")


class TestUpdate:
    def test_replaces(self, thing: Kind) -> None:
        """What it held is gone; what does not exist is created."""
        thing.update(data={"a": 1, "b": 2})
        thing.update(data={"b": 3})
        assert thing.data() == {"b": 3}

    def test_permissions(self, thing: Kind) -> None:
        """Without data it keeps what it holds (P5)."""
        thing.create(data={"a": 1})
        updated = thing.update(permissions={"read": ["system.Everyone"]})
        assert updated["permissions"]["read"] == ["system.Everyone"]
        assert thing.data() == {"a": 1}

    def test_safe(self, thing: Kind) -> None:
        """Data that was read brings its timestamp, unless it is not to be safe."""
        read = thing.create(data={"a": 1})["data"]
        thing.update(data={**read, "a": 2})
        with pytest.raises(PreconditionFailed):
            thing.update(data={**read, "a": 3})
        thing.update(data={**read, "a": 4}, safe=False)
        assert thing.data() == {"a": 4}

    def test_safe_of_nothing_known(self, thing: Kind) -> None:
        """K13: told to be safe, without a timestamp, only what does not exist is written."""
        thing.update(data={"a": 1}, safe=True)
        with pytest.raises(PreconditionFailed):
            thing.update(data={"a": 2}, safe=True)
        assert thing.data() == {"a": 1}

    def test_if_match(self, thing: Kind) -> None:
        """It is written if it has a certain timestamp; ``*`` stands for any (K14)."""
        with pytest.raises(PreconditionFailed):
            thing.update(data={"a": 0}, if_match="*")
        stamp = thing.create(data={"a": 1})["data"]["last_modified"]
        with pytest.raises(PreconditionFailed):
            thing.update(data={"a": 2}, if_match=stamp - 1)
        thing.update(data={"a": 3}, if_match=stamp)
        thing.update(data={"a": 4}, if_match="*")
        assert thing.data() == {"a": 4}


class TestPatch:
    @pytest.mark.parametrize(
        ("changes", "after"),
        [
            ({"data": {"n": {"z": 3}}}, {"a": 1, "n": {"z": 3}}),
            ({"changes": BasicPatch({"n": {"z": 3}})}, {"a": 1, "n": {"z": 3}}),
            (
                {"changes": MergePatch({"a": None, "n": {"x": None, "z": 3}})},
                {"n": {"y": 2, "z": 3}},
            ),
            (
                {"changes": JSONPatch([{"op": "move", "from": "/data/a", "path": "/data/n/a"}])},
                {"n": {"x": 1, "y": 2, "a": 1}},
            ),
        ],
        ids=["data", "basic", "merge", "json"],
    )
    def test_kinds(self, thing: Kind, changes: dict[str, Any], after: dict[str, Any]) -> None:
        """Each kind of patch does what it says (RFC 7396, RFC 6902)."""
        thing.create(data={"a": 1, "n": {"x": 1, "y": 2}})
        assert thing.data(thing.patch(**changes)) == after
        assert thing.data() == after

    def test_permissions(self, thing: Kind) -> None:
        """Permissions that are given are replaced; data stays."""
        thing.create(data={"a": 1}, permissions={"read": ["system.Everyone"]})
        for options in (
            {"permissions": {"read": ["system.Authenticated"]}},
            {"changes": BasicPatch(permissions={"read": ["system.Authenticated"]})},
        ):
            patched = thing.patch(**options)
            assert patched["permissions"]["read"] == ["system.Authenticated"]
            assert len(patched["permissions"]["write"]) == 1
        assert thing.data() == {"a": 1}

    def test_original(self, thing: Kind) -> None:
        """An original gives the id, and the timestamp that is expected."""
        original = thing.create(data={"a": 1})["data"]
        thing.patch(id=None, data={"a": 2}, original=original)
        with pytest.raises(PreconditionFailed):
            thing.patch(id=None, data={"a": 3}, original=original)
        thing.patch(id=None, data={"a": 4}, original=original, safe=False)
        assert thing.data() == {"a": 4}

    def test_if_match(self, thing: Kind) -> None:
        """It is changed if it has a certain timestamp, or any."""
        stamp = thing.create(data={"a": 1})["data"]["last_modified"]
        with pytest.raises(PreconditionFailed):
            thing.patch(data={"a": 2}, if_match=stamp - 1)
        thing.patch(data={"a": 3}, if_match=f'"{stamp}"')
        thing.patch(data={"a": 4}, if_match="*")
        assert thing.data() == {"a": 4}

    def test_missing(self, thing: Kind) -> None:
        """What is missing is not created."""
        with pytest.raises(MISSING[thing.name]):
            thing.patch(data={"a": 1})


class TestDelete:
    def test_delete(self, thing: Kind) -> None:
        """A tombstone is left; a second time there is nothing to delete."""
        created = thing.create(data={"a": 1})["data"]
        tombstone = thing.delete()
        assert tombstone["id"] == thing.id
        assert tombstone["deleted"] is True
        assert tombstone["last_modified"] > created["last_modified"]
        with pytest.raises(MISSING[thing.name]):
            thing.delete()

    def test_if_exists(self, thing: Kind) -> None:
        """If it may be missing, that is no error, and gives None."""
        assert thing.delete(if_exists=True) is None
        thing.create()
        assert thing.delete(if_exists=True)["deleted"] is True
        assert thing.delete(if_exists=True) is None

    def test_if_match(self, thing: Kind) -> None:
        """It is deleted if it has a certain timestamp, or any, unless it is not to be safe."""
        stamp = thing.create()["data"]["last_modified"]
        with pytest.raises(PreconditionFailed):
            thing.delete(if_match=stamp - 1)
        thing.delete(if_match=stamp)
        thing.create()
        thing.delete(if_match="*")
        thing.create()
        thing.delete(if_match=1, safe=False)


class TestBuckets:
    def test_of_others(self, caller: Client, store: KintoServer) -> None:
        """P4: a bucket of others is not told from none; to delete it is no success."""
        with Client(
            server_url=store.url, auth=("other", "x"), bucket=f"{caller.bucket_name}-o"
        ) as o:
            o.create_bucket(permissions={"read": ["system.Everyone"]})
            o.create_bucket(id=f"{o.bucket_name}-hidden")
        with pytest.raises(Forbidden):
            caller.delete_bucket(id=o.bucket_name, if_exists=True)
        with pytest.raises(BucketHidden):
            caller.get_bucket(id=f"{o.bucket_name}-hidden")


class TestRecords:
    def test_new_id(self, caller: Client) -> None:
        """Without an id a record gets a new one."""
        ids = {caller.create_record(data={"n": 1})["data"]["id"] for _ in range(2)}
        assert {each["id"] for each in caller.get_records()} == ids
        assert len(ids) == 2

    def test_integers(self, caller: Client) -> None:
        """K45: an integer for an id stands for its digits, 0 as well, wherever it stands."""
        assert caller.create_record(id=0, data={"n": 1})["data"]["id"] == "0"
        assert caller.update_record(data={"id": 7, "n": 2})["data"]["id"] == "7"
        assert caller.patch_record(data={"id": 7, "m": 3})["data"]["n"] == 2
        assert caller.get_record(id=7)["data"]["m"] == 3
        assert {each["id"] for each in caller.get_records(in_id=[0, 7, 8])} == {"0", "7"}
        assert [each["id"] for each in caller.get_records(id=7)] == ["7"]
        assert caller.delete_record(id=0) is not None

    def test_elsewhere(self, caller: Client) -> None:
        """A call may name another collection, and another bucket."""
        caller.create_collection(id="others")
        caller.create_record(id="a", collection="others", data={"n": 1})
        with pytest.raises(RecordNotFound):
            caller.get_record(id="a")
        found = caller.get_record(id="a", bucket=caller.bucket_name, collection="others")
        assert found["data"]["n"] == 1

    def test_dates(self, caller: Client) -> None:
        """Dates are stored as text (ISO 8601), and can be compared with."""
        data = {"on": date(2025, 1, 31), "at": datetime(2025, 1, 31, 12, tzinfo=UTC)}
        caller.create_record(id="a", data=data)
        caller.patch_record(id="a", data={"until": date(2025, 2, 1)})
        stored = caller.get_record(id="a")["data"]
        assert stored["on"] == "2025-01-31"
        assert datetime.fromisoformat(stored["at"]) == data["at"]
        assert stored["until"] == "2025-02-01"
        for found in (
            {"on": date(2025, 1, 31)},
            {"gt_on": date(2025, 1, 30)},
            {"in_on": [date(2025, 1, 30), date(2025, 1, 31)]},
            {"at": data["at"]},
            {"lt_at": datetime(2025, 2, 1, tzinfo=UTC)},
        ):
            assert [each["id"] for each in caller.get_records(**found)] == ["a"]
        assert caller.get_records(gt_on=date(2025, 1, 31)) == []

    def test_time_of_deletion(self, caller: Client) -> None:
        """T3: a tombstone can be given its timestamp, for copies of what is elsewhere."""
        stamp = caller.create_record(id="a")["data"]["last_modified"]
        tombstone = caller.delete_record(id="a", last_modified=stamp + 1000)
        assert tombstone is not None
        assert tombstone["last_modified"] == stamp + 1000
