"""Writes of which it is not known whether they were applied: looked up before they are repeated."""

from __future__ import annotations

from typing import Any

import pytest

from hypothesis import given
from hypothesis import strategies as st

from kinto_orm.exceptions import AnswerLost, KintoException, NotSent
from kinto_orm.flow import Pacing, Request, Response, RetryPolicy, retrying

from .models import Lossy, Memory
from .scripts import LAW, STEADY, Reply, Script, in_the_way, one, put, replies, stored


RECORD = "/buckets/b/collections/c/records/r"
WRITE = put(RECORD, n=1)
DELETE = Request("DELETE", RECORD)
JSON_PATCH = Request("PATCH", RECORD, body=[{"op": "add", "path": "/data/list/-", "value": 1}])
GUARDED_PATCH = Request("PATCH", RECORD, headers={"If-Match": '"5"'}, body=JSON_PATCH.body)

#: What leaves it open whether a write was applied.
LOSSES = [AnswerLost("lost"), *map(Response, (500, 502, 503, 504))]

#: What says nothing of what is there.
NO_LOOKS = [
    AnswerLost("lost"),
    NotSent("not sent"),
    KintoException("redirected"),
    *map(Response, (401, 429, 500, 503)),
    Response(200, "welcome"),
]

APPLIED = Response(200, stored(6, n=1))
OTHERS = Response(200, stored(6, n=2))
MISSING = Response(404)
CREATED = Response(201, stored(7, n=1))

LOST = AnswerLost("lost")


def run(
    request: Request, *given: Reply, policy: RetryPolicy = STEADY, pacing: Pacing | None = None
) -> tuple[Any, Script]:
    """Make *request* of a server with these replies; return what came of it, and was done."""
    script = Script(replies(*given))
    try:
        return script.run(retrying(one(request), policy, pacing or Pacing())), script
    except KintoException as error:
        return error, script


def methods(script: Script) -> list[str]:
    """Return the methods of the requests that were made."""
    return [request.method for request in script.requests]


class TestLook:
    @pytest.mark.parametrize("loss", LOSSES)
    def test_applied(self, loss: Reply) -> None:
        """If it was applied, its answer is what is there; it is written once."""
        found, script = run(WRITE, loss, APPLIED)
        assert found is APPLIED
        assert script.calls == [f"PUT {RECORD}", f"GET {RECORD}"]
        assert script.pauses == [0.2]

    @pytest.mark.parametrize("loss", LOSSES)
    @pytest.mark.parametrize("there", [MISSING, OTHERS, Response(403)])
    def test_not_applied(self, loss: Reply, there: Response) -> None:
        """If it was not, it is made again."""
        found, script = run(WRITE, loss, there, CREATED)
        assert found is CREATED
        assert methods(script) == ["PUT", "GET", "PUT"]

    def test_deleted(self) -> None:
        """What was to be deleted and is not there was deleted: the answer is a tombstone."""
        found, script = run(DELETE, LOST, MISSING)
        assert found.body == {"data": {"id": "r", "deleted": True}}
        assert methods(script) == ["DELETE", "GET"]

    @pytest.mark.parametrize("again", [LOST, Response(503)])
    def test_lost_again(self, again: Reply) -> None:
        """A write that is lost again is looked up again."""
        found, script = run(WRITE, LOST, MISSING, again, MISSING, again, APPLIED)
        assert found is APPLIED
        assert methods(script) == ["PUT", "GET"] * 3
        assert script.pauses == [0.2, 0.4, 0.8]

    def test_refused_when_repeated(self) -> None:
        """A repetition that the server refuses for another reason is refused."""
        found, script = run(WRITE, LOST, MISSING, Response(400))
        assert found.status == 400
        assert methods(script) == ["PUT", "GET", "PUT"]

    def test_refused_at_first(self) -> None:
        """A first try that is refused is known to be: nothing is looked up."""
        for status in (400, 401, 403, 404, 412):
            found, script = run(WRITE, Response(status))
            assert found.status == status
            assert methods(script) == ["PUT"]


