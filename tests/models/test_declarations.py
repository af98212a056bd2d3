"""What a class of records may be: generic, abstract, renamed, with values that stay as they are."""

from __future__ import annotations

import copy

from abc import ABC, abstractmethod
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar, Generic, Literal, TypeVar

import attrs
import pytest

from apps import App
from kinto_orm import Embedded, EmbeddedRecord, Field, Record, ValidationError, embedded, field
from kinto_orm.exceptions import UnsendableValue
from kinto_orm.session.changes import Change
from kinto_orm.session.identity import Key
from kinto_orm.session.planning import check
from kinto_orm.session.snapshots import is_dirty


T = TypeVar("T")
Bound = TypeVar("Bound", bound=int)


class Box(EmbeddedRecord, Generic[T]):
    """A generic value."""

    content: Field[T]
    label: Field[str | None] = field(default=None)


class Page(Record, Generic[T]):
    """A generic record."""

    items: Field[list[T]]
    first: Embedded[Box[T] | None] = embedded(default=None)


class Dates(Page[datetime], collection="dates"):
    """A page of datetimes."""


class Boxes(Page[Box[int]], collection="boxes"):
    """A page of boxes of numbers."""

    by_name: Field[dict[str, Box[Later]]] = field(factory=dict)


class Later(EmbeddedRecord):
    """Declared after it is named."""

    at: Field[datetime]


def commit(record: Record) -> None:
    """Check *record* as a commit does before it sends anything."""
    loaded = record.__dict__.get("_document")
    target = record._dump()
    check([Change(record=record, key=Key("b", "c", "x"), loaded=loaded, target=target)])


class TestGenerics:
    """Type variables."""

    def test_a_subclass_says_what_they_are(self) -> None:
        """The fields of a generic base have the types that the subclass gives them."""
        document = {
            "id": "x",
            "items": ["2025-03-01T12:00:00Z"],
            "first": {"content": "20250301T12Z"},
        }
        dates = Dates.from_document(document)
        moment = datetime(2025, 3, 1, 12, tzinfo=UTC)
        assert (dates.items, dates.first) == ([moment], Box(content=moment))
        assert dates.to_document() == document
        commit(dates)
        with pytest.raises(ValidationError, match=r"items\[0\]: expected.*first\.content"):
            Dates.from_document({"id": "x", "items": [1], "first": {"content": 2}})

    def test_generics_in_generics(self) -> None:
        """A generic class may stand for a variable, and name a class that is declared later."""
        document = {
            "id": "x",
            "items": [{"content": 1, "more": 2}],
            "by_name": {"a": {"content": {"at": "2025-03-01T12:00:00Z", "more": 3}}},
        }
        boxes = Boxes.from_document(document)
        assert boxes.items[0].content == 1
        assert boxes.by_name["a"].content.at == datetime(2025, 3, 1, 12, tzinfo=UTC)
        assert boxes.to_document() == document
        boxes.items.append(Box(content=2))
        assert boxes.to_document()["items"][1] == {"content": 2}
        commit(boxes)
        with pytest.raises(ValidationError, match=r"items\[0\]\.content: expected an integer"):
            Boxes.from_document({"id": "x", "items": [{"content": "1"}]})

    def test_nothing_is_said(self) -> None:
        """A variable that nothing is said of stands for its bound, or for anything."""

        class Limited(Record, Generic[Bound]):
            number: Field[Bound]

        assert Page.from_document({"id": "x", "items": [1, "a", None]}).items == [1, "a", None]
        assert Limited.from_document({"id": "x", "number": 3}).number == 3
        with pytest.raises(ValidationError, match="expected an integer"):
            Limited.from_document({"id": "x", "number": "3"})

    def test_further_down(self) -> None:
        """A variable may be handed on, and be said by a subclass of a subclass."""
        other = TypeVar("other")

        class Pair(Record, Generic[T, other]):
            one: Field[T]
            two: Field[other]

        class Half(Pair[int, other]):
            pass

        class Whole(Half[str]):
            pass

        assert Whole.from_document({"id": "x", "one": 1, "two": "a"}).two == "a"
        with pytest.raises(ValidationError, match=r"one: expected an integer.*two: expected a str"):
            Whole.from_document({"id": "x", "one": "a", "two": 1})

    def test_fields_of_a_subclass(self) -> None:
        """The expressions of a subclass know its types."""
        dates: Any = Dates  # To mypy, what is generic is ambiguous on a class.
        assert repr(dates.items) == "<Field Dates.items>"
        assert dates.first.label._path == ("first", "label")


