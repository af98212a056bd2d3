"""Buckets, collections and schemas: what is asked of a server, and what comes of it."""

from collections.abc import Coroutine, Iterable
from typing import Any, assert_type

from declared import Address, Todo

from kinto_orm import (
    AsyncClient,
    AsyncSession,
    Attachment,
    Client,
    Embedded,
    Ensured,
    Record,
    SchemaViolation,
    Session,
    embedded,
    ensure,
)
from kinto_orm.ensuring import Difference
from kinto_orm.exceptions import BadRequest, ValidationError
from kinto_orm.flow.faults import Fault


class Model(Record, bucket="main", collection="models"):
    file: Embedded[Attachment | None] = embedded(default=None, key="attachment", read_only=True)


def schemas() -> None:
    assert_type(Todo.json_schema(), dict[str, Any])
    assert_type(Address.json_schema(), dict[str, Any])


def blocking(client: Client, session: Session, model: Model) -> None:
    assert_type(ensure(client), Ensured)
    assert_type(ensure(client, Todo, Model, schema=True, change=True), Ensured)
    ensure(client, Todo, display_fields=["title", Todo.title], sort=-Todo.priority)
    ensure(client, Todo, sort=[Todo.title, -Todo.priority], permissions={"read": ["x"]})
    ensure(client, Todo, sort="-title,priority")
    ensure(client, Todo, change=lambda differences: len(differences) < 3)
    ensure(client, Todo, change=some_of)
    ensure(client, Address)  # E
    ensure(client, "todos")  # E
    ensure(client, Todo, sort=3)  # E
    ensure(client, Todo, permissions=["x"])  # E
    ensure(client, Todo, change="yes")  # E
    ensure(session, Todo)  # E

    assert_type(session.attach(model, "cat.png", filename="dog.png"), None)
    assert_type(session.detach(model), None)
    session.attach(model)  # E


async def awaiting(client: AsyncClient, session: AsyncSession, model: Model) -> None:
    coroutine: Coroutine[Any, Any, Ensured] = ensure(client, Todo, schema=True)
    assert_type(await coroutine, Ensured)
    assert_type(await ensure(client, Todo), Ensured)
    assert_type(await session.attach(model, "cat.png"), None)
    assert_type(await session.detach(model), None)


def some_of(differences: tuple[Difference, ...]) -> Iterable[Difference]:
    return [each for each in differences if each.key == "schema"]


def results(done: Ensured) -> None:
    assert_type(done.created, tuple[str, ...])
    assert_type(done.differences, tuple[Difference, ...])
    assert_type(done.changed, tuple[Difference, ...])
    assert_type(done.ok, bool)
    assert_type(done.differences[0].key, str)


def files(model: Model) -> None:
    assert_type(model.file, Attachment | None)
    if model.file is not None:
        assert_type(model.file.hash, str)
        assert_type(model.file.size, int)
        assert_type(model.file.location, str)
    _ = Model.file.size > 3


def violations(error: SchemaViolation) -> None:
    as_one: ValidationError = error
    as_other: BadRequest = error
    assert_type(as_one.faults, tuple[Fault, ...])
    assert_type(as_other.status, int)
    assert_type(error.faults[0].path, str)