class TestHowOften:
    @pytest.mark.parametrize("attempts", [1, 2, 3, 5])
    @pytest.mark.parametrize("look", NO_LOOKS)
    def test_failing_looks(self, attempts: int, look: Reply) -> None:
        """A look that fails counts as an attempt, and has no attempts of its own."""
        policy = RetryPolicy(attempts=attempts)
        found, script = run(WRITE, LOST, *[look] * (attempts - 1), policy=policy)
        assert found is LOST
        assert methods(script) == ["PUT"] + ["GET"] * (attempts - 1)

    @pytest.mark.parametrize("attempts", [1, 2, 3, 5])
    @pytest.mark.parametrize("loss", LOSSES)
    def test_all_lost(self, attempts: int, loss: Reply) -> None:
        """It is written as often as the policy says, with a look before each repetition."""
        given = [loss, *[MISSING, loss] * (attempts - 1)]
        found, script = run(WRITE, *given, policy=RetryPolicy(attempts=attempts))
        assert found is loss
        assert methods(script) == ["PUT"] + ["GET", "PUT"] * (attempts - 1)

    @pytest.mark.parametrize("attempts", [1, 2, 3, 5])
    def test_server_down(self, attempts: int) -> None:
        """A server that fails at everything is asked no more often than the policy says."""
        script = Script(lambda _: Response(503))
        found = script.run(retrying(one(WRITE), RetryPolicy(attempts=attempts), Pacing()))
        assert found.status == 503
        assert len(script.requests) == attempts

    def test_mixed(self) -> None:
        """Attempts are counted over all kinds of failures."""
        given: list[Reply] = [
            Response(429),
            LOST,
            Response(503),
            NotSent("no"),
            MISSING,
            Response(409),
        ]
        found, script = run(WRITE, *given)
        assert found.status == 409
        assert methods(script) == ["PUT", "PUT", "GET", "GET", "GET", "PUT"]

    def test_budget(self) -> None:
        """No look begins later than the budget after the first failure."""
        policy = RetryPolicy(attempts=9, first=1.0, budget=3.0, jitter=lambda: 1.0)
        found, script = run(WRITE, LOST, *[Response(503)] * 2, policy=policy)
        assert found is LOST
        assert script.pauses == [1.0, 2.0]


class TestHowLong:
    def test_retry_after(self) -> None:
        """A server that fails may say when to ask again."""
        busy = Response(503, headers={"retry-after": "7"})
        assert run(WRITE, busy, APPLIED)[1].pauses == [7.0]

    def test_retry_after_is_too_long(self) -> None:
        """If that is too long, nothing is looked up: the failure is the answer."""
        busy = Response(503, headers={"retry-after": "31"})
        found, script = run(WRITE, busy)
        assert found is busy
        assert script.pauses == []

    @pytest.mark.parametrize("seconds", [0.0, 0.5, 100.0])
    def test_fixed(self, seconds: float) -> None:
        """Pauses that are fixed are all the same, whatever the server says."""
        policy = RetryPolicy(fixed=seconds, budget=1000.0)
        busy = Response(503, headers={"retry-after": "7"})
        read = Request("GET", "/")
        for request, last in ((read, APPLIED), (WRITE, APPLIED)):
            found, script = run(request, busy, busy, busy, last, policy=policy)
            assert found is APPLIED
            assert script.pauses == [seconds] * 3

    def test_backoff(self) -> None:
        """A look waits as long as the server asks all to wait."""
        busy = Response(503, headers={"backoff": "5"})
        found, script = run(WRITE, busy, APPLIED)
        assert found is APPLIED
        assert sum(script.pauses) == 5.0

    def test_backoff_is_too_long(self) -> None:
        """If that is longer than the policy allows, it remains unknown what was applied."""
        busy = Response(503, headers={"backoff": "3600"})
        found, script = run(WRITE, busy)
        assert found is busy
        assert methods(script) == ["PUT"]


class TestComeLate:
    """A write may be applied after the look: its repetition then meets what it wrote itself."""

    @pytest.mark.parametrize(
        ("request_", "refusal", "there"),
        [
            (WRITE, Response(412, in_the_way(6, n=1)), APPLIED),
            (DELETE, Response(404), MISSING),
        ],
    )
    def test_itself(self, request_: Request, refusal: Response, there: Response) -> None:
        """What is in the way of a repetition is looked at: if it is its own, all is well."""
        before = APPLIED if request_ is DELETE else MISSING
        found, script = run(request_, LOST, before, refusal, there)
        assert found.status == 200
        assert methods(script) == [request_.method, "GET"] * 2

    def test_after_another_failure(self) -> None:
        """That is so as well if there was another failure between."""
        refusal = Response(412, in_the_way(6, n=1))
        found, _ = run(WRITE, LOST, MISSING, Response(429), refusal, APPLIED)
        assert found is APPLIED

    def test_somebody_else(self) -> None:
        """If it is another's, the refusal stands."""
        refusal = Response(412, in_the_way(6, n=2))
        found, script = run(WRITE, LOST, MISSING, refusal, OTHERS)
        assert found is refusal
        assert methods(script) == ["PUT", "GET", "PUT", "GET"]

    @pytest.mark.parametrize("look", NO_LOOKS)
    def test_no_look(self, look: Reply) -> None:
        """If that cannot be seen, it is not called a conflict: the outcome is unknown."""
        refusal = Response(412, in_the_way(6, n=1))
        found, script = run(WRITE, LOST, MISSING, refusal, look)
        assert isinstance(found, AnswerLost)
        assert str(found).startswith(
            f"PUT {RECORD} was lost, repeated, and met a 412, which may be because of the first try"
        )
        assert found.response is refusal
        assert methods(script) == ["PUT", "GET", "PUT", "GET"]


