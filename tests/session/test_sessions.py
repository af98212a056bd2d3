"""Sessions: what they know, what they send, and what they say when records moved on."""

from __future__ import annotations

import threading

from typing import Any

import pytest

from apps import COMBINATIONS, App
from faults import FaultProxy
from kinto_orm import (
    AsyncSession,
    CommitError,
    Conflict,
    ConflictError,
    Field,
    KintoException,
    Record,
    RecordNotFound,
    Session,
    UnsavedChangesWarning,
    ValidationError,
    field,
)
from kinto_orm.exceptions import (
    ConcurrentUseError,
    InvalidRequest,
    NotFound,
    StalePlanError,
    UnsendableValue,
)
from session.models import Address, Todo


class TestConflicts:
    """Two sessions change the same record."""

    def test_the_second_gets_a_conflict(self, app: App) -> None:
        """The second is told which record, what was loaded, what it wanted, and what is there."""
        app.create([{"id": "x", "title": "Water plants", "priority": 1}])
        one, other = app.session(), app.session()
        mine, theirs = one.get_one(Todo, "x"), other.get_one(Todo, "x")
        theirs.title, theirs.priority = "Water flowers", 2
        other.commit()
        mine.title = "Water trees"
        extra = Todo(id="y", title="Not lost")
        one.add(extra)
        with pytest.raises(ConflictError) as caught:
            one.commit()
        result = caught.value.result
        (conflict,) = result.conflicts
        assert isinstance(conflict, Conflict)
        assert conflict.record is mine
        assert conflict.base == {"id": "x", "title": "Water plants", "priority": 1}
        assert conflict.local == {"id": "x", "title": "Water trees", "priority": 1}
        assert conflict.remote == theirs.to_document()
        assert conflict.fields == ("title",)
        assert caught.value.exceptions == (conflict,)
        assert f"Todo {app.bucket}/todos/x was changed elsewhere" in str(caught.value)
        assert result.created == (extra,)
        assert not result.ok
        assert app.stored() == {"x": theirs.to_document(), "y": extra.to_document()}
        # What failed is still to be written, and can be mended.
        assert one.dirty == (mine,)
        one.refresh(mine)
        assert mine == theirs
        mine.title = "Water trees"
        assert one.commit().updated == (mine,)
        assert app.stored()["x"]["title"] == "Water trees"

    @pytest.mark.parametrize("others", [0, 2])
    def test_changed_here_deleted_there(self, app: App, others: int) -> None:
        """A record that was deleted elsewhere is a conflict with no remote document."""
        app.create([{"id": "x", "title": "a", "note": "n"}])
        session = app.session()
        todo = session.get_one(Todo, "x")
        todo.note = None  # In a batch, a whole document: another of the shapes of "gone" (P2).
        session.add_all(Todo(title="other") for _ in range(others))
        app.raw.delete_record(id="x")
        with pytest.raises(ConflictError) as caught:
            session.commit()
        assert "x was deleted elsewhere" in str(caught.value)
        (conflict,) = caught.value.result.conflicts
        assert conflict.remote is None
        assert conflict.fields == ("note",)
        assert len(caught.value.result.created) == others
        assert "x" not in app.stored()

    @pytest.mark.parametrize("others", [0, 2])
    def test_deleted_here_changed_there(self, app: App, others: int) -> None:
        """A record that was changed elsewhere is not deleted."""
        app.create([{"id": "x", "title": "a"}])
        session = app.session()
        todo = session.get_one(Todo, "x")
        session.delete(todo)
        session.add_all(Todo(title="other") for _ in range(others))
        app.raw.patch_record(id="x", data={"title": "b"})
        with pytest.raises(ConflictError) as caught:
            session.commit()
        (conflict,) = caught.value.result.conflicts
        assert (conflict.local, (conflict.remote or {})["title"]) == (None, "b")
        assert session.deleted == (todo,)
        assert app.stored()["x"]["title"] == "b"

    @pytest.mark.parametrize("others", [0, 2])
    def test_deleted_on_both_sides(self, app: App, others: int) -> None:
        """A record that is gone already was deleted: there is nothing to disagree about."""
        app.create([{"id": "x", "title": "a"}])
        session = app.session()
        todo = session.get_one(Todo, "x")
        session.delete(todo)
        session.add_all(Todo(title="other") for _ in range(others))
        app.raw.delete_record(id="x")
        assert session.commit().deleted == (todo,)

    @pytest.mark.parametrize("others", [0, 2])
    def test_created_twice(self, app: App, others: int) -> None:
        """A creation never replaces a record that is there."""
        session = app.session()
        todo = Todo(id="x", title="ours")
        session.add(todo)
        session.add_all(Todo(title="other") for _ in range(others))
        app.create([{"id": "x", "title": "theirs"}])
        with pytest.raises(ConflictError) as caught:
            session.commit()
        assert "x was created elsewhere" in str(caught.value)
        (conflict,) = caught.value.result.conflicts
        assert conflict.base is None
        assert (conflict.remote or {})["title"] == "theirs"
        assert session.new == (todo,)
        assert app.stored()["x"]["title"] == "theirs"

    def test_the_same_on_both_sides(self, app: App) -> None:
        """A record that is already as it should be is no conflict."""
        app.create([{"id": "x", "title": "a"}])
        session = app.session()
        todo = session.get_one(Todo, "x")
        todo.title = "b"
        app.raw.patch_record(id="x", data={"title": "b"})
        result = session.commit()
        assert result.unchanged == (todo,)
        assert todo.to_document() == app.stored()["x"]
        todo.title = "c"
        assert session.commit().updated == (todo,)

    def test_mixed_failures_are_not_only_conflicts(self, app: App) -> None:
        """A commit that met worse than conflicts raises CommitError itself."""

        class Lost(Todo, collection="nowhere"):
            pass

        app.create([{"id": "x", "title": "theirs"}])
        session = app.session()
        session.add_all([Todo(id="x", title="ours"), Lost(title="lost")])
        with pytest.raises(CommitError) as caught:
            session.commit()
        assert type(caught.value) is CommitError
        with pytest.raises(ExceptionGroup) as group:
            raise caught.value
        assert group.group_contains(Conflict)
        assert group.group_contains(NotFound)


