"""Records with files: what is loaded, what is kept, and what `attach` and `detach` do."""

from __future__ import annotations

import asyncio
import hashlib

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from apps import COMBINATIONS, App
from faults import FaultProxy
from kinto_orm import (
    Attachment,
    Client,
    Conflict,
    Embedded,
    Field,
    Record,
    RecordNotFound,
    SchemaViolation,
    embedded,
    ensure,
    field,
)
from kinto_orm.exceptions import InvalidRequest

from .conftest import Keeper


class Model(Record, collection="models"):
    name: Field[str]
    version: Field[int] = field(default=1)
    note: Field[str | None] = field(default=None)
    file: Embedded[Attachment | None] = embedded(default=None, key="attachment", read_only=True)


class Plain(Record, collection="models"):
    name: Field[str]


#: The fixture says so itself.
APPS = None


@pytest.fixture(params=COMBINATIONS)
def app(
    request: pytest.FixtureRequest, keepers: Callable[[str], Keeper], bucket: str
) -> Generator[App]:
    """Give a program with a bucket of its own, on a server that keeps files."""
    waiting, _, kind = request.param.partition(" on ")
    server, awaiting = keepers(kind).server, waiting == "awaiting"
    raw = Client(server_url=server.url, auth=server.auth, bucket=bucket, collection="models")
    ensure(raw, Model)
    app = App(server, bucket, awaiting, raw, asyncio.Runner() if awaiting else None)
    yield app
    app.close()


@pytest.fixture
def session(app: App) -> Any:
    """Give a session of the program."""
    return app.session()


@pytest.fixture
def model(session: Any) -> Model:
    """Give a record of it that is on the server, without a file."""
    model = Model(id="m", name="en-de")
    session.add(model)
    session.commit()
    return model


def stored(app: App) -> dict[str, Any]:
    """Return what the server has of the record."""
    data: dict[str, Any] = app.raw.get_record(id="m")["data"]
    return data


class TestAttach:
    def test_a_file(self, app: App, session: Any, model: Model, source: Path) -> None:
        """The record has what the server says of the file, and its timestamp; it is clean."""
        before = model.last_modified
        assert session.attach(model, source) is None
        assert model.file is not None
        assert model.file.hash == hashlib.sha256(source.read_bytes()).hexdigest()
        assert model.file.size == source.stat().st_size
        assert (model.file.filename, model.file.mimetype) == ("cat.png", "image/png")
        assert model.file.location.endswith(".png")
        assert model.file.original is None
        assert model.to_document() == stored(app)
        assert model.last_modified != before
        assert not session.dirty
        assert session.commit().requests == 0

    def test_another_file(self, app: App, session: Any, model: Model, source: Path) -> None:
        """A file takes the place of the one before it, under the name that it is given."""
        session.attach(model, source)
        source.write_bytes(b"another")
        session.attach(model, source, filename="dog.bin", mimetype="application/x-dog")
        assert model.file is not None
        assert (model.file.filename, model.file.size) == ("dog.bin", 7)
        assert model.file.mimetype == "application/x-dog"
        assert model.to_document() == stored(app)

    def test_without_a_field(self, app: App, session: Any, source: Path) -> None:
        """A class that does not declare the file keeps it among its other keys."""
        plain = Plain(id="m", name="n")
        session.add(plain)
        session.commit()
        session.attach(plain, source)
        assert plain.extra == {"attachment": stored(app)["attachment"]}
        plain.name = "o"
        session.commit()
        assert stored(app)["attachment"] == plain.extra["attachment"]

    def test_later_changes(self, app: App, session: Any, model: Model, source: Path) -> None:
        """Changes after it are sent as ever, whole documents with the file."""
        session.attach(model, source)
        model.name = "de-en"
        session.commit()
        model.note = "x"
        session.add(Model(name="other"))
        session.commit()
        model.note = None  # A key is removed: in a batch that is a whole document.
        session.add(Model(name="one more"))
        session.commit()
        assert model.file is not None
        assert stored(app) == model.to_document()
        assert stored(app)["attachment"]["hash"] == model.file.hash

    def test_a_lost_answer(self, app: App, source: Path) -> None:
        """An upload whose answer is lost is made once."""
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url))
            model = Model(id="m", name="n")
            session.add(model)
            session.commit()
            fault = proxy.lose_answer(when=lambda request: request.path.endswith("/attachment"))
            session.attach(model, source)
            assert fault.count == 1
            uploads = [call for call in proxy.calls if call[1].endswith("/attachment")]
        assert len(uploads) == 1
        assert model.to_document() == stored(app)


class TestDetach:
    def test_a_file(self, app: App, session: Any, model: Model, source: Path) -> None:
        """The file is removed; the record has None, the server null, and that stays."""
        session.attach(model, source)
        session.detach(model)
        assert model.file is None
        assert stored(app)["attachment"] is None
        assert not session.dirty
        model.note = "x"
        session.commit()
        model.note = None
        session.add(Model(name="other"))
        session.commit()
        assert stored(app) == {
            "id": "m",
            "name": "en-de",
            "version": 1,
            "attachment": None,
            "last_modified": model.last_modified,
        }

    def test_no_file(self, session: Any, model: Model) -> None:
        """Where there is none, nothing is removed."""
        session.sent.clear()
        session.detach(model)
        assert not session.writes
        assert model.file is None


