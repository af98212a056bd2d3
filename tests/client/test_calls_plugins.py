"""Calls for what plugins of Kinto add: history, accounts, review; in each way (see `ways`)."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from ecdsa import NIST384p, SigningKey

from faults import FaultProxy
from kinto_orm import Client
from kinto_orm.embedded import KintoServer
from kinto_orm.exceptions import (
    BadRequest,
    Forbidden,
    InvalidId,
    InvalidRequest,
    KintoException,
    NotFound,
    NotModified,
    PreconditionFailed,
)

from .ways import Way, not_batched


class TestHistory:
    @pytest.fixture
    def old(self, caller: Client) -> Client:
        """Give a client whose bucket has seen something."""
        caller.create_record(id="a", data={"n": 1})
        caller.update_record(id="a", data={"n": 2})
        caller.create_record(id="b", data={"n": 3})
        caller.delete_record(id="a")
        return caller

    def test_all(self, old: Client) -> None:
        """What was done comes the latest first, with what was written."""
        history = old.get_history()
        assert [(each["action"], each["uri"].rpartition("/")[2]) for each in history] == [
            ("delete", "a"),
            ("create", "b"),
            ("update", "a"),
            ("create", "a"),
            ("create", "things"),
            ("create", old.bucket_name),
        ]
        assert history[2]["target"]["data"]["n"] == 2

    def test_filtered(self, old: Client) -> None:
        """Entries can be chosen."""
        assert len(old.get_history(resource_name="record", action="create")) == 2
        assert len(old.get_history(record_id="a")) == 3
        assert len(old.get_history(in_action=["update", "delete"])) == 2
        assert len(old.get_history(exclude_resource_name=["record"])) == 2
        nested: dict[str, Any] = {"target.data.n": 3}
        assert old.get_history(user_id="account:nobody") == []
        first = old.get_history(_sort="last_modified", _limit=1)
        assert [each["resource_name"] for each in first] == ["bucket"]
        assert len(old.get_history(_since=first[0]["last_modified"])) == 5
        assert len(old.get_history(bucket=old.bucket_name, **nested)) == 1

    def test_pages(self, old: Client) -> None:
        """A limit is that of one page, unless more pages are wanted."""
        assert len(old.get_history(_limit=2)) == 2
        assert len(old.get_history(_limit=2, pages=2)) == 4
        assert len(old.get_history(_limit=4, pages=float("inf"), snapshot=True)) == 6

    def test_not_modified(self, old: Client) -> None:
        """A history that is known already is told from an empty one."""
        with pytest.raises(NotModified):
            old.get_history(if_none_match=old.get_history()[0]["last_modified"])

    def test_purge(self, old: Client) -> None:
        """Entries can be deleted: those that match, or all."""
        latest = old.get_history(_limit=1)[0]["last_modified"]
        gone = old.purge_history(resource_name="record", _before=latest)
        assert len(gone) == 3
        assert all(each["deleted"] for each in gone)
        assert len(old.get_history()) == 3
        with pytest.raises(PreconditionFailed):
            old.purge_history(if_match=1)
        assert len(old.purge_history(if_match=1, safe=False)) == 3
        assert old.get_history() == []

    @not_batched
    def test_iterated(self, old: Client) -> None:
        """Entries can be gone through."""
        assert len(list(old.iter_history())) == 6
        assert len(list(old.iter_history(_limit=2, action="create"))) == 4

    def test_not_there(self, way: Way, memory: KintoServer) -> None:
        """A server without that plugin says so."""
        client = way.client(memory.url, auth=memory.auth)
        with pytest.raises(NotFound):
            client.get_history(bucket="nowhere")


class TestAccounts:
    def test_life(self, way: Way, accounts: KintoServer, bucket: str) -> None:
        """
        A user is created, logs in, changes the password, is deleted.

        What the server says of the password, its hash, is passed on by none of this.
        """
        name, password = f"{bucket}@example.org", "p" * 72
        nobody = way.client(accounts.url)
        created = nobody.create_account(id=name, password=password, data={"of": "us"})
        assert created["data"].items() >= {"id": name, "of": "us"}.items()
        user = way.client(accounts.url, auth=(name, password))
        assert user.current_user()["id"] == f"account:{name}"  # type: ignore[index]
        account = user.get_account(id=name)
        assert account["data"]["of"] == "us"
        assert account["permissions"].keys() == {"write"}
        assert user.get_accounts() == [account["data"]]
        changed = user.change_password(id=name, password="ä" * 36)
        user = way.client(accounts.url, auth=(name, "ä" * 36))
        assert user.get_account(id=name)["data"]["of"] == "us"
        gone = user.delete_account(id=name)
        assert gone is not None
        assert gone["deleted"]
        for shown in (created, account, changed):
            assert "password" not in shown["data"]

    def test_taken(self, way: Way, accounts: KintoServer, bucket: str) -> None:
        """An account that exists is not overwritten, nor shown to others."""
        nobody = way.client(accounts.url)
        nobody.create_account(id=bucket, password="right")
        with pytest.raises(KintoException) as caught:
            nobody.create_account(id=bucket, password="other")
        assert "other" not in str(caught.value)
        user = way.client(accounts.url, auth=(bucket, "right"))
        with pytest.raises(PreconditionFailed) as taken:
            user.create_account(id=bucket, password="other")
        assert "password" not in (taken.value.existing or {})
        with pytest.raises(Forbidden):
            user.get_account(id=f"{bucket}-not")
        wrong = way.client(accounts.url, auth=(bucket, "wrong"))
        assert wrong.current_user() is None
        assert "user" not in wrong.server_info()
        assert user.delete_account(id=bucket) is not None

    @pytest.mark.parametrize("password", ["p" * 73, "ä" * 37, "", None, 42])
    def test_passwords(self, way: Way, proxy: FaultProxy, password: Any) -> None:
        """D6: a password that the server could not take is not sent."""
        nobody = way.client(proxy.url)
        for call in (nobody.create_account, nobody.change_password):
            with pytest.raises(InvalidRequest, match="password"):
                call(id="ann", password=password)
        assert proxy.calls == []

    def test_names(self, way: Way, memory: KintoServer) -> None:
        """A name that is none is refused."""
        nobody = way.client(memory.url)
        for name in ("", "a:b", "a b", ".a", "a\n"):
            with pytest.raises(InvalidId):
                nobody.create_account(id=name, password="x")


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> Generator[KintoServer]:
    """Give a server with review: of what is in *staging*, in *main*, and seen in *preview*."""
    key: Path = tmp_path_factory.mktemp("signer") / "key.pem"
    key.write_bytes(SigningKey.generate(curve=NIST384p).to_pem())
    settings = {
        "includes": "kinto_signer kinto_changes",
        "kinto.signer.resources": "/buckets/staging -> /buckets/preview -> /buckets/main",
        "kinto.signer.ecdsa.private_key": str(key),
        "kinto.signer.to_review_enabled": "true",
        "kinto.signer.group_check_enabled": "true",
        "kinto.changes.resources": "/buckets/main",
    }
    with KintoServer(**settings) as server:  # type: ignore[arg-type]
        yield server


class TestReview:
    @pytest.fixture
    def reviewer(self, way: Way, signing: KintoServer, bucket: str) -> Client:
        """Give a client of somebody who looks at the changes of others."""
        auth = ("reviewer", "x")
        return way.client(signing.url, auth=auth, bucket="staging", collection=bucket)

    @pytest.fixture
    def editor(self, way: Way, signing: KintoServer, bucket: str, reviewer: Client) -> Client:
        """Give a client of somebody who has changed something, in a collection of its own."""
        auth = ("editor", "x")
        client = way.client(signing.url, auth=auth, bucket="staging", collection=bucket)
        who = reviewer.current_user()["id"]  # type: ignore[index]
        client.create_bucket(if_not_exists=True, permissions={"write": [who]})
        client.create_collection()
        client.add_members(id="reviewers", members=[who])
        client.create_record(id="a", data={"n": 1})
        return client

    def published(self, client: Client, bucket: str = "main") -> list[str]:
        """Return the ids of the records that are published."""
        changeset = client.get_changeset(bucket, client.collection_name)
        assert changeset.keys() >= {"changes", "metadata", "timestamp"}
        return sorted(each["id"] for each in changeset["changes"])

    def test_approved(self, editor: Client, reviewer: Client) -> None:
        """What one asked for, and another approved, is published."""
        asked = editor.request_review("please")["data"]
        assert asked.items() >= {"status": "to-review", "last_editor_comment": "please"}.items()
        assert self.published(editor, "preview") == ["a"]
        assert self.published(editor) == []
        assert reviewer.approve_changes()["data"]["status"] == "to-sign"
        assert editor.get_collection()["data"]["status"] == "signed"
        assert self.published(editor) == ["a"]

    def test_declined(self, editor: Client, reviewer: Client) -> None:
        """What is declined goes back to its editors, with a reason."""
        editor.request_review("please", data={"note": 1})
        reviewer.decline_changes("no", id=editor.collection_name)
        found = editor.get_collection()["data"]
        expected = {"status": "work-in-progress", "last_reviewer_comment": "no", "note": 1}
        assert found.items() >= expected.items()

    def test_rolled_back(self, editor: Client, reviewer: Client) -> None:
        """What was changed since it was published can be undone."""
        editor.request_review("please")
        reviewer.approve_changes()
        editor.update_record(id="a", data={"n": 2})
        editor.create_record(id="b")
        editor.rollback_changes("sorry")
        assert editor.get_collection()["data"]["status"] == "signed"
        assert [(each["id"], each["n"]) for each in editor.get_records()] == [("a", 1)]

    def test_refused(self, editor: Client, reviewer: Client) -> None:
        """What the server refuses is an error: who may not approve, what is not under review."""
        with pytest.raises(BadRequest, match="not under review"):
            reviewer.approve_changes()
        editor.request_review("please")
        with pytest.raises(Forbidden, match="reviewers group"):
            editor.approve_changes()

    def test_moved(self, editor: Client) -> None:
        """Nothing is asked for if the collection is not as it was seen."""
        seen = editor.get_collection()["data"]
        editor.patch_collection(data={"note": 2})
        for options in ({"original": seen}, {"if_match": seen["last_modified"]}):
            with pytest.raises(PreconditionFailed):
                editor.request_review("please", **options)
        editor.request_review("please", original=seen, safe=False)
        assert editor.get_collection()["data"]["status"] == "to-review"

    def test_changes_since(self, editor: Client) -> None:
        """A changeset can be that of what was written since."""
        changes = editor.get_changeset(bucket="staging")
        assert editor.get_changeset(_since=changes["timestamp"])["changes"] == []
        editor.delete_record(id="a")
        (gone,) = editor.get_changeset(_since=changes["timestamp"])["changes"]
        assert gone["deleted"]

    def test_caches(self, way: Way, proxy: FaultProxy) -> None:
        """A changeset can be asked for in a way that no cache has seen."""
        client = way.client(proxy.url, bucket="b", collection="c")
        proxy.answer(200, {"changes": [], "metadata": {}, "timestamp": 5}, times=None)
        assert client.get_changeset()["timestamp"] == 5
        client.get_changeset(_expected=5)
        for _ in range(2):
            client.get_changeset(bust_cache=True)
        asked = [path.partition("_expected=")[2] for _, path in proxy.calls]
        assert asked[:2] == ["0", "5"]
        assert len(set(asked)) == 4

    def test_without_the_plugin(self, caller: Client) -> None:
        """Without that plugin a review is what it is: attributes of the collection."""
        caller.request_review("please", caller.collection_name, caller.bucket_name)
        caller.decline_changes("no")
        caller.approve_changes()
        caller.rollback_changes("back", permissions={"read": ["system.Everyone"]})
        found = caller.get_collection()
        assert (
            found["data"].items()
            >= {
                "status": "to-rollback",
                "last_editor_comment": "back",
                "last_reviewer_comment": "no",
            }.items()
        )
        assert found["permissions"]["read"] == ["system.Everyone"]


class TestGroups:
    def test_members(self, caller: Client) -> None:
        """Members come and go, one by one; the others stay."""
        caller.create_group(id="g", data={"members": ["ann", "bob"], "of": "us"})
        added = caller.add_members(id="g", members=["cy", "ann", "cy"])
        assert added["data"]["members"] == ["ann", "bob", "cy"]
        left = caller.remove_members(group="g", members=["ann", "dan"])
        assert left["data"]["members"] == ["bob", "cy"]
        assert caller.get_group(id="g")["data"]["of"] == "us"
        with pytest.raises(NotFound):
            caller.add_members(id="nobody", members=["ann"])
        with pytest.raises(InvalidRequest, match="list of principals"):
            caller.add_members(id="g", members="ann")
