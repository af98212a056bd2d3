"""Pages, errors, and what the server says of itself."""

from __future__ import annotations

import attrs
import pytest

from faults import FaultProxy, HttpAnswer
from kinto_orm import Client
from kinto_orm.embedded import KintoServer
from kinto_orm.exceptions import (
    BadRequest,
    BucketNotFound,
    CollectionNotFound,
    Forbidden,
    KintoException,
    NotFound,
    RecordNotFound,
    ResponseError,
    ServerError,
    Unauthorized,
)
from transport.drivers import ONCE, Driver


class TestPages:
    @pytest.fixture
    def full(self, driver: Driver, small: KintoServer, bucket: str) -> Client:
        """Give a client whose collection has twelve records, and its bucket seven collections."""
        client = driver.client(small.url, auth=small.auth, bucket=bucket, collection="c0")
        client.create_bucket()
        with client.batch() as batch:
            for n in range(7):
                batch.create_collection(id=f"c{n}")
        with client.batch() as batch:
            for n in range(12):
                batch.create_record(id=f"r{n}")
        return client

    def through(self, proxy: FaultProxy, driver: Driver, full: Client) -> Client:
        """Return a client as *full*, but through *proxy*."""
        return driver.client(
            proxy.url,
            auth=KintoServer.auth,
            bucket=full.bucket_name,
            collection=full.collection_name,
        )

    def test_all(self, full: Client) -> None:
        """A list has all there is, however many pages that takes."""
        assert {each["id"] for each in full.get_records()} == {f"r{n}" for n in range(12)}
        assert {each["id"] for each in full.get_collections()} == {f"c{n}" for n in range(7)}
        assert full.bucket_name in {each["id"] for each in full.get_buckets()}

    def test_count(self, driver: Driver, small: KintoServer, full: Client) -> None:
        """Each page is one request."""
        with FaultProxy(small.url) as proxy:
            client = self.through(proxy, driver, full)
            assert len(client.get_records()) == 12
            assert len(proxy.requests) == 3

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_own_origin(
        self, driver: Driver, small: KintoServer, full: Client, scheme: str
    ) -> None:
        """T6, K71: the next page is asked of the client's own server, whatever its address says."""
        with FaultProxy(small.url) as proxy, FaultProxy(small.url) as other:
            host = other.url.removeprefix("http://")

            def elsewhere(answer: HttpAnswer) -> HttpAnswer:
                [page] = [value for name, value in answer.headers if name == "Next-Page"]
                _, _, query = page.partition("?")
                return answer.having(next_page=f"{scheme}://{host}/elsewhere?{query}")

            proxy.change_answer(elsewhere, times=2)
            assert len(self.through(proxy, driver, full).get_records()) == 12
            assert other.connections == 0
            assert len(proxy.requests) == 3
            assert len({request.path.partition("?")[0] for request in proxy.requests}) == 1
            assert all(request.headers["Authorization"] for request in proxy.requests)

    def test_broken_off(self, driver: Driver, small: KintoServer, full: Client) -> None:
        """A page that gets lost is asked for again, and not those before it (K21)."""
        with FaultProxy(small.url) as proxy:
            proxy.drop(nth=3)
            assert len(self.through(proxy, driver, full).get_records()) == 12
            assert len(proxy.requests) == 4

    def test_not_all(self, driver: Driver, small: KintoServer, full: Client) -> None:
        """A page that cannot be read is an error: half a list is none."""
        with FaultProxy(small.url) as proxy:
            proxy.answer(500, nth=3)
            with pytest.raises(ServerError):
                self.through(proxy, driver, full).get_records()

    def test_empty(self, full: Client) -> None:
        """A collection without records is an empty list."""
        assert full.get_records(collection="c1") == []


