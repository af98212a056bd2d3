"""kinto-http, as its users write, and write well: with batches, pages and preconditions."""

from __future__ import annotations

import asyncio
import copy
import logging

from typing import Any

import kinto_http

from kinto_http.patch_type import MergePatch
from kinto_http.utils import collection_diff

from benchmarks.documents import BUCKET, COLLECTION, Document, Documents, changed, fresh
from benchmarks.reading import read
from benchmarks.run import AUTH, TIMES, Run, share


# It warns of each part of a batch that went well, which its users would not want to read.
logging.getLogger("kinto_http").setLevel(logging.ERROR)


def _client(run: Run, kind: Any = kinto_http.Client) -> Any:
    return kind(server_url=run.url, auth=AUTH, bucket=BUCKET, collection=COLLECTION)


def _connected(run: Run) -> Any:
    """Return a client that knows its server, and is connected."""
    client = _client(run)
    with client.batch():
        pass  # It asks how many requests fit in one.
    return client


def load(run: Run) -> None:
    """Load a collection."""
    client = _connected(run)
    with run.measured():
        people = client.get_records()
    assert len(people) == run.size


def commit(run: Run) -> None:
    """Write a fifth of what was loaded, and keep what the answers say."""
    client = _connected(run)
    people = client.get_records()[: share(run.size)]
    changes = [changed(each, number) for number, each in enumerate(people)]
    with run.measured(per=len(people)):
        with client.batch() as batch:
            for each, values in zip(people, changes, strict=True):
                batch.patch_record(original=each, changes=MergePatch(values))
        for each, answer in zip(people, batch.results(), strict=True):
            each.update(answer["data"])
    assert all(each["last_modified"] for each in people)


def grow(run: Run) -> None:
    """Load a collection."""
    client = _connected(run)
    with run.measured(prefix="load "):
        people = client.get_records()
    assert len(people) == run.size


def commit_nothing(run: Run) -> None:
    """Find out that nothing was changed, beside a copy."""
    people = _connected(run).get_records()
    before = copy.deepcopy(people)
    with run.measured(per=run.size * TIMES):
        for _ in range(TIMES):
            found = collection_diff(people, before)
    assert found == ([], [], [])


def get(run: Run) -> None:
    """Read records one by one."""
    client, ids = _connected(run), [each["id"] for each in run.documents()]
    with run.measured():
        for ident in ids:
            client.get_record(id=ident)


def patch(run: Run) -> None:
    """Change records one by one."""
    client, documents = _connected(run), run.documents()
    with run.measured():
        for number, each in enumerate(documents):
            changes = MergePatch({"name": f"Renamed {number}"})
            client.patch_record(original=each, changes=changes)


def create(run: Run) -> None:
    """Create records."""
    client = _connected(run)
    people = [fresh(*each) for each in enumerate(Documents().first(run.size))]
    with run.measured():
        with client.batch() as batch:
            for each in people:
                batch.create_record(data=each)
        created: list[Document] = batch.results()
    assert all(each["data"]["id"] for each in created)
    assert len(created) == run.size


def read_far(run: Run) -> None:
    """Read a collection page by page, and do a little with each record."""
    client, found = _connected(run), 0
    with run.measured():
        for page in client.get_paginated_records():
            for each in page["data"]:
                read(each["name"], each["notes"], each["address"]["city"], each["tags"])
                found += 1
    assert found == run.size


def hold(run: Run) -> None:
    """Keep a collection in memory."""
    client = _connected(run)
    with run.holding():
        people = client.get_records()
    assert len(people) == run.size


def get_at_once(run: Run) -> None:
    """Read records, all at the same time."""
    asyncio.run(_got(run))


async def _got(run: Run) -> None:
    client, ids = _client(run, kinto_http.AsyncClient), [each["id"] for each in run.documents()]
    await client.server_info()
    with run.measured():
        await asyncio.gather(*(client.get_record(id=ident) for ident in ids))
