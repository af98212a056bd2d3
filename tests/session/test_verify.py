"""A look at the server after a commit, and how far one has come, or came."""

from __future__ import annotations

from typing import Any

import pytest

from apps import APART, COMBINATIONS, App
from faults import FaultProxy
from kinto_orm import CommitError, RetryPolicy
from kinto_orm.exceptions import NotConfirmed
from kinto_orm.session.events import listen
from kinto_orm.session.progress import Progress
from session.models import Todo


APPS = APART


blocking = pytest.mark.parametrize("app", COMBINATIONS[:1], indirect=True)


class TestVerify:
    """`commit(verify=True)`."""

    def test_all_is_there(self, app: App) -> None:
        """What is as the server said is confirmed by one read for each batch."""
        app.create([{"id": f"r{i:02}", "title": "a"} for i in range(10)])
        session = app.session()
        todos = session.query(Todo).all()
        for todo in todos[:5]:
            todo.title = "b"
        for todo in todos[5:]:
            session.delete(todo)
        session.add_all(Todo(title="new") for _ in range(20))
        before = len(session.sent)
        result = session.commit(verify=True)
        assert (len(result.created), len(result.updated), len(result.deleted)) == (20, 5, 5)
        requests = [each for each in session.sent[before:] if each.method == "POST"]
        assert [each.writes for each in requests] == [True, True, False, False]

    def test_somebody_else_afterwards(self, app: App) -> None:
        """What was written elsewhere meanwhile is told, if it undoes what was written here."""
        session = app.session()
        x, y, z = (Todo(id=ident, title="a") for ident in "xyz")
        session.add_all([x, y, z])

        @listen(session._inner, "after_send")
        def meddle(outcome: Any) -> None:
            ident = outcome.write.change.record.id
            if ident == "x":
                app.raw.patch_record(id="x", data={"title": "theirs"})
            elif ident == "y":
                app.raw.patch_record(id="y", data={"other": "theirs"})
            else:
                app.raw.delete_record(id="z")

        with pytest.raises(CommitError) as caught:
            session.commit(verify=True)
        result = caught.value.result
        assert result.created == (y,)
        assert [error.record for error in result.errors] == [x, z]
        assert [type(error) for error in result.errors] == [NotConfirmed, NotConfirmed]
        assert "title" in str(result.errors[0])
        assert "not there" in str(result.errors[1])

    def test_a_deletion_that_was_none(self, app: App) -> None:
        """A record that is there though it was deleted is told."""
        app.create([{"id": "x", "title": "a"}])
        session = app.session()
        session.delete(session.get_one(Todo, "x"))

        @listen(session._inner, "after_send")
        def meddle(_: Any) -> None:
            app.raw.create_record(id="x", data={"title": "again"})

        with pytest.raises(CommitError) as caught:
            session.commit(verify=True)
        assert isinstance(caught.value.exceptions[0], NotConfirmed)

    @blocking
    def test_it_cannot_be_read(self, app: App) -> None:
        """Without a look nothing is confirmed, and that is said."""
        with FaultProxy(app.server.url) as proxy:
            client = app.client(proxy.url, retry=RetryPolicy(attempts=1))
            session = app.session(client)
            todo = Todo(id="x", title="a")
            session.add(todo)
            proxy.drop(when=lambda request: request.method == "GET", times=None)
            with pytest.raises(CommitError) as caught:
                session.commit(verify=True)
        assert "could not be read" in str(caught.value.exceptions[0])
        assert todo.to_document() == app.stored()["x"]


class TestProgress:
    """`commit(progress=…)`."""

    def test_after_each_request(self, app: App) -> None:
        """The function is told how many changes are settled, and how many there are."""
        session = app.session()
        session.add_all(Todo(title="a") for _ in range(60))
        told: list[Progress] = []
        session.commit(progress=told.append)
        assert [(each.done, each.total, each.requests) for each in told] == [
            (25, 60, 1), (50, 60, 2), (60, 60, 3),
        ]  # fmt: skip

    def test_it_breaks_off(self, app: App) -> None:
        """What it raises breaks the commit off; what was done is known, and the rest can follow."""
        session = app.session()
        session.add_all(Todo(id=f"r{i:02}", title="a") for i in range(60))

        def stop(progress: Progress) -> None:
            if progress.done == 50:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt) as caught:
            session.commit(progress=stop)
        assert "50 created, 10 not sent; 2 requests" in caught.value.__notes__[0]
        assert (len(session.last_result.created), len(session.last_result.not_sent)) == (50, 10)
        assert len(session.new) == 10
        assert len(app.stored()) == 50
        writes = len(session.writes)
        session.commit()
        assert len(app.stored()) == 60
        assert len(session.writes) == writes + 1
