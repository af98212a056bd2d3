"""
An OpenID provider, as far as Kinto asks it, and somebody who has a browser.

    with Issuer("alice") as issuer:
        settings = issuer.settings("corporate")

Whoever comes to log in is let in at once, as the one user that the issuer knows.
"""

from __future__ import annotations

import json
import secrets
import threading

from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests

from attrs import define, field

from faults import PATIENCE


#: What Kinto is known by at an issuer.
_CLIENT: Final = {"client_id": "kinto", "client_secret": "S3cr3t of Kinto"}

#: With it, an answer in Base64 has all that means something in a URL: "+", "/" and "=".
_AWKWARD: Final = {"id_token": "???>>>~~~ÿÿÿ."}


class Issuer:
    """
    Listen on a free port of the loopback interface; use it as a context manager.

    Attributes:
        user: Who logs in.
        tokens: Those that were given out.
        expires_in: Seconds that a token is said to be good for; None to say nothing.
        refusal: What the page to log in refuses with, if it does.
        fault: What is answered to a code instead of a token, if anything.
    """

    def __init__(self, user: str) -> None:
        self.user = user
        self.tokens: list[str] = []
        self.expires_in: int | None = 3600
        self.refusal: dict[str, str] | None = None
        self.fault: dict[str, str] | None = None
        self._codes: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Return what it is known by."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def settings(self, name: str) -> dict[str, str]:
        """Return the settings of a Kinto that trusts it, by the *name* of the policy."""
        policy = {"use": "kinto.plugins.openid.OpenIDConnectPolicy", "issuer": self.url, **_CLIENT}
        return {f"multiauth.policy.{name}.{key}": value for key, value in policy.items()}

    # -- What is asked of it -------------------------------------------------------------------

    def configuration(self) -> dict[str, str]:
        """Describe it (OpenID Connect Discovery 1.0, section 4)."""
        ends = ("authorization", "token", "userinfo")
        return {"issuer": self.url, **{f"{end}_endpoint": f"{self.url}/{end}" for end in ends}}

    def authorization(self, query: Mapping[str, str]) -> str:
        """Return where to send a browser that has come to log in, with a code or a refusal."""
        assert query["client_id"] == _CLIENT["client_id"]
        assert query["response_type"] == "code"
        assert query["scope"] == "openid email"
        answer = self.refusal
        if answer is None:
            code = secrets.token_urlsafe()
            self._codes[code] = query["redirect_uri"]
            answer = {"code": code}
        return f"{query['redirect_uri']}?{urlencode({**answer, 'state': query['state']})}"

    def token(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Return a token for a code."""
        assert _CLIENT.items() <= form.items()
        assert self._codes.pop(form["code"]) == form["redirect_uri"]
        if self.fault is not None:
            return self.fault
        token = secrets.token_urlsafe()
        self.tokens.append(token)
        end = {} if self.expires_in is None else {"expires_in": self.expires_in}
        return {"access_token": token, "token_type": "Bearer", **end, **_AWKWARD}

    def userinfo(self, authorization: str) -> dict[str, str] | None:
        """Return who has the token in a header, if anybody."""
        scheme, _, token = authorization.partition(" ")
        return {"sub": self.user} if scheme == "Bearer" and token in self.tokens else None


def _handler(issuer: Issuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            match parts.path:
                case "/.well-known/openid-configuration":
                    self._answer(issuer.configuration())
                case "/authorization":
                    self.send_response(302)
                    self.send_header("Location", issuer.authorization(dict(parse_qsl(parts.query))))
                    self.end_headers()
                case "/userinfo":
                    self._answer(issuer.userinfo(self.headers.get("Authorization", "")))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(issuer.token(dict(parse_qsl(body.decode()))))

        def _answer(self, body: Any) -> None:
            self.send_response(401 if body is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(body, ensure_ascii=False).encode())

        def log_message(self, *_: Any, **__: Any) -> None:
            pass

    return Handler


@define(eq=False)
class Browser:
    """
    Stand for `webbrowser`: visit a page, wherever it leads, in a thread called *browser*.

    Attributes:
        meanwhile: What is done before a visit, with the page's URL.
        opened: The pages that it was asked to open.
        shown: What the visits ended with, unless the connection broke.
    """

    meanwhile: Callable[[str], object] = lambda _: None
    opened: list[str] = field(factory=list)
    shown: list[requests.Response] = field(factory=list)
    _threads: list[threading.Thread] = field(factory=list)

    def open(self, url: str) -> bool:
        """Open the page at *url*; return before it is there."""
        self.opened.append(url)
        thread = threading.Thread(target=self._visit, args=(url,), name="browser")
        self._threads.append(thread)
        thread.start()
        return True

    def close(self) -> None:
        """Wait until all pages are there."""
        while self._threads:
            self._threads.pop().join(PATIENCE)

    def _visit(self, url: str) -> None:
        self.meanwhile(url)
        with suppress(requests.ConnectionError):
            self.shown.append(requests.get(url, timeout=PATIENCE))
