"""Tests without a network have none."""

from __future__ import annotations

import asyncio
import socket

import pytest

from kinto_orm import AsyncClient, Client
from offline import OfflineError, go_offline


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    go_offline(monkeypatch)


def test_blocking() -> None:
    """A client that blocks reaches nobody; it does not take that for a bad connection."""
    with (
        Client(server_url="http://127.0.0.1:9/v1") as client,
        pytest.raises(OfflineError, match="no network"),
    ):
        client.server_info()


def test_awaiting() -> None:
    """Nor does one that awaits."""

    async def main() -> None:
        async with AsyncClient(server_url="http://127.0.0.1:9/v1") as client:
            await client.server_info()

    with pytest.raises(OfflineError):
        asyncio.run(main())


def test_server() -> None:
    """No server can listen."""
    with socket.socket() as listener, pytest.raises(OfflineError):
        listener.bind(("127.0.0.1", 0))


def test_pairs() -> None:
    """What stays in the process, works: event loops need it."""
    one, other = socket.socketpair()
    with one, other:
        one.sendall(b"x")
        assert other.recv(1) == b"x"
