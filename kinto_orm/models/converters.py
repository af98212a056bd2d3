"""
How values become JSON and come back: cattrs, made strict.

A document must say what its class says: ``"3"`` is not an ``int``, and ``1`` is not ``true``.
What is lenient when it is read would be changed when it is written.

Here are the values that become text or numbers.  Lists, sets and dictionaries are in
`containers`, unions in `unions`.
"""

from __future__ import annotations

from base64 import b85decode, b85encode
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag
from functools import cache
from types import NoneType
from typing import Any, Final, Literal, get_args, get_origin
from uuid import UUID

import attrs
import cattrs

from kinto_orm.models.containers import know_containers, loader
from kinto_orm.models.diagnosis import Probe, diagnosed
from kinto_orm.models.faults import Faulty, Unfit
from kinto_orm.models.forms import keep, ours
from kinto_orm.models.links import Link, id_of
from kinto_orm.models.types import called, is_composite, is_link, is_model, model_of, parts_of
from kinto_orm.models.unions import is_union, union_dump, union_load


#: Of what a naive datetime means, there are as many readings as time zones.
_NAIVE: Final = (
    "a datetime without an offset does not say which moment it is; give it one, as in"
    " 2025-03-01T12:00:00Z or datetime(2025, 3, 1, 12, tzinfo=UTC)"
)

#: What the values of enumerations and literals may be.
_PLAIN: Final = (str, int, float, NoneType)


def converter() -> cattrs.Converter:
    """
    Return a converter of one's own, for types that JSON does not have.

        money = converter()
        money.register_structure_hook(Money, lambda value, _: Money.parse(value))
        money.register_unstructure_hook(Money, str)

        class Invoice(Record, converter=money): ...

    Subclasses have it, too.
    """
    made = cattrs.Converter(detailed_validation=True)
    for kind, load, dump in _SCALARS:
        made.register_structure_hook(kind, load)
        made.register_unstructure_hook(kind, dump)
    keep(made, _is_enum, lambda kind, _: _member_load(kind), lambda _, __: _member_dump)
    keep(made, _is_literal, lambda kind, _: _literal_load(kind), lambda _, __: _literal_dump)
    keep(made, is_composite, _composite_load, _composite_dump)
    know_containers(made)
    keep(made, is_union, union_load, union_dump)
    know_models(made)
    return made


def know_models(made: cattrs.Converter) -> None:
    """Have a converter *made* elsewhere know records, wherever they stand in a type."""
    keep(made, is_model, lambda kind, _: _model_load(kind), lambda kind, _: _model_dump(kind))
    keep(made, is_link, lambda _kind, _made: _link, lambda _kind, _made: _link_dump)


@ours
def _link(value: Any, _: Any) -> Link[Any]:
    if value.__class__ is not str:
        raise Unfit("the id of a record, as a string", value)
    return Link(value)


@ours
def _link_dump(value: Any) -> str:
    return id_of(value)


def _model_load(kind: Any) -> Any:
    model = model_of(kind)
    assert model is not None
    inner = model._load

    @ours
    def load(document: Any, _: Any) -> Any:
        return inner(document, kind)

    return load


def _model_dump(kind: Any) -> Any:
    @ours
    def dump(record: Any) -> Any:
        return record._dump()

    @ours
    def dump_as_kind(record: Any) -> Any:
        return record._dump(kind)

    return dump if isinstance(kind, type) else dump_as_kind


def _composite_load(kind: Any, made: cattrs.Converter) -> Any:
    _resolve(kind)
    structure = made.gen_structure_attrs_fromdict(kind)

    def load(value: Any, _: Any) -> Any:
        if value.__class__ is not dict:
            raise Unfit("an object", value)
        try:
            return structure(value, kind)
        except Exception as error:
            probes = _probes(kind, made)
            raise Faulty(diagnosed(get_origin(kind) or kind, probes, value, error)) from error

    return ours(load)


