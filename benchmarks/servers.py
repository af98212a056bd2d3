"""The servers that are asked: each is a process of its own, which ends with the block."""

from __future__ import annotations

import subprocess
import sys

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Final


#: How far the distant server is: seconds that each of its answers takes longer.
DELAY: Final = 0.05

#: How each is started: a module, and its arguments.
PROGRAMS: Final = {
    "canned": ("benchmarks.serving",),
    "far": ("benchmarks.serving", f"--delay={DELAY}"),
    "stored": ("benchmarks.stored",),
}


@contextmanager
def serving(name: str, environment: Mapping[str, str]) -> Generator[str]:
    """Run the server *name*; give its URL."""
    command = [sys.executable, "-P", "-m", *PROGRAMS[name]]
    with subprocess.Popen(  # noqa: S603 (our own program)
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            msg = f"the server {name!r} did not start, see above"
            raise RuntimeError(msg)
        try:
            yield url
        finally:
            process.stdin.close()
