"""``POST /batch``: what is applied, what is rolled back, and what the answer says of it."""

from __future__ import annotations

from typing import Any

import pytest

from kinto_orm.embedded import KintoServer

from .conftest import Chooser
from .kinds import STORAGES, on_both_storages, on_memory, on_postgresql
from .schemas import NUMBER, TEXT
from .wire import JSON_PATCH, MERGE_PATCH, Wire, put, sub


#: A document, a merge patch of it, and what the two ways to read the patch make of it.
DOCUMENT = {"drop": 1, "nested": {"a": 1, "b": 2}}
PATCH = {"drop": None, "nested": {"a": 9}}
MERGED = {"nested": {"a": 9, "b": 2}}
OVERWRITTEN = {"drop": None, "nested": {"a": 9}}


def failing(records: str) -> dict[str, Any]:
    """Return a sub-request that makes the server fail, if there is *n* in the record *a* (P8)."""
    body = {"data": {"n": {"object": "onto a scalar"}}}
    return sub("PATCH", f"{records}/a", body, {"content-type": MERGE_PATCH})


@on_both_storages
class TestBodies:
    def test_json_patch_refuses_the_whole_batch(self, wire: Wire, records: str) -> None:
        """B1: a list as a body, hence a JSON Patch, is a 400 for all; nothing is applied."""
        wire.create(records, "a")
        patch = [{"op": "add", "path": "/data/x", "value": 1}]
        answer = wire.batch(
            put(f"{records}/before"),
            sub("PATCH", f"{records}/a", patch, {"content-type": JSON_PATCH}),
            put(f"{records}/after"),
        )
        assert answer.status == 400
        assert answer.body["details"][0]["name"] == "requests.1.body"
        assert wire.get(records).ids == ["a"]
        assert wire.stored(records, "a") == {"n": 0}

    @pytest.mark.parametrize("body", ["text", 5, True])
    def test_body_must_be_a_mapping(self, wire: Wire, records: str, body: object) -> None:
        """B1: any other body that is not a mapping is refused as well."""
        answer = wire.batch(put(f"{records}/before"), sub("PUT", f"{records}/a", body))
        assert answer.status == 400
        assert wire.get(records).ids == []


@on_both_storages
class TestContentType:
    def test_is_overwritten(self, wire: Wire, records: str) -> None:
        """B2: a merge patch is a 200, but applied as a merge of top-level attributes."""
        wire.store(records, {"a": DOCUMENT})
        patch = sub("PATCH", f"{records}/a", {"data": PATCH}, {"Content-Type": MERGE_PATCH})
        assert wire.batch(patch).statuses == [200]
        assert wire.stored(records, "a") == OVERWRITTEN

    @pytest.mark.parametrize("name", ["content-type", "CONTENT-TYPE"])
    def test_survives_in_another_spelling(self, wire: Wire, records: str, name: str) -> None:
        """B2: in lower case it is kept, and a merge patch is one."""
        wire.store(records, {"a": DOCUMENT})
        patch = sub("PATCH", f"{records}/a", {"data": PATCH}, {name: MERGE_PATCH})
        assert wire.batch(patch).statuses == [200]
        assert wire.stored(records, "a") == MERGED

    def test_last_of_two_spellings_wins(self, wire: Wire, records: str) -> None:
        """B2: it survives because the outer POST has the header too; else the server's is last."""
        wire.store(records, {"a": DOCUMENT})
        patch = sub("PATCH", f"{records}/a", {"data": PATCH}, {"content-type": MERGE_PATCH})
        answer = wire.send("POST", "/batch", {"requests": [patch]}, content_type=None)
        assert answer.statuses == [200]
        assert wire.stored(records, "a") == OVERWRITTEN


class TestServerError:
    @on_memory
    def test_keeps_what_is_before_in_memory(self, wire: Wire, records: str) -> None:
        """B5: a 500 in a sub-request is the answer to all; in memory what was done stays."""
        wire.create(records, "a")
        answer = wire.batch(put(f"{records}/before"), failing(records), put(f"{records}/after"))
        assert answer.status == 500
        assert "responses" not in answer.body
        assert sorted(wire.get(records).ids) == ["a", "before"]

    @on_postgresql
    def test_rolls_everything_back(self, wire: Wire, records: str) -> None:
        """B5: on PostgreSQL nothing of the batch is applied."""
        wire.create(records, "a")
        answer = wire.batch(put(f"{records}/before"), failing(records), put(f"{records}/after"))
        assert answer.status == 500
        assert "responses" not in answer.body
        assert wire.get(records).ids == ["a"]

    @on_postgresql
    def test_503_rolls_everything_back(self, wire: Wire, records: str) -> None:
        """B5: a 503 (here D1's U+0000) is the answer to all too, with Retry-After."""
        answer = wire.batch(put(f"{records}/before"), put(f"{records}/a", text="\0"))
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "3"
        assert wire.get(records).ids == []


