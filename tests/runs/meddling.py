"""Handlers that edit records while a commit is under way: what they do stays to be written."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from attrs import define

from kinto_orm import CommitResult, Record
from kinto_orm.session.events import listen
from runs.documents import key_of
from runs.joining import LATE
from runs.judge import Wish, fates_of


@define
class Meddling:
    """
    Gives a record another title now and then, before or after something is sent.

    Attributes:
        wishes: What the session wants.
        random: Where chance comes from.
        share: How often, from 0 to 1.
    """

    wishes: dict[str, Wish]
    random: Random
    share: float
    _is_calm: bool = True
    _count: int = 0

    def listen(self, session: Any) -> None:
        """Listen to what *session* sends."""
        if not self.share:
            return
        listen(session, "before_send")(lambda write: self._meddle(write.change.record))
        listen(session, "after_send")(lambda outcome: self._meddle(outcome.write.change.record))

    def begins(self, *, is_calm: bool) -> None:
        """Note that a commit begins; in one that *is_calm*, nothing is edited."""
        self._is_calm = is_calm

    def _meddle(self, record: Record) -> None:
        if self._is_calm or self.random.random() >= self.share:
            return
        wish = self.wishes.get(key_of(record))
        if self.random.random() < 0.3:
            wish = self.random.choice(list(self.wishes.values()))
        if wish is None or wish.target is None:
            return
        self._count += 1
        wish.record.title = wish.late = f"{LATE}{self._count}"

    def lies(self, session: Any, result: CommitResult | None) -> Iterator[str]:
        """Give the edits that are not there after a commit; the others are wanted now."""
        fates = {} if result is None else fates_of(result)
        for ident, wish in self.wishes.items():
            late, wish.late = wish.late, None
            if late is None or wish.target is None:
                continue
            fate = fates.get(ident, ["not told of"])[0]
            if wish.record.title != late:
                yield f"{ident} is {fate}, and its title {wish.record.title!r}, not {late!r}"
            if wish.base is not None and not session.is_modified(wish.record):
                yield f"{ident} is {fate}, and the edit {late!r} is taken for written"
            wish.target = {**wish.target, "title": late}
