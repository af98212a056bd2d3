"""
A Kinto that can be killed, and comes back: a process of its own, on a database that survives it.

    python -m runs.killed DATABASE_URL PORT
"""

from __future__ import annotations

import os
import subprocess
import sys

from types import TracebackType
from typing import Any, Self

from kinto_orm.embedded import KintoServer


class Survivor(KintoServer):
    """A Kinto on a database that is not its own, at a port of choice."""

    def __init__(self, database_url: str, port: int) -> None:
        settings = {f"{part}_url": database_url for part in ("storage", "permission", "cache")}
        settings |= {
            f"{part}_backend": f"kinto.core.{part}.postgresql"
            for part in ("storage", "permission", "cache")
        }
        super().__init__(**settings)  # type: ignore[arg-type]
        self._port = port

    def _listen(self) -> Any:
        from waitress.server import create_server

        return create_server(self._application(), host="127.0.0.1", port=self._port, threads=4)


class KilledServer:
    """
    Such a process, seen from outside.

    Use it as a context manager: it runs inside, unless it was killed.
    """

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> None:
        """Start it, at the same port as the time before; return when it listens."""
        port = self.url.rpartition(":")[2].partition("/")[0] or "0"
        command = [sys.executable, "-W", "ignore", "-m", "runs.killed", self._database_url, port]
        self._process = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        assert self.url, "it did not start, see above"

    def kill(self) -> None:
        """Kill it (SIGKILL): what it was about to do is not done."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()


if __name__ == "__main__":
    with Survivor(sys.argv[1], int(sys.argv[2])) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        sys.stdin.read()
