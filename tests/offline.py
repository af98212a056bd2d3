"""No network: every attempt to open a connection, or to wait for one, fails."""

from __future__ import annotations

import os
import socket

from typing import Any, Final, NoReturn

import pytest


#: Whether the tests are to run without a network: that is what ``make test-offline`` sets.
OFFLINE: Final = "KINTO_ORM_OFFLINE" in os.environ


class OfflineError(Exception):
    """A test wanted the network.  No client takes this for a bad connection: it is no OSError."""


def refuse(sock: socket.socket, *args: Any) -> NoReturn:
    """Take the place of a method of sockets that needs a network; the address is last."""
    sock.close()  # Who opened it is prepared for an OSError only.
    msg = f"there is no network in these tests, not for {args[-1]!r} either"
    raise OfflineError(msg)


def go_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have sockets refuse."""
    for name in ("connect", "connect_ex", "bind", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)


def wants_server(item: pytest.Item) -> bool:
    """Tell whether a test has a server, or a proxy in the place of one."""
    return not {"servers", "proxy"}.isdisjoint(getattr(item, "fixturenames", ()))
