"""Sessions: reading records by their ids, one or several, for the first time or again."""

from __future__ import annotations

from typing import Any

import pytest

from apps import APART, COMBINATIONS, App
from faults import FaultProxy
from kinto_orm import (
    CollectionNotFound,
    Field,
    InvalidId,
    KintoException,
    NotLoaded,
    Record,
    RecordNotFound,
    RetryPolicy,
    ValidationError,
    field,
)
from kinto_orm.exceptions import InvalidRequest, TransportError
from session.models import Todo


APPS = APART


on_one = pytest.mark.parametrize("app", COMBINATIONS[:1], indirect=True)


class Setting(Record, collection="todos", tag_field="kind"):
    """A kind of record, of which there are several in one collection."""

    name: Field[str] = field(default="")


class Engine(Setting, tag="engine"):
    """One of them."""

    url: Field[str]


class Locale(Setting, tag="locale"):
    """Another one."""

    code: Field[str]


def todos(*ids: str) -> list[dict[str, Any]]:
    """Return documents with these *ids*."""
    return [{"id": each, "title": each} for each in ids]


class TestGetMany:
    """Several records are read together."""

    def test_order_and_duplicates(self, app: App) -> None:
        """Records come in the order of their ids, in one request; None for what is not there."""
        app.create(todos("a", "b", "c"))
        session = app.session()
        c, none, a, again = session.get_many(Todo, ["c", "x", "a", "c"])
        assert (c.title, none, a.title) == ("c", None, "a")
        assert again is c
        assert len(session.sent) == 1
        assert session.get_many(Todo, []) == []
        assert session.get_many(Todo, iter(["a", "c"])) == [a, c]
        assert len(session.sent) == 1
        assert c.permissions.is_loaded
        a.title = "changed"
        assert session.commit().updated == (a,)

    def test_what_is_here_is_not_asked_for(self, app: App) -> None:
        """What the session has is given as it is: changed, new, or None if it is to go."""
        app.create(todos("a", "b", "c"))
        session = app.session()
        a, b, new = session.get_one(Todo, "a"), session.get_one(Todo, "b"), Todo(id="n", title="n")
        a.title = "mine"
        session.delete(b)
        session.add(new)
        asked = len(session.sent)
        assert session.get_many(Todo, ["a", "b", "n"]) == [a, None, new]
        assert len(session.sent) == asked
        one, two, three = session.get_many(Todo, ["a", "b", "c"])
        assert (one, two, three.title) == (a, None, "c")
        assert a.title == "mine"
        assert [each.path for each in session.sent[asked:]] == [
            f"/buckets/{app.bucket}/collections/todos/records/c"
        ]

    def test_as_many_as_fit(self, app: App) -> None:
        """There is a request for as many as the server takes, or is known to take."""
        ids = [f"t{number}" for number in range(30)]
        app.create(todos(*ids))
        session = app.session()
        assert [each.id for each in session.get_many(Todo, ids)] == ids
        assert len(session.sent) == 2
        assert session.commit().requests == 0

    @on_one
    def test_as_many_as_the_server_says(self, app: App) -> None:
        """A limit that is known is kept."""
        app.create(todos("a", "b", "c"))
        client = app.client()
        app.run(client.server_info())
        client.session.known.info["settings"]["batch_max_requests"] = 2
        session = app.session(client)
        before = len(session.sent)
        assert len(session.get_many(Todo, ["a", "b", "c"])) == 3
        assert len(session.sent) == before + 2

    def test_kinds_parts_and_places(self, app: App) -> None:
        """Kinds of a hierarchy come as such; what was loaded in part is completed."""
        app.create(
            [
                {"id": "e", "kind": "engine", "url": "u", "name": "n", "more": 1},
                {"id": "l", "kind": "locale", "code": "de"},
            ],
            "elsewhere",
        )
        there = Setting.at(collection="elsewhere")
        session = app.session()
        (part,) = session.query(there).filter(there.name == "n").only(there.name).all()
        with pytest.raises(NotLoaded):
            _ = part.url
        engine, locale = session.get_many(there, ["e", "l"])
        assert engine is part
        assert isinstance(engine, Engine)
        assert isinstance(locale, Locale)
        assert (engine.url, engine.extra, locale.code) == ("u", {"more": 1}, "de")

    def test_errors(self, app: App) -> None:
        """An error of one is raised when all others are in the session; the rest are its notes."""
        app.create([{"id": "bad", "title": 1}, *todos("a", "b"), {"id": "worse"}])
        session = app.session()
        with pytest.raises(ValidationError, match="Todo 'bad'") as caught:
            session.get_many(Todo, ["a", "bad", "worse", "b"])
        (note,) = caught.value.__notes__
        assert "Todo 'worse'" in note
        asked = len(session.sent)
        a, b = session.get_many(Todo, ["a", "b"])
        assert (a.title, b.title) == ("a", "b")
        assert len(session.sent) == asked

    def test_what_is_of_another_class(self, app: App) -> None:
        """A record that the session has as one of another class is refused, the others are read."""
        app.create([{"id": "e", "kind": "engine", "url": "u"}, {"id": "l", "kind": "locale"}])
        session = app.session()
        session.get_one(Setting, "e")
        with pytest.raises(InvalidRequest, match="is a Engine, not a Locale"):
            session.get_many(Locale, ["e", "x"])
        with pytest.raises(InvalidRequest, match="is a Engine, not a Locale"):
            session.get(Locale, "e")

    def test_refused_arguments(self, app: App) -> None:
        """A wrong id, or a single one, is refused before anything is asked."""
        session = app.session()
        with pytest.raises(InvalidId):
            session.get_many(Todo, ["a", "../b"])
        with pytest.raises(TypeError, match=r"there is get\(\)"):
            session.get_many(Todo, "abc")
        assert session.sent == []

    def test_no_collection(self, app: App) -> None:
        """A collection that is not there is an error, as it is for one record."""
        session, nowhere = app.session(), Todo.at(collection="nowhere")
        for ids in (["a"], ["a", "b"]):
            with pytest.raises(CollectionNotFound):
                session.get_many(nowhere, ids)
        with pytest.raises(CollectionNotFound):
            session.get(nowhere, "a")

    def test_what_may_not_be_read(self, app: App) -> None:
        """A record that somebody may not read does not lose those that he may."""
        app.create(todos("a", "b"))
        app.raw.patch_record(id="a", permissions={"read": ["system.Everyone"]})
        session = app.session(app.client(auth=("somebody", "else")))
        with pytest.raises(KintoException, match="records/b"):
            session.get_many(Todo, ["b", "a"])
        asked = len(session.sent)
        assert session.get_one(Todo, "a").title == "a"
        assert len(session.sent) == asked

    @on_one
    def test_the_server_is_gone(self, app: App) -> None:
        """When no answer comes, nothing more is asked for, and what came before is here."""
        ids = [f"t{number}" for number in range(60)]
        app.create(todos(*ids))
        with FaultProxy(app.server.url) as proxy:
            retry = RetryPolicy(attempts=1)
            session = app.session(app.client(proxy.url, retry=retry))
            proxy.drop(nth=2, times=1)
            with pytest.raises(TransportError) as caught:
                session.get_many(Todo, ids)
            assert not hasattr(caught.value, "__notes__")
            assert len(proxy.calls) == 2
            assert len(session.get_many(Todo, ids[:25])) == 25
            assert len(proxy.calls) == 2


