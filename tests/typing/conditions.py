"""Conditions of every kind, and what they may not be compared with."""

from datetime import date
from typing import Any, assert_type

from declared import Address, Colour, Todo

from kinto_orm import EmbeddedRecord, Field, Record, field
from kinto_orm.models.conditions import All, Condition


class Size(EmbeddedRecord):
    width: Field[int]
    names: Field[list[str]] = field(factory=list)


class Box(Record):
    labels: Field[set[str]] = field(factory=set)
    marks: Field[frozenset[int]] = field(factory=frozenset)
    numbers: Field[tuple[int, ...]] = field(default=())
    days: Field[list[date] | None] = field(default=None)
    sides: Field[set[int] | None] = field(default=None)
    colours: Field[list[Colour]] = field(factory=list)
    sizes: Field[dict[str, Size]] = field(factory=dict)
    perhaps: Field[dict[str, date] | None] = field(default=None)
    nested: Field[dict[str, dict[str, list[int]]]] = field(factory=dict)
    loose: Field[dict[str, Any]] = field(factory=dict)
    anything: Field[Any] = field(default=None)


def texts() -> None:
    assert_type(Todo.title.like("a*b"), Condition)
    assert_type(Todo.title.startswith("a"), Condition)
    assert_type(Todo.address.city.endswith("a"), Condition)
    assert_type(Todo.due.like("2024-*"), Condition)
    Todo.title.like(3)  # E
    Todo.title.startswith(b"a")  # E
    Todo.title.endswith(["a"])  # E


def items(day: date) -> None:
    assert_type(Todo.tags.contains("x"), Condition)
    assert_type(Todo.tags.contains("x", "y"), Condition)
    assert_type(Todo.tags.contains_any(["x", "y"]), Condition)
    assert_type(Box.labels.contains("x"), Condition)
    assert_type(Box.labels.contains_any({"x"}), Condition)
    assert_type(Box.marks.contains(1), Condition)
    assert_type(Box.numbers.contains(1, 2), Condition)
    assert_type(Box.days.contains(day), Condition)
    assert_type(Box.sides.contains_any((1, 2)), Condition)
    assert_type(Box.colours.contains(Colour.RED), Condition)
    assert_type(Todo.others.contains(Address(city="Lyon")), Condition)
    assert_type(Box.anything.contains("x"), Condition)
    Todo.tags.contains(3)  # E
    Todo.tags.contains("x", 3)  # E
    Todo.tags.contains(["x"])  # E
    Todo.tags.contains_any([3])  # E
    Todo.tags.contains_any(3)  # E
    Box.labels.contains(3)  # E
    Box.numbers.contains("x")  # E
    Box.days.contains("2024-01-01")  # E
    Box.colours.contains("red")  # E
    Todo.title.contains("x")  # E
    Todo.priority.contains_any([3])  # E
    Todo.counts.contains("x")  # E


def where(*conditions: Condition | All) -> None:
    """Take what `Query.filter` takes."""


def keys() -> None:
    assert_type(Todo.counts["a"], Field[int])
    assert_type(Todo.counts["a"] > 3, Condition)
    assert_type(Box.perhaps["a"], Field[date])
    assert_type(Box.nested["a"]["b"], Field[list[int]])
    assert_type(Box.nested["a"]["b"].contains(3), Condition)
    assert_type(Box.sizes["a"].width, Field[int])
    assert_type(Box.sizes["a"].width > 3, Condition)
    assert_type(Box.sizes["a"].names.contains("x"), Condition)
    assert_type(Box.loose["a"] == 3, Condition)
    assert_type(Box.loose["a"]["b"] == 3, Condition)
    assert_type(Box.anything["a"] == 3, Condition)
    assert_type(Box.anything["a"]["b"].like("x*"), Condition)
    _ = Todo.counts[3]  # E
    where(Todo.counts["a"] == "x")  # E
    _ = Box.sizes["a"].nope  # E
    where(Box.sizes["a"].width == "x")  # E
    _ = Todo.title["a"]  # E
    _ = Todo.tags["a"]  # E


def there(day: date) -> None:
    assert_type(Todo.due.exists(), Condition)
    assert_type(Todo.due.missing(), Condition)
    assert_type(Todo.counts["a"].exists(), Condition)
    assert_type((Todo.due > day).present(), All)
    Todo.due.exists("x")  # E


def joined() -> None:
    assert_type(~(Todo.title == "x"), Condition)
    assert_type((Todo.title == "x") | (Todo.title == "y"), Condition)
    assert_type((Todo.title == "x") & (Todo.priority > 1).present(), All)
    _ = (Todo.title == "x") | "y"  # E
    _ = ~Todo.title  # E


def matched(todo: Todo) -> None:
    assert_type((Todo.priority > 1).matches(todo), bool)
    assert_type((Todo.priority > 1).matches({"priority": 2}), bool)
    assert_type(((Todo.priority > 1) & (Todo.title == "x")).matches(todo), bool)
    (Todo.priority > 1).matches("x")  # E
