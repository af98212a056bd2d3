"""Filters in the query string of a list."""

from __future__ import annotations

import json

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

import pytest

from kinto_orm.embedded import KintoServer

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


class TestOrder:
    #: What there is of each type, from the least to the greatest.
    LADDER: tuple[Any, ...] = (None, "", "a", "b", -5, 1.5, 2, False, True, [1], {"a": 1})

    @pytest.fixture
    def records(self, wire: Wire, records: str) -> str:
        documents = {f"s{step:02}": {"f": value} for step, value in enumerate(self.LADDER)}
        wire.store(records, {**documents, "s99": {}})
        return records

    @pytest.mark.parametrize("step", range(9))
    def test_goes_over_all_types(self, wire: Wire, records: str, step: int) -> None:
        """F5: null, text, number, boolean, list, object; what is missing is greater than all."""
        ids, value = matching(wire, records), json.dumps(self.LADDER[step])
        asked = {"lt": ids[:step], "max": ids[: step + 1]}
        asked |= {"gt": ids[step + 1 :], "min": ids[step:]}
        for operator, expected in asked.items():
            assert matching(wire, records, **{f"{operator}_f": value}) == expected, operator

    def test_others_have_what_is_missing(self, wire: Wire, records: str) -> None:
        """F5: *not_* and *exclude_* match what lacks the field, *eq_* and *in_* do not."""
        for value in ("null", '"a"', "2", "true", "7"):
            for one, other in (("eq", "not"), ("in", "exclude")):
                found = matching(wire, records, **{f"{one}_f": value})
                rest = matching(wire, records, **{f"{other}_f": value})
                assert "s99" not in found
                assert "s99" in rest
                assert sorted(found + rest) == matching(wire, records)

    def test_null_is_there(self, wire: Wire, records: str) -> None:
        """F5: *f=null* finds a null; *has_f* counts it as present."""
        assert matching(wire, records, eq_f="null") == ["s00"]
        assert matching(wire, records, has_f="false") == ["s99"]
        assert "s00" in matching(wire, records, has_f="true")

    def test_an_empty_list(self, wire: Wire, server: KintoServer, records: str) -> None:
        """F5: on PostgreSQL it comes before null, on memory it is a list like others."""
        wire.store(records, {"empty": {"f": []}})
        first = server.storage == "postgresql"
        assert ("empty" in matching(wire, records, lt_f="null")) is first
        assert ("empty" in matching(wire, records, gt_f="true")) is not first

    def test_of_lists_and_objects(self, wire: Wire, server: KintoServer, records: str) -> None:
        """F5: PostgreSQL has one, memory fails."""
        for value in ('["x"]', "{}"):
            answer = wire.get(f"{records}?{urlencode({'gt_f': value})}")
            assert answer.status == (200 if server.storage == "postgresql" else 500)

    def test_of_timestamps(self, wire: Wire, records: str) -> None:
        """F5: they are compared with numbers, and not with lists."""
        moments = sorted(each["last_modified"] for each in wire.get(records).data)
        found = matching(wire, records, gt_last_modified=str(moments[-2]))
        assert found == matching(wire, records, eq_last_modified=str(moments[-1]))
        for name in ("in_last_modified", "exclude_last_modified", "has_last_modified"):
            value = "true" if name.startswith("has") else str(moments[0])
            assert wire.get(f"{records}?{urlencode({name: value})}").status == 400


class TestPatterns:
    @pytest.fixture
    def records(self, wire: Wire, records: str) -> str:
        texts = {"plain": "abc", "upper": "ABC", "percent": "a%c", "line": "a_c", "dot": "a.c"}
        wire.store(records, {name: {"f": text} for name, text in texts.items()})
        return records

    def test_ignore_case(self, wire: Wire, records: str) -> None:
        """F6: upper and lower case are the same; without a star it may be anywhere."""
        for pattern in ("aBc", "b", "a*C", "*B*"):
            assert {"plain", "upper"} <= {*matching(wire, records, like_f=f'"{pattern}"')}
        assert matching(wire, records, like_f='"b*"') == []

    def test_have_traps(self, wire: Wire, server: KintoServer, records: str) -> None:
        """F6: ``%`` and ``_`` are wildcards on PostgreSQL, regular expressions on memory."""
        postgresql, every = server.storage == "postgresql", matching(wire, records)
        expected = {
            "a%c": every if postgresql else ["percent"],
            "a_c": every if postgresql else ["line"],
            "a.c": ["dot"] if postgresql else every,
            "[ab]": [] if postgresql else every,
        }
        for pattern, ids in expected.items():
            assert matching(wire, records, like_f=json.dumps(pattern)) == ids, pattern

    def test_can_be_written_for_all(self, wire: Wire, records: str) -> None:
        """F6: after a backslash, each of them is itself, on both."""
        for pattern, name in {"a\\%c": "percent", "a\\_c": "line", "a\\.c": "dot"}.items():
            assert matching(wire, records, like_f=json.dumps(pattern)) == [name]

    def test_are_text(self, wire: Wire, records: str) -> None:
        """F6: a pattern that is JSON, but no text, is a 400."""
        assert wire.get(f"{records}?like_f=42").status == 400

    def test_want_text(self, wire: Wire, server: KintoServer, records: str) -> None:
        """F6: on memory, a record without text there is a 500; on PostgreSQL, a number is text."""
        wire.store(records, {"number": {"f": 42}, "missing": {}})
        postgresql = server.storage == "postgresql"
        answer = wire.get(f"{records}?{urlencode({'like_f': json.dumps('4*')})}")
        assert answer.status == (200 if postgresql else 500)
        if postgresql:
            assert answer.ids == ["number"]

    def test_can_be_kept_from_others(self, wire: Wire, records: str) -> None:
        """F6: filters go one after the other, so that those before it can leave text alone."""
        wire.store(records, {"number": {"f": 42}, "missing": {}, "null": {"f": None}})
        asked = {"gt_f": "null", "lt_f": "-1.7976931348623157e308", "like_f": '"a*"'}
        assert matching(wire, records, **asked) == ["dot", "line", "percent", "plain", "upper"]


