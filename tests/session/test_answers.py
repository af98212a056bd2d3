"""What a server makes of what it is sent."""

from __future__ import annotations

from typing import Any

import pytest

from apps import App
from faults import FaultProxy
from kinto_orm import Embedded, EmbeddedRecord, Field, Record, embedded, field


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
