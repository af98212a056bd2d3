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
from kinto_orm import Client, CommitError, CommitResult, RetryPolicy
from kinto_orm.embedded import KintoServer
from kinto_orm.exceptions import InvalidRequest, KintoException, NotAttempted, NotConfirmed
from runs.documents import PART, bare, document, edited, edits, is_partial, key_of
from runs.joining import changes
from runs.judge import Blind, Case, Wish, fates_of, lost
from runs.manners import BLIND, drawn
from runs.meddling import Meddling
from runs.others import Others
from runs.weather import TIMEOUT, Weather, told
from runs.witness import Witness
from session.models import Todo


#: The servers that runs take turns on.
KINDS: Final = ("memory", "memory+history", "postgresql", "postgresql+history")

#: Where records are, and where they are moved to.
PLACES: Final = ("todos", "archive")

#: What became of records that are as the server has them.
SETTLED: Final = frozenset({"created", "updated", "merged", "unchanged"})

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
        self.manner = drawn(random, awaiting=app.awaiting)
        report.kind += f", {self.manner}"
        self.stranger = Client(
            server_url=app.server.url, auth=STRANGER, bucket=app.bucket, collection="todos"
        )
        places = PLACES if self.manner.moves else PLACES[:1]
        app.raw.create_collection(id=PLACES[1])
        self.witness = Witness(app.raw, places)
        slow = random.random() < 0.15
        self.weather = Weather(
            proxy, app.server, app.bucket, self.witness, random, slow=slow, struck=report.struck
        )
        retry = RetryPolicy(
            attempts=random.choice((1, 2, 4)), first=0.001, longest=0.01, jitter=lambda: 0.0
        )
        timeout = (5.0, TIMEOUT if slow else 20.0)
        client = app.client(proxy.url, retry=retry, timeout=timeout)
        self.session = app.session(client, **self.manner.options)
        self.wishes: dict[str, Wish] = {}
        self.blinds: dict[str, Blind] = {}
        self.others = Others(self.stranger, self.witness, self.wishes, random)
        self.tags = 0
        self.meddling = Meddling(self.wishes, Random(report.seed), self.manner.late)
        self.meddling.listen(self.session._inner)

    def all(self, most: int) -> None:
        """Go through all of it."""
        with self.stranger:
            self._load(self.random.randrange(1, most + 1))
            for _ in range(self.random.choice((1, 1, 2, 3))):
                self._edit()
                often = (0, 0, 2) if self.manner.policy == "raise" else (0, 4, 12)
                for _ in range(self.random.choice(often)):
                    self.others.errand()()
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
            base = bare(self.witness.now(key_of(todo)).document or {})
            self.wishes[key_of(todo)] = Wish(todo, base, base, version=todo.last_modified)
        if not partial:
            shown = [todo for todo in loaded if self.random.random() < 0.2]
            if shown:
                self.session.load_permissions(*shown)
        assert len(loaded) == len(ids)
        self.report.records = len(ids)
        if self.manner.blind:
            self.app.create(
                {"id": f"b{number}", "tags": ["t"], "title": "b"} for number in range(8)
            )
            self.witness.look("before")

    def _edit(self) -> None:
        """Change, delete and create records."""
        share = self.random.choice((0.05, 0.5, 0.9))
        for wish in list(self.wishes.values()):
            if wish.target is None or self.random.random() > share:
                continue
            if self.random.random() < 0.15:
                self.session.delete(wish.record)
                wish.target, wish.read = None, None
                self._left(wish.ident)
            elif self.manner.moves and self.random.random() < 0.3:
                self._move(wish)
            else:
                self._change(wish)
        for _ in range(self.random.choice((0, 1, 3)) if self.manner.blind else 0):
            self._patch()
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
        self.wishes[wish.ident] = wish
        self.session.add(todo)

    def _move(self, wish: Wish) -> None:
        """Move a record to the other place, unless something is there."""
        assert wish.target is not None
        place = PLACES[wish.ident.startswith(PLACES[0])]
        key = f"{place}/{wish.record.id}"
        is_taken = key in self.wishes or self.witness.now(key).document is not None
        if is_taken or is_partial(wish.record):
            return
        copy = self.session.move(wish.record, Todo.at(collection=place))
        self.wishes[key] = Wish(copy, None, wish.target)
        for each in self.wishes.values():
            each.moved = key if each.moved == wish.ident else each.moved
        if wish.record not in self.session:
            del self.wishes[wish.ident]
            return
        wish.kept, wish.target, wish.read, wish.moved = wish.target, None, None, key

    def _left(self, ident: str) -> None:
        """Note that what waited for a record to be there waits no more."""
        for each in self.wishes.values():
            if each.moved == ident:
                each.moved = None

    def _patch(self) -> None:
        """Patch a record that was not loaded."""
        self.tags += 1
        id, text = f"b{self.random.randrange(8)}", f"blind #{self.tags}"
        kind = self.random.choice(list(BLIND))
        try:
            record = self.session.patch(Todo, id, BLIND[kind](text))
        except InvalidRequest:
            return  # It has one already.
        known = self.blinds.get(key_of(record))
        texts = [*(known.texts if known is not None else ()), text]
        self.blinds[key_of(record)] = Blind(kind, text, record, texts=texts)

    # -- Commits -------------------------------------------------------------------------------

    def _commit(self, badness: float, *, calm: bool = False) -> CommitResult | None:
        """Commit, and judge what it says; return the result, if there is one."""
        self.weather.begin(badness)
        if not calm:
            for _ in range(self.random.choice((0, 1, 3, 6))):
                number = self.random.randrange(1, 8)
                self.weather.errands.setdefault(number, []).append(self.others.errand())
            if self.random.random() < 0.15:
                self.weather.outage = self.random.randrange(2, 8)
        for wish in self.wishes.values():
            self._begin(wish)
        began = self.witness.moment
        self.meddling.begins(is_calm=calm)
        verify = self.random.random() < self.manner.verifies
        result = self._said(verify=verify)
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
                permitted=self._permitted,
                policy=self.manner.policy_for,
                blinds=self.blinds,
                verified=verify,
            )
            self._tell(case.lies())
        elif any(passage.writes for passage in self.weather.passages):
            self._tell(["an exception came after something was sent"])
        self.weather.end()
        if case is not None:
            self._tell(case.lies_by_now())
        policy = self.manner.policy_for
        self._tell(lost(self.witness, self.others.written, self.wishes, policy))
        self._take_in(result)
        self._tell(self.meddling.lies(self.session, result))
        self._look_for_locks()
        return result

    def _begin(self, wish: Wish) -> None:
        """Note what is known of a record before a commit."""
        policy = self.manner.policy_for(wish.ident)
        if wish.target is None:
            return
        if wish.base is None:
            wish.whole = bare(wish.record.to_document())
        changed = {path[0] for path in changes(wish.base, wish.whole or wish.target)}
        wish.touched |= changed | ({"title"} if policy == "document" else set())

    def _permitted(self, ident: str) -> dict[str, list[str]]:
        collection, _, id = ident.partition("/")
        found: dict[str, list[str]] = self.app.raw.get_record(id=id, collection=collection)[
            "permissions"
        ]
        return found

    def _look_for_locks(self) -> None:
        """Look whether anybody could see a lock: in memory that may be, if a batch failed."""
        seen, self.witness.locks = self.witness.locks, 0
        if seen and self.app.server.storage == "postgresql":
            self._tell(["a lock was there"])
        elif seen:
            self.report.struck["lock left"] += 1

    def _said(self, *, verify: bool) -> CommitResult | None:
        """Return the result of a commit; None if nothing could be sent."""
        try:
            result: CommitResult = self.session.commit(verify=verify)
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
        unconfirmed = {
            key_of(each.record) for each in result.errors if isinstance(each, NotConfirmed)
        }
        for ident, fates in fates_of(result).items():
            fate = fates[0]
            self.report.fates[fate if ident not in unconfirmed else "not confirmed"] += 1
            if ident in self.blinds:
                blind = self.blinds[ident]
                blind.due = blind.due and fate == "errors" and ident not in unconfirmed
                continue
            wish = self.wishes.get(ident)
            if wish is None:
                continue
            wish.doubtful = wish.doubtful or fate == "unknown"
            if fate == "deleted":
                del self.wishes[ident]
                self._left(ident)
                self.others.written.pop(ident, None)
            elif fate in SETTLED or ident in unconfirmed:
                self._settled(wish)
            elif self.manner.policy != "raise":
                self._taken_over(wish)
        for ident in [each for each in self.wishes if self.wishes[each].record not in self.session]:
            del self.wishes[ident]
            self._left(ident)
            self.others.written.pop(ident, None)

    def _taken_over(self, wish: Wish) -> None:
        """Note what a record is to be now, after a conflict was resolved, and not written yet."""
        record, version = wish.record, wish.record.last_modified
        if wish.version == version or wish.record not in self.session:
            return
        states = self.witness.from_version(wish.ident, version)
        base = None if version is None else bare(states[0].document or {})
        is_to_go = any(each is record for each in self.session.deleted)
        known = {**(base or {}), **(wish.target or {})}
        said = {  # Defaults need not be there.
            key: value for key, value in record.to_document().items() if key in known or value
        }
        said.pop("last_modified", None)
        wish.target = None if is_to_go else {**(base or {}), **said} if is_partial(record) else said
        wish.base, wish.version = base, version
        self.others.know(wish.ident, version or 0)
        if not is_to_go:
            wish.moved = None

    def _settled(self, wish: Wish) -> None:
        version = wish.record.last_modified or 0
        state = self.witness.from_version(wish.ident, version)[0]
        if state.document is None:
            return  # A lie, which was told.
        wish.base = wish.target = bare(state.document)
        wish.read, wish.doubtful, wish.version = None, False, version
        wish.whole, wish.moved = None, None
        wish.touched.clear()
        self.others.know(wish.ident, version)

    def _resolve(self, share: float) -> None:
        """Make up some of the conflicts: take what the server has."""
        for wish in list(self.wishes.values()):
            state = self.witness.now(wish.ident)
            if state.writer != "theirs" or self.random.random() > share:
                continue
            if state.document is None:
                self.session.expunge(wish.record)
                del self.wishes[wish.ident]
                self._back(wish.ident)
                continue
            self.weather.begin(0)
            self.session.refresh(wish.record)
            self._settled(wish)

    def _back(self, ident: str) -> None:
        """Note that what was to be moved to *ident* stays where it is, if it does."""
        to_go = [id(each) for each in self.session.deleted]
        for wish in self.wishes.values():
            if wish.moved == ident and id(wish.record) not in to_go:
                wish.target = wish.kept
        self._left(ident)

    def _calm(self) -> None:
        """Commit in calm weather, until all is settled: then nothing is left but conflicts."""
        for _ in range(CALM):
            result = self._commit(0, calm=True)
            if result is not None and not (self._failed(result) or result.unknown):
                break
        if result is None or self._failed(result):
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

    def _failed(self, result: CommitResult) -> bool:
        """Tell whether there are errors, besides of records whose copies are in conflict."""
        waiting = (isinstance(each, NotAttempted) for each in result.errors)
        return not all(waiting) or (bool(result.errors) and not result.conflicts)
