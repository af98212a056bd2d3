"""What the user wants of a record, and what the server has, are two things."""

from __future__ import annotations

import copy
import pickle

from typing import Any

import pytest

from apps import APART, COMBINATIONS, App
from faults import FaultProxy, HttpRequest
from kinto_orm import (
    CommitError,
    ConflictError,
    Field,
    InvalidId,
    Record,
    RetryPolicy,
    StalePlanError,
    field,
)
from kinto_orm.exceptions import InvalidRequest, ResponseError, Unauthorized
from server.collisions import rival
from session.models import Todo


APPS = APART


on_memory = pytest.mark.parametrize("app", COMBINATIONS[:2], indirect=True)
HASTY = RetryPolicy(attempts=2, first=0.001, jitter=lambda: 0.0)


def writes(request: HttpRequest) -> bool:
    """Tell whether a request that the proxy saw may change something."""
    return any(method not in ("GET", "HEAD") for method, _ in request.entries)


class TestUnknown:
    """A write whose fate is not known, and what the user does then."""

    def unknown(self, proxy: FaultProxy, session: Any) -> None:
        """Have a commit end in the dark, though its writes were applied."""
        proxy.lose_answer(when=writes)
        proxy.drop(times=2)
        with pytest.raises(CommitError) as caught:
            session.commit()
        assert caught.value.result.unknown

    def test_delete_what_may_be_created(self, app: App) -> None:
        """Deleting a record whose creation is unknown deletes it from the server."""
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url, retry=HASTY))
            todo = Todo(id="x", title="a")
            session.add(todo)
            self.unknown(proxy, session)
            session.delete(todo)
            assert session.commit().deleted == (todo,)
            assert app.stored() == {}
            assert todo not in session

    def test_add_what_may_be_deleted(self, app: App) -> None:
        """Adding a record whose deletion is unknown creates it again."""
        app.create([{"id": "x", "title": "a"}])
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url, retry=HASTY))
            todo = session.get_one(Todo, "x")
            session.delete(todo)
            self.unknown(proxy, session)
            session.add(todo)
            assert session.commit().created == (todo,)
            assert list(app.stored()) == ["x"]

    def test_a_plan_tells_nothing_away(self, app: App) -> None:
        """What a plan finds out of earlier writes is in the next result."""
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url, retry=HASTY))
            todo = Todo(id="x", title="a")
            session.add(todo)
            self.unknown(proxy, session)
            assert session.plan().writes == ()
            assert session.commit().created == (todo,)

    @pytest.mark.parametrize("app", COMBINATIONS[2:], indirect=True)
    def test_a_write_that_is_applied_late(self, app: App) -> None:
        """A write that is applied after it was looked for is no conflict with later edits."""
        app.create([{"id": "x", "title": "a"}])
        records = f"/buckets/{app.bucket}/collections/todos/records"
        client = app.client(timeout=(5, 0.4), retry=HASTY)
        session = app.session(client)
        todo, new = session.get_one(Todo, "x"), Todo(id="y", title="new")
        app.run(client.server_info())
        session.plan()
        todo.title = "first"
        session.add(new)
        with rival(app.server, records) as slow:
            with pytest.raises(CommitError):
                session.commit()
            slow.rollback()
        todo.title, new.title = "second", "newer"
        result = session.commit()
        assert result.ok
        stored = app.stored()
        assert (stored["x"]["title"], stored["y"]["title"]) == ("second", "newer")
        assert stored == {"x": todo.to_document(), "y": new.to_document()}


