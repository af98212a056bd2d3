"""What the transports log, at which level, and that it costs nothing when nobody listens."""

from __future__ import annotations

import logging
import re

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest

from faults import FaultProxy
from kinto_orm.exceptions import TransportError
from kinto_orm.flow import Request
from kinto_orm.transport import awaiting, blocking, journal

from .drivers import Blocking, Driver


LOGGERS = {"blocking": "kinto_orm.transport.blocking", "awaiting": "kinto_orm.transport.awaiting"}

BATCH = Request(
    "POST",
    "/batch",
    body={
        "requests": [
            {"method": "GET", "path": "/buckets/b?_limit=1&secret_name=hidden"},
            {"method": "PUT", "path": "/buckets/c", "headers": {"x": "hidden"}, "body": {"a": 1}},
        ]
    },
)


def logged(
    driver: Driver, proxy: FaultProxy, request: Request, caplog: pytest.LogCaptureFixture
) -> list[str]:
    """Return what is logged of *request*, its time left out."""
    caplog.set_level(logging.DEBUG, "kinto_orm")
    with suppress(TransportError):
        driver.send(proxy.url, request)
    name = LOGGERS["blocking" if isinstance(driver, Blocking) else "awaiting"]
    assert {(each.name, each.levelname) for each in caplog.records} == {(name, "DEBUG")}
    return [re.sub(r"\d+ ms$", "N ms", each.getMessage()) for each in caplog.records]


class TestDebug:
    def test_a_request(
        self, driver: Driver, proxy: FaultProxy, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A request is a line: method, path, status, time; what failed on the server as well."""
        proxy.answer(404, {"code": 404})
        lines = logged(driver, proxy, Request("GET", "/buckets/b"), caplog)
        assert lines == ["GET /buckets/b: 404 in N ms"]

    @pytest.mark.parametrize(
        "params", [{"title": "hidden", "_sort": "x"}, [("title", "hidden"), ("title", "hidden")]]
    )
    def test_a_query(
        self, driver: Driver, proxy: FaultProxy, caplog: pytest.LogCaptureFixture, params: Any
    ) -> None:
        """Of a query string there are names, each once, and no values."""
        proxy.answer(200, {"data": []})
        lines = logged(driver, proxy, Request("GET", "/buckets", params), caplog)
        names = "&".join(params) if isinstance(params, Mapping) else "title"
        assert lines == [f"GET /buckets?{names}: 200 in N ms"]

    def test_a_batch(
        self, driver: Driver, proxy: FaultProxy, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Each part of a batch is a line of its own, with its status."""
        proxy.answer(200, {"responses": [{"status": 200}, {"status": 412}]})
        assert logged(driver, proxy, BATCH, caplog) == [
            "POST /batch: 200 in N ms",
            "GET /buckets/b?_limit&secret_name: 200 (1 of 2 in a batch)",
            "PUT /buckets/c: 412 (2 of 2 in a batch)",
        ]

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (200, {"responses": []}),
            (200, {"responses": ["no", "no"]}),
            (200, {"responses": None}),
            (200, []),
            (503, "text"),
        ],
    )
    def test_a_batch_without_answers(
        self,
        driver: Driver,
        proxy: FaultProxy,
        caplog: pytest.LogCaptureFixture,
        status: int,
        body: Any,
    ) -> None:
        """Where the answer does not tell what became of a part, the line says so."""
        proxy.answer(status, body)
        assert logged(driver, proxy, BATCH, caplog) == [
            f"POST /batch: {status} in N ms",
            "GET /buckets/b?_limit&secret_name: no answer (1 of 2 in a batch)",
            "PUT /buckets/c: no answer (2 of 2 in a batch)",
        ]

    def test_what_failed(
        self, driver: Driver, proxy: FaultProxy, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A request that is lost is told by the name of its error, and its parts as well."""
        proxy.drop()
        assert logged(driver, proxy, BATCH, caplog) == [
            "POST /batch: AnswerLost in N ms",
            "GET /buckets/b?_limit&secret_name: no answer (1 of 2 in a batch)",
            "PUT /buckets/c: no answer (2 of 2 in a batch)",
        ]


@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING])
def test_nobody_listens(
    driver: Driver, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch, level: int
) -> None:
    """Without DEBUG nothing is prepared for the log: no batch is looked into, no text is made."""

    def refuse(*_: object) -> None:
        msg = "nobody wants to know"
        raise AssertionError(msg)

    for module in (blocking, awaiting):
        monkeypatch.setattr(module, "Exchange", refuse)
    monkeypatch.setattr(journal, "_named", refuse)
    logging.getLogger("kinto_orm").setLevel(level)
    try:
        proxy.answer(200, {"responses": [{"status": 200}, {"status": 412}]})
        assert driver.send(proxy.url, BATCH).status == 200
    finally:
        logging.getLogger("kinto_orm").setLevel(logging.NOTSET)
