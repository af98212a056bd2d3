"""What becomes of records that both sides changed: policies, of sessions, classes and commits."""

from __future__ import annotations

from typing import Any

import pytest

from apps import APART, COMBINATIONS, App
from kinto_orm import Conflict, ConflictError, Embedded, Field, Record, embedded, field
from kinto_orm.exceptions import InvalidRequest
from kinto_orm.session.events import listen, unlisten
from kinto_orm.session.writing import MERGES
from session.models import Address, Todo


APPS = APART


blocking = pytest.mark.parametrize("app", COMBINATIONS[:1], indirect=True)


def theirs(app: App, **changes: Any) -> None:
    """Have somebody else change the record *x*."""
    app.raw.patch_record(id="x", data=changes)


@pytest.fixture
def one(app: App) -> dict[str, Any]:
    """Have a record *x* on the server."""
    document = {
        "id": "x", "title": "a", "priority": 1, "tags": ["t"], "note": "n",
        "address": {"city": "Rome", "zip": "1", "floor": 2}, "more": {"of": 1},
    }  # fmt: skip
    app.create([document])
    return document


@pytest.mark.usefixtures("one")
class TestMerge:
    """`on_conflict="merge"` joins changes of different things."""

    def test_different_fields_are_joined(self, app: App) -> None:
        """Both changes are on the server, and in the record; it costs one write more, no read."""
        session = app.session(on_conflict="merge")
        todo = session.get_one(Todo, "x")
        theirs(app, priority=2, extra="theirs")
        todo.title = "mine"
        before = len(session.sent)
        result = session.commit()
        assert result.merged == (todo,)
        assert result.ok
        assert str(result) == "1 merged; 2 requests"
        assert [each.method for each in session.sent[before:]] == ["PATCH", "PATCH"]
        stored = app.stored()["x"]
        assert (stored["title"], stored["priority"], stored["extra"]) == ("mine", 2, "theirs")
        assert stored["more"] == {"of": 1}
        assert todo.to_document() == stored
        assert (todo.title, todo.priority, todo.extra["extra"]) == ("mine", 2, "theirs")
        assert session.plan().writes == ()

    def test_inside_of_an_object(self, app: App) -> None:
        """What is in an object is joined, too, also what the class does not declare."""
        session = app.session(on_conflict="merge")
        todo = session.get_one(Todo, "x")
        theirs(app, address={"city": "Rome", "zip": "2", "floor": 3})
        todo.address.city = "Oslo"
        address = todo.address
        assert session.commit().merged == (todo,)
        assert app.stored()["x"]["address"] == {"city": "Oslo", "zip": "2", "floor": 3}
        assert todo.address is address  # Whoever holds it has the merge.
        assert (address.zip_code, address.extra) == ("2", {"floor": 3})
        address.city = "Bergen"
        assert session.commit().updated == (todo,)
        assert app.stored()["x"]["address"] == {"city": "Bergen", "zip": "2", "floor": 3}

    def test_a_clash_is_raised(self, app: App) -> None:
        """What both changed to something different is a conflict, and nothing of it is written."""
        session = app.session(on_conflict="merge")
        todo = session.get_one(Todo, "x")
        theirs(app, title="theirs", priority=2)
        todo.title, todo.note = "mine", "new"
        with pytest.raises(ConflictError) as caught:
            session.commit()
        (conflict,) = caught.value.result.conflicts
        assert conflict.kind == "both modified"
        assert conflict.fields == ("title",)
        stored = app.stored()["x"]
        assert (stored["title"], stored["note"]) == ("theirs", "n")
        assert (todo.title, todo.priority, todo.note) == ("mine", 1, "new")

    def test_the_same_change_twice(self, app: App) -> None:
        """What both changed alike needs no write."""
        session = app.session(on_conflict="merge")
        todo = session.get_one(Todo, "x")
        theirs(app, title="both")
        todo.title = "both"
        result = session.commit()
        assert result.unchanged == (todo,)
        assert app.stored()["x"] == todo.to_document()

    def test_a_touch_is_no_clash(self, app: App) -> None:
        """Who wrote the record without changing it stands in nobody's way."""
        session = app.session(on_conflict="merge")
        todo = session.get_one(Todo, "x")
        theirs(app)
        session.delete(todo)
        assert session.commit().deleted == (todo,)
        assert app.stored() == {}

    def test_many_are_merged_in_one_batch(self, app: App) -> None:
        """All that can be merged is sent again together; what clashes is reported."""
        app.create([{"id": f"r{i}", "title": "a", "note": "n"} for i in range(6)])
        session = app.session(on_conflict="merge")
        todos = {todo.id: todo for todo in session.query(Todo)}
        for i in range(4):
            app.raw.patch_record(id=f"r{i}", data={"note": f"theirs {i}"})
        app.raw.patch_record(id="r0", data={"title": "theirs"})
        for todo in todos.values():
            todo.title = "mine"
        with pytest.raises(ConflictError) as caught:
            session.commit()
        result = caught.value.result
        assert [each.record.id for each in result.conflicts] == ["r0"]
        assert {each.id for each in result.merged} == {"r1", "r2", "r3"}
        assert {each.id for each in result.updated} == {"r4", "r5", "x"}
        assert result.requests == 2
        stored = app.stored()
        assert {stored[f"r{i}"]["title"] for i in range(1, 6)} == {"mine"}
        assert [stored[f"r{i}"]["note"] for i in range(1, 4)] == [f"theirs {i}" for i in (1, 2, 3)]

    def test_somebody_is_faster_again(self, app: App) -> None:
        """A record that is changed again meanwhile is merged again, up to a limit."""
        session = app.session(on_conflict="merge")
        todo = session.get_one(Todo, "x")
        theirs(app, priority=2)
        todo.title = "mine"
        count = 0

        @listen(session._inner, "before_send")
        def overtake(_: Any) -> None:
            nonlocal count
            count += 1
            theirs(app, priority=count)

        with pytest.raises(ConflictError):
            session.commit()
        assert count == MERGES
        assert app.stored()["x"]["title"] == "a"
        unlisten(session._inner, "before_send", overtake)
        assert session.commit().merged == (todo,)
        assert (todo.title, todo.priority) == ("mine", MERGES)

    def test_edits_meanwhile_stay_edits(self, app: App) -> None:
        """What is edited while the merge is on its way is not lost, and sent by the next commit."""
        session = app.session(on_conflict="merge")
        todo = session.get_one(Todo, "x")
        theirs(app, address={"city": "Rome", "zip": "2", "floor": 2})
        todo.title = "mine"

        @listen(session._inner, "before_send")
        def edit(_: Any) -> None:
            todo.address.city = "Oslo"

        assert session.commit().merged == (todo,)
        assert app.stored()["x"]["address"] == {"city": "Rome", "zip": "2", "floor": 2}
        assert session.dirty == (todo,)
        assert session.commit().updated == (todo,)
        assert app.stored()["x"]["address"] == {"city": "Oslo", "zip": "2", "floor": 2}

    def test_permissions_are_sets(self, app: App) -> None:
        """What each side permitted is permitted, and what each took away is not."""
        app.raw.patch_record(id="x", permissions={"read": ["account:a", "account:b"]})
        session = app.session(on_conflict="merge")
        todo = session.get_one(Todo, "x")
        app.raw.patch_record(id="x", permissions={"read": ["account:b", "account:c"]})
        todo.permissions.read.add("account:d")
        todo.title = "mine"
        assert session.commit().merged == (todo,)
        found = app.raw.get_record(id="x")["permissions"]
        assert sorted(found["read"]) == ["account:b", "account:c", "account:d"]
        assert set(todo.permissions.read) == {"account:b", "account:c", "account:d"}

    def test_a_record_in_part(self, app: App) -> None:
        """A record that was loaded in part is merged as the rest of them."""
        session = app.session(on_conflict="merge")
        (todo,) = session.query(Todo).only(Todo.title)
        theirs(app, priority=9, note="theirs")
        todo.title, todo.note = "mine", "blind"
        assert session.commit().merged == (todo,)
        stored = app.stored()["x"]
        assert (stored["title"], stored["priority"], stored["note"]) == ("mine", 9, "blind")
        assert (todo.priority, todo.extra["more"]) == (9, {"of": 1})
        assert todo.to_document() == stored


