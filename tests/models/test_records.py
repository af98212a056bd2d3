"""Records: ordinary attrs classes, kept as documents."""

from __future__ import annotations

import copy
import pickle

from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any, Literal
from uuid import UUID, uuid4

import attrs
import pytest

from hypothesis import given
from hypothesis import strategies as st

import kinto_orm

from kinto_orm import Embedded, EmbeddedRecord, Field, Record, ValidationError, embedded, field
from kinto_orm.exceptions import UnsendableValue
from kinto_orm.flow.json import same
from kinto_orm.models.converters import converter
from kinto_orm.session.snapshots import is_dirty
from kinto_orm.transport.codec import decode, encode
from strategies import objects, values


class Colour(Enum):
    """A colour."""

    RED = "r"
    BLUE = "b"


class Place(EmbeddedRecord):
    """A value inside a record."""

    city: Field[str]
    zip_code: Field[str | None] = field(default=None, alias="zip")
    floor: Field[int] = field(default=0)


class Thing(Record, bucket="b", collection="things"):
    """A record with a field of each kind."""

    name: Field[str]
    count: Field[int] = field(default=0)
    share: Field[float] = field(default=0.5)
    done: Field[bool] = field(default=False)
    tags: Field[list[str]] = field(factory=list)
    table: Field[dict[str, int]] = field(factory=dict)
    anything: Field[Any] = field(default=None)
    when: Field[datetime | None] = field(default=None)
    day: Field[date | None] = field(default=None)
    key: Field[UUID | None] = field(default=None)
    hour: Field[time | None] = field(default=None)
    price: Field[Decimal] = field(default=Decimal("0.00"))
    colour: Field[Colour] = field(default=Colour.RED)
    size: Field[Literal["s", "m"]] = field(default="s")
    either: Field[int | str | None] = field(default=None)
    empty: Field[str | None] = field(default=None, null=True)
    dashed: Field[str] = field(default="", key="with-dash")
    place: Embedded[Place | None] = embedded(default=None)
    places: Field[list[Place]] = field(factory=list)
    by_name: Field[dict[str, Place]] = field(factory=dict)


