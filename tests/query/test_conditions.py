"""Conditions as values: how they are made, joined, negated, shown, compared and evaluated."""

from __future__ import annotations

import operator

from collections.abc import Callable
from datetime import date
from enum import Enum
from typing import Any
from uuid import UUID

import pytest

from kinto_orm import Embedded, EmbeddedRecord, Field, NotLoaded, Record, embedded, field
from kinto_orm.exceptions import UnsendableValue, UnsupportedQuery
from kinto_orm.models.conditions import All, Condition
from kinto_orm.query.encoding import encoded, is_hopeless, sorting


class Colour(Enum):
    """A value that documents have in another form."""

    RED = "r"
    BLUE = "b"


class Spot(EmbeddedRecord):
    """An object in an object."""

    row: Field[int]
    seen: Field[date | None] = field(default=None)


class Place(EmbeddedRecord):
    """An object in a document."""

    city: Field[str]
    spot: Embedded[Spot | None] = embedded(default=None, key="at")


class Todo(Record, collection="todos"):
    """A record with fields of every kind."""

    title: Field[str]
    done: Field[bool] = field(default=False)
    priority: Field[int] = field(default=0)
    colour: Field[Colour | None] = field(default=None)
    due: Field[date | None] = field(default=None)
    note: Field[str | None] = field(default=None, null=True)
    tags: Field[list[str]] = field(factory=list)
    colours: Field[set[Colour]] = field(factory=set)
    days: Field[tuple[date, ...] | None] = field(default=None)
    counts: Field[dict[str, int]] = field(factory=dict)
    dates: Field[dict[str, dict[str, date]] | None] = field(default=None)
    by_name: Field[dict[str, Place]] = field(factory=dict)
    loose: Field[dict] = field(factory=dict)  # type: ignore[type-arg]
    anything: Field[Any] = field(default=None)
    any_tag: Field[list[str]] = field(factory=list)
    place: Embedded[Place | None] = embedded(default=None)
    gone: Embedded[Place | None] = embedded(default=None, null=True)


class Chore(Todo):
    """Another class with the same fields."""


#: The class, for what type checkers refuse.
ANY: Any = Todo

DAY = date(2024, 2, 29)

TEXT = [("gt_title", "null"), ("lt_title", "-1.7976931348623157e+308")]

LISTS = [[(f"gt_{name}", "true")] for name in ("colours", "days", "any_tag")]


