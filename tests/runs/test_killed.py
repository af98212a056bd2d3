"""A server is killed in the middle of a commit, and comes back."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pytest

from apps import COMBINATIONS, App
from faults import Ask, FaultProxy, HttpAnswer, HttpRequest
from kinto_orm import CommitError, CommitResult, RetryPolicy
from runs.documents import bare, key_of
from runs.judge import Case, Wish, fates_of
from runs.killed import KilledServer
from runs.weather import Passage, keys_in
from runs.witness import Witness
from server.collisions import database_url, rival
from session.models import Todo


#: Not so patient that a test has to wait.
HASTY = RetryPolicy(attempts=2, first=0.001, jitter=lambda: 0.0)


class Story:
    """A commit of many changes, during which the server is killed."""

    def __init__(self, app: App, proxy: FaultProxy, server: KilledServer, size: int) -> None:
        self.app, self.proxy, self.server = app, proxy, server
        self.created = self.changed = size * 2 // 5
        self.deleted = size - self.created - self.changed
        self.session = app.session(app.client(proxy.url, retry=HASTY))
        self.witness = Witness(app.raw)
        self.passages: list[Passage] = []
        self.wishes: dict[str, Wish] = {}
        self.requests = 0
        self._edit()

    def _edit(self) -> None:
        self.app.create(
            {"id": f"r{number:03}", "title": "before", "more": {"of": number}}
            for number in range(self.changed + self.deleted)
        )
        self.witness.look("before")
        for todo in self.session.query(Todo).all():
            base = bare(self.witness.now(key_of(todo)).document or {})
            if int(todo.id[1:]) < self.changed:
                todo.title = "after"
                self.wishes[key_of(todo)] = Wish(todo, base, {**base, "title": "after"})
            else:
                self.session.delete(todo)
                self.wishes[key_of(todo)] = Wish(todo, base, None)
        for number in range(self.created):
            todo = Todo(id=f"n{number:03}", title="after")
            self.session.add(todo)
            self.wishes[key_of(todo)] = Wish(todo, None, {"id": todo.id, "title": "after"})

    def killed_at(self, number: int, moment: str, *, back: bool) -> None:
        """Have the server killed when request *number* comes; and be *back* at once, or not."""

        def meet(request: HttpRequest, ask: Ask) -> HttpAnswer | None:
            writes = any(method not in ("GET", "HEAD") for method, _ in request.entries)
            self.passages.append(passage := Passage(writes, keys_in(request), "killed"))
            self.requests += 1
            if self.requests == number:
                self._kill(request, ask, moment)
                if back:
                    self.server.start()
                return None
            answer = ask()  # Raises if there is no server: then there is no answer.
            passage.fault = None
            return answer

        self.proxy.instead(meet, times=None)

    def _kill(self, request: HttpRequest, ask: Ask, moment: str) -> None:
        if moment == "during":
            records = f"/buckets/{self.app.bucket}/collections/todos/records"
            with rival(self.app.server, records, 5) as it, ThreadPoolExecutor(1) as pool:
                asking = pool.submit(self.proxy.forward, request)
                it.wait_for(1)  # Some of the batch is written, and not committed.
                self.server.kill()
                asking.exception()
            return
        if moment == "after":
            ask()
        self.server.kill()

    def commit(self) -> CommitResult:
        """Commit, and see that what is said is true."""
        began = self.witness.moment
        try:
            result: CommitResult = self.session.commit()
        except CommitError as error:
            result = error.result
        self.witness.look("ours")
        case = Case(
            wishes=self.wishes, result=result, witness=self.witness, began=began,
            ended=self.witness.moment, passages=self.passages, permitted=self._permitted,
        )  # fmt: skip
        assert list(case.lies()) == []
        self.passages.clear()
        return result

    def _permitted(self, ident: str) -> dict[str, list[str]]:
        found: dict[str, Any] = self.app.raw.get_record(id=ident.rpartition("/")[2])["permissions"]
        return found


@pytest.mark.early
@pytest.mark.parametrize("app", COMBINATIONS[2:3], indirect=True)
@pytest.mark.parametrize(
    ("size", "moment", "back"),
    [(250, "before", False), (1000, "during", True), (250, "after", True)],
)
def test_killed_in_a_commit(app: App, size: int, moment: str, back: bool) -> None:  # noqa: FBT001
    """Before, while, or after it wrote: the result is true, and the next commit does the rest."""
    number = Random(size).randrange(2, size // 25)
    with KilledServer(database_url(app.server)) as server, FaultProxy(server.url) as proxy:
        story = Story(app, proxy, server, size)
        story.session.plan()
        story.killed_at(number, moment, back=back)
        result = story.commit()
        assert len(fates_of(result)) == size
        if not back:
            assert result.unknown
            assert result.errors
            server.start()
            result = story.session.commit()
        assert result.ok
        assert story.session.plan().writes == ()
        titles = Counter(each["title"] for each in app.stored().values())
        assert titles == {"after": story.created + story.changed}
