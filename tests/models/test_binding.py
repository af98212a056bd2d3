"""The same class elsewhere."""

from __future__ import annotations

import copy
import pickle

from typing import Any

import pytest

from apps import App
from kinto_orm import Field, Record, field
from kinto_orm.models.layout import load


class Note(Record, bucket="home", collection="notes"):
    """A record with a place of its own."""

    text: Field[str] = field(default="")


class Shape(Record, bucket="home", collection="shapes", tag_field="kind"):
    """Any of several kinds."""


class Circle(Shape, tag="circle"):
    """One of them."""

    radius: Field[float] = field(default=1.0)


class TestBound:
    """What `at` gives."""

    def test_one_class_for_a_place(self) -> None:
        """The same place gives the same class; its own place gives the class itself."""
        preview = Note.at(bucket="preview")
        assert preview is Note.at(bucket="preview")
        assert preview is Note.at(bucket="preview", collection="notes")
        assert preview.at(bucket="home") is Note
        assert Note.at() is Note
        assert preview.at(collection="other") is Note.at(bucket="preview", collection="other")
        assert (preview.__name__, preview.__doc__) == ("Note", Note.__doc__)
        assert issubclass(preview, Note)

    def test_records(self) -> None:
        """Its records are records of the class; equal to those of another place as documents."""
        there = Note.at(bucket="preview")(id="n", text="x")
        here = Note(id="n", text="x")
        assert isinstance(there, Note)
        assert there != here
        assert there.to_document() == here.to_document()

    def test_kinds(self) -> None:
        """All kinds of a collection are bound with it, those that are declared later, too."""
        shapes = Shape.at(bucket="preview")
        found = load(shapes, {"id": "c", "kind": "circle", "radius": 2.0})
        assert type(found) is Circle.at(bucket="preview")
        assert isinstance(found, shapes)
        assert isinstance(found, Circle)

        class Square(Shape, tag="square"):
            """Declared after the class was bound."""

        assert isinstance(load(shapes, {"id": "s", "kind": "square"}), Square)
        assert type(load(shapes, {"id": "s", "kind": "star"})) is shapes

    def test_copies(self) -> None:
        """They can be copied and pickled."""
        there = Note.at(bucket="preview")(id="n", text="x")
        for copied in (copy.deepcopy(there), copy.copy(there), pickle.loads(pickle.dumps(there))):
            assert type(copied) is Note.at(bucket="preview")
            assert copied == there

    def test_schema(self) -> None:
        """The schema is that of the class."""
        assert Note.at(bucket="x").json_schema() == Note.json_schema()
        assert Shape.at(bucket="x").json_schema() == Shape.json_schema()

    def test_fields(self) -> None:
        """Conditions are the same for both."""
        assert (Note.at(bucket="x").text == "a") == (Note.text == "a")


class TestCopyTo:
    """Copies for another place."""

    def test_it_is_new(self) -> None:
        """A copy has the id and the values, and was never on the server."""
        note = Note.from_document({"id": "n", "text": "x", "more": [1], "last_modified": 5})
        copied = note.copy_to(Note.at(bucket="preview"))
        assert type(copied) is Note.at(bucket="preview")
        assert copied.to_document() == {"id": "n", "text": "x", "more": [1]}
        copied.extra["more"].append(2)
        assert note.extra == {"more": [1]}

    def test_another_class(self) -> None:
        """Another class is refused."""
        with pytest.raises(TypeError, match=r"another place, Note\.at"):
            Note(id="n").copy_to(Circle)  # type: ignore[arg-type]


def test_in_a_session(app: App) -> None:
    """One session has records of both places, of one id."""
    app.create([{"id": "a", "text": "live"}])
    app.raw.create_collection(id="preview")
    session = app.session()
    live = Note.at(bucket=app.bucket, collection="todos")
    preview = Note.at(bucket=app.bucket, collection="preview")
    one = session.get(live, "a")
    session.add(one.copy_to(preview))
    other = session.get(preview, "a")
    other.text = "preview"
    session.commit()
    assert app.stored()["a"]["text"] == "live"
    assert app.stored("preview")["a"]["text"] == "preview"
    assert session.query(preview).all() == [other]
    session.refresh(other)
    assert session.query(live).filter(text="live").one() is one


def test_the_same_place_said_otherwise(app: App) -> None:
    """A class that is bound to the client's own bucket has the records of the class itself."""

    class Plain(Record, collection="todos"):
        text: Field[str] = field(default="")

    app.create([{"id": "a", "text": "x"}])
    session = app.session()
    record = session.get(Plain, "a")
    there = Plain.at(bucket=app.bucket)
    assert session.get(there, "a") is record
    assert session.query(there).all() == [record]
    session.refresh(record)


def test_kinds_in_a_session(app: App) -> None:
    """Kinds of record can be refreshed and queried elsewhere, too."""
    shapes = Shape.at(bucket=app.bucket, collection="todos")
    circles = Circle.at(bucket=app.bucket, collection="todos")
    session: Any = app.session()
    circle = circles(id="c")
    session.add_all([circle, shapes(id="s", extra={"kind": "star"})])
    session.commit()
    session.refresh(circle)
    assert session.query(circles).all() == [circle]
    assert len(session.query(shapes).all()) == 2
