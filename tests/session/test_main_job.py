"""Records loaded, edited and committed: what is sent, and what is on the server then."""

from __future__ import annotations

import copy
import math

from typing import Any

import pytest

from apps import COMBINATIONS, App
from kinto_orm import Field, InvalidId, JSONPatch, MergePatch, Record
from kinto_orm.flow.json import same
from remote_settings import Engine, SearchConfig, TranslationModel
from samples import real, search_config, translation_models
from session.models import Address, Todo


Documents = list[dict[str, Any]]


def without_stamp(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document as the user sees it."""
    return {key: value for key, value in document.items() if key != "last_modified"}


class TestRealCollections:
    """Four kinds of record in one collection, nested deeply, with keys that no class declares."""

    @pytest.mark.parametrize("documents", real("search-config-v2", search_config()))
    def test_loading_is_no_change(self, app: App, documents: Documents) -> None:
        """A commit right after loading sends no request."""
        app.create(documents, SearchConfig._collection)
        session = app.session()
        found = session.query(SearchConfig).all()
        before = len(session.sent)
        result = session.commit()
        assert len(found) == len(documents) == 157
        assert len({type(record) for record in found}) == 4
        assert session.dirty == ()
        assert len(session.sent) == before
        assert result.ok
        assert len(result.unchanged) == 157

    @pytest.mark.parametrize("documents", real("search-config-v2", search_config()))
    def test_one_nested_change_changes_that_alone(self, app: App, documents: Documents) -> None:
        """A change deep inside one record leaves all else on the server byte for byte."""
        app.create(documents, SearchConfig._collection)
        before = app.stored(SearchConfig._collection)
        session = app.session()
        engine = session.query(Engine).all()[70]
        engine.base.urls.search.parameters[0].value = "changed"
        result = session.commit()
        after = app.stored(SearchConfig._collection)
        expected = copy.deepcopy(before)
        changed = expected[engine.id]
        changed["base"]["urls"]["search"]["params"][0]["value"] = "changed"
        changed["last_modified"] = engine.last_modified
        assert same(after, expected)
        assert result.updated == (engine,)
        assert [request.method for request in session.writes] == ["PATCH"]

    @pytest.mark.parametrize("documents", real("translations-models", translation_models()))
    def test_many_changes_are_few_batches(self, app: App, documents: Documents) -> None:
        """One changed field on each of 626 records is ceil(626 / 25) requests."""
        app.create(documents, TranslationModel._collection)
        before = app.stored(TranslationModel._collection)
        session = app.session()
        app.run(session.client.server_info())
        for model in session.query(TranslationModel):
            model.version = f"{model.version}-next"
        session.plan()
        already = len(session.sent)
        result = session.commit()
        assert len(session.sent) - already == math.ceil(626 / 25) == 26
        assert len(result.updated) == len(documents) == 626
        after = app.stored(TranslationModel._collection)
        assert all(
            same(
                without_stamp(after[ident]),
                without_stamp({**document, "version": f"{document['version']}-next"}),
            )
            for ident, document in before.items()
        )
        assert session.dirty == ()


@pytest.mark.parametrize(
    ("others", "patch"),
    [(0, MergePatch), (0, JSONPatch), (1, MergePatch), (3, JSONPatch)],
    ids=["alone", "alone-json-patch", "in-a-batch", "in-a-batch-json-patch"],
)
class TestFormsOfAChange:
    """In a batch as alone, a change means the same."""

    def load(self, app: App, others: int, patch: Any) -> tuple[Any, Any]:
        """Return a session with the record *x* loaded, and *others* changed."""
        document = {
            "id": "x",
            "title": "Water plants",
            "note": "soon",
            "answer": "yes",
            "undeclared": {"a": [1, None], "b": None},
            "address": {"city": "Paris", "zip": "75001", "floor": {"number": 3, "lift": None}},
            "stops": [{"city": "A", "k": 1}, {"city": "B", "k": 2}, {"city": "C"}],
        }
        app.create([document, *({"id": f"o{i}", "title": "other"} for i in range(others))])
        session = app.session(patch=patch)
        for index in range(others):
            session.get_one(Todo, f"o{index}").priority = 7
        return session, session.get_one(Todo, "x")

    def commit(self, app: App, session: Any, expected: dict[str, Any]) -> None:
        """Commit, and compare with what the record *x* shall be."""
        before = app.stored()["x"]
        count = len(session.plan().writes)
        result = session.commit()
        after = app.stored()["x"]
        assert same(without_stamp(after), expected)
        assert after["last_modified"] > before["last_modified"]
        assert len(result.updated) == count
        assert all(each["priority"] == 7 for ident, each in app.stored().items() if ident != "x")
        assert session.dirty == ()
        assert len(session.writes) == 1

    def test_none_removes_the_key(self, app: App, others: int, patch: Any) -> None:
        """Setting a field to None removes its key."""
        session, todo = self.load(app, others, patch)
        expected = without_stamp(app.stored()["x"])
        todo.note = None
        del expected["note"]
        self.commit(app, session, expected)

    def test_null_is_kept_where_asked_for(self, app: App, others: int, patch: Any) -> None:
        """Setting a field that keeps nulls to None stores null."""
        session, todo = self.load(app, others, patch)
        expected = without_stamp(app.stored()["x"])
        todo.answer = None
        expected["answer"] = None
        self.commit(app, session, expected)

    def test_a_nested_key_is_removed(self, app: App, others: int, patch: Any) -> None:
        """Setting a nested field to None removes its key, and no other."""
        session, todo = self.load(app, others, patch)
        expected = without_stamp(app.stored()["x"])
        todo.address.zip_code = None
        del expected["address"]["zip"]
        self.commit(app, session, expected)

    def test_a_nested_change_keeps_undeclared_keys(self, app: App, others: int, patch: Any) -> None:
        """Changing a nested field keeps the nested keys that the class does not declare."""
        session, todo = self.load(app, others, patch)
        expected = without_stamp(app.stored()["x"])
        todo.address.city = "Lyon"
        expected["address"]["city"] = "Lyon"
        self.commit(app, session, expected)

    def test_an_undeclared_nested_key_is_removed(self, app: App, others: int, patch: Any) -> None:
        """Removing a nested key that no class declares, from `extra`, removes it."""
        session, todo = self.load(app, others, patch)
        expected = without_stamp(app.stored()["x"])
        del todo.extra["undeclared"]["b"]
        del todo.address.extra["floor"]["lift"]
        del expected["undeclared"]["b"], expected["address"]["floor"]["lift"]
        self.commit(app, session, expected)

    def test_an_object_is_removed_and_set(self, app: App, others: int, patch: Any) -> None:
        """An embedded record may go, or come."""
        session, todo = self.load(app, others, patch)
        expected = without_stamp(app.stored()["x"])
        todo.address = None
        todo.extra["scalar"] = {"was": "missing"}
        del expected["address"]
        expected["scalar"] = {"was": "missing"}
        self.commit(app, session, expected)

    def test_an_object_replaces_a_scalar(self, app: App, others: int, patch: Any) -> None:
        """An object may take the place of a scalar, which Kinto cannot merge."""
        session, todo = self.load(app, others, patch)
        expected = without_stamp(app.stored()["x"])
        todo.extra["undeclared"]["a"] = {"an": "object", "with": None}
        expected["undeclared"]["a"] = {"an": "object", "with": None}
        self.commit(app, session, expected)

    def test_lists_change_in_place(self, app: App, others: int, patch: Any) -> None:
        """Items of a list are removed, changed, moved and added; each keeps its own keys."""
        session, todo = self.load(app, others, patch)
        expected = without_stamp(app.stored()["x"])
        first = todo.stops.pop(0)
        todo.stops[0].zip_code = "1000"
        todo.stops += [first, Address(city="D")]
        expected["stops"] = [
            {"city": "B", "zip": "1000", "k": 2},
            {"city": "C"},
            {"city": "A", "k": 1},
            {"city": "D"},
        ]
        self.commit(app, session, expected)


class TestRightObject:
    """Names that other clients mistake for something else."""

    @pytest.mark.parametrize("collection", ["batches", "v1", "batch", "records"])
    @pytest.mark.parametrize("name", ["v1", "rev1", "batch-1"])
    def test_awkward_names(self, app: App, name: str, collection: str) -> None:
        """Buckets and collections called like parts of a URL are read and written as any other."""

        class Thing(Record, bucket=f"{name}-{app.bucket}", collection=collection):
            text: Field[str]

        app.run(app.raw.create_bucket(id=Thing._bucket))
        app.raw.create_collection(id=collection, bucket=Thing._bucket)
        session = app.session()
        things = [Thing(id=ident, text="a") for ident in ("0", "a", "A-_", "v1", "x" * 200)]
        session.add_all(things)
        assert len(session.commit().created) == 5
        for thing in things:
            thing.text = "b"
        session.commit()
        session.delete(things.pop())
        session.commit()
        things[0].text = "c"
        session.commit()
        stored = app.raw.get_records(bucket=Thing._bucket, collection=collection)
        assert {each["id"]: each["text"] for each in stored} == {
            "0": "c", "a": "b", "A-_": "b", "v1": "b",
        }  # fmt: skip
        assert session.query(Thing).count() == 4

    @pytest.mark.parametrize("app", COMBINATIONS[:2], indirect=True)
    @pytest.mark.parametrize(
        "ident", ["", "a.b", "été", "a/b", "-a", "_a", "a\n", "a b", "%41", "a" + "é"]
    )
    def test_a_wrong_id_is_refused(self, app: App, ident: str) -> None:
        """An id that Kinto does not take is refused before anything is sent, never rewritten."""
        session = app.session()
        session.add(Todo(id="fine", title="x"))
        with pytest.raises(InvalidId, match="cannot be the id of a record"):
            session.add(Todo(id=ident, title="x"))
        with pytest.raises(InvalidId, match="cannot be the id of a record"):
            session.get(Todo, ident)
        assert session.sent == []
        assert len(session.commit().created) == 1
        assert list(app.stored()) == ["fine"]
