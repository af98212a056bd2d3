"""One run of one piece of work, and what it took."""

from __future__ import annotations

import ctypes
import ctypes.util
import gc
import http.client
import json
import time

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from attrs import define, field

from benchmarks.documents import Document, Documents


#: What was found, by name; seconds, bytes, µs for each record or request, or counts.
Figures: TypeAlias = dict[str, float]

#: Who asks.  The canned server takes anybody; Kinto, whoever has a name.
AUTH: Final = ("bench", "mark")

#: How many requests fit in a batch.
BATCH: Final = 25


#: How often dictionaries are compared, so that there is something to measure.
TIMES: Final = 5


def share(size: int) -> int:
    """Return how many of *size* records are changed: a fifth."""
    return size // 5


@define
class Run:
    """
    A piece of work to do.

    Attributes:
        base: Where the server is; empty if none is needed.
        size: How large the work is: how many records, or requests.
        figures: What it took: what `measured` says, and whatever else was found.
    """

    base: str
    size: int
    figures: Figures = field(factory=dict)

    @property
    def url(self) -> str:
        """Return the root of the API: the canned server has collections of any size."""
        return self.base if self._is_kinto else f"{self.base}/{self.size}/v1"

    def documents(self) -> list[Document]:
        """Return the records that the canned server has."""
        return Documents().first(self.size)

    @contextmanager
    def measured(self, *, per: int | None = None, prefix: str = "") -> Iterator[None]:
        """
        Measure what is done in a ``with`` block.

        It gives *cpu* and *wall*, in seconds; *share*, of these; *each*, CPU time in µs for each of
        *per* things (else: of the run's size); and, of the canned server, *requests*, *body* and
        *sent*: how many requests, bytes of their bodies, and bytes in all.  CPU time is that of all
        threads of this process.
        """
        before = self._counts()
        gc.collect()  # What was there before does not count; from here on it is as it is for users.
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        found = {
            "cpu": cpu,
            "wall": wall,
            "share": cpu / wall,
            "each": cpu / (per or self.size) * 1e6,
        }
        found |= {name: count - before[name] for name, count in self._counts().items()}
        self.figures |= {prefix + name: value for name, value in found.items()}

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Measure what is in memory after a ``with`` block that was not before: *held*, bytes."""
        before = resident()
        yield
        self.figures["held"] = resident() - before
        self.figures["held each"] = self.figures["held"] / self.size

    @property
    def _is_kinto(self) -> bool:
        return self.base.endswith("/v1")

    def _counts(self) -> dict[str, int]:
        if not self.base or self._is_kinto:
            return {}
        counts: dict[str, int] = _get(self.base, "/counts")
        return counts


def _get(base: str, path: str) -> Any:
    connection = http.client.HTTPConnection(urlsplit(base).netloc)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def resident() -> int:
    """Return how many bytes this process has in memory, without what it could give back."""
    gc.collect()
    library = ctypes.CDLL(ctypes.util.find_library("c"))
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
    return _status("VmRSS")


def peak() -> int:
    """Return how many bytes this process had in memory at the most."""
    return _status("VmHWM")  # What getrusage says begins with the parent's.


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    (size,) = (line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return int(size) * 1024
