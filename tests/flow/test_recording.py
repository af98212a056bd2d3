"""Recording: operations that wait for their batch."""

from __future__ import annotations

import inspect

import pytest

from kinto_orm.exceptions import InvalidRequest, NotSent
from kinto_orm.flow import (
    Page,
    Pending,
    Program,
    Recording,
    Request,
    Response,
    Sleep,
    Stream,
    operation,
    stream,
)


class Endpoints(Recording):
    """Operations to be recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[str] = []

    @operation
    def ask(self, path: str, *, times: int = 1) -> Program[list[str]]:
        """Ask for *path*, some times; return what came."""
        if times < 0:
            msg = "not that often"
            raise InvalidRequest(msg)
        try:
            found = []
            for number in range(times):
                response: Response = yield Request("GET", f"{path}/{number}")
                found.append(str(response.body))
            return found
        finally:
            self.log.append("closed")

    @operation
    def refuse(self) -> Program[None]:
        """Raise an error, whatever comes."""
        yield Request("GET", "/")
        raise LookupError

    @operation
    def pause(self) -> Program[None]:
        """Do nothing for a while."""
        yield Sleep(1.0)

    @stream
    def walk(self, *, pages: int = 1) -> Stream[int]:
        """Give numbers."""
        yield Page(range(pages))


class TestRecording:
    def test_waits(self) -> None:
        """A call returns at once, with its first request and no result."""
        batch = Endpoints()
        pending = batch.ask("/x")
        assert batch.recorded == [pending]
        assert pending.step == Request("GET", "/x/0")
        with pytest.raises(RuntimeError, match="GET /x/0> has not been sent yet"):
            pending.result()
        assert pending.error is None

    def test_order(self) -> None:
        """Operations are recorded in the order of their calls."""
        batch = Endpoints()
        calls = [batch.ask("/x"), batch.ask("/y"), batch.ask("/x")]
        assert batch.recorded == calls

    def test_result(self) -> None:
        """An operation goes on when it receives its response; at its end there is a result."""
        pending = Endpoints().ask("/x", times=2)
        pending.receive(Response(200, "one"))
        assert pending.step == Request("GET", "/x/1")
        pending.receive(Response(200, "two"))
        assert pending.step is None
        assert pending.result() == pending.result() == ["one", "two"]

    def test_no_step(self) -> None:
        """An operation without a request has its result at once."""
        assert Endpoints().ask("/x", times=0).result() == []

    def test_wrong_arguments(self) -> None:
        """Wrong arguments are an error at the call, where they are, and record nothing."""
        batch = Endpoints()
        with pytest.raises(InvalidRequest, match="not that often"):
            batch.ask("/x", times=-1)
        with pytest.raises(TypeError, match="unexpected keyword argument 'time'"):
            batch.ask("/x", time=1)  # type: ignore[call-arg]
        assert batch.recorded == []

    def test_error_of_the_operation(self) -> None:
        """What the operation raises is kept for the one who asks for its result."""
        pending = Endpoints().refuse()
        pending.receive(Response(200))
        assert isinstance(pending.error, LookupError)
        with pytest.raises(LookupError):
            pending.result()

    def test_failure(self) -> None:
        """An operation whose request got no answer ends: its flow is closed."""
        batch = Endpoints()
        pending = batch.ask("/x")
        error = NotSent("no")
        pending.fail(error)
        assert batch.log == ["closed"]
        assert pending.error is error
        assert pending.step is None
        with pytest.raises(NotSent):
            pending.result()

    def test_other_steps(self) -> None:
        """An operation may want something else than a request: it waits for that as well."""
        pending = Endpoints().pause()
        assert pending.step == Sleep(1.0)
        assert repr(pending) == "<Pending: waiting>"
        with pytest.raises(RuntimeError, match="has not been sent yet"):
            pending.result()
        pending.receive(None)
        assert pending.result() is None

    def test_streams(self) -> None:
        """A listing is refused, with the reason."""
        batch = Endpoints()
        with pytest.raises(TypeError, match=r"walk\(\) reads page after page"):
            batch.walk(pages=2)  # type: ignore[call-overload]
        assert batch.recorded == []

    def test_too_late(self) -> None:
        """A call after the end of its batch is refused: nobody would send it."""
        batch = Endpoints()
        pending = batch.ask("/x")
        batch.recorded.closed = True
        with pytest.raises(RuntimeError, match=r"ask\(\) comes too late: its batch has ended"):
            batch.ask("/y")
        assert batch.recorded == [pending]

    def test_ends_for_itself(self) -> None:
        """The end of one batch is not that of another."""
        ended, batch = Endpoints(), Endpoints()
        ended.recorded.closed = True
        assert batch.recorded == [batch.ask("/x")]

    def test_repr(self) -> None:
        """A handle shows what it waits for, or what came of it."""
        pending = Endpoints().ask("/x")
        assert repr(pending) == "<Pending GET /x/0>"
        pending.receive(Response(200))
        assert repr(pending) == "<Pending: done>"
        failed = Endpoints().ask("/x")
        failed.fail(NotSent("no"))
        assert repr(failed) == "<Pending: NotSent('no')>"

    def test_signature(self) -> None:
        """A call says that it gives a handle."""
        signature = inspect.signature(Endpoints.ask)  # type: ignore[arg-type]
        assert signature.return_annotation == "Pending[list[str]]"
        assert list(signature.parameters) == ["self", "path", "times"]
        assert isinstance(Endpoints().ask("/x"), Pending)
