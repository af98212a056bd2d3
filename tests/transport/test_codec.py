"""JSON in and out: what can be sent comes back as it was, and the rest is refused."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
import math
import re
import uuid

from array import array
from collections import OrderedDict, namedtuple
from decimal import Decimal
from typing import Any

import orjson
import pytest

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kinto_orm.exceptions import InvalidRequest, UnsendableValue
from kinto_orm.transport.codec import LARGEST, SMALLEST, decode, encode, unsendable


LAW = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])

#: Text that Kinto keeps: no U+0000, no half of a surrogate pair.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
numbers = st.integers(SMALLEST, LARGEST) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=20
)

#: What users may try to send: some of it can be.
anything = st.recursive(
    scalars
    | st.text()
    | st.integers()
    | st.floats()
    | st.sampled_from([b"", "\0", "\ud800", object(), math.nan, LARGEST + 1, {1}]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)

#: What cannot be sent, and a part of the reason.
WRONG: list[tuple[Any, str]] = [
    (math.nan, "not a number that JSON has"),
    (math.inf, "not a number that JSON has"),
    (-math.inf, "not a number that JSON has"),
    ("a\0b", r"U\+0000"),
    ("\ud800", "surrogate"),
    ("é\udfffé", "surrogate"),
    (LARGEST + 1, "more than 64 bits"),
    (SMALLEST - 1, "more than 64 bits"),
    ({1: "a"}, "key 1 is not a string"),
    ({None: "a"}, "key None is not a string"),
    ({("a",): "a"}, "is not a string"),
    ({1, 2}, "a set"),
    (b"bytes", "a bytes"),
    (Decimal("1.5"), "a Decimal"),
    (dt.datetime(2024, 1, 1, tzinfo=dt.UTC), "a datetime"),
    (uuid.UUID(int=0), "an? UUID"),
    (object(), "an object"),
    (1j, "a complex"),
    (range(2), "a range"),
]


NAMES = [type(value).__name__ for value, _ in WRONG]


class Colour(enum.Enum):
    RED = ("r", "e", "d")


class Level(enum.IntEnum):
    LOW = 1


class Word(enum.StrEnum):
    YES = "yes"


class Text(str):
    __slots__ = ()


class Number(float):
    __slots__ = ()


Point = namedtuple("Point", "x y")  # noqa: PYI024 (the plain one)


@dataclasses.dataclass
class Place:
    city: str = "Köln"


#: What one of the encoders takes, and the other one, or Kinto, does not.
odd: list[Any] = [
    b"", bytearray(), array("d", [1.0]), 1j, ..., StopIteration, {1}, frozenset(), math.nan,
    math.inf, LARGEST + 1, SMALLEST - 1, "\0", "\\u0000", "\ud800", "null", dt.date(2024, 1, 1),
    dt.datetime(2024, 1, 1, tzinfo=dt.UTC), dt.time(1), uuid.UUID(int=0), Colour.RED, Level.LOW,
    Word.YES, Text("a"), Text("\0"), Number(1.5), Number("nan"), Point(1, 2), Place(), Place,
    object(), OrderedDict(a=1), OrderedDict({1: 2}), (1, None), (), None,
]  # fmt: skip

#: Values with something odd in them, now and then.
mixed = st.recursive(
    scalars | st.text() | st.integers() | st.floats() | st.sampled_from(odd),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.sampled_from([1, None, Text("a"), "\0", Word.YES]), inner)
    ),
    max_leaves=12,
)


class TestRoundTrip:
    @LAW
    @given(value=values)
    def test_law(self, value: Any) -> None:
        """What is encoded is decoded to the same value, of the same types, in the same order."""
        found = decode(encode(value))
        assert found == value
        assert json.dumps(found) == json.dumps(value)

    @LAW
    @given(value=values)
    def test_is_json(self, value: Any) -> None:
        """It is JSON as others read it, in UTF-8."""
        assert json.loads(encode(value).decode()) == value

    @LAW
    @given(value=values)
    def test_decodes_as_the_standard_library(self, value: Any) -> None:
        """Others' JSON is read as the standard library reads it, whichever way it is written."""
        for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=2)):
            assert json.dumps(decode(text.encode())) == json.dumps(json.loads(text))

    @pytest.mark.parametrize("value", [LARGEST, SMALLEST, 2**53 + 1, -0.0, 1e308, 5e-324, 0.1])
    def test_numbers(self, value: float) -> None:
        """Numbers at the edges are not rounded."""
        assert repr(decode(encode(value))) == repr(value)

    def test_tuples(self) -> None:
        """A tuple is sent as a list."""
        assert decode(encode({"a": (1, (2,))})) == {"a": [1, [2]]}

    @pytest.mark.parametrize(
        ("value", "sent"),
        [
            (Text("a"), "a"),
            (Number(1.5), 1.5),
            (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
            (Level.LOW, 1),
            (Word.YES, "yes"),
            ({"a": [Number(0.5)]}, {"a": [0.5]}),
        ],
        ids=repr,
    )
    def test_subclasses(self, value: Any, sent: Any) -> None:
        """A value of a subclass is sent as what it stands for."""
        assert decode(encode(value)) == sent


class TestRefusals:
    @pytest.mark.parametrize(("value", "reason"), WRONG, ids=NAMES)
    def test_wrong_values(self, value: Any, reason: str) -> None:
        """D1: what JSON or Kinto does not keep is refused before it is sent."""
        with pytest.raises(UnsendableValue, match=reason) as caught:
            encode(value)
        assert str(caught.value).startswith("the value cannot be sent: ")

    @pytest.mark.parametrize(("value", "reason"), WRONG, ids=NAMES)
    def test_path(self, value: Any, reason: str) -> None:
        """The message names the path to what is wrong."""
        with pytest.raises(UnsendableValue, match=reason) as caught:
            encode({"data": {"tags": ["fine", {"deep": value}]}})
        assert str(caught.value).startswith("data.tags[1].deep cannot be sent: ")

    @pytest.mark.parametrize(
        ("value", "path"),
        [
            ([math.nan], "[0]"),
            ({"a": math.nan}, "a"),
            ({"a": [[0, math.nan]]}, "a[0][1]"),
            ([{"a": math.nan}], "[0].a"),
            ({"é": math.nan}, "['\\xe9']"),
            ({"a": {"\0": 1}}, "a.\0"),
        ],
        ids=repr,
    )
    def test_paths(self, value: Any, path: str) -> None:
        """A path has names and positions, as one writes them in Python."""
        fault = unsendable(value)
        assert fault is not None
        assert fault[0] == path

    @pytest.mark.parametrize("key", ["a\0", "\ud800"])
    def test_keys(self, key: str) -> None:
        """What a string cannot hold, a key cannot either."""
        with pytest.raises(UnsendableValue):
            encode({key: 1})

    @pytest.mark.parametrize(
        "value", [Number("nan"), Text("\0"), OrderedDict({1: 2}), Point(1, 2), Colour.RED], ids=repr
    )
    def test_subclasses(self, value: Any) -> None:
        """What a value of a subclass holds is looked at as well."""
        with pytest.raises(UnsendableValue):
            encode([value])

    @pytest.mark.parametrize("depth", [300, 5000])
    def test_too_deep(self, depth: int) -> None:
        """A value that is nested deeper than the encoder goes is refused as any other."""
        value: list[Any] = []
        for _ in range(depth):
            value = [value]
        with pytest.raises(UnsendableValue):
            encode({"data": value})

    def test_circle(self) -> None:
        """A value that contains itself is refused as well."""
        value: list[Any] = []
        value.append(value)
        with pytest.raises(UnsendableValue):
            encode(value)

    @settings(LAW, max_examples=1000)
    @given(value=mixed)
    def test_short_way(self, value: Any) -> None:
        """What is encoded without a look at each value is what such a look lets through."""
        fault = unsendable(value)
        try:
            data = encode(value)
        except UnsendableValue as error:
            assert fault is not None
            assert fault[1] in str(error)  # noqa: PT017 (either way is fine)
        else:
            assert fault is None
            assert data == orjson.dumps(value, default=float)

    @pytest.mark.parametrize("value", odd, ids=lambda value: type(value).__name__)
    @pytest.mark.parametrize("beside", [None, "null", 1.5], ids=repr)
    def test_odd_values(self, value: Any, beside: Any) -> None:
        """Each value that encoders differ about is taken, or refused, whatever is beside it."""
        fault = unsendable(value)
        if fault is None:
            assert encode([beside, value]) == orjson.dumps([beside, value], default=float)
        else:
            with pytest.raises(UnsendableValue, match=re.escape(fault[1])):
                encode([beside, value])

    def test_class_of_the_error(self) -> None:
        """The error is one of a wrong request, and a ValueError."""
        with pytest.raises(InvalidRequest):
            encode(math.nan)
        with pytest.raises(ValueError, match="cannot be sent"):
            encode(math.nan)

    @LAW
    @given(value=anything)
    def test_law(self, value: Any) -> None:
        """Whatever it is, it is sent, or refused with the reason; nothing else is raised."""
        try:
            data = encode(value)
        except UnsendableValue as error:
            assert "cannot be sent: " in str(error)  # noqa: PT017 (either way is fine)
        else:
            json.loads(data)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"<html>", b"NaN", b"[1,]", b"\xff", b'"\\ud800"', b"Infinity", b"1 2"]
)
def test_not_json(data: bytes) -> None:
    """What is not JSON is a ValueError."""
    with pytest.raises(ValueError, match=r"."):
        decode(data)
