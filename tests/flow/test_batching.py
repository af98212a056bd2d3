"""Many requests in one round trip."""

from __future__ import annotations

import io

from pathlib import Path
from typing import Any

import attrs
import pytest

from hypothesis import given
from hypothesis import strategies as st

from kinto_orm.exceptions import AnswerLost, NotSent, ServerError, Unauthorized, UnsendableValue
from kinto_orm.flow import Form, Headers, Request, Response, messages
from kinto_orm.flow.batching import Chunk, outer, together_once
from kinto_orm.flow.messages import Download
from kinto_orm.flow.recovering import MERGE_PATCH

from .scripts import LAW, Reply, Script, answered, entries, put, replies, responses, said


JSON_PATCH = Request("PATCH", "/alone", body=[{"op": "add", "path": "/data/x", "value": 1}])


#: Requests that may have much alike, or nothing.
MADE = st.builds(
    Request,
    st.sampled_from(["GET", "PUT", "PATCH"]),
    st.sampled_from(["/a", "/b", "/a/b"]),
    headers=st.dictionaries(st.sampled_from(["if-match", "x"]), st.sampled_from("12")),
    body=st.none() | st.fixed_dictionaries({"data": st.dictionaries(st.text(), st.integers())}),
)


def merge(data: Any) -> Request:
    """Return a merge patch."""
    body = {} if data is None else {"data": data}
    return Request("PATCH", "/alone", headers={"Content-Type": MERGE_PATCH}, body=body)


def entry(request: Request) -> dict[str, Any]:
    """Return *request* as it is in a batch."""
    return messages.entries(outer([request, request]).body)[0]


def chunks(requests: list[Request], limit: int) -> list[list[int]]:
    """Return the indices of *requests* as they travel together: each chunk takes what it can."""
    parted: list[list[int]] = []
    chunk = Chunk(limit)
    for index, request in enumerate(requests):
        if not parted or not chunk.takes(request):
            chunk = Chunk(limit)
            assert chunk.takes(request)
            parted.append([])
        parted[-1].append(index)
    return parted


def puts(count: int) -> list[Request]:
    """Return so many writes, which have nothing to do with each other."""
    return [put(f"/{number}") for number in range(count)]


