"""Batches of a client: many operations, few requests."""

from __future__ import annotations

import json
import pickle

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import attrs
import pytest

from faults import FaultProxy, HttpAnswer
from kinto_orm import Client, JSONPatch
from kinto_orm.embedded import KintoServer
from kinto_orm.exceptions import (
    AnswerLost,
    KintoBatchException,
    NotAttempted,
    PreconditionFailed,
    RecordNotFound,
    UnsendableValue,
)
from server.kinds import on_both_storages
from transport.drivers import ONCE, Driver


def sent(proxy: FaultProxy) -> list[list[tuple[str, str]]]:
    """Return what was in each batch that passed, as method and last part of the path."""
    return [
        [(method, path.rpartition("/")[2]) for method, path in request.entries]
        for request in proxy.requests
        if request.method == "POST"
    ]


@on_both_storages
class TestResults:
    def test_all_kinds(self, client: Client) -> None:
        """Operations of all kinds go together; handles have results, the batch has answers."""
        with client.batch() as batch:
            created = batch.create_record(id="a", data={"n": 1})
            patched = batch.patch_record(id="a", data={"m": 2})
            read = batch.get_record(id="a")
            listed = batch.get_records()
            bucket = batch.get_bucket()
            deleted = batch.delete_record(id="a")
            info = batch.server_info()
        assert created.result()["data"]["n"] == 1
        assert patched.result()["data"]["m"] == 2
        assert read.result()["data"] == patched.result()["data"]
        assert listed.result() == [read.result()["data"]]
        assert bucket.result()["data"]["id"] == client.bucket_name
        assert deleted.result() is not None
        assert info.result()["settings"]
        assert batch.results() == [
            created.result(),
            patched.result(),
            read.result(),
            {"data": listed.result()},
            bucket.result(),
            {"data": deleted.result()},
            info.result(),
        ]
        assert client.get_records() == []

    def test_second_request(self, client: Client) -> None:
        """An operation that needs a second request has it made; the others do not mind."""
        client.create_record(id="a", data={"n": 1})
        with client.batch() as batch:
            there = batch.create_record(id="a", data={"n": 2}, if_not_exists=True)
            new = batch.create_record(id="b", data={"n": 3}, if_not_exists=True)
            gone = batch.delete_record(id="c", if_exists=True)
        assert there.result()["data"]["n"] == 1
        assert new.result()["data"]["n"] == 3
        assert gone.result() is None
        assert [body.get("code") for body in batch.results()] == [None, None, 404]

    def test_json_patch(self, client: Client) -> None:
        """B1: a JSON Patch is sent alone, in its turn."""
        client.create_record(id="a", data={"n": 1})
        with client.batch() as batch:
            batch.patch_record(id="a", data={"n": 2})
            operations = [
                {"op": "test", "path": "/data/n", "value": 2},
                {"op": "add", "path": "/data/m", "value": 3},
            ]
            batch.patch_record(id="a", changes=JSONPatch(operations))
            last = batch.patch_record(id="a", data={"n": 4})
        assert last.result()["data"].items() >= {"n": 4, "m": 3}.items()

    def test_preconditions(self, client: Client) -> None:
        """P1: preconditions hold for the operation that they are given to."""
        stamp = client.create_record(id="a", data={"n": 1})["data"]["last_modified"]
        with pytest.raises(KintoBatchException), client.batch() as batch:  # noqa: PT012
            right = batch.update_record(id="a", data={"n": 2}, if_match=stamp)
            wrong = batch.update_record(id="a", data={"n": 3}, if_match=stamp)
            new = batch.update_record(id="b", data={"n": 4})
        assert right.result()["data"]["n"] == 2
        assert isinstance(wrong.error, PreconditionFailed)
        assert wrong.error.existing == right.result()["data"]
        assert new.result()["data"]["n"] == 4

    def test_permissions(self, client: Client) -> None:
        """Permissions travel in batches as well."""
        with client.batch() as batch:
            created = batch.create_record(data={}, permissions={"read": ["system.Everyone"]})
        assert created.result()["permissions"]["read"] == ["system.Everyone"]

    def test_elsewhere(self, client: Client) -> None:
        """A batch may have a bucket and a collection of its own."""
        client.create_collection(id="others")
        with client.batch(collection="others") as batch:
            batch.create_record(id="a")
            batch.create_record(id="b", collection="things")
        assert [each["id"] for each in client.get_records(collection="others")] == ["a"]
        assert [each["id"] for each in client.get_records()] == ["b"]


