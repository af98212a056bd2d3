"""Records that certainly did not change: told without being written, and never wrongly."""

from __future__ import annotations

import dataclasses

from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from typing import Any

import attrs
import pytest

from hypothesis import given
from hypothesis import strategies as st

from kinto_orm import Embedded, EmbeddedRecord, Field, Link, Record, converter, embedded, field
from kinto_orm.flow.json import copied, same
from kinto_orm.models.layout import layout_of
from kinto_orm.models.parts import load_part
from kinto_orm.session.identity import Entry, Key
from kinto_orm.session.snapshots import Stored, adopt, without_stamps
from models.kinds import PLAIN, Case, cases
from models.test_laws import slow
from strategies import values


def is_certain(record: Record) -> bool:
    """Tell what the quick test says."""
    state = record.__dict__
    return layout_of(type(record)).comparison.holds(record, state["_document"])


def is_clean(record: Record) -> bool:
    """Tell what writing the record says."""
    return same(without_stamps(record.__dict__["_document"]), record._dump())


# -- Changes -----------------------------------------------------------------------------------

#: Values that equal others, and are not the same.
_ALIKE = (0, 0.0, False, 1, 1.0, True, None, "", "a", datetime(2025, 3, 1, 12, tzinfo=UTC))

_new = st.sampled_from(_ALIKE) | values


def _sites(value: Any) -> Iterator[Any]:
    """Give what can be changed in place in *value*, and itself."""
    if isinstance(value, (list, set, dict)) or hasattr(value, "__dict__"):
        yield value
    if isinstance(value, dict):
        inner: Any = value.values()
    elif isinstance(value, (list, tuple)):
        inner = value
    elif isinstance(value, Enum):
        inner = ()
    else:
        inner = [item for name, item in getattr(value, "__dict__", {}).items() if name[:1] != "_"]
    for item in inner:
        yield from _sites(item)


def _change(value: Any, new: Any, draw: Callable[..., Any]) -> None:
    """Change *value* in place, somehow; with *new*, perhaps."""
    if isinstance(value, set):
        if not draw(st.booleans()) and value:
            value.pop()
        elif isinstance(new, (str, int, float)):
            value.add(new)
    elif isinstance(value, list):
        place = draw(st.integers(0, len(value)))
        value[place : place + draw(st.integers(0, 1))] = draw(st.sampled_from([[], [new]]))
    else:
        inside: dict[Any, Any] = value if isinstance(value, dict) else value.__dict__
        names = [each for each in inside if str(each)[:1] != "_"] + ["x-one"] * (inside is value)
        if names:
            name = draw(st.sampled_from(names))
            if draw(st.integers(0, 3)) or name not in inside:
                inside[name] = new
            elif inside is value:
                del inside[name]


def _rewritten(document: Any, draw: Callable[..., Any]) -> Any:
    """Return a copy of *document* that is written otherwise here and there."""
    if isinstance(document, dict):
        return {key: _rewritten(value, draw) for key, value in document.items()}
    if isinstance(document, list):
        return [_rewritten(item, draw) for item in document]
    if draw(st.integers(0, 3)):
        return document
    if isinstance(document, str):
        return draw(st.sampled_from([document.swapcase(), document.replace("Z", "+00:00")]))
    return draw(_new) if document is None else draw(st.sampled_from([float, bool, int]))(document)


def _has_whole_floats(document: Any) -> bool:
    if isinstance(document, dict):
        return any(map(_has_whole_floats, document.values()))
    if isinstance(document, list):
        return any(map(_has_whole_floats, document))
    return isinstance(document, float) and document.is_integer()


