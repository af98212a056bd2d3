"""Links between records."""

from __future__ import annotations

import copy
import pickle

from typing import Any

import pytest

from apps import App
from kinto_orm import (
    Client,
    Embedded,
    EmbeddedRecord,
    Field,
    Link,
    NotLoaded,
    Record,
    RecordNotFound,
    Session,
    link,
)
from kinto_orm.exceptions import InvalidRequest, UnsupportedQuery, ValidationError
from kinto_orm.models.layout import load

from .models import Person, Post


PEOPLE: list[dict[str, Any]] = [
    {"id": "ann", "name": "Ann"},
    {"id": "bob", "name": "Bob", "boss": "ann"},
    {"id": "cid", "name": "Cid", "boss": "bob"},
]

POSTS: list[dict[str, Any]] = [
    {"id": "p0", "title": "a", "author": "ann", "readers": ["bob", "cid"]},
    {"id": "p1", "title": "b", "author": "cid", "readers": []},
    {"id": "p2", "title": "c", "author": "gone", "readers": ["not an id/"]},
    {"id": "p3", "title": "d"},
]


@pytest.fixture
def session(app: App) -> Any:
    """Give a session on some posts of some people."""
    app.create(PEOPLE, "people")
    app.create(POSTS)
    return app.session()


class TestValues:
    """What a link is."""

    def test_it_is_the_id(self) -> None:
        """A link is made of a record or its id, and is that id."""
        ann = Person(id="ann", name="Ann")
        for post in (Post(title="x", author=ann), Post(title="x", author="ann")):
            assert post.author == "ann"
            assert post.to_document()["author"] == "ann"
            assert isinstance(post.author, Link)
        assert Post(title="x", author=ann).author.record is ann  # type: ignore[union-attr]
        assert Post(title="x", readers=[Link(ann), Link("bob")]).to_document()["readers"] == [
            "ann", "bob",
        ]  # fmt: skip

    def test_not_loaded(self) -> None:
        """Without its record, it says how to load that."""
        post = load(Post, {"id": "x", "title": "x", "author": "ann"})
        assert not post.author.is_loaded
        with pytest.raises(NotLoaded, match=r"include the field in the query"):
            _ = post.author.record
        assert post.author.record_or(None) is None

    def test_set(self) -> None:
        """Setting it is a change; setting the same is none."""
        post = load(Post, {"id": "x", "title": "x", "author": "ann"})
        before = post.to_document()
        post.author = Person(id="ann", name="Ann")
        assert post.to_document() == before
        post.author = None
        assert "author" not in post.to_document()

    def test_wrong_values(self) -> None:
        """What is neither a record nor an id is refused; so is a document that has no text."""
        with pytest.raises(TypeError, match="leads to a record, or has its id, not 3"):
            Post(title="x", author=3)  # type: ignore[arg-type]
        with pytest.raises(ValidationError, match=r"author: expected the id of a record"):
            load(Post, {"id": "x", "title": "x", "author": 3})

    def test_copies(self) -> None:
        """A copy of a record does not copy what it leads to; a pickle is of the id alone."""
        ann = Person(id="ann", name="Ann")
        post = Post(title="x", author=ann)
        assert copy.deepcopy(post).author.record is ann  # type: ignore[union-attr]
        author = pickle.loads(pickle.dumps(post)).author
        assert author == "ann"
        assert not author.is_loaded

    def test_a_class_that_is_declared_later(self) -> None:
        """A link may name its own class, or one that comes later."""
        bob = load(Person, PEOPLE[1])
        assert bob.boss == "ann"


