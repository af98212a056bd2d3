"""Preconditions, what missing things look like, and permissions."""

from __future__ import annotations

import pytest

from kinto_orm.embedded import KintoServer

from .collisions import overlap
from .kinds import on_both_storages, on_postgresql
from .wire import JSON_PATCH, Answer, Wire, put, sub


EVERYONE = "system.Everyone"


def permissions(answer: Answer) -> dict[str, set[str]]:
    return {name: set(principals) for name, principals in answer.body["permissions"].items()}


@on_both_storages
class TestIfMatch:
    @pytest.fixture
    def record(self, wire: Wire, records: str) -> str:
        wire.create(records, "a")
        return f"{records}/a"

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
    @pytest.mark.parametrize(("later", "status"), [(0, 200), (-1, 412), (1, 412)])
    def test_is_equality(
        self, wire: Wire, record: str, method: str, later: int, status: int
    ) -> None:
        """P1: neither an older nor a newer timestamp will do."""
        header = {"If-Match": f'"{wire.get(record).timestamp + later}"'}
        body = None if method == "DELETE" else {"data": {"n": 9}}
        assert wire.send(method, record, body, header).status == status

    @pytest.mark.parametrize("spelling", ["{}", "'{}'", 'W/"{}"', '"{}", "1"', '"*"', '""', "x"])
    def test_has_one_spelling(self, wire: Wire, record: str, spelling: str) -> None:
        """P1: anything but digits in double quotes, or a bare star, is a 400."""
        header = {"If-Match": spelling.format(wire.get(record).timestamp)}
        assert wire.put(record, {"data": {}}, header).status == 400

    def test_zero_is_no_precondition(self, wire: Wire, record: str) -> None:
        """P1: a timestamp of 0 is passed over."""
        assert wire.put(record, {"data": {}}, {"If-Match": '"0"'}).status == 200
        assert wire.put(record, {"data": {}}, {"If-Match": '"1"'}).status == 412

    def test_star_means_only_if_it_exists(self, wire: Wire, record: str) -> None:
        """P1: a star without quotes."""
        assert wire.put(record, {"data": {}}, {"If-Match": "*"}).status == 200
        assert wire.put(f"{record}-missing", {"data": {}}, {"If-Match": "*"}).status == 412
        assert wire.get(f"{record}-missing").status == 404


@on_both_storages
class TestIfNoneMatch:
    def test_star_means_only_if_it_does_not_exist(self, wire: Wire, records: str) -> None:
        """P1: for a creation that must not replace."""
        header = {"If-None-Match": "*"}
        assert wire.put(f"{records}/a", {"data": {"n": 1}}, header).status == 201
        assert wire.put(f"{records}/a", {"data": {"n": 2}}, header).status == 412
        assert wire.get(f"{records}/a").data["n"] == 1

    @pytest.mark.parametrize("later", [0, 1])
    def test_of_a_timestamp_is_ignored_by_put(self, wire: Wire, records: str, later: int) -> None:
        """P1: whether or not it is the record's own."""
        wire.create(records, "a")
        header = {"If-None-Match": f'"{wire.get(f"{records}/a").timestamp + later}"'}
        assert wire.put(f"{records}/a", {"data": {"n": 9}}, header).status == 200
        assert wire.get(f"{records}/a").data["n"] == 9


@on_both_storages
class TestRefusal:
    @pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
    def test_shows_the_existing_data(self, wire: Wire, records: str, method: str) -> None:
        """P2: a 412 has the object in ``details.existing``, without its permissions."""
        body = {"data": {"n": 1}, "permissions": {"read": [EVERYONE]}}
        existing = wire.put(f"{records}/a", body).data
        sent: object = {"data": {}} if method in {"PUT", "PATCH"} else None
        answer = wire.send(method, f"{records}/a", sent, {"If-Match": '"1"'})
        assert answer.status == 412
        assert answer.body["details"] == {"existing": existing}
        assert answer.etag == f'"{existing["last_modified"]}"'

    def test_by_if_none_match_shows_it_too(self, wire: Wire, records: str) -> None:
        """P2: the same for ``If-None-Match: *``."""
        existing = wire.put(f"{records}/a", {"data": {"n": 1}}).data
        answer = wire.put(f"{records}/a", {"data": {}}, {"If-None-Match": "*"})
        assert answer.status == 412
        assert answer.body["details"] == {"existing": existing}

    @pytest.mark.parametrize("gone", [False, True], ids=["never was", "deleted"])
    @pytest.mark.parametrize("match", ['"1"', "*"])
    def test_of_what_is_missing(self, wire: Wire, records: str, match: str, *, gone: bool) -> None:
        """P2: with If-Match, PATCH and DELETE are a 404, PUT is a 412 without *existing*."""
        if gone:
            wire.create(records, "a")
            wire.delete(f"{records}/a")
        header = {"If-Match": match}
        assert wire.patch(f"{records}/a", {"data": {}}, header).status == 404
        assert wire.delete(f"{records}/a", header).status == 404
        answer = wire.put(f"{records}/a", {"data": {}}, header)
        assert answer.status == 412
        assert "details" not in answer.body

    def test_of_a_second_deletion(self, wire: Wire, records: str) -> None:
        """P2: DELETE twice is a 404 the second time."""
        wire.create(records, "a")
        assert wire.delete(f"{records}/a").status == 200
        assert wire.delete(f"{records}/a").status == 404


