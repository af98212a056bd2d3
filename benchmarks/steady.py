"""
Two small cases without sockets, to count instructions of: ``python -m benchmarks.steady 1 6``.

The arguments say how often 50 records are loaded, and how often 5 of 50 are changed and committed.
Answers come from memory, as bytes, and are the same each time.
"""

from __future__ import annotations

import gc
import sys

from typing import Any, Final

from attrs import define, field

from benchmarks.canned import Answer, Canned
from benchmarks.people import Person, change
from benchmarks.run import AUTH
from kinto_orm import Client, Session
from kinto_orm.flow.messages import Request, Response
from kinto_orm.transport.wire import Server, incoming


#: How many records there are, and how many of them are changed.
SIZE: Final = 50
CHANGED: Final = 5

#: How often each can be done at the most: sessions are loaded before it is begun.
MOST: Final = 10


@define
class Memory:
    """A port that answers from memory; what was answered once is answered in the same way again."""

    server: Server
    watchers: list[Any] = field(factory=list)
    _canned: Canned = field(factory=Canned)
    _answers: dict[object, Answer] = field(factory=dict)

    def perform(self, step: Any) -> Any:
        """Make *step*; what is no request takes no time."""
        return self._answered(step) if isinstance(step, Request) else 0.0

    def close(self) -> None:
        """Close nothing."""

    def _answered(self, request: Request) -> Response:
        out = self.server.outgoing(request)
        key = out.method, out.url, out.body
        if key not in self._answers:
            headers = {name.lower(): value for name, value in out.headers.items()}
            target = out.url.removeprefix("http://canned")
            self._answers[key] = self._canned.answer(
                out.method, target, headers, out.body or b"", host="canned"
            )
        answer = self._answers[key]
        return incoming(request, answer.status, answer.headers.items(), answer.body)


def connected(size: int = SIZE) -> Client:
    """Return a client of a server in memory, which has *size* records."""
    client = Client(server_url=f"http://canned/{size}/v1", auth=AUTH)
    client._port = Memory(client.session._server)
    client.server_info()
    return client


def loaded(client: Client) -> tuple[Session, list[Person]]:
    """Load all records into a new session."""
    session = Session(client)
    return session, session.query(Person).all()


def committed(session: Session, people: list[Person]) -> None:
    """Change some of the *people*, and commit."""
    for number, each in enumerate(people[:CHANGED]):
        change(each, number)
    session.commit()


def main(loads: int, commits: int) -> None:
    """Load and commit, without collections of garbage: one more or less would be most of it."""
    gc.disable()
    with connected() as client:
        sessions = [loaded(client) for _ in range(MOST)]
        committed(*loaded(client))  # Now the answer is known.
        for _ in range(loads):
            loaded(client)
        for each in sessions[:commits]:
            committed(*each)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