class TestJsonPatch:
    @pytest.mark.parametrize("loss", LOSSES)
    @pytest.mark.parametrize("headers", [{}, {"If-Match": "*"}])
    def test_unguarded(self, loss: Reply, headers: dict[str, str]) -> None:
        """Without a precondition it is not repeated: it might add the same item twice."""
        request = Request("PATCH", RECORD, headers=headers, body=JSON_PATCH.body)
        found, script = run(request, loss)
        assert found is loss
        assert script.requests == [request]

    def test_guarded(self) -> None:
        """With one it is repeated, if what is there still is what it was made for."""
        found, script = run(GUARDED_PATCH, LOST, Response(200, stored(5)), CREATED)
        assert found is CREATED
        assert methods(script) == ["PATCH", "GET", "PATCH"]

    @pytest.mark.parametrize("loss", LOSSES)
    def test_moved(self, loss: Reply) -> None:
        """If not, that may be by itself, and it cannot be told: the first failure is raised."""
        found, script = run(GUARDED_PATCH, loss, Response(200, stored(6)))
        assert found is loss
        assert methods(script) == ["PATCH", "GET"]


class TestExceptions:
    """Requests that are not repeated, whoever asks for it."""

    @pytest.mark.parametrize("request_", [WRITE, Request("GET", "/")])
    @pytest.mark.parametrize("reply", [*LOSSES, NotSent("no"), Response(409), Response(429)])
    def test_once(self, request_: Request, reply: Reply) -> None:
        """What is to be made once is made once, whatever comes."""
        once = Request(request_.method, request_.path, body=request_.body, once=True)
        found, script = run(once, reply)
        assert found is reply
        assert len(script.requests) == 1

    @pytest.mark.parametrize("reply", [*LOSSES, Response(409)])
    def test_settled(self, reply: Reply) -> None:
        """Who says that he looks for himself gets what leaves it open."""
        found, script = run(Request("PUT", RECORD, body=WRITE.body, settled=True), reply)
        assert found is reply
        assert len(script.requests) == 1

    @pytest.mark.parametrize("reply", [NotSent("no"), Response(429)])
    def test_settled_and_not_applied(self, reply: Reply) -> None:
        """What certainly did not reach the server is made again nevertheless."""
        found, script = run(Request("PUT", RECORD, body=WRITE.body, settled=True), reply, CREATED)
        assert found is CREATED
        assert methods(script) == ["PUT", "PUT"]


class TestAlerts:
    def test_are_collected(self) -> None:
        """What the server has to say to people is kept until somebody says it, each once."""
        pacing, script = Pacing(), Script(lambda _: Response(200, headers={"alert": "old"}))
        for _ in range(3):
            script.run(retrying(one(Request("GET", "/")), STEADY, pacing))
        run(WRITE, Response(503, headers={"alert": "older"}), APPLIED, pacing=pacing)
        assert pacing.alerts == ["old", "older"]


@LAW
@given(
    fates=st.lists(st.sampled_from(["answer", "request", "late", "refused", "failed"]), max_size=6),
    kind=st.sampled_from(["create", "replace", "change", "delete"]),
    guarded=st.booleans(),
)
def test_law(fates: list[str], kind: str, guarded: bool) -> None:  # noqa: FBT001
    """Whatever gets lost: with no other writer, a write ends as if nothing had been lost."""
    there = {} if kind == "create" else {RECORD: {"id": "r", "n": 0, "last_modified": 1}}
    server = Memory(dict(there))
    guard = {"If-None-Match": "*"} if kind == "create" else {"If-Match": '"1"'}
    method = {"delete": "DELETE", "change": "PATCH"}.get(kind, "PUT")
    body = None if kind == "delete" else {"data": {"n": 1}}
    request = Request(method, RECORD, headers=guard if guarded else {}, body=body)
    script = Script(Lossy(server, iter(fates)))
    policy = RetryPolicy(attempts=20, budget=1e9)
    response = script.run(retrying(one(request), policy, Pacing()))
    assert response.status < 300
    expected = None if kind == "delete" else 1
    assert server.documents.get(RECORD, {}).get("n") == expected
