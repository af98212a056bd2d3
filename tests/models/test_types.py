"""The types that fields may have: how each is written, what is refused, and what survives."""

from __future__ import annotations

import dataclasses

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntFlag, StrEnum
from typing import Annotated, Any, Literal, NamedTuple, NewType, TypedDict
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import pytest

from kinto_orm import (
    Embedded,
    EmbeddedRecord,
    Fault,
    Field,
    Record,
    ValidationError,
    converter,
    embedded,
    field,
)
from kinto_orm.exceptions import UnsendableValue
from kinto_orm.session.changes import Change
from kinto_orm.session.identity import Key
from kinto_orm.session.planning import check
from kinto_orm.session.snapshots import is_dirty


Cents = NewType("Cents", int)
Number: Any = Annotated[int, "a number"]

UUID_TEXT = "0a6c3a1e-7d0f-4d8e-9a64-3f0f2c6a7b11"


class Word(StrEnum):
    """Text."""

    YES = "yes"
    NO = "no"


class Mood(Enum):
    """An enumeration that knows what to make of other values."""

    GOOD = "good"
    OTHER = "other"

    @classmethod
    def _missing_(cls, value: object) -> Mood | None:
        return cls.OTHER if isinstance(value, str) else None


class Right(IntFlag):
    """Rights, as bits."""

    READ = 1
    WRITE = 2


class Shout(str):
    """A string of one's own."""

    __slots__ = ()


class Position(NamedTuple):
    """A named tuple."""

    x: int
    y: int


class Size(TypedDict, total=False):
    """A dictionary with types."""

    width: int


@attrs.define
class Place:
    """A class of the user's own."""

    city: str
    since: datetime | None = None
    size: int = attrs.field(default=1, validator=attrs.validators.ge(0))


@dataclasses.dataclass
class Trip:
    """One with another inside."""

    stops: list[Place]
    by_day: dict[date, Place] = dataclasses.field(default_factory=dict)


@attrs.define
class Node:
    """A class that names itself."""

    name: str
    below: list[Node] = attrs.field(factory=list)


class Cat(EmbeddedRecord):
    """Told apart by its tag."""

    kind: Field[Literal["cat"]] = field(default="cat")


class Dog(EmbeddedRecord):
    """Told apart by its tag."""

    kind: Field[Literal["dog"]] = field(default="dog")


class Short(EmbeddedRecord):
    """Told apart by its shape."""

    name: Field[str]


class Long(EmbeddedRecord):
    """The same, and more."""

    name: Field[str]
    more: Field[int | None] = field(default=None)


def holding(kind: Any, **options: Any) -> type[Any]:
    """Return a class of records with a field *value* of *kind*."""

    declare: Any = field

    class Holder(Record):
        value: Field[kind] = declare(**options)

    return Holder


def loaded(kind: Any, written: Any) -> Any:
    """Return what *written* stands for in a field of *kind*."""
    record = holding(kind).from_document({"id": "x", "value": written})
    assert record.to_document() == {"id": "x", "value": written}
    assert not is_dirty(record)
    commit(record)
    return record.value


def commit(record: Record, base: dict[str, Any] | None = None) -> None:
    """Check *record* as a commit does before it sends anything."""
    check([Change(record=record, key=Key("b", "c", "x"), loaded=base, target=record._dump())])


