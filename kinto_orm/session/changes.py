"""What is to become of a record, and the request that says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

from attrs import field, frozen

from kinto_orm.flow.messages import Document, Request
from kinto_orm.models.permissions import Lists
from kinto_orm.models.records import Record
from kinto_orm.patch_type import MergePatch, PatchType
from kinto_orm.session.identity import Key
from kinto_orm.session.patches import attributes
from kinto_orm.session.snapshots import changed_paths
from kinto_orm.transport.codec import encode


#: What a write does.
Action: TypeAlias = Literal["create", "update", "delete"]


@frozen(eq=False)
class Aim:
    """
    What a record shall be.

    Attributes:
        document: The document, without a timestamp; None if the record shall go.
        permissions: The permissions that are to change, each with all its principals.
    """

    document: Document | None
    permissions: Lists = field(factory=dict[str, list[str]])


@frozen(eq=False, kw_only=True)
class Change:
    """
    What is to become of a record.

    Attributes:
        record: The record.
        key: Where it is.
        loaded: The document as the server has it, as far as is known; None if none.
        target: The document as it shall be, without a timestamp; None if it shall go.
        patch: The kind of patch that is asked for.
        earlier: Aims of writes that were sent before, and may be applied yet: what is found on
            the server may be one of these.
        permissions: The permissions that are to change, each with all its principals.
        all_permissions: All of them: a PUT empties those that it does not have (P5).
        keys: The keys of the document that are known, if the record was loaded in part.
        resolves: Whether it is what a conflict was resolved to.
        strict: Whether it is a conflict if somebody else has done exactly the same.
        blind: A patch to apply, whatever is there, instead.
        base: What was loaded, without its timestamp; None if it is new.
        attributes: The keys of the target, with their values, that the base does not have so; none,
            unless there are both.
        after: A record that must be on the server before this is sent: the copy of one that moves.
    """

    record: Record
    key: Key
    loaded: Document | None
    target: Document | None
    patch: type[PatchType] = MergePatch
    earlier: tuple[Aim, ...] = ()
    permissions: Lists = field(factory=dict[str, list[str]])
    all_permissions: Lists = field(factory=dict[str, list[str]])
    keys: frozenset[str] | None = None
    resolves: bool = False
    strict: bool = False
    blind: PatchType | None = None
    after: Record | None = None
    base: Document | None = field(init=False, default=None)
    attributes: Document = field(init=False, factory=dict[str, Any])

    def __attrs_post_init__(self) -> None:
        # Frozen, but not for its own: what is asked for often is worked out once.
        if self.loaded is not None:
            base = dict(self.loaded)
            base.pop("last_modified", None)
            object.__setattr__(self, "base", base)
            if self.target is not None:
                object.__setattr__(self, "attributes", attributes(base, self.target))

    @property
    def version(self) -> int | None:
        """Return the timestamp of what the server has, in milliseconds; None if it has nothing."""
        return None if self.loaded is None else self.loaded.get("last_modified")

    @property
    def is_one(self) -> bool:
        """Tell whether there is anything to write."""
        if self.blind is not None or self.permissions:
            return True
        if self.base is None or self.target is None:
            return self.base is not self.target
        return bool(self.attributes) or self.base.keys() != self.target.keys()

    @property
    def aim(self) -> Aim:
        """Return what the record shall be."""
        return Aim(self.target, self.permissions)

    @property
    def unseen(self) -> list[str]:
        """Return the keys that are set and were not loaded: of these, nothing is known."""
        if self.keys is None or self.target is None:
            return []
        return [key for key in self.target if key not in self.keys]

    @property
    def action(self) -> Action:
        """Return what is done."""
        if self.target is None:
            return "delete"
        return "create" if self.base is None else "update"

    @property
    def paths(self) -> list[str]:
        """Return the paths of the document that change, and the permissions that do."""
        named = [f"permissions.{name}" for name in self.permissions]
        return changed_paths(self.base or {}, self.target or {}) + named


@frozen(eq=False)
class Write:
    """
    A change as a request.

    Attributes:
        change: What is changed.
        request: How that is said.
        form: What form that has, and why.
    """

    change: Change
    request: Request
    form: str

    def __str__(self) -> str:
        change = self.change
        precondition = "; ".join(_preconditions(self.request)) or "no precondition"
        paths = f" [{', '.join(change.paths)}]" if change.action == "update" else ""
        line = f"{self.request.method:6} {self.request.path}  {change.action}{paths}"
        return f"{line}, {precondition}, {self.form}{self._sizes}"

    @property
    def _sizes(self) -> str:
        """Return how many bytes it takes, and would take otherwise."""
        if self.request.body is None:
            return ""
        sizes = f", {size_of(self.request):,} bytes"
        if self.request.method != "PATCH" or self.change.keys is not None or self.change.blind:
            return sizes
        return f"{sizes}; the document has {len(encode(self.change.target)):,}"


def size_of(request: Request) -> int:
    """Return how many bytes the body of *request* has."""
    return 0 if request.body is None else len(encode(request.body))


def _preconditions(request: Request) -> Iterator[str]:
    for name, value in request.headers.items():
        if name.startswith("If-"):
            yield f"{name}: {value}"
