"""
The law: what the server finds, `matches` finds here, and nothing else.

Documents and conditions are made at random.  Memory storage has rules of its own, which
docs/queries.md lists; what they touch is left out, and held by `test_conditions_apart.py`.
"""

from __future__ import annotations

import json
import operator

from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kinto_orm import Field, Record, field
from kinto_orm.embedded import KintoServer
from kinto_orm.models.conditions import All, Condition
from kinto_orm.models.matching import MISSING, canonical, found_at, fulfils

from .stores import Store


class Sample(Record, collection="samples"):
    """A record that may hold anything."""

    f: Field[Any] = field(default=None, null=True)


# -- Documents -------------------------------------------------------------------------------------

LETTERS = st.sampled_from("abAB12 éÉßü日😀%_\\.*+?()[]{}|^$,\"'&=#/-\n\t")

texts = st.text(LETTERS, max_size=5) | st.sampled_from(["", "42", "true", "null", "%41", "\\u002c"])

#: Of numbers with more digits, and of very large or small ones, Kinto changes the last (F1).
floats = st.floats(1e-6, 1e15).map(lambda number: float(f"{number:.15g}"))

numbers = (
    st.integers(-3, 3)
    | st.integers(-(2**63), 2**64 - 1)
    | floats
    | floats.map(operator.neg)
    | st.sampled_from(
        [0, 1, 1.0, -0.0, 0.1, 2**53, 2**53 + 1, 2.0**53, 1e22, 1e23, 5e-324, 1.7e308]
    )
)

scalars = st.none() | st.booleans() | numbers | texts

#: Values that rules are about, and their neighbours.
NOTABLE = [
    [], [[]], [1], [1.0], [True], [None], ["a", "b"], [[1, 2]], [{"a": 1, "b": 2}], [{"a": [1]}],
    {}, {"a": 1}, {"a": []}, {"a": None}, {"a": {"b": 1}}, {"a": "b", "b": 2},
    "abc", "ABC", "a.c", "a_c", "a%c", "a\\c", "a+", "a\nc", 2**53, 2.0**53, 2**53 + 1, 10**16 + 1,
]  # fmt: skip

values = st.sampled_from(NOTABLE) | st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=6,
)

documents = st.lists(
    st.fixed_dictionaries({}, optional={"f": values | st.fixed_dictionaries({"a": values})}),
    min_size=1,
    max_size=10,
)

# -- Conditions ------------------------------------------------------------------------------------

COMPARISONS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]


def inside(value: Any) -> list[Any]:
    """Return *value*, and all that it holds."""
    if isinstance(value, dict):
        return [value, *(each for inner in value.values() for each in inside(inner))]
    if isinstance(value, list):
        return [value, *(each for inner in value for each in inside(inner))]
    return [value]


def reduced(value: Any) -> Any:
    """Return *value* without some of what it holds, or of what is in that."""
    if isinstance(value, dict):
        return {key: reduced(inner) for key, inner in list(value.items())[:1]}
    return [reduced(each) for each in value[1:]] if isinstance(value, list) else value


def resembling(text: str) -> st.SearchStrategy[str]:
    """Give a part of *text*, in upper or lower case, with wildcards of some storage or other."""
    ends = st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))
    part = ends.map(lambda both: text[min(both) : max(both)])
    change = st.sampled_from([str.upper, str.lower, str.strip])
    return st.builds(
        lambda word, how, old, new: how(word).replace(old, new) if old else how(word),
        part, change, st.sampled_from(text or "a"), st.sampled_from("*._%?a"),
    )  # fmt: skip


