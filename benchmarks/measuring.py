"""Asking the questions: rounds, in which each contestant has its turn, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Self

from attrs import define, field

from benchmarks.questions import Question
from benchmarks.results import Answers, sized
from benchmarks.run import Figures
from benchmarks.servers import serving


#: The folder that this package is in.
ROOT: Final = Path(__file__).resolve().parent.parent


@contextmanager
def surroundings(package: Path) -> Generator[dict[str, str]]:
    """Give an environment in which programs find this suite, and the package of a folder."""
    if not (package / "kinto_orm" / "__init__.py").is_file():
        msg = f"there is no kinto_orm in {package}"
        raise FileNotFoundError(msg)
    with TemporaryDirectory() as folder:
        Path(folder, "benchmarks").symlink_to(ROOT / "benchmarks")
        Path(folder, "kinto_orm").symlink_to(package.resolve() / "kinto_orm")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        yield {
            **kept,
            "PYTHONPATH": folder,
            "PYTHONPYCACHEPREFIX": f"{folder}/bytecode",  # The package's folder is only read.
            "PYTHONHASHSEED": "0",
        }


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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def measured(self) -> str:
        """Return where the package is that samples import."""
        program = "import kinto_orm; print(kinto_orm.__file__)"
        found = Path(self._output(["-c", program]).strip())
        return str(found.parent.resolve())

    def asked(self, question: Question) -> Answers:
        """Return what was found in all rounds of *question*."""
        size, sizes, rounds = question.size, question.sizes, question.rounds
        if self.quick:
            size, sizes = question.quick, question.quick_sizes
            rounds = max(1, question.quick_rounds)
        found = []
        for number in range(rounds):
            self.say(f"{question.name}: round {number + 1} of {rounds}")
            found.append(self._round(question, sizes or (size,), number))
        return Answers(question.name, size, sizes, found)

    def _round(self, question: Question, sizes: Sequence[int], number: int) -> dict[str, Figures]:
        """Let each contestant have its turn: who begins differs from round to round."""
        names = list(question.contestants)
        start = number % len(names)
        return {
            name: self._figures(question, name, sizes) for name in names[start:] + names[:start]
        }

    def _figures(self, question: Question, who: str, sizes: Sequence[int]) -> Figures:
        """Return the figures of one contestant, in one turn."""
        base = self._server(question.server) if question.server else ""
        work, warmth = question.contestants[who], question.warmth
        if len(sizes) == 1:
            return self._sample(work, base, sizes[0], warmth)
        found = {size: self._sample(work, base, size, warmth) for size in sizes}
        return {
            sized(size, name): value
            for size, figures in found.items()
            for name, value in figures.items()
        }

    def _sample(self, work: str, base: str, size: int, warmth: int) -> Figures:
        arguments = ["-m", "benchmarks.sample", work, base, str(size), str(warmth)]
        figures: Figures = json.loads(self._output(arguments))
        return figures

    def _output(self, arguments: list[str]) -> str:
        """Return what a Python prints."""
        return subprocess.run(  # noqa: S603 (our own program)
            [sys.executable, "-P", *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout

    def _server(self, name: str) -> str:
        if name not in self._servers:
            self._servers[name] = self._open.enter_context(serving(name, self.environment))
        return self._servers[name]
