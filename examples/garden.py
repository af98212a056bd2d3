"""A small collection of our own: plants, of two kinds, and whatever else stands in the garden."""

from __future__ import annotations

from datetime import date

from kinto_orm import Embedded, EmbeddedRecord, Field, Record, field


class Soil(EmbeddedRecord):
    """What a bed is made of."""

    type: Field[str]
    acidity: Field[float] = field(key="ph")


class Bed(EmbeddedRecord):
    """Where something stands."""

    name: Field[str]
    soil: Embedded[Soil]


class Thing(Record, collection="garden", tag_field="kind"):
    """Anything in the garden."""


class Plant(Thing):
    """What grows there."""

    name: Field[str]
    planted: Field[date]
    bed: Embedded[Bed]
    labels: Field[list[str]] = field(factory=list)
    note: Field[str | None] = field(default=None)


class Tree(Plant, tag="tree"):
    """A plant that grows tall."""

    height: Field[float]


class Shrub(Plant, tag="shrub"):
    """A plant that does not."""

    flowers: Field[str | None] = field(default=None)
