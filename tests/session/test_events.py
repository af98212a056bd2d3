"""Who is told of what a session does, and what that can change."""

from __future__ import annotations

from typing import Any

import pytest

from apps import APART, COMBINATIONS, App
from kinto_orm import CommitError, Conflict, Field, Record, field
from kinto_orm.exceptions import InvalidRequest
from kinto_orm.session.events import listen, unlisten
from kinto_orm.session.results import Fate
from session.models import Todo


APPS = APART


awaiting = pytest.mark.parametrize("app", COMBINATIONS[1:2], indirect=True)
blocking = pytest.mark.parametrize("app", COMBINATIONS[:1], indirect=True)


class Heard(Record, collection="todos"):
    """A class that is listened to, and no other."""

    title: Field[str]
    stamp: Field[int] = field(default=0)


class HeardMore(Heard):
    """A subclass."""


class TestSessionEvents:
    """`before_commit` and `after_commit`."""

    def test_before_a_commit(self, app: App) -> None:
        """What is changed, added and deleted by a handler is part of the commit."""
        app.create([{"id": "x", "title": "a"}, {"id": "y", "title": "b"}])
        session = app.session()
        x, y = session.get_one(Todo, "x"), session.get_one(Todo, "y")
        x.title = "changed"
        new = Todo(title="log")

        @listen(session._inner, "before_commit")
        def prepare(given: Any) -> None:
            assert given is session._inner
            for todo in given.dirty:
                todo.priority = 7
            given.add(new)
            given.delete(y)

        result = session.commit()
        assert (result.created, result.updated, result.deleted) == ((new,), (x,), (y,))
        assert app.stored()["x"]["priority"] == 7

    def test_it_may_read(self, app: App) -> None:
        """A handler may ask the session for records."""
        app.create([{"id": "x", "title": "a"}])
        session = app.session()
        session.add(Todo(title="new"))

        def read(given: Any) -> Any:
            return given.get_one(Todo, "x")

        async def read_awaited(given: Any) -> None:
            assert (await read(given)).title == "a"

        listen(session._inner, "before_commit")(read_awaited if app.awaiting else read)
        assert len(session.commit().created) == 1
        assert len(session.commit().unchanged) == 2

    def test_it_may_refuse(self, app: App) -> None:
        """What it raises stops the commit, with nothing sent."""
        session = app.session()
        todo = Todo(title="new")
        session.add(todo)

        @listen(session._inner, "before_commit")
        def refuse(_: Any) -> None:
            raise LookupError("not now")

        with pytest.raises(LookupError, match="not now"):
            session.commit()
        assert session.sent == []
        unlisten(session._inner, "before_commit", refuse)
        assert session.commit().created == (todo,)

    @blocking
    def test_it_cannot_commit(self, app: App) -> None:
        """A commit in the preparation of a commit would never end, and is refused."""
        session = app.session()
        session.add(Todo(title="new"))
        listen(session._inner, "before_commit")(lambda given: given.commit())
        with pytest.raises(InvalidRequest, match="cannot commit"):
            session.commit()

    def test_after_a_commit(self, app: App) -> None:
        """A handler is given the result, before an error is raised."""
        app.create([{"id": "x", "title": "theirs"}])
        session = app.session()
        results: list[Any] = []
        listen(session._inner, "after_commit")(lambda _, result: results.append(result))
        session.add_all([Todo(id="x", title="mine"), Todo(id="y", title="mine")])
        with pytest.raises(CommitError) as caught:
            session.commit()
        assert results == [caught.value.result]
        assert session.last_result is results[0]
        session.expunge(results[0].conflicts[0].record)
        result = session.commit()
        assert results[1:] == [result]

    def test_of_a_class_of_sessions(self, app: App) -> None:
        """Who listens to a class hears all its sessions."""
        session = app.session()
        kind = type(session._inner)
        seen: list[Any] = []
        handler = listen(kind, "before_commit")(seen.append)
        try:
            session.commit()
            app.session().commit()
        finally:
            unlisten(kind, "before_commit", handler)
        session.commit()
        assert len(seen) == 2


