"""
JSON in and out; the one place that chooses how.

orjson, since it was measured: with the check below, which either encoder needs (the standard
library takes integers that Kinto rounds, orjson writes NaN as null), it encodes a collection of
626 records in less than half of the time, and decodes it in half (see docs/architecture.md).

The check looks at each value in turn, which takes longer than the encoding.  So it is left out
where two encoders say together that it would find nothing (`_certain`).
"""

from __future__ import annotations

import marshal
import math

from contextlib import nullcontext
from datetime import date, datetime
from typing import Any, Final

import orjson

from kinto_orm.exceptions import UnsendableValue
from kinto_orm.flow.garbage import collected_later


#: What a Kinto server keeps without rounding (docs/protocol.md, D1).
SMALLEST: Final = -(2**63)
LARGEST: Final = 2**64 - 1


#: How many bytes make enough objects for the collection of garbage to be noticed.
_LARGE: Final = 2**16


def encode(value: Any) -> bytes:
    """
    Return *value* as JSON.

    Raises:
        UnsendableValue: If that would change it, or Kinto would (docs/protocol.md, D1).  The
            message names the path to what is wrong.
    """
    if (data := _certain(value)) is not None:
        return data
    try:
        fault = unsendable(value)
        if fault is None:
            return orjson.dumps(value, default=_plain)
    except (RecursionError, orjson.JSONEncodeError):
        fault = "", "it is nested too deeply, or contains itself"
    path, reason = fault
    msg = f"{path or 'the value'} cannot be sent: {reason}"
    raise UnsendableValue(msg) from None


def _certain(value: Any) -> bytes | None:
    """
    Return *value* as JSON, if it is certain that `unsendable` finds nothing in it; or None.

    marshal takes values of Python's own types alone, where orjson knows dates, enumerations and
    subclasses as well.  orjson refuses what else marshal takes, larger integers and halves of
    surrogate pairs included.  What both let through is U+0000, and a number that is none: that
    becomes a null, so that what is read back is not the same.
    """
    try:
        marshal.dumps(value)
        data = orjson.dumps(value)
        if b"\\u0000" in data or (b"null" in data and orjson.loads(data) != value):
            return None
    except (ValueError, TypeError, RecursionError):
        return None
    return data


def jsonable(value: Any) -> Any:
    """
    Return *value* with its dates as text (ISO 8601), and its tuples as lists.

    This is for what users give as it is; anything else stays, and may be refused when it is sent.
    """
    kind = value.__class__
    if kind is str or kind is int or value is None:
        return value
    if isinstance(value, dict):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    return value.isoformat() if isinstance(value, (date, datetime)) else value


def _plain(value: Any) -> float:
    """Return what a value of a subclass of float stands for: orjson takes that of the others."""
    return float(value)


def decode(data: bytes) -> Any:
    """
    Return the value that JSON *data* stands for.

    Raises:
        ValueError: If it is not JSON.
    """
    with collected_later() if len(data) > _LARGE else nullcontext():
        return orjson.loads(data)


def unsendable(value: Any) -> tuple[str, str] | None:
    """Return the path to something in *value* that cannot be sent, and why not; or None."""
    kind = value.__class__
    if kind is str:
        return _unsendable_text(value)
    if kind is dict:
        for key, item in value.items():
            if key.__class__ is not str:
                return "", f"the key {key!r} is not a string"
            if (fault := unsendable(item) or _unsendable_text(key)) is not None:
                return _below(f".{key}" if key.isascii() else f"[{key!a}]", fault)
    elif kind is list or kind is tuple:
        for index, item in enumerate(value):
            if (fault := unsendable(item)) is not None:
                return _below(f"[{index}]", fault)
    elif kind is int:
        if not SMALLEST <= value <= LARGEST:
            return "", f"{value} is an integer of more than 64 bits, which would be rounded"
    elif kind is float:
        if not math.isfinite(value):
            return "", f"{value} is not a number that JSON has"
    elif value is not None and kind is not bool:
        base: type[Any]
        for base in (str, dict, list, int, float):
            if isinstance(value, base):  # A subclass, which is sent as what it stands for.
                return unsendable(base(value))
        return "", f"{value!r} is {_article(kind)}, which JSON does not have"
    return None


def _unsendable_text(text: str) -> tuple[str, str] | None:
    if "\0" in text:
        return "", "the character U+0000 is not stored by PostgreSQL"
    if text.isascii():
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return "", "it holds half of a surrogate pair, which is not a character"
    return None


def _below(step: str, fault: tuple[str, str]) -> tuple[str, str]:
    path, reason = fault
    return step.removeprefix(".") + (f".{path}" if path[:1] not in ("", "[") else path), reason


def _article(kind: type[Any]) -> str:
    name = kind.__name__
    return f"an {name}" if name[0] in "AEIOUaeiou" else f"a {name}"