class TestBases:
    """What classes may be derived from."""

    def test_abstract_bases(self) -> None:
        """An abstract class cannot be made; a field may be what it lacks."""

        class Shape(Record, ABC, tag_field="kind"):
            @property
            @abstractmethod
            def area(self) -> float: ...

        class Square(Shape, tag="square"):
            side: Field[float]

            @property
            def area(self) -> float:
                return self.side**2

        class Blob(Shape, tag="blob"):
            area: Field[float] = field(default=0.0)

        with pytest.raises(TypeError, match="abstract"):
            Shape()  # type: ignore[abstract]
        assert Square(side=3).area == 9
        assert Shape.from_document({"id": "x", "kind": "blob", "area": 2}).area == 2
        with pytest.raises(ValidationError, match="kind: expected 'square' or 'blob', found 'new'"):
            Shape.from_document({"id": "x", "kind": "new"})

    def test_attrs_mixins(self) -> None:
        """A mixin may be an attrs class; one whose values are in slots is refused."""

        @attrs.define(slots=False, kw_only=True)
        class Dated:
            day: str = "today"

        @attrs.define(kw_only=True)
        class Slotted:
            day: str = "today"

        class Note(Dated, Record):  # type: ignore[misc]
            text: Field[str]

        assert Note(id="x", text="a").to_document() == {"id": "x", "text": "a", "day": "today"}
        with pytest.raises(TypeError, match=r"Wrong\.day is kept in a slot.*slots=False"):

            class Wrong(Slotted, Record):  # type: ignore[misc]
                pass

    def test_what_is_no_field(self) -> None:
        """Class variables, properties and cached properties are not in documents."""

        class Circle(Record):
            unit: ClassVar[str] = "cm"
            kind: Field[Literal["circle"]] = field(default="circle")
            radius: Field[int]

            @property
            def width(self) -> int:
                return self.radius * 2

            @cached_property
            def area(self) -> int:
                return self.radius**2 * 3

        circle = Circle.from_document({"id": "x", "radius": 2})
        assert (circle.width, circle.area) == (4, 12)
        assert circle.to_document() == {"id": "x", "radius": 2}
        assert not is_dirty(circle)
        assert "area" not in vars(circle.evolve())

    @pytest.mark.parametrize("name", ["extra", "permissions", "last_modified", "evolve", "_load"])
    def test_names_that_are_taken(self, name: str) -> None:
        """A field cannot be called as what every record has, but may have that key."""
        body = {"__annotations__": {name: Field[str]}, "__module__": __name__}
        with pytest.raises(TypeError, match=rf"Wrong\.{name}: the name"):
            type("Wrong", (Record,), body)

        class Right(Record):
            mine: Field[str] = field(key="permissions")

        assert Right(id="x", mine="a").to_document() == {"id": "x", "permissions": "a"}

    def test_ids_are_text(self) -> None:
        """A class may draw ids of its own, as text."""

        class Numbered(Record):
            id: Field[str] = field(factory=lambda: "n1")

        class Wrong(Record):
            id: Field[int]  # type: ignore[assignment]

        assert Numbered().id == "n1"
        with pytest.raises(TypeError, match=r"Wrong\.id must be a str"):
            Wrong(id=3).to_document()