class TestRecordEvents:
    """`before_send`, `after_send`, `conflict` and `loaded`."""

    def test_around_sending(self, app: App) -> None:
        """Each write is announced before anything is sent, and told of as it is answered."""
        session = app.session()
        said: list[str] = []

        @listen(session._inner, "before_send")
        def before(write: Any) -> None:
            assert session.writes == []
            said.append(f"{write.change.action} {write.change.key.id}")

        @listen(session._inner, "after_send")
        def after(outcome: Any) -> None:
            record = outcome.write.change.record
            assert record.last_modified == outcome.stored.version
            said.append(f"{outcome.fate.value} {record.id}")

        session.add_all([Todo(id="x", title="a"), Todo(id="y", title="b")])
        session.commit()
        assert said == ["create x", "create y", "created x", "created y"]

    def test_one_is_refused(self, app: App) -> None:
        """What a handler raises before sending stops all of it, however many batches there are."""
        session = app.session()
        session.add_all(Todo(id=f"r{i:02}", title="a") for i in range(30))

        @listen(session._inner, "before_send")
        def refuse(write: Any) -> None:
            if write.change.key.id == "r29":
                raise LookupError(write.change.key.id)

        with pytest.raises(LookupError) as caught:
            session.commit()
        assert session.writes == []
        assert "30 not sent" in caught.value.__notes__[0]
        assert len(session.new) == 30

    def test_edits_of_a_handler_are_sent_by_the_next_commit(self, app: App) -> None:
        """What is edited when the commit is under way stays an edit."""
        session = app.session()
        todo = Todo(id="x", title="a")
        session.add(todo)

        @listen(session._inner, "before_send")
        def edit(_: Any) -> None:
            todo.title = "edited"

        assert session.commit().created == (todo,)
        assert app.stored()["x"]["title"] == "a"
        assert session.dirty == (todo,)
        assert session.commit().updated == (todo,)
        assert app.stored()["x"]["title"] == "edited"

    def test_of_a_class(self, app: App) -> None:
        """Who listens to a class of records hears it and its subclasses, and no others."""
        session = app.session()
        seen: list[str] = []
        handler = listen(Heard, "after_send")(
            lambda outcome: seen.append(outcome.write.change.key.id)
        )
        session.add_all(
            [Heard(id="h", title="a"), HeardMore(id="m", title="a"), Todo(id="t", title="a")]
        )
        session.commit()
        unlisten(Heard, "after_send", handler)
        assert seen == ["h", "m"]

    def test_conflicts(self, app: App) -> None:
        """A conflict is told of before it is resolved."""
        app.create([{"id": "x", "title": "a"}])
        session = app.session(on_conflict="merge")
        todo = session.get_one(Todo, "x")
        app.raw.patch_record(id="x", data={"note": "theirs"})
        todo.title = "mine"
        met: list[Conflict] = []
        fates: list[Fate] = []
        listen(session._inner, "conflict")(met.append)
        listen(session._inner, "after_send")(lambda outcome: fates.append(outcome.fate))
        assert session.commit().merged == (todo,)
        assert [(each.record, each.kind) for each in met] == [(todo, "both modified")]
        assert fates == [Fate.CONFLICT, Fate.MERGED]

    def test_loaded(self, app: App) -> None:
        """Each record is told of when it has been read: by id, by a query, or again."""
        app.create([{"id": f"r{i}", "title": "a"} for i in range(5)])
        session = app.session()
        seen: list[str] = []
        listen(session._inner, "loaded")(lambda record: seen.append(record.id))
        todo = session.get_one(Todo, "r0")
        assert seen == ["r0"]
        session.query(Todo).page_size(2).all()
        assert sorted(seen) == ["r0", "r1", "r2", "r3", "r4"]  # The first was here already.
        app.raw.patch_record(id="r1", data={"title": "b"})
        session.refresh(todo)
        session.query(Todo).all()
        assert seen[5:] == ["r0", "r1"]

    def test_loaded_before_it_is_used(self, app: App) -> None:
        """A handler sees a record before the program does, and its changes are changes."""
        app.create([{"id": "x", "title": "a"}])
        session = app.session()

        async def stamp_awaited(record: Any) -> None:
            record.stamp = 1

        def stamp(record: Any) -> None:
            record.stamp = 1

        handler: Any = stamp_awaited if app.awaiting else stamp
        listen(Heard, "loaded")(handler)
        try:
            stamps = [record.stamp for record in session.query(Heard)]
        finally:
            unlisten(Heard, "loaded", handler)
        assert stamps == [1]
        assert len(session.commit().updated) == 1
        assert app.stored()["x"]["stamp"] == 1


class TestListening:
    """What can be listened to."""

    @blocking
    def test_what_there_is_not(self, app: App) -> None:
        """An event that a target does not have is refused."""
        with pytest.raises(InvalidRequest, match="no event 'before_flush'"):
            listen(app.session()._inner, "before_flush")  # type: ignore[call-overload]
        with pytest.raises(InvalidRequest, match="no event 'before_commit'"):
            listen(Todo, "before_commit")
        with pytest.raises(InvalidRequest, match="does not listen"):
            unlisten(Todo, "loaded", print)

    @blocking
    def test_a_blocking_session_cannot_wait(self, app: App) -> None:
        """A coroutine function is refused by a session that blocks, before anything is sent."""
        session = app.session()
        session.add(Todo(title="a"))

        async def handler(_: Any) -> None: ...

        listen(session._inner, "before_commit")(handler)
        with pytest.raises(TypeError, match="is to be awaited"):
            session.commit()
        assert session.sent == []

    @awaiting
    def test_an_awaiting_session_waits(self, app: App) -> None:
        """A coroutine function is awaited where it is called."""
        session = app.session()
        session.add(Todo(title="a"))
        seen: list[int] = []

        async def handler(given: Any) -> None:
            seen.append(await given.query(Todo).count())

        listen(session._inner, "before_commit")(handler)
        assert len(session.commit().created) == 1
        assert seen == [0]