@st.composite
def conditions(draw: st.DrawFn, stored: list[dict[str, Any]]) -> Condition:
    """Give a condition of any kind, mostly on values that are *stored*."""
    known = [each for document in stored if "f" in document for each in inside(document["f"])]
    some = st.sampled_from(known) | values if known else values
    one = some.filter(lambda value: not isinstance(value, (list, dict)))
    words = [each for each in known if isinstance(each, str)]
    text = st.sampled_from(words).flatmap(resembling) if words else texts
    item = some | some.map(reduced)
    place: Field[Any] = draw(
        st.sampled_from([Sample.f, Sample.f, Sample.f["a"], Sample.f["a"]["b"]])
    )
    makers: list[Callable[[], Condition]] = [
        lambda: place == draw(some),
        lambda: place != draw(some),
        lambda: draw(st.sampled_from(COMPARISONS[2:]))(place, draw(one)),
        lambda: place.in_(draw(st.lists(one, min_size=1, max_size=3))),
        lambda: place.not_in(draw(st.lists(one, min_size=1, max_size=3))),
        place.exists,
        place.missing,
        lambda: place.like(draw(text)),
        lambda: place.startswith(draw(text).replace("*", "")),
        lambda: place.endswith(draw(text).replace("*", "")),
        lambda: place.contains(*draw(st.lists(item, min_size=1, max_size=2))),
        lambda: place.contains_any(draw(st.lists(item, min_size=1, max_size=2))),
    ]
    return draw(st.sampled_from(makers))()


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[All]]:
    """Give documents, and what to ask of them: conditions, alone and together."""
    stored = draw(documents)
    asked = draw(st.lists(conditions(stored), min_size=8, max_size=16))
    # Of several `has_`, memory storage takes the last (F7).
    others = [each for each in asked[1:] if each.operator != "has"]
    return stored, [*(All((each,)) for each in asked), All((asked[0], *others[:2]))]


# -- What memory storage has of its own ------------------------------------------------------------


def apart(condition: Condition, document: Mapping[str, Any]) -> bool:
    """Tell whether memory storage has a rule of its own for these two."""
    found = found_at(document, condition.field._path)
    if found is MISSING:
        return False
    value, how = condition.wired(), condition.operator
    if how in ("lt", "max", "gt", "min"):
        return found == [] or _in_python(how, found, value) != fulfils(found, how, value)
    if how in ("eq", "not"):
        rank = canonical(found)[0] == canonical(value)[0]
        return (rank and found == value) != (canonical(found) == canonical(value))
    if how in ("in", "exclude"):
        return (found in value) is not fulfils(found, "in", value)
    if how in ("contains", "contains_any"):
        return isinstance(found, dict) or _in_json(how, found, value) != fulfils(found, how, value)
    return how != "has" and isinstance(found, str) and "\n" in found


def _in_python(how: str, found: Any, value: Any) -> bool:
    """Compare numbers as Python does, anything else as Kinto does."""
    if canonical(found)[0] != canonical(value)[0]:
        return fulfils(found, how, value)
    compare = {"lt": operator.lt, "max": operator.le, "gt": operator.gt, "min": operator.ge}[how]
    return value is None and how in ("max", "min") if found is None else compare(found, value)


def _in_json(how: str, found: Any, value: Any) -> bool:
    """Compare items as they are written."""
    if not isinstance(found, list):
        return False
    here, wanted = (
        {json.dumps(each, sort_keys=True) for each in items} for items in (found, value)
    )
    return here >= wanted if how == "contains" else bool(here & wanted)


# -- The law ---------------------------------------------------------------------------------------


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(case=cases())
def test_the_server_finds_what_matches(
    server: KintoServer, store: Store, case: tuple[list[dict[str, Any]], list[All]]
) -> None:
    """Whatever is stored and asked for, the server finds those records that match here."""
    stored, asked = case
    by_id = store.replace(stored)
    for condition in asked:
        found = store.found(*condition.conditions)
        expected = {ident for ident, document in by_id.items() if condition.matches(document)}
        if server.storage == "memory":
            odd = {
                ident
                for ident, document in by_id.items()
                if any(apart(each, document) for each in condition.conditions)
            }
            found, expected = found - odd, expected - odd
        assert found == expected, f"{condition!r} on {by_id!r}"


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_ids_and_timestamps(store: Store, data: st.DataObject) -> None:
    """What each record has is no different."""
    if not store.documents:
        store.replace([{"f": number} for number in range(6)])
    by_id = store.documents
    moments = [document["last_modified"] for document in by_id.values()]
    moment = data.draw(st.sampled_from([*moments, min(moments) - 1]))
    ident = data.draw(st.sampled_from([*by_id, "d", "D1", "zz", "0", "*1", "_"]))
    plain = ident.replace("*", "")
    asked = [
        *(compare(Sample.id, ident) for compare in COMPARISONS),
        *(compare(Sample.last_modified, moment) for compare in COMPARISONS),
        Sample.id.in_([ident, "d2"]),
        Sample.id.not_in([ident, "d2"]),
        Sample.id.like(ident),
        Sample.id.startswith(plain),
        Sample.id.endswith(plain),
        Sample.id.exists(),
        Sample.id.missing(),
    ]
    for condition in asked:
        expected = {ident for ident, document in by_id.items() if condition.matches(document)}
        assert store.found(condition) == expected, repr(condition)
