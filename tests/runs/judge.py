"""
Whether what a commit said is true.

The judge knows what each record was to become (`Wish`), what the server had at every moment
(`Witness`), and which requests did not have their true answer (`Passage`).  It knows nothing of
sessions.  What it finds are lies, as sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeAlias

from attrs import define, field, frozen

from kinto_orm import CommitResult
from kinto_orm.exceptions import KintoException, NotAttempted, NotConfirmed
from runs.documents import Document, alike, apart, bare, has_all, is_partial, key_of
from runs.joining import changes, clash, not_joined, theirs
from runs.manners import DECIDED
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
        version: The timestamp of *base*.
        whole: What a new record is written as: with defaults.
        late: The title that it was given while a commit was under way.
        moved: The key of its copy, which must be there before it goes.
        kept: What it was to be before it was moved.
        touched: The keys that were changed since it was last settled.
    """

    record: Todo
    base: Document | None
    target: Document | None
    read: list[str] | None = None
    doubtful: bool = False
    version: int | None = None
    whole: Document | None = None
    late: str | None = None
    moved: str | None = None
    kept: Document | None = None
    touched: set[str] = field(factory=set[str])

    @property
    def ident(self) -> str:
        """Return the key of the record."""
        return key_of(self.record)

    @property
    def action(self) -> Action:
        """Return what is to be done."""
        if self.target is None:
            return "delete"
        if self.base is None:
            return "create"
        return "keep" if alike(self.base, self.target) and self.read is None else "update"


