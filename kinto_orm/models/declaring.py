"""How a class statement becomes a class of records: an attrs class with expressions for fields."""

from __future__ import annotations

import inspect
import sys

from collections.abc import Mapping
from types import FunctionType, MemberDescriptorType
from typing import Any, get_args, get_origin

import attrs

from kinto_orm.models.fields import METADATA, Embedded, Field
from kinto_orm.models.layout import BESIDE, BESIDE_EMBEDDED
from kinto_orm.models.links import Link, LinkField, with_links
from kinto_orm.models.naming import renamed
from kinto_orm.models.specs import key_of, options_of


def declared_where(cls: type[Any]) -> Mapping[str, Any]:
    """Return the local names where *cls* is declared, which its annotations may use."""
    if "<locals>" not in cls.__qualname__:
        return {}
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__name__") != cls.__module__:
        frame = frame.f_back
    # Types only: other values would live as long as the class does.
    return {name: value for name, value in frame.f_locals.items() if _is_type(value)}


def _is_type(value: object) -> bool:
    return isinstance(value, type) or type(value).__module__ in ("typing", "types")


def tagged(cls: type[Any], tag: str) -> None:
    """
    Note that *tag* stands for *cls*.

    Raises:
        TypeError: If it does not say in which key, or if another class has that tag.
    """
    if not cls._tag_field:
        msg = f"{cls.__name__} has tag={tag!r}, but no base says in which key: give it tag_field="
        raise TypeError(msg)
    if (other := cls._tags.setdefault(tag, cls)) is not cls:
        msg = f"{cls.__name__} and {other.__name__} both have {tag=}"
        raise TypeError(msg)


def become_attrs(cls: type[Any]) -> None:
    """
    Make *cls* an attrs class, whose fields are expressions on the class.

    Raises:
        TypeError: If a field has a name that it cannot have.
    """
    wrapped = {name: _unwrapped(hint, cls) for name, hint in inspect.get_annotations(cls).items()}
    _check_names(cls, wrapped)
    cls.__annotations__ = {name: inner for name, (_, inner) in wrapped.items()}
    links = {name for name, (wrapper, _) in wrapped.items() if wrapper is LinkField}

    def transformed(_: type[Any], attributes: list[attrs.Attribute[Any]]) -> list[Any]:
        return with_links(links, _with_keys(cls, attributes))

    attrs.define(
        cls, slots=False, kw_only=True, repr=False, eq=False, field_transformer=transformed
    )
    _check_slots(cls)
    for name, (wrapper, _) in wrapped.items():
        if wrapper is not None:
            setattr(cls, name, wrapper(cls, name, (key_of(attrs.fields_dict(cls)[name]),)))
    if any(get_args(base) for base in cls.__dict__.get("__orig_bases__", ())):
        _own_fields(cls, set(wrapped))


def _own_fields(cls: type[Any], declared: set[str]) -> None:
    """Have *cls* its own expressions for fields of generic bases, whose types it says."""
    for attribute in attrs.fields(cls):
        found = getattr(cls, attribute.name, None)
        if attribute.name not in declared and isinstance(found, (Field, Embedded)):
            setattr(cls, attribute.name, type(found)(cls, attribute.name, found._path))


def _check_names(cls: type[Any], wrapped: Mapping[str, Any]) -> None:
    if "_is_record" in cls.__dict__:
        return  # What every record has is declared there.
    base = next(each for each in cls.__mro__ if "_is_record" in each.__dict__)
    methods = {
        name
        for each in base.__mro__
        for name, value in each.__dict__.items()
        if isinstance(value, (FunctionType, classmethod))
    }
    taken = methods | (BESIDE if cls._is_record else BESIDE_EMBEDDED) - {"id"}
    for name, (wrapper, _) in wrapped.items():
        if wrapper is not None and name.startswith("_"):
            msg = f"{cls.__name__}.{name}: the name of a field cannot begin with an underscore"
            raise TypeError(msg)
        if name in taken:
            msg = (
                f"{cls.__name__}.{name}: the name {name!r} is taken, since every record has that."
                f" Give the field another name, with key={name!r}"
            )
            raise TypeError(msg)


def _check_slots(cls: type[Any]) -> None:
    for attribute in attrs.fields(cls):
        if isinstance(getattr(cls, attribute.name, None), MemberDescriptorType):
            msg = (
                f"{cls.__name__}.{attribute.name} is kept in a slot, where records do not look:"
                " declare the base that has it with slots=False"
            )
            raise TypeError(msg)


def _with_keys(cls: type[Any], attributes: list[attrs.Attribute[Any]]) -> list[Any]:
    """Give the fields that *cls* itself declares the keys that its `rename` makes."""
    beside = BESIDE if cls._is_record else BESIDE_EMBEDDED
    own = inspect.get_annotations(cls).keys() - beside
    if cls._rename is None:
        return attributes
    return [_with_key(cls, each) if each.name in own else each for each in attributes]


def _with_key(cls: type[Any], attribute: attrs.Attribute[Any]) -> attrs.Attribute[Any]:
    options = options_of(attribute)
    if attribute.name.startswith("_") or options.get("key") is not None:
        return attribute
    key = renamed(cls, attribute.name, cls._rename)
    return attribute.evolve(metadata={**attribute.metadata, METADATA: {**options, "key": key}})


def _unwrapped(hint: Any, cls: type[Any]) -> tuple[type[Any] | None, Any]:
    """
    Take ``Field[str]`` apart, into `Field` and ``str``.

    A hint that is a string is not evaluated, so that a class may name another that is declared
    later.
    """
    wrappers: dict[str, type[Any]] = {"Field": Field, "Embedded": Embedded, "Link": Link}
    if not isinstance(hint, str):
        origin = get_origin(hint)
        if origin is Link:
            return LinkField, hint  # A link is a type, too.
        return (origin, get_args(hint)[0]) if origin in wrappers.values() else (None, hint)
    name, bracket, inner = hint.strip().partition("[")
    found = vars(sys.modules[cls.__module__]).get(name)  # It may be imported as something else.
    wrapper = found if found in wrappers.values() else wrappers.get(name.rpartition(".")[2])
    if wrapper is Link and bracket:
        return LinkField, hint
    return (wrapper, inner.removesuffix("]")) if wrapper and bracket else (None, hint)
