"""What a random program is run on: two sessions, a server, and the model of both."""

from __future__ import annotations

import asyncio
import uuid

from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition

from apps import App
from kinto_orm import Client, JSONPatch, MergePatch
from kinto_orm.exceptions import InvalidRequest, RecordNotFound

from .desks import Desk, Intents, Missing, Refused
from .twins import Twin
from .world import COLLECTIONS, Key, World, as_sets


F = TypeVar("F", bound=Callable[..., Any])


def chosen(offered: Callable[[Any], list[Any]]) -> st.SearchStrategy[Any]:
    """Give one of what the machine has at that moment."""
    return st.runner().flatmap(lambda machine: st.sampled_from(offered(machine)))


def some(offered: Callable[[Any], list[Any]]) -> st.SearchStrategy[list[Any]]:
    """Give some of what the machine has."""
    return st.runner().flatmap(
        lambda machine: st.lists(
            st.sampled_from(offered(machine)), min_size=1, max_size=3, unique=True
        )
    )


def if_any(offered: Callable[[Any], list[Any]]) -> Callable[[F], F]:
    """Leave out a rule as long as the machine has nothing to choose from."""
    return precondition(lambda machine: bool(offered(machine)))


class Bench(RuleBasedStateMachine):
    """
    Two sessions, and somebody else.

    Attributes:
        app: Gives sessions; each machine has a bucket of its own.
        sessions: Two of them.
        desks: Their models.
        loose: The objects that were let go last, by where they belong.
        plans: A plan that each session made, and what it must say.
        written: How many requests of each session have written something.
        curious: Whether the permissions of each object are looked at after each step.
    """

    def __init__(self, app: App) -> None:
        super().__init__()
        bucket = f"b{uuid.uuid4().hex}"
        raw = Client(server_url=app.server.url, auth=app.server.auth, bucket=bucket)
        runner = asyncio.Runner() if app.awaiting else None
        self.app = App(app.server, bucket, app.awaiting, raw, runner)
        self.raw = raw
        raw.create_bucket()
        for collection in COLLECTIONS:
            raw.create_collection(id=collection)
        self.world = World(raw.server_info()["user"]["id"])
        self.sessions = [self.app.session(patch=patch) for patch in (MergePatch, JSONPatch)]
        self.desks = [Desk(self.world) for _ in self.sessions]
        self.loose: dict[Key, Twin] = {}
        self.plans: list[tuple[Any, Intents] | None] = [None, None]
        self.written = [0, 0]
        self.curious = False

    def teardown(self) -> None:
        """Compare what no list says, and close the connections."""
        try:
            for key in self.world.records:
                self._check_permissions(key)
        finally:
            self.app.close()

    # -- What there is to choose from ----------------------------------------------------------

    def held(self) -> list[tuple[int, Key]]:
        """Return where a session has something."""
        return [(side, key) for side, desk in enumerate(self.desks) for key in desk.seats]

    def loaded(self) -> list[tuple[int, Key]]:
        """Return where a session has what is on the server."""
        return [
            (side, key) for side, key in self.held() if self.desks[side].seats[key].base is not None
        ]

    def _is_outdated(self, where: tuple[int, Key]) -> bool:
        stored = self.world.records.get(where[1])
        return stored is None or stored.version != self.desks[where[0]].seats[where[1]].version

    def twins(self) -> list[tuple[int, Key]]:
        """Return where there is an object; side 2 has those that are in no session."""
        return self.held() + [(2, key) for key in self.loose]

    def stored(self) -> list[Key]:
        """Return where the server has something."""
        return sorted(self.world.records)

    def _twin(self, where: tuple[int, Key]) -> Twin:
        side, key = where
        return self.loose[key] if side == 2 else self.desks[side].seats[key].twin

    def _let_go(self, twin: Twin) -> None:
        if not any(desk.of(twin) for desk in self.desks):
            self.loose[twin.key] = twin

    # -- Comparing -----------------------------------------------------------------------------

    def _same(self, call: Callable[[], Any], model: Callable[[], Any]) -> tuple[Any, Any]:
        """Do something to a session and to its model; both must refuse it, or neither."""
        expected = modelled(model)
        try:
            found = call()
        except InvalidRequest:
            assert expected is Refused
        except RecordNotFound:
            assert expected is Missing
        else:
            assert expected not in (Refused, Missing)
            return found, expected
        return None, None

    def _settle(self, side: int, twin: Twin) -> None:
        """Keep an object that its session has let go."""
        if self.desks[side].of(twin) is None:
            self._let_go(twin)

    def _bind(self, side: int) -> None:
        """Have the twins of objects that were just loaded know them."""
        known = self.sessions[side]._inner._known
        objects = {(entry.key.collection, entry.key.id): entry.record for entry in known}
        for key, seat in self.desks[side].seats.items():
            if seat.twin.record is None:
                seat.twin.record = objects[key]
                assert type(objects[key]) is seat.twin.kind.model

    def _check_permissions(self, key: Key) -> None:
        if key in self.world.records:
            found = self.raw.get_record(id=key[1], collection=key[0])["permissions"]
            assert as_sets(found) == self.world.records[key].permissions

    def _observe(self) -> None:
        """Compare what is on the server."""
        for collection in COLLECTIONS:
            found = {each["id"]: each for each in self.raw.get_records(collection=collection)}
            self.world.check(collection, found)

    @invariant()
    def everything_agrees(self) -> None:
        """What the server has, what each session knows, and each object, are as in the model."""
        self._observe()
        for side, (session, desk) in enumerate(zip(self.sessions, self.desks, strict=True)):
            assert len(session._inner._known) == len(desk.seats)
            assert len(session.writes) == self.written[side]
            for state in ("new", "dirty", "deleted"):
                records = {id(record) for record in getattr(session, state)}
                seats = [seat for seat in desk.seats.values() if seat.state == state]
                assert records == {id(seat.twin.record) for seat in seats}, state
            for seat in desk.seats.values():
                assert seat.twin.record in session
                assert session.is_modified(seat.twin.record) == (seat.state == "dirty")
        for twin in self.loose.values():
            assert not any(twin.record in session for session in self.sessions)
        for twin in map(self._twin, self.twins()):
            twin.check(self.world.stamp(twin.version))
            if self.curious:
                twin.check_permissions()


def modelled(model: Callable[[], Any]) -> Any:
    """Return what *model* gives, or how it refuses."""
    try:
        return model()
    except (Refused, Missing) as refusal:
        return type(refusal)
