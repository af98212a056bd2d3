"""What the tests of sessions keep on a server."""

from __future__ import annotations

from datetime import datetime

from kinto_orm import Embedded, EmbeddedRecord, Field, Record, embedded, field


class Address(EmbeddedRecord):
    """A value inside a record."""

    city: Field[str]
    zip_code: Field[str | None] = field(default=None, key="zip")


class Todo(Record, collection="todos"):
    """Something to do, in the bucket of the client."""

    title: Field[str]
    done: Field[bool] = field(default=False)
    priority: Field[int] = field(default=0)
    tags: Field[list[str]] = field(factory=list)
    due: Field[datetime | None] = field(default=None)
    note: Field[str | None] = field(default=None)
    answer: Field[str | None] = field(default=None, null=True)
    address: Embedded[Address | None] = embedded(default=None)
    stops: Field[list[Address]] = field(factory=list)
