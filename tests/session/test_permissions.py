"""Permissions of records, in sessions."""

from __future__ import annotations

from typing import Any

import pytest

from apps import APART, COMBINATIONS, App
from faults import FaultProxy
from kinto_orm import (
    BasicPatch,
    Client,
    ConflictError,
    Everyone,
    Group,
    JSONPatch,
    MergePatch,
    NotLoaded,
    Permissions,
    RecordNotFound,
    Session,
    User,
)
from kinto_orm.exceptions import InvalidRequest
from machine.kinds import Place

from .models import Todo


APPS = APART


ANN = User("account:ann")
TEAM = Group("/buckets/b/groups/g")


def permitted(app: App, ident: str = "a") -> dict[str, set[str]]:
    """Return what the server permits, but for who wrote."""
    found = app.raw.get_record(id=ident)["permissions"]
    mine = {each for each in found["write"] if each.startswith("basicauth:")}
    return {name: set(members) - mine for name, members in found.items()}


def session_with(app: App, count: int = 1, **options: Any) -> Any:
    """Return a session on so many records, which everybody may read."""
    session = app.session(**options)
    session.add_all(
        Todo(id=each, title=each, permissions=Permissions(read=[Everyone]))
        for each in "abc"[:count]
    )
    session.commit()
    return session


class TestWriting:
    """How permissions reach the server."""

    def test_of_new_records(self, app: App) -> None:
        """They are created with them; the answer has who may write."""
        session = session_with(app, 2)
        assert len(session.writes) == 1
        assert permitted(app) == permitted(app, "b") == {"read": {Everyone}, "write": set()}
        todo = session.get(Todo, "a")
        assert todo.permissions.is_loaded
        assert todo.permissions.read == {Everyone}
        assert len(todo.permissions.write) == 1
        assert not session.dirty

    @pytest.mark.parametrize("patch", [MergePatch, BasicPatch, JSONPatch])
    def test_alone(self, app: App, patch: Any) -> None:
        """One record is one PATCH, of data and permissions, whatever the kind of patch."""
        session = session_with(app, patch=patch)
        todo = session.get(Todo, "a")
        todo.permissions.read |= {ANN, TEAM}
        todo.permissions.read.discard(Everyone)
        todo.permissions.write.add(TEAM)
        todo.title = "changed"
        assert "permissions.read" in str(session.plan())
        session.commit()
        (write,) = session.writes[1:]
        assert write.method == "PATCH"
        assert permitted(app) == {"read": {ANN, TEAM}, "write": {TEAM}}
        assert app.stored()["a"]["title"] == "changed"
        assert not session.dirty

    @pytest.mark.parametrize("patch", [MergePatch, BasicPatch, JSONPatch])
    def test_permissions_alone(self, app: App, patch: Any) -> None:
        """A change of permissions leaves the data, and the other permissions."""
        session = session_with(app, patch=patch)
        todo, before = session.get(Todo, "a"), app.stored()["a"]
        todo.permissions.write.add(ANN)
        assert session.dirty == (todo,)
        assert session.is_modified(todo)
        session.commit()
        assert permitted(app) == {"read": {Everyone}, "write": {ANN}}
        after = app.stored()["a"]
        assert {**after, "last_modified": 0} == {**before, "last_modified": 0}
        assert todo.last_modified == after["last_modified"]
        todo.permissions.read.clear()
        session.commit()
        assert permitted(app) == {"write": {ANN}}

    def test_in_a_batch(self, app: App) -> None:
        """Several are one batch, and a whole document keeps the other permissions."""
        session = session_with(app, 3)
        one, two, three = (session.get(Todo, each) for each in "abc")
        two.note = three.note = "n"
        session.commit()
        one.permissions.read.add(ANN)
        two.permissions.read.clear()
        two.note = None  # Which no patch can say in a batch.
        three.permissions.write.add(TEAM)
        three.note = None
        session.commit()
        assert len(session.writes) == 3
        forms = [each.method for each in session.writes[-1].parts]
        assert forms == ["PATCH", "PUT", "PUT"]
        assert permitted(app) == {"read": {Everyone, ANN}, "write": set()}
        assert permitted(app, "b") == {"write": set()}
        assert permitted(app, "c") == {"read": {Everyone}, "write": {TEAM}}
        assert not session.dirty

    def test_the_writer_stays(self, app: App) -> None:
        """Who writes cannot shut himself out; the record says so afterwards."""
        session = session_with(app)
        todo = session.get(Todo, "a")
        todo.permissions.write.clear()
        session.commit()
        assert len(todo.permissions.write) == 1
        assert not session.dirty

    def test_a_conflict(self, app: App) -> None:
        """A change elsewhere, of permissions alone, is one, too."""
        session = session_with(app)
        todo = session.get(Todo, "a")
        app.raw.patch_record(id="a", permissions={"read": ["account:x"]})
        todo.permissions.read.add(ANN)
        with pytest.raises(ConflictError):
            session.commit()
        assert permitted(app)["read"] == {"account:x"}
        session.refresh(todo)
        todo.permissions.read.add(ANN)
        session.commit()
        assert permitted(app)["read"] == {"account:x", ANN}


