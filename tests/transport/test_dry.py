"""Dry runs: reads are made, writes are logged."""

from __future__ import annotations

import logging

from collections.abc import Callable

import pytest

from faults import FaultProxy
from flow.scripts import Script, all_of, entries, one, replies, responses
from kinto_orm import JSONPatch
from kinto_orm.embedded import KintoServer
from kinto_orm.flow import Program, Request, Response
from kinto_orm.flow.batching import together_once
from kinto_orm.transport.dry import rehearsing

from .drivers import Driver


READ = Request("GET", "/buckets/b")
WRITE = Request(
    "PUT", "/buckets/b", body={"data": {"a": 1}, "permissions": {"read": ["system.Everyone"]}}
)


def rehearse(program: Program[Response], *given: Response) -> tuple[Response, Script]:
    """Run *program* dry, with a server that gives these replies."""
    script = Script(replies(*given))
    return script.run(rehearsing(program)), script


class TestSingleRequests:
    def test_read(self) -> None:
        """A read is made; its answer is real."""
        found, script = rehearse(one(READ), Response(200, {"data": {}}))
        assert found == Response(200, {"data": {}}, rehearsed=False)
        assert script.requests == [READ]

    def test_write(self) -> None:
        """A write is not made; its answer is what it was to write, and marked."""
        found, script = rehearse(one(WRITE))
        assert script.requests == []
        assert found.rehearsed
        assert found.status == 200
        assert found.body == {
            "data": {"id": "b", "a": 1},
            "permissions": {"read": ["system.Everyone"]},
        }

    def test_delete(self) -> None:
        """What was to be deleted is answered with a tombstone."""
        found, _ = rehearse(one(Request("DELETE", "/buckets/b")))
        assert found.body["data"] == {"id": "b", "deleted": True}

    def test_json_patch(self) -> None:
        """A JSON Patch does not say what it makes of the object: the answer has its id."""
        patch = Request("PATCH", "/buckets/b", body=[{"op": "remove", "path": "/data/a"}])
        assert rehearse(one(patch))[0].body["data"] == {"id": "b"}

    def test_log(self, caplog: pytest.LogCaptureFixture) -> None:
        """Each write is logged with what it was to write."""
        with caplog.at_level(logging.INFO, logger="kinto_orm.dry_run"):
            rehearse(one(WRITE))
            rehearse(one(Request("DELETE", "/buckets/c")))
        assert [record.getMessage().rstrip() for record in caplog.records] == [
            f"not sent: PUT /buckets/b {WRITE.body}",
            "not sent: DELETE /buckets/c",
        ]

    def test_steps(self) -> None:
        """What is between the requests of a flow goes on as ever."""
        script = Script(replies(Response(200, "read")))
        found = script.run(rehearsing(all_of([WRITE, READ, WRITE])))
        assert [response.rehearsed for response in found] == [True, False, True]


class TestBatches:
    def test_mixed(self) -> None:
        """Of a batch the reads are made; all answers are in the order of the requests."""
        requests = [WRITE, READ, Request("DELETE", "/x"), Request("HEAD", "/y")]
        answer = {"responses": [{"status": 404, "body": {"n": 1}}, {"status": 200, "body": ""}]}
        script = Script(replies(Response(200, answer)))
        found = responses(script.run(rehearsing(together_once(requests))))
        assert entries(script.requests[0]) == ["GET /buckets/b", "HEAD /y"]
        assert [response.status for response in found] == [200, 404, 200, 200]
        assert [response.rehearsed for response in found] == [True, False, True, False]
        assert found[0].body["data"] == {"id": "b", "a": 1}
        assert found[1].body == {"n": 1}

    def test_writes_only(self) -> None:
        """A batch without reads is not sent at all."""
        script = Script()
        found = responses(script.run(rehearsing(together_once([WRITE, WRITE]))))
        assert script.requests == []
        assert [response.rehearsed for response in found] == [True, True]

    def test_reads_only(self) -> None:
        """A batch of reads is sent as it is."""
        answer = {"responses": [{"status": 200}, {"status": 200}]}
        script = Script(replies(Response(200, answer)))
        found = responses(script.run(rehearsing(together_once([READ, READ]))))
        assert [response.rehearsed for response in found] == [False, False]

    def test_refused(self) -> None:
        """If the server refuses the reads, that is the answer."""
        found, _ = rehearse(_batch([WRITE, READ]), Response(503))
        assert found.status == 503

    @pytest.mark.parametrize("id", ["batch", "batch-1", "batches"])
    def test_ids_with_batch(self, id: str) -> None:
        """An id that is encoded in a batch (B8) is answered as it was given."""
        write = Request("PUT", f"/buckets/b/collections/{id}", body={"data": {}})
        found = responses(Script().run(rehearsing(together_once([write, WRITE]))))
        assert found[0].body["data"]["id"] == id


def _batch(requests: list[Request]) -> Program[Response]:
    parts = [{"method": request.method, "path": request.path} for request in requests]
    return one(Request("POST", "/batch", body={"requests": parts}))


class TestClients:
    def test_counts(
        self, driver: Driver, servers: Callable[[str], KintoServer], bucket: str
    ) -> None:
        """A client that runs dry reads and never writes, alone and in a batch."""
        server = servers("memory")
        driver.client(server.url, auth=server.auth).create_bucket(id=bucket, data={"a": 1})
        with FaultProxy(server.url) as proxy:
            dry = driver.client(proxy.url, auth=server.auth, dry_mode=True, bucket=bucket)
            assert dry.create_bucket(id="other")["data"]["id"] == "other"
            assert dry.update_bucket(data={"a": 2})["data"]["a"] == 2
            dry.patch_bucket(changes=JSONPatch([{"op": "remove", "path": "/data/a"}]))
            assert dry.delete_bucket() == {"id": bucket, "deleted": True}
            assert proxy.calls == []
            assert dry.get_bucket()["data"]["a"] == 1
            assert proxy.calls == [("GET", f"/v1/buckets/{bucket}")]
            proxy.forget()
            with dry.batch() as batch:
                deleted = batch.delete_bucket()
                read = batch.get_bucket()
                batch.create_collection(id="c")
                assert batch.recorded
            assert deleted.result() == {"id": bucket, "deleted": True}
            assert read.result()["data"]["a"] == 1
            sent = [entry for request in proxy.requests for entry in request.entries]
            assert sent == [("GET", "/v1/"), ("GET", f"/v1/buckets/{bucket}")]
