"""Filters and other parameters as a query string: by the rules F1 to F8 of docs/protocol.md."""

from __future__ import annotations

import json

from datetime import UTC, date, datetime
from typing import Any

import pytest

from hypothesis import given
from hypothesis import strategies as st

from flow.scripts import LAW
from kinto_orm.client.endpoints.listing import Asked
from kinto_orm.exceptions import UnsendableValue, UnsupportedQuery
from kinto_orm.transport.params import OPERATORS, controls, listed, parameters, raw_parameters


#: Values that a filter may be compared to.
VALUES = st.none() | st.booleans() | st.integers(-5, 5) | st.text("aé,\"\\'4", max_size=5)


def params(**given: Any) -> dict[str, str]:
    """Return what is asked for, as a dictionary."""
    found = parameters(given)
    assert len(dict(found)) == len(found)
    return dict(found)


class TestValues:
    @pytest.mark.parametrize(
        ("value", "sent"),
        [
            ("42", '"42"'),
            (42, "42"),
            ("true", '"true"'),
            (True, "true"),
            (None, "null"),
            ("null", '"null"'),
            (1.5, "1.5"),
            ("", '""'),
            ('a "b"', '"a \\"b\\""'),
            ("a,b", '"a,b"'),
            ({"a": [1]}, '{"a":[1]}'),
        ],
    )
    def test_are_json(self, value: Any, sent: str) -> None:
        """F1: the server decodes what it can, so that everything is JSON."""
        assert params(title=value) == {"eq_title": sent}
        assert params(min_title=value) == {"min_title": sent}

    @pytest.mark.parametrize(
        ("value", "sent"),
        [
            (date(2024, 1, 2), '"2024-01-02"'),
            (datetime(2024, 1, 2, 3, tzinfo=UTC), '"2024-01-02T03:00:00+00:00"'),
        ],
    )
    def test_dates(self, value: date, sent: str) -> None:
        """Dates are text, as they are stored; in lists as well."""
        assert params(lt_due=value) == {"lt_due": sent}
        assert params(in_due=[value, value]) == {"in_due": f"{sent},{sent}"}

    @pytest.mark.parametrize("value", [float("nan"), 2**70, "\ud800", object()])
    def test_unsendable(self, value: Any) -> None:
        """D1: a value that JSON or Kinto cannot hold is refused."""
        with pytest.raises(UnsendableValue):
            params(title=value)


class TestLists:
    @pytest.mark.parametrize("operator", ["in", "exclude"])
    def test_of_values(self, operator: str) -> None:
        """F2: each value is JSON, with commas between."""
        sent = 'true,null,1,"1"'
        for values in ([True, None, 1, "1"], (True, None, 1, "1")):
            assert params(**{f"{operator}_n": values}) == {f"{operator}_n": sent}
        assert params(**{f"{operator}_n": {5}}) == {f"{operator}_n": "5"}
        assert params(**{f"{operator}_n": 5}) == {f"{operator}_n": "5"}

    def test_commas(self) -> None:
        """F2: the server splits before it decodes, so that commas in texts are escaped."""
        assert params(in_t=["a,b", "c"]) == {"in_t": '"a\\u002cb","c"'}

    @LAW
    @given(st.lists(VALUES, max_size=5))
    def test_law(self, values: list[Any]) -> None:
        """What the server splits and decodes are the values."""
        parts = listed(values).split(",") if values else []
        assert [json.loads(part) for part in parts] == values

    @pytest.mark.parametrize("operator", ["in", "exclude"])
    @pytest.mark.parametrize("value", [[1], {"a": 1}])
    def test_of_lists(self, operator: str, value: Any) -> None:
        """F2: what is itself a list or an object cannot be in one."""
        with pytest.raises(UnsupportedQuery, match="ask one by one"):
            params(**{f"{operator}_n": [value]})

    @pytest.mark.parametrize("operator", ["contains", "contains_any"])
    def test_contained(self, operator: str) -> None:
        """Elsewhere a list is a value."""
        assert params(**{f"{operator}_n": ["a", 1]}) == {f"{operator}_n": '["a",1]'}

    def test_empty(self) -> None:
        """To be in nothing is hopeless, and not asked; to be excluded from nothing is no filter."""
        for empty in (list[int](), tuple[int, ...](), set[int](), frozenset[int]()):
            assert Asked("/records", {"in_n": empty, "n": 1}).is_hopeless
            assert not Asked("/records", {"in_n": [1], "contains_any_n": empty}).is_hopeless
            assert Asked("/records", {"exclude_n": empty, "n": 1}).params() == [("eq_n", "1")]

    def test_empty_text(self) -> None:
        """An empty text is a value like any other."""
        assert not Asked("/records", {"in_n": ""}).is_hopeless
        assert Asked("/records", {"exclude_n": ""}).params() == [("exclude_n", '""')]


