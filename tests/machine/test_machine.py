"""Whatever is done in whatever order, the server and the sessions are as the model says."""

from __future__ import annotations

import os

from typing import Any

import pytest

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from apps import COMBINATIONS, App
from kinto_orm.query import reading

from .machine import Machine


#: How many programs are tried; if none is named, some few that are the same each time.  With
#: ``KINTO_ORM_PROGRAMS=1000``, others are tried each time, for as long as that takes.
PROGRAMS = int(os.environ.get("KINTO_ORM_PROGRAMS", "0"))

#: How many steps each has at the most.
STEPS = 40


@pytest.mark.parametrize("app", [COMBINATIONS[1], COMBINATIONS[3]], indirect=True)
def test_any_program(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """No change is lost, none is made up, none is sent in vain, and each report is true."""
    # Answers are remembered at once: nobody writes while a program waits.
    monkeypatch.setattr(reading, "QUIET", -2.0)
    machine: Any = lambda: Machine(app)  # noqa: E731 (what makes one will do)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=PROGRAMS or 15,
            stateful_step_count=STEPS,
            derandomize=not PROGRAMS,
            deadline=None,
        ),
    )
