"""Buckets, collections and records: each is an object, and these have much in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from attrs import frozen

from faults import FaultProxy
from kinto_orm import BasicPatch, Client, JSONPatch, MergePatch
from kinto_orm.embedded import KintoServer
from kinto_orm.exceptions import (
    Forbidden,
    InvalidRequest,
    NotFound,
    PreconditionFailed,
    RecordNotFound,
)
from server.kinds import on_both_storages
from transport.drivers import QUICK, Driver


@frozen
class Kind:
    """
    The endpoints of one kind of object, for one that does not exist yet.

    Attributes:
        name: Its name, as it is in the names of the endpoints.
        id: Id of the object.
        client: Who asks.
    """

    name: str
    id: str
    client: Client

    def __getattr__(self, method: str) -> Callable[..., Any]:
        """Return the endpoint, such as `patch` or `get`."""
        endpoint = getattr(self.client, f"{method}_{self.name}")
        return lambda **options: endpoint(id=self.id, **options)

    @property
    def missing(self) -> type[Exception]:
        """Return what is raised if it is not there: Kinto does not tell who has a bucket."""
        return Forbidden if self.name == "bucket" else NotFound

    def data(self) -> dict[str, Any]:
        """Return what it holds now, of a user's."""
        data = self.get()["data"]
        return {key: data[key] for key in data.keys() - {"id", "last_modified"}}


@pytest.fixture(params=["bucket", "collection", "record"])
def thing(request: pytest.FixtureRequest, client: Client, bucket: str) -> Kind:
    """Give each kind of object in turn."""
    return Kind(request.param, f"{bucket}-x", client)


@on_both_storages
class TestCreate:
    def test_create(self, thing: Kind) -> None:
        """An object is created; what comes back is what is stored."""
        created = thing.create(data={"a": {"b": [1, None]}})
        assert created["data"]["id"] == thing.id
        assert created["data"]["a"] == {"b": [1, None]}
        assert isinstance(created["data"]["last_modified"], int)
        assert list(created["permissions"]) == ["write"]
        assert thing.get() == created

    def test_nothing(self, thing: Kind) -> None:
        """It may hold nothing."""
        thing.create()
        assert thing.data() == {}

    def test_permissions(self, thing: Kind) -> None:
        """It may come with permissions; who creates it can always write it."""
        created = thing.create(permissions={"read": ["system.Everyone"]})
        assert created["permissions"]["read"] == ["system.Everyone"]
        assert len(created["permissions"]["write"]) == 1

    def test_safe(self, thing: Kind) -> None:
        """What exists is left alone; the error has it."""
        there = thing.create(data={"n": 1})
        with pytest.raises(PreconditionFailed, match="412") as caught:
            thing.create(data={"n": 2})
        assert caught.value.existing == there["data"]
        assert thing.get() == there

    def test_not_safe(self, thing: Kind) -> None:
        """If it is not to be left alone, it is replaced."""
        thing.create(data={"n": 1})
        thing.create(data={"m": 2}, safe=False)
        assert thing.data() == {"m": 2}

    @pytest.mark.parametrize("safe", [True, False])
    def test_if_not_exists(self, thing: Kind, safe: bool) -> None:  # noqa: FBT001
        """Creating what may exist gives what is there, unchanged."""
        first = thing.create(data={"n": 1}, if_not_exists=True, safe=safe)
        assert thing.create(data={"n": 2}, if_not_exists=True, safe=safe) == first


@on_both_storages
class TestUpdate:
    def test_replaces(self, thing: Kind) -> None:
        """What it held is gone."""
        thing.create(data={"a": 1, "b": 2})
        thing.update(data={"b": 3})
        assert thing.data() == {"b": 3}

    def test_creates(self, thing: Kind) -> None:
        """It is created if there is none."""
        thing.update(data={"a": 1})
        assert thing.data() == {"a": 1}

    def test_permissions_alone(self, thing: Kind) -> None:
        """Without data it keeps what it holds (P5)."""
        thing.create(data={"a": 1})
        updated = thing.update(permissions={"read": ["system.Everyone"]})
        assert updated["permissions"]["read"] == ["system.Everyone"]
        assert thing.data() == {"a": 1}

    def test_of_what_was_read(self, thing: Kind) -> None:
        """Data that was read brings its timestamp: it is not written over a later change."""
        read = thing.create(data={"a": 1})["data"]
        assert thing.update(data={**read, "a": 2})["data"]["a"] == 2
        with pytest.raises(PreconditionFailed) as caught:
            thing.update(data={**read, "a": 3})
        assert caught.value.existing is not None
        assert caught.value.existing["a"] == 2
        thing.update(data={**read, "a": 4}, safe=False)
        assert thing.data() == {"a": 4}


#: What is patched.
BEFORE = {"a": 1, "b": 2, "n": {"x": 1, "y": 2}}