class TestForms:
    """How values are written."""

    @pytest.mark.parametrize(
        ("kind", "value", "written"),
        [
            (timedelta, timedelta(minutes=1, seconds=30), 90),
            (timedelta, timedelta(seconds=-1, milliseconds=750), -0.25),
            (datetime, datetime(2025, 3, 1, 12, tzinfo=UTC), "2025-03-01T12:00:00+00:00"),
            (date, date(2025, 3, 1), "2025-03-01"),
            (time, time(12, 30), "12:30:00"),
            (UUID, UUID(UUID_TEXT), UUID_TEXT),
            (Decimal, Decimal("1.50"), "1.50"),
            (bytes, b"\0\xff", "0RI"),
            (Word, Word.YES, "yes"),
            (Right, Right.READ | Right.WRITE, 3),
            (Literal["a", 1], 1, 1),
            (Cents, Cents(5), 5),
            (Number, 5, 5),
            (Shout, Shout("A"), "A"),
            (tuple[int, str], (1, "a"), [1, "a"]),
            (tuple[int, ...], (1, 2), [1, 2]),
            (frozenset[int], frozenset({10, 9}), [9, 10]),
            (Position, Position(1, 2), [1, 2]),
            (Sequence[int], [1, 2], [1, 2]),
            (Mapping[str, date], {"a": date(2025, 3, 1)}, {"a": "2025-03-01"}),
            (Size, {"width": 1}, {"width": 1}),
            (dict[int, str], {10: "a"}, {"10": "a"}),
            (dict[UUID, int], {UUID(UUID_TEXT): 1}, {UUID_TEXT: 1}),
            (dict[date, int], {date(2025, 3, 1): 1}, {"2025-03-01": 1}),
            (dict[Word, int], {Word.NO: 1}, {"no": 1}),
            (dict[Literal[1, 2], int], {2: 1}, {"2": 1}),
            (dict[Cents, int], {Cents(2): 1}, {"2": 1}),
            (list[Word | int], [Word.YES, 3], ["yes", 3]),
            (Cat | Dog, Dog(), {"kind": "dog"}),
            (Place | str, Place("Lyon"), {"city": "Lyon", "since": None, "size": 1}),
            (list[date | None], [None, date(2025, 3, 1)], [None, "2025-03-01"]),
        ],
    )
    def test_there_and_back(self, kind: Any, value: Any, written: Any) -> None:
        """A value is written so, and comes back as it was, of the same type."""
        record = holding(kind)(id="x", value=value)
        assert record.to_document() == {"id": "x", "value": written}
        commit(record)
        again = loaded(kind, written)
        assert (again, type(again)) == (value, type(value))

    def test_other_forms_stay(self) -> None:
        """What is written in another form stays so, until it is changed."""
        assert loaded(datetime, "20250301T12Z") == datetime(2025, 3, 1, 12, tzinfo=UTC)
        assert loaded(UUID, UUID_TEXT.upper()) == UUID(UUID_TEXT)
        assert loaded(set[int], [3, 1, 3]) == {1, 3}
        assert loaded(Mood, "so-so") is Mood.OTHER

    def test_unions(self) -> None:
        """Members are told apart by their kind of JSON, by tags and by shape."""
        assert loaded(int | str, "3") == "3"
        assert type(loaded(float | int, 3)) is int
        assert loaded(date | datetime, "2025-03-01") == date(2025, 3, 1)
        assert loaded(str | UUID, UUID_TEXT) == UUID(UUID_TEXT)
        assert loaded(str | UUID, "text") == "text"
        assert isinstance(loaded(Cat | Dog, {"kind": "dog", "x": 1}), Dog)
        assert type(loaded(Long | Short, {"name": "a"})) is Long
        assert type(loaded(Short | Long, {"name": "a", "more": 1})) is Long
        assert type(loaded(Short | Long, {"name": "a"})) is Short
        assert loaded(Place | dict[str, int], {"n": 1}) == {"n": 1}
        assert loaded(list[int] | list[str], ["a"]) == ["a"]

    def test_time_zones(self) -> None:
        """A time zone becomes its offset, also in an hour that is there twice."""
        paris = ZoneInfo("Europe/Paris")
        for fold in (0, 1):
            twice = datetime(2025, 10, 26, 2, 30, tzinfo=paris, fold=fold)
            record = holding(datetime)(id="x", value=twice)
            commit(record)
            assert record.to_document()["value"] == f"2025-10-26T02:30:00+0{2 - fold}:00"