class TestClientError:
    def test_rolls_nothing_back(self, wire: Wire, records: str, bucket: str) -> None:
        """B6: 400, 401, 403, 404 and 412 are answers to their sub-requests only."""
        answer = wire.batch(
            put(f"{records}/before"),
            sub("PUT", f"{records}/a", {"data": "not a mapping"}),
            put(f"{records}/a", {"Authorization": ""}),
            sub("GET", f"/buckets/{bucket}-missing"),
            sub("GET", f"{records}/missing"),
            put(f"{records}/before", {"If-None-Match": "*"}),
            put(f"{records}/after"),
        )
        assert answer.status == 200
        assert answer.statuses == [201, 400, 401, 403, 404, 412, 201]
        assert sorted(wire.get(records).ids) == ["after", "before"]


class TestNotModified:
    @pytest.mark.parametrize("what", ["record", "list"])
    def test_makes_the_batch_a_500(self, wire: Wire, records: str, what: str) -> None:
        """B7: a 304, of a record or of a list, is a 500 for all."""
        wire.create(records, "a")
        path = f"{records}/a" if what == "record" else records
        fresh = {"If-None-Match": wire.get(path).etag}
        assert wire.get(path, fresh).status == 304
        assert wire.batch(sub("GET", path, headers=fresh)).status == 500

    def test_is_harmless_when_modified(self, wire: Wire, records: str) -> None:
        """B7: the header alone does no harm."""
        wire.create(records, "a")
        stale = {"If-None-Match": '"1"'}
        assert wire.batch(sub("GET", f"{records}/a", headers=stale)).statuses == [200]


@on_both_storages
class TestPaths:
    def test_with_batch_in_them_are_refused(self, wire: Wire, bucket: str, records: str) -> None:
        """B8: a collection called *batches* is a 400 for all; nothing is applied."""
        wire.put(f"/buckets/{bucket}/collections/batches")
        answer = wire.batch(
            put(f"{records}/before"), put(f"/buckets/{bucket}/collections/batches/records/a")
        )
        assert answer.status == 400
        assert wire.get(records).ids == []

    def test_with_batch_in_their_query_are_refused(self, wire: Wire, records: str) -> None:
        """B8: so is a filter with this value."""
        assert wire.batch(sub("GET", f'{records}?path="/batch"')).status == 400

    def test_with_batch_encoded(self, wire: Wire, bucket: str) -> None:
        """B8: with one letter percent-encoded it works."""
        collection = f"/buckets/{bucket}/collections/batches"
        wire.put(f"/buckets/{bucket}")
        wire.put(collection)
        encoded = f"/buckets/{bucket}/collections/%62atches/records/a"
        assert wire.batch(put(encoded)).statuses == [201]
        assert wire.get(f"{collection}/records").ids == ["a"]


@on_both_storages
class TestHeadersOfThePost:
    def test_if_none_match_is_inherited(self, wire: Wire, records: str) -> None:
        """B9: ``If-None-Match: *`` on the POST protects every record."""
        wire.create(records, "a")
        answer = wire.batch(
            put(f"{records}/a"), put(f"{records}/b"), headers={"If-None-Match": "*"}
        )
        assert answer.statuses == [412, 201]

    def test_if_match_is_inherited(self, wire: Wire, records: str) -> None:
        """B9: ``If-Match`` on the POST is compared with every record."""
        wire.create(records, "a", "b")
        etag = wire.get(f"{records}/a").etag
        answer = wire.batch(put(f"{records}/a"), put(f"{records}/b"), headers={"If-Match": etag})
        assert answer.statuses == [200, 412]

    def test_response_behavior_is_inherited(self, wire: Wire, records: str) -> None:
        """B9: ``Response-Behavior: light`` on the POST thins every answer to a PATCH."""
        wire.create(records, "a")
        patch = sub("PATCH", f"{records}/a", {"data": {"x": 1}})
        answer = wire.batch(patch, headers={"Response-Behavior": "light"})
        assert answer.responses[0].data == {"x": 1}


class TestCachedSchema:
    @pytest.fixture(params=STORAGES)
    def server(self, request: pytest.FixtureRequest, validating: Chooser) -> KintoServer:
        return validating(request.param)

    def test_is_the_one_before_the_batch(self, wire: Wire, collection: str, records: str) -> None:
        """B10: a record is validated with the schema that the batch itself has replaced."""
        wire.put(collection, {"data": {"schema": TEXT}})
        answer = wire.batch(
            put(f"{records}/a", title="text"),
            put(collection, schema=NUMBER),
            put(f"{records}/b", title="text"),
            put(f"{records}/c", title=1),
        )
        assert answer.statuses == [201, 200, 201, 400]

    def test_is_the_new_one_when_no_record_came_before(
        self, wire: Wire, collection: str, records: str
    ) -> None:
        """B10: the first record of a batch decides which schema that is."""
        wire.put(collection, {"data": {"schema": TEXT}})
        answer = wire.batch(
            put(collection, schema=NUMBER),
            put(f"{records}/a", title="text"),
            put(f"{records}/b", title=1),
        )
        assert answer.statuses == [200, 400, 201]


