"""
Conflicts on demand: have a PostgreSQL Kinto answer 409 to the write of your choice.

In PostgreSQL two records of a collection cannot have the same ``last_modified``: a unique index
on (parent_id, resource_name, last_modified) forbids it.  Kinto takes the greatest timestamp
that it sees and adds a millisecond, or takes the clock if that is further.  It cannot see what
another transaction has not committed yet: then both take the same timestamp, the later one
waits for the earlier one to end, and is refused if that one commits.  Kinto makes the refusal
a 409 (docs/protocol.md, B3 and B4).

A `Rival` is such an earlier transaction.  It first sets the collection's clock ahead, so that
each write of the server takes exactly one millisecond more than the one before; thus it knows
which timestamp the n-th write will take, and takes that one first, for a tombstone of no
importance.  Nothing is left to chance, and no test has to try twice.

Most tests need only `collide`.  The third write to the collection is answered by 409, whoever
sends it, in a batch or not::

    with collide(server, f"/buckets/{bucket}/collections/articles/records", 2):
        session.commit()

Only writes to that list count: not reads, not writes to other collections; deleting a list of
records is as many writes as records.  To refuse a retry too, name a second number: how many
writes pass after the first refusal.  Of three creations the second one is refused here, and
refused again when it is sent once more after the first::

    with collide(server, records, 1, 2):
        wire.batch(a, b, c)  # 201, 409, 201: b is refused, a undone.
        wire.batch(a, b)  # 201, 409: c and a have passed.
        wire.batch(a, b)  # 201, 201

What remains is a tombstone for each refusal, and a list whose clock is a minute ahead.

With the history plugin ``collide(server, f"/buckets/{bucket}/history")`` refuses the first
entry, which the server writes when all sub-requests are done: the whole batch is a 409.

To hold a request of the server up rather than have it refused, take a rival and roll it back::

    with rival(server, records) as it, ThreadPoolExecutor() as pool:
        answer = pool.submit(wire.put, f"{records}/a", {"data": {}})
        it.wait_for(1)  # The server has begun to write, and waits.
        ...
        it.rollback()  # It goes on, as if nothing had been.
    assert answer.result().status == 201

For two requests of which the second comes before the first one's commit, there is `overlap`.

In memory there are no such conflicts.  The only 409 is for a record that somebody else created
between the server's look and its write: see `overtake`.
"""

from __future__ import annotations

import inspect
import time
import uuid

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Event
from typing import Any, Self, TypeVar

import psycopg2

from kinto_orm.embedded import KintoServer, _registry


First = TypeVar("First")
Second = TypeVar("Second")

#: How far ahead of the clock, in milliseconds, a collection is set: longer than any test.
AHEAD = 60_000

#: How long, in seconds, to wait for the server to meet a rival.
PATIENCE = 10.0

#: How often, in seconds, to look whether it has: PostgreSQL does not tell of its own accord.
INTERVAL = 0.002

_SET_AHEAD = """
    INSERT INTO timestamps (parent_id, resource_name, last_modified)
    SELECT %(parent)s, %(resource)s, from_epoch(GREATEST(
        as_epoch(clock_timestamp()::TIMESTAMP) + %(ahead)s,
        (SELECT as_epoch(MAX(last_modified)) FROM objects
          WHERE parent_id = %(parent)s AND resource_name = %(resource)s),
        (SELECT as_epoch(MAX(last_modified)) FROM timestamps
          WHERE parent_id = %(parent)s AND resource_name = %(resource)s)))
    ON CONFLICT (parent_id, resource_name) DO UPDATE SET last_modified = EXCLUDED.last_modified
    RETURNING as_epoch(last_modified)
"""

_TAKE = """
    INSERT INTO objects (id, parent_id, resource_name, data, last_modified, deleted)
    VALUES (%(id)s, %(parent)s, %(resource)s, '{"deleted": true}', from_epoch(%(timestamp)s), TRUE)
"""

#: How many transactions wait for the one of a process, or for one that waits for it.
_WAITING = """
    WITH RECURSIVE held(pid) AS (
        SELECT %(pid)s
        UNION
        SELECT activity.pid
          FROM pg_stat_activity AS activity
          JOIN held ON held.pid = ANY(pg_blocking_pids(activity.pid)))
    SELECT COUNT(*) - 1 FROM held
"""


def database_url(server: KintoServer) -> str:
    """Return the URL of the PostgreSQL database behind *server*."""
    assert server.database_url is not None, "only PostgreSQL has such conflicts"
    return server.database_url


def registry_of(server: KintoServer) -> Any:
    """Return what Kinto itself is made of, in *server*."""
    wrapped = inspect.getclosurevars(server._listener.application).nonlocals["app"]
    return _registry(wrapped)


