"""
Functions that are written as source, one for each class.

What is done for every record of a class is a loop over its fields.  Written out, field after
field, it takes a fraction of the time; attrs and cattrs do the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


class Source:
    """The body of a function that is being written, and the objects that it names."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}
        self._lines: list[str] = []

    def add(self, *lines: str) -> None:
        """Write *lines*, indented as they stand in the function."""
        self._lines += lines

    def name(self, value: Any) -> str:
        """Return the name by which the function knows *value*."""
        name = f"c{len(self.names)}"
        self.names[name] = value
        return name

    def later(self, find: Callable[[], Callable[..., Any]]) -> str:
        """
        Return the name of a function that is found when it is first called.

        A class may be inside itself, or inside one that is not ready yet.
        """
        name = self.name(None)

        def first(*arguments: Any) -> Any:
            found = self.names[name] = find()
            return found(*arguments)

        self.names[name] = first
        return name

    def function(self, signature: str, of: type[Any]) -> Callable[..., Any]:
        """Return the function ``f(signature)``, which was written for the class *of*."""
        text = "\n".join([f"def f({signature}):", *indented(self._lines)])
        code = compile(text, f"<kinto_orm for {of.__qualname__}>", "exec")
        exec(code, self.names)  # noqa: S102 (names of fields and keys are in it as literals only)
        made: Callable[..., Any] = self.names.pop("f")
        return made


def indented(lines: Iterable[str]) -> list[str]:
    """Return *lines*, one step further in."""
    return [f"    {line}" for line in lines]
