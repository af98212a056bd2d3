"""The findings as a table, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from benchmarks.questions import BARE, REQUESTS, THEIRS, Unit
from benchmarks.results import Finding, Spread


_HEAD: Final = (
    "question", "of what", "kinto-orm", "kinto-http", "bare wire", "ratio", "goal", "met",
)  # fmt: skip
_BEFORE_AND_AFTER: Final = (
    "question", "of what", "before", "ratio", "met", "after", "ratio", "goal", "met",
)  # fmt: skip


def table(findings: Iterable[Finding]) -> str:
    """Return *findings* as a table."""
    return _lines(_HEAD, [(each.answers.question.title, *_cells(each)) for each in findings])


def comparison(before: Iterable[Finding], after: Iterable[Finding]) -> str:
    """Return a table of what kinto-orm took before and takes after, where both were measured."""
    known = {(each.answers.name, each.goal): each for each in before}
    rows: list[tuple[str, ...]] = []
    for each in after:
        other = known.get((each.answers.name, each.goal))
        if other is not None:
            own, now = (_own(other), _ratio(other), _met(other)), (_own(each), _ratio(each))
            title = each.answers.question.title
            rows.append((title, each.goal.what, *own, *now, _goal(each), _met(each)))
    return _lines(_BEFORE_AND_AFTER, rows)


def _own(finding: Finding) -> str:
    value = finding.value(finding.goal.of)
    return "" if value is None else written(value, finding.goal.unit)


def _lines(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table; what its first column has, it has once."""
    found, before = [head, ("---",) * len(head)], ""
    for title, *cells in rows:
        found.append(("" if title == before else title, *cells))
        before = title
    return "\n".join(f"| {' | '.join(row)} |" for row in found)


def _cells(finding: Finding) -> tuple[str, ...]:
    goal, unit = finding.goal, finding.goal.unit
    values = [finding.value(who) for who in (goal.of, THEIRS, BARE)]
    own, theirs, bare = ("" if value is None else written(value, unit) for value in values)
    if goal.against == REQUESTS and (value := finding.value(REQUESTS)) is not None:
        bare = f"{written(value, unit)} ({REQUESTS})"
    return goal.what, own, theirs, bare, _ratio(finding), _goal(finding), _met(finding)


def _ratio(finding: Finding) -> str:
    if finding.found is None:
        return "not measured"
    if finding.goal.against is None and not finding.answers.sizes:
        return ""
    return spread(finding.found)


def _goal(finding: Finding) -> str:
    goal = finding.goal
    if goal.most is None:
        return "" if goal.against is None else f"none, beside {goal.against}"
    if finding.answers.sizes:
        return f"≤ {goal.most:.2f} × the first"
    if goal.against is None:
        return f"≤ {written(goal.most, goal.unit)}"
    return f"≤ {goal.most:.2f} × {goal.against}"


def _met(finding: Finding) -> str:
    return {None: "", True: "yes", False: "**no**"}[finding.met]


def spread(found: Spread) -> str:
    """Return a ratio, with the least and the greatest of all rounds."""
    return f"{found.usual:.2f} ({found.least:.2f}–{found.most:.2f})"


def written(value: float, unit: Unit) -> str:
    """Return a *value* with its unit, in as many digits as one reads."""
    if unit == "share":
        return f"{value:.1%}".replace("%", " %")
    if unit == "times":
        return f"{value:.2f}"
    factor, name = scale(value, unit)
    value = value / factor
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f} {name}".strip()


#: What each unit is called when there are many of it.
_SCALES: Final = {
    "µs": ((1, "µs"), (1e3, "ms"), (1e6, "s")),
    "s": ((1e-6, "µs"), (1e-3, "ms"), (1, "s")),
    "bytes": ((1, "bytes"), (1e3, "kB"), (1e6, "MB")),
    "instructions": ((1, ""), (1e3, "thousand"), (1e6, "million")),
}


def scale(most: float, unit: Unit) -> tuple[float, str]:
    """Return the unit in which values of up to *most* are well read, and how large it is."""
    fitting = [each for each in _SCALES[unit] if abs(most) >= each[0]]
    return fitting[-1] if fitting else _SCALES[unit][0]
