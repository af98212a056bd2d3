"""What a batch has of an operation: the result of the method, and the answers of the server."""

from __future__ import annotations

from typing import Any

import pytest

from kinto_orm.exceptions import AnswerLost, KintoException, NotSent, PreconditionFailed
from kinto_orm.flow import Headers, Pending, Program, Request, Response
from kinto_orm.flow.refusals import response_error


def recorded(count: int, result: Any = None) -> Pending[Any]:
    """Record an operation that makes so many requests, and returns *result*."""

    def flow() -> Program[Any]:
        for number in range(count):
            response: Response = yield (request := Request("GET", f"/{number}"))
            if response.status >= 400 and number == count - 1:
                raise response_error(request, response)
        return result

    return Pending(flow())


def answered(pending: Pending[Any], *answers: Response) -> Pending[Any]:
    """Give *answers* to an operation."""
    for answer in answers:
        pending.receive(answer)
    return pending


def page(*items: int, **more: Any) -> Response:
    """Return a page of a list."""
    return Response(200, {"data": [{"id": str(item)} for item in items]}, **more)


OBJECT = Response(200, {"data": {"id": "a"}, "permissions": {"read": []}}, Headers([("ETag", "5")]))
REFUSAL = Response(412, {"code": 412, "message": "no"})


class TestBody:
    def test_object(self) -> None:
        """It is the body of the answer, as a whole."""
        assert answered(recorded(1, "result"), OBJECT).body == OBJECT.body

    def test_second_request(self) -> None:
        """Of several answers it is that of the last."""
        assert answered(recorded(2), REFUSAL, OBJECT).body == OBJECT.body

    @pytest.mark.parametrize("body", [None, "text", {"capabilities": {}}, [1]])
    def test_no_object(self, body: Any) -> None:
        """Whatever it is, it is as it came."""
        assert answered(recorded(1, "result"), Response(200, body)).body == body

    def test_one_page(self) -> None:
        """A list of one page is that page, with what else the server says there."""
        alone = Response(200, {"data": [{"id": "1"}], "more": True})
        assert answered(recorded(1, [{"id": "1"}]), alone).body == alone.body

    def test_pages(self) -> None:
        """A list of several pages is one page with the data of all: as often as in the result."""
        result = [{"id": "1"}, {"id": "2"}, {"id": "3"}]
        pending = answered(recorded(3, result), page(1), page(1, 2), page(2, 3))
        assert pending.body == {"data": result}

    def test_known_before(self) -> None:
        """What needed no request is what was known."""
        assert recorded(0, {"capabilities": {}}).body == {"capabilities": {}}
        assert recorded(0, None).body is None

    def test_nothing_to_ask(self) -> None:
        """A list that is empty without a request is so as a body."""
        assert recorded(0, []).body == {"data": []}

    def test_refusal(self) -> None:
        """Of what the server refused, it is what the server said, also behind pages."""
        assert answered(recorded(1), REFUSAL).body == REFUSAL.body
        assert answered(recorded(3), page(1), page(2), REFUSAL).body == REFUSAL.body

    @pytest.mark.parametrize("error", [NotSent("no"), AnswerLost("lost"), LookupError()])
    def test_no_answer(self, error: Exception) -> None:
        """If the answer is missing, the error is raised: earlier answers do not stand for it."""
        for given in ([], [page(1)], [page(1), page(2)]):
            pending = answered(recorded(3), *given)
            pending.fail(error)
            with pytest.raises(type(error)):
                _ = pending.body

    def test_too_early(self) -> None:
        """Before the batch is sent there is none, nor in the middle of the pages."""
        for pending in (recorded(1), answered(recorded(2), page(1))):
            with pytest.raises(RuntimeError, match="has not been sent yet"):
                _ = pending.body


class TestAnswer:
    def test_last(self) -> None:
        """It is the last answer, as a batch of Kinto has it."""
        pending = answered(recorded(2), REFUSAL, OBJECT)
        assert pending.answer == {"status": 200, "headers": {"etag": "5"}, "body": OBJECT.body}

    def test_headers(self) -> None:
        """Its headers are found by their names in any case."""
        assert answered(recorded(1), OBJECT).answer["headers"]["ETag"] == "5"

    def test_refusal(self) -> None:
        """It may be a refusal."""
        pending = answered(recorded(1), REFUSAL)
        assert pending.answer == {"status": 412, "headers": {}, "body": REFUSAL.body}
        assert isinstance(pending.error, PreconditionFailed)

    def test_missing(self) -> None:
        """Where none came, it says why, and has no status."""
        for given in ([], [page(1)]):
            pending = answered(recorded(2), *given)
            pending.fail(KintoException("the server is gone"))
            assert pending.answer == {
                "status": None,
                "headers": {},
                "body": {"message": "the server is gone"},
            }

    def test_not_needed(self) -> None:
        """Where none was needed, it is empty."""
        assert recorded(0, {}).answer["status"] is None


class TestEnd:
    def test_is_final(self) -> None:
        """An operation that would go on after an error does not, if it is ended with that."""
        log: list[str] = []

        def flow() -> Program[str]:
            try:
                yield Request("GET", "/a")
            except KintoException:
                yield Request("GET", "/b")
            finally:
                log.append("closed")
            return "never"

        pending, error = Pending(flow()), AnswerLost("lost")
        pending.end(error)
        assert pending.step is None
        assert pending.error is error
        assert log == ["closed"]
        with pytest.raises(AnswerLost):
            pending.result()
