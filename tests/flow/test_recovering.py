"""What became of a write: the object is compared to what was meant."""

from __future__ import annotations

import hashlib
import io
import json

from pathlib import Path
from typing import Any

import attrs
import pytest

from hypothesis import given
from hypothesis import strategies as st

from kinto_orm.exceptions import OutcomeUnknown, ResponseError
from kinto_orm.flow import Document, Form, Request, Response
from kinto_orm.flow.recovering import MERGE_PATCH, can_be_found_out, found_out, merged, sha256

from .scripts import LAW, Script, replies


BUCKET = "/buckets/b"
COLLECTION = f"{BUCKET}/collections/c"
RECORD = f"{COLLECTION}/records/r"
UPLOAD = f"{RECORD}/attachment"

MERGE = {"Content-Type": MERGE_PATCH}


def found(data: Any, permissions: Any = None, **headers: str) -> Response:
    """Return the answer of a server that has an object with *data*."""
    data = {"id": "r", "last_modified": 6, **data}
    return Response(200, {"data": data, "permissions": permissions or {}}, headers)


def outcome(request: Request, there: Response) -> Response | None:
    """Return what is found out of *request*, where the server answers *there* to a look."""
    assert can_be_found_out(request)
    script = Script(replies(there))
    answer = script.run(found_out(request))
    path = request.path.removesuffix("/attachment")
    assert script.requests == [Request("GET", path)]
    return answer


def was_applied(request: Request, there: Response) -> bool:
    """Tell whether *request* is found to have been applied: the answer is what is there."""
    answer = outcome(request, there)
    assert answer is None or answer is there
    return answer is there


def put(data: Any = None, permissions: Any = None, path: str = RECORD, **headers: str) -> Request:
    """Return a request that replaces."""
    return _written("PUT", path, data, permissions, headers)


def patch(data: Any = None, permissions: Any = None, **headers: str) -> Request:
    """Return a request that replaces attributes."""
    return _written("PATCH", RECORD, data, permissions, headers)


def merge(data: Any) -> Request:
    """Return a request that merges."""
    return _written("PATCH", RECORD, data, None, MERGE)


def _written(method: str, path: str, data: Any, permissions: Any, headers: Any) -> Request:
    parts = {"data": data, "permissions": permissions}
    body = {name: part for name, part in parts.items() if part is not None}
    return Request(method, path, headers=headers, body=body)


class TestPut:
    @pytest.mark.parametrize(
        ("meant", "there", "applied"),
        [
            ({"n": 1}, {"n": 1}, True),
            ({"n": 1, "id": "r", "last_modified": 5}, {"n": 1}, True),
            ({}, {}, True),
            ({"n": {"a": [1, None]}}, {"n": {"a": [1, None]}}, True),
            ({"n": 1}, {"n": 1.0}, True),
            ({"n": 1}, {"n": 2}, False),
            ({"n": 1}, {"n": True}, False),
            ({"n": 1}, {"n": 1, "m": 2}, False),
            ({"n": 1, "m": None}, {"n": 1}, False),
            ({}, {"n": 1}, False),
        ],
    )
    def test_data(self, meant: Document, there: Document, applied: bool) -> None:  # noqa: FBT001
        """It was applied if what is there is what was meant, but for what the server sets."""
        assert was_applied(put(meant), found(there)) is applied

    @pytest.mark.parametrize("status", [403, 404])
    def test_missing(self, status: int) -> None:
        """It was not if nothing is there."""
        assert outcome(put({"n": 1}), Response(status)) is None

    def test_without_data(self) -> None:
        """P5: without data it changes none; that there is an object is all that is meant."""
        assert was_applied(put(), found({"n": 1}))

    def test_untouched(self) -> None:
        """T1: if the object still has the timestamp that was expected, nothing was written."""
        assert not was_applied(put({"n": 1}, **{"If-Match": '"6"'}), found({"n": 1}))
        assert was_applied(put({"n": 1}, **{"If-Match": '"5"'}), found({"n": 1}))

    def test_version_of_the_schema(self) -> None:
        """D4: the server sets the key *schema* of records whose collection has one."""
        assert was_applied(put({"n": 1}), found({"n": 1, "schema": 5}))
        assert was_applied(put({"n": 1, "schema": 4}), found({"n": 1, "schema": 5}))

    @pytest.mark.parametrize("path", [COLLECTION, RECORD, BUCKET])
    def test_schema(self, path: str) -> None:
        """Any other *schema* is the user's, above all that of a collection."""
        there = found({"schema": {"type": "object"}})
        assert was_applied(put({"schema": {"type": "object"}}, path=path), there)
        assert not was_applied(put({"schema": {"type": "array"}}, path=path), there)
        assert not was_applied(put({}, path=path), there)
        if path != RECORD:
            assert not was_applied(put({"schema": 4}, path=path), found({"schema": 5}))


