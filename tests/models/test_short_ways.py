"""
The short ways of loading and comparing are short only: the long ones would say the same.

A class has a function that makes a record of a document (see `models.building`), and one that
tells whether a record is as it was loaded (`models.certainty`).  Both are written for the class,
and know less than what they take the place of; so both are held against that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import Annotated, Any, Generic, NewType, TypeVar
from uuid import UUID

import attrs
import pytest

from hypothesis import given, settings
from hypothesis import strategies as st

from kinto_orm import Embedded, EmbeddedRecord, Field, Link, Record, converter, embedded, field
from kinto_orm.flow.json import copied
from kinto_orm.models.faults import faults_of
from kinto_orm.models.layout import layout_of
from kinto_orm.models.permissions import adopt_permissions, permission_changes
from kinto_orm.models.types import is_composite, is_model, parts_of
from models.kinds import cases
from models.test_clean import _change, _sites, is_clean
from models.test_laws import slow
from strategies import values


T = TypeVar("T")


# -- Classes -----------------------------------------------------------------------------------

Code = NewType("Code", str)


class Place(EmbeddedRecord):
    """An embedded record with a bit of all."""

    city: Field[str]
    size: Field[int] = field(default=1000)
    notes: Field[dict[str, Any]] = field(factory=dict)
    since: Field[date | None] = field(default=None)


class Tree(EmbeddedRecord):
    """One that may be in itself."""

    name: Field[str]
    first: Embedded[Tree | None] = embedded(default=None)
    others: Field[list[Tree]] = field(factory=list)


class Pair(EmbeddedRecord, Generic[T]):
    """One whose values are of a type that its users say."""

    one: Field[T]
    two: Field[T | None] = field(default=None)


class Animal(EmbeddedRecord, tag_field="kind"):
    """One of several kinds."""

    legs: Field[int] = field(default=4)


class Bird(Animal, tag="bird"):
    """A kind."""

    sings: Field[bool] = field(default=True)


class Wary(EmbeddedRecord):
    """One that is made by code of the user's own."""

    a: Field[int] = field(default=0)

    def __attrs_post_init__(self) -> None:
        self.a = abs(self.a)


class Base(Record):
    """What all have that inherit from it."""

    title: Field[str] = field(default="")


class Common(Base, rename="camelCase"):
    """Values of JSON's own types, and what is written as text."""

    first_count: Field[int]
    is_done: Field[bool] = field(default=False)
    rate: Field[float] = field(default=0.5)
    due: Field[date]
    moment: Field[datetime | None] = field(default=None)
    tags: Field[list[str]] = field(factory=list)
    counts: Field[dict[str, int]] = field(factory=dict)
    code: Field[Code] = field(default=Code("x"))
    noted: Field[Annotated[int, "a number"]] = field(default=3)


class Lacking(Record):
    """Values that may be None, by default or not, kept or not."""

    must: Field[int | None]
    number: Field[int | None] = field(default=None)
    text: Field[str | None] = field(default="a", key="a text")
    flag: Field[bool | None] = field(default=True)
    days: Field[list[date] | None] = field(default=None)
    place: Embedded[Place | None] = embedded(default=None)


class Kept(Record):
    """Values that may be null in a document."""

    kept: Field[str | None] = field(default=None, null=True)
    anything: Field[Any]


class Nested(Record):
    """Embedded records, wherever they may be."""

    place: Embedded[Place]
    places: Field[list[Place]] = field(factory=list)
    named: Field[dict[str, Place]] = field(factory=dict)
    tree: Embedded[Tree | None] = embedded(default=None)
    pair: Field[Pair[int] | None] = field(default=None)
    pairs: Field[list[Pair[date]]] = field(factory=list)
    wary: Embedded[Wary] = embedded(factory=Wary)
    animal: Embedded[Animal | None] = embedded(default=None)


class Linked(Record):
    """A link to another record."""

    friend: Link[Base | None] = field(default=None)  # type: ignore[assignment]
    a: Field[int] = field(default=0)


class Open(Record):
    """Values that are shared with nobody, though their types do not say what they are."""

    schema: Field[int] = field(default=0)
    items: Field[list[Any]] = field(factory=list)
    given: Field[tuple[Any, ...]] = field(default=())
    objects: Field[dict[str, Any]] = field(factory=lambda: {"a": [{}]})
    anything: Field[Any] = field(factory=list)
    either: Field[list[int] | dict[str, Any]] = field(factory=list)


