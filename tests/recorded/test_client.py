"""The calls of a client, of both kinds, against recorded answers of a real Kinto."""

from __future__ import annotations

from typing import Any

import pytest

from client.ways import Way
from kinto_orm import BasicPatch, Client, JSONPatch, KintoBatchException, MergePatch
from kinto_orm.exceptions import (
    BadRequest,
    CollectionNotFound,
    Forbidden,
    NotFound,
    NotModified,
    PreconditionFailed,
    RecordNotFound,
    Unauthorized,
)


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Give the settings of the server that is recorded: all there is, on small pages."""
    if "accounts" in request.node.name:
        policy = "kinto.plugins.accounts.AccountsPolicy"
        return {
            "includes": "kinto.plugins.accounts",
            "multiauth.policies": "account",
            "multiauth.policy.account.use": policy,
            "account_create_principals": "system.Everyone",
        }
    return {"history": True, "experimental_permissions_endpoint": True, "paginate_by": 4}


def test_server(client: Client) -> None:
    """The server says what it is, how it is, and who asks."""
    info = client.server_info()
    assert info["settings"]["batch_max_requests"] == 25
    assert "history" in info["capabilities"]
    user = client.current_user()
    assert user is not None
    assert user["id"] in user["principals"]
    assert client.heartbeat() == {"storage": True, "permission": True, "cache": True}
    assert client.lbheartbeat() == {}


def test_buckets(client: Client) -> None:
    """Buckets are created, read, changed and deleted."""
    there = client.create_bucket(id="b0", data={"n": 0})
    assert client.create_bucket(id="b0", if_not_exists=True) == there
    assert client.get_bucket(id="b0") == there
    client.update_bucket(id="b0", data={"n": 1}, if_match=there["data"]["last_modified"])
    client.patch_bucket(id="b0", permissions={"read": ["system.Everyone"]})
    for n in range(1, 5):
        client.create_bucket(id=f"b{n}", data={"n": n})
    assert {each["id"] for each in client.get_buckets()} == {
        "recorded",
        *(f"b{n}" for n in range(5)),
    }
    assert client.count_buckets() == 6
    assert client.delete_bucket(id="b4")["deleted"]  # type: ignore[index]
    assert client.delete_bucket(id="b4", if_exists=True) is None
    assert len(client.delete_buckets(in_n=[1, 2, 3])) == 4


def test_groups(client: Client) -> None:
    """Groups are created, read, changed and deleted; members come and go."""
    client.create_group(id="g", data={"members": ["ann"]})
    client.add_members(id="g", members=["bob"])
    client.remove_members(id="g", members=["ann"])
    found = client.get_group(id="g")["data"]
    assert found["members"] == ["bob"]
    changed = client.patch_group(id="g", changes=MergePatch({"of": "us"}), original=found)
    assert changed["data"]["of"] == "us"
    client.update_group(id="h", data={"members": []})
    assert [each["id"] for each in client.get_groups()] == ["h", "g"]
    assert client.count_groups(contains_members="bob") == 1
    client.delete_group(id="h")
    assert len(client.delete_groups()) == 1


def test_collections(client: Client) -> None:
    """Collections are created, read, changed and deleted."""
    client.create_collection(id="c", data={"n": 1}, permissions={"read": ["system.Everyone"]})
    client.patch_collection(id="c", changes=BasicPatch({"m": 2}))
    operations = [{"op": "remove", "path": "/data/n"}]
    found = client.patch_collection(id="c", changes=JSONPatch(operations))
    assert found["data"]["m"] == 2
    assert found["permissions"]["read"] == ["system.Everyone"]
    client.update_collection(id="d", data={})
    assert [each["id"] for each in client.get_collections(_sort="-id")] == ["things", "d", "c"]
    assert client.count_collections() == 3
    client.delete_collection(id="d")
    assert client.delete_collections(m=2)[0]["id"] == "c"


def test_records(client: Client) -> None:
    """Records are written; lists are filtered, sorted, and read on all pages."""
    for n in range(10):
        client.create_record(id=f"r{n}", data={"n": n, "t": str(n), "even": n % 2 == 0})
    stamp = client.get_records_timestamp()
    assert len(client.get_records()) == 10
    assert client.count_records() == 10
    assert [each["n"] for each in client.get_records(min_n=7, _sort="-n")] == [9, 8, 7]
    assert [each["n"] for each in client.get_records(t="3")] == [3]
    assert client.get_records(t=3) == []
    assert [each["n"] for each in client.get_records(in_n=[1, 2], even=True)] == [2]
    assert [each["n"] for each in client.get_records(_sort="n", _limit=2)] == [0, 1]
    assert len(client.get_records(_sort="n", _limit=2, pages=3, snapshot=True)) == 6
    found = client.get_records(id="r5", _fields=["n"])
    assert found[0].keys() == {"id", "last_modified", "n"}
    client.update_record(id="r1", data={"n": 11})
    client.patch_record(id="r2", changes=MergePatch({"even": None}))
    client.delete_record(id="r3")
    changed = {each["id"]: each for each in client.get_records(_since=stamp)}
    assert changed.keys() == {"r1", "r2", "r3"}
    assert changed["r3"]["deleted"]
    assert len(client.get_records(_before=int(stamp), lt_n=9)) == 6
    assert [each["id"] for each in client.iter_records(gt_n=6)] == ["r1", "r7", "r8", "r9"]
    assert [len(page["data"]) for page in client.get_paginated_records()] == [4, 4, 1]
    assert len(client.delete_records(lt_n=9)) == 7
    assert [each["id"] for each in client.get_records()] == ["r1", "r9"]


def test_history(client: Client) -> None:
    """What was done in a bucket is read, and forgotten."""
    client.create_record(id="a", data={"n": 1})
    client.update_record(id="a", data={"n": 2})
    client.delete_record(id="a")
    history = client.get_history()
    assert [each["action"] for each in history] == [
        "delete",
        "update",
        "create",
        "create",
        "create",
    ]
    assert len(client.get_history(resource_name="record", action="update")) == 1
    assert [each["uri"] for each in client.iter_history(_limit=2)] == [
        each["uri"] for each in history
    ]
    assert len(client.purge_history(_before=history[0]["last_modified"])) == 4
    assert client.get_history() == history[:1]


def test_permissions(client: Client) -> None:
    """What the user may do is listed, on all pages."""
    client.create_group(id="x", data={"members": []})
    client.create_collection(id="x")
    client.create_record(id="x", collection="x")
    found = client.get_permissions()
    assert [each["resource_name"] for each in found] == [
        "root",
        "bucket",
        "collection",
        "collection",
        "record",
        "group",
    ]
    assert len(client.get_permissions(["record", "root"])) == 4


def test_batches(client: Client) -> None:
    """Operations of all kinds are made together; each has its result."""
    with client.batch() as batch:
        created = [batch.create_record(id=f"r{n}", data={"n": n}) for n in range(6)]
        patched = batch.patch_record(id="r1", changes=MergePatch({"n": None, "m": 1}))
        operations = [{"op": "replace", "path": "/data/n", "value": 20}]
        batch.patch_record(id="r2", changes=JSONPatch(operations))
        listed = batch.get_records()
        gone = batch.delete_record(id="nowhere", if_exists=True)
    assert [each.result()["data"]["n"] for each in created] == list(range(6))
    assert patched.result()["data"].keys() == {"id", "last_modified", "m"}
    assert {each["id"]: each.get("n") for each in listed.result()} == {
        "r0": 0,
        "r1": None,
        "r2": 20,
        "r3": 3,
        "r4": 4,
        "r5": 5,
    }
    assert gone.result() is None
    with pytest.raises(KintoBatchException) as caught, client.batch() as batch:
        handles = [batch.create_record(id=id) for id in ("r1", "r6")]
    assert [type(each) for each in caught.value.exceptions] == [PreconditionFailed]
    assert handles[1].result()["data"]["id"] == "r6"


def test_errors(way: Way, client: Client) -> None:
    """What the server refuses is raised, of a class for each reason."""
    stamp = client.create_record(id="a", data={"n": 1})["data"]["last_modified"]
    with pytest.raises(PreconditionFailed) as caught:
        client.create_record(id="a", data={"n": 2})
    assert caught.value.existing == {"id": "a", "n": 1, "last_modified": stamp}
    with pytest.raises(NotModified):
        client.get_record(id="a", if_none_match=stamp)
    with pytest.raises(NotModified):
        client.get_records(if_none_match=stamp)
    with pytest.raises(RecordNotFound):
        client.get_record(id="b")
    with pytest.raises(CollectionNotFound):
        client.get_records(collection="nowhere")
    with pytest.raises(Forbidden):
        client.get_collection(bucket="nowhere")
    with pytest.raises(NotFound):
        client.session.request("GET", "/nowhere")
    with pytest.raises(BadRequest):
        client.update_group(id="g", data={"members": 5})
    nobody = way.client(client.server_url, bucket="recorded")
    with pytest.raises(Unauthorized):
        nobody.get_bucket()


def test_accounts(way: Way, place: dict[str, Any]) -> None:
    """An account is created, read, changed and deleted."""
    url = place["server_url"]
    nobody = way.client(url)
    created = nobody.create_account(id="ann", password="s3cr3t", data={"of": "us"})
    assert created["data"].keys() == {"id", "last_modified", "of"}
    user = way.client(url, auth=("ann", "s3cr3t"))
    assert user.current_user()["id"] == "account:ann"  # type: ignore[index]
    assert user.get_account(id="ann")["data"] == created["data"]
    user.change_password(id="ann", password="s3cr3t, too")
    user = way.client(url, auth=("ann", "s3cr3t, too"))
    assert len(user.get_accounts()) == 1
    gone = user.delete_account(id="ann")
    assert gone is not None
    assert gone["deleted"]
    with pytest.raises(Unauthorized):
        user.get_account(id="ann")
