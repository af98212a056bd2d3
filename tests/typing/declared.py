"""Records as users declare them, and what that may not look like."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from functools import cached_property
from typing import Any, ClassVar, Generic, Literal, NewType, TypeVar, assert_type
from uuid import UUID

import attrs

from attrs import validators

from kinto_orm import (
    Conflict,
    Embedded,
    EmbeddedRecord,
    Fault,
    Field,
    JSONPatch,
    Record,
    ValidationError,
    converter,
    embedded,
    field,
)
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


T = TypeVar("T")
Cents = NewType("Cents", int)


class Word(StrEnum):
    YES = "yes"
    NO = "no"


class Box(EmbeddedRecord, Generic[T]):
    content: Field[T]


class Page(Record, Generic[T]):
    items: Field[list[T]]
    first: Embedded[Box[T] | None] = embedded(default=None)


class Numbers(Page[int], collection="numbers"):
    total: Field[int] = field(default=0)


@attrs.define
class Place:
    city: str


class Shape(Record, ABC, tag_field="kind"):
    @property
    @abstractmethod
    def area(self) -> float: ...


class Square(Shape, tag="square", rename="camelCase"):
    unit: ClassVar[str] = "cm"
    side_length: Field[float]

    @property
    def area(self) -> float:
        return self.side_length**2

    @cached_property
    def name(self) -> str:
        return "square"


class Everything(Record, rename=str.upper):
    kind: Field[Literal["all"]] = field(default="all", read_only=True)
    price: Field[Cents] = field(default=Cents(0))
    wait: Field[timedelta] = field(default=timedelta(0))
    hour: Field[time | None] = field(default=None)
    number: Field[Decimal | None] = field(default=None)
    key: Field[UUID | None] = field(default=None)
    words: Field[set[Word]] = field(factory=set)
    row: Field[tuple[int, str]] = field(default=(0, ""))
    by_day: Field[dict[date, Place]] = field(factory=dict)
    either: Field[Place | str | None] = field(default=None)
    boxes: Field[list[Box[datetime]]] = field(factory=list)
    place: Field[Place | None] = field(default=None)
    home: Embedded[Address | None] = embedded(default=None, read_only=True)


def generic(numbers: Numbers, page: Page[str]) -> None:
    assert_type(numbers.items, list[int])
    assert_type(page.items, list[str])
    assert_type(numbers.first, Box[int] | None)
    Numbers(items=[1], first=Box(content=1))
    Page[str](items=["a"])
    Numbers(items=["a"])  # E
    Numbers(items=[1], first=Box(content="a"))  # E


def evolved(everything: Everything, address: Address) -> None:
    assert_type(everything.evolve(price=Cents(3), id="x"), Everything)
    assert_type(address.evolve(city="Lyon"), Address)
    assert_type(Everything.from_document({"id": "x"}), Everything)
    assert_type(everything.kind, Literal["all"])
    assert_type(everything.words, set[Word])
    everything.wait = timedelta(minutes=3)
    everything.boxes.append(Box(content=datetime.now(UTC)))
    everything.by_day[date(2025, 3, 1)] = Place("Lyon")
    everything.wait = 3  # E
    everything.price = 3  # E
    everything.kind = "some"  # E
    everything.words = {"yes"}  # E
    everything.either = 3  # E
    Everything(key="0a6c3a1e-7d0f-4d8e-9a64-3f0f2c6a7b11")  # E
    Square(sideLength=3)  # E
    assert_type(Square(side_length=3).area, float)
    assert_type(Square(side_length=3).name, str)
    Shape()  # E


def faults(error: ValidationError) -> None:
    assert_type(error.faults, tuple[Fault, ...])
    for fault in error.faults:
        assert_type(fault.path, str)
        assert_type(fault.message, str)
        assert_type(fault.expected, str | None)
        assert_type(fault.found, Any)


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
        stays: Field[int] = field(default=0, read_only="yes")  # E

    class Place(Record, bucket=3):  # E
        pass

    class Renamed(Record, rename="snake"):  # E
        pass

    class RenamedInside(EmbeddedRecord, rename=3):  # E
        pass

    class Patch(Record, patch="merge"):  # E
        pass

    class Resolved(Record, on_conflict="mine"):  # E
        pass

    class ResolvedByNumber(Record, on_conflict=as_a_number):  # E
        pass


def resolving() -> None:
    class Merged(Record, collection="todos", on_conflict="merge"):
        pass

    class Decided(Merged, on_conflict=lambda conflict: conflict.remote):
        pass

    assert_type(Decided.from_document({}), Decided)


def as_a_number(conflict: Conflict) -> int:
    return len(conflict.fields)


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