@contextmanager
def query(url: str) -> Generator[Any]:
    """Give a cursor on the database at *url*, whose statements take effect at once."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


class Rival:
    """A transaction that has taken a timestamp, until `commit` or `rollback`."""

    def __init__(self, url: str, place: dict[str, str], timestamp: int) -> None:
        self.timestamp = timestamp
        self._url = url
        self._connection = psycopg2.connect(url)
        with self._connection.cursor() as cursor:
            cursor.execute(_TAKE, {**place, "id": str(uuid.uuid4()), "timestamp": timestamp})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._connection.close()  # Rolls back.

    def commit(self) -> None:
        """Keep the timestamp: who waits for it is refused."""
        self._connection.commit()

    def rollback(self) -> None:
        """Give the timestamp back: who waits for it gets it."""
        self._connection.rollback()

    def wait_for(self, waiting: int, unless: Event | None = None) -> None:
        """
        Return when as many transactions as *waiting* wait for this one, directly or not.

        Raises:
            AssertionError: If they do not within `PATIENCE`, or before the event *unless*.
        """
        process = {"pid": self._connection.info.backend_pid}
        deadline = time.monotonic() + PATIENCE
        with query(self._url) as cursor:
            while _only(cursor, _WAITING, process) < waiting:
                if time.monotonic() > deadline or (unless is not None and unless.is_set()):
                    msg = f"no write of the server took the timestamp {self.timestamp}"
                    raise AssertionError(msg)
                time.sleep(INTERVAL)


@contextmanager
def rivals(server: KintoServer, path: str, writes: Sequence[int]) -> Generator[list[Rival]]:
    """
    Give rivals to some of the coming writes to the list at *path*.

    Args:
        server: A Kinto on PostgreSQL.
        path: The list that is written to, as in a URL: ``/buckets/b/collections/c/records``.
        writes: For each rival, which write it meets: how many others come before it, since
            the rival before.
    """
    url, place = database_url(server), _place(path)
    timestamp = _set_ahead(url, place)
    with ExitStack() as stack:
        them = []
        for others in writes:
            timestamp += 1 + others
            them.append(stack.enter_context(Rival(url, place, timestamp)))
        yield them


@contextmanager
def rival(server: KintoServer, path: str, write: int = 0) -> Generator[Rival]:
    """Give a rival to one of the coming writes to the list at *path*, see `rivals`."""
    with rivals(server, path, [write]) as (it,):
        yield it


@contextmanager
def collide(server: KintoServer, path: str, *writes: int) -> Generator[None]:
    """
    Have *server* refuse some of the coming writes to the list at *path* with a 409.

    Args:
        server: A Kinto on PostgreSQL.
        path: The list that is written to, as in a URL: ``/buckets/b/collections/c/records``.
        writes: How many writes to let pass before the one that is refused, by default none;
            if there are more numbers, how many before the next refusal.

    Raises:
        AssertionError: If not that many writes came.
    """
    done = Event()
    with rivals(server, path, writes or [0]) as them, ThreadPoolExecutor(1) as pool:

        def refuse() -> None:
            for each in them:
                each.wait_for(1, unless=done)
                each.commit()

        refusing = pool.submit(refuse)
        try:
            yield
        finally:
            done.set()
        refusing.result()


def overlap(
    server: KintoServer,
    held_up_at: str,
    first: Callable[[], First],
    second: Callable[[], Second],
    *,
    waiting: int = 2,
) -> tuple[First, Second]:
    """
    Send a request while the transaction of another one has written, but not committed.

    Args:
        server: A Kinto on PostgreSQL.
        held_up_at: The path of a list at which the first request is held up.
        first: Sends the first one, which must write to that list when it has written all that
            the second one is to meet.
        second: Sends the second one.
        waiting: How many transactions wait before the first one may go on: 2 if the second has
            to wait for the first; 1 if it has not, then it is done before.
    """
    with rival(server, held_up_at) as it, ThreadPoolExecutor(2) as pool:
        one = pool.submit(first)
        it.wait_for(1)
        other = pool.submit(second)
        if waiting == 1:
            other.result()
        it.wait_for(waiting)
        it.rollback()
        return one.result(), other.result()


@contextmanager
def overtake(server: KintoServer, record: str, by: Callable[[], object]) -> Generator[None]:
    """
    Call *by* when *server* has seen that there is no *record*, before it creates that.

    If *by* creates the record, the server's own creation is a 409, in memory too.
    """
    storage = registry_of(server).storage
    create = storage.create

    def late(*args: Any, **kwargs: Any) -> Any:
        if kwargs["obj"]["id"] == record:
            storage.create = create
            by()
        return create(*args, **kwargs)

    storage.create = late
    try:
        yield
    finally:
        storage.create = create


def set_ahead(server: KintoServer, path: str) -> int:
    """Have each write to the list at *path* take one millisecond more than the one before."""
    return _set_ahead(database_url(server), _place(path))


def _place(path: str) -> dict[str, str]:
    """Return where PostgreSQL has the list at *path*."""
    parent, _, plural = path.rpartition("/")
    return {"parent": parent, "resource": plural.removesuffix("s")}


def _set_ahead(url: str, place: dict[str, str]) -> int:
    with query(url) as cursor:
        return _only(cursor, _SET_AHEAD, {**place, "ahead": AHEAD})


def _only(cursor: Any, statement: str, values: dict[str, Any]) -> int:
    """Return the only value that a statement gives."""
    cursor.execute(statement, values)
    ((value,),) = cursor.fetchall()
    return int(value)
