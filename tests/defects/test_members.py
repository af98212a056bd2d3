"""K50: members of a group are added and removed, whoever else changes it at the same time."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from faults import FaultProxy, HttpAnswer, HttpRequest
from kinto_orm import Client
from kinto_orm.exceptions import InvalidRequest, NotFound


@pytest.fixture
def client(through: Callable[..., Any], proxy: FaultProxy, todos: Client) -> Any:
    """Give the client that is tested; there is a group *staff* with two members."""
    todos.create_group(id="staff", data={"members": ["account:b", "account:a"], "room": 1})
    return through(proxy, todos)


def members(todos: Client) -> list[str]:
    """Return the members of the group, as they are on the server."""
    found: list[str] = todos.get_group("staff")["data"]["members"]
    return found


def reads(request: HttpRequest) -> bool:
    """Tell whether *request* is a GET."""
    return request.method == "GET"


def change_meanwhile(proxy: FaultProxy, todos: Client, times: int) -> None:
    """Have somebody else add a member each time, so many, that the group has been read."""
    names = iter(range(100))

    def change(answer: HttpAnswer) -> HttpAnswer:
        now = members(todos)
        todos.patch_group(id="staff", data={"members": [*now, f"account:x{next(names)}"]})
        return answer

    proxy.change_answer(change, when=reads, times=times)


def test_k50_add_members(client: Any, todos: Client, proxy: FaultProxy) -> None:
    """New members come last, each once; the others stay where they are, and so does other data."""
    new = ["account:d", "account:a", "account:c", "account:d"]
    group = client.add_members(id="staff", members=new)
    assert group["data"]["members"] == ["account:b", "account:a", "account:d", "account:c"]
    assert group == todos.get_group("staff")
    assert group["data"]["room"] == 1
    assert [method for method, _ in proxy.calls] == ["GET", "PATCH"]


def test_k50_remove_members(client: Any, todos: Client, proxy: FaultProxy) -> None:
    """Members are removed, whether they are there or not; the others stay in their order."""
    client.add_members(id="staff", members=["account:c", "account:d"])
    proxy.forget()
    group = client.remove_members(group="staff", members=["account:a", "account:x", "account:d"])
    assert group["data"]["members"] == ["account:b", "account:c"]
    assert group == todos.get_group("staff")
    assert [method for method, _ in proxy.calls] == ["GET", "PATCH"]


def test_k50_same_members(client: Any, todos: Client, proxy: FaultProxy) -> None:
    """Nothing is written if nothing changes (T1)."""
    there = todos.get_group("staff")
    assert client.add_members(id="staff", members=["account:a"]) == there
    assert client.add_members(id="staff", members=[]) == there
    assert client.remove_members(id="staff", members=["account:x"]) == there
    assert {method for method, _ in proxy.calls} == {"GET"}


@pytest.mark.parametrize("times", [1, 9])
def test_k50_members_changed_meanwhile(
    client: Any, todos: Client, proxy: FaultProxy, times: int
) -> None:
    """If somebody else changes the group meanwhile, both changes are there in the end."""
    change_meanwhile(proxy, todos, times)
    group = client.add_members(id="staff", members=["account:c"])
    others = [f"account:x{n}" for n in range(times)]
    assert group["data"]["members"] == ["account:b", "account:a", *others, "account:c"]
    assert members(todos) == group["data"]["members"]
    assert [method for method, _ in proxy.calls] == ["GET", "PATCH"] * (times + 1)


def test_k50_members_changed_each_time(
    client: Any, todos: Client, proxy: FaultProxy, peer: ModuleType
) -> None:
    """After ten times the error is raised; nobody's change was overwritten."""
    change_meanwhile(proxy, todos, 100)
    with pytest.raises(peer.KintoException) as caught:
        client.remove_members(id="staff", members=["account:a"])
    assert caught.value.response.status_code == 412
    assert [method for method, _ in proxy.calls] == ["GET", "PATCH"] * 10
    assert members(todos) == ["account:b", "account:a", *(f"account:x{n}" for n in range(10))]


def test_k50_members_in_a_batch(client: Any, todos: Client, proxy: FaultProxy) -> None:
    """Members are changed in a batch as well; changes of one group do not undo each other."""
    todos.create_group(id="other", data={"members": []})
    with client.batch() as batch:
        added = batch.add_members(id="staff", members=["account:c"])
        removed = batch.remove_members(id="staff", members=["account:b"])
        other = batch.add_members(id="other", members=["account:z"])
    assert added.result()["data"]["members"] == ["account:b", "account:a", "account:c"]
    assert removed.result()["data"]["members"] == members(todos) == ["account:a", "account:c"]
    assert other.result()["data"]["members"] == ["account:z"]
    # What the server says of itself; the first change of the group; the second, and the other.
    sent = [method for method, _ in proxy.calls]
    assert sent == ["GET", "GET", "PATCH", "POST", "POST"]


def test_k50_members_of_nothing(client: Any) -> None:
    """A group that is missing is an error, and is not created."""
    with pytest.raises(NotFound):
        client.add_members(id="missing", members=["account:a"])


@pytest.mark.parametrize("wrong", ["account:c", ["account:c", 1]])
def test_k50_no_members(client: Any, proxy: FaultProxy, wrong: Any) -> None:
    """What is no list of principals is refused; of a text, the letters would be added."""
    with pytest.raises(InvalidRequest, match="list of principals"):
        client.add_members(id="staff", members=wrong)
    assert proxy.calls == []
