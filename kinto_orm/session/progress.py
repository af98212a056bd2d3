"""How far a commit has come."""

from __future__ import annotations

from attrs import frozen


@frozen
class Progress:
    """
    How far a commit has come.

    Attributes:
        done: How many changes it is known of what became of them.
        total: How many there are.
        requests: How many requests have been answered.
    """

    done: int
    total: int
    requests: int
