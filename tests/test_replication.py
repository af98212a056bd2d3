"""One collection made equal to another one: on real servers, through both storages."""

from __future__ import annotations

import logging
import subprocess
import sys

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from faults import FaultProxy, HttpRequest
from kinto_orm import Client, replication
from kinto_orm.embedded import KintoServer
from kinto_orm.exceptions import (
    Forbidden,
    KintoBatchException,
    NotAttempted,
    PreconditionFailed,
    SnapshotMoved,
    TransportError,
)
from kinto_orm.replication import Replication, main, replicate
from server.kinds import on, on_both_storages
from transport.drivers import ONCE, QUICK


#: A timestamp that a server gives is later than this, unlike those that tests give.
NOW = 10**12

#: Opens a client with some options; of a class, if it is given first.
Open = Callable[..., Any]


@pytest.fixture
def open_client() -> Iterator[Open]:
    """Give a way to open clients."""
    with ExitStack() as stack:
        yield lambda kind=Client, **options: stack.enter_context(kind(**options))


@pytest.fixture
def origin(server: KintoServer, bucket: str, open_client: Open) -> Client:
    """Give a client with an empty collection, *things*, in a bucket of its own."""
    client: Client = open_client(
        server_url=server.url, auth=server.auth, bucket=f"{bucket}-origin", collection="things"
    )
    client.create_bucket()
    client.create_collection()
    return client


@pytest.fixture
def options(server: KintoServer, bucket: str) -> dict[str, Any]:
    """Give the options of a client of the destination."""
    return {
        "server_url": server.url,
        "auth": server.auth,
        "bucket": bucket,
        "collection": "copies",
        "retry": QUICK,
    }


@pytest.fixture
def destination(options: dict[str, Any], open_client: Open) -> Client:
    """Give a client whose bucket, and its collection *copies*, do not exist."""
    client: Client = open_client(**options)
    return client


def fill(client: Client, *ids: str, **data: Any) -> None:
    """Write records with *data*."""
    with client.batch() as batch:
        for id in ids:
            batch.update_record(id=id, data=data)


def everything(client: Client) -> list[dict[str, Any]]:
    """Return all records and tombstones, with their timestamps."""
    return client.get_records(_since=0, _sort="id")


def contents(client: Client) -> dict[str, Any]:
    """Return what a user has put into each record."""
    return {
        each["id"]: {k: v for k, v in each.items() if k not in ("id", "last_modified")}
        for each in client.get_records()
    }


def writes(proxy: FaultProxy) -> list[HttpRequest]:
    """Return the requests that passed and were not reads."""
    return [request for request in proxy.requests if request.method not in ("GET", "HEAD")]


# -- What is copied ----------------------------------------------------------------------------


