"""
Log in with a browser, at an OpenID provider that the server trusts.

The way of the token, as Kinto's plugin *openid* has it:

1. The browser is sent to the server, with the URL of a listener of ours as the *callback*.
2. The server sends it to the provider, where the user logs in.
3. The provider sends it back to the server with a code, for which the server gets a token.
4. The server sends it to the callback, with what the provider answered appended to the URL.

So whoever reaches the listener can hand us a token, and have the program write as somebody else.
Therefore the listener is on the loopback interface alone, and its URL has a secret, the *state*,
which only the browser and the server are told (RFC 6749, section 10.12, and RFC 8252, section
8.3).  And the URL that the browser comes back to is as good as the token itself: it is not logged,
not shown, not cached, not told to other sites, and replaced in the browser's history.
"""

from __future__ import annotations

import base64
import hmac
import logging
import math
import secrets
import threading
import webbrowser

from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler
from queue import Empty, SimpleQueue
from socketserver import ThreadingTCPServer
from time import time
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlencode

import requests

from requests.auth import AuthBase

from kinto_orm.exceptions import KintoException, NotSent, TransportError
from kinto_orm.flow.messages import Request
from kinto_orm.flow.refusals import response_error
from kinto_orm.transport.auth import TokenAuth
from kinto_orm.transport.blocking import Blocking
from kinto_orm.transport.codec import decode
from kinto_orm.transport.wire import Server


logger: logging.Logger = logging.getLogger("kinto_orm.login")

#: Seconds that a token is replaced before its end, so that it is still good when it arrives; of
#: a short life a tenth.
_MARGIN: Final = 30.0

#: Seconds that a connection may do nothing.  Browsers open some in advance.
_IDLE: Final = 10.0

#: Characters of a provider's explanation that are shown.
_LONGEST: Final = 200

#: Seconds after which the listener notices that it is to end.
_POLL: Final = 0.05


class BrowserOAuth(AuthBase):
    """
    Log in with a browser, when the first request is made; sign it and the later ones.

    The program waits until the user has logged in.  When the token ends, the browser is opened
    again.  Threads may share it: those that want a token at the same time wait for one login.
    To log in as somebody else, set *token* to None.

    If no browser can be opened, the page to open is logged by ``kinto_orm.login``, as a warning.
    It must be opened on the same machine.  A server with ``trusted_callback_urls`` of its own has
    to trust ``http://127.0.0.1:*/*``.

    Args:
        provider: Name of the OpenID provider, as the server's configuration has it; the first one
            by default.
        timeout: Seconds to wait for the user; None for ever.

    Attributes:
        server_url: Root of the server's API.  A client that it is given to sets it.
        header_type: Scheme of the header that it adds, such as *"Bearer"*; None before a login.
        token: The token; None before a login.

    Raises:
        ValueError: If *timeout* is not more than 0.
        KintoException: By a request, if nobody logged in in time, the provider refused, or the
            server has no such provider.  The request was not sent.
        NotSent: By a request, if the server cannot be asked for its providers.
    """

    server_url: str = ""

    def __init__(self, provider: str | None = None, *, timeout: float | None = 300.0) -> None:
        if timeout is not None and not timeout > 0:
            msg = f"a time-out must be more than 0 seconds, or None for ever, not {timeout}"
            raise ValueError(msg)
        self.provider = provider
        self.header_type: str | None = None
        self.token: str | None = None
        self._timeout = timeout
        # Which token ends when, by the clock on the wall: it goes on while a laptop sleeps.
        self._end: tuple[str | None, float] = (None, math.inf)
        # Reentrant, since a `set_jwt_token` of a user's own may make requests.
        self._lock = threading.RLock()
        self._failure: KintoException | None = None

    def __repr__(self) -> str:
        state = "not logged in" if self.token is None else "logged in"
        return f"<{type(self).__name__} provider={self.provider!r}, {state}>"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        before = self._failure
        with self._lock:
            if self.token is None or self._has_ended(self.token):
                self._log_in_unless_failed_since(before)
            assert self.token is not None
            return TokenAuth(self.token, self.header_type)(request)

    def set_jwt_token(self, jwt_data: Mapping[str, Any]) -> None:
        """
        Use a token that a provider has given, as after a login.

        Args:
            jwt_data: Its *access_token*; its *token_type* (*"Bearer"* if it has none); in
                *expires_in* the seconds until it ends (never, if it does not say).

        Raises:
            ValueError: If it has no token, or one that no header can hold; it is not shown.
        """
        auth = _token(jwt_data)
        self._end = (auth.token, time() + _usable_seconds(jwt_data))
        self.header_type, self.token = auth.type, auth.token

    def _has_ended(self, token: str) -> bool:
        known, end = self._end
        return token == known and time() >= end

    def _log_in_unless_failed_since(self, before: KintoException | None) -> None:
        """Log in; but if others failed while this thread waited for them, fail as they did."""
        if self._failure is not before:
            raise KintoException(str(self._failure))
        try:
            self.set_jwt_token(self._log_in())
        except BaseException as error:
            reason = str(error) or type(error).__name__
            self._failure = KintoException(f"the login that this one waited for failed: {reason}")
            raise

    def _log_in(self) -> Mapping[str, Any]:
        """Have the user log in; return what the provider answered."""
        login = _login_page(self.server_url.rstrip("/"), self.provider)
        try:
            with _listening() as listener:
                query = urlencode({"callback": listener.url, "scope": "openid email"})
                page = f"{login}?{query}"
                if not webbrowser.open(page):
                    logger.warning("no browser could be opened; to log in, open %s", page)
                answer = listener.answers.get(timeout=self._timeout)
        except Empty:
            msg = (
                f"nobody logged in within {self._timeout:g} seconds, in the browser on this machine"
            )
            raise KintoException(msg) from None
        except OSError as error:
            msg = f"cannot log in: no listener on 127.0.0.1, or no browser, can be had: {error}"
            raise KintoException(msg, error) from error
        if "error" in answer:
            msg = f"the OpenID provider refused the login: {_refusal(answer)}"
            raise KintoException(msg)
        return answer


