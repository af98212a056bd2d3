"""
Who a request is from.

Credentials become headers of a request when it is sent, and of nothing else: they are in no
value that is logged, shown or kept.  They go to the client's own server, since a request has no
other address (see `flow.messages.Request`) and redirections are not followed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import requests

from requests.auth import AuthBase, HTTPBasicAuth


#: What a user may give: name and password; ``"name:password"`` or ``"Bearer token"``; anything
#: that signs a request of *requests*; or nothing.
Credentials: TypeAlias = (
    tuple[str, str] | str | Callable[[requests.PreparedRequest], requests.PreparedRequest] | None
)


class _Anonymous(AuthBase):
    """No credentials: not even those of ``~/.netrc``, which requests would look for."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class _Header(AuthBase):
    """A header that is known from the start."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._value
        return request


def signer(credentials: Credentials) -> Callable[[requests.PreparedRequest], Any]:
    """
    Return what signs a request with *credentials*.

    Raises:
        ValueError: If they have none of the known forms; they are not shown.
    """
    if credentials is None:
        return _Anonymous()
    if isinstance(credentials, str):
        return _from_text(credentials)
    if isinstance(credentials, (tuple, list)):
        if len(credentials) != 2:
            msg = "auth must be a pair: user name and password"
            raise ValueError(msg)
        return _basic(*credentials)
    if not callable(credentials):
        msg = (
            "auth must be (name, password), 'name:password', 'Bearer token', or an auth object of"
            f" requests, not a {type(credentials).__name__}"
        )
        raise ValueError(msg)  # noqa: TRY004 (as for the other forms)
    return credentials


def _from_text(text: str) -> AuthBase:
    scheme, space, _ = text.partition(" ")
    if space and scheme.lower() in ("bearer", "basic"):
        if not (text.isascii() and text.isprintable()):
            msg = "auth holds a character that no header may, such as a line break at its end"
            raise ValueError(msg)
        return _Header(text)
    name, colon, password = text.partition(":")
    if not colon:
        msg = "auth as a string must be 'name:password' or 'Bearer token'"
        raise ValueError(msg)
    return _basic(name, password)


def _basic(name: str, password: str) -> AuthBase:
    if not (isinstance(name, str) and isinstance(password, str)):
        msg = "auth must be a pair of strings: user name and password; is a variable not set?"
        raise ValueError(msg)  # noqa: TRY004 (as for the other forms)
    if ":" in name:
        msg = "auth has a user name with a colon, which would end it (RFC 7617, section 2)"
        raise ValueError(msg)
    # In UTF-8, whatever requests would do (RFC 7617, section 2.1).
    return HTTPBasicAuth(name.encode(), password.encode())


def signed_headers(
    credentials: Callable[[requests.PreparedRequest], Any],
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None,
) -> dict[str, str]:
    """Return *headers* as *credentials* add to them, for a transport that is not requests."""
    request = requests.PreparedRequest()
    request.prepare(method=method, url=url, headers=dict(headers), data=body)
    credentials(request)
    added = {name: value for name, value in request.headers.items() if name != "Content-Length"}
    return {
        name: value.decode("latin-1") if isinstance(value, bytes) else str(value)
        for name, value in added.items()
    }
