"""
How a change of a document is written: what turns *base* into *target*.

A patch is only used where it says exactly that.  RFC 7396 has a merge patch that cannot set a
null; Kinto answers 500 to an object that is merged onto something else (docs/protocol.md, P8).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from kinto_orm.flow.json import common_ends, same
from kinto_orm.flow.messages import Document


_MISSING: Final = object()


def merge_patch(base: Mapping[str, Any], target: Mapping[str, Any]) -> Document | None:
    """Return the merge patch (RFC 7396) from *base* to *target*, or None if there is none."""
    patch: Document = dict.fromkeys(base.keys() - target.keys())
    for key, value in target.items():
        old = base.get(key, _MISSING)
        if old is not _MISSING and same(old, value):
            continue
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            inner = merge_patch(old, value)
            if inner is None:
                return None
            patch[key] = inner
        elif merges_to(old, value):
            patch[key] = value
        else:
            return None
    return patch


def both_ways(base: Mapping[str, Any], target: Mapping[str, Any]) -> Document | None:
    """
    Return a body that turns *base* into *target* however the server reads it, or None.

    In a batch, a PATCH may be read as a merge patch or as a replacement of attributes
    (docs/protocol.md, B2).  So each top-level key that changed has its whole new value, such that
    merging that into the old one gives it, too.
    """
    if base.keys() - target.keys():
        return None  # Only a merge patch removes a key.
    changed = attributes(base, target)
    if all(merges_to(base.get(key, _MISSING), value) for key, value in changed.items()):
        return changed
    return None


def attributes(base: Mapping[str, Any], target: Mapping[str, Any]) -> Document:
    """Return the top-level keys of *target* that *base* does not have so, with their values."""
    return {
        key: value for key, value in target.items() if key not in base or not same(base[key], value)
    }


def merges_to(old: Any, new: Any) -> bool:
    """Tell whether merging *new* into *old*, which may be missing, gives *new*."""
    if not isinstance(new, Mapping):
        return new is not None
    if old is not _MISSING and not isinstance(old, Mapping):
        return False  # P8.
    before: Mapping[str, Any] = old if isinstance(old, Mapping) else {}
    return before.keys() <= new.keys() and all(
        merges_to(before.get(key, _MISSING), value) for key, value in new.items()
    )


def json_patch(base: Any, target: Any, path: str = "/data") -> list[dict[str, Any]]:
    """Return the operations (RFC 6902) that turn *base*, at *path*, into *target*."""
    return list(_operations(base, target, path))


def _operations(old: Any, new: Any, path: str) -> Iterator[dict[str, Any]]:
    if same(old, new):
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from _in_object(old, new, path)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _in_list(old, new, path)
    else:
        yield {"op": "replace", "path": path, "value": new}


def _in_object(
    old: Mapping[str, Any], new: Mapping[str, Any], path: str
) -> Iterator[dict[str, Any]]:
    for key in old:
        if key not in new:
            yield {"op": "remove", "path": f"{path}/{_escaped(key)}"}
    for key, value in new.items():
        inner = f"{path}/{_escaped(key)}"
        if key in old:
            yield from _operations(old[key], value, inner)
        else:
            yield {"op": "add", "path": inner, "value": value}


def _in_list(old: Sequence[Any], new: Sequence[Any], path: str) -> Iterator[dict[str, Any]]:
    """Leave what both lists begin and end with; change, remove or add what is between."""
    start, end = common_ends(old, new)
    before, after = old[start : len(old) - end], new[start : len(new) - end]
    common = min(len(before), len(after))
    for index in range(common):
        yield from _operations(before[index], after[index], f"{path}/{start + index}")
    for index in reversed(range(common, len(before))):
        yield {"op": "remove", "path": f"{path}/{start + index}"}
    for index in range(common, len(after)):
        yield {"op": "add", "path": f"{path}/{start + index}", "value": after[index]}


def _escaped(key: str) -> str:
    """Return *key* as a part of a JSON Pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")