class TestRefusedDocuments:
    """Documents that do not say what the class says."""

    @pytest.mark.parametrize(
        ("kind", "written", "expected"),
        [
            (list[str], "abc", "a list"),
            (list[str], {"a": 1}, "a list"),
            (Sequence[str], "abc", "a list"),
            (tuple[int, int], [1], "a list of 2"),
            (dict[str, int], [], "an object"),
            (dict[int, int], {"01": 1}, "an integer as a key"),
            (dict[date, int], {"20250301": 1}, "a date as a key"),
            (dict[Word, int], {"maybe": 1}, "a Word as a key"),
            (Literal[1], True, "1"),
            (Literal["a", "b", "c"], "d", "'a', 'b' or 'c'"),
            (Word, "maybe", "a Word"),
            (Right, 4.5, "an integer"),
            (timedelta, "90", "a number of seconds"),
            (timedelta, True, "a number of seconds"),
            (timedelta, 0.12345678, "a number of seconds"),
            (timedelta, 1e300, "a number of seconds"),
            (datetime, "2025-03-01T12:00:00", "a datetime with an offset from UTC"),
            (datetime, 1, "a datetime as a string"),
            (Decimal, "NaN", "a Decimal"),
            (bytes, 3, "a bytes as a string"),
            (Place, "Lyon", "an object"),
            (int | None, "x", "an integer"),
            (int | str, [], "an integer or a string"),
            (Cat | Dog, {"kind": ["cat"]}, "a Cat or a Dog"),
            (type(None), 1, "null"),
        ],
    )
    def test_wrong_values(self, kind: Any, written: Any, expected: str) -> None:
        """The fault says what was expected and what was found."""
        with pytest.raises(ValidationError) as caught:
            holding(kind).from_document({"id": "x", "value": written})
        (fault,) = caught.value.faults
        assert fault.path.startswith("value")
        assert fault.expected == expected
        assert f"expected {expected}, found " in str(caught.value)

    def test_all_faults_at_once(self) -> None:
        """Types, missing keys and validators, in records and other classes, at every depth."""

        class Visit(Record):
            count: Field[int] = field(validator=attrs.validators.ge(0))
            name: Field[str] = field(validator=attrs.validators.max_len(3))
            trip: Field[Trip]
            size: Field[int]

        stops = [{"city": 1, "size": -1}, {"city": "x"}, {}, 5]
        with pytest.raises(ValidationError) as caught:
            Visit.from_document({"id": "x", "count": -1, "name": "long", "trip": {"stops": stops}})
        assert {fault.path: fault.expected for fault in caught.value.faults} == {
            "trip.stops[0].city": "a string",
            "trip.stops[0].size": None,
            "trip.stops[2].city": "a string",
            "trip.stops[3]": "an object",
            "size": "an integer",
            "count": None,
            "name": None,
        }
        assert Fault("count", "'count' must be >= 0: -1", None, -1) in caught.value.faults

    def test_deep_faults_are_found_fast(self) -> None:
        """A fault at the end of a long chain is told once."""
        document: dict[str, Any] = {"name": 5}
        for _ in range(60):
            document = {"name": "x", "below": [document]}
        with pytest.raises(ValidationError) as caught:
            holding(Chain).from_document({"id": "x", "value": document})
        assert len(caught.value.faults) == 1

    def test_naive_datetimes(self) -> None:
        """A datetime without an offset is refused, with the reason and the remedy, both ways."""
        with pytest.raises(ValidationError, match=r"does not say which moment.*tzinfo=UTC"):
            holding(datetime).from_document({"id": "x", "value": "2025-03-01T12:00:00"})
        with pytest.raises(UnsendableValue, match=r"Holder 'x': value cannot be.*tzinfo=UTC"):
            commit(holding(datetime)(id="x", value=datetime(2025, 3, 1)))  # noqa: DTZ001


class Chain(EmbeddedRecord):
    """Names itself."""

    name: Field[str]
    below: Field[list[Chain]] = field(factory=list)


class TestRefusedDeclarations:
    """Types that cannot be kept."""

    @pytest.mark.parametrize(
        "key", [float, bool, datetime, tuple[int, int], int | str, Literal[1, "a"], Decimal, Place]
    )
    def test_keys_without_one_text(self, key: Any) -> None:
        """The key of a dictionary must have one text exactly."""
        with pytest.raises(TypeError, match=r"Holder\.value.*the keys of a dictionary cannot be"):
            holding(dict[key, int])(value={}).to_document()

    @pytest.mark.parametrize("kind", [object, list[object], int | object])
    def test_unknown_types(self, kind: Any) -> None:
        """A type that no converter knows is an error that names the field, wherever it stands."""
        with pytest.raises(TypeError, match=r"Holder\.value: it is not known how .*object"):
            holding(kind).from_document({"id": "x", "value": []})

    def test_enumerations_of_objects(self) -> None:
        """An enumeration must have values that JSON has."""

        class Odd(Enum):
            PAIR = (1, 2)

        with pytest.raises(TypeError, match="is no text and no number"):
            holding(Odd)(value=Odd.PAIR).to_document()


