"""
Who a request is from.

Credentials become headers of a request when it is sent, and of nothing else: they are in no
value that is logged, shown or kept.  They go to the client's own server, since a request has no
other address (see `flow.messages.Request`) and redirections are not followed.
"""

from __future__ import annotations

import re

from collections.abc import Callable, Mapping
from typing import Any, Final

import requests

from attrs import define, field
from requests.auth import AuthBase, HTTPBasicAuth
from requests.structures import CaseInsensitiveDict

from kinto_orm.transport.credentials import Credentials


class _Anonymous(AuthBase):
    """No credentials: not even those of ``~/.netrc``, which requests would look for."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


#: The name of a way to authenticate, such as *Bearer* (RFC 9110, sections 5.6.2 and 11.1).
_SCHEME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def _bearer_unless_given(scheme: str | None) -> str:
    return scheme or "Bearer"


def _is_scheme(_: object, __: object, value: Any) -> None:
    if not (isinstance(value, str) and _SCHEME.fullmatch(value)):
        msg = "auth has a type that is no scheme of HTTP, such as 'Bearer' (RFC 9110, section 11.1)"
        raise ValueError(msg)


def _is_token(_: object, __: object, value: Any) -> None:
    if not (isinstance(value, str) and value.strip()):
        msg = "auth has no token, or one that is not text; is a variable not set?"
        raise ValueError(msg)
    if not (value.isascii() and value.isprintable()):
        msg = "auth holds a character that no header may, such as a line break at its end"
        raise ValueError(msg)


@define
class TokenAuth(AuthBase):
    """
    Sign requests with a token: ``Authorization: <type> <token>``.

    Two of one class are equal if they sign alike.  The token is not shown.  It may be replaced:
    what is sent next has the new one.

    Args:
        token: What the server takes, as it is to be sent.
        type: How it takes it, *"Bearer"* by default.  A Kinto with several OpenID providers may
            tell them apart by this (its setting ``header_type``).

    Raises:
        ValueError: If no header can hold them; they are not shown.
    """

    token: str = field(repr=False, validator=_is_token)
    type: str = field(default=None, converter=_bearer_unless_given, validator=_is_scheme)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"{self.type} {self.token}"
        return request


class BearerTokenAuth(TokenAuth):
    """
    Sign requests with a token of OAuth: ``Authorization: Bearer <token>`` (RFC 6750).

    Args:
        token: As an OpenID provider gave it.
        type: What to say instead of *"Bearer"*, as for `TokenAuth`.

    Raises:
        ValueError: If no header can hold them; they are not shown.
    """


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
            "auth must be (name, password), 'name:password', 'Bearer token', 'Basic base64', or an"
            f" auth object of requests, not a {type(credentials).__name__}"
        )
        raise ValueError(msg)  # noqa: TRY004 (as for the other forms)
    return credentials


def _from_text(text: str) -> AuthBase:
    if not text:
        return _Anonymous()
    scheme, space, token = text.partition(" ")
    if space and _takes_a_token(scheme):
        return TokenAuth(token, scheme)
    name, colon, password = text.partition(":")
    if not colon:
        msg = "auth as a string must be 'name:password', 'Bearer token' or 'Basic base64'"
        raise ValueError(msg)
    return _basic(name, password)


def _takes_a_token(scheme: str) -> bool:
    """Tell whether *scheme* is one, and not the beginning of a user name or of a password."""
    name = scheme.lower()
    known = name == "basic" or name.startswith("bearer")
    return known and _SCHEME.fullmatch(scheme) is not None


def _basic(name: str, password: str) -> AuthBase:
    if not (isinstance(name, str) and isinstance(password, str)):
        msg = "auth must be a pair of strings: user name and password; is a variable not set?"
        raise ValueError(msg)  # noqa: TRY004 (as for the other forms)
    if ":" in name:
        msg = "auth has a user name with a colon, which would end it (RFC 7617, section 2)"
        raise ValueError(msg)
    # In UTF-8, whatever requests would do (RFC 7617, section 2.1).
    return HTTPBasicAuth(name.encode(), password.encode())


#: What signs all requests alike, and looks at none of them.
_ALIKE: Final = frozenset({_Anonymous, HTTPBasicAuth, TokenAuth, BearerTokenAuth})


def added_headers(
    credentials: Callable[[requests.PreparedRequest], Any],
) -> dict[str, str] | None:
    """Return what *credentials* add to the headers of any request; None if they must see it."""
    if type(credentials) not in _ALIKE:
        return None
    request = requests.PreparedRequest()
    request.headers = CaseInsensitiveDict()
    credentials(request)
    return dict(request.headers.items())


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
