"""What is no longer as a plan has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from attrs import frozen

from kinto_orm.exceptions import StalePlanError
from kinto_orm.flow.messages import Document
from kinto_orm.models.parts import known_part
from kinto_orm.session.changes import Change
from kinto_orm.session.identity import Entry, Key
from kinto_orm.session.snapshots import EMPTY_KEY, Stored, agree, changed_paths, without_stamps


#: What happened to a record.
Event: TypeAlias = Literal["changed", "created", "deleted", "forgotten", "reversed"]

_HAPPENED: Final = {
    "changed": "was changed",
    "created": "was created",
    "deleted": "was deleted",
    "forgotten": "is not in the session any more",
    "reversed": "is to go, or to stay, where the plan has the opposite",
}


@frozen(kw_only=True)
class Difference:
    """
    How a record differs from what a plan is based on.

    Attributes:
        key: Which record it is.
        kind: What happened: it was changed, created or deleted; or the session that made the plan
            has forgotten it, or is to do the opposite with it.
        base: Its document when the plan was made; None if there was none.
        now: Its document now; None if there is none, or none that the session knows.
        paths: The paths at which these differ; none if it was only written again.
    """

    key: Key
    kind: Event
    base: Document | None
    now: Document | None
    paths: tuple[str, ...] = ()

    def __str__(self) -> str:
        listed = "; ".join(self._values())
        return f"{self.key} {_HAPPENED[self.kind]}{': ' if listed else ''}{listed}"

    def _values(self) -> Iterator[str]:
        if self.base is None or self.now is None:
            return
        for path in self.paths:
            yield f"{path} was {_shown(self.base, path)}, and is {_shown(self.now, path)}"


def moved_here(change: Change, entry: Entry | None) -> Difference | None:
    """Return how a session, which has *entry*, differs from what its *change* was made of."""
    if entry is None or entry.key != change.key:
        return Difference(key=change.key, kind="forgotten", base=change.base, now=None)
    if entry.loaded is not change.loaded:
        return _between(change, entry.loaded)
    if entry.wanted != (change.target is not None):
        return Difference(key=change.key, kind="reversed", base=change.base, now=change.base)
    return None


def moved_there(change: Change, found: Stored | None) -> Difference | None:
    """Return how the server, which has *found* a record, differs from what *change* is based on."""
    version = None if found is None else found.version
    now = None if found is None else known_part(found.document, change.keys)
    if version != change.version or (now is None) != (change.loaded is None):
        return _between(change, now)
    if now is None or change.base is None or agree(change.record, now, change.base):
        return None
    return _between(change, now)


def stale(differences: Sequence[Difference]) -> StalePlanError:
    """Return the error of a plan with *differences*."""
    lines = ["the plan is out of date, and nothing was sent; make another:", *map(str, differences)]
    return StalePlanError("\n  ".join(lines), differences)


def _between(change: Change, loaded: Document | None) -> Difference:
    now = None if loaded is None else without_stamps(loaded)
    kind: Event = "created" if change.base is None else "deleted" if now is None else "changed"
    paths = tuple(changed_paths(change.base or {}, now or {}))
    return Difference(key=change.key, kind=kind, base=change.base, now=now, paths=paths)


def _shown(document: Mapping[str, Any], path: str) -> str:
    """Return what *document* has at *path*, for a message."""
    value: Any = document
    for step in _steps(document, path):
        if not isinstance(value, Mapping) or step not in value:
            return "missing"
        value = value[step]
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _steps(document: Mapping[str, Any], path: str) -> list[str]:
    """Return the keys on *path*; a key may have a dot in it."""
    steps = [path] if path in document else path.split(".")
    return ["" if step == EMPTY_KEY else step for step in steps]