class TestRename:
    """A convention for the keys of a class."""

    @pytest.mark.parametrize(
        ("rename", "key"),
        [
            ("camelCase", "zipCode"),
            ("PascalCase", "ZipCode"),
            ("kebab-case", "zip-code"),
            (str.upper, "ZIP_CODE"),
        ],
    )
    def test_conventions(self, rename: Any, key: str) -> None:
        """A field without a key of its own has the key that the convention gives it."""

        class Place(Record, rename=rename):
            zip_code: Field[str]
            own: Field[str] = field(default="", key="mine")
            aliased: Field[str] = field(default="", alias="other")
            plain_one: str = ""

        document = Place(id="x", zip_code="1").to_document()
        assert document.keys() >= {"id", key, "mine", "other"}
        assert Place.zip_code._path == (key,)
        assert Place.from_document(document).zip_code == "1"
        assert "plain_one" not in document

    def test_inheritance(self) -> None:
        """Subclasses have the convention for their fields; what is inherited keeps its key."""

        class Dated(Record):
            made_at: Field[str] = field(default="now")

        class Place(Dated, rename="camelCase"):
            zip_code: Field[str] = field(default="1")

        class Town(Place):
            city_name: Field[str] = field(default="Lyon")

        class Shouted(Town, rename="PascalCase"):
            mayor_name: Field[str] = field(default="")
            zip_code: Field[str] = field(default="2")

        assert Shouted(id="x").to_document() == {
            "id": "x", "made_at": "now", "ZipCode": "2", "cityName": "Lyon", "MayorName": "",
        }  # fmt: skip

    def test_faults_have_keys(self) -> None:
        """Paths of faults are those of the document."""

        class Place(Record, rename="camelCase"):
            zip_code: Field[str]

        with pytest.raises(ValidationError, match=r": zipCode: a required key is missing"):
            Place.from_document({"id": "x"})

    def test_what_is_no_convention(self) -> None:
        """An unknown convention is refused, and so is a function that gives no name."""
        with pytest.raises(TypeError, match="rename='snake' is not known: use one of camelCase"):

            class Wrong(Record, rename="snake"):  # type: ignore[arg-type]
                pass

        with pytest.raises(TypeError, match=r"Odd\.name: rename= gave the key None"):

            class Odd(Record, rename=lambda _: None):  # type: ignore[arg-type]
                name: Field[str]

    def test_one_key_twice(self) -> None:
        """Two fields that a convention gives the same key are refused."""

        class Wrong(Record, rename="camelCase"):
            zip_code: Field[str] = field(default="")
            zip__code: Field[str] = field(default="")

        with pytest.raises(TypeError, match="zip_code and zip__code both have key 'zipCode'"):
            Wrong().to_document()


class Stamp(EmbeddedRecord):
    """Something that stays as it is."""

    by: Field[str] = field(read_only=True)


class Letter(Record):
    """With fields that stay as they are."""

    text: Field[str] = field(default="")
    sender: Field[str] = field(default="", read_only=True)
    marks: Field[list[str]] = field(factory=list, read_only=True)
    serial: Field[int | None] = field(default=None, init=False, read_only=True)
    stamp: Embedded[Stamp | None] = embedded(default=None)


