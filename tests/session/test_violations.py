"""What a schema forbids at a commit: an error of the record, which names what is wrong."""

from __future__ import annotations

import asyncio
import pickle

from collections.abc import Callable, Generator
from contextlib import ExitStack
from typing import Any

import pytest

from apps import COMBINATIONS, App
from kinto_orm import (
    Client,
    CommitError,
    EmbeddedRecord,
    Field,
    JSONPatch,
    Record,
    SchemaViolation,
    ValidationError,
    ensure,
    field,
)
from kinto_orm.embedded import KintoServer
from kinto_orm.exceptions import BadRequest


class Stop(EmbeddedRecord):
    city: Field[str]


class Trip(Record, collection="trips"):
    name: Field[str]
    days: Field[int] = field(default=1, metadata={"json_schema": {"maximum": 30}})
    stops: Field[list[Stop]] = field(factory=list)


class Loose(Record, collection="trips"):
    """The same, as a program sees it that does not know the schema."""

    name: Field[Any] = field(default=None)
    days: Field[Any] = field(default=None)
    stops: Field[Any] = field(default=None)


@pytest.fixture(scope="session")
def validating() -> Generator[Callable[[str], KintoServer]]:
    """Give a server of a kind that heeds schemas; the same one each time."""
    started: dict[str, KintoServer] = {}
    settings = {"experimental_collection_schema_validation": True}
    with ExitStack() as stack:

        def start(kind: str) -> KintoServer:
            if kind not in started:
                storage, _, history = kind.partition("+")
                server = KintoServer(storage=storage, history=bool(history), **settings)  # type: ignore[arg-type]
                started[kind] = stack.enter_context(server)
            return started[kind]

        yield start


#: The fixture says so itself.
APPS = None


@pytest.fixture(params=COMBINATIONS)
def app(
    request: pytest.FixtureRequest, validating: Callable[[str], KintoServer], bucket: str
) -> Generator[App]:
    """Give a program with a bucket of its own, with a collection *trips* that has a schema."""
    waiting, _, kind = request.param.partition(" on ")
    server, awaiting = validating(kind), waiting == "awaiting"
    raw = Client(server_url=server.url, auth=server.auth, bucket=bucket, collection="trips")
    ensure(raw, Trip, schema=True)
    app = App(server, bucket, awaiting, raw, asyncio.Runner() if awaiting else None)
    yield app
    app.close()


def refused(session: Any) -> CommitError:
    """Commit *session*, which is to fail; return how."""
    with pytest.raises(CommitError) as caught:
        session.commit()
    return caught.value


def test_alone(app: App) -> None:
    """A record that its schema forbids is a violation, which says where and why."""
    session = app.session()
    trip = Trip(id="t", name="Home", days=31)
    session.add(trip)
    error = refused(session)
    (violation,) = error.result.errors
    assert error.exceptions == (violation,)
    assert isinstance(violation, SchemaViolation)
    assert isinstance(violation, (ValidationError, BadRequest))
    assert violation.record is trip
    assert violation.status == 400
    (fault,) = violation.faults
    assert (fault.path, fault.found) == ("days", 31)
    assert str(violation) == (
        f"Trip {app.bucket}/trips/t was not written: the schema of its collection forbids this:"
        " days: 31 is greater than the maximum of 30"
    )
    assert str(violation) in str(error)
    assert session.new == (trip,)
    trip.days = 30
    assert session.commit().created == (trip,)


def test_others_are_not_lost(app: App) -> None:
    """In a batch, the others are written; what was refused can be mended."""
    session = app.session()
    trips = [Trip(id=f"t{number}", name="x", days=29 + number) for number in range(4)]
    session.add_all(trips)
    result = refused(session).result
    assert result.created == tuple(trips[:2])
    assert [error.record for error in result.errors] == trips[2:]
    assert all(isinstance(error, SchemaViolation) for error in result.errors)
    assert app.stored("trips").keys() == {"t0", "t1"}
    for trip in trips:
        trip.days = 3
    result = session.commit()
    assert set(map(id, result.updated)) == set(map(id, trips[:2]))
    assert set(map(id, result.created)) == set(map(id, trips[2:]))


