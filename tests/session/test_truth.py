"""What a commit says is what is on the server, whatever went wrong on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

from typing import Any

import pytest

from apps import COMBINATIONS, App
from faults import FaultProxy, HttpRequest
from kinto_orm import Client, CommitError, ConflictError, RetryPolicy, Session
from kinto_orm.exceptions import (
    AnswerLost,
    CollectionNotFound,
    NotAttempted,
    NotSent,
    OutcomeUnknown,
    ServerError,
)
from server.collisions import collide, overtake
from session.models import Address, Todo


on_memory = pytest.mark.parametrize("app", COMBINATIONS[:2], indirect=True)
on_postgresql = pytest.mark.parametrize("app", COMBINATIONS[2:], indirect=True)

#: Not so patient that a test has to wait.
HASTY = RetryPolicy(attempts=2, first=0.001, jitter=lambda: 0.0)


def writes(request: HttpRequest) -> bool:
    """Tell whether a request that the proxy saw may change something."""
    return any(method not in ("GET", "HEAD") for method, _ in request.entries)


def check(app: App, session: Any, result: Any) -> None:
    """Compare what *result* says of each record with what the server has."""
    stored = app.stored()
    for record in (*result.created, *result.updated):
        assert stored[record.id] == record.to_document()
        assert record in session
        assert not session.is_modified(record)
    for record in result.deleted:
        assert record.id not in stored
        assert record not in session
    groups = [
        *result.created, *result.updated, *result.deleted, *result.unchanged, *result.merged,
        *(error.record for error in (*result.conflicts, *result.errors)),
        *result.unknown, *result.not_sent,
    ]  # fmt: skip
    assert len(groups) == len({id(record) for record in groups})


class Mixture:
    """Ten records that are to be created, ten to be changed and three to be deleted."""

    def __init__(self, app: App, session: Any) -> None:
        app.create([{"id": f"r{i:02}", "title": "before", "more": {"of": i}} for i in range(13)])
        self.app = app
        self.session = session
        self.loaded = session.query(Todo).all()
        self.new = [Todo(id=f"n{i}", title="new") for i in range(10)]
        self.changed, self.gone = self.loaded[:10], self.loaded[10:]

    def edit(self) -> None:
        """Make the changes."""
        self.session.add_all(self.new)
        for todo in self.changed:
            todo.title, todo.address = "after", Address(city="Paris")
        for todo in self.gone:
            self.session.delete(todo)

    def check_done(self) -> None:
        """See that the server has all of it, once."""
        stored = self.app.stored()
        assert sorted(stored) == [f"n{i}" for i in range(10)] + [f"r{i:02}" for i in range(10)]
        for todo in self.changed:
            assert stored[todo.id]["title"] == "after"
            assert stored[todo.id]["more"] == todo.extra["more"]
        assert self.session.plan().writes == ()


class TestRolledBack:
    """A 409 in a batch undoes what was before it, whatever the answers say (B3)."""

    @on_postgresql
    @pytest.mark.parametrize("writes_before", [(0,), (4,), (19,), (7, 3), (15, 0, 0)])
    def test_what_was_undone_is_written_again(
        self, app: App, writes_before: tuple[int, ...]
    ) -> None:
        """After 409s at whatever places, everything is on the server, and reported so."""
        session = app.session()
        mixture = Mixture(app, session)
        mixture.edit()
        records = f"/buckets/{app.bucket}/collections/todos/records"
        with collide(app.server, records, *writes_before):
            result = session.commit()
        assert (len(result.created), len(result.updated), len(result.deleted)) == (10, 10, 3)
        check(app, session, result)
        mixture.check_done()

    @pytest.mark.parametrize("app", COMBINATIONS[3:], indirect=True)
    def test_a_whole_batch_is_rolled_back(self, app: App) -> None:
        """A batch that is answered by 409 as a whole is sent again."""
        session = app.session()
        mixture = Mixture(app, session)
        mixture.edit()
        with collide(app.server, f"/buckets/{app.bucket}/history"):
            result = session.commit()
        assert (len(result.created), len(result.updated), len(result.deleted)) == (10, 10, 3)
        check(app, session, result)
        mixture.check_done()

    @on_memory
    def test_nothing_is_undone_in_memory(self, app: App) -> None:
        """Where a 409 undoes nothing, what was applied is not reported as a conflict."""
        session = app.session()
        mixture = Mixture(app, session)
        mixture.edit()

        def rival() -> None:
            app.raw.create_record(id="n5", data={"title": "theirs"})

        with overtake(app.server, "n5", rival), pytest.raises(ConflictError) as caught:
            session.commit()
        result = caught.value.result
        assert [conflict.record.id for conflict in result.conflicts] == ["n5"]
        assert (result.conflicts[0].remote or {})["title"] == "theirs"
        assert (len(result.created), len(result.updated), len(result.deleted)) == (9, 10, 3)
        check(app, session, result)

    @on_postgresql
    def test_two_processes_write_at_once(self, app: App) -> None:
        """While another process writes to the same collection, nothing is lost or made up."""
        program = (
            "import sys\n"
            "from kinto_orm import Client, Session\n"
            "from session.models import Todo\n"
            "url, bucket = sys.argv[1:]\n"
            "with Client(server_url=url, auth=('embedded', 'server'), bucket=bucket) as client:\n"
            "    session = Session(client)\n"
            "    print('ready', flush=True)\n"
            "    sys.stdin.readline()\n"
            "    for turn in range(6):\n"
            "        session.add_all(Todo(title='theirs') for _ in range(25))\n"
            "        assert session.commit().ok\n"
            "    print(len(session.query(Todo).filter(title='theirs').all()))\n"
        )
        command = [sys.executable, "-c", program, app.server.url, app.bucket]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other:
            assert other.stdout is not None
            assert other.stdin is not None
            assert other.stdout.readline() == "ready\n"
            other.stdin.write("go\n")
            other.stdin.flush()
            session = app.session()
            for _ in range(6):
                session.add_all(Todo(title="ours") for _ in range(25))
                check(app, session, session.commit())
            output, _ = other.communicate()
        assert output == "150\n"
        titles = [each["title"] for each in app.stored().values()]
        assert (titles.count("ours"), titles.count("theirs")) == (150, 150)


class TestLostAnswers:
    """No answer says nothing: what became of a write is found out."""

    @pytest.mark.parametrize("fault", ["drop", "lose_answer", "truncate_answer"])
    @pytest.mark.parametrize("times", [1, 2])
    def test_a_batch(self, app: App, fault: str, times: int) -> None:
        """A batch whose answer is lost, before or after it was applied, is no conflict."""
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url))
            mixture = Mixture(app, session)
            mixture.edit()
            session.plan()
            getattr(proxy, fault)(when=writes, times=times)
            result = session.commit()
            assert (len(result.created), len(result.updated), len(result.deleted)) == (10, 10, 3)
            check(app, session, result)
            mixture.check_done()

    @pytest.mark.parametrize("fault", ["drop", "lose_answer", "truncate_answer"])
    @pytest.mark.parametrize("action", ["create", "update", "delete"])
    def test_a_single_write(self, app: App, fault: str, action: str) -> None:
        """A write that travels alone is neither lost, nor doubled, nor a conflict."""
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url))
            app.create([{"id": "x", "title": "before"}])
            todo = session.get_one(Todo, "x")
            if action == "create":
                session.add(Todo(id="y", title="new"))
            elif action == "update":
                todo.title = "after"
            else:
                session.delete(todo)
            getattr(proxy, fault)(when=writes)
            result = session.commit()
            assert len(getattr(result, f"{action}d")) == 1
            check(app, session, result)
            assert session.plan().writes == ()

    @on_postgresql
    def test_an_answer_that_is_late(self, app: App) -> None:
        """A write that is applied only after the time-out is taken for what it is."""
        with FaultProxy(app.server.url) as proxy:
            client = app.client(proxy.url, timeout=(5, 0.2))
            session = app.session(client)
            app.create([{"id": "x", "title": "before"}])
            session.get_one(Todo, "x").title = "after"
            held = proxy.hold_answer(when=writes)
            result = session.commit()
            held.release()
            assert len(result.updated) == 1
            check(app, session, result)

    def test_a_server_error_that_was_applied(self, app: App) -> None:
        """A 503 says nothing either: the write may have been applied behind a proxy."""
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url))
            mixture = Mixture(app, session)
            mixture.edit()
            session.plan()
            proxy.answer(503, {"code": 503}, forward=True, when=writes)
            result = session.commit()
            assert (len(result.created), len(result.updated), len(result.deleted)) == (10, 10, 3)
            check(app, session, result)
            mixture.check_done()

    def test_somebody_else_wrote_meanwhile(self, app: App) -> None:
        """A lost answer, and another's change before it is looked for, is a conflict."""
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url))
            app.create([{"id": "x", "title": "before"}])
            todo = session.get_one(Todo, "x")
            todo.title = "ours"
            proxy.drop(when=writes)

            def theirs(answer: Any) -> Any:
                return answer

            proxy.change_answer(theirs)
            app.raw.patch_record(id="x", data={"title": "theirs"})
            with pytest.raises(ConflictError) as caught:
                session.commit()
            (conflict,) = caught.value.result.conflicts
            assert (conflict.remote or {})["title"] == "theirs"
            assert app.stored()["x"]["title"] == "theirs"
            assert session.dirty == (todo,)

    def test_out_of_reach(self, app: App) -> None:
        """When the server cannot be asked, it is unknown; the next commit finds out first."""
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url, retry=HASTY))
            mixture = Mixture(app, session)
            mixture.edit()
            session.plan()
            proxy.lose_answer(when=writes)
            broken = proxy.drop(times=2)  # Both attempts at reading back.
            with pytest.raises(CommitError) as caught:
                session.commit()
            assert not isinstance(caught.value, ConflictError)
            result = caught.value.result
            assert len(result.unknown) == 23
            assert {type(error) for error in caught.value.exceptions} == {OutcomeUnknown}
            assert broken.count == 2
            # Further edits are no conflict with what was applied unnoticed.
            mixture.changed[0].title = "later"
            result = session.commit()
            check(app, session, result)
            assert app.stored()[mixture.changed[0].id]["title"] == "later"
            assert len(result.created) == 10
            assert len(result.updated) == 10
            assert len(result.deleted) == 3

    def test_not_sent(self, app: App) -> None:
        """When nobody listens, nothing was written, nothing is unknown, and nothing is lost."""
        with FaultProxy(app.server.url) as proxy:
            url = proxy.url
        client = app.client(url, retry=HASTY)
        session = app.session(client)
        todos = [Todo(title=str(number)) for number in range(60)]
        session.add_all(todos)
        with pytest.raises(NotSent):  # The server is asked for the limit of its batches.
            session.commit()
        client.session.known.info = {"settings": {"batch_max_requests": 25}}
        with pytest.raises(CommitError) as caught:
            session.commit()
        errors = caught.value.result.errors
        assert [type(error) for error in errors] == [NotSent] * 25 + [NotAttempted] * 35
        assert [error.record for error in errors] == todos
        assert session.new == tuple(todos)
        assert app.stored() == {}


