"""Recorded operations, run together in rounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from kinto_orm.exceptions import AnswerLost, KintoException, NotAttempted, NotSent, ServerError
from kinto_orm.flow import (
    Now,
    Pending,
    Program,
    Request,
    Response,
    RetryPolicy,
    Sleep,
    Work,
    together,
)

from .models import Memory
from .scripts import STEADY, Reply, Script, answered, entries, put, replies


class Log(list[str]):
    """Notes how operations end."""

    def operation(self, *requests: Request) -> Pending[list[int]]:
        """Record an operation that makes *requests*, each when the one before is answered."""

        def flow() -> Program[list[int]]:
            found: list[int] = []
            try:
                for request in requests:
                    response: Response = yield request
                    found.append(response.status)
            finally:
                self.append(f"{requests[0].path} closed")
            return found

        return Pending(flow())


def ask(*requests: Request) -> Pending[list[int]]:
    """Record an operation that makes *requests*."""
    return Log().operation(*requests)


def run(
    recorded: Sequence[Pending[list[int]]],
    *given: Reply,
    limit: int = 25,
    policy: RetryPolicy = STEADY,
) -> Script:
    """Run *recorded* operations with a server that gives these replies; return what was done."""
    script = Script(replies(*given))
    script.run(together(recorded, limit, policy))
    return script


def results(recorded: Sequence[Pending[list[int]]]) -> list[object]:
    """Return what came of each: its result, or the class of its error."""
    return [each.result() if each.error is None else type(each.error) for each in recorded]


#: What says that something may have been applied.
UNKNOWN = (AnswerLost, ServerError)

JSON_PATCH = Request("PATCH", "/patch", body=[{"op": "remove", "path": "/data/x"}])


class TestRounds:
    def test_nothing(self) -> None:
        """Nothing recorded, nothing sent."""
        assert run([]).requests == []

    def test_one(self) -> None:
        """All requests that wait make one batch."""
        recorded = [ask(put("/a")), ask(put("/b"))]
        script = run(recorded, answered(201, 412))
        assert results(recorded) == [[201], [412]]
        assert entries(script.requests[0]) == ["PUT /a", "PUT /b"]

    def test_more(self) -> None:
        """Operations that need a second request have these made together, before what is behind."""
        recorded = [
            ask(put("/a"), Request("GET", "/a"), Request("GET", "/aa")),
            ask(put("/b")),
            ask(put("/c"), Request("GET", "/c")),
        ]
        script = run(recorded, answered(412, 201, 412), answered(200, 200), Response(200))
        assert results(recorded) == [[412, 200, 200], [201], [412, 200]]
        assert entries(script.requests[0]) == ["PUT /a", "PUT /b", "PUT /c"]
        assert entries(script.requests[1]) == ["GET /a", "GET /c"]
        assert script.calls[2] == "GET /aa"

    def test_limit(self) -> None:
        """A batch holds no more requests than the server takes (B11)."""
        recorded = [ask(put(f"/{number}")) for number in range(5)]
        script = run(recorded, answered(201, 201), answered(201, 201), Response(201), limit=2)
        assert script.calls == ["POST /batch", "POST /batch", "PUT /4"]
        assert results(recorded) == [[201]] * 5

    def test_json_patch(self) -> None:
        """A JSON Patch is sent alone, in its turn (B1)."""
        recorded = [ask(put("/a")), ask(JSON_PATCH), ask(put("/b")), ask(put("/c"))]
        script = run(recorded, Response(201), Response(200), answered(201, 201))
        assert script.calls == ["PUT /a", "PATCH /patch", "POST /batch"]
        assert results(recorded) == [[201], [200], [201], [201]]

    def test_rolled_back(self) -> None:
        """What a 409 undid is sent again, before any operation hears of it (B3)."""
        recorded = [ask(put("/a")), ask(put("/b")), ask(put("/c"))]
        script = run(recorded, answered(201, 409, 201), answered(201, 201))
        assert results(recorded) == [[201], [201], [201]]
        assert len(script.pauses) == 1

    def test_other_steps(self) -> None:
        """Steps that are no requests are made before the round, and do not make a round."""

        def flow(path: str) -> Program[list[object]]:
            yield Sleep(1.0)
            digest: str = yield Work(path.upper)
            response: Response = yield Request("GET", path)
            now: float = yield Now()
            return [digest, response.status, now]

        recorded = [Pending(flow("/a")), Pending(flow("/b"))]
        script = Script(replies(answered(200, 404)))
        script.run(together(recorded, 25))
        assert [each.result() for each in recorded] == [["/A", 200, 2.0], ["/B", 404, 2.0]]
        assert len(script.requests) == 1

    def test_order(self) -> None:
        """Requests of a round are in the order of the calls, whatever needs to be done before."""

        def flow(path: str) -> Program[int]:
            yield Work(lambda: None)
            response: Response = yield put(path)
            return response.status

        recorded: list[Pending[Any]] = [Pending(flow("/a")), ask(put("/b")), Pending(flow("/c"))]
        script = Script(replies(answered(201, 202, 203)))
        script.run(together(recorded, 25))
        assert entries(script.requests[0]) == ["PUT /a", "PUT /b", "PUT /c"]
        assert [each.result() for each in recorded] == [201, [202], 203]

    def test_work_that_fails(self) -> None:
        """Work that fails is an error of its operation alone."""

        def read() -> None:
            raise FileNotFoundError

        def flow() -> Program[None]:
            yield Work(read)
            yield put("/never")

        recorded: list[Pending[Any]] = [Pending(flow()), ask(put("/b"))]
        script = Script(replies(Response(201)))
        script.run(together(recorded, 25))
        assert isinstance(recorded[0].error, FileNotFoundError)
        assert script.calls == ["PUT /b"]
        assert recorded[1].result() == [201]

    def test_done_already(self) -> None:
        """What is done when the batch is sent needs nothing."""
        done = ask(put("/a"))
        done.receive(Response(201))
        run([done])
        assert results([done]) == [[201]]


def refuse(request: Request) -> Pending[list[int]]:
    """Record an operation that fails when its request is answered."""

    def flow() -> Program[list[int]]:
        yield request
        raise LookupError(request.path)

    return Pending(flow())


class TestFailures:
    def test_operations_do_not_suffer_for_others(self) -> None:
        """An operation that fails does not keep the others from going on."""
        recorded = [refuse(put("/a")), ask(put("/b"), put("/bb")), refuse(put("/c"))]
        run(recorded, answered(201, 201, 201), Response(201))
        assert results(recorded) == [LookupError, [201, 201], LookupError]

    def test_culprit(self) -> None:
        """A request for which a whole batch is refused is the only one that suffers."""
        recorded = [ask(put("/a")), ask(put("/culprit")), ask(put("/b"))]

        def server(request: Request) -> Response:
            paths = [request.path] if request.path != "/batch" else entries(request)
            if any(path.endswith("/culprit") for path in paths):
                return Response(400)
            return answered(*[201] * len(paths)) if request.path == "/batch" else Response(201)

        Script(server).run(together(recorded, 25))
        assert results(recorded) == [[201], [400], [201]]

    @pytest.mark.parametrize("error", [AnswerLost("lost"), NotSent("not sent")])
    def test_no_answer(self, error: KintoException) -> None:
        """When no answer comes, what was under way fails, and what is behind is not sent."""
        recorded = [ask(put(f"/{number}")) for number in range(6)]
        script = run(recorded, answered(201, 201), error, limit=2)
        assert results(recorded) == [[201]] * 2 + [type(error)] * 2 + [NotAttempted] * 2
        assert len(script.requests) == 2

    def test_not_attempted(self) -> None:
        """What was not sent says so, and because of what."""
        lost = AnswerLost("PUT /a got lost")
        recorded = [ask(put("/a")), ask(put("/b"))]
        run(recorded, lost, limit=1)
        error = recorded[1].error
        assert str(error) == (
            "PUT /b was not sent, since a request before it failed: PUT /a got lost"
        )
        assert isinstance(error, NotAttempted)
        assert error.__cause__ is lost
        assert error.request == put("/b")

    def test_server_failed(self) -> None:
        """A server that fails as a whole is as good as none (B5)."""
        recorded = [ask(put("/a")), ask(put("/b")), ask(put("/c"))]
        run(recorded, Response(503), limit=2)
        assert results(recorded) == [ServerError, ServerError, NotAttempted]

    def test_later_rounds(self) -> None:
        """What got no answer in a later round fails; what is behind it is not sent."""
        recorded = [ask(put("/a"), put("/aa")), ask(put("/b")), ask(put("/c")), ask(put("/d"))]
        script = run(recorded, answered(201, 201), NotSent("no"), limit=2)
        assert results(recorded) == [NotSent, [201], NotSent, NotAttempted]
        assert entries(script.requests[1]) == ["PUT /aa", "PUT /c"]

    def test_flows_are_closed(self) -> None:
        """However operations end, their flows are closed."""
        log = Log()
        recorded = [log.operation(put(f"/{number}")) for number in range(3)]
        run(recorded, Response(201), AnswerLost("lost"), limit=1)
        assert log == ["/0 closed", "/1 closed", "/2 closed"]

    @pytest.mark.parametrize("end", [NotSent("not sent"), Response(401), Response(429)])
    def test_known_before_the_connection_broke(self, end: Reply) -> None:
        """
        What was applied for certain is not reported as not applied.

        The third of these is behind the 409: it is applied, whatever becomes of the repetition.
        """
        recorded = [ask(put("/a")), ask(put("/b")), ask(put("/c"))]
        run(recorded, answered(201, 409, 201), end)
        assert recorded[2].error is None or isinstance(recorded[2].error, UNKNOWN)

    @pytest.mark.parametrize("end", [NotSent("not sent"), Response(401), Response(429)])
    def test_known_before_the_second_half_broke(self, end: Reply) -> None:
        """It is the same for the first half of a batch that was too large."""
        recorded = [ask(put(f"/{letter}")) for letter in "abcd"]
        run(recorded, Response(413), answered(201, 201), end)
        for each in recorded[:2]:
            assert each.error is None or isinstance(each.error, UNKNOWN)


def test_on_a_model() -> None:
    """Operations with two steps, on a server with collisions, end as they would one by one."""
    server = Memory(
        documents={"/a": {"last_modified": 1}},
        collisions=iter([frozenset({2}), frozenset({0})]),
    )
    create = Request("PUT", "/a", headers={"If-None-Match": "*"}, body={"data": {}})
    replace = Request("PUT", "/a", headers={"If-Match": '"1"'}, body={"data": {"n": 1}})
    recorded = [ask(create, replace), ask(put("/b")), ask(put("/c"))]
    Script(server).run(together(recorded, 25, STEADY))
    assert results(recorded) == [[412, 200], [200], [201]]
    assert server.documents["/a"]["n"] == 1