def _composite_dump(kind: Any, made: cattrs.Converter) -> Any:
    _resolve(kind)
    return ours(made.gen_unstructure_attrs_fromdict(kind))


def _resolve(kind: Any) -> None:
    """Have names in the annotations of *kind* found, also inside others: ``list["Node"]``."""
    if attrs.has(origin := get_origin(kind) or kind):
        attrs.resolve_types(origin)


def _probes(kind: Any, made: cattrs.Converter) -> list[Probe]:
    fields = (
        attrs.fields_dict(get_origin(kind) or kind) if attrs.has(get_origin(kind) or kind) else {}
    )
    return [
        Probe(
            name=part.name,
            key=part.name,
            kind=part.kind,
            load=loader(part.kind, made),
            default=fields[part.name].default if fields else attrs.NOTHING,
        )
        for part in parts_of(kind)
    ]


# -- Enumerations and literals -----------------------------------------------------------------


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def _is_literal(kind: Any) -> bool:
    return get_origin(kind) is Literal


@cache
def _member_load(kind: Any) -> Any:
    if issubclass(kind, Flag):
        return _flag_load(kind)
    members = {_exactly(each.value): each for each in kind}
    # An enumeration may say of unknown values what they are.
    own = any("_missing_" in base.__dict__ for base in kind.__mro__ if base is not Enum)
    missing = kind._missing_ if own else None
    return ours(_choice(called(kind), members, missing))


def _flag_load(kind: Any) -> Any:
    def load(value: Any, _: Any) -> Any:
        try:
            return kind(_integer(value, int))
        except ValueError:
            raise Unfit(called(kind), value) from None

    return ours(load)


@ours
def _member_dump(value: Any) -> Any:
    return value.value


def _literal_load(kind: Any) -> Any:
    members = {_exactly(_literal_dump(each)): each for each in get_args(kind)}
    return ours(_choice(called(kind), members))


