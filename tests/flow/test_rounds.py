"""Batches whose answers are lost: what was applied is found out, and only the rest sent again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from hypothesis import given
from hypothesis import strategies as st

from kinto_orm.exceptions import AnswerLost, NotSent, ServerError, UnsendableValue
from kinto_orm.flow import Pacing, Request, Response, RetryPolicy, retrying
from kinto_orm.flow.recovering import MERGE_PATCH
from kinto_orm.flow.rounds import certain

from .models import Lossy, Memory, Postgresql
from .scripts import (
    LAW,
    STEADY,
    Reply,
    Script,
    answered,
    entries,
    in_the_way,
    put,
    replies,
    responses,
    said,
    stored,
)


RECORDS = "/buckets/b/collections/c/records"
A, B, C, D = (f"{RECORDS}/{letter}" for letter in "abcd")

LOST = AnswerLost("lost")
MISSING = (404, {"code": 404})


def run(
    requests: Sequence[Request], *given: Reply, policy: RetryPolicy = STEADY, limit: int = 25
) -> tuple[list[Any], Script]:
    """Make *requests* of a server with these replies; return what was said, and was done."""
    script = Script(replies(*given))
    return said(script.run(certain(requests, limit, policy))), script


def sent(script: Script) -> list[list[str]]:
    """Return what each round trip was about, by the methods and last parts of paths."""
    trips = [
        entries(request) if request.path == "/batch" else [f"{request.method} {request.path}"]
        for request in script.requests
    ]
    return [[each.replace(f"{RECORDS}/", "") for each in trip] for trip in trips]


def there(**data: Any) -> tuple[int, Any]:
    """Return the part of a batch that has an object."""
    return 200, stored(6, **data)


class TestLook:
    @pytest.mark.parametrize("loss", [LOST, Response(503), Response(500), Response(200, "hello")])
    def test_one_batch_of_reads(self, loss: Reply) -> None:
        """Everything is looked up at once; only what was not applied is sent again, at once."""
        requests = [put(A, n=1), put(B, n=2), Request("DELETE", C), put(D, n=4)]
        looks = answered(there(n=1), MISSING, MISSING, there(n=5))
        found, script = run(requests, loss, looks, answered(201, 200))
        assert found == [200, 201, 200, 200]
        assert sent(script) == [
            ["PUT a", "PUT b", "DELETE c", "PUT d"],
            ["GET a", "GET b", "GET c", "GET d"],
            ["PUT b", "PUT d"],
        ]

    def test_all_applied(self) -> None:
        """If all was applied, nothing is sent again; the answers are what is there."""
        looks = answered(there(n=1), there(n=2))
        script = Script(replies(LOST, looks))
        found = script.run(certain([put(A, n=1), put(B, n=2)], 25, STEADY))
        assert [each.body for each in found if isinstance(each, Response)] == [
            stored(6, n=1),
            stored(6, n=2),
        ]
        assert script.pauses == [0.2]

    def test_limit(self) -> None:
        """Looks go in batches that are no larger than others."""
        requests = [put(f"{RECORDS}/{n}", n=n) for n in range(3)]
        looks = [answered(there(n=0), there(n=1)), Response(*there(n=2))]
        found, script = run(requests, LOST, *looks, limit=2)
        assert found == [200] * 3
        assert sent(script)[1:] == [["GET 0", "GET 1"], ["GET 2"]]

    def test_nothing_lost(self) -> None:
        """What has its answer is not looked up, whatever the answer is."""
        found, script = run([put(A), put(B), put(C)], answered(201, 412, 404))
        assert found == [201, 412, 404]
        assert len(script.requests) == 1

    def test_never_again(self) -> None:
        """A policy of one attempt neither looks nor repeats."""
        found, script = run([put(A), put(B)], LOST, policy=RetryPolicy(attempts=1))
        assert found == [LOST, LOST]
        assert script.pauses == []

    def test_reads_are_read_again(self) -> None:
        """Reads that were lost with writes are made again, and need no look."""
        requests = [Request("GET", D), put(A, n=1), put(B, n=2)]
        looks = answered(there(n=1), MISSING)
        found, script = run(requests, LOST, looks, answered(200, 201))
        assert found == [200, 200, 201]
        assert sent(script)[1:] == [["GET a", "GET b"], ["GET d", "PUT b"]]

    def test_cannot_be_told(self) -> None:
        """What no look can tell keeps its error, and keeps nothing else from being found out."""
        guarded = Request("DELETE", RECORDS, headers={"If-Match": '"5"'})
        account = Request("PUT", "/accounts/ann", body={"data": {"password": "x"}})
        requests = [guarded, account, put("/buckets/x", n=1)]
        found, script = run(requests, LOST, Response(*there(n=1)))
        assert found == [LOST, LOST, 200]
        assert script.calls == ["POST /batch", "GET /buckets/x"]

    def test_json_patch(self) -> None:
        """Neither does a JSON Patch whose object has moved: it is looked at once."""
        patch = Request("PATCH", A, headers={"If-Match": '"5"'}, body=[])
        found, script = run([patch], LOST, Response(*there(n=1)))
        assert found == [LOST]
        assert sent(script) == [["PATCH a"], ["GET a"]]


class TestHowOften:
    @pytest.mark.parametrize("attempts", [1, 2, 3, 5])
    def test_failing_looks(self, attempts: int) -> None:
        """A look that fails counts as an attempt, and has no attempts of its own."""
        policy = RetryPolicy(attempts=attempts)
        for failure in (LOST, NotSent("not sent"), Response(503), Response(429)):
            script = Script(replies(LOST, *[failure] * (attempts - 1)))
            flow = certain([put(A), put(B)], 25, policy)
            found = script.run(retrying(flow, policy, Pacing()))
            assert found == [LOST, LOST]
            assert sent(script) == [["PUT a", "PUT b"]] + [["GET a", "GET b"]] * (attempts - 1)

    @pytest.mark.parametrize("attempts", [1, 2, 3, 5])
    def test_server_down(self, attempts: int) -> None:
        """A server that fails at everything is asked no more often than the policy says."""
        policy = RetryPolicy(attempts=attempts)
        script = Script(lambda _: Response(503))
        found = script.run(retrying(certain([put(A), put(B)], 25, policy), policy, Pacing()))
        assert [type(each) for each in found] == [ServerError] * 2
        assert len(script.requests) == attempts

    def test_some_looks_fail(self) -> None:
        """What was found out stays so; only the rest is looked up again."""
        requests = [put(A, n=1), put(B, n=2), put(C, n=3)]
        first = [answered(there(n=1), there(n=2)), Response(503)]
        found, script = run(requests, LOST, *first, Response(*there(n=3)), limit=2)
        assert found == [200] * 3
        assert sent(script)[1:] == [["GET a", "GET b"], ["GET c"], ["GET c"]]

    def test_pauses(self) -> None:
        """The server may say how long to wait; else the policy does."""
        busy = Response(503, headers={"retry-after": "7"})
        _, script = run([put(A), put(B)], busy, LOST, answered(there(), there()))
        assert script.pauses == [7.0, 7.0]
        _, script = run([put(A), put(B)], LOST, LOST, answered(there(), there()))
        assert script.pauses == [0.2, 0.4]

    def test_too_long(self) -> None:
        """If it says too much, or the budget is used up, it is not asked."""
        busy = Response(503, headers={"retry-after": "31"})
        found, script = run([put(A), put(B)], busy)
        assert [type(each) for each in found] == [ServerError] * 2
        assert script.pauses == []
        policy = RetryPolicy(budget=0.5, jitter=lambda: 1.0)
        assert run([put(A), put(B)], LOST, LOST, policy=policy)[1].pauses == [0.2]

    def test_server_gone(self) -> None:
        """When the server is not there any more, what is behind is not sent one by one."""
        requests = [put(A), put(B), put(C)]
        missing = answered(MISSING, MISSING, MISSING)
        policy = RetryPolicy(attempts=3)
        found, script = run(requests, LOST, missing, LOST, missing, NotSent("no"), policy=policy)
        assert [type(each) for each in found] == [NotSent, AnswerLost, AnswerLost]
        assert sent(script)[-1] == ["PUT a"]


class TestPoisoned:
    def test_alone(self) -> None:
        """B5: a request at which the server fails, fails alone in the end; the others succeed."""
        server = Memory()

        def failing(request: Request) -> Response:
            paths = entries(request) if request.path == "/batch" else [request.path]
            writes = request.path != "/batch" or "GET" not in str(paths)
            if request.method != "GET" and writes and any(path.endswith("/c") for path in paths):
                return Response(500)
            return server(request)

        script = Script(failing)
        requests = [put(f"{RECORDS}/{letter}", of=letter) for letter in "abcde"]
        found = said(script.run(certain(requests, 25, RetryPolicy(attempts=3))))
        assert found == [201, 201, 500, 201, 201]
        assert {path[-1] for path in server.documents} == set("abde")
        assert [len(trip) for trip in sent(script)] == [5, 5, 5, 5, 1, 1, 1, 1, 1]


class TestComeLate:
    def test_itself(self) -> None:
        """What is in the way of a repetition is looked at: if it is its own, all is well."""
        refused = answered((412, in_the_way(6, n=1)), 201, 404)
        requests = [put(A, n=1), put(B, n=2), Request("DELETE", C)]
        looks = [answered(MISSING, MISSING, there()), answered(there(n=1), MISSING)]
        found, script = run(requests, LOST, looks[0], refused, looks[1])
        assert found == [200, 201, 200]
        assert sent(script)[3] == ["GET a", "GET c"]

    def test_somebody_else(self) -> None:
        """If it is another's, the refusal stands."""
        refused = answered((412, in_the_way(6, n=5)), 201)
        looks = [answered(MISSING, MISSING), Response(*there(n=5))]
        found, _ = run([put(A, n=1), put(B, n=2)], LOST, looks[0], refused, looks[1])
        assert found == [412, 201]

    def test_no_look(self) -> None:
        """If that cannot be seen, it is not called a conflict: the outcome is unknown."""
        refused = answered((412, in_the_way(6, n=1)), 201)
        given: list[Reply] = [LOST, answered(MISSING, MISSING), refused, Response(503)]
        policy = RetryPolicy(attempts=2)
        found, _ = run([put(A, n=1), put(B, n=2)], *given, policy=policy)
        assert [type(each) for each in found] == [AnswerLost, int]
        assert "may be because of the first try" in str(found[0])


