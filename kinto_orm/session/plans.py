"""A commit as a value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from attrs import frozen

from kinto_orm.flow.batching import outer
from kinto_orm.flow.messages import Request
from kinto_orm.models.records import Record
from kinto_orm.session.changes import Write, size_of
from kinto_orm.session.locking import Locking


@frozen(eq=False)
class Plan:
    """
    A commit before it is sent: which requests, in which order, with what in them.

    It can be kept as text, and committed later, by a session elsewhere.

    Attributes:
        chunks: The writes that travel together, in the order in which they are sent.
        limit: How many requests fit in a batch, as its chunks were cut.
        locked: Whether each batch locks the collections that it writes to (see `locking`).
        detached: Whether it was read from a text, so that its records are in no session.
    """

    chunks: tuple[tuple[Write, ...], ...]
    limit: int
    locked: bool = False
    detached: bool = False

    def to_json(self) -> str:
        """
        Return the plan as a text, which `from_json` reads.

        It has the documents before and after, and the requests; no credentials, nor which server
        it is for.  What `patch` is to do with a record that was not loaded has no document before:
        nothing tells whether it was done, and a second commit of the text does it again.

        Raises:
            InvalidRequest: If it has a patch of a kind that is not the package's.
        """
        from kinto_orm.session.plan_texts import plan_text

        return plan_text(self)

    @classmethod
    def from_json(cls, text: str | bytes, *, models: Iterable[type[Record]]) -> Plan:
        """
        Return the plan that *text* has: all of it, or none.

            session.commit(Plan.from_json(text, models=[Todo]))

        The requests are worked out anew from the changes, and must be those in the text.

        Args:
            text: What `to_json` gave.
            models: The classes of its records, as they were; kinds of a base come with it.

        Raises:
            InvalidRequest: If it is no such text, was tampered with, or has records of a class that
                is not among *models*; the message says where.
            ValidationError: If what it would write does not fit its class.
        """
        from kinto_orm.session.plan_texts import plan_in

        return plan_in(text, models)

    @property
    def writes(self) -> tuple[Write, ...]:
        """Return all writes, in order."""
        return tuple(write for chunk in self.chunks for write in chunk)

    @property
    def requests(self) -> tuple[Request, ...]:
        """Return the requests, in order: each a single write, or a batch of them."""
        return tuple(map(self._request, self.chunks))

    def _request(self, chunk: Sequence[Write]) -> Request:
        requests = [write.request for write in chunk]
        if not self.locked:
            return outer(requests)
        lock = Locking(chunk)
        return outer([*lock.before(requests), *requests, *lock.behind(requests)])

    def __len__(self) -> int:
        return len(self.chunks)

    def __str__(self) -> str:
        if not self.chunks:
            return "nothing to write: no request"
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        sizes = [size_of(request) for request in self.requests]
        writes, requests = len(self.writes), len(self.chunks)
        yield (
            f"{writes} record{'s'[: writes > 1]} in {requests} request{'s'[: requests > 1]},"
            f" {sum(sizes):,} bytes"
        )
        for number, (chunk, size) in enumerate(zip(self.chunks, sizes, strict=True), 1):
            if len(chunk) == 1:
                yield f"{number}. {chunk[0]}"
                continue
            yield f"{number}. POST /batch, {len(chunk)} writes, {size:,} bytes"
            yield from (f"   {write}" for write in chunk)
