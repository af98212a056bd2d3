"""
What goes wrong on the way, request by request, as chance has it.

Whatever is done here, real networks and servers do.  A 409 is one of PostgreSQL's own, since a
client may conclude from it that nothing was applied; so it may from the other refusals of Kinto,
which are therefore never made up.  Nor is a 503 that Kinto gave, when it has not given it.
"""

from __future__ import annotations

import threading
import time

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Final
from urllib.parse import urlsplit

from attrs import define, field

from faults import Ask, FaultProxy, HttpAnswer, HttpRequest
from kinto_orm.embedded import KintoServer
from runs.witness import Witness
from server.collisions import collide


#: What happens to writes, and how often, compared to each other.
TO_WRITES: Final = {
    "drop": 3, "half": 1, "lose": 4, "truncate": 2, "ghost": 4, "slow": 1, "slow ghost": 1,
    "500": 1, "500 applied": 1, "502": 2, "502 applied": 2, "502 ghost": 2,
    "503": 2, "503 busy": 1, "503 applied": 2, "503 ghost": 2, "429": 1,
    "collision": 4, "collision in history": 1,
}  # fmt: skip

#: What happens to reads.
TO_READS: Final = {"drop": 3, "lose": 2, "truncate": 1, "500": 1, "502": 1, "503": 2, "503 busy": 1}

#: How long, in seconds, to wait for a client that has given up.
PATIENCE: Final = 10.0

#: How long, in seconds, clients wait for an answer where some are slow; and from when on it is not
#: certain that they do: the machine itself may be slow.
TIMEOUT: Final = 2.0
UNCERTAIN: Final = 1.0


@define(eq=False)
class Passage:
    """
    A request that came, and what became of it.

    Attributes:
        writes: Whether it may have changed something.
        ids: The records that it was for, by their keys.
        fault: What was done to it; None if it has its true answer.
        moment: The witness's moment when it came.
    """

    writes: bool
    ids: frozenset[str]
    fault: str | None
    moment: int = 0


def keys_in(request: HttpRequest) -> frozenset[str]:
    """Return the keys of the records that *request* is for."""
    parts = (urlsplit(path).path.split("/") for _, path in request.entries)
    return frozenset(f"{each[-3]}/{each[-1]}" for each in parts if len(each) > 3)


