"""
A program that serves a Kinto whose data another one has.

It is given, as arguments, the URL of a database with the tables of Kinto, and a port.  It prints a
line when it listens, and ends with its standard input.
"""

from __future__ import annotations

import sys

from typing import Any

from kinto_orm.embedded import KintoServer


class Elsewhere(KintoServer):
    """A server at a port that is given, on a database that is given."""

    def __init__(self, database: str, port: int) -> None:
        super().__init__(storage="postgresql", history=True)
        self._given = database
        self._port = port

    def _start_database(self) -> str:
        return self._given

    def _listen(self) -> Any:
        from waitress.server import create_server

        return create_server(self._application(), host="127.0.0.1", port=self._port, threads=4)


if __name__ == "__main__":
    with Elsewhere(sys.argv[1], int(sys.argv[2])):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.read()
