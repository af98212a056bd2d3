"""How a flow is run without anyone to talk to: its steps are noted, and answered from a script."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from typing import Any, TypeAlias, TypeVar

from attrs import define, field
from hypothesis import HealthCheck, settings

from kinto_orm.flow import Document, Now, Request, Response, RetryPolicy, Sleep, Work
from kinto_orm.flow.batching import Answer


T = TypeVar("T")

#: What comes of a request: a response, or an error.
Reply: TypeAlias = Response | BaseException

#: A server: what comes of each request.
Server: TypeAlias = Callable[[Request], Reply]

#: How laws are tried: without a deadline, since the machine may be busy with something else.
LAW = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])

#: Waits as long as it can, so that pauses can be foretold.
STEADY = RetryPolicy(jitter=lambda: 1.0)


def replies(*given: Reply) -> Server:
    """Return a server that gives these replies, one after the other."""
    left = list(given)

    def reply(request: Request) -> Reply:
        assert left, f"there was to be no {request.method} {request.path}"
        return left.pop(0)

    return reply


@define
class Script:
    """
    Runs flows, with a clock that only pauses move.

    Attributes:
        server: What comes of each request.
        steps: What the flows wanted, in order.
        now: What the clock shows, in seconds.
    """

    server: Server = field(factory=replies)
    steps: list[Any] = field(factory=list)
    now: float = 0.0

    def run(self, program: Generator[Any, Any, T]) -> T:
        """Run *program* to its end; return its result."""
        with closing(program):
            try:
                step = next(program)
                while True:
                    try:
                        answer = self.perform(step)
                    except BaseException as error:  # noqa: BLE001 (raised inside the flow)
                        step = program.throw(error)
                    else:
                        step = program.send(answer)
            except StopIteration as stop:
                result: T = stop.value
                return result

    def perform(self, step: Any) -> Any:
        """Answer *step*: this is what makes a script a port for a driver, too."""
        self.steps.append(step)
        if isinstance(step, Now):
            return self.now
        if isinstance(step, Sleep):
            self.now += step.seconds
            return None
        if isinstance(step, Work):
            return step.do()
        reply = self.server(step)
        if isinstance(reply, BaseException):
            raise reply
        return reply

    def close(self) -> None:
        """Do nothing: there are no connections."""

    @property
    def requests(self) -> list[Request]:
        """Return the requests that were made."""
        return [step for step in self.steps if isinstance(step, Request)]

    @property
    def calls(self) -> list[str]:
        """Return method and path of the requests that were made."""
        return [f"{request.method} {request.path}" for request in self.requests]

    @property
    def pauses(self) -> list[float]:
        """Return how long the flows paused, each time."""
        return [step.seconds for step in self.steps if isinstance(step, Sleep)]


def put(path: str, **data: Any) -> Request:
    """Return a request that writes a document."""
    return Request("PUT", path, body={"data": data})


def entries(request: Request) -> list[str]:
    """Return method and path of what *request*, a batch, asks for."""
    assert (request.method, request.path) == ("POST", "/batch")
    return [f"{part.method} {part.path_url}" for part in request.parts]


def answered(*parts: int | tuple[int, Any]) -> Response:
    """Return the response to a batch: a status for each request, or a status and a body."""
    pairs = [part if isinstance(part, tuple) else (part, {}) for part in parts]
    return Response(200, {"responses": [_part(status, body) for status, body in pairs]})


def _part(status: int, body: Any) -> Document:
    return {"status": status, "body": body, "headers": {}}


def stored(last_modified: int, **data: Any) -> Document:
    """Return the body that a write is answered with."""
    return {"data": {"last_modified": last_modified, **data}, "permissions": {}}


def in_the_way(last_modified: int, **data: Any) -> Document:
    """Return the body of a 412: what is there instead."""
    return {"code": 412, "details": {"existing": {"last_modified": last_modified, **data}}}


def one(request: Request) -> Generator[Request, Response, Response]:
    """Make *request*; return its response."""
    return (yield request)


def all_of(requests: Iterable[Request]) -> Generator[Request, Response, list[Response]]:
    """Make *requests*, one after the other; return their responses."""
    found: list[Response] = []
    for request in requests:
        response = yield request
        found.append(response)
    return found


def responses(answers: Iterable[Answer]) -> list[Response]:
    """Return *answers*, all of which must be responses."""
    found: list[Response] = []
    for answer in answers:
        assert isinstance(answer, Response), answer
        found.append(answer)
    return found


def said(answers: Iterable[Answer]) -> list[Any]:
    """Return the statuses of *answers*, and the errors where there is no response."""
    return [each.status if isinstance(each, Response) else each for each in answers]