class TestInclude:
    """Loading what links lead to."""

    def test_one_request_for_each_class(self, session: Any) -> None:
        """All links of all records are loaded in one list, each record once."""
        found = session.query(Post).include(Post.author, Post.readers).all()
        assert len(session.sent) == 2
        assert session.sent[1].params[0] == ("in_id", '"ann","cid","gone","bob"')
        ann = session.get(Person, "ann")
        assert len(session.sent) == 2
        assert found[0].author.record is ann
        assert [reader.record.name for reader in found[0].readers] == ["Bob", "Cid"]
        assert found[3].author is None
        assert not session.dirty

    def test_dangling(self, session: Any) -> None:
        """A link to nothing says so, which is not the same as not loaded."""
        found = session.query(Post).include(Post.author, Post.readers).all()
        for dangling in (found[2].author, found[2].readers[0]):
            with pytest.raises(RecordNotFound, match="there is no record that the link"):
                _ = dangling.record
            assert dangling.record_or(None) is None

    def test_what_is_here_is_not_asked_for(self, session: Any) -> None:
        """Records that the session has are used as they are there."""
        cid = session.get(Person, "cid")
        cid.name = "mine"
        (post,) = session.query(Post).filter(Post.id == "p1").include(Post.author).all()
        assert len(session.sent) == 2
        assert post.author.record is cid
        assert cid.name == "mine"

    def test_further_on(self, session: Any) -> None:
        """Links of what was reached are followed, each field once."""
        query = session.query(Post).filter(Post.id == "p1").include(Post.author, Person.boss)
        (post,) = query.all()
        bob = post.author.record.boss.record
        assert bob.name == "Bob"
        assert not bob.boss.is_loaded
        assert len(session.sent) == 3

    def test_page_after_page(self, session: Any) -> None:
        """Going through records loads the links of each page with it."""
        query = session.query(Post).page_size(2).include(Post.author)
        names = [post.author and post.author.record_or(None) for post in query]
        assert [each and each.name for each in names] == ["Ann", "Cid", None, None]

    def test_untracked(self, session: Any) -> None:
        """What untracked records lead to is not tracked either."""
        (post,) = session.query(Post).filter(id="p0").include(Post.author).untracked().all()
        assert post.author.record.name == "Ann"
        assert post.author.record not in session

    def test_again(self, session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Asked again, it costs one 304, and what is linked is there."""
        monkeypatch.setattr("kinto_orm.query.reading.QUIET", -60)
        query = session.query(Post).filter(Post.id == "p1").include(Post.author)
        (post,) = query.all()
        asked = len(session.sent)
        assert query.all() == [post]
        assert len(session.sent) == asked + 1
        assert post.author.is_loaded

    def test_many(self, app: App) -> None:
        """Ids that are too long for one URL are asked for in one batch, and all are found."""
        ids = [f"{n:03}-{'x' * 60}" for n in range(100)]
        app.create(({"id": each, "name": each} for each in ids), "people")
        app.create([{"id": "p", "title": "x", "readers": ids}])
        session = app.session()
        (post,) = session.query(Post).include(Post.readers).all()
        assert [reader.record.name for reader in post.readers] == ids
        assert [request.path.rpartition("/")[2] for request in session.sent] == ["records", "batch"]

    def test_a_linked_record_that_does_not_fit(self, app: App) -> None:
        """It is an error, unless the query leaves such out: then the link is not loaded."""
        app.create([{"id": "odd", "name": 3}], "people")
        app.create([{"id": "p", "title": "x", "author": "odd"}])
        query = app.session().query(Post).include(Post.author)
        with pytest.raises(ValidationError, match="Person 'odd'"):
            query.all()
        (post,) = query.on_invalid("skip").all()
        assert not post.author.is_loaded

    def test_records_in_part(self, session: Any) -> None:
        """The link is loaded with the fields that were asked for, and leads to a whole record."""
        session.query(Person).only(Person.name).all()
        query = session.query(Post).filter(id="p1").only(Post.title).include(Post.author)
        (post,) = query.all()
        assert post.author.record.boss == "bob"

    def test_what_nothing_leads_to(self, session: Any) -> None:
        """A link of records that no other link leads to is refused."""
        with pytest.raises(UnsupportedQuery, match=r"include\(Person.boss\): no link"):
            session.query(Post).include(Person.boss).all()
        session.query(Post).include(Person.boss).include(Post.author).all()

    def test_what_cannot_be_included(self, session: Any) -> None:
        """What is no link is refused."""
        with pytest.raises(TypeError, match=r"Post\.title.* is no link"):
            session.query(Post).include(Post.title)
        with pytest.raises(TypeError, match="takes links"):
            session.query(Post).include("author")

        class Inner(EmbeddedRecord):
            person: Link[Person]

        class Outer(Record, collection="todos"):
            inners: Field[list[Inner]]

        assert Outer(inners=[Inner(person="ann")]).to_document()["inners"] == [{"person": "ann"}]


class TestConditions:
    """Queries by what links lead to."""

    def test_by_record_and_by_id(self, session: Any) -> None:
        """A link is compared with a record, or its id: so are back references found."""
        cid = session.get(Person, "cid")
        for wanted in (cid, "cid", Link(cid)):
            assert [p.id for p in session.query(Post).filter(Post.author == wanted)] == ["p1"]
        found = session.query(Post).filter(Post.author.in_([cid, "ann"])).all()
        assert [post.id for post in found] == ["p0", "p1"]
        assert [post.id for post in session.query(Post).filter(author=cid)] == ["p1"]
        assert [post.id for post in session.query(Post).filter(Post.author == None)] == ["p3"]  # noqa: E711


class TestNewRecords:
    """Links to records that are not on the server."""

    def test_a_record_that_was_not_added(self, app: App) -> None:
        """A link to a new record that nobody added is refused before anything is sent."""
        app.create([], "people")
        session = app.session()
        dan = Person(id="dan", name="Dan")
        session.add(Post(id="p", title="x", author="ann", readers=[Link(dan)]))
        with pytest.raises(InvalidRequest, match=r"readers leads to Person\(id='dan'.*add it"):
            session.commit()
        assert session.writes == []
        session.add(dan)
        session.commit()
        assert app.stored("people").keys() == {"dan"}


def test_a_record_that_was_given_another_id(app: App) -> None:
    """A link that was made before is refused, since it leads nowhere."""
    app.create([], "people")
    session = app.session()
    dan = Person(name="Dan")
    post = Post(id="p", title="x", author=dan)
    dan.id = "dan"
    session.add_all([dan, post])
    with pytest.raises(InvalidRequest, match=r"author has the id .* had when the link was made"):
        session.commit()
    post.author = dan
    session.commit()
    assert app.stored()["p"]["author"] == "dan"


class Left(Record, collection="todos"):
    """Links to a class that is declared behind it."""

    right: Link[Right | None] = link(default=None, key="to")


class Right(Record, collection="people"):
    """Links back."""

    left: Link[Left]


def test_both_directions(app: App) -> None:
    """Two classes may link to each other."""
    app.create([], "people")
    session = app.session()
    left = Left(id="l")
    right = Right(id="r", left=left)
    left.right = right
    session.add_all([left, right])
    session.commit()
    assert app.stored()["l"] == {"id": "l", "to": "r", "last_modified": left.last_modified}
    other = app.session()
    (found,) = other.query(Left).include(Left.right, Right.left).all()
    assert found.right.record.left.record is found


def test_links_inside_others_cannot_be_included() -> None:
    """A field inside an embedded record is refused, with the reason."""

    class Inner(EmbeddedRecord):
        person: Link[Person]

    class Outer(Record, collection="todos"):
        inner: Embedded[Inner]

    session = Session(Client(server_url="http://localhost:1/v1", bucket="b"))
    with pytest.raises(UnsupportedQuery, match="which is inside one"):
        session.query(Outer).include(Outer.inner.person)