@ours
def _literal_dump(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def _choice(
    expected: str, members: dict[Any, Any], missing: Callable[[Any], Any] | None = None
) -> Callable[[Any, Any], Any]:
    def load(value: Any, _: Any) -> Any:
        key = _exactly(value) if isinstance(value, _PLAIN) else None
        found = members.get(key)
        if found is None and missing is not None:
            found = missing(value)
        if found is None and key not in members:
            raise Unfit(expected, value)
        return found

    return load


def _exactly(value: Any) -> tuple[bool, Any]:
    """Return what tells *value* from others as JSON does: ``1`` is ``1.0``, but not ``true``."""
    if not isinstance(value, _PLAIN):
        msg = f"{value!r} is no text and no number: register hooks for its class in a converter"
        raise TypeError(msg)
    return isinstance(value, bool), value


# -- Text and numbers --------------------------------------------------------------------------


def _strict(kind: type[Any]) -> Any:
    """Return what loads a value that JSON has: of *kind*, or of a subclass of it."""
    expected = called(kind)

    @ours
    def load(value: Any, wanted: Any) -> Any:
        if value.__class__ is not kind:
            raise Unfit(expected, value)
        return value if wanted is kind else _subclassed(value, wanted)

    return load


@ours
def _integer(value: Any, wanted: Any) -> Any:
    if value.__class__ is float and value.is_integer():
        value = int(value)  # JSON has one kind of number: 1.0 is 1.
    if value.__class__ is not int:
        raise Unfit("an integer", value)
    return value if wanted is int else _subclassed(value, wanted)


@ours
def _number(value: Any, wanted: Any) -> Any:
    if value.__class__ is not float and value.__class__ is not int:
        raise Unfit("a number", value)
    return value if wanted is float else _subclassed(value, wanted)


def _subclassed(value: Any, wanted: Any) -> Any:
    """Return *value* as *wanted*: a subclass of its type, or something that stands for one."""
    if _is_enum(wanted):
        return _member_load(wanted)(value, wanted)
    return wanted(value) if isinstance(wanted, type) else value


def _based(kind: type[Any], base: Callable[[Any], Any]) -> Any:
    """Return what dumps a value of *kind*; of one of a subclass, what it is *base*."""

    @ours
    def dump(value: Any) -> Any:
        return base(value) if value.__class__ is not kind and isinstance(value, kind) else value

    return dump


@ours
def _same(value: Any) -> Any:
    return value


def _from_text(kind: type[Any], parse: Callable[[Any, str], Any] | None = None) -> Any:
    """Return what loads a *kind* from text."""

    @ours
    def load(value: Any, wanted: Any) -> Any:
        if value.__class__ is not str:
            raise Unfit(f"{called(kind)} as a string", value)
        made = wanted if isinstance(wanted, type) else kind
        try:
            return made(value) if parse is None else parse(made, value)
        except (ValueError, ArithmeticError):
            raise Unfit(called(kind), value) from None

    return load


def _iso(kind: Any, text: str) -> Any:
    return kind.fromisoformat(text)


def _decimal(kind: Any, text: str) -> Any:
    number = kind(text)
    if number.is_nan():
        raise ValueError
    return number


def _as_text(write: Callable[[Any], str]) -> Any:
    @ours
    def dump(value: Any) -> str:
        return write(value)

    return dump


@ours
def _moment(value: Any, wanted: Any) -> Any:
    if value.__class__ is not str:
        raise Unfit("a datetime as a string", value)
    try:
        moment: datetime = _iso(wanted if isinstance(wanted, type) else datetime, value)
    except ValueError:
        raise Unfit("a datetime", value) from None
    if moment.utcoffset() is None:
        raise Unfit("a datetime with an offset from UTC", value, _NAIVE)
    return moment


@ours
def _moment_dump(value: datetime) -> str:
    if value.utcoffset() is None:
        raise ValueError(_NAIVE)
    return value.isoformat()


@ours
def _time_dump(value: time) -> str:
    if value.tzinfo is not None and value.utcoffset() is None:
        msg = "the offset of its time zone depends on the day: give it a fixed one, or none"
        raise ValueError(msg)
    return value.isoformat()


@ours
def _duration(value: Any, _: Any) -> timedelta:
    if value.__class__ is not int and value.__class__ is not float:
        raise Unfit("a number of seconds", value)
    try:
        duration = timedelta(seconds=value)
    except (OverflowError, ValueError):
        raise Unfit("a number of seconds", value, "a timedelta cannot hold that") from None
    if _seconds(duration) != value:
        raise Unfit("a number of seconds", value, "a timedelta has whole microseconds")
    return duration


@ours
def _duration_dump(value: timedelta) -> int | float:
    seconds = _seconds(value)
    try:
        exact = timedelta(seconds=seconds) == value
    except OverflowError:
        exact = False
    if not exact:
        msg = "its seconds are no number that JSON holds exactly; round it to milliseconds"
        raise ValueError(msg)
    return seconds


def _seconds(duration: timedelta) -> int | float:
    """Return the seconds of *duration*: a number, so that a server sorts them."""
    if duration.microseconds:
        return duration.total_seconds()
    return duration.days * 86_400 + duration.seconds


#: Types, and how they are loaded and dumped.
_SCALARS: Final[tuple[tuple[Any, Any, Any], ...]] = (
    (str, _strict(str), _based(str, str.__str__)),
    (bool, _strict(bool), _same),
    (NoneType, _strict(NoneType), _same),
    (int, _integer, _based(int, int.__int__)),
    (float, _number, _based(float, float.__float__)),
    (UUID, _from_text(UUID), _as_text(str)),
    (Decimal, _from_text(Decimal, _decimal), _as_text(str)),
    (date, _from_text(date, _iso), _as_text(date.isoformat)),
    (time, _from_text(time, _iso), _time_dump),
    (datetime, _moment, _moment_dump),
    (timedelta, _duration, _duration_dump),
    (
        bytes,
        _from_text(bytes, lambda kind, text: kind(b85decode(text))),
        _as_text(lambda value: b85encode(value).decode()),
    ),
)