class TestRefresh:
    """Records are read again."""

    def test_several(self, app: App) -> None:
        """Several become what the server has, in one request; one that is named twice, once."""
        app.create(todos("a", "b", "c"))
        session = app.session()
        a, b, c = session.query(Todo).order_by(Todo.id).all()
        app.raw.patch_record(id="a", data={"title": "theirs"})
        a.title, b.title, b.note, c.title = "mine", "mine", "mine", "mine"
        session.delete(b)
        asked = len(session.sent)
        session.refresh(a, b, a)
        assert len(session.sent) == asked + 1
        assert (a.title, b.title, b.note) == ("theirs", "b", None)
        assert session.deleted == ()
        assert session.dirty == (c,)
        assert a.permissions.is_loaded

    def test_gone(self, app: App) -> None:
        """Those that are gone are named, all in one error; the others are refreshed."""
        app.create(todos("a", "b", "c"))
        session = app.session()
        a, b, c = session.query(Todo).order_by(Todo.id).all()
        a.title = b.title = "mine"
        for each in "ac":
            app.raw.delete_record(id=each)
        with pytest.raises(RecordNotFound) as caught:
            session.refresh(a, b, c)
        place = f"{app.bucket}/todos"
        assert f"there is no Todo {place}/a, Todo {place}/c (any more)" in str(caught.value)
        assert (a.title, b.title) == ("mine", "b")

    def test_errors(self, app: App) -> None:
        """One that does not fit any more is as before, and named; the others are refreshed."""
        app.create([*todos("a", "b"), {"id": "e", "kind": "engine", "url": "u"}])
        session = app.session()
        a, b = session.get_many(Todo, ["a", "b"])
        engine = session.get_one(Setting.at(), "e")
        app.raw.update_record(id="a", data={"title": 3})
        app.raw.update_record(id="e", data={"kind": "locale", "code": "de"})
        a.title = b.title = "mine"
        with pytest.raises(ValidationError, match="Todo 'a'") as caught:
            session.refresh(a, engine, b)
        (note,) = caught.value.__notes__
        assert "is a Locale now" in note
        assert (a.title, b.title, engine.url) == ("mine", "b", "u")

    def test_refused_arguments(self, app: App) -> None:
        """Nothing at all, and what is not in the session, is refused before anything is asked."""
        app.create(todos("a"))
        session = app.session()
        a = session.get_one(Todo, "a")
        a.title = "mine"
        asked = len(session.sent)
        with pytest.raises(TypeError, match=r"refresh\(todo"):
            session.refresh()
        with pytest.raises(InvalidRequest, match="is not in the session"):
            session.refresh(a, Todo(title="x"))
        assert a.title == "mine"
        assert len(session.sent) == asked


class TestAdd:
    """What is added may come from a document."""

    def test_a_document_without_a_timestamp(self, app: App) -> None:
        """A document that has no timestamp was on no server: its record is created."""
        app.create(todos("a"))
        session = app.session()
        todo = Todo.from_document({"id": "x", "title": "x", "more": 1})
        session.add(todo)
        todo.note = "n"
        assert session.new == (todo,)
        assert session.commit().created == (todo,)
        assert app.stored()["x"] == todo.to_document()
        assert app.stored()["x"]["more"] == 1
        todo.title = "y"
        assert session.commit().updated == (todo,)
