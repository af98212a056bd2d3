"""
What loading and committing cost, as calls: a change that makes them slower is found here.

Time is measured by `make bench`, which says more; but no two runs of it say the same.  Calls are
the same on each machine.  A newer Python makes fewer of them, since it has comprehensions inline:
the bounds are those of 3.11.

All of it is done with the records of the benchmarks, and answers come from memory.
"""

from __future__ import annotations

import platform

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import pytest

from benchmarks import steady
from benchmarks.documents import BUCKET, COLLECTION
from benchmarks.people import Person, change
from calls import Calls, counted, listed, of_each, total
from kinto_orm import Client, Session
from kinto_orm.session import events


#: The most calls that each may take.  Beside it, what it took when the bound was set, about 15 %
#: less; if it takes much less now, lower the bound.
BOUNDS = {
    "load: each record": 10.4,  # 9.0
    "commit of nothing: each record": 5.8,  # 5.0
    "commit of nothing after one of all: each record": 16,  # 14.0
    "commit: each change": 464,  # 403
    "plan: each change": 216,  # 187
    "get through a session": 254,  # 221
    "get through a client": 138,  # 120
    "batch of 25 through a client": 4570,  # 3962
}

#: How often JSON is written for 25 changes: each by itself, to be checked, and their batch.
ENCODINGS = 26

_ENCODE = "orjson: dumps"

#: How many records there are, or changes, and how many in the end, where growth is looked at.
SMALL, LARGE = 200, 2000


@pytest.fixture(autouse=True)
def unheard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nobody listen: what other tests listen to is looked for at each record."""
    monkeypatch.setattr(events, "_heard", set())


# -- What is done ------------------------------------------------------------------------------


@cache
def connected(size: int) -> Client:
    """Return the client of a server with *size* records; what was answered once is kept there."""
    return steady.connected(size)


def loading(size: int, page: int | None = None) -> Callable[[], object]:
    """Return what loads *size* records into a new session, in pages of so many."""
    query = Session(connected(size)).query(Person)
    return (query if page is None else query.page_size(page)).all


def planning(changes: int, size: int) -> Callable[[], object]:
    """Return what plans a commit, of so many *changes* of *size* records."""
    return _changed(changes, size).plan


def committing(changes: int, size: int) -> Callable[[], object]:
    """Return what commits so many *changes* of *size* records."""
    return _changed(changes, size).commit


def committing_nothing(size: int) -> Callable[[], object]:
    """Return what commits a session of *size* records, of which none was changed."""
    return _changed(0, size).commit


def committing_again(size: int) -> Callable[[], object]:
    """Return what commits a session of which every record was changed, and committed before."""
    session = _changed(size, size)
    session.commit()
    return session.commit


def getting() -> Callable[[], object]:
    """Return what gets a record through a session."""
    client = connected(SMALL)
    return partial(Session(client).get, Person, _ids(client)[0])


def getting_raw() -> Callable[[], object]:
    """Return what gets a record through a client."""
    client = connected(SMALL)
    ident = _ids(client)[0]
    return partial(client.get_record, id=ident, bucket=BUCKET, collection=COLLECTION)


def patching_many() -> Callable[[], object]:
    """Return what patches 25 records in one batch."""
    client = connected(SMALL)
    ids = _ids(client)[:25]

    def patch() -> None:
        with client.batch(bucket=BUCKET, collection=COLLECTION) as batch:
            for ident in ids:
                batch.patch_record(id=ident, data={"name": "Another"})

    return patch


def _changed(changes: int, size: int) -> Session:
    session, people = steady.loaded(connected(size))
    for number, person in enumerate(people[:changes]):
        change(person, number)
    return session


def _ids(client: Client) -> list[str]:
    return [person.id for person in steady.loaded(client)[1]]


#: What is counted, by its bound.
MEASURED: dict[str, Callable[[], Calls]] = {
    "load: each record": lambda: of_each(loading, SMALL),
    "commit of nothing: each record": lambda: of_each(committing_nothing, SMALL),
    "commit of nothing after one of all: each record": lambda: of_each(committing_again, SMALL),
    "commit: each change": lambda: of_each(partial(committing, size=SMALL), 25),
    "plan: each change": lambda: of_each(partial(planning, size=SMALL), 25),
    "get through a session": lambda: counted(getting),
    "get through a client": lambda: counted(getting_raw),
    "batch of 25 through a client": lambda: counted(patching_many),
}


# -- Tests -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BOUNDS)
def test_calls(name: str) -> None:
    """What is done for each record, and for each request, takes no more calls than it did."""
    calls, bound = MEASURED[name](), BOUNDS[name]
    found, version = total(calls), platform.python_version()
    assert found <= bound, (
        f"{name}: {found:,.2f} calls on Python {version}, where {bound:,} are allowed.\n"
        "Find out which of these are new, and whether they are needed. If they are, raise the"
        " bound, and say why in the commit.\n" + listed(calls)
    )


def test_encodings() -> None:
    """A change is written as JSON once to be checked, and a batch once to be sent."""
    calls = of_each(partial(committing, size=SMALL), 25)
    found = round(calls[_ENCODE] * 25)
    assert found <= ENCODINGS, f"25 changes are written as JSON {found} times\n{listed(calls)}"


@pytest.mark.parametrize("name", BOUNDS)
def test_calls_are_the_same_each_time(name: str) -> None:
    """What is counted depends on nothing else, so that a bound can be close."""
    assert MEASURED[name]() == MEASURED[name]()


@pytest.mark.parametrize(
    "work",
    [
        pytest.param(partial(loading, page=50), id="load"),
        pytest.param(committing_nothing, id="commit of nothing"),
        pytest.param(lambda size: committing(size // 10, size), id="commit"),
    ],
)
def test_growth(work: Callable[[int], Any]) -> None:
    """Ten times as much takes ten times as many calls; of a commit, where a tenth is changed."""
    few, many = of_each(work, SMALL), of_each(work, LARGE)
    assert total(many) == pytest.approx(total(few), rel=0.02), f"{listed(few)}\n\n{listed(many)}"
