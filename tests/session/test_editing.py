"""Sessions: what is undone, merged, moved and shown, before anything is sent."""

from __future__ import annotations

import copy
import pickle
import threading

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from apps import APART, App
from faults import FaultProxy
from kinto_orm import (
    MISSING,
    NOT_LOADED,
    AsyncSession,
    CommitError,
    Conflict,
    Embedded,
    EmbeddedRecord,
    Field,
    FieldChange,
    JSONPatch,
    Link,
    NotLoaded,
    Permissions,
    Record,
    RetryPolicy,
    Session,
    ValidationError,
    embedded,
    field,
    link,
)
from kinto_orm.exceptions import ConcurrentUseError, ConflictError, InvalidRequest
from kinto_orm.session.progress import Progress
from session.models import Address, Todo


APPS = APART


class Setting(Record, collection="todos", tag_field="kind"):
    """A kind of record, of which there are several in one collection."""

    name: Field[str] = field(default="")


class Engine(Setting, tag="engine"):
    """One of them."""

    url: Field[str]


class Person(Record, collection="people"):
    """Somebody."""

    name: Field[str]


class Post(Record, collection="todos"):
    """Something that somebody wrote."""

    title: Field[str]
    author: Link[Person]
    editor: Link[Person | None] = link(default=None)


class Box(EmbeddedRecord):
    """A value with a value inside."""

    address: Embedded[Address]
    labels: Field[dict[str, list[str]]] = field(factory=dict)


class Deep(Record, collection="todos"):
    """A record with values at several depths."""

    grid: Field[list[list[int]]] = field(factory=list)
    box: Embedded[Box | None] = embedded(default=None)


HASTY = RetryPolicy(attempts=2, first=0.001, jitter=lambda: 0.0)
MILK: dict[str, Any] = {"id": "milk", "title": "Buy milk", "priority": 1, "more": {"a": [1]}}


def copied(record: Any) -> Any:
    """Return what is left of a record on the way through another process."""
    return pickle.loads(pickle.dumps(record))


def in_the_dark(proxy: FaultProxy, session: Any, *, applied: bool) -> None:
    """Have a commit end without knowing whether its write was applied."""
    fault = proxy.lose_answer if applied else proxy.drop
    fault(when=lambda request: request.method != "GET")
    proxy.drop(times=2)
    with pytest.raises(CommitError) as caught:
        session.commit()
    assert caught.value.result.unknown


@contextmanager
def begun(app: App, session: Any, **options: Any) -> Iterator[Any]:
    """Open a block of either kind of session."""
    manager: Any = session.begin(**options)
    enter = manager.__aenter__ if app.awaiting else manager.__enter__
    leave = manager.__aexit__ if app.awaiting else manager.__exit__
    app.run(enter())
    try:
        yield
    except BaseException as error:
        if not app.run(leave(type(error), error, error.__traceback__)):
            raise
    else:
        app.run(leave(None, None, None))


