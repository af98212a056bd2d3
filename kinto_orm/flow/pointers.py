"""Places in a document (RFC 6901), and what operations of a JSON Patch (RFC 6902) do there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kinto_orm.exceptions import InvalidRequest
from kinto_orm.flow.json import copied


def guarded(
    operations: Sequence[Mapping[str, Any]], document: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """
    Return *operations*, each after tests of what it replaces, removes or moves.

    Those on something else than *document* has, such as permissions, are not guarded.

    Raises:
        InvalidRequest: If they cannot be applied to *document*.
    """
    now, result = copied(document), list[dict[str, Any]]()
    for operation in operations:
        if _steps(operation["path"])[0] in document:
            try:
                result += _tests(now, operation)
                _apply(now, operation)
            except (KeyError, IndexError, TypeError, ValueError) as error:
                msg = f"{dict(operation)!r} cannot be applied: the document has no such place"
                raise InvalidRequest(msg) from error
        result.append(dict(operation))
    return result


def _tests(document: Any, operation: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the tests of what *operation* takes away from *document*."""
    path = operation["from"] if operation["op"] == "move" else operation["path"]
    holder, key = _place(document, path)
    replaces = operation["op"] in ("remove", "replace", "move")
    if replaces or (operation["op"] == "add" and isinstance(holder, dict) and key in holder):
        yield {"op": "test", "path": path, "value": copied(holder[key])}


def _apply(document: Any, operation: Mapping[str, Any]) -> None:
    """Do to *document* what *operation* says."""
    kind = operation["op"]
    if kind in ("move", "copy"):
        holder, key = _place(document, operation["from"])
        value = copied(holder[key])
        if kind == "move":
            del holder[key]
    else:
        value = copied(operation.get("value"))
    holder, key = _place(document, operation["path"])
    if kind == "remove":
        del holder[key]
    elif kind == "replace" or (kind != "test" and isinstance(holder, dict)):
        holder[key] = value
    elif kind != "test":
        holder.insert(key, value)


def _place(document: Any, path: str) -> tuple[Any, Any]:
    """Return the object or the list that *path* leads into, and the key or the index there."""
    *above, last = _steps(path)
    holder = document
    for step in above:
        holder = holder[_key(holder, step)]
    return holder, _key(holder, last)


def _key(holder: Any, step: str) -> Any:
    if isinstance(holder, dict):
        return step
    return len(holder) if step == "-" else int(step)


def _steps(path: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]
