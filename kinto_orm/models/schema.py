"""
The JSON Schema of a class: what a document must be like, so that the class takes it.

It is of draft 7, with which Kinto validates (docs/protocol.md, D4).  A document that the class
takes is one that the schema takes; the class may be stricter, since it has validators, and reads
what *format* only describes (docs/schema.md has the list).

Of what is wrong inside `anyOf` or `oneOf` Kinto says nothing but that something is.  So kinds of
record are told apart by `if` and `then`, and an object from null: what is refused is then told by
its field.  A document may have keys that the class does not declare: these are its `extra`.
"""

from __future__ import annotations

import dataclasses
import inspect
import re

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag
from types import NoneType
from typing import Any, Final, Literal, TypeAlias, get_args, get_origin
from uuid import UUID

import attrs
import cattrs

from attrs import NOTHING, field, frozen

from kinto_orm.models.binding import unbound
from kinto_orm.models.forms import is_known
from kinto_orm.models.layout import layout_of
from kinto_orm.models.specs import Spec
from kinto_orm.models.types import (
    Part,
    is_composite,
    is_link,
    is_model,
    members_of,
    model_of,
    parts_of,
    plain,
)


#: A schema, or a part of one, as JSON.
Schema: TypeAlias = dict[str, Any]

#: What the server validates with; without it, it would take another draft.
DRAFT: Final = "http://json-schema.org/draft-07/schema#"

#: The key of a field's metadata for more of JSON Schema: ``{"json_schema": {"minLength": 1}}``.
KEYWORDS: Final = "json_schema"

#: What `uuid.UUID` reads: 32 digits, with hyphens or not.
_UUID: Final = r"^(urn:)?(uuid:)?\{?([0-9a-fA-F]-?){32}\}?$"

#: Types without parts.  Each has its form in JSON (see `models.converters`).
_SINGLE: Final[Mapping[Any, Schema]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    time: {"type": "string", "format": "time"},
    timedelta: {"type": "number"},
    UUID: {"type": "string", "pattern": _UUID},
    Decimal: {"type": "string"},
    bytes: {"type": "string"},
}

_NULL: Final[Schema] = {"type": "null"}

_LISTS: Final = (list, tuple, set, frozenset)

#: Factories whose products are all alike.  What others make may be new each time.
_EMPTY: Final = (list, dict, set, frozenset, tuple)

#: Keys of a JSON object are text; an integer in its place is its digits.
_DIGITS: Final[Schema] = {"pattern": r"^-?[0-9]+$"}


def json_schema(model: type[Any]) -> Schema:
    """
    Return the JSON Schema (draft 7) of the documents of *model*.

    Raises:
        TypeError: If the class is not declared right.
    """
    model = unbound(model)
    definitions = Definitions(root=model)
    schema = {"$schema": DRAFT, **definitions.of_model(model)}
    if definitions.known:
        schema["definitions"] = definitions.known
    return schema