class TestInterruption:
    """Ctrl-C and cancellation: the session knows afterwards what was applied."""

    @pytest.mark.parametrize("app", [COMBINATIONS[0], COMBINATIONS[3]], indirect=True)
    def test_ctrl_c(self, app: App, request: pytest.FixtureRequest) -> None:
        """An interrupt in the middle of a batch leaves nothing to be written twice."""
        # Where tests run in the background, Ctrl-C is ignored.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url))
            mixture = Mixture(app, session)
            mixture.edit()
            session.plan()
            held = proxy.hold_answer(when=writes)

            def interrupt() -> None:
                held.wait()
                os.kill(os.getpid(), signal.SIGINT)

            thread = threading.Thread(target=interrupt)
            thread.start()
            with pytest.raises(KeyboardInterrupt):
                session.commit()
            thread.join()
            held.release()
            result = session.commit()
            check(app, session, result)
            mixture.check_done()

    @pytest.mark.parametrize("app", COMBINATIONS[1:3], indirect=True)
    def test_cancellation(self, app: App) -> None:
        """A cancelled commit leaves nothing to be written twice."""
        import asyncio

        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url))
            mixture = Mixture(app, session)
            mixture.edit()
            session.plan()
            held = proxy.hold_answer(when=writes)

            async def cancelled() -> None:
                task = asyncio.create_task(session._inner.commit())
                await asyncio.to_thread(held.wait)
                task.cancel()
                await task

            with pytest.raises(asyncio.CancelledError):
                app.run(cancelled())
            held.release()
            result = session.commit()
            check(app, session, result)
            mixture.check_done()