#: How it is patched, and what it is then.
PATCHES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"data": {"b": 9}}, {"a": 1, "b": 9, "n": {"x": 1, "y": 2}}),
    ({"changes": BasicPatch({"n": {"z": 3}})}, {"a": 1, "b": 2, "n": {"z": 3}}),
    ({"changes": BasicPatch({"a": None})}, {"a": None, "b": 2, "n": {"x": 1, "y": 2}}),
    (
        {"changes": MergePatch({"a": None, "n": {"x": None, "z": 3}})},
        {"b": 2, "n": {"y": 2, "z": 3}},
    ),
    (
        {
            "changes": JSONPatch(
                [
                    {"op": "test", "path": "/data/a", "value": 1},
                    {"op": "remove", "path": "/data/a"},
                    {"op": "move", "from": "/data/b", "path": "/data/n/b"},
                ]
            )
        },
        {"n": {"x": 1, "y": 2, "b": 2}},
    ),
]


@on_both_storages
class TestPatch:
    def test_changes(self, thing: Kind) -> None:
        """Each kind of patch does what it says (RFC 7396, RFC 6902)."""
        for options, after in PATCHES:
            thing.create(data=BEFORE, safe=False)
            patched = thing.patch(**options)
            assert after.items() <= patched["data"].items()
            assert thing.data() == after

    def test_in_a_batch(self, thing: Kind) -> None:
        """So it does in a batch, between others (B1, B2)."""
        for options, after in PATCHES:
            thing.create(data=BEFORE, safe=False)
            with thing.client.batch() as batch:
                batch.get_bucket()
                patched = getattr(batch, f"patch_{thing.name}")(id=thing.id, **options)
                batch.get_bucket()
            assert after.items() <= patched.result()["data"].items()
            assert thing.data() == after

    def test_permissions(self, thing: Kind) -> None:
        """Permissions are replaced one by one; data stays."""
        thing.create(data={"a": 1}, permissions={"read": ["system.Everyone"]})
        patched = thing.patch(permissions={"read": ["system.Authenticated"]})
        assert patched["permissions"]["read"] == ["system.Authenticated"]
        assert len(patched["permissions"]["write"]) == 1
        assert thing.data() == {"a": 1}

    def test_original(self, thing: Kind) -> None:
        """The original's timestamp is the one that is expected, unless that is not to be safe."""
        original = thing.create(data={"a": 1, "b": 1})["data"]
        thing.patch(data={"a": 2}, original=original)
        with pytest.raises(PreconditionFailed):
            thing.patch(data={"b": 2}, original=original)
        thing.patch(data={"b": 2}, original=original, safe=False)
        assert thing.data() == {"a": 2, "b": 2}

    def test_missing(self, thing: Kind) -> None:
        """Nothing is created."""
        for changes in (BasicPatch({"a": 1}), MergePatch({"a": 1}), JSONPatch([])):
            with pytest.raises(thing.missing):
                thing.patch(changes=changes)

    def test_nothing(self, thing: Kind) -> None:
        """A patch without a change is an error of the caller."""
        with pytest.raises(InvalidRequest, match="nothing to change"):
            thing.patch()


@on_both_storages
class TestDelete:
    def test_delete(self, thing: Kind) -> None:
        """A deletion gives the tombstone."""
        created = thing.create(data={"a": 1})["data"]
        tombstone = thing.delete()
        assert tombstone["deleted"] is True
        assert tombstone["id"] == thing.id
        assert tombstone["last_modified"] > created["last_modified"]
        with pytest.raises(thing.missing):
            thing.get()

    def test_twice(self, thing: Kind) -> None:
        """What is not there cannot be deleted."""
        thing.create()
        thing.delete()
        with pytest.raises(thing.missing):
            thing.delete()

    def test_if_exists(self, thing: Kind) -> None:
        """If it may be missing, that is no error; although Kinto does not say it of a bucket."""
        assert thing.delete(if_exists=True) is None
        thing.create()
        assert thing.delete(if_exists=True)["deleted"] is True
        assert thing.delete(if_exists=True) is None

    def test_and_create_again(self, thing: Kind) -> None:
        """What was deleted can be created again."""
        thing.create(data={"a": 1})
        thing.delete()
        thing.create(data={"b": 2})
        assert thing.data() == {"b": 2}


@on_both_storages
class TestPreconditions:
    @pytest.mark.parametrize("method", ["update", "patch", "delete"])
    def test_right(self, thing: Kind, method: str) -> None:
        """P1: a write that names the timestamp of what is there is made, in any form of it."""
        for form in (int, str, '"{}"'.format):
            stamp = thing.create(data={"a": 1}, safe=False)["data"]["last_modified"]
            options = {} if method == "delete" else {"data": {"a": 2}}
            getattr(thing, method)(if_match=form(stamp), **options)

    @pytest.mark.parametrize("method", ["update", "patch", "delete"])
    def test_wrong(self, thing: Kind, method: str) -> None:
        """One that names another is refused, unless it is not to be safe."""
        there = thing.create(data={"a": 1})["data"]
        options = {} if method == "delete" else {"data": {"a": 2}}
        call = getattr(thing, method)
        with pytest.raises(PreconditionFailed) as caught:
            call(if_match=there["last_modified"] - 1, **options)
        assert caught.value.existing == there
        assert thing.data() == {"a": 1}
        call(if_match=there["last_modified"] - 1, safe=False, **options)

    def test_any(self, thing: Kind) -> None:
        """K14: ``*`` means that it must exist."""
        with pytest.raises(PreconditionFailed) as caught:
            thing.update(data={"a": 1}, if_match="*")
        assert caught.value.existing is None
        thing.create(data={"a": 1})
        thing.update(data={"a": 2}, if_match="*")
        thing.patch(data={"a": 3}, if_match="*")
        assert thing.data() == {"a": 3}
        thing.delete(if_match="*")

    @pytest.mark.parametrize("method", ["patch", "delete"])
    def test_of_what_is_missing(self, thing: Kind, method: str) -> None:
        """P2: with a precondition or without, what is missing is missing."""
        options = {} if method == "delete" else {"data": {"a": 2}}
        with pytest.raises(thing.missing):
            getattr(thing, method)(if_match=5, **options)


