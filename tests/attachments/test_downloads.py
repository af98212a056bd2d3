"""Downloads: whole or not at all, to where they belong, and from where the server keeps files."""

from __future__ import annotations

import asyncio
import json
import socket
import threading

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from faults import FaultProxy, HttpAnswer
from kinto_orm import AsyncClient, Client
from kinto_orm.embedded import KintoServer
from kinto_orm.exceptions import (
    AnswerLost,
    AttachmentError,
    KintoBatchException,
    KintoException,
    NotFound,
)
from transport.drivers import QUICK, Driver

from .conftest import Keeper


Record = dict[str, Any]

on_all = pytest.mark.parametrize("keeper", ["memory", "postgresql+history"], indirect=True)

#: Names that another user may give to a file, so that it is written somewhere else.
PATHS = [
    "../../x",
    "/absolute",
    "a/b",
    "..",
    ".",
    "..\\..\\x",
    "C:\\x",
    "a\nb",
]


@pytest.fixture
def record(client: Client, source: Path, api: FaultProxy) -> Record:
    """Give the data of a record with a file; no request has passed since."""
    client.add_attachment("a", source, data={"n": 1})
    data = client.get_record(id="a")["data"]
    api.forget()
    return data


def with_attachment(record: Record, **changes: Any) -> Record:
    """Return *record* as another user may write it."""
    return {**record, "attachment": {**record["attachment"], **changes}}


def names(folder: Path) -> list[str]:
    """Return what is in *folder*."""
    return sorted(each.name for each in folder.iterdir())


