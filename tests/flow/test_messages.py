"""Requests as values: which of them write."""

from __future__ import annotations

import pytest

from kinto_orm.flow import Request


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
