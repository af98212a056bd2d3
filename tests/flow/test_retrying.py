"""Retries: what is made again, what is not, and how long is waited."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from hypothesis import given
from hypothesis import strategies as st

from kinto_orm.exceptions import (
    AnswerLost,
    BackoffException,
    InvalidRequest,
    NotSent,
    TransportError,
)
from kinto_orm.flow import Pacing, Program, Request, Response, RetryPolicy, retrying
from kinto_orm.flow.batching import settled
from kinto_orm.flow.retrying import retry_after

from .scripts import LAW, STEADY, Reply, Script, all_of, answered, one, put, replies, said


READ = Request("GET", "/")
WRITE = put("/buckets/x")
POST = Request("POST", "/x", body={})
READS = Request("POST", "/batch", body={"requests": [{"method": "GET", "path": "/"}]})
WRITES = Request("POST", "/batch", body={"requests": [{"method": "PUT", "path": "/"}]})

OK = Response(200, "done")


def run(
    request: Request,
    *given: Reply,
    policy: RetryPolicy = STEADY,
    pacing: Pacing | None = None,
    script: Script | None = None,
) -> tuple[Response, Script]:
    """Make *request* of a server with these replies; return the response, and what was done."""
    script = Script(replies(*given)) if script is None else script
    return script.run(retrying(one(request), policy, pacing or Pacing())), script


class TestWhat:
    @pytest.mark.parametrize("request_", [READ, READS], ids=["read", "batch of reads"])
    @pytest.mark.parametrize(
        "first", [*map(Response, (409, 429, 502, 503, 504)), AnswerLost("no"), NotSent("no")]
    )
    def test_reads(self, request_: Request, first: Reply) -> None:
        """A read is made again when no answer came, or the server was not up to it."""
        response, script = run(request_, first, OK)
        assert response is OK
        assert script.requests == [request_, request_]

    @pytest.mark.parametrize("request_", [WRITE, WRITES], ids=["write", "batch of writes"])
    @pytest.mark.parametrize("first", [Response(409), Response(429), NotSent("no")])
    def test_writes_not_applied(self, request_: Request, first: Reply) -> None:
        """A write is made again when it was certainly not applied."""
        response, script = run(request_, first, OK)
        assert response is OK
        assert script.requests == [request_, request_]

    @pytest.mark.parametrize("request_", [POST, WRITES], ids=["post", "batch of writes"])
    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    def test_writes_unknown(self, request_: Request, status: int) -> None:
        """A write that met a 5xx is not, if no look can tell whether it was applied."""
        response, script = run(request_, Response(status, headers={"retry-after": "1"}))
        assert response.status == status
        assert script.requests == [request_]
        assert script.pauses == []

    @pytest.mark.parametrize("request_", [POST, WRITES], ids=["post", "batch of writes"])
    def test_writes_lost(self, request_: Request) -> None:
        """Nor is one whose answer was lost: the error goes to the flow."""
        lost = AnswerLost("lost")
        with pytest.raises(AnswerLost) as caught:
            run(request_, lost)
        assert caught.value is lost

    @pytest.mark.parametrize("status", [200, 201, 304, 400, 401, 403, 404, 412, 413, 500, 501])
    def test_final(self, status: int) -> None:
        """Any other answer is final, a 500 included: repeating would meet it again."""
        response, script = run(READ, Response(status))
        assert response.status == status
        assert script.requests == [READ]

    def test_other_errors(self) -> None:
        """An error that is not of the connection is not a reason to try again."""
        with pytest.raises(InvalidRequest):
            run(READ, InvalidRequest("wrong"))

    def test_error_is_raised_inside(self) -> None:
        """An error that is left after all attempts is raised inside the flow, at its request."""

        def careful() -> Program[str]:
            try:
                yield POST
            except AnswerLost:
                response: Response = yield READ
                return str(response.body)
            return "not lost"

        script = Script(replies(AnswerLost("lost"), OK))
        assert script.run(retrying(careful(), STEADY, Pacing())) == "done"
        assert script.requests == [POST, READ]


class TestHowOften:
    @pytest.mark.parametrize("attempts", [1, 2, 5])
    def test_attempts_of_a_response(self, attempts: int) -> None:
        """After the last attempt the answer is the flow's."""
        policy = RetryPolicy(attempts=attempts, jitter=lambda: 1.0)
        script = Script(lambda _: Response(503))
        response, _ = run(READ, policy=policy, script=script)
        assert response.status == 503
        assert len(script.requests) == attempts
        assert len(script.pauses) == attempts - 1

    @pytest.mark.parametrize("attempts", [1, 2, 5])
    def test_attempts_of_an_error(self, attempts: int) -> None:
        """After the last attempt the error is raised."""
        policy = RetryPolicy(attempts=attempts, jitter=lambda: 1.0)
        script = Script(lambda _: NotSent("no"))
        with pytest.raises(NotSent):
            run(WRITE, policy=policy, script=script)
        assert len(script.requests) == attempts

    def test_each_request(self) -> None:
        """Each request of an operation has all attempts: they are not shared."""
        script = Script(lambda _: Response(503))
        policy = RetryPolicy(attempts=3)
        script.run(retrying(all_of([READ, READ]), policy, Pacing()))
        assert len(script.requests) == 6

    def test_mixed(self) -> None:
        """Attempts are counted over all kinds of failures."""
        policy = RetryPolicy(attempts=3)
        response, script = run(READ, NotSent("no"), Response(503), Response(429), policy=policy)
        assert response.status == 429
        assert len(script.requests) == 3

    @pytest.mark.parametrize("attempts", [0, -1])
    def test_none(self, attempts: int) -> None:
        """A policy must allow an attempt."""
        with pytest.raises(ValueError, match=str(attempts)):
            run(READ, OK, policy=RetryPolicy(attempts=attempts))

    def test_do_not_multiply(self) -> None:
        """A batch that keeps being rolled back whole is not sent attempts times attempts."""
        script = Script(lambda _: Response(409))
        patience = RetryPolicy(attempts=4)
        flow = settled([put("/a"), put("/b")], patience)
        script.run(retrying(flow, RetryPolicy(attempts=3), Pacing()))
        assert len(script.requests) <= 4 + 3