class TestIdentity:
    """There is one object for each record of a session."""

    def test_one_object(self, app: App) -> None:
        """However a record is reached, it is the same object."""
        app.create([{"id": "x", "title": "a"}])
        session = app.session()
        todo = session.get(Todo, "x")
        before = len(session.sent)
        assert session.get(Todo, "x") is todo
        assert len(session.sent) == before
        assert session.query(Todo).one() is todo
        assert todo in session
        assert Todo(id="x", title="a") not in session

    def test_a_query_keeps_local_edits(self, app: App) -> None:
        """A query brings unchanged records up to date, and leaves changed ones alone."""
        app.create([{"id": "a", "title": "a"}, {"id": "b", "title": "b"}])
        session = app.session()
        one, other = session.query(Todo).all()
        one.title = "edited"
        app.raw.patch_record(id="a", data={"title": "theirs"})
        app.raw.patch_record(id="b", data={"title": "theirs"})
        assert session.query(Todo).all() == [one, other]
        assert (one.title, other.title) == ("edited", "theirs")
        with pytest.raises(ConflictError):
            session.commit()

    def test_two_objects_are_refused(self, app: App) -> None:
        """A second object for the same record is refused."""
        session = app.session()
        session.add(Todo(id="x", title="a"))
        with pytest.raises(InvalidRequest, match="has another object for this record"):
            session.add(Todo(id="x", title="a"))

    def test_missing(self, app: App) -> None:
        """`get` gives None for what is not there, `get_one` raises; a collection must exist."""
        session = app.session()
        assert session.get(Todo, "nothing") is None
        with pytest.raises(RecordNotFound, match=r"there is no Todo .*/todos/nothing"):
            session.get_one(Todo, "nothing")

        class Lost(Todo, collection="nowhere"):
            pass

        with pytest.raises(KintoException, match="no collection 'nowhere'"):
            session.get(Lost, "x")

    def test_made_of_a_document_without_an_id(self, app: App) -> None:
        """A record that was made of a document is added as any; it draws an id if there is none."""
        session = app.session()
        made = Todo.from_document({"title": "a"})
        assert made not in session
        session.add(made)
        assert session.commit().created == (made,)
        assert app.stored()[made.id]["title"] == "a"

    def test_a_record_outlives_its_session(self, app: App) -> None:
        """Records work without a session; another session may take them in, with changes."""
        app.create([{"id": "x", "title": "a"}])
        with app.session() as session:
            todo = session.get_one(Todo, "x")
        assert todo.title == "a"
        todo.title = "b"
        other = app.session()
        other.add(todo)
        assert other.dirty == (todo,)
        assert other.commit().updated == (todo,)
        assert app.stored()["x"]["title"] == "b"

    def test_an_id_cannot_be_changed(self, app: App) -> None:
        """A record that was given another id is refused before anything is sent."""
        app.create([{"id": "x", "title": "a"}])
        session = app.session()
        todo = session.get_one(Todo, "x")
        todo.id = "y"
        session.add(Todo(title="other"))
        before = len(session.sent)
        with pytest.raises(InvalidRequest, match="an id cannot be changed"):
            session.commit()
        assert len(session.sent) == before


