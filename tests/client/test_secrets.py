"""Credentials and passwords: in no error, in no log, at no other server."""

from __future__ import annotations

import base64
import logging
import pickle
import traceback

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import requests

from attrs import define
from requests.auth import AuthBase

from faults import FaultProxy
from kinto_orm import BrowserOAuth, Client, JSONPatch, KintoBatchException
from kinto_orm.embedded import KintoServer
from kinto_orm.exceptions import AnswerLost, InvalidRequest, KintoException, NotAttempted
from transport.drivers import ONCE, QUICK, Driver


SECRET = "s3cr3t"


def told(error: BaseException) -> str:
    """Return all that *error* tells who logs it, shows it, or sends it to another process."""
    values = vars(error).values()
    pickled = pickle.dumps(error).decode("latin-1")
    return "\n".join([*traceback.format_exception(error), *map(repr, values), pickled])


@define(eq=False)
class Signing(AuthBase):
    """A user's own way to sign, which counts how often it was asked to."""

    sign: Callable[[requests.PreparedRequest], None]
    calls: int = 0

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        self.calls += 1
        self.sign(request)
        return request


class TestOwnAuth:
    @pytest.mark.parametrize(
        "value", [f"Bearer {SECRET}\n", f"Bearer {SECRET}é", f"{SECRET}\r\nX: y"]
    )
    def test_unsendable(self, driver: Driver, proxy: FaultProxy, value: str) -> None:
        """A token with a line break is refused before anything is sent, and not shown."""
        auth = Signing(lambda request: request.headers.update(Authorization=value))
        client = driver.client(proxy.url, auth=auth)
        calls: list[Callable[[], Any]] = [client.server_info, client.create_bucket]
        for count, call in enumerate(calls, 1):
            with pytest.raises(InvalidRequest, match=r"'Authorization'.*line break") as caught:
                call()
            assert SECRET not in told(caught.value)
            assert auth.calls == count
        assert proxy.connections == 0

    def test_raises(self, driver: Driver, proxy: FaultProxy) -> None:
        """What it raises comes out as it is, and nothing is sent: it is not asked again."""
        error = ValueError("no token")

        def fail(_: requests.PreparedRequest) -> None:
            raise error

        auth = Signing(fail)
        client = driver.client(proxy.url, auth=auth, bucket="b")
        calls: list[Callable[[], Any]] = [client.server_info, client.create_bucket]
        for count, call in enumerate(calls, 1):
            with pytest.raises(ValueError, match="no token") as caught:
                call()
            assert caught.value is error
            assert auth.calls == count
        assert proxy.connections == 0

    def test_works(self, driver: Driver, memory: KintoServer) -> None:
        """One that signs is asked once for each request, and is who it says."""
        value = "Basic " + base64.b64encode(":".join(memory.auth).encode()).decode()
        auth = Signing(lambda request: request.headers.update(Authorization=value))
        client = driver.client(memory.url, auth=auth)
        usual = driver.client(memory.url, auth=memory.auth)
        assert client.current_user() == usual.current_user()
        assert auth.calls == 1


