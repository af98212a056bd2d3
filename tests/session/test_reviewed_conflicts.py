"""What a commit does when the program interferes with it: in resolvers, in handlers, meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from apps import APART, COMBINATIONS, App
from faults import FaultProxy
from kinto_orm import Conflict, Field, GuardedJSONPatch, Plan, Record, field
from kinto_orm.exceptions import InvalidRequest, NotConfirmed, UnlockedWarning
from kinto_orm.query.items import LOCK
from kinto_orm.session.events import listen
from session.models import Address, Todo


APPS = APART


some = pytest.mark.parametrize("app", COMBINATIONS[::2], indirect=True)


@pytest.fixture
def one(app: App) -> None:
    """Have a record *x* on the server."""
    app.create([{"id": "x", "title": "a", "priority": 1, "tags": ["t"], "note": "n"}])


def theirs(app: App, **changes: Any) -> None:
    """Have somebody else change the record *x*."""
    app.raw.patch_record(id="x", data=changes)


def readers(app: App) -> list[str]:
    """Return who may read the record *x*."""
    permissions = app.raw.get_record(id="x")["permissions"]
    found: list[str] = permissions.get("read", [])
    return found


@some
@pytest.mark.usefixtures("one")
class TestDocumentsOfConflicts:
    """The documents of a conflict are the program's: a function may change them in place."""

    @pytest.mark.parametrize("side", ["local", "remote"])
    def test_a_document_that_is_changed_and_given_back_is_written(
        self, app: App, side: str
    ) -> None:
        """What a function makes of one of the documents, inside as well, is on the server."""

        def resolve(conflict: Conflict) -> dict[str, Any]:
            document: dict[str, Any] = getattr(conflict, side)
            document["note"] = "resolved"
            document["tags"].append("resolved")
            return document

        session = app.session(on_conflict=resolve)
        todo = session.get_one(Todo, "x")
        theirs(app, priority=2)
        todo.title = "mine"
        result = session.commit()
        assert (result.merged, result.requests) == ((todo,), 2)
        stored = app.stored()["x"]
        assert (stored["note"], stored["tags"]) == ("resolved", ["t", "resolved"])
        assert todo.to_document() == stored
        assert session.plan().writes == ()


@some
@pytest.mark.usefixtures("one")
class TestMeanwhile:
    """What is changed while a conflict is resolved stays a change."""

    def test_permissions(self, app: App) -> None:
        """Who is permitted something while a record is merged is permitted it, after all."""
        session = app.session(on_conflict="merge")
        todo = session.get_one(Todo, "x")
        session.load_permissions(todo)
        theirs(app, priority=2)
        app.raw.patch_record(id="x", permissions={"read": ["account:ann"]})
        todo.title = "mine"

        @listen(session._inner, "conflict")
        def permit(_: Conflict) -> None:
            todo.permissions.read.add("system.Everyone")

        assert session.commit().merged == (todo,)
        session.commit()
        assert sorted(readers(app)) == ["account:ann", "system.Everyone"]
        assert app.stored()["x"]["title"] == "mine"

    def test_a_deletion(self, app: App) -> None:
        """A record that is deleted while it is merged is gone after the next commit."""
        session = app.session(on_conflict="merge")
        todo = session.get_one(Todo, "x")
        theirs(app, priority=2)
        todo.title = "mine"

        @listen(session._inner, "conflict")
        def delete(_: Conflict) -> None:
            session._inner.delete(todo)

        assert session.commit().merged == (todo,)
        assert session.deleted == (todo,)
        assert session.commit().deleted == (todo,)
        assert app.stored() == {}

    def test_a_record_is_added_again(self, app: App) -> None:
        """A deletion that wins is made; if the record was added again, it is then created."""
        session = app.session(on_conflict="client_wins")
        todo = session.get_one(Todo, "x")
        theirs(app, priority=2)
        session.delete(todo)

        @listen(session._inner, "conflict")
        def add(_: Conflict) -> None:
            session._inner.add(todo)

        assert session.commit().deleted == (todo,)
        assert session.new == (todo,)
        assert session.commit().created == (todo,)
        assert app.stored()["x"]["title"] == "a"

    def test_a_record_is_expunged_by_the_function(self, app: App) -> None:
        """What the function that is asked about it expunges is not written: it is a conflict."""

        def expunge(conflict: Conflict) -> str:
            session._inner.expunge(conflict.record)
            return "merge"

        session = app.session(on_conflict=expunge)
        todo = session.get_one(Todo, "x")
        theirs(app, priority=2)
        todo.title = "mine"
        with pytest.raises(ExceptionGroup) as caught:
            session.commit()
        (conflict,) = caught.value.exceptions
        assert isinstance(conflict, Conflict)
        assert app.stored()["x"]["title"] == "a"
        assert todo.title == "mine"

    def test_the_session_is_cleared(self, app: App) -> None:
        """The result has what was written, even if a handler has the session forget all of it."""
        session = app.session()
        todo, new = session.get_one(Todo, "x"), Todo(title="new")
        todo.title = "mine"
        session.add(new)

        @listen(session._inner, "after_send")
        def clear(_: Any) -> None:
            session._inner.clear()

        result = session.commit()
        assert (result.created, result.updated) == ((new,), (todo,))
        assert todo not in session