class TestLoading:
    """How permissions come from the server."""

    def test_lists_do_not_have_them(self, app: App) -> None:
        """After a query they are not loaded; `load_permissions` reads those of several at once."""
        session_with(app, 3)
        session = app.session()
        todos = session.query(Todo).all()
        with pytest.raises(NotLoaded, match="Todo 'a'"):
            _ = todos[0].permissions.read
        todos[1].title = "mine"
        asked = len(session.sent)
        session.load_permissions(*todos)
        assert len(session.sent) == asked + 1
        assert all(todo.permissions.read == {Everyone} for todo in todos)
        assert session.dirty == (todos[1],)

    def test_get_and_refresh_have_them(self, app: App) -> None:
        """A record that is read alone has them."""
        session_with(app)
        session = app.session()
        todo = session.get(Todo, "a")
        assert todo.permissions.read == {Everyone}
        app.raw.patch_record(id="a", permissions={"read": ["account:x"]})
        session.refresh(todo)
        assert todo.permissions.read == {"account:x"}

    def test_after_a_change_elsewhere(self, app: App) -> None:
        """With local edits, those of a newer version are not mixed in."""
        session_with(app)
        session = app.session()
        todo = session.query(Todo).one()
        app.raw.patch_record(id="a", permissions={"read": ["account:x"]})
        session.load_permissions(todo)  # Without edits, the newer version is taken.
        assert todo.permissions.read == {"account:x"}
        todo.title = "mine"
        app.raw.patch_record(id="a", permissions={"read": ["account:y"]})
        with pytest.raises(InvalidRequest, match="changed here, and elsewhere"):
            session.load_permissions(todo)
        app.raw.delete_record(id="a")
        with pytest.raises(RecordNotFound):
            session.load_permissions(todo)
        with pytest.raises(InvalidRequest, match="not in the session"):
            session.load_permissions(Todo(title="x"))

    @pytest.mark.parametrize("app", COMBINATIONS[:1], indirect=True)
    def test_what_is_hidden(self, app: App) -> None:
        """To who may not write a record, the server does not show them: they are not loaded."""
        session_with(app)
        with Client(
            server_url=app.server.url, auth=("other", "person"), bucket=app.bucket
        ) as client:
            todo = Session(client).get_one(Todo, "a")
            with pytest.raises(NotLoaded, match="you may not write the record"):
                _ = todo.permissions.read

    @pytest.mark.parametrize("is_known", [True, False])
    def test_taken_elsewhere(self, app: App, *, is_known: bool) -> None:
        """A deleted record that is added again has its permissions, seen before or not."""
        made = session_with(app)
        session = made if is_known else app.session()
        todo = session.get(Todo, "a")
        session.delete(todo)
        session.commit()
        session.add(todo)
        session.commit()
        assert permitted(app)["read"] == {Everyone}

    def test_taken_elsewhere_unknown(self, app: App) -> None:
        """If they were not known, those of a new record can be given, whoever asked before."""
        session_with(app)
        session = app.session()
        todo = session.query(Todo).one()
        assert not todo.permissions.is_loaded
        session.delete(todo)
        session.commit()
        session.add(todo)
        todo.permissions.read.add(ANN)
        session.commit()
        assert permitted(app)["read"] == {ANN}

    def test_of_what_is_to_be_deleted(self, app: App) -> None:
        """They can be loaded of a record that is to be deleted, which stays so."""
        session_with(app)
        session = app.session()
        todo = session.query(Todo).one()
        session.delete(todo)
        session.load_permissions(todo)
        assert todo.permissions.read == {Everyone}
        assert session.deleted == (todo,)

    def test_of_another_kind_by_now(self, app: App) -> None:
        """A record in whose place is one of another kind keeps its place in the session."""
        app.create([{"id": "a", "kind": "town", "name": "A"}], "places")
        session = app.session()
        town = session.get(Place, "a")
        app.raw.update_record(
            id="a", collection="places", data={"kind": "peak", "name": "A", "height": 1}
        )
        with pytest.raises(InvalidRequest, match="is a Peak now"):
            session.load_permissions(town)
        assert town in session


class TestTruth:
    """Lost answers."""

    @pytest.mark.parametrize("count", [1, 3])
    def test_lost_answers(self, app: App, count: int) -> None:
        """A change of permissions whose answer was lost is found out, by the permissions."""
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url))
            todos = [Todo(id=each, title=each) for each in "abc"[:count]]
            session.add_all(todos)
            session.commit()
            for todo in todos:
                todo.permissions.read.add(ANN)
            proxy.lose_answer(when=lambda request: request.method in ("PATCH", "POST"))
            result = session.commit()
            assert len(result.updated) == count
        assert permitted(app)["read"] == {ANN}

    def test_more_elsewhere(self, app: App) -> None:
        """If others permitted it to more than who may have written it, that is a conflict."""
        session = session_with(app)
        todo = session.get(Todo, "a")
        todo.permissions.write.add(ANN)
        app.raw.patch_record(id="a", permissions={"write": [ANN, "account:bob", TEAM]})
        with pytest.raises(ConflictError):
            session.commit()
        assert session.dirty == (todo,)

    @pytest.mark.parametrize("count", [1, 3])
    def test_a_change_elsewhere_meanwhile(self, app: App, count: int) -> None:
        """If others changed a record while the answer was lost, that is a conflict."""
        with FaultProxy(app.server.url) as proxy:
            client = app.client(proxy.url)
            session = app.session(client)
            todos = [Todo(id=each, title=each) for each in "abc"[:count]]
            session.add_all(todos)
            session.commit()
            for todo in todos:
                todo.permissions.read.add(ANN)
            for each in "abc"[:count]:
                app.raw.patch_record(id=each, permissions={"read": ["account:x"]})
            with pytest.raises(ConflictError) as caught:
                session.commit()
            assert len(caught.value.result.conflicts) == count
