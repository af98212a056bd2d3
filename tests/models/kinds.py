"""Classes of records for laws to be tested on: any fields, of any types, and documents of them."""

from __future__ import annotations

import dataclasses
import itertools

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, Generic, Literal, NewType, TypeVar
from uuid import UUID

import attrs

from attrs import frozen
from hypothesis import strategies as st

from kinto_orm import EmbeddedRecord, Field, Record, field
from strategies import texts, values


T = TypeVar("T")

Cents = NewType("Cents", int)
Name = NewType("Name", str)


class Shade(Enum):
    """Values of several kinds."""

    DARK = "dark"
    HALF = 0.5
    NONE = 0


class Word(StrEnum):
    """Text."""

    YES = "yes"
    NO = "no"


class Level(IntEnum):
    """Numbers."""

    LOW = 1
    HIGH = 2


class Box(EmbeddedRecord, Generic[T]):
    """An embedded record with one thing inside."""

    content: Field[T]
    label: Field[str | None] = field(default=None)


class Cat(EmbeddedRecord):
    """Told apart by a tag."""

    kind: Field[Literal["cat"]] = field(default="cat")
    lives: Field[int] = field(default=9)


class Dog(EmbeddedRecord):
    """Told apart by a tag."""

    kind: Field[Literal["dog"]] = field(default="dog")
    lives: Field[int] = field(default=1)


class Circle(EmbeddedRecord):
    """Told apart by what it must have."""

    radius: Field[float]


@attrs.frozen
class Line:
    """Told apart by what it must have."""

    start: int
    end: int
    at: datetime | None = None


@frozen(eq=False)
class Kind:
    """
    A type, and what is written of its values.

    Attributes:
        hint: The type.
        written: Gives what documents have.
        hashable: Whether sets may hold its values.
    """

    hint: Any
    written: st.SearchStrategy[Any]
    hashable: bool = False


numbers = st.integers(-1000, 1000)
days = st.dates(date(1900, 1, 1)).map(date.isoformat)
moments = st.builds(
    lambda day, form: f"{day}{form}",
    days,
    st.sampled_from(["T00:00:00Z", "T12:30:00+02:00", "T12:30:00.250000+00:00", "T10+00:00"]),
)
uuids = st.builds(
    lambda uuid, upper: str(uuid).upper() if upper else str(uuid), st.uuids(), st.booleans()
)

#: Types without others inside.
PLAIN = (
    Kind(str, texts, hashable=True),
    Kind(int, numbers | numbers.map(float), hashable=True),
    Kind(float, numbers | numbers.map(lambda number: number + 0.25), hashable=True),
    Kind(bool, st.booleans(), hashable=True),
    Kind(datetime, moments, hashable=True),
    Kind(date, days | days.map(lambda day: day.replace("-", "")), hashable=True),
    Kind(time, st.sampled_from(["12:30", "12:30:15", "12:30:15+01:00"]), hashable=True),
    Kind(timedelta, numbers | st.just(0.25) | st.just(3.0), hashable=True),
    Kind(UUID, uuids, hashable=True),
    Kind(Decimal, st.sampled_from(["1.50", "1.5", "0", "-1E+3"]), hashable=True),
    Kind(bytes, st.sampled_from(["", "VPa!s"]), hashable=True),
    Kind(Shade, st.sampled_from(["dark", 0.5, 0]), hashable=True),
    Kind(Word, st.sampled_from(["yes", "no"]), hashable=True),
    Kind(Level, st.sampled_from([1, 2, 2.0]), hashable=True),
    Kind(Literal["a", 1, False], st.sampled_from(["a", 1, False]), hashable=True),
    Kind(Cents, numbers, hashable=True),
    Kind(Annotated[str, "a name"], texts, hashable=True),
    Kind(str | int | None, st.none() | numbers | texts, hashable=True),
    Kind(date | datetime, days | moments, hashable=True),
    Kind(Word | UUID | str, st.sampled_from(["yes", "maybe"]) | uuids, hashable=True),
    Kind(Any, values),
)  # fmt: skip

#: Keys of dictionaries, each with the texts that it has.
KEYS: tuple[tuple[Any, st.SearchStrategy[str]], ...] = (
    (str, texts),
    (Name, texts),
    (int, numbers.map(str)),
    (Cents, numbers.map(str)),
    (UUID, st.uuids().map(str)),
    (date, days),
    (Word, st.sampled_from(["yes", "no"])),
    (Level, st.sampled_from(["1", "2"])),
    (Literal[1, 2], st.sampled_from(["1", "2"])),
)

#: Keys that no class here declares.
unknown = st.dictionaries(st.sampled_from(["x-one", "x-two", "x-three"]), values, max_size=2)

TAGGED = Kind(
    Cat | Dog,
    st.builds(
        lambda kind, more: {"kind": kind, **more},
        st.sampled_from(["cat", "dog"]),
        unknown,
    ),
)
SHAPED = Kind(
    Circle | Line,
    st.builds(
        lambda one, more: {**one, **more},
        st.builds(lambda radius: {"radius": radius}, numbers)
        | st.builds(lambda start: {"start": start, "end": 3, "at": "20250301T10Z"}, numbers),
        unknown,
    ),
)

_names = (f"Made{number}" for number in itertools.count())


@st.composite
def kinds(draw: st.DrawFn, depth: int = 3) -> Kind:
    """Give a type with others inside, down to *depth*."""
    simple = st.sampled_from([*PLAIN, TAGGED, SHAPED])
    if depth <= 1:
        return draw(simple)
    make = draw(
        st.sampled_from([_plain, _list, _tuple, _row, _set, _dict, _optional, _box, _object])
    )
    return make(draw, depth - 1)