class Loose:
    """A class without equality."""

    def __init__(self, text: str) -> None:
        self.text = text


class TestSurvival:
    """What a commit refuses, since it would come back as something else."""

    @pytest.mark.parametrize(
        ("kind", "value"),
        [
            (UUID, UUID_TEXT),
            (date, datetime(2025, 3, 1, tzinfo=UTC)),
            (Decimal, Decimal("NaN")),
            (int, True),
            (Word, "yes"),
            (dict[Word, int], {"yes": 1}),
            (dict[str, int], {1: 1}),
            (str | UUID, UUID_TEXT),
            (tuple[int, ...], [1]),
            (list[str], "abc"),
            (list[int], {1, 2}),
            (Cat | Dog, {"kind": "dog"}),
            (Any, UUID(UUID_TEXT)),
            (Any, {"at": date(2025, 3, 1)}),
            (timedelta, timedelta.max),
            (list[Short], [Long(name="a")]),
            (time, time(12, tzinfo=ZoneInfo("Europe/Paris"))),
        ],
    )
    def test_other_values(self, kind: Any, value: Any) -> None:
        """The error names the record and the field."""
        with pytest.raises((ValidationError, UnsendableValue), match=r"Holder .*x.*value"):
            commit(holding(kind)(id="x", value=value))

    @pytest.mark.parametrize(
        ("kind", "value"),
        [
            (list[int], (1, 2)),
            (int, 3.0),
            (float, 3),
            (str, Word.YES),
            (datetime, datetime(2025, 3, 1, tzinfo=timezone(timedelta(hours=5, minutes=30)))),
            (set[UUID], {UUID(UUID_TEXT)}),
        ],
    )
    def test_no_false_alarms(self, kind: Any, value: Any) -> None:
        """What means the same in JSON is accepted."""
        commit(holding(kind)(id="x", value=value))

    def test_none_is_not_the_default(self) -> None:
        """None, where the key would be missing and the default come back, needs null=True."""
        made = holding(date | None, default=date(2025, 3, 1))
        with pytest.raises(ValidationError, match="declare the field with null=True"):
            commit(made(id="x", value=None))
        commit(holding(date | None, default=date(2025, 3, 1), null=True)(id="x", value=None))

    def test_hooks_that_lose_something(self) -> None:
        """A hook that writes less than there is is found out, also where nothing else changed."""
        lossy = converter()
        lossy.register_unstructure_hook(datetime, lambda at: f"{at:%Y-%m-%d}T00:00:00+00:00")

        class Dated(Record, converter=lossy):
            moment: Field[datetime] = field(key="at")

        with pytest.raises(ValidationError, match="at: expected a datetime"):
            commit(Dated(id="x", moment=datetime(2025, 3, 1, 12, tzinfo=UTC)))
        dated = Dated.from_document({"id": "x", "at": "2025-03-01T00:00:00+00:00"})
        dated.moment = dated.moment.replace(hour=5)
        with pytest.raises(UnsendableValue, match=r"Dated 'x': moment: .* be lost"):
            is_dirty(dated)

    def test_objects_without_equality(self) -> None:
        """Objects that equal nothing but themselves are compared by what is written of them."""
        mine = converter()
        mine.register_structure_hook(Loose, lambda text, _: Loose(text))
        mine.register_unstructure_hook(Loose, lambda loose: loose.text)

        class Held(Record, converter=mine):
            one: Field[Loose]
            many: Field[set[Loose]] = field(factory=set)

        commit(Held(id="x", one=Loose("a"), many={Loose("a"), Loose("b")}))


