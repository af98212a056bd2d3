"""Clients on their way through a network: many at once, interrupted, told to wait."""

from __future__ import annotations

import asyncio
import threading
import time

from collections.abc import Callable

import pytest

from faults import FaultProxy, HttpAnswer
from kinto_orm import AsyncClient
from kinto_orm.embedded import KintoServer
from kinto_orm.exceptions import KintoException, ServerError, TooManyRequests

from .drivers import ONCE, QUICK, Driver


@pytest.fixture
def server(servers: Callable[[str], KintoServer]) -> KintoServer:
    """Give one kind of server: which one does not matter here."""
    return servers("memory")


class TestAtOnce:
    def test_answers_are_not_mixed_up(
        self, driver: Driver, server: KintoServer, bucket: str
    ) -> None:
        """Threads, or tasks, share a client: each gets its own answers."""
        client = driver.client(server.url, auth=server.auth, bucket=bucket, collection="c")
        client.create_bucket()
        client.create_collection()
        created = driver.at_once(
            client,
            [
                lambda it, n=n: it.create_record(id=f"r{n}", data={"n": n})  # type: ignore[misc]
                for n in range(20)
            ],
        )
        assert [each["data"]["n"] for each in created] == list(range(20))
        assert len(client.get_records()) == 20

    def test_are_really_at_once(self, driver: Driver, server: KintoServer, bucket: str) -> None:
        """An operation does not wait for the others: these get no answer before all have come."""
        count = 6
        everybody = threading.Barrier(count)

        def meet(answer: HttpAnswer) -> HttpAnswer:
            everybody.wait(20)
            return answer

        with FaultProxy(server.url) as proxy:
            client = driver.client(proxy.url, auth=server.auth)
            client.create_bucket(id=bucket)
            proxy.change_answer(meet, times=count)
            found = driver.at_once(client, [lambda it: it.get_bucket(id=bucket)] * count)
            assert [each["data"]["id"] for each in found] == [bucket] * count

    def test_different_calls(self, driver: Driver, server: KintoServer, bucket: str) -> None:
        """They need not be of one kind."""
        client = driver.client(server.url, auth=server.auth, bucket=bucket)
        client.create_bucket()
        found = driver.at_once(
            client, [lambda it: it.get_bucket()] * 5 + [lambda it: it.get_buckets()]
        )
        assert all(bucket in str(each) for each in found)


class TestCancelling:
    def test_leaves_the_client_usable(self, server: KintoServer, bucket: str) -> None:
        """A time limit that ends an operation ends nothing else."""

        async def limited() -> None:
            with FaultProxy(server.url) as proxy:
                async with AsyncClient(server_url=proxy.url, auth=server.auth) as client:
                    held = proxy.hold_answer()
                    with pytest.raises(TimeoutError):
                        async with asyncio.timeout(0.05):
                            await client.create_bucket(id=bucket)
                    await asyncio.to_thread(held.wait)
                    held.release()
                    assert (await client.get_bucket(id=bucket))["data"]["id"] == bucket
                    assert len(proxy.requests) == 2

        asyncio.run(limited())

    def test_one_of_many(self, server: KintoServer, bucket: str) -> None:
        """Cancelling one task leaves the others alone."""

        async def cancelled() -> None:
            with FaultProxy(server.url) as proxy:
                async with AsyncClient(server_url=proxy.url, auth=server.auth) as client:
                    await client.create_bucket(id=bucket)
                    held = proxy.hold_answer(when=lambda request: request.method == "PATCH")
                    task = asyncio.create_task(client.patch_bucket(id=bucket, data={"a": 1}))
                    other = asyncio.create_task(client.get_bucket(id=bucket))
                    await asyncio.to_thread(held.wait)
                    task.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await task
                    assert (await other)["data"]["id"] == bucket

        asyncio.run(cancelled())

    def test_while_it_waits(self, server: KintoServer, bucket: str) -> None:
        """A pause before a repetition can be cut short as well."""

        async def limited() -> None:
            with FaultProxy(server.url) as proxy:
                busy = proxy.answer(503, headers={"Retry-After": "20"})
                async with AsyncClient(server_url=proxy.url, auth=server.auth) as client:
                    task = asyncio.create_task(client.get_bucket(id=bucket))
                    await asyncio.to_thread(busy.wait)
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(task, 0.05)
                    await client.create_bucket(id=bucket)
                    assert len(proxy.requests) == 2

        asyncio.run(limited())


