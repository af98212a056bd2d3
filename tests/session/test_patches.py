"""A patch says exactly what changed, or is not made."""

from __future__ import annotations

import copy
import itertools
import json

from typing import Any

import jsonpatch
import pytest

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kinto.core.utils import recursive_update_dict

from apps import APART, App
from kinto_orm import BasicPatch, GuardedJSONPatch, JSONPatch, MergePatch, Record, WholeDocument
from kinto_orm.exceptions import BadRequest, InvalidRequest
from kinto_orm.flow.json import hashable, same
from kinto_orm.session.json_patches import json_patch, json_size, pointed
from kinto_orm.session.patches import attributes, merge_patch
from kinto_orm.session.snapshots import changed_paths
from kinto_orm.session.subsequences import aligned
from strategies import pairs, values


APPS = APART


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


def by_keys(base: dict[str, Any], target: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the operations that replace each top-level key that changed, as a whole."""
    gone = [{"op": "remove", "path": pointed("/data", key)} for key in base if key not in target]
    return gone + [
        {
            "op": "replace" if key in base else "add",
            "path": pointed("/data", key),
            "value": value,
        }
        for key, value in attributes(base, target).items()
    ]


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


TEXT = "a text of some length, which is not repeated for nothing"
LONG = [f"{TEXT} {number}" for number in range(3)]
REPLACED = f'replace /data/{{}} {{{{"":"{TEXT[1:]}"}}}}'


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
        assert json_size(operations) <= json_size(by_keys(base, target))

    @settings(max_examples=300)
    @given(st.lists(st.integers(0, 5), max_size=12), st.lists(st.integers(0, 5), max_size=12))
    def test_lists(self, before: list[int], after: list[int]) -> None:
        """Items that are moved, inserted and removed end up where they belong."""
        # Long ones, so that it does not pay to write the whole list.
        base, target = ({"l": [str(item) * 60 for item in each]} for each in (before, after))
        operations = json_patch(base, target)
        patched = jsonpatch.apply_patch({"data": base}, operations)
        assert patched["data"] == target
        assert json_size(operations) <= json_size(by_keys(base, target))

    @pytest.mark.parametrize(
        ("base", "target", "operations"),
        [
            ({"a/b": {"~": TEXT}}, {"a/b": {"": TEXT[1:]}}, [REPLACED.format("a~1b")]),
            ({"a/b": {"~": 1, "c": TEXT}}, {"a/b": {"c": TEXT}}, ["remove /data/a~1b/~0"]),
            ({"a": 1}, {"a": True}, ["replace /data/a true"]),
            ({"a": TEXT}, {"b": TEXT}, ["move /data/a /data/b"]),
            ({"a": 1}, {"b": 2}, ["remove /data/a", "add /data/b 2"]),
            # Items of lists: long ones are changed one by one, short ones all together.
            ({"l": [1, 2, 3]}, {"l": [1, 3]}, ["remove /data/l/1"]),
            ({"l": [1, 2]}, {"l": []}, ["replace /data/l []"]),
            ({"l": [1, 3]}, {"l": [1, 2, 3]}, ["add /data/l/1 2"]),
            ({"l": [*"abc"]}, {"l": [*"xyz"]}, ['replace /data/l ["x","y","z"]']),
            ({"l": LONG}, {"l": ["new", *LONG]}, ['add /data/l/0 "new"']),
            ({"l": LONG}, {"l": [*LONG, "new"]}, ['add /data/l/3 "new"']),
            ({"l": LONG}, {"l": [LONG[2], *LONG[:2]]}, ["move /data/l/2 /data/l/0"]),
            ({"l": LONG}, {"l": [*LONG[1:], LONG[0]]}, ["move /data/l/0 /data/l/2"]),
            (
                {"l": LONG},
                {"l": [LONG[0], "new", LONG[2]]},
                ['replace /data/l/1 "new"'],
            ),
            # Objects in them: which is which, what they have in common tells.
            (
                {"l": [{"t": each, "n": 1} for each in LONG]},
                {"l": [{"new": 1}, *({"t": each, "n": 2} for each in LONG)]},
                [
                    'add /data/l/0 {"new":1}',
                    "replace /data/l/1/n 2",
                    "replace /data/l/2/n 2",
                    "replace /data/l/3/n 2",
                ],
            ),
            (
                {"l": [{"t": each, "n": 1} for each in LONG]},
                {"l": [{"t": each, "n": 2} for each in LONG[1:]]},
                ["remove /data/l/0", "replace /data/l/0/n 2", "replace /data/l/1/n 2"],
            ),
        ],
    )
    def test_examples(self, base: Any, target: Any, operations: Any) -> None:
        """What changed is said in few bytes."""
        found = [
            " ".join([each["op"], *(each[key] for key in ("from", "path") if key in each)])
            + (f" {json.dumps(each['value'], separators=(',', ':'))}" if "value" in each else "")
            for each in json_patch(base, target)
        ]
        assert found == operations

    @pytest.mark.parametrize(
        ("edit", "most"),
        [
            (lambda items: items.insert(5000, {"id": -1}), 1),
            (lambda items: items.append(items.pop(0)), 1),
            (lambda items: [item.update(title="!") for item in items[::3]], 3334),
            (lambda items: [items.insert(0, {"id": -n}) for n in range(2000)], 2000),
            (lambda items: items.reverse(), 1),
            (lambda items: [item.update(n=item["id"] % 7) for item in items], 10_000),
        ],
    )
    def test_long_lists(self, edit: Any, most: int) -> None:
        """Lists of ten thousand items are compared in time that grows as they do."""
        before = [{"id": number, "title": f"title {number}"} for number in range(10_000)]
        after = copy.deepcopy(before)
        edit(after)
        operations = json_patch({"l": before}, {"l": after})
        assert len(operations) <= most
        patched = jsonpatch.apply_patch({"data": {"l": before}}, operations, in_place=False)
        assert patched["data"] == {"l": after}


@given(
    st.lists(st.integers(0, 3), max_size=12),
    st.lists(st.integers(0, 3), max_size=12),
)
def test_the_longest_common_subsequence(one: list[int], other: list[int]) -> None:
    """Lists are aligned by as many items as can be."""
    pairs = aligned(one, other)
    assert pairs == sorted(pairs)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert all(one[i] == other[j] for i, j in pairs)
    lengths = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, j in itertools.product(range(len(one)), range(len(other))):
        longer = max(lengths[i][j + 1], lengths[i + 1][j])
        lengths[i + 1][j + 1] = lengths[i][j] + 1 if one[i] == other[j] else longer
    assert len(pairs) == lengths[-1][-1]


@given(values, values)
def test_values_as_keys(one: Any, other: Any) -> None:
    """Values have the same key if they are the same, and only then."""
    assert (hashable(one) == hashable(other)) == same(one, other)
    assert hashable([1, {"a": 1}]) == hashable([1.0, {"a": 1.0}])
    assert hashable([1]) != hashable([True])


class TestGuards:
    """A JSON Patch that tests what it changes."""

    @given(pairs)
    def test_they_hold(self, pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
        """On what was loaded, each test succeeds, and the target is the same."""
        base, target = pair
        operations = json_patch(base, target)
        body = GuardedJSONPatch(operations, base).body
        assert [each for each in body if each["op"] != "test"] == operations
        assert same(jsonpatch.apply_patch({"data": base}, body)["data"], target)

    def test_each_loss_is_tested(self) -> None:
        """What is replaced, removed or moved is tested just before; what is added is not."""
        base = {"a": 1, "b": [1, 2, 3], "c": 4}
        operations: list[dict[str, Any]] = [
            {"op": "remove", "path": "/data/b/0"},
            {"op": "replace", "path": "/data/b/0", "value": 5},
            {"op": "add", "path": "/data/d", "value": 6},
            {"op": "add", "path": "/data/b/-", "value": 7},
            {"op": "add", "path": "/data/a", "value": 8},
            {"op": "move", "from": "/data/c", "path": "/data/e"},
            {"op": "copy", "from": "/data/e", "path": "/data/f"},
            {"op": "add", "path": "/permissions/read", "value": []},
        ]
        tests = [
            (each["path"], each["value"])
            for each in GuardedJSONPatch(operations, base).body
            if each["op"] == "test"
        ]
        assert tests == [("/data/b/0", 1), ("/data/b/0", 2), ("/data/a", 1), ("/data/c", 4)]

    def test_another_document(self) -> None:
        """Operations that do not fit the document are refused at once."""
        with pytest.raises(InvalidRequest, match="no such place"):
            GuardedJSONPatch([{"op": "remove", "path": "/data/x"}], {})

    def test_the_server_heeds_them(self, app: App) -> None:
        """The server refuses all of a patch if what it changes is not as it was."""
        app.create([{"id": "x", "title": "a", "n": 1}])
        base = app.raw.get_record(id="x")["data"]
        patch = GuardedJSONPatch(json_patch(base, {**base, "title": "b"}), base)
        app.raw.patch_record(id="x", data={"n": 2})  # Which has nothing to do with it.
        app.raw.patch_record(id="x", changes=patch)
        with pytest.raises(BadRequest, match="JSON Patch operation failed"):
            app.raw.patch_record(id="x", changes=patch)
        assert app.stored()["x"]["title"] == "b"


class TestPaths:
    """Which paths changed."""

    def test_changed(self) -> None:
        """Objects are looked into, lists are not."""
        before = {"a": {"b": 1, "c": [1]}, "d": 1}
        after = {"a": {"b": 2, "c": [1, 2]}, "e": 1}
        assert changed_paths(before, after) == ["a.b", "a.c", "d", "e"]


class Anything(Record, collection="todos"):
    """A record of which nothing is declared."""


@pytest.mark.parametrize(
    "patch", [MergePatch, JSONPatch, GuardedJSONPatch, BasicPatch, WholeDocument]
)
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
