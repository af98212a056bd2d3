"""How far a commit has come."""

from __future__ import annotations

from attrs import frozen


@frozen
class Progress:
    """
    How far a commit has come, as its *progress* is told after each request.

    ``str(progress)`` is such as ``250 of 1,000 (25 %)``.

    Attributes:
        done: How many writes have an outcome, good or bad.
        total: How many there are; more may turn up on the way.
        requests: How many requests it took so far.
    """

    done: int
    total: int
    requests: int

    @property
    def fraction(self) -> float:
        """Return which part is done, from 0 to 1; of nothing, all is done."""
        return min(1.0, self.done / self.total) if self.total else 1.0

    def __str__(self) -> str:
        # Rounded down, since 100 % says that it is done.
        return f"{self.done:,} of {self.total:,} ({int(self.fraction * 100)} %)"
