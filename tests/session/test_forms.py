"""How a change is written: as is asked for, or in the form that means the same where it travels."""

from __future__ import annotations

from typing import Any

import pytest

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps import APART, App
from kinto_orm import (
    BasicPatch,
    Everyone,
    Field,
    GuardedJSONPatch,
    JSONPatch,
    MergePatch,
    Permissions,
    Record,
    User,
    WholeDocument,
    field,
)
from kinto_orm.exceptions import CommitError, InvalidRequest
from kinto_orm.flow.json import same
from kinto_orm.session.changes import Change, Write, size_of
from kinto_orm.session.forms import must_travel_alone, should_travel_alone, written
from kinto_orm.session.identity import Key
from session.models import Todo
from strategies import pairs


APPS = APART


KINDS = [MergePatch, JSONPatch, GuardedJSONPatch, BasicPatch, WholeDocument]

#: Text that makes a document large.
LONG = "a text of some length" * 20


class Anything(Record, collection="todos"):
    """A record of which nothing is declared."""


def change_of(base: dict[str, Any], target: dict[str, Any], **options: Any) -> Change:
    """Return the change of a document."""
    document = {"id": "x", **base}
    return Change(
        record=Anything(id="x"),
        key=Key("b", "todos", "x"),
        loaded={**document, "last_modified": 5},
        target={"id": "x", **target},
        **options,
    )


def said(write: Write) -> tuple[str, str]:
    """Return the method of a request, and what kind its body is of."""
    kind = write.request.headers.get("Content-Type", "application/json")
    return write.request.method, kind.removeprefix("application/").removesuffix("+json")


class TestAlone:
    """A change that travels alone."""

    @pytest.mark.parametrize(
        ("kind", "method", "media"),
        [
            (MergePatch, "PATCH", "merge-patch"),
            (JSONPatch, "PATCH", "json-patch"),
            (GuardedJSONPatch, "PATCH", "json-patch"),
            (BasicPatch, "PATCH", "json"),
            (WholeDocument, "PUT", "json"),
        ],
    )
    def test_as_asked(self, kind: Any, method: str, media: str) -> None:
        """It is of the kind that was asked for, with the precondition."""
        write = written(change_of({"a": 1}, {"a": 2}, patch=kind), alone=True)
        assert said(write) == (method, media)
        assert write.request.headers["If-Match"] == '"5"'
        assert "since" not in write.form

    @pytest.mark.parametrize(
        ("kind", "base", "target", "form", "reason"),
        [
            # What is small is chosen, of what can say it.
            (MergePatch, {"a": 1}, {"a": None}, "PATCH json", "a merge patch cannot say it"),
            (MergePatch, {"a": 1, "b": 2}, {"a": None}, "PUT json", "a merge patch cannot say it"),
            (MergePatch, {"a": 1, "l": LONG}, {"b": None, "l": LONG}, "PATCH json-patch", "null"),
            (MergePatch, {"a": [LONG, 1]}, {"a": [LONG], "b": None}, "PATCH json-patch", "null"),
            (BasicPatch, {"a": 1, "b": LONG}, {"b": LONG}, "PATCH json-patch", "cannot be removed"),
            (BasicPatch, {"a": 1}, {}, "PUT json", "cannot be removed"),
        ],
    )  # fmt: skip
    def test_what_the_kind_cannot_say(
        self, kind: Any, base: Any, target: Any, form: str, reason: str
    ) -> None:
        """It is the smallest of the other forms, and the plan says why."""
        change = change_of(base, target, patch=kind)
        write = written(change, alone=True)
        assert " ".join(said(write)) == form
        assert "since" in write.form
        assert reason in write.form
        for other in (JSONPatch, WholeDocument):
            asked = written(change_of(base, target, patch=other), alone=True)
            assert size_of(write.request) <= size_of(asked.request)

    def test_a_record_in_part(self) -> None:
        """The whole of a record that was loaded in part is not known, and never sent."""
        keys = frozenset({"id", "a"})
        write = written(change_of({"a": 1}, {"a": 2}, patch=WholeDocument, keys=keys), alone=True)
        assert said(write) == ("PATCH", "json")
        assert "it was loaded in part" in write.form
        change = change_of({"a": 1}, {"a": 1, "b": {"c": 1}}, keys=keys)
        write = written(change, alone=True)
        assert write.request.body == {"data": {"b": {"c": 1}}}
        assert said(write) == ("PATCH", "json")
        assert "not known what is in it" in write.form


