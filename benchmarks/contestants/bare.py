"""The bare wire: *requests* (or *aiohttp*) and *orjson*, with payloads made by hand."""

from __future__ import annotations

import asyncio
import copy

from collections.abc import Iterator
from typing import Any, Final

import aiohttp
import orjson
import requests

from benchmarks.documents import RECORDS, Document, changed
from benchmarks.reading import read
from benchmarks.run import AUTH, BATCH, TIMES, Run, share


_JSON: Final = {"Content-Type": "application/json"}
_MERGE: Final = {"Content-Type": "application/merge-patch+json"}


def _connected(run: Run) -> requests.Session:
    session = requests.Session()
    session.auth = AUTH
    orjson.loads(session.get(f"{run.url}/").content)
    return session


def _pages(session: requests.Session, run: Run) -> Iterator[list[Document]]:
    url: str | None = run.url + RECORDS
    while url:
        answer = session.get(url)
        yield orjson.loads(answer.content)["data"]
        url = answer.headers.get("Next-Page")


def _people(session: requests.Session, run: Run) -> list[Document]:
    return [each for page in _pages(session, run) for each in page]


def load(run: Run) -> None:
    """Load a collection."""
    session = _connected(run)
    with run.measured():
        people = _people(session, run)
    assert len(people) == run.size


def commit(run: Run) -> None:
    """Write a fifth of what was loaded, in the shortest batches that say it."""
    session = _connected(run)
    people = _people(session, run)[: share(run.size)]
    changes = [changed(each, number) for number, each in enumerate(people)]
    with run.measured(per=len(people)):
        for start in range(0, len(people), BATCH):
            _write(session, run, people[start : start + BATCH], changes[start : start + BATCH])


def _write(
    session: requests.Session, run: Run, people: list[Document], changes: list[Document]
) -> None:
    if len(people) == 1:  # It is shorter without a batch.
        _write_one(session, run, people[0], changes[0])
        return
    entries = [
        {
            "path": f"{RECORDS}/{each['id']}",
            "headers": {"If-Match": f'"{each["last_modified"]}"'},
            "body": {"data": values},
        }
        for each, values in zip(people, changes, strict=True)
    ]
    body = orjson.dumps({"defaults": {"method": "PATCH"}, "requests": entries})
    answer = session.post(f"{run.url}/batch", data=body, headers=_JSON)
    for each, said in zip(people, orjson.loads(answer.content)["responses"], strict=True):
        assert said["status"] == 200
        each.update(said["body"]["data"])


def _write_one(session: requests.Session, run: Run, each: Document, values: Document) -> None:
    answer = session.patch(
        f"{run.url}{RECORDS}/{each['id']}",
        data=orjson.dumps({"data": values}),
        headers={**_JSON, "If-Match": f'"{each["last_modified"]}"'},
    )
    each.update(orjson.loads(answer.content)["data"])


def commit_nothing(run: Run) -> None:
    """Compare documents with a copy."""
    people = _people(_connected(run), run)
    before = copy.deepcopy(people)
    with run.measured(per=run.size * TIMES):
        for _ in range(TIMES):
            found = [one for one, other in zip(people, before, strict=True) if one != other]
    assert not found


def get(run: Run) -> None:
    """Read records one by one."""
    session, ids = _connected(run), [each["id"] for each in run.documents()]
    with run.measured():
        for ident in ids:
            orjson.loads(session.get(f"{run.url}{RECORDS}/{ident}").content)


def patch(run: Run) -> None:
    """Change records one by one."""
    session, documents = _connected(run), run.documents()
    with run.measured():
        for number, each in enumerate(documents):
            body = orjson.dumps({"data": {"name": f"Renamed {number}"}})
            headers = {**_MERGE, "If-Match": f'"{each["last_modified"]}"'}
            url = f"{run.url}{RECORDS}/{each['id']}"
            orjson.loads(session.patch(url, data=body, headers=headers).content)


def read_far(run: Run) -> None:
    """Read a collection page by page, and do a little with each record."""
    session, found = _connected(run), 0
    with run.measured():
        for page in _pages(session, run):
            for each in page:
                read(each["name"], each["notes"], each["address"]["city"], each["tags"])
                found += 1
    assert found == run.size


def hold(run: Run) -> None:
    """Keep a collection in memory."""
    session = _connected(run)
    with run.holding():
        people = _people(session, run)
    assert len(people) == run.size


def get_at_once(run: Run) -> None:
    """Read records, all at the same time."""
    asyncio.run(_got(run))


async def _got(run: Run) -> None:
    ids = [each["id"] for each in run.documents()]
    async with aiohttp.ClientSession(auth=aiohttp.BasicAuth(*AUTH)) as session:

        async def got(url: str) -> Any:
            async with session.get(url) as answer:
                return orjson.loads(await answer.read())

        await got(f"{run.url}/")
        with run.measured():
            await asyncio.gather(*(got(f"{run.url}{RECORDS}/{ident}") for ident in ids))