class TestHowLong:
    def test_doubles(self) -> None:
        """The pause doubles with each attempt, up to the longest."""
        policy = RetryPolicy(attempts=6, first=1.0, longest=5.0, jitter=lambda: 1.0)
        script = Script(lambda _: Response(503))
        run(READ, policy=policy, script=script)
        assert script.pauses == [1.0, 2.0, 4.0, 5.0, 5.0]

    def test_default(self) -> None:
        """By default there are five attempts, within three seconds."""
        script = Script(lambda _: Response(503))
        run(READ, script=script)
        assert script.pauses == [0.2, 0.4, 0.8, 1.6]

    @LAW
    @given(
        attempt=st.integers(1, 2000),
        first=st.floats(0, 100),
        longest=st.floats(0, 100),
        jitter=st.floats(0, 1),
    )
    def test_jitter(self, attempt: int, first: float, longest: float, jitter: float) -> None:
        """A pause is between half of what it could be and all of it."""
        policy = RetryPolicy(first=first, longest=longest, jitter=lambda: jitter)
        full = min(longest, first * 2.0 ** min(attempt - 1, 1000))
        assert full / 2 <= policy.pause(attempt) <= full

    def test_random(self) -> None:
        """By default pauses differ, so that clients that failed together part."""
        assert len({RetryPolicy().pause(1) for _ in range(50)}) > 1

    def test_budget(self) -> None:
        """No attempt begins later than the budget after the first failure."""
        policy = RetryPolicy(attempts=99, first=1.0, longest=4.0, budget=10.0, jitter=lambda: 1.0)
        script = Script(lambda _: Response(503))
        response, _ = run(READ, policy=policy, script=script)
        assert response.status == 503
        assert script.pauses == [1.0, 2.0, 4.0]  # Another 4 would be more than 10.

    def test_budget_of_errors(self) -> None:
        """It is the same when there is no answer: the error is raised."""
        policy = RetryPolicy(attempts=99, first=1.0, longest=4.0, budget=3.0, jitter=lambda: 1.0)
        script = Script(lambda _: NotSent("no"))
        with pytest.raises(NotSent):
            run(READ, policy=policy, script=script)
        assert script.pauses == [1.0, 2.0]

    def test_budget_begins_with_the_failure(self) -> None:
        """How long the first answer took does not count."""

        class Slow(Script):
            def perform(self, step: object) -> object:
                if isinstance(step, Request) and not self.requests:
                    self.now += 1000.0
                return super().perform(step)

        script = Slow(replies(Response(503), OK))
        policy = RetryPolicy(budget=1.0)
        assert run(READ, policy=policy, script=script)[0] is OK