class TestPatch:
    @pytest.mark.parametrize(
        ("meant", "there", "applied"),
        [
            ({"n": 1}, {"n": 1, "m": 2}, True),
            ({"n": None}, {"n": None}, True),
            ({"n": {"a": 1}}, {"n": {"a": 1}}, True),
            ({"id": "r", "last_modified": 5, "n": 1}, {"n": 1}, True),
            ({}, {"n": 1}, True),
            ({"n": 1}, {"n": 2}, False),
            ({"n": 1}, {}, False),
            ({"n": None}, {}, False),
            ({"n": {"a": 1}}, {"n": {"a": 1, "b": 2}}, False),
            ({"n": 0}, {"n": False}, False),
        ],
    )
    def test_attributes(self, meant: Document, there: Document, applied: bool) -> None:  # noqa: FBT001
        """Attributes must be there as they were written, each as a whole."""
        assert was_applied(patch(meant), found(there)) is applied

    @pytest.mark.parametrize(
        ("meant", "there", "applied"),
        [
            ({"n": {"a": 1}}, {"n": {"a": 1, "b": 2}, "m": 3}, True),
            ({"n": None}, {"m": 3}, True),
            ({"n": {"a": None}}, {"n": {}}, True),
            ({"id": "r", "last_modified": 5, "n": 1}, {"n": 1}, True),
            ({"n": 1}, {"n": 2}, False),
            ({"n": None}, {"n": None}, False),
            ({"n": {"a": None}}, {"n": {"a": 1}}, False),
            ({"n": {"a": None}}, {}, False),
        ],
    )
    def test_merge(self, meant: Document, there: Document, applied: bool) -> None:  # noqa: FBT001
        """A merge patch was applied if it would change nothing (RFC 7396)."""
        assert was_applied(merge(meant), found(there)) is applied

    @LAW
    @given(
        document=st.dictionaries(st.sampled_from("abc"), st.integers(0, 2)),
        change=st.dictionaries(st.sampled_from("abc"), st.none() | st.integers(0, 2)),
    )
    def test_merge_law(self, document: Document, change: Document) -> None:
        """What a merge patch makes of a document, it is found to have made."""
        assert was_applied(merge(change), found(merged(document, change)))

    def test_missing(self) -> None:
        """It was not applied if nothing is there."""
        assert outcome(patch({"n": 1}), Response(404)) is None

    @pytest.mark.parametrize("there", [found({}), found({"n": 1})])
    def test_json_patch(self, there: Response) -> None:
        """Of a JSON Patch that is told only if what it was made for is untouched, or gone."""
        body = [{"op": "add", "path": "/data/n", "value": 1}]
        guarded = Request("PATCH", RECORD, headers={"If-Match": '"6"'}, body=body)
        assert outcome(guarded, there) is None
        moved = attrs.evolve(guarded, headers={"If-Match": '"5"'})
        with pytest.raises(OutcomeUnknown, match=f"PATCH {RECORD}: it cannot be told"):
            outcome(moved, there)
        assert outcome(moved, Response(404)) is None


