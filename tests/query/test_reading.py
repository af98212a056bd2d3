"""What queries ask for besides conditions, and how they are read."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from psycopg2 import connect

from apps import COMBINATIONS, App
from kinto_orm import (
    AsyncClient,
    AsyncSession,
    Conflict,
    ConflictError,
    Field,
    Invalid,
    NotLoaded,
    Record,
    Tombstone,
    ValidationError,
    field,
)
from kinto_orm.exceptions import (
    InvalidRequest,
    MultipleRecordsFound,
    SnapshotMoved,
    UnsupportedQuery,
)
from server.collisions import database_url

from .models import Person, Post, posts


#: A record that is being created; the server's trigger gives it a timestamp.
SLOW = """
    INSERT INTO objects (id, parent_id, resource_name, last_modified, data, deleted)
    VALUES ('slow', %(parent)s, 'record', NULL, '{"title": "slow"}'::JSONB, FALSE)
"""


def session_with(app: App, count: int = 6) -> Any:
    """Return a session on so many posts."""
    app.create(posts(count))
    return app.session()


class TestPages:
    """How many records come at a time."""

    def test_a_page_has_a_size(self, app: App) -> None:
        """`page_size` decides how many requests there are, and `limit` how many records."""
        session = session_with(app)
        query = session.query(Post).page_size(2)
        assert [len(page) for page in query.pages()] == [2, 2, 2]
        assert len(session.sent) == 3
        assert [post.id for post in query.limit(3)] == ["p0", "p1", "p2"]
        assert len(session.sent) == 5
        with pytest.raises(ValueError, match="at least 1"):
            query.page_size(0)

    @pytest.mark.parametrize("app", COMBINATIONS[:2], indirect=True)
    def test_a_page_read_ahead_is_read_again_after_a_commit(self, app: App) -> None:
        """What was asked for before a commit cannot undo what the commit wrote."""
        session = session_with(app, 4)
        other = session.get(Post, "p3")

        def changed() -> list[str]:
            other.title = "changed"
            session.commit()
            return [post.title for post in rest]

        inner = session.query(Post).page_size(2)._inner
        if app.awaiting:

            async def walk() -> list[str]:
                titles = []
                async for post in inner:
                    titles.append(post.title)
                    if post.id == "p0":
                        other.title = "changed"
                        await session._inner.commit()
                return titles

            titles = app.run(walk())
        else:
            rest = iter(inner)
            titles = [next(rest).title, *changed()]
        assert titles == ["title 0", "title 1", "title 2", "changed"]
        assert other.title == "changed"
        assert not session.dirty

    @pytest.mark.parametrize("app", COMBINATIONS[1:2], indirect=True)
    def test_leaving_early_and_closing(self, app: App) -> None:
        """A page that was asked for, and is not wanted any more, opens no connection."""
        app.create(posts(4))

        async def leave() -> None:
            client = AsyncClient(server_url=app.server.url, auth=app.server.auth, bucket=app.bucket)
            async with client, AsyncSession(client) as session:
                async for _ in session.query(Post).page_size(2):
                    break
            assert client._port._http is None
            assert not client._port._begun

        app.run(leave())

    def test_records_that_are_to_go(self, app: App) -> None:
        """They do not count: others come in their place."""
        session = session_with(app, 4)
        session.delete(session.get(Post, "p0"))
        assert session.query(Post).first().id == "p1"
        assert [post.id for post in session.query(Post).limit(2)] == ["p1", "p2"]
        assert [post.id for post in session.query(Post).limit(2).page_size(1)] == ["p1", "p2"]
        with pytest.raises(MultipleRecordsFound):
            session.query(Post).one()

    def test_untracked(self, app: App) -> None:
        """Records that are not tracked are new objects, as the server has them."""
        session = session_with(app)
        mine = session.get(Post, "p0")
        mine.title = "mine"
        theirs = session.query(Post).untracked().all()
        assert theirs[0].title == "title 0"
        assert theirs[0] is not mine
        assert all(post not in session for post in theirs)
        theirs[1].title = "taken in"
        session.add(theirs[1])
        session.commit()
        assert app.stored()["p1"]["title"] == "taken in"


class TestMoments:
    """What was changed when, and what was deleted."""

    def test_since_and_before(self, app: App) -> None:
        """Timestamps select what is newer and what is older; tombstones do not come with it."""
        session = session_with(app)
        times = {post.id: post.last_modified for post in session.query(Post)}
        app.raw.delete_record(id="p4")
        query = session.query(Post)
        assert [post.id for post in query.since(times["p3"])] == ["p5"]
        assert query.since(times["p3"]).count() == 1
        assert [post.id for post in query.before(times["p2"])] == ["p0", "p1"]
        assert [post.id for post in query.since(str(times["p2"])).before(times["p5"])] == ["p3"]
        assert [post.id for post in query.filter(Post.last_modified > times["p2"])] == ["p3", "p5"]
        with pytest.raises(UnsupportedQuery, match="must be a timestamp in milliseconds"):
            query.since("yesterday")

    def test_tombstones(self, app: App) -> None:
        """`with_deleted` gives what was deleted, too, each as a `Tombstone`."""
        session = session_with(app)
        app.raw.delete_record(id="p1")
        timestamp = int(app.raw.get_records_timestamp())
        query = session.query(Post).with_deleted()
        found = query.all()
        assert found[1] == Tombstone("p1", timestamp)
        assert [type(each) for each in found].count(Tombstone) == 1
        assert query.only(Post.title).all()[1] == Tombstone("p1", timestamp)
        assert query.since(timestamp - 1).all() == [Tombstone("p1", timestamp)]
        assert session.query(Post).timestamp() == timestamp

    def test_counting_tombstones(self, app: App) -> None:
        """Kinto does not count them: whether there is one can be told, how many is refused."""
        session = session_with(app, 2)
        moment = session.query(Post).timestamp()
        query = session.query(Post).with_deleted().since(moment)
        assert not query.exists()
        app.raw.delete_record(id="p1")
        assert query.exists()
        assert not session.query(Post).since(moment).exists()
        with pytest.raises(UnsupportedQuery, match="counts no tombstones"):
            query.count()

    def test_a_field_that_looks_like_a_tombstone(self, app: App) -> None:
        """A class with a key *deleted* cannot be asked for by time."""

        class Soft(Record, collection="todos"):
            gone: Field[bool] = field(default=False, key="deleted")

        query = app.session().query(Soft)
        for asked in (query.since(1), query.with_deleted(), query.filter(Soft.last_modified > 1)):
            with pytest.raises(UnsupportedQuery, match="Soft has a key 'deleted'"):
                asked.all()
        assert query.filter(Soft.gone == True).all() == []  # noqa: E712

    def test_tombstones_have_no_fields(self, app: App) -> None:
        """A filter that would hide tombstones is refused, with the reason."""
        query = app.session().query(Post).with_deleted()
        with pytest.raises(UnsupportedQuery, match="these have no fields: use no filter"):
            query.filter(Post.title == "x").all()

        class Kinds(Record, collection="todos", tag_field="kind"):
            """Any."""

        class One(Kinds, tag="one"):
            """One of them."""

        with pytest.raises(UnsupportedQuery, match=r"use query\(Kinds\), and compare here"):
            app.session().query(One).with_deleted().all()


class TestSnapshots:
    """Records of one moment."""

    def test_a_walk_that_is_overtaken(self, app: App) -> None:
        """Going through a snapshot raises when the collection moves; reading all begins again."""
        app.create(posts(8))
        query = app.session().query(Post).page_size(2).snapshot()._inner

        def blocking() -> None:
            for number, _ in enumerate(query.pages()):
                if number == 0:
                    app.raw.create_record(data={"title": "new"})

        async def awaited() -> None:
            number = 0
            async for _ in query.pages():
                number += 1
                if number == 1:
                    app.raw.create_record(data={"title": "new"})

        with pytest.raises(SnapshotMoved, match="changed while its pages were read"):
            app.run(awaited()) if app.awaiting else blocking()
        assert len(app.run(query.all())) == 9

    def test_reading_all_begins_again(self, app: App) -> None:
        """What reads everything reads it as it was at one moment."""
        app.create(posts(6))
        client = app.client()
        port, meddled = client._port, list[str]()

        def perform(step: Any, do: Any = port.perform) -> Any:
            if "token" in str(getattr(step, "params", "")) and len(meddled) < 2:
                meddled.append("x")
                app.raw.create_record(data={"title": "new"})
            return do(step)

        port.perform = perform
        query = app.session(client).query(Post).page_size(4).snapshot()
        assert len(query.all()) == 8
        assert len(meddled) == 2


class TestOnInvalid:
    """One document that does not fit."""

    @pytest.fixture
    def session(self, app: App) -> Any:
        """Give a session on three posts, one of which has a number for a title."""
        documents = posts(3)
        documents[1]["title"] = 1
        app.create(documents)
        return app.session()

    def test_raise(self, session: Any) -> None:
        """By default it is an error."""
        with pytest.raises(ValidationError, match=r"Post 'p1'.*title: expected a string, found 1"):
            session.query(Post).all()

    def test_skip(self, session: Any, caplog: pytest.LogCaptureFixture) -> None:
        """It is left out, and the log says so."""
        assert [post.id for post in session.query(Post).on_invalid("skip")] == ["p0", "p2"]
        assert "left out: Post 'p1' does not fit its class" in caplog.text

    def test_keep(self, session: Any) -> None:
        """It stands in its place, with its document."""
        first, odd, last = session.query(Post).on_invalid("keep").all()
        assert (first.id, last.id) == ("p0", "p2")
        assert isinstance(odd, Invalid)
        assert (odd.id, odd.document["title"]) == ("p1", 1)
        assert odd.last_modified == odd.document["last_modified"]
        assert odd.error.faults
        assert "title" in str(odd.error)

    def test_anything_else(self, session: Any) -> None:
        """There is nothing else that could be done."""
        with pytest.raises(ValueError, match="'raise', 'skip' or 'keep'"):
            session.query(Post).on_invalid("ignore")


class TestValues:
    """Queries are values."""

    def test_equal_and_hashable(self, app: App) -> None:
        """Two queries that ask for the same are equal, whoever asks."""
        one, other = app.session(), app.session()

        def asked(session: Any, stars: int = 2) -> Any:
            query = session.query(Post).filter(Post.stars > stars, title="x")
            return query.order_by(-Post.stars).include(Post.author).limit(3)

        assert asked(one) == asked(other)
        assert hash(asked(one)) == hash(asked(other))
        assert asked(one) != asked(one, 3)
        assert asked(one) != asked(one).untracked()
        assert asked(one) != asked(one).include(Post.readers)
        assert len({asked(one), asked(other), asked(one, 3)}) == 2

    def test_printed(self, app: App) -> None:
        """The repr is the URL; the text is the expression."""
        query = app.session().query(Post).filter(Post.stars >= 2, Post.title == "a b")
        query = query.order_by(-Post.stars).only(Post.title).limit(5).page_size(2).snapshot()
        path = f"/buckets/{app.bucket}/collections/todos/records"
        assert repr(query).endswith(
            f'Query {path}?min_stars=2&eq_title="a b"&_sort=-stars,id&_fields=title&_limit=2>'
        )
        assert str(query) == (
            "query(Post).filter(Post.stars >= 2, Post.title == 'a b').order_by(-Post.stars)"
            ".only(Post.title).limit(5).page_size(2).snapshot()"
        )

    def test_used_again(self, app: App) -> None:
        """A query may be asked by another session."""
        query = session_with(app).query(Post).filter(Post.stars > 4)
        other = app.session()
        again = other.query(query._inner)
        assert again == query
        (post,) = again.all()
        assert post in other


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a collection that was just written to for one that is not written to."""
    monkeypatch.setattr("kinto_orm.query.reading.QUIET", -60)


