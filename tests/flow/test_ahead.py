"""Streams whose next page is asked for while one is used."""

from __future__ import annotations

import asyncio

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from attrs import define, field

from kinto_orm.exceptions import AnswerLost
from kinto_orm.flow import Awaiting, Blocking, Page, Request, Response, Stream, stream


@define(slots=False)
class Port:
    """Answers with what is asked for, and notes in which order things happen."""

    noted: list[str] = field(factory=list)
    failing: str = ""

    def answer(self, step: Any) -> Response:
        if step.path == self.failing:
            msg = step.path
            raise AnswerLost(msg)
        return Response(200, step.path)

    def perform(self, step: Any) -> Any:
        self.noted.append(f"perform {step.path}")
        return self.answer(step)

    def begin(self, step: Any) -> Any:
        self.noted.append(f"begin {step.path}")
        port = self

        class Begun(Future[Any]):
            def cancel(self) -> bool:
                port.noted.append(f"cancel {step.path}")
                return super().cancel()

        future = Begun()
        try:
            future.set_result(self.answer(step))
        except AnswerLost as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        """Have nothing to close."""


class AwaitingPort(Port):
    """Does the same in an event loop."""

    async def perform(self, step: Any) -> Any:
        return super().perform(step)

    def begin(self, step: Any) -> Any:
        return Task(super().begin(step))


@define
class Task:
    """Is awaited for a future that has come already."""

    future: Any

    def cancel(self) -> object:
        return self.future.cancel()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self.future.result()
        yield


class Lists:
    """Two pages, and what is to happen after them."""

    _port: Any
    ahead: bool = True
    end: BaseException | None = None

    @stream
    def items(self) -> Stream[str]:
        """Give the pages /1 and /2."""
        for path in ("/1", "/2"):
            try:
                response: Response = yield Request("GET", path)
            except AnswerLost:
                yield Page([f"lost {path}"])
                return
            yield Page([response.body, f"more of {response.body}"], self.ahead)
        if self.end is not None:
            raise self.end


class BlockingLists(Lists, Blocking):
    """Lists that block."""


class AwaitingLists(Lists, Awaiting):
    """Lists that are awaited."""


Walk = Callable[..., list[str]]


@pytest.fixture(params=["blocking", "awaiting"])
def walk(request: pytest.FixtureRequest) -> Walk:
    """Give what goes through a list, noting each item, as far as *count*."""

    def blocking(port: Port, count: int = 9, **options: Any) -> list[str]:
        lists = BlockingLists()
        lists.__dict__.update(options, _port=port)
        items: Iterator[str] = lists.items()
        for number, item in enumerate(items, 1):
            port.noted.append(item)
            if number == count:
                items.close()  # type: ignore[attr-defined]
        return port.noted

    async def awaited(port: Port, count: int = 9, **options: Any) -> list[str]:
        lists = AwaitingLists()
        lists.__dict__.update(options, _port=port)
        items: Any = lists.items()
        number = 0
        async for item in items:
            number += 1
            port.noted.append(item)
            if number == count:
                await items.aclose()
        return port.noted

    if request.param == "blocking":
        return blocking
    return lambda port, *args, **options: asyncio.run(awaited(port, *args, **options))


@pytest.fixture
def port(request: pytest.FixtureRequest) -> Port:
    """Give what answers."""
    is_awaiting = "awaiting" in request.node.name
    return AwaitingPort() if is_awaiting else Port()


def test_a_page_is_asked_for_while_one_is_used(walk: Walk, port: Port) -> None:
    """The request for the second page begins before the items of the first are given."""
    assert walk(port) == [
        "perform /1", "begin /2", "/1", "more of /1", "/2", "more of /2",
    ]  # fmt: skip


def test_only_where_the_stream_allows_it(walk: Walk, port: Port) -> None:
    """Without `ahead`, a page is asked for when the one before is used up."""
    assert walk(port, ahead=False) == [
        "perform /1", "/1", "more of /1", "perform /2", "/2", "more of /2",
    ]  # fmt: skip


def test_an_error_is_raised_at_its_step(walk: Walk, port: Port) -> None:
    """What goes wrong meanwhile is raised inside the flow, when its turn comes."""
    port.failing = "/2"
    assert walk(port) == ["perform /1", "begin /2", "/1", "more of /1", "lost /2"]


def test_an_error_of_the_flow_comes_after_the_items(walk: Walk, port: Port) -> None:
    """What a flow raises after a page does not take the items of that page away."""
    with pytest.raises(RuntimeError, match="at the end"):
        walk(port, end=RuntimeError("at the end"))
    assert port.noted[-2:] == ["/2", "more of /2"]


def test_who_leaves_early_cancels(walk: Walk, port: Port) -> None:
    """A request that nobody waits for any more is given up."""
    assert walk(port, 1) == ["perform /1", "begin /2", "/1", "cancel /2"]
