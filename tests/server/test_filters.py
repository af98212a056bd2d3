"""Filters in the query string of a list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

import pytest

from .kinds import on_both_storages
from .wire import Wire


pytestmark = on_both_storages


def matching(wire: Wire, records: str, **asked: str) -> list[str]:
    """Return the ids that a list with these parameters has, sorted."""
    answer = wire.get(f"{records}?{urlencode(asked)}")
    assert answer.status == 200
    return sorted(answer.ids)


@pytest.fixture
def titles(wire: Wire, records: str) -> str:
    """Give a list of records, each with a *title* that its id describes."""
    documents: dict[str, Any] = {
        "number": 42,
        "number as text": "42",
        "true": True,
        "true as text": "true",
        "null": None,
        "null as text": "null",
        "word": "word",
        "quoted": '"42"',
        "a": "a",
        "b": "b",
        "comma": "a,b",
        "list": [1],
        "object": {"k": 1},
    }
    ids = {name.replace(" ", "-"): {"title": value} for name, value in documents.items()}
    wire.store(records, ids)
    return records


def found(wire: Wire, records: str, asked: str, values: Iterable[str]) -> dict[str, list[str]]:
    """Return what is found with each of the values of one parameter."""
    return {value: matching(wire, records, **{asked: value}) for value in values}


class TestValues:
    def test_that_are_json_are_decoded(self, wire: Wire, titles: str) -> None:
        """F1: a value that parses as JSON is what that says, and matches its own type only."""
        expected = {
            "42": ["number"],
            '"42"': ["number-as-text"],
            "42.0": ["number"],
            "true": ["true"],
            '"true"': ["true-as-text"],
            "null": ["null"],
            '"null"': ["null-as-text"],
            '"\\"42\\""': ["quoted"],
            "[1]": ["list"],
            '{"k": 1}': ["object"],
        }
        assert found(wire, titles, "title", expected) == expected

    def test_that_are_not_json_are_text(self, wire: Wire, titles: str) -> None:
        """F1: a value that does not parse is taken as it is."""
        expected = {"word": ["word"], "a,b": ["comma"], '"wor': []}
        assert found(wire, titles, "title", expected) == expected


class TestLists:
    def test_are_split_before_they_are_decoded(self, wire: Wire, titles: str) -> None:
        """F2: *in_* and *exclude_* take what is between commas as JSON, also inside quotes."""
        expected = {
            "42,word": ["number", "word"],
            '"42",word': ["number-as-text", "word"],
            '42,"42"': ["number", "number-as-text"],
            "true,null": ["null", "true"],
            "a,b": ["a", "b"],
            '"a,b"': [],
            '"a\\u002cb"': ["comma"],
            '"a\\u002cb","word"': ["comma", "word"],
        }
        assert found(wire, titles, "in_title", expected) == expected
        every = {*matching(wire, titles)}
        others = {value: sorted(every - {*ids}) for value, ids in expected.items()}
        assert found(wire, titles, "exclude_title", expected) == others


class TestPrefixes:
    @pytest.fixture
    def records(self, wire: Wire, records: str) -> str:
        documents: dict[str, Any] = {
            "a": {"min_size": 5, "size": 1, "_hidden": 1},
            "b": {"min_size": 9, "size": 9, "_hidden": 2},
            "c": {"in_stock": True, "stock": False, "_hidden": 3},
            "d": {"in_stock": False, "stock": True, "_hidden": 4},
        }
        wire.store(records, documents)
        return records

    def test_are_taken_from_names_of_fields(self, wire: Wire, records: str) -> None:
        """F3: *min_size* is a lower bound for *size*, *in_stock* asks for *stock*."""
        assert matching(wire, records, max_size="5") == matching(wire, records, eq_size="1")
        assert matching(wire, records, max_size="5") == ["a"]
        assert matching(wire, records, in_stock="true") == ["d"]

    def test_are_taken_once(self, wire: Wire, records: str) -> None:
        """F3: with *eq_* in front the field itself is asked for."""
        assert matching(wire, records, eq_min_size="5") == ["a"]
        assert matching(wire, records, eq_in_stock="true") == ["c"]

    def test_hide_names_with_an_underscore(self, wire: Wire, records: str) -> None:
        """F3: a name that begins with one is ignored without a prefix, not with one."""
        assert matching(wire, records, _hidden="1") == ["a", "b", "c", "d"]
        assert matching(wire, records, eq__hidden="1") == ["a"]
        assert matching(wire, records, gt__hidden="3") == ["d"]


class TestNames:
    #: Names of fields that operators do not know.
    STRANGE = ("a-b", "a b", "a:b", "a/b", "a$", "a+b")

    @pytest.fixture
    def records(self, wire: Wire, records: str) -> str:
        names = (*self.STRANGE, "plain", "with_9", "été")
        documents = {each: dict.fromkeys(names, n) for n, each in enumerate("ab", start=1)}
        wire.store(records, {**documents, "c": {"deep": {"er": 1}}})
        return records

    @pytest.mark.parametrize("name", STRANGE)
    def test_that_operators_do_not_know_match_nothing(
        self, wire: Wire, records: str, name: str
    ) -> None:
        """F4: only word characters and dots; with others the list is empty, without an error."""
        for operator in ("eq", "not", "lt", "max", "gt", "min", "in", "exclude"):
            assert matching(wire, records, **{f"{operator}_{name}": "1"}) == []
        for value in ("true", "false"):
            assert matching(wire, records, **{f"has_{name}": value}) == []

    def test_need_no_operator(self, wire: Wire, records: str) -> None:
        """F4: without a prefix any name is found."""
        expected = {name: ["a"] for name in self.STRANGE}
        assert {name: matching(wire, records, **{name: "1"}) for name in expected} == expected

    def test_of_word_characters_are_known(self, wire: Wire, records: str) -> None:
        """F4: which are those of any script, not of ASCII alone."""
        for name in ("plain", "with_9", "été"):
            assert matching(wire, records, **{f"eq_{name}": "1"}) == ["a"]
            assert matching(wire, records, **{f"lt_{name}": "2"}) == ["a"]
            assert matching(wire, records, **{f"has_{name}": "true"}) == ["a", "b"]

    def test_with_dots_lead_into_objects(self, wire: Wire, records: str) -> None:
        """F4: a dot leads to a key of an object."""
        assert matching(wire, records, **{"eq_deep.er": "1"}) == ["c"]

    def test_unknown_to_sort_are_ignored(self, wire: Wire, records: str) -> None:
        """F4: the list is in default order, newest first."""
        for name in (*self.STRANGE, "missing"):
            for direction in ("", "-"):
                asked = urlencode({"_sort": direction + name})
                assert wire.get(f"{records}?{asked}").ids == ["c", "b", "a"]

    def test_known_to_sort_are_not(self, wire: Wire, records: str) -> None:
        """F4: of word characters, of any script."""
        for name in ("plain", "été"):
            assert wire.get(f"{records}?{urlencode({'_sort': name})}").ids == ["a", "b", "c"]

    def test_of_no_field_match_nothing(self, wire: Wire, records: str) -> None:
        """F4: without an error."""
        assert matching(wire, records, missing="1") == []
        assert matching(wire, records, eq_missing="1") == []

    def test_of_no_parameter_are_ignored(self, wire: Wire, records: str) -> None:
        """F4: a parameter with an underscore that Kinto does not have changes nothing."""
        assert matching(wire, records, _missing="1", plain="1") == ["a"]