@frozen
class Definitions:
    """
    The classes that a schema refers to, each defined once, so that they may name each other.

    Attributes:
        root: The class whose schema it is.
        known: Their schemas, by name.
    """

    root: Any
    known: dict[str, Schema] = field(factory=dict[str, Schema])
    _names: dict[Any, str] = field(factory=dict[Any, str])

    # -- Types ---------------------------------------------------------------------------------

    def of(self, kind: Any, converter: cattrs.Converter) -> Schema:
        """Return the schema of values of *kind*; ``{}``, anything, if only *converter* knows it."""
        members = members_of(kind)
        if len(members) > 1:
            return _either([self.of(each, converter) for each in members])
        kind = plain(kind)
        if is_model(kind):
            return self._reference(kind, lambda: self.of_model(kind))
        if is_link(kind):
            return {"type": "string"}
        if kind is Any or not is_known(kind, converter):
            return {}
        if kind in (None, NoneType):
            return dict(_NULL)
        origin, arguments = get_origin(kind) or kind, get_args(kind)
        if origin is Literal:
            return _one_of([converter.unstructure(value) for value in arguments])
        if is_composite(kind):
            return self._reference(kind, lambda: self._of_composite(kind, converter), converter)
        if origin is dict:
            return self._of_dict(arguments, converter)
        if origin is tuple and arguments and Ellipsis not in arguments:
            return self._of_row(arguments, converter)
        if origin in _LISTS:
            return self._of_items(origin, arguments, converter)
        if issubclass(origin, Enum):
            return _of_enumeration(origin, converter)
        return dict(next((_SINGLE[base] for base in origin.__mro__ if base in _SINGLE), {}))

    def _of_items(
        self, origin: type[Any], arguments: tuple[Any, ...], converter: cattrs.Converter
    ) -> Schema:
        schema: Schema = {"type": "array"}
        if arguments and (items := self.of(arguments[0], converter)):
            schema["items"] = items
        if origin in (set, frozenset):
            schema["uniqueItems"] = True
        return schema

    def _of_row(self, arguments: tuple[Any, ...], converter: cattrs.Converter) -> Schema:
        items = [self.of(each, converter) for each in arguments]
        length = {"minItems": len(items), "maxItems": len(items)}
        return {"type": "array", "items": items, **length}

    def _of_dict(self, arguments: tuple[Any, ...], converter: cattrs.Converter) -> Schema:
        schema: Schema = {"type": "object"}
        if len(arguments) == 2:
            if names := self._of_key(arguments[0], converter):
                schema["propertyNames"] = names
            if values := self.of(arguments[1], converter):
                schema["additionalProperties"] = values
        return schema

    def _of_key(self, kind: Any, converter: cattrs.Converter) -> Schema:
        """Return what is to be said of a key, beyond that it is text."""
        schema = self.of(kind, converter)
        if plain(kind) is int:
            return dict(_DIGITS)
        if "enum" in schema or "const" in schema:
            values = schema.get("enum", [schema.get("const")])
            return _one_of([str(value) for value in values])
        return {name: said for name, said in schema.items() if name in ("format", "pattern")}

    # -- Classes -------------------------------------------------------------------------------

    def of_model(self, kind: Any) -> Schema:
        """Return the schema of a class of records, and of its kinds."""
        model = model_of(kind)
        assert model is not None
        kinds = {tag: each for tag, each in model._tags.items() if issubclass(each, model)}
        if set(kinds.values()) <= {model}:
            return self._alone(kind)
        key = model._tag_field
        cases = [
            {"if": _has(key, {"const": tag}), "then": self._of_kind(each)}
            for tag, each in kinds.items()
        ]
        schema: Schema = {**_heading(model), "type": "object"}
        if model._tag is None:
            others = [tag for tag in model._tags if tag not in kinds]
            if others:
                schema["properties"] = {key: {"not": {"enum": others}}}
            no_kind = {"not": _has(key, {"enum": list(kinds)})}
            cases.append({"if": no_kind, "then": self._alone(kind)})
        else:
            schema |= _has(key, {"enum": list(kinds)})
        return {**schema, "allOf": cases}

    def _of_kind(self, kind: type[Any]) -> Schema:
        """Return the schema of *kind* without the kinds below it."""
        if any(each is not kind and issubclass(each, kind) for each in kind._tags.values()):
            return self._alone(kind)
        return self._reference(kind, lambda: self.of_model(kind))

    def _alone(self, kind: Any) -> Schema:
        layout = layout_of(kind)
        attributes = attrs.fields_dict(layout.model)
        fields = [
            (part, {**_default(spec), **_said(attributes[spec.name].metadata)})
            for spec, part in zip(layout.specs, layout.parts, strict=True)
            if spec.key not in layout.system  # What the server keeps in `schema` is its own (D4).
        ]
        schema = self._of_object(layout.model, fields, layout.converter)
        if (tag := layout.model._tag) is not None:
            has_tag = _has(layout.model._tag_field, {"const": tag})
            schema["properties"] = has_tag["properties"] | schema.get("properties", {})
            schema["required"] = has_tag["required"] + schema.get("required", [])
        return schema

    def _of_composite(self, kind: Any, converter: cattrs.Converter) -> Schema:
        """Return the schema of a class of attrs, or a dataclass, that is no record."""
        owner = get_origin(kind) or kind
        metadata = {
            each.name: each.metadata
            for each in (attrs.fields(owner) if attrs.has(owner) else dataclasses.fields(owner))
        }
        fields = [(part, _said(metadata[part.name])) for part in parts_of(kind)]
        return self._of_object(owner, fields, converter)

    def _of_object(
        self, owner: type[Any], fields: list[tuple[Part, Schema]], converter: cattrs.Converter
    ) -> Schema:
        """Return the schema of objects with *fields*, of each of which something is said."""
        schema: Schema = {**_heading(owner), "type": "object"}
        if fields:
            schema["properties"] = {
                part.name: _with(self.of(part.kind, converter), said) for part, said in fields
            }
        if required := [part.name for part, _ in fields if part.required]:
            schema["required"] = required
        return schema

    def _reference(
        self,
        kind: Any,
        make: Callable[[], Schema],
        converter: cattrs.Converter | None = None,
    ) -> Schema:
        """
        Return a reference to the definition of *kind*, which is made if there is none.

        Records have a converter of their own; other classes are what their *converter* makes them.
        """
        if kind is self.root:
            return {"$ref": "#"}
        name = self._names.get((kind, converter))
        if name is None:
            name = self._names[kind, converter] = self._new_name(kind)
            self.known[name] = {}  # Its place; it may refer to itself.
            self.known[name] = make()
        return {"$ref": f"#/definitions/{name}"}

    def _new_name(self, kind: Any) -> str:
        """Return a name for *kind* that no other class has, and that needs no escaping."""
        arguments = [getattr(each, "__name__", str(each)) for each in get_args(kind)]
        name = re.sub(r"\W+", "_", "_".join([(get_origin(kind) or kind).__name__, *arguments]))
        number, found = 1, name
        while found in self.known:
            number += 1
            found = f"{name}_{number}"
        return found