class Labelled(Record, collection="todos", on_conflict="merge"):
    """A class with a policy of its own."""

    title: Field[str]
    labels: Field[set[str]] = field(factory=set)
    place: Embedded[Address | None] = embedded(default=None)


@pytest.mark.usefixtures("one")
class TestWhoseWord:
    """A commit's policy goes before a class's, which goes before the session's."""

    def test_of_a_class(self, app: App) -> None:
        """Records of a class are merged, those of others are not."""
        app.create([{"id": "y", "title": "y", "note": "n"}])
        session = app.session()
        labelled, other = session.get_one(Labelled, "x"), session.get_one(Todo, "y")
        theirs(app, note="theirs")
        app.raw.patch_record(id="y", data={"note": "theirs"})
        labelled.title = other.title = "mine"
        with pytest.raises(ConflictError) as caught:
            session.commit()
        assert caught.value.result.merged == (labelled,)
        assert [each.record for each in caught.value.result.conflicts] == [other]
        assert session.commit(on_conflict="merge").merged == (other,)

    def test_of_a_commit(self, app: App) -> None:
        """What a commit is told goes before what the class says."""
        session = app.session(on_conflict="client_wins")
        labelled = session.get_one(Labelled, "x")
        theirs(app, note="theirs")
        labelled.title = "mine"
        with pytest.raises(ConflictError):
            session.commit(on_conflict="raise")
        assert session.commit().merged == (labelled,)

    def test_sets_never_clash(self, app: App) -> None:
        """What both sides put into a set is in it."""
        session = app.session()
        labelled = session.get_one(Labelled, "x")
        labelled.labels = {"a", "b"}
        session.commit()
        theirs(app, labels=["b", "c"])
        labelled.labels.add("d")
        assert session.commit().merged == (labelled,)
        assert labelled.labels == {"b", "c", "d"}
        assert sorted(app.stored()["x"]["labels"]) == ["b", "c", "d"]

    @blocking
    def test_what_is_no_policy(self, app: App) -> None:
        """What cannot be a policy is refused where it is said."""
        with pytest.raises(InvalidRequest, match="on_conflict is 'merg'"):
            app.session(on_conflict="merg")
        with pytest.raises(InvalidRequest, match="on_conflict is 3"):
            app.session().commit(on_conflict=3)
        with pytest.raises(InvalidRequest, match="client_wins"):

            class Wrong(Record, collection="c", on_conflict="always"):  # type: ignore[arg-type]
                title: str