class TestPasswords:
    def test_refused(self, driver: Driver, accounts: KintoServer, bucket: str) -> None:
        """The error of an account that was not created does not have its password."""
        driver.client(accounts.url).create_account(id=bucket, password="of another")
        with pytest.raises(KintoException) as caught:
            driver.client(accounts.url).create_account(id=bucket, password=SECRET)
        assert SECRET not in told(caught.value)
        request = pickle.loads(pickle.dumps(caught.value)).request
        assert (request.method, request.path) == ("PUT", f"/accounts/{bucket}")

    def test_changed(self, driver: Driver, accounts: KintoServer, bucket: str) -> None:
        """Nor that of one whose password was not changed."""
        with pytest.raises(KintoException) as caught:
            driver.client(accounts.url).change_password(id=bucket, password=SECRET)
        assert SECRET not in told(caught.value)

    @pytest.mark.parametrize("fault", ["drop", "lose_answer"])
    def test_network(self, driver: Driver, accounts: KintoServer, bucket: str, fault: str) -> None:
        """Nor that of one of which it is not known."""
        with FaultProxy(accounts.url) as proxy:
            getattr(proxy, fault)(times=None)
            client = driver.client(proxy.url, retry=ONCE)
            with pytest.raises(AnswerLost) as caught:
                client.create_account(id=bucket, password=SECRET)
        assert SECRET not in told(caught.value)

    def test_batch(self, driver: Driver, accounts: KintoServer, bucket: str) -> None:
        """Nor those of a batch: what was under way, and what was not sent."""
        with FaultProxy(accounts.url) as proxy:
            client = driver.client(proxy.url, retry=ONCE)
            proxy.drop(when=lambda request: request.path == "/v1/batch", times=None)
            with pytest.raises(KintoBatchException) as caught, client.batch() as batch:  # noqa: PT012
                for n in range(30):
                    batch.create_account(id=f"{bucket}{n}", password=SECRET)
        kinds = [type(each) for each in caught.value.exceptions]
        assert kinds == [AnswerLost] * 25 + [NotAttempted] * 5
        for error in (caught.value, *caught.value.exceptions):
            assert SECRET not in told(error)


class TestBrowser:
    def test_two_servers(self, driver: Driver) -> None:
        """A login is at one server: no other gets its token."""
        auth = BrowserOAuth()
        first = driver.client("https://one.invalid/v1", auth=auth)
        attempts: list[Callable[[], Any]] = [
            lambda: driver.client("https://two.invalid/v1", auth=auth),
            lambda: first.clone(server_url="https://two.invalid/v1"),
        ]
        for attempt in attempts:
            with pytest.raises(InvalidRequest, match="this login is at another server"):
                attempt()
        assert auth.server_url == "https://one.invalid/v1"

    def test_one_server(self, driver: Driver) -> None:
        """Clients of the same server may share it."""
        auth = BrowserOAuth()
        first = driver.client("https://one.invalid/v1", auth=auth)
        assert first.clone(bucket="b").session.auth is auth
        assert driver.client("https://one.invalid/v1/", auth=auth).session.auth is auth


@pytest.mark.parametrize("auth", [("ann", SECRET), f"Bearer {SECRET}"], ids=["basic", "bearer"])
def test_log(
    driver: Driver, memory: KintoServer, bucket: str, caplog: pytest.LogCaptureFixture, auth: Any
) -> None:
    """What is logged of all that is sent has no credentials in it."""
    caplog.set_level(logging.DEBUG, "kinto_orm")
    with FaultProxy(memory.url) as proxy:
        client = driver.client(
            proxy.url, auth=auth, bucket=bucket, collection="things",
            headers={"X-Key": SECRET}, retry=QUICK,
        )  # fmt: skip
        tour(client, proxy)
        assert all(SECRET in str(request.headers) for request in proxy.requests)
    said = {record.getMessage().partition(" ")[0] for record in caplog.records}
    assert said == {"GET", "HEAD", "PUT", "PATCH", "POST", "DELETE"}
    encoded = base64.b64encode(f"ann:{SECRET}".encode()).decode()
    for record in caplog.records:
        assert SECRET not in caplog.handler.format(record)
        assert encoded not in caplog.handler.format(record)


def tour(client: Client, proxy: FaultProxy) -> None:
    """Do a little of everything, and some of it in vain: as a user, or as nobody."""
    proxy.drop(nth=3)
    calls: list[Callable[[], Any]] = [
        client.server_info,
        client.create_bucket,
        client.create_collection,
        lambda: client.create_record(id="a", data={"n": 1}),
        lambda: client.patch_record(
            id="a", changes=JSONPatch([{"op": "remove", "path": "/data/n"}])
        ),
        client.get_records_timestamp,
        lambda: client.get_record(id="none"),
        lambda: client.create_account(id="bob", password=SECRET),
        client.delete_records,
    ]
    for call in calls:
        with suppress(KintoException):
            call()
    with suppress(KintoException), client.batch() as batch:
        batch.create_record(id="b")
        batch.create_account(id="bob", password=SECRET)
        batch.session.request("PUT", "/accounts/ann", data={"password": SECRET})
