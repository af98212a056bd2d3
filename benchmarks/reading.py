"""What a reader does with each record, whoever loaded it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


def read(name: str, notes: str, city: str, tags: Iterable[str]) -> int:
    """Count the letters of a record, as a program that makes an index does: some 30 µs."""
    counts = Counter[str]()
    for text in (name, notes, city, *tags):
        counts.update(text.lower())
    return len(counts)
