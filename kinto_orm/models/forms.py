"""How many forms a value may have in JSON, which says what must be compared when it is written."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from types import NoneType
from typing import Any, Final, Literal, TypeVar, get_args

import cattrs

from kinto_orm.models.types import (
    is_composite,
    is_link,
    is_model,
    members_of,
    origin_of,
    parts_of,
    plain,
)


H = TypeVar("H")

#: What a hook of this package has, and one of the user's own has not.
_MARK: Final = "_kinto_orm"

_JSON: Final = frozenset({str, int, float, bool, NoneType})
_SINGLE: Final = frozenset({list, dict, tuple, set, frozenset})


class Form(IntEnum):
    """How far a form in JSON can be trusted; the lesser of two is that of both together."""

    #: A hook of the user's own: what it writes may be less than what it is given.
    UNKNOWN = 0
    #: A value can be written in several ways, and comes back from each.
    LOSSLESS = 1
    #: A value is written in one way only.
    EXACT = 2


def ours(hook: H) -> H:
    """Mark *hook* as one of this package, whose behaviour is known."""
    setattr(hook, _MARK, True)
    return hook


def is_ours(hook: Any) -> bool:
    """Tell whether *hook* is one of this package."""
    return hasattr(hook, _MARK)


def keep(
    made: cattrs.Converter,
    is_kind: Callable[[Any], bool],
    load: Callable[[Any, cattrs.Converter], Any],
    dump: Callable[[Any, cattrs.Converter], Any],
) -> None:
    """Have *made* keep the types for which *is_kind* is true by what *load* and *dump* give."""

    def load_factory(kind: Any) -> Any:
        return load(kind, made)

    def dump_factory(kind: Any) -> Any:
        return dump(kind, made)

    made.register_structure_hook_factory(is_kind, load_factory)
    made.register_unstructure_hook_factory(is_kind, dump_factory)


def is_known(kind: Any, converter: cattrs.Converter) -> bool:
    """Tell whether *kind* itself is kept as this package does, and not as the user says."""
    return is_ours(converter.get_structure_hook(kind)) and is_ours(
        converter.get_unstructure_hook(kind)
    )


def form_of(kind: Any, converter: cattrs.Converter, inside: frozenset[Any] = frozenset()) -> Form:
    """Return what is known of how *converter* writes values of *kind*."""
    if kind is Any or is_model(kind) or is_link(kind):
        return Form.EXACT  # JSON as it is, or what sees to itself.
    if kind in inside:
        return Form.LOSSLESS  # It names itself: the rest of it decides.
    if not is_known(kind, converter):
        return Form.UNKNOWN
    if is_composite(kind):
        parts = (form_of(part.kind, converter, inside | {kind}) for part in parts_of(kind))
        return min(Form.LOSSLESS, *parts, Form.LOSSLESS)
    members = members_of(kind)
    if len(members) > 1:
        return min(form_of(member, converter, inside) for member in members)
    return _single_form(plain(kind), converter, inside)


def _single_form(kind: Any, converter: cattrs.Converter, inside: frozenset[Any]) -> Form:
    origin, arguments = origin_of(kind), get_args(kind)
    if origin is Literal:
        exact = all(type(value) in _JSON for value in arguments)
        return Form.EXACT if exact else Form.LOSSLESS
    if origin in _SINGLE:
        own = Form.LOSSLESS if origin in (set, frozenset) else Form.EXACT
        items = arguments[1:] if origin is dict else arguments
        forms = (form_of(each, converter, inside) for each in items if each is not Ellipsis)
        return min(own, *forms, own)
    if hasattr(kind, "_fields"):  # What its items are is not looked into.
        return Form.UNKNOWN
    return Form.EXACT if kind in _JSON else Form.LOSSLESS
