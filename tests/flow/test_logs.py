"""What flows log: repeated requests, and what somebody should look at."""

from __future__ import annotations

import logging

from contextlib import suppress

import pytest

from kinto_orm.exceptions import AnswerLost, NotSent, TransportError
from kinto_orm.flow import Pacing, Request, Response, RetryPolicy, retrying
from kinto_orm.flow.batching import settled

from .scripts import STEADY, Reply, Script, answered, one, put, replies


READ = Request("GET", "/buckets/b", {"title": "hidden"})
POST = Request("POST", "/x", body={"password": "hidden"})
BUSY = Response(503, "hidden")
OK = Response(200, "done")


def said(
    caplog: pytest.LogCaptureFixture,
    request: Request,
    *given: Reply,
    policy: RetryPolicy = STEADY,
    pacing: Pacing | None = None,
) -> list[tuple[str, str]]:
    """Make *request* of a server with these replies; return what is logged, with its level."""
    caplog.set_level(logging.INFO, "kinto_orm")
    with suppress(TransportError):
        Script(replies(*given)).run(retrying(one(request), policy, pacing or Pacing()))
    return [(each.levelname, each.getMessage()) for each in caplog.records]


def test_a_success(caplog: pytest.LogCaptureFixture) -> None:
    """What goes well is not worth a line."""
    assert not said(caplog, READ, OK)


@pytest.mark.parametrize(
    ("reply", "name"),
    [(BUSY, "503"), (NotSent("hidden"), "NotSent"), (AnswerLost("no"), "AnswerLost")],
)
def test_a_repetition(caplog: pytest.LogCaptureFixture, reply: Reply, name: str) -> None:
    """That a request is repeated is told, with the reason and the pause; success is not."""
    assert said(caplog, READ, reply, OK) == [
        ("INFO", f"GET /buckets/b: {name}; attempt 2 of 5 in 0.2 s")
    ]


def test_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """A request that was tried as often as it may be is a warning."""
    policy = RetryPolicy(attempts=2, jitter=lambda: 1.0)
    assert said(caplog, READ, BUSY, BUSY, policy=policy) == [
        ("INFO", "GET /buckets/b: 503; attempt 2 of 2 in 0.2 s"),
        ("WARNING", "GET /buckets/b: 503; given up after attempt 2"),
    ]


def test_a_pause_too_long(caplog: pytest.LogCaptureFixture) -> None:
    """So is one for which the server wants a longer pause than is waited."""
    given_up = "GET /buckets/b: 503; given up after attempt 1, since a pause of 999.0 s is too long"
    busy = Response(503, None, {"retry-after": "999"})
    assert said(caplog, READ, busy) == [("WARNING", given_up)]


def test_no_repetitions_wanted(caplog: pytest.LogCaptureFixture) -> None:
    """Where nothing is to be repeated, nothing is given up: the error says it all."""
    assert not said(caplog, READ, BUSY, policy=RetryPolicy(attempts=1))
    assert not said(caplog, READ, Response(404))
    assert not said(caplog, POST, AnswerLost("hidden"))


def test_not_known(caplog: pytest.LogCaptureFixture) -> None:
    """A write of which it cannot be found out whether it was applied is a warning."""
    bucket = Request("DELETE", "/buckets/b")
    lines = said(caplog, bucket, AnswerLost("hidden"), Response(403))
    assert lines[-1] == (
        "WARNING",
        "DELETE /buckets/b: AnswerLost; it is not known whether it was applied",
    )


def test_what_the_server_says(caplog: pytest.LogCaptureFixture) -> None:
    """An alert is a warning, once; a pause that the server asks for is told."""
    told = Response(200, None, {"alert": "end of life", "backoff": "5"})
    assert said(caplog, READ, told) == [
        ("INFO", "the server asks for a pause of 5.0 s (Backoff)"),
        ("WARNING", "the server says: end of life"),
    ]
    caplog.clear()
    assert not said(caplog, READ, Response(200, None, {"alert": "x"}), pacing=Pacing(None, ["x"]))


def test_undone(caplog: pytest.LogCaptureFixture) -> None:
    """What a 409 undoes in a batch is told each time, and a warning if it does not end."""
    caplog.set_level(logging.INFO, "kinto_orm")
    requests = [put("/buckets/x"), put("/buckets/y"), put("/buckets/z")]
    patience = RetryPolicy(attempts=2, jitter=lambda: 1.0)
    server = replies(answered(201, 409, 201), answered(201, 409))
    Script(server).run(settled(requests, patience))
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("INFO", "a 409 undid 2 requests; they are repeated in 0.2 s"),
        ("WARNING", "a 409 undid 2 requests; given up: they were tried 2 times"),
    ]