class Union(Record):
    """Unions that are one to a cache: which member comes first counts."""

    one: Field[UUID | Decimal]
    other: Field[Decimal | UUID]
    first: Field[Place | Wary] = field(default=None)  # type: ignore[arg-type]
    second: Field[Wary | Place | None] = field(default=None)
    many: Field[list[Place | Wary]] = field(factory=list)
    more: Field[list[Wary | Place]] = field(factory=list)


class Strict(Record):
    """Values that are looked at, or may not be changed."""

    def _small(self, _: Any, value: int) -> None:
        if value > 100 + len(self.tags) or self.last_modified is not None or self.extra:
            msg = "it is too large"
            raise ValueError(msg)

    number: Field[int] = field(validator=_small, default=0)
    fixed: Field[str] = field(default="a", read_only=True)
    late: Field[str] = field(default="b", read_only=True)
    tags: Field[list[str]] = field(factory=list, validator=attrs.validators.max_len(2))


class Kinds(Record, tag_field="kind"):
    """Several kinds."""

    a: Field[int] = field(default=0)


class One(Kinds, tag="one"):
    """A kind."""

    b: Field[list[int]] = field(factory=list)


_hooks = converter()
_hooks.register_structure_hook(str, lambda value, _: value.lower())
_hooks.register_structure_hook(date, lambda value, _: date(2000, 1, int(value)))
_hooks.register_unstructure_hook(date, lambda value: str(value.day))
_hooks.register_structure_hook_func(
    lambda kind: kind == list[int], lambda value, _: [int(each) + 1 for each in value]
)
_hooks.register_structure_hook(Wary, lambda value, _: Wary(a=value))
_hooks.register_unstructure_hook(Wary, lambda value: value.a)


class Hooked(Record, converter=_hooks):
    """Values that are read and written as the user says."""

    text: Field[str] = field(default="")
    texts: Field[list[str]] = field(factory=list)
    maybe: Field[str | None] = field(default=None)
    day: Field[date] = field(factory=lambda: date(2000, 1, 1))
    days: Field[list[date]] = field(factory=list)
    numbers: Field[list[int]] = field(factory=list)
    named: Field[dict[str, str]] = field(factory=dict)
    wary: Field[Wary] = field(factory=Wary)
    place: Embedded[Place | None] = embedded(default=None)


class Converted(Record):
    """Values that a converter of attrs makes something else of."""

    text: Field[str] = field(default=" a", converter=str.strip)
    number: Field[int] = field(default=0)


class Setting(Record):
    """Attributes are set by code of the user's own."""

    a: Field[int] = field(default=0)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value + 1 if name == "a" else value)


class Initialised(Record):
    """Records are made by code of the user's own."""

    a: Field[int] = field(default=0)

    def __init__(self, **values: Any) -> None:
        self.__attrs_init__(**{"a": 5, **values})  # type: ignore[attr-defined]


class Asking(Record):
    """Attributes that are missing are looked up by code of the user's own."""

    a: Field[int] = field(default=0)

    def __getattr__(self, name: str) -> Any:
        if name == "extra":
            return {"asked": 1}
        raise AttributeError(name)


class Slotted:
    """A base that has a slot."""

    __slots__ = ("aside",)


class Mixed(Slotted, Base):
    """A record with such a base."""

    a: Field[int] = field(default=0)


EVERY: tuple[Any, ...] = (
    Common, Lacking, Kept, Nested, Open, Union, Strict, One, Hooked, Converted, Setting,
    Initialised, Asking, Mixed, Linked,
)  # fmt: skip


# -- Documents of them -------------------------------------------------------------------------

_wrong = st.sampled_from(
    [
        0, 1, 1.0, 2.5, True, None, "", "a", "5", float("nan"), 2**70, [], [1, "a"], {}, {"a": 1},
        "2025-03-01", "20250301", "2025-03-01T10:00:00Z", "2025-03-01T10:00:00",
    ]
)  # fmt: skip

_days = st.sampled_from(["2025-03-01", "2025-03-02", "20250301"])
_numbers = st.integers(0, 1) | st.integers(0, 200) | st.integers(0, 3).map(float)
_texts = st.sampled_from(["", "a", "B", "5", "2025-03-01", "2025-03-01T10:00:00Z"])
_digits = st.sampled_from(["1" * 32, "1.5"])
_moments = st.sampled_from(["2025-03-01T10:00:00Z", "2025-03-01T10:00:00+01:00"])


