"""What is measured, and on what, as far as it matters to who compares."""

from __future__ import annotations

import os
import platform
import subprocess

from importlib import metadata
from pathlib import Path
from typing import Final


_PACKAGES: Final = (
    "kinto-http",
    "requests",
    "urllib3",
    "orjson",
    "aiohttp",
    "attrs",
    "cattrs",
    "kinto",
)


def machine() -> dict[str, str]:
    """Return the system and its processor; nothing that says whose it is."""
    return {
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
    }


def versions(package: Path) -> dict[str, str]:
    """Return the versions of what is measured; *package* is the folder that has kinto-orm."""
    found = {"Python": platform.python_version(), "kinto-orm": _own(package)}
    return found | {name: metadata.version(name) for name in _PACKAGES}


def _own(package: Path) -> str:
    """Return the version of kinto-orm, and the commit of its tree, if it is in one."""
    version = metadata.version("kinto-orm")
    git = subprocess.run(  # noqa: S603 (our own folder)
        ["git", "-C", str(package), "rev-parse", "--short", "HEAD:kinto_orm"],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    return version if git.returncode else f"{version}, tree {git.stdout.strip()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
