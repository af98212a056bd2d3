"""Run many: ``python -m runs --runs 200 --seed 1``; the exit status is 1 if there was a lie."""

from __future__ import annotations

import argparse
import logging
import sys
import time

from collections import Counter
from contextlib import ExitStack

from kinto_orm.embedded import KintoServer
from runs.running import KINDS, Report, run
from runs.weather import told


def main() -> int:
    """Run what the command line says; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m runs", description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="how many (200)")
    parser.add_argument("--seed", type=int, default=1, help="the number of the first (1)")
    parser.add_argument("--records", type=int, default=60, help="how many at most (60)")
    given = parser.parse_args()
    logging.getLogger().addHandler(logging.NullHandler())  # Kinto tells of each 409 at length.
    began, reports = time.monotonic(), []
    with ExitStack() as stack:
        started: dict[str, KintoServer] = {}

        def server(kind: str) -> KintoServer:
            if kind not in started:
                storage, _, history = kind.partition("+")
                it = KintoServer(storage=storage, history=bool(history))  # type: ignore[arg-type]
                started[kind] = stack.enter_context(it)
            return started[kind]

        for seed in range(given.seed, given.seed + given.runs):
            reports.append(run(seed, server, most=given.records))
            sys.stdout.write(f"{reports[-1]}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{summary(reports)}, {time.monotonic() - began:.0f} s\n")
    return 1 if any(report.lies for report in reports) else 0


def summary(reports: list[Report]) -> str:
    """Return what *reports* amount to."""
    struck: Counter[str] = sum((each.struck for each in reports), Counter())
    fates: Counter[str] = sum((each.fates for each in reports), Counter())
    lies = sum(len(each.lies) for each in reports)
    said = ", ".join(f"{count} {fate}" for fate, count in fates.most_common())
    return (
        f"{len(reports)} runs on {len(KINDS)} kinds of server,"
        f" {sum(each.commits for each in reports)} commits,"
        f" {sum(each.requests for each in reports)} requests\n"
        f"faults: {told(struck)}\nfates: {said}\n{lies} lies"
    )


if __name__ == "__main__":
    sys.exit(main())
