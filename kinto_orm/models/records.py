"""The base classes of what a user declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, dataclass_transform
from uuid import uuid4

import attrs
import cattrs

from kinto_orm.flow.json import copied
from kinto_orm.flow.messages import Document
from kinto_orm.models.binding import bound, revived, unbound
from kinto_orm.models.converters import converter as new_converter
from kinto_orm.models.converters import know_models
from kinto_orm.models.declaring import become_attrs, declared_where, tagged
from kinto_orm.models.fields import Field, embedded, field
from kinto_orm.models.kinds import kind_of
from kinto_orm.models.layout import layout_of, load, load_inside
from kinto_orm.models.links import link
from kinto_orm.models.locations import not_loaded
from kinto_orm.models.naming import Rename, convention
from kinto_orm.models.parts import dump_part
from kinto_orm.models.permissions import GivenPermissions, Permissions, PermissionsAttribute
from kinto_orm.models.policies import OnConflict, checked_policy
from kinto_orm.models.sameness import is_same_json
from kinto_orm.models.specs import Spec
from kinto_orm.models.state import EXTRA, PART, ExtraAttribute
from kinto_orm.models.types import Part, model_of
from kinto_orm.patch_type import PatchType


_MISSING: Final = object()


@dataclass_transform(kw_only_default=True, field_specifiers=(field, embedded, link))
class Model:
    """What `Record` and `EmbeddedRecord` have in common: they are attrs classes kept in JSON."""

    if TYPE_CHECKING:
        __attrs_attrs__: ClassVar[tuple[attrs.Attribute[Any], ...]]

    #: What it was loaded from; None if it was not.
    _document: ClassVar[Document | None] = None
    _extra: ClassVar[None] = None
    #: Whether it has an id; `Record` and `EmbeddedRecord` say so.
    _is_record: ClassVar[bool]
    #: Whether it leaves to this package how records are made, and what attributes they lack.
    _is_ordinary: ClassVar[bool] = True
    _converter: ClassVar[cattrs.Converter] = new_converter()
    _tag: ClassVar[str | None] = None
    _tag_field: ClassVar[str] = ""
    #: The classes of a hierarchy with tags, by tag.
    _tags: ClassVar[dict[Any, type[Any]]] = {}
    #: What makes the keys of fields of their names.
    _rename: ClassVar[Callable[[str], str] | None] = None
    #: The local names where the class was declared, for its annotations.
    _namespace: ClassVar[Mapping[str, Any]] = {}

    def __init_subclass__(
        cls,
        *,
        tag: str | None = None,
        tag_field: str | None = None,
        converter: cattrs.Converter | None = None,
        rename: Rename | None = None,
    ) -> None:
        super().__init_subclass__()
        cls._namespace = declared_where(cls)
        if rename is not None:
            cls._rename = staticmethod(convention(rename))
        if converter is not None:
            know_models(converter)
            cls._converter = converter
        if tag_field is not None:
            cls._tag_field, cls._tags = tag_field, {}
        elif tag is None and cls._tag is not None:
            msg = f"{cls.__name__} is a kind of {cls._tag!r}: give it a tag= of its own"
            raise TypeError(msg)
        cls._tag = tag
        if tag is not None:
            tagged(cls, tag)
        cls._is_ordinary = "__init__" not in cls.__dict__ and _lacks_as_ours(cls)
        become_attrs(cls)

    def evolve(self, **changes: Any) -> Self:
        """
        Return another one with the same values and the same `extra`, but for *changes*.

        It is a copy, of lists and embedded records, too, and was never on the server.

        Args:
            changes: Values by the names that they have in the constructor; those of a record
                may have an `id`, which is kept otherwise.

        Raises:
            TypeError: If there is no such field.
        """
        state, given = self.__dict__, dict[str, Any]()
        fields = [each for each in attrs.fields(type(self)) if each.name != "_permissions"]
        for each in fields:
            if each.init and each.alias not in changes:
                given[each.alias] = deepcopy(getattr(self, each.name))
        other = type(self)(**given, **changes)
        specs = {spec.name for spec in self._specs()}
        for each in fields:
            if not each.init and each.name in specs:
                other.__dict__[each.name] = deepcopy(state[each.name])
        return other

    def __eq__(self, other: object) -> bool:
        """Compare what attrs would; of records that were loaded in part, the same part must be."""
        if other.__class__ is not self.__class__:
            return NotImplemented
        one, two = self.__dict__, other.__dict__
        return all(
            _compared(each, _found(one, each)) == _compared(each, _found(two, each))
            for each in attrs.fields(type(self))
            if each.eq
        )

    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Return the expression that would make it, of what it has loaded."""
        shown = (
            f"{each.name}={(repr if each.repr is True else each.repr)(self.__dict__[each.name])}"
            for each in attrs.fields(type(self))
            if each.repr and each.name in self.__dict__
        )
        return f"{type(self).__name__}({', '.join(shown)})"

    if not TYPE_CHECKING:

        def __getattr__(self, name):  # noqa: ANN001, ANN204
            """Say that a field was not loaded; its value would have been met before."""
            if PART in self.__dict__ and name in {each.name for each in attrs.fields(type(self))}:
                raise not_loaded(self, name)
            msg = f"{type(self).__name__!r} object has no attribute {name!r}"
            raise AttributeError(msg, name=name, obj=self)

    @classmethod
    def json_schema(cls) -> Document:
        """
        Return the JSON Schema (draft 7) of documents of the class, as a collection may have it.

        Of a class with kinds (see *tag*), it is that of all kinds.

        Raises:
            TypeError: If the class is not declared right.
        """
        from kinto_orm.models.schema import json_schema

        return json_schema(cls)

    @classmethod
    def _load(cls, document: Any, kind: Any) -> Any:
        """Return the record inside another that *document* stands for, a *kind* of this."""
        return load_inside(kind, document)

    @classmethod
    def _specs(cls) -> tuple[Spec, ...]:
        """Return how the fields are kept."""
        return layout_of(cls).specs

    @classmethod
    def _linked(cls) -> tuple[Spec, ...]:
        """Return how the fields are kept that have links in them."""
        return layout_of(cls).linked

    @classmethod
    def _parts(cls, kind: Any, document: Any) -> tuple[Part, ...] | None:
        """Return the keys of the *kind* of this that *document* is; None if it is no such kind."""
        try:
            return layout_of(kind_of(kind, document)).parts
        except ValueError:
            return None

    def _dump(self, kind: Any = None) -> Document:
        """Return the document that the record stands for, without ``last_modified``."""
        if kind is not None and model_of(kind) is type(self):
            return layout_of(kind).dump(self)
        return layout_of(type(self)).dump(self)

    def _stands_for(self, written: Any, kind: Any = None) -> bool:
        """Tell whether the record, inside another as a *kind*, certainly is as it is *written*."""
        document: Document | None = self.__dict__.get("_document")
        if document is None or self._is_record:
            return False
        is_generic = kind is not None and model_of(kind) is type(self)
        layout = layout_of(kind if is_generic else type(self))
        is_known = document is written or is_same_json(document, written)
        return is_known and layout.comparison.holds(self, document)


