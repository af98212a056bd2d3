"""
How much memory a program takes, measured in a process of its own.

Such a program is a module of the tests that prints `peak()` from time to time, one on a line.
"""

from __future__ import annotations

import os
import subprocess
import sys

from pathlib import Path


def peak() -> int:
    """
    Return how much memory this process took at the most, in bytes.

    What ``getrusage`` says is of no use where there is /proc: on Linux a process begins with the
    maximum of the one that started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        (size,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
        return int(size) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def peaks(module: str, *args: str) -> list[int]:
    """Run a *module* of the tests as a program; return what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-m", module, *args]
    run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return [int(line) for line in run.stdout.split()]