@pytest.mark.usefixtures("one")
class TestWinners:
    """Where both changed the same, one side wins; other changes are kept all the same."""

    @pytest.mark.parametrize(
        ("policy", "title"), [("client_wins", "mine"), ("server_wins", "theirs")]
    )
    def test_both_modified(self, app: App, policy: str, title: str) -> None:
        """The winner's value is on the server, with what only one side changed."""
        session = app.session(on_conflict=policy)
        todo = session.get_one(Todo, "x")
        theirs(app, title="theirs", priority=2)
        todo.title, todo.note = "mine", "new"
        assert session.commit().merged == (todo,)
        stored = app.stored()["x"]
        assert (stored["title"], stored["priority"], stored["note"]) == (title, 2, "new")
        assert todo.to_document() == stored
        assert session.plan().writes == ()

    def test_server_wins_altogether(self, app: App) -> None:
        """If nothing of ours is left, nothing is sent again."""
        session = app.session(on_conflict="server_wins")
        todo = session.get_one(Todo, "x")
        theirs(app, title="theirs")
        todo.title = "mine"
        writes = len(session.writes)
        assert session.commit().merged == (todo,)
        assert len(session.writes) - writes == 1
        assert todo.title == "theirs"
        assert todo.to_document() == app.stored()["x"]
        assert session.plan().writes == ()

    @pytest.mark.parametrize("policy", ["raise", "merge"])
    def test_deleted_by_them(self, app: App, policy: str) -> None:
        """Edited here and deleted there is a conflict of its own kind."""
        session = app.session(on_conflict=policy)
        todo = session.get_one(Todo, "x")
        app.raw.delete_record(id="x")
        todo.title = "mine"
        with pytest.raises(ConflictError) as caught:
            session.commit()
        (conflict,) = caught.value.result.conflicts
        assert (conflict.kind, conflict.remote) == ("deleted by them", None)

    def test_deleted_by_them_client_wins(self, app: App) -> None:
        """The record is created again, with all that it had, declared or not."""
        session = app.session(on_conflict="client_wins")
        todo = session.get_one(Todo, "x")
        app.raw.delete_record(id="x")
        todo.title = "mine"
        result = session.commit()
        assert result.created == (todo,)
        stored = app.stored()["x"]
        assert stored == todo.to_document()
        assert (stored["title"], stored["more"], stored["address"]["floor"]) == (
            "mine",
            {"of": 1},
            2,
        )
        todo.title = "again"
        assert session.commit().updated == (todo,)

    def test_deleted_by_them_server_wins(self, app: App) -> None:
        """The record is gone here, too."""
        session = app.session(on_conflict="server_wins")
        todo = session.get_one(Todo, "x")
        app.raw.delete_record(id="x")
        todo.title = "mine"
        assert session.commit().deleted == (todo,)
        assert todo not in session
        assert todo.last_modified is None
        assert session.get(Todo, "x") is None

    @pytest.mark.parametrize("policy", ["raise", "merge"])
    def test_deleted_by_us(self, app: App, policy: str) -> None:
        """Deleted here and edited there is a conflict of its own kind; nothing is deleted."""
        session = app.session(on_conflict=policy)
        todo = session.get_one(Todo, "x")
        theirs(app, title="theirs")
        session.delete(todo)
        with pytest.raises(ConflictError) as caught:
            session.commit()
        (conflict,) = caught.value.result.conflicts
        assert (conflict.kind, conflict.local) == ("deleted by us", None)
        assert session.deleted == (todo,)
        assert app.stored()["x"]["title"] == "theirs"

    def test_deleted_by_us_client_wins(self, app: App) -> None:
        """The record is deleted as it is now."""
        session = app.session(on_conflict="client_wins")
        todo = session.get_one(Todo, "x")
        theirs(app, title="theirs")
        session.delete(todo)
        assert session.commit().deleted == (todo,)
        assert app.stored() == {}

    def test_deleted_by_us_server_wins(self, app: App) -> None:
        """The record is not deleted, and is what the server has."""
        session = app.session(on_conflict="server_wins")
        todo = session.get_one(Todo, "x")
        theirs(app, title="theirs")
        session.delete(todo)
        assert session.commit().merged == (todo,)
        assert session.deleted == ()
        assert todo.to_document() == app.stored()["x"]
        assert session.get(Todo, "x") is todo

    def test_both_added(self, app: App) -> None:
        """Created twice is a conflict of its own kind, which a winner resolves."""
        session = app.session()
        todo = Todo(id="x", title="mine", note="mine")
        session.add(todo)
        with pytest.raises(ConflictError) as caught:
            session.commit()
        (conflict,) = caught.value.result.conflicts
        assert (conflict.kind, conflict.base) == ("both added", None)
        assert "title" in conflict.fields
        assert session.commit(on_conflict="client_wins").merged == (todo,)
        stored = app.stored()["x"]
        assert (stored["title"], stored["note"], stored["more"]) == ("mine", "mine", {"of": 1})
        assert todo.to_document() == stored