ME, ANN, BOB = "account:me", "account:ann", "account:bob"


class TestPermissions:
    @pytest.mark.parametrize(
        ("meant", "there", "applied"),
        [
            ({"read": [ANN]}, {"read": [ANN], "write": [ME]}, True),
            ({"read": [ANN, BOB]}, {"read": [BOB, ANN]}, True),
            ({"write": [ANN]}, {"write": [ANN, ME]}, True),
            ({"write": []}, {"write": [ME]}, True),
            ({"read": []}, {"write": [ME]}, True),
            ({}, {"read": [BOB]}, True),
            ({"read": [ANN]}, {"write": [ME]}, False),
            ({"read": []}, {"read": [BOB]}, False),
            ({"read": [ANN]}, {"read": [ANN, BOB]}, False),
            ({"write": [ANN]}, {"write": [ANN, BOB, ME]}, False),
            ({"read": [ANN]}, {}, False),
        ],
    )
    @pytest.mark.parametrize("write", [put, patch])
    def test_given(self, write: Any, meant: Any, there: Any, applied: bool) -> None:  # noqa: FBT001
        """P5: those that are given are replaced; who writes is added to those who may."""
        assert was_applied(write({"n": 1}, meant), found({"n": 1}, there)) is applied

    def test_not_given(self) -> None:
        """P5: a PUT takes away what it does not name, a PATCH leaves that as it is."""
        there = found({"n": 1}, {"read": [ANN], "record:create": [BOB], "write": [ME]})
        assert not was_applied(put({"n": 1}, {"read": [ANN]}), there)
        assert was_applied(patch({"n": 1}, {"read": [ANN]}), there)

    def test_alone(self) -> None:
        """Permissions may be all that is written."""
        assert was_applied(patch(None, {"read": [ANN]}), found({"n": 1}, {"read": [ANN]}))
        assert not was_applied(patch(None, {"read": [ANN]}), found({"n": 1}, {"read": []}))


class TestDelete:
    @pytest.mark.parametrize("path", [BUCKET, COLLECTION, RECORD])
    def test_gone(self, path: str) -> None:
        """What is not there was deleted; the tombstone does not say when."""
        answer = outcome(Request("DELETE", path), Response(404))
        assert answer is not None
        assert answer.status == 200
        assert answer.body == {"data": {"id": path.rpartition("/")[2], "deleted": True}}

    def test_there(self) -> None:
        """What is there was not, or has been created since."""
        assert outcome(Request("DELETE", RECORD), found({})) is None

    def test_hidden(self) -> None:
        """P4: a 403 does not say whether a bucket is gone, or was never to be seen."""
        with pytest.raises(OutcomeUnknown):
            outcome(Request("DELETE", BUCKET), Response(403))
        assert outcome(Request("DELETE", RECORD), Response(403)) is None


class TestLists:
    def test_all(self) -> None:
        """What matches can be deleted once more without a look."""
        request = Request("DELETE", f"{COLLECTION}/records", {"eq_n": "1"})
        assert can_be_found_out(request)
        assert Script().run(found_out(request)) is None

    @pytest.mark.parametrize("params", [[("_limit", "5")], {"_limit": "5", "_token": "x"}])
    def test_some(self, params: Any) -> None:
        """Only so many, or those of one page: a second time these would be others."""
        assert not can_be_found_out(Request("DELETE", f"{COLLECTION}/records", params))

    def test_guarded(self) -> None:
        """With a precondition the list may have been moved by the deletion itself."""
        request = Request("DELETE", f"{COLLECTION}/records", headers={"If-Match": '"5"'})
        assert not can_be_found_out(request)


FILE = b"file"
HASH = hashlib.sha256(FILE).hexdigest()


def upload(source: Any = None, **fields: Any) -> Request:
    """Return an upload."""
    texts = {name: json.dumps(part) for name, part in fields.items()}
    file = io.BytesIO(FILE) if source is None else source
    return Request("POST", UPLOAD, body=Form(file, "a.txt", "text/plain; charset=utf-8", texts))