class TestChunks:
    @pytest.mark.parametrize(
        ("count", "limit", "sizes"),
        [(0, 3, []), (1, 3, [1]), (3, 3, [3]), (4, 3, [3, 1]), (7, 3, [3, 3, 1]), (2, 1, [1, 1])],
    )
    def test_limit(self, count: int, limit: int, sizes: list[int]) -> None:
        """B11: a batch holds no more requests than the server takes."""
        parted = chunks(puts(count), limit)
        assert [len(chunk) for chunk in parted] == sizes

    def test_json_patch_alone_in_its_turn(self) -> None:
        """B1: a JSON Patch travels alone, after what was before it and before what is behind."""
        requests = [put("/a"), put("/b"), JSON_PATCH, put("/c"), JSON_PATCH, JSON_PATCH, put("/d")]
        assert chunks(requests, 25) == [[0, 1], [2], [3], [4], [5], [6]]

    @pytest.mark.parametrize(
        "request_",
        [
            JSON_PATCH,
            Request("GET", "/alone", headers={"If-None-Match": '"5"'}),
            Request("GET", "/alone", headers=Headers([("if-none-match", '"5"')])),
            Request("POST", "/alone", body=Form(io.BytesIO(), "a.txt", "text/plain")),
            Request("GET", "/alone", into=Download(Path("file"))),
            merge({"n": None}),
            merge({"n": {"a": 1}}),
            merge({"m": 1, "n": {}}),
            attrs.evolve(merge({"n": None}), headers=Headers([("content-type", MERGE_PATCH)])),
        ],
    )
    def test_alone(self, request_: Request) -> None:
        """B1, B2, B7: what a batch would not do justice to travels alone; files do, too."""
        assert chunks([put("/a"), request_, put("/b")], 25) == [[0], [1], [2]]

    @pytest.mark.parametrize(
        "request_",
        [
            Request("GET", "/x"),
            Request("GET", "/x", headers={"If-Match": '"5"'}),
            Request("PUT", "/x", headers={"If-None-Match": "*"}, body={}),
            Request("DELETE", "/x"),
            Request("PATCH", "/x", body={"data": {"n": None}}),
            merge({"n": 1, "m": [None, {"a": 1}]}),
            merge({}),
            merge(None),
            attrs.evolve(merge({"n": None}), settled=True),
        ],
    )
    def test_together(self, request_: Request) -> None:
        """Anything else goes with others: also merge patches that say the same either way (B2)."""
        assert chunks([put("/a"), request_, put("/b")], 25) == [[0, 1, 2]]

    @LAW
    @given(count=st.integers(0, 100), limit=st.integers(1, 30))
    def test_no_more_than_needed(self, count: int, limit: int) -> None:
        """There are as few chunks as can be."""
        assert len(chunks(puts(count), limit)) == -(-count // limit)


RECORDS = "/buckets/b/collections/c/records"

#: A small tree, with neighbours whose names only begin alike.
TREE = [
    "/buckets",
    "/buckets/b",
    "/buckets/bb",
    "/buckets/b/groups/g",
    "/buckets/b/collections/c",
    RECORDS,
    f"{RECORDS}/r",
    f"{RECORDS}/rr",
    f"{RECORDS}/s",
]

ANY = st.builds(
    Request,
    st.sampled_from(["GET", "HEAD", "PUT", "PUT", "DELETE"]),
    st.sampled_from(TREE),
    body=st.sampled_from([None, None, None, []]),
)


def related(one: Request, other: Request) -> bool:
    """Tell whether the order of two requests matters."""
    below = f"{one.path}/".startswith(f"{other.path}/")
    above = f"{other.path}/".startswith(f"{one.path}/")
    return (one.writes or other.writes) and (below or above)


class TestRelated:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (put(RECORDS), put(RECORDS)),
            (put(f"{RECORDS}/r"), Request("GET", f"{RECORDS}/r")),
            (Request("GET", f"{RECORDS}/r"), Request("DELETE", f"{RECORDS}/r")),
            (put(f"{RECORDS}/r"), Request("GET", RECORDS, {"n": "1"})),
            (put("/buckets/b"), put(f"{RECORDS}/r")),
            (Request("DELETE", f"{RECORDS}/r/attachment"), put(f"{RECORDS}/r")),
            (put(f"{RECORDS}/r"), Request("GET", "/buckets/b/history")),
            (put(f"{RECORDS}/r"), Request("GET", "/buckets/b/collections/c/changeset")),
            (put("/buckets/b"), Request("GET", "/permissions")),
            (put(f"{RECORDS}/r"), Request("POST", "/__flush__", body={})),
        ],
    )
    def test_apart(self, one: Request, other: Request) -> None:
        """B3, B10: what is for one object, or for one above or below it, does not go together."""
        assert chunks([one, other], 25) == [[0], [1]]
        assert chunks([other, one], 25) == [[0], [1]]

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (put(f"{RECORDS}/r"), put(f"{RECORDS}/rr")),
            (put("/buckets/b"), put("/buckets/bb")),
            (put("/buckets/b/groups/g"), put("/buckets/b/collections/g")),
            (Request("GET", RECORDS), Request("HEAD", RECORDS)),
            (Request("GET", "/buckets/b"), Request("GET", RECORDS)),
            (Request("GET", "/"), put("/buckets/b")),
        ],
    )
    def test_together(self, one: Request, other: Request) -> None:
        """Reads go together, and neighbours, whatever they are called."""
        assert chunks([one, other], 25) == [[0, 1]]

    @LAW
    @given(requests=st.lists(ANY, max_size=40), limit=st.integers(1, 10))
    def test_law(self, requests: list[Request], limit: int) -> None:
        """A chunk takes as many as fit, up to the first that has to do with one in it."""
        expected: list[list[int]] = []
        for index, request in enumerate(requests):
            last = [requests[each] for each in expected[-1]] if expected else []
            alone = any(isinstance(each.body, list) for each in [*last, request])
            fits = 0 < len(last) < limit and not alone
            if not fits or any(related(each, request) for each in last):
                expected.append([])
            expected[-1].append(index)
        assert chunks(requests, limit) == expected


