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
from kinto_orm.models.converters import converter as new_converter
from kinto_orm.models.converters import know_models
from kinto_orm.models.fields import METADATA, Embedded, Field, embedded, field
from kinto_orm.models.layout import layout_of, load, load_inside
from kinto_orm.models.schema import json_schema
from kinto_orm.patch_type import PatchType


@dataclass_transform(kw_only_default=True, field_specifiers=(field, embedded))
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

    @classmethod
    def json_schema(cls) -> Document:
        """
        Return the JSON Schema (draft 7) of documents of the class, as a collection may have it.

        Of a class with kinds (see *tag*), it is that of all kinds.

        Raises:
            TypeError: If the class is not declared right.
        """
        return json_schema(cls)

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
    attrs.define(cls, slots=False, kw_only=True)
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
        return (origin, get_args(hint)[0]) if origin in wrappers.values() else (None, hint)
    name, bracket, inner = hint.strip().partition("[")
    wrapper = wrappers.get(name.rpartition(".")[2])
    return (wrapper, inner.removesuffix("]")) if wrapper and bracket else (None, hint)


class EmbeddedRecord(Model):
    """
    A value inside a record: it has no id.

    Attributes:
        extra: Keys of the object that the class does not declare; they survive every save.
    """

    extra: dict[str, Any] = attrs.field(factory=dict, repr=False)


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
    """

    _is_record: ClassVar[bool] = True
    _bucket: ClassVar[str | None] = None
    _collection: ClassVar[str | None] = None
    _patch: ClassVar[type[PatchType] | None] = None

    id: Field[str] = field(factory=lambda: str(uuid4()))
    last_modified: Field[int | None] = field(default=None, init=False, eq=False)
    extra: dict[str, Any] = attrs.field(factory=dict, repr=False)

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
        super().__init_subclass__(tag=tag, tag_field=tag_field, converter=converter)
        if bucket is not None:
            cls._bucket = bucket
        if collection is not None:
            cls._collection = collection
        if patch is not None:
            cls._patch = patch

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """
        Return the record that *document* stands for, as if it had been loaded.

        Raises:
            ValidationError: If it does not fit; the error lists every path that is wrong.
        """
        record: Self = load(cls, copied(document))
        return record

    def to_document(self) -> Document:
        """Return the document that the record stands for, as a commit would leave it."""
        document = self._dump()
        if self.last_modified is not None:
            document["last_modified"] = self.last_modified
        return document