def _plain(draw: st.DrawFn, _: int) -> Kind:
    return draw(st.sampled_from(PLAIN))


def _list(draw: st.DrawFn, depth: int) -> Kind:
    inner = draw(kinds(depth))
    return Kind(list[inner.hint], st.lists(inner.written, max_size=3))  # type: ignore[name-defined]


def _tuple(draw: st.DrawFn, depth: int) -> Kind:
    inner = draw(kinds(depth))
    return Kind(tuple[inner.hint, ...], st.lists(inner.written, max_size=3))  # type: ignore[name-defined]


def _row(draw: st.DrawFn, depth: int) -> Kind:
    one, other = draw(kinds(depth)), draw(kinds(depth))
    written = st.tuples(one.written, other.written).map(list)
    return Kind(tuple[one.hint, other.hint], written)  # type: ignore[name-defined]


def _set(draw: st.DrawFn, _: int) -> Kind:
    inner = draw(st.sampled_from([kind for kind in PLAIN if kind.hashable]))
    origin: Any = draw(st.sampled_from([set, frozenset]))
    return Kind(origin[inner.hint], st.lists(inner.written, max_size=3))


def _dict(draw: st.DrawFn, depth: int) -> Kind:
    (key, written), inner = draw(st.sampled_from(KEYS)), draw(kinds(depth))
    origin: Any = dict
    return Kind(origin[key, inner.hint], st.dictionaries(written, inner.written, max_size=3))


def _optional(draw: st.DrawFn, depth: int) -> Kind:
    inner = draw(kinds(depth))
    return Kind(inner.hint | None, st.none() | inner.written)


def _box(draw: st.DrawFn, depth: int) -> Kind:
    inner = draw(kinds(depth))
    written = st.builds(lambda value, more: {"content": value, **more}, inner.written, unknown)
    return Kind(Box[inner.hint], written)  # type: ignore[name-defined]


def _object(draw: st.DrawFn, depth: int) -> Kind:
    make = draw(st.sampled_from([_embedded, _attrs_class, _dataclass]))
    parts = {name: draw(kinds(depth)) for name in ("alpha", "beta_two")}
    lacking = draw(st.booleans())
    return make(parts, lacking, draw)


def _embedded(parts: dict[str, Kind], lacking: bool, draw: st.DrawFn) -> Kind:  # noqa: FBT001
    rename: Any = draw(st.sampled_from([None, "camelCase", "kebab-case", str.upper]))
    keys = {"camelCase": "betaTwo", "kebab-case": "beta-two", str.upper: "BETA_TWO"}
    model = _declared(EmbeddedRecord, parts, {"beta_two"} if lacking else set(), rename)
    first = "ALPHA" if rename is str.upper else "alpha"
    named = {first: parts["alpha"], keys.get(rename, "beta_two"): parts["beta_two"]}
    return Kind(model, _documents(named, {first}, all_of=not lacking))


def _attrs_class(parts: dict[str, Kind], lacking: bool, _: Any) -> Kind:  # noqa: FBT001
    options = {name: attrs.field(type=kind.hint) for name, kind in parts.items()}
    if lacking:
        options["beta_two"] = attrs.field(type=parts["beta_two"].hint | None, default=None)
    return Kind(
        attrs.make_class(next(_names), options), _documents(parts, {"alpha"}, all_of=not lacking)
    )


def _dataclass(parts: dict[str, Kind], lacking: bool, _: Any) -> Kind:  # noqa: FBT001
    options: list[Any] = [(name, kind.hint) for name, kind in parts.items()]
    if lacking:
        options[1] = ("beta_two", parts["beta_two"].hint | None, None)
    made = dataclasses.make_dataclass(next(_names), options)
    return Kind(made, _documents(parts, {"alpha"}, all_of=not lacking))


def _documents(
    parts: dict[str, Kind], required: set[str], *, all_of: bool
) -> st.SearchStrategy[dict[str, Any]]:
    """Give objects with values for *parts*, perhaps not for all, and with keys of no class."""
    needed = {name: kind.written for name, kind in parts.items() if all_of or name in required}
    others = {name: kind.written for name, kind in parts.items() if name not in needed}
    known = st.fixed_dictionaries(needed, optional=others)
    return st.builds(lambda one, more: {**more, **one}, known, unknown)


def _declared(base: type[Any], parts: dict[str, Kind], lacking: set[str], rename: Any) -> type[Any]:
    """Declare a class with a field for each of *parts*; those *lacking* may be None."""
    wrapper: Any = Field
    body: dict[str, Any] = {"__module__": __name__, "__annotations__": {}}
    for name, kind in parts.items():
        hint = kind.hint | None if name in lacking else kind.hint
        body["__annotations__"][name] = wrapper[hint]
        if name in lacking:
            body[name] = field(default=None)
    declare: Callable[..., type[Any]] = type(base)
    return declare(next(_names), (base,), body, rename=rename)


@frozen(eq=False)
class Case:
    """A class of records, and two documents of it."""

    model: type[Record]
    document: dict[str, Any]
    other: dict[str, Any]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Give a class with a few fields, and documents that have keys besides."""
    count = draw(st.integers(1, 3))
    parts = {f"field_{number}": draw(kinds()) for number in range(count)}
    lacking = draw(st.sets(st.sampled_from(sorted(parts))))
    model = _declared(Record, parts, lacking, None)
    written = _documents(parts, parts.keys() - lacking, all_of=False)
    document, other = draw(written), draw(written)
    head = {"id": "x", "last_modified": 5}
    return Case(model, {**head, **document}, {**head, **other})