@some
@pytest.mark.usefixtures("one")
def test_permissions_that_could_not_be_read_are_not_dropped(app: App) -> None:
    """If it cannot be asked what a record permits by now, what is to be permitted is kept."""
    with FaultProxy(app.server.url) as proxy:
        session = app.session(app.client(proxy.url, retry=0), on_conflict="merge")
        todo = session.get_one(Todo, "x")
        session.load_permissions(todo)
        theirs(app, priority=2)
        todo.title = "mine"
        todo.permissions.read.add("system.Everyone")
        proxy.drop(when=lambda request: request.method == "GET", times=2)
        with pytest.raises(ExceptionGroup) as caught:
            session.commit()
        (conflict,) = caught.value.exceptions
        assert isinstance(conflict, Conflict)
        assert "what it permits" in str(conflict.__notes__)
        assert readers(app) == []
        assert session.commit().merged == (todo,)
        assert readers(app) == ["system.Everyone"]
        assert app.stored()["x"]["title"] == "mine"


def locked(session: Any) -> list[bool]:
    """Return for each request that wrote whether it is a batch with a lock around it."""
    return [
        [part.method for part in request.parts if part.path.endswith(f"/{LOCK}")]
        == ["PUT", "DELETE"]
        if request.path == "/batch"
        else False
        for request in session.writes
    ]


