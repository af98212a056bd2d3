"""
How a change of a document is written: what turns *base* into *target*.

A patch is only used where it says exactly that.  RFC 7396 has a merge patch that cannot set a
null; Kinto answers 500 to an object that is merged onto something else (docs/protocol.md, P8).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kinto_orm.flow.json import same
from kinto_orm.flow.messages import Document
from kinto_orm.flow.recovering import merged
from kinto_orm.models.permissions import Lists, permitted
from kinto_orm.patch_type import MergePatch, PatchType


_MISSING: Final = object()


def merge_patch(base: Mapping[str, Any], target: Mapping[str, Any]) -> Document | None:
    """Return the merge patch (RFC 7396) from *base* to *target*, or None if there is none."""
    patch: Document = dict.fromkeys(base.keys() - target.keys())
    for key, value in attributes(base, target).items():
        old = base.get(key, _MISSING)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            inner = merge_patch(old, value)
            if inner is None:
                return None
            patch[key] = inner
        elif _merges_to(old, value):
            patch[key] = value
        else:
            return None
    return patch


def attributes(base: Mapping[str, Any], target: Mapping[str, Any]) -> Document:
    """Return the top-level keys of *target* that *base* does not have so, with their values."""
    # What was not changed is mostly the same object in both.
    return {
        key: value
        for key, value in target.items()
        if value is not (old := base.get(key, _MISSING)) and not same(old, value)
    }


def _merges_to(old: Any, new: Any) -> bool:
    """Tell whether merging *new* into *old*, which may be missing, gives *new*."""
    if not isinstance(new, Mapping):
        return new is not None
    if old is not _MISSING and not isinstance(old, Mapping):
        return False  # P8.
    before: Mapping[str, Any] = old if isinstance(old, Mapping) else {}
    return before.keys() <= new.keys() and all(
        _merges_to(before.get(key, _MISSING), value) for key, value in new.items()
    )


def leaves_as_it_is(patch: PatchType, document: Document, permissions: Lists | None) -> bool:
    """Tell whether *patch*, a `MergePatch` or a `BasicPatch`, would change nothing of these."""
    body: Mapping[str, Any] = patch.body
    data, wanted = body.get("data") or {}, body.get("permissions") or {}
    if wanted and not permitted(permissions, wanted):
        return False
    changed = merged(document, data) if isinstance(patch, MergePatch) else {**document, **data}
    return same(changed, document)