@on_postgresql
class TestCheckThenAct:
    @pytest.mark.parametrize("method", ["PATCH", "PUT"])
    def test_loses_an_update(
        self, server: KintoServer, wire: Wire, records: str, gate: str, method: str
    ) -> None:
        """P3: two writes with one If-Match at once are both a 200; the first change is lost."""
        wire.create(records, "a")
        header = {"If-Match": wire.get(f"{records}/a").etag}
        first, second = overlap(
            server,
            gate.removesuffix("/gate"),
            lambda: wire.batch(
                sub(method, f"{records}/a", {"data": {"first": True}}, header), put(gate)
            ),
            lambda: wire.send(method, f"{records}/a", {"data": {"second": True}}, header),
        )
        assert first.statuses == [200, 201]
        assert second.status == 200
        assert second.timestamp > first.responses[0].timestamp
        assert wire.get(f"{records}/a").data == second.data
        assert "second" in second.data
        assert "first" not in second.data

    def test_waits_for_a_write_before_it(
        self, server: KintoServer, wire: Wire, records: str, gate: str
    ) -> None:
        """P3: of two batches that write the same record first, the second sees what is next."""
        wire.create(records, "a")
        header = {"If-Match": wire.get(f"{records}/a").etag}
        lock, unlock = put(f"{records}/lock"), sub("DELETE", f"{records}/lock")
        first, second = overlap(
            server,
            gate.removesuffix("/gate"),
            lambda: wire.batch(
                lock,
                sub("PATCH", f"{records}/a", {"data": {"first": True}}, header),
                unlock,
                put(gate),
            ),
            lambda: wire.batch(
                lock, sub("PATCH", f"{records}/a", {"data": {"second": True}}, header), unlock
            ),
        )
        assert first.statuses == [201, 200, 200, 201]
        assert second.statuses == [201, 412, 200]
        assert wire.get(f"{records}/a").data == first.responses[1].data
        assert wire.get(f"{records}/lock").status == 404

    def test_does_not_lose_a_creation(
        self, server: KintoServer, wire: Wire, records: str, gate: str
    ) -> None:
        """P3: of two creations with ``If-None-Match: *`` at once, the second is a 409."""
        wire.create(records, "other")  # Or else the later one waits before it looks, for a 412.
        header = {"If-None-Match": "*"}
        first, second = overlap(
            server,
            gate.removesuffix("/gate"),
            lambda: wire.batch(put(f"{records}/a", header, by="first"), put(gate)),
            lambda: wire.put(f"{records}/a", {"data": {"by": "second"}}, header),
        )
        assert first.statuses == [201, 201]
        assert second.status == 409
        assert wire.get(f"{records}/a").data["by"] == "first"

    def test_brings_a_deleted_record_back(
        self, server: KintoServer, wire: Wire, records: str, gate: str
    ) -> None:
        """P3: a PATCH at the same time as a DELETE, with the same If-Match, undoes that."""
        wire.create(records, "a")
        header = {"If-Match": wire.get(f"{records}/a").etag}
        first, second = overlap(
            server,
            gate.removesuffix("/gate"),
            lambda: wire.batch(sub("DELETE", f"{records}/a", headers=header), put(gate)),
            lambda: wire.patch(f"{records}/a", {"data": {"second": True}}, header),
        )
        assert first.statuses == [200, 201]
        assert second.status == 200
        assert wire.get(f"{records}/a").data == second.data


