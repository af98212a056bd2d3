"""
What is wrong with a document: each fault with its path, what was found and what was expected.

Inside a load, faults are `Unfit`, for one value, and `Faulty`, for several; cattrs gathers both
in groups of its own.  `faults_of` makes a flat list of all of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from attrs import evolve
from cattrs.errors import (
    BaseValidationError,
    ClassValidationError,
    IterableValidationError,
    IterableValidationNote,
)

from kinto_orm.flow.faults import Fault as Fault  # noqa: PLC0414 (it is one of these)


MISSING = "a required key is missing"


class Unfit(ValueError):
    """A value that is not of the type that it should be of."""

    def __init__(self, expected: str, found: Any, remedy: str = "") -> None:
        super().__init__(f"expected {expected}, found {shown(found)}{remedy and f': {remedy}'}")
        self.expected = expected
        self.found = found


class Faulty(ValueError):
    """A list or an object with *faults* inside; their paths begin there."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        super().__init__("; ".join(map(str, self.faults)))


def shown(value: Any) -> str:
    """Return *value* as messages show it."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def faults_of(error: BaseException, path: str = "") -> Iterator[Fault]:
    """Give all that *error*, which was met at *path*, says to be wrong."""
    if isinstance(error, Faulty):
        for fault in error.faults:
            yield evolve(fault, path=joined(path, fault.path))
    elif isinstance(error, Unfit):
        yield Fault(path, str(error), error.expected, error.found)
    elif isinstance(error, (ClassValidationError, IterableValidationError)):
        noted, others = error.group_exceptions()
        for inner, note in noted:
            yield from _noted(inner, note, path)
        for inner in others:
            yield from faults_of(inner, path)
    elif isinstance(error, BaseValidationError):
        for inner in error.exceptions:
            yield from faults_of(inner, path)
    else:
        yield Fault(path, str(error) or type(error).__name__)


def _noted(error: Exception, note: Any, path: str) -> Iterator[Fault]:
    """Give what *error* says, which cattrs met where *note* says."""
    if isinstance(note, IterableValidationNote):
        yield from faults_of(error, f"{path}[{note.index!r}]")
    elif isinstance(error, KeyError) and error.args == (note.name,):
        yield Fault(joined(path, note.name), MISSING)
    else:
        yield from faults_of(error, joined(path, note.name))


def joined(path: str, inner: str) -> str:
    """Return the path *inner*, which begins at *path*, from the top."""
    if not path or not inner:
        return path or inner
    return f"{path}{inner}" if inner.startswith("[") else f"{path}.{inner}"
