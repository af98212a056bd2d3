"""`ensure`: what it creates, what it compares, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from apps import App
from faults import FaultProxy, HttpAnswer
from kinto_orm import BasicPatch, Client, EmbeddedRecord, Ensured, Field, Record, ensure, field
from kinto_orm.embedded import KintoServer
from kinto_orm.ensuring import Difference
from kinto_orm.exceptions import Forbidden, InvalidRequest, PreconditionFailed, Unauthorized


class Place(EmbeddedRecord):
    city: Field[str]


class Todo(Record, collection="todos"):
    """Something to do."""

    title: Field[str]
    priority: Field[int] = field(default=0, key="prio")
    place: Field[Place | None] = field(default=None)


class Note(Record, collection="notes"):
    text: Field[str]


class Search(Record, collection="search", tag_field="kind"):
    rank: Field[int] = field(default=0)


class Engine(Search, tag="engine"):
    name: Field[str]


class Ordering(Search, tag="order"):
    orders: Field[list[str]] = field(factory=list)


def ensured(app: App, *models: type[Record], client: Any = None, **options: Any) -> Ensured:
    """Return what `ensure` returns, awaited if need be."""
    result: Ensured = app.run(
        ensure(app.client() if client is None else client, *models, **options)
    )
    return result


def collection(app: App, id: str) -> Any:
    """Return the data of a collection."""
    return app.raw.get_collection(id=id)["data"]


def without_stamp(data: dict[str, Any]) -> dict[str, Any]:
    """Return *data* without what the server sets."""
    return {key: value for key, value in data.items() if key not in ("id", "last_modified")}


class TestCreating:
    def test_everything_is_missing(self, app: App) -> None:
        """Bucket and collections are created, the bucket first and once; then there is no work."""
        client = app.client(bucket=f"{app.bucket}x")
        result = ensured(app, Todo, Note, client=client)
        bucket = f"{app.bucket}x"
        assert result.created == (bucket, f"{bucket}/todos", f"{bucket}/notes")
        assert result.ok
        assert str(result).splitlines()[0] == f"{bucket}: created"
        writes = [request for request in client.sent if request.writes]
        assert [request.path.count("/") for request in writes] == [2, 4, 4]
        assert all(request.headers == {"If-None-Match": "*"} for request in writes)
        client.sent.clear()
        again = ensured(app, Todo, Note, client=client)
        assert again == Ensured()
        assert str(again) == "everything is as it was asked for"
        assert [request.method for request in client.sent] == ["GET", "GET"]

    def test_with_everything(self, app: App) -> None:
        """A collection that is created has all that was asked for, in the same request."""
        client = app.client()
        result = ensured(
            app,
            Note,
            client=client,
            schema=True,
            display_fields=[Note.text, "last_modified"],
            sort=-Note.text,
            permissions={"read": ["system.Everyone"]},
        )
        assert result.created == (f"{app.bucket}/notes",)
        found = app.raw.get_collection(id="notes")
        assert without_stamp(found["data"]) == {
            "schema": Note.json_schema(),
            "displayFields": ["text", "last_modified"],
            "sort": "-text",
        }
        assert found["permissions"]["read"] == ["system.Everyone"]
        assert [request.method for request in client.sent] == ["GET", "PUT"]

    def test_kinds_have_one_schema(self, app: App) -> None:
        """Several kinds in one collection have the schema of their base."""
        ensured(app, Engine, Ordering, schema=True)
        assert collection(app, "search")["schema"] == Search.json_schema()

    def test_somebody_is_faster(self, app: App) -> None:
        """A collection that somebody creates meanwhile is one that exists: it is compared."""

        def meddling(answer: HttpAnswer) -> HttpAnswer:
            app.raw.create_collection(id="notes", data={"sort": "text"})
            return answer

        with FaultProxy(app.server.url) as proxy:
            proxy.change_answer(meddling)
            result = ensured(app, Note, client=app.client(proxy.url), sort="-text")
        assert result.created == ()
        (difference,) = result.differences
        assert (difference.old, difference.new) == ("text", "-text")

    def test_lost_answers(self, app: App) -> None:
        """A creation whose answer is lost is still told as one."""
        with FaultProxy(app.server.url) as proxy:
            client = app.client(proxy.url, bucket=f"{app.bucket}x")
            proxy.lose_answer(when=lambda request: request.method == "PUT", times=2)
            result = ensured(app, Note, client=client, permissions={"read": ["system.Everyone"]})
        assert result.created == (f"{app.bucket}x", f"{app.bucket}x/notes")

    def test_dry_run(self, app: App) -> None:
        """A dry run says what would be created, and creates nothing."""
        client = app.client(bucket=f"{app.bucket}x", dry_mode=True)
        result = ensured(app, Todo, Note, client=client)
        assert result.created == (f"{app.bucket}x", f"{app.bucket}x/todos", f"{app.bucket}x/notes")
        assert result.rehearsed
        assert not result.ok
        with pytest.raises(Forbidden):
            app.raw.get_bucket(id=f"{app.bucket}x")


@pytest.mark.parametrize("storage", ["memory", "postgresql"])
def test_default_bucket(storage: Any) -> None:
    """The alias *default* is resolved first: a look through it would create the collection."""
    with (
        KintoServer(storage=storage, includes="kinto.plugins.default_bucket") as server,
        Client(server_url=server.url, auth=server.auth) as client,
    ):
        user = client.current_user()
        assert user is not None
        bucket = user["bucket"]
        assert ensure(client, Note, sort="text").created == (bucket, f"{bucket}/notes")
        assert client.get_collection(id="notes")["data"]["sort"] == "text"
        assert ensure(client, Note, sort="text") == Ensured()


class TestComparing:
    def test_what_differs_is_returned_and_left(self, app: App) -> None:
        """A collection that exists stays as it is; what differs is told, path by path."""
        app.raw.update_collection(
            id="todos", data={"schema": {"type": "object", "title": "Old"}, "mine": 1}
        )
        before = collection(app, "todos")
        client = app.client()
        result = ensured(app, Todo, client=client, schema=True, display_fields=["title"])
        assert collection(app, "todos") == before
        assert not result.ok
        assert [each.key for each in result.differences] == ["schema", "displayFields"]
        assert result.differences[0].old == {"type": "object", "title": "Old"}
        assert result.differences[0].new == Todo.json_schema()
        assert not result.changed
        lines = str(result).splitlines()
        where = f"{app.bucket}/todos"
        assert f'{where}: schema.title: "Old" -> "Todo" (not changed)' in lines
        assert f'{where}: displayFields: nothing -> ["title"] (not changed)' in lines
        assert not any("schema.type:" in line for line in lines)
        assert [request.method for request in client.sent] == ["GET"]

    def test_what_is_the_same(self, app: App) -> None:
        """What is as it was asked for is no difference, whatever else the collection has."""
        options: dict[str, Any] = {
            "schema": True,
            "sort": ["-title", "prio"],
            "permissions": {"write": [f"account:{app.server.auth[0]}"]},
        }
        assert ensured(app, Todo, change=True, **options).ok
        app.raw.patch_collection(id="todos", data={"mine": 1})
        app.raw.patch_collection(id="todos", permissions={"read": ["system.Everyone"]})
        assert ensured(app, Todo, **options) == Ensured()


class TestChanging:
    def test_only_what_was_asked_for(self, app: App) -> None:
        """What differs is changed, with If-Match; other keys and permissions survive."""
        app.raw.update_collection(
            id="todos",
            data={"sort": "title", "mine": {"a": [1]}, "schema": {"title": "Old"}},
            permissions={"read": ["account:ann"], "record:create": ["account:ben"]},
        )
        client = app.client()
        stamp = collection(app, "todos")["last_modified"]
        result = ensured(
            app,
            Todo,
            client=client,
            schema=True,
            sort="-prio",
            permissions={"read": ["system.Everyone"]},
            change=True,
        )
        assert result.ok
        assert result.changed == result.differences
        assert {each.key for each in result.changed} == {"schema", "sort", "permissions.read"}
        found = app.raw.get_collection(id="todos")
        assert without_stamp(found["data"]) == {
            "sort": "-prio",
            "mine": {"a": [1]},
            "schema": Todo.json_schema(),
        }
        assert sorted(found["permissions"]["read"]) == ["account:ann", "system.Everyone"]
        assert found["permissions"]["record:create"] == ["account:ben"]
        (write,) = [request for request in client.sent if request.writes]
        assert write.headers["If-Match"] == f'"{stamp}"'

    def test_a_function_decides(self, app: App) -> None:
        """A function is given the differences, and says whether to change, or which."""
        seen: list[tuple[Difference, ...]] = []

        def only_sort(differences: tuple[Difference, ...]) -> Iterator[Difference]:
            seen.append(differences)
            return (each for each in differences if each.key == "sort")

        result = ensured(app, Todo, Note, schema=True, sort="id", change=only_sort)
        assert [[each.key for each in differences] for differences in seen] == [["schema", "sort"]]
        assert [each.key for each in result.changed] == ["sort"]
        assert not result.ok
        assert without_stamp(collection(app, "todos")) == {"sort": "id"}
        assert not ensured(app, Todo, sort="-id", change=lambda _: False).ok
        assert ensured(app, Todo, sort="-id", change=lambda _: True).ok
        assert ensured(app, Todo, sort="-id", change=pytest.fail) == Ensured()

    def test_changed_meanwhile(self, app: App) -> None:
        """A collection that somebody changes meanwhile is not changed."""

        def meddling(differences: tuple[Difference, ...]) -> bool:
            app.raw.patch_collection(id="todos", data={"sort": "id"})
            return bool(differences)

        with pytest.raises(PreconditionFailed):
            ensured(app, Todo, sort="title", change=meddling)
        assert collection(app, "todos")["sort"] == "id"

    def test_what_was_done_before_an_error(self, app: App) -> None:
        """If it fails half-way, the notes of the error have what was done until then."""
        with FaultProxy(app.server.url) as proxy:
            client = app.client(proxy.url, retry=0)
            proxy.answer(403, when=lambda request: request.path.endswith("/search"), times=None)
            with pytest.raises(Forbidden) as caught:
                ensured(app, Note, Search, client=client)
        assert caught.value.__notes__ == [f"before that:\n{app.bucket}/notes: created"]

    def test_changed_meanwhile_to_the_same(self, app: App) -> None:
        """Two programs that want the same do not stand in each other's way."""

        def meddling(differences: tuple[Difference, ...]) -> bool:
            app.raw.patch_collection(id="todos", data={"sort": "title"})
            return bool(differences)

        assert ensured(app, Todo, sort="title", change=meddling).ok

    def test_lost_answer(self, app: App) -> None:
        """A change whose answer is lost is made once, and told as made."""
        with FaultProxy(app.server.url) as proxy:
            proxy.lose_answer(when=lambda request: request.method == "PATCH")
            result = ensured(app, Todo, client=app.client(proxy.url), sort="id", change=True)
        assert result.ok
        assert collection(app, "todos")["sort"] == "id"


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"display_fields": ["nope"]}, "there is no 'nope'"),
            ({"display_fields": ["priority"]}, "there is no 'priority'"),
            ({"display_fields": ["place.street"]}, "there is no 'place.street'"),
            ({"display_fields": ["title.words"]}, "there is no 'title.words'"),
            ({"display_fields": [Note.text]}, "there is no 'text'"),
            ({"sort": "-nope"}, "there is no 'nope'"),
            ({"sort": Note.text}, "there is no 'text'"),
            ({"permissions": {"read": "system.Everyone"}}, "must be lists of principals"),
        ],
    )
    def test_before_sending(self, app: App, options: dict[str, Any], said: str) -> None:
        """What no document has, or what is no list of principals, is refused; nothing is sent."""
        client = app.client()
        with pytest.raises(InvalidRequest, match=said):
            ensured(app, Todo, client=client, **options)
        assert client.sent == []

    def test_paths(self, app: App) -> None:
        """Fields inside others may be shown, and those of any kind of record."""
        assert (
            ensured(app, Todo, display_fields="title,place.city", sort=[-Todo.priority]).created
            == ()
        )
        assert ensured(app, Search, display_fields=["rank", "name", "orders", "kind"]).created

    def test_two_classes_in_one_collection(self, app: App) -> None:
        """Classes that nothing tells apart have no schema together; without one, they may be."""

        class Other(Record, collection="todos"):
            pass

        class Chore(Todo):
            room: Field[str]

        client = app.client()
        with pytest.raises(InvalidRequest, match="tag_field="):
            ensured(app, Todo, Other, client=client, schema=True)
        assert client.sent == []
        assert ensured(app, Todo, Other) == Ensured()
        assert ensured(app, Chore, Todo, schema=True).differences[0].new == Todo.json_schema()

    def test_no_class_of_records(self, app: App) -> None:
        """What has no collection is refused."""
        for model in (Place, Record, "todos"):
            with pytest.raises(TypeError):
                ensured(app, model, client=app.client(collection=None))  # type: ignore[arg-type]