class TestLaws:
    """What holds for every class."""

    @slow
    @given(cases())
    def test_what_was_loaded_is_certain(self, case: Case) -> None:
        """
        A record that was just loaded is told to be clean at once, whatever its fields are.

        Of a whole number that is written as a float, nobody promises that.
        """
        record = case.model.from_document(case.document)
        assert is_clean(record)
        assert is_certain(record) or _has_whole_floats(case.document)

    @slow
    @given(cases())
    def test_loaded_again(self, case: Case) -> None:
        """
        So is one whose document was read again: the objects are equal, and not the same.

        Of a whole number that is written as a float, nobody promises that.
        """
        record = case.model.from_document(case.document)
        adopt(record, Stored(copied(case.document)))
        assert is_clean(record)
        assert is_certain(record) or _has_whole_floats(case.document)

    @slow
    @given(cases(), st.data())
    def test_no_change_is_missed(self, case: Case, data: st.DataObject) -> None:
        """Whatever is changed in place, at whatever depth: what is certain is true."""
        record = case.model.from_document(case.document)
        other = case.model.from_document(case.other)
        theirs = st.sampled_from(
            [item for spec in case.model._specs() for item in _sites(getattr(other, spec.name))]
            or [None]
        )
        for _ in range(data.draw(st.integers(1, 3))):
            site = data.draw(st.sampled_from(list(_sites(record))))
            _change(site, deepcopy(data.draw(_new | theirs)), data.draw)
            if is_certain(record):
                assert is_clean(record)

    @slow
    @given(cases(), st.data())
    def test_of_any_document(self, case: Case, data: st.DataObject) -> None:
        """Whatever the record is compared with, what is certain is true."""
        record = case.model.from_document(case.document)
        document = _rewritten(case.document, data.draw)
        if data.draw(st.booleans()):
            _change(document, data.draw(_new), data.draw)
        for value in [*_sites(record)]:
            if data.draw(st.booleans()) and isinstance(value, EmbeddedRecord):
                value.__dict__["_document"] = _rewritten(value.__dict__["_document"], data.draw)
        record.__dict__["_document"] = document
        if is_certain(record):
            assert is_clean(record)

    @slow
    @given(st.data())
    def test_kinds_without_others_inside(self, data: st.DataObject) -> None:
        """A value is certain only of what is written the same way."""
        kind = data.draw(st.sampled_from(PLAIN))
        wrapper: Any = Field
        declare: Callable[..., type[Any]] = type(Record)
        body = {"__module__": __name__, "__annotations__": {"a": wrapper[kind.hint]}}
        model = declare("Made", (Record,), body)
        one, other = data.draw(kind.written), data.draw(kind.written)
        record = model.from_document({"id": "x", "last_modified": 5, "a": one})
        assert is_certain(record)
        record.__dict__["_document"] = {"id": "x", "last_modified": 5, "a": other}
        if is_certain(record):
            assert is_clean(record)


# -- Cases -------------------------------------------------------------------------------------


class Colour(Enum):
    """A colour."""

    RED = "red"


class Place(EmbeddedRecord):
    """Where something is."""

    city: Field[str]
    notes: Field[dict[str, Any]] = field(factory=dict)


@attrs.define
class Size:
    """Of the user's own; it can be changed in place."""

    width: int
    height: int = 0


@dataclasses.dataclass
class Mark:
    """Of the user's own; it can be changed in place."""

    names: list[str]


class Thing(Record, bucket="b", collection="c"):
    """A record with something of everything."""

    title: Field[str] = field(default="")
    count: Field[int | None] = field(default=0)
    nothing: Field[int | None] = field(default=None, null=True)
    due: Field[datetime | None] = field(default=None)
    tags: Field[list[str]] = field(factory=list)
    numbers: Field[list[int]] = field(factory=list)
    groups: Field[frozenset[int]] = field(factory=frozenset)
    rows: Field[list[tuple[int, datetime]]] = field(factory=list)
    place: Embedded[Place | None] = embedded(default=None)
    places: Field[dict[str, Place]] = field(factory=dict)
    size: Field[Size | None] = field(default=None)
    mark: Field[Mark | None] = field(default=None)
    colour: Field[Colour | None] = field(default=None)
    friend: Link[Record | None] = field(default=None)  # type: ignore[assignment]
    anything: Field[Any] = field(default=None)


