"""Records are changed without being loaded."""

from __future__ import annotations

from typing import Any

import pytest

from apps import APART, COMBINATIONS, App
from faults import FaultProxy
from kinto_orm import BasicPatch, CommitError, JSONPatch, MergePatch, RetryPolicy, WholeDocument
from kinto_orm.exceptions import BadRequest, InvalidRequest, OutcomeUnknown, RecordNotFound
from session.models import Todo


APPS = APART


ADD: list[dict[str, Any]] = [{"op": "add", "path": "/data/tags/-", "value": "new"}]

HASTY = RetryPolicy(attempts=2, first=0.001, jitter=lambda: 0.0)


@pytest.fixture(autouse=True)
def _record(app: App) -> None:
    """Have a record *x* on the server."""
    app.create([{"id": "x", "title": "a", "tags": ["t"], "more": {"of": 1}}])


class TestBlind:
    """`session.patch`."""

    @pytest.mark.parametrize(
        ("patch", "tags"),
        [
            (JSONPatch(ADD), ["t", "new"]),
            (MergePatch({"tags": ["m"], "more": None}), ["m"]),
            (BasicPatch({"tags": ["b"]}), ["b"]),
        ],
    )
    def test_one(self, app: App, patch: Any, tags: list[str]) -> None:
        """It is one request at the commit; then the record is as the server has it."""
        session = app.session()
        todo = session.patch(Todo, "x", patch)
        assert session.sent == []
        assert session.dirty == (todo,)
        assert "whatever is there" in str(session.plan())
        result = session.commit()
        assert result.updated == (todo,)
        assert [(each.method, each.headers.get("If-Match")) for each in session.writes] == [
            ("PATCH", None)
        ]
        assert todo.tags == tags == app.stored()["x"]["tags"]
        assert todo.to_document() == app.stored()["x"]
        todo.title = "b"
        assert session.commit().updated == (todo,)

    def test_among_others(self, app: App) -> None:
        """Each travels alone, whatever else there is to write."""
        app.create([{"id": "y", "title": "a", "tags": []}])
        session = app.session()
        one, other = (session.patch(Todo, ident, JSONPatch(ADD)) for ident in "xy")
        new = [Todo(title="n"), Todo(title="n")]
        session.add_all(new)
        result = session.commit()
        assert (result.created, result.requests) == (tuple(new), 3)
        assert [todo.id for todo in result.updated] == ["x", "y"]
        assert [one.tags, other.tags] == [["t", "new"], ["new"]]

    def test_of_a_record_that_is_here(self, app: App) -> None:
        """The object of the session takes the answer, with what was removed."""
        session = app.session()
        todo = session.get_one(Todo, "x")
        app.raw.patch_record(id="x", data={"note": "theirs"})
        assert session.patch(Todo, "x", JSONPatch([{"op": "remove", "path": "/data/more"}])) is todo
        assert session.commit().updated == (todo,)
        assert (todo.note, todo.extra) == ("theirs", {})
        assert session.plan().writes == ()

    def test_what_it_tests_is_not_so(self, app: App) -> None:
        """A test that fails is an error of the record; nothing is changed, and others are."""
        session = app.session()
        test = {"op": "test", "path": "/data/title", "value": "other"}
        todo = session.patch(Todo, "x", JSONPatch([test, *ADD]))
        new = Todo(title="n")
        session.add(new)
        with pytest.raises(CommitError) as caught:
            session.commit()
        (error,) = caught.value.result.errors
        assert isinstance(error, BadRequest)
        assert error.record is todo
        assert caught.value.result.created == (new,)
        assert app.stored()["x"]["tags"] == ["t"]
        session.rollback(todo)
        assert todo not in session
        assert session.commit().requests == 0

    def test_there_is_none(self, app: App) -> None:
        """A record that is not there cannot be patched."""
        session = app.session()
        session.patch(Todo, "none", JSONPatch(ADD))
        with pytest.raises(CommitError) as caught:
            session.commit()
        assert isinstance(caught.value.exceptions[0], RecordNotFound)
        assert sorted(app.stored()) == ["x"]

    def test_a_plan_sends_it_after_all(self, app: App) -> None:
        """What a plan applies is taken into the record, even if it was undone here since."""
        session = app.session()
        todo = session.get_one(Todo, "x")
        session.patch(Todo, "x", JSONPatch(ADD))
        plan = session.plan()
        session.rollback(todo)
        assert session.commit(plan).updated == (todo,)
        assert todo.to_document() == app.stored()["x"]
        todo.title = "b"
        assert session.commit().updated == (todo,)

    def test_it_is_loaded_after_all(self, app: App) -> None:
        """A stand-in becomes the record when that is read; the patch still waits."""
        session = app.session()
        todo = session.patch(Todo, "x", MergePatch({"title": "b"}))
        assert session.get_one(Todo, "x") is todo
        assert (todo.title, todo.tags) == ("a", ["t"])
        assert session.commit().updated == (todo,)
        assert todo.title == "b"

    def test_a_refresh(self, app: App) -> None:
        """Whoever reads a record again wants what the server has: the patch is dropped."""
        session = app.session()
        todo = session.patch(Todo, "x", MergePatch({"title": "b"}))
        session.refresh(todo)
        assert session.dirty == ()
        assert session.commit().unchanged == (todo,)
        assert (todo.title, app.stored()["x"]["title"]) == ("a", "a")

    def test_edits_beside(self, app: App) -> None:
        """A record cannot be patched and changed in one commit."""
        session = app.session()
        todo = session.patch(Todo, "x", JSONPatch(ADD))
        todo.title = "b"
        with pytest.raises(InvalidRequest, match="commit the one before the other"):
            session.commit()
        session.rollback()
        other = session.get_one(Todo, "x")
        other.title = "b"
        with pytest.raises(InvalidRequest, match="has changes that are not committed"):
            session.patch(Todo, "x", JSONPatch(ADD))
        assert session.writes == []

    @pytest.mark.parametrize("app", COMBINATIONS[:1], indirect=True)
    @pytest.mark.parametrize("patch", [{"title": "b"}, WholeDocument({"title": "b"}), None])
    def test_no_patch(self, app: App, patch: Any) -> None:
        """What is no patch is refused."""
        with pytest.raises(InvalidRequest, match="a record is patched by"):
            app.session().patch(Todo, "x", patch)