NOON = "Mon, 01 Jan 2024 12:00:00 GMT"


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"retry-after": "7"}, 7.0),
            ({"retry-after": "0"}, 0.0),
            ({"retry-after": " 3 "}, 3.0),
            ({"retry-after": "-3"}, 0.0),
            ({"retry-after": "Mon, 01 Jan 2024 12:00:09 GMT", "date": NOON}, 9.0),
            ({"retry-after": "Monday, 01-Jan-24 12:00:09 GMT", "date": NOON}, 9.0),
            ({"retry-after": "Mon Jan  1 12:00:09 2024", "date": NOON}, 9.0),
            ({"retry-after": "Mon, 01 Jan 2024 11:00:00 GMT", "date": NOON}, 0.0),
        ],
    )
    def test_is_heeded(self, headers: Mapping[str, str], seconds: float) -> None:
        """Seconds or a date count, the latter on the server's clock (RFC 9110, 10.2.3)."""
        busy = Response(503, headers=headers)
        assert retry_after(busy) == seconds
        assert run(READ, busy, OK)[1].pauses == [seconds]

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"retry-after": "soon"},
            {"retry-after": ""},
            {"retry-after": "Mon, 01 Jan 2024 12:00:09 GMT"},
            {"retry-after": "Mon, 01 Jan 2024 12:00:09 GMT", "date": "today"},
            {"retry-after": "Mon, 99 Jan 2024 12:00:09 GMT", "date": NOON},
            {"retry-after": "Fri, 31 Dec 99999999999 23:59:59 GMT", "date": NOON},
        ],
    )
    def test_is_ignored(self, headers: Mapping[str, str]) -> None:
        """What cannot be understood counts as not said: the policy decides."""
        assert run(READ, Response(503, headers=headers), OK)[1].pauses == [0.2]

    def test_of_a_write(self) -> None:
        """A write that was refused with a 429 waits as well."""
        busy = Response(429, headers={"retry-after": "2"})
        assert run(WRITE, busy, OK)[1].pauses == [2.0]

    @pytest.mark.parametrize("value", ["31", "inf", "1e9"])
    def test_too_long(self, value: str) -> None:
        """If that is longer than the longest pause, the answer is final at once."""
        response, script = run(READ, Response(503, headers={"retry-after": value}))
        assert response.status == 503
        assert script.pauses == []

    def test_longest(self) -> None:
        """Just as long as the longest pause is not too long."""
        assert run(READ, Response(503, headers={"retry-after": "30"}), OK)[1].pauses == [30.0]

    def test_without_jitter(self) -> None:
        """The server does not ask for less than it says: what it asks is not shortened."""
        policy = RetryPolicy(jitter=lambda: 0.0)
        busy = Response(503, headers={"retry-after": "7"})
        assert run(READ, busy, OK, policy=policy)[1].pauses == [7.0]


def slow(seconds: str) -> Response:
    """Return a success with which the server asks for a pause."""
    return Response(200, headers={"backoff": seconds})


