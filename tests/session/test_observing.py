"""Sessions tell how many requests they have made, and how far they have come."""

from __future__ import annotations

import pytest

from apps import APART, App
from faults import FaultProxy
from kinto_orm.session.progress import Progress
from session.models import Todo
from transport.drivers import QUICK


APPS = APART


class TestRequestCount:
    """What `Session.request_count` counts is what reaches the server."""

    def test_all_that_a_session_sends(self, app: App) -> None:
        """Reads, pages of queries, plans and commits count; a batch is one request."""
        app.create([{"id": f"t{number}", "title": "a"} for number in range(5)])
        with FaultProxy(app.server.url) as proxy:
            session = app.session(app.client(proxy.url))
            assert session.request_count == 0
            first = session.get(Todo, "t0")
            assert session.request_count == 1
            todos = list(session.query(Todo).page_size(2))
            assert (len(todos), session.request_count) == (5, 4)
            session.query(Todo).count()
            for todo in todos:
                todo.title = "b"
            session.plan()
            session.commit()
            session.refresh(first)
            assert session.request_count == len(proxy.requests)
            assert [path for method, path in proxy.calls if method == "POST"] == ["/v1/batch"]

    def test_what_costs_nothing(self, app: App) -> None:
        """A record that is there already, and a commit of nothing, are no requests."""
        app.create([{"id": "t", "title": "a"}])
        session = app.session()
        session.get(Todo, "t")
        session.get(Todo, "t")
        session.commit()
        assert session.request_count == 1

    def test_each_attempt_counts(self, app: App) -> None:
        """A request that is repeated, and one that is lost, count as often as they are sent."""
        app.create([{"id": "t", "title": "a"}])
        with FaultProxy(app.server.url) as proxy:
            proxy.drop(times=2)
            session = app.session(app.client(proxy.url, retry=QUICK))
            todo = session.get(Todo, "t")
            assert session.request_count == len(proxy.requests) == 3
            todo.title = "b"
            proxy.lose_answer(when=lambda request: request.method == "PATCH")
            session.commit()
            assert session.request_count == len(proxy.requests) > 4

    def test_each_session_counts_its_own(self, app: App) -> None:
        """What another session of the same client sends is not counted, nor what that does."""
        app.create([{"id": "t", "title": "a"}])
        client = app.client()
        one, other = app.session(client), app.session(client)
        one.get(Todo, "t")
        one.query(Todo).all()
        app.run(client.get_record(id="t"))
        assert (one.request_count, other.request_count) == (2, 0)
        assert len(client.sent) == 3

    def test_a_dry_run(self, app: App) -> None:
        """What a dry run does not send does not count."""
        app.create([{"id": "t", "title": "a"}])
        client = app.client(dry_mode=True)
        session = app.session(client)
        session.get(Todo, "t").title = "b"
        session.commit()
        assert session.request_count == len(client.sent) == 1

    @pytest.mark.parametrize("app", ["blocking on memory"], indirect=True)
    def test_a_page_asked_for_ahead(self, app: App) -> None:
        """It counts once, from when it is asked for, whether it is used or not."""
        app.create([{"id": f"t{number}", "title": "a"} for number in range(4)])
        session = app.session()
        items = iter(session.query(Todo).page_size(2))
        assert session.request_count == 0
        next(items)
        assert session.request_count == 2
        assert len(list(items)) == 3
        assert session.request_count == 2


@pytest.mark.parametrize(
    ("progress", "text", "fraction"),
    [
        (Progress(0, 0, 0), "0 of 0 (100 %)", 1.0),
        (Progress(0, 3, 1), "0 of 3 (0 %)", 0.0),
        (Progress(250, 1000, 10), "250 of 1,000 (25 %)", 0.25),
        (Progress(999, 1000, 40), "999 of 1,000 (99 %)", 0.999),
        (Progress(1000, 1000, 40), "1,000 of 1,000 (100 %)", 1.0),
        (Progress(done=2, total=1, requests=1), "2 of 1 (100 %)", 1.0),
    ],
)
def test_progress(progress: Progress, text: str, fraction: float) -> None:
    """It is told in numbers and in per cent, which are 100 only when nothing is left."""
    assert str(progress) == text
    assert progress.fraction == fraction
