"""K40 to K43: what is asked for is what is found, whatever its value and whatever it is called."""

from __future__ import annotations

import json

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from faults import FaultProxy
from kinto_orm import Client


@pytest.fixture
def client(through: Callable[..., Any], proxy: FaultProxy, todos: Client) -> Any:
    """Give the client that is tested."""
    return through(proxy, todos)


def fill(todos: Client, **records: dict[str, Any]) -> None:
    """Create *records*, by their ids."""
    with todos.batch() as batch:
        for id, data in records.items():
            batch.create_record(id=id, data=data)


def ids(records: list[dict[str, Any]]) -> set[str]:
    """Return the ids of *records*."""
    return {each["id"] for each in records}


# -- K40: values -------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["42", "4.5", "true", "null", '"quoted"'])
def test_k40_text_that_reads_as_json(client: Any, todos: Client, text: str) -> None:
    """A filter for a text finds that text, and not what it would be as JSON; nor the reverse."""
    fill(todos, text={"name": text}, value={"name": json.loads(text)}, other={"name": "other"})
    assert ids(client.get_records(name=text)) == {"text"}
    assert ids(client.get_records(eq_name=text)) == {"text"}
    assert ids(client.get_records(name=json.loads(text))) == {"value"}
    assert ids(client.get_records(not_name=text)) == {"value", "other"}


@pytest.mark.parametrize("text", ["42", "true", "null"])
def test_k40_text_in_a_list(client: Any, todos: Client, text: str) -> None:
    """The same holds for each text in a list of values."""
    fill(todos, text={"name": text}, value={"name": json.loads(text)}, other={"name": "other"})
    assert ids(client.get_records(in_name=[text])) == {"text"}
    assert ids(client.get_records(exclude_name=[text, "other"])) == {"value"}


def test_k40_like(client: Any, todos: Client) -> None:
    """A pattern of digits is a pattern, and not a number."""
    fill(todos, a={"name": "room 42"}, b={"name": "room 43"})
    assert ids(client.get_records(like_name="42")) == {"a"}


def test_k40_ids(client: Any, todos: Client) -> None:
    """An id that reads as a number is found like any other."""
    fill(todos, **{"42": {}, "43": {}})
    assert ids(client.get_records(eq_id="42")) == {"42"}
    assert ids(client.get_records(in_id=["42", "44"])) == {"42"}


# -- K41: types of values ----------------------------------------------------------------------


def test_k41_lists_of_any_values(client: Any, todos: Client) -> None:
    """A list of values may hold numbers, booleans and null, in whatever kind of list."""
    fill(todos, one={"age": 1}, two={"age": 2}, no={"age": False}, none={"age": None})
    assert ids(client.get_records(in_age=[1, 3])) == {"one"}
    assert ids(client.get_records(in_age=(2, None))) == {"two", "none"}
    assert ids(client.get_records(exclude_age=[2, None, False])) == {"one"}


def test_k41_commas_in_lists(client: Any, todos: Client) -> None:
    """A comma in a value of a list is part of that value."""
    fill(todos, both={"name": "x,y"}, x={"name": "x"}, y={"name": "y"})
    assert ids(client.get_records(in_name=["x,y"])) == {"both"}
    assert ids(client.get_records(exclude_name=["x,y", "x"])) == {"y"}


def test_k41_empty_lists(client: Any, todos: Client, proxy: FaultProxy) -> None:
    """Nothing is one of no values, and nobody is asked; no values exclude nothing."""
    fill(todos, a={"name": "a"}, empty={"name": ""})
    assert client.get_records(in_name=[]) == []
    assert proxy.calls == []
    assert ids(client.get_records(exclude_name=[])) == {"a", "empty"}


def test_k41_fields(client: Any, todos: Client) -> None:
    """Fields to read are given as a list, or as text."""
    fill(todos, a={"name": "a", "age": 1, "note": "long"})
    for fields in (["name", "age"], "name,age"):
        [record] = client.get_records(_fields=fields)
        assert record.keys() == {"id", "last_modified", "name", "age"}


@pytest.mark.parametrize(
    ("early", "limit", "late"),
    [
        (date(2025, 12, 31), date(2026, 1, 1), date(2026, 2, 1)),
        (
            datetime(2025, 12, 31, 8, tzinfo=UTC),
            datetime(2025, 12, 31, 12, tzinfo=UTC),
            datetime(2026, 1, 1, 8, tzinfo=UTC),
        ),
    ],
    ids=["date", "datetime"],
)
def test_k41_dates(client: Any, todos: Client, early: date, limit: date, late: date) -> None:
    """Dates are compared as they are written: in the format of ISO 8601."""
    fill(todos, early={"due": early}, limit={"due": limit}, late={"due": late})
    assert ids(client.get_records(due=limit)) == {"limit"}
    assert ids(client.get_records(gt_due=limit)) == {"late"}
    assert ids(client.get_records(in_due=[early, late])) == {"early", "late"}


# -- K42: names --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["records", "endpoint", "self"])
def test_k42_any_name(client: Any, todos: Client, name: str) -> None:
    """A field may have a name that the client uses for something inside."""
    fill(todos, a={name: "x"}, b={name: "y"})
    assert ids(client.get_records(**{name: "x"})) == {"a"}


@pytest.mark.parametrize(
    "name", ["bucket", "collection", "pages", "if_none_match", "snapshot", "safe", "if_match"]
)
def test_k42_names_of_arguments(client: Any, todos: Client, name: str) -> None:
    """A field that is called like an argument is asked for with its operator: ``eq_bucket="x"``."""
    fill(todos, a={name: "x"}, b={name: "y"})
    assert ids(client.get_records(**{f"eq_{name}": "x"})) == {"a"}
    assert ids(client.delete_records(**{f"eq_{name}": "y"})) == {"b"}
    assert ids(todos.get_records()) == {"a"}


# -- K43: deletions ----------------------------------------------------------------------------


def test_k43_filtered_deletion(client: Any, todos: Client, proxy: FaultProxy) -> None:
    """Deleting records takes filters, as reading them does; that is one request, not a loop."""
    fill(todos, a={"done": True, "n": 1}, b={"done": True, "n": 2}, c={"done": False, "n": 1})
    gone = client.delete_records(done=True, max_n=1)
    assert ids(gone) == {"a"}
    assert all(each["deleted"] for each in gone)
    assert ids(client.delete_records(in_id=["b", "x"])) == {"b"}
    assert ids(todos.get_records()) == {"c"}
    assert [method for method, _ in proxy.calls] == ["DELETE", "DELETE"]


def test_k43_pages(through: Callable[..., Any], paged: Client, paged_proxy: FaultProxy) -> None:
    """What matches is deleted on all pages, and nothing else."""
    for n in range(0, 16, 8):
        fill(paged, **{f"r{n + m}": {"even": m % 2 == 0} for m in range(8)})
    gone = through(paged_proxy, paged).delete_records(even=True)
    assert ids(gone) == {f"r{n}" for n in range(0, 16, 2)}
    assert ids(paged.get_records()) == {f"r{n}" for n in range(1, 16, 2)}
