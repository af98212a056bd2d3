"""What others do to the records of a session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from attrs import define, field

from kinto_orm import Client
from runs.documents import Document, bare, edited, edits
from runs.judge import Wish
from runs.witness import Witness


@define
class Others:
    """
    Who writes the same records.

    Attributes:
        client: How they do it.
        witness: Who keeps an account of it.
        wishes: What the session wants.
        random: Where chance comes from.
        written: What they wrote, by the key of the record, in order, with its timestamp.
    """

    client: Client
    witness: Witness
    wishes: dict[str, Wish]
    random: Random
    written: dict[str, list[Document]] = field(factory=dict[str, list[Document]])
    _count: int = 0

    def errand(self) -> Callable[[], None]:
        """Return something that another writer does."""
        wishes = [each for each in self.wishes.values() if each.target is not None or each.moved]
        if not wishes:
            return lambda: None
        wish = self.random.choice(wishes)
        what = self.random.choice(
            ("another field", "title", "title", "gone", "the same", "edits", "edits")
        )
        self._count += 1
        text, random = f"theirs #{self._count}", Random(self.random.random())

        def run() -> None:
            self.witness.look("ours")
            now = self.witness.now(wish.ident).document
            self._do(what, wish, text, None if now is None else bare(now), random)
            self.witness.look("theirs")

        return run

    def know(self, ident: str, version: int) -> None:
        """Note that the session has seen what was written up to *version*."""
        written = self.written.get(ident, [])
        self.written[ident] = [each for each in written if each["last_modified"] > version]

    def _do(self, what: str, wish: Wish, text: str, now: Document | None, random: Random) -> None:
        place, _, id = wish.ident.partition("/")
        if what == "gone":
            if now is not None and wish.base is not None:
                self.client.delete_record(id=id, collection=place)
                self.written.pop(wish.ident, None)
        elif what == "the same" and wish.target is not None:
            self.client.update_record(id=id, collection=place, data=wish.target)
            self.written.pop(wish.ident, None)
        elif now is None:
            if wish.base is None:  # What was deleted nobody makes anew.
                data = {"title": text if what == "title" else "theirs", "theirs": text}
                self._note(
                    wish, data, self.client.create_record(id=id, collection=place, data=data)
                )
        elif what == "edits":
            data = edited(now, edits(random, now, text, partial=False))
            made = {key: data.get(key) for key in data.keys() | now.keys()}
            said = {key: value for key, value in made.items() if value != now.get(key)}
            self._note(wish, said, self.client.update_record(id=id, collection=place, data=data))
        else:
            data = {"title": text} if what == "title" else {"theirs": text}
            self._note(wish, data, self.client.patch_record(id=id, collection=place, data=data))

    def _note(self, wish: Wish, data: Document, answer: Mapping[str, Any]) -> None:
        said = {**data, "last_modified": answer["data"]["last_modified"]}
        self.written.setdefault(wish.ident, []).append(said)
