"""
What is wrong with a document, looked for when a load failed.

What cattrs compiles says of each key whether its type is right, but calls the constructor only if
all are; and attrs stops at the first validator that is not content.  Here, what remains is
checked, so that all faults of a document are told at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import attrs

from attrs import frozen
from cattrs.errors import ClassValidationError

from kinto_orm.exceptions import ValidationError
from kinto_orm.models.faults import MISSING, Fault, faults_of
from kinto_orm.models.types import called


class Probed(Protocol):
    """What is known of a field whose value may be wrong."""

    @property
    def name(self) -> str:
        """Return the name of its attribute."""
        ...

    @property
    def key(self) -> str:
        """Return its key in documents."""
        ...

    @property
    def kind(self) -> Any:
        """Return its type."""
        ...

    @property
    def load(self) -> Callable[[Any], Any]:
        """Return what makes a value of what a document has."""
        ...

    @property
    def default(self) -> Any:
        """Return its default as attrs has it."""
        ...


@frozen
class Probe:
    """A field of a class of the user's own."""

    name: str
    key: str
    kind: Any
    load: Callable[[Any], Any]
    default: Any


def diagnosed(
    model: type[Any], fields: Sequence[Probed], document: Mapping[str, Any], error: Exception
) -> list[Fault]:
    """Return all faults of *document*, whose load as a *model* failed with *error*."""
    noted: dict[str, Exception] = {}
    if isinstance(error, ClassValidationError):
        noted = {note.name: inner for inner, note in error.group_exceptions()[0]}
    known = {field.name: field for field in fields}
    faults = [
        fault
        for name, inner in noted.items()
        for fault in _of_type(name, known.get(name), document, inner)
    ]
    if attrs.has(model):
        good = [field for field in fields if field.name not in noted]
        faults += _of_values(model, good, document, partial=bool(noted))
    return faults or list(faults_of(error))


def _of_type(
    name: str, field: Probed | None, document: Mapping[str, Any], error: Exception
) -> Iterator[Fault]:
    key = name if field is None else field.key
    if key in document:
        yield from faults_of(error, key)
    else:
        yield Fault(key, MISSING, "a string" if field is None else called(field.kind))


def _of_values(
    model: type[Any], fields: Sequence[Probed], document: Mapping[str, Any], *, partial: bool
) -> Iterator[Fault]:
    """Give what validators and converters say of *fields*, whose types are right."""
    attributes = attrs.fields_dict(model)
    checked = [attributes[field.name] for field in fields]
    if not any(each.validator or each.converter for each in checked):
        return
    record = object.__new__(model)
    for field in fields:
        try:
            value = _value(field, attributes[field.name], document, record)
            object.__setattr__(record, field.name, value)
        except Exception as error:  # noqa: BLE001 (whatever a converter may raise)
            yield from faults_of(error, field.key)
    for field in fields:
        yield from _of_validator(field, attributes[field.name], record, partial=partial)


def _value(
    field: Probed, attribute: attrs.Attribute[Any], document: Mapping[str, Any], record: Any
) -> Any:
    if field.key in document:
        return field.load(document[field.key])
    default: Any = field.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        default = default.factory(record) if default.takes_self else default.factory()
    return converted(attribute, None if default is attrs.NOTHING else default, record)


def converted(attribute: attrs.Attribute[Any], value: Any, record: Any = None) -> Any:
    """Return *value* as attrs gives it to a field of *record*."""
    convert: Any = attribute.converter
    if isinstance(convert, attrs.Converter):  # It may ask for more than the value.
        return convert(value, record, attribute)  # type: ignore[operator]
    return value if convert is None else convert(value)


def _of_validator(
    field: Probed, attribute: attrs.Attribute[Any], record: Any, *, partial: bool
) -> Iterator[Fault]:
    if attribute.validator is None or not hasattr(record, field.name):
        return
    value = getattr(record, field.name)
    try:
        attribute.validator(record, attribute, value)
    except AttributeError as error:
        if not partial:  # Else it may ask for a field that is faulty itself.
            yield Fault(field.key, str(error), found=value)
    except Exception as error:  # noqa: BLE001 (whatever a validator may raise)
        yield Fault(field.key, _first(error), found=value)


def _first(error: Exception) -> str:
    """Return what *error* says: attrs gives its validators' errors more arguments than that."""
    return str(error.args[0]) if error.args else type(error).__name__


def unfit(model: type[Any], document: Any, faults: Iterable[Fault]) -> ValidationError:
    """Return the error that *document* does not fit *model*, since it has these *faults*."""
    faults = tuple(faults)
    ident = document.get("id") if isinstance(document, dict) else None
    listed = "; ".join(map(str, faults))
    return ValidationError(f"{model.__name__} {ident!r} does not fit its class: {listed}", faults)
