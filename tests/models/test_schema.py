"""The JSON Schema of a class: what it says, and that it agrees with the class."""

from __future__ import annotations

import copy
import dataclasses
import json

from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Generic, Literal, NewType, TypeVar
from uuid import UUID

import attrs
import pytest

from attrs import frozen, validators
from hypothesis import assume, example, given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from kinto_orm import (
    Client,
    Embedded,
    EmbeddedRecord,
    Field,
    Record,
    ValidationError,
    converter,
    embedded,
    field,
)
from kinto_orm.embedded import KintoServer
from strategies import values


T = TypeVar("T")
Metres = NewType("Metres", float)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Size(Enum):
    SMALL = 2
    LARGE = 3


@frozen
class Money:
    amount: int
    currency: str = "EUR"


@dataclasses.dataclass
class Pair(Generic[T]):
    """Two of a kind."""

    first: T
    second: T | None = None


class Address(EmbeddedRecord):
    """
    Where somebody lives.

    A second paragraph.
    """

    city: Field[str]
    zip_code: Field[str] = field(alias="zip", default="")


class Node(EmbeddedRecord):
    name: Field[str]
    children: Field[list[Node]] = field(factory=list)


class Thing(Record, bucket="work", collection="things"):
    text: Field[str]
    number: Field[int] = field(default=0)
    weight: Field[float] = field(default=1.5)
    done: Field[bool] = field(default=False)
    maybe: Field[str | None]
    null: Field[int | None] = field(default=None, null=True)
    at: Field[datetime | None] = field(default=None)
    day: Field[date] = field(default=date(2025, 3, 1))
    clock: Field[time | None] = field(default=None)
    code: Field[UUID | None] = field(default=None)
    price: Field[Decimal | None] = field(default=None)
    colour: Field[Colour] = field(default=Colour.RED)
    size: Field[Size | None] = field(default=None)
    kind: Field[Literal["home", "work"]] = field(default="home")
    tags: Field[list[str]] = field(factory=list)
    unique: Field[set[int]] = field(factory=set)
    position: Field[tuple[float, float] | None] = field(default=None)
    series: Field[tuple[int, ...]] = field(default=())
    counts: Field[dict[str, int]] = field(factory=dict)
    by_colour: Field[dict[Colour, float]] = field(factory=dict, key="by-colour")
    either: Field[int | str] = field(default=0)
    length: Field[Metres | None] = field(default=None)
    noted: Field[Annotated[int, "note"]] = field(default=0)
    price_of: Field[Money | None] = field(default=None)
    pair: Field[Pair[int] | None] = field(default=None)
    anything: Field[Any] = field(default=None)
    home: Embedded[Address]
    office: Embedded[Address | None] = embedded(default=None)
    tree: Embedded[Node | None] = embedded(default=None)
    nodes: Field[dict[str, Node]] = field(factory=dict)


class Search(Record, bucket="work", collection="search", tag_field="recordType"):
    """What may be found."""

    rank: Field[int] = field(default=0)


class Engine(Search, tag="engine"):
    name: Field[str]


class Special(Engine, tag="special"):
    reason: Field[str]


class Ordering(Search, tag="order"):
    orders: Field[list[str]] = field(factory=list)


class Holder(Record, bucket="work", collection="holders"):
    inside: Field[Search | None] = field(default=None)
    engines: Field[list[Engine]] = field(factory=list)


def accepts(model: type[Any], document: Any) -> bool:
    """Tell whether the schema of *model* takes *document*, as the server would see it."""
    schema = model.json_schema()
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema).is_valid(document)


def fits(model: type[Any], document: Any) -> bool:
    """Tell whether *model* takes *document*."""
    try:
        model.from_document(document)
    except ValidationError:
        return False
    return True


def property_of(schema: dict[str, Any], key: str) -> Any:
    """Return what *schema* says of *key*."""
    return schema["properties"][key]


# -- Documents near a class --------------------------------------------------------------------

