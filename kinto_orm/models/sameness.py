"""
Whether a value certainly stands for what is written of it, found out without writing it again.

Most records of a session are not changed, and a commit looks at all of them.  So a class has a
test for each field, worked out once, which compares a value with the document that it was loaded
from, as they are: much of a document is in the record as the very same objects, and of what is
not, reading costs less than writing does.

A test says "certainly the same", or nothing.  Then the value is written and compared (see
`layout`), which has the last word; a test must never say "the same" where that would not.  It
keeps nothing, so that there is nothing that could be out of date: a list, a dictionary or a record
that was changed in place is another value than what is written, however deep the change is.

Of most kinds, a test shows that what is written is what the value would be written as.  Of others,
such as ``2025-03-01T12:00:00Z``, it shows that both are written the same way; to say so it must be
certain that what is written can be read, and so it looks at the types of values, too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import date, datetime, time, timezone
from decimal import Decimal
from enum import Enum
from operator import is_
from types import NoneType
from typing import Any, Final, Literal, TypeAlias, get_args, get_origin
from uuid import UUID

import cattrs

from kinto_orm.models.forms import is_ours
from kinto_orm.models.links import Link
from kinto_orm.models.types import is_link, is_model, members_of, model_of, origin_of, plain


#: Tells whether a value certainly stands for what is written.
Test: TypeAlias = Callable[[Any, Any], bool]

#: What a decoder makes of text, numbers, and the like.
JSON: Final = frozenset({str, int, float, bool, NoneType})

#: The classes of the values of a type.  A number without a fraction is an integer in JSON.
_CLASSES: Final[dict[Any, frozenset[type[Any]]]] = {
    str: frozenset({str}),
    int: frozenset({int}),
    float: frozenset({float, int}),
    bool: frozenset({bool}),
    NoneType: frozenset({NoneType}),
}


def test_of(kind: Any, converter: cattrs.Converter) -> Test | None:
    """
    Return the test for values of *kind*; None if these must be written to be compared.

    Args:
        kind: A type for which no hook of the user's own reads anything.
        converter: What its values are kept by.
    """
    bare: Any = plain(kind)
    if bare is Any:
        return is_same_json if _keeps_json(converter) else None
    if not is_ours(converter.get_unstructure_hook(kind)):
        return None
    if is_link(bare):
        return _is_same_link
    if is_model(bare):
        return _model_test(bare)
    if (classes := classes_of(kind, converter)) is not None:
        return _scalar_test(classes)
    if len(members := members_of(kind)) > 1:
        return _union_test(members, converter)
    if get_origin(bare) is Literal:
        return _literal_test(get_args(bare))
    if isinstance(bare, type) and issubclass(bare, Enum):
        return _member_test(bare)
    return _SCALARS.get(bare) or _container_test(bare, converter)


def is_verbatim(kind: Any, converter: cattrs.Converter) -> bool:
    """Tell whether *converter* writes any object out of a document as it is, as a *kind*."""
    if plain(kind) is Any:
        return _keeps_json(converter)
    classes = classes_of(kind, converter)
    return classes is not None and int not in classes  # Of True, a hook for int makes 1.


def classes_of(kind: Any, converter: cattrs.Converter) -> frozenset[type[Any]] | None:
    """Return the classes of values of *kind* if all of these are text, numbers, and the like."""
    members = members_of(kind)
    found = [_CLASSES.get(plain(member)) for member in members]
    if None in found or (len(members) > 1 and not _keeps_json(converter)):
        return None
    return frozenset().union(*(classes for classes in found if classes is not None))


def _keeps_json(converter: cattrs.Converter) -> bool:
    """Tell whether *converter* leaves JSON as it is, where a type does not say what a value is."""
    return all(is_ours(converter.get_unstructure_hook(kind)) for kind in (*JSON, list, dict))


# -- JSON --------------------------------------------------------------------------------------


def is_same_json(value: Any, written: Any) -> bool:
    """Tell whether a JSON *value* certainly is what is *written*."""
    kind = value.__class__
    if kind in JSON:
        return value is written or _is_equal(value, written)
    if kind is not written.__class__:
        return False
    if kind is list:
        return len(value) == len(written) and _are_same_json(value, written)
    return (
        kind is dict
        and value.keys() == written.keys()
        and _are_same_json(list(value.values()), [written[key] for key in value])
    )


def _are_same_json(values: Collection[Any], written: Collection[Any]) -> bool:
    return all(map(is_, values, written)) or all(map(is_same_json, values, written))


def _is_equal(value: Any, written: Any) -> bool:
    """Tell whether text, a number or the like is what is *written*: ``1`` is no ``True``."""
    kind, other = value.__class__, written.__class__
    return other in JSON and (kind is bool) is (other is bool) and bool(value == written)


def _scalar_test(classes: frozenset[type[Any]]) -> Test:
    def test(value: Any, written: Any) -> bool:
        return value.__class__ in classes and (value is written or _is_equal(value, written))

    return test


# -- What is text or a number in JSON ----------------------------------------------------------


def _is_same_link(value: Any, written: Any) -> bool:
    return value.__class__ is Link and written.__class__ is str and bool(value == written)


def _literal_test(values: tuple[Any, ...]) -> Test | None:
    known = {(value.__class__, value) for value in values}
    if not all(kind in JSON for kind, _ in known):
        return None

    def test(value: Any, written: Any) -> bool:
        return (value.__class__, value) in known and _is_equal(value, written)

    return test


def _member_test(kind: type[Enum]) -> Test:
    def test(member: Any, written: Any) -> bool:
        if member.__class__ is not kind:
            return False
        value = member.value
        return value.__class__ in JSON and _is_equal(value, written)

    return test


def _is_same_moment(value: Any, written: Any) -> bool:
    """Compare the offset, too: the same moment with another one is written otherwise."""
    read = datetime.fromisoformat(written)
    return (
        value.__class__ is datetime
        and value.tzinfo.__class__ is timezone
        and value == read
        and bool(value.tzinfo == read.tzinfo)
    )


def _is_same_time(value: Any, written: Any) -> bool:
    read = time.fromisoformat(written)
    return (
        value.__class__ is time
        and value.tzinfo.__class__ in (NoneType, timezone)
        and value == read
        and bool(value.tzinfo == read.tzinfo)
    )


def _is_same_date(value: Any, written: Any) -> bool:
    return value.__class__ is date and value == date.fromisoformat(written)


def _is_same_uuid(value: Any, written: Any) -> bool:
    digits = written.replace("-", "").lower()
    return value.__class__ is UUID and f"{value.int:032x}" == digits


def _is_same_decimal(value: Any, written: Any) -> bool:
    if value.__class__ is not Decimal or written.__class__ is not str:
        return False
    read = Decimal(written)
    return value == read and str(value) == str(read)


_SCALARS: Final[dict[Any, Test]] = {
    datetime: _is_same_moment,
    time: _is_same_time,
    date: _is_same_date,
    UUID: _is_same_uuid,
    Decimal: _is_same_decimal,
}


# -- What has others inside --------------------------------------------------------------------


def _model_test(*kinds: Any) -> Test:
    """Return the test for records of several classes, or of one that may be generic."""
    models = tuple(model for kind in kinds if (model := model_of(kind)) is not None)
    generic = None if models == kinds else kinds[0]

    def test(value: Any, written: Any) -> bool:
        return isinstance(value, models) and value._stands_for(written, generic)

    return test


def _union_test(members: tuple[Any, ...], converter: cattrs.Converter) -> Test | None:
    """Return the test for what may be None, or for records of several classes."""
    kinds = [plain(member) for member in members if plain(member) is not NoneType]
    tests = [test_of(member, converter) for member in members if plain(member) is not NoneType]
    if None not in tests and all(isinstance(kind, type) and is_model(kind) for kind in kinds):
        return _optional_test(_model_test(*kinds))
    # Else, which member a value is depends on more than its class.
    return _optional_test(tests[0]) if len(tests) == 1 and tests[0] is not None else None


def _optional_test(inner: Test) -> Test:
    def test(value: Any, written: Any) -> bool:
        return written is None if value is None else inner(value, written)

    return test


def _container_test(kind: Any, converter: cattrs.Converter) -> Test | None:
    origin, arguments = origin_of(kind), get_args(kind)
    if origin is tuple and arguments and Ellipsis not in arguments:
        return _row_test([test_of(each, converter) for each in arguments])
    if origin is dict:
        key, item = arguments or (str, Any)
        return _dict_test(item, converter) if plain(key) is str else None
    item = arguments[0] if arguments else Any
    if origin in (set, frozenset):
        return _set_test(origin, classes_of(item, converter))
    is_list = origin is list or (origin is tuple and arguments)
    return _list_test(origin, item, converter) if is_list else None


def _items_test(item: Any, converter: cattrs.Converter) -> Test | None:
    """Return the test for as many items as there are written, in their order."""
    inner, classes = test_of(item, converter), classes_of(item, converter)
    if inner is None:
        return None
    if plain(item) is Any:
        return _are_same_json
    if classes is None:
        return lambda values, written: all(map(inner, values, written))

    def test(values: Any, written: Any) -> bool:
        # Text and numbers are the same objects there and here, unless they were written since.
        are_same = all(map(is_, values, written)) and classes.issuperset(map(type, values))
        return are_same or all(map(inner, values, written))

    return test


def _list_test(origin: Any, item: Any, converter: cattrs.Converter) -> Test | None:
    inner = _items_test(item, converter)
    if inner is None:
        return None

    def test(value: Any, written: Any) -> bool:
        return (
            value.__class__ is origin
            and written.__class__ is list
            and len(value) == len(written)
            and inner(value, written)
        )

    return test


def _row_test(tests: list[Test | None]) -> Test | None:
    inner = [test for test in tests if test is not None]
    if len(inner) != len(tests):
        return None

    def test(value: Any, written: Any) -> bool:
        return (
            value.__class__ is tuple
            and written.__class__ is list
            and len(value) == len(written) == len(inner)
            and all(test(*pair) for test, *pair in zip(inner, value, written, strict=True))
        )

    return test


def _set_test(origin: Any, classes: frozenset[type[Any]] | None) -> Test | None:
    if classes is None or (bool in classes and len(classes) > 1):
        return None  # A set takes 1 for True.

    def test(value: Any, written: Any) -> bool:
        return (
            value.__class__ is origin
            and written.__class__ is list
            and classes.issuperset(map(type, value))
            and classes.issuperset(map(type, written))
            and bool(value == set(written))
        )

    return test


def _dict_test(item: Any, converter: cattrs.Converter) -> Test | None:
    inner = _items_test(item, converter)
    if inner is None:
        return None

    def test(value: Any, written: Any) -> bool:
        return (
            value.__class__ is dict
            and written.__class__ is dict
            and value.keys() == written.keys()
            and inner(list(value.values()), [written[key] for key in value])
        )

    return test