@some
class TestHeldItems:
    """Who holds an item of a list holds the same item after a merge."""

    @pytest.mark.parametrize(
        ("theirs", "edited"),
        [
            (["B", "C"], ["b", "C"]),
            (["A", "B", "C"], ["A", "b", "C"]),
            (["B", "A"], ["b", "A"]),
            (["C", "B"], ["C", "b"]),
            (["B"], ["b"]),
            (["A", "C"], ["A", "b"]),
            (["A"], ["A"]),
            (["C", "A"], ["C", "A"]),
            ([], []),
        ],
    )
    def test_an_edit(self, app: App, theirs: list[str], edited: list[str]) -> None:
        """What is edited then is that item, or one that took its place, and no other."""
        app.create([{"id": "x", "title": "a", "stops": [{"city": "A"}, {"city": "B"}]}])
        session = app.session(on_conflict="merge")
        todo = session.get_one(Todo, "x")
        stop = todo.stops[1]
        app.raw.patch_record(id="x", data={"stops": [{"city": city} for city in theirs]})
        todo.title = "mine"
        session.commit()
        stop.city = "b"
        session.commit()
        assert [each["city"] for each in app.stored()["x"]["stops"]] == edited

    def test_an_item_that_changed(self, app: App) -> None:
        """An item that changed and moved is known by what it still has."""
        app.create([{"id": "x", "title": "a", "stops": [
            {"city": "A", "zip": "1"}, {"city": "B", "zip": "2"},
        ]}])  # fmt: skip
        session = app.session(on_conflict="merge")
        todo = session.get_one(Todo, "x")
        stop = todo.stops[1]
        app.raw.patch_record(id="x", data={"stops": [{"city": "B", "zip": "3"}]})
        todo.title = "mine"
        session.commit()
        assert todo.stops[0] is stop
        assert stop.zip_code == "3"

    def test_a_value_in_two_places(self, app: App) -> None:
        """A value that the program has put in two places is two, once they differ."""
        session = app.session(on_conflict="merge")
        home = Address(city="Home")
        todo = Todo(id="x", title="a", address=home, stops=[home])
        session.add(todo)
        session.commit()
        app.raw.patch_record(id="x", data={"address": {"city": "Away"}})
        todo.title = "mine"
        assert session.commit().merged == (todo,)
        assert todo.to_document() == app.stored()["x"]
        assert app.stored()["x"]["address"] == {"city": "Away"}
        assert not session.is_modified(todo)


class Tagged(Record, collection="todos"):
    """A todo whose tags are a set."""

    title: Field[str]
    tags: Field[set[str]] = field(factory=set)
    note: Field[str | None] = field(default=None)


@some
@pytest.mark.usefixtures("one")
class TestWhatIsSaid:
    """A conflict, and the result of a commit that was broken off, say what is so."""

    def test_fields(self, app: App) -> None:
        """What no policy would have to decide is not among the fields that clash."""
        session = app.session()
        tagged = session.query(Tagged).only(Tagged.title, Tagged.tags).one()
        theirs(app, title="theirs", tags=["t", "theirs"])
        tagged.title, tagged.note = "mine", "set without being loaded"
        tagged.tags.add("mine")
        with pytest.raises(ExceptionGroup) as caught:
            session.commit()
        (conflict,) = caught.value.exceptions
        assert isinstance(conflict, Conflict)
        assert conflict.fields == ("title",)

    def test_the_request_that_a_handler_breaks_off_after(self, app: App) -> None:
        """The request whose answer a handler was told of when it failed is counted."""
        session = app.session()
        todo = session.get_one(Todo, "x")
        todo.title = "mine"

        @listen(session._inner, "after_send")
        def fail(_: Any) -> None:
            raise KeyError

        with pytest.raises(KeyError):
            session.commit()
        assert session.last_result.updated == (todo,)
        assert session.last_result.requests == 1

    def test_a_handler_that_fails_after_a_commit_that_failed(self, app: App) -> None:
        """Its error says that the commit had failed, too."""
        session = app.session()
        todo = session.get_one(Todo, "x")
        theirs(app, title="theirs")
        todo.title = "mine"

        @listen(session._inner, "after_commit")
        def fail(*_: Any) -> None:
            raise KeyError

        with pytest.raises(KeyError) as caught:
            session.commit()
        assert "1 in conflict" in caught.value.__notes__[0]