class TestDeclaration:
    """What a class is."""

    def test_it_is_an_attrs_class(self) -> None:
        """The constructor takes keywords only; there is equality and a repr."""
        thing = Thing(id="x", name="a", tags=["t"])
        assert thing == Thing(id="x", name="a", tags=["t"])
        assert thing != Thing(id="x", name="b", tags=["t"])
        assert "Thing(id='x', last_modified=None, name='a'" in repr(thing)
        with pytest.raises(TypeError):
            Thing("x")  # type: ignore[call-arg]
        with pytest.raises(TypeError):
            Thing(nome="a")  # type: ignore[call-arg]
        assert attrs.has(Thing)

    def test_every_record_has_an_id(self) -> None:
        """An id is drawn unless given; it is a uuid."""
        one, other = Thing(name="a"), Thing(name="a")
        assert UUID(one.id) != UUID(other.id)
        assert (one.last_modified, one.extra) == (None, {})

    def test_attributes_are_plain(self) -> None:
        """Values are in the record's dictionary; defaults are its own."""
        one, other = Thing(name="a"), Thing(name="b")
        one.tags.append("t")
        assert (vars(one)["tags"], other.tags) == (["t"], [])

    def test_aliases(self) -> None:
        """An alias names the argument and the key; a key only the key."""
        place = Place(city="Paris", zip="75001")
        assert place.zip_code == "75001"
        assert Thing(name="a", dashed="x").to_document()["with-dash"] == "x"
        assert Thing(name="a", place=place).to_document()["place"]["zip"] == "75001"
        with pytest.raises(ValueError, match="use key='with-dash'"):
            field(alias="with-dash")

    def test_fields_on_the_class(self) -> None:
        """On the class, fields are expressions, also through embedded records."""
        assert repr(Thing.name) == "<Field Thing.name>"
        assert Thing.place.zip_code._path == ("place", "zip")
        assert repr(Thing.place) == "<Embedded Thing.place>"
        with pytest.raises(AttributeError):
            _ = Thing.place.nothing  # type: ignore[attr-defined]

    def test_a_condition_is_not_a_truth(self) -> None:
        """What only looks like a comparison raises."""
        with pytest.raises(TypeError, match="join conditions with &"):
            assert Thing.name == "a"
        with pytest.raises(TypeError, match="join conditions with &"):
            _ = Thing.count > 1 and Thing.count < 3

    def test_inheritance_and_mixins(self) -> None:
        """Subclasses have the fields of all their bases, and may add and change."""

        class Dated(Record):
            created: Field[str] = field(default="today")

        class Note(Dated, collection="notes"):
            text: Field[str]

        class Memo(Note):
            text: Field[str] = field(default="-")
            created: Field[str] = field(default="now")

        assert Note(text="x").to_document() | {"id": ""} == {
            "id": "", "created": "today", "text": "x",
        }  # fmt: skip
        assert (Memo().text, Memo().created) == ("-", "now")
        assert Memo._collection == "notes"

    def test_validators_and_converters(self) -> None:
        """Validators and converters of attrs run when a record is made, changed or loaded."""

        class Tidy(Record):
            name: Field[str] = field(converter=str.strip)
            count: Field[int] = field(validator=attrs.validators.ge(0), default=1)

        tidy = Tidy(name=" a ")
        assert tidy.name == "a"
        tidy.name = " b "
        assert tidy.name == "b"
        with pytest.raises(ValueError, match="must be >= 0"):
            tidy.count = -1
        with pytest.raises(ValidationError, match=r"Tidy 'x'.*must be >= 0"):
            Tidy.from_document({"id": "x", "name": "a", "count": -1})
        loaded = Tidy.from_document({"id": "x", "name": " a "})
        assert loaded.name == "a"
        assert loaded.to_document()["name"] == " a "  # What the converter did is no change.

    @pytest.mark.parametrize("key", ["id", "last_modified", "__permissions__"])
    def test_reserved_keys(self, key: str) -> None:
        """A field cannot have a key that is Kinto's own."""

        class Wrong(Record):
            mine: Field[str] = field(key=key)

        with pytest.raises(TypeError, match=f"Wrong.mine: the key '{key}' is Kinto's own"):
            Wrong(mine="x").to_document()

    def test_two_fields_with_one_key(self) -> None:
        """Two fields cannot have the same key."""

        class Wrong(Record):
            one: Field[str] = field(key="same")
            other: Field[str] = field(key="same")

        with pytest.raises(TypeError, match="one and other both have key 'same'"):
            Wrong(one="x", other="y").to_document()

    def test_tags_are_checked(self) -> None:
        """A tag needs a base that says where it is, and is for one class only."""
        with pytest.raises(TypeError, match="give it tag_field="):

            class Lost(Record, tag="x"):
                pass

        class Base(Record, tag_field="kind"):
            pass

        class One(Base, tag="x"):
            pass

        with pytest.raises(TypeError, match="both have tag='x'"):

            class Two(Base, tag="x"):
                pass

    def test_a_type_that_cannot_be_found(self) -> None:
        """A misspelt annotation is an error that names the class."""

        class Wrong(Record):
            place: Field[Plaice]  # type: ignore[name-defined]  # noqa: F821

        with pytest.raises(TypeError, match=r"Wrong: the type of a field.*Plaice"):
            Wrong.from_document({"id": "x"})

    def test_embedded_is_a_function_and_a_module(self) -> None:
        """The function for fields and the module of the server have one name, and both work."""
        import kinto_orm.embedded as module

        assert module.KintoServer is not None
        assert kinto_orm.embedded(default=None).metadata == embedded(default=None).metadata