class TestBusyCollections:
    """Queries of what is being written to."""

    def test_nothing_is_remembered(self, app: App) -> None:
        """Shortly after a write, answers are read as a whole each time."""
        session = session_with(app, 3)
        session.query(Post).all()
        session.query(Post).all()
        assert [request.headers for request in session.sent] == [{}, {}]

    @pytest.mark.parametrize("app", COMBINATIONS[2:], indirect=True)
    def test_a_slow_transaction(self, app: App) -> None:
        """What a transaction writes that ends after a later one is seen when it has ended (T2)."""
        app.create(posts(1))
        session = app.session()
        with closing(connect(database_url(app.server))) as slow, slow.cursor() as cursor:
            place = {"parent": f"/buckets/{app.bucket}/collections/todos"}
            cursor.execute(SLOW, place)
            app.raw.create_record(id="fast", data={"title": "fast"})
            assert {post.id for post in session.query(Post)} == {"p0", "fast"}
            slow.commit()
        for _ in range(2):
            assert {post.id for post in session.query(Post)} == {"p0", "fast", "slow"}


@pytest.mark.usefixtures("quiet")
class TestConditionalReads:
    """A query that was asked before, of a collection that is not written to."""

    def test_one_304(self, app: App) -> None:
        """It costs one request without an answer's body while nothing has changed."""
        session = session_with(app)
        query = session.query(Post).page_size(2).filter(Post.stars > 0)
        first = query.all()
        assert len(session.sent) == 3
        assert [a is b for a, b in zip(query.all(), first, strict=True)] == [True] * 5
        assert len(session.sent) == 4
        assert session.sent[-1].headers.keys() == {"If-None-Match"}
        assert list(query) == first  # Going through it is the same question.
        assert len(session.sent) == 5

    def test_what_has_changed_is_read(self, app: App) -> None:
        """After a change by anybody, the records are read again."""
        session = session_with(app)
        query = session.query(Post).filter(Post.stars >= 4)
        query.all()
        app.raw.patch_record(id="p4", data={"title": "theirs"})
        app.raw.patch_record(id="p0", data={"stars": 9})
        assert [post.title for post in query.all()] == ["title 0", "theirs", "title 5"]
        session.get(Post, "p5").stars = 1
        session.commit()
        assert [post.id for post in query.all()] == ["p0", "p4"]

    def test_what_the_session_has_forgotten_is_read(self, app: App) -> None:
        """A record that was expunged is loaded again; one that is to be deleted is left out."""
        session = session_with(app, 3)
        one, two, _ = session.query(Post).all()
        session.expunge(one)
        again = session.query(Post).all()
        assert again[0] == one
        assert again[0] is not one
        session.delete(two)
        assert [post.id for post in session.query(Post).all()] == ["p0", "p2"]
        session.clear()
        assert len(session.query(Post).all()) == 3

    def test_what_was_refused_is_caught_up(self, app: App) -> None:
        """A record that was dirty when a newer version was read is read again when it is not."""
        session = session_with(app, 2)
        post, other = session.query(Post).all()
        post.title = "mine"
        session.delete(other)
        app.raw.patch_record(id="p0", data={"stars": 7})
        app.raw.patch_record(id="p1", data={"stars": 8})
        assert session.query(Post).all() == [post]
        post.title = "title 0"
        session.add(other)
        assert [each.stars for each in session.query(Post).all()] == [7, 8]

    def test_a_part_is_not_the_whole(self, app: App) -> None:
        """Records that were loaded in part meanwhile are loaded as a whole again."""
        session = session_with(app, 2)
        session.query(Post).all()
        session.expunge(session.get(Post, "p0"))
        session.query(Post).only(Post.title).all()
        assert [post.stars for post in session.query(Post).all()] == [0, 1]

    def test_limits_beside_records_that_are_to_go(self, app: App) -> None:
        """Where a remembered record is to be deleted, another comes in its place."""
        session = session_with(app, 3)
        query = session.query(Post).limit(2)
        one, _ = query.all()
        session.delete(one)
        assert [post.id for post in query.all()] == ["p1", "p2"]

    def test_pages_have_their_size(self, app: App) -> None:
        """The pages are as large as the first time."""
        session = session_with(app, 5)
        query = session.query(Post).page_size(2)
        assert [len(page) for page in query.pages()] == [2, 2, 1]
        assert [len(page) for page in query.pages()] == [2, 2, 1]
        assert len(session.sent) == 4

    def test_local_edits_stay(self, app: App) -> None:
        """An answer that has not changed does not undo an edit."""
        session = session_with(app, 2)
        post = session.query(Post).all()[0]
        post.title = "mine"
        assert session.query(Post).all()[0].title == "mine"