class TestOuter:
    def test_one(self) -> None:
        """A single request is made as it is, so that its content type is certain (B2)."""
        assert outer([JSON_PATCH]) is JSON_PATCH

    def test_no_headers(self) -> None:
        """B9: the outer request has no headers, which all would inherit."""
        inner = Request("PUT", "/a", headers={"If-Match": '"5"'}, body={"data": {}})
        assert outer([inner, put("/b")]).headers == {}
        assert outer([inner, put("/b")]).params == ()

    def test_names_of_headers(self) -> None:
        """B2: header names are in lower case, or the content type would be overwritten."""
        headers = {"Content-Type": "application/merge-patch+json", "If-Match": '"5"'}
        assert entry(Request("PATCH", "/a", headers=headers))["headers"] == {
            "content-type": "application/merge-patch+json",
            "if-match": '"5"',
        }

    @pytest.mark.parametrize(("flags", "once"), [([True, True], True), ([True, False], False)])
    def test_once(self, flags: list[bool], once: bool) -> None:  # noqa: FBT001
        """It is made once only if none in it may be made more often."""
        requests = [Request("GET", "/a", once=flag) for flag in flags]
        assert outer(requests).once is once

    def test_said_once(self) -> None:
        """B11: the method and the headers that all have are said once."""
        create = {"If-None-Match": "*"}
        requests = [Request("PUT", f"/{n}", (), create, {"data": {"n": n}}) for n in range(2)]
        assert outer(requests).body == {
            "defaults": {"method": "PUT", "headers": {"if-none-match": "*"}},
            "requests": [
                {"path": "/0", "body": {"data": {"n": 0}}},
                {"path": "/1", "body": {"data": {"n": 1}}},
            ],
        }

    def test_said_by_each(self) -> None:
        """What one of them has otherwise, or has not, each says itself."""
        requests = [Request("PUT", "/a", (), {"If-None-Match": "*"}), put("/b"), put("/c")]
        batch = outer(requests).body
        assert batch["defaults"] == {"method": "PUT"}
        assert [each.get("headers") for each in batch["requests"]] == [
            {"if-none-match": "*"},
            None,
            None,
        ]
        assert "defaults" not in outer([requests[0], Request("DELETE", "/d")]).body

    @LAW
    @given(requests=st.lists(MADE, min_size=2, max_size=4))
    def test_parts(self, requests: list[Request]) -> None:
        """Whatever is said once, the parts of a batch are the requests that it is made of."""
        batch = outer(requests)
        assert [attrs.evolve(part, params=()) for part in batch.parts] == requests
        assert batch.writes is any(each.writes for each in requests)

    def test_nothing_needless(self) -> None:
        """An entry has neither headers nor a body if the request has none."""
        assert entry(Request("GET", "/a")) == {"method": "GET", "path": "/a"}

    @pytest.mark.parametrize("body", [{}, {"data": {}}])
    def test_empty_body(self, body: dict[str, Any]) -> None:
        """An empty body is a body."""
        assert entry(Request("PUT", "/a", body=body))["body"] == body

    @pytest.mark.parametrize(
        ("path", "encoded"),
        [
            ("/buckets/b/collections/batches", "/buckets/b/collections/%62atches"),
            ("/buckets/batch/collections/batch", "/buckets/%62atch/collections/%62atch"),
            ("/buckets/mybatch", "/buckets/mybatch"),
        ],
    )
    def test_batch_in_a_path(self, path: str, encoded: str) -> None:
        """B8: a path with ``/batch`` in it would be refused; with a letter encoded it is not."""
        assert entry(Request("GET", path))["path"] == encoded

    @pytest.mark.parametrize(
        ("params", "query"),
        [
            ({"_sort": "id", "title": '"a&b é"'}, "_sort=id&title=%22a%26b+%C3%A9%22"),
            ([("a", "1"), ("a", "2")], "a=1&a=2"),
            ({}, ""),
            ({"path": "/batch"}, "path=%2Fbatch"),
        ],
    )
    def test_query(self, params: Any, query: str) -> None:
        """The query string is part of the path, encoded."""
        _, _, found = entry(Request("GET", "/a", params))["path"].partition("?")
        assert found == query


def once(requests: list[Request], *given: Reply) -> tuple[list[Any], Script]:
    """Make *requests* together of a server with these replies; return statuses, or errors."""
    script = Script(replies(*given))
    return said(script.run(together_once(requests))), script


