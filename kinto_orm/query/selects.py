"""What a query asks for, as a value."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import attrs

from attrs import field, frozen

from kinto_orm.exceptions import InvalidRequest, UnsupportedQuery
from kinto_orm.models.binding import unbound
from kinto_orm.models.conditions import Condition, Order
from kinto_orm.models.fields import Field
from kinto_orm.models.kinds import base_of_kinds
from kinto_orm.models.layout import layout_of
from kinto_orm.models.records import Record
from kinto_orm.query.encoding import distinct, encoded, is_hopeless, sorting
from kinto_orm.transport.params import listed


#: What becomes of documents that do not fit the class.
OnInvalid: TypeAlias = Literal["raise", "skip", "keep"]

#: Filters with which tombstones appear (T5).
_MOMENTS: Final = frozenset(
    (
        "_since",
        "_before",
        *(f"{each}_last_modified" for each in ("eq", "not", "lt", "max", "gt", "min")),
    )
)

#: The keys that each document has, asked for or not (F8).
_ALWAYS: Final = frozenset({"id", "last_modified"})


def _places(fields: tuple[Field[Any], ...]) -> tuple[Any, ...]:
    """Return what tells *fields* apart, which cannot be compared: that makes a condition."""
    return tuple((each._owner, each._path) for each in fields)


@frozen(kw_only=True)
class Select:
    """
    What to look for, and how.

    Attributes:
        model: The class of the records.
        conditions: What they must fulfil, all of it.
        orders: What they are sorted by.
        limit: How many at the most.
        only: The names of the fields to load; None for all.
        since: Only what was changed after that, in milliseconds since the epoch.
        before: Only what was changed before that.
        deleted: Whether tombstones are asked for.
        page_size: How many in a page.
        tracked: Whether the session keeps what is found.
        snapshot: Whether all pages must be of one moment.
        on_invalid: What becomes of documents that do not fit.
        links: The fields whose links are loaded.
    """

    model: type[Any]
    conditions: tuple[Condition, ...] = ()
    orders: tuple[Order, ...] = ()
    limit: int | None = None
    only: frozenset[str] | None = None
    since: int | None = None
    before: int | None = None
    deleted: bool = False
    page_size: int | None = None
    tracked: bool = True
    snapshot: bool = False
    on_invalid: OnInvalid = "raise"
    links: tuple[Field[Any], ...] = field(default=(), eq=_places)

    @property
    def part(self) -> frozenset[str] | None:
        """Return the names of the fields to load, links to be followed included; None for all."""
        if self.only is None:
            return None
        own = unbound(self.model)
        return self.only | {each._name for each in self.links if issubclass(own, each._owner)}

    @property
    def hopeless(self) -> bool:
        """Tell whether nothing can match, so that the server need not be asked."""
        return any(map(is_hopeless, self.conditions)) or _tags(self.model) == []

    def counting(self) -> list[tuple[str, str]]:
        """Return the query string of the request that counts."""
        return self._filters()

    def params(self) -> list[tuple[str, str]]:
        """Return the query string of the request for the first page."""
        params = self._filters()
        params.append(("_sort", sorting(self.orders)))
        if self.part is not None:
            params.append(("_fields", ",".join(self._fields())))
        sizes = [size for size in (self.limit, self.page_size) if size is not None]
        if sizes:
            params.append(("_limit", str(min(sizes))))
        return params

    def _filters(self) -> list[tuple[str, str]]:
        tags = _tags(self.model)
        filters = encoded(self.conditions, self.model)
        if tags is not None:
            filters.append((f"in_{self.model._tag_field}", listed(tags)))
        if self.deleted:
            self._check_deleted(filters)
        since = 0 if self.deleted and self.since is self.before is None else self.since
        if since is not None:
            filters.append(("_since", f'"{since}"'))
        if self.before is not None:
            filters.append(("_before", f'"{self.before}"'))
        if any(name.strip() in _MOMENTS for name, _ in filters):
            self._check_flag()
            if not self.deleted:
                filters.append(("not_deleted", "true"))  # Tombstones would come with it (T5).
        return distinct(filters)

    def _check_flag(self) -> None:
        """Refuse moments where a live record may look like a tombstone."""
        kinds = [self.model, *(each for each in self.model._tags.values())]
        if any("deleted" in layout_of(each).declared for each in kinds):
            msg = (
                f"{self.model.__name__} has a key 'deleted', by which Kinto tells tombstones in"
                " lists by time: its records could not be told from these. Read all of them, and"
                " compare last_modified here"
            )
            raise UnsupportedQuery(msg)

    def _check_deleted(self, filters: list[tuple[str, str]]) -> None:
        """Refuse what would hide tombstones: these have no fields (T5)."""
        names = [name.strip().partition("_")[2] for name, _ in filters]
        hiding = [name for name in names if name not in _ALWAYS]
        if hiding:
            tagged = _tags(self.model) is not None
            remedy = f"query({base_of_kinds(self.model).__name__})" if tagged else "no filter"
            msg = (
                f"with_deleted() together with a filter on {', '.join(hiding)} would find no"
                f" tombstone, since these have no fields: use {remedy}, and compare here"
            )
            raise UnsupportedQuery(msg)

    def _fields(self) -> list[str]:
        assert self.part is not None
        specs = {spec.name: spec.key for spec in layout_of(self.model).specs}
        keys = sorted(specs[name] for name in self.part)
        if wrong := [key for key in keys if "." in key or "," in key]:
            msg = (
                f"only() cannot ask for {', '.join(map(repr, wrong))} of {self.model.__name__}:"
                " Kinto takes dots and commas for what is between names (F8). Read whole records"
            )
            raise UnsupportedQuery(msg)
        if self.model._tag_field:
            keys.append(self.model._tag_field)
        if self.deleted:
            keys.append("deleted")  # Without it, tombstones would look alive (T5).
        return keys or ["id"]

    def __str__(self) -> str:
        """Return it as the Python expression that makes it."""
        parts = [f"query({self.model.__name__})"]
        if self.conditions:
            parts.append(f"filter({', '.join(map(repr, self.conditions))})")
        if self.orders:
            parts.append(f"order_by({', '.join(map(repr, self.orders))})")
        if self.only is not None:
            names = [f"{self.model.__name__}.{name}" for name in sorted(self.only)]
            parts.append(f"only({', '.join(names)})")
        if self.links:
            parts.append(f"include({', '.join(_named(link) for link in self.links)})")
        parts += [
            f"{name}({value})"
            for name in ("since", "before", "limit", "page_size")
            if (value := getattr(self, name)) is not None
        ]
        flags = {
            "with_deleted()": self.deleted,
            "untracked()": not self.tracked,
            "snapshot()": self.snapshot,
            f"on_invalid({self.on_invalid!r})": self.on_invalid != "raise",
        }
        parts += [name for name, said in flags.items() if said]
        return ".".join(parts)

    def url(self, path: str) -> str:
        """Return the URL of the first page, below the root of the API, not percent-encoded."""
        try:
            query = "&".join(f"{name}={value}" for name, value in self.params())
        except InvalidRequest as error:
            return f"{path}, which cannot be asked: {error}"
        return f"{path}?{query}"

    def with_(self, **changes: Any) -> Select:
        """Return one with *changes*."""
        return attrs.evolve(self, **changes)


def _named(field: Field[Any]) -> str:
    return f"{field._owner.__name__}.{field._name}"


def _tags(model: type[Record]) -> list[Any] | None:
    """Return the tags of the records of *model*, if it shares its collection with other kinds."""
    model = unbound(model)
    if not model._tag_field or "_tags" in vars(model):
        return None  # No kinds, or the base of them all.
    return [tag for tag, kind in model._tags.items() if issubclass(kind, model)]
