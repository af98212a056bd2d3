"""Calls for the server as a whole, and the raw way to it, in each way (see `ways`)."""

from __future__ import annotations

import json

from collections.abc import Generator
from typing import Any

import pytest

from faults import FaultProxy
from kinto_orm import BasicPatch, Client, Endpoints
from kinto_orm.embedded import KintoServer
from kinto_orm.exceptions import (
    InvalidId,
    InvalidRequest,
    KintoException,
    MissingId,
    NotFound,
    ResponseError,
    ServerError,
)

from .conftest import own
from .ways import Way


VERSION = {"name": "kinto", "version": "26.5", "commit": "5eed"}


@pytest.fixture(scope="module")
def plugged(tmp_path_factory: pytest.TempPathFactory) -> Generator[KintoServer]:
    """Give a server with what others do not have, whose pages are small."""
    path = tmp_path_factory.mktemp("server") / "version.json"
    path.write_text(json.dumps(VERSION))
    with KintoServer(
        includes="kinto.plugins.flush",
        experimental_permissions_endpoint=True,
        paginate_by=4,
        version_json_path=str(path),
    ) as server:
        yield server


@pytest.fixture(scope="module")
def unwell() -> Generator[KintoServer]:
    """Give a server whose database is gone."""
    with KintoServer(storage="postgresql") as server:
        server._stop_database()
        yield server


@pytest.fixture
def extra(way: Way, plugged: KintoServer, user: tuple[str, str], bucket: str) -> Client:
    """Give a client as *caller* is, of the server with more plugins."""
    return own(way.client(plugged.url, auth=user, bucket=bucket, collection="things"))


@pytest.fixture
def behind(way: Way, proxy: FaultProxy, user: tuple[str, str], bucket: str) -> Client:
    """Give a client as *caller* is, whose requests pass the proxy from now on."""
    client = own(way.client(proxy.url, auth=user, bucket=bucket, collection="things"))
    proxy.forget()
    return client


class TestInfo:
    def test_info(self, caller: Client) -> None:
        """The server says what it is, what it can do, and who asks."""
        info = caller.server_info()
        assert info["project_name"] == "kinto"
        assert info["settings"]["batch_max_requests"] == 25
        assert "history" in info["capabilities"]
        assert info["user"]["id"].startswith("basicauth:")

    def test_asked_once(self, behind: Client, proxy: FaultProxy) -> None:
        """It is asked once, by a client and its clones, unless it is to be asked again."""
        first = behind.server_info()
        assert behind.clone(bucket="other", timeout=3).server_info() == first
        assert len(proxy.requests) == 1
        assert behind.server_info(refresh=True) == first
        assert len(proxy.requests) == 2

    def test_other_user(self, behind: Client) -> None:
        """A clone with other credentials is told who that is."""
        first, other = behind.server_info(), behind.clone(auth=("other", "x"))
        assert other.server_info()["user"] != first["user"]

    def test_user(self, behind: Client, proxy: FaultProxy) -> None:
        """Who asks is asked each time."""
        user = behind.current_user()
        assert user is not None
        assert user["id"] in user["principals"]
        assert behind.current_user() == user
        assert len(proxy.requests) == 2

    def test_nobody(self, way: Way, memory: KintoServer) -> None:
        """Without credentials, one is nobody."""
        assert way.client(memory.url).current_user() is None

    def test_endpoints(self, caller: Client) -> None:
        """Paths of endpoints have the client's own bucket and collection, if no other is given."""
        own = f"/buckets/{caller.bucket_name}"
        assert caller.get_endpoint("root") == "/"
        assert caller.get_endpoint("batch") == "/batch"
        assert caller.get_endpoint("permissions") == "/permissions"
        assert caller.get_endpoint("buckets") == "/buckets"
        assert caller.get_endpoint("bucket") == own
        assert caller.get_endpoint("history") == f"{own}/history"
        assert caller.get_endpoint("group", group="g") == f"{own}/groups/g"
        assert caller.get_endpoint("collections", bucket="b") == "/buckets/b/collections"
        assert caller.get_endpoint("records") == f"{own}/collections/things/records"
        path = f"{own}/collections/c/records/7"
        assert caller.get_endpoint("record", collection="c", id=7) == path
        assert caller.get_endpoint("attachment", collection="c", id=7) == f"{path}/attachment"
        assert caller.get_endpoint("changeset") == f"{own}/collections/things/changeset"

    def test_no_endpoint(self, caller: Client) -> None:
        """What has no path is an error, and never the path of something else."""
        with pytest.raises(KintoException, match="there is no endpoint 'nowhere'"):
            caller.get_endpoint("nowhere")
        with pytest.raises(MissingId, match="which record"):
            caller.get_endpoint("record")
        for id in ("", "a/b", "..", "été"):
            with pytest.raises(InvalidId):
                caller.get_endpoint("record", id=id)

    def test_names(self) -> None:
        """The paths can be had without a client, behind a prefix."""
        assert Endpoints().get("collection", bucket="b", collection="c") == (
            "/buckets/b/collections/c"
        )
        assert Endpoints("/v1").get("buckets") == "/v1/buckets"


