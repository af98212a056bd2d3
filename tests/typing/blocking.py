"""Clients, sessions and queries that block."""

from collections.abc import Generator
from typing import Any, assert_type

from declared import Engine, SearchConfig, Todo

from kinto_orm import (
    MISSING,
    NOT_LOADED,
    AsyncClient,
    BasicPatch,
    Client,
    CommitError,
    CommitResult,
    Conflict,
    ConflictError,
    FieldChange,
    JSONPatch,
    MergePatch,
    Plan,
    Record,
    RetryPolicy,
    Session,
)
from kinto_orm.client.clients import BatchClient
from kinto_orm.client.endpoints.objects import Object
from kinto_orm.exceptions import KintoException
from kinto_orm.flow import Headers, Pending
from kinto_orm.query.queries import Query
from kinto_orm.transport import HTTPSession
from kinto_orm.transport.wire import Timeout


def clients() -> None:
    Client(server_url="https://localhost/v1")
    Client(server_url="https://localhost/v1", auth=("ann", "secret"), bucket="work")
    Client(server_url="https://localhost/v1", auth="Bearer x", retry=RetryPolicy(attempts=1))
    Client(server_url="https://localhost/v1", timeout=3)
    Client(server_url="https://localhost/v1", timeout=(1.5, None), dry_mode=True)
    Client(server_url="https://localhost/v1", timeout=Timeout(read=None), headers={"A": "b"})
    with Client(server_url="https://localhost/v1") as client:
        assert_type(client, Client)
        assert_type(client.server_url, str)

    Client(server_url="https://localhost/v1", retry=3, retry_after=0.5)
    Client(session=HTTPSession("https://localhost/v1"), bucket=None)

    Client(server_url=3)  # E
    Client("https://localhost/v1")  # E
    Client(server_url="https://localhost/v1", auth=3)  # E
    Client(server_url="https://localhost/v1", timeout="3")  # E
    Client(server_url="https://localhost/v1", retry="3")  # E
    Client(server_url="https://localhost/v1", tiemout=3)  # E
    RetryPolicy(3)  # E


def endpoints(client: Client) -> None:
    assert_type(client.server_info(), dict[str, Any])
    assert_type(client.get_record(id="x"), Object)
    assert_type(client.get_record(id="x")["data"], dict[str, Any])
    assert_type(client.get_record(id="x")["permissions"], dict[str, list[str]])
    assert_type(client.get_records(collection="todos", bucket="work"), list[dict[str, Any]])
    assert_type(client.create_record(data={"a": 1}, if_not_exists=True), Object)
    assert_type(client.update_record(data={"id": "x"}, if_match=3), Object)
    assert_type(client.patch_record(id="x", changes=MergePatch({"a": None})), Object)
    assert_type(client.patch_record(id="x", changes=BasicPatch({"a": 1})), Object)
    assert_type(client.patch_record(id="x", changes=JSONPatch([{"op": "test"}])), Object)
    assert_type(client.get_record(id=1), Object)
    assert_type(client.get_record("x", _fields="title"), Object)
    assert_type(client.delete_record(id="x", if_match="*"), dict[str, Any] | None)
    assert_type(client.session.request("get", "/"), tuple[Any, Headers])
    assert_type(client.get_bucket(), Object)
    assert_type(client.create_bucket(id="work", permissions={"read": ["x"]}), Object)
    assert_type(client.get_collections(), list[dict[str, Any]])

    client.get_record()  # E
    client.get_record(id=1.5)  # E
    client.get_record(id="x", bucket=["b"])  # E
    client.create_record(id="x", nope=1)  # E
    client.create_record(data=["a"])  # E
    client.patch_record(id="x", changes={"a": 1})  # E
    client.create_bucket(permissions={"read": "x"})  # E
    client.nope()  # E


def batches(client: Client) -> None:
    with client.batch(bucket="work") as batch:
        assert_type(batch, BatchClient)
        pending = batch.create_record(id="x", data={})
        assert_type(pending, Pending[Object])
        assert_type(pending.result(), Object)
        assert_type(batch.delete_record(id="x").result(), dict[str, Any] | None)
        assert_type(batch.get_records().result(), list[dict[str, Any]])
        assert_type(batch.session.request("get", "/"), Pending[tuple[Any, Headers]])
        batch.get_record(id=1.5)  # E
        batch.get_record(id="x")["data"]  # E
    assert_type(batch.results(), list[Any])