addresses = st.fixed_dictionaries({"city": st.text()}, optional={"zip": st.text(), "x": values})
nodes: st.SearchStrategy[Any] = st.recursive(
    st.fixed_dictionaries({"name": st.text(max_size=3)}),
    lambda inner: st.fixed_dictionaries(
        {"name": st.text(max_size=3), "children": st.lists(inner, max_size=2)}
    ),
    max_leaves=4,
)

#: For each key of `Thing`, values that fit.
FITTING: dict[str, st.SearchStrategy[Any]] = {
    "text": st.text(),
    "number": st.integers(),
    "weight": st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    "done": st.booleans(),
    "maybe": st.none() | st.text(),
    "null": st.none() | st.integers(),
    "at": st.none() | st.datetimes().map(datetime.isoformat),
    "day": st.dates().map(date.isoformat),
    "clock": st.none() | st.times().map(time.isoformat),
    "code": st.none() | st.uuids().map(str) | st.uuids().map(lambda uuid: uuid.hex.upper()),
    "price": st.none() | st.decimals(allow_nan=False, allow_infinity=False).map(str),
    "colour": st.sampled_from(["red", "blue"]),
    "size": st.sampled_from([2, 3, None]),
    "kind": st.sampled_from(["home", "work"]),
    "tags": st.lists(st.text(), max_size=3),
    "unique": st.lists(st.integers(), max_size=3, unique=True),
    "position": st.none() | st.lists(st.integers() | st.just(0.5), min_size=2, max_size=2),
    "series": st.lists(st.integers(), max_size=3),
    "counts": st.dictionaries(st.text(), st.integers(), max_size=2),
    "by-colour": st.dictionaries(st.sampled_from(["red", "blue"]), st.integers()),
    "either": st.integers() | st.text(),
    "length": st.none() | st.just(1.5),
    "noted": st.integers(),
    "price_of": st.none() | st.fixed_dictionaries({"amount": st.integers()}, optional={"currency": st.text()}),
    "pair": st.none() | st.fixed_dictionaries({"first": st.integers()}, optional={"second": st.none() | st.integers()}),
    "anything": values,
    "home": addresses,
    "office": st.none() | addresses,
    "tree": st.none() | nodes,
    "nodes": st.dictionaries(st.text(max_size=2), nodes, max_size=2),
}  # fmt: skip

REQUIRED = {"text", "home"}

fitting = st.fixed_dictionaries(
    {"id": st.just("x"), **{key: FITTING[key] for key in REQUIRED}},
    optional={
        **{key: value for key, value in FITTING.items() if key not in REQUIRED},
        "other": values,
    },
)


@st.composite
def near(draw: st.DrawFn) -> dict[str, Any]:
    """Give a document that fits `Thing`, or that did before some values of it were changed."""
    document = copy.deepcopy(draw(fitting))
    for _ in range(draw(st.integers(0, 3))):
        places = list(_places(document))
        holder, step = draw(st.sampled_from(places))
        if isinstance(holder, dict) and draw(st.booleans()):
            del holder[step]
        else:
            holder[step] = draw(values)
        document["id"] = "x"
    return document


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Give each place inside *value*: what it is in, and where there."""
    steps = value.items() if isinstance(value, dict) else enumerate(value)
    for step, inner in list(steps):
        yield value, step
        if isinstance(inner, (dict, list)):
            yield from _places(inner)


class TestAgreement:
    """What a class takes, its schema takes; what the schema refuses, the class refuses."""

    @given(fitting)
    def test_what_fits(self, document: dict[str, Any]) -> None:
        """Both take documents that fit."""
        assert fits(Thing, document)
        assert accepts(Thing, document)

    @given(near())
    def test_near(self, document: dict[str, Any]) -> None:
        """The schema takes whatever the class takes."""
        assert accepts(Thing, document) or not fits(Thing, document)

    @given(fitting)
    def test_what_is_written(self, document: dict[str, Any]) -> None:
        """The schema takes what the class writes, changed or not."""
        record = Thing.from_document(document)
        assert accepts(Thing, record.to_document())
        made = attrs.evolve(record)
        assert accepts(Thing, made.to_document())
