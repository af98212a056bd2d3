"""The progress bar of a commit: seen in a terminal, and only there."""

from __future__ import annotations

import importlib.util
import os
import pty
import subprocess
import sys
import textwrap

import pytest

from kinto_orm import KintoException
from kinto_orm.cli.progress import progress_bar
from kinto_orm.session.progress import Progress


#: Escape sequences of terminals that hide the cursor, and show it again.
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"

PROGRAM = """
    from kinto_orm.cli.progress import progress_bar
    from kinto_orm.session.progress import Progress

    with progress_bar("Saving [bold]") as progress:
        progress(Progress(0, 1000, 0))
        progress(Progress(250, 1000, 10))
        {end}
"""


def shown(end: str) -> tuple[int, str]:
    """Return how the program ends, and what it shows, in a terminal of 100 columns."""
    primary, replica = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM.format(end=end))]
    with subprocess.Popen(command, stderr=replica, env=environment) as process:
        os.close(replica)
        text = b""
        try:
            while part := os.read(primary, 4096):
                text += part
        except OSError:  # The other end is closed: so Linux says it.
            pass
        os.close(primary)
    return process.returncode, text.decode()


def test_in_a_terminal() -> None:
    """It shows its title as it is, how far it is in the end, and the cursor again."""
    status, text = shown("progress(Progress(1000, 1000, 40))")
    assert status == 0
    assert "Saving [bold]" in text
    assert "1,000 of 1,000 (100 %)" in text
    assert text.rindex(SHOW) > text.rindex(HIDE)


@pytest.mark.parametrize("end", ["raise SystemExit(3)", "raise KeyboardInterrupt", "1 / 0"])
def test_when_it_fails(end: str) -> None:
    """However the block ends, the cursor is back, and the error is below the bar."""
    status, text = shown(end)
    assert status != 0
    assert "250 of 1,000 (25 %)" in text
    assert text.rindex(SHOW) > text.rindex(HIDE)
    if "Traceback" in text:
        assert text.rindex("Traceback") > text.rindex("25 %")


def test_elsewhere(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """In a file or a pipe it shows nothing, even where colours are wanted."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress_bar("Saving") as progress:
        progress(Progress(1, 2, 1))
    assert capfd.readouterr() == ("", "")


def test_of_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """A commit of nothing is no trouble."""
    with progress_bar("Saving") as progress:
        progress(Progress(0, 0, 0))
    assert capfd.readouterr() == ("", "")


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without rich, it says what to install."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "kinto_orm.cli.progress.find_spec", lambda name: None if name == "rich" else find(name)
    )
    with pytest.raises(KintoException, match=r"pip install 'kinto-orm\[cli\]'"), progress_bar("x"):
        pass
