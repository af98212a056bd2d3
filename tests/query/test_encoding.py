"""Conditions as a query string, and as the server understands them."""

from __future__ import annotations

import operator

from collections.abc import Callable
from datetime import date
from enum import Enum
from typing import Any

import pytest

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps import App
from kinto_orm import (
    Embedded,
    EmbeddedRecord,
    Field,
    MergePatch,
    Record,
    RecordNotFound,
    embedded,
    field,
)
from kinto_orm.exceptions import MultipleRecordsFound, UnsendableValue, UnsupportedQuery
from kinto_orm.query.encoding import encoded, sorting


class Level(Enum):
    """A value that documents have in another form."""

    LOW = "low, or none"
    HIGH = 3


class Inner(EmbeddedRecord):
    """An object in a document."""

    word: Field[str | None] = field(default=None)


class Thing(Record, collection="todos"):
    """A record with fields that other clients cannot filter."""

    title: Field[str | int | bool | None] = field(default=None)
    number: Field[float | None] = field(default=None)
    level: Field[Level | None] = field(default=None)
    day: Field[date | None] = field(default=None)
    nothing: Field[str | None] = field(default=None, null=True)
    min_size: Field[int | None] = field(default=None)
    records: Field[str | None] = field(default=None)
    größe: Field[int | None] = field(default=None)  # noqa: PLC2401
    dashed: Field[str | None] = field(default=None, key="a-b")
    dotted: Field[str | None] = field(default=None, key="a.b")
    inner: Embedded[Inner | None] = embedded(default=None)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Thing.title == "42", ("eq_title", '"42"')),
        (Thing.title == 42, ("eq_title", "42")),
        (Thing.title.is_(False), ("eq_title", "false")),
        (Thing.title != "a,b", ("not_title", '"a,b"')),
        (Thing.number < 1.5, ("lt_number", "1.5")),
        (Thing.number <= 1, ("max_number", "1")),
        (Thing.number > 1, ("gt_number", "1")),
        (Thing.number >= 1, ("min_number", "1")),
        (Thing.level == Level.HIGH, ("eq_level", "3")),
        (Thing.day > date(2024, 2, 29), ("gt_day", '"2024-02-29"')),
        (Thing.level.in_([Level.LOW, Level.HIGH]), ("in_level", '"low\\u002c or none",3')),
        (Thing.title.not_in(["x", 1, True]), ("exclude_title", '"x",1,true')),
        (Thing.title == None, ("has_title", "false")),  # noqa: E711
        (Thing.title != None, ("has_title", "true")),  # noqa: E711
        (Thing.nothing == None, ("eq_nothing", "null")),  # noqa: E711
        (Thing.nothing != None, ("not_nothing", "null")),  # noqa: E711
        (Thing.min_size == 3, ("eq_min_size", "3")),
        (Thing.inner.word == "x", ("eq_inner.word", '"x"')),
        (Thing.id == "42", ("eq_id", '"42"')),
        (Thing.last_modified > 5, ("gt_last_modified", "5")),
    ],
)
def test_encoding(condition: Any, expected: tuple[str, str]) -> None:
    """Each condition has an operator, and its value as JSON (F1 to F3)."""
    assert encoded([condition]) == [expected]


def test_has_comes_first() -> None:
    """On memory storage, has_ cancels what is before it (F7)."""
    conditions = [Thing.title == "a", Thing.number != None]  # noqa: E711
    assert [name for name, _ in encoded(conditions)] == ["has_number", "eq_title"]


def test_sorting() -> None:
    """Ties are broken by id."""
    assert sorting([-Thing.number, +Thing.title]) == "-number,title,id"
    assert sorting([-Thing.id]) == "-id"
    assert sorting([]) == "id"


def test_what_the_server_cannot_be_asked() -> None:
    """Keys that it would silently not find, and values that it cannot hold, are refused (F4)."""
    for field_ in (Thing.dashed, Thing.dotted):
        with pytest.raises(UnsupportedQuery, match="Kinto filters and sorts by keys of"):
            encoded([field_ == "x"])
    with pytest.raises(UnsendableValue, match="U\\+0000"):
        encoded([Thing.title == "\0"])


@pytest.mark.parametrize(
    "condition",
    [
        lambda: Thing.nothing == 3,
        lambda: Thing.min_size >= "3",  # type: ignore[operator]
        lambda: Thing.level.in_([Level.LOW, "low"]),  # type: ignore[list-item]
        lambda: Thing.day < "2024-02-29",  # type: ignore[operator]
        lambda: Thing.inner.word == True,  # noqa: E712
    ],
)
def test_values_that_the_field_cannot_have(condition: Any) -> None:
    """A comparison with what is no value of the field would find nothing: it is refused."""
    with pytest.raises(UnsendableValue, match="cannot be compared with"):
        encoded([condition()])


def test_numbers_between_integers() -> None:
    """An integer may be compared with any number."""
    assert encoded([Thing.min_size > 1.5]) == [("gt_min_size", "1.5")]  # type: ignore[operator]


