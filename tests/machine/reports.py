"""What is sent and what is said, compared with what the model expects."""

from __future__ import annotations

import re

from collections.abc import Iterable, Iterator
from typing import Any

from kinto_orm import CommitResult, ConflictError
from kinto_orm.flow import Request

from .desks import Expected, Intent, Intents
from .kinds import Document, equal
from .world import World


_FATES = ("created", "updated", "deleted", "unchanged", "not_sent")
_MISSING = "<missing>"
_METHODS = {"create": ("PUT",), "update": ("PATCH", "PUT"), "delete": ("DELETE",)}


def check_plan(plan: Any, intents: Intents, bucket: str) -> None:
    """See that *plan* says what is to be done, and nothing else."""
    said = {(each.change.action, each.change.key.path) for each in plan.writes}
    assert said == {(each.action, _path(bucket, each)) for each in intents}
    assert len(plan.writes) == len(intents)


def _path(bucket: str, intent: Intent) -> str:
    collection, ident = intent.seat.twin.key
    return f"/buckets/{bucket}/collections/{collection}/records/{ident}"


def check_sent(
    sent: Iterable[Request], intents: Intents, result: CommitResult, bucket: str
) -> None:
    """See that each change was written once, with its precondition, and nothing else was sent."""
    requests = [request for request in sent if request.writes]
    assert len(requests) == result.requests
    assert intents or not list(sent)
    writes = [each for request in requests for each in _writes(request)]
    methods = {path: method for method, path, _ in writes}
    assert len(writes) == len(methods) == len(intents)
    headers = {path: {name.lower() for name in names} for _, path, names in writes}
    for intent in intents:
        path = _path(bucket, intent)
        assert methods[path] in _METHODS[intent.action]
        assert ("if-none-match" if intent.action == "create" else "if-match") in headers[path]


def _writes(request: Request) -> Iterator[tuple[str, str, Iterable[str]]]:
    """Give what a request writes, each with its method, path and headers."""
    if request.path != "/batch":
        yield request.method, request.path, request.headers
        return
    for each in request.parts:
        yield each.method, each.path.removeprefix("/v1"), each.headers


def check_result(
    result: CommitResult, error: ConflictError | None, expected: Expected, world: World
) -> None:
    """See that each record is in the list in which it must be, and in no other."""
    said = {id(record): fate for fate in _FATES for record in getattr(result, fate)}
    assert len(said) == len(expected.fates) == sum(len(getattr(result, fate)) for fate in _FATES)
    for seat, fate in expected.fates.items():
        is_alike = seat in expected.alike and said[id(seat.twin.record)] in ("created", "updated")
        assert is_alike or said[id(seat.twin.record)] == fate, result
    assert (result.errors, result.unknown, result.merged) == ((), (), ())
    assert {id(each.record) for each in result.conflicts} == {
        id(seat.twin.record) for seat in expected.clashes
    }
    assert (error is not None) == bool(expected.clashes)
    assert result.ok == (not expected.clashes and "not_sent" not in expected.fates.values())
    conflicts = {id(each.record): each for each in result.conflicts}
    for seat, (intent, remote) in expected.clashes.items():
        _check_conflict(conflicts[id(seat.twin.record)], intent, remote, world)


def _check_conflict(conflict: Any, intent: Intent, remote: Document | None, world: World) -> None:
    """See that a conflict has all three sides, and the paths that two of them changed."""
    assert equal(conflict.base, intent.base)
    assert equal(conflict.local, intent.target)
    found = None if conflict.remote is None else dict(conflict.remote)
    if found is not None:
        version = world.records[intent.seat.twin.key].version
        assert found.pop("last_modified") == world.stamps[version]
    assert equal(found, remote)
    if remote is None or intent.target is None:
        return
    clashes = list(_clashes(intent.base or {}, intent.target, remote, ()))
    fields = [tuple(re.split(r"[.[]", path)) for path in conflict.fields]  # stops[0].city
    for path in fields:
        assert any(_overlap(path, other) for other, _ in clashes), (path, clashes)
    for path, is_certain in clashes:
        is_named = any(_overlap(path, other) for other in fields)
        assert is_named or not is_certain, (path, fields)


def _clashes(
    base: Any, local: Any, remote: Any, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], bool]]:
    """
    Give the paths at which three documents have three values, as deep as objects go.

    Two lists may yet have changed in different items: then it is not certain that they clash.
    """
    if equal(base, local) or equal(base, remote) or equal(local, remote):
        return
    if isinstance(local, dict) and isinstance(remote, dict):
        before = base if isinstance(base, dict) else {}
        for key in before.keys() | local.keys() | remote.keys():
            one, two, three = (each.get(key, _MISSING) for each in (before, local, remote))
            yield from _clashes(one, two, three, (*path, key or '""'))
    else:
        yield path, not (isinstance(local, list) and isinstance(remote, list))


def _overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]
