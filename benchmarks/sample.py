"""
One sample, in this process: ``python -m benchmarks.sample ours.load http://127.0.0.1:80 5000 50``.

The arguments say what is done, at which server, how much of it, and how much of it is done first,
so that classes are compiled and modules are imported.  It prints the figures.
"""

from __future__ import annotations

import importlib
import json
import sys

from benchmarks.run import Figures, Run


def sample(work: str, base: str, size: int, warmth: int) -> Figures:
    """Do *work*, a little and then as much as is wanted; return the figures of the latter."""
    module, _, function = work.partition(".")
    do = getattr(importlib.import_module(f"benchmarks.contestants.{module}"), function)
    if warmth:
        do(Run(base, warmth))
    run = Run(base, size)
    do(run)
    return run.figures


def main() -> None:
    """Do what the arguments say; print the figures."""
    work, base, size, warmth = sys.argv[1:]
    sys.stdout.write(json.dumps(sample(work, base, int(size), int(warmth))))


if __name__ == "__main__":
    main()