@on_both_storages
class TestCopy:
    def test_k16_has_ids_of_its_own(self, origin: Client, destination: Client) -> None:
        """K16: what is missing is created, under the ids of the destination."""
        data, permissions = {"schema": {"type": "object"}}, {"read": ["system.Everyone"]}
        origin.patch_collection(data=data, permissions=permissions)
        fill(origin, "a", "b", n=[1, {"m": None}])
        done = replicate(origin, destination)
        assert done == Replication(collection="created", created=("a", "b"))
        copy = destination.get_collection()
        assert copy["data"]["id"] == "copies"
        assert copy["data"]["schema"] == data["schema"]
        assert copy["permissions"] == origin.get_collection()["permissions"]
        assert [each["id"] for each in destination.get_collections()] == ["copies"]
        assert everything(destination) == everything(origin)

    def test_k16_follows(self, origin: Client, destination: Client) -> None:
        """K16: creations, changes and deletions follow; what is equal is left alone."""
        fill(origin, "same", "changed", "gone", "dead", n=1)
        replicate(origin, destination)
        destination.create_record(id="strange", data={"last_modified": 1000})
        fill(origin, "changed", "new", n=2)
        origin.delete_record(id="gone")
        before = destination.get_record(id="same")
        assert replicate(origin, destination) == Replication(
            collection="unchanged",
            created=("new",),
            updated=("changed",),
            deleted=("gone", "strange"),
            unchanged=("dead", "same"),
        )
        assert contents(destination) == contents(origin)
        assert destination.get_record(id="same") == before
        kept = [each for each in everything(destination) if each["id"] != "strange"]
        assert kept == everything(origin)

    def test_is_nothing_of_nothing(self, origin: Client, destination: Client) -> None:
        """An empty collection is copied, too; and empties what is not."""
        assert replicate(origin, destination) == Replication(collection="created")
        fill(destination, "a")
        assert replicate(origin, destination) == Replication(collection="unchanged", deleted=("a",))

    def test_is_of_data_alone(self, origin: Client, destination: Client) -> None:
        """Attachments are copied as the data that they are, and so is a field called *deleted*."""
        attachment = {"location": "/files/x", "hash": "00"}
        origin.create_record(id="a", data={"attachment": attachment, "deleted": True})
        replicate(origin, destination)
        assert contents(destination) == {"a": {"attachment": attachment, "deleted": True}}

    def test_heeds_types_and_every_field(self, origin: Client, destination: Client) -> None:
        """Where records are not validated, any *schema* is the user's own; true is not 1."""
        fill(origin, "a", schema=1)
        fill(origin, "b", flag=True)
        replicate(origin, destination)
        fill(origin, "a", schema=2)
        fill(origin, "b", flag=1)
        assert replicate(origin, destination).updated == ("a", "b")
        assert contents(destination) == contents(origin)


@pytest.mark.parametrize("server", ["memory+history", "postgresql+history"], indirect=True)
def test_k16_a_second_run_writes_nothing(
    server: KintoServer, origin: Client, options: dict[str, Any], open_client: Open
) -> None:
    """K16: it leaves all timestamps and the history as they are, and sends nothing but reads."""
    origin.patch_collection(data={"x": [1]}, permissions={"read": ["system.Everyone"]})
    fill(origin, "a", "b", "c", n=1)
    origin.delete_record(id="c")
    with FaultProxy(server.url) as proxy:
        destination = open_client(**{**options, "server_url": proxy.url})
        replicate(origin, destination)
        before = [destination.get_bucket(), destination.get_collection(), everything(destination)]
        history = destination.get_history()
        proxy.forget()
        done = replicate(origin, destination)
        assert writes(proxy) == []
        assert done == Replication(collection="unchanged", unchanged=("a", "b"))
        assert before == [
            destination.get_bucket(),
            destination.get_collection(),
            everything(destination),
        ]
        assert destination.get_history() == history


def test_from_storage_to_storage(
    servers: Callable[[str], KintoServer], bucket: str, open_client: Open
) -> None:
    """From one server to another one, timestamps and deletions go with the records."""
    memory, postgresql = (
        open_client(
            server_url=servers(kind).url,
            auth=servers(kind).auth,
            bucket=f"{bucket}-{kind}",
            collection="things",
        )
        for kind in ("memory", "postgresql")
    )
    memory.create_bucket()
    memory.create_collection()
    fill(memory, "a", "b", "c", n=1)
    replicate(memory, postgresql)
    memory.delete_record(id="b")
    fill(memory, "c", n=2)
    replicate(memory, postgresql)
    assert everything(postgresql) == everything(memory)
    postgresql.delete_record(id="a")
    assert replicate(postgresql, memory).deleted == ("a",)
    assert everything(postgresql) == everything(memory)


# -- Timestamps --------------------------------------------------------------------------------


