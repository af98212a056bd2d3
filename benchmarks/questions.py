"""What is asked, and the goals; nowhere else are there any."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from attrs import frozen


#: Who answers.
OURS: Final = "kinto-orm"
CLIENT: Final = "kinto-orm's client"
AWAITING: Final = "kinto-orm, awaiting"
NAMES: Final = "kinto-orm, its names"
THEIRS: Final = "kinto-http"
BARE: Final = "bare wire"
REQUESTS: Final = "requests"

#: What a figure counts, and how it is written.
Unit = Literal["µs", "s", "bytes", "instructions", "share", "times"]


@frozen
class Goal:
    """
    What a figure is to be at the most.

    Attributes:
        figure: The name of the figure.
        what: What it is, in words.
        unit: What it counts.
        most: The most that is well: times the other's, or, if there is no other, as it is.  None
            if it is only told.
        against: Whose figure it is compared with.
        of: Whose figure it is.
    """

    figure: str
    what: str
    unit: Unit
    most: float | None
    against: str | None = None
    of: str = OURS


@frozen(kw_only=True)
class Question:
    """
    A question.

    Attributes:
        name: How it is asked for.
        title: What it is, in words.
        contestants: Who answers it, and with which function of `benchmarks.contestants`.
        server: Which of the servers is asked; none if empty.
        size: How many records, or requests.
        quick: How many in a quick run.
        rounds: How often each contestant has its turn.
        quick_rounds: How often in a quick run; 0 if it is left out there, unless it is named.
        warmth: How many are done first, unmeasured.
        sizes: All sizes, if it is asked for several; the goals are then how much a figure may
            be at the last, of what it is at the first.
        quick_sizes: These, in a quick run.
        goals: What is to be reached.
        note: What there is to know about it, for who reads the page.
        axis: What its picture shows: the figure of its first goal.
        told: What it shows instead, if there is one contestant alone: words, and figures.
        shown: What these count.
    """

    name: str
    title: str
    contestants: Mapping[str, str]
    server: str = "canned"
    size: int
    quick: int
    rounds: int = 7
    quick_rounds: int = 2
    warmth: int = 50
    sizes: tuple[int, ...] = ()
    quick_sizes: tuple[int, ...] = ()
    goals: tuple[Goal, ...]
    note: str = ""
    axis: str = "CPU time for each record"
    told: tuple[tuple[str, str], ...] = ()
    shown: Unit | None = None


def _all(function: str) -> dict[str, str]:
    modules = {OURS: "ours", THEIRS: "kinto_http", BARE: "bare"}
    return {who: f"{module}.{function}" for who, module in modules.items()}


def _others(function: str) -> dict[str, str]:
    return {who: work for who, work in _all(function).items() if who != OURS}


def _cpu(most: float | None, against: str | None, what: str, of: str = OURS) -> Goal:
    return Goal("each", f"CPU {what}", "µs", most, against, of)


def _wall(most: float, against: str, what: str, of: str = OURS) -> Goal:
    return Goal("wall", f"time {what}", "s", most, against, of)


def _loading(count: int, *, quick: int, rounds: int, quick_rounds: int) -> Question:
    return Question(
        name=f"load-{count}",
        title=f"Load {count:,} records, typed and tracked",
        contestants=_all("load"),
        size=count,
        quick=quick,
        rounds=rounds,
        quick_rounds=quick_rounds,
        goals=(_cpu(1.0, THEIRS, "a record"), _cpu(2.0, BARE, "a record")),
        note="In pages of 1,000. The others have dictionaries afterwards.",
    )


#: As one record is read or written by the session, and by the client alone.
_ONE: Final = (
    _cpu(1.0, THEIRS, "a request"),
    _cpu(1.0, THEIRS, "a request, by the client alone", CLIENT),
)

QUESTIONS: Final = (
    _loading(5_000, quick=1_000, rounds=7, quick_rounds=2),
    _loading(100_000, quick=5_000, rounds=7, quick_rounds=1),
    Question(
        name="commit-1000",
        title="Commit 1,000 changed of 5,000 loaded",
        contestants=_all("commit"),
        size=5_000,
        quick=1_000,
        goals=(
            _cpu(0.7, THEIRS, "a change"),
            Goal("rounding", "requests, of ⌈changes / 25⌉", "times", 1.0),
            Goal("body", "bytes sent", "bytes", 1.1, BARE),
        ),
        axis="CPU time for each change",
        note=(
            "One leaf of each is changed: a name, a date, or something in a nested object. The"
            " others are told what has changed; kinto-orm finds out. The bare wire sends the"
            " shortest batches with preconditions that say the same."
        ),
    ),
    Question(
        name="commit-nothing",
        title="Commit nothing, with 10,000 loaded",
        contestants=_all("commit_nothing"),
        size=10_000,
        quick=2_000,
        goals=(_cpu(1.0, None, "a record"), _cpu(None, BARE, "a record")),
        note=(
            "The bare wire compares the dictionaries with a copy, by `==`; kinto-http with its"
            " `collection_diff`. The ratio says more than the time where machines differ."
        ),
    ),
    Question(
        name="get",
        title="Get one record, 500 times",
        contestants={OURS: "ours.get_in_session", CLIENT: "ours.get", **_others("get")},
        size=500,
        quick=100,
        goals=_ONE,
        axis="CPU time for each request",
        note="kinto-orm: by a session that does not have it yet, as a typed and tracked record.",
    ),
    Question(
        name="patch",
        title="Patch one record, 500 times",
        contestants={OURS: "ours.patch_in_session", CLIENT: "ours.patch", **_others("patch")},
        size=500,
        quick=100,
        goals=_ONE,
        axis="CPU time for each request",
        note="kinto-orm: a field of a record in a session is changed, and committed.",
    ),
    Question(
        name="create",
        title="Create 500 records on a real Kinto",
        contestants={
            OURS: "ours.create",
            AWAITING: "ours.create_awaiting",
            THEIRS: "kinto_http.create",
        },
        server="stored",
        size=500,
        quick=250,
        rounds=9,
        quick_rounds=1,
        goals=(
            _wall(1.0, THEIRS, "blocking"),
            _wall(1.0, THEIRS, "awaiting", AWAITING),
            Goal("share", "client's CPU, of the time, blocking", "share", 0.05),
            Goal("share", "client's CPU, of the time, awaiting", "share", 0.05, of=AWAITING),
        ),
        axis="time in all",
        note=(
            "On PostgreSQL, in batches of 25, each of which takes as long as the one before: many"
            " short rounds say more than a few long ones. It is the server's time that is seen"
            " here. kinto-http's awaiting client cannot send batches: its blocking one is what both"
            " are compared with."
        ),
    ),
    Question(
        name="read-far",
        title="Read 100,000 records of a server that is 50 ms away",
        contestants=_all("read_far"),
        server="far",
        size=100_000,
        quick=10_000,
        rounds=3,
        quick_rounds=1,
        goals=(_wall(0.6, THEIRS, "in all"),),
        axis="time in all",
        note=(
            "In pages of 1,000. Pieces of the text of each record are counted, which takes some 45"
            " µs: a page is used for about as long as the next one is waited for. That is where"
            " most can be won; a program that does nothing with its records wins nothing."
        ),
    ),
    Question(
        name="memory",
        title="Keep 100,000 records in memory",
        contestants=_all("hold"),
        size=100_000,
        quick=10_000,
        rounds=3,
        quick_rounds=1,
        goals=(Goal("held each", "memory a record", "bytes", 2.0, BARE),),
        axis="memory for each record",
        note=(
            "How much the resident memory of the process grows, after a collection of garbage, and"
            " after what is free was given back to the system. The bare wire has the dictionaries"
            " of orjson, kinto-http those of Python's own parser."
        ),
    ),
    Question(
        name="streaming",
        title="Read 100,000 records and keep none",
        contestants={OURS: "ours.stream"},
        size=100_000,
        quick=30_000,
        rounds=3,
        quick_rounds=1,
        goals=(Goal("grown", "peak of memory at the end, of that after a fifth", "times", 1.05),),
        axis="memory of the process at the most, so far",
        told=(("after a fifth", "early"), ("at the end", "late")),
        shown="bytes",
        note="Untracked, page by page.",
    ),
    Question(
        name="concurrent-gets",
        title="Get 1,000 records at the same time, awaiting",
        contestants=_all("get_at_once"),
        size=1_000,
        quick=200,
        goals=(_wall(0.35, THEIRS, "in all"),),
        axis="time in all",
        note="With `asyncio.gather`. The bare wire is aiohttp, with 100 connections as is usual.",
    ),
    Question(
        name="growth",
        title="CPU for each record, as there are more of them",
        contestants={OURS: "ours.grow", THEIRS: "kinto_http.grow"},
        size=100_000,
        sizes=(1_000, 10_000, 100_000),
        quick=10_000,
        quick_sizes=(500, 2_000, 5_000),
        rounds=3,
        quick_rounds=1,
        goals=(
            Goal("load each", "load", "µs", 2.0),
            Goal("commit each", "commit a fifth, for each change", "µs", 2.0),
            Goal("nothing each", "commit nothing", "µs", 2.0),
        ),
        note=(
            "Linear is: each record takes the same, however many there are. It can be a bit more,"
            " since the collector of garbage looks at what is there again and again, and caches do"
            " not hold it: dictionaries, as kinto-http loads them, show how much."
        ),
    ),
    Question(
        name="import",
        title="Import the package",
        contestants={
            OURS: "programs.import_ours",
            NAMES: "programs.import_names",
            THEIRS: "programs.import_kinto_http",
            REQUESTS: "programs.import_requests",
        },
        server="",
        size=3,
        quick=1,
        warmth=0,
        goals=(
            _cpu(1.3, REQUESTS, "of a program that does nothing else"),
            _cpu(None, REQUESTS, "of one that imports Client, Record and Session", NAMES),
        ),
        axis="CPU time of a program",
        note=(
            "Whole processes, with their bytecode at hand. What a package loads late, it does not"
            " take here: so it is measured, too, what a program takes that names what it will use."
        ),
    ),
    Question(
        name="instructions",
        title="Instructions of two small cases",
        contestants={OURS: "programs.count_instructions"},
        server="",
        size=5,
        quick=1,
        rounds=1,
        quick_rounds=0,
        warmth=0,
        goals=(
            Goal("load", "load 50 records", "instructions", None),
            Goal("commit", "commit 5 changed of 50", "instructions", None),
        ),
        axis="instructions",
        told=(("load 50 records", "load"), ("commit 5 changed of 50", "commit")),
        note=(
            "Counted by valgrind's callgrind, without sockets, and without collections of garbage:"
            " they are the same each time, however noisy the machine is."
        ),
    ),
)
