"""
Conditions as the query string of a Kinto server.

The rules are those of `transport.params`.
"""

from __future__ import annotations

import re

from collections.abc import Iterable
from typing import Any, Final

from kinto_orm.exceptions import UnsupportedQuery
from kinto_orm.models.conditions import Condition, Order
from kinto_orm.models.fields import Field
from kinto_orm.models.layout import layout_of
from kinto_orm.transport.params import has_first, listed, text_of


#: Keys that filters and sorting know (F4).  A dot leads into an object; in a key, only the memory
#: storage finds it.
_KEY: Final = re.compile(r"\w+")


def encoded(
    conditions: Iterable[Condition], model: type[Any] | None = None
) -> list[tuple[str, str]]:
    """
    Return *conditions* on records of *model* as parameters of a query string.

    Raises:
        UnsupportedQuery: If the server cannot be asked that.
    """
    pairs = [_encoded(condition, model) for condition in conditions if not _is_idle(condition)]
    return has_first(pairs)


def _encoded(condition: Condition, model: type[Any] | None) -> tuple[str, str]:
    operator, value = condition.operator, condition.value
    name = f"{operator}_{path_of(condition.field)}"
    if operator == "has":
        return name, "true" if value else "false"
    if operator in ("in", "exclude"):
        return name, listed(_item(condition.field, item, model) for item in value)
    return name, text_of(_wire(condition.field, value, model))


def is_hopeless(condition: Condition) -> bool:
    """Tell whether nothing can fulfil *condition*: a value that is one of none."""
    return condition.operator == "in" and not condition.value


def _is_idle(condition: Condition) -> bool:
    """Tell whether everything fulfils *condition*: storages read an empty list differently."""
    return condition.operator == "exclude" and not condition.value


def sorting(orders: Iterable[Order]) -> str:
    """Return *orders* as the value of ``_sort``; ties go by id, so that pages are stable."""
    keys = [f"{'-' if order.descending else ''}{path_of(order.field)}" for order in orders]
    if not {"id", "-id"} & set(keys):
        keys.append("id")
    return ",".join(keys)


def path_of(field: Field[Any]) -> str:
    """Return the path of *field*; refuse one that the server would not know."""
    for key in field._path:
        if _KEY.fullmatch(key) is None:
            msg = (
                f"{field!r} has the key {key!r} in documents: Kinto filters and sorts by keys of"
                " letters, digits and '_' only. Read the records and compare here"
            )
            raise UnsupportedQuery(msg)
    return ".".join(field._path)


def _item(field: Field[Any], value: Any, model: type[Any] | None) -> Any:
    wire = _wire(field, value, model)
    if isinstance(wire, (list, dict)):
        msg = f"{field!r}: Kinto cannot compare with a list of lists or objects: ask one by one"
        raise UnsupportedQuery(msg)
    return wire


def _wire(field: Field[Any], value: Any, model: type[Any] | None) -> Any:
    """Return *value* as documents have it; *model* may have a converter that its base has not."""
    mine = model is not None and issubclass(model, field._owner)
    owner = model if mine and model is not None else field._owner
    specs = {spec.name: spec for spec in layout_of(owner).specs}
    spec = specs.get(field._name)  # None for the id and the like, which are JSON anyway.
    return value if spec is None else spec.encoded(value)