class TestStates:
    """What is new, dirty and deleted, and what becomes of it."""

    def test_life_of_a_record(self, app: App) -> None:
        """A record is new, then clean, then dirty, then clean, then deleted, then gone."""
        session = app.session()
        todo = Todo(title="a")
        assert todo.last_modified is None
        assert not session.is_modified(todo)
        session.add(todo)
        assert not session.is_modified(todo)
        assert (session.new, session.dirty, session.deleted) == ((todo,), (), ())
        session.commit()
        created = todo.last_modified
        assert created is not None
        assert (session.new, session.dirty, session.deleted) == ((), (), ())
        todo.tags.append("deep")
        assert (session.new, session.dirty, session.deleted) == ((), (todo,), ())
        session.commit()
        assert (todo.last_modified or 0) > created
        session.delete(todo)
        assert (session.new, session.dirty, session.deleted) == ((), (), (todo,))
        assert session.get(Todo, todo.id) is None
        session.commit()
        assert (session.new, session.dirty, session.deleted) == ((), (), ())
        assert todo not in session
        assert app.stored() == {}
        # It may be created again: over the tombstone.
        session.add(todo)
        assert session.commit().created == (todo,)
        assert list(app.stored()) == [todo.id]

    def test_equal_values_are_no_change(self, app: App) -> None:
        """Values that are set to what they were are not a change; neither is a change undone."""
        app.create([{"id": "x", "title": "a", "tags": ["t"], "due": "2024-01-01T00:00:00Z"}])
        session = app.session()
        todo = session.get_one(Todo, "x")
        todo.title, todo.tags, todo.due = "a", ["t"], todo.due.replace()
        todo.done = False
        todo.priority = 3
        todo.priority = 0
        assert session.dirty == ()
        assert session.commit().requests == 0

    def test_delete_what_is_new(self, app: App) -> None:
        """A new record that is deleted is forgotten, without a request."""
        session = app.session()
        todo = Todo(title="a")
        session.add(todo)
        session.delete(todo)
        assert todo not in session
        assert session.commit().requests == 0
        with pytest.raises(InvalidRequest, match="cannot be deleted"):
            session.delete(Todo(title="never added"))

    def test_delete_and_add_again(self, app: App) -> None:
        """Adding a record that is to be deleted takes the deletion back."""
        app.create([{"id": "x", "title": "a"}])
        session = app.session()
        todo = session.get_one(Todo, "x")
        session.delete(todo)
        session.add(todo)
        assert session.commit().requests == 0
        assert list(app.stored()) == ["x"]

    def test_expunge_and_clear(self, app: App) -> None:
        """What is forgotten is not written."""
        app.create([{"id": "x", "title": "a"}, {"id": "y", "title": "a"}])
        session = app.session()
        one, other = session.query(Todo).all()
        one.title = other.title = "b"
        session.expunge(one)
        assert session.commit().updated == (other,)
        other.title = "c"
        session.clear()
        assert session.commit().requests == 0
        assert [each["title"] for each in app.stored().values()].count("a") == 1

    @pytest.mark.parametrize("app", COMBINATIONS[:2], indirect=True)
    def test_leaving_with_changes_warns(self, app: App) -> None:
        """Leaving the block with changes discards them, and says so; nothing is written."""
        uncommitted = pytest.warns(UnsavedChangesWarning, match="2 uncommitted changes")
        with uncommitted, app.session() as session:
            session.add_all([Todo(title="a"), Todo(title="b")])
        assert app.stored() == {}

        def fail() -> None:
            with app.session() as session:
                session.add(Todo(title="a"))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):  # The error is enough: no warning.
            fail()

    def test_edits_during_a_commit_stay(self, app: App) -> None:
        """A change that is made while a commit is under way is sent by the next."""
        app.create([{"id": "x", "title": "a"}])
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url))
            todo = session.get_one(Todo, "x")
            new = Todo(title="new")
            session.add(new)
            todo.title = "b"
            session.plan()

            def edit(answer: Any) -> Any:
                todo.title, todo.tags = "c", ["late"]
                new.address = Address(city="Paris")
                return answer

            proxy.change_answer(edit, when=lambda request: request.method == "POST")
            session.commit()
            assert app.stored()["x"]["title"] == "b"
            assert set(map(id, session.dirty)) == {id(todo), id(new)}
            session.commit()
        assert app.stored() == {"x": todo.to_document(), new.id: new.to_document()}
        assert app.stored()["x"]["title"] == "c"