class TestDeletedParent:
    def test_takes_an_orphan(self, wire: Wire, collection: str, records: str) -> None:
        """B10: a record is a 201 after its collection's DELETE, if another came before that."""
        answer = wire.batch(
            put(f"{records}/a"), sub("DELETE", collection), put(f"{records}/orphan")
        )
        assert answer.statuses == [201, 200, 201]
        assert wire.get(f"{records}/orphan").status == 404
        wire.put(collection)
        assert wire.get(f"{records}?_since=1").data == []

    def test_takes_no_orphan_when_no_record_came_before(
        self, wire: Wire, collection: str, records: str
    ) -> None:
        """B10: otherwise the collection is looked for, and missed."""
        answer = wire.batch(sub("DELETE", collection), put(f"{records}/orphan"))
        assert answer.statuses == [200, 404]

    def test_empties_the_collection_that_replaces_it(
        self, wire: Wire, collection: str, records: str
    ) -> None:
        """B10: records of a deleted collection are purged when the batch ends, new ones too."""
        answer = wire.batch(sub("DELETE", collection), put(collection), put(f"{records}/new"))
        assert answer.statuses == [200, 201, 201]
        assert wire.get(collection).status == 200
        assert wire.get(f"{records}?_since=1").data == []

    @pytest.mark.usefixtures("collection")
    def test_locks_the_bucket_that_replaces_it(self, wire: Wire, bucket: str) -> None:
        """B10: permissions on a deleted bucket are purged when the batch ends, new ones too."""
        path = f"/buckets/{bucket}"
        assert wire.batch(sub("DELETE", path), sub("PUT", path)).statuses == [200, 201]
        assert [wire.send(method, path).status for method in ("GET", "PUT", "DELETE")] == [403] * 3


@on_both_storages
class TestShape:
    def test_limit(self, wire: Wire, records: str) -> None:
        """B11: ``GET /`` says 25; so many are served, one more is a 400 for all."""
        limit = wire.get("/").body["settings"]["batch_max_requests"]
        assert limit == 25
        assert wire.batch(*[sub("GET", records)] * limit).statuses == [200] * limit
        writes = [put(f"{records}/{n}") for n in range(limit + 1)]
        assert wire.batch(*writes).status == 400
        assert wire.get(records).ids == []

    def test_header_values_must_be_strings(self, wire: Wire, records: str) -> None:
        """B11: a number as the value of a header is a 400 for all."""
        assert wire.batch(sub("GET", records, headers={"X-Number": 1})).status == 400

    def test_head_has_an_empty_string_as_body(self, wire: Wire, records: str) -> None:
        """B11: HEAD is served, with its headers."""
        wire.create(records, "a")
        (answer,) = wire.batch(sub("HEAD", records)).responses
        assert answer.status == 200
        assert answer.headers["Total-Objects"] == "1"
        assert answer.body == ""

    def test_answers_are_in_order(self, wire: Wire, records: str) -> None:
        """B11: the n-th answer is the one to the n-th sub-request."""
        ids = [f"r{n * 7 % 25}" for n in range(25)]
        answer = wire.batch(*(put(f"{records}/{id}") for id in ids))
        assert [each.data["id"] for each in answer.responses] == ids

    def test_sees_its_own_writes(self, wire: Wire, records: str) -> None:
        """B11: a list at the end of a batch, with ``_since``, has what the batch wrote."""
        wire.create(records, "old", "gone")
        since = wire.get(records).etag.strip('"')
        answer = wire.batch(
            put(f"{records}/new"),
            sub("DELETE", f"{records}/gone"),
            sub("GET", f"{records}?_since={since}"),
        )
        changes = answer.responses[2].data
        assert [(each["id"], each.get("deleted", False)) for each in changes] == [
            ("gone", True),
            ("new", False),
        ]

    def test_defaults_are_merged_into_sub_requests(self, wire: Wire, records: str) -> None:
        """B11: deeply; what a sub-request says itself prevails."""
        wire.create(records, "existing")
        body = {
            "defaults": {
                "method": "PUT",
                "headers": {"If-None-Match": "*"},
                "body": {"data": {"colour": "red", "size": {"x": 1}}},
            },
            "requests": [
                {"path": f"{records}/a"},
                {"path": f"{records}/b", "body": {"data": {"colour": "blue", "size": {"y": 2}}}},
                {"path": f"{records}/existing"},
                {"path": f"{records}/existing", "method": "DELETE", "headers": {}},
            ],
        }
        assert wire.post("/batch", body).statuses == [201, 201, 412, 412]
        assert wire.stored(records, "a") == {"colour": "red", "size": {"x": 1}}
        assert wire.stored(records, "b") == {"colour": "blue", "size": {"x": 1, "y": 2}}
