"""A look at what the server has."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypeAlias

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


def looked_up(keys: Sequence[Key]) -> Program[list[Sight]]:
    """Return for each record what the server has, None if nothing, or why that is not known."""
    reads = [Request("GET", key.path) for key in keys]
    sights: list[Sight] = []
    for start in range(0, len(reads), BATCH_LIMIT):
        part = reads[start : start + BATCH_LIMIT]
        answers = yield from together_once(part)
        sights += [
            sight_of(read, answer, missing=("record", "collection"))
            for read, answer in zip(part, answers, strict=True)
        ]
    return sights


def sight_of(read: Request, answer: Answer, *, missing: Collection[str] = ("record",)) -> Sight:
    """
    Return what *answer* says that the server has.

    Args:
        read: What was asked.
        answer: What came of it.
        missing: What may be missing, so that there is no record; of anything else it is an error.
    """
    if isinstance(answer, KintoException):
        return answer
    if answer.status == 404 and missing_of(answer) in missing:
        return None
    try:
        return Stored(content(read, answer), permissions_of(answer))
    except KintoException as error:
        return error
