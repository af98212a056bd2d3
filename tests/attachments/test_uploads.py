"""Uploads: whole, called as they are called here, and only once."""

from __future__ import annotations

import hashlib
import json

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests

from faults import FaultProxy, HttpRequest
from kinto_orm import Client
from kinto_orm.embedded import KintoServer
from kinto_orm.exceptions import (
    AttachmentError,
    CollectionNotFound,
    InvalidRequest,
    KintoBatchException,
    KintoException,
    RecordNotFound,
    ResponseError,
    SchemaViolation,
    UnsendableValue,
)
from transport.drivers import QUICK, Driver

from .conftest import Keeper


on_all = pytest.mark.parametrize("keeper", ["memory", "postgresql+history"], indirect=True)

#: Names that files have in real life, or could have.
NAMES = [
    "été à l'Œuvre 漢字 🐈.txt",
    'the "best" one.txt',
    "back\\slash\\.txt",
    '\\"; filename="other.txt',
    "%22percent%0A.txt",
    "semi;colon=1;.txt",
    "narrow\u202fspace and\u200djoiner.txt",
    "  spaces  ",
    "x" * 250 + ".txt",
]


def is_upload(request: HttpRequest) -> bool:
    """Tell whether *request* has a file in it."""
    return request.method == "POST" and request.path.endswith("/attachment")


def uploads(proxy: FaultProxy) -> list[HttpRequest]:
    """Return the uploads that passed."""
    return [request for request in proxy.requests if is_upload(request)]


def download(url: str) -> bytes | None:
    """Return what is at *url*, None if nothing is."""
    answer = requests.get(url, timeout=10)
    return answer.content if answer.status_code == 200 else None


@on_all
class TestUpload:
    def test_new_record(self, client: Client, source: Path) -> None:
        """A record is created with its file, data and permissions; what the server says is true."""
        said = client.add_attachment(
            "a", source, data={"n": 1}, permissions={"read": ["system.Everyone"]}
        )
        record = client.get_record(id="a")
        assert record["data"]["attachment"] == said
        assert record["data"]["n"] == 1
        assert record["permissions"]["read"] == ["system.Everyone"]
        assert said["filename"] == "cat.png"
        assert said["size"] == source.stat().st_size
        assert said["hash"] == hashlib.sha256(source.read_bytes()).hexdigest()
        assert download(said["location"]) == source.read_bytes()

    def test_record_that_exists(self, client: Client, source: Path) -> None:
        """A file replaces the one before it, and data replaces attributes; the others stay."""
        client.create_record(id="a", data={"n": 1, "m": {"of": 1}})
        before = client.add_attachment("a", source)
        source.write_bytes(b"purr")
        after = client.add_attachment("a", source, data={"m": 2})
        data = client.get_record(id="a")["data"]
        assert (data["n"], data["m"], data["attachment"]) == (1, 2, after)
        assert download(after["location"]) == b"purr"
        assert download(before["location"]) is None

    def test_batch(self, client: Client, api: FaultProxy, source: Path) -> None:
        """In a batch an upload goes alone, in its turn."""
        with client.batch() as batch:
            batch.create_record(id="a", data={"n": 1})
            batch.create_record(id="b")
            upload = batch.add_attachment("a", source, data={"n": 2})
            last = batch.get_record(id="a")
            batch.remove_attachment("b")
        assert last.result()["data"]["n"] == 2
        assert last.result()["data"]["attachment"] == upload.result()
        assert [method for method, _ in api.calls] == ["POST", "POST", "POST"]
        assert len(uploads(api)) == 1

    def test_writers_at_once(
        self, driver: Driver, client: Client, keeper: Keeper, tmp_path: Path
    ) -> None:
        """Files that are uploaded at the same time, to different buckets, all arrive."""
        for n in range(8):
            (tmp_path / f"{n}").write_bytes(b"%d" % n)
            client.create_bucket(id=f"{client.bucket_name}-{n}")
            client.create_collection(id="c", bucket=f"{client.bucket_name}-{n}")

        def call(n: int) -> Callable[[Any], Any]:
            place = {"bucket": f"{client.bucket_name}-{n}", "collection": "c"}
            return lambda client: client.add_attachment("a", tmp_path / f"{n}", **place)

        direct = driver.client(keeper.server.url, auth=KintoServer.auth, retry=QUICK)
        made = driver.at_once(direct, [call(n) for n in range(8)])
        assert [download(each["location"]) for each in made] == [b"%d" % n for n in range(8)]

    def test_remove(self, client: Client, source: Path) -> None:
        """The record stays, with null in the place of its file."""
        said = client.add_attachment("a", source, data={"n": 1})
        client.remove_attachment("a")
        data = client.get_record(id="a")["data"]
        assert (data["n"], data["attachment"]) == (1, None)
        assert download(said["location"]) is None