@on_both_storages
class TestTimestamps:
    """T3: what is kept is what Kinto takes, and what makes nothing older."""

    @pytest.fixture
    def destination(self, destination: Client) -> Client:
        """Give a client whose collection exists."""
        destination.create_bucket()
        destination.create_collection()
        return destination

    def store(self, client: Client, deleted: dict[str, int] | None = None, **stamps: int) -> None:
        """Create records with timestamps; delete some of them, with other ones."""
        for id, stamp in stamps.items():
            data = {"by": client.collection_name, "last_modified": stamp}
            client.create_record(id=id, data=data)
        for id, stamp in (deleted or {}).items():
            client.delete_record(id=id, last_modified=stamp)

    def stamps(self, client: Client) -> dict[str, int]:
        return {each["id"]: each["last_modified"] for each in everything(client)}

    def test_of_new_records_are_kept(self, origin: Client, destination: Client) -> None:
        """Also if they are older than the destination's collection."""
        fill(destination, "c")
        self.store(origin, a=1000, b=2000)
        assert replicate(origin, destination).created == ("a", "b")
        assert self.stamps(destination).items() > self.stamps(origin).items()

    def test_of_updates_never_go_back(self, origin: Client, destination: Client) -> None:
        """A record that is newer at the destination becomes newer still."""
        self.store(origin, a=1000, b=4000)
        self.store(destination, a=2000, b=3000)
        assert replicate(origin, destination).updated == ("b", "a")
        after = self.stamps(destination)
        assert after["b"] == 4000
        assert after["a"] > NOW

    def test_over_tombstones_never_go_back(self, origin: Client, destination: Client) -> None:
        """A record in the place of a deleted one is newer than the deletion."""
        self.store(origin, a=1000, b=4000)
        self.store(destination, {"a": 2000, "b": 3000}, a=500, b=600)
        assert replicate(origin, destination).created == ("b", "a")
        after = self.stamps(destination)
        assert after["b"] == 4000
        assert after["a"] > NOW

    def test_of_deletions_are_kept(self, origin: Client, destination: Client) -> None:
        """A deletion has the origin's time, unless the record is newer than that."""
        self.store(origin, {"a": 2000, "b": 3000}, a=1000, b=1100)
        self.store(destination, a=1500, b=3500)
        assert replicate(origin, destination).deleted == ("a", "b")
        after = self.stamps(destination)
        assert after["a"] == 2000
        assert after["b"] > NOW

    def test_are_not_used_twice(self, origin: Client, destination: Client) -> None:
        """One that another record has, or a tombstone, would be a 409 for ever: it is not sent."""
        self.store(destination, {"y": 2000}, x=1000, y=900)
        self.store(origin, a=1000, b=2000, c=3000)
        origin.create_record(id="x", data={"by": "copies"})
        assert replicate(origin, destination).created == ("c", "a", "b")
        after = self.stamps(destination)
        assert (after["c"], after["x"]) == (3000, 1000)
        assert min(after["a"], after["b"]) > NOW
        assert replicate(origin, destination).unchanged == ("a", "b", "c", "x")


@on("memory")
def test_timestamps_of_the_origin_that_are_used_twice(
    origin: Client, servers: Callable[[str], KintoServer], bucket: str, open_client: Open
) -> None:
    """T3: on memory storage two records may have one timestamp; on PostgreSQL one gets another."""
    with origin.batch() as batch:
        for id in ("a", "b"):
            batch.create_record(id=id, data={"last_modified": 1000})
    assert [each["last_modified"] for each in origin.get_records()] == [1000, 1000]
    server = servers("postgresql")
    destination = open_client(
        server_url=server.url, auth=server.auth, bucket=bucket, collection="copies"
    )
    assert replicate(origin, destination).created == ("a", "b")
    assert destination.get_record(id="a")["data"]["last_modified"] == 1000


# -- The collection ----------------------------------------------------------------------------


