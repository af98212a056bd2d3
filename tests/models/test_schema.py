"""The JSON Schema of a class: what it says, and that it agrees with the class."""

from __future__ import annotations

import copy
import dataclasses
import json

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Generic, Literal, NewType, TypeVar
from uuid import UUID

import pytest

from attrs import frozen, validators
from hypothesis import given
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


class Circle(EmbeddedRecord):
    radius: Field[int]


class Square(EmbeddedRecord):
    side: Field[int]


class Page(EmbeddedRecord, Generic[T]):
    items: Field[list[T]]
    next_page: Field[str | None] = field(default=None)


class Thing(Record, bucket="work", collection="things"):
    text: Field[str]
    number: Field[int] = field(default=0)
    weight: Field[float] = field(default=1.5)
    done: Field[bool] = field(default=False)
    maybe: Field[str | None]
    null: Field[int | None] = field(default=None, null=True)
    moment: Field[datetime | None] = field(default=None, key="at")
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
    lasts: Field[timedelta | None] = field(default=None)
    by_day: Field[dict[date, int]] = field(factory=dict)
    by_number: Field[dict[int, str]] = field(factory=dict)
    shape: Field[Circle | Square | None] = field(default=None)
    page: Field[Page[int] | None] = field(default=None)
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
    valid: bool = Draft7Validator(schema).is_valid(document)
    return valid


def fits(model: type[Any], document: Any) -> bool:
    """Tell whether *model* takes *document*."""
    try:
        model.from_document(document)
    except ValidationError:
        return False
    return True


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
    "at": st.none() | st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
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
    "lasts": st.none() | st.integers(0, 1000),
    "by_day": st.dictionaries(st.dates().map(date.isoformat), st.integers(), max_size=2),
    "by_number": st.dictionaries(st.integers().map(str), st.text(), max_size=2),
    "shape": st.none() | st.sampled_from([{"radius": 1}, {"side": 2}]),
    "page": st.none() | st.fixed_dictionaries({"items": st.lists(st.integers(), max_size=2)}),
    "length": st.none() | st.just(1.5),
    "noted": st.integers(),
    "price_of": st.sampled_from([None, {"amount": 1}, {"amount": 1, "currency": "CHF"}]),
    "pair": st.sampled_from([None, {"first": 1}, {"first": 1, "second": None}, {"first": 2}]),
    "anything": values,
    "home": addresses,
    "office": st.none() | addresses,
    "tree": st.none() | nodes,
    "nodes": st.dictionaries(st.text(max_size=2), nodes, max_size=2),
}

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
        """The schema takes whatever the class takes, but for a set whose items recur."""
        items = document.get("unique")
        if isinstance(items, list):
            document["unique"] = [item for i, item in enumerate(items) if item not in items[:i]]
        assert accepts(Thing, document) or not fits(Thing, document)

    @given(fitting)
    def test_what_is_written(self, document: dict[str, Any]) -> None:
        """The schema takes what the class writes, loaded or made anew."""
        record = Thing.from_document(document)
        assert accepts(Thing, record.to_document())
        assert accepts(Thing, record.evolve().to_document())

    @pytest.mark.parametrize("wrong", [None, True, 1, 1.5, "x", [], {}, [{}], {"x": 1}])
    @pytest.mark.parametrize("key", FITTING)
    def test_every_field(self, key: str, wrong: Any) -> None:
        """A value of another kind is refused by both; the class alone reads what texts say."""
        document = {"id": "x", "text": "t", "home": {"city": "Lyon"}, key: wrong}
        if accepts(Thing, document) != fits(Thing, document):
            assert isinstance(wrong, str) or key == "by_day"
            assert not fits(Thing, document)

    def test_a_set(self) -> None:
        """A set whose items recur is the one thing that the class takes and the schema does not."""
        document = {"id": "x", "text": "t", "home": {"city": "Lyon"}, "unique": [1, 1]}
        assert fits(Thing, document)
        assert not accepts(Thing, document)

    @given(
        st.fixed_dictionaries(
            {"id": st.just("x")},
            optional={
                "recordType": st.sampled_from(["engine", "special", "order", "other", 1, None, ""]),
                "rank": st.integers() | values,
                "name": st.text() | values,
                "reason": st.text() | values,
                "orders": st.lists(st.text() | values, max_size=2) | values,
            },
        )
    )
    def test_kinds(self, document: dict[str, Any]) -> None:
        """That holds for classes with kinds: for the base, for a kind, and for kinds of a kind."""
        for model in (Search, Engine, Special, Ordering):
            assert accepts(model, document) or not fits(model, document)
        for held in ({"inside": document}, {"engines": [document]}):
            assert accepts(Holder, {"id": "h", **held}) or not fits(Holder, {"id": "h", **held})

    @pytest.mark.parametrize(
        "document",
        [
            {"recordType": "engine", "name": None},
            {"recordType": "engine", "name": 3},
            {"recordType": "special", "name": "x"},
            {"recordType": "order", "orders": [1]},
            {"recordType": "unheard-of", "rank": "high"},
            {"rank": "high"},
        ],
    )
    def test_kinds_are_told_apart(self, document: dict[str, Any]) -> None:
        """Each kind has its own fields: the schema refuses what that kind refuses."""
        document["id"] = "x"
        assert not fits(Search, document)
        assert not accepts(Search, document)


