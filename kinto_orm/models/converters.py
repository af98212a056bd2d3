"""
How values become JSON and come back: cattrs, made strict.

A document must say what its class says: ``"3"`` is not an ``int``, and ``1`` is not ``true``.
What is lenient when it is read would be changed when it is written.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from datetime import time
from decimal import Decimal
from typing import Any
from uuid import UUID

import cattrs

from cattrs.preconf.json import make_converter

from kinto_orm.models.links import Link, id_of
from kinto_orm.models.types import is_link, is_model


#: How types become text, if not by `str`.
_TO_TEXT: dict[type[Any], Any] = {time: time.isoformat}


def converter() -> cattrs.Converter:
    """
    Return a converter of one's own, for types that JSON does not have.

        money = converter()
        money.register_structure_hook(Money, lambda value, _: Money.parse(value))
        money.register_unstructure_hook(Money, str)

        class Invoice(Record, converter=money): ...

    Subclasses have it, too.
    """
    made = make_converter(
        detailed_validation=True, unstruct_collection_overrides={AbstractSet: _in_order}
    )
    made.register_structure_hook(str, _strict(str, "a string"))
    made.register_structure_hook(bool, _strict(bool, "true or false"))
    made.register_structure_hook(int, _integer)
    made.register_structure_hook(float, _number)
    for kind in (UUID, Decimal, time):
        made.register_structure_hook(kind, _from_text(kind))
        made.register_unstructure_hook(kind, _TO_TEXT.get(kind, str))
    know_models(made)
    return made


def know_models(made: cattrs.Converter) -> None:
    """Have a converter *made* elsewhere know records, wherever they stand in a type."""
    made.register_structure_hook_func(is_model, lambda document, kind: kind._load(document))
    made.register_unstructure_hook_func(is_model, lambda record: record._dump())
    made.register_structure_hook_func(is_link, _link)
    made.register_unstructure_hook_func(is_link, id_of)


def _link(value: Any, _: Any) -> Link[Any]:
    if value.__class__ is not str:
        raise _unfit("the id of a record, as a string", value)
    return Link(value)


def _in_order(items: Iterable[Any]) -> list[Any]:
    """Return the items of a set in an order that is the same in each process."""
    return sorted(items, key=lambda item: (type(item).__name__, repr(item)))


def _strict(kind: type[Any], called: str) -> Any:
    def check(value: Any, _: Any) -> Any:
        if value.__class__ is kind:
            return value
        raise _unfit(called, value)

    return check


def _from_text(kind: type[Any]) -> Any:
    parse = getattr(kind, "fromisoformat", kind)

    def structure(value: Any, _: Any) -> Any:
        if value.__class__ is not str:
            raise _unfit(f"a {kind.__name__} as a string", value)
        try:
            return parse(value)
        except (ValueError, ArithmeticError):
            raise _unfit(f"a {kind.__name__}", value) from None

    return structure


def _integer(value: Any, _: Any) -> int:
    if value.__class__ is int:
        return value
    if value.__class__ is float and value.is_integer():
        return int(value)  # JSON has one kind of number: 1.0 is 1.
    raise _unfit("an integer", value)


def _number(value: Any, _: Any) -> float:
    if value.__class__ is float or value.__class__ is int:
        return value
    raise _unfit("a number", value)


def _unfit(expected: str, found: Any) -> ValueError:
    shown = repr(found)
    if len(shown) > 60:
        shown = f"{shown[:57]}..."
    return ValueError(f"expected {expected}, found {shown}")