class TestRollback:
    """Local edits are undone."""

    def test_changed_records(self, app: App) -> None:
        """A changed record becomes what was loaded, at every depth, and stays the same object."""
        document = {
            "id": "x",
            "grid": [[1, 2], [3]],
            "box": {"address": {"city": "A", "n": {"k": 1}}, "labels": {"l": ["x"]}, "m": 1},
            "more": {"a": [1]},
        }
        app.create([document])
        session = app.session()
        deep = session.get_one(Deep, "x")
        before = deep.to_document()
        deep.grid[0].append(9)
        deep.grid[1][0] = 7
        deep.box.address.city = "B"
        deep.box.address.extra["n"]["k"] = 2
        deep.box.labels["l"].append("y")
        deep.box.labels["new"] = []
        deep.extra["more"]["a"].append(2)
        deep.extra["other"] = None
        assert session.dirty == (deep,)
        session.rollback()
        assert deep.to_document() == before
        assert session.get(Deep, "x") is deep
        deep.box = Box(address=Address(city="C"))
        session.rollback(deep)
        assert deep.to_document() == before
        assert deep.box.extra == {"m": 1}
        deep.box = None
        session.rollback(deep)
        assert deep.to_document() == before
        assert session.dirty == ()
        assert session.commit().requests == 0
        assert {key: app.stored()["x"][key] for key in document} == document

    def test_values_that_cannot_be_written(self, app: App) -> None:
        """Whatever a record was made to hold, it is undone; a field that was deleted is back."""
        app.create([MILK])
        session = app.session()
        milk = session.get_one(Todo, "milk")
        milk.title, milk.id, milk.priority = object(), "other", float("nan")
        milk.extra["id"] = 3
        del milk.tags
        session.rollback()
        endless: list[Any] = []
        endless.append(endless)
        milk.extra["more"] = endless
        session.rollback()
        assert (milk.title, milk.id, milk.priority, milk.tags) == ("Buy milk", "milk", 1, [])
        assert milk.extra == {"more": {"a": [1]}}
        assert not session.is_modified(milk)

    def test_some_of_them(self, app: App) -> None:
        """Of given records alone edits are undone; those that did not change are not touched."""
        app.create([{"id": each, "title": each} for each in "abc"])
        session = app.session()
        a, b, c = session.query(Todo).order_by(Todo.id).all()
        a.title = b.title = "changed"
        tags = c.tags
        session.rollback(a, c)
        assert (a.title, b.title) == ("a", "changed")
        assert c.tags is tags
        assert session.dirty == (b,)

    def test_new_and_deleted(self, app: App) -> None:
        """New records are forgotten and stay as they are; those to be deleted are wanted again."""
        app.create([MILK])
        session = app.session()
        milk, new = session.get_one(Todo, "milk"), Todo(id="new", title="New")
        milk.title = "changed"
        session.delete(milk)
        session.add(new)
        session.rollback()
        assert (session.new, session.dirty, session.deleted) == ((), (), ())
        assert milk.title == "Buy milk"
        assert new not in session
        assert new.title == "New"
        assert session.commit().requests == 0
        session.add(new)
        assert session.commit().created == (new,)

    def test_permissions(self, app: App) -> None:
        """Permissions become those that were loaded; who holds them keeps them."""
        app.create([MILK])
        session = app.session()
        milk = session.get_one(Todo, "milk")
        held, before = milk.permissions, set(milk.permissions.write)
        held.read.add("account:ann")
        held.write = set()
        session.rollback()
        assert milk.permissions is held
        assert (set(held.read), set(held.write)) == (set(), before)
        assert not session.is_modified(milk)

    def test_permissions_that_were_not_loaded(self, app: App) -> None:
        """What was not loaded is not loaded afterwards."""
        app.create([MILK])
        session = app.session()
        milk = session.query(Todo).one()
        milk.title = "changed"
        assert not milk.permissions.is_loaded
        session.rollback()
        assert not milk.permissions.is_loaded

    def test_parts(self, app: App) -> None:
        """A record that was loaded in part is that part again, and nothing besides."""
        app.create([MILK])
        session = app.session()
        milk = session.query(Todo).only(Todo.title).one()
        milk.title, milk.note = "changed", "set"
        session.rollback()
        assert milk.title == "Buy milk"
        with pytest.raises(NotLoaded):
            _ = milk.note
        assert not session.is_modified(milk)
        session.refresh(milk)
        assert milk.priority == 1

    def test_kinds_and_places(self, app: App) -> None:
        """A record of a kind, elsewhere, keeps its class."""
        app.create([{"id": "e", "kind": "engine", "url": "u", "name": "n"}], "elsewhere")
        session = app.session()
        engine = session.get_one(Setting.at(collection="elsewhere"), "e")
        engine.url = "changed"
        kind = type(engine)
        session.rollback()
        assert type(engine) is kind
        assert isinstance(engine, Engine)
        assert engine.url == "u"

    def test_links_stay_loaded(self, app: App) -> None:
        """What a link led to is still known; one that was set is as it was."""
        app.create([{"id": "ann", "name": "Ann"}, {"id": "bob", "name": "Bob"}], "people")
        app.create([{"id": "p", "title": "t", "author": "ann"}])
        session = app.session()
        (post,) = session.query(Post).include(Post.author).all()
        ann = post.author.record
        post.title = "changed"
        session.rollback()
        assert post.author.record is ann
        post.author = "bob"
        session.rollback()
        assert post.author == "ann"

    def test_links_stay_loaded_whatever_happens(self, app: App) -> None:
        """What a link led to is still known after a refresh, a newer version, and a merge."""
        app.create([{"id": "ann", "name": "Ann"}], "people")
        app.create([{"id": "p", "title": "t", "author": "ann"}])
        session = app.session(on_conflict="merge")
        (post,) = session.query(Post).include(Post.author).all()
        ann, bob = post.author.record, Person(name="Bob")
        session.refresh(post)
        assert post.author.record is ann
        app.raw.patch_record(id="p", data={"more": 1})
        session.query(Post).all()
        assert (post.extra, post.author.record) == ({"more": 1}, ann)
        app.raw.patch_record(id="p", data={"more": 2})
        session.add(bob)
        post.editor = bob
        assert session.commit().merged == (post,)
        assert (post.author.record, post.editor.record) == (ann, bob)

    def test_links_of_one_id(self, app: App) -> None:
        """Of two links with one id, the one that led nowhere does not lead where the other does."""
        app.create([{"id": "ann", "name": "Ann"}], "people")
        app.create([{"id": "p", "title": "t", "author": "ann", "editor": "ann"}])
        session = app.session()
        (post,) = session.query(Post).include(Post.author).all()
        post.title = "changed"
        session.rollback()
        assert (post.author.is_loaded, post.editor.is_loaded) == (True, False)

    def test_while_a_query_is_read(self, app: App) -> None:
        """Whoever goes through a query can undo what he does to its records."""
        app.create([{"id": each, "title": each} for each in "abc"])
        session = app.session()

        async def awaiting() -> None:
            async for todo in session._inner.query(Todo).page_size(1):
                todo.title = "changed"
                session._inner.rollback(todo)

        if app.awaiting:
            app.run(awaiting())
        else:
            for todo in session._inner.query(Todo).page_size(1):
                todo.title = "changed"
                session.rollback(todo)
        assert session.dirty == ()
        assert len(session.query(Todo).all()) == 3

    def test_not_in_the_session(self, app: App) -> None:
        """A record that is not in the session is refused, and nothing is undone."""
        app.create([MILK])
        session = app.session()
        milk = session.get_one(Todo, "milk")
        milk.title = "changed"
        with pytest.raises(InvalidRequest, match="is not in the session"):
            session.rollback(milk, Todo(title="other"))
        assert milk.title == "changed"

    @pytest.mark.parametrize("edited", [False, True])
    @pytest.mark.parametrize("applied", [True, False])
    def test_a_write_of_unknown_fate(self, app: App, *, applied: bool, edited: bool) -> None:
        """If it was applied after all, the record takes it; only later edits are sent."""
        app.create([MILK])
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url, retry=HASTY))
            milk = session.get_one(Todo, "milk")
            milk.title = "Buy oat milk"
            milk.permissions.read.add("account:ann")
            in_the_dark(proxy, session, applied=applied)
            session.rollback()
            assert milk.title == "Buy milk"
            assert set(milk.permissions.read) == set()
            assert session.dirty == ()
            if edited:
                milk.note = "mine"
            result = session.commit()
            title = "Buy oat milk" if applied else "Buy milk"
            assert milk.title == title
            assert set(milk.permissions.read) == ({"account:ann"} if applied else set())
            stored = app.raw.get_record(id="milk")
            assert stored["data"] == milk.to_document()
            assert stored["data"]["title"] == title
            assert stored["data"].get("note") == ("mine" if edited else None)
            assert result.requests == (1 if edited else 0)
            assert session.commit().requests == 0

    @pytest.mark.parametrize("applied", [True, False])
    def test_a_deletion_of_unknown_fate(self, app: App, *, applied: bool) -> None:
        """A record whose deletion was undone, and was applied after all, is not created again."""
        app.create([MILK])
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url, retry=HASTY))
            milk = session.get_one(Todo, "milk")
            session.delete(milk)
            in_the_dark(proxy, session, applied=applied)
            session.rollback()
            assert session.commit().requests == 0
            assert (milk in session) is not applied
            assert ("milk" in app.stored()) is not applied

    def test_a_deletion_of_unknown_fate_and_later_edits(self, app: App) -> None:
        """What was edited since is not lost: it is a conflict, as if somebody had deleted it."""
        app.create([MILK])
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url, retry=HASTY))
            milk = session.get_one(Todo, "milk")
            session.delete(milk)
            in_the_dark(proxy, session, applied=True)
            session.rollback()
            milk.note = "mine"
            with pytest.raises(ConflictError) as caught:
                session.commit()
            conflict = caught.value.exceptions[0]
            assert isinstance(conflict, Conflict)
            assert (conflict.record, conflict.kind) == (milk, "deleted by them")
            assert session.commit(on_conflict="client_wins").created == (milk,)
            assert app.stored()["milk"]["note"] == "mine"


