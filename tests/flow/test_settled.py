"""B3: what a 409 in a batch undid is sent again, until it is settled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hypothesis import given
from hypothesis import strategies as st

from kinto_orm.exceptions import AnswerLost, NotSent, ServerError
from kinto_orm.flow import Document, Request, Response, RetryPolicy
from kinto_orm.flow.batching import settled

from .models import Memory, Postgresql
from .scripts import (
    LAW,
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


PATIENT = RetryPolicy(attempts=5, first=1.0, longest=3.0, jitter=lambda: 1.0)

DELETE = Request("DELETE", "/gone")


def settle(
    requests: list[Request], *given: Reply, patience: RetryPolicy = PATIENT
) -> tuple[list[Any], Script]:
    """Settle *requests* with a server that gives these replies; return statuses, or errors."""
    script = Script(replies(*given))
    return said(script.run(settled(requests, patience))), script


def sent(script: Script) -> list[list[str]]:
    """Return what each round trip was about."""
    return [
        entries(request) if request.path == "/batch" else [f"{request.method} {request.path}"]
        for request in script.requests
    ]


class TestRepetition:
    def test_none(self) -> None:
        """Without a 409 there is one round trip; other errors are of their requests alone (B6)."""
        found, script = settle([put("/a"), put("/b")], answered(201, 412))
        assert found == [201, 412]
        assert len(script.requests) == 1

    def test_all_before_the_last(self) -> None:
        """Everything up to the last 409 is sent again, and nothing behind it."""
        requests = [put(f"/{letter}") for letter in "abcdef"]
        first = answered(201, 409, 201, 409, 201, 412)
        found, script = settle(requests, first, answered(201, 201, 201, 200))
        assert found == [201, 201, 201, 200, 201, 412]
        assert sent(script)[1] == ["PUT /a", "PUT /b", "PUT /c", "PUT /d"]

    def test_with_the_same_preconditions(self) -> None:
        """It is sent as it was, preconditions included."""
        guarded = Request("PUT", "/a", headers={"If-Match": '"5"'}, body={"data": {}})
        _, script = settle([guarded, put("/b")], answered(201, 409), answered(201, 201))
        first, second = script.requests
        assert first == second

    def test_one_left(self) -> None:
        """A request that is left alone travels without a batch."""
        _, script = settle([put("/a"), put("/b")], answered(409, 201), Response(201))
        assert sent(script) == [["PUT /a", "PUT /b"], ["PUT /a"]]

    def test_single(self) -> None:
        """It is the same for a single request."""
        found, script = settle([put("/a")], Response(409), Response(409), Response(201))
        assert found == [201]
        assert sent(script) == [["PUT /a"]] * 3

    def test_whole(self) -> None:
        """B4: when the whole batch is a 409, all of it is sent again."""
        found, script = settle([put("/a"), put("/b")], Response(409), answered(201, 201))
        assert found == [201, 201]
        assert sent(script) == [["PUT /a", "PUT /b"]] * 2

    def test_less_and_less(self) -> None:
        """What a repetition undid is sent again: what is behind its last 409 is done."""
        requests = [put(f"/{letter}") for letter in "abc"]
        found, script = settle(
            requests, answered(201, 201, 409), answered(201, 409, 201), answered(201, 201)
        )
        assert found == [201, 201, 201]
        assert [len(each) for each in sent(script)] == [3, 3, 2]

    def test_pauses(self) -> None:
        """Between the repetitions there are pauses, as the policy has them."""
        _, script = settle([put("/a")], *[Response(409)] * 4, Response(201))
        assert script.pauses == [1.0, 2.0, 3.0, 3.0]


class TestExhaustion:
    def test_all_undone_are_conflicts(self) -> None:
        """When patience ends, 409s are left for all that were undone, whatever they were told."""
        first, *more = [answered(201, 409, 201), *[answered(201, 409)] * 4]
        found, script = settle([put("/a"), put("/b"), put("/c")], first, *more)
        assert found == [409, 409, 201]
        assert len(script.requests) == 5
        assert len(script.pauses) == 4

    def test_refused_before_it_is_not_known(self) -> None:
        """A refusal before a 409 is not final either: it was told of a state that is no more."""
        patience = RetryPolicy(attempts=1)
        found, _ = settle([put("/a"), put("/b")], answered(412, 409), patience=patience)
        assert found == [409, 409]

    def test_single(self) -> None:
        """A single request is a 409 then."""
        found, script = settle([put("/a")], *[Response(409)] * 5)
        assert found == [409]
        assert len(script.requests) == 5


class TestConfirmed:
    """What was not undone after all is refused when it is repeated."""

    def test_own_write(self) -> None:
        """A 412 because of what the request itself had written confirms that."""
        first = answered((201, stored(7, n=1)), 409)
        again = answered((412, in_the_way(7, n=1)), 201)
        assert settle([put("/a", n=1), put("/b")], first, again)[0] == [201, 201]

    def test_foreign_write(self) -> None:
        """A 412 because of something else is one."""
        first = answered((201, stored(7, n=1)), 409)
        again = answered((412, in_the_way(8, n=2)), 201)
        assert settle([put("/a", n=1), put("/b")], first, again)[0] == [412, 201]

    def test_foreign_write_of_the_same_moment(self) -> None:
        """
        A 412 because of another document with the same timestamp is one.

        Timestamps are unique among what is committed, but what was rolled back has left its own
        free: two writers who create a record in the same millisecond get the same one.
        """
        first = answered((201, stored(7, n="mine")), 409)
        again = answered((412, in_the_way(7, n="theirs")), 201)
        assert settle([put("/a", n="mine"), put("/b")], first, again)[0] == [412, 201]

    def test_gone(self) -> None:
        """A 412 without what exists is one: what was written is not there any more."""
        first = answered((200, stored(7)), 409)
        assert settle([put("/a"), put("/b")], first, answered((412, {}), 201))[0] == [412, 201]

    def test_own_deletion(self) -> None:
        """A 404 for what the request itself had deleted confirms that."""
        first = answered((200, stored(7, deleted=True)), 409)
        assert settle([DELETE, put("/b")], first, answered(404, 201))[0] == [200, 201]

    def test_nothing_to_delete(self) -> None:
        """A 404 for what was not there before is one."""
        assert settle([DELETE, put("/b")], answered(404, 409), answered(404, 201))[0] == [404, 201]

    def test_not_for_other_methods(self) -> None:
        """A 404 for anything but a DELETE is one."""
        patch = Request("PATCH", "/a", body={"data": {}})
        first = answered((200, stored(7)), 409)
        assert settle([patch, put("/b")], first, answered(404, 201))[0] == [404, 201]

    def test_refused_before(self) -> None:
        """What was refused before was not applied: a later 412 is one, too."""
        first = answered((412, in_the_way(7)), 409)
        again = answered((412, in_the_way(7)), 201)
        assert settle([put("/a"), put("/b")], first, again)[0] == [412, 201]

    def test_again_and_again(self) -> None:
        """What was confirmed once stays so."""
        again = answered((412, in_the_way(7)), 409)
        last = answered((412, in_the_way(7)), 201)
        first = answered((201, stored(7)), 409)
        assert settle([put("/a"), put("/b")], first, again, again, last)[0] == [201, 201]

    def test_collision_in_between(self) -> None:
        """A 409 of its own between its success and its repetition does not make it forgotten."""
        first = answered((201, stored(7)), 409)
        between = answered(409, 201)
        found, _ = settle([put("/a"), put("/b")], first, between, Response(412, in_the_way(7)))
        assert found == [201, 201]

    def test_first_response_counts(self) -> None:
        """The response that is kept is the one that has what was written."""
        script = Script(
            replies(answered((201, stored(7, n=1)), 409), answered((412, in_the_way(7, n=1)), 201))
        )
        kept, _ = responses(script.run(settled([put("/a", n=1), put("/b")], PATIENT)))
        assert kept.body == stored(7, n=1)


class TestErrors:
    @pytest.mark.parametrize("error", [AnswerLost("lost"), NotSent("no")])
    def test_transport(self, error: Exception) -> None:
        """An error of the connection is the answer to all that were under way."""
        found, _ = settle([put("/a"), put("/b")], error)
        assert found == [error, error]

    def test_server(self) -> None:
        """B5: a 5xx as well."""
        found, _ = settle([put("/a"), put("/b")], Response(500))
        assert [type(answer) for answer in found] == [ServerError, ServerError]


# -- Laws --------------------------------------------------------------------------------------


@st.composite
def writes(draw: st.DrawFn, path: str) -> tuple[Request, Document | None]:
    """Draw a write of the document at *path*, and what is there before."""
    before = draw(st.none() | st.just({"kept": True, "last_modified": 100}))
    kind = draw(st.sampled_from(["create", "put", "replace", "patch", "delete"]))
    stamp = draw(st.sampled_from(["100", "99"]))  # The right one, and a wrong one.
    headers = {
        "create": {"If-None-Match": "*"},
        "put": {},
    }.get(kind, {"If-Match": f'"{stamp}"'})
    body = {"data": {"written": path}}
    if kind == "delete":
        return Request("DELETE", path, headers=headers), before
    return Request("PATCH" if kind == "patch" else "PUT", path, (), headers, body), before


@st.composite
def commits(draw: st.DrawFn) -> list[tuple[Request, Document | None]]:
    """Draw writes of different documents, each with what is there before."""
    count = draw(st.integers(1, 8))
    return [draw(writes(f"/{number}")) for number in range(count)]


#: Where requests meet other writers: for each round trip.
Collisions = list[frozenset[int]]
collisions = st.lists(st.frozensets(st.integers(0, 7), max_size=3), max_size=8)

#: Which round trips are rolled back whole.
wholes = st.frozensets(st.integers(0, 8), max_size=3)
limits = st.sampled_from([1000, 1000, 5, 3])


def is_applied(server: Memory, request: Request, before: Document | None) -> bool:
    """Tell whether *request* has changed what was there *before* it as it says."""
    now = server.documents.get(request.path)
    if request.method == "DELETE":
        return before is not None and now is None
    return now is not None and now.get("written") == request.path


def told(
    server: Memory, commit: list[tuple[Request, Document | None]]
) -> Iterator[tuple[int, bool]]:
    """Settle *commit* with *server*; give for each request what is said of it, and what is true."""
    server.documents = {request.path: dict(before) for request, before in commit if before}
    requests = [request for request, _ in commit]
    found = responses(Script(server).run(settled(requests, PATIENT)))
    for response, (request, before) in zip(found, commit, strict=True):
        yield response.status, is_applied(server, request, before)


@pytest.mark.parametrize("kind", [Postgresql, Memory])
class TestLaws:
    @LAW
    @given(commit=commits(), collisions=collisions, whole=wholes, limit=limits)
    def test_success_is_true(
        self,
        kind: type[Memory],
        commit: list[tuple[Request, Document | None]],
        collisions: Collisions,
        whole: frozenset[int],
        limit: int,
    ) -> None:
        """What is answered with a success is applied; what is not applied is not so answered."""
        server = kind(collisions=iter(collisions), whole=whole, limit=limit)
        for status, applied in told(server, commit):
            assert applied or status >= 300

    @LAW
    @given(commit=commits(), collisions=collisions, whole=wholes, limit=limits)
    def test_refusal_is_true(
        self,
        kind: type[Memory],
        commit: list[tuple[Request, Document | None]],
        collisions: Collisions,
        whole: frozenset[int],
        limit: int,
    ) -> None:
        """What is refused is not applied; but of a 409 that is left, nothing is known."""
        server = kind(collisions=iter(collisions), whole=whole, limit=limit)
        for status, applied in told(server, commit):
            assert not applied or status < 300 or status == 409

    @LAW
    @given(commit=commits(), collisions=collisions)
    def test_ends_well(
        self,
        kind: type[Memory],
        commit: list[tuple[Request, Document | None]],
        collisions: Collisions,
    ) -> None:
        """When the others let go in time, no 409 is left."""
        patience = RetryPolicy(attempts=len(collisions) + 1, jitter=lambda: 0.0)
        server = kind(collisions=iter(collisions))
        server.documents = {request.path: dict(before) for request, before in commit if before}
        found = Script(server).run(settled([request for request, _ in commit], patience))
        assert 409 not in said(found)