class TestWhatIsSaid:
    """What stands in a schema."""

    def test_the_whole(self) -> None:
        """A simple class has a short schema, of the draft that Kinto validates with."""

        class Todo(Record, bucket="work", collection="todos"):
            """
            Something to do.

            It may take a while.
            """

            title: Field[str] = field(metadata={"title": "What", "description": "In a few words"})
            done: Field[bool] = field(default=False)
            due: Field[date | None] = field(default=None)

        assert Todo.json_schema() == {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": "Todo",
            "description": "Something to do.",
            "type": "object",
            "properties": {
                "title": {"type": "string", "title": "What", "description": "In a few words"},
                "done": {"type": "boolean", "default": False},
                "due": {"type": ["string", "null"], "format": "date"},
            },
            "required": ["title"],
        }

    def test_types(self) -> None:
        """Each type has the schema of its form in JSON."""
        schema = Thing.json_schema()
        expected: dict[str, Any] = {
            "at": {"type": ["string", "null"], "format": "date-time"},
            "clock": {"type": ["string", "null"], "format": "time"},
            "colour": {"enum": ["red", "blue"], "default": "red"},
            "size": {"enum": [2, 3, None]},
            "kind": {"enum": ["home", "work"], "default": "home"},
            "tags": {"type": "array", "items": {"type": "string"}, "default": []},
            "unique": {
                "type": "array",
                "items": {"type": "integer"},
                "uniqueItems": True,
                "default": [],
            },
            "position": {
                "type": ["array", "null"],
                "items": [{"type": "number"}, {"type": "number"}],
                "minItems": 2,
                "maxItems": 2,
            },
            "by-colour": {
                "type": "object",
                "propertyNames": {"enum": ["red", "blue"]},
                "additionalProperties": {"type": "number"},
                "default": {},
            },
            "by_day": {
                "type": "object",
                "propertyNames": {"format": "date"},
                "additionalProperties": {"type": "integer"},
                "default": {},
            },
            "by_number": {
                "type": "object",
                "propertyNames": {"pattern": "^-?[0-9]+$"},
                "additionalProperties": {"type": "string"},
                "default": {},
            },
            "either": {"type": ["integer", "string"], "default": 0},
            "lasts": {"type": ["number", "null"]},
            "length": {"type": ["number", "null"]},
            "noted": {"type": "integer", "default": 0},
            "null": {"type": ["integer", "null"], "default": None},
            "anything": {},
            "home": {"$ref": "#/definitions/Address"},
            "office": {"if": {"type": "null"}, "else": {"$ref": "#/definitions/Address"}},
            "pair": {"if": {"type": "null"}, "else": {"$ref": "#/definitions/Pair_int"}},
            "page": {"if": {"type": "null"}, "else": {"$ref": "#/definitions/Page_int"}},
        }
        for key, said in expected.items():
            assert schema["properties"][key] == said, key
        assert schema["required"] == ["text", "home"]

    def test_definitions(self) -> None:
        """Classes inside are defined once, and may name themselves."""
        definitions = Thing.json_schema()["definitions"]
        assert definitions["Address"] == {
            "title": "Address",
            "description": "Where somebody lives.",
            "type": "object",
            "properties": {"city": {"type": "string"}, "zip": {"type": "string", "default": ""}},
            "required": ["city"],
        }
        children = definitions["Node"]["properties"]["children"]
        assert children["items"] == {"$ref": "#/definitions/Node"}
        assert definitions["Pair_int"]["description"] == "Two of a kind."
        assert definitions["Pair_int"]["properties"]["first"] == {"type": "integer"}
        assert definitions["Money"]["required"] == ["amount"]

    def test_classes_of_one_name(self) -> None:
        """Two classes of the same name have two definitions."""

        def made(kind: type[Any]) -> type[EmbeddedRecord]:
            class Inner(EmbeddedRecord):
                value: Field[kind]  # type: ignore[valid-type]

            return Inner

        one, other = made(int), made(str)

        class Outer(Record, bucket="work", collection="outers"):
            first: Field[one]  # type: ignore[valid-type]
            second: Field[other]  # type: ignore[valid-type]

        definitions = Outer.json_schema()["definitions"]
        assert definitions["Inner"]["properties"]["value"] == {"type": "integer"}
        assert definitions["Inner_2"]["properties"]["value"] == {"type": "string"}

    def test_a_class_that_names_itself(self) -> None:
        """The class whose schema it is stands for itself at the root."""
        assert Node.json_schema()["properties"]["children"]["items"] == {"$ref": "#"}
        assert "definitions" not in Node.json_schema()
        assert accepts(Node, {"name": "a", "children": [{"name": "b"}]})
        assert not accepts(Node, {"name": "a", "children": [{"name": 1}]})

    def test_keywords(self) -> None:
        """What a user adds to the metadata of a field is in its schema, beside a reference too."""

        class Checked(Record, bucket="work", collection="checked"):
            name: Field[str] = field(metadata={"json_schema": {"minLength": 1}})
            home: Field[Address] = field(
                metadata={"description": "Where to write to", "json_schema": {"required": ["zip"]}}
            )

        properties = Checked.json_schema()["properties"]
        assert properties["name"] == {"type": "string", "minLength": 1}
        assert properties["home"] == {
            "allOf": [{"$ref": "#/definitions/Address"}],
            "description": "Where to write to",
            "required": ["zip"],
        }
        good = {"id": "x", "name": "n", "home": {"city": "c", "zip": "z"}}
        assert accepts(Checked, good)
        assert not accepts(Checked, good | {"name": ""})
        assert not accepts(Checked, good | {"home": {"city": "c"}})

    def test_defaults(self) -> None:
        """Defaults are there as JSON, but for those that are made anew, or are no key at all."""

        class Made(Record, bucket="work", collection="made"):
            day: Field[date] = field(default=date(2025, 3, 1), key="at")
            code: Field[str] = field(factory=lambda: "new")
            words: Field[list[str]] = field(factory=list)
            none: Field[str | None] = field(default=None)
            null: Field[str | None] = field(default=None, null=True)

        properties = Made.json_schema()["properties"]
        defaults = {key: said["default"] for key, said in properties.items() if "default" in said}
        assert defaults == {"at": "2025-03-01", "words": [], "null": None}
        json.dumps(properties)

    def test_read_only_and_renamed(self) -> None:
        """Read-only fields are said to be so; keys are those of documents."""

        class Event(Record, bucket="work", collection="events", rename="camelCase"):
            starts_at: Field[int] = field(read_only=True)

        schema = Event.json_schema()
        assert schema["properties"] == {"startsAt": {"type": "integer", "readOnly": True}}
        assert schema["required"] == ["startsAt"]

    def test_types_of_the_user(self) -> None:
        """Of what only a converter knows, a schema says nothing but what the metadata does."""

        class Temperature:
            def __init__(self, degrees: float) -> None:
                self.degrees = degrees

        own = converter()
        own.register_structure_hook(Temperature, lambda value, _: Temperature(value["degrees"]))
        own.register_unstructure_hook(Temperature, lambda value: {"degrees": value.degrees})
        own.register_structure_hook(date, lambda value, _: date.fromordinal(value))
        own.register_unstructure_hook(date, date.toordinal)

        class Weather(Record, bucket="work", collection="weather", converter=own):
            outside: Field[Temperature]
            inside: Field[Temperature] = field(metadata={"json_schema": {"type": "object"}})
            day: Field[date]

        properties = Weather.json_schema()["properties"]
        assert properties == {"outside": {}, "inside": {"type": "object"}, "day": {}}

    def test_enumerations_that_take_more(self) -> None:
        """An enumeration that makes members of unknown values takes anything."""

        class Grade(Enum):
            GOOD = "good"
            OTHER = "other"

            @classmethod
            def _missing_(cls, _: object) -> Grade:
                return cls.OTHER

        class Mark(Record, bucket="work", collection="marks"):
            grade: Field[Grade]

        assert Mark.json_schema()["properties"]["grade"] == {}

    def test_validators(self) -> None:
        """A class may be stricter: of its validators, the schema knows nothing."""

        class Poll(Record, bucket="work", collection="polls"):
            votes: Field[int] = field(validator=validators.ge(0))

        assert accepts(Poll, {"id": "p", "votes": -1})
        assert not fits(Poll, {"id": "p", "votes": -1})


