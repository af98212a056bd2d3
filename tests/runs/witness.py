"""An account of what a server really had, by who wrote it."""

from __future__ import annotations

import threading

from typing import Literal, TypeAlias

from attrs import define, field, frozen

from kinto_orm import Client
from kinto_orm.query.items import LOCK
from runs.documents import Document


#: Who wrote: the session, somebody else, or whoever was there before.
Writer: TypeAlias = Literal["ours", "theirs", "before"]


@frozen(eq=False)
class State:
    """
    What the server had of a record from some moment on.

    Attributes:
        version: Its timestamp; None if it is gone.
        document: Its document; None if it is gone.
        writer: Who made it so.
        moment: How many states the witness had seen before.
    """

    version: int | None
    document: Document | None
    writer: Writer
    moment: int


@define
class Witness:
    """
    Looks at collections whenever somebody may have written, and keeps every state.

    Nobody else writes while it looks: so it knows who did.

    Attributes:
        collections: Where it looks.
        states: What it saw of each record, by its collection and id.
        moment: How many states it saw.
        locks: How often it saw a lock, which nobody should.
    """

    client: Client
    collections: tuple[str, ...] = ("todos",)
    states: dict[str, list[State]] = field(factory=dict[str, list[State]])
    moment: int = 0
    locks: int = 0
    _lock: threading.Lock = field(factory=threading.Lock)

    def look(self, writer: Writer) -> None:
        """Note what is new, as written by *writer*."""
        with self._lock:
            found = {
                f"{collection}/{each['id']}": each
                for collection in self.collections
                for each in self.client.get_records(collection=collection)
            }
            for collection in self.collections:
                self.locks += found.pop(f"{collection}/{LOCK}", None) is not None
            for ident in sorted(found.keys() | self.states.keys()):
                self._note(ident, found.get(ident), writer)

    def _note(self, ident: str, document: Document | None, writer: Writer) -> None:
        known = self.states.setdefault(ident, [])
        version = None if document is None else document["last_modified"]
        if version != (known[-1].version if known else None):
            known.append(State(version, document, writer, self.moment))
            self.moment += 1

    def now(self, ident: str) -> State:
        """Return what the server has of a record, as far as was seen."""
        known = self.states.get(ident)
        return known[-1] if known else State(None, None, "before", -1)

    def from_version(self, ident: str, version: int | None) -> list[State]:
        """Return the states of a record from *version* on; without one, all, from nothing on."""
        states = self.states.get(ident, [])
        for index, state in enumerate(states):
            if version is not None and state.version == version:
                return states[index:]
        return [State(None, None, "before", -1), *states]

    def since(self, ident: str, moment: int) -> list[State]:
        """Return the states of a record that began at *moment* or later."""
        return [state for state in self.states.get(ident, ()) if state.moment >= moment]