class TestRefused:
    """What one record meets does not harm the others."""

    def test_a_missing_collection(self, app: App) -> None:
        """A record whose collection does not exist is an error; the others are written."""

        class Lost(Todo, collection="nowhere"):
            pass

        session = app.session()
        session.add_all([Todo(id="a", title="x"), Lost(id="b", title="x"), Todo(id="c", title="x")])
        with pytest.raises(CommitError) as caught:
            session.commit()
        assert "nowhere/records/b: 404" in str(caught.value)
        (error,) = caught.value.result.errors
        assert isinstance(error, CollectionNotFound)
        assert error.record.id == "b"
        assert sorted(app.stored()) == ["a", "c"]
        assert [todo.id for todo in session.new] == ["b"]
        app.raw.create_collection(id="nowhere")
        assert session.commit().created == (error.record,)

    def test_a_missing_bucket(self, app: App) -> None:
        """A record whose bucket does not exist is an error that says what to create."""

        class Lost(Todo, bucket="nowhere"):
            pass

        session = app.session()
        session.add_all([Todo(id="a", title="x"), Lost(id="b", title="x")])
        with pytest.raises(CommitError) as caught:
            session.commit()
        assert "no collection 'todos': create it, and its bucket" in str(caught.value)
        (error,) = caught.value.result.errors
        assert isinstance(error, CollectionNotFound)
        assert list(app.stored()) == ["a"]

    def test_a_record_that_the_server_cannot_stand(self, app: App) -> None:
        """A write that makes the server fail takes no other down with it."""
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url))
            session.add_all(Todo(id=f"t{number}", title="x") for number in range(5))
            session.plan()
            proxy.answer(
                500, {"code": 500, "errno": 999, "error": "Oops"}, times=None,
                when=lambda request: any(
                    method == "PUT" and path.endswith("/t3") for method, path in request.entries
                ),
            )  # fmt: skip
            with pytest.raises(CommitError) as caught:
                session.commit()
            (error,) = caught.value.result.errors
            assert isinstance(error, ServerError)
            assert error.record.id == "t3"
            check(app, session, caught.value.result)
            assert sorted(app.stored()) == ["t0", "t1", "t2", "t4"]

    def test_a_batch_that_is_too_large(self, app: App) -> None:
        """A batch that a proxy in between finds too large is halved until it passes."""
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url))
            session.add_all(Todo(title="x" * 100) for _ in range(20))
            session.plan()
            proxy.answer(
                413, "too large", when=lambda request: len(request.body) > 2000, times=None
            )
            result = session.commit()
            assert len(result.created) == 20
            check(app, session, result)