@on_both_storages
class TestMissing:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", ""),
            ("PATCH", ""),
            ("DELETE", ""),
            ("GET", "/collections"),
            ("PUT", "/collections/things"),
            ("GET", "/collections/things/records"),
        ],
    )
    def test_bucket_is_a_403(self, wire: Wire, bucket: str, method: str, path: str) -> None:
        """P4: a bucket that does not exist is forbidden, like what would be in it."""
        body: object = {"data": {}} if method in {"PUT", "PATCH"} else None
        assert wire.send(method, f"/buckets/{bucket}{path}", body).status == 403

    def test_bucket_is_like_a_forbidden_one(self, wire: Wire, stranger: Wire, bucket: str) -> None:
        """P4: a bucket of somebody else gives the very same answer."""
        missing = stranger.get(f"/buckets/{bucket}")
        wire.put(f"/buckets/{bucket}")
        forbidden = stranger.get(f"/buckets/{bucket}")
        assert (missing.status, missing.body) == (forbidden.status, forbidden.body)

    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", ""), ("GET", "/records"), ("PUT", "/records/a"), ("GET", "/records/a")],
    )
    def test_collection_in_ones_own_bucket_is_a_404(
        self, wire: Wire, bucket: str, method: str, path: str
    ) -> None:
        """P4: the answer names the collection."""
        wire.put(f"/buckets/{bucket}")
        answer = wire.send(method, f"/buckets/{bucket}/collections/missing{path}")
        assert answer.status == 404
        assert answer.body["details"] == {"id": "missing", "resource_name": "collection"}

    def test_credentials_are_a_401(self, wire: Wire, nobody: Wire, bucket: str) -> None:
        """P4: without them, whether or not the thing exists."""
        wire.put(f"/buckets/{bucket}")
        assert nobody.get(f"/buckets/{bucket}").status == 401
        assert nobody.get(f"/buckets/{bucket}-missing").status == 401
        assert nobody.put(f"/buckets/{bucket}-missing").status == 401


class TestWrongPassword:
    @pytest.fixture
    def server(self, accounts: KintoServer) -> KintoServer:
        return accounts

    def test_is_not_told_at_the_root(self, server: KintoServer, nobody: Wire, bucket: str) -> None:
        """P4: ``GET /`` is a 200 without *user*."""
        user = {"data": {"password": "right"}}
        assert nobody.put(f"/accounts/{bucket}", user).status == 201
        with Wire(server.url, (bucket, "right")) as right:
            assert right.get("/").body["user"]["id"] == f"account:{bucket}"
        with Wire(server.url, (bucket, "wrong")) as wrong:
            answer = wrong.get("/")
            assert answer.status == 200
            assert "user" not in answer.body
            assert wrong.get("/buckets").status == 401


