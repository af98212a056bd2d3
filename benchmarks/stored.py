"""
A real Kinto on PostgreSQL, in a process of its own: ``python -m benchmarks.stored``.

It prints its URL when it listens, and ends with its standard input.
"""

from __future__ import annotations

import sys
import warnings

import requests

from benchmarks.documents import BUCKET, COLLECTION
from benchmarks.run import AUTH
from kinto_orm.embedded import KintoServer


def main() -> None:
    """Serve until the standard input ends."""
    warnings.simplefilter("ignore")  # Kinto's, of what it stands on.
    with KintoServer(storage="postgresql") as server:
        for path in (f"/buckets/{BUCKET}", f"/buckets/{BUCKET}/collections/{COLLECTION}"):
            requests.put(server.url + path, auth=AUTH, timeout=10).raise_for_status()
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
