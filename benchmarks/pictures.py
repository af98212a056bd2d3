"""One picture for each question."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

from attrs import frozen
from matplotlib.figure import Figure

from benchmarks.questions import AWAITING, BARE, CLIENT, NAMES, OURS, REQUESTS, THEIRS, Goal
from benchmarks.results import Finding, Spread, sized
from benchmarks.table import scale, written


# Of Okabe and Ito, whose colours are told apart by whoever has eyes, on paper of any colour: they
# are on a white one here, so that a dark page does not matter.
_COLOURS: Final = {
    OURS: "#0072b2",
    CLIENT: "#56b4e9",
    AWAITING: "#56b4e9",
    NAMES: "#56b4e9",
    THEIRS: "#e69f00",
    BARE: "#999999",
    REQUESTS: "#999999",
}
_GOAL: Final = "#d55e00"
_TEXT: Final = "#222222"

#: What makes files the same each time, if what they show is.
_STYLE: Final[Any] = {
    "svg.hashsalt": "kinto-orm",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": _TEXT,
    "axes.labelcolor": _TEXT,
    "xtick.color": _TEXT,
    "ytick.color": _TEXT,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_NO_DATE: Final = {"Date": None, "Creator": None}

#: Where a label is: at a point, on its right; and what is behind it, so that no line crosses it.
_BESIDE: Final[Any] = {"textcoords": "offset points", "va": "center"}
_PAPER: Final = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}


@frozen
class Bar:
    """A bar: what it is called, how long it is, and in which colour."""

    label: str
    length: Spread
    colour: str


def draw(findings: Sequence[Finding], folder: Path) -> None:
    """Write the picture of a question, of which these are all *findings*."""
    answers = findings[0].answers
    with mpl.rc_context(_STYLE):
        figure = _lines(findings) if answers.sizes else _bars(findings)
        if figure is not None:
            path = folder / f"{answers.name}.svg"
            figure.savefig(path, metadata=_NO_DATE, facecolor="white", bbox_inches="tight")


def is_drawn(findings: Sequence[Finding]) -> bool:
    """Tell whether there is anything to show."""
    return bool(findings[0].answers.sizes or _bars_of(findings))


# -- Bars --------------------------------------------------------------------------------------


def _bars(findings: Sequence[Finding]) -> Figure | None:
    bars = _bars_of(findings)
    if not bars:
        return None
    answers = findings[0].answers
    unit = answers.question.shown or findings[0].goal.unit
    goals = _goals(findings, bars)
    longest = max([*(bar.length.most for bar in bars), *goals.values()])
    factor, name = scale(longest, unit)
    figure = Figure(figsize=(7.2, 1.2 + 0.42 * len(bars) + 0.22 * len(goals)))
    axes = figure.add_subplot()
    for place, bar in enumerate(bars):
        _bar(axes, place, bar, factor, written(bar.length.usual, unit))
    leftmost_last = sorted(goals.items(), key=lambda goal: -goal[1])  # Its label is the highest.
    for place, (label, length) in enumerate(leftmost_last):
        height, bottom = -0.65 - 0.42 * place, len(bars) - 0.5
        _goal_line(axes, length / factor, label, height, bottom)
    axes.set_yticks(range(len(bars)), [bar.label for bar in bars])
    axes.set_ylim(len(bars) - 0.5, -0.9 - 0.42 * max(len(goals) - 1, 0))
    axes.set_xlim(0, longest / factor * 1.14)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"{answers.question.axis}{name and ', '}{name}")
    axes.set_title(answers.question.title, loc="left", fontweight="bold")
    return figure


def _bar(axes: Any, place: int, bar: Bar, factor: float, text: str) -> None:
    found = bar.length
    usual, least, most = (each / factor for each in (found.usual, found.least, found.most))
    axes.barh(place, usual, height=0.62, color=bar.colour)
    axes.plot([least, most], [place, place], color=_TEXT, linewidth=1)
    axes.annotate(text, (most, place), xytext=(5, 0), **_BESIDE, bbox=_PAPER)


def _goal_line(axes: Any, length: float, label: str, height: float, bottom: float) -> None:
    axes.plot([length, length], [height, bottom], color=_GOAL, linestyle="--", linewidth=1.4)
    axes.annotate(label, (length, height), xytext=(4, 0), **_BESIDE, color=_GOAL)


def _bars_of(findings: Sequence[Finding]) -> list[Bar]:
    """Return a bar for each contestant; if there is one alone, for each thing that it says."""
    answers, figure = findings[0].answers, findings[0].goal.figure
    told = answers.question.told
    if told:
        found = [(label, Spread.of(answers.values(OURS, name)), OURS) for label, name in told]
    else:
        names = answers.question.contestants
        found = [(name, Spread.of(answers.values(name, figure)), name) for name in names]
    return [Bar(label, length, _COLOURS[who]) for label, length, who in found if length is not None]


def _goals(findings: Sequence[Finding], bars: Sequence[Bar]) -> dict[str, float]:
    """Return where the goals are, by what is written at them."""
    figure = findings[0].goal.figure
    found = {}
    for each in findings:
        goal = each.goal
        if goal.figure == figure and goal.most is not None:
            label, length = _goal(each, goal, bars)
            found[label] = length
    return found


def _goal(finding: Finding, goal: Goal, bars: Sequence[Bar]) -> tuple[str, float]:
    assert goal.most is not None
    if finding.answers.question.told:  # Where the second is to be, as far as the first is.
        return f"goal: {goal.most:.2f} × the first", goal.most * bars[0].length.usual
    if goal.against is None:
        return f"goal: {written(goal.most, goal.unit)}", goal.most
    other = finding.value(goal.against)
    assert other is not None
    return f"goal: {goal.most:.2f} × {goal.against}", goal.most * other


# -- Lines -------------------------------------------------------------------------------------


def _lines(findings: Sequence[Finding]) -> Figure:
    """Draw what each record takes, over how many there are: each figure beside the others."""
    question = findings[0].answers.question
    figure = Figure(figsize=(8.4, 3.2), layout="constrained")
    every = figure.subplots(1, len(findings))
    for axes, finding in zip(every, findings, strict=True):
        _panel(axes, finding)
    figure.supxlabel("records in the session", fontsize=10)
    every[0].set_ylabel(f"{question.axis}, {findings[0].goal.unit}")
    figure.suptitle(question.title, x=0.01, ha="left", fontweight="bold", fontsize=12)
    return figure


def _panel(axes: Any, finding: Finding) -> None:
    sizes = finding.answers.sizes
    own, theirs = _usual(finding, OURS), _usual(finding, THEIRS)
    _line(axes, sizes, own, OURS)
    if theirs:
        _line(axes, sizes, theirs, THEIRS)
    highest = max([*own, *theirs])
    if finding.goal.most is not None:
        highest = max(highest, own[0] * finding.goal.most)
        _limit(axes, sizes, own[0], finding.goal.most)
    axes.set_title(finding.goal.what, fontsize=10)
    axes.set_xscale("log")
    axes.set_xlim(sizes[0] / 1.6, sizes[-1] * 1.6)
    axes.set_xticks(sizes, [_short(size) for size in sizes])
    axes.minorticks_off()
    axes.set_ylim(0, highest * 1.25)


def _line(axes: Any, sizes: Sequence[int], values: Sequence[float], who: str) -> None:
    axes.plot(sizes, values, color=_COLOURS[who], marker="o")
    above: Any = {"xytext": (0, 8), "textcoords": "offset points", "bbox": _PAPER}
    axes.annotate(who, (sizes[0], values[0]), **above)
    axes.annotate(written(values[-1], "µs"), (sizes[-1], values[-1]), ha="right", **above)


def _limit(axes: Any, sizes: Sequence[int], first: float, most: float) -> None:
    """Draw how far up it may go."""
    height = first * most
    axes.plot([sizes[0], sizes[-1]], [height] * 2, color=_GOAL, linestyle="--", linewidth=1.4)
    place: Any = {"xytext": (0, 4), "textcoords": "offset points"}
    axes.annotate(f"goal: {most:g} × the first", (sizes[0], height), color=_GOAL, **place)


def _short(size: int) -> str:
    return f"{size // 1000}k" if size >= 1000 else str(size)


def _usual(finding: Finding, who: str) -> list[float]:
    """Return the medians of a figure, of each size that has it."""
    answers, figure = finding.answers, finding.goal.figure
    spreads = (Spread.of(answers.values(who, sized(size, figure))) for size in answers.sizes)
    return [found.usual for found in spreads if found is not None]
