"""
The JSON Schema of a class: what a document must be like, so that the class takes it.

It is of draft 7, with which Kinto validates (docs/protocol.md, D4).  A document that the class
takes is one that the schema takes; the class may be stricter, since it has validators, and reads
what *format* only describes (docs/schema.md has the list).

Of what is wrong inside `oneOf` Kinto says nothing but that something is.  So kinds of record are
told apart by `if` and `then`: what is refused is then told by the field.  And a document may have
keys that the class does not declare: these are its `extra`.
"""

from __future__ import annotations

import dataclasses
import re

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag
from types import NoneType, UnionType
from typing import Any, Final, Literal, TypeAlias, Union, get_args, get_origin
from uuid import UUID

import attrs
import cattrs

from attrs import NOTHING, field, frozen

from kinto_orm.models.fields import METADATA
from kinto_orm.models.layout import layout_of
from kinto_orm.models.members import (
    Member,
    heading,
    members_of,
    members_of_class,
    plain,
    variables_of,
)
from kinto_orm.models.types import is_model


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

#: Keys of a JSON object are text; an integer in its place is its digits.
_DIGITS: Final[Schema] = {"pattern": r"^-?[0-9]+$"}


def json_schema(model: type[Any]) -> Schema:
    """
    Return the JSON Schema (draft 7) of the documents of *model*.

    Raises:
        TypeError: If the class is not declared right.
    """
    definitions = Definitions(root=model)
    schema = {"$schema": DRAFT, **definitions.of_model(model, {})}
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
        kind = plain(kind)
        if kind in (None, NoneType):
            return dict(_NULL)
        origin, arguments = get_origin(kind) or kind, get_args(kind)
        if origin in (Union, UnionType):
            return _either([self.of(each, converter) for each in arguments])
        if origin is Literal:
            return _one_of([converter.unstructure(value) for value in arguments])
        if is_model(origin):
            return self._reference(kind, lambda: self.of_model(origin, variables_of(kind)))
        if not isinstance(origin, type) or not _is_kept_as_usual(kind, converter):
            return {}
        if issubclass(origin, Enum):
            return _of_enumeration(origin, converter)
        if attrs.has(origin) or dataclasses.is_dataclass(origin):
            return self._reference(kind, lambda: self._of_class(kind, converter), converter)
        if origin is dict:
            return self._of_dict(arguments, converter)
        if origin is tuple:
            return self._of_tuple(arguments, converter)
        if origin in (list, set, frozenset):
            return self._of_items(origin, arguments, converter)
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

    def _of_tuple(self, arguments: tuple[Any, ...], converter: cattrs.Converter) -> Schema:
        if not arguments or Ellipsis in arguments:
            return self._of_items(tuple, arguments, converter)
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

    def of_model(self, model: type[Any], values: Mapping[Any, Any]) -> Schema:
        """Return the schema of *model* and of its kinds; *values* are those of type variables."""
        kinds = {tag: kind for tag, kind in model._tags.items() if issubclass(kind, model)}
        if set(kinds.values()) <= {model}:
            return self._alone(model, values)
        key = model._tag_field
        cases = [
            {"if": _has(key, {"const": tag}), "then": self._of_kind(kind)}
            for tag, kind in kinds.items()
        ]
        schema: Schema = {**heading(model), "type": "object"}
        if model._tag is None:
            others = [tag for tag in model._tags if tag not in kinds]
            if others:
                schema["properties"] = {key: {"not": {"enum": others}}}
            alone = self._alone(model, values)
            cases.append({"if": {"not": _has(key, {"enum": list(kinds)})}, "then": alone})
        else:
            schema |= _has(key, {"enum": list(kinds)})
        return {**schema, "allOf": cases}

    def _of_kind(self, kind: type[Any]) -> Schema:
        """Return the schema of *kind* without the kinds below it."""
        has_kinds = any(each is not kind and issubclass(each, kind) for each in kind._tags.values())
        if has_kinds:
            return self._alone(kind, {})
        return self._reference(kind, lambda: self.of_model(kind, {}))

    def _alone(self, model: type[Any], values: Mapping[Any, Any]) -> Schema:
        schema = self._of_object(model, members_of(model, values), layout_of(model).converter)
        if model._tag is not None:
            tag = _has(model._tag_field, {"const": model._tag})
            schema["properties"] = tag["properties"] | schema.get("properties", {})
            schema["required"] = [*tag["required"], *schema.get("required", [])]
        return schema

    def _of_class(self, kind: Any, converter: cattrs.Converter) -> Schema:
        """Return the schema of a class of attrs, or a dataclass, that is no record."""
        return self._of_object(get_origin(kind) or kind, members_of_class(kind), converter)

    def _of_object(
        self, owner: type[Any], members: Iterator[Member], converter: cattrs.Converter
    ) -> Schema:
        found = list(members)
        schema: Schema = {**heading(owner), "type": "object"}
        if found:
            schema["properties"] = {each.key: self._of_member(each, converter) for each in found}
        if required := [each.key for each in found if each.required]:
            schema["required"] = required
        return schema

    def _of_member(self, member: Member, converter: cattrs.Converter) -> Schema:
        said: Schema = {}
        for name in ("title", "description"):
            if isinstance(text := member.metadata.get(name), str):
                said[name] = text
        if member.default is not NOTHING:
            said["default"] = member.default
        if member.metadata.get(METADATA, {}).get("read_only"):
            said["readOnly"] = True
        said |= member.metadata.get(KEYWORDS, {})
        schema = self.of(member.kind, converter)
        if "$ref" in schema and said:
            schema = {"allOf": [schema]}  # Beside `$ref`, everything is ignored.
        return {**schema, **said}

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


def _is_kept_as_usual(kind: Any, converter: cattrs.Converter) -> bool:
    """Tell whether *kind* is kept by cattrs, or as this package says, and not as a user does."""
    try:
        module = getattr(converter.get_structure_hook(kind), "__module__", None)
    except (cattrs.StructureHandlerNotFoundError, TypeError):
        return False
    return module is None or module.startswith(("cattrs.", "kinto_orm."))  # None: compiled.


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
    return {"anyOf": [schema, dict(_NULL)]}
