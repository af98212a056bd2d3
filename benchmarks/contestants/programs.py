"""What whole programs take: an import, and instructions as valgrind counts them."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys

from typing import Final

from benchmarks.run import Run


#: What counts instructions.
VALGRIND: Final = "valgrind"


def import_ours(run: Run) -> None:
    """Import kinto-orm, in programs that do nothing else."""
    _import(run, "kinto_orm")


def import_names(run: Run) -> None:
    """Import what most programs use of kinto-orm, in case that some of it is loaded late."""
    _import(run, "kinto_orm", "Client, Field, Record, Session, field")


def import_requests(run: Run) -> None:
    """Import what kinto-orm needs anyway."""
    _import(run, "requests")


def import_kinto_http(run: Run) -> None:
    """Import kinto-http."""
    _import(run, "kinto_http")


def _import(run: Run, module: str, names: str = "") -> None:
    program = f"from {module} import {names}" if names else f"import {module}"
    command = [sys.executable, "-P", "-c", program]
    subprocess.run(command, check=True)  # noqa: S603  It leaves bytecode for the others.
    before = _children()
    for _ in range(run.size):
        subprocess.run(command, check=True)  # noqa: S603 (our own program)
    run.figures["each"] = (_children() - before) / run.size * 1e6


def _children() -> float:
    """Return the CPU seconds of the processes that this one has started."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def count_instructions(run: Run) -> None:
    """
    Count the instructions of two small cases; find nothing where there is no valgrind.

    What a program takes to start is in no figure: it runs each case once, or oftener, and what
    that takes more is divided by how often.
    """
    if shutil.which(VALGRIND) is None:
        return
    subprocess.run(_steady(1, 1), check=True)  # noqa: S603  It leaves bytecode for the others.
    programs = [_counting(1, 1), _counting(1 + run.size, 1), _counting(1, 1 + run.size)]
    base, loads, commits = (_instructions(each) for each in programs)
    run.figures["load"] = (loads - base) / run.size
    run.figures["commit"] = (commits - base) / run.size


def _counting(loads: int, commits: int) -> subprocess.Popen[str]:
    valgrind = [VALGRIND, "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    return subprocess.Popen(  # noqa: S603 (our own program)
        [*valgrind, *_steady(loads, commits)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )


def _steady(loads: int, commits: int) -> list[str]:
    return [sys.executable, "-P", "-m", "benchmarks.steady", str(loads), str(commits)]


def _instructions(process: subprocess.Popen[str]) -> int:
    _, said = process.communicate()
    found = re.search(r"Collected : (\d+)", said)
    if process.returncode or found is None:
        msg = f"valgrind failed:\n{said}"
        raise RuntimeError(msg)
    return int(found[1])