class TestHealth:
    def test_well(self, caller: Client) -> None:
        """Each part of the server says that it is well."""
        heartbeat = caller.heartbeat()
        assert heartbeat.keys() >= {"storage", "permission", "cache"}
        assert all(heartbeat.values())
        assert caller.lbheartbeat() == {}

    def test_unwell(self, way: Way, unwell: KintoServer) -> None:
        """If its database is gone, it says which parts are unwell; that is no error."""
        client = way.client(unwell.url)
        assert client.heartbeat() == {"storage": False, "permission": False, "cache": False}
        assert client.lbheartbeat() == {}

    @pytest.mark.parametrize("body", ["<html>", {"code": 503, "errno": 201, "message": "wait"}])
    def test_no_heartbeat(self, behind: Client, proxy: FaultProxy, body: Any) -> None:
        """Another 503, as one of a proxy, is an error; it is asked once."""
        proxy.answer(503, body)
        with pytest.raises(ServerError, match="503"):
            behind.heartbeat()
        assert len(proxy.requests) == 1

    def test_version(self, extra: Client) -> None:
        """What is deployed is what the server says."""
        assert extra.version() == VERSION

    def test_no_version(self, behind: Client, proxy: FaultProxy) -> None:
        """If it does not say, that is an error."""
        proxy.answer(500, {"code": 500, "message": "none"})
        with pytest.raises(ServerError):
            behind.version()
        assert len(proxy.requests) == 1

    def test_flush(self, extra: Client) -> None:
        """Everything on the server is deleted."""
        assert extra.get_buckets() != []
        assert extra.flush() is None
        assert extra.get_buckets() == []

    def test_no_flush(self, caller: Client) -> None:
        """If the server does not have that, it is an error, and nothing is deleted."""
        with pytest.raises(ResponseError):
            caller.flush()
        assert caller.get_buckets() != []


class TestPermissions:
    @pytest.fixture
    def made(self, extra: Client) -> set[tuple[str, str]]:
        """Make objects, of all kinds, with the same ids; give their kinds and paths."""
        bucket = f"/buckets/{extra.bucket_name}"
        for id in ("x", "y", "z"):
            extra.create_group(id=id, data={"members": []})
            extra.create_collection(id=id)
            extra.create_record(id=id, collection="x")
        uris = {("collection", f"{bucket}/collections/things"), ("bucket", bucket)}
        for id in ("x", "y", "z"):
            uris |= {
                ("group", f"{bucket}/groups/{id}"),
                ("collection", f"{bucket}/collections/{id}"),
                ("record", f"{bucket}/collections/x/records/{id}"),
            }
        return uris

    def test_all(self, extra: Client, made: set[tuple[str, str]]) -> None:
        """K15: all objects are there, on whatever page, also those with the same id."""
        found = [(each["resource_name"], each["uri"]) for each in extra.get_permissions()]
        assert len(found) == len(set(found))
        assert set(found) - {("root", "/")} == made

    def test_excluded(self, extra: Client, made: set[tuple[str, str]]) -> None:
        """Kinds can be left out."""
        for excluded in (["record", "root"], ("record", "root")):
            found = {
                (each["resource_name"], each["uri"])
                for each in extra.get_permissions(exclude_resource_names=excluded)
            }
            assert found == {each for each in made if each[0] != "record"}
        assert extra.get_permissions(["record"]) != extra.get_permissions()

    @pytest.mark.usefixtures("made")
    def test_filtered(self, extra: Client) -> None:
        """They can be filtered; as kinto-http has it, too."""
        kinds = [each["resource_name"] for each in extra.get_permissions(id="x", _sort="uri")]
        assert kinds == ["collection", "record", "group"]
        assert extra.get_permissions(params={"id": "x"}) == extra.get_permissions(id="x")
        (record,) = extra.get_permissions(resource_name="record", record_id="y")
        assert "write" in record["permissions"]

    def test_not_there(self, caller: Client) -> None:
        """A server that does not have that says so."""
        with pytest.raises(NotFound):
            caller.get_permissions()