class TestLoading:
    """From documents to records and back."""

    def test_a_field_of_each_kind(self) -> None:
        """Values come back as they were."""
        thing = Thing(
            name="a",
            count=3,
            share=1.5,
            tags=["x"],
            table={"a": 1},
            anything={"deep": [1, None]},
            when=datetime(2024, 2, 29, 12, 30, tzinfo=UTC),
            day=date(2024, 2, 29),
            key=uuid4(),
            hour=time(12, 30),
            price=Decimal("1.50"),
            colour=Colour.BLUE,
            size="m",
            either="text",
            place=Place(city="Paris"),
            places=[Place(city="Lyon", zip="1")],
            by_name={"x": Place(city="Nice")},
        )
        assert Thing.from_document(thing.to_document()) == thing

    def test_defaults_of_a_new_record_are_written(self) -> None:
        """A new record has its defaults in the document, so that queries find them; no None."""
        document = Thing(id="x", name="a").to_document()
        assert document["done"] is False
        assert document["tags"] == []
        assert document["colour"] == "r"
        assert "when" not in document
        assert document["empty"] is None

    @given(
        objects,
        st.fixed_dictionaries(
            {"name": st.text()},
            optional={
                "count": st.integers(-9, 9),
                "share": st.integers(-9, 9) | st.just(0.25),
                "done": st.booleans(),
                "tags": st.lists(st.text(), max_size=3),
                "anything": values,
                "when": st.sampled_from(
                    [None, "2024-01-01T00:00:00Z", "2024-01-01T00:00:00.000000+00:00"]
                ),
                "colour": st.sampled_from(["r", "b"]),
                "either": st.none() | st.integers(-9, 9) | st.text(),
                "empty": st.none() | st.text(),
                "with-dash": st.text(),
                "place": st.none()
                | st.fixed_dictionaries(
                    {"city": st.text()},
                    optional={"zip": st.none() | st.text(), "x": values, "floor": st.just(0)},
                ),
                "places": st.lists(
                    st.fixed_dictionaries({"city": st.text()}, optional={"y": values}), max_size=3
                ),
            },
        ),
    )
    def test_loading_is_no_change(self, extra: dict[str, Any], declared: dict[str, Any]) -> None:
        """Whatever a document has more, less, or in another form, it is kept as it is."""
        reserved = {"id", "last_modified", "schema"}
        extra = {key: value for key, value in extra.items() if key not in reserved}
        document = {**extra, **declared, "id": "x", "last_modified": 5, "schema": 7}
        for key in extra.keys() & {spec.key for spec in Thing._specs()}:
            if key not in declared:
                del document[key]
        thing = Thing.from_document(document)
        assert same(thing.to_document(), document)
        assert not is_dirty(thing)
        assert thing.extra.keys() == document.keys() - reserved - {
            spec.key for spec in Thing._specs()
        }
        thing.name += "!"
        assert is_dirty(thing)
        assert same(thing.to_document(), {**document, "name": document["name"] + "!"})

    def test_changes_in_place(self) -> None:
        """Changes are seen at any depth, in fields, in extra and in what is embedded."""
        document = {
            "id": "x",
            "name": "a",
            "anything": {"a": [{"b": 1}]},
            "more": [[1]],
            "place": {"city": "P", "k": {"l": 1}},
        }
        for change in (
            lambda thing: thing.anything["a"][0].update(b=2),
            lambda thing: thing.extra["more"][0].append(2),
            lambda thing: thing.place.extra["k"].update(l=True),
            lambda thing: setattr(thing.place, "floor", 1),
            lambda thing: thing.tags.append("t"),
            lambda thing: thing.table.update(a=1),
        ):
            thing = Thing.from_document(document)
            change(thing)
            assert is_dirty(thing)
            assert Thing.from_document(document).to_document() == document

    def test_a_default_that_is_made_anew(self) -> None:
        """A factory that gives something else each time does not make a record dirty."""

        class Stamped(Record):
            token: Field[str] = field(factory=lambda: str(uuid4()))

        stamped = Stamped.from_document({"id": "x"})
        assert not is_dirty(stamped)
        stamped.token = "mine"
        assert is_dirty(stamped)

    def test_true_is_not_one(self) -> None:
        """A bool in the place of an equal number is a change."""
        thing = Thing.from_document({"id": "x", "name": "a", "anything": {"n": 1}, "m": [0]})
        thing.anything["n"] = True
        assert is_dirty(thing)
        thing = Thing.from_document({"id": "x", "name": "a", "anything": {"n": 1}, "m": [0]})
        thing.extra["m"][0] = False
        assert is_dirty(thing)

    def test_moving_and_copying(self) -> None:
        """Copies are independent; what is embedded may move to another record, as it is."""
        document = {"id": "x", "name": "a", "place": {"city": "P", "k": 1}, "more": {"m": []}}
        thing = Thing.from_document(document)
        for copied in (copy.deepcopy(thing), pickle.loads(pickle.dumps(thing))):
            assert copied == thing
            assert copied.to_document() == document
            copied.extra["more"]["m"].append(1)
            assert thing.to_document() == document
        other = Thing(name="b", place=thing.place)
        assert other.to_document()["place"] == {"city": "P", "k": 1}

    def test_the_document_is_not_shared(self) -> None:
        """Changing the document that a record was made of does not change the record."""
        document: dict[str, Any] = {"id": "x", "name": "a", "more": [1]}
        thing = Thing.from_document(document)
        document["more"].append(2)
        document["name"] = "b"
        assert not is_dirty(thing)
        assert thing.to_document() == {"id": "x", "name": "a", "more": [1]}