def _objects(
    must: Mapping[str, st.SearchStrategy[Any]], may: Mapping[str, st.SearchStrategy[Any]]
) -> st.SearchStrategy[dict[str, Any]]:
    """Give objects with what they must have, what they may have, and more."""
    known = st.fixed_dictionaries(dict(must), optional=dict(may))
    more = st.dictionaries(st.sampled_from(["x", "extra", "permissions"]), values, max_size=1)
    return st.builds(lambda one, other: {**other, **one}, known, more)


_places = _objects(
    {"city": _texts},
    {"size": _numbers, "notes": st.fixed_dictionaries({"a": values}), "since": _days | st.none()},
)
_trees = st.recursive(
    _objects({"name": _texts}, {}),
    lambda inner: _objects(
        {"name": _texts}, {"first": inner, "others": st.lists(inner, max_size=2)}
    ),
    max_leaves=4,
)
_waries = _objects({}, {"a": st.integers(-3, 3)})


def _pairs(items: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return _objects({"one": items}, {"two": items | st.none()})


#: What a class must have in its documents, and what it may have.
_WRITTEN: dict[Any, tuple[dict[str, Any], dict[str, Any]]] = {
    Common: (
        {"firstCount": _numbers, "due": _days},
        {
            "title": _texts, "isDone": st.booleans(), "rate": _numbers, "moment": _moments,
            "tags": st.lists(_texts), "counts": st.dictionaries(_texts, _numbers), "code": _texts,
            "noted": _numbers,
        },
    ),
    Lacking: (
        {"must": _numbers | st.none(), "number": _numbers | st.none()},
        {
            "a text": _texts | st.none(), "flag": st.booleans() | st.none(),
            "days": st.lists(_days, max_size=2) | st.none(), "place": _places | st.none(),
        },
    ),
    Kept: ({"anything": values}, {"kept": _texts | st.none()}),
    Nested: (
        {
            "animal": _objects({"kind": st.sampled_from(["bird", "cow"])}, {"legs": _numbers}),
            "place": _places,
        },
        {
            "places": st.lists(_places, max_size=2), "tree": _trees, "wary": _waries,
            "named": st.dictionaries(_texts, _places, max_size=2),
            "pair": _pairs(_numbers), "pairs": st.lists(_pairs(_days), max_size=2),
        },
    ),
    Open: (
        {},
        {
            "items": st.lists(values, max_size=2), "given": st.lists(values, max_size=2),
            "objects": st.dictionaries(_texts, values, max_size=2), "anything": values,
            "either": st.lists(_numbers, max_size=2) | st.dictionaries(_texts, values, max_size=2),
            "schema": _numbers,
        },
    ),
    Union: (
        {"one": _digits, "other": _digits},
        {
            "first": _places | _waries, "second": _waries | _places,
            "many": st.lists(_places | _waries, max_size=2),
            "more": st.lists(_places | _waries, max_size=2),
        },
    ),
    Strict: (
        {},
        {"number": _numbers, "fixed": _texts, "late": _texts, "tags": st.lists(_texts, max_size=3)},
    ),
    One: ({"kind": st.just("one")}, {"a": _numbers, "b": st.lists(_numbers, max_size=2)}),
    Hooked: (
        {},
        {
            "text": _texts, "texts": st.lists(_texts, max_size=2), "maybe": _texts | st.none(),
            "day": st.sampled_from(["1", "2"]), "days": st.lists(st.just("3"), max_size=2),
            "numbers": st.lists(_numbers, max_size=2), "wary": st.integers(-2, 2),
            "named": st.dictionaries(_texts, _texts, max_size=2), "place": _places,
        },
    ),
    Converted: ({}, {"text": _texts, "number": _numbers}),
    Linked: ({}, {"a": _numbers, "friend": _texts}),
    Mixed: ({}, {"a": _numbers, "title": _texts}),
}  # fmt: skip

_HEAD = {"id": st.sampled_from(["x", "Y"])}
_STAMPS = {"last_modified": st.just(5), "schema": st.just(3)}


@st.composite
def fitting(draw: st.DrawFn, model: Any) -> dict[str, Any]:
    """Give a document that most probably fits *model*."""
    must, may = _WRITTEN.get(model, ({}, {"a": _numbers}))
    return draw(_objects(_HEAD | must, _STAMPS | may))


def _near(value: Any) -> list[Any]:
    """Return JSON values that could be taken for *value*."""
    if isinstance(value, (bool, int, float)):
        return [value, float(value), bool(value), str(value)] + (
            [int(value)] if isfinite(value) else []
        )
    if isinstance(value, str):
        return [value.upper(), value[:-1], [value], {value: value}]
    return [None, [value], {"a": value}, str(value)]


@st.composite
def any_of(draw: st.DrawFn, document: dict[str, Any]) -> dict[str, Any]:
    """Give *document*, perhaps with something wrong in it somewhere."""
    made: dict[str, Any] = copied(document)
    for _ in range(draw(st.integers(0, 2))):
        site = draw(st.sampled_from(list(_containers(made))))
        places: list[Any] = list(site) if isinstance(site, dict) else list(range(len(site)))
        if draw(st.booleans()) and places:
            place = draw(st.sampled_from(places))
            if draw(st.integers(0, 3)):
                near = st.sampled_from(_near(site[place]))
                site[place] = draw(near | _wrong.map(copied))
            else:
                del site[place]
        elif isinstance(site, dict):
            site[draw(st.sampled_from(["x", "schema", "kind"]))] = copied(draw(_wrong))
        else:
            site.append(copied(draw(_wrong)))
    return made


def _containers(value: Any) -> Iterator[Any]:
    """Give the lists and dictionaries in a JSON *value*, and itself."""
    if isinstance(value, (list, dict)):
        yield value
        for item in value.values() if isinstance(value, dict) else value:
            yield from _containers(item)


#: Each of the classes, with fewer examples than there are for any others.
each_class = pytest.mark.parametrize("model", EVERY)
fewer = settings(slow, max_examples=25)


@st.composite
def any_class(draw: st.DrawFn) -> tuple[Any, dict[str, Any]]:
    """Give a class with any fields, and a document that may fit."""
    case = draw(cases())
    return case.model, draw(any_of(case.document))


# -- Comparing ---------------------------------------------------------------------------------


def shown(value: Any) -> Any:
    """Return what tells *value* from others: its class, and what is in it, as deep as it goes."""
    kind: Any = type(value)
    if is_model(kind):
        names = [each.name for each in attrs.fields(kind) if each.name[:1] != "_"]
        beside = value.__dict__.get("_document"), value.__dict__.get("_made") or {}
        inside = {name: shown(getattr(value, name, None)) for name in [*names, "extra"]}
        return kind, inside, shown(beside)
    if is_composite(kind):
        return kind, [shown(getattr(value, part.name)) for part in parts_of(kind)]
    if isinstance(value, Mapping):
        return kind, [(shown(key), shown(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return kind, [shown(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return kind, sorted(map(repr, value))
    return kind, repr(value)


def outcome(make: Callable[[Any], Any], document: Any) -> Any:
    """Return what comes of it: a record, or an error.  An id that is drawn is no other's."""
    try:
        made = make(document)
    except Exception as error:  # noqa: BLE001 (whatever a hook may raise)
        return error
    if "id" not in document:
        made.__dict__["id"] = "drawn"
    return made


def told(made: Any) -> Any:
    """Return what is told of what was *made*: all of it, or what is wrong."""
    return list(map(str, faults_of(made))) if isinstance(made, Exception) else shown(made)


def mutable(value: Any) -> Iterator[Any]:
    """Give what can be changed in *value*, but for what is the server's."""
    if isinstance(value, Enum):
        return
    if isinstance(value, Mapping):
        yield value
        for item in value.values():
            yield from mutable(item)
    elif isinstance(value, (list, tuple, set, frozenset)):
        if not isinstance(value, (tuple, frozenset)):
            yield value
        for item in value:
            yield from mutable(item)
    elif is_model(type(value)):
        yield value
        for name, item in vars(value).items():
            if name not in ("_document", "last_modified"):
                yield from mutable(item)
    elif is_composite(kind := value.__class__):
        yield value
        for part in parts_of(kind):
            yield from mutable(getattr(value, part.name))


def check_short_way(model: Any, document: Any) -> None:
    """Hold the short way from *document* to a record of *model* against the long one."""
    layout, before = layout_of(model), repr(document)
    built, made = outcome(layout.build, document), outcome(layout._loaded, document)
    if not isinstance(built, Exception):
        assert told(built) == told(made)
        assert built.__dict__["_document"] is document
        assert {id(each) for each in _containers(document)}.isdisjoint(map(id, mutable(built)))
        other = mutable(layout.build(document))
        assert {id(each) for each in other}.isdisjoint(map(id, mutable(built)))
    elif "id" in document:  # What fits, the short way does not leave to the long one.
        assert isinstance(made, Exception)
    assert told(outcome(layout.load, document)) == told(made)
    assert repr(document) == before


class TestBuilding:
    """
    The short way from a document to a record.

    A record is the same, in each attribute and type, whichever way it was made; what can be changed
    in it is in no document, and in no other record.
    """

    @each_class
    @fewer
    @given(data=st.data())
    def test_it_is_the_long_way(self, model: Any, data: st.DataObject) -> None:
        """That holds for these classes, whether a document fits or not."""
        check_short_way(model, data.draw(any_of(data.draw(fitting(model)))))

    @slow
    @given(any_class())
    def test_it_is_the_long_way_of_any_class(self, both: tuple[Any, dict[str, Any]]) -> None:
        """That holds for any class."""
        check_short_way(*both)

    @each_class
    def test_what_is_no_json(self, model: Any) -> None:
        """What no decoder makes goes the long way: a subclass of text, or of a dictionary."""

        class Text(str):
            __slots__ = ()

        class Object(dict[str, Any]):
            pass

        layout = layout_of(model)
        documents: list[Any] = [Object(id="x"), {"id": Text("x")}, [], None, "x", {}, {"id": None}]
        for document in documents:
            made = outcome(layout._loaded, document)
            assert told(outcome(layout.load, document)) == told(made)

    @pytest.mark.parametrize("model", [Common, Lacking, Kept, Nested, Open, Union, Strict, Hooked])
    def test_most_classes_have_it(self, model: Any) -> None:
        """Hooks, validators and what must not be changed do not keep a class from it."""
        assert layout_of(model).is_plain

    @pytest.mark.parametrize("model", [Wary, Converted, Setting, Initialised, Asking])
    def test_some_have_not(self, model: Any) -> None:
        """Where a user's code says how a record is made, it is."""
        assert not layout_of(model).is_plain

    def test_validators_see_a_new_record(self) -> None:
        """A validator sees the same when a record is loaded as when it is made."""
        seen: list[Any] = []

        def look(record: Any, _: Any, value: int) -> None:
            seen.append((value, record.last_modified, record.extra, record.permissions))

        class Seen(Record):
            a: Field[int] = field(validator=look)

        document = {"id": "x", "last_modified": 5, "a": 1, "x": 2}
        record = Seen.from_document(document)
        Seen(a=1)
        assert seen == [(1, None, {}, record.permissions)] * 2
        assert (record.last_modified, record.extra) == (5, {"x": 2})


# -- Certainty ---------------------------------------------------------------------------------


def is_certain(record: Any) -> bool:
    """Tell what the short way says of *record*; it may fail where it does not know."""
    state = record.__dict__
    try:
        return layout_of(type(record)).comparison.certain(record, state["_document"]) is True
    except Exception:  # noqa: BLE001 (it is not certain)
        return False


def _edit(record: Any, other: Any, data: st.DataObject) -> None:
    """Change something in *record*: to what *other* has there, perhaps, or to what equals it."""
    specs = type(record)._specs()
    kind = data.draw(st.integers(0, 6))
    if kind == 0:
        site = data.draw(st.sampled_from(list(_sites(record))))
        _change(site, copied(data.draw(_wrong | values)), data.draw)
    elif kind == 1:
        spec = data.draw(st.sampled_from(specs))
        if spec.name in other.__dict__:
            record.__dict__[spec.name] = deepcopy(other.__dict__[spec.name])
    elif kind == 2:  # An equal one.
        spec = data.draw(st.sampled_from(specs))
        if spec.name in record.__dict__:
            record.__dict__[spec.name] = deepcopy(record.__dict__[spec.name])
    elif kind == 3:
        record.extra = data.draw(st.none() | st.dictionaries(st.sampled_from("xa"), values))
    elif kind == 4 and isinstance(record.extra, dict):
        document = record.__dict__["_document"]
        record.extra[data.draw(st.sampled_from(["x", *document]))] = data.draw(values)
    elif kind == 5:
        adopt_permissions(record, {"read": ["account:ann"]})
        record.permissions.read.add(data.draw(st.sampled_from(["account:ann", "account:bob"])))
    else:
        names = [name for name in record.__dict__ if name != "id"]
        record.__dict__.pop(data.draw(st.sampled_from(names)))


#: What has nothing in it, but for numbers: these are of JSON's own types in any case.
_EMPTY: tuple[Any, ...] = ([], {}, set(), (), "", None)


class Day(date):
    """A date that is written as something else."""

    def isoformat(self) -> str:
        return "1999-12-31"


def _alike(value: Any, other: Any) -> list[Any]:
    """Return what could be taken for *value*, and what *other* has in its place."""
    found = [deepcopy(value), deepcopy(other), *(() if value else deepcopy(_EMPTY))]
    if isinstance(value, (int, float)):
        found += [float(value), bool(value)] + ([int(value)] if isfinite(value) else [])
    elif isinstance(value, date):
        found += [Day(value.year, value.month, value.day)]
    elif isinstance(value, (list, tuple)):
        found += [list(value), tuple(value), list(reversed(value)), [*value, None]]
    elif is_model(type(value)):
        near = deepcopy(value)
        near.extra["x"] = 1
        found.append(near)
        if isinstance(other, type(value)):
            mixed = deepcopy(value)
            mixed.__dict__.update(deepcopy(other.__dict__))
            mixed.__dict__["_document"] = value.__dict__.get("_document")
            found.append(mixed)
    return found


class TestCertainty:
    """The short way to tell that a record is as it was loaded."""

    @each_class
    @fewer
    @given(data=st.data())
    def test_what_is_certain_is_true(self, model: Any, data: st.DataObject) -> None:
        """Whatever was changed: a record that is told to be as loaded would be written so."""
        build = layout_of(model).build
        record, other = (outcome(build, data.draw(fitting(model))) for _ in range(2))
        if isinstance(record, Exception) or isinstance(other, Exception):
            return
        for _ in range(data.draw(st.integers(1, 3))):
            if "_document" in record.__dict__:
                _edit(record, other, data)
            if is_certain(record):
                assert is_clean(record)
                assert not permission_changes(record)

    @each_class
    @fewer
    @given(data=st.data())
    def test_values_that_are_alike(self, model: Any, data: st.DataObject) -> None:
        """It is true where a value equals another, is as empty, or was loaded from elsewhere."""
        whole = fitting(model).map(lambda document: {**document, "last_modified": 5})
        record, other = (outcome(layout_of(model).build, data.draw(whole)) for _ in range(2))
        if isinstance(record, Exception) or isinstance(other, Exception):
            return
        site = data.draw(st.sampled_from(list(_sites(record))))
        holder = site if isinstance(site, (list, dict)) else getattr(site, "__dict__", {})
        names = range(len(holder)) if isinstance(holder, list) else sorted(holder)
        for name in [name for name in names if str(name)[:1] != "_"]:
            value = holder[name]
            alike = _alike(value, other.__dict__.get(name))
            holder[name] = data.draw(st.sampled_from(alike))
            if is_certain(record):
                assert is_clean(record)
            holder[name] = value

    @each_class
    @fewer
    @given(data=st.data())
    def test_of_another_document(self, model: Any, data: st.DataObject) -> None:
        """It is true of whatever document a record is compared with, as after a commit."""
        record = outcome(layout_of(model).build, data.draw(fitting(model)))
        if isinstance(record, Exception):
            return
        record.__dict__["_document"] = data.draw(any_of(record.__dict__["_document"]))
        if is_certain(record):
            assert is_clean(record)

    @pytest.mark.parametrize(
        ("model", "document"),
        [
            (Common, {"firstCount": 1, "due": "20250301", "tags": ["a"], "rate": 1}),
            (Lacking, {"must": 1, "days": ["2025-03-01"]}),
            (Kept, {"anything": "a", "kept": None}),
            (Nested, {"place": {"city": "a", "notes": {"a": [1]}, "x": 1}, "wary": {}}),
            (Strict, {"x": {"a": [1]}}),
        ],
    )
    def test_it_is_certain_of_some(self, model: Any, document: dict[str, Any]) -> None:
        """Records for which it is meant are told at once, with undeclared keys and without some."""
        assert is_certain(model.from_document({"id": "x", "last_modified": 5, **document}))