NOON = "2025-03-01T12:00:00Z"
MOMENT = datetime(2025, 3, 1, 12, tzinfo=UTC)
FULL: dict[str, Any] = {
    "id": "x",
    "last_modified": 5,
    "schema": 3,
    "title": "A thing",
    "count": 1000,
    "nothing": None,
    "due": NOON,
    "tags": ["a", "b"],
    "numbers": [1, 2000],
    "groups": [3, 1],
    "rows": [[1, NOON]],
    "place": {"city": "Bern", "notes": {"deep": [{"er": 1}]}, "undeclared": [1]},
    "places": {"home": {"city": "Bonn"}},
    "size": {"width": 1},
    "mark": {"names": ["a"]},
    "colour": "red",
    "friend": "y",
    "anything": {"list": [1, {"a": None}]},
    "besides": {"list": [1, [2]]},
    "more": 1,
}


def thing(**changes: Any) -> Any:
    """Return a thing that was loaded, whatever *changes* its document has."""
    return Thing.from_document({**FULL, **changes})


class TestCertain:
    """What need not be written to be known."""

    def test_as_loaded(self) -> None:
        """Neither need a record be changed to be clean, nor have all that its class declares."""
        assert is_certain(thing())
        assert is_certain(Thing.from_document({"id": "x", "last_modified": 5}))

    def test_equal_values(self) -> None:
        """An equal value is no change, wherever it came from."""
        record = thing()
        record.title = " A thing".strip()
        record.due = datetime(2025, 3, 1, 12, tzinfo=UTC)
        record.tags = ["a", "b"]
        record.anything = copied(FULL["anything"])
        record.extra = copied(record.extra)
        record.friend = Link("y")
        assert is_clean(record)
        assert is_certain(record)

    def test_after_a_commit(self) -> None:
        """A record that was written is compared with what the server answered."""
        record: Any = thing()
        record.title, record.place.city = "Another", "Basel"
        record.tags.append("c")
        stored = {**record._dump(), "last_modified": 6}
        assert not is_certain(record)
        adopt(record, Stored(copied(stored)), copied(stored))
        assert is_certain(record)
        record.place.notes["deep"][0]["er"] = 2
        assert not is_certain(record)

    def test_a_new_record(self) -> None:
        """A record that was created is certain once it was answered."""
        record = Thing(id="x", title="New", place=Place(city="Bern"), due=MOMENT, tags=["a"])
        document = {**record._dump(), "last_modified": 6}
        adopt(record, Stored(copied(document)), copied(document))
        assert is_certain(record)

    def test_a_tag(self) -> None:
        """A record is of its kind: what the server has under the key of the tag must be that."""

        class Base(Record, tag_field="kind"):
            pass

        class One(Base, tag="one"):
            a: Field[int] = field(default=0)

        record = Base.from_document({"id": "x", "last_modified": 5, "kind": "one"})
        assert isinstance(record, One)
        assert is_certain(record)
        record.__dict__["_document"] = {"id": "x", "last_modified": 5, "kind": "two"}
        assert not is_certain(record)
        unknown = Base.from_document({"id": "x", "last_modified": 5, "kind": "three"})
        assert is_certain(unknown)

    def test_a_part(self) -> None:
        """Of a record that was loaded in part, that part counts, and what was set besides."""
        names = frozenset({"title", "count"})
        document = {"id": "x", "last_modified": 5, "title": "A"}
        record = load_part(Thing, document, names)
        assert is_certain(record)
        record.count = 1
        assert not is_certain(record)
        record.count = 0
        assert is_certain(record)
        record.nothing = None  # It is the default, but what the server has is not known.
        assert not is_clean(record)
        assert not is_certain(record)


def _set(name: str, value: Any) -> Callable[[Any], None]:
    return lambda record: setattr(record, name, value)


