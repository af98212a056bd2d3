"""A commit as a value."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from kinto_orm.flow.batching import outer
from kinto_orm.flow.messages import Request
from kinto_orm.session.changes import Write, size_of


@frozen(eq=False)
class Plan:
    """
    A commit before it is sent: which requests, in which order, with what in them.

    Attributes:
        chunks: The writes that travel together, in the order in which they are sent.
    """

    chunks: tuple[tuple[Write, ...], ...]

    @property
    def writes(self) -> tuple[Write, ...]:
        """Return all writes, in order."""
        return tuple(write for chunk in self.chunks for write in chunk)

    @property
    def requests(self) -> tuple[Request, ...]:
        """Return the requests, in order: each a single write, or a batch of them."""
        return tuple(outer([write.request for write in chunk]) for chunk in self.chunks)

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
