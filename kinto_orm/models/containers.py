"""
Lists, tuples, sets and dictionaries in JSON, with items of any type.

What is wrong with several items is said of all of them.  A document says ``[…]`` where a list is
meant, and ``{…}`` where a dictionary is: text is no list of letters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from enum import Enum
from typing import Any, Final, Literal, NewType, TypeAlias, get_args, get_origin, get_type_hints
from uuid import UUID

import cattrs

from kinto_orm.models.faults import Fault, Faulty, Unfit, faults_of
from kinto_orm.models.forms import is_known, keep, ours
from kinto_orm.models.types import called, origin_of, plain


Load: TypeAlias = Callable[[Any, Any], Any]
Dump: TypeAlias = Callable[[Any], Any]

_LISTS: Final[dict[Any, Any]] = {list: list, tuple: tuple, set: set, frozenset: frozenset}


def know_containers(made: cattrs.Converter) -> None:
    """Have *made* keep the types that have others inside as this package does."""

    def named(kind: Any) -> bool:
        return isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")

    def aliased(kind: Any) -> bool:
        return plain(kind) is not kind

    def listed(kind: Any) -> bool:
        return origin_of(kind) in _LISTS

    def keyed(kind: Any) -> bool:
        return origin_of(kind) is dict

    keep(made, listed, _list_load, _list_dump)
    keep(made, keyed, _dict_load, _dict_dump)
    keep(made, named, _named_load, _named_dump)
    keep(made, aliased, _alias_load, _alias_dump)


def loader(kind: Any, converter: cattrs.Converter) -> Dump:
    """Return what loads a *kind*, as a function of the value alone."""
    hook = converter.get_structure_hook(kind)
    return lambda value: hook(value, kind)


# -- Other names for a type --------------------------------------------------------------------


def _aliased(kind: Any) -> Any:
    """Return what *kind* is another name of; that may have hooks of its own."""
    if isinstance(kind, NewType):
        return kind.__supertype__
    return getattr(kind, "__origin__", None) or kind.__value__


def _alias_load(kind: Any, converter: cattrs.Converter) -> Load:
    named = _aliased(kind)
    hook = converter.get_structure_hook(named)
    alias = _bound(hook, named)
    return ours(alias) if is_known(named, converter) else alias


def _bound(hook: Load, kind: Any) -> Load:
    return lambda value, _: hook(value, kind)


def _alias_dump(kind: Any, converter: cattrs.Converter) -> Dump:
    hook: Dump = converter.get_unstructure_hook(_aliased(kind))
    return hook


# -- Lists, tuples and sets --------------------------------------------------------------------


def _list_load(kind: Any, converter: cattrs.Converter) -> Load:
    origin, arguments = origin_of(kind), get_args(kind)
    if origin is tuple and arguments and Ellipsis not in arguments:
        return _row_load([loader(each, converter) for each in arguments])
    if get_args(kind) == () and origin is tuple and kind is not tuple:
        return _row_load([])
    item = arguments[0] if arguments else Any
    hook, make = converter.get_structure_hook(item), _LISTS[origin]

    def load(value: Any, _: Any) -> Any:
        if value.__class__ is not list:
            raise Unfit("a list", value)
        loaded: list[Any] = []
        try:
            for each in value:
                loaded.append(hook(each, item))  # noqa: PERF401 (how far it came is told)
        except Exception as error:
            bad = len(loaded)
            rest = _tried(enumerate(value[bad + 1 :], bad + 1), lambda each: hook(each, item))
            raise Faulty([*faults_of(error, f"[{bad}]"), *rest]) from error
        return loaded if make is list else _made(make, loaded, value)

    return ours(load)


def _made(make: Any, loaded: list[Any], value: Any) -> Any:
    try:
        return make(loaded)
    except TypeError as error:  # It cannot be hashed.
        raise Unfit(f"items of a {make.__name__}", value, str(error)) from error


def _row_load(loads: list[Dump]) -> Load:
    expected = f"a list of {len(loads)}"

    def load(value: Any, _: Any) -> Any:
        if value.__class__ is not list or len(value) != len(loads):
            raise Unfit(expected, value)
        try:
            return tuple([load(each) for load, each in zip(loads, value, strict=True)])
        except Exception as error:
            pairs = enumerate(zip(loads, value, strict=True))
            raise Faulty(_tried(pairs, lambda pair: pair[0](pair[1]))) from error

    return ours(load)


def _named_load(kind: Any, converter: cattrs.Converter) -> Load:
    load_row = _row_load([loader(each, converter) for each in _kinds_in(kind)])
    return ours(lambda value, _: kind(*load_row(value, kind)))


def _named_dump(kind: Any, converter: cattrs.Converter) -> Dump:
    return _row_dump([_item_dump(each, converter) for each in _kinds_in(kind)])


def _kinds_in(kind: Any) -> list[Any]:
    """Return the types of the items of a named tuple."""
    hints = get_type_hints(kind, include_extras=True)
    return [hints.get(name, Any) for name in kind._fields]


def _tried(items: Iterable[tuple[Any, Any]], load: Dump) -> Iterator[Fault]:
    """Load all *items*, for what is wrong with them."""
    for place, item in items:
        try:
            load(item)
        except Exception as error:  # noqa: BLE001 (whatever a hook may raise)
            yield from faults_of(error, f"[{place!r}]")


def _list_dump(kind: Any, converter: cattrs.Converter) -> Dump:
    origin, arguments = origin_of(kind), get_args(kind)
    if origin is tuple and arguments and Ellipsis not in arguments:
        return _row_dump([_item_dump(each, converter) for each in arguments])
    hook = _item_dump(arguments[0] if arguments else Any, converter)
    in_order = origin in (set, frozenset)

    def dump(value: Any) -> Any:
        items = [hook(each) for each in value]
        # The order of a set is another one in each process.
        return sorted(items, key=_rank) if in_order else items

    return ours(dump)


def _row_dump(hooks: list[Dump]) -> Dump:
    def dump(value: Any) -> Any:
        return [hook(each) for hook, each in zip(hooks, value, strict=True)]

    return ours(dump)


def _item_dump(kind: Any, converter: cattrs.Converter) -> Dump:
    return converter.unstructure if kind is Any else converter.get_unstructure_hook(kind)


def _rank(wire: Any) -> tuple[str, Any]:
    """Return what items of a set are sorted by: any kinds of JSON together."""
    if isinstance(wire, (int, float)):
        return "", wire
    return type(wire).__name__, wire if isinstance(wire, str) else repr(wire)


# -- Dictionaries ------------------------------------------------------------------------------


def _dict_load(kind: Any, converter: cattrs.Converter) -> Load:
    key, item = get_args(kind) or (str, Any)
    load_key, hook = _key_load(key, converter), converter.get_structure_hook(item)

    def load(value: Any, _: Any) -> Any:
        if value.__class__ is not dict:
            raise Unfit("an object", value)
        loaded: dict[Any, Any] = {}
        place = None
        try:
            for place, each in value.items():
                loaded[place if load_key is None else load_key(place)] = hook(each, item)
        except Exception as error:
            done = list(value).index(place) + 1
            rest = _tried(list(value.items())[done:], lambda each: hook(each, item))
            raise Faulty([*faults_of(error, f"[{place!r}]"), *rest]) from error
        return loaded

    return ours(load)


def _dict_dump(kind: Any, converter: cattrs.Converter) -> Dump:
    key, item = get_args(kind) or (str, Any)
    dump_key, hook = _key_dump(key, converter), _item_dump(item, converter)

    def dump(value: Any) -> Any:
        if dump_key is None:
            return {key: hook(each) for key, each in value.items()}
        return {dump_key(key): hook(each) for key, each in value.items()}

    return ours(dump)


def _key_load(kind: Any, converter: cattrs.Converter) -> Dump | None:
    """Return what loads a key that is no `str`; each has one text only, so that none is doubled."""
    base = _key_base(kind, converter)
    if base is None:
        return None
    hook, dump = converter.get_structure_hook(kind), _key_dump(kind, converter)
    assert dump is not None

    def load(text: str) -> Any:
        try:
            key = hook(base(text), kind)
        except ValueError as error:
            raise Unfit(f"{called(kind)} as a key", text) from error
        if (one := dump(key)) != text:
            raise Unfit(f"{called(kind)} as a key", text, f"it is written {one!r}")
        return key

    return load


def _key_dump(kind: Any, converter: cattrs.Converter) -> Dump | None:
    if _key_base(kind, converter) is None:
        return None
    hook: Dump = converter.get_unstructure_hook(kind)
    return lambda key: str(hook(key))


def _key_base(kind: Any, converter: cattrs.Converter) -> type[Any] | None:
    """
    Return what the text of a key of *kind* is read as, before its hook; None if it is the key.

    Raises:
        TypeError: If a *kind* does not have one text.
    """
    bare = plain(kind)
    if bare in (str, Any):
        return None
    bases: set[type[Any]] = set()
    if is_known(kind, converter):
        if get_origin(bare) is Literal:
            bases = {
                type(each.value if isinstance(each, Enum) else each) for each in get_args(bare)
            }
        elif isinstance(bare, type) and issubclass(bare, Enum):
            bases = {type(each.value) for each in bare}
        elif isinstance(bare, type) and not issubclass(bare, bool):
            found = next((base for base in (str, int, UUID, date) if issubclass(bare, base)), None)
            # A moment has as many texts as there are offsets.
            bases = set() if found is None or hasattr(bare, "utcoffset") else {found}
    if len(bases) != 1 or not bases <= {str, int, UUID, date}:
        msg = (
            f"the keys of a dictionary cannot be {called(kind)}: they are texts in JSON, so that"
            " only str, int, UUID, date, and enumerations and literals of str or int can be keys"
        )
        raise TypeError(msg)
    return int if bases == {int} else str
