"""A thing that is wrong with a document, whoever finds it: a class here, or the server."""

from __future__ import annotations

from typing import Any

from attrs import frozen


@frozen
class Fault:
    """
    A thing that is wrong with a document.

    Attributes:
        path: Where in the document, as in ``stops[2].city``; empty for the document itself.
        message: What is wrong, as a sentence.
        expected: What would be right; None if that cannot be said.
        found: What is there instead; None if nothing is.
    """

    path: str
    message: str
    expected: str | None = None
    found: Any = None

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message