class TestChanges:
    """What a commit would change can be looked at."""

    def test_paths_and_values(self, app: App) -> None:
        """Each value is told with its path, and with what it was and will be, as JSON has it."""
        app.create(
            [{**MILK, "note": "n", "answer": None, "address": {"city": "A", "zip": "1"}}],
        )
        session = app.session()
        milk = session.get_one(Todo, "milk")
        assert session.changes() == ()
        milk.title, milk.note, milk.answer, milk.done = "Buy oat milk", None, "42", True
        milk.address.city = "B"
        milk.extra["more"]["a"].append(2)
        milk.permissions.read.add("account:ann")
        found = session.changes(milk)
        assert found == session.changes()
        assert all(each.record is milk for each in found)
        assert [(each.path, each.old, each.new) for each in found] == [
            ("address.city", "A", "B"),
            ("answer", None, "42"),
            ("done", MISSING, True),
            ("more.a", [1], [1, 2]),
            ("note", "n", MISSING),
            ("permissions.read", [], ["account:ann"]),
            ("title", "Buy milk", "Buy oat milk"),
        ]
        name = f"Todo {app.bucket}/todos/milk"
        assert str(found[-1]) == f'{name}: title: "Buy milk" → "Buy oat milk"'
        assert str(found[2]) == f"{name}: done: (missing) → true"
        assert str(found[4]) == f'{name}: note: "n" → (missing)'

    def test_new_and_deleted(self, app: App) -> None:
        """A record that is created or deleted changes as a whole."""
        app.create([MILK])
        session = app.session()
        milk, new = session.get_one(Todo, "milk"), Todo(id="new", title="ä" * 90)
        new.permissions.read.add("account:ann")
        session.delete(milk)
        session.add(new)
        gone, made, permitted = session.changes()
        base = {key: value for key, value in milk.to_document().items() if key != "last_modified"}
        assert (gone.record, gone.path, gone.old, gone.new) == (milk, "", base, MISSING)
        assert (made.record, made.path, made.old, made.new) == (new, "", MISSING, new.to_document())
        assert permitted.path == "permissions.read"
        assert (permitted.old, permitted.new) == (MISSING, ["account:ann"])
        assert str(gone) == f"Todo {app.bucket}/todos/milk: deleted"
        assert str(made).startswith(f'Todo {app.bucket}/todos/new: created: {{"id": "new"')
        assert str(made).endswith("…")
        assert session.changes(new) == (made, permitted)

    def test_values_are_copies(self, app: App) -> None:
        """What is shown does not change with the record, nor the record with it."""
        app.create([MILK])
        session = app.session()
        milk = session.get_one(Todo, "milk")
        milk.extra["more"]["a"].append(2)
        (change,) = session.changes()
        change.old.append("x")
        change.new.append("y")
        milk.extra["more"]["a"].append(3)
        assert [(each.old, each.new) for each in session.changes()] == [([1], [1, 2, 3])]

    def test_what_was_not_loaded(self, app: App) -> None:
        """Of a record that was loaded in part, it is not claimed that there was nothing."""
        app.create([MILK])
        session = app.session()
        milk = session.query(Todo).only(Todo.title).one()
        milk.priority = 2
        (change,) = session.changes()
        assert (change.path, change.old, change.new) == ("priority", NOT_LOADED, 2)
        assert str(change).endswith("priority: (not loaded) → 2")

    def test_an_empty_key(self, app: App) -> None:
        """A value under an empty key is not taken for the whole document."""
        app.create([{**MILK, "": {"": 1}, "a": {"": 1}}])
        session = app.session()
        milk = session.get_one(Todo, "milk")
        del milk.extra[""]
        milk.extra["a"][""] = 2
        emptied, inner = session.changes()
        assert (emptied.path, emptied.old, emptied.new) == ('""', {"": 1}, MISSING)
        assert str(emptied).endswith('"": {"": 1} → (missing)')
        assert (inner.path, inner.old, inner.new) == ('a.""', 1, 2)
        app.raw.patch_record(id="milk", data={"": 3})
        with pytest.raises(ConflictError) as caught:
            session.commit()
        conflict = caught.value.exceptions[0]
        assert isinstance(conflict, Conflict)
        assert conflict.fields == ('""',)

    def test_what_cannot_be_sent(self, app: App) -> None:
        """A value that cannot be sent can be shown, for whoever looks for the fault."""
        app.create([MILK])
        session = app.session()
        session.get_one(Todo, "milk").extra["more"] = {1, 2}
        (change,) = session.changes()
        assert str(change).endswith('more: {"a": [1]} → "{1, 2}"')

    def test_they_are_values(self, app: App) -> None:
        """Changes of the same value are equal; a record of another session is refused."""
        app.create([MILK])
        one, other = app.session(), app.session()
        mine, theirs = one.get_one(Todo, "milk"), other.get_one(Todo, "milk")
        mine.title = theirs.title = "x"
        assert one.changes() == other.changes()
        assert isinstance(one.changes()[0], FieldChange)
        with pytest.raises(InvalidRequest, match="is not in the session"):
            one.changes(theirs)


