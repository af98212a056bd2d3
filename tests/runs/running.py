"""A run: some commits under faults, then a calm one, each of them judged."""

from __future__ import annotations

import asyncio
import time

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, Final

from attrs import define, field

from apps import App
from faults import FaultProxy
from kinto_orm import (
    BasicPatch,
    Client,
    CommitError,
    CommitResult,
    JSONPatch,
    MergePatch,
    RetryPolicy,
)
from kinto_orm.embedded import KintoServer
from kinto_orm.exceptions import KintoException
from runs.documents import PART, Document, bare, document, edited, edits, is_partial
from runs.judge import Case, Wish, fates_of, lost
from runs.weather import TIMEOUT, Weather, told
from runs.witness import Witness
from session.models import Todo


#: The servers that runs take turns on.
KINDS: Final = ("memory", "memory+history", "postgresql", "postgresql+history")

#: How often commits are repeated, in calm weather, until nothing is left to be found out.
CALM: Final = 4

#: How many lies of a run are shown.
SHOWN: Final = 10

#: Whom others are to the server.
STRANGER: Final = ("stranger", "danger")


@define
class Report:
    """
    What a run was, and how it went.

    Attributes:
        seed: Its number.
        kind: The server, the session and the patches.
        records: How many there were.
        struck: Which faults struck, and how often.
        fates: How many records met which fate.
        requests: How many requests came.
        commits: How many commits there were.
        lies: What was said and is not true.
        seconds: How long it took.
    """

    seed: int
    kind: str = ""
    records: int = 0
    struck: Counter[str] = field(factory=Counter[str])
    fates: Counter[str] = field(factory=Counter[str])
    requests: int = 0
    commits: int = 0
    lies: list[str] = field(factory=list[str])
    seconds: float = 0.0

    def __str__(self) -> str:
        fates = ", ".join(f"{count} {fate}" for fate, count in self.fates.items())
        line = (
            f"{self.seed:>6} {self.kind}, {self.records} records, {self.commits} commits | "
            f"{told(self.struck)} | {fates} | {self.requests} requests, {self.seconds:.1f} s | "
            f"{len(self.lies)} lies"
        )
        return "\n".join([line, *(f"       {lie}" for lie in self.lies[:SHOWN])])


