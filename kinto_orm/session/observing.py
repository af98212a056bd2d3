"""How many requests a session makes."""

from __future__ import annotations

from typing import Any

from attrs import define

from kinto_orm.flow.messages import Request, Step


@define
class Counting:
    """
    Stands before what makes the steps of a session's flows, and counts the requests among them.

    It is as near to the network as a session comes: retries pass it, a dry run's writes do not.

    Attributes:
        port: What makes the steps.
        count: How many requests there were.
    """

    port: Any
    count: int = 0

    def perform(self, step: Step) -> Any:
        """Make *step*; what it gives is awaited by a driver that awaits."""
        if isinstance(step, Request):
            self.count += 1
        return self.port.perform(step)

    def begin(self, step: Request) -> Any:
        """Begin to make *step*, if that can be begun; return None otherwise."""
        begin = getattr(self.port, "begin", None)
        if begin is None:
            return None
        self.count += 1
        return begin(step)
