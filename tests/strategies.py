"""JSON values for laws to be tested on."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st


#: Text that PostgreSQL keeps: no U+0000, no halves of surrogate pairs.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)

#: Few names, so that two objects have some in common.
keys = st.sampled_from(["a", "b", "c", "a/b", "~", "é", ""]) | texts

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    # PostgreSQL gives very large floats, and -0.0, back in another form.
    | st.integers(-1000, 1000).map(lambda number: number + 0.25)
    | texts
)

values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=8,
)

objects = st.dictionaries(keys, values, max_size=5)


@st.composite
def edited(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give an object, and another one that is like it in parts."""
    before = draw(objects)
    return before, draw(_edit(before))


def _edit(value: Any) -> st.SearchStrategy[Any]:
    """Give *value* with changes at some depth."""
    if isinstance(value, dict):
        kept = {key: _edit(item) | st.just(item) for key, item in value.items()}
        return st.tuples(
            st.fixed_dictionaries({}, optional=kept), st.dictionaries(keys, values, max_size=2)
        ).map(lambda both: both[0] | both[1])
    if isinstance(value, list):
        return st.lists(values | st.sampled_from(value) if value else values, max_size=5)
    return values


@st.composite
def triples(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Give an object, and two others that are like it in parts."""
    before = draw(objects)
    return before, draw(_edit(before)), draw(_edit(before))


#: An object before and after an edit, or two that have nothing to do with each other.
pairs = edited() | st.tuples(objects, objects)
