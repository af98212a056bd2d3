"""Edits of a record: each is made to the object and, as JSON, to the values in the model."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final, Protocol

from attrs import frozen
from hypothesis import strategies as st

from .kinds import (
    PEAK,
    TODO,
    TOWN,
    Kind,
    address,
    addresses,
    numbers,
    objects,
    python,
    texts,
    written,
)
from .twins import Twin


class Edit(Protocol):
    """A change of a record."""

    def fits(self, twin: Twin) -> bool:
        """Tell whether it can be made to *twin*."""
        ...

    def make(self, twin: Twin) -> None:
        """Make it, to the object and to the model."""
        ...


@frozen
class SetField:
    """Give a field a value, whatever it had; one that was not loaded cannot be removed."""

    name: str
    value: Any

    def fits(self, twin: Twin) -> bool:
        """Tell whether there is such a field."""
        is_loaded = twin.part is None or self.name in twin.part
        return self.name in twin.kind.rules and (is_loaded or self.value is not None)

    def make(self, twin: Twin) -> None:
        """Make it."""
        setattr(twin.record, self.name, python(self.name, self.value))
        twin.values[self.name] = written(self.name, self.value)


@frozen
class SetEqual:
    """Give a field what it has: that is no change."""

    name: str

    def fits(self, twin: Twin) -> bool:
        """Tell whether the field is loaded."""
        return self.name in twin.values

    def make(self, twin: Twin) -> None:
        """Make it."""
        setattr(twin.record, self.name, python(self.name, twin.values[self.name]))


@frozen
class EditBack:
    """Give all fields what they were loaded with: then nothing is changed, whatever was."""

    def fits(self, twin: Twin) -> bool:
        """Tell whether it was loaded."""
        return twin.base is not None

    def make(self, twin: Twin) -> None:
        """Make it."""
        assert twin.base is not None
        kind, names = twin.kind, frozenset(twin.values)
        if twin.part is not None:
            names &= twin.part
        else:
            twin.extra = kind.undeclared(twin.base)
            twin.record.extra = deepcopy(twin.extra)
        for name, value in kind.loaded(twin.base, names).items():
            SetField(name, value).make(twin)


@frozen
class EditItems:
    """
    Change a list in place.

    Attributes:
        name: The field.
        do: The method of the list.
        args: Its arguments, as JSON: an index is one within the list.
    """

    name: str
    do: str
    args: tuple[Any, ...]

    def fits(self, twin: Twin) -> bool:
        """Tell whether there is something to change."""
        items = twin.values.get(self.name)
        return items is not None and (bool(items) or self.do in ("append", "insert", "clear"))

    def make(self, twin: Twin) -> None:
        """Make it."""
        before = twin.values[self.name]
        args = [each % (len(before) or 1) if type(each) is int else each for each in self.args]
        getattr(before, self.do)(*deepcopy(args))
        own = [
            address(each) if self.name == "stops" and type(each) is dict else each for each in args
        ]
        getattr(getattr(twin.record, self.name), self.do)(*deepcopy(own))


@frozen
class EditKey:
    """
    Change an object that is nested somewhere, in place.

    Attributes:
        path: How it is reached: fields and indices.
        key: The key that gets the value.
        value: The value; None to have the key removed.
    """

    path: tuple[str | int, ...]
    key: str
    value: Any

    def fits(self, twin: Twin) -> bool:
        """Tell whether there is such an object; of a part, nobody knows what is undeclared."""
        is_known = self.path[0] != "extra" or twin.part is None
        return is_known and isinstance(self._found(twin), dict)

    def _found(self, twin: Twin) -> Any:
        found: Any = {**twin.values, "extra": twin.extra}
        for step in self.path:
            if isinstance(step, int):
                found = found[step] if isinstance(found, list) and step < len(found) else None
            else:
                found = found.get(step) if isinstance(found, dict) else None
        return found

    def make(self, twin: Twin) -> None:
        """Make it."""
        _put(self._found(twin), self.key, self.value)
        found: Any = twin.record
        for step in self.path:
            is_item = isinstance(step, int) or isinstance(found, dict)
            found = found[step] if is_item else getattr(found, str(step))
        if isinstance(found, dict):
            _put(found, self.key, self.value)
        elif self.key == "more":
            _put(found.extra, self.key, self.value)
        else:
            setattr(found, {"zip": "zip_code"}.get(self.key, self.key), self.value)


def _put(found: dict[str, Any], key: str, value: Any) -> None:
    if value is None:
        found.pop(key, None)
    else:
        found[key] = deepcopy(value)


def _items(name: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Edit]:
    index = st.integers(0, 2)
    calls = {
        "append": st.tuples(values),
        "insert": st.tuples(index, values),
        "__setitem__": st.tuples(index, values),
        "pop": st.tuples(index),
        "reverse": st.just(()),
        "clear": st.just(()),
    }
    return st.one_of(
        *(st.builds(EditItems, st.just(name), st.just(do), args) for do, args in calls.items())
    )


def _keys(*paths: tuple[str | int, ...]) -> Callable[..., st.SearchStrategy[Edit]]:
    def edits(keys: st.SearchStrategy[str], values: st.SearchStrategy[Any]) -> Any:
        return st.builds(EditKey, st.sampled_from(paths), keys, values)

    return edits


def _of_kind(kind: Kind) -> st.SearchStrategy[Edit]:
    """Give edits of the fields, and of what is undeclared."""
    return st.one_of(
        *(st.builds(SetField, st.just(name), _values(kind, name)) for name in kind.rules),
        st.builds(SetEqual, st.sampled_from(sorted(kind.rules))),
        st.just(EditBack()),
        _keys(("extra",))(st.sampled_from(["more", "less"]), st.none() | st.booleans() | objects),
        _keys(("extra", "more"), ("extra", "less", "deep"))(texts, st.none() | texts),
    )


def _values(kind: Kind, name: str) -> st.SearchStrategy[Any]:
    rule = kind.rules[name]
    return st.none() | rule.values if rule.default is None else rule.values


_embedded = _keys(("address",), ("stops", 0), ("stops", 1))

_EDITS: Final[dict[str, st.SearchStrategy[Edit]]] = {
    "Todo": st.one_of(
        _of_kind(TODO),
        _items("tags", texts),
        _items("stops", addresses),
        _embedded(st.just("city"), texts),
        _embedded(st.just("zip"), st.none() | texts),
        _embedded(st.just("more"), st.none() | numbers),
    ),
    "Town": _of_kind(TOWN) | _keys(("names",))(texts, st.none() | texts),
    "Peak": st.one_of(
        _of_kind(PEAK), _items("views", objects), _keys(("views", 0))(texts, st.none() | numbers)
    ),
}


def edits_of(twin: Twin) -> st.SearchStrategy[Edit | None]:
    """Give an edit that can be made to *twin*; None if none was found soon."""
    tries = st.lists(_EDITS[twin.kind.model.__name__], min_size=4, max_size=4)
    return tries.map(lambda some: next((each for each in some if each.fits(twin)), None))
