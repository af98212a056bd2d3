"""Ctrl-C and cancellation at every step: afterwards the session knows what was written."""

from __future__ import annotations

import asyncio

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from typing import Any

import pytest

from attrs import define

from apps import APART, COMBINATIONS, App
from faults import FaultProxy, HttpRequest
from kinto_orm import RetryPolicy
from server.collisions import collide
from session.models import Todo


APPS = APART


on_postgresql = pytest.mark.parametrize("app", COMBINATIONS[2:], indirect=True)
at_each_moment = pytest.mark.parametrize("moment", ["before", "after"])

#: Not so patient that a test has to wait.
HASTY = RetryPolicy(first=0.001, jitter=lambda: 0.0)

#: What goes on around a commit.
Around = Callable[["Trial"], AbstractContextManager[Any]]


def writes(request: HttpRequest) -> bool:
    """Tell whether a request that the proxy saw may change something."""
    return any(method not in ("GET", "HEAD") for method, _ in request.entries)


@define
class Cut:
    """
    Makes the steps of a client, and interrupts one of them.

    Attributes:
        port: What really makes them.
        at: Which step is interrupted, from 1 on; 0 for none.
        moment: Whether *before* it is made, or *after*, when nobody has got its answer yet.
        steps: How many steps there have been.
    """

    port: Any
    at: int = 0
    moment: str = "before"
    steps: int = 0

    def arm(self, at: int, moment: str) -> None:
        """Interrupt the step that comes after as many others."""
        self.at, self.moment, self.steps = at, moment, 0

    def perform(self, step: Any) -> Any:
        """Make *step*, on this thread."""
        self.steps += 1
        if (self.steps, self.moment) == (self.at, "before"):
            raise KeyboardInterrupt
        try:
            return self.port.perform(step)
        finally:
            if self.steps == self.at:
                raise KeyboardInterrupt

    def close(self) -> Any:
        """Close the connections."""
        return self.port.close()


class AwaitingCut(Cut):
    """The same in an event loop, where the task is cancelled."""

    async def perform(self, step: Any) -> Any:
        """Make *step*, awaited."""
        self.steps += 1
        if (self.steps, self.moment) == (self.at, "before"):
            await cancelled()
        try:
            return await self.port.perform(step)
        finally:
            if self.steps == self.at:
                await cancelled()