@pytest.mark.parametrize("storage", ["memory", "postgresql"])
def test_on_a_server(storage: Any, bucket: str) -> None:
    """Kinto takes these schemas, and refuses what they refuse, by the field."""
    settings = {"experimental_collection_schema_validation": True}
    with (
        KintoServer(storage=storage, **settings) as server,
        Client(server_url=server.url, auth=server.auth, bucket=bucket) as client,
    ):
        client.create_bucket()
        for model in (Thing, Search, Holder):
            client.create_collection(id=model._collection, data={"schema": model.json_schema()})
        things = client.clone(collection="things")
        good = {"text": "t", "home": {"city": "Lyon"}, "tree": {"name": "a", "children": []}}
        things.create_record(data=good)
        wrong = good | {"tree": {"name": "a", "children": [{"name": 1}]}}
        with pytest.raises(ValidationError) as caught:
            things.create_record(data=wrong)
        (fault,) = caught.value.faults
        assert (fault.path, fault.message) == (
            "tree.children[0].name",
            "1 is not of type 'string'",
        )
        search = client.clone(collection="search")
        search.create_record(data={"recordType": "unheard-of"})
        with pytest.raises(ValidationError) as caught:
            search.create_record(data={"recordType": "engine", "name": 1})
        assert caught.value.faults[0].path == "name"
