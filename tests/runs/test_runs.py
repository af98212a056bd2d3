"""Some runs under random faults; ``make faults`` makes many."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kinto_orm.embedded import KintoServer
from runs.running import run


#: Three on each kind of server (see `runs.running.KINDS`), with both kinds of session.
SEEDS = range(1, 13)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_lie(seed: int, servers: Callable[[str], KintoServer]) -> None:
    """Whatever goes wrong, what a commit says is true, and the next ones settle the rest."""
    report = run(seed, servers)
    assert not report.lies, str(report)
