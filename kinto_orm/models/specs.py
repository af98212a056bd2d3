"""How a field of a record is kept: under which key, and how its values are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any

import attrs
import cattrs

from attrs import field, frozen
from cattrs.errors import StructureHandlerNotFoundError

from kinto_orm.exceptions import UnsendableValue
from kinto_orm.flow.json import same
from kinto_orm.models.diagnosis import converted
from kinto_orm.models.fields import METADATA
from kinto_orm.models.forms import Form, form_of
from kinto_orm.models.links import link_target
from kinto_orm.models.merging import merged
from kinto_orm.models.sameness import Test, is_verbatim, test_of
from kinto_orm.models.survival import survives
from kinto_orm.models.types import members_of, models_in, origin_of, plain


@frozen(eq=False)
class Spec:
    """
    How a field is kept.

    Attributes:
        name: Of the attribute.
        key: In the document.
        kind: The type of its values.
        dump: Gives a value as JSON; None if it is JSON.
        load: Gives it back.
        form: How many forms a value may have in JSON.
        exact: Whether it has one only.
        default: What a record has that is given none; `NOTHING` if one must be given.
        null: Whether None is kept as null.
        read_only: Whether a value stays what it was.
        links: Whether there are links to other records in it.
        converter: What the values are kept by.
        test: Tells whether a value certainly stands for what is written; None if that takes
            writing it.
        is_verbatim: Whether a value is written as it is, if it is an object out of a document.
    """

    name: str
    key: str
    kind: Any
    dump: Callable[[Any], Any] | None
    load: Callable[[Any], Any]
    form: Form
    default: Any
    null: bool
    read_only: bool
    links: bool
    converter: cattrs.Converter
    test: Test | None
    is_verbatim: bool
    exact: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "exact", self.form is Form.EXACT)  # It is asked for often.

    def encoded(self, value: Any) -> Any:
        """Return *value* as it stands in a document."""
        return value if self.dump is None or value is None else self.dump(value)

    def is_default(self, value: Any, made: Mapping[str, Any]) -> bool:
        """
        Tell whether a missing key may stay so: *value* is the default.

        Args:
            value: The value of the field.
            made: What defaults that were made for this record would be written as, by key.
        """
        if self.key in made:
            return same(made[self.key], self.encoded(value))
        return type(value) is type(self.default) and bool(value == self.default)

    def stands_for(self, value: Any, written: Any) -> bool:
        """Tell whether *value* certainly stands for what is *written*; False says nothing."""
        if value is written and self.is_verbatim:
            return True
        try:
            return self.test is not None and self.test(value, written)
        except Exception:  # noqa: BLE001 (what a test cannot read is not certain)
            return False

    def is_written(self, value: Any, written: Any) -> bool:
        """Tell whether *value* would be written as it is *written*."""
        return same(self.rewritten(written, value, self.encoded(value)), written)

    def rewritten(self, written: Any, value: Any, wire: Any) -> Any:
        """
        Return what shall be *written* instead for *value*, which is *wire* in normal form.

        What means the value already stays as it is; so does what the value says nothing of.

        Raises:
            UnsendableValue: If a value was changed, and its hook writes it as it was.
        """
        if self.exact:
            return written if same(written, wire) else wire
        if same(written, wire) and self.form is not Form.UNKNOWN:
            return written
        try:
            loaded = self.load(written)
            old = self.encoded(loaded)
        except Exception:  # noqa: BLE001 (whatever a user's converter may raise)
            return wire
        if same(old, wire):
            self._check_kept(value, loaded)
            return written
        if not isinstance(wire, (dict, list)):
            return wire
        return self._merged(written, old, wire)

    def _check_kept(self, value: Any, loaded: Any) -> None:
        if self.form is Form.UNKNOWN and not survives(value, loaded, self.converter):
            msg = (
                f"{value!r:.60} would be written as {loaded!r:.60} is, and be lost: have its hook"
                " in the converter write all of it"
            )
            raise UnsendableValue(msg)

    def _merged(self, written: Any, old: Any, wire: Any) -> Any:
        """Return *written* with what changed; *wire* if that would mean something else."""
        try:
            result = merged(written, self._in_order(written, old), wire)
            return result if same(self.encoded(self.load(result)), wire) else wire
        except Exception:  # noqa: BLE001 (whatever a user's converter may raise)
            return wire

    def _in_order(self, written: Any, old: Any) -> Any:
        """Return *old*, the normal form of what is *written*, with a set's items in its order."""
        kinds = [plain(member) for member in members_of(self.kind) if member is not NoneType]
        if isinstance(written, list) and any(origin_of(kind) in (set, frozenset) for kind in kinds):
            return [self.encoded(self.load([item]))[0] for item in written]
        return old


def spec_of(model: type[Any], attribute: attrs.Attribute[Any]) -> Spec:
    """
    Return how a field of *model* is kept, whose *attribute* has its type resolved.

    Raises:
        TypeError: If it is not known how such values are kept.
    """
    kind, converter, options = attribute.type, model._converter, options_of(attribute)
    try:
        # Not from the cache, to which A | B and B | A are one.
        structure = converter.get_structure_hook(kind, cache_result=False)
        dump = converter.unstructure if kind is Any else converter.get_unstructure_hook(kind)
        form = form_of(kind, converter)
    except (StructureHandlerNotFoundError, TypeError, NameError) as error:
        msg = (
            f"{model.__name__}.{attribute.name}: it is not known how {kind} is kept in JSON. Say so"
            f" in a converter (see kinto_orm.converter): {error}"
        )
        raise TypeError(msg) from error

    def load(value: Any) -> Any:
        return converted(attribute, structure(value, kind))

    is_bare = form is Form.EXACT and plain(kind) in (str, int, float, bool)
    return Spec(
        name=attribute.name,
        key=key_of(attribute),
        kind=kind,
        dump=None if is_bare else dump,
        load=load,
        form=form if attribute.converter is None else min(form, Form.LOSSLESS),
        default=attribute.default,
        null=bool(options.get("null")),
        read_only=bool(options.get("read_only")),
        links=link_target(kind) is not None,
        converter=converter,
        test=_test_of(attribute, form, converter),
        is_verbatim=is_bare or (form is Form.EXACT and is_verbatim(kind, converter)),
    )


def _test_of(
    attribute: attrs.Attribute[Any], form: Form, converter: cattrs.Converter
) -> Test | None:
    """Return the test for the values of a field, if it is known how these are read and written."""
    kind = attribute.type
    is_converted = attribute.converter is not None
    if form is Form.UNKNOWN or (form is Form.LOSSLESS and (is_converted or any(models_in(kind)))):
        return None
    return test_of(kind, converter)


def key_of(attribute: attrs.Attribute[Any]) -> str:
    """Return the key of a field in documents."""
    key: str | None = options_of(attribute).get("key")
    return attribute.name if key is None else key


def options_of(attribute: attrs.Attribute[Any]) -> Mapping[str, Any]:
    """Return what attrs has no place for of what was said of a field."""
    options: Mapping[str, Any] = attribute.metadata.get(METADATA, {})
    return options
