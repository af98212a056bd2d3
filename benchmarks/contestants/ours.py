"""kinto-orm, as its users write."""

from __future__ import annotations

import asyncio

from benchmarks.documents import BUCKET, COLLECTION, Documents
from benchmarks.people import Person, change, person
from benchmarks.reading import read
from benchmarks.run import AUTH, BATCH, Run, peak, share
from kinto_orm import AsyncClient, AsyncSession, Client, MergePatch, Session


def _client(run: Run) -> Client:
    """Return a client that knows its server, and is connected."""
    client = Client(server_url=run.url, auth=AUTH, bucket=BUCKET, collection=COLLECTION)
    client.server_info()
    return client


async def _async_client(run: Run) -> AsyncClient:
    client = AsyncClient(server_url=run.url, auth=AUTH, bucket=BUCKET, collection=COLLECTION)
    await client.server_info()
    return client


def _changed(people: list[Person]) -> int:
    """Change one leaf of a fifth of the *people*; return how many these are."""
    count = share(len(people))
    for number, each in enumerate(people[:count]):
        change(each, number)
    return count


def load(run: Run) -> None:
    """Load a collection into a session."""
    with _client(run) as client, Session(client) as session:
        with run.measured():
            people = session.query(Person).all()
        assert len(people) == run.size


def commit(run: Run) -> None:
    """Write a fifth of what was loaded."""
    with _client(run) as client, Session(client) as session:
        count = _changed(session.query(Person).all())
        with run.measured(per=count):
            result = session.commit()
        assert len(result.updated) == count
        run.figures["rounding"] = run.figures["requests"] / -(-count // BATCH)


def commit_nothing(run: Run) -> None:
    """Commit, when nothing was changed since it was loaded."""
    with _client(run) as client, Session(client) as session:
        people = session.query(Person).all()
        with run.measured():
            session.commit()
        assert len(people) == run.size
        assert not run.figures["requests"]


def get(run: Run) -> None:
    """Read records one by one."""
    ids = [each["id"] for each in run.documents()]
    with _client(run) as client:
        with run.measured():
            for ident in ids:
                client.get_record(id=ident)


def get_in_session(run: Run) -> None:
    """Read records one by one, each in a session that has none yet."""
    ids = [each["id"] for each in run.documents()]
    with _client(run) as client, Session(client) as session:
        with run.measured():
            for ident in ids:
                session.clear()
                session.get_one(Person, ident)
        assert run.figures["requests"] == run.size


def patch(run: Run) -> None:
    """Change records one by one."""
    documents = run.documents()
    with _client(run) as client:
        with run.measured():
            for number, each in enumerate(documents):
                changes = MergePatch({"name": f"Renamed {number}"})
                client.patch_record(original=each, changes=changes)


def patch_in_session(run: Run) -> None:
    """Change a record, and commit, again and again."""
    with _client(run) as client, Session(client) as session:
        first = session.get_one(Person, run.documents()[0]["id"])
        with run.measured():
            for number in range(run.size):
                first.name = f"Renamed {number}"
                session.commit()
        assert run.figures["requests"] == run.size


def create(run: Run) -> None:
    """Create records."""
    people = [person(*each) for each in enumerate(Documents().first(run.size))]
    with _client(run) as client, Session(client) as session:
        with run.measured():
            session.add_all(people)
            result = session.commit()
        assert len(result.created) == run.size


def create_awaiting(run: Run) -> None:
    """Create records in an event loop."""
    asyncio.run(_created(run))


async def _created(run: Run) -> None:
    people = [person(*each) for each in enumerate(Documents().first(run.size))]
    async with await _async_client(run) as client, AsyncSession(client) as session:
        with run.measured():
            session.add_all(people)
            result = await session.commit()
        assert len(result.created) == run.size


def read_far(run: Run) -> None:
    """Read a collection page by page, and do a little with each record."""
    with _client(run) as client, Session(client) as session:
        found = 0
        with run.measured():
            for each in session.query(Person).untracked():
                read(each.name, each.notes, each.address.city, each.tags)
                found += 1
        assert found == run.size


def hold(run: Run) -> None:
    """Keep a collection in memory."""
    with _client(run) as client, Session(client) as session:
        with run.holding():
            people = session.query(Person).all()
        assert len(people) == run.size


def stream(run: Run) -> None:
    """Read a collection without keeping it."""
    with _client(run) as client, Session(client) as session:
        for number, _ in enumerate(session.query(Person).untracked(), start=1):
            if number == share(run.size):
                run.figures["early"] = peak()
        run.figures["late"] = peak()
    run.figures["grown"] = run.figures["late"] / run.figures["early"]


def get_at_once(run: Run) -> None:
    """Read records, all at the same time."""
    asyncio.run(_got(run))


async def _got(run: Run) -> None:
    ids = [each["id"] for each in run.documents()]
    async with await _async_client(run) as client:
        with run.measured():
            await asyncio.gather(*(client.get_record(id=ident) for ident in ids))


def grow(run: Run) -> None:
    """Load a collection, commit nothing, then a fifth of it."""
    with _client(run) as client, Session(client) as session:
        with run.measured(prefix="load "):
            people = session.query(Person).all()
        with run.measured(prefix="nothing "):
            session.commit()
        count = _changed(people)
        with run.measured(prefix="commit ", per=count):
            session.commit()