def _rename(inside: dict[str, Any], key: str, other: str) -> None:
    inside[other] = inside.pop(key)


_CHANGES: dict[str, Callable[[Any], Any]] = {
    "another value": _set("title", "Another"),
    "none": _set("count", None),
    "true for a number": _set("count", True),  # noqa: FBT003
    "a number of another type of object": _set("title", 1),
    "the same moment elsewhere": _set("due", MOMENT.astimezone(timezone(timedelta(hours=1)))),
    "a microsecond": _set("due", MOMENT + timedelta(microseconds=1)),
    "no offset": _set("due", MOMENT.replace(tzinfo=None)),
    "an item": lambda record: record.tags.append("c"),
    "the order": lambda record: record.tags.reverse(),
    "an item that equals the old": lambda record: record.numbers.__setitem__(0, True),  # noqa: FBT003
    "a tuple in a list": lambda record: record.rows.__setitem__(0, (2, record.rows[0][1])),
    "a set": _set("groups", frozenset({3, True, 2})),
    "a field of an embedded record": lambda record: setattr(record.place, "city", "Basel"),
    "deep in an embedded record": lambda record: record.place.notes["deep"][0].update(er=True),
    "besides, in an embedded record": lambda record: record.place.extra["undeclared"].append(2),
    "an embedded record": _set("place", Place(city="Bern")),
    "a key": lambda record: _rename(record.places, "home", "work"),
    "an item of a dictionary": lambda record: setattr(record.places["home"], "city", "Bern"),
    "an attrs class": lambda record: setattr(record.size, "width", 2),
    "a dataclass": lambda record: record.mark.names.append("b"),
    "a link": _set("friend", Link("z")),
    "deep in anything": lambda record: record.anything["list"][1].update(a=0),
    "another key in anything": lambda record: _rename(record.anything["list"][1], "a", "b"),
    "a key less in anything": lambda record: record.anything["list"][1].clear(),
    "a key less in an embedded record": lambda record: record.place.extra.clear(),
    "besides": lambda record: record.extra["besides"]["list"][1].append(3),
    "a key besides": lambda record: record.extra.update(new=1),
    "one key for another": lambda record: _rename(record.extra, "besides", "other"),
    "no key besides": lambda record: record.extra.clear(),
    "one key less besides": lambda record: record.extra.pop("more"),
    "a declared key besides": _set("extra", {"title": "A thing"}),
    "no value at all": lambda record: record.__dict__.pop("title"),
    "its id": _set("id", "other"),
}  # fmt: skip


class TestChanges:
    """What is not as it was loaded."""

    @pytest.mark.parametrize("change", _CHANGES)
    def test_is_seen(self, change: str) -> None:
        """A change is seen, wherever it is."""
        record = thing()
        assert is_certain(record)
        _CHANGES[change](record)
        assert not is_certain(record)

    @pytest.mark.parametrize(
        ("name", "value", "is_default"),
        [
            ("count", 0, True),
            ("count", None, True),
            ("count", False, False),
            ("nothing", None, True),
            ("nothing", 1, False),
            ("tags", [], True),
            ("tags", ["a"], False),
            ("anything", 0, False),
        ],
    )
    def test_of_a_missing_key(self, name: str, value: Any, is_default: bool) -> None:  # noqa: FBT001
        """A key may be missing while the field has its default, or None, if that is not kept."""
        record: Any = Thing.from_document({"id": "x", "last_modified": 5})
        assert is_certain(record)
        setattr(record, name, value)
        assert is_certain(record) == is_clean(record) == is_default


