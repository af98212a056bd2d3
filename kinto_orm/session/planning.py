"""
Changes become requests: in an order, in chunks, each in a form that is safe where it travels.

Every write has a precondition: a creation that there is nothing yet, a change or a deletion that
the record is as it was loaded.  So sending one again can do no harm.

A change that travels alone is a PATCH of the kind that the session asks for.  In a batch a JSON
Patch is refused (docs/protocol.md, B1), and a merge patch may silently be read as something else
(B2): there a change is a PATCH whose body means the same by either reading, or, where there is
none, the whole document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from attrs import field, frozen

from kinto_orm.client.endpoints.objects import etag
from kinto_orm.exceptions import UnsendableValue, ValidationError
from kinto_orm.flow.batching import outer
from kinto_orm.flow.json import same
from kinto_orm.flow.messages import Document, Request
from kinto_orm.models.layout import load, unfit
from kinto_orm.models.parts import load_part, names_of
from kinto_orm.models.permissions import Lists
from kinto_orm.models.records import Record
from kinto_orm.models.survival import lost_of_record
from kinto_orm.patch_type import BasicPatch, JSONPatch, MergePatch, PatchType
from kinto_orm.session.identity import Key
from kinto_orm.session.locking import Locking
from kinto_orm.session.patches import attributes, both_ways, json_patch, merge_patch
from kinto_orm.session.snapshots import changed_paths, without_stamps
from kinto_orm.transport.codec import decode, encode


#: What a write does.
Action: TypeAlias = Literal["create", "update", "delete"]

_CREATION: Final = {"If-None-Match": "*"}


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
        patch: How a change is written where it travels alone.
        earlier: Aims of writes that were sent before, and may be applied yet: what is found on
            the server may be one of these.
        permissions: The permissions that are to change, each with all its principals.
        all_permissions: All of them: a PUT empties those that it does not have (P5).
        keys: The keys of the document that are known, if the record was loaded in part.
        resolves: Whether it is what a conflict was resolved to.
        strict: Whether it is a conflict if somebody else has done exactly the same.
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
    after: Record | None = None
    base: Document | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        # Frozen, but not for its own: what is asked for often is worked out once.
        base = None if self.loaded is None else without_stamps(self.loaded)
        object.__setattr__(self, "base", base)

    @property
    def version(self) -> int | None:
        """Return the timestamp of what the server has, in milliseconds; None if it has nothing."""
        return None if self.loaded is None else self.loaded.get("last_modified")

    @property
    def is_one(self) -> bool:
        """Tell whether there is anything to write."""
        return bool(self.permissions) or not same(self.base, self.target)

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
        change, precondition = self.change, "; ".join(_preconditions(self.request))
        paths = f" [{', '.join(change.paths)}]" if change.action == "update" else ""
        line = f"{self.request.method:6} {self.request.path}  {change.action}{paths}"
        return f"{line}, {precondition}, {self.form}"


@frozen(eq=False)
class Plan:
    """
    A commit before it is sent: which requests, in which order, with what in them.

    Attributes:
        chunks: The writes that travel together, in the order in which they are sent.
        locked: Whether each batch locks the collections that it writes to (see `locking`).
    """

    chunks: tuple[tuple[Write, ...], ...]
    locked: bool = False

    @property
    def writes(self) -> tuple[Write, ...]:
        """Return all writes, in order."""
        return tuple(write for chunk in self.chunks for write in chunk)

    @property
    def requests(self) -> tuple[Request, ...]:
        """Return the requests, in order: each a single write, or a batch of them."""
        return tuple(map(self._request, self.chunks))

    def _request(self, chunk: Sequence[Write]) -> Request:
        requests = [write.request for write in chunk]
        bracket = Locking(chunk) if self.locked else None
        before = [] if bracket is None else bracket.before(requests)
        behind = [] if bracket is None else bracket.behind(requests)
        return outer([*before, *requests, *behind])

    def __len__(self) -> int:
        return len(self.chunks)

    def __str__(self) -> str:
        if not self.chunks:
            return "nothing to write: no request"
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        sizes = [_size(request) for request in self.requests]
        writes, requests = len(self.writes), len(self.chunks)
        yield (
            f"{writes} record{'s'[: writes > 1]} in {requests} request{'s'[: requests > 1]},"
            f" {sum(sizes):,} bytes"
        )
        for number, (chunk, size) in enumerate(zip(self.chunks, sizes, strict=True), 1):
            if len(chunk) == 1:
                yield f"{number}. {chunk[0]}, {size:,} bytes"
                continue
            yield f"{number}. POST /batch, {len(chunk)} writes, {size:,} bytes"
            yield from (f"   {write}" for write in chunk)


def _size(request: Request) -> int:
    return 0 if request.body is None else len(encode(request.body))


def _preconditions(request: Request) -> Iterator[str]:
    for name, value in request.headers.items():
        if name.startswith("If-"):
            yield f"{name}: {value}"


def planned(changes: Sequence[Change], limit: int, *, locked: bool = False) -> Plan:
    """
    Return the plan for *changes*, with batches of at most *limit*.

    Args:
        changes: What is to be written.
        limit: How many requests fit in a batch.
        locked: Whether collections are locked meanwhile (see `locking`).

    Records are created in the order in which they were added.  What exists is written in the
    order of its keys: two batches that write the same records in opposite orders block each other
    on PostgreSQL, and one of them fails as a whole (docs/protocol.md, B4).
    """
    new = [change for change in changes if change.action == "create"]
    known = [change for change in changes if change.action != "create"]
    changes = [*new, *sorted(known, key=lambda change: change.key)]
    late = [change for change in changes if change.after is not None]
    early = [change for change in changes if change.after is None]
    return Plan(
        tuple(
            tuple(_write(change, alone=len(part) == 1 and not locked) for change in part)
            for part in (*_parts(early, limit, locked=locked), *_parts(late, limit, locked=locked))
        ),
        locked,
    )


def _parts(changes: Sequence[Change], limit: int, *, locked: bool) -> list[list[Change]]:
    """Return *changes* in the parts that travel together."""
    parts: list[list[Change]] = []
    lonely: list[list[Change]] = []
    room, places = 0, set[tuple[str, str]]()
    for change in changes:
        if must_travel_alone(change):
            lonely.append([change])
            continue
        place = (change.key.bucket, change.key.collection)
        wants_lock = locked and change.base is not None
        if room < (3 if wants_lock and place not in places else 1):
            parts.append([])
            room, places = limit, set()
        if wants_lock and place not in places:
            places.add(place)
            room -= 2  # What locks, and what unlocks.
        room -= 1
        parts[-1].append(change)
    return parts + lonely


def check(changes: Sequence[Change]) -> None:
    """
    Refuse what cannot be sent, or could not be loaded again, before anything is sent.

    Raises:
        UnsendableValue: If a document holds what cannot be sent; all such are named.
        ValidationError: If a document does not fit its class, if a value would come back as
            another, or if a read-only one was changed in place; all such are named.
    """
    unsent: list[str] = []
    unfit: list[ValidationError] = []
    for change in changes:
        if change.target is None:
            continue
        try:
            _check_survival(change.record, decode(encode(change.target)))
        except UnsendableValue as error:
            unsent.append(f"{type(change.record).__name__} {change.key}: {error}")
        except ValidationError as error:
            unfit.append(error)
    if unsent:
        lines = ["nothing was sent, since these values cannot be:", *unsent]
        raise UnsendableValue("\n".join(lines))
    if unfit:
        lines = ["nothing was sent, since these records could not be loaded again:"]
        faults = [fault for each in unfit for fault in each.faults]
        raise ValidationError("\n".join([*lines, *map(str, unfit)]), faults)


def _check_survival(record: Record, document: Document) -> None:
    """Refuse *record* if what is loaded from its *document* is not the same."""
    names = names_of(record)
    again = (
        load(type(record), document) if names is None else load_part(type(record), document, names)
    )
    faults = list(lost_of_record(record, again))
    if faults:
        raise unfit(type(record), document, faults)


def must_travel_alone(change: Change) -> bool:
    """Tell whether *change*, of a record loaded in part, cannot be said in a batch."""
    return change.keys is not None and change.action == "update" and _both_ways(change) is None


def _write(change: Change, *, alone: bool) -> Write:
    path = change.key.path
    if change.target is None:
        return Write(change, Request("DELETE", path, (), _unchanged(change)), "a deletion")
    if change.base is None:
        request = Request("PUT", path, (), _CREATION, _put(change))
        return Write(change, request, "the whole document, since it is new")
    return _patched_alone(change) if alone else _patched_in_batch(change)


def _unchanged(change: Change) -> dict[str, str]:
    """Return the precondition that the record is as it was loaded (P1)."""
    assert change.version is not None
    return {"If-Match": etag(change.version)}


def _patched_alone(change: Change) -> Write:
    """Write a change that travels alone: as the session asks, if that can say it."""
    base, target, permissions = _sides(change)
    if issubclass(change.patch, JSONPatch):
        return _json_patch(change, "a JSON Patch")
    if issubclass(change.patch, BasicPatch):
        if base.keys() <= target.keys():
            body = BasicPatch(_or_none(attributes(base, target)), permissions)
            return _patch(change, body, "attributes")
        return _whole(change, "attributes cannot be removed by a BasicPatch")
    if _is_blind(change):
        return _whole(change, "it sets an object, of which it is not known what is in it now")
    merged = merge_patch(base, target)
    if merged is not None:
        return _patch(change, MergePatch(_or_none(merged), permissions), "a merge patch")
    return _whole(change, "a merge patch cannot say it: it has null, or an object for a scalar")


def _patched_in_batch(change: Change) -> Write:
    """Write a change that travels in a batch, where its type may be ignored."""
    body = _both_ways(change)
    if body is not None:
        return _patch(change, body, "a patch that reads the same either way (B2)")
    return _whole(change, "no patch reads the same either way in a batch (B2)")


def _both_ways(change: Change) -> MergePatch | None:
    """Return the patch that says *change* however it is read, or None."""
    base, target, permissions = _sides(change)
    body = None if _is_blind(change) else both_ways(base, target)
    return None if body is None else MergePatch(_or_none(body), permissions)


def _sides(change: Change) -> tuple[Document, Document, dict[str, list[str]] | None]:
    """Return the documents before and after *change*, and the permissions that it sets."""
    assert change.base is not None
    assert change.target is not None
    permissions = {name: list(members) for name, members in change.permissions.items()}
    return change.base, change.target, permissions or None


def _is_blind(change: Change) -> bool:
    """Tell whether *change* sets an object where there may be one, of which nothing is known."""
    target = change.target or {}
    return any(isinstance(target[key], Mapping) for key in change.unseen)


def _or_none(data: Document) -> Document | None:
    """Return *data*, or None if it is empty: then permissions alone are changed."""
    return data or None


def _json_patch(change: Change, form: str) -> Write:
    base, target, _ = _sides(change)
    operations = json_patch(base, target)
    for name, members in change.permissions.items():
        operations.append({"op": "add", "path": f"/permissions/{name}", "value": list(members)})
    return _patch(change, JSONPatch(operations), form)


def _patch(change: Change, patch: PatchType, form: str) -> Write:
    headers = {"Content-Type": patch.content_type, **_unchanged(change)}
    return Write(change, Request("PATCH", change.key.path, (), headers, patch.body), form)


def _whole(change: Change, reason: str) -> Write:
    if change.keys is not None:
        return _json_patch(change, f"a JSON Patch, since {reason}, and it was loaded in part")
    request = Request("PUT", change.key.path, (), _unchanged(change), _put(change))
    return Write(change, request, f"the whole document, since {reason}")


def _put(change: Change) -> dict[str, Any]:
    """Return the body of a PUT."""
    body: dict[str, Any] = {"data": change.target}
    if change.permissions:
        body["permissions"] = {**change.all_permissions, **change.permissions}
    return body
