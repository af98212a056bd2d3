"""
What is wrong with a document, looked for when a load failed.

What cattrs compiles says of each key whether its type is right, but calls the constructor only if
all are; and attrs stops at the first validator that is not content.  Here, what remains is
checked, so that all faults of a document are told at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from cattrs.errors import ClassValidationError

from kinto_orm.models.faults import MISSING, Fault, faults_of
from kinto_orm.models.types import called


if TYPE_CHECKING:
    from kinto_orm.models.layout import Layout
    from kinto_orm.models.specs import Spec


def diagnosed(layout: Layout, document: Mapping[str, Any], error: Exception) -> list[Fault]:
    """Return all faults of *document*, whose load failed with *error*."""
    noted: dict[str, Exception] = {}
    if isinstance(error, ClassValidationError):
        noted = {note.name: inner for inner, note in error.group_exceptions()[0]}
    specs = {spec.name: spec for spec in layout.specs}
    faults = [
        fault
        for name, inner in noted.items()
        for fault in _of_type(name, specs.get(name), document, inner)
    ]
    faults += _of_values(layout, document, noted)
    return faults or list(faults_of(error))


def _of_type(
    name: str, spec: Spec | None, document: Mapping[str, Any], error: Exception
) -> Iterator[Fault]:
    key = name if spec is None else spec.key
    if key in document:
        yield from faults_of(error, key)
    else:
        yield Fault(key, MISSING, "a string" if spec is None else called(spec.kind))


def _of_values(
    layout: Layout, document: Mapping[str, Any], bad: Mapping[str, Any]
) -> Iterator[Fault]:
    """Give what the validators and converters of the fields say that are not *bad* already."""
    record = object.__new__(layout.model)
    fields = attrs.fields_dict(layout.model)
    specs = [spec for spec in layout.specs if spec.name not in bad]
    if all(fields[spec.name].validator is fields[spec.name].converter is None for spec in specs):
        return
    for spec in specs:
        try:
            record.__dict__[spec.name] = _value(spec, fields[spec.name], document, record)
        except Exception as error:  # noqa: BLE001 (whatever a converter may raise)
            yield from faults_of(error, spec.key)
    for spec in specs:
        yield from _of_validator(spec, fields[spec.name], record, partial=bool(bad))


def _value(
    spec: Spec, field: attrs.Attribute[Any], document: Mapping[str, Any], record: Any
) -> Any:
    if spec.key in document:
        return spec.load(document[spec.key])
    default: Any = spec.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        default = default.factory(record) if default.takes_self else default.factory()
    return converted(field, None if default is attrs.NOTHING else default, record)


def converted(field: attrs.Attribute[Any], value: Any, record: Any = None) -> Any:
    """Return *value* as attrs gives it to *field* of *record*."""
    convert: Any = field.converter
    if isinstance(convert, attrs.Converter):  # It may ask for more than the value.
        return convert(value, record, field)  # type: ignore[operator]
    return value if convert is None else convert(value)


def _of_validator(
    spec: Spec, field: attrs.Attribute[Any], record: Any, *, partial: bool
) -> Iterator[Fault]:
    if field.validator is None or spec.name not in record.__dict__:
        return
    value = record.__dict__[spec.name]
    try:
        field.validator(record, field, value)
    except AttributeError as error:
        if not partial:  # Else it may ask for a field that is faulty itself.
            yield Fault(spec.key, str(error), found=value)
    except Exception as error:  # noqa: BLE001 (whatever a validator may raise)
        yield Fault(spec.key, _first(error), found=value)


def _first(error: Exception) -> str:
    """Return what *error* says: attrs gives its validators' errors more arguments than that."""
    return str(error.args[0]) if error.args else type(error).__name__
