"""What is asked, and the goals; nowhere else are there any."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from attrs import field, frozen


OURS: Final = "kinto-orm"
THEIRS: Final = "kinto-http"
BARE: Final = "bare wire"

#: What a figure counts, and how it is written.
Unit = Literal["µs", "s", "bytes", "instructions", "requests", "share", "times"]


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
        quick_rounds: How often in a quick run; 0 if it is left out there.
        warmth: How many are done first, unmeasured.
        sizes: All sizes, if it is asked for several.
        goals: What is to be reached.
        note: What there is to know about it, for who reads the page.
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
    goals: tuple[Goal, ...]
    note: str = ""


def _all(function: str, *without: str) -> dict[str, str]:
    modules = {OURS: "ours", THEIRS: "kinto_http", BARE: "bare"}
    return {who: f"{module}.{function}" for who, module in modules.items() if who not in without}


def _cpu(most: float, against: str, what: str, of: str = OURS) -> Goal:
    return Goal("each", f"CPU {what}", "µs", most, against, of)


_LOADING = (_cpu(1.0, THEIRS, "a record"), _cpu(2.0, BARE, "a record"))

QUESTIONS: Final = (
    Question(
        name="load-5000",
        title="Load 5,000 records, typed and tracked",
        contestants=_all("load"),
        size=5_000,
        quick=1_000,
        goals=_LOADING,
        note="In pages of 1,000. The others have dictionaries afterwards.",
    ),
    Question(
        name="commit-1000",
        title="Commit 1,000 changed of 5,000 loaded",
        contestants=_all("commit"),
        size=5_000,
        quick=1_000,
        goals=(
            _cpu(0.7, THEIRS, "a change"),
            Goal("rounding", "requests, of ⌈n / 25⌉", "times", 1.0),
            Goal("body", "bytes sent", "bytes", 1.1, BARE),
        ),
        note=(
            "One leaf of each is changed: a name, a date, or something in a nested object. The"
            " others are told what has changed; kinto-orm finds out. The bare wire sends the"
            " shortest batch with preconditions that says the same."
        ),
    ),
    Question(
        name="get",
        title="Get one record, 500 times",
        contestants={
            OURS: "ours.get_in_session",
            "kinto-orm's client": "ours.get",
            **_all("get", OURS),
        },
        size=500,
        quick=100,
        goals=(
            _cpu(1.0, THEIRS, "a request"),
            _cpu(1.0, THEIRS, "a request, by the client alone", "kinto-orm's client"),
        ),
        note="kinto-orm: by a session that does not have it yet, as a typed and tracked record.",
    ),
)