def _lacks_as_ours(model: Any) -> bool:
    """Tell whether *model* leaves to `Model` what attributes are that a record lacks."""
    ours: Any = Model
    return bool(model.__getattr__ is ours.__getattr__)


def _found(state: Mapping[str, Any], attribute: attrs.Attribute[Any]) -> Any:
    """Return the value of a field in the *state* of a record, or what stands for none."""
    if attribute.name == "extra":
        return state.get(EXTRA, _MISSING if PART in state else {})
    return state.get(attribute.name, _MISSING)


def _compared(attribute: attrs.Attribute[Any], value: Any) -> Any:
    """Return what stands for the *value* of a field in comparisons."""
    key: Callable[[Any], Any] | None = getattr(attribute, "eq_key", None)
    return value if key is None or value is _MISSING else key(value)


class EmbeddedRecord(Model):
    """
    A value inside a record: it has no id.

    Attributes:
        extra: Keys of the object that the class does not declare; they survive every save.
    """

    _is_record: ClassVar[bool] = False

    extra: dict[str, Any] = attrs.field(factory=dict, repr=False)

    if TYPE_CHECKING:

        def _itself(self) -> Self: ...  # For `Todo.places["home"].city`: see `Field`.


class Record(Model):
    """
    A record of a Kinto collection.

        class Todo(Record, bucket="work", collection="todos"):
            title: Field[str]
            done: Field[bool] = field(default=False)

    Class keywords:
        bucket: Where its records are; if omitted, the bucket of the session's client.
        collection: In which collection.
        tag_field: The key that tells several kinds of record in one collection apart.
        tag: What that key is for this class.
        converter: A cattrs converter for types of one's own (see `converter`).
        rename: How fields that have no key or alias are called in documents: ``"camelCase"``,
            ``"PascalCase"``, ``"kebab-case"``, or a function of a name.
        patch: How changes are written, if not as the session says.
        on_conflict: What is to become of a record that was changed elsewhere, too, if not what the
            session says (see `Session`).

    A subclass has those of its bases, but for *tag*.

    Attributes:
        id: A uuid, drawn when the record is made, if none is given.
        last_modified: When the server last changed it, in milliseconds since the epoch by its
            clock; None if it was never there.
        extra: Keys of the document that the class does not declare; they survive every save.
        permissions: Who may read and write it (see `Permissions`).
    """

    _is_record: ClassVar[bool] = True
    _held: ClassVar[None] = None
    _part: ClassVar[None] = None
    _bucket: ClassVar[str | None] = None
    _collection: ClassVar[str | None] = None
    _patch: ClassVar[type[PatchType] | None] = None
    #: As a tuple, since a function in a class would become a method.
    _on_conflict: ClassVar[tuple[OnConflict] | None] = None

    id: Field[str] = field(factory=lambda: str(uuid4()))
    last_modified: Field[int | None] = field(default=None, init=False, eq=False)
    extra: dict[str, Any] = attrs.field(factory=dict, repr=False)
    if TYPE_CHECKING:
        permissions: PermissionsAttribute = field(default=None)  # type: ignore[assignment]
    else:
        _permissions: Permissions | None = attrs.field(
            default=None, alias="permissions", repr=False, eq=False
        )
        permissions = PermissionsAttribute()

    def __init_subclass__(
        cls,
        *,
        bucket: str | None = None,
        collection: str | None = None,
        tag_field: str | None = None,
        tag: str | None = None,
        converter: cattrs.Converter | None = None,
        rename: Rename | None = None,
        patch: type[PatchType] | None = None,
        on_conflict: OnConflict | None = None,
    ) -> None:
        if "_origin" in cls.__dict__:
            return  # It is another class, elsewhere (see `at`).
        super().__init_subclass__(tag=tag, tag_field=tag_field, converter=converter, rename=rename)
        if bucket is not None:
            cls._bucket = bucket
        if collection is not None:
            cls._collection = collection
        if patch is not None:
            cls._patch = patch
        if on_conflict is not None:
            cls._on_conflict = (checked_policy(on_conflict),)

    @classmethod
    def at(cls, *, bucket: str | None = None, collection: str | None = None) -> type[Self]:
        """
        Return the same class for records elsewhere: a preview, say, or a staging copy.

            session.query(Todo.at(bucket="preview"))

        Its records are instances of this class, too.  They are equal to those of another place
        only as documents.  The same place gives the same class.

        Args:
            bucket: The bucket; if omitted, the same.
            collection: The collection; if omitted, the same.
        """
        return bound(cls, bucket, collection)

    def copy_to(self, place: type[Self]) -> Self:
        """
        Return a copy of the record for another place, where it is new: it keeps its id.

            session.add(todo.copy_to(Todo.at(bucket="preview")))

        Args:
            place: The class of the record, bound there.

        Raises:
            TypeError: If it is another class.
        """
        if unbound(place) is not unbound(type(self)):
            msg = f"{self!r} is copied to another place, {type(self).__name__}.at(…), not {place!r}"
            raise TypeError(msg)
        copy = object.__new__(place)
        copy.__dict__.update(self.evolve().__dict__)
        return copy

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle a record of a class that is bound elsewhere: its name is not its own."""
        model = type(self)
        if "_origin" not in model.__dict__:
            return super().__reduce_ex__(protocol)
        return revived, (unbound(model), model._bucket, model._collection), self.__dict__

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """
        Return the record that *document* stands for, as if it had been loaded.

        Raises:
            ValidationError: If it does not fit; the error lists every path that is wrong.
        """
        record: Self = load(cls, copied(document))
        return record

    def _dump(self, kind: Any = None) -> Document:
        document = super()._dump(kind)
        return dump_part(self, document) if PART in self.__dict__ else document

    def to_document(self) -> Document:
        """Return the document that the record stands for, as a commit would leave it."""
        document = self._dump()
        if self.last_modified is not None:
            document["last_modified"] = self.last_modified
        return document


# Not as a converter of attrs: with one, setting any attribute of a record would take much longer.
EmbeddedRecord.extra = Record.extra = ExtraAttribute()  # type: ignore[assignment]
Record._permissions = GivenPermissions()  # type: ignore[attr-defined]