class TestFailures:
    def test_some(self, counted: Client) -> None:
        """B6: those that failed are raised together; the others succeeded."""
        counted.create_record(id="a", data={"n": 1})
        with pytest.raises(KintoBatchException) as caught, counted.batch() as batch:  # noqa: PT012
            first = batch.create_record(id="a")
            second = batch.create_record(id="b", data={"n": 2})
            third = batch.get_record(id="c")
        error = caught.value
        assert [type(each) for each in error.exceptions] == [PreconditionFailed, RecordNotFound]
        assert error.outcomes == [first.error, second.result(), third.error]
        ((answers, _),) = error.results
        assert [each["status"] for each in answers["responses"]] == [412, 201, 404]
        assert [each["body"] for each in answers["responses"]] == batch.results()
        assert str(error).startswith("2 of 3 operations failed:\n")
        for each in error.exceptions:
            assert str(each) in str(error)
        assert counted.get_record(id="b")["data"]["n"] == 2
        with pytest.raises(PreconditionFailed):
            first.result()
        assert batch.results()[1] == second.result()

    def test_can_be_pickled(self, counted: Client) -> None:
        """K48: the error can be sent to another process."""
        with pytest.raises(KintoBatchException) as caught, counted.batch() as batch:
            batch.get_record(id="a")
        kept = pickle.loads(pickle.dumps(caught.value))
        assert str(kept) == str(caught.value)
        assert [str(each) for each in kept.exceptions] == [str(caught.value.exceptions[0])]

    def test_of_the_block(self, counted: Client, proxy: FaultProxy) -> None:
        """If the block raises, nothing is sent."""
        with pytest.raises(LookupError), counted.batch() as batch:  # noqa: PT012
            pending = batch.create_record(id="a")
            raise LookupError
        assert proxy.calls == []
        with pytest.raises(RuntimeError, match="has not been sent yet"):
            pending.result()

    def test_result_inside_the_block(self, counted: Client, proxy: FaultProxy) -> None:
        """A result is there after the block, and not earlier."""
        with pytest.raises(RuntimeError, match="has not been sent yet"), counted.batch() as batch:
            batch.create_record(id="a").result()
        assert proxy.calls == []

    def test_answer_lost(self, driver: Driver, counted: Client, proxy: FaultProxy) -> None:
        """When an answer gets lost, what was under way says so, and the rest is not sent."""
        client = driver.client(
            proxy.url,
            auth=KintoServer.auth,
            bucket=counted.bucket_name,
            collection="things",
            retry=ONCE,
        )
        proxy.lose_answer(when=lambda request: request.path == "/v1/batch", nth=2)
        with pytest.raises(KintoBatchException) as caught, client.batch() as batch:  # noqa: PT012
            for n in range(60):
                batch.create_record(id=f"r{n}")
        errors = [type(each) for each in caught.value.exceptions]
        assert errors == [AnswerLost] * 25 + [NotAttempted] * 10
        assert [len(each) for each in sent(proxy)] == [25, 25]
        assert len(counted.get_records()) == 50

    def test_unsendable(self, counted: Client, proxy: FaultProxy) -> None:
        """D1: a value that cannot be sent is refused; the other operations are done."""
        with pytest.raises(KintoBatchException) as caught, counted.batch() as batch:  # noqa: PT012
            first = batch.create_record(id="a", data={"n": 1})
            wrong = batch.create_record(id="b", data={"n": float("nan")})
            batch.create_record(id="c", data={"n": 3})
            batch.create_record(id="d", data={"n": 4})
        assert caught.value.exceptions == [wrong.error]
        assert isinstance(wrong.error, UnsendableValue)
        assert first.result()["data"]["n"] == 1
        assert sent(proxy) == [[("PUT", "c"), ("PUT", "d")]]
        assert {each["id"] for each in counted.get_records()} == set("acd")

    def test_too_late(self, counted: Client, proxy: FaultProxy) -> None:
        """Behind its block a batch refuses calls, of its clones as well: they would not be sent."""
        with counted.batch() as batch:
            batch.create_record(id="a")
            other = batch.clone(collection="others")
        proxy.forget()
        with pytest.raises(RuntimeError, match="comes too late"):
            batch.get_record(id="a")
        with pytest.raises(RuntimeError, match="comes too late"):
            other.get_record(id="a")
        with pytest.raises(RuntimeError, match="comes too late"):
            batch.session.request("get", "/")
        assert proxy.calls == []

    def test_hashes_of_passwords(self, driver: Driver, accounts: KintoServer, bucket: str) -> None:
        """D6: the answers of a batch have none of the hashes that the server gives."""
        auth = (bucket, "secret")
        driver.client(accounts.url).create_account(id=bucket, password=auth[1])
        client = driver.client(accounts.url, auth=auth)
        with pytest.raises(KintoBatchException) as caught, client.batch() as batch:  # noqa: PT012
            batch.get_account(id=bucket)
            batch.get_accounts()
            batch.create_account(id=bucket, password="other")
        assert len(batch.results()) == 3
        assert "$2b$" not in str([batch.results(), caught.value.results, caught.value.outcomes])


