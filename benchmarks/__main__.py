"""Ask the questions, and show what was found: see ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import sys
import time

from pathlib import Path
from typing import Final

from benchmarks.machine import machine, versions
from benchmarks.measuring import ROOT, Laboratory, surroundings
from benchmarks.page import write_page
from benchmarks.questions import QUESTIONS, Question
from benchmarks.results import Results, findings
from benchmarks.table import comparison, table


#: Where the page is, and its pictures.
DOCS: Final = ROOT / "docs"


def main(arguments: list[str] | None = None) -> None:
    """Do what the arguments say."""
    given = _parser().parse_args(arguments)
    if given.results is not None:
        results = Results.read(given.results)
    else:
        questions = chosen(given.questions, quick=given.quick)
        results = measured(questions, given.package, quick=given.quick)
    if given.keep is not None:
        results.write(given.keep)
    if given.before is not None:
        text = comparison(findings(Results.read(given.before)), findings(results))
    else:
        text = table(findings(results))
    is_partial = given.quick or given.questions or given.package != ROOT
    if not (is_partial or given.print_only):
        write_page(results, DOCS)
    sys.stdout.write(f"{text}\n")


def chosen(names: list[str], *, quick: bool = False) -> list[Question]:
    """
    Return the questions with these *names*; all of them, or all that are quick, if there are none.

    Raises:
        SystemExit: If there is no such question.
    """
    known = {each.name: each for each in QUESTIONS}
    if wrong := [name for name in names if name not in known]:
        msg = f"there is no question {', '.join(wrong)}; there are {', '.join(known)}"
        raise SystemExit(msg)
    if names:
        return [known[name] for name in names]
    return [each for each in QUESTIONS if each.quick_rounds or not quick]


def measured(questions: list[Question], package: Path, *, quick: bool) -> Results:
    """Ask *questions* of the package that is in a folder."""
    began = time.monotonic()
    with surroundings(package) as environment, Laboratory(environment, quick, _say) as laboratory:
        _say(f"measuring {laboratory.measured()}")
        if quick:
            _say("quick: there are fewer records than the titles say, and fewer rounds")
        answers = [laboratory.asked(each) for each in questions]
    seconds = time.monotonic() - began
    _say(f"took {seconds:.0f} s")
    return Results(quick, machine(), versions(package), seconds, answers)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("questions", nargs="*", help="the names of those to ask; all, and the page, if omitted")
    add("--quick", action="store_true", help="do little, and print the table alone")
    add("--package", type=Path, default=ROOT, help="a folder with another kinto_orm to measure")
    add("--from", dest="results", type=Path, help="show what was found before; measure nothing")
    add("--before", type=Path, help="show beside it what was found before, in this file")
    add("--keep", type=Path, help="write what was found to this file, too")
    add("--print-only", action="store_true", help="print the table, and leave the page as it is")
    return parser


if __name__ == "__main__":
    main()