@pytest.mark.parametrize("storage", ["memory", "postgresql"])
def test_a_server_that_is_killed(storage: str, bucket: str) -> None:
    """A server that is killed in the middle of a commit leaves what is unknown as unknown."""
    program = (
        "import sys, time\n"
        "from kinto_orm.embedded import KintoServer\n"
        f"with KintoServer(storage={storage!r}) as server:\n"
        "    print(server.url, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", program],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        with (
            FaultProxy(url) as proxy,
            Client(server_url=proxy.url, auth=("a", "b"), bucket=bucket, retry=HASTY) as client,
        ):
            client.create_bucket()
            client.create_collection(id="todos")
            session = Session(client)
            session.add_all(Todo(title="x") for _ in range(75))
            second = proxy.hold_answer(when=writes, nth=2)

            def kill() -> None:
                second.wait()
                server.kill()
                server.wait()
                second.release()

            thread = threading.Thread(target=kill)
            proxy.lose_answer(when=writes, nth=2)
            thread.start()
            with pytest.raises(CommitError) as caught:
                session.commit()
            thread.join()
    result = caught.value.result
    assert len(result.created) in (25, 50)
    assert len(result.created) + len(result.unknown) + len(result.errors) == 75
    assert all(isinstance(error, (NotAttempted, NotSent, AnswerLost)) for error in result.errors)


class TestStrangeAnswers:
    """Answers that are JSON, but not Kinto's, say nothing about what was applied."""

    @on_memory
    @pytest.mark.parametrize("count", [1, 3])
    @pytest.mark.parametrize("body", [{}, [], "x", {"responses": []}, {"data": None}])
    def test_a_write(self, app: App, count: int, body: Any) -> None:
        """A 200 that is not an answer to what was sent is found out about."""
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url))
            session.add_all(Todo(title="x") for _ in range(count))
            session.plan()
            proxy.answer(200, body, forward=True, when=writes)
            result = session.commit()
            assert len(result.created) == count
            check(app, session, result)

    @on_memory
    def test_a_read(self, app: App) -> None:
        """A listing that is not Kinto's is an error."""
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url, retry=HASTY))
            proxy.answer(200, {"hello": "world"}, times=None)
            with pytest.raises(AnswerLost, match="not Kinto's"):
                session.query(Todo).all()
