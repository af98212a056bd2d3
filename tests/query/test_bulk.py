"""Deleting and updating what a query finds."""

from __future__ import annotations

from typing import Any

import pytest

from attrs import validators

from apps import COMBINATIONS, App
from faults import FaultProxy
from kinto_orm import CommitError, Conflict, ConflictError, Field, Record, ValidationError, field
from kinto_orm.exceptions import InvalidRequest, UnsupportedQuery

from .models import Person, Post, posts


def session_with(app: App, count: int, client: Any = None) -> Any:
    """Return a session on so many posts."""
    app.create(posts(count))
    return app.session(client)


class TestDelete:
    """Deleting."""

    def test_all_that_matches(self, app: App) -> None:
        """All pages are deleted, in batches; the result has each record, and nothing else goes."""
        session = session_with(app, 60)
        result = session.query(Post).filter(Post.stars >= 5).page_size(40).delete()
        assert {record.id for record in result.deleted} == {f"p{n}" for n in range(5, 60)}
        assert result.ok
        assert result.requests == 3  # 25 and 15, and 15.
        assert app.stored().keys() == {f"p{n}" for n in range(5)}
        assert len(session._inner._known) == 0

    def test_what_the_session_has(self, app: App) -> None:
        """A record of the session that is deleted is gone from it; others stay."""
        session = session_with(app, 3)
        one, other = session.get(Post, "p1"), session.get(Post, "p2")
        result = session.query(Post).filter(Post.stars < 2).delete()
        assert len(result.deleted) == 2
        assert one in result.deleted
        assert one not in session
        assert other in session
        assert one.title == "title 1"

    def test_limits_and_orders(self, app: App) -> None:
        """Only so many, in that order."""
        session = session_with(app, 6)
        session.query(Post).order_by(-Post.stars).limit(2).delete()
        assert app.stored().keys() == {"p0", "p1", "p2", "p3"}

    def test_nothing(self, app: App) -> None:
        """Where nothing matches, nothing is written."""
        session = session_with(app, 1)
        result = session.query(Post).filter(Post.stars == 9).delete()
        assert (result.deleted, result.requests, session.writes) == ((), 0, [])

    def test_a_document_that_does_not_fit(self, app: App) -> None:
        """It can be deleted as any other."""
        app.create([{"id": "odd", "title": 3}])
        assert len(app.session().query(Post).delete().deleted) == 1
        assert app.stored() == {}