class TestBegin:
    """A block is committed when it ends."""

    def test_success(self, app: App) -> None:
        """What was changed inside is committed at the end, and not before."""
        app.create([MILK])
        session = app.session()
        with begun(app, session):
            milk = session.get_one(Todo, "milk")
            milk.title = "Buy oat milk"
            assert session.writes == []
        assert app.stored()["milk"]["title"] == "Buy oat milk"
        with begun(app, session):
            milk.title = "Buy rice milk"
        assert app.stored()["milk"]["title"] == "Buy rice milk"

    def test_failure(self, app: App) -> None:
        """If the block fails, all its changes are undone, and the error goes on."""
        app.create([MILK, {"id": "x", "title": "x"}])
        session = app.session()
        milk, new = session.get_one(Todo, "milk"), Todo(title="new")

        def fail() -> None:
            milk.title = "changed"
            session.add(new)
            session.delete(session.get_one(Todo, "x"))
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError), begun(app, session):
            fail()
        assert milk.title == "Buy milk"
        assert (session.new, session.dirty, session.deleted) == ((), (), ())
        assert session.writes == []
        with begun(app, session):  # It can be begun again.
            milk.title = "changed"
        assert app.stored()["milk"]["title"] == "changed"

    def test_a_commit_that_fails(self, app: App) -> None:
        """What could not be written stays a change."""
        app.create([MILK])
        session = app.session()
        milk = session.get_one(Todo, "milk")
        app.raw.patch_record(id="milk", data={"title": "theirs"})
        with pytest.raises(ConflictError), begun(app, session):
            milk.title = "mine"
        assert milk.title == "mine"
        assert session.dirty == (milk,)
        with (
            pytest.raises(InvalidRequest, match="1 uncommitted change, which"),
            begun(app, session),
        ):
            pass  # pragma: no cover

    def test_how_it_commits(self, app: App) -> None:
        """A block takes what a commit takes, and commits so."""
        app.create([MILK])
        session, told = app.session(), list[Progress]()
        milk = session.get_one(Todo, "milk")
        app.raw.patch_record(id="milk", data={"priority": 5})
        options = {"on_conflict": "merge", "lock": True, "verify": True, "progress": told.append}
        with begun(app, session, **options):
            milk.title = "mine"
        assert (milk.title, milk.priority) == ("mine", 5)
        assert app.stored()["milk"] == milk.to_document()
        assert {write.path for write in session.writes} == {"/batch"}  # What locks is with it.
        assert [request.writes for request in session.sent[-2:]] == [True, False]
        assert [str(each) for each in told] == ["1 of 1 (100 %)"] * 2
        with begun(app, session, patch=JSONPatch):
            milk.title = "again"
        assert session.writes[-1].headers["Content-Type"] == JSONPatch.content_type

    def test_no_way_to_commit(self, app: App) -> None:
        """What a commit would not take is refused before the block is entered."""
        session = app.session()
        for error, options in (
            (InvalidRequest, {"on_conflict": "mine"}),
            (TypeError, {"patch": "merge"}),
        ):
            with pytest.raises(error, match="must be"), begun(app, session, **options):
                pytest.fail("it was entered")  # pragma: no cover

    def test_inside_itself(self, app: App) -> None:
        """A block inside a block is refused: it could not keep its promise."""
        session = app.session()
        with begun(app, session):
            with (
                pytest.raises(InvalidRequest, match=r"begin\(\) inside begin"),
                begun(app, session),
            ):
                pass  # pragma: no cover
            session.add(Todo(id="x", title="x"))
        assert "x" in app.stored()

    def test_a_commit_inside(self, app: App) -> None:
        """What was committed inside is not undone."""
        session = app.session()
        todo = Todo(id="x", title="x")

        def fail() -> None:
            session.add(todo)
            session.commit()
            todo.title = "y"
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError), begun(app, session):
            fail()
        assert todo.title == "x"
        assert todo in session
        assert app.stored() == {"x": todo.to_document()}

    def test_as_it_is_written(self, app: App) -> None:
        """It is one more item of a with statement, and gives the session."""
        client = app.client()

        async def awaiting() -> None:
            async with AsyncSession(client) as session, session.begin() as same:
                assert same is session
                session.add(Todo(id="x", title="x"))

        if app.awaiting:
            app.run(awaiting())
        else:
            with Session(client) as session, session.begin() as same:
                assert same is session
                session.add(Todo(id="x", title="x"))
        assert "x" in app.stored()