class TestPermissions:
    @pytest.fixture
    def me(self, wire: Wire) -> str:
        """Give the principal that stands for the user."""
        return str(wire.get("/").body["user"]["id"])

    @pytest.fixture
    def record(self, wire: Wire, records: str) -> str:
        """Give a record that everyone may read and *u:x* may write."""
        body = {"data": {"n": 1}, "permissions": {"read": [EVERYONE], "write": ["u:x"]}}
        assert wire.put(f"{records}/a", body).status == 201
        return f"{records}/a"

    def test_put_without_data_keeps_the_data(self, wire: Wire, record: str) -> None:
        """P5: it writes permissions alone."""
        wire.put(record, {"permissions": {"read": ["u:y"]}})
        assert wire.get(record).data["n"] == 1

    def test_put_without_any_changes_none(self, wire: Wire, me: str, record: str) -> None:
        """P5: ``permissions: {}`` is like no permissions at all."""
        wire.put(record, {"data": {"n": 2}, "permissions": {}})
        assert permissions(wire.get(record)) == {"read": {EVERYONE}, "write": {me, "u:x"}}
        wire.put(record, {"data": {"n": 2}})
        assert permissions(wire.get(record)) == {"read": {EVERYONE}, "write": {me, "u:x"}}

    def test_put_of_some_wipes_the_others(self, wire: Wire, me: str, record: str) -> None:
        """P5: those not named are emptied."""
        wire.put(record, {"data": {"n": 2}, "permissions": {"write": ["u:y"]}})
        assert permissions(wire.get(record)) == {"write": {me, "u:y"}}

    def test_patch_replaces_those_named(self, wire: Wire, me: str, record: str) -> None:
        """P5: the others stay; an empty list takes all principals away."""
        wire.patch(record, {"permissions": {"read": ["u:z"]}})
        assert permissions(wire.get(record)) == {"read": {"u:z"}, "write": {me, "u:x"}}
        wire.patch(record, {"permissions": {"read": []}})
        assert permissions(wire.get(record)) == {"write": {me, "u:x"}}

    @pytest.mark.parametrize("method", ["PUT", "PATCH"])
    def test_writer_is_added_back(self, wire: Wire, me: str, record: str, method: str) -> None:
        """P5: who writes can write afterwards, whatever was written."""
        wire.send(method, record, {"permissions": {"write": []}})
        wire.send(method, record, {"permissions": {"write": ["u:y"]}})
        assert permissions(wire.get(record))["write"] == {me, "u:y"}

    def test_other_writer_is_added(
        self, wire: Wire, stranger: Wire, me: str, bucket: str, record: str
    ) -> None:
        """P5: who may write because of the bucket is added to each record that he writes."""
        other = stranger.get("/").body["user"]["id"]
        wire.patch(f"/buckets/{bucket}", {"permissions": {"write": [other]}})
        stranger.patch(record, {"data": {"n": 2}})
        assert permissions(wire.get(record))["write"] == {me, "u:x", other}

    def test_are_not_shown_to_a_reader(self, stranger: Wire, record: str) -> None:
        """P5: he gets ``permissions: {}``."""
        answer = stranger.get(record)
        assert answer.status == 200
        assert answer.body["permissions"] == {}

    def test_are_not_shown_to_a_writer_of_the_bucket(
        self, wire: Wire, stranger: Wire, bucket: str, record: str
    ) -> None:
        """P5: who may write the record only because of its bucket gets ``{}`` as well."""
        other = stranger.get("/").body["user"]["id"]
        wire.patch(f"/buckets/{bucket}", {"permissions": {"write": [other]}})
        assert stranger.get(record).body["permissions"] == {}
        assert stranger.patch(record, {"data": {"n": 2}}).status == 200

    @pytest.mark.usefixtures("record")
    def test_are_not_in_lists(self, wire: Wire, records: str) -> None:
        """P5: neither as a whole nor for each record."""
        answer = wire.get(records)
        assert answer.body.keys() == {"data"}
        assert answer.data[0].keys() == {"id", "last_modified", "n"}


@on_both_storages
class TestPermissionsByJsonPatch:
    """What more there is to P8; the rest of it has no test yet."""

    GROUP = "/buckets/b/groups/g"

    def test_address_a_group_with_its_slashes_escaped(self, wire: Wire, records: str) -> None:
        """P8: in a JSON Patch path a slash of a principal is ``~1`` (RFC 6901)."""
        wire.create(records, "a")
        path = f"/permissions/read/{self.GROUP.replace('/', '~1')}"
        self.patch(wire, f"{records}/a", {"op": "add", "path": path}, 200)
        assert permissions(wire.get(f"{records}/a"))["read"] == {self.GROUP}
        self.patch(wire, f"{records}/a", {"op": "remove", "path": path}, 200)
        assert "read" not in permissions(wire.get(f"{records}/a"))

    def test_do_not_address_a_group_as_it_is(self, wire: Wire, records: str) -> None:
        """P8: unescaped it is a 400."""
        wire.create(records, "a")
        path = f"/permissions/read/{self.GROUP}"
        self.patch(wire, f"{records}/a", {"op": "add", "path": path}, 400)

    def patch(self, wire: Wire, record: str, operation: dict[str, str], status: int) -> None:
        answer = wire.patch(record, [operation], {"Content-Type": JSON_PATCH})
        assert answer.status == status


@on_both_storages
class TestPermissionsInData:
    @pytest.mark.parametrize("method", ["PUT", "PATCH", "POST"])
    def test_are_set(self, wire: Wire, records: str, method: str) -> None:
        """P6: ``data.__permissions__`` sets the permissions, and is not stored as data."""
        data = {"id": "a", "__permissions__": {"read": ["u:x"]}}
        if method == "PATCH":
            wire.create(records, "a")
        answer = wire.send(method, records if method == "POST" else f"{records}/a", {"data": data})
        assert answer.status == (200 if method == "PATCH" else 201)
        stored = wire.get(f"{records}/a")
        assert permissions(stored)["read"] == {"u:x"}
        assert "__permissions__" not in stored.data

    def test_yield_to_permissions_beside_it(self, wire: Wire, records: str) -> None:
        """P6: permissions given in their own place prevail."""
        data = {"__permissions__": {"read": ["u:x"]}}
        wire.put(f"{records}/a", {"data": data, "permissions": {"read": ["u:y"]}})
        assert permissions(wire.get(f"{records}/a"))["read"] == {"u:y"}