class TestRequests:
    def test_empty(self, counted: Client, proxy: FaultProxy) -> None:
        """An empty batch sends nothing."""
        with counted.batch() as batch:
            pass
        assert batch.results() == []
        assert proxy.calls == []

    def test_one(self, counted: Client, proxy: FaultProxy) -> None:
        """A single operation needs no batch, and no look at the limit of one."""
        with counted.batch() as batch:
            batch.create_record(id="a")
        assert [method for method, _ in proxy.calls] == ["PUT"]

    def test_many(self, counted: Client, proxy: FaultProxy) -> None:
        """B11: the limit is asked for once in the life of a client; batches are filled up."""
        for _ in range(2):
            with counted.batch() as batch:
                for n in range(30):
                    batch.update_record(id=f"r{n}", data={"n": n})
        assert proxy.calls == [
            ("GET", "/v1/"),
            *[("POST", "/v1/batch")] * 4,
        ]
        assert [len(each) for each in sent(proxy)] == [25, 5, 25, 5]
        assert len(counted.get_records()) == 30

    def test_limit(self, driver: Driver, small: KintoServer, bucket: str) -> None:
        """B11: a server that takes fewer at a time gets fewer."""
        with FaultProxy(small.url) as proxy:
            client = driver.client(proxy.url, auth=small.auth, bucket=bucket, collection="c")
            client.create_bucket()
            client.create_collection()
            with client.batch() as batch:
                for n in range(25):
                    batch.create_record(id=f"r{n}")
            assert [len(each) for each in sent(proxy)] == [10, 10, 5]
            order = [path for each in sent(proxy) for _, path in each]
            assert order == [f"r{n}" for n in range(25)]
            assert proxy.calls.count(("GET", "/v1/")) == 1

    def test_rounds(self, counted: Client, proxy: FaultProxy) -> None:
        """Second requests of several operations go together as well."""
        with counted.batch() as batch:
            batch.create_record(id="a")
            batch.create_record(id="b")
        proxy.forget()
        with counted.batch() as batch:
            batch.create_record(id="a", if_not_exists=True)
            batch.create_record(id="b", if_not_exists=True)
            batch.create_record(id="c", if_not_exists=True)
        assert sent(proxy) == [
            [("PUT", "a"), ("PUT", "b"), ("PUT", "c")],
            [("GET", "a"), ("GET", "b")],
        ]

    def test_related(self, counted: Client, proxy: FaultProxy) -> None:
        """B3, B10: what is for the same object, or for one above it, is in another request."""
        with counted.batch() as batch:
            batch.create_record(id="a", data={"n": 1})
            batch.create_record(id="b")
            batch.patch_record(id="a", data={"n": 2})
            listed = batch.get_records()
            batch.delete_records()
            batch.create_record(id="c")
        assert [method for method, _ in proxy.calls] == [
            "GET",
            "POST",
            "PATCH",
            "GET",
            "DELETE",
            "PUT",
        ]
        assert sent(proxy) == [[("PUT", "a"), ("PUT", "b")]]
        assert {each["id"]: each.get("n") for each in listed.result()} == {"a": 2, "b": None}
        assert [each["id"] for each in counted.get_records()] == ["c"]

    def test_json_patch(self, counted: Client, proxy: FaultProxy) -> None:
        """B1: a JSON Patch parts a batch in two."""
        counted.create_record(id="a", data={"n": 1})
        proxy.forget()
        with counted.batch() as batch:
            batch.create_record(id="b")
            batch.create_record(id="c")
            batch.patch_record(id="a", changes=JSONPatch([{"op": "remove", "path": "/data/n"}]))
            batch.create_record(id="d")
            batch.create_record(id="e")
        assert [method for method, _ in proxy.calls] == ["GET", "POST", "PATCH", "POST"]

    def test_outer_request(self, counted: Client, proxy: FaultProxy) -> None:
        """B9: the outer request has none of the headers of those in it."""
        with counted.batch() as batch:
            batch.create_record(id="a")
            batch.create_record(id="b")
        headers = proxy.requests[-1].headers
        assert headers["If-None-Match"] is None
        assert headers["Content-Type"] == "application/json"

    def test_pages(self, driver: Driver, small: KintoServer, bucket: str) -> None:
        """A list of several pages is read in as many rounds."""
        client = driver.client(small.url, auth=small.auth, bucket=bucket, collection="c")
        client.create_bucket()
        client.create_collection()
        with client.batch() as batch:
            for n in range(12):
                batch.create_record(id=f"r{n}")
        with client.batch() as batch:
            records = batch.get_records()
            one = batch.get_record(id="r1")
            again = batch.get_records()
        assert {each["id"] for each in records.result()} == {f"r{n}" for n in range(12)}
        assert records.result() == again.result()
        assert one.result()["data"]["id"] == "r1"