class TestErrors:
    def test_missing_bucket(self, counted: Client) -> None:
        """P4: of a bucket that is missing Kinto says 403; the error says what that may mean."""
        for call in (
            lambda: counted.get_bucket(id="missing"),
            lambda: counted.get_collection(id="c", bucket="missing"),
            lambda: counted.get_records(bucket="missing"),
            lambda: counted.get_record(id="r", bucket="missing"),
            lambda: counted.delete_bucket(id="missing"),
        ):
            with pytest.raises(Forbidden, match="or the bucket does not exist"):
                call()
        with pytest.raises(NotFound, match="create it, and its bucket"):
            counted.create_record(id="r", bucket="missing")

    def test_missing_collection(self, counted: Client) -> None:
        """A collection that is missing in one's own bucket is a 404, by its own name."""
        with pytest.raises(CollectionNotFound, match=r"GET /buckets/.*/collections/missing: 404"):
            counted.get_collection(id="missing")
        for call in (
            lambda: counted.get_records(collection="missing"),
            lambda: counted.create_record(id="r", collection="missing"),
            lambda: counted.delete_collection(id="missing"),
        ):
            with pytest.raises(CollectionNotFound, match="404"):
                call()

    def test_missing_record(self, counted: Client) -> None:
        """A record that is missing is a 404, by its own name."""
        with pytest.raises(RecordNotFound, match=r"GET /buckets/.*/records/r: 404") as caught:
            counted.get_record(id="r")
        assert isinstance(caught.value, NotFound)
        assert not isinstance(caught.value, (CollectionNotFound, BucketNotFound))

    def test_missing_for_who_may_see_all(self, driver: Driver, bucket: str) -> None:
        """A bucket that is missing is a 404 for who may see all: `BucketNotFound`."""
        with FaultProxy("http://127.0.0.1:9/v1") as proxy:
            missing = {"id": bucket, "resource_name": "bucket"}
            proxy.answer(404, {"code": 404, "message": "not here", "details": missing})
            with pytest.raises(BucketNotFound, match="not here"):
                driver.client(proxy.url).get_bucket(id=bucket)

    def test_what_it_knows(self, counted: Client) -> None:
        """An error has the request, the response, and what the server said."""
        with pytest.raises(BadRequest) as caught:
            counted.create_record(id="a", data={"id": "b"})
        error = caught.value
        assert error.status == 400
        assert error.request is not None
        assert error.request.method == "PUT"
        assert error.response is not None
        assert error.response.body["errno"] == 107
        assert error.details == error.response.body["details"]
        assert str(error).startswith("PUT /buckets/")
        assert " 400 Invalid parameters" in str(error)

    @pytest.mark.parametrize(
        ("status", "body", "message"),
        [
            (418, {"message": "tea"}, "418 tea"),
            (500, {"error": "Internal", "message": "broken"}, "500 Internal: broken"),
            (502, "<html>", "502 without an explanation"),
            (404, [], "404 without an explanation"),
            (400, {"message": "no", "details": "text"}, "400 no"),
            (
                400,
                {"message": "no", "details": [{"name": "a", "description": "is wrong"}, 5]},
                "400 no: a: is wrong",
            ),
            (413, {"message": "big"}, "413 big (the request is larger than the server allows"),
        ],
    )
    def test_messages(
        self, driver: Driver, proxy: FaultProxy, status: int, body: object, message: str
    ) -> None:
        """Whatever the server says, the error says what was tried, and what came of it."""
        proxy.answer(status, body)
        with pytest.raises(ResponseError) as caught:
            driver.client(proxy.url, retry=ONCE).delete_bucket(id="b")
        assert str(caught.value).startswith(f"DELETE /buckets/b: {message}")

    def test_anonymous(self, driver: Driver, memory: KintoServer, bucket: str) -> None:
        """P4: without credentials it is a 401."""
        client = driver.client(memory.url)
        with pytest.raises(Unauthorized, match="check the credentials"):
            client.get_bucket(id=bucket)
        with pytest.raises(Unauthorized, match="check the credentials"):
            client.create_bucket(id=bucket)

    def test_password(self, driver: Driver, accounts: KintoServer, bucket: str) -> None:
        """P4: with a wrong password as well; but the server's root answers, without a user."""
        import requests

        name = f"alice-{bucket}"
        requests.put(
            f"{accounts.url}/accounts/{name}", json={"data": {"password": "right"}}, timeout=20
        ).raise_for_status()
        right = driver.client(accounts.url, auth=(name, "right"), bucket=bucket)
        wrong = driver.client(accounts.url, auth=(name, "wrong"), bucket=bucket)
        assert right.server_info()["user"]["id"] == f"account:{name}"
        assert "user" not in wrong.server_info()
        right.create_bucket()
        with pytest.raises(Unauthorized, match="check the credentials") as caught:
            wrong.get_bucket()
        assert "wrong" not in str(caught.value)

    def test_others(self, driver: Driver, counted: Client, memory: KintoServer) -> None:
        """Who has no permission is told so."""
        stranger = driver.client(memory.url, auth=("stranger", "x"), bucket=counted.bucket_name)
        with pytest.raises(Forbidden, match="the user lacks the permission"):
            stranger.get_bucket()

    def test_no_server(self, driver: Driver, memory: KintoServer) -> None:
        """A URL that lacks the prefix of the API is found out."""
        client = driver.client(memory.url.removesuffix("/v1"), auth=memory.auth, retry=ONCE)
        with pytest.raises(KintoException, match="server_url"):
            client.get_bucket(id="b")


class TestServer:
    def test_info(self, counted: Client) -> None:
        """The server says what it is, what it can do, and who asks."""
        info = counted.server_info()
        assert info["project_name"] == "kinto"
        assert info["settings"]["batch_max_requests"] == 25
        assert info["user"]["id"].startswith("basicauth:")

    def test_limit_unknown(self, driver: Driver, memory: KintoServer, bucket: str) -> None:
        """Where the server does not say how many requests a batch may hold, it is 25."""

        def silent(answer: HttpAnswer) -> HttpAnswer:
            return attrs.evolve(answer, body=b'{"settings": {}}')

        with FaultProxy(memory.url) as proxy:
            proxy.change_answer(silent, when=lambda request: request.path == "/v1/")
            client = driver.client(proxy.url, auth=memory.auth, bucket=bucket)
            client.create_bucket()
            with client.batch() as batch:
                for n in range(26):
                    batch.create_collection(id=f"c{n}")
            assert [len(request.entries) for request in proxy.requests[2:]] == [25, 1]
