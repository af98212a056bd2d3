"""Long lists: as many pages as there are, in the memory and on the stack that a few need."""

from __future__ import annotations

from collections.abc import Callable, Generator

import pytest

from kinto_orm import Client
from kinto_orm.embedded import KintoServer
from peaks import peaks
from server.collisions import database_url, query

from .walker import FIRST, FRAMES


#: How much more memory 200,000 records may take than 20,000.
GROWTH = 10 * 2**20

both_ways = pytest.mark.parametrize("way", ["blocking", "awaiting"])

#: Without triggers, which would make it last five times as long.
_FILL = """
    SET session_replication_role = replica;
    INSERT INTO objects (id, parent_id, resource_name, last_modified, data, deleted)
    SELECT 'r' || lpad(n::TEXT, 6, '0'), %(parent)s, 'record', from_epoch(1500000000000 + n),
           jsonb_build_object('n', n, 'text', repeat('x', 40)), FALSE
      FROM generate_series(1, %(count)s) AS n
"""

_EMPTY = "DELETE FROM objects WHERE parent_id = %(parent)s"


@pytest.fixture(scope="module")
def large(servers: Callable[[str], KintoServer]) -> Generator[Client]:
    """Give a client with 200,000 records in its collection *many*."""
    server = servers("postgresql")
    options = {"auth": server.auth, "bucket": "streaming", "collection": "many"}
    with Client(server_url=server.url, **options) as client:  # type: ignore[arg-type]
        client.create_bucket()
        client.create_collection()
        place = {"parent": "/buckets/streaming/collections/many", "count": 200_000}
        with query(database_url(server)) as cursor:
            cursor.execute(_FILL, place)
            yield client
            cursor.execute(_EMPTY, place)
        client.delete_bucket()


@pytest.mark.early
@both_ways
def test_memory(way: str, large: Client) -> None:
    """A stream of 200,000 records takes no more memory than its first 20,000."""
    count, early, late = peaks(
        "client.walker", way, "records", large.server_url, str(large.bucket_name)
    )
    assert count == 200_000 > FIRST
    assert late - early < GROWTH


@pytest.mark.early
@both_ways
def test_stack(way: str, servers: Callable[[str], KintoServer], bucket: str) -> None:
    """
    K20: lists are walked in a loop, one page after the other, whichever way they are read.

    The stack has room for what the client needs for one page, and for less than a frame more for
    every second one.  On a stack as deep as usual some thousand pages would show the same.
    """
    count = 250
    assert count > 2 * FRAMES
    server = servers("memory")
    options = {"auth": server.auth, "bucket": bucket, "collection": "many"}
    with Client(server_url=server.url, **options) as client:  # type: ignore[arg-type]
        client.create_bucket()
        client.create_collection()
        with client.batch() as batch:
            for n in range(count):
                batch.create_record(id=f"r{n}")
    assert peaks("client.walker", way, "pages", server.url, bucket) == [count] * 3