class TestWhere:
    @on_all
    def test_folder(self, client: Client, record: Record, source: Path, folder: Path) -> None:
        """In a folder a file has the name that the record says."""
        target = folder / "cat.png"
        assert client.download_attachment(record, folder) == str(target)
        assert target.read_bytes() == source.read_bytes()
        assert names(folder) == ["cat.png"]

    def test_path(self, client: Client, record: Record, source: Path, folder: Path) -> None:
        """To a path it is written as that, and the folders of the path are made."""
        target = folder / "new" / "folder" / "dog.png"
        assert client.download_attachment(record, str(target)) == str(target)
        assert target.read_bytes() == source.read_bytes()
        assert names(target.parent) == ["dog.png"]

    def test_here(
        self,
        client: Client,
        record: Record,
        source: Path,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Without a path it is written to where the program runs."""
        monkeypatch.chdir(folder)
        assert client.download_attachment(record) == str(folder / "cat.png")
        assert (folder / "cat.png").read_bytes() == source.read_bytes()

    def test_longest_name(self, client: Client, source: Path, folder: Path) -> None:
        """A name may be as long as names can be."""
        name = "x" * 255
        client.add_attachment("a", source, filename=name)
        client.download_attachment(client.get_record(id="a")["data"], folder)
        assert names(folder) == [name]

    def test_blocks(self, client: Client, record: Record, source: Path, folder: Path) -> None:
        """It may be written in small blocks."""
        path = client.download_attachment(record, folder, chunk_size=7)
        assert Path(path).read_bytes() == source.read_bytes()

    def test_empty(self, client: Client, source: Path, folder: Path) -> None:
        """An empty file is a file."""
        source.write_bytes(b"")
        client.add_attachment("a", source)
        client.download_attachment(client.get_record(id="a")["data"], folder)
        assert (folder / "cat.png").read_bytes() == b""

    def test_batch(self, client: Client, api: FaultProxy, source: Path, folder: Path) -> None:
        """In a batch, files are written when it is sent."""
        client.add_attachment("a", source)
        client.add_attachment("b", source, filename="b.png")
        records = client.get_records(_sort="attachment.filename")
        api.forget()
        with client.batch() as batch:
            paths = [batch.download_attachment(each, folder) for each in records]
            created = batch.create_record(id="c")
            assert names(folder) == []
        assert [Path(each.result()).name for each in paths] == ["b.png", "cat.png"]
        assert names(folder) == ["b.png", "cat.png"]
        assert created.result()["data"]["id"] == "c"
        assert len(api.calls) == 1


class TestMetadata:
    def test_beside(self, client: Client, record: Record, folder: Path) -> None:
        """The record is written beside its file, if that is asked for."""
        client.download_attachment(record, folder, save_metadata=True)
        assert names(folder) == ["cat.png", "cat.png.meta.json"]
        assert json.loads((folder / "cat.png.meta.json").read_text()) == record

    def test_file_is_there(self, client: Client, record: Record, folder: Path) -> None:
        """The record is written although the file is there already."""
        client.download_attachment(record, folder)
        client.download_attachment({**record, "n": 2}, folder, save_metadata=True)
        assert json.loads((folder / "cat.png.meta.json").read_text())["n"] == 2


class TestThereAlready:
    def test_same(
        self,
        client: Client,
        record: Record,
        api: FaultProxy,
        files: FaultProxy,
        source: Path,
        folder: Path,
    ) -> None:
        """If the file is there, nothing is sent."""
        (folder / "cat.png").write_bytes(source.read_bytes())
        assert client.download_attachment(record, folder) == str(folder / "cat.png")
        assert client.download_attachment(record, folder / "cat.png", overwrite=True)
        assert api.calls == files.calls == []

    @pytest.mark.parametrize("size", ["same", "other"])
    def test_another(
        self, client: Client, record: Record, files: FaultProxy, folder: Path, size: str
    ) -> None:
        """Another file stays, unless it may be replaced; nothing is sent before."""
        target = folder / "cat.png"
        mine = b"x" * (record["attachment"]["size"] if size == "same" else 3)
        target.write_bytes(mine)
        with pytest.raises(FileExistsError, match="overwrite=True"):
            client.download_attachment(record, folder)
        assert target.read_bytes() == mine
        assert files.calls == []
        client.download_attachment(record, folder, overwrite=True)
        assert target.read_bytes() != mine
        assert names(folder) == ["cat.png"]


class TestGoesWrong:
    def test_k06_file_is_gone(
        self, client: Client, keeper: Keeper, record: Record, folder: Path
    ) -> None:
        """K6: if the file is gone on the server, the one that is here stays."""
        target = folder / "cat.png"
        target.write_bytes(b"good")
        location = record["attachment"]["location"]
        (keeper.folder / location.rpartition("/")[2]).unlink()
        with pytest.raises(NotFound):
            client.download_attachment(record, folder, overwrite=True)
        assert target.read_bytes() == b"good"
        assert names(folder) == ["cat.png"]

    def test_k06_time_out(
        self,
        driver: Driver,
        api: FaultProxy,
        files: FaultProxy,
        record: Record,
        folder: Path,
    ) -> None:
        """K6, K28: if no answer comes, the wait ends, and the file that is here stays."""
        client = driver.client(api.url, auth=KintoServer.auth, timeout=0.2, retry=1)
        (folder / "cat.png").write_bytes(b"good")
        files.hold_answer(times=None)
        with pytest.raises(AnswerLost):
            client.download_attachment(record, folder, overwrite=True)
        assert len(files.calls) == 2
        assert (folder / "cat.png").read_bytes() == b"good"
        assert names(folder) == ["cat.png"]

    def test_cut(
        self, client: Client, record: Record, files: FaultProxy, source: Path, folder: Path
    ) -> None:
        """A download that breaks off is made again, from its start."""
        files.truncate_answer(times=2)
        client.download_attachment(record, folder)
        assert len(files.calls) == 3
        assert (folder / "cat.png").read_bytes() == source.read_bytes()

    def test_busy(
        self, client: Client, record: Record, files: FaultProxy, source: Path, folder: Path
    ) -> None:
        """A host of files that is busy is asked again."""
        files.answer(503, "<html>")
        client.download_attachment(record, folder)
        assert (folder / "cat.png").read_bytes() == source.read_bytes()

    @pytest.mark.parametrize("content", [b"x" * 7000, b"x", b"", b"x" * 100_000])
    def test_k72_other_content(
        self, client: Client, record: Record, files: FaultProxy, folder: Path, content: bytes
    ) -> None:
        """K72: what is not what the record says is not kept."""
        files.answer(200, content)
        with pytest.raises(AttachmentError, match="as the record says"):
            client.download_attachment(record, folder / "new")
        assert not (folder / "new").exists()
        assert names(folder) == []

    @pytest.mark.parametrize("changes", [{"hash": "0" * 64}, {"size": 7}, {"size": -1}])
    def test_k72_other_record(
        self, client: Client, record: Record, folder: Path, changes: Record
    ) -> None:
        """K72: so it is if the record is wrong."""
        (folder / "cat.png").write_bytes(b"good")
        with pytest.raises(AttachmentError, match="as the record says"):
            client.download_attachment(with_attachment(record, **changes), folder, overwrite=True)
        assert names(folder) == ["cat.png"]
        assert (folder / "cat.png").read_bytes() == b"good"

    def test_batch(self, client: Client, record: Record, folder: Path) -> None:
        """In a batch, one that goes wrong does not keep the others from being written."""
        wrong = with_attachment(record, hash="0" * 64)
        with pytest.raises(KintoBatchException) as caught, client.batch() as batch:  # noqa: PT012
            batch.download_attachment(wrong, folder / "wrong")
            batch.download_attachment(record, folder / "right")
        assert [type(each) for each in caught.value.exceptions] == [AttachmentError]
        assert names(folder) == ["right"]

    def test_cancelled(
        self, record: Record, api: FaultProxy, files: FaultProxy, folder: Path
    ) -> None:
        """If the task is cancelled, nothing is left behind."""

        async def main() -> None:
            async with AsyncClient(server_url=api.url, auth=KintoServer.auth) as client:
                task = asyncio.create_task(client.download_attachment(record, folder))
                await asyncio.to_thread(held.wait)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

        held = files.hold_answer()
        asyncio.run(main())
        assert names(folder) == []


class TestNothingToDownload:
    @pytest.mark.parametrize("changes", [{"attachment": None}, {"attachment": {}}])
    def test_k17_none(self, client: Client, record: Record, changes: Record) -> None:
        """K17: a record whose file was removed has none, which is said."""
        with pytest.raises(ValueError, match="the record 'a' has no attachment"):
            client.download_attachment({**record, **changes})

    def test_k17_removed(self, client: Client, source: Path) -> None:
        """K17: so it is with what the real server leaves."""
        client.add_attachment("a", source)
        client.remove_attachment("a")
        data = client.get_record(id="a")["data"]
        assert "attachment" in data
        with pytest.raises(ValueError, match="the record 'a' has no attachment"):
            client.download_attachment(data)

    @pytest.mark.parametrize(
        "changes",
        [{"location": None}, {"hash": 1}, {"size": "7"}, {"location": "\ud800"}],
        ids=["no location", "no hash", "no size", "no text"],
    )
    def test_not_said(self, client: Client, record: Record, folder: Path, changes: Record) -> None:
        """What a record does not say of its file is not guessed."""
        with pytest.raises(AttachmentError, match="the attachment "):
            client.download_attachment(with_attachment(record, **changes), folder)
        assert names(folder) == []

    @pytest.mark.parametrize("attachment", ["text", 5, ["location"]])
    def test_no_mapping(self, client: Client, attachment: Any) -> None:
        """What is no attachment at all is not taken for one."""
        with pytest.raises(AttachmentError, match="has no location"):
            client.download_attachment({"id": "a", "attachment": attachment})


class TestNames:
    @pytest.mark.parametrize("name", PATHS)
    def test_k70_path(
        self, driver: Driver, client: Client, keeper: Keeper, source: Path, folder: Path, name: str
    ) -> None:
        """K70: a path that another user gave as a name leads nowhere."""
        writers = {"record:create": ["system.Authenticated"]}
        client.patch_collection(id="things", permissions=writers)
        place = {"bucket": client.bucket_name, "collection": "things"}
        stranger = driver.client(keeper.server.url, auth=("stranger", "danger"), **place)
        if name.isprintable():
            stranger.add_attachment("a", source, filename=name)
        else:  # The plugin would take it, our own client does not send it.
            attachment = stranger.add_attachment("b", source)
            made = {"attachment": {**attachment, "filename": name}}
            stranger.create_record(id="a", data=made)
        inner = folder / "deep" / "inside"
        inner.mkdir(parents=True)
        record = client.get_record(id="a")["data"]
        assert record["attachment"]["filename"] == name
        with pytest.raises(AttachmentError, match="no name for a file: give filepath="):
            client.download_attachment(record, inner, overwrite=True)
        assert sorted(folder.rglob("*")) == [folder / "deep", inner]
        client.download_attachment(record, inner / "mine")
        assert (inner / "mine").read_bytes() == source.read_bytes()

    @pytest.mark.parametrize(
        "name", ["été 漢字.txt", 'a"b.txt', "narrow\u202fspace.txt", "..a", "-x"]
    )
    def test_harmless(self, client: Client, source: Path, folder: Path, name: str) -> None:
        """What only looks unusual is a name."""
        client.add_attachment("a", source, filename=name)
        client.download_attachment(client.get_record(id="a")["data"], folder)
        assert names(folder) == [name]


class TestLocations:
    @pytest.mark.parametrize(
        "location",
        [
            "http://127.0.0.1:9/{path}",
            "https://{host}/{path}",
            "//evil.example/{path}",
            "ftp://{host}/{path}",
            "file:///etc/passwd",
            "http://user@{host}/{path}",
            "http://{host}@evil.example/{path}",
            "http://{host}/v1/../{path}",
            "../buckets",
            "%2e%2e/buckets",
            "..%2fbuckets",
            "..\\buckets",
            "/../etc/passwd",
            "http://[",
            "http://{host}:x/",
            "",
            "/",
            "?x",
        ],
    )
    def test_k72_elsewhere(
        self,
        client: Client,
        api: FaultProxy,
        files: FaultProxy,
        record: Record,
        folder: Path,
        location: str,
    ) -> None:
        """K72: a file is not asked for elsewhere than where the server keeps its files."""
        _, _, host, path = record["attachment"]["location"].split("/", 3)
        wrong = with_attachment(record, location=location.format(host=host, path=path))
        with pytest.raises(AttachmentError, match="which is not where"):
            client.download_attachment(wrong, folder)
        assert names(folder) == []
        assert api.calls == files.calls == []

    @pytest.mark.parametrize("how", ["whole", "below", "path"])
    def test_forms(
        self,
        client: Client,
        files: FaultProxy,
        record: Record,
        source: Path,
        folder: Path,
        how: str,
    ) -> None:
        """A location is whole, or below where the server says, or a path on that host."""
        path = record["attachment"]["location"].rpartition("/v1/attachments/")[2]
        forms = {
            "whole": f"{files.url}/attachments/{path}",
            "below": path,
            "path": f"/v1/attachments/{path}",
        }
        client.download_attachment(with_attachment(record, location=forms[how]), folder)
        assert (folder / "cat.png").read_bytes() == source.read_bytes()
        assert files.calls == [("GET", f"/v1/attachments/{path}")]

    def test_escaped(self, client: Client, files: FaultProxy, record: Record, folder: Path) -> None:
        """What cannot stand in a URL is encoded, line breaks included."""
        location = f"{files.url}/attachments/é x\r\nHost: evil"
        with pytest.raises(NotFound):
            client.download_attachment(with_attachment(record, location=location), folder)
        assert files.calls == [("GET", "/v1/attachments/%C3%A9%20x%0D%0AHost:%20evil")]

    def test_on_the_same_host(
        self,
        driver: Driver,
        client: Client,
        api: FaultProxy,
        keeper: Keeper,
        source: Path,
        folder: Path,
    ) -> None:
        """Files may be said to be at a path: on the host of the server."""
        keeper.say_where("/v1/attachments/")
        said = client.add_attachment("a", source)
        assert said["location"].startswith("/v1/attachments/")
        place = {"bucket": client.bucket_name, "collection": "things"}
        fresh = driver.client(api.url, auth=KintoServer.auth, retry=QUICK, **place)
        fresh.download_attachment(fresh.get_record(id="a")["data"], folder)
        assert (folder / "cat.png").read_bytes() == source.read_bytes()

    def test_not_said(
        self, driver: Driver, api: FaultProxy, keeper: Keeper, record: Record, folder: Path
    ) -> None:
        """If the server does not say where its files are, they cannot be asked for."""
        keeper.say_where(None)
        client = driver.client(api.url, auth=KintoServer.auth)
        with pytest.raises(AttachmentError, match=r"does not say where .*attachment\.base_url"):
            client.download_attachment(record, folder)

    def test_no_plugin(self, driver: Driver, servers: Any, record: Record, folder: Path) -> None:
        """A server without the plugin has no files."""
        client = driver.client(servers("memory").url, auth=KintoServer.auth)
        with pytest.raises(AttachmentError, match="kinto-attachment is not enabled"):
            client.download_attachment(record, folder)


class TestCredentials:
    def test_not_sent(
        self,
        driver: Driver,
        api: FaultProxy,
        files: FaultProxy,
        record: Record,
        folder: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Who asks is not said to the host of the files: credentials are for the server alone."""
        netrc = tmp_path / "netrc"
        netrc.write_text("default login someone password secret\n")
        monkeypatch.setenv("NETRC", str(netrc))
        client = driver.client(
            api.url, auth=KintoServer.auth, headers={"X-Api-Key": "secret", "Cookie": "a=b"}
        )
        client.download_attachment(record, folder)
        (asked,) = files.requests
        assert api.requests[0].headers["Authorization"]
        assert api.requests[0].headers["X-Api-Key"]
        for name in ("Authorization", "X-Api-Key", "Cookie"):
            assert asked.headers[name] is None

    def test_redirection(
        self, client: Client, record: Record, api: FaultProxy, files: FaultProxy, folder: Path
    ) -> None:
        """A host of files that sends the client elsewhere is not followed."""
        files.answer(302, headers={"Location": f"{api.url}/buckets"})
        with pytest.raises(KintoException, match=r"redirects .* correct .*attachment\.base_url"):
            client.download_attachment(record, folder)
        assert api.calls == []
        assert names(folder) == []


@pytest.fixture
def endless() -> Generator[tuple[str, threading.Event]]:
    """Give the URL of a host whose files do not end, and what says that the client went away."""
    gone = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            try:
                while True:
                    connection.sendall(b"x" * 65536)
            except OSError:
                gone.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", gone
        thread.join()


class TestEndless:
    def test_stops(
        self,
        driver: Driver,
        api: FaultProxy,
        keeper: Keeper,
        record: Record,
        endless: tuple[str, threading.Event],
        folder: Path,
    ) -> None:
        """A file that is longer than the record says is not read to its end."""
        url, gone = endless
        keeper.say_where(url)
        client = driver.client(api.url, auth=KintoServer.auth)
        with pytest.raises(AttachmentError, match="as the record says"):
            client.download_attachment(with_attachment(record, location="x"), folder)
        assert gone.wait(10)
        assert names(folder) == []


def test_answers_that_are_compressed(
    client: Client, record: Record, files: FaultProxy, folder: Path
) -> None:
    """A host that compresses although it was not asked to is not believed."""

    def compressed(answer: HttpAnswer) -> HttpAnswer:
        return answer.having(content_encoding="gzip")

    files.change_answer(compressed)
    client.download_attachment(record, folder)
    (asked,) = files.requests
    assert asked.headers["Accept-Encoding"] == "identity"