class TestSeveralTimes:
    """Of a write that was sent twice, what is said of the second says nothing of the first."""

    @on_memory
    @pytest.mark.parametrize("second", [403, None])
    def test_a_first_try_that_comes_late(self, app: App, second: int | None) -> None:
        """A first try may be applied after the second was refused, or did not reach the server."""
        app.create([{"id": "x", "title": "a"}])
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url, retry=HASTY))
            todo = session.get_one(Todo, "x")
            todo.title = "late"
            proxy.answer(504, {"code": 504}, when=writes)
            if second is None:
                proxy.drop(when=writes, times=2)
            else:
                proxy.answer(second, {"code": second}, when=writes)
            with pytest.raises(CommitError) as caught:
                session.commit()
            assert caught.value.result.unknown == (todo,)
            app.raw.patch_record(id="x", data={"title": "late"})  # Here it is.
            todo.title = "newer"
            assert session.commit().updated == (todo,)
            assert app.stored()["x"]["title"] == "newer"

    def test_delete_while_the_commit_is_under_way(self, app: App) -> None:
        """A new record that is deleted before its batch is sent is deleted by the next commit."""
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url))
            todos = [Todo(title="x") for _ in range(30)]
            session.add_all(todos)
            session.plan()

            def delete(answer: Any) -> Any:
                session.delete(todos[29])
                return answer

            proxy.change_answer(delete, when=writes)
            session.commit()
            assert session.deleted == (todos[29],)
            assert session.commit().deleted == (todos[29],)
            assert len(app.stored()) == 29

    @on_memory
    def test_what_was_dealt_with_is_not_told_again(self, app: App) -> None:
        """A conflict from before an interruption is not raised once it is resolved."""
        app.create([{"id": f"r{index:02}", "title": "a"} for index in range(30)])
        client = app.client()
        session = app.session(client)
        todos = session.query(Todo).all()
        for todo in todos:
            todo.title = "b"
        app.raw.patch_record(id="r00", data={"title": "theirs"})
        session.plan()
        perform, batches = client._port.perform, []

        def interrupted(step: Any) -> Any:
            if getattr(step, "path", "") == "/batch":
                batches.append(step)
                if len(batches) == 2:
                    raise KeyboardInterrupt
            return perform(step)

        client._port.perform = interrupted
        with pytest.raises(KeyboardInterrupt):
            session.commit()
        session.refresh(todos[0])
        result = session.commit()
        assert len(result.updated) == 29
        assert result.unchanged == (todos[0],)
        assert {each["title"] for each in app.stored().values()} == {"b", "theirs"}

    @on_memory
    def test_a_ghost(self, app: App) -> None:
        """A record that was deleted before it is known to exist is unknown until it is seen."""
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url, retry=HASTY))
            todo = Todo(id="x", title="a")
            session.add(todo)
            proxy.answer(504, {"code": 504}, when=writes, times=3)
            with pytest.raises(CommitError):
                session.commit()
            session.delete(todo)
            assert session.commit().unknown == (todo,)
            app.raw.create_record(id="x", data=todo.to_document())  # Here it is.
            assert session.commit().deleted == (todo,)
            assert app.stored() == {}
            assert todo not in session


class TestPartly:
    """Of what partly failed, each part is told apart."""

    @on_memory
    def test_halves(self, app: App) -> None:
        """A batch that is halved, and whose second half is refused: the first is created."""
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url, retry=HASTY))
            todos = [Todo(id=f"t{index}", title="x" * 50) for index in range(8)]
            session.add_all(todos)
            session.plan()
            proxy.answer(413, "too large", when=lambda request: len(request.entries) == 8)
            proxy.answer(401, {"code": 401}, when=writes, nth=2)
            with pytest.raises(CommitError) as caught:
                session.commit()
            result = caught.value.result
            assert result.created == tuple(todos[:4])
            assert [type(error) for error in result.errors] == [Unauthorized] * 4
            assert sorted(app.stored()) == ["t0", "t1", "t2", "t3"]
            assert session.commit().created == tuple(todos[4:])

    @on_memory
    @pytest.mark.parametrize("action", ["update", "delete"])
    def test_a_404_that_is_not_of_kinto(self, app: App, action: str) -> None:
        """A 404 of something in between says nothing of the record."""
        app.create([{"id": "x", "title": "a"}])
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url, retry=HASTY))
            todo = session.get_one(Todo, "x")
            if action == "delete":
                session.delete(todo)
            else:
                todo.title = "b"
            proxy.answer(404, "<html>nothing here", when=writes)
            with pytest.raises(CommitError) as caught:
                session.commit()
            assert not isinstance(caught.value, ConflictError)
            assert len(caught.value.result.errors) == 1
            assert todo in session
            proxy.answer(404, "<html>nothing here", times=1)
            with pytest.raises(ResponseError):
                session.get(Todo, "y")

    def test_what_is_not_in_the_plan(self, app: App) -> None:
        """Changes that are not in a plan are neither written, nor called unchanged."""
        app.create([{"id": ident, "title": "a"} for ident in "xyz"])
        session = app.session()
        one, other, third = session.query(Todo).all()
        one.title = "b"
        plan = session.plan()
        other.title, new = "c", Todo(id="new", title="d")
        session.add(new)
        result = session.commit(plan)
        assert (result.updated, result.unchanged) == ((one,), (third,))
        assert set(map(id, result.not_sent)) == {id(other), id(new)}
        assert not result.ok

    def test_a_plan_after_a_refresh(self, app: App) -> None:
        """A plan whose record was refreshed since is out of date."""
        app.create([{"id": "x", "title": "a"}])
        session = app.session()
        todo = session.get_one(Todo, "x")
        todo.title = "b"
        plan = session.plan()
        session.refresh(todo)
        with pytest.raises(StalePlanError):
            session.commit(plan)
        assert app.stored()["x"]["title"] == "a"


