"""
How a change is written: each in a form that means exactly that, where it travels.

Every write has a precondition: a creation that there is nothing yet, a change or a deletion that
the record is as it was loaded.  So sending one again can do no harm.

A change that travels alone is a request of the kind that is asked for.  If that kind cannot say
it, it is the smallest of the others that can.

In a batch a JSON Patch is refused (docs/protocol.md, B1), and a merge patch may silently be read
as a replacement of attributes (B2).  There a change is just that: a PATCH of attributes, without a
content type, which leaves the server no choice.  It is never larger than the document, of which it
is a part.  Only a key that is removed cannot be said so: then it is the whole document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import frozen

from kinto_orm.client.endpoints.objects import etag
from kinto_orm.flow.messages import Document, Request
from kinto_orm.patch_type import (
    BasicPatch,
    GuardedJSONPatch,
    JSONPatch,
    MergePatch,
    PatchType,
    WholeDocument,
)
from kinto_orm.session.changes import Change, Write, size_of
from kinto_orm.session.json_patches import Operation, json_patch
from kinto_orm.session.patches import merge_patch


_CREATION: Final = {"If-None-Match": "*"}


def written(change: Change, *, alone: bool) -> Write:
    """Return *change* as a request that travels *alone*, or in a batch."""
    if (patch := change.blind) is not None:
        path = change.key.path
        request = Request("PATCH", path, (), {"Content-Type": patch.content_type}, patch.body)
        return Write(change, request, f"a {type(patch).__name__}, whatever is there")
    if change.target is None:
        return Write(
            change, Request("DELETE", change.key.path, (), _unchanged(change)), "a deletion"
        )
    if change.base is None:
        request = Request("PUT", change.key.path, (), _CREATION, _document(change))
        return Write(change, request, "the whole document, since it is new")
    return _alone(change) if alone else _in_batch(change)


def must_travel_alone(change: Change) -> bool:
    """Tell whether *change* cannot be said in a batch."""
    if change.blind is not None:
        return True
    return change.keys is not None and change.action == "update" and _removes(change)


def should_travel_alone(change: Change) -> bool:
    """Tell whether *change* cannot be said in a batch as is asked for: with guards."""
    is_guarded = issubclass(change.patch, GuardedJSONPatch) and change.action == "update"
    return is_guarded or must_travel_alone(change)


# -- Where it travels --------------------------------------------------------------------------


@frozen
class _Way:
    """
    A way to write a change.

    Attributes:
        kind: The kind of patch.
        called: What plans call it.
        says: What makes a request of a change; or says why it cannot.
    """

    kind: type[PatchType]
    called: str
    says: Callable[[Change], Request | str]


def _alone(change: Change) -> Write:
    """Write a change that travels alone: as is asked for, if that can say it."""
    asked = next(way for way in _WAYS if issubclass(change.patch, way.kind))
    said = asked.says(change)
    if isinstance(said, Request):
        return Write(change, said, asked.called)
    ways = [(way.says(change), way.called) for way in _OTHERS]
    possible = [(size_of(said), called, said) for said, called in ways if isinstance(said, Request)]
    _, called, request = min(possible, key=lambda each: each[0])
    return Write(change, request, f"{called}, since {said}")


def _in_batch(change: Change) -> Write:
    """Write a change that travels in a batch."""
    if issubclass(change.patch, WholeDocument) and change.keys is None:
        return Write(change, _put(change), "the whole document")
    if not _removes(change):
        body = BasicPatch(*_attributes(change)).body
        request = Request("PATCH", change.key.path, (), _unchanged(change), body)
        return Write(change, request, "attributes, which a batch cannot mistake (B2)")
    reason = "a key is removed, which no patch says in a batch (B1, B2)"
    return Write(change, _put(change), f"the whole document, since {reason}")


# -- What it says ------------------------------------------------------------------------------


def _merging(change: Change) -> Request | str:
    if _is_blind(change):
        return "it sets an object, of which it is not known what is in it now"
    base, target = _sides(change)
    merged = merge_patch(base, target)
    if merged is None:
        return "a merge patch cannot say it: it has null, or an object for a scalar"
    return _patch(change, MergePatch(merged or None, _permissions(change)))


def _replacing_attributes(change: Change) -> Request | str:
    if _removes(change):
        return "attributes cannot be removed by a BasicPatch"
    return _patch(change, BasicPatch(*_attributes(change)))


def _operating(change: Change) -> Request | str:
    return _patch(change, JSONPatch(_operations(change)))


def _guarding(change: Change) -> Request | str:
    base, _ = _sides(change)
    return _patch(change, GuardedJSONPatch(_operations(change), base))


def _replacing(change: Change) -> Request | str:
    if change.keys is not None:
        return "it was loaded in part, so that the whole document is not known"
    return _put(change)


_WAYS: Final = (
    _Way(GuardedJSONPatch, "a guarded JSON Patch", _guarding),
    _Way(JSONPatch, "a JSON Patch", _operating),
    _Way(BasicPatch, "attributes", _replacing_attributes),
    _Way(WholeDocument, "the whole document", _replacing),
    _Way(PatchType, "a merge patch", _merging),
)

#: What is left if the kind that is asked for cannot say a change: what has no blind spots.
_OTHERS: Final = _WAYS[1:4]


def _attributes(change: Change) -> tuple[Document | None, dict[str, list[str]] | None]:
    """Return the attributes that *change* sets, if any, and the permissions."""
    return change.attributes or None, _permissions(change)


def _operations(change: Change) -> list[Operation]:
    """Return *change* as a JSON Patch; a list of principals as a whole (P8)."""
    permissions: list[Operation] = [
        {"op": "add", "path": f"/permissions/{name}", "value": list(members)}
        for name, members in change.permissions.items()
    ]
    return json_patch(*_sides(change)) + permissions


def _patch(change: Change, patch: PatchType) -> Request:
    headers = {"Content-Type": patch.content_type, **_unchanged(change)}
    return Request("PATCH", change.key.path, (), headers, patch.body)


def _put(change: Change) -> Request:
    return Request("PUT", change.key.path, (), _unchanged(change), _document(change))


def _document(change: Change) -> dict[str, Any]:
    """Return the body of a PUT."""
    body: dict[str, Any] = {"data": change.target}
    if change.permissions:
        body["permissions"] = {**change.all_permissions, **change.permissions}
    return body


def _unchanged(change: Change) -> dict[str, str]:
    """Return the precondition that the record is as it was loaded (P1)."""
    assert change.version is not None
    return {"If-Match": etag(change.version)}


def _sides(change: Change) -> tuple[Document, Document]:
    """Return the documents before and after *change*."""
    assert change.base is not None
    assert change.target is not None
    return change.base, change.target


def _permissions(change: Change) -> dict[str, list[str]] | None:
    """Return the permissions that *change* sets, if any."""
    return {name: list(members) for name, members in change.permissions.items()} or None


def _removes(change: Change) -> bool:
    """Tell whether *change* removes a key of the document."""
    base, target = _sides(change)
    return not base.keys() <= target.keys()


def _is_blind(change: Change) -> bool:
    """Tell whether *change* sets an object where there may be one, of which nothing is known."""
    target = change.target or {}
    return any(isinstance(target[key], Mapping) for key in change.unseen)