class TestLoops:
    def test_another_loop(self, server: KintoServer, bucket: str) -> None:
        """A client belongs to the loop in which it was used first; another is told so."""
        client = AsyncClient(server_url=server.url, auth=server.auth)

        async def use() -> None:
            await client.create_bucket(id=bucket, if_not_exists=True)

        with asyncio.Runner() as first, asyncio.Runner() as second:
            first.run(use())
            with pytest.raises(KintoException, match="another event loop"):
                second.run(use())
            first.run(client.close())
            second.run(use())
            second.run(client.close())

    def test_made_outside(self, server: KintoServer) -> None:
        """It may be made where there is no loop, and closed without being used."""
        client = AsyncClient(server_url=server.url, auth=server.auth)
        asyncio.run(client.close())

    def test_closed_twice(self, driver: Driver, server: KintoServer) -> None:
        """Closing again is no error, and what is asked of it then opens it again."""
        client = driver.client(server.url, auth=server.auth)
        client.server_info()
        client.close()
        client.close()
        assert client.server_info()["url"].startswith(server.url)


class TestRetries:
    def test_retry_after(self, driver: Driver, server: KintoServer, bucket: str) -> None:
        """A read waits as long as the server says, and is made again."""
        with FaultProxy(server.url) as proxy:
            client = driver.client(proxy.url, auth=server.auth, retry=QUICK)
            client.create_bucket(id=bucket)
            proxy.answer(503, headers={"Retry-After": "0.2"})
            before = time.monotonic()
            assert client.get_bucket(id=bucket)["data"]["id"] == bucket
            assert time.monotonic() - before >= 0.2
            assert len(proxy.requests) == 3

    def test_without_it(self, driver: Driver, server: KintoServer, bucket: str) -> None:
        """Without such a word, the policy says how long: here, hardly at all."""
        with FaultProxy(server.url) as proxy:
            client = driver.client(proxy.url, auth=server.auth, retry=QUICK)
            client.create_bucket(id=bucket)
            proxy.answer(503, "<html>")
            proxy.drop()
            proxy.truncate_answer()
            assert client.get_bucket(id=bucket)["data"]["id"] == bucket
            assert len(proxy.requests) == 5

    @pytest.mark.parametrize("status", [409, 429])
    def test_write(self, driver: Driver, server: KintoServer, bucket: str, status: int) -> None:
        """A write that was certainly not applied is made again."""
        with FaultProxy(server.url) as proxy:
            client = driver.client(proxy.url, auth=server.auth, retry=QUICK)
            proxy.answer(status, headers={"Retry-After": "0"}, times=4)
            client.create_bucket(id=bucket)
            assert proxy.calls == [("PUT", f"/v1/buckets/{bucket}")] * 5

    def test_applied(self, driver: Driver, server: KintoServer, bucket: str) -> None:
        """A write that was applied, although no answer says so, is looked up and not repeated."""
        with FaultProxy(server.url) as proxy:
            client = driver.client(proxy.url, auth=server.auth, retry=QUICK)
            proxy.answer(503, headers={"Retry-After": "0"}, forward=True)
            created = client.create_bucket(id=bucket, data={"a": 1})
            assert [method for method, _ in proxy.calls] == ["PUT", "GET"]
            assert created == client.get_bucket(id=bucket)

    def test_not_applied(self, driver: Driver, server: KintoServer, bucket: str) -> None:
        """One that was not is made again, after the look."""
        with FaultProxy(server.url) as proxy:
            client = driver.client(proxy.url, auth=server.auth, retry=QUICK)
            proxy.drop()
            client.create_bucket(id=bucket, data={"a": 1})
            assert [method for method, _ in proxy.calls] == ["PUT", "GET", "PUT"]

    def test_in_the_end(self, driver: Driver, server: KintoServer, bucket: str) -> None:
        """After the last attempt the error is raised: five requests, no more."""
        with FaultProxy(server.url) as proxy:
            client = driver.client(proxy.url, auth=server.auth, retry=QUICK)
            proxy.answer(429, {"code": 429, "message": "slowly"}, times=None)
            with pytest.raises(TooManyRequests, match="slowly"):
                client.get_bucket(id=bucket)
            assert len(proxy.requests) == 5

    def test_once(self, driver: Driver, server: KintoServer, bucket: str) -> None:
        """A policy of one attempt never tries again."""
        with FaultProxy(server.url) as proxy:
            client = driver.client(proxy.url, auth=server.auth, retry=ONCE)
            proxy.answer(503)
            with pytest.raises(ServerError):
                client.get_bucket(id=bucket)
            assert len(proxy.requests) == 1

    def test_backoff(self, driver: Driver, server: KintoServer, bucket: str) -> None:
        """`Backoff` is waited before the next request of the client, whatever that is."""
        with FaultProxy(server.url) as proxy:
            client = driver.client(proxy.url, auth=server.auth, retry=QUICK)
            before = time.monotonic()
            proxy.change_answer(lambda answer: answer.having(backoff="0.2"))
            client.create_bucket(id=bucket)
            client.get_bucket(id=bucket)
            assert time.monotonic() - before >= 0.2
