"""Records as users declare them, and what that may not look like."""

from collections.abc import Mapping
from datetime import date, datetime
from enum import Enum
from typing import Any, Literal, assert_type

import attrs

from attrs import validators

from kinto_orm import Embedded, EmbeddedRecord, Field, JSONPatch, Record, converter, embedded, field
from kinto_orm.embedded import KintoServer


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Point(EmbeddedRecord):
    latitude: Field[float]
    longitude: Field[float]


class Address(EmbeddedRecord):
    city: Field[str]
    zip_code: Field[str] = field(alias="zip", default="")
    point: Embedded[Point | None] = embedded(default=None)


class Shouting:
    """A mixin of methods."""

    title: Field[str]

    def shout(self) -> str:
        return self.title.upper()


class Signed(Record, bucket="work"):
    """A base without a collection."""

    author: Field[str] = field(default="")


class Todo(Shouting, Signed, collection="todos", patch=JSONPatch):
    title: Field[str]
    done: Field[bool] = field(default=False)
    priority: Field[int] = field(default=0, validator=validators.ge(0))
    weight: Field[float] = field(default=1.0)
    tags: Field[list[str]] = field(factory=list)
    counts: Field[dict[str, int]] = field(factory=dict)
    due: Field[date | None] = field(default=None)
    moment: Field[datetime | None] = field(default=None, null=True, key="at")
    colour: Field[Colour] = field(default=Colour.RED)
    kind: Field[Literal["home", "work"]] = field(default="home")
    size: Field[int] = field(default=1, key="size-in-cm")
    source: Field[str] = field(default="", alias="from_")
    anything: Field[Any] = field(default=None)
    address: Embedded[Address]
    office: Embedded[Address | None] = embedded(default=None)
    others: Field[list[Address]] = field(factory=list)
    plain: str = ""
    counted: int = attrs.field(default=0, repr=False)


class Chore(Todo):
    room: Field[str]


class SearchConfig(Record, collection="search", tag_field="recordType"):
    pass


class Engine(SearchConfig, tag="engine"):
    name: Field[str]


class Ordering(SearchConfig, tag="engineOrders"):
    orders: Field[list[str]] = field(factory=list)


class Invoice(Record, collection="invoices", converter=converter()):
    total: Field[complex]


def wrong() -> None:
    class Defaults(Record):
        count: Field[int] = field(default="x")  # E
        names: Field[list[str]] = field(factory=dict)  # E
        home: Embedded[Address] = embedded(default=None)  # E
        plain: int = field(default=0)  # E

    class Options(Record):
        misspelt: Field[int] = field(defualt=0)  # E
        both: Field[list[int]] = field(default=[], factory=list)  # E
        named: Field[int] = field(key=3)  # E

    class Place(Record, bucket=3):  # E
        pass

    class Patch(Record, patch="merge"):  # E
        pass


def made(address: Address) -> None:
    Todo(title="x", address=address)
    Todo(id="x", title="x", address=address, from_="mail", size=3, tags=["a"], plain="p")
    Todo(title="x", address=address, due=date(2025, 1, 1), extra={"colour": "green"})
    Todo(title="x", address=address, office=address, others=[address], kind="work")
    Chore(title="x", address=address, room="kitchen", author="Ann")
    Address(city="Lyon", zip="69001", point=Point(latitude=1.0, longitude=2))
    Engine(name="x")
    Invoice(total=3j)

    Todo(address=address)  # E
    Todo("x", address)  # E
    Todo(title=3, address=address)  # E
    Todo(title="x", address="Lyon")  # E
    Todo(title="x", address=address, tags="a")  # E
    Todo(title="x", address=address, kind="garden")  # E
    Todo(title="x", address=address, nope=1)  # E
    Todo(title="x", address=address, last_modified=3)  # E
    Todo(title="x", address=address, source="mail")  # E
    Todo(title="x", address=address, id=3)  # E
    Chore(title="x", address=address)  # E
    Address(city="Lyon", zip_code="69001")  # E
    Address(id="x", city="Lyon")  # E


def served() -> None:
    """Use the module that is called as the function: both must be there."""
    with KintoServer(storage="postgresql", history=True, paginate_by=5) as server:
        assert_type(server.url, str)
        assert_type(server.auth, tuple[str, str])
    KintoServer(storage="redis")  # E


def as_attrs(todo: Todo) -> Mapping[str, Any]:
    attrs.fields(Todo)
    return attrs.asdict(todo)
