"""Clients, sessions and queries that await."""

from collections.abc import AsyncGenerator, Coroutine
from typing import Any, assert_type

from declared import Todo

from kinto_orm import (
    AsyncClient,
    AsyncSession,
    Client,
    CommitResult,
    Conflict,
    FieldChange,
    JSONPatch,
    MergePatch,
    Plan,
    Progress,
    Record,
    Session,
    listen,
)
from kinto_orm.client.clients import BatchClient
from kinto_orm.client.endpoints.objects import Object
from kinto_orm.flow import Pending
from kinto_orm.query.queries import AsyncQuery


async def clients() -> None:
    async with AsyncClient(server_url="https://localhost/v1", auth=("ann", "x")) as client:
        assert_type(client, AsyncClient)
    await client.close()
    AsyncClient(server_url=3)  # E


async def endpoints(client: AsyncClient) -> None:
    coroutine = client.get_record(id="x")
    await assert_type(coroutine, Coroutine[Any, Any, Object])
    assert_type(await client.server_info(), dict[str, Any])
    assert_type(await client.get_records(), list[dict[str, Any]])
    assert_type(await client.patch_record(id="x", changes=MergePatch({})), Object)

    client.get_record(id="x")["data"]  # E
    await client.get_record(id=1.5)  # E
    await client.nope()  # E


async def batches(client: AsyncClient) -> None:
    async with client.batch() as batch:
        assert_type(batch, BatchClient)
        pending = batch.get_record(id="x")
        assert_type(pending, Pending[Object])
        await batch.get_record(id="x")  # E
    assert_type(pending.result(), Object)
    with client.batch() as batch:  # E
        pass


async def sessions(client: AsyncClient, blocking: Client, todo: Todo) -> None:
    async with AsyncSession(client, patch=MergePatch) as session:
        assert_type(session, AsyncSession)
    assert_type(await session.get(Todo, "x"), Todo | None)
    assert_type(await session.get_one(Todo, "x"), Todo)
    assert_type(await session.plan(), Plan)
    assert_type(await session.commit(), CommitResult)
    assert_type(await session.commit(await session.plan()), CommitResult)
    assert_type(session.new, tuple[Record, ...])
    session.add(todo)
    session.delete(todo)
    await session.refresh(todo)
    assert_type(await session.get_many(Todo, ["x"]), list[Todo | None])
    assert_type(session.merge(todo), Todo)
    assert_type(session.move(todo, Todo.at(collection="archive")), Todo)
    assert_type(session.changes(), tuple[FieldChange, ...])
    session.rollback(todo)
    async with session.begin() as same:
        assert_type(same, AsyncSession)
    async with AsyncSession(client) as other, other.begin():
        assert_type(other, AsyncSession)
    await session.close()

    AsyncSession(blocking)  # E
    await session.get(Todo, 1)  # E
    await session.add(todo)  # E
    await session.commit("plan")  # E
    _ = session.commit().ok  # E
    session.refresh(todo)  # E
    with session.begin():  # E
        pass
    with session:  # E
        pass


async def commits(session: AsyncSession) -> None:
    assert_type(await session.plan(patch=JSONPatch, lock=True), Plan)
    assert_type(await session.commit(lock=True, verify=True, progress=shown), CommitResult)
    assert_type(await session.commit(patch=MergePatch, on_conflict=in_time), CommitResult)
    async with session.begin(on_conflict=in_time, lock=True, verify=True, progress=shown) as same:
        assert_type(same, AsyncSession)
    assert_type(session.patch(Todo, "x", JSONPatch([])), Todo)

    await session.commit(on_conflict="mine")  # E
    await session.commit(on_conflict=as_a_number)  # E
    await session.commit(progress=3)  # E
    session.begin(on_conflict="mine")  # E


async def shown(progress: Progress) -> None: ...


def policies(client: AsyncClient) -> None:
    AsyncSession(client, on_conflict="merge", lock=True)
    AsyncSession(client, on_conflict=in_time)
    AsyncSession(client, on_conflict=at_once)
    AsyncSession(client, on_conflict="mine")  # E
    AsyncSession(client, on_conflict=as_a_number)  # E


async def in_time(conflict: Conflict) -> dict[str, Any] | None:
    return conflict.local


def at_once(conflict: Conflict) -> None: ...


async def as_a_number(conflict: Conflict) -> int:
    return len(conflict.fields)


async def again(session: AsyncSession) -> None:
    assert_type(await session.retry(counted), int)
    assert_type(await session.retry(counted, attempts=3, lock=False, repeatable=True), int)

    await session.retry(not_awaiting)  # E
    await session.retry(of_the_other)  # E


async def counted(session: AsyncSession) -> int:
    todo = await session.get_one(Todo, "x")
    todo.priority += 1
    return todo.priority


def not_awaiting(session: AsyncSession) -> int:
    return len(session.new)


async def of_the_other(session: Session) -> int:
    return len(session.new)


async def events(session: AsyncSession) -> None:
    @listen(session, "after_commit")
    async def told(session: AsyncSession, result: CommitResult) -> int:
        return len(session.new) + len(result.created)

    assert_type(await told(session, await session.commit()), int)
    listen(AsyncSession, "before_commit")(counted)
    listen(Todo, "conflict")(in_time)
    listen(Todo, "conflict")(shown)  # E
    listen(session, "after_commit")(counted)  # E


async def queries(session: AsyncSession) -> None:
    query = session.query(Todo).filter(Todo.title == "x").order_by(-Todo.priority).limit(3)
    assert_type(query, AsyncQuery[Todo])
    assert_type(await query.all(), list[Todo])
    assert_type(await query.first(), Todo | None)
    assert_type(await query.one(), Todo)
    assert_type(await query.count(), int)
    assert_type(query.stream(), AsyncGenerator[Todo, None])
    assert_type([todo.title async for todo in query], list[str])

    query.all()[0]  # E
    _ = (await query.first()).title  # E
    for _ in query:  # E
        pass
    await query.filter("x").all()  # E