class TestConflict:
    """B3: a 409 undoes what was before it."""

    def test_sent_again(self) -> None:
        """What was undone is sent again, as long as it takes."""
        found, script = run([put(A), put(B), put(C)], answered(201, 409, 201), answered(201, 201))
        assert found == [201, 201, 201]
        assert sent(script)[1] == ["PUT a", "PUT b"]

    def test_never_again(self) -> None:
        """A policy of one attempt sends nothing again: all that was undone is a 409."""
        once = RetryPolicy(attempts=1)
        found, script = run([put(A), put(B), put(C)], answered(201, 409, 201), policy=once)
        assert found == [409, 409, 201]
        assert script.pauses == []

    def test_more_patience_than_attempts(self) -> None:
        """Other policies do not limit it: other writers may keep a collection busy."""
        given = [*[answered(201, 409)] * 6, answered(201, 201)]
        assert run([put(A), put(B)], *given, policy=RetryPolicy(attempts=2))[0] == [201, 201]

    @pytest.mark.parametrize("attempts", [1, 5])
    def test_unsendable(self, attempts: int) -> None:
        """What cannot be sent was not undone: its error stays what it is."""
        error = UnsendableValue("n is NaN")
        requests = [put(A), put(B), put(C), put(D)]
        given: list[Reply] = [error, error, Response(201), error, answered(201, 409)]
        again = [answered(201, 201, 201)] if attempts > 1 else []
        found, _ = run(requests, *given, *again, policy=RetryPolicy(attempts=attempts))
        assert found == ([201, error, 201, 201] if attempts > 1 else [409, error, 409, 409])