class TestConflicts:
    """B3 and B4 in real life: another writer makes the database roll back."""

    def test_confirmed(self, memory: KintoServer, counted: Client, proxy: FaultProxy) -> None:
        """
        What a 409 undid is sent again; what it did not undo after all is confirmed.

        The server stores in memory, where nothing is undone and there is no 409: it is put in
        the place of an answer, and what is said to be undone is deleted.
        """

        def collide(answer: HttpAnswer) -> HttpAnswer:
            with Client(
                server_url=memory.url,
                auth=memory.auth,
                bucket=counted.bucket_name,
                collection="things",
            ) as other:
                other.delete_record(id="c")
            body = json.loads(answer.body)
            body["responses"][2]["status"] = 409
            return attrs.evolve(answer, body=json.dumps(body).encode())

        proxy.change_answer(collide, when=lambda request: request.path == "/v1/batch")
        with counted.batch() as batch:
            made = [batch.create_record(id=id, data={"of": id}) for id in "abcd"]
        assert [len(each) for each in sent(proxy)] == [4, 3]
        assert [each.result()["data"]["of"] for each in made] == list("abcd")
        assert {each["of"] for each in counted.get_records()} == set("abcd")

    def test_batches(
        self, servers: Callable[[str], KintoServer], driver: Driver, bucket: str
    ) -> None:
        """B4: batches of several clients to one collection are stored as they say."""
        server = servers("postgresql+history")
        client = driver.client(server.url, auth=server.auth, bucket=bucket, collection="c")
        client.create_bucket()
        client.create_collection()

        def write(writer: int) -> list[str]:
            with Client(
                server_url=server.url, auth=server.auth, bucket=bucket, collection="c"
            ) as own:
                with own.batch() as batch:
                    for n in range(6):
                        batch.create_record(id=f"w{writer}-{n}")
                return [each["data"]["id"] for each in batch.results()]

        with ThreadPoolExecutor(3) as pool:
            said = [id for ids in pool.map(write, range(3)) for id in ids]
        assert len(said) == 18
        assert {each["id"] for each in client.get_records()} == set(said)