# -- Whom to ask -------------------------------------------------------------------------------


def _login_page(url: str, name: str | None) -> str:
    """Return where to log in at the server with the root *url*, by the provider *name*."""
    if not url:
        msg = "BrowserOAuth does not know the server: give it to a client, as auth"
        raise KintoException(msg)
    pages = _login_pages(_root(url))
    if not pages:
        msg = (
            "the server offers no login in a browser: its openid plugin is off, or has no provider"
        )
        raise KintoException(msg)
    if name is None:
        name = next(iter(pages))
    if name not in pages:
        names = ", ".join(map(repr, pages))
        msg = f"the server has no OpenID provider {name!r}: those that it has are {names}"
        raise KintoException(msg)
    return url + "/" + quote(pages[name].lstrip("/"), safe="/%")


def _root(url: str) -> Any:
    """Return what the server says of itself: asked without credentials, and nowhere else."""
    request = Request("GET", "/")
    try:
        with closing(Blocking(Server(url))) as port:
            response = port.perform(request)
    except KintoException as error:
        # Whatever became of this request: the one to be signed was not sent.
        kind = NotSent if isinstance(error, TransportError) else KintoException
        msg = f"cannot log in: {error}"
        raise kind(msg, error) from error
    if response.status >= 400:
        msg = f"cannot log in: {response_error(request, response)}"
        raise KintoException(msg)
    return response.body


def _login_pages(root: Any) -> dict[str, str]:
    """Return the path at which each provider's login begins, by its name."""
    try:
        providers = root["capabilities"]["openid"]["providers"]
        return {str(each["name"]): str(each["auth_path"]) for each in providers}
    except (KeyError, TypeError):
        return {}


# -- What comes back ---------------------------------------------------------------------------