class TestWhatItIs:
    def test_guessed(self, client: Client, source: Path) -> None:
        """Its name says what it is."""
        assert client.add_attachment("a", source)["mimetype"] == "image/png"

    def test_guessed_from_the_name_there(self, client: Client, source: Path) -> None:
        """The name that it has there counts, not the one that it has here."""
        said = client.add_attachment("a", source, filename="cat.json")
        assert (said["filename"], said["mimetype"]) == ("cat.json", "application/json")

    def test_unknown(self, client: Client, source: Path) -> None:
        """If its name says nothing, it is bytes."""
        said = client.add_attachment("a", source, filename="cat")
        assert said["mimetype"] == "application/octet-stream"

    def test_given(self, client: Client, source: Path) -> None:
        """What the caller says counts."""
        said = client.add_attachment("a", source, mimetype="text/x-cat")
        assert said["mimetype"] == "text/x-cat"

    def test_empty(self, client: Client, source: Path) -> None:
        """An empty file is a file."""
        source.write_bytes(b"")
        said = client.add_attachment("a", source)
        assert (said["size"], said["hash"]) == (0, hashlib.sha256().hexdigest())

    @pytest.mark.parametrize("name", NAMES)
    def test_names(self, client: Client, source: Path, name: str) -> None:
        """Any name arrives as it is, quotes and letters of all scripts included."""
        assert client.add_attachment("a", source, filename=name)["filename"] == name


