"""
What the transports log of a request, at the level DEBUG.

A line has the method, the path, the names in the query string, the status and the time that it
took; each part of a batch has a line, too.  Bodies, headers and the values in query strings are
left out: they hold what users keep, and who they are.
"""

from __future__ import annotations

import logging
import time

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from attrs import define, field

from kinto_orm.flow.messages import Request, Response


@define
class Exchange:
    """
    Logs a request when its answer has come, or none will.

    Attributes:
        response: The answer, once it is there.
    """

    logger: logging.Logger
    request: Request
    response: Response | None = None
    _began: float = field(init=False, factory=time.perf_counter)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        taken = (time.perf_counter() - self._began) * 1000
        came: object = exc_type.__name__ if self.response is None and exc_type else None
        status = came if self.response is None else self.response.status
        request, parts = self.request, self.request.parts
        self.logger.debug("%s %s: %s in %.0f ms", request.method, _named(request), status, taken)
        for number, part in enumerate(parts, 1):
            self.logger.debug(
                "%s %s: %s (%d of %d in a batch)",
                part.method,
                _named(part),
                _status(self.response, number - 1),
                number,
                len(parts),
            )


def _named(request: Request) -> str:
    """Return the path of *request*, and the names in its query string."""
    params = request.params
    names = params if isinstance(params, Mapping) else [name for name, _ in params]
    return f"{request.path}?{'&'.join(dict.fromkeys(names))}" if names else request.path


def _status(response: Response | None, index: int) -> Any:
    """Return the status of a part of a batch, if *response* tells it."""
    body = None if response is None else response.body
    parts = body.get("responses") if isinstance(body, Mapping) else None
    if not isinstance(parts, list) or index >= len(parts) or not isinstance(parts[index], Mapping):
        return "no answer"
    return parts[index].get("status")
