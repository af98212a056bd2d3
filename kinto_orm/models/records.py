"""The base classes of what a user declares."""

from __future__ import annotations

import inspect
import sys

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, dataclass_transform, get_args, get_origin
from uuid import uuid4

import attrs
import cattrs

from kinto_orm.flow.json import copied
from kinto_orm.flow.messages import Document
from kinto_orm.models.binding import bound, origin_of, revived
from kinto_orm.models.converters import converter as new_converter
from kinto_orm.models.converters import know_models
from kinto_orm.models.fields import METADATA, Embedded, Field, embedded, field
from kinto_orm.models.layout import layout_of, load, load_inside
from kinto_orm.models.links import Link, LinkField, are_links, link
from kinto_orm.models.locations import not_loaded
from kinto_orm.models.parts import PART, dump_part
from kinto_orm.models.permissions import Permissions, PermissionsAttribute, given_permissions
from kinto_orm.patch_type import PatchType


@dataclass_transform(kw_only_default=True, field_specifiers=(field, embedded, link))
class Model:
    """What `Record` and `EmbeddedRecord` have in common: they are attrs classes kept in JSON."""

    if TYPE_CHECKING:
        __attrs_attrs__: ClassVar[tuple[attrs.Attribute[Any], ...]]

    _is_record: ClassVar[bool] = False
    _converter: ClassVar[cattrs.Converter] = new_converter()
    _tag: ClassVar[str | None] = None
    _tag_field: ClassVar[str] = ""
    #: The classes of a hierarchy with tags, by tag.
    _tags: ClassVar[dict[Any, type[Any]]] = {}
    #: The local names where the class was declared, for its annotations.
    _namespace: ClassVar[Mapping[str, Any]] = {}

    def __init_subclass__(
        cls,
        *,
        tag: str | None = None,
        tag_field: str | None = None,
        converter: cattrs.Converter | None = None,
    ) -> None:
        super().__init_subclass__()
        cls._namespace = _declared_where(cls)
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
            _tagged(cls, tag)
        _become_attrs(cls)

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
    def _load(cls, document: Any) -> Any:
        """Return the record inside another that *document* stands for."""
        return load_inside(cls, document)

    def _dump(self) -> Document:
        """Return the document that the record stands for, without ``last_modified``."""
        return layout_of(type(self)).dump(self)


def _declared_where(cls: type[Any]) -> Mapping[str, Any]:
    """Return the local names where *cls* is declared, which its annotations may use."""
    if "<locals>" not in cls.__qualname__:
        return {}
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__name__") != cls.__module__:
        frame = frame.f_back
    # Types only: other values would live as long as the class does.
    return {name: value for name, value in frame.f_locals.items() if _is_type(value)}


def _is_type(value: object) -> bool:
    return isinstance(value, type) or type(value).__module__ in ("typing", "types")


def _tagged(cls: type[Any], tag: str) -> None:
    if not cls._tag_field:
        msg = f"{cls.__name__} has tag={tag!r}, but no base says in which key: give it tag_field="
        raise TypeError(msg)
    if (other := cls._tags.setdefault(tag, cls)) is not cls:
        msg = f"{cls.__name__} and {other.__name__} both have {tag=}"
        raise TypeError(msg)


def _become_attrs(cls: type[Any]) -> None:
    """Make *cls* an attrs class, whose fields are expressions on the class."""
    wrapped = {name: _unwrapped(hint) for name, hint in inspect.get_annotations(cls).items()}
    cls.__annotations__ = {name: inner for name, (_, inner) in wrapped.items()}
    links = frozenset(name for name, (wrapper, _) in wrapped.items() if wrapper is LinkField)
    attrs.define(cls, slots=False, kw_only=True, repr=False, field_transformer=are_links(links))
    for name, (wrapper, _) in wrapped.items():
        if wrapper is not None:
            if name.startswith("_"):
                msg = f"{cls.__name__}.{name}: the name of a field cannot begin with an underscore"
                raise TypeError(msg)
            options = getattr(attrs.fields(cls), name).metadata.get(METADATA, {})
            setattr(cls, name, wrapper(cls, name, (options.get("key") or name,)))


def _unwrapped(hint: Any) -> tuple[type[Any] | None, Any]:
    """
    Take ``Field[str]`` apart, into `Field` and ``str``.

    A hint that is a string is not evaluated, so that a class may name another that is declared
    later.
    """
    wrappers: dict[str, type[Any]] = {"Field": Field, "Embedded": Embedded}
    if not isinstance(hint, str):
        origin = get_origin(hint)
        if origin is Link:
            return LinkField, hint  # A link is a type, too.
        return (origin, get_args(hint)[0]) if origin in wrappers.values() else (None, hint)
    name, bracket, inner = hint.strip().partition("[")
    if (name := name.rpartition(".")[2]) == "Link" and bracket:
        return LinkField, hint
    wrapper = wrappers.get(name)
    return (wrapper, inner.removesuffix("]")) if wrapper and bracket else (None, hint)


class EmbeddedRecord(Model):
    """
    A value inside a record: it has no id.

    Attributes:
        extra: Keys of the object that the class does not declare; they survive every save.
    """

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
        patch: How changes are written, if not as the session says.

    A subclass has those of its bases, but for *tag*.

    Attributes:
        id: A uuid, drawn when the record is made, if none is given.
        last_modified: When the server last changed it, in milliseconds since the epoch by its
            clock; None if it was never there.
        extra: Keys of the document that the class does not declare; they survive every save.
        permissions: Who may read and write it (see `Permissions`).
    """

    _is_record: ClassVar[bool] = True
    _bucket: ClassVar[str | None] = None
    _collection: ClassVar[str | None] = None
    _patch: ClassVar[type[PatchType] | None] = None

    id: Field[str] = field(factory=lambda: str(uuid4()))
    last_modified: Field[int | None] = field(default=None, init=False, eq=False)
    extra: dict[str, Any] = attrs.field(factory=dict, repr=False)
    if TYPE_CHECKING:
        permissions: PermissionsAttribute = field(default=None)  # type: ignore[assignment]
    else:
        _permissions: Permissions | None = attrs.field(
            default=None, alias="permissions", converter=given_permissions, repr=False, eq=False
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
        patch: type[PatchType] | None = None,
    ) -> None:
        if "_origin" in cls.__dict__:
            return  # It is another class, elsewhere (see `at`).
        super().__init_subclass__(tag=tag, tag_field=tag_field, converter=converter)
        if bucket is not None:
            cls._bucket = bucket
        if collection is not None:
            cls._collection = collection
        if patch is not None:
            cls._patch = patch

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

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle a record of a class that is bound elsewhere: its name is not its own."""
        model = type(self)
        if "_origin" not in model.__dict__:
            return super().__reduce_ex__(protocol)
        return revived, (origin_of(model), model._bucket, model._collection), self.__dict__

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """
        Return the record that *document* stands for, as if it had been loaded.

        Raises:
            ValidationError: If it does not fit; the error lists every path that is wrong.
        """
        record: Self = load(cls, copied(document))
        return record

    def _dump(self) -> Document:
        document = super()._dump()
        return dump_part(self, document) if PART in self.__dict__ else document

    def to_document(self) -> Document:
        """Return the document that the record stands for, as a commit would leave it."""
        document = self._dump()
        if self.last_modified is not None:
            document["last_modified"] = self.last_modified
        return document
