"""What a server makes of what it is sent."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from apps import APART, App
from faults import FaultProxy
from kinto_orm import Embedded, EmbeddedRecord, Field, Record, converter, embedded, field


APPS = APART


#: A float that Kinto keeps as another one, like a tenth of those with so many digits.
ODD = 924.0089050268617


class Point(EmbeddedRecord):
    """An object inside."""

    x: Field[float]


class Measure(Record, collection="todos"):
    """A record of floats."""

    value: Field[float]
    values: Field[list[float]] = field(factory=list)
    point: Embedded[Point | None] = embedded(default=None)
    note: Field[str | None] = field(default=None)


def measure() -> Measure:
    """Return a record that the server changes."""
    return Measure(id="m", value=ODD, values=[ODD, 1.5], point=Point(x=ODD), extra={"more": [ODD]})


class Blob(dict[str, Any]):
    """An object whose hook writes it as itself."""


blobs = converter()
blobs.register_structure_hook(Blob, lambda value, _: Blob(value))
blobs.register_unstructure_hook(Blob, lambda value: value)


class Held(Record, collection="todos", converter=blobs):
    """A record of what can be changed in place."""

    blob: Field[Blob] = field(factory=Blob)
    anything: Field[Any] = field(default=None)
    lists: Field[dict[str, list[int]]] = field(factory=dict)
    note: Field[str | None] = field(default=None)


@pytest.mark.parametrize("count", [1, 2])
def test_changes_in_place_after_a_write(app: App, count: int) -> None:
    """What was written is no part of the record: later changes in place are written, each time."""
    session = app.session()
    mine = Held(id="h", blob=Blob(n=0), anything={"a": [0]}, lists={"l": [0]}, extra={"e": [0]})
    session.add_all([mine, Held(id="other")][:count])
    session.commit()
    for number in range(1, 4):
        mine.blob["n"] = mine.anything["a"][0] = mine.lists["l"][0] = number
        mine.extra["e"][0] = number
        assert session.dirty == (mine,)
        session.commit()
        stored = app.stored()["h"]
        assert [stored["blob"]["n"], stored["anything"]["a"], stored["lists"]["l"]] == [
            number,
            [number],
            [number],
        ]
        assert stored["e"] == [number]
        assert not session.dirty


@pytest.mark.parametrize("count", [1, 2])
def test_floats_of_many_digits(app: App, count: int) -> None:
    """What Kinto rounded is what the record has afterwards: it is not dirty for ever."""
    session = app.session()
    mine = measure()
    session.add_all([mine, Measure(id="other", value=1.5)][:count])
    session.commit()
    assert mine.to_document() == app.stored()["m"]
    assert mine.value == pytest.approx(ODD, rel=1e-15)
    assert not session.dirty
    mine.value, mine.point.x = ODD + 1, ODD + 2  # type: ignore[union-attr]
    session.commit()
    assert mine.to_document() == app.stored()["m"]
    assert session.plan().chunks == ()


def test_what_is_held_stays(app: App) -> None:
    """Lists and embedded records that were rounded inside are the same objects as before."""
    session = app.session()
    mine = measure()
    values, point, more = mine.values, mine.point, mine.extra["more"]
    session.add(mine)
    session.commit()
    assert (mine.values is values, mine.point is point) == (True, True)
    assert mine.extra["more"] is more
    values.append(7.0)
    assert point is not None
    point.x = 8.0
    session.commit()
    assert app.stored()["m"]["values"][2] == 7.0
    assert app.stored()["m"]["point"] == {"x": 8.0}


@attrs.define
class Stop:
    """An object of a class of the user's own."""

    city: str
    number: int = 0


class Place(EmbeddedRecord):
    """An embedded record with such an object in it."""

    name: Field[str]
    stop: Field[Stop]


class Tour(Record, collection="todos"):
    """Places in an order."""

    title: Field[str] = field(default="")
    places: Field[list[Place]] = field(factory=list)


def test_what_moved_meanwhile_keeps_its_own(app: App) -> None:
    """Embedded records that were moved before the answer came keep their undeclared keys."""
    app.create(
        [
            {
                "id": "t",
                "places": [
                    {"name": "A", "stop": {"city": "a", "secret": "of A"}},
                    {"name": "B", "stop": {"city": "b", "secret": "of B"}},
                ],
            }
        ]
    )
    client: Any = app.client()
    session = app.session(client)
    tour = session.get(Tour, "t")
    perform = client._port.perform

    def moved(step: Any) -> Any:
        if step.method == "PATCH":
            tour.places.reverse()
            tour.places.insert(0, Place(name="N", stop=Stop("n")))
            tour.places[1].stop.number = 5
        return perform(step)

    client._port.perform = moved
    tour.title = "changed"
    session.commit()
    client._port.perform = perform
    session.commit()
    assert app.stored()["t"]["places"] == [
        {"name": "N", "stop": {"city": "n", "number": 0}},
        {"name": "B", "stop": {"city": "b", "secret": "of B", "number": 5}},
        {"name": "A", "stop": {"city": "a", "secret": "of A"}},
    ]


def test_deleted_and_added_again(app: App) -> None:
    """A record that is created again has what it had, undeclared keys inside values included."""

    class Route(Record, collection="todos"):
        title: Field[str]
        stops: Field[list[Stop]] = field(factory=list)

    document = {"id": "r", "title": "x", "stops": [{"city": "a", "platform": 4}], "schema": "mine"}
    app.create([document])
    session = app.session()
    route = session.get(Route, "r")
    session.delete(route)
    session.commit()
    route.title = "again"
    session.add(route)
    session.commit()
    stored = app.stored()["r"]
    del stored["last_modified"]
    assert stored == {**document, "title": "again"}


def test_a_lost_answer(app: App) -> None:
    """A rounded float is no change of somebody else's."""
    with FaultProxy(app.server.url) as proxy:
        session = app.session(app.client(proxy.url))
        mine = measure()
        session.add(mine)
        proxy.lose_answer(when=lambda request: request.method == "PUT")
        result = session.commit()
        assert result.created == (mine,)
        assert not session.dirty


def test_edits_meanwhile_stay(app: App) -> None:
    """What was edited while the answer was on its way is not undone by it."""
    client: Any = app.client()
    session = app.session(client)
    mine = measure()
    session.add(mine)
    port = client._port
    perform = port.perform

    def edited(step: Any) -> Any:
        mine.value = 3.25
        return perform(step)

    port.perform = edited
    session.commit()
    port.perform = perform
    assert mine.value == 3.25
    assert session.dirty == (mine,)
    session.commit()
    assert app.stored()["m"]["value"] == 3.25
