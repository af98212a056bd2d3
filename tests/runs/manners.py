"""What a run draws of how its session goes about things."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

from attrs import field, frozen

from kinto_orm import BasicPatch, Conflict, JSONPatch, MergePatch
from kinto_orm.patch_type import GuardedJSONPatch, PatchType, WholeDocument


#: What a function makes of conflicts, by the id of the record.
CHOICES: Final = ("merge", "client_wins", "server_wins", "raise", "document")

#: The title that a function gives.
DECIDED: Final = "decided"

_PATCHES: Final = (
    MergePatch, MergePatch, MergePatch, JSONPatch, JSONPatch, BasicPatch, GuardedJSONPatch,
    WholeDocument,
)  # fmt: skip

_POLICIES: Final = ("raise",) * 4 + ("merge", "merge", "client_wins", "server_wins", "function")


@frozen
class Manner:
    """
    How a session goes about things.

    Attributes:
        patch: How it writes changes.
        policy: What becomes of conflicts.
        lock: Whether its batches lock.
        verifies: How often a commit takes a second look, from 0 to 1.
        moves: Whether records are moved.
        blind: Whether records are patched that were not loaded.
        late: How often a handler edits a record while a commit is under way.
    """

    patch: type[PatchType]
    policy: str
    lock: bool
    verifies: float
    moves: bool
    blind: bool
    late: float
    options: dict[str, Any] = field(factory=dict[str, Any])

    def __str__(self) -> str:
        said = [self.patch.__name__]
        said += [self.policy] if self.policy != "raise" else []
        flags = {
            "lock": self.lock,
            "verify": self.verifies,
            "moves": self.moves,
            "blind": self.blind,
            "late": self.late,
        }
        return ", ".join(said + [name for name, value in flags.items() if value])

    def policy_for(self, ident: str) -> str:
        """Return what is to become of conflicts of a record, by its key."""
        return self.policy if self.policy != "function" else choice(ident.rpartition("/")[2])


def drawn(random: Random, *, awaiting: bool) -> Manner:
    """Return how a session goes about things, as chance has it."""
    policy, patch = random.choice(_POLICIES), random.choice(_PATCHES)
    lock = random.random() < 0.3
    on_conflict: Any = policy
    if policy == "function":
        on_conflict = _decided_later if awaiting and random.random() < 0.5 else decided
    return Manner(
        patch,
        policy,
        lock,
        verifies=random.choice((0, 0, 0, 0.5)),
        moves=random.random() < 0.35,
        blind=random.random() < 0.3,
        late=random.choice((0, 0, 0.03, 0.3)),
        options={"patch": patch, "on_conflict": on_conflict, "lock": lock},
    )


def choice(id: str) -> str:
    """Return what a function makes of conflicts of the record *id*."""
    return CHOICES[sum(map(ord, id)) % len(CHOICES)]


def decided(conflict: Conflict) -> Any:
    """Return what *conflict* is resolved to: the name of a policy, a document, or nothing."""
    made = choice(conflict.record.id)
    if made == "raise":
        return None
    if made == "document":
        return {**(conflict.remote or conflict.local or {}), "title": DECIDED}
    return made


async def _decided_later(conflict: Conflict) -> Any:
    return decided(conflict)


#: Makes patches of records that were not loaded: each of a text that is new.
BLIND: Final[dict[str, Callable[[str], PatchType]]] = {
    "JSONPatch": lambda text: JSONPatch([{"op": "add", "path": "/data/tags/-", "value": text}]),
    "MergePatch": lambda text: MergePatch({"note": text}),
    "BasicPatch": lambda text: BasicPatch({"note": text}),
}