@some
@pytest.mark.usefixtures("one")
class TestSecondLook:
    """`verify=True` finds what is undone, however that was done."""

    def test_what_a_change_is_in_is_gone(self, app: App) -> None:
        """A value that is not there any more, with the object it was in, is not confirmed."""
        theirs(app, address={"city": "Rome", "zip": "1"})
        session = app.session()
        todo = session.get_one(Todo, "x")
        todo.address.city = "Oslo"

        @listen(session._inner, "after_send")
        def undo(_: Any) -> None:
            app.raw.update_record(id="x", data={"title": "a"})

        with pytest.raises(ExceptionGroup) as caught:
            session.commit(verify=True)
        (error,) = caught.value.exceptions
        assert isinstance(error, NotConfirmed)
        assert "address" in str(error)

    def test_a_permission_that_was_taken_away(self, app: App) -> None:
        """It is not confirmed."""
        session = self.permitted_and(app, [])
        with pytest.raises(ExceptionGroup) as caught:
            session.commit(verify=True)
        (error,) = caught.value.exceptions
        assert isinstance(error, NotConfirmed)
        assert "permissions.read" in str(error)

    def test_a_permission_more(self, app: App) -> None:
        """Somebody who permits something to others, too, contradicts nothing."""
        session = self.permitted_and(app, ["account:ann", "account:bob"])
        assert [each.id for each in session.commit(verify=True).updated] == ["x"]

    def permitted_and(self, app: App, since: list[str]) -> Any:
        """Return a session that permits reading to Ann; *since* that is sent, these may read."""
        session = app.session()
        todo = session.get_one(Todo, "x")
        session.load_permissions(todo)
        todo.permissions.read.add("account:ann")

        @listen(session._inner, "after_send")
        def change(_: Any) -> None:
            app.raw.patch_record(id="x", permissions={"read": since})

        return session


@some
@pytest.mark.usefixtures("one")
class TestLocks:
    """What is asked to be locked is locked, whatever way it comes; or there is a warning."""

    def test_a_plan_says_whether_it_locks(self, app: App) -> None:
        """A plan locks if it was made so, whatever the session does otherwise."""
        session = app.session()
        todo = session.get_one(Todo, "x")
        todo.title = "mine"
        session.commit(session.plan(lock=True))
        todo.title = "again"
        session.commit(session.plan())
        assert locked(session) == [True, False]
        with pytest.raises(InvalidRequest, match="a plan says"):
            session.commit(session.plan(), lock=True)

    def test_a_full_batch(self, app: App) -> None:
        """A batch that has no room left for a lock becomes two."""
        app.create([{"id": f"r{i}", "title": "a"} for i in range(24)])
        session = app.session()
        for todo in session.query(Todo):
            todo.title = "mine"
        assert len(session.plan()) == 1
        assert session.commit(session.plan(lock=True)).requests == 2
        assert locked(session) == [True, True]
        assert {each["title"] for each in app.stored().values()} == {"mine"}

    @pytest.mark.parametrize("count", [1, 22, 23, 24, 60])
    def test_a_plan_as_text(self, app: App, count: int) -> None:
        """A plan that was written and read again locks, in the same batches."""
        app.create([{"id": f"r{i:02}", "title": "a"} for i in range(count - 1)])
        made = app.session(lock=True)
        for todo in made.query(Todo):
            todo.title = "mine"
        made.add(Todo(id="new", title="new"))
        plan = made.plan()
        read = Plan.from_json(plan.to_json(), models=[Todo])
        assert read.locked
        assert [len(chunk) for chunk in read.chunks] == [len(chunk) for chunk in plan.chunks]
        session = app.session()
        assert session.commit(read).ok
        assert locked(session) == [True] * len(plan)
        assert {each["title"] for each in app.stored().values()} == {"mine", "new"}

    def test_guards_give_way(self, app: App) -> None:
        """A guarded JSON Patch cannot be in a batch: a lock is better than guards."""
        session = app.session(lock=True, patch=GuardedJSONPatch)
        todo = session.get_one(Todo, "x")
        todo.title = "mine"
        assert session.commit().updated == (todo,)
        assert locked(session) == [True]

    def test_what_no_batch_can_say(self, app: App) -> None:
        """Where a lock is not possible, there is a warning that names the record."""
        session = app.session(lock=True)
        todo = session.query(Todo).only(Todo.title, Todo.note).one()
        todo.note = None
        with pytest.warns(UnlockedWarning, match=r"Todo .*/x is written without a lock"):
            session.commit()
        assert "note" not in app.stored()["x"]
