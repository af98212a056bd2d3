"""The embedded server: it starts, it answers, and nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pytest

from faults import FaultProxy, HttpAnswer
from kinto_orm import Client
from kinto_orm.embedded import EmbeddedServerError, KintoServer
from kinto_orm.exceptions import KintoException, NotSent
from transport.drivers import ONCE


STORAGES = ("memory", "postgresql")

#: How long, in seconds, to wait for processes to end.  It takes about one.
PATIENCE = 20.0

needs_proc = pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found in /proc")


def info(server: KintoServer) -> dict[str, Any]:
    """Return what *server* says of itself."""
    with Client(server_url=server.url, auth=server.auth, retry=ONCE) as client:
        return client.server_info()


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder for temporary files that others may enter, as PostgreSQL's own user."""
    path = tmp_path_factory.mktemp("pg")
    for each in (path, *path.parents):
        if each.is_relative_to(tmp_path_factory.getbasetemp()):
            each.chmod(0o755)
    return path


@pytest.fixture
def own_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder in which servers of this process keep their databases."""
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def databases(folder: Path) -> list[str]:
    """Return the folders of databases in *folder*."""
    return [each.name for each in folder.iterdir() if each.name.startswith("kinto-orm-pg-")]


def processes(folder: Path) -> list[int]:
    """Return the processes that work in *folder*, or were started with something in it."""
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdigit() and int(each.name) != os.getpid():
            try:
                command = (each / "cmdline").read_text()
                within = (each / "cwd").readlink()
            except OSError:  # It has ended.
                continue
            if str(folder) in command or within.is_relative_to(folder):
                found.append(int(each.name))
    return found


def is_clean(folder: Path) -> bool:
    """Tell whether neither a process nor a database of *folder* is left, or will be soon."""
    end = time.monotonic() + PATIENCE
    while databases(folder) or processes(folder):
        if time.monotonic() > end:
            return False
        threading.Event().wait(0.05)  # There is no event for the end of others' processes.
    return True


class TestStarting:
    def test_with(self) -> None:
        """In a with statement it runs, and behind it it does not."""
        server = KintoServer()
        with server as entered:
            assert entered is server
            assert info(server)["project_name"] == "kinto"
            url = server.url
        with Client(server_url=url, retry=ONCE) as client, pytest.raises(NotSent):
            client.server_info()

    def test_calls(self) -> None:
        """It may be started and stopped by calls; doing so twice is no error."""
        server = KintoServer()
        assert server.start() is server
        url = server.url
        assert server.start().url == url
        assert info(server)
        server.stop()
        server.stop()

    @pytest.mark.parametrize("storage", STORAGES)
    def test_restart(self, storage: Any, own_folder: Path) -> None:
        """It may be started again, and knows nothing of its former life."""
        server = KintoServer(storage=storage)
        for _ in range(2):
            with server, Client(server_url=server.url, auth=server.auth) as client:
                assert client.get_buckets() == []
                client.create_bucket(id="b")
        assert databases(own_folder) == []

    def test_several(self) -> None:
        """Several run at the same time, and share nothing."""
        with ExitStack() as stack:
            servers = [stack.enter_context(KintoServer()) for _ in range(2)]
            servers.append(stack.enter_context(KintoServer(storage="postgresql")))
            assert len({server.url for server in servers}) == 3
            for number, server in enumerate(servers):
                with Client(server_url=server.url, auth=server.auth) as client:
                    assert client.get_buckets() == []
                    client.create_bucket(id=f"b{number}")

    def test_many_threads(self) -> None:
        """It serves several requests at the same time."""
        everybody = threading.Barrier(4)

        def meet(answer: HttpAnswer) -> HttpAnswer:
            everybody.wait(PATIENCE)
            return answer

        with (
            KintoServer(threads=4) as server,
            FaultProxy(server.url) as proxy,
            Client(server_url=proxy.url, auth=server.auth) as client,
            ThreadPoolExecutor(4) as pool,
        ):
            proxy.change_answer(meet, times=None)
            found = pool.map(lambda _: client.server_info(), range(4))
            assert [each["project_name"] for each in found] == ["kinto"] * 4

    def test_few_threads(self, caplog: pytest.LogCaptureFixture) -> None:
        """Requests that must wait are served, and nothing is said of it."""
        with KintoServer(threads=1) as server, ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: info(server), range(40)))
        assert [each["project_name"] for each in found] == ["kinto"] * 40
        assert caplog.records == []


class TestStopped:
    def test_url(self) -> None:
        """It has a URL while it runs only; before and after, the error says what to do."""
        server = KintoServer()
        with pytest.raises(EmbeddedServerError, match="is not running: use it in a with"):
            _ = server.url
        with server:
            assert server.url.endswith("/v1")
        with pytest.raises(KintoException):
            _ = server.url

    def test_never_started(self) -> None:
        """Stopping what does not run is no error."""
        KintoServer().stop()

    def test_repr(self) -> None:
        """It shows what it is, and where."""
        server = KintoServer(history=True)
        assert repr(server) == "<KintoServer memory, history on, stopped>"
        with server:
            assert repr(server) == f"<KintoServer memory, history on, {server.url}>"

    def test_thread(self) -> None:
        """Its threads end with it."""
        before = set(threading.enumerate())
        with KintoServer():
            assert set(threading.enumerate()) > before
        assert {each for each in threading.enumerate() if each.is_alive()} <= before

    def test_with_open_connections(self) -> None:
        """It stops although a client keeps its connection."""
        with ExitStack() as stack, KintoServer() as server:
            client = stack.enter_context(Client(server_url=server.url, auth=server.auth))
            assert client.server_info()


class TestSettings:
    @pytest.mark.parametrize("storage", ["sqlite", "Memory", "", None])
    def test_wrong_storage(self, storage: Any) -> None:
        """A storage that it does not know is refused when it is made."""
        with pytest.raises(ValueError, match="must be 'memory' or 'postgresql'"):
            KintoServer(storage=storage)

    @pytest.mark.parametrize("history", [True, False])
    def test_history(self, history: bool) -> None:  # noqa: FBT001
        """The history plugin is on or off, as wanted."""
        with KintoServer(history=history) as server:
            assert ("history" in info(server)["capabilities"]) is history

    def test_any(self) -> None:
        """Any setting of Kinto can be given; a name with a dot is taken as it is."""
        settings: dict[str, Any] = {
            "paginate_by": 3,
            "kinto.project_name": "mine",
            "experimental_collection_schema_validation": True,
        }
        with KintoServer(**settings) as server:
            found = info(server)
            assert found["project_name"] == "mine"
            assert "schema" in found["capabilities"]
            with Client(server_url=server.url, auth=server.auth, bucket="b") as client:
                client.create_bucket()
                for n in range(4):
                    client.create_collection(id=f"c{n}")
                response = client._port._http.get(
                    f"{server.url}/buckets/b/collections", auth=server.auth, timeout=20
                )
                assert len(response.json()["data"]) == 3

    def test_other_plugins(self) -> None:
        """History goes together with other plugins."""
        with KintoServer(history=True, includes="kinto.plugins.default_bucket") as server:
            assert {"history", "default_bucket"} <= info(server)["capabilities"].keys()

    def test_who_may_create(self) -> None:
        """Its own user may create buckets; what is set otherwise wins."""
        with (
            KintoServer(bucket_create_principals="system.Everyone") as server,
            Client(server_url=server.url) as anonymous,
        ):
            anonymous.create_bucket(id="b")

    def test_wrong_setting(self, own_folder: Path) -> None:
        """If Kinto does not start with a setting, that is raised, and nothing is left."""
        settings: dict[str, Any] = {"includes": "no.such.plugin"}
        with pytest.raises(ImportError, match="no"):
            KintoServer(storage="postgresql", **settings).start()
        assert is_clean(own_folder)


@needs_proc
class TestNothingIsLeft:
    """Neither processes nor folders of the database, however it ends."""

    def test_stop(self, own_folder: Path) -> None:
        """When it is stopped."""
        with KintoServer(storage="postgresql") as server:
            assert info(server)
            assert len(databases(own_folder)) == 1
            assert processes(own_folder)
        assert databases(own_folder) == []
        assert processes(own_folder) == []

    def test_exception(self, own_folder: Path) -> None:
        """When an exception leaves the with statement."""

        def fail() -> None:
            with KintoServer(storage="postgresql"):
                raise LookupError

        with pytest.raises(LookupError):
            fail()
        assert databases(own_folder) == []
        assert processes(own_folder) == []

    def test_however_the_process_ends(self, folder: Path) -> None:
        """When a signal ends the process, even one that it cannot catch, or it ends itself."""
        forking = "import os; child = os.fork(); child and print(child, flush=True); input()"
        programs = {
            "SIGINT": "input()",
            "SIGTERM": "input()",
            "SIGKILL": "input()",
            "exit": "import os; input(); os._exit(3)",
            "fork": forking,
        }
        with ExitStack() as stack:
            children = {}  # All at once, since each takes seconds to start.
            for name, code in programs.items():
                (folder / name).mkdir()
                children[name] = stack.enter_context(Child(folder / name, code))
            for name, child in children.items():
                child.wait_for_server()
                assert len(databases(folder / name)) == 1
            for name in ("SIGTERM", "SIGKILL"):
                children[name].process.send_signal(signal.Signals[name])
            children["exit"].say("go on")
            # On a terminal, Ctrl-C reaches all processes of its group.
            os.killpg(children["SIGINT"].process.pid, signal.SIGINT)
            # This one leaves a child of its own behind, which has its files open.
            grandchild = int(children["fork"].line())
            stack.callback(os.kill, grandchild, signal.SIGKILL)
            children["fork"].process.kill()
            for name, child in children.items():
                assert child.process.wait(PATIENCE) != 0
                assert is_clean(folder / name), name


class Child:
    """Another Python, in which a server on PostgreSQL runs and then some code."""

    def __init__(self, folder: Path, code: str) -> None:
        program = f"""\
            import signal
            # Where tests run in the background, Ctrl-C is ignored.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            from kinto_orm.embedded import KintoServer
            with KintoServer(storage="postgresql") as server:
                print(server.url, flush=True)
                {code}
            """
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program)],
            env={**os.environ, "TMPDIR": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def line(self) -> str:
        """Return the next line that it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def say(self, line: str) -> None:
        """Give it a line to read."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def wait_for_server(self) -> None:
        """Wait until its server has started."""
        if not self.line().startswith("http://"):
            self.process.kill()
            raise AssertionError(self.process.communicate()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
        self.process.wait(PATIENCE)
