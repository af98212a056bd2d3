"""What runs under random faults (`runs`) have found, each reduced to what it takes."""

from __future__ import annotations

from typing import Any

import pytest

from apps import COMBINATIONS, App
from faults import Ask, FaultProxy, HttpAnswer, HttpRequest
from kinto_orm import CommitError, ConflictError, MergePatch, RetryPolicy
from kinto_orm.exceptions import NotAttempted, ServerError
from kinto_orm.patch_type import GuardedJSONPatch
from session.models import Todo


#: Not so patient that a test has to wait.
HASTY = RetryPolicy(attempts=1, jitter=lambda: 0.0)

on_two = pytest.mark.parametrize("app", COMBINATIONS[1:3], indirect=True)


def writes(request: HttpRequest) -> bool:
    """Tell whether a request that the proxy saw may change something."""
    return any(method not in ("GET", "HEAD") for method, _ in request.entries)


def reads(request: HttpRequest) -> bool:
    """Tell whether a request that the proxy saw is for records, and changes nothing."""
    return not writes(request) and "/records" in request.entries[0][1]


@on_two
class TestOthersWroteAfterIt:
    """An answer is lost, and before the session looks, somebody else changes the record, too."""

    def begun(self, app: App, proxy: FaultProxy, **theirs: Any) -> tuple[Any, Any]:
        """Change the title of a record; others will change theirs when that is written."""
        session = app.session(app.client(proxy.url))
        app.create([{"id": "x", "title": "before", "note": "before"}])
        todo = session.get_one(Todo, "x")
        todo.title = "ours"

        def lose(_: HttpRequest, ask: Ask) -> None:
            ask()
            app.raw.patch_record(id="x", **theirs)

        proxy.instead(lose, when=writes)
        return session, todo

    def test_another_field(self, app: App) -> None:
        """What both wrote is there: it is no conflict, and the session has both."""
        with FaultProxy(app.server.url) as proxy:
            session, todo = self.begun(app, proxy, data={"note": "theirs"})
            result = session.commit()
            assert result.updated == (todo,)
            assert (todo.title, todo.note) == ("ours", "theirs")
            assert app.stored()["x"] == todo.to_document()
            assert session.plan().writes == ()

    def test_the_same_field(self, app: App) -> None:
        """Then it is a conflict, which does not claim that nothing was ever written."""
        with FaultProxy(app.server.url) as proxy:
            session, todo = self.begun(app, proxy, data={"title": "theirs"})
            with pytest.raises(ConflictError) as caught:
                session.commit()
            (conflict,) = caught.value.result.conflicts
            assert "It may have been written before that" in str(conflict)
            assert (conflict.remote or {})["title"] == "theirs"
            assert session.dirty == (todo,)

    def test_permissions(self, app: App) -> None:
        """Permissions that others have set anew are not taken for those that were meant."""
        with FaultProxy(app.server.url) as proxy:
            session, todo = self.begun(app, proxy, permissions={"read": ["account:bob"]})
            todo.permissions.read = {"account:ann"}
            with pytest.raises(ConflictError):
                session.commit()
            assert session.dirty == (todo,)


@on_two
def test_a_refusal_that_cannot_be_looked_into(app: App) -> None:
    """A write that was refused at its first try was not applied, whatever comes afterwards."""
    with FaultProxy(app.server.url) as proxy:
        session = app.session(app.client(proxy.url, retry=HASTY))
        session.add(todo := Todo(id="x", title="ours"))
        todo.permissions.read = {"account:ann"}
        app.create([{"id": "x", "title": "theirs"}])
        proxy.drop(when=reads)  # A refusal does not tell permissions, so that the session looks.
        with pytest.raises(ConflictError) as caught:
            session.commit()
        (conflict,) = caught.value.result.conflicts
        assert (conflict.remote or {})["title"] == "theirs"
        assert session.new == (todo,)


@on_two
def test_a_refusal_that_is_looked_into(app: App) -> None:
    """A write that was refused at its first try did nothing, and is not said to have, perhaps."""
    session = app.session()
    session.add(todo := Todo(id="x", title="ours"))
    todo.permissions.read = {"account:ann"}
    app.create([{"id": "x", "title": "theirs"}])
    with pytest.raises(ConflictError) as caught:
        session.commit()
    assert "Nothing was written to it" in str(caught.value.exceptions[0])


