"""Credentials that a server tells are struck out before they are in an error or in a log."""

from __future__ import annotations

import base64
import logging
import pickle
import traceback
import warnings

from collections.abc import Callable
from typing import Any

import pytest

from faults import FaultProxy
from kinto_orm import KintoException
from kinto_orm.transport.secrets import concealed

from .drivers import QUICK, Driver


SECRET = "correct-horse-battery"
BASIC = base64.b64encode(f"ann:{SECRET}".encode()).decode()

#: Each kind of credentials, and the header that it becomes.
CREDENTIALS = {
    "pair": (("ann", SECRET), f"Basic {BASIC}"),
    "text": (f"ann:{SECRET}", f"Basic {BASIC}"),
    "basic": (f"Basic {BASIC}", f"Basic {BASIC}"),
    "bearer": (f"Bearer {SECRET}", f"Bearer {SECRET}"),
    "another scheme": (f"Bearer+OIDC {SECRET}", f"Bearer+OIDC {SECRET}"),
}

each_kind = pytest.mark.parametrize(
    ("auth", "header"), CREDENTIALS.values(), ids=CREDENTIALS.keys()
)


def told(error: BaseException) -> str:
    """Return all that *error* tells who logs it, shows it, or sends it to another process."""
    values = vars(error).values()
    pickled = pickle.dumps(error).decode("latin-1")
    return "\n".join([*traceback.format_exception(error), *map(repr, values), pickled])


def is_clean(text: str) -> bool:
    """Tell whether *text* is free of secrets, however they are written."""
    return SECRET not in text and BASIC not in text


def struck(header: str) -> str:
    """Return *header* with its secret struck out."""
    return f"{header.partition(' ')[0]} ***"


@each_kind
@pytest.mark.parametrize("status", [302, 401, 404, 503])
def test_a_server_that_echoes(
    driver: Driver,
    proxy: FaultProxy,
    caplog: pytest.LogCaptureFixture,
    auth: Any,
    header: str,
    status: int,
) -> None:
    """Errors, what is in them, and the log are free of what the server shows of a request."""
    caplog.set_level(logging.DEBUG)
    text = f"Authorization: {header}; password: {SECRET}"
    body = {"code": status, "error": text, "message": text, "details": {"request": text}}
    headers = {"alert": text, "location": f"https://example.org/?{text}"}
    proxy.answer(status, body, headers, times=None)
    client = driver.client(proxy.url, auth=auth, retry=QUICK, bucket="b", collection="c")
    calls: list[Callable[[], Any]] = [
        client.server_info,
        client.get_records,
        lambda: client.create_record(id="x", data={"n": 1}),
        lambda: client.delete_record(id="x"),
    ]
    for call in calls:
        with pytest.raises(KintoException) as caught:
            call()
        assert is_clean(told(caught.value))
    with pytest.raises(KintoException) as caught, client.batch() as batch:
        batch.create_record(id="x")
    assert is_clean(told(caught.value))
    assert "***" in told(caught.value)
    for entry in caplog.records:
        assert is_clean(caplog.handler.format(entry))
    assert is_clean(repr(client) + repr(client.session) + repr(client.session._port))


@each_kind
def test_text(driver: Driver, proxy: FaultProxy, auth: Any, header: str) -> None:
    """So are errors that are no JSON, such as the pages of a proxy."""
    proxy.answer(500, f"<pre>Authorization: {header}</pre>", times=None)
    client = driver.client(proxy.url, auth=auth, retry=QUICK)
    with pytest.raises(KintoException) as caught:
        client.server_info()
    assert is_clean(told(caught.value))
    assert caught.value.response is not None
    assert caught.value.response.body == f"<pre>Authorization: {struck(header)}</pre>"


@each_kind
def test_an_alert(
    driver: Driver, proxy: FaultProxy, caplog: pytest.LogCaptureFixture, auth: Any, header: str
) -> None:
    """So are alerts, which become a warning; the answer itself is as it was."""
    proxy.answer(200, {"said": header}, {"alert": f"do not send {header}"})
    client = driver.client(proxy.url, auth=auth)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert client.server_info() == {"said": header}
    (warning,) = (each for each in caught if "do not send" in str(each.message))
    assert str(warning.message) == f"do not send {struck(header)}"
    assert is_clean(caplog.text)


class TestConcealed:
    def test_data(self) -> None:
        """What a 412 has of the object there is data: it is compared, merged and written."""
        body = f'{{"details": {{"existing": {{"note": "{SECRET}"}}}}}}'.encode()
        sent = {"Authorization": f"Bearer {SECRET}"}
        assert concealed(412, [("ETag", '"1"')], body, sent) == ([("ETag", '"1"')], body)
        assert concealed(200, [], body, sent) == ([], body)

    def test_short(self) -> None:
        """A short password is not looked for: it would be found in words."""
        token = base64.b64encode(b"ann:server").decode()
        body = f"the server got Basic {token}".encode()
        _, shown = concealed(401, [], body, {"authorization": f"Basic {token}".encode()})
        assert shown == b"the server got Basic ***"

    @pytest.mark.parametrize("value", ["", "Basic", "Basic ?", "Basic /////////w==", "x"])
    def test_odd(self, value: str) -> None:
        """A header that is of no known form is no trouble."""
        assert concealed(400, [], b"no", {"Authorization": value}) == ([], b"no")
        assert concealed(400, [], b"no", {}) == ([], b"no")
