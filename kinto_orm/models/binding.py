"""
The same class elsewhere: its records in another bucket or collection, as `Record.at` says.

A bound class is a subclass that differs in its place alone.  There is one for each place, so that
it may be asked for again and again.  Where a collection holds several kinds of record, all of
them are bound together.
"""

from __future__ import annotations

from types import new_class
from typing import Any, TypeVar


C = TypeVar("C", bound=type[Any])


def bound(model: C, bucket: str | None, collection: str | None) -> C:
    """Return *model* at another place; what is None stays as it is."""
    origin = unbound(model)
    bucket = model._bucket if bucket is None else bucket
    collection = model._collection if collection is None else collection
    if (bucket, collection) == (origin._bucket, origin._collection):
        return origin
    known: dict[Any, C] = origin.__dict__.get("_elsewhere", {})
    if not known:
        origin._elsewhere = known
    if (bucket, collection) not in known:
        known[bucket, collection] = _made(origin, bucket, collection)
    return known[bucket, collection]


def unbound(model: C) -> C:
    """Return the class that *model* was bound from; itself, if it is at its own place."""
    origin: C = model.__dict__.get("_origin", model)
    return origin


def like(model: C, other: type[Any]) -> C:
    """Return *model* at the place of *other*."""
    if "_origin" not in other.__dict__:
        return model
    return bound(model, other._bucket, other._collection)


def _made(origin: C, bucket: str | None, collection: str | None) -> C:
    kinds = [
        bound(base, bucket, collection)
        for base in origin.__bases__
        if getattr(base, "_tag_field", "") and getattr(base, "_is_record", False)
    ]

    def body(namespace: dict[str, Any]) -> None:
        namespace |= {
            "__module__": origin.__module__,
            "__qualname__": origin.__qualname__,
            "__doc__": origin.__doc__,
            "_origin": origin,
            "_bucket": bucket,
            "_collection": collection,
        }

    made: Any = new_class(origin.__name__, (origin, *kinds), {}, body)
    return made  # type: ignore[no-any-return]


def revived(origin: Any, bucket: str | None, collection: str | None) -> Any:
    """Return a record without values of *origin* at a place, for pickle and copy."""
    return object.__new__(bound(origin, bucket, collection))
