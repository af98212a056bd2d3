"""The pytest plugin, in a pytest of its own; and what it notes of requests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from apps import App
from kinto_orm import Client, KintoException
from kinto_orm.testing import Requests, recording
from session.models import Todo
from transport.drivers import ONCE


ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "testing-your-program.md"

on_memory = pytest.mark.parametrize(
    "app", ["blocking on memory", "awaiting on memory+history"], indirect=True
)


class Run:
    """A run of pytest, with warnings as errors, in a folder with one file of tests."""

    def __init__(self, folder: Path, tests: str, *options: str) -> None:
        (folder / "test_program.py").write_text(textwrap.dedent(tests))
        command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"]
        plugin = () if "-p" in options else ("-p", "pytest_kinto_orm")
        found = subprocess.run(
            [*command, *plugin, *options, "test_program.py"],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        self.output = found.stdout + found.stderr

    def passed(self, count: int) -> bool:
        """Tell whether *count* tests passed, and none failed."""
        summary = self.output.rstrip().rpartition("\n")[2]
        return re.match(rf"{count} passed in", summary) is not None


class TestPlugin:
    @pytest.mark.parametrize("options", [(), ("-p", "kinto_orm.testing")], ids=["", "by module"])
    def test_the_page(self, tmp_path: Path, options: tuple[str, ...]) -> None:
        """The tests that the page shows pass, by whatever name the plugin is loaded."""
        blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
        shown = "\n".join(block for block in blocks if "recording(client)" not in block)
        run = Run(tmp_path, shown, *options)
        assert run.passed(4), run.output

    def test_a_bucket_for_each(self, tmp_path: Path) -> None:
        """Each test finds its own empty bucket, and nothing of the tests before it."""
        run = Run(
            tmp_path,
            """
            import pytest

            names = set()

            @pytest.mark.parametrize("number", range(3))
            def test(kinto_client, number):
                names.add(kinto_client.bucket_name)
                assert len(names) == number + 1
                found = {each["id"] for each in kinto_client.get_buckets()}
                assert found == {kinto_client.bucket_name}
                assert kinto_client.get_collections() == []
                kinto_client.create_bucket(id="another")
                kinto_client.create_collection(id="todos")

            @pytest.fixture(scope="module")
            def kept(kinto_server):
                from kinto_orm import Client
                with Client(server_url=kinto_server.url, auth=kinto_server.auth) as client:
                    client.create_bucket(id="kept")

            def test_what_was_there(kept, kinto_client):
                kinto_client.get_bucket(id="kept")

            def test_stays(kinto_client):
                kinto_client.get_bucket(id="kept")
            """,
        )
        assert run.passed(5), run.output

    @pytest.mark.parametrize("how", ["options", "ini"])
    def test_which_server(self, tmp_path: Path, how: str) -> None:
        """Options, on the command line or in a file, say which server it is."""
        tests = """
            def test(kinto_server, kinto_client):
                assert (kinto_server.storage, kinto_server.history) == ("postgresql", True)
                assert kinto_client.get_history(bucket=kinto_client.bucket_name)
        """
        if how == "ini":
            ini = "[pytest]\nkinto_storage = postgresql\nkinto_history = true\n"
            (tmp_path / "pytest.ini").write_text(ini)
            run = Run(tmp_path, tests)
        else:
            run = Run(tmp_path, tests, "--kinto-storage=postgresql", "--kinto-history")
        assert run.passed(1), run.output

    def test_a_wrong_option(self, tmp_path: Path) -> None:
        """A storage that there is not is told, in one line."""
        (tmp_path / "pytest.ini").write_text("[pytest]\nkinto_storage = disk\n")
        run = Run(tmp_path, "def test(kinto_session): pass")
        assert "storage is 'disk': it must be 'memory' or 'postgresql'" in run.output
        assert "Traceback" not in run.output
        assert "pytest_kinto_orm.py" not in run.output

    def test_several_processes(self, tmp_path: Path) -> None:
        """With pytest-xdist, each process has a server of its own."""
        run = Run(
            tmp_path,
            """
            import pytest

            @pytest.mark.parametrize("number", range(4))
            def test(kinto_client, number):
                assert len(kinto_client.get_buckets()) == 1
            """,
            "-n2",
        )
        assert run.passed(4), run.output

    def test_who_does_not_use_it(self, tmp_path: Path) -> None:
        """It loads nothing of the package until a test wants a fixture."""
        run = Run(
            tmp_path,
            """
            import sys

            def test():
                assert "pytest_kinto_orm" in sys.modules
                assert not {"kinto_orm", "kinto", "requests", "attrs"} & sys.modules.keys()
            """,
        )
        assert run.passed(1), run.output

    def test_without_the_extra(self, tmp_path: Path) -> None:
        """Without Kinto, a test that wants a server says what to install; others run."""
        run = Run(
            tmp_path,
            """
            import sys
            import pytest
            import kinto_orm.embedded

            @pytest.fixture(scope="session", autouse=True)
            def no_kinto():
                module = sys.modules["kinto_orm.embedded"]
                find = module.find_spec
                with pytest.MonkeyPatch.context() as patch:
                    missing = lambda name: None if name == "kinto" else find(name)
                    patch.setattr(module, "find_spec", missing)
                    yield

            def test_other(): pass

            def test(kinto_session): pass
            """,
        )
        assert "1 passed, 1 error" in run.output
        assert "pip install 'kinto-orm[server]'" in run.output
        assert "pytest_kinto_orm.py" not in run.output

    def test_what_is_left(self, tmp_path: Path) -> None:
        """A session that a test leaves with changes is no error, nor is a client that it closes."""
        run = Run(
            tmp_path,
            """
            from kinto_orm import Record

            class Todo(Record, collection="todos"):
                title: str

            def test(kinto_session, kinto_client):
                kinto_session.add(Todo(title="never sent"))
                kinto_client.close()

            def test_never_opened(kinto_async_client): pass
            """,
        )
        assert run.passed(2), run.output


class TestRecording:
    def test_what_is_noted(self, app: App) -> None:
        """All that a client and its sessions send is noted, in order; the parts of batches, too."""
        app.create([{"id": "a", "title": "a"}, {"id": "b", "title": "b"}])
        client = app.client()
        session = app.session(client)
        session.plan()
        with recording(client) as requests:
            todos = list(session.query(Todo))
            for todo in todos:
                todo.title = "c"
            session.plan()
            session.commit()
        session.get(Todo, "none")  # Not any more.
        read, *other, batch = requests
        assert len(other) <= 1  # The settings of the server.
        assert requests.count == len(requests) == 2 + len(other)
        assert (read.method, read.path) == (
            "GET",
            f"/buckets/{app.bucket}/collections/todos/records",
        )
        assert dict(read.params) == {"_sort": "id"}
        assert requests.writes == [batch] == [requests[-1]] == requests[-1:]
        assert [part.method for part in batch.parts] == ["PATCH", "PATCH"]
        assert [part.path.rpartition("/")[2] for part in batch.parts] == ["a", "b"]
        assert all(part.headers["If-Match"] for part in batch.parts)
        assert batch.parts[0].body["data"]["title"] == "c"
        requests.clear()
        assert (requests.count, list(requests), str(requests)) == (0, [], "")

    @on_memory
    def test_several_clients(self, app: App) -> None:
        """Clones are noted with their client; a request is noted once, for whoever listens."""
        client = app.client()
        clone, other = client.clone(bucket="x"), client.clone(auth=("another", "user"))
        with recording(client, clone) as requests, recording(other) as others:
            for each in (client, clone, other):
                app.run(each.server_info(refresh=True))
        app.run(other.close())
        assert requests.count == others.count == 3

    @on_memory
    def test_it_does_not_change(self, app: App) -> None:
        """What was noted is as it was sent, whatever becomes of the values."""
        client, data = app.client(), {"list": [1]}
        with recording(client) as requests:
            app.run(client.create_record(id="x", data=data))
            data["list"].append(2)
        assert requests[0].body["data"]["list"] == [1]

    @on_memory
    def test_secrets(self, app: App) -> None:
        """Neither credentials, nor tokens in headers, nor passwords of accounts are noted."""
        own = {"auth": ("ann", "s3cr3t"), "headers": {"X-Key": "s3cr3t"}, "retry": ONCE}
        client = app.client().clone(**own)
        headers = {"X-Token": "s3cr3t", "If-Match": '"1"'}
        with recording(client) as requests:
            with suppress(KintoException):
                app.run(client.create_account(id="bob", password="s3cr3t"))
            with suppress(KintoException):
                app.run(in_batch(app, client))
            with suppress(KintoException):
                app.run(client.session.request("GET", "/buckets/b", headers=headers))
        app.run(client.close())
        assert {request.path for request in requests} >= {"/accounts/bob", "/batch", "/buckets/b"}
        last = requests[-1]
        assert dict(last.headers) == {"x-token": "***", "if-match": '"1"'}
        shown = [requests, *requests, *(each.body for each in requests)]
        shown += [each.headers.values() for each in requests]
        assert "s3cr3t" not in "".join(f"{each!r} {each}" for each in map(unfolded, shown))


def unfolded(value: Any) -> Any:
    """Return *value*, of which all is shown."""
    return list(value) if isinstance(value, type({}.values())) else value


def in_batch(app: App, client: Any) -> Any:
    """Make a batch with a password in it."""

    def record(batch: Any) -> None:
        batch.create_account(id="bob", password="s3cr3t")
        batch.session.request("PUT", "/accounts/ann", data={"password": "s3cr3t"})
        batch.session.request("GET", "/buckets/b", headers={"X-Token": "s3cr3t"})

    async def awaited() -> None:
        async with client.batch() as batch:
            record(batch)

    if app.awaiting:
        return awaited()
    with client.batch() as batch:
        record(batch)
    return None


class TestExpect:
    @pytest.fixture
    def requests(self, servers: Any) -> Any:
        """Give the requests of a client, of which there was one already."""
        server = servers("memory")
        with (
            Client(server_url=server.url, auth=server.auth, bucket="none") as client,
            recording(client) as requests,
        ):
            client.server_info()
            self.client = client
            yield requests

    def test_as_expected(self, requests: Requests) -> None:
        """A block that sends as many as expected passes; what was before does not count."""
        with requests.expect(0):
            pass
        with requests.expect(1):
            self.client.heartbeat()
        with requests.expect(3):
            self.client.heartbeat()
            with requests.expect(2):
                self.client.heartbeat()
                self.client.heartbeat()

    def test_not_as_expected(self, requests: Requests) -> None:
        """One that does not fails, and lists what it has sent, with values and parts."""
        with pytest.raises(AssertionError) as caught, requests.expect(1):  # noqa: PT012
            self.client.session.request("GET", "/buckets", params={"_limit": 1})
            with self.client.batch() as batch:
                batch.session.request("GET", "/buckets", params={"_limit": 2})
                batch.session.request("HEAD", "/buckets")
        assert str(caught.value).splitlines() == [
            "expected 1 request, but 2 were sent:",
            "   1. GET /buckets?_limit=1",
            "   2. POST /batch",
            "        GET /buckets?_limit=2",
            "        HEAD /buckets",
        ]

    def test_nothing(self, requests: Requests) -> None:
        """So does one that sends nothing."""
        none = r"^expected 2 requests, but none was sent$"
        with pytest.raises(AssertionError, match=none), requests.expect(2):
            pass

    def test_an_error(self, requests: Requests) -> None:
        """An error in the block is raised as it is."""
        with pytest.raises(ZeroDivisionError), requests.expect(2):
            _ = 1 / 0
