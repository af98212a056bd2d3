"""
The canned server behind a socket: ``python -m benchmarks.serving [--delay SECONDS]``.

It prints its URL, and ends when its standard input does.  ``GET /counts`` tells how many requests
it has answered, and how many bytes they had.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

import orjson

from attrs import asdict, define

from benchmarks.canned import Answer, Canned


@define
class Counts:
    """What was asked so far: requests, bytes of their bodies, bytes in all."""

    requests: int = 0
    body: int = 0
    sent: int = 0


class Connection(asyncio.Protocol):
    """
    A connection that is kept; requests on it are answered one after the other.

    Args:
        canned: Who gives the answers.
        counts: Where requests are counted.
        delay: Seconds that an answer takes longer than it has to: how far the server is away.
    """

    def __init__(self, canned: Canned, counts: Counts, delay: float) -> None:
        self._canned, self._counts, self._delay = canned, counts, delay
        self._transport: asyncio.Transport | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._received += data
        while self._received:
            head, end, rest = self._received.partition(b"\r\n\r\n")
            if not end:
                return
            line, headers = _parsed(head)
            length = int(headers.get("content-length", 0))
            if len(rest) < length:
                return
            self._received = rest[length:]
            self._answer(line, headers, rest[:length], len(head) + len(end))

    def _answer(self, line: str, headers: Mapping[str, str], body: bytes, head: int) -> None:
        method, target, _ = line.split(" ")
        if target == "/counts":
            answer = Answer(200, {}, orjson.dumps(asdict(self._counts)))
            self._write(_wire(answer))
            return
        self._counts.requests += 1
        self._counts.body += len(body)
        self._counts.sent += head + len(body)
        answer = self._canned.answer(method, target, headers, body, host=headers["host"])
        wire = _wire(answer, has_body=method != "HEAD")
        if self._delay:
            asyncio.get_running_loop().call_later(self._delay, self._write, wire)
        else:
            self._write(wire)

    def _write(self, wire: bytes) -> None:
        if self._transport is not None:
            self._transport.write(wire)


def _parsed(head: bytes) -> tuple[str, dict[str, str]]:
    line, *fields = head.decode("latin-1").split("\r\n")
    pairs = (field.partition(":") for field in fields)
    return line, {name.lower(): value.strip() for name, _, value in pairs}


def _wire(answer: Answer, *, has_body: bool = True) -> bytes:
    fields = {
        **answer.headers,
        "Date": _date(int(time.time())),
        "Content-Length": str(len(answer.body)),
    }
    if answer.status == HTTPStatus.NOT_MODIFIED:
        del fields["Content-Length"]
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in sorted(fields.items())]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return head + answer.body if has_body else head


@lru_cache(maxsize=1)
def _date(now: int) -> str:
    return formatdate(now, usegmt=True)


async def serve(delay: float) -> None:
    """Serve until standard input ends."""
    canned, counts = Canned(), Counts()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(canned, counts, delay), "127.0.0.1", 0, backlog=2048
    )
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"http://127.0.0.1:{port}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--delay", type=float, default=0.0)
    asyncio.run(serve(parser.parse_args().delay))