class TestInABatch:
    """A change that travels with others."""

    @pytest.mark.parametrize("kind", [MergePatch, JSONPatch, BasicPatch])
    @pytest.mark.parametrize(
        ("base", "target", "data"),
        [
            ({"a": 1, "b": LONG}, {"a": 2, "b": LONG}, {"a": 2}),
            ({"a": 1}, {"a": None}, {"a": None}),
            ({"a": 1}, {"a": {"b": None}}, {"a": {"b": None}}),
            ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ],
    )
    def test_attributes(self, kind: Any, base: Any, target: Any, data: Any) -> None:
        """It is a replacement of attributes, and does not say it is anything else (B2)."""
        write = written(change_of(base, target, patch=kind), alone=False)
        assert write.request.body == {"data": data}
        assert write.request.headers == {"If-Match": '"5"'}

    @pytest.mark.parametrize("kind", [MergePatch, JSONPatch, BasicPatch])
    def test_a_key_is_removed(self, kind: Any) -> None:
        """Only the whole document can say that."""
        write = written(change_of({"a": 1, "b": 2}, {"a": 1}, patch=kind), alone=False)
        assert said(write) == ("PUT", "json")
        assert "a key is removed" in write.form

    @given(pairs)
    def test_it_is_the_smaller_form(self, pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
        """Attributes are never larger than the document."""
        attributes = written(change_of(*pair), alone=False)
        whole = written(change_of(*pair, patch=WholeDocument), alone=False)
        assert size_of(attributes.request) <= size_of(whole.request)

    def test_what_must_travel_alone(self) -> None:
        """Guards, and a key that is removed from a record of which the rest is not known."""
        keys = frozenset({"id", "a", "b"})
        guarded = change_of({"a": 1}, {"a": 2}, patch=GuardedJSONPatch)
        assert should_travel_alone(guarded)
        assert not must_travel_alone(guarded)  # A lock is better than guards.
        assert must_travel_alone(change_of({"a": 1}, {}, keys=keys))
        assert not must_travel_alone(change_of({"a": 1}, {"a": {"b": 1}}, keys=keys))
        assert not must_travel_alone(change_of({"a": 1}, {}))


class TestKinds:
    """Who says which kind it is."""

    def test_the_nearest_counts(self, app: App) -> None:
        """A commit says it, or else the class, or else the session."""

        class Cautious(Todo, patch=JSONPatch):
            pass

        app.create([{"id": "x", "title": "a"}, {"id": "y", "title": "a"}])
        session = app.session(patch=BasicPatch)
        session.get_one(Todo, "x").title = "b"
        assert "attributes" in str(session.plan())
        assert "a merge patch" in str(session.plan(patch=MergePatch))
        session.commit(patch=WholeDocument)
        session.get_one(Cautious, "y").title = "b"
        assert "a JSON Patch" in str(session.plan())
        session.commit(patch=MergePatch)
        assert [each.method for each in session.writes] == ["PUT", "PATCH"]
        assert session.writes[-1].headers["Content-Type"] == MergePatch.content_type
        assert {each["title"] for each in app.stored().values()} == {"b"}

    def test_what_is_no_kind(self, app: App) -> None:
        """Anything else is refused where it is given."""
        wrong: Any = "JSONPatch"
        with pytest.raises(TypeError, match="patch must be MergePatch, JSONPatch"):
            app.session(patch=wrong)
        session = app.session()
        session.add(Todo(title="a"))
        for attempt in (session.plan, session.commit):
            with pytest.raises(TypeError, match="patch must be MergePatch, JSONPatch"):
                attempt(patch=wrong)
        assert not session.writes

    def test_a_whole_document_is_no_patch(self, app: App) -> None:
        """A client, which has a method for that, does not take it for a patch."""
        app.create([{"id": "x", "title": "a"}])
        client = app.client()
        with pytest.raises(InvalidRequest, match="use an update_… method"):
            app.run(client.patch_record(id="x", changes=WholeDocument({"title": "b"})))
        assert client.sent == []

    def test_the_plan_says_how_large_it_is(self, app: App) -> None:
        """The bytes that are sent stand beside those of the document."""
        app.create([{"id": ident, "title": "a", "note": LONG} for ident in "xy"])
        session = app.session()
        for todo in session.query(Todo):
            todo.title = "b"
        lines = str(session.plan()).splitlines()
        assert lines[2].endswith("(B2), 22 bytes; the document has 452")

    def test_guards_are_never_lost(self, app: App) -> None:
        """Several guarded patches are as many requests; one that fails leaves the others."""
        app.create([{"id": ident, "title": "a"} for ident in "xy"])
        session = app.session(patch=GuardedJSONPatch)
        one, two = session.query(Todo).order_by(Todo.id)
        one.title = two.title = "b"
        # What was loaded, as far as the session knows, is not what the server has.
        session._inner._known.of(one).loaded = {**one.to_document(), "title": "never"}
        with pytest.raises(CommitError) as caught:
            session.commit()
        assert caught.value.result.updated == (two,)
        (error,) = caught.value.result.errors
        assert "JSON Patch operation failed" in str(error)
        assert {each["id"]: each["title"] for each in app.stored().values()} == {"x": "a", "y": "b"}

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("others", [0, 2])
    def test_permissions(self, app: App, kind: Any, others: int) -> None:
        """Each form changes permissions with the data, and those alone; others stay."""
        ann = User("account:ann")
        session = app.session(patch=kind)
        todo = Todo(id="x", title="a", note="n", permissions=Permissions(read=[ann]))
        session.add(todo)
        session.commit()
        session.add_all(Todo(title="other") for _ in range(others))
        todo.title, todo.note = "b", None
        todo.permissions.read.add(Everyone)
        session.commit()
        session.add_all(Todo(title="other") for _ in range(others))
        todo.permissions.write.add(ann)
        session.commit()
        found = app.raw.get_record(id="x")
        assert set(found["permissions"]["read"]) == {ann, Everyone}
        assert ann in found["permissions"]["write"]
        assert found["data"] == todo.to_document()
        assert not session.dirty


class Part(Record, collection="todos"):
    """A record of which two fields are declared."""

    one: Field[Any] = field(default=None)
    two: Field[Any] = field(default=None)


@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(pairs, st.sampled_from([0, 2]), st.sampled_from([(), (Part.one,)]))
def test_on_the_server(
    app: App, kind: Any, pair: tuple[dict[str, Any], dict[str, Any]], others: int, part: Any
) -> None:
    """Each form gives just the target, alone and in a batch, of whole records and of parts."""
    session, (before, after) = app.session(), pair
    record = Part(one=before, two=[before])
    session.add(record)
    session.commit()
    session = app.session()
    query = session.query(Part).filter(Part.id == record.id)
    found = (query.only(*part) if part else query).one()
    found.one = after or None
    session.add_all(Part() for _ in range(others))
    session.commit(patch=kind)
    stored = app.stored()[record.id]
    expected = {"id": record.id, "last_modified": stored["last_modified"], "two": [before]}
    assert same(stored, {**expected, "one": after} if after else expected)
    assert session.commit().requests == 0
