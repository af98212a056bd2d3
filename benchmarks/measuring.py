"""Asking the questions: rounds, in which each contestant has its turn, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias

from attrs import define, field

from benchmarks.questions import Question
from benchmarks.run import Figures
from benchmarks.servers import serving


#: The folder that this package is in.
ROOT: Final = Path(__file__).resolve().parent.parent

#: Of each round, the figures of each contestant.
Rounds: TypeAlias = list[dict[str, Figures]]


@contextmanager
def surroundings(package: Path) -> Generator[dict[str, str]]:
    """Give an environment in which programs find this suite, and the package that is in a folder."""
    if not (package / "kinto_orm" / "__init__.py").is_file():
        msg = f"there is no kinto_orm in {package}"
        raise FileNotFoundError(msg)
    with TemporaryDirectory() as folder:
        Path(folder, "benchmarks").symlink_to(ROOT / "benchmarks")
        Path(folder, "kinto_orm").symlink_to(package.resolve() / "kinto_orm")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        yield {**kept, "PYTHONPATH": folder, "PYTHONHASHSEED": "0"}


@define
class Laboratory:
    """
    Where samples are taken.

    Attributes:
        environment: That of the processes.
        quick: Whether little is to be done.
        say: Where it tells what it does.
    """

    environment: Mapping[str, str]
    quick: bool
    say: Callable[[str], object]
    _servers: dict[str, str] = field(factory=dict)
    _open: ExitStack = field(factory=ExitStack)

    def __enter__(self) -> Laboratory:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def asked(self, question: Question) -> Rounds:
        """Return what was found in all rounds of *question*."""
        size = question.quick if self.quick else question.size
        rounds = question.quick_rounds if self.quick else question.rounds
        found = []
        for number in range(rounds):
            self.say(f"{question.name}: round {number + 1} of {rounds}")
            found.append(self._round(question, size, number))
        return found

    def _round(self, question: Question, size: int, number: int) -> dict[str, Figures]:
        """Let each contestant have its turn: who begins differs from round to round."""
        names = list(question.contestants)
        start = number % len(names)
        base = self._server(question.server) if question.server else ""
        return {
            name: self._sample(question.contestants[name], base, size, question.warmth)
            for name in names[start:] + names[:start]
        }

    def _sample(self, work: str, base: str, size: int, warmth: int) -> Figures:
        command = [sys.executable, "-P", "-m", "benchmarks.sample"]
        run = subprocess.run(  # noqa: S603 (our own program)
            [*command, work, base, str(size), str(warmth)],
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        figures: Figures = json.loads(run.stdout)
        return figures

    def _server(self, name: str) -> str:
        if name not in self._servers:
            self._servers[name] = self._open.enter_context(serving(name, self.environment))
        return self._servers[name]
