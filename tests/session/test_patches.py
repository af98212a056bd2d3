"""A patch says exactly what changed, or is not made."""

from __future__ import annotations

import copy

from typing import Any

import jsonpatch
import pytest

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kinto.core.utils import recursive_update_dict

from apps import App
from kinto_orm import JSONPatch, MergePatch, Record
from kinto_orm.flow.json import same
from kinto_orm.session.json_patches import json_patch, json_size, pointed
from kinto_orm.session.patches import attributes, merge_patch
from kinto_orm.session.snapshots import changed_paths, clashing
from strategies import pairs


def merged(base: Any, patch: Any) -> Any:
    """Return what Kinto makes of a merge patch."""
    result = copy.deepcopy(base)
    recursive_update_dict(result, patch, ignores=(None,))
    return result


def merged_by_the_book(base: Any, patch: Any) -> Any:
    """Return what RFC 7396, section 2, makes of a merge patch."""
    if not isinstance(patch, dict):
        return patch
    result = dict(base) if isinstance(base, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged_by_the_book(result.get(key), value)
    return result


class TestMergePatch:
    """RFC 7396."""

    @given(pairs)
    def test_it_gives_the_target(self, pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
        """Where there is a merge patch, it gives the target, by the book and by Kinto."""
        base, target = pair
        patch = merge_patch(base, target)
        if patch is not None:
            assert same(merged_by_the_book(base, patch), target)
            assert same(merged(base, patch), target)

    @pytest.mark.parametrize(
        ("base", "target", "patch"),
        [
            ({"a": 1}, {"a": 1}, {}),
            ({"a": 1, "b": 2}, {"b": 3}, {"a": None, "b": 3}),
            ({"a": {"x": 1, "y": 2}}, {"a": {"x": 1}}, {"a": {"y": None}}),
            ({"a": [1, None]}, {"a": [None]}, {"a": [None]}),
            ({"a": None}, {"a": None, "b": 1}, {"b": 1}),
            ({}, {"a": {"b": {}}}, {"a": {"b": {}}}),
            ({}, {"a": None}, None),  # It cannot set a null.
            ({"a": {}}, {"a": {"b": {"c": None}}}, None),
            ({"a": 1}, {"a": {"b": 2}}, None),  # Kinto answers 500.
            ({"a": None}, {"a": {"b": 2}}, None),
            ({"a": True}, {"a": 1}, {"a": 1}),
        ],
    )
    def test_examples(self, base: Any, target: Any, patch: Any) -> None:
        """It holds what changed, and nothing else."""
        found = merge_patch(base, target)
        assert (found is None) == (patch is None)
        assert patch is None or same(found, patch)


class TestAttributes:
    """What a batch takes a patch for."""

    @given(pairs)
    def test_they_give_the_target(self, pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
        """Unless a key is removed, replacing the attributes gives the target."""
        base, target = pair
        assert same({**base, **attributes(base, target)}, base | target)


class TestJsonPatch:
    """RFC 6902."""

    @given(pairs)
    def test_it_gives_the_target(self, pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
        """The operations give the target; without a change there are none."""
        base, target = pair
        operations = json_patch(base, target)
        patched = jsonpatch.apply_patch({"data": base}, operations)
        assert same(patched["data"], target)
        assert (operations == []) == same(base, target)

    @pytest.mark.parametrize(
        ("base", "target", "operations"),
        [
            ({"a/b": {"~": 1}}, {"a/b": {}}, [("remove", "/data/a~1b/~0")]),
            ({"a": [1, 2, 3]}, {"a": [1, 3]}, [("remove", "/data/a/1")]),
            ({"a": [1, 3]}, {"a": [1, 2, 3]}, [("add", "/data/a/1")]),
            ({"a": [{"b": 1, "c": 2}]}, {"a": [{"b": 1}]}, [("remove", "/data/a/0/c")]),
            ({"a": [1, 2]}, {"a": []}, [("replace", "/data/a")]),
            ({"a": 1}, {"a": True}, [("replace", "/data/a")]),
        ],
    )
    def test_examples(self, base: Any, target: Any, operations: Any) -> None:
        """Lists change item by item."""
        found = [(each["op"], each["path"]) for each in json_patch(base, target)]
        assert found == operations


class TestPaths:
    """Which paths changed, and which clash."""

    def test_changed(self) -> None:
        """Objects are looked into, lists are not."""
        before = {"a": {"b": 1, "c": [1]}, "d": 1}
        after = {"a": {"b": 2, "c": [1, 2]}, "e": 1}
        assert changed_paths(before, after) == ["a.b", "a.c", "d", "e"]

    @pytest.mark.parametrize(
        ("local", "remote", "fields"),
        [
            ({"a": 2, "b": 1}, {"a": 1, "b": 2}, ()),
            ({"a": 2, "b": 1}, {"a": 3, "b": 1}, ("a",)),
            ({"a": 2, "b": 1}, {"a": 2, "b": 1}, ()),  # The same on both sides.
            ({"a": {"x": 1}, "b": 1}, {"a": 5, "b": 1}, ("a",)),
        ],
    )
    def test_clashing(self, local: Any, remote: Any, fields: Any) -> None:
        """A clash is what both sides changed, to something different."""
        assert clashing({"a": 1, "b": 1}, local, remote) == fields


class Anything(Record, collection="todos"):
    """A record of which nothing is declared."""


@pytest.mark.parametrize("patch", [MergePatch, JSONPatch])
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(pairs, min_size=1, max_size=25))
def test_on_the_server(
    app: App, patch: Any, documents: list[tuple[dict[str, Any], dict[str, Any]]]
) -> None:
    """Any document becomes any other, alone and in a batch, and the server has just that."""
    session = app.session(patch=patch)
    known = {"id", "last_modified", "schema", "__permissions__"}
    cleaned = [
        [{key: value for key, value in part.items() if key not in known} for part in pair]
        for pair in documents
    ]
    records = [Anything(extra=copy.deepcopy(before)) for before, _ in cleaned]
    session.add_all(records)
    session.commit()
    for record, (_, after) in zip(records, cleaned, strict=True):
        record.extra = copy.deepcopy(after)
    changed = sum(not same(before, after) for before, after in cleaned)
    assert len(session.commit().updated) == changed
    stored = app.stored()
    for record, (_, after) in zip(records, cleaned, strict=True):
        found = stored[record.id]
        assert found.pop("id") == record.id
        assert found.pop("last_modified") == record.last_modified
        assert same(found, after)
    assert session.commit().requests == 0
