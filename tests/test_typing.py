"""
What type checkers say of programs that use the package: the files in tests/typing.

A line that ends with ``# E`` is one that must be refused; with ``# E-mypy`` or ``# E-pyright``, by
that checker alone.  Every other line must be accepted.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest


pytestmark = pytest.mark.early  # Each takes seconds, and one core.

ROOT = Path(__file__).parent.parent
PROGRAMS = Path(__file__).parent / "typing"

#: A line: name of the file, and number from 1.
Line: TypeAlias = tuple[str, int]


def test_mypy() -> None:
    """mypy --strict refuses exactly what is marked."""
    files = sorted(str(path.relative_to(ROOT)) for path in PROGRAMS.glob("*.py"))
    options = ["--strict", "--config-file=", "--cache-dir=.mypy_cache/typing", "--no-pretty"]
    output = run("mypy", *options, *files)
    errors = re.findall(r"^.*?(\w+\.py):(\d+): error: (.*)$", output, re.MULTILINE)
    compare({(file, int(number)): text for file, number, text in errors}, marked("mypy"))


def test_pyright() -> None:
    """Pyright, strict, refuses exactly what is marked."""
    report = pyright("--project", str(PROGRAMS))
    compare(
        {
            (Path(each["file"]).name, each["range"]["start"]["line"] + 1): each["message"]
            for each in report["generalDiagnostics"]
            if each["severity"] == "error"
        },
        marked("pyright"),
    )


def test_completeness() -> None:
    """Everything public has a type that no checker needs to guess."""
    report = pyright("--verifytypes", "kinto_orm", "--ignoreexternal")["typeCompleteness"]
    guessed = [
        f"{symbol['name']}: {each['message'].partition(chr(10))[0]}"
        for symbol in report["symbols"]
        if symbol["isTypeAmbiguous"] or not symbol["isTypeKnown"]
        for each in symbol["diagnostics"]
    ]
    causes = [each for each in guessed if "partially" not in each] or guessed
    assert report["completenessScore"] == 1, "\n".join(["not all is known:", *causes])


def test_declarations_run() -> None:
    """What is accepted can be declared at run time, too."""
    modules = ", ".join(path.stem for path in PROGRAMS.glob("*.py"))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import {modules}"],
        env=environment(PROGRAMS),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def marked(checker: str) -> set[Line]:
    """Return the lines that *checker* has to refuse."""
    mark = re.compile(rf"# E(-{checker})?$")
    return {
        (path.name, number)
        for path in PROGRAMS.glob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if mark.search(line)
    }


def compare(found: Mapping[Line, str], expected: set[Line]) -> None:
    """Say where what was *found* is not as *expected*."""
    assert expected, "no line is marked"
    accepted = [f"{file}:{number}: was accepted" for file, number in expected - found.keys()]
    refused = [
        f"{file}:{number}: {found[file, number]}" for file, number in found.keys() - expected
    ]
    assert not accepted + refused, "\n".join(sorted(accepted + refused))


def pyright(*arguments: str) -> Any:
    """Return the report of pyright."""
    return json.loads(run("pyright", "--outputjson", "--pythonpath", sys.executable, *arguments))


def run(checker: str, *arguments: str) -> str:
    """Return what *checker* prints; that it finds errors is no failure."""
    done = subprocess.run(
        [sys.executable, "-m", checker, *arguments],
        cwd=ROOT,
        env=environment(ROOT),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def environment(folder: Path) -> dict[str, str]:
    """Return the environment, with *folder* in the path: pyright asks for no editable install."""
    return {**os.environ, "PYTHONPATH": str(folder)}