@on("memory")
class TestCollection:
    def test_is_brought_into_line(self, origin: Client, destination: Client) -> None:
        """Data and permissions become the origin's; what it does not have goes."""
        destination.create_bucket()
        destination.create_collection(data={"x": 1, "y": 2}, permissions={"read": ["mike"]})
        origin.patch_collection(data={"x": 2}, permissions={"record:create": ["anna"]})
        done = replicate(origin, destination)
        assert str(done) == "collection updated; records: none"
        copy = destination.get_collection()
        assert {**copy["data"], "last_modified": 0} == {"id": "copies", "x": 2, "last_modified": 0}
        assert copy["permissions"] == origin.get_collection()["permissions"]
        assert replicate(origin, destination).collection == "unchanged"

    def test_has_one_part_written(self, origin: Client, destination: Client) -> None:
        """If its permissions alone differ its data stays, and the other way round."""
        replicate(origin, destination)
        origin.patch_collection(permissions={"read": ["anna"]})
        assert replicate(origin, destination).collection == "updated"
        origin.patch_collection(data={"x": 1})
        assert replicate(origin, destination).collection == "updated"
        assert destination.get_collection()["permissions"]["read"] == ["anna"]
        assert destination.get_collection()["data"]["x"] == 1

    def test_keeps_its_writer(
        self, origin: Client, options: dict[str, Any], open_client: Open
    ) -> None:
        """P5: that the server adds the user who writes is not a difference."""
        destination = open_client(**{**options, "auth": ("another", "user")})
        origin.patch_collection(permissions={"read": ["anna"]})
        assert replicate(origin, destination).collection == "created"
        writers = destination.get_collection()["permissions"]["write"]
        assert set(writers) > set(origin.get_collection()["permissions"]["write"])
        assert replicate(origin, destination).collection == "unchanged"

    def test_keeps_permissions_that_are_not_to_be_seen(
        self, server: KintoServer, origin: Client, destination: Client, open_client: Open
    ) -> None:
        """P5: to one who only reads, the origin shows no permissions: these are not copied."""
        replicate(origin, destination)
        origin.patch_collection(permissions={"read": ["system.Everyone"], "write": ["anna"]})
        reader = open_client(
            server_url=server.url, bucket=origin.bucket_name, collection=origin.collection_name
        )
        assert replicate(reader, destination).collection == "unchanged"

    def test_needs_no_more_than_its_creation(
        self, origin: Client, destination: Client, options: dict[str, Any], open_client: Open
    ) -> None:
        """A user who may create collections in a bucket, but not buckets, can copy into it."""
        destination.create_bucket(permissions={"collection:create": ["system.Authenticated"]})
        fill(origin, "a")
        user = open_client(**{**options, "auth": ("another", "user")})
        assert replicate(origin, user).collection == "created"

    def test_is_not_overwritten(
        self, origin: Client, options: dict[str, Any], open_client: Open
    ) -> None:
        """Somebody else who writes it meanwhile makes it fail."""

        class Disturbed(Client):
            def update_collection(self, *args: Any, **kwargs: Any) -> Any:
                self.patch_collection(data={"x": "theirs"})
                return super().update_collection(*args, **kwargs)

        destination = open_client(Disturbed, **options)
        replicate(origin, destination)
        origin.patch_collection(data={"x": "ours"})
        with pytest.raises(PreconditionFailed):
            replicate(origin, destination)
        assert destination.get_collection()["data"]["x"] == "theirs"


def test_versions_of_schemas_do_not_count(bucket: str, open_client: Open) -> None:
    """D4: where records are validated each collection has its own version of the schema."""
    with KintoServer(experimental_collection_schema_validation=True) as server:
        origin, destination = (
            open_client(server_url=server.url, auth=server.auth, bucket=bucket, collection=id)
            for id in ("things", "copies")
        )
        origin.create_bucket()
        origin.create_collection(data={"schema": {"type": "object"}})
        fill(origin, "a", n=1)
        replicate(origin, destination)
        versions = {client.get_record(id="a")["data"]["schema"] for client in (origin, destination)}
        assert len(versions) == 2
        assert replicate(origin, destination).unchanged == ("a",)


@on_both_storages
@pytest.mark.parametrize("shared", [True, False], ids=["some records", "no records"])
def test_an_origin_that_is_seen_in_parts(
    origin: Client,
    destination: Client,
    options: dict[str, Any],
    open_client: Open,
    shared: bool,  # noqa: FBT001
) -> None:
    """A user to whom Kinto lists some records only, without a word, does not delete the others."""
    origin.patch_collection(permissions={"record:create": ["system.Authenticated"]})
    fill(origin, "a", "b", n=1)
    if shared:
        origin.patch_record(id="a", permissions={"read": ["system.Authenticated"]})
    replicate(origin, destination)
    place = {"bucket": origin.bucket_name, "collection": "things", "auth": ("another", "user")}
    user = open_client(**{**options, **place})
    assert len(user.get_records()) == shared
    with pytest.raises(Forbidden):
        replicate(user, destination)
    assert contents(destination) == contents(origin)


