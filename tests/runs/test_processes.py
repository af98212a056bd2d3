"""Several processes write to one bucket: what each was told is true."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from apps import COMBINATIONS, App


#: How many processes there are, and how often each commits.
PROCESSES, TURNS = 4, 3


@contextmanager
def started(app: App, count: int) -> Generator[list[subprocess.Popen[str]]]:
    """Give processes that are ready to write to the bucket of *app*."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with ExitStack() as stack:
        workers = []
        for number in range(count):
            command = [sys.executable, "-m", "runs.worker", app.server.url, app.bucket]
            worker = subprocess.Popen(
                [*command, f"p{number}", str(TURNS)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(worker)
            stack.callback(worker.kill)
            workers.append(worker)
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        yield workers


def released(workers: Sequence[subprocess.Popen[str]]) -> list[dict[str, list[Any]]]:
    """Have *workers* begin, all at once; return what each was told, when all have ended."""
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    return [json.loads(worker.communicate()[0]) for worker in workers]


@pytest.mark.early
@pytest.mark.parametrize("app", COMBINATIONS[3:], indirect=True)
def test_creations_and_changes(app: App) -> None:
    """What was reported is there, once; what was not is not, for all the 409s (B3, B4)."""
    with started(app, PROCESSES) as workers:
        said = {key: each for told in released(workers) for key, each in told.items()}
    stored = app.stored()
    assert {key: [each["title"], each["last_modified"]] for key, each in stored.items()} == said
    assert len(said) >= PROCESSES * TURNS  # At least some got through, each time.