class TestOnTheServer:
    """Queries as a user writes them."""

    def fill(self, app: App) -> Any:
        """Return a session on five records."""
        app.create(
            [
                {"id": "a", "title": "42", "number": 1, "min_size": 3, "records": "x"},
                {"id": "b", "title": 42, "number": 2, "inner": {"word": "a,b"}},
                {"id": "c", "title": True, "number": 3, "nothing": None},
                {"id": "d", "title": "true", "number": 3, "größe": 7},
                {"id": "e", "level": "low, or none", "day": "2024-02-29"},
            ]
        )
        return app.session()

    @pytest.mark.parametrize(
        ("conditions", "expected"),
        [
            ([Thing.title == "42"], "a"),
            ([Thing.title == 42], "b"),
            ([Thing.title == "true"], "d"),
            ([Thing.title == True], "c"),  # noqa: E712
            ([Thing.title.in_(["42", True])], "ac"),
            ([Thing.title.in_([])], ""),
            ([Thing.title.not_in([])], "abcde"),
            ([Thing.number >= 2, Thing.number < 3], "b"),
            ([(Thing.number >= 2) & (Thing.title != 42) & (Thing.number <= 3)], "cd"),
            ([Thing.number == None], "e"),  # noqa: E711
            ([Thing.title == "42", Thing.number != None], "a"),  # noqa: E711
            ([Thing.nothing == None], "c"),  # noqa: E711
            ([Thing.min_size == 3], "a"),
            ([Thing.records == "x"], "a"),
            ([Thing.größe == 7], "d"),
            ([Thing.inner.word == "a,b"], "b"),
            ([Thing.inner.word.in_(["a,b", "c"])], "b"),
            ([Thing.level == Level.LOW], "e"),
            ([Thing.level.in_([Level.LOW])], "e"),
            ([Thing.day < date(2024, 3, 1)], "e"),
            ([Thing.id == "a"], "a"),
            ([Thing.title != "42", Thing.title != 42, Thing.title != True], "de"),  # noqa: E712
            ([Thing.title.like("4*")], "a"),
            ([Thing.title.like("T*E") & Thing.title.like("*u*")], "d"),
            ([Thing.inner.word.startswith("A,")], "b"),
            ([Thing.level.endswith("NONE")], "e"),
            ([Thing.inner.word.exists(), ~(Thing.number == 3)], "b"),
            ([Thing.nothing.exists()], "c"),
            ([(Thing.title == "42") | (Thing.title == 42)], "ab"),
            ([(Thing.number > 1).present()], "bcd"),
        ],
    )
    def test_filters(self, app: App, conditions: Any, expected: str) -> None:
        """A filter finds what it says; counting agrees."""
        session = self.fill(app)
        query = session.query(Thing).filter(*conditions)
        assert [each.id for each in query] == list(expected)
        assert query.count() == len(expected)
        assert query.exists() is bool(expected)

    def test_ends(self, app: App) -> None:
        """All, first, one, count: each as its name says."""
        session = self.fill(app)
        query = session.query(Thing)
        assert [each.id for each in query.order_by(-Thing.number, Thing.title)][:4] == list("edcb")
        assert query.order_by(Thing.number).first().id == "a"
        assert query.filter(number=9).first() is None
        assert query.filter(records="x").one().id == "a"
        assert query.filter(number=9).one_or_none() is None
        assert [each.id for each in query.limit(2).all()] == ["a", "b"]
        with pytest.raises(RecordNotFound):
            query.filter(number=9).one()
        with pytest.raises(MultipleRecordsFound):
            query.one()
        with pytest.raises(TypeError, match="no field 'nope'"):
            query.filter(nope=1)
        with pytest.raises(TypeError, match="takes conditions"):
            query.filter("title")
        with pytest.raises(ValueError, match="at least 1"):
            query.limit(0)

    def test_a_query_is_lazy_and_immutable(self, app: App) -> None:
        """Nothing is sent before an end is called; each step gives another query."""
        session = app.session()
        one = session.query(Thing)
        other = one.filter(Thing.number > 3)
        assert session.sent == []
        path = f"/buckets/{app.bucket}/collections/todos/records"
        assert repr(one._inner).endswith(f"Query {path}?_sort=id>")
        assert repr(other._inner).endswith(f"Query {path}?gt_number=3&_sort=id>")

    def test_pages_are_streamed(self, app: App) -> None:
        """A limit below the number of records asks for no more than it needs."""
        session = self.fill(app)
        assert len(session.query(Thing).limit(2).all()) == 2
        assert len(session.sent) == 1


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "__eq__": operator.eq,
    "__ne__": operator.ne,
}

words = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4
) | st.sampled_from(["a,b", "42", "true", "null", '"', "\\", "a b", "%41", "ü&=+", "\\u002c"])


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    stored=st.lists(words, min_size=1, max_size=6),
    wanted=words,
    name=st.sampled_from(["__eq__", "__ne__"]),
    several=st.lists(words, min_size=1, max_size=3),
)
def test_a_filter_here_is_a_filter_there(
    app: App,
    stored: list[str],
    wanted: str,
    name: str,
    several: list[str],
) -> None:
    """Whatever text is stored and asked for, the server finds what Python would."""
    session = app.session(patch=MergePatch)
    things = [Thing(title=word) for word in stored]
    session.add_all(things)
    session.commit()
    query = session.query(Thing)
    found = {thing.id for thing in query.filter(getattr(Thing.title, name)(wanted))}
    assert found == {each.id for each in things if OPERATORS[name](each.title, wanted)}
    found = {thing.id for thing in query.filter(Thing.title.in_(several))}
    assert found == {each.id for each in things if each.title in several}
    for thing in things:
        session.delete(thing)
    session.commit()
