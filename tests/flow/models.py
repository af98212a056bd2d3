"""
Servers as pure values, as far as batches go.

`Postgresql` does what docs/protocol.md says in B3 and B4; `Memory` never takes back anything.
Both have collisions where the test wants them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from attrs import define, field

from kinto_orm.exceptions import AnswerLost
from kinto_orm.flow import Document, Request, Response


@define
class Memory:
    """
    Applies each request at once, for good.

    Attributes:
        documents: What is stored, by path.
        collisions: For each round trip, which of its requests meet another writer: a 409.  Where
            there is nothing said any more, none does.
        whole: Which round trips are rolled back as a whole, by number, from 0 (if ever any is).
        limit: How many requests it takes in a batch; more are a 413.
    """

    transactional: ClassVar[bool] = False

    documents: dict[str, Document] = field(factory=dict)
    collisions: Iterator[frozenset[int]] = field(factory=lambda: iter(()))
    whole: frozenset[int] = frozenset()
    limit: int = 1000
    trips: int = 0
    clock: int = 1000

    def __call__(self, request: Request) -> Response:
        """Answer *request*."""
        if request.path == "/batch":
            parts = list(request.parts)
            if len(parts) > self.limit:
                return Response(413)
            statuses = self._round_trip(parts)
            if statuses is None:
                return Response(409)
            return Response(200, {"responses": [_part(each) for each in statuses]})
        statuses = self._round_trip([request])
        return Response(409) if statuses is None else statuses[0]

    def _round_trip(self, requests: list[Request]) -> list[Response] | None:
        """Apply *requests*; return None if all of it was rolled back."""
        number, self.trips = self.trips, self.trips + 1
        colliding = next(self.collisions, frozenset[int]())
        before = dict(self.documents)
        answers = []
        for position, request in enumerate(requests):
            if position in colliding:
                if self.transactional:
                    self.documents = dict(before)
                answers.append(Response(409))
            else:
                answers.append(self._applied(request))
        if number in self.whole and self.transactional:
            self.documents = before
            return None
        return answers

    def _applied(self, request: Request) -> Response:
        """Apply *request*, if its precondition holds (P1, P2)."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        existing = self.documents.get(request.path)
        if request.method == "GET":
            found = {"data": existing, "permissions": {}}
            return Response(404) if existing is None else Response(200, found)
        expected = headers.get("if-match", "").strip('"')
        if existing is None and request.method in ("PATCH", "DELETE"):
            return Response(404)
        stamp = "" if existing is None else str(existing["last_modified"])
        if (expected and expected != stamp) or ("if-none-match" in headers and existing):
            return Response(412, {"details": {"existing": existing} if existing else {}})
        self.clock += 1
        if request.method == "DELETE":
            del self.documents[request.path]
            return Response(200, {"data": {"deleted": True, "last_modified": self.clock}})
        kept = (existing or {}) if request.method == "PATCH" else {}
        document = {**kept, **request.body["data"], "last_modified": self.clock}
        self.documents[request.path] = document
        return Response(200 if existing else 201, {"data": document})


class Postgresql(Memory):
    """A 409 takes back what came before it in its batch, and nothing of what comes after."""

    transactional = True


@define
class Lossy:
    """
    A server behind a network that loses what passes.

    Attributes:
        server: What is behind it.
        fates: What becomes of each request, in order; where nothing is said any more, it passes.
            *answer*: its answer is lost; *request*: it is lost itself; *late*: it is lost, but
            comes later, behind the next one; *refused*: a 503, and the server does not get it;
            *failed*: a 503, but it is applied.
    """

    server: Memory
    fates: Iterator[str]
    _late: list[Request] = field(factory=list)

    def __call__(self, request: Request) -> Response | BaseException:
        """Answer *request*, or not."""
        fate, late = next(self.fates, "passes"), self._late
        self._late = [request] if fate == "late" else []
        answer = self.server(request) if fate in ("passes", "answer", "failed") else None
        for each in late:
            self.server(each)
        if fate in ("refused", "failed"):
            return Response(503)
        return answer if answer is not None and fate == "passes" else AnswerLost(fate)


def _part(response: Response) -> dict[str, Any]:
    return {"status": response.status, "body": response.body or {}, "headers": {}}
