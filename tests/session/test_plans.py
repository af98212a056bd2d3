"""Plans: kept as text, committed later and elsewhere, or refused with what is different."""

from __future__ import annotations

import json
import subprocess
import sys

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps import APART, App
from faults import FaultProxy
from kinto_orm import (
    BasicPatch,
    CommitError,
    Everyone,
    Field,
    GuardedJSONPatch,
    JSONPatch,
    MergePatch,
    Permissions,
    Plan,
    Record,
    StalePlanError,
    User,
    WholeDocument,
    field,
)
from kinto_orm.exceptions import InvalidRequest, ValidationError
from kinto_orm.flow.json import same
from session.models import Address, Todo
from strategies import pairs


APPS = APART


class Config(Record, collection="todos", tag_field="kind"):
    """A base of several kinds."""

    name: Field[str] = field(default="")


class Engine(Config, tag="engine"):
    """One kind of it."""

    speed: Field[int] = field(default=1)


class Anything(Record, collection="todos"):
    """A record of which nothing is declared."""


ARCHIVED = Todo.at(collection="archive")

APPEND: list[dict[str, Any]] = [{"op": "add", "path": "/data/tags/-", "value": "new"}]


def again(plan: Plan, *models: Any) -> Plan:
    """Return *plan* after it was a text."""
    return Plan.from_json(plan.to_json(), models=models or [Todo])


def three_changes(app: App, **options: Any) -> tuple[Any, Plan]:
    """Return a session with a creation, a change and a deletion, and its plan."""
    app.create([{"id": "x", "title": "a", "more": {"n": [1, 2]}}, {"id": "y", "title": "a"}])
    session = app.session(**options)
    todo = session.get_one(Todo, "x")
    todo.title, todo.due = "b", datetime(2026, 1, 2, tzinfo=UTC)
    todo.extra["more"]["n"].append(3)
    session.delete(session.get_one(Todo, "y"))
    session.add(
        Todo(id="z", title="new", address=Address(city="Rome"), stops=[Address(city="Pisa")])
    )
    return session, session.plan()


class TestAsText:
    """A plan is a value that can be written down."""

    def test_it_is_the_same_again(self, app: App) -> None:
        """The text has all: the plan that is read from it says the same, and sends the same."""
        _, plan = three_changes(app)
        read = again(plan)
        assert str(read) == str(plan)
        assert read.requests == plan.requests
        assert read.to_json() == plan.to_json()
        assert (plan.detached, read.detached) == (False, True)

    def test_it_tells_no_secrets(self, app: App) -> None:
        """There are no credentials in it, and no server."""
        _, plan = three_changes(app)
        text = plan.to_json()
        assert str(app.server.auth[1]) not in text
        assert app.server.url not in text
        assert json.loads(text)["version"] == 1

    def test_an_empty_one(self, app: App) -> None:
        """A plan without a change is a text, too."""
        session = app.session()
        plan = again(session.plan())
        assert len(plan) == 0
        assert session.commit(plan).requests == 0

    def test_classes_come_from_the_reader(self, app: App) -> None:
        """A class that was not given is named, and nothing is imported for it."""
        _, plan = three_changes(app)
        with pytest.raises(InvalidRequest, match=r"no class is called Todo.* models=\[Todo, …\]"):
            again(plan, Config)
        with pytest.raises(InvalidRequest, match="no class is called Todo"):
            again(plan, Todo.at(collection="others"))
        with pytest.raises(InvalidRequest, match="several classes"):
            again(plan, Todo, Todo.at(bucket=app.bucket))

    def test_the_class_has_changed(self, app: App) -> None:
        """A document that does not fit the class any more is refused, with its place."""
        _, plan = three_changes(app)
        places = {"__qualname__": "Todo", "__module__": __name__}
        other: Any = type("Todo", (Record,), {"__annotations__": {"title": int}, **places})
        with pytest.raises(InvalidRequest, match=r"chunks\[0\]\[0\].*title"):
            again(plan, other)


