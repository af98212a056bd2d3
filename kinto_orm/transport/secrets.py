"""
What a server tells of the credentials that it was given.

Some show the request that they refuse, with all its headers; so do proxies that are wrong, and
pages for developers.  What they say becomes part of errors and warnings, which are logged, shown
and kept.  So credentials are struck out of it where it comes in.

Objects are left as they are, those in a 412 included: they are data, and written again.
"""

from __future__ import annotations

import base64
import binascii

from collections.abc import Iterable, Mapping
from typing import Final


#: What stands in the place of a secret.
STRUCK_OUT: Final = "***"

#: How long a secret is at least: shorter ones would be found in words.
_LENGTH: Final = 8

#: Headers that are told to people.
_TOLD: Final = frozenset({"alert", "location"})


def concealed(
    status: int,
    answered: Iterable[tuple[str, str]],
    body: bytes,
    sent: Mapping[str, str | bytes],
) -> tuple[list[tuple[str, str]], bytes]:
    """
    Return the headers and the body of an answer, without the credentials of the request.

    Args:
        status: HTTP status code of the answer.
        answered: Its headers.
        body: Its body.
        sent: The headers of the request.
    """
    headers = list(answered)
    is_told = any(name.lower() in _TOLD for name, _ in headers)
    if (status < 400 or status == 412) and not is_told:
        return headers, body
    secrets = _secrets(sent)
    if is_told:
        headers = [
            (name, _without(value, secrets) if name.lower() in _TOLD else value)
            for name, value in headers
        ]
    if status >= 400 and status != 412:
        for secret in secrets:
            body = body.replace(secret.encode(), STRUCK_OUT.encode())
    return headers, body


def _without(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, STRUCK_OUT)
    return text


def _secrets(headers: Mapping[str, str | bytes]) -> list[str]:
    """Return what is secret in the headers of a request, the longest first."""
    found = next((headers[name] for name in headers if name.lower() == "authorization"), "")
    text = found.decode("latin-1") if isinstance(found, bytes) else found
    scheme, _, token = text.partition(" ")
    secrets = {token, _password(token) if scheme.lower() == "basic" else ""}
    return sorted((each for each in secrets if len(each) >= _LENGTH), key=len, reverse=True)


def _password(token: str) -> str:
    """Return the password in the *token* of basic authentication (RFC 7617, section 2)."""
    try:
        return base64.b64decode(token, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