@on_two
class TestUnableToSay:
    """The server answers, but cannot say what it has (a 503): later it can."""

    def test_by_the_end_of_the_commit(self, app: App) -> None:
        """What could not be looked for at once is looked for at the end, and written then."""
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url, retry=HASTY))
            session.add_all(Todo(id=f"t{number:02}", title="x") for number in range(60))
            session.plan()
            proxy.drop(when=writes)
            proxy.answer(503, when=reads)
            result = session.commit()
            assert len(result.created) == 60
            assert len(app.stored()) == 60

    def test_some_of_it(self, app: App) -> None:
        """Of two looks one gets no answer: the server is not out of reach, and is asked again."""
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url, retry=HASTY))
            session.add_all(Todo(id=f"t{number:02}", title="x") for number in range(30))
            session.plan()
            proxy.lose_answer(when=writes, times=2)
            proxy.answer(503, when=reads, times=2)
            proxy.drop(when=reads)  # The first look at the end; the second one is answered.
            result = session.commit()
            assert len(result.created) == 30

    def test_before_a_commit(self, app: App) -> None:
        """A record that may have come, and is to go, is not left behind: nothing is written yet."""
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url, retry=HASTY))
            session.add(todo := Todo(id="x", title="ours"))
            proxy.lose_answer(when=writes)
            proxy.answer(503, when=reads, times=3)  # Twice by the commit, once by the next.
            with pytest.raises(CommitError) as caught:
                session.commit()
            assert caught.value.result.unknown == (todo,)
            session.delete(todo)
            session.add(Todo(id="y", title="ours"))
            with pytest.raises(ServerError):
                session.commit()
            assert list(app.stored()) == ["x"]
            assert session.commit().deleted == (todo,)
            assert list(app.stored()) == ["y"]


@on_two
class TestLateWrites:
    """A write may arrive when everybody has given it up; then it must not have been denied."""

    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    @pytest.mark.parametrize("count", [1, 3])
    def test_a_gateway_that_gives_up(self, app: App, status: int, count: int) -> None:
        """A 5xx that Kinto did not give leaves it unknown whether the server is still at work."""
        held: list[HttpRequest] = []

        def give_up(request: HttpRequest, _: Ask) -> HttpAnswer:
            held.append(request)
            return HttpAnswer(status, [("content-type", "text/html")], b"<p>Not available.</p>")

        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url, retry=HASTY))
            session.add_all(todos := [Todo(title="x") for _ in range(count)])
            session.plan()
            fault = proxy.instead(give_up, when=writes, times=None)
            with pytest.raises(CommitError) as caught:
                session.commit()
            assert list(caught.value.result.unknown) == todos
            proxy.forward(held[0])
            assert len(app.stored()) == count
            sent = fault.count
            assert list(session.commit().created) == todos
            assert fault.count == sent

    def test_a_server_that_fails(self, app: App) -> None:
        """After a 5xx of Kinto's own, what is not there was not written, and never will be."""
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url, retry=HASTY))
            session.add(todo := Todo(title="x"))
            proxy.answer(503, {"code": 503, "errno": 201}, when=writes, times=None)
            with pytest.raises(CommitError) as caught:
                session.commit()
            (error,) = caught.value.result.errors
            assert isinstance(error, ServerError)
            assert error.record is todo

    def test_not_sent_this_time(self, app: App) -> None:
        """That a write was not sent again does not say that it was not sent before."""
        held: list[HttpRequest] = []
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url, retry=HASTY))
            app.create([{"id": f"t{number:02}", "title": "before"} for number in range(30)])
            todos = session.query(Todo).all()
            todos.sort(key=lambda todo: str(todo.id))
            todos[28].title = todos[29].title = "ours"
            session.plan()
            todos[28].title = "before"
            proxy.instead(lambda request, _: held.append(request), when=writes, times=3)
            with pytest.raises(CommitError) as caught:
                session.commit()
            assert caught.value.result.unknown == (todos[29],)
            for todo in todos[:29]:
                todo.title = "ours"
            proxy.drop(nth=2, times=2)  # The first batch of two, and the look for it.
            with pytest.raises(CommitError) as caught:
                session.commit()
            result = caught.value.result
            assert todos[29] in result.unknown
            assert [error.record for error in result.errors] == todos[25:29]
            proxy.forward(held[0])
            assert app.stored()["t29"]["title"] == "ours"
            assert len(session.commit().updated) == 30