# -- Others at work ----------------------------------------------------------------------------


class Meanwhile(Client):
    """A client that has something else happen before each read of records, or before a batch."""

    before_reading: Callable[[], object] = staticmethod(lambda: None)
    before_writing: Callable[[], object] = staticmethod(lambda: None)

    def get_records(self, *args: Any, **kwargs: Any) -> Any:
        found = super().get_records(*args, **kwargs)
        self.before_reading()
        return found

    def batch(self, *args: Any, **kwargs: Any) -> Any:
        self.before_writing()
        return super().batch(*args, **kwargs)


@on_both_storages
class TestOthers:
    def test_are_not_overwritten(
        self, origin: Client, destination: Client, options: dict[str, Any], open_client: Open
    ) -> None:
        """What somebody else has written meanwhile stays, and is reported; the rest is written."""
        fill(origin, "update", "delete", "gone", "fine", n=1)
        replicate(origin, destination)
        origin.delete_record(id="delete")
        origin.delete_record(id="gone")
        fill(origin, "update", "fine", "create", n=2)

        def interfere() -> None:
            fill(destination, "update", "delete", "create", n="theirs")
            destination.delete_record(id="gone")

        disturbed = open_client(Meanwhile, **options)
        disturbed.before_writing = interfere
        with pytest.raises(KintoBatchException) as caught:
            replicate(origin, disturbed)
        assert [type(each) for each in caught.value.exceptions] == [PreconditionFailed] * 3
        for id in ("update", "delete", "create"):
            assert f"/records/{id}: 412" in str(caught.value)
        assert len(caught.value.outcomes) == 5
        theirs = {"n": "theirs"}
        assert contents(destination) == {
            **dict.fromkeys(("update", "delete", "create"), theirs),
            "fine": {"n": 2},
        }
        assert set(replicate(origin, destination).deleted) == {"delete"}
        assert contents(destination) == contents(origin)

    def test_may_be_ignored(
        self, origin: Client, destination: Client, options: dict[str, Any], open_client: Open
    ) -> None:
        """With *ignore_batch_4xx*, what was refused is in the result."""
        fill(origin, "a", "b", n=1)
        replicate(origin, destination)
        fill(origin, "a", "b", n=2)
        lenient = open_client(Meanwhile, **options, ignore_batch_4xx=True)
        lenient.before_writing = lambda: fill(destination, "a", n=3)
        done = replicate(origin, lenient)
        assert done == Replication(collection="unchanged", updated=("b",), refused=("a",))
        assert str(done) == "collection unchanged; records: 1 updated, 1 refused"

    def test_are_waited_for_at_the_origin(
        self, server: KintoServer, origin: Client, destination: Client, open_client: Open
    ) -> None:
        """If the origin changes while it is read, it is read again."""
        fill(origin, "a", "b", n=1)
        moving = open_client(
            Meanwhile,
            server_url=server.url,
            auth=server.auth,
            bucket=origin.bucket_name,
            collection=origin.collection_name,
        )
        left = [1, 2]

        def move() -> None:
            if left:
                fill(origin, "a", "c", n=left.pop())

        moving.before_reading = move
        assert set(replicate(moving, destination).created) == {"a", "b", "c"}
        assert everything(destination) == everything(origin)

    def test_never_rest(
        self, server: KintoServer, origin: Client, destination: Client, open_client: Open
    ) -> None:
        """If it changes all the time, that is said, and nothing is written."""
        moving = open_client(
            Meanwhile,
            server_url=server.url,
            auth=server.auth,
            bucket=origin.bucket_name,
            collection=origin.collection_name,
        )
        moving.before_reading = lambda: fill(origin, "a")
        with pytest.raises(SnapshotMoved, match="was changed each of the 5 times"):
            replicate(moving, destination)
        assert destination.bucket_name not in [each["id"] for each in origin.get_buckets()]