class TestMerge:
    """A record from elsewhere becomes part of a session."""

    @pytest.mark.parametrize("way", [copied, copy.deepcopy, lambda record: record])
    def test_unknown_here(self, app: App, way: Any) -> None:
        """A copy is taken in, with its base and changes; no request is made."""
        app.create([{**MILK, "address": {"city": "A", "zip": "1"}, "tags": ["a"]}])
        milk = way(app.session().get_one(Todo, "milk"))
        milk.title = "Buy oat milk"
        milk.address.city = "B"
        milk.extra["more"]["a"].append(2)
        before = milk.to_document()
        session = app.session()
        mine = session.merge(milk)
        assert mine is not milk
        assert mine.to_document() == before
        assert session.dirty == (mine,)
        assert session.sent == []
        assert session.merge(milk) is mine
        assert session.merge(mine) is mine
        mine.tags.append("b")
        mine.address.city = "C"
        assert milk.to_document() == before
        assert session.commit().updated == (mine,)
        assert milk.to_document() == before
        assert app.stored()["milk"] == mine.to_document()

    def test_new(self, app: App) -> None:
        """A copy of a new record is to be created."""
        session, new = app.session(), Todo(title="New", permissions=Permissions(read=["account:a"]))
        mine = session.merge(new)
        assert mine is not new
        assert session.new == (mine,)
        session.commit()
        assert new.last_modified is None
        assert app.raw.get_record(id=new.id)["permissions"]["read"] == ["account:a"]

    def test_from_a_document(self, app: App) -> None:
        """A document with its timestamp is a loaded record; one without was never there."""
        app.create([MILK])
        session, stored = app.session(), app.stored()["milk"]
        milk = Todo.from_document(stored)
        milk.title = "Buy oat milk"
        mine = session.merge(milk)
        made = session.merge(Todo.from_document({"id": "new", "title": "New"}))
        assert (session.dirty, session.new) == ((mine,), (made,))
        result = session.commit()
        assert (result.updated, result.created) == ((mine,), (made,))

    def test_of_the_same_version(self, app: App) -> None:
        """What was changed there is put over what is here; what was not is left."""
        app.create([{**MILK, "note": "n", "address": {"city": "A", "zip": "1", "n": 1}}])
        milk = copied(app.session().get_one(Todo, "milk"))
        session = app.session()
        mine = session.get_one(Todo, "milk")
        mine.priority, mine.title = 5, "mine"
        milk.title, milk.note = "theirs", None
        milk.address.city = "B"
        del milk.extra["more"]
        milk.extra["x"] = [1]
        before = milk.to_document()
        asked = len(session.sent)
        assert session.merge(milk) is mine
        assert len(session.sent) == asked
        assert milk.to_document() == before
        wanted = {**before, "priority": 5}
        assert mine.to_document() == wanted
        milk.extra["x"].append(2)
        milk.address.city = "C"
        assert mine.to_document() == wanted
        session.rollback()
        assert mine.to_document() == app.stored()["milk"]

    def test_of_another_version(self, app: App) -> None:
        """Changes of different fields are joined; the session's object keeps its base."""
        app.create([MILK])
        milk = copied(app.session().get_one(Todo, "milk"))
        app.raw.patch_record(id="milk", data={"priority": 2, "note": "new"})
        session = app.session()
        mine = session.get_one(Todo, "milk")
        milk.title = "theirs"
        version = mine.last_modified
        assert session.merge(milk) is mine
        assert (mine.title, mine.priority, mine.note) == ("theirs", 2, "new")
        assert mine.last_modified == version
        assert [each.path for each in session.changes()] == ["title"]
        session.commit()
        stored = app.stored()["milk"]
        assert (stored["title"], stored["priority"], stored["note"]) == ("theirs", 2, "new")

    @pytest.mark.parametrize("local", [False, True])
    def test_a_clash(self, app: App, *, local: bool) -> None:
        """What both changed is not lost silently: it is refused, and nothing is changed."""
        app.create([MILK])
        milk = copied(app.session().get_one(Todo, "milk"))
        app.raw.patch_record(id="milk", data={"priority": 2} if local else {"title": "newer"})
        session = app.session()
        mine = session.get_one(Todo, "milk")
        if local:
            mine.title = "mine"
        milk.title, milk.note = "theirs", "set"
        milk.permissions.read.add("account:ann")
        before = mine.to_document()
        with pytest.raises(InvalidRequest, match=r"and both changed title\. Set") as caught:
            session.merge(milk)
        assert f"Todo {app.bucket}/todos/milk" in str(caught.value)
        assert mine.to_document() == before
        assert set(mine.permissions.read) == set()
        milk.title = mine.title  # The same on both sides is no clash.
        session.merge(milk)
        assert mine.note == "set"

    def test_two_new_ones(self, app: App) -> None:
        """Of two that are new, one is not put over the other."""
        session = app.session()
        mine = Todo(id="x", title="mine")
        session.add(mine)
        with pytest.raises(InvalidRequest, match="is new, and both changed title"):
            session.merge(Todo(id="x", title="theirs"))
        assert session.merge(Todo(id="x", title="mine", note="n")) is mine
        assert mine.note == "n"

    def test_permissions(self, app: App) -> None:
        """Permissions are joined as sets; where they are not loaded here, those of the version."""
        app.create([MILK])
        milk = copied(app.session().get_one(Todo, "milk"))
        milk.permissions.read.add("account:ann")
        session = app.session()
        mine = session.query(Todo).one()
        assert not mine.permissions.is_loaded
        session.merge(milk)
        mine.permissions.read.add("account:bob")
        milk.permissions.read = ["account:eve"]
        session.merge(milk)
        assert set(mine.permissions.read) == {"account:ann", "account:bob", "account:eve"}
        session.commit()
        stored = app.raw.get_record(id="milk")["permissions"]
        assert set(stored["read"]) == {"account:ann", "account:bob", "account:eve"}

    def test_permissions_that_are_not_known(self, app: App) -> None:
        """Permissions of another version are not guessed."""
        app.create([MILK])
        milk = copied(app.session().get_one(Todo, "milk"))
        app.raw.patch_record(id="milk", data={"priority": 2})
        session = app.session()
        mine = session.query(Todo).one()
        milk.permissions.read.add("account:ann")
        milk.title = "theirs"
        with pytest.raises(InvalidRequest, match=r"has not loaded permissions\.read"):
            session.merge(milk)
        assert mine.title == "Buy milk"
        session.load_permissions(mine)
        session.merge(milk)
        assert set(mine.permissions.read) == {"account:ann"}

    def test_parts(self, app: App) -> None:
        """Of the same version, what both have loaded is known; of another, nothing is guessed."""
        app.create([MILK])
        part = copied(app.session().query(Todo).only(Todo.title).one())
        whole = copied(app.session().get_one(Todo, "milk"))
        session = app.session()
        mine = session.query(Todo).only(Todo.priority).one()
        part.title = "theirs"
        session.merge(part)
        assert (mine.title, mine.priority) == ("theirs", 1)
        with pytest.raises(NotLoaded):
            _ = mine.note
        whole.note = "n"
        session.merge(whole)
        assert (mine.title, mine.priority, mine.note) == ("theirs", 1, "n")
        assert mine.extra == {"more": {"a": [1]}}
        app.raw.patch_record(id="milk", data={"priority": 2})
        session = app.session()
        mine = session.query(Todo).only(Todo.priority).one()
        with pytest.raises(InvalidRequest, match="it has not loaded note, which changed"):
            session.merge(whole)
        assert [each.path for each in session.changes()] == []
        other = app.session()
        assert other.merge(part).title == "theirs"
        assert [each.path for each in other.changes()] == ["title"]

    def test_classes(self, app: App) -> None:
        """A record of a kind, elsewhere, is merged; one of another class is refused."""
        app.create([{"id": "e", "kind": "engine", "url": "u"}], "elsewhere")
        there = Setting.at(collection="elsewhere")
        engine = copied(app.session().get_one(there, "e"))
        session = app.session()
        mine = session.merge(engine)
        assert type(mine) is type(engine)
        engine.url = "theirs"
        session.merge(engine)
        assert mine.url == "theirs"
        assert session.get(there, "e") is mine
        with pytest.raises(InvalidRequest, match="is a Engine here, not a Setting"):
            session.merge(Setting.at(collection="elsewhere")(id="e"))

    def test_to_be_deleted(self, app: App) -> None:
        """A record that is to be deleted here is not changed."""
        app.create([MILK])
        milk = copied(app.session().get_one(Todo, "milk"))
        session = app.session()
        session.delete(session.get_one(Todo, "milk"))
        with pytest.raises(InvalidRequest, match=r"is to be deleted here: add\(\) it first"):
            session.merge(milk)

    def test_another_id(self, app: App) -> None:
        """A loaded record that was given another id is not taken for that one."""
        app.create([MILK])
        milk = app.session().get_one(Todo, "milk")
        milk.id = "other"
        session = app.session()
        for take in (session.merge, session.add):
            with pytest.raises(InvalidRequest, match="todos/milk was given the id 'other'"):
                take(milk)
        assert milk not in session
        assert session.commit().requests == 0

    def test_what_does_not_fit(self, app: App) -> None:
        """Values that the class does not allow are refused, and nothing is changed."""
        app.create([MILK])
        milk = copied(app.session().get_one(Todo, "milk"))
        session = app.session()
        mine = session.get_one(Todo, "milk")
        milk.title, milk.priority = "theirs", "high"
        with pytest.raises(ValidationError, match="priority"):
            session.merge(milk)
        assert (mine.title, mine.priority) == ("Buy milk", 1)

    def test_links(self, app: App) -> None:
        """Links of the copy lead to the session's own records, or to new ones."""
        app.create([{"id": "ann", "name": "Ann"}], "people")
        app.create([{"id": "p", "title": "t", "author": "ann"}])
        (post,) = app.session().query(Post).include(Post.author).all()
        bob = Person(id="bob", name="Bob")
        post.editor = bob
        session = app.session()
        ann = session.get_one(Person, "ann")
        mine = session.merge(post)
        assert mine.author.record is ann
        assert mine.editor.record is bob
        assert post.author.record is not ann
        other = app.session()
        assert not other.merge(post).author.is_loaded
        assert post.author.is_loaded

    def test_links_of_what_is_here(self, app: App) -> None:
        """A link that is put over another leads to the same: one to a new record is refused."""
        app.create([{"id": "ann", "name": "Ann"}], "people")
        app.create([{"id": "p", "title": "t", "author": "ann"}])
        session = app.session()
        mine = session.get_one(Post, "p")
        post = app.session().get_one(Post, "p")
        bob = post.author = Person(id="bob", name="Bob")
        session.merge(post)
        assert mine.author.record is bob
        with pytest.raises(InvalidRequest, match=r"author leads to .*, which is new"):
            session.commit()
        session.add(bob)
        assert session.commit().created == (bob,)


