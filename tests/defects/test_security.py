"""K71 and K74: credentials go to the client's own server, and only those that it was given."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from faults import FaultProxy, HttpAnswer
from kinto_orm import Client
from kinto_orm.embedded import KintoServer


@pytest.fixture
def other(small: KintoServer) -> Generator[FaultProxy]:
    """Give another server, of somebody who would like to have credentials."""
    with FaultProxy(small.url) as proxy:
        yield proxy


# -- K71: other servers ------------------------------------------------------------------------


def lead_astray(proxy: FaultProxy, origin: str) -> None:
    """Have the server give addresses of next pages at another *origin*."""

    def misled(answer: HttpAnswer) -> HttpAnswer:
        pages = [value for name, value in answer.headers if name == "Next-Page"]
        if not pages:
            return answer
        path = pages[0].partition("://")[2].partition("/")[2]
        return answer.having(next_page=f"{origin}/{path}")

    proxy.change_answer(misled, times=None)


LISTS: dict[str, Callable[[Any], Any]] = {
    "get_records": lambda client: client.get_records(),
    "get_paginated_records": lambda client: [
        each for page in client.get_paginated_records() for each in page["data"]
    ],
    "get_collections": lambda client: client.get_collections(),
    "get_history": lambda client: client.get_history(resource_name="collection"),
    "delete_records": lambda client: client.delete_records(),
}


@pytest.mark.parametrize("read", LISTS.values(), ids=LISTS)
def test_k71_next_page(
    through: Callable[..., Any],
    paged: Client,
    paged_proxy: FaultProxy,
    other: FaultProxy,
    read: Callable[[Any], Any],
) -> None:
    """The next page is asked of the client's own server, wherever it is said to be (T6)."""
    with paged.batch() as batch:
        for n in range(7):
            batch.create_record(id=f"r{n}")
    with paged.batch() as batch:
        for n in range(6):
            batch.create_collection(id=f"c{n}")
    lead_astray(paged_proxy, other.url.removesuffix("/v1"))
    assert len(read(through(paged_proxy, paged))) == 7
    assert other.connections == 0
    assert len(paged_proxy.requests) == 2


def test_k71_raw_requests(
    peer: ModuleType, todos: Client, proxy: FaultProxy, other: FaultProxy
) -> None:
    """A whole URL is asked for if it is of the client's own server; others are refused."""
    client = peer.Client(server_url=proxy.url, auth=KintoServer.auth)
    body, _ = client.session.request("get", f"{proxy.url}/buckets/{todos.bucket_name}")
    assert body == todos.get_bucket()
    with pytest.raises(peer.KintoException):
        client.session.request("get", f"{other.url}/buckets")
    assert other.connections == 0
    client.close()


def test_k71_redirections(
    through: Callable[..., Any],
    todos: Client,
    proxy: FaultProxy,
    other: FaultProxy,
    peer: ModuleType,
) -> None:
    """A redirection is not followed: headers may hold credentials as well."""
    client = through(proxy, todos, headers={"X-Token": "secret"})
    proxy.answer(307, headers={"Location": f"{other.url}/"}, times=None)
    for call in (client.server_info, client.get_records, client.create_record):
        with pytest.raises(peer.KintoException):
            call()
    assert other.connections == 0


# -- K74: credentials of others ----------------------------------------------------------------


@pytest.fixture
def netrc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have credentials for this machine in the file that curl and others read."""
    path = tmp_path / "netrc"
    path.write_text("machine 127.0.0.1 login alexis password secret\n")
    monkeypatch.setenv("NETRC", str(path))


@pytest.mark.usefixtures("netrc")
def test_k74_netrc(connect: Callable[..., Any], proxy: FaultProxy) -> None:
    """A client that was given no credentials has none: it does not look for any in ``~/.netrc``."""
    client = connect(proxy.url)
    assert "user" not in client.server_info()
    assert [request.headers["Authorization"] for request in proxy.requests] == [None]


@pytest.mark.usefixtures("netrc")
def test_k74_netrc_and_writes(
    connect: Callable[..., Any], proxy: FaultProxy, peer: ModuleType, bucket: str
) -> None:
    """So nobody writes as a user whom they have not named."""
    client = connect(proxy.url)
    with pytest.raises(peer.KintoException) as caught:
        client.create_bucket(id=bucket)
    assert caught.value.response.status_code == 401