def run(seed: int, servers: Callable[[str], KintoServer], *, most: int = 60) -> Report:
    """
    Return how the run *seed* went.

    Args:
        seed: Its number, of which all the rest follows.
        servers: Gives a server of a kind.
        most: How many records there are at most.
    """
    began, report = time.monotonic(), Report(seed)
    kind, awaiting = KINDS[seed % len(KINDS)], bool(seed // len(KINDS) % 2)
    report.kind = f"{'awaiting' if awaiting else 'blocking'} on {kind}"
    with _application(servers(kind), awaiting=awaiting) as app, FaultProxy(app.server.url) as proxy:
        _Run(Random(seed), app, proxy, report).all(most)
        report.requests = len(proxy.requests)
    report.seconds = time.monotonic() - began
    return report


@contextmanager
def _application(server: KintoServer, *, awaiting: bool) -> Iterator[App]:
    """Give a program with a bucket of its own, in which strangers may write."""
    bucket = f"run{time.time_ns()}"
    raw = Client(server_url=server.url, auth=server.auth, bucket=bucket, collection="todos")
    raw.create_bucket(permissions={"write": ["system.Authenticated"]})
    raw.create_collection()
    app = App(server, bucket, awaiting, raw, asyncio.Runner() if awaiting else None)
    try:
        yield app
    finally:
        app.close()


class _Run:
    """What a run consists of."""

    def __init__(self, random: Random, app: App, proxy: FaultProxy, report: Report) -> None:
        self.random, self.app, self.report = random, app, report
        patch = random.choice((MergePatch, MergePatch, JSONPatch, BasicPatch))
        report.kind += f", {patch.__name__}"
        self.stranger = Client(
            server_url=app.server.url, auth=STRANGER, bucket=app.bucket, collection="todos"
        )
        self.witness = Witness(app.raw)
        slow = random.random() < 0.15
        self.weather = Weather(
            proxy, app.server, app.bucket, self.witness, random, slow=slow, struck=report.struck
        )
        retry = RetryPolicy(
            attempts=random.choice((1, 2, 4)), first=0.001, longest=0.01, jitter=lambda: 0.0
        )
        timeout = (5.0, TIMEOUT if slow else 20.0)
        client = app.client(proxy.url, retry=retry, timeout=timeout)
        self.session = app.session(client, patch=patch)
        self.wishes: dict[str, Wish] = {}
        self.theirs: dict[str, list[Document]] = {}
        self.tags = 0

    def all(self, most: int) -> None:
        """Go through all of it."""
        with self.stranger:
            self._load(self.random.randrange(1, most + 1))
            for _ in range(self.random.choice((1, 1, 2, 3))):
                self._edit()
                for _ in range(self.random.choice((0, 0, 2))):
                    self._errand()()
                self._commit(self.random.choice((0.2, 0.4, 0.6, 0.9)))
                self._resolve(0.3)
            self._calm()

    # -- What is wanted ------------------------------------------------------------------------

    def _load(self, count: int) -> None:
        """Have *count* records on the server, some of them loaded in part."""
        held = [document(self.random, f"r{number:03}") for number in range(count)]
        self.app.create(held)
        self.witness.look("before")
        ids = [each["id"] for each in held]
        partial = self.random.random() < 0.3
        query = self.session.query(Todo)
        loaded = list[Todo]((query.only(*PART) if partial else query).all())
        for todo in loaded:
            base = bare(self.witness.states[todo.id][-1].document or {})
            self.wishes[todo.id] = Wish(todo, base, base)
        if not partial:
            shown = [todo for todo in loaded if self.random.random() < 0.2]
            if shown:
                self.session.load_permissions(*shown)
        assert len(loaded) == len(ids)
        self.report.records = len(ids)

    def _edit(self) -> None:
        """Change, delete and create records."""
        share = self.random.choice((0.05, 0.5, 0.9))
        for wish in list(self.wishes.values()):
            if wish.target is None or self.random.random() > share:
                continue
            if self.random.random() < 0.15:
                self.session.delete(wish.record)
                wish.target, wish.read = None, None
            else:
                self._change(wish)
        for _ in range(self.random.choice((0, 1, 30))):
            self._create()

    def _change(self, wish: Wish) -> None:
        assert wish.target is not None
        self.tags += 1
        partial = is_partial(wish.record)
        changes = edits(self.random, wish.target, f"#{self.tags}", partial=partial)
        for change in changes:
            change.to_record(wish.record)
        wish.target = edited(wish.target, changes)
        if wish.record.permissions.is_loaded and self.random.random() < 0.5:
            wish.read = [f"account:reader{self.tags}"]
            wish.record.permissions.read = wish.read

    def _create(self) -> None:
        self.tags += 1
        todo = Todo(id=f"n{self.tags:04}", title=f"new #{self.tags}")
        wish = Wish(todo, None, {"id": todo.id, "title": todo.title})
        self._change(wish)
        self.wishes[todo.id] = wish
        self.session.add(todo)

    # -- What others do ------------------------------------------------------------------------

    def _errand(self) -> Callable[[], None]:
        """Return something that another writer does."""
        wishes = [each for each in self.wishes.values() if each.target is not None]
        if not wishes:
            return lambda: None
        wish = self.random.choice(wishes)
        what = self.random.choice(("another field", "title", "title", "gone", "the same"))
        self.tags += 1

        def run() -> None:
            self.witness.look("ours")
            there = self.witness.now(wish.ident).document is not None
            self._done_by_others(what, wish, f"theirs #{self.tags}", there=there)
            self.witness.look("theirs")

        return run

    def _done_by_others(self, what: str, wish: Wish, text: str, *, there: bool) -> None:
        if what == "gone":
            if there and wish.base is not None:
                self.stranger.delete_record(id=wish.ident)
                self.theirs.pop(wish.ident, None)
            return
        if what == "the same" and wish.target is not None:
            self.stranger.update_record(id=wish.ident, data=wish.target)
            self.theirs.pop(wish.ident, None)
            return
        if not there and wish.base is not None:
            return  # It was deleted.  Nobody makes it anew.
        data = {"title": text} if what == "title" else {"title": "theirs", "theirs": text}
        if there:
            data = {key: value for key, value in data.items() if key == what} or {"theirs": text}
            written = self.stranger.patch_record(id=wish.ident, data=data)["data"]
        else:
            written = self.stranger.create_record(id=wish.ident, data=data)["data"]
        said = {**data, "last_modified": written["last_modified"]}
        self.theirs.setdefault(wish.ident, []).append(said)

    # -- Commits -------------------------------------------------------------------------------

    def _commit(self, badness: float, *, calm: bool = False) -> CommitResult | None:
        """Commit, and judge what it says; return the result, if there is one."""
        self.weather.begin(badness)
        if not calm:
            for _ in range(self.random.choice((0, 1, 3))):
                number = self.random.randrange(1, 8)
                self.weather.errands.setdefault(number, []).append(self._errand())
            if self.random.random() < 0.15:
                self.weather.outage = self.random.randrange(2, 8)
        began = self.witness.moment
        result = self._said()
        self.report.commits += 1
        case = None
        if result is not None:
            case = Case(
                wishes=self.wishes,
                result=result,
                witness=self.witness,
                began=began,
                ended=self.witness.moment,
                passages=list(self.weather.passages),
                permitted=lambda ident: self.app.raw.get_record(id=ident)["permissions"],
            )
            self._tell(case.lies())
        elif any(passage.writes for passage in self.weather.passages):
            self._tell(["an exception came after something was sent"])
        self.weather.end()
        if case is not None:
            self._tell(case.lies_by_now())
        self._tell(lost(self.witness, self.theirs))
        self._take_in(result)
        return result

    def _said(self) -> CommitResult | None:
        """Return the result of a commit; None if nothing could be sent."""
        try:
            result: CommitResult = self.session.commit()
        except CommitError as error:
            result = error.result
        except KintoException:
            return None
        return result

    def _tell(self, lies: Any) -> None:
        self.report.lies += [f"commit {self.report.commits}: {lie}" for lie in lies]

    def _take_in(self, result: CommitResult | None) -> None:
        """Note what is known now, and what is still to be done."""
        if result is None:
            return
        for ident, fates in fates_of(result).items():
            wish, fate = self.wishes[ident], fates[0]
            self.report.fates[fate] += 1
            wish.doubtful = wish.doubtful or fate == "unknown"
            if fate == "deleted":
                del self.wishes[ident]
            elif fate in ("created", "updated", "merged", "unchanged"):
                self._settled(wish)
        for ident in [each for each in self.wishes if self.wishes[each].record not in self.session]:
            del self.wishes[ident]

    def _settled(self, wish: Wish) -> None:
        version = wish.record.last_modified or 0
        states = self.witness.states.get(wish.ident, [])
        state = next((each for each in states if each.version == version), None)
        if state is None or state.document is None:
            return  # A lie, which was told.
        wish.base = wish.target = bare(state.document)
        wish.read, wish.doubtful = None, False
        written = self.theirs.get(wish.ident, [])
        self.theirs[wish.ident] = [each for each in written if each["last_modified"] > version]

    def _resolve(self, share: float) -> None:
        """Make up some of the conflicts: take what the server has."""
        for wish in list(self.wishes.values()):
            state = self.witness.now(wish.ident)
            if state.writer != "theirs" or self.random.random() > share:
                continue
            if state.document is None:
                self.session.expunge(wish.record)
                del self.wishes[wish.ident]
                continue
            self.weather.begin(0)
            self.session.refresh(wish.record)
            self._settled(wish)

    def _calm(self) -> None:
        """Commit in calm weather, until all is settled: then nothing is left but conflicts."""
        for _ in range(CALM):
            result = self._commit(0, calm=True)
            if result is not None and not (result.errors or result.unknown):
                break
        if result is None or result.errors:
            self._tell([f"in calm weather, it is not settled: {result}"])
        self._resolve(1)
        last = self._commit(0, calm=True)
        if last is None or last.conflicts or last.errors or last.not_sent:
            self._tell([f"after all conflicts were made up, there is: {last}"])
        if self.session.plan().writes:
            self._tell([f"the plan is not empty: {self.session.plan()}"])
        before = self.witness.moment
        self._commit(0, calm=True)
        if self.witness.moment != before:
            self._tell(["a commit of nothing has written"])