@define
class Weather:
    """
    Stands in a proxy, and lets requests pass or not.

    Attributes:
        badness: Which part of the requests suffers, from 0 to 1.
        passages: The requests of this commit.
        struck: How often each fault has struck, over all commits.
        errands: What others do, by the number of the request before which they do it.
        outage: The number of the request from which on nothing passes.
    """

    proxy: FaultProxy
    server: KintoServer
    bucket: str
    witness: Witness
    random: Random
    badness: float = 0.0
    slow: bool = False
    passages: list[Passage] = field(factory=list[Passage])
    struck: Counter[str] = field(factory=Counter[str])
    errands: dict[int, list[Callable[[], None]]] = field(
        factory=dict[int, list[Callable[[], None]]]
    )
    outage: int | None = None
    _number: int = 0
    _ghosts: list[tuple[int, HttpRequest]] = field(factory=list[tuple[int, HttpRequest]])
    _next: threading.Event = field(factory=threading.Event)

    def __attrs_post_init__(self) -> None:
        self.proxy.instead(self._meet, times=None)

    def begin(self, badness: float) -> None:
        """Begin a commit."""
        self.badness, self.outage, self._number = badness, None, 0
        self.passages = []
        self.errands.clear()

    def end(self) -> None:
        """Let go what is held back, and have what was kept arrive."""
        self._next.set()
        self._appear(None)

    # -- One request ---------------------------------------------------------------------------

    def _meet(self, request: HttpRequest, ask: Ask) -> HttpAnswer | bytes | None:
        self._next.set()  # Whoever held an answer back may let it go: its client has left.
        self._next = threading.Event()
        self._number += 1
        self._appear(self._number)
        for errand in self.errands.pop(self._number, ()):
            errand()
        writes = any(method not in ("GET", "HEAD") for method, _ in request.entries)
        fault = self._drawn(request, writes=writes)
        is_true = fault is None or fault.startswith("collision")
        passage = Passage(writes, keys_in(request), None if is_true else fault, self.witness.moment)
        self.passages.append(passage)
        if fault is not None:
            self.struck[fault] += 1
        began = time.monotonic()
        try:
            return self._done(fault, request, lambda: self._asked(ask, writes=writes))
        finally:
            if self.slow and time.monotonic() - began > UNCERTAIN:
                passage.fault = passage.fault or "slow"

    def _asked(self, ask: Ask, *, writes: bool) -> HttpAnswer:
        answer = ask()
        if writes:
            self.witness.look("ours")
        return answer

    def _drawn(self, request: HttpRequest, *, writes: bool) -> str | None:
        """Return what is to be done to *request*."""
        if self.outage is not None and self._number >= self.outage:
            return "drop"
        if self.random.random() >= self.badness or urlsplit(request.path).path == "/v1/":
            return None
        chances = TO_WRITES if writes else TO_READS
        (fault,) = self.random.choices(list(chances), list(chances.values()))
        if fault.startswith("slow") and not self.slow:
            return None
        if fault.startswith("collision") and self.server.storage != "postgresql":
            return None
        if fault == "collision in history" and not self.server.history:
            return "collision"
        return fault

    def _done(self, fault: str | None, request: HttpRequest, ask: Ask) -> HttpAnswer | bytes | None:
        kind, _, more = (fault or "").partition(" ")
        if kind == "":
            return ask()
        if kind == "collision":
            return self._collided(request, ask, in_history=bool(more))
        if more == "applied" or kind in ("lose", "truncate") or fault == "slow":
            answer = ask()
        if more == "ghost" or kind == "ghost":
            self._ghosts.append((self._number + self.random.randrange(1, 5), request))
        if kind == "truncate":
            head, body = answer.encoded()
            return head + body[: len(body) // 2]
        if kind == "half":
            self.proxy.forward_half(request)
        if kind == "slow":
            self._next.wait(PATIENCE)  # Until its client has given up.
        return _forged(int(kind), more) if kind.isdigit() else None

    def _collided(self, request: HttpRequest, ask: Ask, *, in_history: bool) -> HttpAnswer:
        """Have one of the writes of *request* refused by the database."""
        before = self.random.randrange(len(request.entries))
        places = sorted({key.partition("/")[0] for key in keys_in(request)})
        place = self.random.choice(places)
        path = f"/buckets/{self.bucket}/collections/{place}/records"
        if in_history:
            before, path = 0, f"/buckets/{self.bucket}/history"
        answer: list[HttpAnswer] = []
        try:
            with collide(self.server, path, before):
                answer.append(ask())
        except AssertionError:
            self.struck["collision missed"] += 1  # So many writes were not made: preconditions.
        return answer[0]

    def _appear(self, number: int | None) -> None:
        """Have the ghosts arrive whose time has come; all of them, if *number* is None."""
        due = [each for each in self._ghosts if number is None or each[0] <= number]
        self._ghosts = [each for each in self._ghosts if each not in due]
        for _, request in due:
            self.proxy.forward(request)
            self.witness.look("ours")


def _forged(status: int, more: str) -> HttpAnswer:
    """Return what a gateway answers, or Kinto itself."""
    headers = [("retry-after", "1" if more == "busy" else "0")] if status in (429, 503) else []
    if more in ("applied", "ghost") or status == 502:
        page = b"<html><body>The server is not available.</body></html>"
        return HttpAnswer(status, [*headers, ("content-type", "text/html")], page)
    body = b'{"code": %d, "errno": 201, "error": "Oops", "message": "not now"}' % status
    return HttpAnswer(status, [*headers, ("content-type", "application/json")], body)


def told(struck: Counter[str]) -> str:
    """Return what has struck, and how often."""
    return ", ".join(f"{count}x {fault}" for fault, count in sorted(struck.items())) or "fair"
