"""Files that answers are written to."""

from __future__ import annotations

import hashlib
import math

from types import TracebackType
from typing import Any, BinaryIO, Self

from kinto_orm.flow.messages import Download


class Sink:
    """A file that is written from its start, and knows what was written."""

    def __init__(self, into: Download) -> None:
        self._file: BinaryIO = into.path.open("wb")
        self._enough = math.inf if into.enough is None else into.enough
        self._digest = hashlib.sha256()
        self._size = 0

    @property
    def seen(self) -> dict[str, Any]:
        """Return the size, in bytes, and the hash (SHA-256) of what was written."""
        return {"size": self._size, "hash": self._digest.hexdigest()}

    @property
    def is_too_long(self) -> bool:
        """Tell whether more was written than is expected."""
        return self._size > self._enough

    def write(self, block: bytes) -> None:
        """Write *block* behind what was written."""
        self._file.write(block)
        self._digest.update(block)
        self._size += len(block)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