class TestPlan:
    """A commit as a value, before it is sent."""

    def test_it_is_what_is_sent(self, app: App) -> None:
        """`commit(plan)` sends exactly the requests of the plan; later edits stay."""
        app.create([{"id": "x", "title": "a"}, {"id": "y", "title": "a"}])
        session = app.session()
        one, other = session.query(Todo).all()
        one.title = "b"
        session.add(Todo(id="z", title="new"))
        plan = session.plan()
        other.title = "later"
        other.priority = "not in the plan"
        one.title = "later, too"
        text = str(plan)
        assert text.startswith("2 records in 1 request")
        assert "create" in text
        assert 'update [title], If-Match: "' in text
        result = session.commit(plan)
        assert tuple(session.writes) == plan.requests
        assert [todo.id for todo in (*result.created, *result.updated)] == ["z", "x"]
        assert app.stored()["x"]["title"] == "b"
        assert set(map(id, session.dirty)) == {id(one), id(other)}
        assert set(map(id, result.not_sent)) == {id(other)}

    def test_a_plan_that_is_out_of_date(self, app: App) -> None:
        """A plan whose records have moved on is refused, and names them."""
        app.create([{"id": "x", "title": "a"}])
        session = app.session()
        session.get_one(Todo, "x").title = "b"
        plan = session.plan()
        session.commit()
        before = len(session.sent)
        with pytest.raises(StalePlanError, match="/todos/x"):
            session.commit(plan)
        assert len(session.sent) == before

    def test_nothing_to_do(self, app: App) -> None:
        """An empty plan has no request, and says so."""
        session = app.session()
        plan = session.plan()
        assert str(plan) == "nothing to write: no request"
        assert (len(plan), session.sent) == (0, [])

    @pytest.mark.parametrize("app", COMBINATIONS[:2], indirect=True)
    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            (float("nan"), "not a number that JSON has"),
            ("half \ud800", "half of a surrogate pair"),
            ("nul \0", "U+0000"),
            (2**64, "more than 64 bits"),
            (object(), "which JSON does not have"),
        ],
    )
    def test_what_cannot_be_sent(self, app: App, value: object, reason: str) -> None:
        """A value that would be changed on the way is refused; nothing is sent, nothing lost."""
        app.create([{"id": "x", "title": "a"}])
        session = app.session()
        todo = session.get_one(Todo, "x")
        todo.title = "b"
        wrong = Todo(id="wrong", title="a", extra={"deep": [{"er": value}]})
        session.add(wrong)
        before = len(session.sent)
        with pytest.raises(UnsendableValue) as caught:
            session.commit()
        assert f"Todo {app.bucket}/todos/wrong: deep[0].er cannot be sent: " in str(caught.value)
        assert reason in str(caught.value)
        assert len(session.sent) == before
        assert (session.new, session.dirty) == ((wrong,), (todo,))

    @pytest.mark.parametrize("app", COMBINATIONS[:2], indirect=True)
    @pytest.mark.parametrize("key", ["title", "id", "last_modified", "schema", "__permissions__"])
    def test_extra_cannot_hold_fields(self, app: App, key: str) -> None:
        """A key in `extra` that is a field's, or Kinto's own, is refused."""
        session = app.session()
        session.add(Todo(title="a", extra={key: {"write": ["system.Everyone"]}}))
        with pytest.raises(UnsendableValue, match=f"'{key}', which is"):
            session.commit()
        assert session.writes == []


