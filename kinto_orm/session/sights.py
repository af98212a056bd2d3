"""A look at what the server has."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, TypeAlias

from kinto_orm.client.endpoints.objects import content, permissions_of
from kinto_orm.client.endpoints.server import BATCH_LIMIT
from kinto_orm.exceptions import KintoException
from kinto_orm.flow.batching import Answer, together_once
from kinto_orm.flow.messages import Program, Request
from kinto_orm.flow.refusals import missing_of
from kinto_orm.session.identity import Key
from kinto_orm.session.snapshots import Stored


#: What the server has of a record, None if nothing; or why that is not known.
Sight: TypeAlias = Stored | KintoException | None

#: What is missing where there is no record, as `missing_of` says it.
_GONE: Final = ("record", "collection")


def looked_up(keys: Sequence[Key]) -> Program[list[Sight]]:
    """Return for each record what the server has, None if nothing, or why that is not known."""
    sights: list[Sight] = []
    for start in range(0, len(keys), BATCH_LIMIT):
        sights += yield from look(keys[start : start + BATCH_LIMIT])
    return sights


def look(keys: Sequence[Key], *, gone: Collection[str] = _GONE) -> Program[list[Sight]]:
    """
    Look up records in one round trip.

    Args:
        keys: Which ones, as many as fit in a batch.
        gone: What may be missing for a record not to be there; all else is an error.
    """
    reads = [Request("GET", key.path) for key in keys]
    answers = yield from together_once(reads)
    return [_sight(read, answer, gone) for read, answer in zip(reads, answers, strict=True)]


def _sight(read: Request, answer: Answer, gone: Collection[str]) -> Sight:
    if isinstance(answer, KintoException):
        return answer
    if answer.status == 404 and missing_of(answer) in gone:
        return None
    try:
        return Stored(content(read, answer), permissions_of(answer))
    except KintoException as error:
        return error
