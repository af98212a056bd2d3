"""
A progress bar for commits, in a terminal.

    with progress_bar("Saving") as progress:
        session.commit(progress=progress)

Needs the extra ``kinto-orm[cli]``.
"""

from __future__ import annotations

import sys

from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib.util import find_spec

from kinto_orm.exceptions import KintoException
from kinto_orm.session.progress import Progress


@contextmanager
def progress_bar(title: str) -> Generator[Callable[[Progress], None]]:
    """
    Show a bar with a *title* on standard error, as long as the block runs.

    It gives what a commit takes as *progress*.  Where standard error is no terminal, nothing is
    shown.  However the block ends, the terminal is as it was before, below the bar.

    Raises:
        KintoException: If the extra is not installed.
    """
    if find_spec("rich") is None:
        msg = "a progress bar needs rich, which is not installed: pip install 'kinto-orm[cli]'"
        raise KintoException(msg)
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Display

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[state]}", markup=False),
        TimeElapsedColumn(),
    )
    # Not as rich sees it: the environment can tell it that a file is a terminal.
    with Display(
        *columns, console=Console(stderr=True), disable=not sys.stderr.isatty()
    ) as display:
        bar = display.add_task(title, total=None, state="")

        def show(progress: Progress) -> None:
            # Of an empty commit, too, the bar is full in the end.
            total = max(progress.total, 1)
            done = progress.fraction * total
            display.update(bar, total=total, completed=done, state=str(progress))

        yield show
