"""
What a record keeps beside its fields: names in its dictionary, and one attribute.

Most records lack all of this.  Their class says None in its place, so that what looks at very many
records need not ask for the dictionary of each, which is made by being asked for.
"""

from __future__ import annotations

from typing import Any, Final, Self, overload

from kinto_orm.models.locations import not_loaded


#: The names of the fields that were loaded, of a record that was loaded in part.
PART: Final = "_part"

#: Its permissions, once somebody has asked for them.
HELD: Final = "_held"

#: Its undeclared keys, if there are any, or somebody has asked for them.
EXTRA: Final = "_extra"


class ExtraAttribute:
    """
    The attribute `extra` of records.

    An empty one is made when it is first asked for: of most records, nobody asks.
    """

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type[Any]) -> dict[str, Any]: ...
    def __get__(self, instance: Any, owner: type[Any]) -> Any:
        if instance is None:
            return self
        state = instance.__dict__
        if EXTRA not in state and PART in state:
            raise not_loaded(instance, "extra")
        return state.setdefault(EXTRA, {})

    def __set__(self, instance: Any, value: dict[str, Any]) -> None:
        instance.__dict__[EXTRA] = value
