"""Records as users handle them: each field has the type that it was given."""

from datetime import date, datetime
from typing import Any, Literal, assert_type

import attrs

from declared import Address, Chore, Colour, Engine, Point, SearchConfig, Todo


def read(todo: Todo, chore: Chore, engine: Engine) -> None:
    assert_type(todo.title, str)
    assert_type(todo.done, bool)
    assert_type(todo.priority, int)
    assert_type(todo.weight, float)
    assert_type(todo.tags, list[str])
    assert_type(todo.counts, dict[str, int])
    assert_type(todo.due, date | None)
    assert_type(todo.moment, datetime | None)
    assert_type(todo.colour, Colour)
    assert_type(todo.kind, Literal["home", "work"])
    assert_type(todo.size, int)
    assert_type(todo.source, str)
    assert_type(todo.address, Address)
    assert_type(todo.address.city, str)
    assert_type(todo.address.zip_code, str)
    assert_type(todo.address.point, Point | None)
    assert_type(todo.office, Address | None)
    assert_type(todo.others, list[Address])
    assert_type(todo.plain, str)
    assert_type(todo.counted, int)
    assert_type(todo.author, str)
    assert_type(todo.shout(), str)
    assert_type(chore.room, str)
    assert_type(chore.title, str)
    assert_type(engine.name, str)

    assert_type(todo.id, str)
    assert_type(todo.last_modified, int | None)
    assert_type(todo.extra, dict[str, Any])
    assert_type(todo.address.extra, dict[str, Any])

    _ = todo.nope  # E
    _ = todo.address.nope  # E
    _ = todo.office.city  # E
    _ = todo.address.id  # E


def change(todo: Todo, address: Address) -> None:
    todo.title = "y"
    todo.tags.append("z")
    todo.due = None
    todo.address = address
    todo.office = None
    todo.address.city = "Lyon"
    todo.extra["colour"] = "green"
    todo.colour = Colour.BLUE
    todo.weight = 3

    todo.title = 3  # E
    todo.title = None  # E
    todo.tags.append(3)  # E
    todo.due = "tomorrow"  # E
    todo.address = None  # E
    todo.address.city = 3  # E
    todo.kind = "garden"  # E
    todo.nope = 3  # E


def compared(todo: Todo, other: Todo) -> None:
    assert_type(todo == other, bool)
    assert_type(todo.title == "x", bool)
    assert_type(todo.priority < 3, bool)


def as_documents(todo: Todo) -> None:
    assert_type(todo.to_document(), dict[str, Any])
    assert_type(Todo.from_document({"id": "x", "title": "y"}), Todo)
    assert_type(SearchConfig.from_document({"id": "x"}), SearchConfig)
    Todo.from_document("x")  # E


def copied(todo: Todo) -> None:
    # mypy's plugin for attrs takes the argument for a Field[str].  Pyright is right, but a copy
    # made in this way is a new record.
    attrs.evolve(todo, title="z")  # E-mypy
