"""Clients, sessions and queries that block."""

from collections.abc import Generator
from typing import Any, Literal, assert_type

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
    ConflictKind,
    Difference,
    FieldChange,
    JSONPatch,
    Merged,
    MergePatch,
    OnConflict,
    Plan,
    Progress,
    Record,
    RetryPolicy,
    Session,
    StalePlanError,
    listen,
    three_way,
    unlisten,
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
    assert_type(session.plan(patch=JSONPatch, lock=True), Plan)
    assert_type(session.commit(patch=MergePatch, lock=True, verify=True), CommitResult)
    session.commit(on_conflict="merge", progress=print)
    session.commit(progress=shown)
    with session.begin(patch=JSONPatch, on_conflict="merge", lock=True, verify=True) as same:
        assert_type(same, Session)
    with session.begin(progress=shown):
        pass

    session.commit("plan")  # E
    session.commit(patch="merge")  # E
    session.commit(on_conflict="mine")  # E
    session.commit(lock="yes")  # E
    session.commit(verify=None)  # E
    session.commit(progress=3)  # E
    session.commit(progress=shown_in_part)  # E
    session.begin(on_conflict="mine")  # E
    session.begin(patch=JSONPatch([]))  # E
    session.begin(session)  # E


def shown(progress: Progress) -> None:
    assert_type(progress.done, int)
    assert_type(progress.fraction, float)
    progress.done = 3  # E


def shown_in_part(progress: Progress, part: int) -> None: ...


def plans(session: Session, plan: Plan) -> None:
    text = plan.to_json()
    assert_type(text, str)
    assert_type(Plan.from_json(text, models=[Todo]), Plan)
    Plan.from_json(text.encode(), models={Todo, Engine, SearchConfig.at(bucket="b")})
    try:
        session.commit(Plan.from_json(text, models=(Todo,)))
    except StalePlanError as error:
        assert_type(error.differences, tuple[Difference, ...])
        assert_type(error.differences[0].base, dict[str, Any] | None)

    Plan.from_json(text)  # E
    Plan.from_json(text, models=Todo)  # E
    Plan.from_json(text, models=[int])  # E
    Plan.from_json({}, models=[Todo])  # E


def patches(session: Session) -> None:
    assert_type(session.patch(Todo, "x", JSONPatch([{"op": "test"}])), Todo)
    assert_type(session.patch(Engine, id="x", patch=MergePatch({"name": None})), Engine)
    assert_type(session.patch(Todo.at(bucket="b"), "x", BasicPatch({"done": True})), Todo)

    session.patch(Todo, "x", JSONPatch)  # E
    session.patch(Todo, "x", {"done": True})  # E
    session.patch("Todo", "x", JSONPatch([]))  # E
    session.patch(Todo, 1, JSONPatch([]))  # E


def policies(client: Client, given: OnConflict) -> None:
    Session(client, on_conflict="raise")
    Session(client, on_conflict="merge", lock=True)
    Session(client, on_conflict="client_wins")
    Session(client, on_conflict="server_wins")
    Session(client, on_conflict=given)
    Session(client, on_conflict=as_a_policy)
    Session(client, on_conflict=as_a_document)
    Session(client, on_conflict=as_a_record)
    Session(client, on_conflict=not_at_all)
    Session(client, on_conflict=lambda conflict: "merge" if conflict.remote else None)

    Session(client, on_conflict="mine")  # E
    Session(client, on_conflict=None)  # E
    Session(client, on_conflict=as_a_number)  # E
    Session(client, on_conflict=as_text)  # E
    Session(client, on_conflict=of_a_record)  # E
    Session(client, lock="yes")  # E


def as_a_policy(conflict: Conflict) -> Literal["merge", "client_wins"]:
    return "merge" if conflict.kind == "both modified" else "client_wins"


def as_a_document(conflict: Conflict) -> dict[str, Any] | None:
    return conflict.remote


def as_a_record(conflict: Conflict) -> Todo:
    return Todo.from_document(conflict.local or {})


def not_at_all(conflict: Conflict) -> None: ...


def as_a_number(conflict: Conflict) -> int:
    return len(conflict.fields)


def as_text(conflict: Conflict) -> str:
    return conflict.message


def of_a_record(record: Todo) -> None: ...


def again(session: Session) -> None:
    assert_type(session.retry(counted), int)
    assert_type(session.retry(counted, attempts=3, lock=False, repeatable=True), int)
    assert_type(session.retry(lambda session: session.get_one(Todo, "x")), Todo)

    session.retry(counted, 3)  # E
    session.retry(of_a_record)  # E
    session.retry(lambda: 3)  # E
    session.retry(counted(session))  # E


def counted(session: Session) -> int:
    todo = session.get_one(Todo, "x")
    todo.priority += 1
    return todo.priority


def events(session: Session, todo: Todo, result: CommitResult) -> None:
    @listen(Todo, "loaded")
    def check(todo: Todo) -> None: ...

    @listen(session, "after_commit")
    def told(session: Session, result: CommitResult) -> int:
        return len(session.new) + len(result.created)

    assert_type(check(todo), None)
    assert_type(told(session, result), int)
    assert_type(listen(Session, "before_commit")(counted)(session), int)
    listen(Todo, "conflict")(as_a_number)(todo)  # E
    unlisten(Todo, "loaded", check)

    check(session)  # E
    told(session)  # E
    listen(session, "nope")  # E
    listen(session)  # E
    listen(Todo, "conflict")(shown)  # E
    listen(session, "after_commit")(counted)  # E
    listen(session, "before_send")(as_text)  # E
    unlisten(Todo, "nope", check)  # E
    unlisten(Todo, "loaded")  # E


def merges(one: dict[str, Any]) -> None:
    merged = three_way(one, one, one, prefer="remote", sets={"tags"})
    assert_type(merged, Merged)
    assert_type(merged.document, dict[str, Any])
    assert_type(merged.clashes, tuple[str, ...])

    three_way(one, one)  # E
    three_way(one, one, one, "remote")  # E
    three_way(one, one, one, prefer="mine")  # E


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
    assert_type(conflict.kind, ConflictKind)
    if conflict.kind == "deleted by them":
        pass
    if conflict.kind == "deleted by you":  # E
        pass


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