class TestRawRequests:
    def test_request(self, caller: Client) -> None:
        """What no method does can be asked; the body comes decoded, with the headers."""
        path = caller.get_endpoint("record", id="a")
        body, headers = caller.session.request(
            "put", path, data={"n": 1}, permissions={"read": ["system.Everyone"]}
        )
        assert body["data"]["n"] == 1
        assert body["permissions"]["read"] == ["system.Everyone"]
        assert headers["ETag"] == f'"{body["data"]["last_modified"]}"' == headers["etag"]
        again, _ = caller.session.request("GET", path, params={"_fields": "n"})
        assert again["data"] == body["data"]

    def test_bodies(self, caller: Client) -> None:
        """A body can be given as a whole; a list as well, for a JSON Patch."""
        path = caller.get_endpoint("record", id="a")
        caller.session.request("PUT", path, payload={"data": {"n": 1}})
        operations = [{"op": "add", "path": "/data/m", "value": 2}]
        patch = {"Content-Type": "application/json-patch+json"}
        body, _ = caller.session.request("PATCH", path, payload=operations, headers=patch)
        assert body["data"].items() >= {"n": 1, "m": 2}.items()
        body, _ = caller.session.request("PATCH", path, payload=BasicPatch({"n": 5}).body)
        assert body["data"]["n"] == 5

    def test_parameters(self, caller: Client) -> None:
        """Parameters are text as it is, anything else as JSON; or in the path."""
        for n in range(3):
            caller.create_record(id=f"r{n}", data={"n": n, "t": str(n)})
        path = caller.get_endpoint("records")
        for params in ({"n": 1}, {"n": "1"}, {"t": '"1"'}, {"in_n": [1]}):
            body, _ = caller.session.request("GET", path, params=params)
            assert [each["id"] for each in body["data"]] == ["r1"]
        body, headers = caller.session.request("GET", f"{path}?_limit=2&_sort=n")
        assert [each["n"] for each in body["data"]] == [0, 1]
        body, _ = caller.session.request("GET", headers["Next-Page"])
        assert [each["n"] for each in body["data"]] == [2]

    def test_refused(self, caller: Client) -> None:
        """What the server refuses is raised, of a class for each status."""
        path = caller.get_endpoint("record", id="a")
        with pytest.raises(NotFound):
            caller.session.request("GET", path)
        created = caller.create_record(id="a")["data"]["last_modified"]
        known = {"If-None-Match": f'"{created}"'}
        assert caller.session.request("GET", path, headers=known)[0] is None  # That is no refusal.

    def test_wrong(self, caller: Client) -> None:
        """K71: what would be wrong is not sent; least of all credentials to another server."""
        for url in ("http://example.org/v1/", f"{caller.server_url}2/", "https:///v1"):
            with pytest.raises(InvalidRequest, match="not of this server"):
                caller.session.request("GET", url)
        with pytest.raises(InvalidRequest, match="no body"):
            caller.session.request("GET", "/", payload={"a": 1})

    def test_attributes(self, caller: Client, store: KintoServer) -> None:
        """A session knows its server, and how persistent it is."""
        session = caller.clone(retry=7, retry_after=2).session
        assert session.server_url == store.url
        assert (session.nb_retry, session.retry_after) == (7, 2)