class TestReadOnly:
    """Fields that stay what they were."""

    def test_setting(self) -> None:
        """A value may be given, or loaded, and not be set."""
        for letter in (
            Letter(id="x", sender="Ann"),
            Letter.from_document({"id": "x", "sender": "Ann", "serial": 7}),
        ):
            with pytest.raises(AttributeError, match=r"Letter 'x': sender is read-only.*evolve\(s"):
                letter.sender = "Bob"
            with pytest.raises(AttributeError, match="serial is read-only"):
                letter.serial = 8
            letter.text = "Dear"
            commit(letter)
        assert letter.serial == 7
        assert letter.evolve(sender="Bob").sender == "Bob"

    def test_changes_in_place(self) -> None:
        """What was changed in place is refused by a commit, at any depth."""
        document = {"id": "x", "marks": ["a"], "stamp": {"by": "Ann"}, "last_modified": 1}
        letter = Letter.from_document(document)
        letter.marks.append("b")
        with pytest.raises(ValidationError, match=r"Letter 'x'.*marks: is read-only"):
            commit(letter)
        letter.marks.pop()
        commit(letter)
        assert letter.stamp is not None
        letter.stamp.__dict__["by"] = "Bob"
        with pytest.raises(ValidationError, match=r"stamp\.by: is read-only"):
            commit(letter)
        letter.stamp = Stamp(by="Bob")  # Another one.
        commit(letter)
        new = Letter(id="x", marks=["a"])
        new.marks.append("b")
        commit(new)

    def test_in_a_session(self, app: App) -> None:
        """A commit that is refused sends nothing; what was refused may be mended."""

        class Mail(Record, collection="todos"):
            marks: Field[list[str]] = field(factory=list, read_only=True)
            text: Field[str] = field(default="")

        app.create([{"id": "x", "marks": ["a"], "colour": "red"}])
        with app.session() as session:
            mail = session.get_one(Mail, "x")
            mail.marks.append("b")
            with pytest.raises(ValidationError, match="marks: is read-only"):
                session.commit()
            assert not session.writes
            session.refresh(mail)
            mail.text = "Dear"
            assert session.commit().updated == (mail,)
        assert app.stored()["x"]["marks"] == ["a"]


class TestEvolve:
    """Copies with changes."""

    def test_a_copy(self) -> None:
        """A copy is new, has the same values and `extra`, and shares nothing."""
        document = {
            "id": "x",
            "text": "a",
            "marks": ["m"],
            "serial": 3,
            "more": [1],
            "last_modified": 1,
        }
        letter = Letter.from_document({**document, "stamp": {"by": "Ann", "n": [1]}})
        other = letter.evolve(text="b")
        assert (other.id, other.last_modified, other.text, other.serial) == ("x", None, "b", 3)
        assert other.extra == {"more": [1]}
        other.extra["more"].append(2)
        other.marks.append("n")
        assert other.stamp is not None
        other.stamp.extra["n"].append(2)
        assert not is_dirty(letter)
        assert other.to_document()["stamp"] == {"by": "Ann", "n": [1, 2]}
        assert letter.evolve(id="y").id == "y"

    def test_embedded_records(self) -> None:
        """An embedded record has copies, too; the names are those of the constructor."""

        class Sized(EmbeddedRecord):
            size: Field[int] = field(alias="type")

        sized = Sized(type=1, extra={"a": 1})
        other = sized.evolve(type=2)
        assert (other.size, other.extra, sized.size) == (2, {"a": 1}, 1)
        with pytest.raises(TypeError, match="unexpected keyword"):
            sized.evolve(size=2)

    def test_on_a_server(self, app: App) -> None:
        """A copy under another id is created beside the first."""

        class Todo(Record, collection="todos"):
            title: Field[str]
            tags: Field[list[str]] = field(factory=list)

        app.create([{"id": "one", "title": "a", "tags": ["t"], "colour": "red"}])
        with app.session() as session:
            session.add(session.get_one(Todo, "one").evolve(id="two", title="b"))
            assert len(session.commit().created) == 1
        two = app.stored()["two"]
        assert (two["title"], two["tags"], two["colour"]) == ("b", ["t"], "red")


class TestParts:
    """Records that have not all of their values."""

    def test_fields_that_are_not_there(self) -> None:
        """A field that a record does not have is not dumped; its `extra` may be missing, too."""
        letter = Letter.from_document({"id": "x", "text": "a", "marks": ["m"]})
        del letter.__dict__["marks"]
        letter.__dict__.pop("_extra", None)
        assert letter.to_document() == {"id": "x", "text": "a"}
        assert copy.deepcopy(letter).to_document() == {"id": "x", "text": "a"}

    def test_values_that_cannot_be_sent(self) -> None:
        """A key of `extra` that is Kinto's own is refused."""
        letter = Letter(id="x", extra={"__permissions__": {}})
        with pytest.raises(UnsendableValue, match="a key of Kinto's own"):
            letter.to_document()
