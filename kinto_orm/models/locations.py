"""Where a value is: in which class, and where in documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from types import NoneType
from typing import Any, Self, TypeVar, Union, get_args, get_origin

import attrs

from kinto_orm.exceptions import InvalidRequest, NotLoaded, UnsendableValue
from kinto_orm.models.conditions import Condition
from kinto_orm.models.types import members_of, plain, resolved_types


P = TypeVar("P", bound="Location")

#: Where a field keeps what attrs has no place for.
METADATA = "kinto_orm"


class Location:
    """
    A place in documents: a field, one inside another, or what a dictionary has under a key.

    Values are read from the ``__dict__`` of an instance: this is met on the class alone, or if
    there is no value.
    """

    def __init__(self, owner: type[Any], name: str, path: tuple[str, ...]) -> None:
        self._owner = owner  #: The class that declares the field,
        self._name = name  #: under which name.
        self._keys: tuple[str, ...] = ()  #: Those of the dictionaries in it that lead here.
        self._path = path  #: All keys that lead here, in a document.
        self._root = owner  #: The class where the expression begins, which is shown as:
        self._shown = f"{owner.__name__}.{name}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._shown}>"

    def __get__(self, instance: object, owner: type[Any]) -> Any:
        """Return the place, of a class; of an instance, this is asked only if it has no value."""
        if instance is None:
            return self
        raise not_loaded(instance, self._name)

    @property
    def _identity(self) -> tuple[type[Any], tuple[str, ...]]:
        """Return what tells the place from others: ``==`` makes conditions."""
        return self._root, self._path

    def _inside(self, outer: Location) -> Self:
        """Return the same field of an object that is at another place."""
        moved = copy(self)
        moved._path = (*outer._path, *self._path)
        moved._root = outer._root
        moved._shown = f"{outer._shown}.{self._name}"
        return moved

    def _under(self, key: str, kind: type[P]) -> P:
        """Return what is under *key*, in the dictionary that is here: a place of this *kind*."""
        inner = kind(self._owner, self._name, (*self._path, key))
        inner._keys = (*self._keys, key)
        inner._root = self._root
        inner._shown = f"{self._shown}[{key!r}]"
        return inner

    def _has(self, *, value: bool) -> Condition:
        return Condition(self, "has", value)

    def _kind(self) -> Any:
        """Return the type of the values that are here, without None."""
        kind = resolved_types(self._owner)[self._name]
        for _ in self._keys:
            kind = value_type(kind)
        return without_none(kind)

    def _keeps_null(self) -> bool:
        """Tell whether None is null here, as in dictionaries, rather than a key that is missing."""
        if self._keys:
            return True
        attribute: attrs.Attribute[Any] = getattr(attrs.fields(self._owner), self._name)
        return bool(attribute.metadata.get(METADATA, {}).get("null"))

    def _wired(self, value: Any, model: type[Any] | None = None, *, check: bool = True) -> Any:
        """
        Return *value* as documents have it here.

        Args:
            value: A value.
            model: The class of the records, which may have a converter that its base has not.
            check: Whether it must be a value that could be here.

        Raises:
            UnsendableValue: If it cannot be here.
        """
        from kinto_orm.models.layout import layout_of  # Which knows fields.

        mine = model is not None and issubclass(model, self._owner)
        specs = layout_of(model if mine and model is not None else self._owner).specs
        spec = next((each for each in specs if each.name == self._name), None)
        if spec is None or value is None:
            return value  # The id and the like are JSON anyway.
        for key in reversed(self._keys):
            value = {key: value}
        try:
            wire = spec.encoded(value)
            for key in self._keys:
                wire = wire[key]
            if not self._keys and check:
                _check_wire(spec.load, spec.kind, wire)
        except InvalidRequest:
            raise
        except Exception as error:
            msg = f"{self!r} cannot be compared with {value!r:.60}: {error}"
            raise UnsendableValue(msg) from error
        return wire


def _check_wire(load: Callable[[Any], Any], kind: Any, wire: Any) -> None:
    """Refuse what is no value of *kind*, but for numbers between integers."""
    if not (isinstance(wire, float) and int in map(plain, members_of(kind))):
        load(wire)


def not_loaded(record: Any, name: str) -> NotLoaded:
    """Return the error of a field that *record*, which was loaded in part, has no value for."""
    ident = record.__dict__.get("id")
    msg = (
        f"{type(record).__name__} {ident!r}: {name} was not loaded, since the query was for other"
        " fields only: refresh the record in its session, or ask for it, too"
    )
    return NotLoaded(msg)


def without_none(kind: Any) -> Any:
    """Return what is left of a type without None: one type, or a union."""
    members = tuple(part for part in members_of(kind) if part is not NoneType)
    return Union[members] if len(members_of(kind)) > 1 else plain(kind)  # noqa: UP007


def value_type(kind: Any) -> Any:
    """
    Return the type of the values of a dictionary.

    Raises:
        LookupError: If *kind* is no dictionary.
    """
    for part in map(plain, members_of(kind)):
        if part is Any or part in (dict, Mapping, object):
            return Any
        origin = get_origin(part)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return get_args(part)[1]
    msg = f"{kind} has no keys"
    raise LookupError(msg)
