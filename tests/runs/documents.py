"""What is done to records, each thing twice: to the object, and to a plain document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from math import isclose
from random import Random
from typing import Any, Final, TypeAlias

from attrs import frozen

from kinto_orm import Record
from session.models import Address, Todo


Document: TypeAlias = dict[str, Any]

#: Texts that have made trouble somewhere.
TEXTS: Final = (
    "plain",
    "Ünïcödé ☃ 💾",
    'quote" back\\slash/~',
    "two\nlines\t",
    "\u202eright\u200b",
    "",
)

#: Numbers that come back in another form from a database.
FLOATS: Final = (0.1, 1e-7, -2.5, 3.0, 1e22, 123456789.123456789)

#: The fields that are loaded of a record of which only a part is.
PART: Final = (Todo.title, Todo.priority, Todo.tags)


def key_of(record: Record) -> str:
    """Return the key of *record*: its collection, and its id."""
    return f"{record._collection}/{record.id}"


@frozen
class Edit:
    """
    A change of a record.

    Attributes:
        key: What of the document is changed.
        to_record: Does it to the object.
        to_document: Does it to a plain document.
    """

    key: str
    to_record: Callable[[Any], None]
    to_document: Callable[[Document], None]


def document(random: Random, ident: str) -> Document:
    """Return a document of a record that is on the server from the start."""
    made: Document = {"id": ident, "title": f"{random.choice(TEXTS)} {ident}"}
    possible: Document = {
        "priority": random.randrange(1, 2**53),
        "tags": [random.choice(TEXTS) for _ in range(random.randrange(1, 4))],
        "note": random.choice(TEXTS),
        "answer": random.choice((None, "42")),
        "address": {"city": random.choice(TEXTS), "zip": "75001", "street": {"no": 1}},
        "stops": [{"city": random.choice(TEXTS), "gate": [1, None]} for _ in range(2)],
        "rate": random.choice(FLOATS),
        "more": {"of": random.randrange(100), "deep": {"x": [1, 2, {"y": None}]}},
    }
    made |= {key: value for key, value in possible.items() if random.random() < 0.6}
    return made


def edits(random: Random, now: Document, tag: str, *, partial: bool) -> list[Edit]:
    """
    Return some changes of a record whose document is *now*.

    Args:
        random: Where chance comes from.
        now: What the record stands for.
        tag: What makes values new.
        partial: Whether only `PART` of it was loaded.
    """
    possible = list(_in_part(random, now, tag))
    if not partial:
        possible += _in_whole(random, now, tag)
    random.shuffle(possible)
    different = {change.key: change for change in possible}
    return list(different.values())[: random.randrange(1, 5)]


def edited(now: Document, changes: list[Edit]) -> Document:
    """Return what *now* is after *changes*."""
    after = deepcopy(now)
    for change in changes:
        change.to_document(after)
    return after


def _in_part(random: Random, now: Document, tag: str) -> Iterator[Edit]:
    """Give changes that any record can have."""
    text, number = f"{random.choice(TEXTS)} {tag}", random.randrange(1, 2**53)
    yield _setting("title", text)
    yield _setting("priority", number)
    yield Edit(
        "tags",
        lambda record: record.tags.append(text),
        lambda held: held.setdefault("tags", []).append(text),
    )
    if len(now.get("tags", ())) > 1:
        yield Edit("tags", lambda it: it.tags.pop(0), lambda held: held["tags"].pop(0))


def _in_whole(random: Random, now: Document, tag: str) -> Iterator[Edit]:
    """Give changes that a record can have of which all is known."""
    text, rate = f"{random.choice(TEXTS)} {tag}", random.choice(FLOATS) * random.randrange(2, 9)
    yield _setting("note", text)
    if "note" in now:
        yield Edit("note", _to("note", None), lambda held: held.pop("note", None))
    if now.get("answer") is not None:
        yield Edit("answer", _to("answer", None), lambda held: held.update(answer=None))
    if now.get("address"):
        yield Edit(
            "address", lambda it: _to("city", text)(it.address), _inner("address", "city", text)
        )
        yield Edit("address", _to("address", None), lambda held: held.pop("address", None))
    else:
        yield Edit(
            "address",
            _to("address", Address(city=text)),
            lambda held: held.update(address={"city": text}),
        )
    yield Edit(
        "stops",
        lambda record: record.stops.append(Address(city=text)),
        lambda held: held.setdefault("stops", []).append({"city": text}),
    )
    yield Edit(
        "rate",
        lambda record: record.extra.update(rate=rate),
        lambda held: held.update(rate=rate),
    )
    if "more" in now:
        yield Edit(
            "more",
            lambda record: record.extra["more"].update(of=tag),
            lambda held: held["more"].update(of=tag),
        )
        yield Edit(
            "more", lambda record: record.extra.pop("more"), lambda held: held.pop("more", None)
        )


def _setting(name: str, value: Any) -> Edit:
    return Edit(name, _to(name, value), lambda held: held.update({name: value}))


def _to(name: str, value: Any) -> Callable[[Any], None]:
    return lambda record: setattr(record, name, value)


def _inner(name: str, inner: str, value: Any) -> Callable[[Document], None]:
    return lambda held: held[name].update({inner: value})


# -- Compared ----------------------------------------------------------------------------------


class _Gone:
    """What is where nothing is."""

    def __repr__(self) -> str:
        return "nothing"


GONE: Final = _Gone()


def at(held: Any, path: tuple[str, ...]) -> Any:
    """Return what *held* has at *path*; `GONE` if nothing."""
    for key in path:
        held = held.get(key, GONE) if isinstance(held, dict) else GONE
    return held


def leaves(before: Any, after: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[Any, Any]]:
    """Give the paths at which two values differ, as deep as objects go, and what is there after."""
    if isinstance(after, dict) and (isinstance(before, dict) or before is GONE):
        old = before if isinstance(before, dict) else {}
        for key in old.keys() | after.keys():
            yield from leaves(old.get(key, GONE), after.get(key, GONE), (*path, key))
    elif not alike(before, after):
        yield path, after


def has_all(found: Document, before: Document | None, after: Document) -> bool:
    """Tell whether *found* has everything that is different in *after* from *before*."""
    return all(alike(at(found, path), value) for path, value in leaves(before or {}, after))


def alike(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are the same, whoever has kept their numbers."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float) or isinstance(other, float):  # Kinto rounds them.
        numbers = isinstance(one, (int, float)) and isinstance(other, (int, float))
        return numbers and isclose(one, other)
    return type(one) is type(other) and bool(one == other)


def apart(one: Document, other: Document) -> str:
    """Return what is different in two documents, as text."""
    keys = sorted(
        key for key in one.keys() | other.keys() if not alike(one.get(key), other.get(key))
    )
    return ", ".join(f"{key} {one.get(key, 'missing')!r} for {other.get(key)!r}" for key in keys)


def bare(held: Document) -> Document:
    """Return *held* without the timestamp, which the server sets."""
    return {key: value for key, value in held.items() if key != "last_modified"}


def is_partial(record: Record) -> bool:
    """Tell whether only a part of *record* is loaded."""
    return "extra" not in record.__dict__