class TestRefused:
    @pytest.mark.parametrize("name", ["", "a\nb", "a\r\nX-Y: z", "a\0", "\udce9"])
    def test_names(self, client: Client, api: FaultProxy, source: Path, name: str) -> None:
        """What cannot be a name there is refused, and nothing is sent."""
        with pytest.raises(UnsendableValue, match="cannot be the name of a file"):
            client.add_attachment("a", source, filename=name)
        assert api.calls == []

    @pytest.mark.parametrize("mimetype", ["text/plain\r\nX-Y: z", "téxt/plain"])
    def test_types(self, client: Client, api: FaultProxy, source: Path, mimetype: str) -> None:
        """What cannot be a type is refused, and nothing is sent."""
        with pytest.raises(UnsendableValue, match="is not the type of a file"):
            client.add_attachment("a", source, mimetype=mimetype)
        assert api.calls == []

    @pytest.mark.parametrize(
        "given",
        [
            {"data": [1]},
            {"data": "{}"},
            {"permissions": ["read"]},
            {"data": {"id": "b"}},
            {"data": {"n": float("nan")}},
        ],
    )
    def test_data(
        self, client: Client, api: FaultProxy, source: Path, given: dict[str, Any]
    ) -> None:
        """Data that the server would refuse is not sent: it deletes the file before it looks."""
        with pytest.raises(InvalidRequest):
            client.add_attachment("a", source, **given)
        assert api.calls == []

    def test_no_file(self, client: Client, api: FaultProxy, tmp_path: Path) -> None:
        """If there is no file, the error is Python's, and nothing is sent."""
        with pytest.raises(FileNotFoundError):
            client.add_attachment("a", tmp_path / "none")
        with pytest.raises(IsADirectoryError):
            client.add_attachment("a", tmp_path)
        assert api.calls == []

    def test_by_the_server(self, client: Client, source: Path) -> None:
        """What the server refuses is an error of its kind; in a batch the others do not mind."""
        with pytest.raises(CollectionNotFound):
            client.add_attachment("a", source, collection="none")
        schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
        client.patch_collection(id="things", data={"schema": schema})
        with pytest.raises(KintoBatchException) as caught, client.batch() as batch:  # noqa: PT012
            batch.add_attachment("a", source, data={"n": "one"})
            batch.add_attachment("b", source, data={"n": 1})
        assert [type(each) for each in caught.value.exceptions] == [SchemaViolation]
        assert [each["id"] for each in client.get_records()] == ["b"]

    def test_too_large(
        self,
        driver: Driver,
        client: Client,
        keeper: Keeper,
        source: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A server that answers before the file has arrived, since it is too large, is heard."""
        listener = keeper.server._listener
        monkeypatch.setattr(listener.adj, "max_request_body_size", 100_000)
        place = {"bucket": client.bucket_name, "collection": "things"}
        direct = driver.client(keeper.server.url, auth=KintoServer.auth, retry=QUICK, **place)
        source.write_bytes(bytes(5_000_000))
        with pytest.raises(ResponseError, match="413"):
            direct.add_attachment("a", source)

    def test_dry_run(self, driver: Driver, client: Client, api: FaultProxy, source: Path) -> None:
        """A dry run sends no file."""
        place = {"bucket": client.bucket_name, "collection": "things"}
        dry = driver.client(api.url, auth=KintoServer.auth, dry_mode=True, **place)
        assert dry.add_attachment("a", source)["filename"] == "cat.png"
        assert api.calls == []


class TestBadNetwork:
    def test_k05_again_from_its_start(self, client: Client, api: FaultProxy, source: Path) -> None:
        """K5: after a 503 the file is sent again, all of it."""
        api.answer(503, when=is_upload)
        said = client.add_attachment("a", source)
        bodies = [len(each.body) for each in uploads(api)]
        assert len(bodies) == 2
        assert bodies[0] == bodies[1] > source.stat().st_size
        assert download(said["location"]) == source.read_bytes()

    def test_k05_again_in_a_batch(self, client: Client, api: FaultProxy, source: Path) -> None:
        """K5: the same holds for an upload in a batch."""
        api.answer(503, when=is_upload)
        with client.batch() as batch:
            batch.create_record(id="a", data={"n": 1})
            upload = batch.add_attachment("a", source)
        assert len(uploads(api)) == 2
        assert download(upload.result()["location"]) == source.read_bytes()

    def test_busy_database(self, client: Client, api: FaultProxy, source: Path) -> None:
        """After a 409 the file is sent again: the database took it back."""
        api.answer(409, {"errno": 122, "message": "retry"}, when=is_upload)
        assert client.add_attachment("a", source)["size"] == source.stat().st_size
        assert len(uploads(api)) == 2

    def test_lost_answer(self, client: Client, api: FaultProxy, source: Path) -> None:
        """An upload whose answer is lost is found by its hash, and not made again."""
        api.lose_answer(when=is_upload)
        said = client.add_attachment("a", source, data={"n": 1})
        assert len(uploads(api)) == 1
        assert client.get_record(id="a")["data"]["attachment"] == said
        assert download(said["location"]) == source.read_bytes()

    def test_lost_answer_in_a_batch(self, client: Client, api: FaultProxy, source: Path) -> None:
        """In a batch, too."""
        api.lose_answer(when=is_upload)
        with client.batch() as batch:
            upload = batch.add_attachment("a", source, data={"n": 1})
            batch.create_record(id="b")
        assert len(uploads(api)) == 1
        assert client.get_record(id="a")["data"]["attachment"] == upload.result()

    @pytest.mark.parametrize(
        "changed",
        [
            {"data": {"n": 2}},
            {"filename": "dog.png"},
            {"mimetype": "image/x-png"},
            {"permissions": {"read": ["system.Everyone"]}},
        ],
        ids=str,
    )
    def test_same_file_with_something_else(
        self, client: Client, api: FaultProxy, source: Path, changed: dict[str, Any]
    ) -> None:
        """The same file was there before: that does not mean that a lost upload was made."""
        client.add_attachment("a", source, data={"n": 1})
        api.drop(when=is_upload)
        said = client.add_attachment("a", source, **changed)
        assert len(uploads(api)) == 3
        record = client.get_record(id="a")
        assert record["data"]["attachment"] == said
        for name, value in changed.items():
            if name == "data":
                assert record["data"]["n"] == 2
            elif name == "permissions":
                assert record["permissions"]["read"] == ["system.Everyone"]
            else:
                assert said[name] == value

    def test_own_data(self, client: Client, api: FaultProxy, source: Path) -> None:
        """A record's data may be given as it was read, with the file that it had."""
        client.add_attachment("a", source, data={"n": 1})
        data = {**client.get_record(id="a")["data"], "n": 2}
        source.write_bytes(b"purr")
        api.forget()
        api.lose_answer(when=is_upload)
        said = client.add_attachment("a", source, data=data)
        assert len(uploads(api)) == 1
        assert client.get_record(id="a")["data"]["attachment"] == said

    def test_removal_with_lost_answer(self, client: Client, api: FaultProxy, source: Path) -> None:
        """A removal whose answer is lost is found out, and not made again."""
        client.add_attachment("a", source)
        api.forget()
        api.lose_answer(when=lambda request: request.method == "DELETE")
        client.remove_attachment("a")
        assert [method for method, _ in api.calls] == ["GET", "DELETE", "GET"]

    def test_not_whole(self, client: Client, api: FaultProxy, source: Path) -> None:
        """If the server has something else than was sent, that is an error."""

        def spoilt(answer: Any) -> Any:
            body = {**json.loads(answer.body), "hash": "0" * 64}
            return type(answer)(answer.status, answer.headers, json.dumps(body).encode())

        api.change_answer(spoilt, when=is_upload)
        with pytest.raises(AttachmentError, match="something else"):
            client.add_attachment("a", source)


class Moving(BytesIO):
    """A file that something else writes to, or cuts, while it is read."""

    change: Callable[[Moving], object] | None = None

    def read(self, size: int | None = -1, /) -> bytes:
        part = super().read(size)
        if part and self.change is not None:
            change, self.change = self.change, None
            change(self)
        return part

    def append(self) -> None:
        """Write more behind what there is."""
        at = self.tell()
        self.seek(0, 2)
        self.write(b"GET / HTTP/1.1\r\n\r\n" * 10)
        self.seek(at)


def upload(driver: Driver, client: Client, file: Any, **given: Any) -> dict[str, Any]:
    """Upload *file* to the record *a*, the raw way."""
    path = f"/buckets/{client.bucket_name}/collections/things/records/a/attachment"
    files = [("attachment", ("a.txt", file, None))]

    def call(client: Client) -> Any:
        return client.session.request("POST", path, files=files, **given)

    ((body, _),) = driver.at_once(client, [call])
    said: dict[str, Any] = body
    return said


class TestRaw:
    @pytest.mark.parametrize("data", [{"n": 1}, '{"n": 1}'], ids=["mapping", "text"])
    @pytest.mark.parametrize("kind", [bytes, BytesIO])
    def test_request(
        self, driver: Driver, client: Client, kind: Callable[[bytes], Any], data: Any
    ) -> None:
        """The raw way takes files as well, open or as bytes."""
        said = upload(driver, client, kind(b"meow"), data=data)
        assert said["hash"] == hashlib.sha256(b"meow").hexdigest()
        assert said["mimetype"] == "application/octet-stream"
        assert client.get_record(id="a")["data"]["n"] == 1

    def test_grows(self, driver: Driver, client: Client, api: FaultProxy) -> None:
        """What is written behind a file while it is sent is not: it would be another request."""
        file = Moving(b"x" * 100_000)
        file.change = Moving.append
        assert upload(driver, client, file)["size"] == 100_000
        client.get_record(id="a")
        assert [method for method, _ in api.calls] == ["POST", "GET"]

    def test_shrinks(self, driver: Driver, client: Client, api: FaultProxy) -> None:
        """A file that is cut while it is sent is not uploaded."""
        file = Moving(b"x" * 1_000_000)
        file.change = lambda file: file.truncate(500_000)
        with pytest.raises(AttachmentError, match="became 500000 bytes shorter"):
            upload(driver, client, file)
        assert uploads(api) == []
        with pytest.raises(RecordNotFound):
            client.get_record(id="a")


class TestRemove:
    def test_nothing_there(self, client: Client) -> None:
        """If the record has no file, it stays as it is."""
        stamp = client.create_record(id="a")["data"]["last_modified"]
        client.remove_attachment("a")
        assert client.get_record(id="a")["data"]["last_modified"] == stamp

    def test_no_record(self, client: Client) -> None:
        """A record that does not exist is not created, which the server would do."""
        with pytest.raises(RecordNotFound):
            client.remove_attachment("a")
        assert client.get_records() == []

    def test_batch(self, client: Client, source: Path) -> None:
        """In a batch each removal has its own outcome."""
        client.add_attachment("a", source)
        with pytest.raises(KintoBatchException) as caught, client.batch() as batch:  # noqa: PT012
            batch.remove_attachment("a")
            batch.remove_attachment("b")
        assert [type(each) for each in caught.value.exceptions] == [RecordNotFound]
        assert client.get_record(id="a")["data"]["attachment"] is None
        assert isinstance(caught.value.exceptions[0], KintoException)
