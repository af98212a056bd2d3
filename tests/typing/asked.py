"""Conditions and orders as users write them."""

from datetime import date
from typing import Any, assert_type

from declared import Address, Chore, Colour, Engine, Todo

from kinto_orm import Field
from kinto_orm.models.conditions import All, Condition, Order


def expressions() -> None:
    assert_type(Todo.title, Field[str])
    assert_type(Todo.due, Field[date | None])
    assert_type(Todo.id, Field[str])
    assert_type(Todo.last_modified, Field[int | None])
    assert_type(Todo.anything, Field[Any])
    assert_type(Todo.address.city, Field[str])
    assert_type(Todo.office.city, Field[str])
    assert_type(Todo.others, Field[list[Address]])
    assert_type(Chore.title, Field[str])
    assert_type(Chore.room, Field[str])
    assert_type(Engine.name, Field[str])


def conditions(day: date) -> None:
    assert_type(Todo.title == "x", Condition)
    assert_type(Todo.title != "x", Condition)
    assert_type(Todo.title.is_("x"), Condition)
    assert_type(Todo.done == False, Condition)  # noqa: E712
    assert_type(Todo.done.is_(False), Condition)
    assert_type(Todo.priority < 3, Condition)
    assert_type(Todo.priority <= 3, Condition)
    assert_type(Todo.priority > 3, Condition)
    assert_type(Todo.priority >= 3, Condition)
    assert_type(Todo.priority.in_([1, 2]), Condition)
    assert_type(Todo.title.not_in({"x", "y"}), Condition)
    assert_type(Todo.tags == ["a"], Condition)
    assert_type(Todo.colour == Colour.RED, Condition)
    assert_type(Todo.due == None, Condition)  # noqa: E711
    assert_type(Todo.due != None, Condition)  # noqa: E711
    assert_type(Todo.due == day, Condition)
    assert_type(Todo.due < day, Condition)
    assert_type(Todo.address.city == "Lyon", Condition)
    assert_type(Todo.office.city == "Lyon", Condition)
    assert_type(Chore.title == "x", Condition)


def joined() -> None:
    assert_type((Todo.priority > 3) & (Todo.title == "x"), All)
    assert_type((Todo.priority > 3) & (Todo.title == "x") & (Todo.done == True), All)  # noqa: E712
    _ = (Todo.priority > 3) & True  # E


def orders() -> None:
    assert_type(-Todo.priority, Order)
    assert_type(+Todo.title, Order)


def where(*conditions: Condition | All) -> None:
    """Take what `Query.filter` takes."""


def wrong(todo: Todo, day: date) -> None:
    where(Todo.title == 3)  # E
    where(Todo.title != 3)  # E
    where(Todo.title.is_(3))  # E
    where(Todo.priority > "x")  # E
    where(Todo.priority.in_(["x"]))  # E
    where(Todo.priority.in_(3))  # E
    where(Todo.done == "yes")  # E
    where(Todo.kind == "garden")  # E
    where(Todo.due < "tomorrow")  # E
    where(Todo.title == day)  # E
    where(Todo.nope == 3)  # E
    where(Todo.address.nope == 3)  # E
    where(Todo.address.city == 3)  # E
    where(Todo.plain == "x")  # E
    where(todo.title == "x")  # E
    where(todo.address.city == "Lyon")  # E
    where(not Todo.done)  # E
