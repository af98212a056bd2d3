"""
What the blocking and the awaiting transport have in common: everything but the waiting.

A request becomes a method, a URL, headers and bytes; status, headers and bytes become a response.
"""

from __future__ import annotations

import platform
import re

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final
from urllib.parse import urlsplit

from attrs import field, frozen

from kinto_orm.exceptions import AnswerLost, InvalidRequest, KintoException
from kinto_orm.flow.messages import Form, Headers, Request, Response
from kinto_orm.transport.codec import decode, encode


#: Seconds to wait for a connection, and for (the next part of) an answer.
CONNECT_TIMEOUT: Final = 5.0
READ_TIMEOUT: Final = 30.0

_JSON: Final = "application/json"

#: A timestamp in a header; something on the way may call it weak (RFC 9110, section 8.8.3).
ETAG: Final = re.compile(r'(?:W/)?"(\d+)"')


@cache
def user_agent() -> str:
    """Return what requests say that they come from."""
    from importlib.metadata import version  # Which has to look for it, in files.

    return f"kinto_orm/{version('kinto-orm')} Python/{platform.python_version()}"


@frozen
class Timeout:
    """How long to wait, in seconds; None for ever."""

    connect: float | None = CONNECT_TIMEOUT
    read: float | None = READ_TIMEOUT

    def __attrs_post_init__(self) -> None:
        for seconds in (self.connect, self.read):
            if seconds is not None and seconds <= 0:
                msg = f"a time-out must be more than 0 seconds, or None for ever, not {seconds}"
                raise ValueError(msg)


@frozen
class Outgoing:
    """
    A request, ready for the wire.

    Attributes:
        method: HTTP method.
        url: Whole URL.
        headers: Request headers.
        body: Its bytes, if it has any.
        form: The form whose bytes are its body, if it is an upload.
        foreign: Whether it goes elsewhere than to the client's own server: without credentials.
    """

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None = None
    form: Form | None = None
    foreign: bool = False


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _is_header(text: object) -> bool:
    return isinstance(text, str) and text.isascii() and text.isprintable()


def _merged(*layers: Mapping[str, str]) -> dict[str, str]:
    """
    Return the headers of all *layers*; of those with the same name, in any case, the last.

    Raises:
        InvalidRequest: If one cannot be sent.
    """
    found = {"user-agent": ("User-Agent", user_agent())}
    for layer in layers:
        for name, value in layer.items():
            if not (_is_header(name) and _is_header(value)):
                msg = f"the header {name!r} cannot be sent: it is not printable ASCII"
                raise InvalidRequest(msg)
            found[name.lower()] = name, value
    return dict(found.values())


def refuse_unsendable(request: Request, headers: Mapping[str, str | bytes]) -> None:
    """Refuse *headers* of which one cannot be sent; it may be a secret, and is not shown."""
    for name, value in headers.items():
        text = value.decode("latin-1") if isinstance(value, bytes) else value
        if not _is_header(text):
            msg = (
                f"{request.method} {request.path} was not sent: the header {name!r} is not"
                " printable ASCII; has a token a line break at its end?"
            )
            raise InvalidRequest(msg, request=request)


def _without_slash(url: str) -> str:
    return url.rstrip("/")


@frozen
class Server:
    """
    Where requests go.

    Attributes:
        url: Root of its API, such as ``https://example.org/v1``; empty if it is not known.
        headers: What each request has, beyond what it has of its own.
    """

    url: str = field(converter=_without_slash)
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)

    def __attrs_post_init__(self) -> None:
        if "@" in self.url:
            msg = "server_url holds credentials, which would show in logs: give them as auth"
            raise InvalidRequest(msg)
        if self.url and not _is_url(self.url):
            msg = f"server_url is not a URL: {self.url!r}. Give it as 'https://host/v1'"
            raise InvalidRequest(msg)
        _merged(self.headers)  # Raises if one cannot be sent.

    def outgoing(self, request: Request) -> Outgoing:
        """
        Return *request* as it goes over the wire.

        Raises:
            UnsendableValue: If its body cannot be sent.
            InvalidRequest: If a header cannot be, or there is no server to send it to.
        """
        if request.url is not None:
            headers = _merged({"Accept-Encoding": "identity"}, request.headers)
            return Outgoing(request.method, request.url, headers, foreign=True)
        if not self.url:
            msg = f"{request.method} {request.path} was not sent: the client has no server_url"
            raise InvalidRequest(msg, request=request)
        url = self.url + request.path_url
        if isinstance(request.body, Form):
            headers = _merged({"Accept": _JSON}, self.headers, request.headers)
            return Outgoing(request.method, url, headers, form=request.body)
        body = None if request.body is None else encode(request.body)
        usual = {"Accept": _JSON} if body is None else {"Accept": _JSON, "Content-Type": _JSON}
        return Outgoing(request.method, url, _merged(usual, self.headers, request.headers), body)


def incoming(
    request: Request, status: int, headers: Iterable[tuple[str, str]], body: bytes
) -> Response:
    """
    Return what came over the wire as the response to *request*.

    Raises:
        AnswerLost: If a success is not JSON, as when there is no Kinto at the URL.
        KintoException: If the server sends the client elsewhere.
    """
    names = Headers(headers)
    if 300 <= status < 400 and status != 304:
        wrong = "server_url" if request.url is None else "the server's attachment.base_url"
        msg = (
            f"{request.method} {request.path}: the server redirects ({status}) to"
            f" {names.get('location')!r}, and redirections are not followed: correct {wrong}"
        )
        raise KintoException(msg, request=request, response=Response(status, None, names))
    if _is_cut(request, status, names):
        msg = f"HEAD {request.path}: the answer is not whole"
        raise AnswerLost(msg, request=request)
    if not body and (status >= 300 or status == 204 or request.method == "HEAD"):
        return Response(status, None, names)
    try:
        return Response(status, decode(body), names)
    except ValueError:
        text = body.decode(errors="replace")
        if status >= 400:
            return Response(status, text, names)
        msg = (
            f"{request.method} {request.path}: the answer ({status}) is not JSON: is there a Kinto"
            " server at server_url, and does that end in /v1?"
        )
        raise AnswerLost(msg, request=request) from None


def _is_cut(request: Request, status: int, headers: Mapping[str, str]) -> bool:
    """Tell whether an answer without a body lacks headers: where it ends, nothing else says."""
    if request.method != "HEAD" or status != 200 or not request.path.startswith("/buckets"):
        return False
    if ETAG.fullmatch(headers.get("etag", "")) is None:
        return True
    is_counted = request.path.count("/") % 2 == 1 and not request.path.endswith("/history")
    return is_counted and not _is_whole_number(headers, "total-objects")


def _is_whole_number(headers: Mapping[str, str], name: str) -> bool:
    """Tell whether a header has all of its digits: more may have followed in the last one."""
    value = headers.get(name, "")
    # Kinto says the number twice.
    is_last = next(reversed([*headers]), None) == name and headers.get("total-records") != value
    return value.isdigit() and not is_last