class TestEncoding:
    @pytest.mark.parametrize(
        ("condition", "expected"),
        [
            (Todo.title.like("a*b"), [*TEXT, ("like_title", '"a*b"')]),
            (Todo.title.like("ab"), [*TEXT, ("like_title", '"*ab*"')]),
            (Todo.title.startswith("50%_"), [*TEXT, ("like_title", '"50\\\\%\\\\_*"')]),
            (Todo.title.endswith("(\\.)"), [*TEXT, ("like_title", '"*\\\\(\\\\\\\\\\\\.\\\\)"')]),
            (Todo.id.like("a*"), [("like_id", '"a*"')]),
            (Todo.tags.contains("a", "b"), [("gt_tags", "true"), ("contains_tags", '["a","b"]')]),
            (Todo.colours.contains(Colour.RED), [*LISTS[0], ("contains_colours", '["r"]')]),
            (Todo.days.contains_any([DAY]), [*LISTS[1], ("contains_any_days", '["2024-02-29"]')]),
            (Todo.due.exists(), [("has_due", "true")]),
            (Todo.due.missing(), [("has_due", "false")]),
            (Todo.counts["a"] > 3, [("gt_counts.a", "3")]),
            (Todo.counts["a"] == None, [("eq_counts.a", "null")]),  # noqa: E711
            (Todo.counts["a"].missing(), [("has_counts.a", "false")]),
            (Todo.dates["a"]["b"] == DAY, [("eq_dates.a.b", '"2024-02-29"')]),
            (Todo.by_name["x"].city == "Lyon", [("eq_by_name.x.city", '"Lyon"')]),
            (Todo.by_name["x"].spot.seen < DAY, [("lt_by_name.x.at.seen", '"2024-02-29"')]),
            (ANY.by_name["x"] == None, [("eq_by_name.x", "null")]),  # noqa: E711
            (Todo.place.spot.row.in_([1, 2]), [("in_place.at.row", "1,2")]),
            (ANY.place.spot == None, [("has_place.at", "false")]),  # noqa: E711
            (ANY.place != None, [("has_place", "true")]),  # noqa: E711
            (ANY.gone == None, [("eq_gone", "null")]),  # noqa: E711
            (ANY.gone != None, [("not_gone", "null")]),  # noqa: E711
            (Todo.loose["a"]["b"] == [1], [("eq_loose.a.b", "[1]")]),
            (Todo.anything["a"].is_(UUID(int=1)), [("eq_anything.a", f'"{UUID(int=1)}"')]),
            (Todo.any_tag.contains_any(["a"]), [*LISTS[2], ("contains_any_any_tag", '["a"]')]),
        ],
        ids=repr,
    )  # fmt: skip
    def test_of_each_operator(self, condition: Condition, expected: list[tuple[str, str]]) -> None:
        """Values are as documents have them; patterns mean the same on all storages."""
        assert encoded([condition]) == expected

    def test_what_is_said_twice_counts_twice(self) -> None:
        """Names that are there already are told apart by a blank (F9), and guards are said once."""
        asked = [Todo.title != "a", Todo.title != "b", Todo.title != "a", Todo.title != "c"]
        assert encoded(asked) == [
            ("not_title", '"a"'),
            ("not_title ", '"b"'),
            ("not_title  ", '"c"'),
        ]
        asked = [Todo.title.like("a"), Todo.title.like("b")]
        assert encoded(asked) == [*TEXT, ("like_title", '"*a*"'), ("like_title ", '"*b*"')]

    def test_none_of_nothing(self) -> None:
        """What nothing can fulfil need not be asked."""
        assert is_hopeless(Todo.tags.contains_any([]))
        assert is_hopeless(Todo.title.in_([]))
        assert not is_hopeless(Todo.title.not_in([]))

    def test_sorting_by_what_is_inside(self) -> None:
        """Keys of dictionaries and fields of objects can be sorted by."""
        assert sorting([-Todo.counts["a"], +Todo.place.spot.row]) == "-counts.a,place.at.row,id"


class TestRefusal:
    @pytest.mark.parametrize(
        ("condition", "reason"),
        [
            (Todo.title.startswith("a*"), "Kinto takes '\\*' for anything"),
            (Todo.counts["a b"] == 1, "has the key 'a b' in documents"),
            (Todo.any_tag.contains("a"), "the server would take it for contains_any"),
            (Todo.due < None, "use exists\\(\\) or missing\\(\\)"),
            (Todo.last_modified.in_([1]), "with ==, !=, <, <=, > and >= alone"),
            (Todo.last_modified == None, "with ==, !=, <, <=, > and >= alone"),  # noqa: E711
            (Todo.last_modified.like("1"), "with ==, !=, <, <=, > and >= alone"),
            (Todo.last_modified > -1, "milliseconds since the epoch"),
            (ANY.last_modified > 1.5, "milliseconds since the epoch"),
            (Todo.anything > [1], "have no order"),
            (Todo.anything <= {"a": 1}, "have no order"),
            (Todo.anything.in_([[1]]), "ask one by one"),
            (ANY.id == 3, "an id is text"),
            (ANY.id.contains("x"), "an id is text: use like\\(\\)"),
        ],
        ids=repr,
    )  # fmt: skip
    def test_of_what_the_server_has_no_words_for(self, condition: Any, reason: str) -> None:
        """It is refused before anything is sent, with the reason and what can be done."""
        with pytest.raises(UnsupportedQuery, match=reason):
            encoded([condition])

    def test_of_values_that_are_none_of_the_field(self) -> None:
        """They are refused, with the field and the value."""
        with pytest.raises(
            UnsendableValue, match=r"<Field Todo\.colour> cannot be compared with 'x'"
        ):
            encoded([ANY.colour == "x"])

    @pytest.mark.parametrize(
        ("make", "reason"),
        [
            (lambda: "x" in ANY.tags, "use contains\\(\\) for items"),
            (lambda: ANY.tags[0], "has keys that are text"),
            (lambda: ANY.tags["a"], "has no keys"),
            (lambda: ANY.title.like(3), "which is text"),
            (ANY.tags.contains, "takes an item"),
            (lambda: Todo.tags.contains_any("ab"), "give a list"),
            (lambda: ANY.place == Place(city="Lyon"), "compare its fields"),
            (lambda: bool(Todo.title == "x"), "neither true nor false"),
            (lambda: (ANY.title == "x") & True, "unsupported operand"),
            (lambda: (ANY.title == "x") | True, "unsupported operand"),
        ],
    )
    def test_of_mistakes(self, make: Callable[[], object], reason: str) -> None:
        """What cannot be meant is a TypeError that says what may be."""
        with pytest.raises(TypeError, match=reason):
            make()

    @pytest.mark.parametrize(
        "make",
        [
            lambda: (Todo.title == "x") | (Todo.done == True),  # noqa: E712
            lambda: (Todo.title == "x") | (Todo.title > "y"),
            lambda: (Todo.title == "x") | (Todo.title != "y"),
            lambda: (Todo.title == "x") | (Chore.place.city == "y"),
            lambda: ((Todo.title == "x") & (Todo.done == True)) | (Todo.title == "y"),  # noqa: E712
            lambda: (Todo.title == "y") | ((Todo.title == "x") & (Todo.done == True)),  # noqa: E712
            lambda: ~((Todo.title == "x") & (Todo.done == True)),  # noqa: E712
        ],
    )
    def test_of_or(self, make: Callable[[], object]) -> None:
        """Kinto has none but for the values of one field, and the error says what else to do."""
        with pytest.raises(UnsupportedQuery, match="Make a query for each side"):
            make()

    def test_of_unknown_fields(self) -> None:
        """A name that is no field of an object is an AttributeError."""
        with pytest.raises(AttributeError, match=r"<Embedded Todo\.place> has no field 'nope'"):
            _ = ANY.place.nope