class TestMove:
    """A record is created elsewhere, and deleted here."""

    def test_moving(self, app: App) -> None:
        """One commit creates the copy, and then deletes the record."""
        app.create([MILK])
        app.raw.create_collection(id="archive")
        session = app.session()
        milk = session.get_one(Todo, "milk")
        milk.title = "Buy oat milk"
        moved = session.move(milk, Todo.at(collection="archive"))
        assert (session.new, session.deleted) == ((moved,), (milk,))
        result = session.commit()
        assert (result.created, result.deleted) == ((moved,), (milk,))
        assert app.stored() == {}
        assert app.stored("archive") == {"milk": moved.to_document()}
        assert moved.title == "Buy oat milk"
        assert moved.extra == milk.extra
        assert milk not in session

    @pytest.mark.parametrize("how", ["rollback", "expunge"])
    def test_without_the_copy(self, app: App, how: str) -> None:
        """If the copy is not to be, the record stays."""
        app.create([MILK])
        session = app.session()
        milk = session.get_one(Todo, "milk")
        moved = session.move(milk, Todo.at(collection="archive"))
        getattr(session, how)(moved)
        assert (session.new, session.deleted) == ((), ())
        assert session.commit().requests == 0
        assert "milk" in app.stored()

    def test_a_copy_that_is_deleted(self, app: App) -> None:
        """If the copy is deleted, so is the record, wherever it went in between."""
        app.create([MILK])
        session = app.session()
        milk = session.get_one(Todo, "milk")
        there = session.move(milk, Todo.at(collection="archive"))
        further = session.move(there, Todo.at(collection="cellar"))
        assert session.new == (further,)
        session.delete(further)
        assert (session.new, session.deleted) == ((), (milk,))
        assert session.commit().deleted == (milk,)
        assert app.stored() == {}

    def test_moved_on(self, app: App) -> None:
        """What was moved twice is created at the last place alone."""
        app.create([MILK])
        app.raw.create_collection(id="cellar")
        session = app.session()
        milk = session.get_one(Todo, "milk")
        there = session.move(milk, Todo.at(collection="archive"))
        further = session.move(there, Todo.at(collection="cellar"))
        assert there not in session
        assert session._known.of(milk).after is session._known.of(further)
        result = session.commit()
        assert (result.created, result.deleted) == ((further,), (milk,))
        session.move(further, Todo.at(collection="todos"))
        session.rollback(further)
        assert session.deleted == ()
        (copy,) = session.new
        session.expunge(copy)
        assert session.commit().requests == 0

    @pytest.mark.parametrize("how", ["rollback", "add", "refresh"])
    def test_a_record_that_stays(self, app: App, how: str) -> None:
        """A record that is wanted again stays; the copy is a copy."""
        app.create([MILK])
        app.raw.create_collection(id="archive")
        session = app.session()
        milk = session.get_one(Todo, "milk")
        moved = session.move(milk, Todo.at(collection="archive"))
        getattr(session, how)(milk)
        assert (session.new, session.deleted) == ((moved,), ())
        assert session._known.of(milk).after is None
        assert session._known.of(moved).origins == []
        session.delete(moved)
        assert session.deleted == ()
        session.rollback()
        assert session.commit().requests == 0

    def test_new_and_unknown_records(self, app: App) -> None:
        """A new record is created at its new place alone; a loaded one need not be added."""
        app.create([MILK])
        app.raw.create_collection(id="archive")
        milk = app.session().get_one(Todo, "milk")
        session, new = app.session(), Todo(id="new", title="new")
        place = Todo.at(collection="archive")
        with pytest.raises(InvalidRequest, match="was not loaded, nor added"):
            session.move(new, place)
        session.add(new)
        there, moved = session.move(new, place), session.move(milk, place)
        assert (session.new, session.deleted) == ((there, moved), (milk,))
        session.commit()
        assert app.stored("archive").keys() == {"new", "milk"}

    def test_refusals(self, app: App) -> None:
        """What cannot be moved is refused, and nothing is changed."""
        app.create([MILK])
        app.create([MILK], "archive")
        session, place = app.session(), Todo.at(collection="archive")
        milk, there = session.get_one(Todo, "milk"), session.get_one(place, "milk")
        with pytest.raises(InvalidRequest, match="has another object"):
            session.move(milk, place)
        with pytest.raises(InvalidRequest, match="it is there already"):
            session.move(milk, Todo)
        with pytest.raises(TypeError, match="is copied to another place"):
            session.move(milk, Person)
        session.delete(there)
        with pytest.raises(InvalidRequest, match="it is to be deleted"):
            session.move(there, Todo)
        session.rollback()
        part = app.session()
        with pytest.raises(NotLoaded):
            part.move(part.query(Todo).only(Todo.title).one(), place)
        assert (session.new, session.deleted, part.deleted) == ((), (), ())


