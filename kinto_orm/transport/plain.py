"""
A session of *requests* that has nothing of its own to add.

What a session adds to a request (cookies, hooks, parameters, credentials) it merges anew each
time, and it looks through the whole environment for proxies.  That takes as long as the request
itself.  Nobody sets any of it on a session that only a client of ours has, so there it is left
out, and what the environment says is looked up again only when that has changed.  A request that
has something of the kind itself is prepared as any session does it.

A session that a user gives does all of it, as always.
"""

from __future__ import annotations

import os
import re
import urllib.request

from functools import lru_cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final

import requests

from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar


#: How many connections are kept.
_CONNECTIONS: Final = 64

#: Where the environment says which way requests go, and whom they trust.  Of a name in mixed case,
#: such as ``Http_Proxy``, only what it is at the first request counts.
_VARIABLES: Final = (
    *(f"{scheme}_proxy" for scheme in ("http", "https", "all", "no")),
    *(f"{scheme}_PROXY" for scheme in ("HTTP", "HTTPS", "ALL", "NO")),
    "REQUEST_METHOD",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)

#: A URL whose path has no character that could be written in another way.
_TIDY: Final = re.compile(r"(https?://[^/?#]+)(?:/[A-Za-z0-9_-]+)+")


class PlainSession(requests.Session):
    """A session without memory, for as many threads as are usual."""

    def __init__(self) -> None:
        super().__init__()
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            self.mount(scheme, HTTPAdapter(pool_maxsize=_CONNECTIONS))
        self._ways: dict[tuple[Any, ...], Any] = {}

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Return *request* with the headers of the session; signed, if it says by whom."""
        if not _is_bare(request):
            return super().prepare_request(request)
        made, url = requests.PreparedRequest(), str(request.url)
        made.method = request.method
        if (tidy := _TIDY.fullmatch(url)) is not None and _is_kept(tidy[1]):
            made.url = url
        else:
            made.prepare_url(url, {})
        made.prepare_headers({**self.headers, **request.headers})
        # For who signs with the answer to a first request, as HTTPDigestAuth does.
        setattr(made, "_cookies", RequestsCookieJar())  # noqa: B010 (checkers do not know it)
        made.prepare_body(request.data, None)
        return made

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """Return the way to *url*, looking for it anew if the environment has changed."""
        if urllib.request.getproxies is not urllib.request.getproxies_environment:
            # The system has settings of its own, of which nothing says that they have changed.
            return super().merge_environment_settings(url, proxies, stream, verify, cert)
        origin = url.split("/", 3)[:3]
        key = (*origin, stream, *map(os.environ.get, _VARIABLES))
        if (way := self._ways.get(key)) is None:
            way = super().merge_environment_settings(url, proxies, stream, verify, cert)
            self._ways = {key: way}
        return way


def nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Sign *request* as nobody's: with None, requests would look for a `.netrc`."""
    return request


def _is_bare(request: requests.Request) -> bool:
    """Tell whether *request* has headers and a body of bytes, and nothing to be merged."""
    return request.auth is nobody and not (
        request.params
        or request.cookies
        or request.files
        or request.json is not None
        or any(request.hooks.values())
    )


@lru_cache
def _is_kept(origin: str) -> bool:
    """Tell whether requests leaves *origin* as it is, or writes it in another way."""
    made = requests.PreparedRequest()
    made.prepare_url(origin, {})
    return made.url == f"{origin}/"