class TestUpdate:
    """Changing."""

    def test_all_that_matches(self, app: App) -> None:
        """All pages are changed, in batches; what has the value already is not written."""
        documents = posts(60)
        documents[7] |= {"note": "same", "more": {"deep": [None]}}
        app.create(documents)
        session, before = app.session(), app.stored()
        result = session.query(Post).filter(Post.stars >= 5).page_size(30).update(note="same")
        assert len(result.updated) == 54
        assert [record.id for record in result.unchanged] == ["p7"]
        assert result.requests == 3  # Two for the first page, one for the second.
        after = app.stored()
        assert after["p7"] == before["p7"]
        assert after["p4"] == before["p4"]
        assert after["p9"] == {
            **before["p9"], "note": "same", "last_modified": after["p9"]["last_modified"],
        }  # fmt: skip
        assert len(session._inner._known) == 0

    def test_what_the_session_has(self, app: App) -> None:
        """A record of the session is changed there, too, and clean."""
        session = session_with(app, 2)
        post = session.get(Post, "p1")
        session.query(Post).update(tags=["a"], stars=9)
        assert (post.tags, post.stars) == (["a"], 9)
        assert not session.dirty
        post.title = "more"
        session.commit()
        assert app.stored()["p1"]["title"] == "more"

    def test_each_has_its_own(self, app: App) -> None:
        """A list that is given to many records is not one list for all of them."""
        session = session_with(app, 3)
        one, other, _ = session.query(Post).all()
        given = ["x"]
        session.query(Post).update(tags=given)
        one.tags.append("y")
        assert session.dirty == (one,)
        assert (other.tags, given) == (["x"], ["x"])
        session.commit()
        ann = Person(id="ann", name="Ann")
        app.create([{"id": "ann", "name": "Ann"}], "people")
        session.query(Post).update(author=session.get(Person, "ann"))
        assert one.author == ann.id
        assert one.author.record is other.author.record

    def test_untracked(self, app: App) -> None:
        """Whether the query keeps records makes no difference."""
        session = session_with(app, 3)
        assert len(session.query(Post).untracked().update(stars=9).updated) == 3
        assert len(session.query(Post).untracked().delete().deleted) == 3

    def test_what_cannot_be_said(self, app: App) -> None:
        """Fields that there are not, or that are Kinto's, are refused before anything is sent."""
        query = app.session().query(Post)
        with pytest.raises(TypeError, match="no field 'nope'"):
            query.update(nope=1)
        with pytest.raises(TypeError, match="cannot change 'id'"):
            query.update(id="x")
        with pytest.raises(UnsupportedQuery, match="records alone"):
            query.with_deleted().update(stars=1)

    def test_values_that_are_refused(self, app: App) -> None:
        """A record that may not have the value is told; it stays as it was, others do not."""

        class Bounded(Record, collection="todos"):
            title: Field[str]
            stars: Field[int] = field(default=0, validator=validators.le(5))

        session = session_with(app, 3)
        with pytest.raises(CommitError) as caught:
            session.query(Post).update(title=3)
        assert len(caught.value.result.errors) == 3
        assert session.dirty == ()
        with pytest.raises(CommitError) as caught:
            session.query(Bounded).update(stars=6)
        assert len(caught.value.result.errors) == 3
        assert all(isinstance(each, ValidationError) for each in caught.value.exceptions)
        assert "Bounded" in str(caught.value)
        assert "stars" in str(caught.value)
        assert session.writes == []

    def test_whatever_a_validator_raises(self, app: App) -> None:
        """An error of any kind is told of its record; no record is left half changed."""

        def odd(_: Any, __: Any, value: int) -> None:
            if value == 7:
                raise ZeroDivisionError

        class Odd(Record, collection="todos"):
            title: Field[str]
            stars: Field[int] = field(default=0, validator=odd)
            fixed: Field[str] = field(default="", read_only=True)

        session = session_with(app, 2)
        records = session.query(Odd).all()
        with pytest.raises(CommitError) as caught:
            session.query(Odd).update(title="new", stars=7)
        assert len(caught.value.result.errors) == 2
        assert [record.title for record in records] == ["title 0", "title 1"]
        assert not session.dirty
        with pytest.raises(TypeError, match="cannot change fixed: read-only"):
            session.query(Odd).update(fixed="x")

    def test_uncommitted_changes(self, app: App) -> None:
        """A session with changes of its own in the collection has to commit them first."""
        session = session_with(app, 2)
        session.get(Post, "p0").title = "mine"
        with pytest.raises(InvalidRequest, match="p0 has changes that are not committed"):
            session.query(Post).update(stars=1)
        with pytest.raises(InvalidRequest, match="p0 has changes that are not committed"):
            session.query(Post).delete()
        assert session.writes == []


class TestTruth:
    """What is told is true."""

    def meddling(self, app: App, number: int) -> Any:
        """Return a client; somebody else changes p1 before its *number*-th write."""
        client = app.client()
        port = client._port
        perform, count = port.perform, [0]

        def meddle(step: Any) -> Any:
            if getattr(step, "writes", False):
                count[0] += 1
                if count[0] == number:
                    app.raw.patch_record(id="p1", data={"title": "theirs"})
            return perform(step)

        port.perform = meddle
        return client

    def test_conflicts(self, app: App) -> None:
        """A record that was changed meanwhile is a conflict; the others are written."""
        session = session_with(app, 3, self.meddling(app, 1))
        with pytest.raises(ConflictError) as caught:
            session.query(Post).update(title="mine")
        result = caught.value.result
        assert {record.id for record in result.updated} == {"p0", "p2"}
        (conflict,) = result.conflicts
        assert isinstance(conflict, Conflict)
        assert conflict.remote is not None
        assert conflict.remote["title"] == "theirs"
        assert app.stored()["p1"]["title"] == "theirs"
        assert [record.id for record in session.dirty] == ["p1"]

    @pytest.mark.parametrize("app", COMBINATIONS, indirect=True)
    def test_lost_answers(self, app: App) -> None:
        """An answer that is lost is neither an error nor a conflict."""
        app.create(posts(5))
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url))
            proxy.lose_answer(when=lambda request: request.method == "POST", times=1)
            result = session.query(Post).update(note="done")
            assert len(result.updated) == 5
        assert {each["note"] for each in app.stored().values()} == {"done"}

    @pytest.mark.parametrize("app", COMBINATIONS[:1], indirect=True)
    def test_a_page_that_cannot_be_read(self, app: App) -> None:
        """If the rest cannot be read, the error has what was done until then."""
        app.create(posts(4))
        with FaultProxy(app.server.url) as proxy:
            client = app.client(proxy.url, retry=0)
            session = app.session(client)
            proxy.answer(403, when=lambda request: "token" in request.path)
            with pytest.raises(CommitError, match="could not be read to its end") as caught:
                session.query(Post).page_size(2).update(note="done")
        assert {record.id for record in caught.value.result.updated} == {"p0", "p1"}
        assert "note" not in app.stored()["p2"]
