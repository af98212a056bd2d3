"""
How the records that links lead to are loaded: those of all links on a page together.

For each linked class that is one list of those with these ids; if their ids make too long a URL,
several, in one batch.  Records that the session has already are not asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from kinto_orm.client.endpoints.listing import next_page
from kinto_orm.client.endpoints.objects import content
from kinto_orm.client.endpoints.server import BATCH_LIMIT
from kinto_orm.client.paths import checked, records_path
from kinto_orm.exceptions import InvalidId, KintoException, UnsupportedQuery, ValidationError
from kinto_orm.flow import Document, Program, Request
from kinto_orm.flow.batching import together_once
from kinto_orm.models.binding import unbound
from kinto_orm.models.fields import Field
from kinto_orm.models.layout import load
from kinto_orm.models.links import Link, linked_class, links_in
from kinto_orm.models.records import Record
from kinto_orm.query.selects import Select
from kinto_orm.transport.params import listed


if TYPE_CHECKING:
    from kinto_orm.query.reading import Tracker


#: How many characters of ids there may be in a URL.
_LENGTH: Final = 4000

#: Links to records of one class, by the ids of these.
_Wanted: TypeAlias = dict[str, list[Link[Any]]]


def check_links(select: Select) -> None:
    """
    Refuse links of classes that nothing leads to.

    Raises:
        UnsupportedQuery: If there are some.
    """
    reached: list[type[Any]] = [unbound(select.model)]
    left = list(select.links)
    while found := {id(each) for each in left if any(_is_related(each._owner, r) for r in reached)}:
        reached += [linked_class(each) for each in left if id(each) in found]
        left = [each for each in left if id(each) not in found]
    if left:
        named = ", ".join(each._shown for each in left)
        msg = f"include({named}): no link that is included leads to such records"
        raise UnsupportedQuery(msg)


def _is_related(one: type[Any], other: type[Any]) -> bool:
    """Tell whether a record of the *other* class may have the fields of *one*."""
    return issubclass(other, one) or issubclass(one, other)


def linked(
    session: Tracker, select: Select, items: Sequence[Any], gone: set[tuple[Any, str]]
) -> Program[None]:
    """
    Load what the links in *items* lead to, as far as *select* includes them.

    Args:
        session: Whose records they are.
        select: What was looked for.
        items: What was found.
        gone: Records that were looked for before, and are not there, by class and id.
    """
    fields, records = list(select.links), list(items)
    while fields and records:
        met = {id(each) for each in fields if any(isinstance(one, each._owner) for one in records)}
        followed = [each for each in fields if id(each) in met]
        fields = [each for each in fields if id(each) not in met]
        records = yield from _followed(session, select, followed, records, gone)


def _followed(
    session: Tracker,
    select: Select,
    fields: Sequence[Field[Any]],
    records: Sequence[Any],
    gone: set[tuple[Any, str]],
) -> Program[list[Any]]:
    """Load what *fields* of *records* lead to; return that."""
    wanted: dict[type[Record], _Wanted] = {}
    for each in fields:
        links = wanted.setdefault(linked_class(each), {})
        for record in records:
            if isinstance(record, each._owner):
                for link in links_in(record.__dict__.get(each._name)):
                    links.setdefault(link.id, []).append(link)
    reached: list[Any] = []
    for model, links in wanted.items():
        sought = [ident for ident in links if (model, ident) not in gone]
        found = yield from _found(session, select, model, sought)
        found |= {ident: None for ident in links if (model, ident) in gone}
        gone |= {(model, ident) for ident, record in found.items() if record is None}
        reached += [record for record in found.values() if record is not None]
        for ident, record in found.items():
            for link in links[ident]:
                link._lead_to(record)
    return reached


def _found(
    session: Tracker, select: Select, model: type[Record], ids: Iterable[str]
) -> Program[dict[str, Any]]:
    """Return the records with these *ids*, by id: None for one that is not there."""
    found: dict[str, Any] = {}
    absent: list[str] = []
    for ident in ids:
        if not _is_id(ident):
            found[ident] = None  # No record can have it.
            continue
        is_here, record = session._here(model, ident) if select.tracked else (False, None)
        if is_here:
            found[ident] = record
        else:
            absent.append(ident)
    documents = yield from _documents(records_path(*session._place(model)), absent)
    found.update(dict.fromkeys(absent))
    for document in documents:
        try:
            taken = (
                session._take(model, document, None) if select.tracked else load(model, document)
            )
        except ValidationError:
            if select.on_invalid == "raise":
                raise
            del found[document["id"]]  # It stays a link that is not loaded.
        else:
            found[document["id"]] = taken
    return found


def _documents(path: str, ids: Sequence[str]) -> Program[list[Document]]:
    """Return the documents with these *ids*, in one request if that is possible."""
    left: list[Request] = [
        Request("GET", path, [("in_id", listed(part)), ("_sort", "id")]) for part in _parts(ids)
    ]
    documents: list[Document] = []
    while left:
        reads, left = left[:BATCH_LIMIT], left[BATCH_LIMIT:]
        answers = yield from together_once(reads)
        for read, answer in zip(reads, answers, strict=True):
            if isinstance(answer, KintoException):
                raise answer
            documents += content(read, answer)
            following = next_page(read, answer)
            left += [] if following is None else [following]
    return documents


def _parts(ids: Sequence[str]) -> Iterator[list[str]]:
    """Give *ids* in parts that are no longer than a URL may be."""
    part: list[str] = []
    length = 0
    for ident in ids:
        size = len(ident) + len("%22%22%2C")
        if part and length + size > _LENGTH:
            yield part
            part, length = [], 0
        part.append(ident)
        length += size
    if part:
        yield part


def _is_id(text: str) -> bool:
    try:
        checked("record", text)
    except InvalidId:
        return False
    return True