class TestPresence:
    def test_cancels_what_is_before(self, wire: Wire, server: KintoServer, records: str) -> None:
        """F7: on memory, *has_* does away with the filters before it, other *has_* included."""
        wire.store(records, {"f": {"f": 1}, "g": {"g": 1}, "both": {"f": 2, "g": 2}})
        memory = server.storage == "memory"
        assert matching(wire, records, has_g="true", eq_f="2") == ["both"]
        assert matching(wire, records, eq_f="2", has_g="true") == ["both", "g"][: 1 + memory]
        assert matching(wire, records, has_f="true", has_g="true") == ["both", "g"][: 1 + memory]


class TestItems:
    @pytest.fixture
    def records(self, wire: Wire, records: str) -> str:
        values: dict[str, Any] = {"list": ["a", "b"], "text": "ab", "object": {"a": 1}, "no": 1}
        wire.store(records, {name: {"f": value, "any_f": ["z"]} for name, value in values.items()})
        return records

    def test_of_lists(self, wire: Wire, server: KintoServer, records: str) -> None:
        """F7: those of lists; on memory, also the letters of a text, and the keys of an object."""
        memory = server.storage == "memory"
        odd = ["object", "text"] if memory else []
        assert matching(wire, records, contains_f='["a"]') == ["list", *odd]
        assert matching(wire, records, contains_any_f='["a", "z"]') == ["list", *odd]
        assert matching(wire, records, gt_f="true", contains_f='["a"]') == ["list", *odd[:1]]

    def test_of_a_field_called_any(self, wire: Wire, records: str) -> None:
        """F3: *contains_any_f* is an operator, although there is a field *any_f*."""
        assert matching(wire, records, contains_any_f='["z"]') == []
        assert matching(wire, records, contains_any_any_f='["z"]') == matching(wire, records)


class TestFields:
    def test_come_with_the_id(self, wire: Wire, records: str) -> None:
        """F8: *_fields* takes names; the id and the timestamp always come."""
        wire.store(records, {"a": {"f": 1, "g": {"h": 2, "i": 3}, "k": 4}})
        (found,) = wire.get(f"{records}?_fields=f,g.h").data
        assert found == {"id": "a", "last_modified": found["last_modified"], "f": 1, "g": {"h": 2}}

    def test_ids_are_text(self, wire: Wire, records: str) -> None:
        """F8: *id=42* is a 400, with quotes it is found; *eq_id* and *in_id* want text, too."""
        wire.store(records, {"42": {}})
        assert wire.get(f"{records}?id=42").status == 400
        for name in ("id", "eq_id", "in_id"):
            assert matching(wire, records, **{name: '"42"'}) == ["42"]
        assert wire.get(f"{records}?in_id=42").status == 400


class TestRepetition:
    @pytest.fixture
    def records(self, wire: Wire, records: str) -> str:
        wire.store(records, {name: {"f": name} for name in "abcd"})
        return records

    def test_of_a_name_is_no_filter(self, wire: Wire, records: str) -> None:
        """F9: the server makes a list of the values, and compares with that."""
        assert wire.get(f"{records}?not_f=a&not_f=b&_sort=id").ids == ["a", "b", "c", "d"]
        assert wire.get(f"{records}?eq_f=a&eq_f=a").ids == []

    def test_with_blanks_counts(self, wire: Wire, records: str) -> None:
        """F9: blanks after a name make it another one, and are stripped afterwards."""
        asked = {"not_f": "a", "not_f ": "b", "not_f  ": "c"}
        assert matching(wire, records, **asked) == ["d"]
        assert matching(wire, records, **{"in_f": "a,b", "in_f ": "b,c"}) == ["b"]

    def test_with_blanks_goes_on_with_pages(self, wire: Wire, records: str) -> None:
        """F9: *Next-Page* keeps them."""
        asked = urlencode({"not_f": "a", "not_f ": "b", "_limit": "1", "_sort": "id"})
        answer = wire.get(f"{records}?{asked}")
        assert answer.ids == ["c"]
        assert answer.next_page is not None
        assert wire.get(answer.next_page).ids == ["d"]


class TestNumbers:
    @pytest.mark.parametrize("number", [0.1, 19.99, -1234567.123456, 123456789012345, 2**63])
    def test_with_few_digits_are_kept(self, wire: Wire, records: str, number: float) -> None:
        """F1: up to 15 digits, a number is what was sent; integers of 64 bits are, too."""
        wire.store(records, {"a": {"f": number}})
        assert wire.get(f"{records}/a").data["f"] == number
        assert matching(wire, records, eq_f=repr(number)) == ["a"]

    def test_with_many_are_changed(self, wire: Wire, records: str) -> None:
        """F1: with 16 or 17, the last may change, when it is stored and when it is asked for."""
        wire.store(records, {"a": {"f": 924.0089050268617}})
        assert wire.get(f"{records}/a").data["f"] == 924.0089050268616
        assert matching(wire, records, eq_f="924.0089050268617") == ["a"]