class TestUsersClasses:
    """What a user's class does is not foreseen."""

    def test_a_type_that_is_changed_in_place(self) -> None:
        """A value of a user's type is written to be compared."""

        class Money:
            cents = 0

        def read(value: Any, _: Any) -> Money:
            money = Money()
            money.cents = value
            return money

        known = converter()
        known.register_structure_hook(Money, read)
        known.register_unstructure_hook(Money, lambda money: money.cents)

        class Invoice(Record, converter=known):
            total: Field[Money]
            parts: Field[list[Money]] = field(factory=list)

        document = {"id": "x", "last_modified": 5, "total": 3, "parts": [1]}
        record = Invoice.from_document(document)
        assert is_certain(record)
        record.total.cents = 4
        assert not is_certain(record)
        record = Invoice.from_document(document)
        record.parts[0].cents = 4
        assert not is_certain(record)

    def test_a_hook_that_reads(self) -> None:
        """What a hook makes of what is written is not what this library would make of it."""

        def later(value: str, _: Any) -> datetime:
            return datetime.fromisoformat(value) + timedelta(days=1)

        known = converter()
        known.register_structure_hook(datetime, later)

        class Late(Record, converter=known):
            due: Field[datetime]

        record = Late.from_document({"id": "x", "last_modified": 5, "due": NOON})
        assert is_certain(record)
        record.due = MOMENT
        assert not is_clean(record)
        assert not is_certain(record)

    def test_a_hook_for_text(self) -> None:
        """A hook for a type that JSON has is heeded, even if the object is the one loaded."""
        known = converter()
        known.register_unstructure_hook(str, str.upper)

        class Loud(Record, converter=known):
            one: Field[str] = field(default="")
            other: Field[Any] = field(default=None)

        for name in ("one", "other"):
            record = Loud.from_document({"id": "x", "last_modified": 5, name: "quiet"})
            assert is_certain(record) == is_clean(record)

    def test_values_that_the_class_itself_changes(self) -> None:
        """What a class makes of values when it is loaded counts."""

        class Rounded(Record):
            due: Field[datetime]
            title: Field[str] = field(default="", converter=str.strip)

            def __attrs_post_init__(self) -> None:
                self.due = self.due.replace(second=0)

        document = {"id": "x", "last_modified": 5, "due": "2025-03-01T12:00:30Z", "title": " a"}
        record = Rounded.from_document(document)
        assert not is_clean(record)
        assert not is_certain(record)

    def test_a_converter(self) -> None:
        """What a converter makes of a value that was read is not the value."""

        def later(value: datetime) -> datetime:
            return value + timedelta(days=1)

        class Late(Record):
            due: Field[datetime] = field(converter=later)

        record = Late.from_document({"id": "x", "last_modified": 5, "due": NOON})
        assert is_certain(record)
        record.__dict__["due"] = MOMENT
        assert not is_clean(record)
        assert not is_certain(record)


class TestEntries:
    """A record in a session."""

    def test_what_counts_besides(self) -> None:
        """Permissions count, and the id, and whether it shall stay."""
        record = thing()
        entry = Entry(Key("b", "c", "x"), record, record.__dict__["_document"])
        assert entry.is_untouched
        assert not entry.is_dirty
        entry.wanted = False
        assert not entry.is_untouched
        entry.wanted = True
        record.id = "y"
        assert not entry.is_untouched
        record.id = "x"
        record.__dict__["_acl"] = {"read": ["account:ann"]}
        assert len(record.permissions.read) == 1
        assert entry.is_untouched
        record.permissions.read.add("account:bob")
        assert not entry.is_untouched
        assert entry.is_dirty

    def test_a_record_in_two_sessions(self) -> None:
        """What another session has learned of the server, this one has not."""
        record = thing()
        entry = Entry(Key("b", "c", "x"), record, record.__dict__["_document"])
        record.title = "Another"
        adopt(record, Stored({**record._dump(), "last_modified": 6}))
        assert is_certain(record)
        assert not entry.is_untouched
        assert entry.is_dirty

    def test_a_new_record(self) -> None:
        """A record that is on no server is not as it was loaded."""
        record = Thing(id="x")
        assert not Entry(Key("b", "c", "x"), record, None).is_untouched
