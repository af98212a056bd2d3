"""The collections that classes are kept in, and what the classes of one have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import NoneType
from typing import Any, Protocol

from attrs import field, frozen

from kinto_orm.client.endpoints.objects import Id
from kinto_orm.client.paths import checked
from kinto_orm.exceptions import InvalidRequest
from kinto_orm.models.binding import unbound
from kinto_orm.models.conditions import Order
from kinto_orm.models.fields import Field
from kinto_orm.models.kinds import base_of_kinds
from kinto_orm.models.layout import SYSTEM, layout_of
from kinto_orm.models.records import Record
from kinto_orm.models.types import is_composite, members_of, models_in, origin_of, plain


class Names(Protocol):
    """What has a bucket and a collection for classes that name none: a client."""

    bucket_name: Id | None
    collection_name: Id | None


def collection_of(model: type[Record], names: Names) -> tuple[str, str]:
    """
    Return the bucket and the collection of *model*.

    Raises:
        TypeError: If it is no class of records, or nothing says where its records are.
        InvalidId: If Kinto does not take the id of one.
    """
    if not (isinstance(model, type) and issubclass(model, Record)):
        msg = f"{model!r} is not a class of records: derive it from Record"
        raise TypeError(msg)
    bucket = names.bucket_name if model._bucket is None else model._bucket
    collection = names.collection_name if model._collection is None else model._collection
    if bucket is None or collection is None:
        missing = "bucket" if bucket is None else "collection"
        msg = f"{model.__name__} has no {missing}: class {model.__name__}(Record, {missing}=…)"
        raise TypeError(msg)
    return checked("bucket", bucket), checked("collection", collection)


def collections_of(models: Iterable[type[Record]], names: Names) -> list[Collection]:
    """Return the collections of *models*, each once; raise what `collection_of` raises."""
    found: dict[tuple[str, str], Collection] = {}
    for model in models:
        where = collection_of(model, names)
        found.setdefault(where, Collection(*where)).models.append(model)
    return list(found.values())


@frozen
class Collection:
    """
    A collection, and the classes of its records.

    Attributes:
        bucket: Id of the bucket.
        id: Id of the collection.
        models: The classes.
    """

    bucket: str
    id: str
    models: list[type[Record]] = field(factory=list[type[Record]])

    def __str__(self) -> str:
        return f"{self.bucket}/{self.id}"

    @property
    def whole(self) -> type[Record]:
        """
        Return the class that stands for all records of the collection.

        Raises:
            InvalidRequest: If there is none.
        """
        bases = [base_of_kinds(model) for model in self.models]
        for base in bases:
            if all(issubclass(model, base) for model in self.models):
                return base
        msg = (
            f"{self._named} are kept in {self}, and nothing tells their records apart: give them a"
            " base with tag_field=, or do without a schema"
        )
        raise InvalidRequest(msg)

    def key(self, given: str | Field[Any]) -> str:
        """
        Return the path in documents that *given* names: ``address.city``.

        Raises:
            InvalidRequest: If no class of the collection has it.
        """
        path = ".".join(given._path) if isinstance(given, Field) else given
        kinds = {kind for model in self.models for kind in _with_kinds(model)}
        if not any(_leads(kind, path.split(".")) for kind in kinds):
            known = sorted({key for kind in kinds for key in _keys(kind)})
            msg = f"{self._named}: there is no {path!r} in documents; they have {', '.join(known)}"
            raise InvalidRequest(msg)
        return path

    def order(self, given: str | Field[Any] | Order) -> str:
        """Return the same of what records are sorted by; a minus stands for the greatest first."""
        if isinstance(given, Order):
            return f"{'-' if given.descending else ''}{self.key(given.field)}"
        if isinstance(given, Field):
            return self.key(given)
        text = given.strip()
        return f"{text[: text.startswith('-')]}{self.key(text.removeprefix('-'))}"

    @property
    def _named(self) -> str:
        return " and ".join(model.__name__ for model in self.models)


def _with_kinds(model: type[Record]) -> Iterator[type[Any]]:
    """Give *model* and its kinds."""
    origin = unbound(model)
    yield origin
    yield from (kind for kind in origin._tags.values() if issubclass(kind, origin))


def _keys(model: type[Any]) -> frozenset[str]:
    """Return the keys that documents of *model* are known to have."""
    return layout_of(model).keys | (SYSTEM if model._is_record else frozenset())


def _leads(model: type[Any], steps: list[str]) -> bool:
    """Tell whether a document of *model* may have something at the end of *steps*."""
    first, *rest = steps
    spec = next((spec for spec in layout_of(model).specs if spec.key == first), None)
    if spec is None or not rest:
        return first in _keys(model) and not rest
    inner = list(models_in(spec.kind))
    return any(_leads(each, rest) for each in inner) if inner else _may_hold(spec.kind)


def _may_hold(kind: Any) -> bool:
    """Tell whether a value of *kind* may be an object, of which nothing more is known."""
    kinds = [plain(member) for member in members_of(kind)]
    return any(
        each is Any or origin_of(each) is dict or is_composite(each) or not isinstance(each, type)
        for each in kinds
        if each is not NoneType
    )