class TestTogetherOnce:
    def test_responses(self) -> None:
        """The answer is taken apart: a response for each request, in order."""
        answer = Response(
            200,
            {
                "responses": [
                    {"status": 201, "body": {"data": {"id": "a"}}, "headers": {"ETag": '"5"'}},
                    {"status": 404, "body": {"code": 404}},
                ]
            },
        )
        script = Script(replies(answer))
        assert script.run(together_once([put("/a"), put("/b")])) == [
            Response(201, {"data": {"id": "a"}}, {"etag": '"5"'}),
            Response(404, {"code": 404}),
        ]
        assert entries(script.requests[0]) == ["PUT /a", "PUT /b"]

    def test_head(self) -> None:
        """B11: the empty text that a HEAD has for a body is no body."""
        answer = Response(200, {"responses": [{"status": 200, "body": "", "headers": {}}] * 2})
        found = responses(Script(replies(answer)).run(together_once([Request("HEAD", "/a")] * 2)))
        assert [response.body for response in found] == [None, None]

    @pytest.mark.parametrize("status", [200, 400, 409, 413, 500])
    def test_one(self, status: int) -> None:
        """To a single request the answer is what it is."""
        assert once([put("/a")], Response(status))[0] == [status]

    def test_rolled_back_whole(self) -> None:
        """B4: a 409 to the batch is one to each of its requests."""
        assert once([put("/a"), put("/b")], Response(409))[0] == [409, 409]

    @pytest.mark.parametrize("refusal", [400, 413])
    def test_halving(self, refusal: int) -> None:
        """A batch that is refused is halved until the culprit stands alone."""
        culprit = 5

        def server(request: Request) -> Response:
            paths = [request.path] if request.path != "/batch" else entries(request)
            if any(path.endswith(f"/{culprit}") for path in paths):
                return Response(refusal, {"message": "no"})
            return answered(*[201] * len(paths)) if request.path == "/batch" else Response(201)

        script = Script(server)
        found = script.run(together_once([put(f"/{number}") for number in range(8)]))
        assert said(found) == [201] * culprit + [refusal] + [201] * 2
        assert len(script.requests) == 7  # 8, 4, 4, 2, 1, 1, 2.

    def test_halving_keeps_the_order(self) -> None:
        """What comes first is sent first, also by halves."""
        _, script = once([put("/a"), put("/b"), put("/c")], *[Response(400)] * 5)
        assert [request.path for request in script.requests] == [
            "/batch",
            "/a",
            "/batch",
            "/b",
            "/c",
        ]

    @pytest.mark.parametrize(("status", "error"), [(401, Unauthorized), (503, ServerError)])
    def test_failed_whole(self, status: int, error: type[Exception]) -> None:
        """B5: when the server fails as a whole, or lets nobody in, each has that error."""
        found, _ = once([put("/a"), put("/b")], Response(status))
        assert [type(answer) for answer in found] == [error, error]
        assert f"POST /batch: {status}" in str(found[0])

    @pytest.mark.parametrize(
        "body",
        [None, [], "text", {}, {"responses": None}, {"responses": []}, {"responses": [{}, {}]}],
    )
    def test_not_an_answer(self, body: Any) -> None:
        """A success that is not the answer to a batch says nothing of what was applied."""
        found, _ = once([put("/a"), put("/b")], Response(200, body))
        assert [type(answer) for answer in found] == [AnswerLost, AnswerLost]

    def test_too_few_answers(self) -> None:
        """An answer with fewer responses than requests says nothing of any of them."""
        found, _ = once([put("/a"), put("/b")], Response(200, {"responses": [{"status": 200}]}))
        assert [type(answer) for answer in found] == [AnswerLost, AnswerLost]

    def test_rehearsed(self) -> None:
        """What a dry run made up is marked so, request by request."""
        body = {"responses": [{"status": 200, "rehearsed": True}, {"status": 200}]}
        found = responses(
            Script(replies(Response(200, body))).run(together_once([put("/a"), put("/b")]))
        )
        assert [response.rehearsed for response in found] == [True, False]


def picky(request: Request) -> Reply:
    """Answer *request*, if each of its values can be sent."""
    if "NaN" in str(request.body):
        return UnsendableValue("n is NaN")
    if request.path == "/batch":
        return answered(*[201] * len(entries(request)))
    return Response(201)


class TestUnsendable:
    """D1: a value that cannot be sent keeps its whole batch from being sent."""

    @pytest.mark.parametrize("wrong", range(8))
    def test_culprit(self, wrong: int) -> None:
        """The batch is halved until it stands alone; the others are sent, in their order."""
        requests = puts(8)
        requests[wrong] = put(f"/{wrong}", n="NaN")
        script = Script(picky)
        found = said(script.run(together_once(requests)))
        assert isinstance(found.pop(wrong), UnsendableValue)
        assert found == [201] * 7
        assert len(script.requests) == 7

    def test_alone(self) -> None:
        """A request that is alone is not tried again."""
        error = UnsendableValue("n is NaN")
        found, script = once([put("/a")], error)
        assert found == [error]
        assert len(script.requests) == 1

    def test_connection_broke(self) -> None:
        """When the first half is not answered, the second is not sent."""
        found, _ = once(puts(4), UnsendableValue("no"), NotSent("no"))
        assert [type(each).__name__ for each in found] == ["NotSent"] * 2 + ["NotAttempted"] * 2