class TestJoining:
    def test_equalities_of_one_field(self) -> None:
        """With an or, they become one list."""
        joined = (Todo.title == "a") | Todo.title.in_(["b", "c"]) | (Todo.title == "a")
        assert joined == Todo.title.in_(["a", "b", "c"])
        assert encoded([(Todo.note == None) | (Todo.note == "x")]) == [("in_note", 'null,"x"')]  # noqa: E711

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (Todo.title == "a", Todo.title != "a"),
            (Todo.title.in_(["a"]), Todo.title.not_in(["a"])),
            (Todo.priority < 3, Todo.priority >= 3),
            (Todo.priority > 3, Todo.priority <= 3),
            (Todo.due.exists(), Todo.due.missing()),
        ],
        ids=repr,
    )
    def test_negation(self, one: Condition, other: Condition) -> None:
        """Each operator that has an opposite becomes that; twice is none."""
        assert ~one == other
        assert ~other == one

    @pytest.mark.parametrize(
        "condition",
        [Todo.title.like("a"), Todo.title.startswith("a"), Todo.tags.contains("a")],
        ids=repr,
    )
    def test_no_negation(self, condition: Condition) -> None:
        """Of others Kinto has none."""
        with pytest.raises(UnsupportedQuery, match="keep those for which"):
            _ = ~condition

    @pytest.mark.parametrize("compare", [operator.ne, operator.gt, operator.ge])
    def test_present(self, compare: Any) -> None:
        """What matches a missing key can be asked for without it."""
        condition = compare(Todo.priority, 3)
        assert condition.present() == condition & Todo.priority.exists()
        assert condition.matches({})
        assert not condition.present().matches({})

    def test_present_is_nothing_new_for_others(self) -> None:
        """What matches no missing key stays as it is; that it is missing cannot be present."""
        assert (Todo.title == "x").present() == All((Todo.title == "x",))
        with pytest.raises(UnsupportedQuery, match="matches no record that has the field"):
            Todo.title.missing().present()


