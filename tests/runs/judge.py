"""
Whether what a commit said is true.

The judge knows what each record was to become (`Wish`), what the server had at every moment
(`Witness`), and which requests did not have their true answer (`Passage`).  It knows nothing of
sessions.  What it finds are lies, as sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeAlias

from attrs import define, frozen

from kinto_orm import CommitResult
from kinto_orm.exceptions import NotAttempted
from runs.documents import Document, alike, apart, bare, has_all, is_partial
from runs.weather import Passage
from runs.witness import State, Witness
from session.models import Todo


#: What is to become of a record.
Action: TypeAlias = Literal["create", "update", "delete", "keep"]


@define(eq=False)
class Wish:
    """
    What a record is to become.

    Attributes:
        record: The object.
        base: Its document as it was loaded, without a timestamp; None if it is new.
        target: Its document as it shall be; None if it shall go.
        read: Who shall be permitted to read it; None if that is not changed.
        doubtful: Whether a write of it was on its way when a commit before ended.
    """

    record: Todo
    base: Document | None
    target: Document | None
    read: list[str] | None = None
    doubtful: bool = False

    @property
    def ident(self) -> str:
        """Return the id of the record."""
        return self.record.id

    @property
    def action(self) -> Action:
        """Return what is to be done."""
        if self.target is None:
            return "delete"
        if self.base is None:
            return "create"
        return "keep" if alike(self.base, self.target) and self.read is None else "update"


#: The names of the lists of a result, as far as records are in them.
FATES = (
    "created", "updated", "deleted", "unchanged", "merged", "conflicts", "errors", "unknown",
    "not_sent",
)  # fmt: skip


def fates_of(result: CommitResult) -> dict[str, list[str]]:
    """Return what *result* says of each record, by its id."""
    found: dict[str, list[str]] = {}
    for fate in FATES:
        for each in getattr(result, fate):
            record = getattr(each, "record", None) if fate in ("conflicts", "errors") else each
            found.setdefault(record.id if record is not None else "?", []).append(fate)
    return found


@frozen(eq=False, kw_only=True)
class Case:
    """
    A commit that is judged.

    Attributes:
        wishes: What was wanted, by id.
        result: What was said.
        witness: What the server had.
        began: The witness's moment when the commit began.
        ended: The same when it ended.
        passages: The requests that were made.
        permitted: Gives the permissions of a record, as the server has them.
    """

    wishes: dict[str, Wish]
    result: CommitResult
    witness: Witness
    began: int
    ended: int
    passages: Sequence[Passage]
    permitted: Callable[[str], dict[str, list[str]]]

    def lies(self) -> Iterator[str]:
        """Give what is not true, at the moment when the commit ended."""
        fates = fates_of(self.result)
        for ident, wish in self.wishes.items():
            named = fates.pop(ident, [])
            if len(named) != 1:
                if named or not _was_never_there(wish, self.witness):
                    yield f"{ident} ({wish.action}) is in {named or 'no list'}"
                continue
            for lie in _JUDGES[named[0]](self, wish):
                yield f"{ident} ({wish.action}) is {named[0]}, but {lie}"
        yield from (f"{ident} is {named}, but nobody knows it" for ident, named in fates.items())

    def lies_by_now(self) -> Iterator[str]:
        """Give what turned out not to be true, when late writes had arrived."""
        for ident, named in fates_of(self.result).items():
            late = [each for each in self.witness.since(ident, self.ended) if each.writer == "ours"]
            if late and named[0] not in ("unknown", "conflicts") and not self._is_apart(ident):
                yield f"{ident} is {named[0]}, but was written after that"

    def _is_apart(self, ident: str) -> bool:
        """Tell whether the error of a record says that only this try was not made."""
        errors = [each for each in self.result.errors if each.record.id == ident]
        return self.wishes[ident].doubtful and any(
            isinstance(each, NotAttempted) for each in errors
        )

    # -- What each list promises ---------------------------------------------------------------

    def _written(self, wish: Wish) -> Iterator[str]:
        """Judge what is said to be on the server."""
        state = self._state(wish.ident, wish.record.last_modified)
        if state is None or state.document is None:
            yield f"the server never had version {wish.record.last_modified}"
            return
        assert wish.target is not None
        found = bare(state.document)
        said = bare(wish.record.to_document())
        if is_partial(wish.record):
            said = {**found, **said}
        if not alike(said, found):
            yield f"the server has {apart(found, said)}, says the record"
        is_mere = wish.base is not None and not self._others(wish.ident)
        if not self._has_all(wish, found) or (is_mere and not alike(found, wish.target)):
            yield f"the server has {apart(found, wish.target)}"
        yield from self._permissions(wish, state)

    def _has_all(self, wish: Wish, found: Document) -> bool:
        """Tell whether *found* has what was changed, since whichever version that was loaded."""
        assert wish.target is not None
        states = self.witness.states[wish.ident] if wish.doubtful else []
        bases = [wish.base, *(bare(each.document) for each in states if each.document)]
        return any(has_all(found, base, wish.target or {}) for base in bases)

    def _permissions(self, wish: Wish, state: State) -> Iterator[str]:
        if wish.read is None or self.witness.now(wish.ident) is not state:
            return
        found = self.permitted(wish.ident).get("read", [])
        if sorted(found) != sorted(wish.read):
            yield f"it may be read by {found}, not by {wish.read}"

    def _unchanged(self, wish: Wish) -> Iterator[str]:
        yield from self._written(wish)
        if self._ours(wish.ident) and wish.action == "keep":
            yield "it was written"

    def _deleted(self, wish: Wish) -> Iterator[str]:
        if wish.target is not None:
            yield "it was to stay"
        states = self.witness.states.get(wish.ident, [])
        if states and states[-1].document is not None:
            yield f"the server has {states[-1].document}"

    def _conflict(self, wish: Wish) -> Iterator[str]:
        (conflict,) = (each for each in self.result.conflicts if each.record is wish.record)
        remote = conflict.remote
        if remote is None:
            if not any(each.document is None for each in self.witness.states.get(wish.ident, ())):
                yield "it was never gone"
            return
        state = self._state(wish.ident, remote["last_modified"])
        if state is None or not alike(state.document, remote):
            yield f"the server never had {remote}"
        elif state.writer == "ours":
            yield f"it meets only itself: {remote}"
        if wish.target is None or wish.read is not None or not self._ours(wish.ident):
            return
        # Of a new record, defaults are written as well.
        target = wish.target if wish.base is not None else bare(wish.record.to_document())
        if has_all(bare(remote), wish.base, target):
            yield f"the server has what it was to be: {remote}"

    def _error(self, wish: Wish) -> Iterator[str]:
        if self._ours(wish.ident):
            yield f"it was written: {self._ours(wish.ident)[-1].document}"

    def _unknown(self, wish: Wish) -> Iterator[str]:
        mine = [each for each in self.passages if wish.ident in each.ids]
        writes = [each for each in mine if each.writes]
        if writes and writes[-1].fault is None and not any(each.fault for each in writes):
            yield "all its writes were answered"
        if not mine and not wish.doubtful:
            yield "nothing was asked of it"
        if not mine or mine[-1].writes:
            return
        if mine[-1].fault is not None and self.passages[-1].fault is None:
            yield "the server could be asked again"
        if mine[-1].fault is None and self._ours(wish.ident):
            yield "the server said that it was written"

    def _not_sent(self, wish: Wish) -> Iterator[str]:
        yield f"all was to be sent, and so was {wish.target}"

    # -- What is known -------------------------------------------------------------------------

    def _state(self, ident: str, version: int | None) -> State | None:
        states = self.witness.states.get(ident, [])
        return next((each for each in states if each.version == version), None)

    def _ours(self, ident: str) -> list[State]:
        """Return what the session has written of a record in this commit."""
        states = self.witness.since(ident, self.began)
        return [each for each in states if each.writer == "ours" and each.moment < self.ended]

    def _others(self, ident: str) -> bool:
        return any(each.writer == "theirs" for each in self.witness.states.get(ident, ()))


def _was_never_there(wish: Wish, witness: Witness) -> bool:
    """Tell whether a record that is to go never came; one that others made is theirs."""
    ours = [each for each in witness.states.get(wish.ident, ()) if each.writer == "ours"]
    return wish.target is None and wish.base is None and not ours


_JUDGES: dict[str, Callable[[Case, Wish], Iterator[str]]] = {
    "created": Case._written,
    "updated": Case._written,
    "merged": Case._written,
    "deleted": Case._deleted,
    "unchanged": Case._unchanged,
    "conflicts": Case._conflict,
    "errors": Case._error,
    "unknown": Case._unknown,
    "not_sent": Case._not_sent,
}


def lost(witness: Witness, theirs: dict[str, list[Document]]) -> Iterator[str]:
    """Give what others wrote (by id, in order), and the session has undone."""
    for ident, written in theirs.items():
        states = witness.states[ident]
        if states[-1].document is None:
            if written and states[-1].writer == "ours" and states[-2].writer == "theirs":
                yield f"{ident} was deleted after others had changed it"
            continue
        said = {key: value for each in written for key, value in each.items()}
        for key in said.keys() - {"last_modified"}:
            found = states[-1].document.get(key)
            if not alike(found, said[key]):
                yield f"{ident}: {key} was {said[key]!r} by others, and is {found!r}"