class TestNames:
    @pytest.mark.parametrize("operator", OPERATORS)
    def test_operators(self, operator: str) -> None:
        """F3: an operator that is written is taken for one, the longest that it can be."""
        assert list(params(**{f"{operator}_n": True})) == [f"{operator}_n"]
        assert list(params(**{f"eq_{operator}_n": True})) == [f"eq_{operator}_n"]

    @pytest.mark.parametrize("name", ["n", "a.b", "été", "min", "in", "minimum_n", "n_9"])
    def test_without_operator(self, name: str) -> None:
        """F3: without one, a filter is for equality, and says so."""
        assert params(**{name: 1}) == {f"eq_{name}": "1"}

    @pytest.mark.parametrize("name", ["", "a-b", "a b", "a/b", "min_a-b", "a,b", "é\u0301"])
    def test_unsupported(self, name: str) -> None:
        """F4: names with which the server would silently find nothing are refused."""
        with pytest.raises(UnsupportedQuery, match="cannot be asked for"):
            params(**{name: 1})

    def test_has_comes_first(self) -> None:
        """F7: ``has_`` would cancel what is before it; else the order is as it was given."""
        given = {"b": 1, "has_z": True, "a": 2, "_limit": 3, "has_y": False}
        assert [name for name, _ in parameters(given)] == [
            "has_z",
            "has_y",
            "eq_b",
            "eq_a",
            "_limit",
        ]


class TestIds:
    def test_integers(self) -> None:
        """F8: ids are text, also where they look like numbers."""
        assert params(id=42) == {"eq_id": '"42"'}
        assert params(in_id=[42, "x"]) == {"in_id": '"42","x"'}
        assert params(gt_id="7") == {"gt_id": '"7"'}
        assert params(has_id=True) == {"has_id": "true"}


STAMPS: list[Any] = [5, "5", '"5"']


class TestTimestamps:
    @pytest.mark.parametrize("stamp", STAMPS)
    @pytest.mark.parametrize("name", ["_since", "_to", "_before"])
    def test_moments(self, name: str, stamp: Any) -> None:
        """A timestamp may be a number, its digits, or an ETag: the server gets an ETag."""
        assert params(**{name: stamp}) == {name: '"5"'}
        assert controls({name: stamp}) == [(name, '"5"')]

    @pytest.mark.parametrize("stamp", ["", "yesterday", -5, 1.5, True, "\u0665", [5]])
    def test_no_moments(self, stamp: Any) -> None:
        """Anything else is refused: the server would say nothing, or 400."""
        with pytest.raises(UnsupportedQuery, match="must be a timestamp in milliseconds"):
            params(_since=stamp)

    @pytest.mark.parametrize("stamp", STAMPS)
    def test_filters(self, stamp: Any) -> None:
        """With an operator, a timestamp is a number."""
        assert params(gt_last_modified=stamp) == {"gt_last_modified": "5"}
        assert params(last_modified=stamp) == {"eq_last_modified": "5"}

    @pytest.mark.parametrize("operator", ["in", "exclude"])
    def test_lists(self, operator: str) -> None:
        """The server takes no lists of them."""
        with pytest.raises(UnsupportedQuery, match=f"does not take {operator}_last_modified"):
            params(**{f"{operator}_last_modified": [5]})


class TestControls:
    def test_not_given(self) -> None:
        """What is None is not asked for, but as the value of a field."""
        assert params(_limit=None, _sort=None, _since=None, n=None) == {"eq_n": "null"}
        assert controls({"_since": None}) == []
        assert raw_parameters({"_limit": None, "n": None}) == []

    @pytest.mark.parametrize("name", ["_sort", "_fields"])
    def test_names(self, name: str) -> None:
        """F8: names of fields are given as a text, or as a list."""
        for value in ("a,b.c", "a, b.c", ["a", "b.c"], ("a", "b.c")):
            assert params(**{name: value}) == {name: "a,b.c"}
        with pytest.raises(UnsupportedQuery, match=f"{name} must be the name of a field"):
            params(**{name: 5})
        with pytest.raises(UnsupportedQuery, match=f"{name} must be the name of a field"):
            params(**{name: ["a", 5]})

    def test_sort(self) -> None:
        """F4: what cannot be sorted by is refused; the order may be descending."""
        assert params(_sort="-a,b") == {"_sort": "-a,b"}
        for value in ("a-b", "--a", "", "a,,b"):
            with pytest.raises(UnsupportedQuery, match="_sort cannot be"):
                params(_sort=value)

    def test_strange_fields(self) -> None:
        """Other names can be asked for as fields."""
        assert params(_fields="a-b,é é") == {"_fields": "a-b,é é"}

    def test_tombstones_can_be_told(self) -> None:
        """T5: where deletions are listed, they are not stripped of what says so."""
        for name in ("_since", "gt_last_modified"):
            assert params(**{name: 5, "_fields": "a"})["_fields"] == "a,deleted"
        assert params(n=5, _fields="a")["_fields"] == "a"

    def test_others(self) -> None:
        """What is unknown here is sent as it is."""
        assert params(_limit=5, _token="a b") == {"_limit": "5", "_token": "a b"}


class TestRaw:
    """Parameters of a raw request."""

    @pytest.mark.parametrize(
        ("value", "sent"),
        [
            ("text", "text"),
            ('"text"', '"text"'),
            (5, "5"),
            (True, "true"),
            (["a", 1], "a,1"),
            (date(2024, 1, 2), "2024-01-02"),
            ({"a": 1}, '{"a":1}'),
        ],
    )
    def test_values(self, value: Any, sent: str) -> None:
        """Text is as it is, anything else JSON, and lists are joined by commas."""
        assert raw_parameters({"n": value}) == [("n", sent)]

    def test_lists_of_values(self) -> None:
        """F2: lists that are to be compared to are written as these."""
        assert raw_parameters({"in_n": ["a,b", 1]}) == [("in_n", '"a\\u002cb",1')]
        assert raw_parameters({"exclude_n": ["1"]}) == [("exclude_n", '"1"')]