class TestUndeclared:
    """Keys that nobody declared, in classes of the user's own."""

    def test_they_survive_a_change(self) -> None:
        """Only what changed is written; what is not declared, or in another form, stays."""
        document = {
            "id": "x",
            "value": {
                "stops": [
                    {"city": "Lyon", "since": "20250301T12Z", "colour": "red"},
                    {"city": "Nice", "colour": "blue"},
                ],
                "by_day": {"2025-03-01": {"city": "Metz", "n": 1}},
                "notes": [1],
            },
        }
        record = holding(Trip).from_document(document)
        record.value.stops[1].city = "Nancy"
        record.value.stops.insert(0, Place("Brest"))
        record.value.by_day[date(2025, 3, 1)].size = 2
        assert record.to_document()["value"] == {
            "stops": [
                {"city": "Brest", "since": None, "size": 1},
                {"city": "Lyon", "since": "20250301T12Z", "colour": "red"},
                {"city": "Nancy", "colour": "blue"},
            ],
            "by_day": {"2025-03-01": {"city": "Metz", "n": 1, "size": 2}},
            "notes": [1],
        }
        commit(record)

    def test_of_trees(self) -> None:
        """A class may name itself, to any depth."""
        document = {"name": "a", "u": 1, "below": [{"name": "b", "v": 2, "below": [{"name": "c"}]}]}
        record = holding(Node).from_document({"id": "x", "value": document})
        record.value.below[0].below[0].name = "d"
        assert record.to_document()["value"] == {
            "name": "a", "u": 1, "below": [{"name": "b", "v": 2, "below": [{"name": "d"}]}],
        }  # fmt: skip
        commit(record)

    def test_of_sets(self) -> None:
        """The items of a set keep their form and their order, when others come and go."""
        days = ["2025-03-03", "20250302", "2025-03-01"]
        record = holding(set[date]).from_document({"id": "x", "value": days})
        record.value -= {date(2025, 3, 3)}
        record.value |= {date(2025, 3, 4)}
        assert sorted(record.to_document()["value"]) == ["2025-03-01", "2025-03-04", "20250302"]

    def test_embedded_in_other_classes(self) -> None:
        """An embedded record keeps its own, wherever it is."""

        @attrs.define
        class Pair:
            one: Short
            other: Short

        document = {"one": {"name": "a", "x": 1}, "other": {"name": "b", "y": 2}, "z": 3}
        record = holding(Pair).from_document({"id": "x", "value": document})
        record.value.one, record.value.other = record.value.other, record.value.one
        assert record.to_document()["value"] == {
            "one": {"name": "b", "y": 2}, "other": {"name": "a", "x": 1}, "z": 3,
        }  # fmt: skip


class TestTags:
    """Kinds of record."""

    def test_odd_tags(self) -> None:
        """A tag that no class has, or that is no text at all, stands for the base."""

        class Shape(Record, tag_field="kind"):
            pass

        class Square(Shape, tag="square"):
            side: Field[int]

        for tag in ("circle", 3, None, ["square"], {"a": 1}, True):
            document = {"id": "x", "kind": tag, "side": "any"}
            shape = Shape.from_document(document)
            assert type(shape) is Shape
            assert shape.to_document() == document
            assert shape.extra == {"kind": tag, "side": "any"}
            with pytest.raises(ValidationError, match="kind: expected 'square', found"):
                Square.from_document(document)

    def test_between(self) -> None:
        """A class between, without a tag, loads the kinds below it and no other."""

        class Animal(Record, tag_field="kind"):
            pass

        class Pet(Animal):
            owner: Field[str]

        class Tabby(Pet, tag="cat"):
            pass

        class Wolf(Animal, tag="wolf"):
            pass

        assert type(Pet.from_document({"id": "x", "kind": "cat", "owner": "Ann"})) is Tabby
        with pytest.raises(ValidationError, match="kind: expected 'cat', found 'wolf'"):
            Pet.from_document({"id": "x", "kind": "wolf"})
        assert type(Animal.from_document({"id": "x", "kind": "wolf"})) is Wolf

    def test_embedded_kinds(self) -> None:
        """Embedded records have kinds, too."""

        class Part(EmbeddedRecord, tag_field="type"):
            pass

        class Text(Part, tag="text"):
            text: Field[str]

        class Page(Record):
            parts: Field[list[Part]]
            first: Embedded[Part | None] = embedded(default=None)

        document = {"id": "x", "parts": [{"type": "text", "text": "a"}, {"type": "new", "n": 1}]}
        page = Page.from_document(document)
        assert [type(part) for part in page.parts] == [Text, Part]
        assert page.to_document() == document
        commit(page)
