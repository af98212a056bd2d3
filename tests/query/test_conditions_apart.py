"""
Where storages differ, and Python: the table in docs/queries.md, line by line.

Each test holds what `matches` and PostgreSQL find, and what memory storage finds instead.  A test
that fails with a new Kinto says that a line of the table has to go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from kinto_orm import Field, Record, field
from kinto_orm.embedded import KintoServer
from kinto_orm.models.conditions import All, Condition
from server.kinds import on_both_storages

from .stores import Store


pytestmark = on_both_storages


class Sample(Record, collection="samples"):
    """A record that may hold anything."""

    f: Field[Any] = field(default=None, null=True)
    g: Field[Any] = field(default=None, null=True)


def check(
    store: Store,
    server: KintoServer,
    condition: Condition | All,
    expected: str,
    *,
    memory: str | None = None,
) -> None:
    """Compare what is found with what is *expected*: names of documents, with blanks between."""
    every = condition.conditions if isinstance(condition, All) else (condition,)
    found = {store.documents[ident]["name"] for ident in store.found(*every)}
    here = {each["name"] for each in store.documents.values() if condition.matches(each)}
    assert here == set(expected.split())
    there = expected if memory is None or server.storage == "postgresql" else memory
    assert found == set(there.split())


def fill(store: Store, values: Mapping[str, Any]) -> None:
    """Store documents that have these *values*, by their names."""
    store.replace({"name": name, "f": value} for name, value in values.items())


def test_an_empty_list(store: Store, server: KintoServer) -> None:
    """An empty list comes before null; on memory, it is a list like others."""
    fill(store, {"empty": [], "null": None, "one": [1]})
    check(store, server, Sample.f < None, "empty", memory="")
    check(store, server, Sample.f < "x", "empty null", memory="null")
    check(store, server, Sample.f > True, "one", memory="empty one")


def test_true_and_one(store: Store, server: KintoServer) -> None:
    """1 is not true; on memory it is, in lists of values, and inside lists and objects."""
    fill(store, {"one": 1, "true": True, "ones": [1], "trues": [True], "object": {"a": True}})
    check(store, server, Sample.f == 1, "one")
    check(store, server, Sample.f == True, "true")  # noqa: E712
    check(store, server, Sample.f.in_([1, "x"]), "one", memory="one true")
    check(store, server, Sample.f.not_in([1]), "true ones trues object", memory="ones trues object")
    check(store, server, Sample.f == [1], "ones", memory="ones trues")
    check(store, server, Sample.f == {"a": 1}, "", memory="object")


def test_large_numbers(store: Store, server: KintoServer) -> None:
    """A number is what is written; on memory, one with a point or an exponent is a binary one."""
    fill(store, {"exact": 2**64 - 1, "double": 1e19, "integer": 10**19 + 1})
    check(store, server, Sample.f == 10**19, "double")
    check(store, server, Sample.f > 1e19, "exact integer")
    fill(store, {"rounded": 2.0**63, "written": 9223372036854775808})
    check(store, server, Sample.f == 2**63, "written", memory="rounded written")
    check(store, server, Sample.f == 2.0**53, "")


def test_one_and_one_point_zero(store: Store, server: KintoServer) -> None:
    """1 is 1.0; on memory, not among the items of a list."""
    fill(store, {"integer": 1, "float": 1.0, "integers": [1], "floats": [1.0]})
    check(store, server, Sample.f == 1, "integer float")
    check(store, server, Sample.f.contains(1), "integers floats", memory="integers")
    check(store, server, Sample.f.contains_any([1.0]), "integers floats", memory="floats")


def test_parts_of_items(store: Store, server: KintoServer) -> None:
    """Of items that are lists or objects, `contains` takes parts; on memory, all or nothing."""
    fill(store, {"objects": [{"a": 1, "b": [2, 3]}], "lists": [[1, 2], ["a"]], "empty": []})
    check(store, server, Sample.f.contains({"a": 1, "b": [2, 3]}), "objects")
    check(store, server, Sample.f.contains({"a": 1}), "objects", memory="")
    check(store, server, Sample.f.contains({"b": [3]}), "objects", memory="")
    check(store, server, Sample.f.contains([2]), "lists", memory="")
    check(store, server, Sample.f.contains([1, 2], []), "lists", memory="")
    check(store, server, Sample.f.contains_any([{"a": 1}, [2]]), "")
    check(store, server, Sample.f.contains_any([["a"]]), "lists")


def test_items_of_what_is_no_list(store: Store, server: KintoServer) -> None:
    """Only lists have items; on memory, the keys of an object are taken for such."""
    fill(store, {"list": ["a"], "text": "a", "object": {"a": 1}})
    check(store, server, Sample.f.contains("a"), "list", memory="list object")
    check(store, server, Sample.f.contains_any(["a"]), "list", memory="list object")


def test_lines_of_a_text(store: Store, server: KintoServer) -> None:
    """``*`` goes over the ends of lines; on memory it stops, and the last end is passed over."""
    fill(store, {"one": "ab", "two": "a\nb", "ended": "ab\n"})
    check(store, server, Sample.f.like("a*b"), "one two", memory="one ended")
    check(store, server, Sample.f.like("b"), "one two ended", memory="one ended")
    check(store, server, Sample.f.endswith("b"), "one two", memory="one ended")


@pytest.mark.parametrize(
    ("stored", "asked", "here", "memory"),
    [
        ("É", "é", "it", "it"),
        ("ß", "SS", "", ""),
        ("ς", "\N{GREEK SMALL LETTER SIGMA}", "", "it"),
        ("\N{LATIN SMALL LETTER LONG S}", "s", "", "it"),
        ("İ", "i", "it", "it"),
    ],
)
def test_letters(
    store: Store, server: KintoServer, stored: str, asked: str, here: str, memory: str
) -> None:
    """
    Letters are equal if their lower case is; on memory, also if their upper case is.

    On PostgreSQL this depends on the locale of the database: in C, ASCII alone has cases.
    """
    fill(store, {"it": stored})
    check(store, server, Sample.f.like(f"{asked}*"), here, memory=memory)


def test_several_keys_that_must_be_there(store: Store, server: KintoServer) -> None:
    """Each `exists` counts; on memory, the last one alone (F7)."""
    store.replace([{"name": "f", "f": 1}, {"name": "g", "g": 1}, {"name": "both", "f": 1, "g": 1}])
    check(store, server, Sample.f.exists() & Sample.g.exists(), "both", memory="g both")
    check(store, server, Sample.g.exists() & Sample.f.exists(), "both", memory="f both")


def test_numbers_that_kinto_changes(store: Store) -> None:
    """Of a number with 16 digits or more, Kinto changes the last ones as it reads it (F1)."""
    store.replace([{"name": "it", "f": 924.0089050268617}])
    (stored,) = store.listed([])
    assert stored["f"] == 924.0089050268616
    assert not (Sample.f == 924.0089050268617).matches(stored)
    assert store.found(Sample.f == 924.0089050268617)  # Which is changed as the other was.