@pytest.mark.parametrize("server", ["memory", "postgresql"], indirect=True)
class TestRights:
    """What the user may do decides; Kinto answers 403 to what is missing, too (P4)."""

    @pytest.fixture
    def owner(self, server: KintoServer, bucket: str) -> Iterator[Client]:
        with Client(server_url=server.url, auth=server.auth, bucket=bucket) as client:
            yield client

    @pytest.fixture
    def ann(self, server: KintoServer, bucket: str) -> Iterator[Client]:
        with Client(server_url=server.url, auth=("ann", "secret"), bucket=bucket) as client:
            yield client

    @pytest.fixture
    def principal(self, ann: Client) -> str:
        user = ann.current_user()
        assert user is not None
        return str(user["id"])

    def test_nothing_is_allowed(self, owner: Client, ann: Client) -> None:
        """Where the user may neither read nor create, the error says which collection it is."""
        owner.create_bucket()
        with pytest.raises(Forbidden, match="collections/notes"):
            ensure(ann, Note)

    def test_collections_may_be_created(self, owner: Client, ann: Client, principal: str) -> None:
        """A right to create collections is enough, in a bucket that the user cannot read."""
        owner.create_bucket(permissions={"collection:create": [principal]})
        assert ensure(ann, Note).created == (f"{ann.bucket_name}/notes",)

    def test_readers(self, owner: Client, ann: Client, principal: str) -> None:
        """A reader is told what differs, as far as the server shows it, and may not change it."""
        owner.create_bucket()
        owner.create_collection(id="notes", permissions={"read": [principal]})
        result = ensure(ann, Note, sort="text", permissions={"read": [principal]})
        assert [(each.key, each.old) for each in result.differences] == [
            ("sort", None),
            ("permissions.read", None),
        ]
        with pytest.raises(Forbidden):
            ensure(ann, Note, sort="text", change=True)

    def test_nobody(self, owner: Client) -> None:
        """Without credentials it is those that are missing, not a bucket."""
        owner.create_bucket()
        with pytest.raises(Unauthorized):
            ensure(owner.clone(auth=None), Note)


def test_a_raw_patch_stays_possible(app: App) -> None:
    """What `ensure` never does, removing a permission, the client does."""
    ensured(app, Todo, permissions={"read": ["system.Everyone"]}, change=True)
    app.raw.patch_collection(id="todos", changes=BasicPatch(None, {"read": []}))
    assert "read" not in app.raw.get_collection(id="todos")["permissions"]