# -- What is said of a class, and of a field ---------------------------------------------------


def _heading(owner: type[Any]) -> Schema:
    """Return what a class is called, and the first paragraph of its docstring."""
    text = inspect.cleandoc(owner.__dict__.get("__doc__") or "").partition("\n\n")[0]
    if not text or text.startswith(f"{owner.__name__}("):  # A dataclass without one says itself.
        return {"title": owner.__name__}
    return {"title": owner.__name__, "description": " ".join(text.split())}


def _said(metadata: Mapping[Any, Any]) -> Schema:
    """Return what a user says of a field."""
    texts = {name: metadata[name] for name in ("title", "description") if name in metadata}
    return {**texts, **metadata.get(KEYWORDS, {})}


def _default(spec: Spec) -> Schema:
    """Return the default of a field, if it is always the same, and whether it may be set."""
    said: Schema = {"readOnly": True} if spec.read_only else {}
    default = spec.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        default = default.factory() if default.factory in _EMPTY else NOTHING
    if default is not NOTHING and (default is not None or spec.null):
        said["default"] = spec.encoded(default)
    return said


def _with(schema: Schema, said: Schema) -> Schema:
    """Return *schema* with what is *said*; beside `$ref`, everything is ignored."""
    return {**({"allOf": [schema]} if "$ref" in schema and said else schema), **said}


# -- Parts of schemas --------------------------------------------------------------------------


def _of_enumeration(kind: type[Enum], converter: cattrs.Converter) -> Schema:
    if issubclass(kind, Flag):
        return {"type": "integer"}
    if kind._missing_.__func__ is not Enum._missing_.__func__:  # type: ignore[attr-defined]
        return {}  # It says itself what it makes of values that it does not have.
    return _one_of([converter.unstructure(member) for member in kind])


def _has(key: str, schema: Schema) -> Schema:
    """Return the schema of an object whose *key* is as *schema* says."""
    return {"properties": {key: schema}, "required": [key]}


def _one_of(values: list[Any]) -> Schema:
    return {"const": values[0]} if len(values) == 1 else {"enum": values}


def _either(schemas: list[Schema]) -> Schema:
    """Return the schema of what one of *schemas* takes, as short as it can be said."""
    if {} in schemas:
        return {}
    if all(each.keys() == {"type"} and isinstance(each["type"], str) for each in schemas):
        return {"type": list(dict.fromkeys(each["type"] for each in schemas))}
    others = [each for each in schemas if each != _NULL]
    if len(others) == 1:
        return _or_null(others[0])
    return {"anyOf": schemas}


def _or_null(schema: Schema) -> Schema:
    if "enum" in schema or "const" in schema:
        return {"enum": [*schema.get("enum", [schema.get("const")]), None]}
    if isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    return {"if": dict(_NULL), "else": schema}