class TestBackoff:
    def test_next_request(self) -> None:
        """It is waited before the next request, not after the one that brought it."""
        script = Script(replies(slow("5"), OK, OK))
        script.run(retrying(all_of([READ, READ, READ]), STEADY, Pacing()))
        assert script.pauses == [5.0]
        assert isinstance(script.steps[-1], Request)

    def test_next_operation(self) -> None:
        """It is for all operations of a client, since these share the pacing."""
        pacing, script = Pacing(), Script(replies(slow("5"), OK))
        run(READ, pacing=pacing, script=script)
        assert script.pauses == []
        script.now += 2.0
        run(WRITE, pacing=pacing, script=script)
        assert script.pauses == [3.0]

    def test_time_passed(self) -> None:
        """What has passed by itself is not waited."""
        pacing, script = Pacing(), Script(replies(slow("5"), OK))
        run(READ, pacing=pacing, script=script)
        script.now += 9.0
        run(READ, pacing=pacing, script=script)
        assert script.pauses == []
        assert pacing.until is None

    def test_too_long(self) -> None:
        """A pause that is longer than the policy allows is an error, until it is over."""
        pacing, script = Pacing(), Script(replies(slow("61"), OK))
        run(READ, pacing=pacing, script=script)
        for left in (61.0, 60.5):
            with pytest.raises(BackoffException, match="GET / was not sent") as caught:
                run(READ, pacing=pacing, script=script)
            assert caught.value.backoff == left
            assert caught.value.request is READ
            script.now += 0.5
        assert len(script.requests) == 1
        assert run(READ, pacing=pacing, script=script)[0] is OK
        assert script.pauses == [60.0]

    def test_allowed(self) -> None:
        """The policy says how long it may be."""
        pacing, script = Pacing(), Script(replies(slow("86400"), OK))
        policy = RetryPolicy(backoff=86400.0)
        run(READ, pacing=pacing, script=script)
        assert run(READ, policy=policy, pacing=pacing, script=script)[0] is OK
        assert script.pauses == [86400.0]

    @pytest.mark.parametrize("value", ["much", "", "nan", "-5", "0", "inf", "1e999"])
    def test_nonsense(self, value: str) -> None:
        """What is not a time to come is ignored."""
        pacing, script = Pacing(), Script(replies(slow(value), OK))
        run(READ, pacing=pacing, script=script)
        run(READ, pacing=pacing, script=script)
        assert script.pauses == []

    def test_of_a_failure(self) -> None:
        """A failure may bring it, too: then the longer pause counts before the repetition."""
        busy = Response(503, headers={"backoff": "5"})
        _, script = run(READ, busy, OK)
        assert sum(script.pauses) == 5.0

    def test_several_wait(self) -> None:
        """Whoever comes while others wait, waits as well; each until the same moment."""
        pacing = Pacing(until=5.0)
        script = Script(lambda _: OK)
        first = retrying(one(READ), STEADY, pacing)
        next(first)
        pause = first.send(0.0)
        assert script.run(retrying(one(READ), STEADY, pacing)) is OK
        assert script.pauses == [5.0]
        assert getattr(pause, "seconds", None) == 5.0
        first.close()

    def test_new_while_waiting(self) -> None:
        """What the server asks for while somebody waits is not forgotten when the wait ends."""
        pacing = Pacing()
        under_way = retrying(one(READ), STEADY, pacing)
        next(under_way)
        run(READ, slow("5"), pacing=pacing)  # At 0: a pause until 5.
        waiting = retrying(one(READ), STEADY, pacing)
        next(waiting)
        waiting.send(0.0)
        under_way.send(slow("20"))  # Its answer comes at 4: a pause until 24.
        with pytest.raises(StopIteration):
            under_way.send(4.0)
        waiting.send(None)  # At 5 it wakes up.
        waiting.close()
        assert pacing.until == 24.0


def test_attempt_is_a_transport_error_at_last() -> None:
    """The error that is raised in the end is that of the last attempt."""
    errors: list[TransportError] = [NotSent("first"), NotSent("second")]
    with pytest.raises(NotSent, match="second"):
        run(READ, *errors, policy=RetryPolicy(attempts=2))


def test_batch_of_reads_is_repeated() -> None:
    """A batch that only reads is repeated as any read is."""
    reads = settled([Request("GET", "/a"), Request("GET", "/b")])
    script = Script(replies(AnswerLost("lost"), answered(200, 200)))
    assert said(script.run(retrying(reads, STEADY, Pacing()))) == [200, 200]