@define(eq=False)
class Blind:
    """
    Patches of a record that was not loaded.

    Attributes:
        kind: The kind of patch.
        text: What the last one puts there.
        record: What stands for the record.
        due: Whether it is still to be applied.
        texts: What all patches were to put there that must not do it twice.
    """

    kind: str
    text: str
    record: Todo
    due: bool = True
    texts: list[str] = field(factory=list[str])


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
            found.setdefault(key_of(record) if record is not None else "?", []).append(fate)
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
        policy: Gives what is to become of conflicts of a record.
        blinds: Patches of records that were not loaded, by key.
        verified: Whether a second look was asked for.
    """

    wishes: dict[str, Wish]
    result: CommitResult
    witness: Witness
    began: int
    ended: int
    passages: Sequence[Passage]
    permitted: Callable[[str], dict[str, list[str]]]
    policy: Callable[[str], str] = lambda _: "raise"
    blinds: dict[str, Blind] = field(factory=dict[str, Blind])
    verified: bool = False

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
            yield from self._moved(wish)
            if self.verified and named[0] in ("created", "updated"):
                yield from self._confirmed(wish)
        for ident, blind in self.blinds.items():
            named = fates.pop(ident, [])
            for lie in self._blind(ident, blind, named):
                yield f"{ident} ({blind.kind} {blind.text!r}) is {named or 'no list'}, but {lie}"
        yield from (f"{ident} is {named}, but nobody knows it" for ident, named in fates.items())

    def lies_by_now(self) -> Iterator[str]:
        """Give what turned out not to be true, when late writes had arrived."""
        for ident, named in fates_of(self.result).items():
            late = [each for each in self.witness.since(ident, self.ended) if each.writer == "ours"]
            if late and named[0] in ("unknown", "conflicts"):
                continue
            if ident in self.blinds and self.blinds[ident].kind != "JSONPatch":
                continue  # Without a precondition, a first try that is late does the same again.
            if late and (ident in self.blinds or not self._is_apart(ident)):
                yield f"{ident} is {named[0]}, but was written after that"

    def _is_apart(self, ident: str) -> bool:
        """Tell whether the error of a record says that only this try was not made."""
        return self.wishes[ident].doubtful and isinstance(self._error_of(ident), NotAttempted)

    # -- What each list promises ---------------------------------------------------------------

    def _written(self, wish: Wish) -> Iterator[str]:
        """Judge what is said to be on the server."""
        state = self._state(wish.ident, wish.record.last_modified)
        if state is None or state.document is None:
            yield f"the server never had version {wish.record.last_modified}"
            return
        found = bare(state.document)
        said = bare(wish.record.to_document())
        if is_partial(wish.record):
            said = {**found, **said}
        if wish.late is not None and said["title"] == wish.late:
            said["title"] = found["title"]
        if not alike(said, found):
            yield f"the server has {apart(found, said)}, says the record"
        yield from self._as_wished(wish, state, found)
        yield from self._permissions(wish, state)

    def _as_wished(self, wish: Wish, state: State, found: Document) -> Iterator[str]:
        """Judge whether what was *found* is what was wanted, and what others wanted."""
        states = self._until(wish, state)
        others, gone = theirs(states)
        if wish.target is None:
            if self.policy(wish.ident) not in ("server_wins", "document") or not others:
                yield "it was to go"
            return
        if self.policy(wish.ident) == "raise" or not (others or gone):
            is_mere = wish.base is not None and not self._others(wish.ident)
            if not self._has_all(wish, found) or (is_mere and not alike(found, wish.target)):
                yield f"the server has {apart(found, wish.target)}"
            return
        yield from self._joined(wish, found, states)

    def _joined(self, wish: Wish, found: Document, states: list[State]) -> Iterator[str]:
        """Judge whether *found* has both sides' changes, as the policy says."""
        others, gone = theirs(states)
        policy, base = self.policy(wish.ident), {} if gone else wish.base or {}
        if policy == "document":
            before = states[-2].document if len(states) > 1 else None
            if before is not None and states[-1].writer == "ours" and states[-2].writer == "theirs":
                meant = {**bare(before), "title": DECIDED}
                if not alike(found, meant):
                    yield f"a function made it {meant}, and there is {apart(found, meant)}"
            return
        ours, whole = changes(base, wish.target or {}), changes(base, wish.whole or {})
        extra = {path: value for path, value in whole.items() if path not in ours}
        defaults = extra if wish.base is None else {}
        lies = list(not_joined(found, base, ours, others, policy, defaults=defaults))
        if wish.doubtful:  # What was written before may be there as well.
            lies = [each for each in lies if not each.startswith("nobody")]
        yield from lies

    def _until(self, wish: Wish, state: State) -> list[State]:
        """Return the states of a record from what was loaded to *state*."""
        states = self.witness.from_version(wish.ident, wish.version)
        return [each for each in states if each.moment <= state.moment]

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
        if wish.target is not None and not self._may_be_forgotten(wish):
            yield "it was to stay"
        states = self.witness.states.get(wish.ident, [])
        if states and states[-1].document is not None:
            yield f"the server has {states[-1].document}"

    def _may_be_forgotten(self, wish: Wish) -> bool:
        """Tell whether a record may be gone since others deleted it."""
        states = self.witness.states.get(wish.ident, [])
        is_theirs = any(each.document is None and each.writer == "theirs" for each in states)
        return is_theirs and self.policy(wish.ident) == "server_wins"

    def _conflict(self, wish: Wish) -> Iterator[str]:
        (conflict,) = (each for each in self.result.conflicts if each.record is wish.record)
        remote, policy = conflict.remote, self.policy(wish.ident)
        if policy.endswith("wins") and not is_partial(wish.record) and wish.read is None:
            yield f"{policy}: {conflict}"
        if remote is None:
            if not any(each.document is None for each in self.witness.states.get(wish.ident, ())):
                yield "it was never gone"
            return
        state = self._state(wish.ident, remote["last_modified"])
        if state is None or not alike(state.document, remote):
            yield f"the server never had {remote}"
        elif state.writer == "ours":
            yield f"it meets only itself: {remote}"
        elif policy == "merge":
            yield from self._apart(wish, state)
        if wish.target is None or wish.read is not None or not self._ours(wish.ident):
            return
        # Of a new record, defaults are written as well.
        target = wish.target if wish.base is not None else bare(wish.record.to_document())
        if has_all(bare(remote), wish.base, target):
            yield f"the server has what it was to be: {remote}"

    def _apart(self, wish: Wish, state: State) -> Iterator[str]:
        """Judge whether what is said to clash with *state* does."""
        others, gone = theirs(self._until(wish, state))
        if gone or state.document is None:
            return
        if wish.target is None:
            if wish.base is not None and alike(wish.base, bare(state.document)):
                yield "nobody had changed it"
            return
        target = wish.whole if wish.base is None and wish.whole else wish.target
        if wish.read is not None:
            return  # To merge it, what it permits must be read, which may have failed.
        if not clash(changes(wish.base, target), others):
            yield f"it could be merged: {apart(state.document, target)}"

    def _error(self, wish: Wish) -> Iterator[str]:
        error = self._error_of(wish.ident)
        if isinstance(error, NotConfirmed):
            reads = [each for each in self._of(wish.ident) if not each.writes]
            is_seen = bool(reads) and reads[-1].fault is None
            if is_seen and self.witness.now(wish.ident).writer != "theirs":
                yield f"nobody else wrote it: {error}"
            return
        if self._ours(wish.ident):
            yield f"it was written: {self._ours(wish.ident)[-1].document}"

    def _unknown(self, wish: Wish) -> Iterator[str]:
        mine = self._of(wish.ident)
        writes = [each for each in mine if each.writes]
        if writes and writes[-1].fault is None and not any(each.fault for each in writes):
            yield "all its writes were answered"
        if not mine and not wish.doubtful:
            yield "nothing was asked of it"
        if not mine or mine[-1].writes:
            return
        is_at_the_end = not self.verified and self.policy(wish.ident) == "raise"
        if is_at_the_end and mine[-1].fault is not None and self.passages[-1].fault is None:
            yield "the server could be asked again"
        if mine[-1].fault is None and self._ours(wish.ident):
            yield "the server said that it was written"

    def _not_sent(self, wish: Wish) -> Iterator[str]:
        yield f"all was to be sent, and so was {wish.target}"

    # -- What is promised besides --------------------------------------------------------------

    def _confirmed(self, wish: Wish) -> Iterator[str]:
        """Judge whether a second look had shown what was written."""
        reads = [each for each in self._of(wish.ident) if not each.writes and each.fault is None]
        moment = reads[-1].moment if reads else self.ended
        states = [each for each in self.witness.states[wish.ident] if each.moment < moment]
        if not states or states[-1].document is None:
            yield f"{wish.ident} is confirmed, and was not there"
        elif not self._has_all(wish, bare(states[-1].document)):
            yield f"{wish.ident} is confirmed, and was {states[-1].document}"

    def _moved(self, wish: Wish) -> Iterator[str]:
        """Judge whether a record that moves was in one of its two places all the time."""
        if wish.moved is None:
            return
        there = self.witness.states.get(wish.moved, [])
        for state in self._ours(wish.ident):
            copies = [each for each in there if each.moment < state.moment]
            if state.document is None and not (
                copies and (copies[-1].document is not None or copies[-1].writer == "theirs")
            ):
                yield f"{wish.ident} went before it was in {wish.moved}"

    def _blind(self, ident: str, blind: Blind, named: list[str]) -> Iterator[str]:
        """Judge what is said of a patch of a record that was not loaded."""
        now = self.witness.now(ident).document or {}
        for text in blind.texts:
            if now.get("tags", []).count(text) > 1:
                yield f"it was applied more than once: {now}"
        if not blind.due:
            if named not in ([], ["unchanged"]) or self._ours(ident):
                yield "there was nothing to do"
            return
        is_there = now.get("note") == blind.text or blind.text in now.get("tags", [])
        if named == ["updated"]:
            if not is_there or now.get("last_modified") != blind.record.last_modified:
                yield f"the server has {now}"
        elif named == ["errors"]:
            if self._ours(ident) and not isinstance(self._error_of(ident), NotConfirmed):
                yield f"it was written: {now}"
        elif named != ["unknown"]:
            yield "it was to be patched"
        elif not any(each.fault for each in self._of(ident)):
            yield "all its requests were answered"

    # -- What is known -------------------------------------------------------------------------

    def _state(self, ident: str, version: int | None) -> State | None:
        states = self.witness.states.get(ident, [])
        return next((each for each in states if each.version == version), None)

    def _of(self, ident: str) -> list[Passage]:
        """Return the requests that were for a record."""
        return [each for each in self.passages if ident in each.ids]

    def _error_of(self, ident: str) -> KintoException | None:
        """Return the error of a record, if it has one."""
        return next((each for each in self.result.errors if key_of(each.record) == ident), None)

    def _ours(self, ident: str) -> list[State]:
        """Return what the session has written of a record in this commit."""
        states = self.witness.since(ident, self.began)
        return [each for each in states if each.writer == "ours" and each.moment < self.ended]

    def _others(self, ident: str) -> bool:
        return any(each.writer == "theirs" for each in self.witness.states.get(ident, ()))