@pytest.mark.parametrize("others", [0, 2])
@pytest.mark.parametrize("patch", [None, JSONPatch])
def test_changes(app: App, others: int, patch: Any) -> None:
    """A change is refused as a creation is, alone and in a batch, by any kind of patch."""
    app.create([{"id": "t", "name": "a", "days": 1, "mine": 2}], collection="trips")
    session = app.session(**({} if patch is None else {"patch": patch}))
    trip = session.get_one(Trip, "t")
    trip.days = 99
    session.add_all(Trip(name="other") for _ in range(others))
    result = refused(session).result
    assert len(result.created) == others
    (violation,) = result.errors
    assert isinstance(violation, SchemaViolation)
    assert [fault.path for fault in violation.faults] == ["days"]
    assert app.stored("trips")["t"]["days"] == 1
    assert session.dirty == (trip,)


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"name": 3}, "name"),
        ({"name": "a", "stops": [{"city": "b"}, {"city": 3}]}, "stops[1].city"),
        ({"name": "a", "stops": [{"city": "b"}, {"town": "c"}]}, "stops[1].city"),
        ({"name": "a", "stops": [{"city": "b"}, 3]}, "stops[1]"),
        ({"days": 3}, "name"),
        ({"name": "a", "stops": {"1": {}}}, "stops"),
    ],
)
def test_paths(app: App, wrong: dict[str, Any], path: str) -> None:
    """What is wrong is told by its path, as far as the server's answer leaves no doubt."""
    session = app.session()
    session.add(Loose(**wrong))
    (violation,) = refused(session).result.errors
    assert isinstance(violation, SchemaViolation)
    assert [fault.path for fault in violation.faults] == [path]


def test_the_raw_client(app: App) -> None:
    """The client raises the same, and it can be sent to another process."""
    client = app.client()
    with pytest.raises(SchemaViolation) as caught:
        app.run(client.create_record(id="x", data={"name": 3}, collection="trips"))
    assert caught.value.record is None
    assert [fault.path for fault in caught.value.faults] == ["name"]
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.faults) == (str(caught.value), caught.value.faults)


def test_what_is_no_violation(app: App) -> None:
    """A request that is wrong in itself is a bad one, and none of a schema."""
    client = app.client(collection="trips")
    path = f"/buckets/{app.bucket}/collections/trips/records/x"
    bodies: list[Any] = [{"data": 3}, {"data": {"id": "y", "name": "n"}}]
    for body in [*bodies, {"data": {"name": "n"}, "permissions": 3}]:
        with pytest.raises(BadRequest) as caught:
            app.run(client.session.request("PUT", path, payload=body))
        assert not isinstance(caught.value, SchemaViolation), body
    with pytest.raises(BadRequest) as caught:
        app.run(client.session.request("GET", path.rpartition("/")[0], params={"_limit": "x"}))
    assert not isinstance(caught.value, SchemaViolation)


class TestVersions:
    """Classes that declare the key in which the server keeps the version of the schema (D4)."""

    def test_in_part(self, app: App) -> None:
        """A new version is taken over, also by a record that was loaded in part: it is clean."""

        class Versioned(Record, collection="trips"):
            name: Field[str]
            schema: Field[int | None] = field(default=None)

        app.raw.create_record(id="t", data={"name": "x"})
        session = app.session()
        trip = session.query(Versioned).only(Versioned.name, Versioned.schema).one()
        before = trip.schema
        app.raw.patch_collection(id="trips", data={"schema": Trip.json_schema(), "sort": "name"})
        trip.name = "y"
        session.commit()
        stored = app.stored("trips")["t"]
        assert trip.schema == stored["schema"] != before
        assert not session.dirty

    def test_of_another_type(self, app: App) -> None:
        """A version that does not fit the field breaks no commit: all that was written is told."""

        class Odd(Record, collection="trips"):
            name: Field[str]
            schema: Field[str | None] = field(default=None)

        session = app.session()
        trips = [Odd(id=each, name=each) for each in "abc"]
        session.add_all(trips)
        assert session.commit().created == tuple(trips)
        stored = app.stored("trips")
        assert [trip.last_modified for trip in trips] == [
            stored[each]["last_modified"] for each in "abc"
        ]
