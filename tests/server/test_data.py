"""What can be stored, how it may be called, and two features: the default bucket and schemas."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from kinto_orm.embedded import KintoServer

from .conftest import Chooser
from .kinds import STORAGES, on_both_storages, on_memory, on_postgresql
from .schemas import NUMBER, TEXT
from .wire import Wire, put


@on_both_storages
class TestText:
    @pytest.mark.parametrize(
        "value",
        [b"NaN", b"Infinity", b"-Infinity", b"1e999", b'"\\ud800"', b'"\\udc00x"'],
    )
    def test_that_is_not_json_is_refused(self, wire: Wire, records: str, value: bytes) -> None:
        """D1: NaN, the infinities and lone surrogates are a 400."""
        answer = wire.send("PUT", f"{records}/a", raw=b'{"data": {"value": %s}}' % value)
        assert answer.status == 400
        assert wire.get(records).ids == []

    @pytest.mark.parametrize("value", [2**64 - 1, -(2**63), 2**53 + 1, 0.1])
    def test_of_numbers_is_kept(self, wire: Wire, records: str, value: float) -> None:
        """D1: integers of 64 bits are exact, with a sign or without."""
        wire.put(f"{records}/a", {"data": {"value": value}})
        assert wire.get(f"{records}/a").data["value"] == value

    @pytest.mark.parametrize("value", [2**64 + 1, -(2**63) - 1, 10**29 + 1])
    def test_of_greater_integers_is_not(self, wire: Wire, records: str, value: int) -> None:
        """D1: beyond, they silently lose what a double cannot hold."""
        assert wire.put(f"{records}/a", {"data": {"value": value}}).status == 201
        stored = wire.get(f"{records}/a").data["value"]
        assert stored != value
        assert float(stored) == pytest.approx(float(value), rel=1e-15)


class TestNull:
    """U+0000, which JSON can express and a PostgreSQL text cannot."""

    @on_postgresql
    @pytest.mark.parametrize("data", [{"value": "a\0b"}, {"a\0b": 1}], ids=["value", "name"])
    def test_is_a_503_for_ever(self, wire: Wire, records: str, data: dict[str, Any]) -> None:
        """D1: on PostgreSQL, and the server asks to try again."""
        for _ in range(2):
            answer = wire.put(f"{records}/a", {"data": data})
            assert answer.status == 503
            assert answer.headers["Retry-After"] == "3"

    @on_memory
    def test_is_stored_in_memory(self, wire: Wire, records: str) -> None:
        """D1: in memory there is nothing special about it."""
        assert wire.put(f"{records}/a", {"data": {"value": "a\0b"}}).status == 201
        assert wire.get(f"{records}/a").data["value"] == "a\0b"


@on_both_storages
class TestIds:
    @pytest.mark.parametrize("id", ["a", "9", "A-b_9", "a" * 300])
    def test_that_are_good(self, wire: Wire, records: str, id: str) -> None:
        """D2: ASCII letters and digits, and after the first one - and _."""
        assert wire.put(f"{records}/{id}").status == 201

    @pytest.mark.parametrize("id", ["_a", "-a", "a.b", "a%20b", "%C3%A9", "a%0Ab"])
    def test_that_are_bad(self, wire: Wire, records: str, id: str) -> None:
        """D2: anything else is a 400."""
        answer = wire.put(f"{records}/{id}")
        assert answer.status == 400
        assert answer.body["details"][0]["description"] == "Invalid object id"

    def test_with_a_newline_at_the_end(self, wire: Wire, bucket: str, records: str) -> None:
        """D2: one newline at the end slips through, and is part of the id."""
        assert wire.put(f"{records}/a%0A").data["id"] == "a\n"
        assert wire.get(records).ids == ["a\n"]
        assert wire.put(f"/buckets/{bucket}/collections/a%0A").data["id"] == "a\n"

    @pytest.mark.parametrize("method", ["PUT", "PATCH"])
    @pytest.mark.parametrize("id", ["2", 1, None, ["1"], "1\n"])
    def test_in_the_body_must_be_the_one_in_the_url(
        self, wire: Wire, records: str, method: str, id: object
    ) -> None:
        """D2: the same string: 1 is not "1", and null is not none."""
        wire.create(records, "1")
        assert wire.send(method, f"{records}/1", {"data": {"id": id}}).status == 400
        assert wire.send(method, f"{records}/1", {"data": {"id": "1"}}).status == 200


class TestDefaultBucket:
    @pytest.fixture(params=STORAGES)
    def server(self, request: pytest.FixtureRequest, validating: Chooser) -> KintoServer:
        return validating(request.param)

    @pytest.fixture
    def wire(self, server: KintoServer, bucket: str) -> Generator[Wire]:
        """Give a connection as a user that no other test has, who has a bucket of his own."""
        with Wire(server.url, (bucket, "secret")) as it:
            yield it

    @pytest.fixture
    def real(self, wire: Wire) -> str:
        """Give the path of the bucket that the alias stands for."""
        return f"/buckets/{wire.get('/').body['user']['bucket']}"

    ALIAS = "/buckets/default/collections/things"

    @pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
    @pytest.mark.parametrize("path", ["/records", "/records/missing"])
    def test_creates_what_is_named(self, wire: Wire, real: str, method: str, path: str) -> None:
        """D3: reading or deleting records creates their bucket and their collection."""
        assert wire.get(real).status == 403
        wire.send(method, self.ALIAS + path)
        assert wire.get(f"{real}/collections/things").status == 200

    def test_creates_a_collection_that_is_read(self, wire: Wire, real: str) -> None:
        """D3: a collection that did not exist is a 200."""
        assert wire.get(self.ALIAS).status == 200
        assert wire.get(f"{real}/collections/things").status == 200

    def test_replaces_its_name_in_ids(self, wire: Wire, real: str) -> None:
        """D3: *default* anywhere in an id in a body becomes the id of the bucket."""
        answer = wire.post(f"{self.ALIAS}/records", {"data": {"id": "defaults"}})
        assert answer.status == 201
        assert answer.data["id"] == f"{real.removeprefix('/buckets/')}s"

    def test_refuses_ids_with_its_name(self, wire: Wire) -> None:
        """D3: in a PUT the id in the body is then not the one in the URL; leave it out."""
        path = f"{self.ALIAS}/records/my-default"
        assert wire.put(path, {"data": {"id": "my-default"}}).status == 400
        assert wire.put(path, {"data": {}}).status == 201

    def test_does_not_enforce_schemas(self, wire: Wire, real: str) -> None:
        """D3: what the real bucket refuses is taken through the alias, in a batch too."""
        wire.put(self.ALIAS, {"data": {"schema": TEXT}})
        wrong = {"data": {"title": 1}}
        assert wire.put(f"{real}/collections/things/records/a", wrong).status == 400
        assert wire.put(f"{self.ALIAS}/records/a", wrong).status == 201
        assert wire.batch(put(f"{self.ALIAS}/records/b", title=1)).statuses == [201]

    def test_has_pages_of_the_real_one(self, wire: Wire, real: str) -> None:
        """D3: Next-Page has the id of the bucket, not the alias."""
        wire.create(f"{self.ALIAS}/records", "a", "b")
        page = wire.get(f"{self.ALIAS}/records?_limit=1").next_page
        assert page is not None
        assert page.startswith(f"{wire.url}{real}/collections/things/records?")


class TestSchema:
    @pytest.fixture(params=STORAGES)
    def server(self, request: pytest.FixtureRequest, validating: Chooser) -> KintoServer:
        return validating(request.param)

    @pytest.fixture
    def version(self, wire: Wire, collection: str) -> int:
        """Give the version of a schema that wants *title* to be a string."""
        return wire.put(collection, {"data": {"schema": TEXT}}).timestamp

    @pytest.mark.parametrize("method", ["PUT", "PATCH"])
    def test_version_is_written_into_records(
        self, wire: Wire, records: str, version: int, method: str
    ) -> None:
        """D4: under *schema*, in place of what the user had there."""
        wire.create(records, "a")
        answer = wire.send(method, f"{records}/a", {"data": {"schema": "mine"}})
        assert answer.data["schema"] == version
        assert wire.get(f"{records}/a").data["schema"] == version

    @pytest.mark.usefixtures("version")
    def test_change_validates_nothing(self, wire: Wire, collection: str, records: str) -> None:
        """D4: records stay as they are, under the version they were written with."""
        wire.store(records, {"a": {"title": "text"}})
        before = wire.get(f"{records}/a").data
        assert wire.put(collection, {"data": {"schema": NUMBER}}).status == 200
        assert wire.get(f"{records}/a").data == before

    @pytest.mark.usefixtures("version")
    @pytest.mark.parametrize("method", ["PUT", "PATCH"])
    def test_locks_permissions_of_what_is_invalid_now(
        self, wire: Wire, collection: str, records: str, method: str
    ) -> None:
        """D4: writing permissions alone is a 400; deleting is not."""
        wire.store(records, {"a": {"title": "text"}})
        wire.put(collection, {"data": {"schema": NUMBER}})
        answer = wire.send(method, f"{records}/a", {"permissions": {"read": ["u:x"]}})
        assert answer.status == 400
        assert wire.delete(f"{records}/a").status == 200

    @pytest.mark.parametrize(
        ("schema", "data"),
        [
            pytest.param({"properties": {"a": {"type": "string"}}}, {"a": 1}, id="of a type"),
            pytest.param({"required": ["a"]}, {}, id="that is missing"),
        ],
    )
    def test_names_the_field(
        self, wire: Wire, collection: str, schema: dict[str, Any], data: dict[str, Any]
    ) -> None:
        """D4: ``details[].name`` is the field that is wrong."""
        assert self.named(wire, collection, schema, data) == ["a"]

    @pytest.mark.parametrize(
        ("schema", "data", "name"),
        [
            pytest.param({"required": ["a", "b"]}, {"b": 1}, "b", id="the last one required"),
            pytest.param(
                {"properties": {"a": {"properties": {"b": {"type": "string"}}}}},
                {"a": {"b": 1}},
                "b",
                id="the end of a path",
            ),
            pytest.param(
                {"properties": {"a": {"items": {"type": "string"}}}},
                {"a": ["text", 1]},
                1,
                id="a place in a list",
            ),
            pytest.param(
                {"additionalProperties": False}, {"a": 1}, "additionalProperties", id="a keyword"
            ),
            pytest.param(
                {"anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
                {},
                {"required": ["b"]},
                id="a part of the schema",
            ),
        ],
    )
    def test_names_something_else(
        self,
        wire: Wire,
        collection: str,
        schema: dict[str, Any],
        data: dict[str, Any],
        name: object,
    ) -> None:
        """D4: often ``details[].name`` is not the field: *a* is wrong in each of these."""
        assert self.named(wire, collection, schema, data) == [name]

    @pytest.mark.parametrize(
        ("schema", "data"),
        [
            pytest.param({"minProperties": 1}, {}, id="a number of keys"),
            pytest.param({"properties": {"a": {"items": [{}]}}}, {"a": 1}, id="of an old draft"),
        ],
    )
    def test_schemas_that_fail(
        self, wire: Wire, collection: str, schema: dict[str, Any], data: dict[str, Any]
    ) -> None:
        """D4: a schema that is taken may make each write of a record a 500."""
        assert wire.put(collection, {"data": {"schema": schema}}).status < 300
        assert wire.put(f"{collection}/records/a", {"data": data}).status == 500
        draft_7 = {"$schema": "http://json-schema.org/draft-07/schema#", **schema}
        wire.put(collection, {"data": {"schema": draft_7}})
        status = wire.put(f"{collection}/records/a", {"data": data}).status
        assert status == (500 if "minProperties" in schema else 201)

    def named(
        self, wire: Wire, collection: str, schema: dict[str, Any], data: dict[str, Any]
    ) -> list[object]:
        """Return what the server names when it refuses *data* because of *schema*."""
        wire.put(collection, {"data": {"schema": schema}})
        answer = wire.put(f"{collection}/records/a", {"data": data})
        assert answer.status == 400
        return [each["name"] for each in answer.body["details"]]
