"""What keeps a session from being used from two places at once."""

from __future__ import annotations

import threading

from kinto_orm.exceptions import ConcurrentUseError


class Exclusive:
    """A lock that is not waited for: who meets it closed has made a mistake."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            msg = (
                "the session is in use by another thread or task: give each a session of its own"
                " (they may share the client)"
            )
            raise ConcurrentUseError(msg)

    @property
    def is_closed(self) -> bool:
        """Tell whether somebody is inside."""
        return self._lock.locked()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
