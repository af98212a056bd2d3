"""Requests and responses as values: which requests write, how headers are found."""

from __future__ import annotations

import copy
import pickle

from typing import Any

import pytest

from kinto_orm.flow import Headers, Request, Response


@pytest.mark.parametrize(
    ("method", "writes"),
    [("GET", False), ("HEAD", False), ("PUT", True), ("PATCH", True), ("DELETE", True)],
)
def test_only_reads_change_nothing(method: str, writes: bool) -> None:  # noqa: FBT001
    """GET and HEAD are reads; whatever else there is may change something."""
    assert Request(method, "/buckets/b").writes is writes


def test_post_writes() -> None:
    """A POST to anything but the batch endpoint is a write."""
    assert Request("POST", "/buckets/b/batch", body={"data": {}}).writes


@pytest.mark.parametrize(
    ("methods", "writes"), [(["GET", "HEAD"], False), (["GET", "DELETE"], True), ([], False)]
)
def test_a_batch_writes_if_any_of_it_does(methods: list[str], writes: bool) -> None:  # noqa: FBT001
    """A batch is a read when all in it are, so that it can be repeated as one."""
    parts = [{"method": method, "path": "/"} for method in methods]
    assert Request("POST", "/batch", body={"requests": parts}).writes is writes


@pytest.mark.parametrize(
    ("body", "writes"),
    [
        ({"defaults": {"method": "PUT"}, "requests": [{"path": "/"}]}, True),
        ({"defaults": {"method": "GET"}, "requests": [{"path": "/"}]}, False),
        ({"defaults": {"method": "GET"}, "requests": [{"path": "/", "method": "PUT"}]}, True),
        ({"requests": [{"path": "/"}]}, True),
        ({}, False),
    ],
)
def test_a_batch_of_a_user(body: Any, writes: bool) -> None:  # noqa: FBT001
    """B11: where a request of a batch does not say what it does, it may write."""
    assert Request("POST", "/batch", body=body).writes is writes


def test_parts_of_a_batch_of_a_user() -> None:
    """B11: what a batch says of all is added to what each says, as the server adds it."""
    body = {
        "defaults": {"method": "PUT", "headers": {"a": "1"}, "body": {"data": {"x": {"y": 1}}}},
        "requests": [
            {"path": "/a"},
            {"path": "/b", "method": "PATCH", "headers": {"a": "2", "b": "3"}},
            {"path": "/c?q=1", "body": {"data": {"x": {"z": 2}}}},
        ],
    }
    assert Request("POST", "/batch", body=body).parts == (
        Request("PUT", "/a", [], {"a": "1"}, {"data": {"x": {"y": 1}}}),
        Request("PATCH", "/b", [], {"a": "2", "b": "3"}, {"data": {"x": {"y": 1}}}),
        Request("PUT", "/c", [("q", "1")], {"a": "1"}, {"data": {"x": {"y": 1, "z": 2}}}),
    )


class TestHeaders:
    HEADERS = Headers([("ETag", '"5"'), ("Total-Objects", "3")])

    @pytest.mark.parametrize("name", ["ETag", "etag", "ETAG", "eTaG"])
    def test_any_case(self, name: str) -> None:
        """They are found by their names in any case."""
        assert self.HEADERS[name] == '"5"'
        assert self.HEADERS.get(name) == '"5"'
        assert name in self.HEADERS

    def test_missing(self) -> None:
        """What is not there is not found, and nothing that is no name."""
        assert self.HEADERS.get("Alert") is None
        assert 5 not in self.HEADERS  # type: ignore[comparison-overlap]
        with pytest.raises(KeyError, match="alert"):
            _ = self.HEADERS["Alert"]

    def test_mapping(self) -> None:
        """They are a mapping; names are in lower case."""
        assert dict(self.HEADERS) == {"etag": '"5"', "total-objects": "3"}
        assert len(self.HEADERS) == 2

    def test_equality(self) -> None:
        """They are equal to a mapping with the same fields, whatever the case of the names."""
        assert Headers([("etag", '"5"'), ("TOTAL-OBJECTS", "3")]) == self.HEADERS
        assert self.HEADERS == {"ETag": '"5"', "Total-objects": "3"}
        assert self.HEADERS != {"ETag": '"6"', "Total-objects": "3"}
        assert self.HEADERS != {"ETag": '"5"'}
        assert self.HEADERS != [("etag", '"5"')]
        assert Headers() == {}

    def test_copies(self) -> None:
        """They can be copied, and sent to another process."""
        for other in (copy.deepcopy(self.HEADERS), pickle.loads(pickle.dumps(self.HEADERS))):
            assert other == self.HEADERS
            assert other["eTag"] == '"5"'

    def test_are_not_shown(self) -> None:
        """They show their names alone: values may be secrets."""
        assert repr(self.HEADERS) == "<Headers etag, total-objects>"


class TestResponse:
    """It has the names of the responses of *requests*, too."""

    @pytest.mark.parametrize(("status", "ok"), [(200, True), (304, True), (404, False)])
    def test_names(self, status: int, ok: bool) -> None:  # noqa: FBT001
        """Status, success and body go by those names."""
        response = Response(status, {"a": 1})
        assert (response.status_code, response.ok, response.json()) == (status, ok, {"a": 1})
