"""The order in which recorded operations travel, and what an interruption leaves of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Any

import pytest

from hypothesis import given
from hypothesis import strategies as st

from kinto_orm.exceptions import AnswerLost, NotAttempted, NotSent, UnsendableValue
from kinto_orm.flow import (
    Pacing,
    Pending,
    Program,
    Request,
    Response,
    RetryPolicy,
    Sleep,
    Work,
    retrying,
    together,
)
from kinto_orm.flow.messages import Step

from .models import Lossy, Memory, Postgresql
from .scripts import LAW, STEADY, Reply, Script, all_of, answered, one, put, replies, stored


RECORDS = "/buckets/b/collections/c/records"
A, B, C = (f"{RECORDS}/{letter}" for letter in "abc")

#: Objects, of which some are above others.
TREE = ["/buckets/b", "/buckets/b/collections/c", A, B, C]

NUMBER = "x-number"


def related(one: Request, other: Request) -> bool:
    """Tell whether the order of two requests matters."""
    below = f"{one.path}/".startswith(f"{other.path}/")
    above = f"{other.path}/".startswith(f"{one.path}/")
    return (one.writes or other.writes) and (below or above)


@st.composite
def numbered(draw: st.DrawFn, methods: tuple[str, ...] = ("PUT", "DELETE")) -> list[Request]:
    """Draw requests that say in a header which one they are."""
    kinds = st.tuples(st.sampled_from(methods), st.sampled_from(TREE))
    return [
        Request(method, path, (), {NUMBER: str(number)}, {"data": {"n": number}})
        for number, (method, path) in enumerate(draw(st.lists(kinds, min_size=1, max_size=8)))
    ]


def trips(script: Script) -> Iterator[list[int]]:
    """Give the numbers of the requests of each round trip; looks have none."""
    for request in script.requests:
        parts = request.parts or (request,)
        yield [int(part.headers[NUMBER]) for part in parts if NUMBER in part.headers]


def ask(*requests: Request) -> Pending[list[Response]]:
    """Record an operation that makes *requests*, one after the other."""
    return Pending(all_of(requests))


class TestOrder:
    def test_second_requests_come_first(self) -> None:
        """What an operation does second, it does before the operations behind it do anything."""
        removal = ask(Request("GET", A), Request("DELETE", f"{A}/attachment"))
        addition = ask(Request("POST", f"{A}/attachment", body={}))
        script = Script(lambda _: Response(200))
        script.run(together([removal, addition, ask(Request("GET", A))], 25))
        assert [request.method for request in script.requests] == ["GET", "DELETE", "POST", "GET"]

    def test_second_requests_go_together(self) -> None:
        """Second requests travel with each other; what has to do with one of them waits."""
        operations = [ask(put(path), put(path, n=2)) for path in (A, B)]
        script = Script(replies(*[answered(200, 200)] * 3))
        script.run(together([*operations, ask(put(A, n=3)), ask(put(C))], 25))
        sent = [[entry["path"] for entry in each.body["requests"]] for each in script.requests]
        assert sent == [[A, B], [A, B], [A, C]]

    def test_lost_before_it_is_written_over(self) -> None:
        """A write that was lost is looked up before the next one to the same object is sent."""
        recorded = [Pending(one(request)) for request in (put(A, n=1), Request("DELETE", A))]
        found = Response(200, stored(6, n=1))
        script = Script(replies(AnswerLost("lost"), found, Response(200)))
        script.run(together(recorded, 25, STEADY))
        assert [request.method for request in script.requests] == ["PUT", "GET", "DELETE"]
        assert recorded[0].result() is found

    @LAW
    @given(requests=numbered(("GET", "PUT", "DELETE")), limit=st.integers(1, 5))
    def test_law(self, requests: list[Request], limit: int) -> None:
        """Requests travel in order; in no batch are two that have to do with each other."""
        script = Script(Memory())
        script.run(together([Pending(one(request)) for request in requests], limit))
        sent = list(trips(script))
        assert [number for trip in sent for number in trip] == list(range(len(requests)))
        for trip in sent:
            assert len(trip) <= limit
            for first, second in combinations(trip, 2):
                assert not related(requests[first], requests[second])
        for trip, (first, *_) in pairwise(sent):
            full = len(trip) == limit
            assert full or any(related(requests[each], requests[first]) for each in trip)

    @LAW
    @given(
        requests=numbered(),
        collisions=st.lists(st.frozensets(st.integers(0, 4), max_size=2), max_size=10),
        fates=st.lists(st.sampled_from(["passes", "answer", "request", "failed"]), max_size=8),
        transactional=st.booleans(),
    )
    def test_never_overtaken(
        self,
        requests: list[Request],
        collisions: list[frozenset[int]],
        fates: list[str],
        transactional: bool,  # noqa: FBT001
    ) -> None:
        """
        Whatever is undone or lost, no write is sent after a later one to the same object.

        All ends as if the requests had been made one by one, by a server that nothing befalls.
        """
        kind = Postgresql if transactional else Memory
        undisturbed, server = kind(), kind(collisions=iter(collisions))
        for request in requests:
            undisturbed(request)
        script = Script(Lossy(server, iter(fates)))
        policy = RetryPolicy(attempts=30, budget=1e9)
        recorded = [Pending(one(request)) for request in requests]
        script.run(retrying(together(recorded, 25, policy), policy, Pacing()))
        for request, pending in zip(requests, recorded, strict=True):
            assert pending.result().status < 300 or request.method == "DELETE"
        assert {path: each["n"] for path, each in server.documents.items()} == {
            path: each["n"] for path, each in undisturbed.documents.items()
        }
        sent = [number for trip in trips(script) for number in trip]
        for earlier, later in combinations(sent, 2):
            assert earlier <= later or not related(requests[earlier], requests[later])


class Watched(Pending[Response]):
    """An operation that counts how often it is looked at."""

    looks = 0

    @property
    def step(self) -> Step | None:
        """Return what the operation waits for."""
        self.looks += 1
        return self._step

    @step.setter
    def step(self, step: Step | None) -> None:
        self._step = step


class TestMany:
    @pytest.mark.parametrize(("count", "limit"), [(10_000, 25), (10_000, 1), (9_999, 100)])
    def test_linear(self, count: int, limit: int) -> None:
        """So many creations take no more requests than needed, and work as many times as much."""
        recorded = [Watched(one(put(f"{RECORDS}/{number}"))) for number in range(count)]
        script = Script(Memory())
        script.run(together(recorded, limit, STEADY))
        assert len(script.requests) == -(-count // limit)
        assert max(each.looks for each in recorded) <= 12
        assert {each.result().status for each in recorded} == {201}


class TestUnsendable:
    @pytest.mark.parametrize("policy", [STEADY, RetryPolicy(attempts=1)])
    def test_others_are_done(self, policy: RetryPolicy) -> None:
        """D1: an operation with a value that cannot be sent fails; the others are done."""
        server = Memory()

        def picky(request: Request) -> Reply:
            return UnsendableValue("NaN") if "NaN" in str(request.body) else server(request)

        values = [1, 2, "NaN", 4, 5]
        requests = [put(f"{RECORDS}/{number}", n=n) for number, n in enumerate(values)]
        recorded = [Pending(one(request)) for request in requests]
        script = Script(picky)
        script.run(together(recorded, 2, policy))
        assert [type(each.error) for each in recorded if each.error] == [UnsendableValue]
        assert isinstance(recorded[2].error, UnsendableValue)
        assert [each["n"] for each in server.documents.values()] == [1, 2, 4, 5]
        assert len(script.requests) == 5


class TestInterruption:
    """Whoever asks to stop is not kept waiting; but what is known is told."""

    @pytest.mark.parametrize("cause", [KeyboardInterrupt(), SystemExit(1), MemoryError("full")])
    def test_request(self, cause: BaseException) -> None:
        """What has its answer keeps it; what was under way may be applied; the rest is not."""
        why = str(cause) or repr(cause)
        recorded = [Pending(one(put(f"{RECORDS}/{number}"))) for number in range(5)]
        script = Script(replies(answered(201, 201), cause))
        with pytest.raises(type(cause)):
            script.run(together(recorded, 2, STEADY))
        assert [each.result().status for each in recorded[:2]] == [201, 201]
        assert [str(each.error) for each in recorded[2:]] == [
            f"PUT {RECORDS}/2 was interrupted: it may have been applied",
            f"PUT {RECORDS}/3 was interrupted: it may have been applied",
            f"PUT {RECORDS}/4 was not sent, since a request before it failed: {why}",
        ]
        assert [type(each.error) for each in recorded[2:]] == [AnswerLost, AnswerLost, NotAttempted]
        assert all(each.error.__cause__ is cause for each in recorded[2:] if each.error)

    def test_between_requests(self) -> None:
        """If it comes while something is prepared, nothing of that round was sent."""

        def interrupt() -> None:
            raise KeyboardInterrupt

        def flow() -> Program[None]:
            yield Work(interrupt)
            yield put(B)

        recorded: list[Pending[Any]] = [Pending(one(put(A))), Pending(flow()), ask(put(C))]
        script = Script()
        with pytest.raises(KeyboardInterrupt):
            script.run(together(recorded, 25))
        assert script.requests == []
        assert [type(each.error) for each in recorded] == [NotAttempted] * 3
        assert str(recorded[1].error) == (
            "it went no further, since a request failed: KeyboardInterrupt()"
        )

    def test_answers(self) -> None:
        """If it comes while answers are handed out, what has its own keeps it."""

        def goes_on() -> Program[None]:
            yield put(B)
            yield Work(lambda: None)

        def raises() -> Program[None]:
            yield put(C)
            raise KeyboardInterrupt

        recorded: list[Pending[Any]] = [ask(put(A)), Pending(goes_on()), Pending(raises())]
        with pytest.raises(KeyboardInterrupt):
            Script(replies(answered(201, 201, 201))).run(together(recorded, 25))
        assert [each.status for each in recorded[0].result()] == [201]
        assert [str(each.error) for each in recorded[1:]] == [
            "it was interrupted: it may have been applied",
            f"PUT {C} was interrupted: it may have been applied",
        ]

    def test_pause(self) -> None:
        """If it comes in the pause after a 409, what is undone may yet be there."""
        recorded = [Pending(one(put(path))) for path in (A, B)]
        flow = together(recorded, 25, STEADY)
        assert isinstance(next(flow), Request)
        assert isinstance(flow.send(answered(201, 409)), Sleep)
        flow.close()
        assert [type(each.error) for each in recorded] == [AnswerLost] * 2

    def test_not_begun(self) -> None:
        """When the connection breaks, what is not even prepared says that it went no further."""

        def flow() -> Program[None]:
            yield Work(lambda: None)
            yield put(B)

        recorded: list[Pending[Any]] = [Pending(one(put(A))), Pending(flow()), Pending(flow())]
        script = Script(replies(broken := NotSent("no server")))
        script.run(together(recorded, 1))
        assert [type(each.error) for each in recorded] == [NotSent, NotAttempted, NotAttempted]
        assert str(recorded[2].error).startswith("it went no further, since a request failed:")
        assert recorded[2].error is not None
        assert recorded[2].error.__cause__ is broken

    @LAW
    @given(
        requests=numbered(), at=st.integers(0, 8), applied=st.booleans(), limit=st.integers(1, 4)
    )
    def test_law(self, requests: list[Request], at: int, applied: bool, limit: int) -> None:  # noqa: FBT001
        """Whenever it comes, what is said to be written is, and what is said not to be is not."""
        server = Memory()

        def interrupted(request: Request) -> Reply:
            if len(script.requests) <= at:
                return server(request)
            if applied:
                server(request)
            return KeyboardInterrupt()

        script = Script(interrupted)
        recorded = [Pending(one(request)) for request in requests]
        try:
            script.run(together(recorded, limit, STEADY))
        except KeyboardInterrupt:
            sent = list(trips(script))
        else:
            sent = [*trips(script), []]
        before = {number for trip in sent[:-1] for number in trip}
        for number, pending in enumerate(recorded):
            if number in before:
                assert pending.error is None
            else:
                assert type(pending.error) is (AnswerLost if number in sent[-1] else NotAttempted)
