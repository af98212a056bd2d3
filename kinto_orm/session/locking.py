"""
What keeps those who write the same records at the same time from overwriting each other.

On PostgreSQL, Kinto reads a record, compares its timestamp with the precondition, and writes,
without locking it in between.  Of two changes at the same time, both with the right precondition,
both are answered by 200, and the first is lost (docs/protocol.md, P3): four processes that
increment a counter lose most of what they do.

But a batch is a transaction, and whatever a batch writes is locked until it ends.  So each batch
first writes a record of a fixed id, and deletes it at its end.  A second batch that does the same
waits there, before it reads anything.  Nobody else ever sees the record; what is left is a
tombstone.

This protects only from those who lock, too.  What is created needs no lock: of two creations, the
server refuses one.
"""

from __future__ import annotations

import warnings

from collections.abc import Iterable, Sequence

from attrs import define, field

from kinto_orm.client.paths import record_path
from kinto_orm.exceptions import UnlockedWarning
from kinto_orm.flow.messages import Document, Request, Response
from kinto_orm.flow.refusals import response_error
from kinto_orm.query.items import LOCK
from kinto_orm.session.changes import Write
from kinto_orm.session.forms import must_travel_alone


def locks(writes: Iterable[Write]) -> list[Request]:
    """
    Return the requests that lock the collections of *writes*; those that need no lock have none.

    A lock is a copy of a record that is there, since a schema may not allow others.
    """
    found: dict[str, Document] = {}
    for write in writes:
        change = write.change
        if change.base is not None and not must_travel_alone(change):
            path = record_path(change.key.bucket, change.key.collection, LOCK)
            found.setdefault(path, {**change.base, "id": LOCK})
    # In one order, lest two batches wait for each other.
    return [Request("PUT", path, body={"data": found[path]}) for path in sorted(found)]


def warn_of_unlocked(writes: Iterable[Write]) -> None:
    """Warn of *writes* that want a lock, and cannot be in a batch."""
    for write in writes:
        change = write.change
        if change.base is not None and change.blind is None and must_travel_alone(change):
            msg = (
                f"{type(change.record).__name__} {change.key} is written without a lock, so that"
                " who writes it at the same time may overwrite this (P3): it was loaded in part,"
                " and a key is removed, which no batch can say. Load all of it: refresh() does"
            )
            warnings.warn(msg, UnlockedWarning, stacklevel=2)


@define
class Locking:
    """Puts locks around batches of *writes*."""

    _writes: Sequence[Write]
    _by_request: dict[int, Write] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._by_request = {id(write.request): write for write in self._writes}

    def before(self, requests: Sequence[Request]) -> list[Request]:
        """Return what locks the collections that *requests* write to."""
        return locks(self._by_request[id(request)] for request in requests)

    def behind(self, requests: Sequence[Request]) -> list[Request]:
        """Return what unlocks them."""
        return [Request("DELETE", lock.path) for lock in self.before(requests)]

    def told(self, requests: Sequence[Request], answers: Sequence[Response]) -> None:
        """Warn of locks that were refused."""
        for lock, answer in zip(self.before(requests), answers, strict=True):
            if answer.status >= 300 and answer.status != 409:
                msg = (
                    f"{lock.path} could not be written to lock its collection, so that who writes"
                    f" the same records at the same time may overwrite this (P3):"
                    f" {response_error(lock, answer)}"
                )
                warnings.warn(msg, UnlockedWarning, stacklevel=2)