class TestDryRun:
    """A client that only logs writes."""

    @pytest.mark.parametrize("app", COMBINATIONS[:2], indirect=True)
    def test_nothing_is_written_nor_said_to_be(
        self, app: App, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Reads are made; writes are logged, and the result says that they were not sent."""
        app.create([{"id": "x", "title": "a"}])
        session = app.session(app.client(dry_mode=True))
        todo = session.get_one(Todo, "x")
        new = Todo(id="y", title="b")
        todo.title = "b"
        session.add(new)
        before = app.stored()
        with caplog.at_level("INFO", "kinto_orm.dry_run"):
            result = session.commit()
        assert set(map(id, result.not_sent)) == {id(todo), id(new)}
        assert (result.ok, result.created, result.updated) == (False, (), ())
        assert (session.new, session.dirty) == ((new,), (todo,))
        assert app.stored() == before
        assert session.writes == []
        assert f"not sent: PUT /buckets/{app.bucket}/collections/todos/records/y" in caplog.text


class TestClients:
    """A session waits as its client does."""

    def test_the_wrong_client(self, app: App) -> None:
        """A client of the other kind, or none, is refused at once."""
        kind: Any = Session if app.awaiting else AsyncSession  # Not the one for its client.
        with pytest.raises(TypeError, match=r"takes a kinto_orm\.(Async)?Client, not"):
            kind(app.client())
        with pytest.raises(TypeError, match="not a value of type str"):
            kind(app.server.url)


class TestConcurrentUse:
    """One session is for one thread or task at a time."""

    @pytest.mark.parametrize("app", [COMBINATIONS[0]], indirect=True)
    def test_two_threads(self, app: App) -> None:
        """A session that is used while it commits says so; the commit is not disturbed."""
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url))
            session.add(Todo(title="a"))
            held = proxy.hold_answer(when=lambda request: request.method == "PUT")
            results: list[Any] = []
            thread = threading.Thread(target=lambda: results.append(session.commit()))
            thread.start()
            held.wait()
            with pytest.raises(ConcurrentUseError, match="another thread or task"):
                session.commit()
            with pytest.raises(ConcurrentUseError):
                session.query(Todo).all()
            held.release()
            thread.join()
            assert len(results[0].created) == 1

    @pytest.mark.parametrize("app", [COMBINATIONS[1]], indirect=True)
    def test_two_tasks(self, app: App) -> None:
        """The same with two tasks of an event loop."""
        import asyncio

        async def main() -> None:
            with FaultProxy(app.server.url) as proxy:
                session = app.session(app.client(proxy.url))._inner
                session.add(Todo(title="a"))
                held = proxy.hold_answer(when=lambda request: request.method == "PUT")
                task = asyncio.create_task(session.commit())
                await asyncio.to_thread(held.wait)
                with pytest.raises(ConcurrentUseError):
                    await session.get(Todo, "x")
                held.release()
                result = await task
                assert len(result.created) == 1

        app.run(main())


class TestKinds:
    """Several kinds of record in one collection."""

    class Shape(Record, collection="todos", tag_field="kind"):
        """Any of them."""

    class Circle(Shape, tag="circle"):
        radius: Field[float]

    class Square(Shape, tag="square"):
        side: Field[float]
        name: Field[str | None] = field(default=None, key="label")

    def test_each_loads_as_its_own(self, app: App) -> None:
        """A tag chooses the class; an unknown one loads as the base, and is saved untouched."""
        documents: list[dict[str, Any]] = [
            {"id": "a", "kind": "circle", "radius": 1.5},
            {"id": "b", "kind": "square", "side": 2, "label": "x", "more": 1},
            {"id": "c", "kind": "triangle", "sides": [3, 4, 5]},
            {"id": "d", "no": "kind"},
        ]
        app.create(documents)
        session = app.session()
        circle, square, triangle, other = session.query(self.Shape).all()
        assert isinstance(circle, self.Circle)
        assert isinstance(square, self.Square)
        assert type(triangle) is type(other) is self.Shape
        assert triangle.extra == {"kind": "triangle", "sides": [3, 4, 5]}
        assert session.commit().requests == 0
        square.side, triangle.extra["sides"] = 3.0, [6, 8, 10]
        session.add(self.Circle(id="e", radius=2.0))
        session.commit()
        stored = {
            ident: {key: value for key, value in each.items() if key not in ("id", "last_modified")}
            for ident, each in app.stored().items()
        }
        assert stored == {
            "a": {"kind": "circle", "radius": 1.5},
            "b": {"kind": "square", "side": 3.0, "label": "x", "more": 1},
            "c": {"kind": "triangle", "sides": [6, 8, 10]},
            "d": {"no": "kind"},
            "e": {"kind": "circle", "radius": 2.0},
        }
        assert [each.id for each in session.query(self.Circle)] == ["a", "e"]

    def test_the_wrong_kind_is_refused(self, app: App) -> None:
        """Asking for a record of one kind as another is an error that names it."""
        app.create([{"id": "a", "kind": "circle", "radius": 1.5}])
        session = app.session()
        with pytest.raises(ValidationError, match=r"Square 'a' does not fit.*kind.*circle"):
            session.get(self.Square, "a")
        session.get(self.Circle, "a")
        with pytest.raises(InvalidRequest, match="is a Circle, not a Square"):
            session.get(self.Square, "a")


class TestBadValues:
    """What could not be loaded again is not sent."""

    @pytest.mark.parametrize("app", COMBINATIONS[:2], indirect=True)
    def test_a_value_of_the_wrong_type(self, app: App) -> None:
        """A value that the class does not allow is refused, with the record and the path."""
        app.create([{"id": "x", "title": "a", "address": {"city": "Paris"}}])
        session = app.session()
        todo = session.get_one(Todo, "x")
        todo.address.zip_code = 75001
        session.add(Todo(id="y", title=3))  # type: ignore[arg-type]
        before = len(session.sent)
        with pytest.raises(ValidationError) as caught:
            session.commit()
        assert len(session.sent) == before
        assert "Todo 'x' does not fit its class: address.zip: expected" in str(caught.value)
        assert "Todo 'y' does not fit its class: title: expected a string" in str(caught.value)

    @pytest.mark.parametrize("app", [COMBINATIONS[0]], indirect=True)
    def test_what_is_no_class_of_records(self, app: App) -> None:
        """Asking for something else than records is an error that says so."""
        with pytest.raises(TypeError, match="is not a class of records"):
            app.session().query(int).all()
        with pytest.raises(TypeError, match=r"takes fields such as Todo\.id"):
            app.session().query(Todo).order_by("title")
        with pytest.raises(TypeError, match="give a list"):
            Todo.title.in_("ab")
        with pytest.raises(KintoException, match="make two queries"):
            Todo.note.in_(["a", None])

    def test_what_is_to_be_deleted_is_not_found(self, app: App) -> None:
        """A record that is to be deleted does not come from a query, nor from get."""
        app.create([{"id": "x", "title": "a"}, {"id": "y", "title": "a"}])
        session = app.session()
        session.delete(session.get_one(Todo, "x"))
        assert [todo.id for todo in session.query(Todo)] == ["y"]
        assert session.get(Todo, "x") is None
