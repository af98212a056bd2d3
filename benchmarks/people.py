"""The records as a user of kinto-orm declares them."""

from __future__ import annotations

from datetime import date

from benchmarks.documents import BUCKET, COLLECTION, Document, fresh
from kinto_orm import Embedded, EmbeddedRecord, Field, Record, embedded, field


class Address(EmbeddedRecord):
    """Where somebody lives."""

    street: Field[str]
    city: Field[str]
    zip_code: Field[str] = field(alias="zip")


class Person(Record, bucket=BUCKET, collection=COLLECTION):
    """Somebody."""

    name: Field[str]
    email: Field[str]
    visits: Field[int] = field(default=0)
    active: Field[bool] = field(default=True)
    score: Field[float] = field(default=0.0)
    notes: Field[str] = field(default="")
    born: Field[date]
    tags: Field[list[str]] = field(factory=list)
    address: Embedded[Address] = embedded()


def change(person: Person, number: int) -> None:
    """Change one leaf of *person*: the same as `benchmarks.documents.changed` does."""
    kind = number % 3
    if kind == 0:
        person.name = f"Renamed {number}"
    elif kind == 1:
        person.address.city = f"Town {number}"
    else:
        person.born = date(2010, 1, number % 28 + 1)


def person(number: int, document: Document) -> Person:
    """Return a new record with what is in *document*."""
    values = fresh(number, document)
    values["address"] = Address(**values["address"])
    values["born"] = date.fromisoformat(values["born"])
    return Person(**values)