def kept(**changes: Any) -> Document:
    """Return what the server says of a file, with *changes*."""
    return {"hash": HASH, "filename": "a.txt", "mimetype": "text/plain", "size": 4, **changes}


class TestAttachments:
    def test_uploaded(self, tmp_path: Path) -> None:
        """An upload was applied if its file is there: by its hash, wherever it comes from."""
        (tmp_path / "a.txt").write_bytes(FILE)
        half_read = io.BytesIO(FILE)
        half_read.read(2)
        for source in (tmp_path / "a.txt", half_read):
            answer = outcome(upload(source), found({"attachment": kept()}))
            assert answer == Response(200, kept())

    def test_compressed(self) -> None:
        """The server may keep it in another form."""
        attachment = kept(hash="other", original={"hash": HASH})
        assert outcome(upload(), found({"attachment": attachment})) is not None

    @pytest.mark.parametrize(
        "there",
        [
            Response(404),
            found({}),
            found({"attachment": None}),
            found({"attachment": kept(hash="other")}),
            found({"attachment": kept(filename="b.txt")}),
            found({"attachment": kept(mimetype="image/png")}),
        ],
    )
    def test_not_uploaded(self, there: Response) -> None:
        """It was not if there is none, or another, or the same by another name."""
        assert outcome(upload(), there) is None

    def test_with_data(self) -> None:
        """What goes with it must be there as well: the file may have been there before."""
        there = found({"n": 1, "attachment": kept()}, {"read": [ANN], "write": [ME]})
        assert outcome(upload(data={"n": 1}, permissions={"read": [ANN]}), there) is not None
        assert outcome(upload(data={"n": 2}), there) is None
        assert outcome(upload(data={"n": 1}, permissions={"read": [BOB]}), there) is None

    def test_removed(self) -> None:
        """A file was removed if the record is there, and no file."""
        request = Request("DELETE", UPLOAD)
        assert outcome(request, found({"attachment": None})) == Response(204)
        assert outcome(request, found({})) == Response(204)
        assert outcome(request, found({"attachment": kept()})) is None
        assert outcome(request, Response(404)) is None

    def test_hash(self, tmp_path: Path) -> None:
        """Hashes are made of large files, too, part by part."""
        content = bytes(range(256)) * 5000
        (tmp_path / "large").write_bytes(content)
        expected = hashlib.sha256(content).hexdigest()
        assert sha256(tmp_path / "large") == sha256(io.BytesIO(content)) == expected


class TestCannotBeTold:
    @pytest.mark.parametrize(
        "request_",
        [
            Request("PUT", "/accounts/ann", body={"data": {"password": "x"}}),
            Request("DELETE", "/accounts/ann"),
            Request("POST", f"{COLLECTION}/records", body={"data": {}}),
            Request("POST", "/__flush__", body={}),
            Request("POST", RECORD, body=Form(io.BytesIO(), "a", "text/plain")),
            Request("POST", UPLOAD, body={}),
            Request("PUT", f"{COLLECTION}/records", body={"data": {}}),
            Request("PATCH", f"{RECORD}/other", body={"data": {}}),
            Request("PATCH", RECORD, body=[]),
            Request("PUT", RECORD, body="text"),
        ],
    )
    def test_requests(self, request_: Request) -> None:
        """Of passwords, of what creates anew, and of what is no object, a look does not tell."""
        assert not can_be_found_out(request_)

    @pytest.mark.parametrize("status", [200, 204, 304, 400, 401, 409, 429, 500, 503])
    @pytest.mark.parametrize("request_", [put({}), patch({}), Request("DELETE", RECORD), upload()])
    def test_answers(self, request_: Request, status: int) -> None:
        """Only an object, a 403 and a 404 say what is there; anything else is an error."""
        with pytest.raises(ResponseError, match=f"GET {RECORD}: {status}"):
            outcome(request_, Response(status))
