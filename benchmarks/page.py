"""The page of the documentation: docs/benchmarks.md, made from a template and from results."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from string import Template
from typing import Final

import orjson

from benchmarks.documents import Documents
from benchmarks.pictures import draw, is_drawn
from benchmarks.questions import BARE
from benchmarks.results import Finding, Results, findings, slower
from benchmarks.table import spread, table


#: What contestants are called in a sentence.
_NAMES: Final = {BARE: f"the {BARE}"}

_TEMPLATE: Final = Path(__file__).with_name("page.md")


def write_page(results: Results, docs: Path) -> None:
    """Write the page, its pictures, and the results that they are made from."""
    folder = docs / "benchmarks"
    folder.mkdir(exist_ok=True)
    for each in _by_question(results):
        draw(each, folder)
    results.write(folder / "results.json")
    (docs / "benchmarks.md").write_text(page(results), encoding="utf-8")


def page(results: Results) -> str:
    """Return the text of the page."""
    found = findings(results)
    goals = [each for each in found if each.met is not None]
    least, most = _rounds(results)
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        minutes=f"in {results.seconds / 60:.0f} minutes here",
        count=len(goals),
        met=sum(each.met is True for each in goals),
        table=table(found),
        rounds=f"{least} rounds" if least == most else f"{least} to {most} rounds",
        slower=_slower(results),
        questions="\n\n".join(_section(each) for each in _by_question(results)),
        bytes=_usual_bytes(),
        versions=_versions(results),
    )


def _by_question(results: Results) -> list[list[Finding]]:
    return [list(each) for _, each in groupby(findings(results), lambda each: each.answers.name)]


def _rounds(results: Results) -> tuple[int, int]:
    counts = [len(each.rounds) for each in results.answers if len(each.rounds) > 1]
    return min(counts, default=1), max(counts, default=1)


def _section(found: Sequence[Finding]) -> str:
    answers = found[0].answers
    question = answers.question
    parts = [f"### {question.title}", question.note]
    if is_drawn(found):
        picture = f"![{question.title}: {_summary(found)}](benchmarks/{question.name}.svg)"
        parts.append(picture)
    return "\n\n".join(parts)


def _summary(found: Sequence[Finding]) -> str:
    """Return in words what the picture shows, for who cannot see it."""
    told = [
        f"{each.goal.what}, {spread(each.found)} of {each.goal.against}"
        for each in found
        if each.found is not None and each.goal.against is not None
    ]
    return "; ".join(told) or _measured(found)


def _measured(found: Sequence[Finding]) -> str:
    """Return what is measured."""
    return ", ".join(dict.fromkeys(each.goal.what for each in found))


def _slower(results: Results) -> str:
    lines = [
        f"- {question.title}, {goal.what}: {goal.of} takes {spread(times)} times what"
        f" {_NAMES.get(other, other)} takes."
        for question, goal, other, times in slower(results)
    ]
    if not lines:
        return "Nowhere, of what was measured."
    head = "By the median of the rounds; the least and the greatest in brackets."
    return "\n".join([head, "", *lines])


def _usual_bytes() -> int:
    documents = Documents().first(1000)
    return round(len(orjson.dumps(documents)) / len(documents))


def _versions(results: Results) -> str:
    parts = [f"{name} {version}" for name, version in results.versions.items()]
    where = ", ".join(f"{name}: {value}" for name, value in results.machine.items())
    return f"Measured were {', '.join(parts)}; on this machine: {where}."