# -- Large collections, bad networks, dry runs -------------------------------------------------


def test_pages(bucket: str, open_client: Open) -> None:
    """Both sides are read with all their pages."""
    with KintoServer(paginate_by=3, batch_max_requests=4) as server:
        origin, destination = (
            open_client(server_url=server.url, auth=server.auth, bucket=bucket, collection=id)
            for id in ("things", "copies")
        )
        origin.create_bucket()
        origin.create_collection()
        fill(origin, *"abcdefghijk", n=1)
        replicate(origin, destination)
        for id in "adg":
            origin.delete_record(id=id)
        fill(origin, *"bek", n=2)
        done = replicate(origin, destination)
        assert str(done) == "collection unchanged; records: 3 updated, 3 deleted, 5 unchanged"
        assert everything(destination) == everything(origin)


@on("memory")
class TestNetwork:
    @pytest.fixture
    def proxy(self, server: KintoServer, destination: Client) -> Iterator[FaultProxy]:
        """Give a proxy before the server, whose destination exists."""
        destination.create_bucket()
        destination.create_collection()
        with FaultProxy(server.url) as proxy:
            yield proxy

    def test_a_lost_answer_is_found_out(
        self, proxy: FaultProxy, origin: Client, options: dict[str, Any], open_client: Open
    ) -> None:
        """If the answer to a batch is lost, what it wrote is not an error."""
        fill(origin, "a", "b", n=1)
        fault = proxy.lose_answer(when=lambda request: request.method == "POST")
        done = replicate(origin, open_client(**{**options, "server_url": proxy.url}))
        assert fault.count == 1
        assert done.created == ("a", "b")

    def test_a_broken_connection_ends_it(
        self,
        monkeypatch: pytest.MonkeyPatch,
        proxy: FaultProxy,
        origin: Client,
        destination: Client,
        options: dict[str, Any],
        open_client: Open,
    ) -> None:
        """Nothing more is sent then; the next run does what is left."""
        monkeypatch.setattr(replication, "_SLICE", 2)
        ids = tuple("abcdefg")
        fill(origin, *ids, n=1)
        broken = open_client(**{**options, "server_url": proxy.url, "retry": ONCE})
        proxy.answer(503, times=None, nth=2, when=lambda request: request.method == "POST")
        with pytest.raises(KintoBatchException) as caught:
            replicate(origin, broken)
        assert isinstance(caught.value.exceptions[-1], NotAttempted)
        assert "3 more records were not sent" in str(caught.value)
        assert len(contents(destination)) == 2
        done = replicate(origin, destination)
        assert (done.created, set(done.unchanged)) == (ids[2:], set(ids[:2]))

    def test_an_unreachable_origin(
        self, proxy: FaultProxy, origin: Client, destination: Client, open_client: Open
    ) -> None:
        """If the origin cannot be read, nothing is deleted at the destination."""
        fill(destination, "a")
        proxy.drop(times=None)
        away = open_client(
            server_url=proxy.url, bucket=origin.bucket_name, collection="things", retry=ONCE
        )
        with pytest.raises(TransportError):
            replicate(away, destination)
        assert list(contents(destination)) == ["a"]


@on("memory")
class TestDryRun:
    def test_writes_nothing(
        self, origin: Client, destination: Client, options: dict[str, Any], open_client: Open
    ) -> None:
        """A dry run says what would be done, and does nothing of it."""
        dry = open_client(**options, dry_mode=True)
        fill(origin, "a", "b", n=1)
        done = replicate(origin, dry)
        assert done == Replication(collection="created", created=("a", "b"), rehearsed=True)
        assert str(done) == ("dry run, nothing was written: collection created; records: 2 created")
        assert destination.bucket_name not in [each["id"] for each in origin.get_buckets()]

    def test_compares_with_what_is_there(
        self, origin: Client, destination: Client, options: dict[str, Any], open_client: Open
    ) -> None:
        """K46: it reads what the destination has, so that it says what a real run does."""
        fill(origin, "a", "b", "c", n=1)
        replicate(origin, destination)
        before = everything(destination)
        fill(origin, "a", n=2)
        origin.delete_record(id="b")
        rehearsed = replicate(origin, open_client(**options, dry_mode=True))
        assert everything(destination) == before
        done = replicate(origin, destination)
        assert (rehearsed.updated, rehearsed.deleted) == (done.updated, done.deleted)
        assert (rehearsed.updated, rehearsed.deleted) == (("a",), ("b",))