class TestFaults:
    """Documents that do not fit."""

    def test_all_are_named(self) -> None:
        """The error has the record's id and every path that is wrong."""
        with pytest.raises(ValidationError) as caught:
            Thing.from_document(
                {
                    "id": "x",
                    "count": "3",
                    "done": 1,
                    "share": True,
                    "tags": ["a", 1],
                    "colour": "green",
                    "price": 1.5,
                    "hour": "noon",
                    "size": "xl",
                    "when": "yesterday",
                    "place": {"zip": 5},
                    "places": [{"city": "a"}, 7],
                }
            )
        assert str(caught.value).startswith("Thing 'x' does not fit its class: ")
        assert {fault.path for fault in caught.value.faults} == {
            "name", "count", "done", "share", "tags[1]", "colour", "price", "hour", "size", "when",
            "place.city", "place.zip", "places[1]",
        }  # fmt: skip
        assert "count: expected an integer, found '3'" in str(caught.value)

    @pytest.mark.parametrize("document", [None, [], "text", 3])
    def test_no_object_at_all(self, document: Any) -> None:
        """A document must be an object."""
        with pytest.raises(ValidationError, match="expected an object"):
            Thing.from_document(document)

    def test_extra_is_checked(self) -> None:
        """A key of `extra` that a field has is refused, with the record, when that is written."""
        with pytest.raises(UnsendableValue, match="Thing 'x': extra holds 'name', which is a fiel"):
            Thing(id="x", name="a", extra={"name": "b"}).to_document()


class TestConverters:
    """Types that JSON does not have."""

    def test_a_type_of_ones_own(self) -> None:
        """A converter says how a type is written; values that are equal stay as written."""
        mine = converter()
        mine.register_structure_hook(Fraction, lambda value, _: Fraction(value))
        mine.register_unstructure_hook(Fraction, str)

        class Invoice(Record, converter=mine):
            total: Field[Fraction]
            parts: Field[list[Fraction]] = field(factory=list)

        class Bill(Invoice):
            """Has the converter, too."""

        document = {"id": "x", "total": "2/4", "parts": ["1/3", "4/2"]}
        bill = Bill.from_document(document)
        bill.total = Fraction(1, 2)
        assert not is_dirty(bill)
        bill.total = Fraction(1, 3)
        assert bill.to_document() == {**document, "total": "1/3"}
        with pytest.raises(ValidationError, match="total: "):
            Bill.from_document({"id": "x", "total": "much"})


class TestBadValues:
    """Mistakes that would only show later are refused now."""

    def test_none_without_a_default(self) -> None:
        """A field that may be None and has no default is None where the key is missing."""

        class Loose(Record):
            note: Field[str | None]
            text: Field[str]

        loose = Loose(id="x", note=None, text="a")
        assert loose.to_document() == {"id": "x", "text": "a"}
        again = Loose.from_document(loose.to_document())
        assert again == loose
        assert not is_dirty(again)
        again.note = "b"
        assert again.to_document() == {"id": "x", "text": "a", "note": "b"}
        with pytest.raises(ValidationError, match="text: a required key is missing"):
            Loose.from_document({"id": "x"})

    @pytest.mark.parametrize("default", [[], {}, set()])
    def test_a_default_for_all(self, default: Any) -> None:
        """A list, dictionary or set as a default would be shared by all records."""
        with pytest.raises(ValueError, match=f"use factory={type(default).__name__}"):
            field(default=default)

    def test_sets_have_an_order(self) -> None:
        """A set is written in the same order in each process; an equal one stays as written."""

        class Tagged(Record):
            tags: Field[set[str]] = field(factory=set)

        assert Tagged(tags={"c", "a", "b"}).to_document()["tags"] == ["a", "b", "c"]
        tagged = Tagged.from_document({"id": "x", "tags": ["b", "a"]})
        tagged.tags = {"a", "b"}
        assert tagged.to_document()["tags"] == ["b", "a"]

    def test_misspelt_class_keywords(self) -> None:
        """A class keyword that does not exist is refused."""
        with pytest.raises(TypeError, match="unexpected keyword argument 'colection'"):

            class Wrong(Record, colection="x"):  # type: ignore[call-arg]
                pass

    def test_a_type_that_json_does_not_have(self) -> None:
        """A type that no converter knows is an error that names the field."""

        class Wrong(Record):
            what: Field[object]

        with pytest.raises(TypeError, match=r"Wrong\.what: it is not known how .*object"):
            Wrong(what=object()).to_document()