class TestRefusals:
    @pytest.fixture(params=["attach", "detach"])
    def act(self, request: pytest.FixtureRequest, session: Any, source: Path) -> Any:
        """Give each of the two, as a function of a record."""
        if request.param == "detach":
            return session.detach
        return lambda record: session.attach(record, source)

    def test_records_with_changes(self, session: Any, model: Model, act: Any) -> None:
        """A record with changes is refused, with the remedy; nothing is sent."""
        session.sent.clear()
        model.name = "changed"
        with pytest.raises(InvalidRequest, match=r"unsaved changes; commit them first"):
            act(model)
        assert session.sent == []
        assert session.dirty == (model,)

    def test_records_that_are_not_there(self, session: Any, model: Model, act: Any) -> None:
        """One that is new, to be deleted or not of this session is refused."""
        session.sent.clear()
        with pytest.raises(InvalidRequest, match="not in the session"):
            act(Model(name="x"))
        new = Model(name="x")
        session.add(new)
        with pytest.raises(InvalidRequest, match="commit first"):
            act(new)
        session.delete(model)
        with pytest.raises(InvalidRequest, match="to be deleted"):
            act(model)
        assert session.sent == []

    def test_changed_elsewhere(self, app: App, session: Any, model: Model, act: Any) -> None:
        """A record that was changed elsewhere is a conflict: its file is left alone."""
        app.raw.patch_record(id="m", data={"version": 2})
        session.sent.clear()
        with pytest.raises(Conflict, match="refresh the record") as caught:
            act(model)
        assert caught.value.record is model
        assert (caught.value.remote or {})["version"] == 2
        assert not session.writes
        session.refresh(model)
        act(model)
        assert model.version == 2

    def test_deleted_elsewhere(self, app: App, model: Model, act: Any) -> None:
        """A record that was deleted elsewhere is not made again by an upload."""
        app.raw.delete_record(id="m")
        with pytest.raises(RecordNotFound):
            act(model)
        assert "m" not in app.stored("models")

    def test_no_file_here(self, session: Any, model: Model, source: Path) -> None:
        """A file that cannot be read is an error, and nothing is uploaded."""
        with pytest.raises(FileNotFoundError):
            session.attach(model, source.with_name("nope"))
        assert model.file is None
        assert not session.dirty

    def test_a_schema(self, app: App, session: Any, model: Model, source: Path) -> None:
        """A schema that forbids the file is a violation."""
        forbidding = {"properties": {"attachment": {"type": "null"}}}
        app.raw.patch_collection(id="models", data={"schema": forbidding})
        with pytest.raises(SchemaViolation):
            session.attach(model, source)
        assert model.file is None


def test_edits_meanwhile(app: App, source: Path) -> None:
    """What is changed while a file is on its way stays a change; the record has the file."""
    with FaultProxy(app.server.url) as proxy:
        session = app.session(app.client(proxy.url))
        model = Model(id="m", name="n")
        session.add(model)
        session.commit()

        def editing(answer: Any) -> Any:
            model.name = "edited"
            return answer

        proxy.change_answer(editing, when=lambda request: request.path.endswith("/attachment"))
        session.attach(model, source)
        assert model.file is not None
        assert session.dirty == (model,)
        session.commit()
    assert stored(app) == model.to_document()
    assert stored(app)["name"] == "edited"


def test_edits_on_both_sides(app: App, source: Path) -> None:
    """If others change the record at that time as well, the next commit meets the conflict."""
    with FaultProxy(app.server.url) as proxy:
        session = app.session(app.client(proxy.url))
        model = Model(id="m", name="n")
        session.add(model)
        session.commit()

        def editing(answer: Any) -> Any:
            model.name = "edited"
            app.raw.patch_record(id="m", data={"version": 2})
            return answer

        proxy.change_answer(editing, when=lambda request: request.path.endswith("/attachment"))
        session.attach(model, source)
        with pytest.raises(ExceptionGroup) as caught:
            session.commit()
        assert isinstance(caught.value.exceptions[0], Conflict)
    assert stored(app)["name"] == "n"
    assert stored(app)["version"] == 2


class TestValues:
    """What is said of a file, without a server."""

    document: ClassVar[dict[str, Any]] = {
        "id": "m",
        "name": "n",
        "attachment": {
            "hash": "ab" * 32,
            "size": 10,
            "filename": "a.bin.gz",
            "mimetype": "application/gzip",
            "location": "folder/a.bin.gz",
            "original": {"hash": "cd" * 32, "size": 30, "filename": "a.bin", "x": 1},
            "later": True,
        },
        "last_modified": 1,
    }

    def test_all_of_it(self) -> None:
        """Everything is there, what no class knows included, and comes back as it was."""
        model = Model.from_document(self.document)
        assert model.file is not None
        assert model.file.original is not None
        assert (model.file.original.size, model.file.original.filename) == (30, "a.bin")
        assert model.file.extra == {"later": True}
        assert model.to_document() == self.document

    def test_nothing_can_be_set(self) -> None:
        """The server writes it: nobody else does."""
        model = Model.from_document(self.document)
        assert model.file is not None
        with pytest.raises(AttributeError, match="read-only"):
            model.file.size = 3
        with pytest.raises(AttributeError, match="read-only"):
            model.file.original = None
        with pytest.raises(AttributeError, match="read-only"):
            model.file = None

    def test_null(self) -> None:
        """Null, which a removal leaves, is None, and stays null."""
        document = {**self.document, "attachment": None}
        model = Model.from_document(document)
        assert model.file is None
        model.name = "o"
        assert model.to_document() == {**document, "name": "o"}

    def test_schema(self) -> None:
        """A schema says that it is read-only, and takes null."""
        schema = Model.json_schema()
        assert schema["properties"]["attachment"] == {
            "if": {"type": "null"},
            "else": {"$ref": "#/definitions/Attachment"},
            "readOnly": True,
        }
        assert schema["definitions"]["Attachment"]["properties"]["size"] == {
            "type": "integer",
            "readOnly": True,
        }