class TestOneRecordInManyPlaces:
    """A record in two sessions, under two ids, or of two kinds."""

    def test_two_sessions(self, app: App) -> None:
        """A record that one session deletes is not created again by another."""
        app.create([{"id": "x", "title": "a"}])
        one, other = app.session(), app.session()
        todo = one.get_one(Todo, "x")
        other.add(todo)
        one.delete(todo)
        one.commit()
        todo.title = "b"
        with pytest.raises(ConflictError):
            other.commit()
        assert app.stored() == {}

    @on_memory
    def test_another_id(self, app: App) -> None:
        """A record that was given another id is not another record."""
        app.create([{"id": "x", "title": "a"}])
        session = app.session()
        todo = session.get_one(Todo, "x")
        todo.id = "y"
        with pytest.raises(InvalidRequest, match="an id cannot be changed"):
            session.add(todo)
        session.expunge(todo)
        assert session.commit().requests == 0

    class Shape(Record, collection="todos", tag_field="kind"):
        """Any kind."""

    class Circle(Shape, tag="circle"):
        radius: Field[float] = field(default=1.0)

    @pytest.mark.parametrize("kinds", [("blob", "circle"), ("circle", "blob")])
    def test_another_kind(self, app: App, kinds: tuple[str, str]) -> None:
        """A record that becomes one of another kind elsewhere is not mixed up."""
        app.create([{"id": "x", "kind": kinds[0], "radius": 2.0}])
        session = app.session()
        shape = session.get_one(self.Shape, "x")
        app.raw.patch_record(id="x", data={"kind": kinds[1]})
        with pytest.raises(InvalidRequest, match="expunge it and get it again"):
            session.refresh(shape)
        assert session.commit().requests == 0
        (again,) = session.query(self.Shape).all()
        assert type(again) is not type(shape)
        assert again is not shape
        assert shape not in session
        assert session.commit().requests == 0
        assert app.stored()["x"]["radius"] == 2.0


@on_memory
def test_the_default_bucket(app: App) -> None:
    """An id that Kinto would change in the bucket called default is refused (D3)."""
    session = app.session(app.client(bucket="default"))
    session.add(Todo(id="my-default-1", title="a"))
    with pytest.raises(InvalidId, match="in the bucket 'default'"):
        session.commit()


@on_memory
def test_errors_can_be_copied(app: App) -> None:
    """A commit's error passes to another process, without what it was caused by."""
    app.create([{"id": "x", "title": "theirs"}])
    session = app.session()
    session.add(Todo(id="x", title="ours"))
    with pytest.raises(ConflictError) as caught:
        session.commit()
    for error in (pickle.loads(pickle.dumps(caught.value)), copy.copy(caught.value)):
        assert type(error) is ConflictError
        assert str(error) == str(caught.value)
        (conflict,) = error.result.conflicts
        assert (conflict.remote or {})["title"] == "theirs"
        assert conflict.fields == ("title",)
