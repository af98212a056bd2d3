"""Long lists: as many pages as there are, in the memory and on the stack that a few need."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack

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
def filled(servers: Callable[[str], KintoServer]) -> Generator[Callable[[str, int], Client]]:
    """Give what makes a client whose collection *many*, in a bucket, has so many records."""
    server = servers("postgresql")
    with ExitStack() as stack:
        cursor = stack.enter_context(query(database_url(server)))

        def fill(bucket: str, count: int) -> Client:
            client = stack.enter_context(
                Client(server_url=server.url, auth=server.auth, bucket=bucket, collection="many")
            )
            client.create_bucket()
            client.create_collection()
            stack.callback(client.delete_bucket)
            place = {"parent": f"/buckets/{bucket}/collections/many", "count": count}
            cursor.execute(_FILL, place)
            stack.callback(cursor.execute, _EMPTY, place)
            return client

        yield fill


@pytest.mark.early
@both_ways
@pytest.mark.parametrize(("what", "count"), [("records", 200_000), ("queried", 100_000)])
def test_memory(way: str, what: str, count: int, filled: Callable[[str, int], Client]) -> None:
    """A stream of documents, or of typed records, takes no more memory than its first 20,000."""
    large = filled(f"streaming-{what}-{way}", count)
    seen, early, late = peaks("client.walker", way, what, large.server_url, str(large.bucket_name))
    assert seen == count > FIRST
    assert late - early < GROWTH


@pytest.mark.early
@pytest.mark.parametrize(("way", "count"), [("blocking", 2000), ("awaiting", 3 * FRAMES)])
def test_stack(way: str, count: int, filled: Callable[[str, int], Client]) -> None:
    """
    K20: 2,000 pages are walked in a loop, whichever way they are read.

    The stack has room for what the client needs for one page, and for little more: so fewer pages
    would show a recursion as well, and one client is enough for all of them.
    """
    many = filled(f"walking-{way}", count)
    walked = peaks("client.walker", way, "pages", many.server_url, str(many.bucket_name))
    assert walked == [count, 2 * FRAMES, 2 * FRAMES]