def _answered(appended: str) -> Mapping[str, Any]:
    """
    Return what Kinto *appended* to the callback: a token, or an *error*.

    The token is in Base64 of what the provider answered, percent-encoded but for the slashes.  So
    may an error be (RFC 6749, section 5.2); one of the page to log in is a query (4.1.2.1).

    Raises:
        ValueError: If it is neither.
    """
    if appended.startswith("error="):
        return dict(parse_qsl(appended))
    answer = decode(base64.b64decode(unquote(appended), validate=True))
    if not isinstance(answer, dict):
        msg = "a token, or an error, comes in an object"
        raise ValueError(msg)  # noqa: TRY004 (as for what is in it)
    if "error" not in answer:
        _token(answer)
    return answer


def _token(data: Mapping[str, Any]) -> TokenAuth:
    """Return what signs with the token in *data*; raise ValueError if there is none."""
    token: Any = data.get("access_token")
    return TokenAuth(token, data.get("token_type"))


def _usable_seconds(data: Mapping[str, Any]) -> float:
    """Return how long to use the token in *data*."""
    try:
        seconds = float(data.get("expires_in", math.inf))  # Some providers send it as text.
    except (TypeError, ValueError, OverflowError):
        return math.inf
    return seconds - min(_MARGIN, seconds / 10) if seconds > 0 else math.inf


def _refusal(answer: Mapping[str, Any]) -> str:
    """Return the error in *answer* and its description, as far as they are given."""
    given = (answer["error"], answer.get("error_description"))
    return repr(": ".join(str(part) for part in given if part)[:_LONGEST])


class _Listener(ThreadingTCPServer):
    """
    Where the browser comes back to.

    Not an `HTTPServer`: that would look for the name of the machine, which can take seconds, and
    on Windows let others listen at the same port.  With a thread for each connection, since those
    that browsers open in advance, and do not use, must not keep the others waiting.
    """

    daemon_threads = True
    request_queue_size = 32

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Callback)
        self.state = secrets.token_urlsafe(32)
        self.answers: SimpleQueue[Mapping[str, Any]] = SimpleQueue()

    @property
    def url(self) -> str:
        """Return what an answer is to be appended to."""
        return f"http://127.0.0.1:{self.server_address[1]}/auth/{self.state}/"

    def handle_error(self, *_: Any, **__: Any) -> None:
        """Say nothing of a browser that went away: the traceback might have the token."""


@contextmanager
def _listening() -> Generator[_Listener]:
    """Give a listener; close it in the end."""
    with _Listener() as listener:
        thread = threading.Thread(
            target=listener.serve_forever, args=(_POLL,), name="kinto-login", daemon=True
        )
        thread.start()
        try:
            yield listener
        finally:
            listener.shutdown()
            thread.join()


class _Callback(BaseHTTPRequestHandler):
    """Takes a request of the browser's, or of whoever else has found the port."""

    timeout = _IDLE

    def do_GET(self) -> None:
        """Take the answer, if it is one, and comes with the secret."""
        listener = self.server
        assert isinstance(listener, _Listener)
        root, place, state, appended = (self.path.split("/", 3) + [""] * 3)[:4]
        if (root, place) != ("", "auth"):
            return self._show(404, "There is nothing here.")
        if not hmac.compare_digest(state.encode(), listener.state.encode()):
            return self._show(403, "This is not the login that the program waits for.")
        try:
            answer = _answered(appended)
        except ValueError:
            return self._show(400, "The server's answer has no token.")
        try:
            refused = "error" in answer
            self._show(200, "The login was refused." if refused else "You are logged in.")
        finally:
            # Last of all, since the program may end then.
            listener.answers.put(answer)

    def send_error(self, code: int, *_: Any, **__: Any) -> None:
        """Refuse what is no request for a page, without repeating it."""
        self._show(code, "This cannot be done here.")

    def log_message(self, *_: Any, **__: Any) -> None:
        """Log nothing: the path has the token."""

    def _show(self, status: int, text: str) -> None:
        page = _PAGE.format(text).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(page)


#: What the user sees.  The script takes the token out of the address bar and the history.
_PAGE: Final = """<!DOCTYPE html>
<title>Kinto</title>
<p>{} You can close this page.</p>
<script>history.replaceState(null, "", "/")</script>
"""
