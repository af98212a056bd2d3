"""Parts of a text that may be anything, read with care: what is wrong is told with its place."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NoReturn

from attrs import frozen

from kinto_orm.exceptions import InvalidRequest
from kinto_orm.flow.json import same
from kinto_orm.flow.messages import Document
from kinto_orm.models.permissions import NAMES


@frozen
class Part:
    """
    A value in a text.

    Attributes:
        value: The value.
        place: Where it is.
    """

    value: Any
    place: str

    def refuse(self, reason: str) -> NoReturn:
        """Raise that the text is wrong here."""
        msg = f"this is no plan that can be committed: {self.place or 'the text'}: {reason}"
        raise InvalidRequest(msg)

    def has_only(self, keys: Collection[str]) -> None:
        """Refuse what is no object, or has other keys than these."""
        for key in self.object().keys() - keys:
            self.refuse(f"{key!r} is not known")

    def has_just(self, keys: Collection[str]) -> None:
        """Refuse what is no object with just these *keys*."""
        self.has_only(keys)
        for key in keys - self.object().keys():
            self.refuse(f"{key!r} is missing")

    def part(self, key: str) -> Part:
        """Return what is under *key*."""
        return Part(self.value[key], f"{self.place}.{key}" if self.place else key)

    def maybe(self, key: str) -> Part:
        """Return what is under *key*; None, if there is nothing."""
        return self.part(key) if key in self.value else Part(None, self.place)

    def items(self) -> Iterator[Part]:
        """Give the items of a list."""
        if not isinstance(self.value, list):
            self.refuse("a list was expected")
        for index, item in enumerate(self.value):
            yield Part(item, f"{self.place}[{index}]")

    def must_be(self, expected: Any) -> None:
        """Refuse what is not as *expected*."""
        if not same(self.value, expected):
            self.refuse(f"{expected!r} was expected, not {self.value!r:.60}")

    def text(self) -> str:
        """Return a text."""
        if not isinstance(self.value, str):
            self.refuse("text was expected")
        return self.value

    def truth(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            self.refuse("true or false was expected")
        return self.value

    def amount(self) -> int:
        """Return a number of things, one or more."""
        if not isinstance(self.value, int) or isinstance(self.value, bool) or self.value < 1:
            self.refuse("a whole number from 1 was expected")
        return self.value

    def object(self) -> Document:
        """Return an object."""
        if not isinstance(self.value, dict):
            self.refuse("an object was expected")
        found: Document = self.value
        return found

    def document(self) -> Document | None:
        """Return an object, or None."""
        return None if self.value is None else self.object()

    def version(self) -> int | None:
        """Return a timestamp, or None."""
        is_one = isinstance(self.value, int) and not isinstance(self.value, bool)
        if self.value is not None and not (is_one and self.value >= 0):
            self.refuse("a timestamp in milliseconds was expected, or null")
        found: int | None = self.value
        return found

    def texts(self) -> list[str]:
        """Return a list of texts."""
        return [item.text() for item in self.items()]

    def lists(self) -> dict[str, list[str]]:
        """Return the principals of permissions."""
        if not isinstance(self.value, dict) or self.value.keys() - NAMES:
            self.refuse("permissions were expected")
        return {name: self.part(name).texts() for name in self.value}
