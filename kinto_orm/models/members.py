"""The fields of classes, with their types, and what is said of them: what a schema is made of."""

from __future__ import annotations

import dataclasses
import inspect

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, NewType, get_args, get_origin, get_type_hints

import attrs

from attrs import NOTHING, frozen

from kinto_orm.models.layout import layout_of
from kinto_orm.models.types import resolved_types


#: Factories whose products are all alike.  What others make may be new each time.
_EMPTY: Final = (list, dict, set, frozenset, tuple)


@frozen
class Member:
    """
    A field of an object.

    Attributes:
        key: In the document.
        kind: Its type.
        required: Whether a document must have it.
        default: Its default, as JSON; `NOTHING` if there is none that is always the same.
        metadata: What else was said of it.
    """

    key: str
    kind: Any
    required: bool
    default: Any
    metadata: Mapping[Any, Any]


def members_of(model: type[Any], values: Mapping[Any, Any]) -> Iterator[Member]:
    """Give the fields of a class of records; of `schema`, the server keeps its own account (D4)."""
    layout, types, attributes = layout_of(model), resolved_types(model), attrs.fields_dict(model)
    for spec in layout.specs:
        if spec.key in layout.system:
            continue
        attribute, default = attributes[spec.name], _constant(spec.default)
        if attribute.converter is not None or (default is None and not spec.null):
            default = NOTHING
        yield Member(
            key=spec.key,
            kind=bound(types[spec.name], values),
            required=spec.default is NOTHING and spec.key not in layout._optional,
            default=NOTHING if default is NOTHING else spec.encoded(default),
            metadata=attribute.metadata,
        )


def members_of_class(kind: Any) -> Iterator[Member]:
    """Give the fields of a class of attrs, or a dataclass, as cattrs keeps them."""
    owner, values = get_origin(kind) or kind, variables_of(kind)
    hints = get_type_hints(owner, include_extras=True)
    if attrs.has(owner):
        given = [(each, each.default is NOTHING) for each in attrs.fields(owner)]
    else:
        missing = dataclasses.MISSING
        given = [
            (each, each.default is missing and each.default_factory is missing)
            for each in dataclasses.fields(owner)
        ]
    for each, required in given:
        if each.init:
            kind = bound(hints.get(each.name, Any), values)
            yield Member(each.name, kind, required, NOTHING, each.metadata or {})


def _constant(default: Any) -> Any:
    """Return *default*, or what it makes, if that is always the same; else `NOTHING`."""
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        return default.factory() if default.factory in _EMPTY else NOTHING
    return default


def heading(owner: type[Any]) -> dict[str, str]:
    """Return what a class is called, and the first paragraph of its docstring."""
    text = inspect.cleandoc(owner.__dict__.get("__doc__") or "").partition("\n\n")[0]
    if not text or text.startswith(f"{owner.__name__}("):  # A dataclass without one says itself.
        return {"title": owner.__name__}
    return {"title": owner.__name__, "description": " ".join(text.split())}


# -- Types -------------------------------------------------------------------------------------


def plain(kind: Any) -> Any:
    """Return the type that *kind* is in JSON: what `NewType` and `Annotated` are made of."""
    while True:
        if isinstance(kind, NewType):
            kind = kind.__supertype__
        elif get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
        elif type(kind).__name__ == "TypeAliasType":  # Python 3.12: ``type Name = ...``.
            kind = kind.__value__
        else:
            return kind


def variables_of(kind: Any) -> dict[Any, Any]:
    """Return the types that stand for the type variables of a generic class."""
    variables = getattr(get_origin(kind), "__parameters__", ())
    return dict(zip(variables, get_args(kind), strict=False))


def bound(kind: Any, values: Mapping[Any, Any]) -> Any:
    """Return *kind* with *values* for its type variables."""
    if kind in values:
        return values[kind]
    variables = () if isinstance(kind, type) else getattr(kind, "__parameters__", ())
    return kind[tuple(values.get(each, Any) for each in variables)] if variables else kind