@on_two
def test_a_move_when_the_server_is_out_of_reach(app: App) -> None:
    """What is to go from its old place waits for the next commit, as all that was left."""
    app.create([{"id": "a", "title": "before"}, {"id": "z", "title": "moves"}])
    app.raw.create_collection(id="archive")
    with FaultProxy(app.server.url) as proxy:
        session = app.session(app.client(proxy.url, retry=HASTY), patch=GuardedJSONPatch)
        one, other = session.get_one(Todo, "a"), session.get_one(Todo, "z")
        one.title = "after"
        copy = session.move(other, Todo.at(collection="archive"))
        proxy.drop(when=lambda request: request.method == "PATCH")
        proxy.drop(when=lambda request: request.path.endswith("/todos/records/a"), times=None)
        with pytest.raises(CommitError) as caught:
            session.commit()
        result = caught.value.result
        assert (result.created, result.unknown) == ((copy,), (one,))
        assert [type(error) for error in result.errors] == [NotAttempted]
        assert [method for method, _ in proxy.calls if method == "DELETE"] == []
    assert set(app.stored()) == {"a", "z"}
    assert set(app.stored("archive")) == {"z"}


@on_two
@pytest.mark.parametrize("loaded", [False, True])
def test_a_blind_patch_that_is_found_out_late(app: App, loaded: bool) -> None:  # noqa: FBT001
    """If the server first cannot say whether it was applied, the record is as it is in the end."""
    app.create([{"id": "x", "title": "before"}])
    with FaultProxy(app.server.url) as proxy:
        session = app.session(app.client(proxy.url, retry=HASTY))
        if loaded:
            session.get_one(Todo, "x")
        todo = session.patch(Todo, "x", MergePatch({"note": "blind"}))
        proxy.drop(when=writes)
        proxy.instead(lambda _, __: HttpAnswer(503), when=reads)
        result = session.commit()
        assert result.updated == (todo,)
        assert todo in session
        assert (todo.title, todo.note) == ("before", "blind")
        assert todo.to_document() == app.stored()["x"]
        assert session.plan().writes == ()


@on_two
def test_what_others_removed_after_it(app: App) -> None:
    """It is not put back: neither a value, nor a list, nor an embedded record."""
    before = {"title": "t", "priority": 3, "tags": ["a"], "address": {"city": "Rome", "street": 1}}
    app.create([{"id": "x", **before}])
    with FaultProxy(app.server.url) as proxy:
        session = app.session(app.client(proxy.url, retry=HASTY))
        todo = session.get_one(Todo, "x")
        todo.note = "ours"

        def lose(_: HttpRequest, ask: Ask) -> None:
            ask()
            app.raw.update_record(id="x", data={"title": "t", "note": "ours"})

        proxy.instead(lose, when=writes)
        assert session.commit().updated == (todo,)
    assert (todo.priority, todo.tags, todo.address) == (0, [], None)
    assert session.plan().writes == ()
    assert app.stored()["x"].keys() == {"id", "last_modified", "title", "note"}


@pytest.mark.parametrize("app", COMBINATIONS[:2], indirect=True)
def test_a_creation_that_others_changed_is_deleted_here(app: App) -> None:
    """A creation that is unknown, changed by others and deleted here is not forgotten silently."""
    with FaultProxy(app.server.url) as proxy:
        session = app.session(app.client(proxy.url, retry=HASTY))
        todo = Todo(id="x", title="mine")
        session.add(todo)
        proxy.lose_answer(when=lambda request: request.method == "PUT")
        proxy.drop(when=lambda request: request.method == "GET")
        with pytest.raises(CommitError) as caught:
            session.commit()
        assert caught.value.result.unknown == (todo,)
        app.raw.patch_record(id="x", data={"title": "theirs"})
        session.delete(todo)
        with pytest.raises(ConflictError) as conflicted:
            session.commit()
        (conflict,) = conflicted.value.result.conflicts
        assert (conflict.record, conflict.kind) == (todo, "deleted by us")
        assert app.stored()["x"]["title"] == "theirs"
        assert session.commit(on_conflict="client_wins").deleted == (todo,)
        assert app.stored() == {}
