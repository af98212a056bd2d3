"""
How a class is kept in documents, worked out once for each class.

*Loading* runs one function that is compiled for the class (see `building`); what that does not
take, the one that cattrs compiles.  A record keeps the document that it was loaded from, untouched.

*Dumping* gives the document that a record stands for (see `dumping`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, get_args

import attrs
import cattrs

from attrs import NOTHING
from cattrs.gen import make_dict_structure_fn_from_attrs, override

from kinto_orm.flow.json import copied
from kinto_orm.flow.messages import Document
from kinto_orm.models.building import Build, Building, is_plain
from kinto_orm.models.clean import Comparison
from kinto_orm.models.diagnosis import diagnosed, unfit
from kinto_orm.models.dumping import Dumping
from kinto_orm.models.faults import Faulty, Unfit, faults_of
from kinto_orm.models.kinds import kind_of
from kinto_orm.models.specs import Spec, key_of, spec_of
from kinto_orm.models.state import EXTRA
from kinto_orm.models.types import (
    Part,
    is_closed,
    is_optional,
    model_of,
    models_in,
    plain,
    resolved_types,
)


if TYPE_CHECKING:
    from kinto_orm.models.records import Model


#: Keys of every record that are the server's: not fields, not `extra`, never dirty.  `schema` is
#: the version of the collection's schema that a record was checked with (docs/protocol.md, D4);
#: without one it is kept as it is.
SYSTEM: Final = frozenset({"id", "last_modified", "schema"})

#: Attributes of a record that are no fields of its document, and of an embedded record.
BESIDE: Final = frozenset({"id", "last_modified", "permissions", "extra"})
BESIDE_EMBEDDED: Final = frozenset({"extra"})

_MISSING: Final = object()


class Layout:
    """
    How the records of a class are kept in documents.

    Attributes:
        kind: The class, or ``Page[int]`` for one that is generic.
        model: The class.
        specs: Its fields, without those that each record has.
        by_key: The same, by their keys.
        keys: Their keys, and those of the system.
        comparison: The test for records that did not change.
        is_plain: Whether `build` is a function of our own for the class.
        is_validated: Whether its fields have validators.
    """

    def __init__(self, kind: Any) -> None:
        model = model_of(kind)
        assert model is not None
        self.kind: Any = kind
        self.model: type[Any] = model
        self.converter: cattrs.Converter = model._converter
        types = resolved_types(kind)
        beside = BESIDE if model._is_record else BESIDE_EMBEDDED
        attributes = [
            attribute.evolve(type=types[attribute.name])
            for attribute in attrs.fields(model)
            if attribute.name not in beside and not attribute.name.startswith("_")
        ]
        self._check_id(types)
        self.specs: tuple[Spec, ...] = tuple(spec_of(model, each) for each in attributes)
        self._check_keys()
        self.by_key: Mapping[str, Spec] = {spec.key: spec for spec in self.specs}
        self.system: frozenset[str] = SYSTEM if model._is_record else frozenset()
        self.declared: frozenset[str] = frozenset(spec.key for spec in self.specs)
        tag_key = {model._tag_field} if model._tag is not None else set[str]()
        self.keys: frozenset[str] = self.declared | self.system | tag_key
        #: Read-only fields that the constructor does not take: nobody may set them later.
        self._late = tuple(
            spec
            for spec, attribute in zip(self.specs, attributes, strict=True)
            if spec.read_only and not attribute.init
        )
        self.is_plain: bool = is_plain(model)
        self.is_validated: bool = any(each.validator is not None for each in attributes)
        self._structure = self._structured(attributes)
        self.comparison: Comparison = Comparison(
            model, self.specs, self.keys, lambda kind: layout_of(kind).comparison.certain
        )
        self._dumping = Dumping(model, self.specs, self.keys, self.comparison)
        #: Keys that the constructor wants and a document may lack: None is among the values.
        self.optional: frozenset[str] = frozenset(
            spec.key
            for spec in self.specs
            if spec.default is NOTHING and not spec.null and is_optional(spec.kind)
        )
        #: Keys whose values cattrs may hand out as they are: a change in one would be a change of
        #: what was loaded, too.
        self._shared: frozenset[str] = frozenset(
            spec.key for spec in self.specs if not is_closed(spec.kind)
        )
        #: Fields that have links in them.
        self.linked: tuple[Spec, ...] = tuple(spec for spec in self.specs if spec.links)
        #: Fields that the server alone sets.
        self.of_system: tuple[Spec, ...] = tuple(
            spec for spec in self.specs if spec.key in self.system
        )
        #: Fields that may have embedded records inside.
        self.nested: tuple[Spec, ...] = tuple(
            spec for spec in self.specs if any(models_in(spec.kind)) or not is_closed(spec.kind)
        )
        #: Defaults that are made anew, or converted: what a record was given must be remembered.
        self._made = tuple(
            spec
            for spec, attribute in zip(self.specs, attributes, strict=True)
            if isinstance(spec.default, attrs.Factory)  # type: ignore[arg-type]
            or (spec.default is not NOTHING and attribute.converter is not None)
        )

    @property
    def parts(self) -> tuple[Part, ...]:
        """Return the keys that a document may have, and those that it must have."""
        return tuple(
            Part(spec.key, spec.kind, spec.default is NOTHING and spec.key not in self.optional)
            for spec in self.specs
        )

    # -- Compiling -----------------------------------------------------------------------------

    def _check_id(self, types: Mapping[str, Any]) -> None:
        if self.model._is_record and plain(types["id"]) is not str:
            msg = f"{self.model.__name__}.id must be a str: Kinto has no other ids"
            raise TypeError(msg)

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

    def _structured(self, attributes: list[attrs.Attribute[Any]]) -> Callable[..., Any]:
        """Return the function of cattrs that makes a record of a document."""
        late = {spec.name for spec in self._late}
        overrides = {
            each.name: override(rename=key_of(each), omit=True if each.name in late else None)
            for each in attributes
        }
        taken = [each for each in attrs.fields(self.model) if each.name == "id"]
        if not self.model._is_record:
            taken = []
        return make_dict_structure_fn_from_attrs(
            [*(each.evolve(type=str) for each in taken), *attributes],
            self.model,
            self.converter,
            {each.__name__: Any for each in getattr(self.model, "__parameters__", ())},
            _cattrs_forbid_extra_keys=False,
            _cattrs_prefer_attrib_converters=False,
            _cattrs_detailed_validation=True,
            _cattrs_use_alias=False,
            _cattrs_include_init_false=True,
            **overrides,  # type: ignore[arg-type]
        )

    @cached_property
    def build(self) -> Build:
        """Return what makes a record, or fails; the error does not say what is wrong."""
        if not self.is_plain:
            return self._loaded
        return Building(
            self.model,
            self.specs,
            optional=self.optional,
            shared=self._shared,
            undeclared=self.undeclared,
            build_of=lambda kind: layout_of(kind).build,
        ).written()

    # -- Loading -------------------------------------------------------------------------------

    def load(self, document: Any) -> Any:
        """Return the record, or embedded record, that *document* stands for."""
        if self.is_plain:
            try:
                return self.build(document)
            except Exception:  # noqa: BLE001, S110 (the long way says what is wrong)
                pass
        return self._loaded(document)

    def _loaded(self, document: Any) -> Any:
        """Return the same, whatever the class is; say what is wrong with what does not fit."""
        if not isinstance(document, dict):
            raise Unfit("an object", document)
        try:
            record = self._structure(self._prepared(document), self.model)
            for spec in self._late:
                if spec.key in document:
                    record.__dict__[spec.name] = spec.load(copied(document[spec.key]))
        except Exception as error:
            raise Faulty(diagnosed(self.model, self.specs, document, error)) from error
        state = record.__dict__
        if not document.keys() <= self.keys:
            state[EXTRA] = self.undeclared(document)
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
        return self._dumping.document(record)


def layout_of(kind: Any) -> Layout:
    """
    Return how *kind*, a class or ``Page[int]``, is kept.

    It is worked out on first use, so that a class may name later ones.

    Raises:
        TypeError: If the class, or one that it names, is not declared right.
    """
    layout: Layout | None = kind.__dict__.get("_layout") if isinstance(kind, type) else None
    return _layout_of(kind) if layout is None else layout


def _layout_of(kind: Any) -> Layout:
    model = model_of(kind)
    assert model is not None
    if "_layouts" not in model.__dict__:
        model._layouts = {}
    layouts: dict[Any, Layout] = model._layouts
    if (arguments := get_args(kind)) not in layouts:
        layouts[arguments] = Layout(kind)
        try:
            for inner in (
                each for spec in layouts[arguments].specs for each in models_in(spec.kind)
            ):
                layout_of(inner)
        except TypeError:
            del layouts[arguments]
            raise
        if not arguments:
            model._layout = layouts[arguments]
    return layouts[arguments]


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
        raise unfit(model, document, faults_of(error)) from error


def builder_of(model: type[Model]) -> Build:
    """Return what does the same as `load` for *model*, or fails without saying why."""
    layout = layout_of(model)
    return partial(load, model) if model._tags else layout.build


def load_inside(kind: Any, document: Any) -> Any:
    """Return what *document*, inside another, stands for; raise what `faults_of` understands."""
    if not kind._tags and (layout := kind.__dict__.get("_layout")) is not None:
        loaded: Any = layout.load(document)  # As most are.
        return loaded
    return layout_of(kind_of(kind, document)).load(document)