class TestLost:
    """The answer to a patch is lost."""

    def test_a_merge_patch(self, app: App) -> None:
        """It is seen to have been applied, and not sent again."""
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url, retry=HASTY))
            todo = session.patch(Todo, "x", MergePatch({"title": "b"}))
            proxy.lose_answer(when=lambda request: request.method == "PATCH")
            assert session.commit().updated == (todo,)
            assert [method for method, _ in proxy.calls].count("PATCH") == 1
        assert todo.to_document() == app.stored()["x"]

    def test_a_merge_patch_that_did_not_come(self, app: App) -> None:
        """It is sent again, if it was not applied."""
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url, retry=HASTY))
            todo = session.patch(Todo, "x", MergePatch({"title": "b"}))
            proxy.answer(502, when=lambda request: request.method == "PATCH")
            assert session.commit().updated == (todo,)
        assert app.stored()["x"]["title"] == "b"

    def test_a_json_patch(self, app: App) -> None:
        """It is unknown for good, and never applied twice."""
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url, retry=HASTY))
            session.patch(Todo, "x", JSONPatch(ADD))
            proxy.lose_answer(when=lambda request: request.method == "PATCH")
            with pytest.raises(CommitError) as caught:
                session.commit()
            assert isinstance(caught.value.exceptions[0], OutcomeUnknown)
            assert len(caught.value.result.unknown) == 1
            assert session.commit().requests == 0
            assert app.stored()["x"]["tags"] == ["t", "new"]
            assert session.get_one(Todo, "x").tags == ["t", "new"]


class TestMove:
    """A record moves to another collection: it goes only when its copy is there."""

    def test_in_two_requests(self, app: App) -> None:
        """The copy is created by one request, and the record deleted by the next."""
        app.raw.create_collection(id="archive")
        session = app.session()
        todo = session.get_one(Todo, "x")
        copy = session.move(todo, Todo.at(collection="archive"))
        result = session.commit()
        assert (result.created, result.deleted, result.requests) == ((copy,), (todo,), 2)
        assert app.stored() == {}
        assert app.stored("archive")["x"] == copy.to_document()

    def test_there_is_one_already(self, app: App) -> None:
        """If the copy cannot be created, the record stays; both are reported, with one request."""
        app.create([{"id": "x", "title": "other"}], "archive")
        session = app.session()
        todo = session.get_one(Todo, "x")
        copy = session.move(todo, Todo.at(collection="archive"))
        with pytest.raises(CommitError) as caught:
            session.commit()
        result = caught.value.result
        assert [conflict.record for conflict in result.conflicts] == [copy]
        assert [error.record for error in result.errors] == [todo]
        assert result.requests == 1
        assert "its copy is not where it moves to" in str(result.errors[0])
        assert app.stored()["x"]["title"] == "a"
        assert app.stored("archive")["x"]["title"] == "other"
        # With a policy, both follow.
        result = session.commit(on_conflict="client_wins")
        assert (result.merged, result.deleted, result.requests) == ((copy,), (todo,), 3)
        assert app.stored() == {}
        assert app.stored("archive")["x"]["title"] == "a"
