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

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal, TypeAlias

from attrs import field, frozen

from kinto_orm.client.endpoints.objects import etag
from kinto_orm.exceptions import UnsendableValue, ValidationError
from kinto_orm.flow.batching import outer
from kinto_orm.flow.json import same
from kinto_orm.flow.messages import Document, Request
from kinto_orm.models.layout import load, unfit
from kinto_orm.models.records import Record
from kinto_orm.models.survival import lost_of_record
from kinto_orm.patch_type import BasicPatch, JSONPatch, MergePatch, PatchType
from kinto_orm.session.identity import Key
from kinto_orm.session.patches import attributes, both_ways, json_patch, merge_patch
from kinto_orm.session.snapshots import changed_paths, without_stamps
from kinto_orm.transport.codec import decode, encode


#: What a write does.
Action: TypeAlias = Literal["create", "update", "delete"]

_CREATION: Final = {"If-None-Match": "*"}


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
        earlier: Targets of writes that were sent before, and may be applied yet: what is found on
            the server may be one of these.
    """

    record: Record
    key: Key
    loaded: Document | None
    target: Document | None
    patch: type[PatchType] = MergePatch
    earlier: tuple[Document | None, ...] = ()
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
        return not same(self.base, self.target)

    @property
    def action(self) -> Action:
        """Return what is done."""
        if self.target is None:
            return "delete"
        return "create" if self.base is None else "update"

    @property
    def paths(self) -> list[str]:
        """Return the paths of the document that change."""
        return changed_paths(self.base or {}, self.target or {})


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
    """

    chunks: tuple[tuple[Write, ...], ...]

    @property
    def writes(self) -> tuple[Write, ...]:
        """Return all writes, in order."""
        return tuple(write for chunk in self.chunks for write in chunk)

    @property
    def requests(self) -> tuple[Request, ...]:
        """Return the requests, in order: each a single write, or a batch of them."""
        return tuple(outer([write.request for write in chunk]) for chunk in self.chunks)

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


def planned(changes: Sequence[Change], limit: int) -> Plan:
    """
    Return the plan for *changes*, with batches of at most *limit*.

    Records are created in the order in which they were added.  What exists is written in the
    order of its keys: two batches that write the same records in opposite orders block each other
    on PostgreSQL, and one of them fails as a whole (docs/protocol.md, B4).
    """
    new = [change for change in changes if change.action == "create"]
    known = [change for change in changes if change.action != "create"]
    changes = [*new, *sorted(known, key=lambda change: change.key)]
    parts = [changes[start : start + limit] for start in range(0, len(changes), limit)]
    return Plan(
        tuple(tuple(_write(change, alone=len(part) == 1) for change in part) for part in parts)
    )


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
    faults = list(lost_of_record(record, load(type(record), document)))
    if faults:
        raise unfit(type(record), document, faults)


def _write(change: Change, *, alone: bool) -> Write:
    path = change.key.path
    if change.target is None:
        return Write(change, Request("DELETE", path, (), _unchanged(change)), "a deletion")
    if change.base is None:
        request = Request("PUT", path, (), _CREATION, {"data": change.target})
        return Write(change, request, "the whole document, since it is new")
    return _patched_alone(change) if alone else _patched_in_batch(change)


def _unchanged(change: Change) -> dict[str, str]:
    """Return the precondition that the record is as it was loaded (P1)."""
    assert change.version is not None
    return {"If-Match": etag(change.version)}


def _patched_alone(change: Change) -> Write:
    """Write a change that travels alone: as the session asks, if that can say it."""
    assert change.base is not None
    assert change.target is not None
    if issubclass(change.patch, JSONPatch):
        operations = json_patch(change.base, change.target)
        return _patch(change, JSONPatch(operations), "a JSON Patch")
    if issubclass(change.patch, BasicPatch):
        if change.base.keys() <= change.target.keys():
            body = attributes(change.base, change.target)
            return _patch(change, BasicPatch(body), "attributes")
        return _whole(change, "attributes cannot be removed by a BasicPatch")
    merged = merge_patch(change.base, change.target)
    if merged is not None:
        return _patch(change, MergePatch(merged), "a merge patch")
    return _whole(change, "a merge patch cannot say it: it has null, or an object for a scalar")


def _patched_in_batch(change: Change) -> Write:
    """Write a change that travels in a batch, where its type may be ignored."""
    assert change.base is not None
    assert change.target is not None
    body = both_ways(change.base, change.target)
    if body is not None:
        return _patch(change, MergePatch(body), "a patch that reads the same either way (B2)")
    return _whole(change, "no patch reads the same either way in a batch (B2)")


def _patch(change: Change, patch: PatchType, form: str) -> Write:
    headers = {"Content-Type": patch.content_type, **_unchanged(change)}
    return Write(change, Request("PATCH", change.key.path, (), headers, patch.body), form)


def _whole(change: Change, reason: str) -> Write:
    body: dict[str, Any] = {"data": change.target}
    request = Request("PUT", change.key.path, (), _unchanged(change), body)
    return Write(change, request, f"the whole document, since {reason}")