class TestUse:
    """Sessions are closed, used again, and not used twice at once."""

    def test_use_after_close(self, app: App) -> None:
        """A session that was closed, or left, is empty and can be used again."""
        app.create([MILK])
        session = app.session()
        milk = session.get_one(Todo, "milk")
        milk.title = "changed"
        session.close()
        assert milk not in session
        assert session.changes() == ()
        again = session.get_one(Todo, "milk")
        assert again is not milk
        again.title = "Buy oat milk"
        assert session.commit().updated == (again,)
        with session:
            assert session.get_one(Todo, "milk") is again
        assert session.get_one(Todo, "milk") is not again

    def test_rollback_during_a_commit(self, app: App) -> None:
        """What is being sent cannot be undone; edits can be made, and stay edits."""
        app.create([MILK])
        session = app.session()
        milk = session.get_one(Todo, "milk")
        milk.title = "changed"
        port, refused = session.client._port, []

        class Port:
            """Has somebody use the session while a request is under way."""

            def perform(self, step: Any) -> Any:
                def use() -> None:
                    milk.note = "meanwhile"
                    session._inner.add(Todo(id="new", title="new"))
                    with pytest.raises(ConcurrentUseError) as caught:
                        session._inner.rollback()
                    refused.append(caught.value)

                if getattr(step, "method", "") == "PATCH":
                    thread = threading.Thread(target=use)
                    thread.start()
                    thread.join()
                return port.perform(step)

        session._inner._port = Port()
        session.commit()
        assert len(refused) == 1
        assert (milk.title, milk.note) == ("changed", "meanwhile")
        assert session.dirty == (milk,)
        assert [each.id for each in session.new] == ["new"]

    def test_clear_during_a_commit(self, app: App) -> None:
        """A commit tells all that it did, though the session has forgotten the records."""
        app.create({"id": f"x{number:02}", "title": "old"} for number in range(30))
        session = app.session()
        todos = session.query(Todo).all()
        app.raw.patch_record(id="x00", data={"title": "theirs"})
        for todo in todos:
            todo.title = "new"
        with pytest.raises(ConflictError) as caught:
            session.commit(progress=lambda _: session.clear())
        result = caught.value.result
        assert [conflict.record.id for conflict in result.conflicts] == ["x00"]
        assert len(result.updated) == 29

    def test_records_added_while_others_are_looked_at(self, app: App) -> None:
        """Whoever adds a record while the session goes through its records does no harm."""
        session = app.session()

        class Busy(Record, collection="todos"):
            """Adds a record whenever somebody looks at it."""

            title: Field[str]

            def _dump(self, kind: Any = None) -> Any:
                session.add(Todo(title="another"))
                return super()._dump(kind)

        app.create([MILK, {"id": "x", "title": "x"}])
        busy = session.query(Busy).all()
        for each in busy:
            each.title = "changed"
        assert len(session.dirty) == len(busy)
        assert len(session.new) == len(busy)
