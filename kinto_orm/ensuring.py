"""
That the buckets and collections of classes exist, and are as these need them.

What is missing is created.  What exists is read, compared, and left alone unless its change is
wanted: then it is changed if it still is as it was read, in the keys that were asked for and in
no others.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from json import dumps
from typing import Any, TypeAlias, overload

from attrs import evolve, field, frozen

from kinto_orm.client.clients import AsyncClient, Client
from kinto_orm.client.endpoints import objects
from kinto_orm.client.endpoints.objects import Object, Permissions
from kinto_orm.client.endpoints.server import server_root
from kinto_orm.client.paths import collection_path, path_of
from kinto_orm.exceptions import (
    BucketNotFound,
    CollectionNotFound,
    Forbidden,
    KintoException,
    PreconditionFailed,
)
from kinto_orm.flow import Document, Flow
from kinto_orm.flow.json import same
from kinto_orm.models.collections import Collection, collections_of
from kinto_orm.models.conditions import Order
from kinto_orm.models.fields import Field
from kinto_orm.models.records import Record
from kinto_orm.models.schema import json_schema


#: Fields to be shown: expressions, or paths in documents.
Fields: TypeAlias = Iterable[str | Field[Any]]

#: What records are sorted by.
Sort: TypeAlias = str | Field[Any] | Order | Sequence[Field[Any] | Order]


@frozen
class Difference:
    """
    Something in which a collection is not as it was asked for.

    Attributes:
        collection: Which one: ``work/todos``.
        key: What of it: ``schema``, ``displayFields``, ``sort``, or ``permissions.read``, say.
        old: What it has; None if nothing, or if the server does not show it to the user.
        new: What it is to have.
    """

    collection: str
    key: str
    old: Any
    new: Any

    def __str__(self) -> str:
        """Return each path at which they differ, with what is there and what is to be."""
        return "\n".join(
            f"{self.collection}: {path}: {_shown(old)} -> {_shown(new)}"
            for path, old, new in _apart(self.old, self.new, self.key)
        )


def _apart(old: Any, new: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Give the paths at which two values differ, as deep as objects go, with what is there."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            yield from _apart(old.get(key), new.get(key), f"{path}.{key}")
    elif not same(old, new):
        yield path, old, new


def _shown(value: Any) -> str:
    text = "nothing" if value is None else dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."


#: Whether to change what exists: all of it, nothing, or what a function says of the differences.
Decision: TypeAlias = bool | Callable[[tuple[Difference, ...]], bool | Iterable[Difference]]


@frozen
class Ensured:
    """
    What `ensure` did.

    Attributes:
        created: The buckets and collections that it created: ``work``, ``work/todos``.
        differences: In what existed: all that was not as it was asked for.
        changed: Those of the differences that are no more.
        rehearsed: Whether it was a dry run: nothing was written, these are those that would be.
    """

    created: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    changed: tuple[Difference, ...] = ()
    rehearsed: bool = field(default=False, repr=False)

    @property
    def ok(self) -> bool:
        """Tell whether everything is as it was asked for."""
        return not self.rehearsed and len(self.changed) == len(self.differences)

    def __str__(self) -> str:
        left = [each for each in self.differences if each not in self.changed]
        lines = [f"{each}: created" for each in self.created]
        lines += [f"{line} (changed)" for each in self.changed for line in str(each).splitlines()]
        lines += [f"{line} (not changed)" for each in left for line in str(each).splitlines()]
        return "\n".join(lines) or "everything is as it was asked for"


@overload
def ensure(
    client: Client,
    /,
    *models: type[Record],
    schema: bool = False,
    display_fields: Fields | None = None,
    sort: Sort | None = None,
    permissions: Permissions | None = None,
    change: Decision = False,
) -> Ensured: ...
@overload
def ensure(
    client: AsyncClient,
    /,
    *models: type[Record],
    schema: bool = False,
    display_fields: Fields | None = None,
    sort: Sort | None = None,
    permissions: Permissions | None = None,
    change: Decision = False,
) -> Coroutine[Any, Any, Ensured]: ...
def ensure(
    client: Client | AsyncClient,
    /,
    *models: type[Record],
    schema: bool = False,
    display_fields: Fields | None = None,
    sort: Sort | None = None,
    permissions: Permissions | None = None,
    change: Decision = False,
) -> Ensured | Coroutine[Any, Any, Ensured]:
    """
    Create the buckets and collections of *models*, where they do not exist.

    A collection that is created gets all that is asked for.  One that exists stays as it is; what
    is different in it is returned, and changed if *change* says so.  Where classes are to be given
    different things, call it for each.

    Args:
        client: Whom to ask; an `AsyncClient` makes this a coroutine.  Classes that name no bucket,
            or no collection, are kept in its own.
        models: Classes of records.
        schema: Whether collections are to have the schemas of their classes.  Kinto heeds them
            where it is told to (its setting *experimental_collection_schema_validation*).
        display_fields: Which fields Kinto's admin shows in its lists: ``[Todo.title, "due"]``.
        sort: What it sorts them by: ``-Todo.priority``, or ``"-priority"``.
        permissions: Who may do what with the collections: ``{"read": ["system.Everyone"]}``.  They
            are added to those that there are: none is ever taken away.
        change: Whether to change collections that exist; or a function that is given the
            differences, if there are any, and returns whether to, or those to change.

    Raises:
        InvalidRequest: If no class has such a field, or classes that are kept in one collection
            cannot be told apart by a schema; nothing is sent.
        Forbidden: If the user may not do that.
        PreconditionFailed: If somebody else changed a collection meanwhile, to something else.
        TypeError: If one of *models* is no class of records, or has no collection.
    """
    shown = None if display_fields is None else _several(display_fields)
    asked = [
        Asked.of(collection, schema, shown, sort, permissions)
        for collection in collections_of(models, client)
    ]
    return client._run(_ensured(client, asked, change))


@frozen
class Asked:
    """
    What a collection is to be like.

    Attributes:
        collection: Which one.
        data: What it is to hold.
        permissions: Who is to be allowed what.
    """

    collection: Collection
    data: Document
    permissions: Permissions

    @classmethod
    def of(
        cls,
        collection: Collection,
        schema: bool,  # noqa: FBT001 (what `ensure` is given, in that order)
        display_fields: Fields | None,
        sort: Sort | None,
        permissions: Permissions | None,
    ) -> Asked:
        """Return what the arguments of `ensure` ask for *collection*."""
        data: Document = {}
        if schema:
            data["schema"] = json_schema(collection.whole)
        if display_fields is not None:
            data["displayFields"] = [collection.key(each) for each in display_fields]
        if sort is not None:
            data["sort"] = ",".join(collection.order(each) for each in _several(sort))
        listed = objects._listed(permissions or {})
        return cls(collection, data, {name: sorted(set(found)) for name, found in listed.items()})

    @property
    def path(self) -> str:
        """Return the path of the collection."""
        return collection_path(self.collection.bucket, self.collection.id)

    def compared(self, there: Object) -> Iterator[Difference]:
        """Give what is different in the collection as it is *there*."""
        name = str(self.collection)
        for key, new in self.data.items():
            if not same(old := there["data"].get(key), new):
                yield Difference(name, key, old, new)
        shown = there.get("permissions")
        for permission, principals in self.permissions.items():
            old = sorted(shown.get(permission, [])) if shown else None
            new = sorted({*(old or ()), *principals})
            if old != new:
                yield Difference(name, f"permissions.{permission}", old, new)

    def only(self, differences: Iterable[Difference]) -> Asked:
        """Return it with nothing but the new side of *differences*."""
        new = {each.key: each.new for each in differences}
        return evolve(
            self,
            data={key: new[key] for key in self.data if key in new},
            permissions={
                name: new[key] for name in self.permissions if (key := f"permissions.{name}") in new
            },
        )


def _several(given: Fields | Sort) -> list[Any]:
    if isinstance(given, str):
        return given.split(",")
    return [given] if isinstance(given, (Field, Order)) else list(given)


# -- Asking the server -------------------------------------------------------------------------


def _ensured(client: Client | AsyncClient, asked: list[Asked], change: Decision) -> Flow[Ensured]:
    """Do what was asked for; an error on the way has what was done before it in its notes."""
    created: list[str] = []
    changed: list[Difference] = []
    try:
        return (yield from _all_ensured(client, asked, change, created, changed))
    except KintoException as error:
        if created or changed:
            done = Ensured(tuple(created), tuple(changed), tuple(changed))
            error.add_note(f"before that:\n{done}")
        raise


def _all_ensured(
    client: Client | AsyncClient,
    asked: list[Asked],
    change: Decision,
    created: list[str],
    changed: list[Difference],
) -> Flow[Ensured]:
    differing: list[tuple[Asked, Object, list[Difference]]] = []
    for one in asked:
        each = yield from _resolved(client, one)
        there = yield from _there(each, created)
        if there is not None and (found := list(each.compared(there))):
            differing.append((each, there, found))
    differences = tuple(difference for _, _, found in differing for difference in found)
    chosen = _chosen(change, differences)
    for each, there, found in differing:
        if these := [difference for difference in found if difference in chosen]:
            yield from _changed(each.only(these), there)
            changed += these
    return Ensured(tuple(created), differences, chosen, client.dry_mode)


def _resolved(client: Client | AsyncClient, asked: Asked) -> Flow[Asked]:
    """Return *asked* for the real bucket: through the alias, a look creates a collection (D3)."""
    if asked.collection.bucket != "default":
        return asked
    info = yield from server_root(client._known, refresh=True)
    bucket = (info.get("user") or {}).get("bucket", "default")
    return evolve(asked, collection=evolve(asked.collection, bucket=bucket))


def _there(asked: Asked, created: list[str]) -> Flow[Object | None]:
    """Return the collection as it exists; None if it did not, and was created."""
    try:
        return (yield from objects.fetch(asked.path, leads=True))
    except CollectionNotFound:
        pass
    except (BucketNotFound, Forbidden):  # There is no bucket, or it may not be read (P4).
        yield from _bucket_made(asked.collection.bucket, created)
    data, permissions = asked.data, asked.permissions or None
    try:
        yield from objects.create(asked.path, data, permissions, safe=True, get=False)
    except PreconditionFailed:  # Somebody else was faster.
        return (yield from objects.fetch(asked.path, leads=True))
    created.append(str(asked.collection))
    return None


def _bucket_made(bucket: str, created: list[str]) -> Flow[None]:
    """Create *bucket*, if that can be; whether it had to be, its collection will tell."""
    if bucket in created:
        return  # By a dry run: it still does not exist.
    try:
        yield from objects.create(path_of("bucket", bucket=bucket), {}, None, safe=True, get=False)
    except (PreconditionFailed, Forbidden):
        return
    created.append(bucket)


def _chosen(change: Decision, differences: tuple[Difference, ...]) -> tuple[Difference, ...]:
    """Return which of the *differences* to change."""
    decided = change(differences) if callable(change) and differences else change
    if isinstance(decided, Iterable):
        wanted = list(decided)
        return tuple(each for each in differences if each in wanted)
    return differences if decided is True else ()


def _changed(asked: Asked, there: Object) -> Flow[None]:
    """Change a collection, if it is as it was *there*."""
    data, permissions = asked.data or None, asked.permissions or None
    try:
        yield from objects.patch(
            asked.path,
            None,
            data,
            permissions,
            original=there["data"],
            safe=True,
            if_match=None,
        )
    except PreconditionFailed:
        now = yield from objects.fetch(asked.path)
        if any(asked.compared(now)):
            raise  # Otherwise, somebody else has made the same of it.