class TestTravelsAlone:
    """Requests that a batch would not do justice to are looked up all the same."""

    def test_merge_patch(self) -> None:
        """A merge patch is looked up as what it is, in a batch or alone."""
        patch = Request(
            "PATCH", A, headers={"Content-Type": MERGE_PATCH}, body={"data": {"n": None}}
        )
        found, script = run([patch], LOST, Response(*there(m=1)))
        assert found == [200]
        assert sent(script) == [["PATCH a"], ["GET a"]]


@st.composite
def writes(draw: st.DrawFn) -> list[Request]:
    """Draw writes of different objects."""
    paths = draw(st.permutations([A, B, C, D, "/buckets/x", "/buckets/y/groups/g"]))
    methods = draw(st.lists(st.sampled_from(["PUT", "PUT", "DELETE"]), min_size=1, max_size=6))
    return [
        Request(method, path, body=None if method == "DELETE" else {"data": {"n": number}})
        for number, (method, path) in enumerate(zip(methods, paths, strict=False))
    ]


@LAW
@given(
    requests=writes(),
    fates=st.lists(st.sampled_from(["answer", "request", "refused", "failed"]), max_size=8),
    transactional=st.booleans(),
)
def test_law(requests: list[Request], fates: list[str], transactional: bool) -> None:  # noqa: FBT001
    """
    Whatever gets lost: with no other writer, all ends as if nothing had been lost.

    Nothing is reported as refused that was applied, and no answer is missing.
    """
    kind = Postgresql if transactional else Memory
    start = {A: {"n": 0, "last_modified": 1}, B: {"n": 1, "last_modified": 2}}
    undisturbed, server = kind(dict(start)), kind(dict(start))
    for request in requests:
        undisturbed(request)
    script = Script(Lossy(server, iter(fates)))
    flow = certain(requests, 25, RetryPolicy(attempts=30, budget=1e9))
    found = responses(script.run(retrying(flow, STEADY, Pacing())))
    assert {path: each["n"] for path, each in server.documents.items()} == {
        path: each["n"] for path, each in undisturbed.documents.items()
    }
    for request, answer in zip(requests, found, strict=True):
        assert answer.status < 300 or request.method == "DELETE"
