"""What was found, as it is kept, and what it means."""

from __future__ import annotations

import json
import statistics

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import asdict, field, frozen

from benchmarks.questions import OURS, QUESTIONS, Goal, Question
from benchmarks.run import Figures


#: Of each round, the figures of each contestant.
Rounds: TypeAlias = Sequence[Mapping[str, Figures]]

#: How many digits of a figure are kept.
_DIGITS: Final = 6


@frozen
class Answers:
    """
    What was found for a question.

    Attributes:
        name: Which question.
        size: How many records, or requests.
        sizes: All sizes, if there were several.
        rounds: The figures of each contestant, of each round.
    """

    name: str
    size: int
    sizes: Sequence[int]
    rounds: Rounds

    @property
    def question(self) -> Question:
        """Return the question."""
        (found,) = (each for each in QUESTIONS if each.name == self.name)
        return found

    def values(self, who: str, figure: str) -> list[float]:
        """Return a figure of one contestant, of each round that has it."""
        found = (each.get(who, {}).get(figure) for each in self.rounds)
        return [value for value in found if value is not None]


@frozen
class Results:
    """
    All that was found.

    Attributes:
        quick: Whether little was done.
        machine: What it was measured on, by name.
        versions: Of what was measured, by name.
        seconds: How long it took.
        answers: What was found for each question.
    """

    quick: bool
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    seconds: float
    answers: Sequence[Answers] = field(factory=tuple)

    def write(self, path: Path) -> None:
        """Write them to a file."""
        text = json.dumps(_rounded(asdict(self)), indent=1, ensure_ascii=False)
        path.write_text(f"{text}\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Results:
        """Return those of a file."""
        kept = json.loads(path.read_text(encoding="utf-8"))
        answers = [Answers(**each) for each in kept.pop("answers")]
        return cls(**kept, answers=answers)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, Mapping):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return value


@frozen
class Spread:
    """The median of some values, the least and the greatest."""

    usual: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread | None:
        """Return that of *values*; None if there are none."""
        found = sorted(values)
        return cls(statistics.median(found), found[0], found[-1]) if found else None


@frozen
class Finding:
    """
    What became of a goal.

    Attributes:
        answers: Those to its question.
        goal: The goal.
        found: What is compared with the goal; None if it could not be measured.
    """

    answers: Answers
    goal: Goal
    found: Spread | None

    @property
    def met(self) -> bool | None:
        """Tell whether the goal is met; None if there is none, or nothing was found."""
        if self.found is None or self.goal.most is None:
            return None
        return self.found.usual <= self.goal.most

    def value(self, who: str) -> float | None:
        """Return the median of what a contestant took."""
        figure = self.goal.figure
        if self.answers.sizes:
            figure = sized(self.answers.sizes[-1], figure)
        found = Spread.of(self.answers.values(who, figure))
        return None if found is None else found.usual


def findings(results: Results) -> list[Finding]:
    """Return what became of the goals of all questions that were asked."""
    return [
        Finding(answers, goal, _found(answers, goal))
        for answers in results.answers
        for goal in answers.question.goals
    ]


def sized(size: int, figure: str) -> str:
    """Return the name of a *figure* at one of several sizes."""
    return f"{size} {figure}"


def _found(answers: Answers, goal: Goal) -> Spread | None:
    if answers.sizes:
        first, last = answers.sizes[0], answers.sizes[-1]
        over = (goal.of, sized(last, goal.figure))
        return ratio(answers, over, (goal.of, sized(first, goal.figure)))
    over = (goal.of, goal.figure)
    if goal.against is None:
        return Spread.of(answers.values(*over))
    return ratio(answers, over, (goal.against, goal.figure))


def ratio(answers: Answers, over: tuple[str, str], under: tuple[str, str]) -> Spread | None:
    """Return how often one contestant's figure is another's, within each round."""
    pairs = zip(answers.values(*over), answers.values(*under), strict=False)
    return Spread.of(one / other for one, other in pairs)


def slower(results: Results) -> list[tuple[Question, Goal, str, Spread]]:
    """Return where another contestant takes less: the question, of what, who, how many times."""
    found: dict[tuple[str, str, str, str], tuple[Question, Goal, str, Spread]] = {}
    for each in findings(results):
        answers, goal = each.answers, each.goal
        if answers.sizes or goal.unit not in ("µs", "s", "bytes"):
            continue
        for other in answers.question.contestants:
            times = ratio(answers, (goal.of, goal.figure), (other, goal.figure))
            if OURS in other or times is None or times.usual <= 1:
                continue
            found[answers.name, goal.figure, goal.of, other] = answers.question, goal, other, times
    return list(found.values())