def _was_never_there(wish: Wish, witness: Witness) -> bool:
    """Tell whether a record that is to go never came."""
    if wish.target is not None or wish.base is not None:
        return False
    return not any(each.writer == "ours" for each in witness.states.get(wish.ident, []))


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


def lost(
    witness: Witness,
    written: dict[str, list[Document]],
    wishes: dict[str, Wish],
    policy: Callable[[str], str],
) -> Iterator[str]:
    """Give what others have *written* (by key, in order), and the session has undone."""
    for ident, documents in written.items():
        states = witness.states[ident]
        wish = wishes.get(ident)
        if states[-1].document is None:
            if wish is not None and wish.target is None and policy(ident) == "client_wins":
                continue
            if documents and states[-1].writer == "ours" and states[-2].writer == "theirs":
                yield f"{ident} was deleted after others had changed it"
            continue
        said = {key: value for each in documents for key, value in each.items()}
        for key in said.keys() - {"last_modified"} - set(_excused(wish, said, policy(ident))):
            found = states[-1].document.get(key)
            if not alike(found, said[key]):
                yield f"{ident}: {key} was {said[key]!r} by others, and is {found!r}"


def _excused(wish: Wish | None, said: Document, policy: str) -> Iterator[str]:
    """Give the keys that may be otherwise than others *said*: see `runs.joining` for these."""
    if policy == "document":
        yield "title"  # Which the function decides, whoever changed what.
    for key in wish.touched if wish is not None and policy != "raise" else ():
        if policy in ("client_wins", "document") or isinstance(said.get(key), (list, dict)):
            yield key