@pytest.mark.usefixtures("one")
class TestFunctions:
    """A function of a conflict decides."""

    def conflicting(self, app: App, policy: Any) -> tuple[Any, Todo]:
        """Return a session that is to meet a conflict, and its record."""
        session = app.session(on_conflict=policy)
        todo = session.get_one(Todo, "x")
        theirs(app, title="theirs", priority=5)
        todo.title, todo.priority = "mine", 3
        return session, todo

    def test_it_gives_a_document(self, app: App) -> None:
        """What it gives is what the record is, here and there."""

        def greatest(conflict: Conflict) -> Any:
            assert conflict.local is not None
            assert conflict.remote is not None
            return {
                **conflict.remote,
                "title": f"{conflict.local['title']}, {conflict.remote['title']}",
                "priority": max(conflict.local["priority"], conflict.remote["priority"]),
            }

        session, todo = self.conflicting(app, greatest)
        assert session.commit().merged == (todo,)
        assert (todo.title, todo.priority) == ("mine, theirs", 5)
        assert todo.to_document() == app.stored()["x"]

    def test_it_gives_a_policy(self, app: App) -> None:
        """It may leave the work to a policy."""
        session, todo = self.conflicting(app, lambda _: "client_wins")
        assert session.commit().merged == (todo,)
        assert todo.title == app.stored()["x"]["title"] == "mine"

    def test_it_gives_nothing(self, app: App) -> None:
        """Without an answer the conflict is raised."""
        session, todo = self.conflicting(app, lambda _: None)
        with pytest.raises(ConflictError):
            session.commit()
        assert session.dirty == (todo,)

    @pytest.mark.parametrize(
        "answer", [7, "no policy", {"id": "other", "title": "a"}, {"title": 3}, {"title": "\ud83e"}]
    )
    def test_it_gives_what_cannot_be(self, app: App, answer: Any) -> None:
        """What the record cannot be leaves the conflict, which says why, and the record."""
        session, todo = self.conflicting(app, lambda _: answer)
        before = todo.to_document()
        with pytest.raises(ConflictError) as caught:
            session.commit()
        (conflict,) = caught.value.exceptions
        assert "It could not be resolved" in conflict.__notes__[0]
        assert todo.to_document() == before
        assert app.stored()["x"]["title"] == "theirs"
        assert session.commit(on_conflict="client_wins").merged == (todo,)

    def test_it_fails(self, app: App) -> None:
        """What it raises does not lose what was written: it is the cause of the conflict."""

        def fail(_: Conflict) -> Any:
            raise LookupError("no idea")

        session, _ = self.conflicting(app, fail)
        other = Todo(id="y", title="other")
        session.add(other)
        with pytest.raises(ConflictError) as caught:
            session.commit()
        assert caught.value.result.created == (other,)
        assert isinstance(caught.value.exceptions[0].__cause__, LookupError)

    @pytest.mark.parametrize("app", COMBINATIONS[1:2], indirect=True)
    def test_it_is_awaited(self, app: App) -> None:
        """An awaiting session may have a coroutine function."""

        async def decide(_: Conflict) -> Any:
            return "server_wins"

        session, todo = self.conflicting(app, decide)
        assert session.commit().merged == (todo,)
        assert todo.title == "theirs"

    @blocking
    def test_it_cannot_be_awaited(self, app: App) -> None:
        """A blocking session says that it cannot."""

        async def decide(_: Conflict) -> Any:
            return "server_wins"

        session, _ = self.conflicting(app, decide)
        with pytest.raises(ConflictError) as caught:
            session.commit()
        assert isinstance(caught.value.exceptions[0].__cause__, TypeError)

    def test_what_is_elsewhere_does_not_fit(self, app: App) -> None:
        """What somebody wrote that does not fit the class is not overwritten by a merge."""
        session = app.session(on_conflict="merge")
        todo = session.get_one(Todo, "x")
        theirs(app, priority="high")
        todo.title = "mine"
        with pytest.raises(ConflictError) as caught:
            session.commit()
        assert "priority" in str(caught.value.exceptions[0].__cause__)
        assert app.stored()["x"]["priority"] == "high"
        assert (todo.title, todo.priority) == ("mine", 1)
