"""
The short way from a document to a record.

Most classes are plain: what attrs makes of them has no converters and no hooks of the user's own,
and most documents fit their class.  For these, one function is written that looks at each value
and puts it in its place.  It refuses what it does not know, by whatever error: then the document
goes the long way (see `layout`), which has the last word, and says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from types import NoneType
from typing import Any, Final, TypeAlias, get_args

import attrs
import cattrs

from attrs import NOTHING

from kinto_orm.flow.json import copied
from kinto_orm.flow.messages import Document
from kinto_orm.models.forms import is_ours
from kinto_orm.models.source import Source, indented
from kinto_orm.models.specs import Spec
from kinto_orm.models.state import EXTRA
from kinto_orm.models.types import is_model, members_of, model_of, origin_of, plain


#: Makes a record of a document that fits.
Build: TypeAlias = Callable[[Document], Any]

#: What a decoder makes of JSON and a field of that type holds as it is.
_SCALARS: Final = (str, int, float, bool)

#: What a record has besides its fields, each set here by itself.
_BESIDE: Final = frozenset({"id", "last_modified", "extra", "_permissions"})


def is_plain(model: Any) -> bool:
    """Tell whether records of *model* are made by setting their attributes, and nothing else."""
    setter = next(base for base in model.__mro__ if "__setattr__" in base.__dict__)
    return (
        model._is_ordinary
        and model.__new__ is object.__new__
        and not hasattr(model, "__attrs_pre_init__")
        and not hasattr(model, "__attrs_post_init__")
        and (setter is object or setter.__dict__.get("__attrs_own_setattr__") is True)
        and all(map(_is_plain_field, attrs.fields(model)))
    )


def _is_plain_field(attribute: attrs.Attribute[Any]) -> bool:
    default: Any = attribute.default
    is_bound = isinstance(default, attrs.Factory) and default.takes_self  # type: ignore[arg-type]
    if attribute.name in _BESIDE:
        return attribute.validator is None and attribute.converter is None and not is_bound
    return (
        attribute.init
        and not attribute.name.startswith("_")
        and attribute.converter is None
        and not is_bound
    )


class Building:
    """
    Writes the function for a class that is plain.

    Args:
        model: The class.
        specs: Its fields.
        optional: Keys of fields that are None if their key is missing.
        shared: Keys whose values must be copied, since they may be handed out as they are.
        undeclared: Returns what a document has that the class does not declare.
        build_of: Returns the function for another class.
    """

    def __init__(
        self,
        model: Any,
        specs: Sequence[Spec],
        *,
        optional: AbstractSet[str],
        shared: AbstractSet[str],
        undeclared: Callable[[Document], Document],
        build_of: Callable[[Any], Build],
    ) -> None:
        self._model, self._specs = model, specs
        self._optional, self._shared = optional, shared
        self._undeclared, self._build_of = undeclared, build_of
        self._converter: cattrs.Converter = model._converter
        self._source = Source()

    def written(self) -> Build:
        """Return the function."""
        source = self._source
        values = {spec.name: f"v{index}" for index, spec in enumerate(self._specs)}
        checked = {spec: self._read(spec, values[spec.name]) for spec in self._specs}
        source.add("if document.__class__ is not dict: raise TypeError", "made = None")
        if self._model._is_record:
            source.add("ident = document['id']", *self._checked(str, "ident"))
        full = len(self._specs) + 2 * self._model._is_record + (self._model._tag is not None)
        source.add(f"is_full = len(document) == {full}", "if is_full:")
        source.add(*indented(self._all_found(values)))
        source.add("if is_full:")
        source.add(*indented(["pass", *(line for lines in checked.values() for line in lines)]))
        source.add("else:")
        source.add(*indented(self._some_found(values, checked)))
        self._add_making(values)
        function: Build = source.function("document", self._model)
        return function

    def _all_found(self, values: Mapping[str, str]) -> list[str]:
        """Return what reads a document that has as many keys as there are, if it has all."""
        reads = ["pass"]
        reads += [f"{values[spec.name]} = document[{spec.key!r}]" for spec in self._specs]
        if self._model._is_record:
            reads.append("stamp = document['last_modified']")
        if self._model._tag is not None:
            reads.append(f"document[{self._model._tag_field!r}]")
        return ["try:", *indented(reads), "except KeyError: is_full = False"]

    def _some_found(
        self, values: Mapping[str, str], checked: Mapping[Spec, list[str]]
    ) -> list[str]:
        """Return what reads any document, and counts the keys *n* of it that are known."""
        lines = [f"n = {sum(not self._may_lack(spec) for spec in self._specs)}"]
        if self._model._is_record:
            lines += ["n += 1", "stamp = document.get('last_modified')"]
            lines += ["if 'last_modified' in document: n += 1"]
            if all(spec.key != "schema" for spec in self._specs):  # Then it is the server's.
                lines += ["if 'schema' in document: n += 1"]
        if self._model._tag is not None:
            lines += [f"if {self._model._tag_field!r} in document: n += 1"]
        for spec, found in checked.items():
            value = values[spec.name]
            read = f"{value} = document[{spec.key!r}]"
            if self._may_lack(spec):
                lines += [f"if {spec.key!r} in document:", *indented(["n += 1", read, *found])]
                lines += ["else:", *indented(self._missing(spec, value))]
            else:
                lines += [read, *found]
        return [*lines, "is_full = n == len(document)"]

    def _may_lack(self, spec: Spec) -> bool:
        """Tell whether a document need not have the key of a field."""
        return spec.default is not NOTHING or spec.key in self._optional

    def _read(self, spec: Spec, value: str) -> list[str]:
        """Return what makes the *value* of a field of what is in the document."""
        copy = [f"{value} = {self._source.name(copied)}({value})"]
        return (copy if spec.key in self._shared else []) + self._checked(spec.kind, value)

    def _missing(self, spec: Spec, value: str) -> list[str]:
        """Return what gives *value* the default of a field."""
        source, default = self._source, spec.default
        if default is NOTHING:  # None is among the values; what reads it may say otherwise.
            return [f"{value} = None", *self._checked(spec.kind, value)]
        if not isinstance(default, attrs.Factory):  # type: ignore[arg-type]
            return [f"{value} = {source.name(default)}"]
        return [
            f"{value} = {source.name(default.factory)}()",
            "if made is None: made = {}",
            f"made[{spec.key!r}] = None",
        ]

    def _add_making(self, values: Mapping[str, str]) -> None:
        """Have the record made, of the *values* of its fields."""
        source, model = self._source, self._model
        source.add(f"record = {source.name(object.__new__)}({source.name(model)})")
        # Attributes take less room than a dictionary of them.
        is_bare = model.__setattr__ is object.__setattr__
        put = "record.{} = {}" if is_bare else "state[{!r}] = {}"
        if not is_bare:
            source.add("state = record.__dict__")
        ident = {"id": "ident"} if model._is_record else {}
        source.add(*(put.format(name, value) for name, value in {**ident, **values}.items()))
        self._add_validators(values, put)
        if model._is_record:
            source.add(put.format("last_modified", "stamp"))
        source.add(put.format("_document", "document"))
        # One that is empty is made when it is first asked for: the fewer objects, the better.
        extra = put.format(EXTRA, f"{source.name(self._undeclared)}(document)")
        source.add(f"if not is_full: {extra}")
        self._add_made(put)
        source.add("return record")

    def _add_made(self, put: str) -> None:
        """Have the record remember what its defaults that were made are written as, as they are."""
        source = self._source
        lines = [
            f"if {spec.key!r} in made:"
            f" made[{spec.key!r}] = {source.name(spec.encoded)}(record.{spec.name})"
            for spec in self._specs
            if isinstance(spec.default, attrs.Factory)  # type: ignore[arg-type]
        ]
        if lines:
            source.add("if made is not None:", *indented([*lines, put.format("_made", "made")]))

    def _add_validators(self, values: Mapping[str, str], put: str) -> None:
        """Have the *values* validated, in a record that is as new: it was loaded from nowhere."""
        source = self._source
        fields = [each for each in attrs.fields(self._model) if each.validator is not None]
        calls = [
            f"{source.name(each.validator)}(record, {source.name(each)}, {values[each.name]})"
            for each in fields
        ]
        if not calls:
            return
        if self._model._is_record:
            source.add(put.format("last_modified", None))
        disabled = source.name(attrs.validators.get_disabled)
        source.add(f"if not {disabled}():", *indented(calls))

    # -- Values --------------------------------------------------------------------------------

    def _checked(self, kind: Any, value: str) -> list[str]:
        """Return what makes a *kind* of *value*, as its hook would; what it does not know, that."""
        # Not from the cache, to which A | B and B | A are one.
        hook = self._converter.get_structure_hook(kind, cache_result=False)
        call = f"{value} = {self._source.name(hook)}({value}, {self._source.name(kind)})"
        if not is_ours(hook):
            return [call]
        bare, members = plain(kind), members_of(kind)
        if len(members) == 2 and NoneType in members:
            (inner,) = (member for member in members if member is not NoneType)
            return [f"if {value} is not None:", *indented(self._checked(inner, value))]
        if bare in _SCALARS:
            return [f"if {value}.__class__ is not {bare.__name__}: {call}"]
        if bare in (date, datetime):
            return self._moment(bare, value, call)
        if is_model(bare):
            build = self._build_inside(bare)
            return [call] if build is None else [f"{value} = {build}({value})"]
        return self._items(bare, value, call) or [call]

    def _moment(self, kind: Any, value: str, call: str) -> list[str]:
        """Return what reads a date, or a datetime, which must have an offset."""
        read = self._source.name(kind.fromisoformat)
        lines = [f"if {value}.__class__ is not str: {call}", f"else: {value} = {read}({value})"]
        if kind is datetime:
            lines.append(f"if {value}.tzinfo is None: raise ValueError")
        return lines

    def _build_inside(self, kind: Any) -> str | None:
        """Return the name of what makes embedded records of *kind*; None if that depends."""
        model: Any = model_of(kind)
        if model._is_record or model._tag_field:
            return None
        build_of = self._build_of
        return self._source.later(lambda: build_of(kind))

    def _items(self, kind: Any, value: str, call: str) -> list[str]:
        """Return what makes a list, or a dictionary; nothing if that takes its hook."""
        origin, arguments = origin_of(kind), get_args(kind)
        if not arguments or origin not in (list, dict):
            return []
        if origin is dict and plain(arguments[0]) is not str:
            return []
        item = arguments[-1]
        if not is_ours(self._converter.get_structure_hook(item)):
            return []
        bare = plain(item)
        refused = f"if {value}.__class__ is not {origin.__name__}: raise TypeError"
        if bare in _SCALARS:
            items = value if origin is list else f"{value}.values()"
            odd = [f"if each.__class__ is not {bare.__name__}:", *indented([call, "break"])]
            copy = f"else: {value} = {value}.copy()"
            return [refused, f"for each in {items}:", *indented(odd), copy]
        build = self._build_inside(bare) if is_model(bare) and origin is list else None
        return [] if build is None else [refused, f"{value} = [{build}(each) for each in {value}]"]