def sessions(client: Client, aclient: AsyncClient, todo: Todo) -> None:
    with Session(client, patch=JSONPatch) as session:
        assert_type(session, Session)
    assert_type(session.get(Todo, "x"), Todo | None)
    assert_type(session.get_one(Todo, "x"), Todo)
    assert_type(session.get(Todo, id="x"), Todo | None)
    assert_type(session.new, tuple[Record, ...])
    assert_type(session.is_modified(todo), bool)
    assert_type(todo in session, bool)
    session.add(todo)
    session.add_all(Todo.from_document({}) for _ in range(3))
    session.delete(todo)
    session.refresh(todo)
    session.expunge(todo)
    session.clear()
    session.close()

    Session(aclient)  # E
    Session(client, patch="merge")  # E
    Session(client, patch=JSONPatch([]))  # E
    session.get(Todo)  # E
    session.get(Todo, 1)  # E
    session.get("Todo", "x")  # E
    session.get(int, "x")  # E
    _ = session.get(Todo, "x").title  # E
    session.add("x")  # E
    session.add_all(todo)  # E
    session.refresh("x")  # E
    session.nope()  # E


def edits(session: Session, todo: Todo, engine: Engine) -> None:
    assert_type(session.get_many(Todo, ["x"]), list[Todo | None])
    assert_type(
        session.get_many(SearchConfig.at(bucket="b"), {"x", "y"}), list[SearchConfig | None]
    )
    assert_type(session.refresh(todo, engine), None)
    assert_type(session.merge(todo), Todo)
    assert_type(session.move(todo, Todo.at(collection="archive")), Todo)
    assert_type(session.move(engine, Engine), Engine)
    session.rollback()
    session.rollback(todo, engine)
    changes = session.changes(todo)
    assert_type(changes, tuple[FieldChange, ...])
    assert_type(changes[0].record, Record)
    assert_type(changes[0].path, str)
    assert_type(changes[0].key.id, str)
    if changes[0].old is not MISSING and changes[0].old is not NOT_LOADED:
        assert_type(str(changes[0]), str)
    with session.begin() as same:
        assert_type(same, Session)
    with Session(session.client) as other, other.begin():
        assert_type(other, Session)

    session.get_many(Todo, "x", "y")  # E
    session.get_many(Todo, [1])  # E
    session.refresh([todo])  # E
    session.merge([todo])  # E
    session.move(todo)  # E
    session.move(todo, "archive")  # E
    session.rollback("x")  # E
    session.changes([todo])  # E
    changes[0].path = "x"  # E


def commits(session: Session) -> None:
    plan = session.plan()
    assert_type(plan, Plan)
    assert_type(len(plan), int)
    result = session.commit(plan)
    assert_type(result, CommitResult)
    assert_type(result.ok, bool)
    assert_type(result.created, tuple[Record, ...])
    assert_type(result.conflicts, tuple[Conflict, ...])
    assert_type(result.errors, tuple[KintoException, ...])
    session.commit("plan")  # E


def failures(session: Session) -> None:
    try:
        session.commit()
    except ConflictError as error:
        for each in error.exceptions:
            if isinstance(each, Conflict):
                resolved(each)
    except CommitError as error:
        assert_type(error.message, str)

    try:
        session.commit()
    except* Conflict as group:
        assert_type(group, ExceptionGroup[Conflict])


def resolved(conflict: Conflict) -> None:
    assert_type(conflict.base, dict[str, Any] | None)
    assert_type(conflict.local, dict[str, Any] | None)
    assert_type(conflict.remote, dict[str, Any] | None)
    assert_type(conflict.fields, tuple[str, ...])


def queries(session: Session, todo: Todo) -> None:
    query = session.query(Todo)
    assert_type(query, Query[Todo])
    assert_type(query.filter(Todo.title == "x", done=False), Query[Todo])
    assert_type(query.filter((Todo.title == "x") & (Todo.priority > 3)), Query[Todo])
    assert_type(query.order_by(-Todo.priority, Todo.title).limit(3), Query[Todo])
    assert_type(query.all(), list[Todo])
    assert_type(query.first(), Todo | None)
    assert_type(query.one(), Todo)
    assert_type(query.one_or_none(), Todo | None)
    assert_type(query.count(), int)
    assert_type(query.exists(), bool)
    assert_type(query.stream(), Generator[Todo, None, None])
    assert_type([each.title for each in query], list[str])
    assert_type(session.query(SearchConfig).all(), list[SearchConfig])
    assert_type(session.query(Engine).one().name, str)

    session.query()  # E
    session.query(int)  # E
    session.query("Todo")  # E
    query.filter("x")  # E
    query.filter(todo.title == "x")  # E
    query.order_by("title")  # E
    query.limit("3")  # E
    _ = query.first().title  # E
    _ = query.one().nope  # E
    query.nope()  # E