class TestValues:
    @pytest.mark.parametrize(
        "expression",
        [
            "Todo.done == False",
            "Todo.title != 'x'",
            "Todo.priority > 3",
            "Todo.priority <= 3",
            "Todo.title.in_(['a', 'b'])",
            "Todo.title.not_in(['a'])",
            "Todo.title.like('a*')",
            "Todo.title.startswith('a')",
            "Todo.tags.contains('a', 'b')",
            "Todo.tags.contains_any(['a'])",
            "Todo.due.exists()",
            "Todo.due.missing()",
            "Todo.place.spot.row >= 1",
            "Todo.by_name['x'].city == 'Lyon'",
            "Todo.counts['a'] < 1",
            "(Todo.done == False) & (Todo.priority > 3)",
            "-Todo.priority",
            "+Todo.counts['a']",
        ],
    )
    def test_are_shown_as_what_makes_them(self, expression: str) -> None:
        """The repr is the Python expression; what it makes again is equal."""
        one, other = eval(expression), eval(expression)
        assert repr(one) == expression
        assert one == other
        assert hash(one) == hash(other)

    def test_differ_by_what_they_say(self) -> None:
        """Another class, path, operator or value is another condition; another order is not."""
        several = {
            Todo.title == "x", Todo.title == "y", Todo.title != "x", Todo.note == "x",
            Todo.title.like("x"), Todo.title.startswith("x"), Todo.place.city == "x",
            Todo.by_name["a"].city == "x", Todo.by_name["b"].city == "x", Place.city == "x",
        }  # fmt: skip
        assert len(several) == 10
        assert (Todo.title == "x") != "x"
        assert Todo.title.in_(["a", "b"]) == Todo.title.in_(["b", "a", "b"])
        one, other = Todo.title == "x", Todo.priority == 1
        assert one & other == other & one
        assert (Todo.anything == 1) == (Todo.anything == 1.0)
        assert (Todo.anything == 1) != (Todo.anything == True)  # noqa: E712
        assert len({-Todo.title, +Todo.title, -Todo.priority, -Todo.title}) == 3


class TestMatching:
    def test_a_record_as_a_document(self) -> None:
        """A record matches by the document that it stands for."""
        todo = Todo(title="Milk", colour=Colour.RED, place=Place(city="Lyon"), days=(DAY,))
        assert (Todo.title.startswith("mi") & (Todo.colour == Colour.RED)).matches(todo)
        assert (Todo.place.city == "Lyon").matches(todo)
        assert (ANY.place != None).matches(todo)  # noqa: E711
        assert Todo.days.contains(DAY).matches(todo)
        assert Todo.due.missing().matches(todo)
        assert not Todo.note.missing().matches(todo)
        assert (Todo.id == todo.id).matches(todo)

    def test_a_key_that_is_missing(self) -> None:
        """The default of a field plays no part: the server does not know it."""
        loaded = Todo.from_document({"id": "x", "title": "x"})
        assert loaded.priority == 0
        assert not (Todo.priority == 0).matches(loaded)
        assert (Todo.priority > 5).matches(loaded)

    @pytest.mark.parametrize(
        ("condition", "found"),
        [
            (Todo.anything.contains([1]), [[1, 2]]),
            (Todo.anything.contains({"a": 1}), [{"a": 1, "b": 2}]),
            (Todo.anything.contains({"a": []}), [{"a": [3]}]),
            (Todo.anything == 10**23, 1e23),
            (Todo.anything < None, []),
        ],
        ids=repr,
    )  # fmt: skip
    def test_as_postgresql_has_it(self, condition: Condition, found: Any) -> None:
        """Where Python would have it otherwise, PostgreSQL's rules hold."""
        assert condition.matches({"anything": found})

    def test_what_is_no_json(self) -> None:
        """A document is JSON."""
        with pytest.raises(TypeError, match="is no JSON value"):
            (Todo.anything == 1).matches({"anything": DAY})


class TestReading:
    def test_a_value_is_looked_up_where_it_is(self) -> None:
        """A field is no data descriptor, so that the values of a record come first."""
        assert not hasattr(Field, "__set__")
        assert not hasattr(Embedded, "__set__")
        assert Todo(title="x").title == "x"

    def test_a_value_that_is_not_there(self) -> None:
        """A record that has no value for a field says so, and does not give the expression."""
        todo = Todo(title="x")
        del todo.__dict__["title"], todo.__dict__["place"]
        for name in ("title", "place"):
            with pytest.raises(NotLoaded, match=name):
                getattr(todo, name)
