"""Merge patches: what a document becomes (RFC 7396)."""

from __future__ import annotations

import json

from typing import Any

import pytest

from hypothesis import given
from hypothesis import strategies as st

from kinto_orm.flow.recovering import merged

from .scripts import LAW


#: RFC 7396, appendix A: a document, a patch, and what comes of them.
EXAMPLES: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from("xy"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=6,
)


class TestMerged:
    @pytest.mark.parametrize(("value", "patch", "result"), EXAMPLES)
    def test_examples(self, value: Any, patch: Any, result: Any) -> None:
        """It agrees with the examples of the standard."""
        assert merged(value, patch) == result

    @LAW
    @given(JSON, JSON)
    def test_idempotent(self, value: Any, patch: Any) -> None:
        """To merge the same once more changes nothing: this is what tells that it was applied."""
        once = merged(value, patch)
        assert merged(once, patch) == once

    @LAW
    @given(JSON)
    def test_neutral(self, value: Any) -> None:
        """The empty patch changes no object, and makes one of anything else."""
        assert merged(value, {}) == (value if isinstance(value, dict) else {})

    @LAW
    @given(st.dictionaries(st.sampled_from("abc"), JSON), JSON)
    def test_leaves_its_arguments_alone(self, value: Any, patch: Any) -> None:
        """What it is given stays as it is."""
        before = json.dumps([value, patch])
        merged(value, patch)
        assert json.dumps([value, patch]) == before