class TestNothingIsShared:
    """What was loaded does not change with what the user changes, whatever the types."""

    @pytest.mark.parametrize(
        ("kind", "value", "change"),
        [
            (list[Any], [{"n": 1}], lambda value: value[0].update(n=2)),
            (list, [{"n": 1}], lambda value: value[0].update(n=2)),
            (dict, {"a": {"n": 1}}, lambda value: value["a"].update(n=2)),
            (dict[str, list[Any]], {"a": [[1]]}, lambda value: value["a"][0].append(2)),
            (list[Any] | None, [[1]], lambda value: value[0].append(2)),
            (tuple[Any, ...], [[1]], lambda value: value[0].append(2)),
            (list[dict[str, Any]], [{"a": [1]}], lambda value: value[0]["a"].append(2)),
            (Any, {"a": [1]}, lambda value: value["a"].append(2)),
        ],
    )
    def test_deep_changes_are_seen(self, kind: Any, value: Any, change: Any) -> None:
        """A change in place of any depth makes the record dirty."""

        class Loose(Record):
            value: Field[kind]

        loose = Loose.from_document({"id": "x", "value": value})
        assert not is_dirty(loose)
        change(loose.value)
        assert is_dirty(loose)

    def test_equal_here_but_not_in_json(self) -> None:
        """True for 1 is a change, also where a type has several forms in JSON."""

        class Inner(EmbeddedRecord):
            value: Field[Any]
            hidden: Field[int] = field(default=0, eq=False)

        class Outer(Record):
            parts: Field[tuple[Inner, ...]]

        outer = Outer.from_document({"id": "x", "parts": [{"value": 1, "more": 0}]})
        for change in (
            lambda part: setattr(part, "value", True),
            lambda part: part.extra.update(more=False),
            lambda part: setattr(part, "hidden", 7),
        ):
            outer = Outer.from_document({"id": "x", "parts": [{"value": 1, "more": 0}]})
            assert not is_dirty(outer)
            change(outer.parts[0])
            assert is_dirty(outer)


class TestNames:
    """Names that are Kinto's own in a record, and ordinary elsewhere."""

    def test_embedded_ids(self) -> None:
        """An embedded record may have fields called as those of a record."""

        class Item(EmbeddedRecord):
            id: Field[str]
            last_modified: Field[int] = field(default=0)
            schema: Field[str | None] = field(default=None)

        class Basket(Record):
            items: Field[list[Item]]

        document = {"id": "x", "items": [{"id": "a", "last_modified": 5, "schema": "s"}]}
        basket = Basket.from_document(document)
        assert basket.items[0].extra == {}
        assert basket.to_document() == document
        basket.items[0].id = "b"
        assert basket.to_document()["items"][0]["id"] == "b"

    def test_private_attributes(self) -> None:
        """An attribute with an underscore is the class's own; a field cannot have one."""

        class Cached(Record):
            name: Field[str]
            _cache: dict[str, int] = attrs.field(factory=dict, init=False, repr=False)

        cached = Cached.from_document({"id": "x", "name": "a"})
        cached._cache["a"] = 1
        assert not is_dirty(cached)
        with pytest.raises(TypeError, match="cannot begin with an underscore"):

            class Wrong(Record):
                _hidden: Field[str]

    def test_fields_that_the_constructor_does_not_take(self) -> None:
        """A field with init=False is loaded as any other."""

        class Counted(Record):
            count: Field[int] = field(default=0, init=False)

        counted = Counted.from_document({"id": "x", "count": 5})
        assert counted.count == 5
        assert not is_dirty(counted)

    def test_converted_defaults(self) -> None:
        """A default that a converter changes does not make a record dirty."""

        class Lenient(Record):
            number: Field[int] = field(default="3", converter=int)  # type: ignore[arg-type]

        lenient = Lenient.from_document({"id": "x"})
        assert lenient.number == 3
        assert not is_dirty(lenient)

    def test_a_kind_of_a_kind(self) -> None:
        """A subclass of a kind of record must have a tag of its own."""

        class Base(Record, tag_field="kind"):
            pass

        class One(Base, tag="one"):
            pass

        with pytest.raises(TypeError, match="give it a tag= of its own"):

            class Two(One):
                pass


class TestValuesThatJsonLacks:
    """Values that stand for JSON are sent as such; others are refused, by name."""

    def test_subclasses(self) -> None:
        """A member of a str enumeration, or a float of another kind, is what it stands for."""

        class Word(str, Enum):  # noqa: UP042 (an older habit)
            A = "a"

        class Metres(float):
            pass

        class Loose(Record):
            word: Field[str]
            length: Field[float]

        document = Loose(id="x", word=Word.A, length=Metres(1.5)).to_document()
        assert same(decode(encode(document)), {"id": "x", "word": "a", "length": 1.5})

    def test_what_cannot_be_dumped(self) -> None:
        """A value that its type cannot be made of is an error with the record and the field."""
        thing = Thing(id="x", name="a")
        thing.when = "yesterday"  # type: ignore[assignment]
        with pytest.raises(UnsendableValue, match="Thing 'x': when cannot be 'yesterday'"):
            thing.to_document()