class TestOnly:
    """Records that are loaded in part."""

    def test_other_fields_are_not_loaded(self, app: App) -> None:
        """A field that was not asked for has no value, not even its default."""
        app.create([{"id": "a", "title": "x", "note": "n", "more": 1}])
        session = app.session()
        (post,) = session.query(Post).only(Post.title, Post.stars).all()
        assert session.sent[-1].params == [("_sort", "id"), ("_fields", "stars,title")]
        assert (post.title, post.stars) == ("x", 0)
        for name in ("note", "tags", "extra", "anything"):
            with pytest.raises(NotLoaded, match=rf"Post 'a': {name} was not loaded.*refresh"):
                getattr(post, name)
        assert repr(post) == f"Post(id='a', last_modified={post.last_modified}, title='x', stars=0)"
        assert not session.dirty
        session.refresh(post)
        assert (post.note, post.extra) == ("n", {"more": 1})

    def test_changes_are_patches(self, app: App) -> None:
        """What is changed is written; what was not loaded stays as it is."""
        kept = {"note": "n", "tags": ["t"], "more": {"deep": None}, "counts": {"a": 1}}
        app.create([{"id": each, "title": "x", "stars": 1, **kept} for each in "abcd"])
        session = app.session()
        one, two, three, four = session.query(Post).only(Post.title, Post.note).all()
        one.title = "changed"
        two.note = None  # Loaded: a removal.
        three.stars = 0  # Not loaded: its default is written, too.
        four.counts = {"b": 2}  # Not loaded: replaced, not merged.
        assert session.is_modified(three)
        result = session.commit()
        assert len(result.updated) == 4
        stored = app.stored()
        for each in stored.values():
            del each["last_modified"]
        plain = {"title": "x", "stars": 1, **kept}
        assert stored["a"] == {**plain, "id": "a", "title": "changed"}
        assert stored["b"] == {"id": "b", **{k: v for k, v in plain.items() if k != "note"}}
        assert stored["c"] == {**plain, "id": "c", "stars": 0}
        assert stored["d"] == {**plain, "id": "d", "counts": {"b": 2}}
        assert one.tags == ["t"]  # The answer has the rest.
        assert not session.dirty

    def test_the_rest_comes_later(self, app: App) -> None:
        """A record that is met again has all that was loaded, and its local edits."""
        app.create(posts(2))
        session = app.session()
        post, other = session.query(Post).only(Post.title).all()
        post.title = "mine"
        session.query(Post).only(Post.stars).all()
        assert (post.title, post.stars) == ("mine", 0)
        with pytest.raises(NotLoaded):
            _ = post.tags
        assert session.get(Post, "p0") is post
        assert (post.title, post.tags) == ("mine", [])
        assert session.dirty == (post,)
        session.query(Post).all()
        assert other.tags == []

    def test_a_part_does_not_replace_the_whole(self, app: App) -> None:
        """A record that is there as a whole is brought up to date as a whole."""
        app.create(posts(1))
        session = app.session()
        post = session.get(Post, "p0")
        app.raw.patch_record(id="p0", data={"title": "theirs", "note": "theirs"})
        assert session.query(Post).only(Post.title).one() is post
        assert (post.title, post.note) == ("theirs", "theirs")

    def test_keys_that_are_no_names(self, app: App) -> None:
        """A key with a dot or a comma cannot be asked for alone: it would seem to be missing."""

        class Dotted(Record, collection="todos"):
            value: Field[int] = field(key="a.b", default=0)

        with pytest.raises(UnsupportedQuery, match=r"cannot ask for 'a\.b' of Dotted"):
            app.session().query(Dotted).only(Dotted.value).all()

    def test_what_cannot_be_loaded_alone(self, app: App) -> None:
        """Fields of other classes, and what is no field, are refused."""
        query = app.session().query(Post)
        with pytest.raises(TypeError, match="only\\(\\) takes fields"):
            query.only("title")
        with pytest.raises(TypeError, match="no field 'name'"):
            query.only(Person.name)

    def test_extra(self, app: App) -> None:
        """What is set besides the fields is written, and what is there stays."""
        app.create([{"id": "p0", "title": "x", "one": 1, "two": {"a": None}}])
        session = app.session()
        post = session.query(Post).only(Post.title).one()
        post.extra = {"three": 3}
        for _ in range(2):
            session.commit()
            assert not session.dirty
            stored = app.stored()["p0"]
            del stored["last_modified"]
            assert stored == {"id": "p0", "title": "x", "one": 1, "two": {"a": None}, "three": 3}
        assert post.extra == {"one": 1, "two": {"a": None}, "three": 3}

    def test_it_is_not_created_again(self, app: App) -> None:
        """A record of which only a part is known is not created from that part."""
        app.create(posts(1))
        session = app.session()
        post = session.query(Post).only(Post.stars).one()
        session.delete(post)
        session.commit()
        session.add(post)
        with pytest.raises(InvalidRequest, match="p0 cannot be created: it was loaded in part"):
            session.commit()
        assert app.stored() == {}

    def test_comparing(self, app: App) -> None:
        """Records are equal if they have the same part, and that is equal."""
        app.create(posts(2))
        one, other = app.session(), app.session()
        part = one.query(Post).only(Post.title).filter(id="p0").one()
        assert part == other.query(Post).only(Post.title).filter(id="p0").one()
        whole = app.session().get(Post, "p0")
        assert part != whole
        assert [whole].count(part) == 0

    def test_properties(self, app: App) -> None:
        """A property that needs a field which was not loaded says which, and hides nothing."""

        class Shouting(Record, collection="todos"):
            title: Field[str]
            stars: Field[int] = field(default=0)

            @property
            def loud(self) -> str:
                return self.title.upper()

        app.create(posts(1))
        part = app.session().query(Shouting).only(Shouting.stars).one()
        for name in ("loud", "title"):
            with pytest.raises(NotLoaded, match="title was not loaded"):
                getattr(part, name, "a default")

    def test_get_has_all(self, app: App) -> None:
        """A record is not given in part by `get`: None if it is gone, an error if it is dirty."""
        app.create(posts(2))
        session = app.session()
        one, other = session.query(Post).only(Post.title).all()
        app.raw.delete_record(id="p0")
        assert session.get(Post, "p0") is None
        other.title = "mine"
        app.raw.patch_record(id="p1", data={"stars": 9})
        with pytest.raises(InvalidRequest, match="p1 was loaded in part and changed here"):
            session.get(Post, "p1")
        assert one.title == "title 0"

    def test_what_was_not_loaded_cannot_be_removed(self, app: App) -> None:
        """None for a field that was not loaded says nothing that could be sent."""
        app.create(posts(1))
        session = app.session()
        post = session.query(Post).only(Post.title).one()
        post.note = None
        with pytest.raises(ValueError, match="note cannot be removed, since it was not loaded"):
            session.commit()

    def test_conflicts(self, app: App) -> None:
        """A change elsewhere is a conflict, also of a part that was not loaded."""
        app.create(posts(1))
        session = app.session()
        post = session.query(Post).only(Post.title).one()
        post.title = "mine"
        app.raw.patch_record(id="p0", data={"note": "theirs"})
        with pytest.raises(ConflictError) as caught:
            session.commit()
        (conflict,) = caught.value.exceptions
        assert isinstance(conflict, Conflict)
        assert conflict.fields == ()
        assert (conflict.remote or {})["note"] == "theirs"
        post.stars = 3  # Not loaded: whether it was changed, nobody knows.
        app.raw.patch_record(id="p0", data={"stars": 5})
        with pytest.raises(ConflictError) as caught:
            session.commit()
        (conflict,) = caught.value.exceptions
        assert isinstance(conflict, Conflict)
        assert conflict.fields == ()  # It was set whatever it was: that clashes with nothing.

    def test_kinds(self, app: App) -> None:
        """The tag comes with it, so that each kind is its class; an unknown one is kept."""

        class Shape(Record, collection="todos", tag_field="kind"):
            """Any of them."""

        class Circle(Shape, tag="circle"):
            """A kind."""

        app.create([{"id": "a", "kind": "circle"}, {"id": "b", "kind": "star", "more": 1}])
        session = app.session()
        circle, other = session.query(Shape).only().all()
        assert (type(circle), type(other)) == (Circle, Shape)
        assert not session.dirty