def tampered(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    """Return what changes the write of `x`, the second one."""
    return lambda document: change(document["chunks"][0][1])


class TestTampered:
    """A text that was changed is refused as a whole, and says where."""

    @pytest.mark.parametrize(
        ("change", "place"),
        [
            (tampered(lambda w: w["request"].update(path="/buckets/b")), r"\[1\].request"),
            (tampered(lambda w: w["request"]["body"]["data"].update(a=1)), r"\[1\].request"),
            (tampered(lambda w: w["request"]["headers"].clear()), r"\[1\].request"),
            (tampered(lambda w: w["request"].update(method="DELETE")), r"\[1\].request"),
            (tampered(lambda w: w["target"].update(title="c")), r"\[1\].request"),
            (tampered(lambda w: w["target"].update(title=5)), r"\[1\].*title"),
            (tampered(lambda w: w["target"].update(__permissions__={})), r"__permissions__"),
            (tampered(lambda w: w["target"].update(id="other")), r"\[1\].target"),
            (tampered(lambda w: w.update(id="x\n")), r"\[1\].*cannot be the id"),
            (tampered(lambda w: w.update(bucket="../b")), r"\[1\].*cannot be the id"),
            (tampered(lambda w: w.update(collection="other")), r"\[1\].*no class"),
            (tampered(lambda w: w.update(base=None)), r"\[1\].*do not fit together"),
            (tampered(lambda w: w.update(target=w["base"])), r"\[1\].*nothing to write"),
            (tampered(lambda w: w.update(action="delete")), r"\[1\].action"),
            (tampered(lambda w: w.update(last_modified=True)), r"\[1\].last_modified"),
            (tampered(lambda w: w.update(last_modified="1")), r"\[1\].last_modified"),
            (tampered(lambda w: w.update(patch="os.system")), r"\[1\].*no kind of patch"),
            (tampered(lambda w: w.update(permissions={"delete": []})), r"\[1\].permissions"),
            (tampered(lambda w: w.update(permissions={"read": "all"})), r"\[1\].permissions.read"),
            (tampered(lambda w: w.update(known_keys=["id"])), r"\[1\].*known_keys"),
            (tampered(lambda w: w.pop("form")), r"\[1\]: 'form' is missing"),
            (tampered(lambda w: w.update(more=1)), r"\[1\]: 'more' is not known"),
            (lambda d: d["chunks"][0].append(d["chunks"][0][1]), "a second time"),
            (lambda d: d["chunks"].append([d["chunks"][0].pop(0)]), "do not travel together"),
            (lambda d: d.update(limit=1), "do not travel together"),
            (lambda d: d.update(limit=True), "limit: a whole number from 1"),
            (lambda d: d.update(limit=0), "limit: a whole number from 1"),
            (lambda d: d.update(locked=1), "locked: true or false"),
            (lambda d: d["chunks"].append([]), "do not travel together"),
            (lambda d: d["chunks"][0].reverse(), r"do not travel|request"),
            (lambda d: d.update(version=2), "version: 1 was expected"),
            (lambda d: d.update(version=True), "version: 1 was expected"),
            (lambda d: d.update(chunks={}), "chunks: a list was expected"),
            (lambda d: d["chunks"].append([7]), r"chunks\[1\]\[0\]: an object was expected"),
            (lambda d: d.clear(), "is missing"),
        ],
    )
    @pytest.mark.parametrize("app", ["blocking on memory"], indirect=True)
    def test_it_is_refused(self, app: App, change: Any, place: str) -> None:
        """What was changed is found, whatever it is."""
        _, plan = three_changes(app)
        document = json.loads(plan.to_json())
        change(document)
        with pytest.raises(InvalidRequest, match=place):
            Plan.from_json(json.dumps(document), models=[Todo])

    @pytest.mark.parametrize("app", ["blocking on memory"], indirect=True)
    def test_a_part_of_it(self, app: App) -> None:
        """No part of a text is a plan."""
        _, plan = three_changes(app)
        text = plan.to_json()
        for end in range(0, len(text) - 1, 97):
            with pytest.raises(InvalidRequest, match="no plan, or not all of one"):
                Plan.from_json(text[:end], models=[Todo])
        with pytest.raises(InvalidRequest, match="no plan"):
            Plan.from_json(b"\xff", models=[Todo])

    @pytest.mark.parametrize("app", ["blocking on memory"], indirect=True)
    def test_what_a_reader_would_not_see(self, app: App) -> None:
        """A key that is there twice, or an endless nesting, is refused."""
        _, plan = three_changes(app)
        text = plan.to_json()
        twice = text.replace('"title": "b"', '"title": "b", "title": "c"', 1)
        with pytest.raises(InvalidRequest, match="'title' is there twice"):
            Plan.from_json(twice, models=[Todo])
        deep = "[" * 900 + "]" * 900
        with pytest.raises(InvalidRequest, match=r"nested too deeply|contains itself"):
            Plan.from_json(
                text.replace('"title": "b"', f'"title": "b", "deep": {deep}'), models=[Todo]
            )
        with pytest.raises(InvalidRequest, match="nested too deeply"):
            Plan.from_json("[" * 100_000, models=[Todo])

    def test_a_base_that_never_was(self, app: App) -> None:
        """A plan that is consistent, but not based on what the server has, is out of date."""
        app.create([{"id": "x", "title": "a"}])
        session = app.session(patch=JSONPatch)
        session.get_one(Todo, "x").title = "b"
        document = json.loads(session.plan().to_json())
        document["chunks"][0][0]["base"]["title"] = "never"
        plan = Plan.from_json(json.dumps(document), models=[Todo])
        other = app.session()
        with pytest.raises(StalePlanError, match="title was 'never', and is 'a'"):
            other.commit(plan)
        assert not other.writes


class TestLater:
    """A plan is committed by another session."""

    @pytest.mark.parametrize(
        "patch", [MergePatch, JSONPatch, GuardedJSONPatch, BasicPatch, WholeDocument]
    )
    def test_nothing_moved(self, app: App, patch: Any) -> None:
        """It sends just the requests of the plan, and has the records afterwards."""
        first, plan = three_changes(app, patch=patch)
        expected = {todo.id: todo.to_document() for todo in (*first.new, *first.dirty)}
        session = app.session()
        result = session.commit(again(plan))
        assert tuple(session.writes) == plan.requests
        assert [len(each) for each in (result.created, result.updated, result.deleted)] == [1, 1, 1]
        stored = app.stored()
        assert stored.keys() == {"x", "z"}
        for ident, document in stored.items():
            assert same({**document, "last_modified": 0}, {**expected[ident], "last_modified": 0})
            assert session.get_one(Todo, ident).to_document() == document
        assert (session.new, session.dirty, session.deleted) == ((), (), ())
        assert session.commit().requests == 0

    def test_what_moved(self, app: App) -> None:
        """If records are not as they were, it says what is different, and sends nothing."""
        _, plan = three_changes(app)
        app.raw.patch_record(id="x", data={"title": "theirs", "priority": 5})
        app.raw.delete_record(id="y")
        app.create([{"id": "z", "title": "first"}])
        before, session = app.stored(), app.session()
        with pytest.raises(StalePlanError) as caught:
            session.commit(again(plan))
        found = {each.key.id: each for each in caught.value.differences}
        assert {ident: each.kind for ident, each in found.items()} == {
            "x": "changed",
            "y": "deleted",
            "z": "created",
        }
        assert found["x"].paths == ("priority", "title")
        assert (found["x"].base or {})["title"] == "a"
        assert (found["x"].now or {})["title"] == "theirs"
        assert "title was 'a', and is 'theirs'" in str(caught.value)
        assert "priority was missing, and is 5" in str(caught.value)
        assert (session.writes, app.stored()) == ([], before)
        assert (session.new, session.dirty, session.deleted) == ((), (), ())

    def test_an_empty_key_that_moved(self, app: App) -> None:
        """What is under an empty key is told, as is anything else."""
        app.create([{"id": "x", "title": "a", "": 1}])
        session = app.session()
        session.get_one(Todo, "x").title = "b"
        plan = again(session.plan())
        app.raw.patch_record(id="x", data={"": 2})
        with pytest.raises(StalePlanError, match='"" was 1, and is 2'):
            app.session().commit(plan)

    def test_only_one_moved(self, app: App) -> None:
        """One record that moved keeps back the others; so does one that was written as it was."""
        _, plan = three_changes(app)
        app.raw.patch_record(id="x", data={})
        session = app.session()
        with pytest.raises(StalePlanError) as caught:
            session.commit(again(plan))
        (difference,) = caught.value.differences
        assert (difference.key.id, difference.kind, difference.paths) == ("x", "changed", ())
        assert not session.writes

    def test_twice(self, app: App) -> None:
        """A plan that was committed is out of date, in whichever session; it stays a value."""
        _, plan = three_changes(app)
        read = again(plan)
        text, session = read.to_json(), app.session()
        session.commit(read)
        for each in (session, app.session()):
            with pytest.raises(StalePlanError) as caught:
                each.commit(read)
            assert len(caught.value.differences) == 3
        assert read.to_json() == text

    def test_the_session_has_the_record(self, app: App) -> None:
        """An object that the session has, unchanged, is the one that is written."""
        _, plan = three_changes(app)
        session = app.session()
        mine, gone = session.get_one(Todo, "x"), session.get_one(Todo, "y")
        result = session.commit(again(plan))
        assert result.updated == (mine,)
        assert result.updated[0] is mine
        assert mine.title == "b"
        assert mine.to_document() == app.stored()["x"]
        assert result.deleted[0] is gone
        assert gone.last_modified is None

    def test_the_session_has_changed_it(self, app: App) -> None:
        """Changes of the session's own are never lost to a plan."""
        _, plan = three_changes(app)
        session = app.session()
        mine = session.get_one(Todo, "x")
        mine.note = "mine"
        with pytest.raises(InvalidRequest, match=r"todos/x .*changes that are not committed"):
            session.commit(again(plan))
        assert not session.writes
        assert session.dirty == (mine,)
        session.refresh(mine)
        assert session.commit(again(plan)).ok

    def test_changes_of_its_own_wait(self, app: App) -> None:
        """What else the session has to write is not in the plan, and stays."""
        _, plan = three_changes(app)
        session = app.session()
        session.add(own := Todo(title="own"))
        result = session.commit(again(plan))
        assert result.not_sent == (own,)
        assert session.commit().created == (own,)

    def test_a_conflict_after_the_look(self, app: App) -> None:
        """The preconditions of the plan go with it: who comes between is met by a conflict."""
        app.create([{"id": "x", "title": "a"}])
        first = app.session()
        first.get_one(Todo, "x").title = "b"
        plan = again(first.plan())
        session = app.session()
        assert session.commit(plan).ok
        (write,) = session.writes
        assert write.headers["If-Match"] == f'"{plan.writes[0].change.version}"'

    def test_another_place(self, app: App) -> None:
        """A session whose client has the class elsewhere refuses the plan."""
        _, plan = three_changes(app)
        session = app.session(app.client(collection="others"))
        assert session.commit(again(plan)).ok  # The class names its collection.
        elsewhere = app.session(app.client(bucket="others"))
        with pytest.raises(InvalidRequest, match="is in others/todos"):
            elsewhere.commit(again(plan))

    def test_many(self, app: App) -> None:
        """Several batches are sent as they were planned, after one look at each 25 records."""
        app.create([{"id": f"r{number}", "title": "a"} for number in range(60)])
        first = app.session()
        for todo in first.query(Todo):
            todo.title = "b"
        plan = first.plan()
        assert len(plan) == 3
        session = app.session()
        assert len(session.commit(again(plan)).updated) == 60
        assert tuple(session.writes) == plan.requests
        assert len(session.sent) == 6
        assert {each["title"] for each in app.stored().values()} == {"b"}

    def test_kinds_and_permissions(self, app: App) -> None:
        """Kinds come with their base; permissions are planned as the documents are."""
        first, ann = app.session(), User("account:ann")
        engine = Engine(id="e", name="n", permissions=Permissions(read=[ann]))
        first.add(engine)
        assert app.session().commit(again(first.plan(), Config)).ok
        assert app.raw.get_record(id="e")["permissions"]["read"] == [ann]
        second = app.session()
        (found,) = second.query(Config).all()
        second.load_permissions(found)
        found.permissions.read.add(Everyone)
        plan = again(second.plan(), Config)
        session = app.session()
        (updated,) = session.commit(plan).updated
        assert type(updated) is Engine
        assert set(app.raw.get_record(id="e")["permissions"]["read"]) == {ann, Everyone}
        assert updated.permissions.read == {ann, Everyone}
        assert not session.dirty

    def test_records_in_part(self, app: App) -> None:
        """A plan of a record that was loaded in part leaves the rest as it is."""
        app.create([{"id": "x", "title": "a", "note": "n", "more": 1}])
        first = app.session()
        todo = first.query(Todo).only(Todo.note, Todo.done).one()
        todo.note, todo.tags = None, ["set"]
        plan = first.plan()
        session = app.session()
        mine = session.get_one(Todo, "x")
        assert session.commit(again(plan)).ok
        stored = app.stored()["x"]
        assert {**stored, "last_modified": 0} == {
            "id": "x",
            "last_modified": 0,
            "title": "a",
            "more": 1,
            "tags": ["set"],
        }
        assert mine.to_document() == stored

    def test_another_process(self, app: App, tmp_path: Path) -> None:
        """A process that knows nothing but the text and the classes sends it."""
        _, plan = three_changes(app)
        file = tmp_path / "plan.json"
        file.write_text(plan.to_json(), encoding="utf-8")
        program = (
            "import sys; from pathlib import Path; from kinto_orm import Client, Plan, Session\n"
            "from session.models import Todo\n"
            "plan = Plan.from_json(Path(sys.argv[1]).read_text('utf-8'), models=[Todo])\n"
            "url, *auth, bucket = sys.argv[2:]\n"
            "client = Client(server_url=url, auth=tuple(auth), bucket=bucket)\n"
            "with client, Session(client) as session: print(session.commit(plan))\n"
        )
        given = [str(file), app.server.url, *map(str, app.server.auth), app.bucket]
        search = {"PYTHONPATH": ":".join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", program, *given],
            env=search,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.stdout == "1 created, 1 updated, 1 deleted; 1 request\n", done.stderr
        assert app.stored().keys() == {"x", "z"}
        with pytest.raises(StalePlanError):
            app.session().commit(plan=again(plan))


class TestLocked:
    """A plan that locks, as text."""

    def test_it_locks(self, app: App) -> None:
        """Whoever commits it sends the locks, too, and batches that have room for them."""
        app.create([{"id": f"r{number:02}", "title": "a"} for number in range(30)])
        first = app.session(lock=True)
        for todo in first.query(Todo):
            todo.title = "b"
        plan = first.plan()
        assert [len(chunk) for chunk in plan.chunks] == [23, 7]
        read = again(plan)
        assert (read.locked, read.limit) == (True, 25)
        assert (str(read), read.requests) == (str(plan), plan.requests)
        assert read.to_json() == plan.to_json()
        session = app.session()
        assert len(session.commit(read).updated) == 30
        assert tuple(session.writes) == plan.requests
        document = json.loads(plan.to_json())
        document["locked"] = False
        with pytest.raises(InvalidRequest, match="do not travel together"):
            Plan.from_json(json.dumps(document), models=[Todo])

    def test_a_single_change(self, app: App) -> None:
        """One write with its lock is a batch; without it, it would be another request."""
        app.create([{"id": "x", "title": "a"}])
        first = app.session(lock=True)
        first.get_one(Todo, "x").title = "b"
        text = first.plan().to_json()
        document = json.loads(text)
        document["locked"] = False
        with pytest.raises(InvalidRequest, match=r"\[0\].request"):
            Plan.from_json(json.dumps(document), models=[Todo])
        session = app.session()
        assert session.commit(Plan.from_json(text, models=[Todo])).requests == 1
        assert [each.path for each in session.writes] == ["/batch"]
        assert app.stored()["x"]["title"] == "b"

    def test_the_plan_says_so(self, app: App) -> None:
        """Whether it locks is said when the plan is made, since that decides how it is cut."""
        app.create([{"id": "x", "title": "a"}])
        session = app.session()
        session.get_one(Todo, "x").title = "b"
        with pytest.raises(InvalidRequest, match="whether it locks"):
            session.commit(session.plan(), lock=True)
        assert not session.writes
        plan = session.plan(lock=True)
        assert plan.locked
        assert session.commit(plan).ok
        assert [each.path for each in session.writes] == ["/batch"]


class TestMoved:
    """A move, as text: the deletion waits for the copy, wherever it is committed."""

    @pytest.fixture
    def moved(self, app: App) -> Plan:
        """Return the plan of a move of *x* to another collection."""
        app.raw.create_collection(id="archive")
        app.create([{"id": "x", "title": "a", "more": [1]}])
        session = app.session()
        session.move(session.get_one(Todo, "x"), ARCHIVED)
        plan: Plan = session.plan()
        return plan

    def test_it_moves(self, app: App, moved: Plan) -> None:
        """The copy is created by one request, and the record deleted by the next."""
        read = again(moved, Todo, ARCHIVED)
        assert (str(read), read.to_json()) == (str(moved), moved.to_json())
        session = app.session()
        mine = session.get_one(Todo, "x")
        result = session.commit(read)
        assert tuple(session.writes) == moved.requests
        assert ([each.method for each in session.writes], result.deleted) == (
            ["PUT", "DELETE"],
            (mine,),
        )
        assert app.stored() == {}
        assert app.stored("archive")["x"] == result.created[0].to_document()

    def test_the_copy_is_refused(self, app: App, moved: Plan) -> None:
        """The record stays, and what failed is still a move in the session that met it."""
        with FaultProxy(app.server.url) as proxy:
            proxy.answer(403, when=lambda request: request.method == "PUT")
            session = app.session(app.client(proxy.url))
            with pytest.raises(CommitError) as caught:
                session.commit(again(moved, Todo, ARCHIVED))
            assert len(caught.value.result.errors) == 2
            assert app.stored().keys() == {"x"}
            (copy,), (todo,) = session.new, session.deleted
            assert len(session.plan()) == 2
            result = session.commit()
            assert (result.created, result.deleted) == ((copy,), (todo,))
        assert app.stored() == {}

    def test_the_copy_is_given_up(self, app: App, moved: Plan) -> None:
        """When the copy is expunged where the plan was taken in, the record stays."""
        with FaultProxy(app.server.url) as proxy:
            proxy.answer(403, when=lambda request: request.method == "PUT")
            session = app.session(app.client(proxy.url))
            with pytest.raises(CommitError):
                session.commit(again(moved, Todo, ARCHIVED))
            session.expunge(session.new[0])
            assert session.deleted == ()
            assert session.commit().requests == 0
        assert app.stored().keys() == {"x"}

    def test_the_copy_is_there(self, app: App) -> None:
        """What is left of a move is a deletion, which waits for nothing."""
        app.raw.create_collection(id="archive")
        app.create([{"id": "x", "title": "a"}, {"id": "y", "title": "a"}])
        with FaultProxy(app.server.url) as proxy:
            proxy.answer(403, when=lambda request: request.method == "DELETE")
            first = app.session(app.client(proxy.url))
            first.move(first.get_one(Todo, "x"), ARCHIVED)
            with pytest.raises(CommitError):
                first.commit()
            first.get_one(Todo, "y").title = "b"
            plan = first.plan()
            assert len(plan) == 1
        session = app.session()
        result = session.commit(again(plan))
        assert tuple(session.writes) == plan.requests
        assert (len(result.updated), len(result.deleted)) == (1, 1)
        assert app.stored().keys() == {"y"}

    @pytest.mark.parametrize("app", ["blocking on memory"], indirect=True)
    @pytest.mark.parametrize(
        ("chunk", "after", "place"),
        [
            (1, "b/archive/x", "the plan writes no b/archive/x"),
            (1, "{bucket}/todos/x", "the plan writes no .*todos/x"),
            (1, 5, "after: text was expected"),
            (1, None, "do not travel together"),
            (0, "{bucket}/archive/x", "only a deletion waits"),
        ],
    )
    def test_tampered(self, moved: Plan, chunk: int, after: Any, place: str) -> None:
        """A deletion that waits for nothing in the plan, or has stopped waiting, is refused."""
        document = json.loads(moved.to_json())
        bucket = document["chunks"][0][0]["bucket"]
        given = after.format(bucket=bucket) if isinstance(after, str) else after
        document["chunks"][chunk][0]["after"] = given
        with pytest.raises(InvalidRequest, match=place):
            Plan.from_json(json.dumps(document), models=[Todo, ARCHIVED])


class Odd(MergePatch):
    """A kind of patch that the package does not have."""

    content_type = "application/odd"


class TestNotLoaded:
    """Patches of records that were not loaded, as text."""

    @pytest.mark.parametrize(
        ("patch", "expected"),
        [
            (JSONPatch(APPEND), {"tags": ["t", "new"]}),
            (
                GuardedJSONPatch(
                    [{"op": "replace", "path": "/data/title", "value": "b"}], {"title": "a"}
                ),
                {"title": "b"},
            ),
            (MergePatch({"title": "b", "more": {"of": None, "n": 1}}), {"more": {"n": 1}}),
            (BasicPatch({"more": {"n": 1}}, {"read": ["system.Everyone"]}), {"more": {"n": 1}}),
            (BasicPatch(None, {"read": ["system.Everyone"]}), {"title": "a"}),
        ],
    )
    def test_each_kind(self, app: App, patch: Any, expected: dict[str, Any]) -> None:
        """It is the same patch, applied to whatever is there, without a look."""
        app.create([{"id": "x", "title": "a", "tags": ["t"], "more": {"of": 1}}])
        first = app.session()
        first.patch(Todo, "x", patch)
        plan = first.plan()
        app.raw.patch_record(id="x", data={"note": "theirs"})
        read = again(plan)
        assert (str(read), read.to_json()) == (str(plan), plan.to_json())
        session = app.session()
        (todo,) = session.commit(read).updated
        assert tuple(session.sent) == plan.requests
        stored = app.stored()["x"]
        assert {**stored, "note": "theirs", **expected} == stored == todo.to_document()
        assert (Everyone in todo.permissions.read) == ("permissions" in patch.body)
        todo.title = "mine"
        assert session.commit().updated == (todo,)

    def test_among_others(self, app: App) -> None:
        """Each travels alone, beside what was loaded; a record that was loaded has no base."""
        app.create([{"id": ident, "title": "a", "tags": []} for ident in "xyz"])
        first = app.session()
        first.get_one(Todo, "y")
        for ident in "xy":
            first.patch(Todo, ident, JSONPatch(APPEND))
        first.get_one(Todo, "z").title = "b"
        plan = first.plan()
        bases = [write["base"] for (write,) in json.loads(plan.to_json())["chunks"]]
        assert [base and base["id"] for base in bases] == ["z", None, None]
        session = app.session()
        result = session.commit(again(plan))
        assert (result.requests, len(result.updated)) == (3, 3)
        assert {ident: each["tags"] for ident, each in app.stored().items()} == {
            "x": ["new"],
            "y": ["new"],
            "z": [],
        }

    def test_the_session_has_the_record(self, app: App) -> None:
        """The session's own object is patched, unless it has changes, or is of another class."""
        app.create([{"id": "x", "title": "a", "tags": ["t"]}])
        first = app.session()
        first.patch(Todo, "x", JSONPatch(APPEND))
        read, session = again(first.plan()), app.session()
        mine = session.get_one(Todo, "x")
        mine.title = "mine"
        with pytest.raises(InvalidRequest, match="changes that are not committed"):
            session.commit(read)
        session.rollback()
        assert session.commit(read).updated == (mine,)
        assert mine.tags == ["t", "new"]
        other = app.session()
        other.get_one(Anything, "x")
        with pytest.raises(InvalidRequest, match="is of another class"):
            other.commit(read)

    def test_twice(self, app: App) -> None:
        """Nothing tells that it was applied: it is applied once for each commit of the text."""
        app.create([{"id": "x", "title": "a", "tags": []}])
        first = app.session()
        first.patch(Todo, "x", JSONPatch(APPEND))
        read = again(first.plan())
        for session in (app.session(), app.session()):
            assert session.commit(read).ok
        assert app.stored()["x"]["tags"] == ["new", "new"]

    def test_kinds(self, app: App) -> None:
        """A patch of a base, or of a kind, is one of the session's own object of that kind."""
        app.create([{"id": "e", "kind": "engine", "name": "a", "speed": 1}])
        for model in (Config, Engine):
            first = app.session()
            first.patch(model, "e", MergePatch({"name": model.__name__}))
            plan, session = first.plan(), app.session()
            mine = session.get_one(Config, "e")
            assert session.commit(again(plan, Config)).updated == (mine,)
            assert (type(mine), mine.name) == (Engine, model.__name__)

    def test_it_is_refused(self, app: App) -> None:
        """What the server refuses stays to be undone, where it was met."""
        app.create([{"id": "x", "title": "a"}])
        first, session = app.session(), app.session()
        test = {"op": "test", "path": "/data/title", "value": "other"}
        first.patch(Todo, "x", JSONPatch([test, *APPEND]))
        with pytest.raises(CommitError):
            session.commit(again(first.plan()))
        (todo,) = session.dirty
        session.rollback(todo)
        assert todo not in session

    @pytest.mark.parametrize("app", ["blocking on memory"], indirect=True)
    def test_a_kind_of_its_own(self, app: App) -> None:
        """A patch that a reader would not know is not written down."""
        session = app.session()
        session.patch(Todo, "x", Odd({"title": "b"}))
        with pytest.raises(InvalidRequest, match="a Odd cannot be kept as text"):
            session.plan().to_json()

    @pytest.mark.parametrize("app", ["blocking on memory"], indirect=True)
    @pytest.mark.parametrize(
        ("change", "place"),
        [
            (lambda w: w["blind"]["body"].append({"op": "remove"}), r"\[0\].request"),
            (lambda w: w["blind"].update(kind="MergePatch", body={}), r"\[0\].request"),
            (lambda w: w["blind"].update(kind="WholeDocument"), "is for records that were loaded"),
            (lambda w: w["blind"].update(kind="Odd"), "no kind of patch"),
            (lambda w: w["blind"].update(kind="MergePatch"), "blind.body: an object was expected"),
            (lambda w: w["blind"].update(body={}), "blind.body: a list was expected"),
            (lambda w: w["blind"].update(body=["x"]), r"body\[0\]: an object was expected"),
            (lambda w: w["blind"].update(body=[{"value": float("nan")}]), r"\[0\]: "),
            (lambda w: w["blind"].update(kind="BasicPatch", body={"a": 1}), "'a' is not known"),
            (lambda w: w["blind"].update(more=1), "'more' is not known"),
            (lambda w: w.update(base={"id": "x"}, last_modified=1), "None was expected"),
            (lambda w: w.update(permissions={"read": []}), "permissions: {} was expected"),
            (lambda w: w.update(action="create"), "'update' was expected"),
            (lambda w: w.update(blind=None), "do not fit together"),
            (lambda w: w["request"].update(headers={}), r"\[0\].request"),
        ],
    )
    def test_tampered(self, app: App, change: Any, place: str) -> None:
        """A patch that is not the one of the request, or none at all, is refused."""
        session = app.session()
        session.patch(Todo, "x", JSONPatch(APPEND))
        document = json.loads(session.plan().to_json())
        change(document["chunks"][0][0])
        with pytest.raises(InvalidRequest, match=place):
            Plan.from_json(json.dumps(document), models=[Todo])


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(pairs, min_size=1, max_size=10),
    st.sampled_from([MergePatch, JSONPatch, GuardedJSONPatch, BasicPatch, WholeDocument]),
)
def test_any_plan(
    app: App, documents: list[tuple[dict[str, Any], dict[str, Any]]], kind: Any
) -> None:
    """Whatever is planned, and in whichever form, is what another session makes of it."""
    known = {"id", "last_modified", "schema", "__permissions__"}
    cleaned = [
        [{key: value for key, value in part.items() if key not in known} for part in pair]
        for pair in documents
    ]
    first = app.session()
    records = [Anything(extra=before) for before, _ in cleaned]
    first.add_all(records)
    app.session().commit(again(first.plan(), Anything))
    second = app.session()
    for record, (_, after) in zip(records, cleaned, strict=True):
        second.get_one(Anything, record.id).extra = after
    app.session().commit(again(second.plan(patch=kind), Anything))
    stored = app.stored()
    for record, (_, after) in zip(records, cleaned, strict=True):
        found = stored[record.id]
        assert same({**found, "last_modified": 0}, {"id": record.id, "last_modified": 0, **after})


class TestHere:
    """A plan of the session's own."""

    def test_what_moved(self, app: App) -> None:
        """It is told what the session has now, and where that differs."""
        session, plan = three_changes(app)
        session.expunge(session.new[0])
        session.add(session.deleted[0])
        app.raw.patch_record(id="x", data={"title": "theirs"})
        session.refresh(session.dirty[0])
        before = len(session.sent)
        with pytest.raises(StalePlanError) as caught:
            session.commit(plan)
        found = {each.key.id: (each.kind, each.paths) for each in caught.value.differences}
        assert found == {
            "x": ("changed", ("title",)),
            "y": ("reversed", ()),
            "z": ("forgotten", ()),
        }
        assert len(session.sent) == before

    def test_a_plan_and_a_kind(self, app: App) -> None:
        """A plan says how its changes are written: another kind cannot be asked for."""
        session = app.session()
        plan = session.plan(patch=JSONPatch)
        with pytest.raises(InvalidRequest, match="a plan says how"):
            session.commit(plan, patch=JSONPatch)

    def test_what_does_not_fit(self, app: App) -> None:
        """A text that would write what its class forbids is refused."""
        _, plan = three_changes(app)
        document = json.loads(plan.to_json())
        document["chunks"][0][0]["target"]["title"] = None
        with pytest.raises((InvalidRequest, ValidationError), match="title"):
            Plan.from_json(json.dumps(document), models=[Todo])