class TestRefused:
    """What is wrong before it is sent, and is not sent."""

    @pytest.mark.parametrize("method", ["update", "patch", "delete"])
    def test_timestamps(self, counted: Client, proxy: FaultProxy, method: str) -> None:
        """A precondition that is no timestamp."""
        options = {} if method == "delete" else {"data": {"a": 2}}
        for stamp in ["", "yesterday", "-5", -5, 1.5, "W/5", "5\n", "\u0665", True]:
            with pytest.raises(InvalidRequest, match="a timestamp must be in milliseconds"):
                getattr(counted, f"{method}_record")(id="a", if_match=stamp, **options)
        assert proxy.calls == []

    @pytest.mark.parametrize("method", ["create", "update"])
    def test_permissions_in_data(self, counted: Client, proxy: FaultProxy, method: str) -> None:
        """P6: a key that Kinto would take for permissions."""
        data = {"a": 1, "__permissions__": {"read": ["system.Everyone"]}}
        with pytest.raises(InvalidRequest, match="__permissions__"):
            getattr(counted, f"{method}_record")(id="a", data=data)
        assert proxy.calls == []

    def test_values(self, counted: Client, proxy: FaultProxy) -> None:
        """D1: a value that would not be stored as it is."""
        with pytest.raises(InvalidRequest, match=r"^data\.a\[0\] cannot be sent"):
            counted.create_record(data={"a": [float("nan")]})
        assert proxy.calls == []

    def test_which(self, counted: Client, proxy: FaultProxy) -> None:
        """A call that does not say which record."""
        for method in ("get", "delete"):
            with pytest.raises(TypeError, match="id"):
                getattr(counted, f"{method}_record")()
        for method in ("update", "patch"):
            with pytest.raises(TypeError, match="which record"):
                getattr(counted, f"{method}_record")(data={"a": 1})
        assert proxy.calls == []


@on_both_storages
class TestRecords:
    """What records have of their own."""

    def test_new_id(self, client: Client) -> None:
        """Without an id a record gets a new one; each its own."""
        ids = {client.create_record(data={"a": 1})["data"]["id"] for _ in range(3)}
        assert len(ids) == 3
        assert {each["id"] for each in client.get_records()} == ids

    def test_id_in_data(self, client: Client) -> None:
        """An id in the data is the record's."""
        assert client.create_record(data={"id": "a", "n": 1})["data"]["id"] == "a"
        assert client.update_record(data={"id": "a", "n": 2})["data"]["n"] == 2
        assert client.patch_record(data={"id": "a", "m": 3})["data"]["n"] == 2
        original = client.get_record(id="a")["data"]
        assert client.patch_record(original=original, data={"n": 4})["data"]["m"] == 3
        assert [each["id"] for each in client.get_records()] == ["a"]

    def test_elsewhere(self, client: Client) -> None:
        """A call may name another collection, and another bucket."""
        client.create_collection(id="others")
        client.create_record(id="a", collection="others", data={"n": 1})
        with pytest.raises(RecordNotFound):
            client.get_record(id="a")
        bucket = client.bucket_name
        assert client.get_records(bucket=bucket, collection="others")[0]["n"] == 1

    def test_lists(self, client: Client) -> None:
        """Lists give the data of all."""
        client.create_record(id="a", data={"n": 1})
        client.create_collection(id="others", data={"m": 2})
        assert [each["n"] for each in client.get_records()] == [1]
        assert {each["id"] for each in client.get_collections()} == {"things", "others"}
        assert client.bucket_name in {each["id"] for each in client.get_buckets()}


def test_new_id_survives_a_repetition(driver: Driver, proxy: FaultProxy, counted: Client) -> None:
    """K4: the id belongs to the call, and not to the attempt: one record is created."""
    proxy.answer(429, times=3)
    client = driver.client(
        proxy.url, auth=KintoServer.auth, bucket=counted.bucket_name, retry=QUICK
    )
    created = client.create_record(collection="things", data={"a": 1})["data"]
    assert len(proxy.calls) == 4
    assert len(set(proxy.calls)) == 1
    assert [each["id"] for each in counted.get_records()] == [created["id"]]
