"""Flows around flows."""

from __future__ import annotations

from typing import Any

import pytest

from kinto_orm.exceptions import NotSent
from kinto_orm.flow import Page, Program, Request, Response, Sleep, Stream, collected
from kinto_orm.flow.around import around

from .scripts import Script, all_of, one, replies


def twice(request: Request) -> Program[Response]:
    """Make *request* twice; return the last response."""
    yield request
    response: Response = yield request
    return response


def recovering(log: list[str]) -> Program[str]:
    """Ask, and if that fails ask again."""
    try:
        yield Request("GET", "/first")
    except BaseException as error:  # noqa: BLE001 (whatever it is)
        log.append(type(error).__name__)
        response: Response = yield Request("GET", "/second")
        return str(response.body)
    finally:
        log.append("closed")
    return "at once"


class TestAround:
    def test_requests(self) -> None:
        """Each request of the flow is made by the other one; the flow gets what that returns."""
        script = Script(replies(*(Response(200, number) for number in range(4))))
        found = script.run(around(all_of([Request("GET", "/a"), Request("GET", "/b")]), twice))
        assert [response.body for response in found] == [1, 3]
        assert script.calls == ["GET /a", "GET /a", "GET /b", "GET /b"]

    def test_other_steps(self) -> None:
        """Other steps pass."""

        def pausing() -> Program[None]:
            yield Sleep(1.5)

        script = Script()
        script.run(around(pausing(), twice))
        assert script.pauses == [1.5]

    def test_no_step(self) -> None:
        """A flow without steps gives its result."""
        assert Script().run(around(all_of([]), twice)) == []

    @pytest.mark.parametrize("error", [NotSent("no"), KeyboardInterrupt()])
    def test_errors(self, error: BaseException) -> None:
        """What is raised at a step is raised inside the flow within, whatever it is."""
        log: list[str] = []
        script = Script(replies(Response(200), error, Response(200), Response(200, "again")))
        assert script.run(around(recovering(log), twice)) == "again"
        assert log == [type(error).__name__, "closed"]
        assert script.calls == ["GET /first"] * 2 + ["GET /second"] * 2

    def test_error_in_between(self) -> None:
        """What the flow around raises is raised inside the flow within as well."""
        log: list[str] = []

        def refuse(request: Request) -> Program[Response]:
            if request.path == "/first":
                raise LookupError
            response: Response = yield request
            return response

        assert Script(replies(Response(200, "it"))).run(around(recovering(log), refuse)) == "it"
        assert log == ["LookupError", "closed"]

    def test_closing(self) -> None:
        """Closing the flow around closes the flow within, which learns of it."""
        log: list[str] = []

        def patient() -> Program[None]:
            try:
                yield Request("GET", "/")
            finally:
                log.append("closed")

        flow = around(patient(), twice)
        next(flow)
        flow.close()
        assert log == ["closed"]

    def test_nesting(self) -> None:
        """They nest: the outermost is the nearest to the wire."""
        script = Script(lambda _: Response(200))
        script.run(around(around(one(Request("GET", "/")), twice), twice))
        assert script.calls == ["GET /"] * 4


class TestCollected:
    def test_items(self) -> None:
        """All pages become one list; other steps are made."""

        def walk() -> Stream[str]:
            yield Page(["a"])
            response: Any = yield Request("GET", "/")
            yield Page(response.body)
            yield Page([])

        script = Script(replies(Response(200, ["b", "c"])))
        assert script.run(collected(walk())) == ["a", "b", "c"]
        assert script.calls == ["GET /"]

    def test_errors(self) -> None:
        """An error is raised at the step, inside the stream, which may go on."""

        def walk() -> Stream[str]:
            try:
                yield Request("GET", "/")
            except NotSent:
                yield Page(["nothing"])

        assert Script(replies(NotSent("no"))).run(collected(walk())) == ["nothing"]

    def test_closing(self) -> None:
        """The stream is closed, however it ends."""
        log: list[str] = []

        def walk() -> Stream[str]:
            try:
                yield Request("GET", "/")
            finally:
                log.append("closed")

        with pytest.raises(NotSent, match="no"):
            Script(replies(NotSent("no"))).run(collected(walk()))
        assert log == ["closed"]
