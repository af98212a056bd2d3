"""
How a class is kept in documents, worked out once for each class.

*Loading* runs one function that cattrs compiles for the class.  A record keeps the document that
it was loaded from, untouched.

*Dumping* gives the document that a record stands for: the one it was loaded from, but for what
the user changed.  So a key that the class does not declare stays; a key that was missing stays
missing while the field has its default; and a value that was not changed stays as it was written,
even if this library would write it otherwise (``2024-01-01T00:00:00Z``).  A record is dirty if
what it dumps differs from what it was loaded from: nothing is noted when a field is set, and
changes deep inside lists and dictionaries count as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs
import cattrs

from attrs import NOTHING, frozen
from cattrs.errors import (
    ClassValidationError,
    IterableValidationError,
    StructureHandlerNotFoundError,
)
from cattrs.gen import make_dict_structure_fn, override

from kinto_orm.exceptions import InvalidRequest, UnsendableValue, ValidationError
from kinto_orm.flow.json import copied, same
from kinto_orm.flow.messages import Document
from kinto_orm.models.binding import like, origin_of
from kinto_orm.models.fields import METADATA
from kinto_orm.models.types import is_closed, is_exact, is_model, is_optional, resolved_types


if TYPE_CHECKING:
    from kinto_orm.models.records import Model


#: Keys of every record that are the server's: not fields, not `extra`, never dirty.  `schema` is
#: the version of the collection's schema that a record was checked with (docs/protocol.md, D4);
#: without one it is kept as it is.
SYSTEM: Final = frozenset({"id", "last_modified", "schema"})

#: Attributes of a record that are no fields of its document.
BESIDE: Final = frozenset({"id", "last_modified", "extra"})

_MISSING: Final = object()


@frozen(eq=False)
class Spec:
    """
    How a field is kept.

    Attributes:
        name: Of the attribute.
        key: In the document.
        dump: Gives a value as JSON; None if it is JSON.
        load: Gives it back.
        exact: Whether a value has one form only in JSON.
        default: What a record has that is given none; `NOTHING` if one must be given.
        null: Whether None is kept as null.
    """

    name: str
    key: str
    dump: Callable[[Any], Any] | None
    load: Callable[[Any], Any]
    exact: bool
    default: Any
    null: bool

    def encoded(self, value: Any) -> Any:
        """Return *value* as it stands in a document."""
        return value if self.dump is None or value is None else self.dump(value)

    def keeps(self, written: Any, wire: Any) -> bool:
        """Tell whether what is *written* in a document means what *wire* does, in another form."""
        if same(written, wire):
            return True
        if self.exact:
            return False
        try:
            return same(self.encoded(self.load(written)), wire)
        except Exception:  # noqa: BLE001 (whatever a user's converter may raise)
            return False


class Layout:
    """
    How the records of a class are kept in documents.

    Attributes:
        model: The class.
        specs: Its fields, without those that each record has.
        keys: Their keys, and those of the system.
    """

    def __init__(self, model: type[Model]) -> None:
        self.model = model
        self.converter: cattrs.Converter = model._converter
        types = resolved_types(model)
        beside = BESIDE if model._is_record else frozenset({"extra"})
        attributes = [
            attribute
            for attribute in attrs.fields(model)
            if attribute.name not in beside and not attribute.name.startswith("_")
        ]
        self.specs: tuple[Spec, ...] = tuple(
            self._spec(each, types[each.name]) for each in attributes
        )
        self._check_keys()
        self.system: frozenset[str] = SYSTEM if model._is_record else frozenset()
        self.declared: frozenset[str] = frozenset(spec.key for spec in self.specs)
        tag_key = {model._tag_field} if model._tag is not None else set[str]()
        self.keys: frozenset[str] = self.declared | self.system | tag_key
        self._built = self._compiled(attributes)
        #: Keys that the constructor wants and a document may lack: None is among the values.
        self.optional: frozenset[str] = frozenset(
            spec.key
            for spec in self.specs
            if spec.default is NOTHING and not spec.null and is_optional(types[spec.name])
        )
        #: Keys whose values cattrs may hand out as they are: a change in one would be a change of
        #: what was loaded, too.
        self._shared: frozenset[str] = frozenset(
            spec.key for spec in self.specs if not is_closed(types[spec.name])
        )
        #: Defaults that are made anew, or converted: what a record was given must be remembered.
        self._made = tuple(
            spec
            for spec, attribute in zip(self.specs, attributes, strict=True)
            if isinstance(spec.default, attrs.Factory)  # type: ignore[arg-type]
            or (spec.default is not NOTHING and attribute.converter is not None)
        )

    # -- Compiling -----------------------------------------------------------------------------

    def _spec(self, attribute: attrs.Attribute[Any], kind: Any) -> Spec:
        structure, convert = self._structure_hook(attribute.name, kind), attribute.converter

        def load(value: Any) -> Any:
            loaded = structure(value, kind)
            return loaded if convert is None else convert(loaded)  # type: ignore[operator]

        return Spec(
            name=attribute.name,
            key=key_of(attribute),
            dump=None if kind in (str, int, float, bool) else self._dump_hook(kind),
            load=load,
            exact=convert is None and is_exact(kind),
            default=attribute.default,
            null=bool(attribute.metadata.get(METADATA, {}).get("null")),
        )

    def _structure_hook(self, name: str, kind: Any) -> Callable[[Any, Any], Any]:
        try:
            return self.converter.get_structure_hook(kind)
        except (StructureHandlerNotFoundError, TypeError) as error:
            msg = (
                f"{self.model.__name__}.{name}: it is not known how {kind} is kept in JSON. Say so"
                f" in a converter (see kinto_orm.converter): {error}"
            )
            raise TypeError(msg) from error

    def _dump_hook(self, kind: Any) -> Callable[[Any], Any]:
        if kind is Any:
            return self.converter.unstructure
        hook: Callable[[Any], Any] = self.converter.get_unstructure_hook(kind)
        return hook

    def _check_keys(self) -> None:
        taken: dict[str, str] = {}
        for spec in self.specs:
            if self.model._is_record and spec.key in ("id", "last_modified", "__permissions__"):
                msg = f"{self.model.__name__}.{spec.name}: the key {spec.key!r} is Kinto's own"
                raise TypeError(msg)
            if (other := taken.setdefault(spec.key, spec.name)) != spec.name:
                msg = f"{self.model.__name__}: {other} and {spec.name} both have key {spec.key!r}"
                raise TypeError(msg)
        if self.model._tag is not None and self.model._tag_field in taken:
            msg = f"{self.model.__name__}: {self.model._tag_field!r} is the tag, not a field"
            raise TypeError(msg)

    def _compiled(self, attributes: list[attrs.Attribute[Any]]) -> Callable[..., Any]:
        """Return the function that makes a record of a document."""
        overrides = {each.name: override(rename=key_of(each)) for each in attributes}
        for attribute in attrs.fields(self.model):
            if attribute.name not in overrides and attribute.name != "id":
                overrides[attribute.name] = override(omit=True)
        return make_dict_structure_fn(
            self.model,
            self.converter,
            _cattrs_include_init_false=True,
            **overrides,  # type: ignore[arg-type]
        )

    # -- Loading -------------------------------------------------------------------------------

    def load(self, document: Any) -> Any:
        """Return the record, or embedded record, that *document* stands for."""
        if not isinstance(document, dict):
            msg = f"expected an object, found {document!r:.60}"
            raise ValueError(msg)  # noqa: TRY004 (as for all that does not fit)
        record = self._built(self._prepared(document), self.model)
        state = record.__dict__
        if not document.keys() <= self.keys:
            state["extra"] = self.undeclared(document)
        state["_document"] = document
        if self.model._is_record:
            state["last_modified"] = document.get("last_modified")
        for spec in self._made:
            if spec.key not in document:
                state.setdefault("_made", {})[spec.key] = spec.encoded(state[spec.name])
        return record

    def undeclared(self, document: Document) -> Document:
        """Return a copy of what *document* has that the class does not declare."""
        return {key: copied(value) for key, value in document.items() if key not in self.keys}

    def unshared(self, spec: Spec, value: Any) -> Any:
        """Return the *value* of a key such that what is made of it shares nothing with it."""
        return copied(value) if spec.key in self._shared else value

    def _prepared(self, document: Document) -> Document:
        """Return *document* as it may be built from: what is built shares no value with it."""
        if not self._shared and self.optional <= document.keys():
            return document
        copies = {key: copied(document[key]) for key in self._shared if key in document}
        # A key that None removed is None.
        return {**dict.fromkeys(self.optional), **document, **copies}

    # -- Dumping -------------------------------------------------------------------------------

    def dump(self, record: Model) -> Document:
        """Return the document that *record* stands for, without ``last_modified``."""
        state = record.__dict__
        written: Document | None = state.get("_document")
        document: Document = {}
        if self.model._is_record:
            document["id"] = state["id"]
            if written is not None and "schema" in written and "schema" not in self.declared:
                document["schema"] = written["schema"]
        if self.model._tag is not None:
            document[self.model._tag_field] = self.model._tag
        if state.get("extra"):
            self._add_extra(document, state["extra"])
        for spec in self.specs:
            if spec.name not in state:
                continue  # It was not loaded.
            value = state[spec.name]
            wire = self._encoded(spec, value, state)
            if written is not None:
                before = written.get(spec.key, _MISSING)
                if before is _MISSING:
                    if self._is_default(state, spec, value, wire):
                        continue
                elif spec.keeps(before, wire):
                    document[spec.key] = before
                    continue
            if value is not None or spec.null:
                document[spec.key] = wire
        return document

    def _encoded(self, spec: Spec, value: Any, state: Mapping[str, Any]) -> Any:
        try:
            return spec.encoded(value)
        except InvalidRequest:
            raise
        except Exception as error:
            ident = f" {state['id']!r}" if self.model._is_record else ""
            msg = f"{self.model.__name__}{ident}: {spec.name} cannot be {value!r:.60}: {error}"
            raise UnsendableValue(msg) from error

    def _is_default(self, state: Mapping[str, Any], spec: Spec, value: Any, wire: Any) -> bool:
        """Tell whether a missing key may stay so: the field has its default."""
        if spec.key in state.get("_made", ()):
            return same(state["_made"][spec.key], wire)
        return type(value) is type(spec.default) and bool(value == spec.default)

    def _add_extra(self, document: Document, extra: Mapping[str, Any]) -> None:
        for key, value in extra.items():
            if key in self.keys or key == "__permissions__":
                what = "a field" if key in self.declared else "a key of Kinto's own"
                msg = f"{self.model.__name__}.extra holds {key!r}, which is {what}: set that"
                raise UnsendableValue(msg)
            document[key] = copied(value)

    # -- After a commit ------------------------------------------------------------------------

    def adopt(self, record: Model, document: Document) -> None:
        """Take *document* as what *record* was loaded from; leave its values as they are."""
        record.__dict__["_document"] = document
        if self.model._is_record:
            record.__dict__["last_modified"] = document.get("last_modified")
        for spec in self.specs:
            if spec.key in self.system and spec.key in document:  # A declared `schema` (D4).
                record.__dict__[spec.name] = spec.load(document[spec.key])
            _adopt_inside(record.__dict__.get(spec.name), document.get(spec.key))


def _adopt_inside(value: Any, written: Any) -> None:
    """Have the embedded records in *value* know what is *written* for them now."""
    if is_model(type(value)):
        if isinstance(written, dict):
            layout_of(type(value)).adopt(value, written)
    elif isinstance(value, (list, tuple)) and isinstance(written, list):
        for one, other in zip(value, written, strict=False):
            _adopt_inside(one, other)
    elif isinstance(value, Mapping) and isinstance(written, Mapping):
        for key in value.keys() & written.keys():
            _adopt_inside(value[key], written[key])


def layout_of(model: type[Any]) -> Layout:
    """Return how *model* is kept; worked out on first use, so that it may name later classes."""
    layout: Layout | None = model.__dict__.get("_layout")
    if layout is None:
        layout = model._layout = Layout(model)
    return layout


def load(model: type[Model], document: Any) -> Any:
    """
    Return the record that *document* stands for, of *model* or of the subclass that its tag names.

    Raises:
        ValidationError: If it does not fit.
        TypeError: If the class is not declared right.
    """
    layout_of(model)
    try:
        return load_inside(model, document)
    except Exception as error:
        raise invalid(model, document, list(faults_of(error))) from error


def base_of_kinds(model: type[Any]) -> type[Any]:
    """Return the class that has all kinds of record of a collection, of which *model* is one."""
    origin = origin_of(model)
    base = next((base for base in origin.__mro__ if base.__dict__.get("_tags")), origin)
    return like(base, model)


def load_inside(model: type[Model], document: Any) -> Any:
    """Do the same for a document inside another; raise what cattrs knows how to collect."""
    return layout_of(kind_of(model, document)).load(document)


def kind_of(model: type[Model], document: Any) -> type[Any]:
    """
    Return *model*, or the subclass of it that the tag of *document* names.

    Raises:
        ValueError: If it names one that is no subclass.
    """
    if (origin := origin_of(model)) is not model:
        return like(kind_of(origin, document), model)
    kind = model
    if model._tags and isinstance(document, dict):
        kind = model._tags.get(document.get(model._tag_field), model)
        if not issubclass(kind, model):
            msg = (
                f"expected {model._tag_field} {model._tag!r}, found"
                f" {document.get(model._tag_field)!r}"
            )
            raise ValueError(msg)
    if kind._tag is not None and isinstance(document, dict):
        found = document.get(kind._tag_field)
        if found != kind._tag:
            msg = f"expected {kind._tag_field} {kind._tag!r}, found {found!r}"
            raise ValueError(msg)
    return kind


def invalid(model: type[Any], document: Any, faults: list[tuple[str, str]]) -> ValidationError:
    """Return the error that names the record, and all *faults* of its document."""
    ident = document.get("id") if isinstance(document, dict) else None
    listed = "; ".join(f"{path}: {text}" if path else text for path, text in faults)
    return ValidationError(f"{model.__name__} {ident!r} does not fit its class: {listed}", faults)


def faults_of(error: BaseException, path: str = "") -> Iterator[tuple[str, str]]:
    """Give what is wrong, each with its path in the document, out of the groups of cattrs."""
    if isinstance(error, ClassValidationError):
        keys = {spec.name: spec.key for spec in layout_of(error.cl).specs}
        for inner, note in error.group_exceptions()[0]:
            key = keys.get(note.name, note.name)
            yield from faults_of(inner, f"{path}.{key}" if path else key)
        for inner in error.group_exceptions()[1]:
            yield from faults_of(inner, path)
    elif isinstance(error, IterableValidationError):
        for inner, item in error.group_exceptions()[0]:
            yield from faults_of(inner, f"{path}[{item.index!r}]")
        for inner in error.group_exceptions()[1]:
            yield from faults_of(inner, path)
    elif isinstance(error, KeyError):
        yield path, "a required key is missing"
    else:
        yield path, str(error) or type(error).__name__


def key_of(attribute: attrs.Attribute[Any]) -> str:
    """Return the key of a field in documents."""
    key: str | None = attribute.metadata.get(METADATA, {}).get("key")
    return attribute.name if key is None else key