async def cancelled() -> None:
    """Have the task that awaits this cancelled."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


def session_of(app: App, url: str) -> tuple[Any, Cut]:
    """Return a session, and what can interrupt it."""
    client = app.client(url, retry=HASTY)
    cut = (AwaitingCut if app.awaiting else Cut)(client._port)
    client._port = cut
    return app.session(client), cut


def interrupted(app: App, call: Callable[[], Any]) -> bool:
    """Tell whether *call* is interrupted."""
    kind = asyncio.CancelledError if app.awaiting else KeyboardInterrupt
    try:
        call()
    except kind:
        return True
    return False


# -- Commits -----------------------------------------------------------------------------------


def one(app: App, session: Any, tag: str) -> Counter[str]:
    """Change one record; return how many there are of what a result must say."""
    app.create([{"id": f"{tag}-r", "title": "before", "more": 1}])
    session.get_one(Todo, f"{tag}-r").title = "after"
    return Counter(updated=1)


def many(app: App, session: Any, tag: str) -> Counter[str]:
    """Create, change and delete records, more than fit in a batch."""
    app.create(
        [{"id": f"{tag}-r{number:02}", "title": "before", "more": 1} for number in range(13)]
    )
    todos = session.query(Todo).filter(Todo.id.like(f"{tag}-r*")).all()
    for todo in todos[:10]:
        todo.title = "after"
    for todo in todos[10:]:
        session.delete(todo)
    session.add_all(Todo(id=f"{tag}-n{number:02}", title="after") for number in range(13))
    return Counter(created=13, updated=10, deleted=3)


def calm(_: Trial) -> AbstractContextManager[Any]:
    """Let all requests pass."""
    return nullcontext()


def lost(trial: Trial) -> AbstractContextManager[Any]:
    """Lose the first answer."""
    trial.proxy.lose_answer(when=writes)
    return nullcontext()


def dropped(trial: Trial) -> AbstractContextManager[Any]:
    """Lose the first two requests."""
    trial.proxy.drop(when=writes, times=2)
    return nullcontext()


@contextmanager
def refused(trial: Trial) -> Generator[None]:
    """Have the database refuse one of the first writes."""
    records = f"/buckets/{trial.app.bucket}/collections/todos/records"
    with suppress(AssertionError), collide(trial.app.server, records, 0):
        yield  # If it is interrupted before, there is no write to be refused.


@define
class Trial:
    """A commit that is interrupted, and then made again."""

    app: App
    proxy: FaultProxy
    edit: Callable[[App, Any, str], Counter[str]]
    around: Around
    moment: str

    def at(self, number: int) -> bool:
        """Interrupt step *number* of a commit; tell whether there was one."""
        tag = f"{self.moment}{number}"
        session, cut = session_of(self.app, self.proxy.url)
        expected = self.edit(self.app, session, tag)
        cut.arm(number, self.moment)
        with self.around(self):
            was_interrupted = interrupted(self.app, session.commit)
        if not was_interrupted:
            assert cut.steps < number
            return False
        self.commit_again(session, expected, tag)
        return True

    def commit_again(self, session: Any, expected: Counter[str], tag: str) -> None:
        """See that the next commit does the rest, and tells the whole truth."""
        result = session.commit()
        assert result.ok
        said = {name: len(getattr(result, name)) for name in ("created", "updated", "deleted")}
        assert Counter(said) == expected
        stored = {key: each for key, each in self.app.stored().items() if key.startswith(f"{tag}-")}
        assert len(stored) == expected["created"] + expected["updated"]
        for record in (*result.created, *result.updated):
            assert record.title == "after"
            assert record.to_document() == stored[record.id]
        assert session.plan().writes == ()
        assert not session.dirty
        self.check_once(stored)

    def check_once(self, stored: dict[str, Any]) -> None:
        """See that nothing was written twice, if the server remembers."""
        if not self.app.server.history:
            return
        entries = self.app.raw.get_history(bucket=self.app.bucket)
        written = Counter(each["target"]["data"]["id"] for each in entries)
        for ident in stored:
            assert written[ident] == (1 if "-n" in ident else 2), ident  # Those were there before.


@pytest.mark.early
@at_each_moment
@pytest.mark.parametrize(
    ("edit", "around"), [(one, calm), (one, lost), (one, dropped), (many, calm), (many, lost)]
)
def test_a_commit(
    app: App, edit: Callable[[App, Any, str], Counter[str]], around: Around, moment: str
) -> None:
    """At whatever step it is interrupted: the next commit does the rest, and nothing twice."""
    with FaultProxy(app.server.url) as proxy:
        trial = Trial(app, proxy, edit, around, moment)
        number = 1
        while trial.at(number):
            number += 1
        least = {calm: 1, lost: 3, dropped: 6}[around]
        assert number > least


@pytest.mark.early
@at_each_moment
@on_postgresql
def test_a_commit_that_is_rolled_back(app: App, moment: str) -> None:
    """Before, while and after the database undoes what was written: the next commit does it."""
    with FaultProxy(app.server.url) as proxy:
        trial = Trial(app, proxy, many, refused, moment)
        number = 1
        while trial.at(number):
            number += 1
        assert number > 3


@pytest.mark.parametrize("app", COMBINATIONS[1:3], indirect=True)
def test_a_deadline(app: App) -> None:
    """A commit that `asyncio.timeout` ends is made again as if it had been cancelled."""
    with FaultProxy(app.server.url) as proxy:
        trial = Trial(app, proxy, many, calm, "deadline")
        session, _ = session_of(app, proxy.url)
        expected = many(app, session, "deadline")
        session.plan()
        held = proxy.hold_answer(when=writes, nth=2)

        async def late() -> None:
            async with asyncio.timeout(None) as deadline:
                commit = asyncio.ensure_future(asyncio.to_thread(held.wait))
                commit.add_done_callback(lambda _: deadline.reschedule(0))
                await session._inner.commit()

        with pytest.raises(TimeoutError):
            app.run(late())
        held.release()
        trial.commit_again(session, expected, "deadline")


@at_each_moment
def test_then_edited(app: App, moment: str) -> None:
    """What was edited after the interruption is written, on top of what had been."""
    with FaultProxy(app.server.url) as proxy:
        for number in range(1, 3):
            session, cut = session_of(app, proxy.url)
            many(app, session, f"{moment}{number}")
            cut.arm(number, moment)
            assert interrupted(app, session.commit)
            for record in (*session.new, *session.dirty):
                record.note = "later"
            assert session.commit().ok
            stored = app.stored()
            mine = [each for key, each in stored.items() if key.startswith(f"{moment}{number}-")]
            assert len(mine) == 23
            assert [each["title"] for each in mine] == ["after"] * 23
            assert session.plan().writes == ()


# -- Reading -----------------------------------------------------------------------------------


@at_each_moment
@pytest.mark.parametrize(
    "read",
    [
        lambda session, _: session.get_one(Todo, "other"),
        lambda session, _: session.query(Todo).page_size(1).all(),
        lambda session, todo: session.refresh(todo),
        lambda session, todo: session.load_permissions(todo),
    ],
    ids=["get_one", "query", "refresh", "load_permissions"],
)
def test_reading(app: App, read: Callable[[Any, Any], Any], moment: str) -> None:
    """A reading that is interrupted leaves the session as it was, and usable."""
    app.create([{"id": "x", "title": "x"}, {"id": "other", "title": "y"}])
    number = 1
    while True:
        session, cut = session_of(app, app.server.url)
        todo = session.get_one(Todo, "x")
        cut.arm(number, moment)
        if not interrupted(app, partial(read, session, todo)):
            break
        assert not session.dirty
        read(session, todo)
        assert todo.title == "x"
        todo.title = f"later {number}"
        assert session.commit().updated == (todo,)
        app.raw.patch_record(id="x", data={"title": "x"})
        number += 1
    assert number > 1