# -- The command -------------------------------------------------------------------------------


@pytest.fixture
def quiet() -> Iterator[None]:
    """Leave the logger as it was."""
    yield
    replication.logger.handlers.clear()
    replication.logger.setLevel(logging.NOTSET)


@on("memory")
@pytest.mark.usefixtures("quiet")
class TestCommand:
    @pytest.fixture
    def arguments(self, origin: Client, destination: Client) -> list[str]:
        """Give the options that name both collections."""
        assert origin.bucket_name
        assert destination.bucket_name
        return [
            *("--origin-bucket", str(origin.bucket_name), "--origin-collection", "things"),
            *("--server", destination.server_url, "--bucket", str(destination.bucket_name)),
            *("--collection", "copies", "--auth", ":".join(KintoServer.auth)),
        ]

    def test_k16_runs(self, origin: Client, destination: Client, arguments: list[str]) -> None:
        """K16: the command does what it is for, and does not show secrets."""
        fill(origin, "a", "b", n=1)
        command = [sys.executable, "-W", "error", "-m", "kinto_orm.replication"]
        command += ["--origin", origin.server_url, "--origin-auth", ":".join(KintoServer.auth)]
        command += [*arguments, "--verbose"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
        assert done.stdout == "collection created; records: 2 created\n"
        assert done.returncode == 0
        assert done.stderr.startswith(f"replication from {origin!r} to {destination!r}\n")
        assert ":".join(KintoServer.auth) not in done.stderr
        assert everything(destination) == everything(origin)

    def test_takes_the_rest_from_the_destination(
        self, origin: Client, arguments: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What is not said of the origin is as for the destination: here server and user."""
        fill(origin, "a", n=1)
        main(arguments)
        assert capsys.readouterr().out == "collection created; records: 1 created\n"
        main([*arguments, "--quiet"])
        assert capsys.readouterr().out == ""

    def test_k71_keeps_credentials_to_their_server(
        self, server: KintoServer, arguments: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """K71: the user of the destination is not told to an origin elsewhere."""
        with FaultProxy(server.url) as proxy:
            with pytest.raises(SystemExit) as left:
                main(["--origin", proxy.url, *arguments])
            assert [request.headers["Authorization"] for request in proxy.requests] == [None]
        assert "401" in str(left.value.code)
        assert capsys.readouterr().out == ""

    @pytest.mark.parametrize("option", ["--server", "--bucket", "--collection"])
    def test_needs_a_destination(
        self, arguments: list[str], option: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Without one of its parts it says what lacks."""
        at = arguments.index(option)
        with pytest.raises(SystemExit) as left:
            main(arguments[:at] + arguments[at + 2 :])
        assert left.value.code == 2
        assert f"Give {option}" in capsys.readouterr().err

    def test_needs_two_collections(
        self, arguments: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A collection is not copied to itself."""
        with pytest.raises(SystemExit) as left:
            main(arguments[4:])
        assert left.value.code == 2
        assert "are the same collection" in capsys.readouterr().err


@on("memory")
def test_what_is_logged(
    origin: Client,
    destination: Client,
    options: dict[str, Any],
    open_client: Open,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log says from where to where, and how far it is; not as whom."""
    caplog.set_level(logging.INFO, "kinto_orm.replication")
    stranger = open_client(**{**options, "auth": ("stranger", "hunter2")})
    with pytest.raises(Forbidden):
        replicate(stranger, destination)
    fill(origin, "a")
    replicate(origin, destination)
    assert "hunter2" not in caplog.text
    assert [entry.getMessage() for entry in caplog.records][1:] == [
        f"replication from {origin!r} to {destination!r}",
        "1 of 1 records sent",
    ]
