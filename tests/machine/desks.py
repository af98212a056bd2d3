"""What a session must know and do: which objects it has, and what it wants of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from attrs import define, evolve, field, frozen

from .kinds import Document, equal, kind_of
from .twins import Twin, twin_of
from .world import Key, Lists, Stored, World


class Refused(Exception):
    """The session must refuse what it is asked for, as a user's mistake."""


class Missing(Exception):
    """The session must say that there is no such record."""


@define(eq=False)
class Seat:
    """
    A record in a session.

    Attributes:
        twin: What the object must be.
        base: The document that the session believes to be on the server; None if it has none.
        version: Which version that is.
        wanted: Whether there shall be one.
        changes: How often the session has learnt something new of it.
    """

    twin: Twin
    base: Document | None
    version: int | None
    wanted: bool = True
    changes: int = 0

    @property
    def is_dirty(self) -> bool:
        """Tell whether the object is not as the session believes the server has it."""
        return self.base is not None and (
            bool(self.twin.changed_permissions()) or not equal(self.base, self.twin.document())
        )

    @property
    def state(self) -> str:
        """Return in what list of the session it must be."""
        if not self.wanted:
            return "deleted"
        if self.base is None:
            return "new"
        return "dirty" if self.is_dirty else "clean"

    def learn(self) -> None:
        """Note that the object was taken anew from the server."""
        self.base, self.version = self.twin.base, self.twin.version
        self.changes += 1


@frozen(eq=False)
class Intent:
    """
    What is to be written of a record.

    Attributes:
        seat: Where it is.
        wanted: Whether there shall be one.
        base: The document that the server is believed to have.
        version: Which version that is.
        target: What it shall have; None if nothing.
        permissions: The permissions that are to change.
        changes: How much the session knew.
    """

    seat: Seat
    base: Document | None
    version: int | None
    target: Document | None
    permissions: Lists
    known: set[str] | None
    changes: int

    @property
    def action(self) -> str:
        """Return what is done."""
        if self.target is None:
            return "delete"
        return "create" if self.base is None else "update"


@define
class Expected:
    """
    What a commit must say it did.

    Attributes:
        fates: For each record, in which of its lists it is.
        clashes: What was to be written where others wrote, and what they wrote.
        alike: Records that others made what they were to be.  Where permissions were to change,
            this cannot be told from a write of one's own whose answer was lost.
    """

    fates: dict[Seat, str] = field(factory=dict[Seat, str])
    alike: set[Seat] = field(factory=set[Seat])
    clashes: dict[Seat, tuple[Intent, Document | None]] = field(
        factory=dict[Seat, tuple[Intent, Document | None]]
    )


#: What is planned, as the session must have understood it.
Intents: TypeAlias = list[Intent]


@define
class Desk:
    """
    A session.

    Attributes:
        world: What is on the server.
        seats: What is in the session.
    """

    world: World
    seats: dict[Key, Seat] = field(factory=dict[Key, Seat])

    def of(self, twin: Twin) -> Seat | None:
        """Return where an object is, if it is here."""
        seat = self.seats.get(twin.key)
        return seat if seat is not None and seat.twin is twin else None

    # -- What needs no server ------------------------------------------------------------------

    def add(self, twin: Twin) -> None:
        """Take an object in, or back, to be written."""
        seat = self.of(twin)
        if seat is None:
            if twin.key in self.seats:
                raise Refused
            seat = self.seats[twin.key] = Seat(twin, twin.base, twin.version)
        seat.wanted = True

    def delete(self, twin: Twin) -> None:
        """Have a record deleted, or forget one that is not there yet."""
        if self.of(twin) is None:
            if twin.version is None:
                raise Refused
            self.add(twin)
        seat = self.seats[twin.key]
        seat.wanted = False
        if seat.base is None:
            del self.seats[twin.key]

    def expunge(self, key: Key) -> None:
        """Forget a record."""
        del self.seats[key]

    # -- Reading -------------------------------------------------------------------------------

    def get(self, key: Key, *, strict: bool) -> Twin | None:
        """Return the record under *key*; None, or an error if *strict*, if there is none."""
        found = self._get(key)
        if found is None and strict:
            raise Missing
        return found

    def _get(self, key: Key) -> Twin | None:
        seat = self.seats.get(key)
        if seat is not None and not seat.wanted:
            return None
        if seat is not None and seat.twin.part is None:
            return seat.twin
        stored = self.world.records.get(key)
        if stored is None:
            return None
        twin = self.take(key, stored, None, lists=stored.permissions)
        if twin is not None and twin.part is not None:
            raise Refused
        return twin

    def needs_request(self, key: Key) -> bool:
        """Tell whether `get` has to ask the server."""
        seat = self.seats.get(key)
        return seat is None or (seat.wanted and seat.twin.part is not None)

    def take(
        self, key: Key, stored: Stored, part: frozenset[str] | None, lists: Lists | None = None
    ) -> Twin | None:
        """Bring a record up to date that was read; None if it is to be deleted."""
        seat = self.seats.get(key)
        if seat is not None and not seat.wanted:
            return None
        if seat is not None and seat.version == stored.version:
            if not _covers(seat.twin.part, part):
                seat.twin.complete(stored, part)
                seat.learn()
        elif seat is not None and seat.version is not None and seat.state == "clean":
            # A part does not do for what has more than that: it is read as a whole.
            part = part if _covers(part, seat.twin.part) else None
            if seat.twin.kind is kind_of(key[0], stored.document):
                seat.twin.replace(stored, part)
                seat.learn()
            else:
                del self.seats[key]
                seat = None
        if seat is None:
            twin = twin_of(key, stored, part)
            seat = self.seats[key] = Seat(twin, twin.base, twin.version)
        if lists is not None and seat.version == stored.version:
            seat.twin.permit(lists)
        return seat.twin

    def query(
        self, model: Any, keys: Iterable[Key], part: frozenset[str] | None, limit: int | None
    ) -> Iterator[Twin]:
        """Give what a query finds that the server answers with *keys*, in order."""
        found = 0
        for key in keys:
            if limit is not None and found >= limit:
                return
            twin = self.take(key, self.world.records[key], part)
            if twin is None:
                continue
            if not issubclass(twin.kind.model, model):
                raise Refused
            found += 1
            yield twin

    def refresh(self, twin: Twin) -> None:
        """Have a record be as the server has it."""
        seat, stored = self._mine(twin), self.world.records.get(twin.key)
        if stored is None:
            raise Missing
        if kind_of(twin.key[0], stored.document) is not twin.kind:
            raise Refused
        twin.replace(stored)
        twin.permit(stored.permissions)
        seat.learn()
        seat.wanted = True

    def load_permissions(self, twin: Twin) -> None:
        """Read who may do what with a record."""
        seat, stored = self._mine(twin), self.world.records.get(twin.key)
        if stored is None:
            raise Missing
        if kind_of(twin.key[0], stored.document) is not twin.kind:
            raise Refused
        self.take(twin.key, stored, None)
        if seat.version != stored.version:
            raise Refused
        twin.permit(stored.permissions)

    def _mine(self, twin: Twin) -> Seat:
        seat = self.of(twin)
        if seat is None:
            raise Refused
        return seat

    # -- Writing -------------------------------------------------------------------------------

    def intents(self) -> Intents:
        """Return what there is to write."""
        intents: Intents = []
        for seat in self.seats.values():
            if seat.state == "new" and seat.twin.part is not None:
                raise Refused  # The rest of it is lost.
            if seat.state != "clean":
                intents.append(self.intent(seat))
        return intents

    def along_with(self, intents: Intents) -> Intents:
        """Return the *intents* of a plan, with which all else must be fit to be written."""
        self.intents()
        return intents

    def intent(self, seat: Seat) -> Intent:
        """Return what is to be written of a record."""
        twin = seat.twin
        return Intent(
            seat,
            seat.base,
            seat.version,
            twin.document() if seat.wanted else None,
            twin.changed_permissions() if seat.wanted else {},
            twin.known,
            seat.changes,
        )

    def is_stale(self, intent: Intent) -> bool | None:
        """Tell whether a plan with *intent* must be refused; None if it may be."""
        seat = self.seats.get(intent.seat.twin.key)
        if seat is None or seat.twin is not intent.seat.twin:
            return True
        if seat.version != intent.version or seat.wanted != (intent.target is not None):
            return True
        return False if seat is intent.seat and seat.changes == intent.changes else None

    def commit(self, intents: Intents, *, bulk: bool = False) -> Expected:
        """Write what is to be written; return what must be said of that."""
        expected, waiting = Expected(), self.intents() if not bulk else []
        intents = [evolve(each, seat=self.seats[each.seat.twin.key]) for each in intents]
        busy = {each.seat for each in intents}
        for intent in waiting:
            if intent.seat not in busy:
                expected.fates[intent.seat] = "not_sent"
        for seat in self.seats.values():
            if not bulk and seat not in busy and seat not in expected.fates:
                expected.fates[seat] = "unchanged"
        for intent in intents:
            self._write(intent, expected)
        return expected

    def _write(self, intent: Intent, expected: Expected) -> None:
        seat, key = intent.seat, intent.seat.twin.key
        stored = self.world.records.get(key)
        found = None if stored is None else stored.version
        if intent.target is None:
            if stored is not None and found == intent.version:
                self.world.delete(key)
                stored = None
            if stored is not None:
                expected.clashes[seat] = intent, stored.document
                return
            expected.fates[seat] = "deleted"
            seat.twin.vanish()
            del self.seats[key]
        elif found == intent.version:
            # A part is joined with what the rest is.
            rest = _rest(stored, intent.known)
            stored = self.world.write(key, {**rest, **intent.target}, intent.permissions)
            expected.fates[seat] = "created" if intent.base is None else "updated"
            self._written(seat, stored)
            seat.twin.permit(stored.permissions, intent.permissions)
        elif stored is not None and _is_so(intent, stored):
            expected.fates[seat] = "unchanged"
            self._written(seat, stored)
            if intent.permissions:
                expected.alike.add(seat)
                seat.twin.permit(stored.permissions, intent.permissions)
            else:
                seat.twin.hide_permissions()
        else:
            expected.clashes[seat] = intent, None if stored is None else stored.document

    def _written(self, seat: Seat, stored: Stored) -> None:
        """Note that *stored* is on the server, as it was to be."""
        seat.twin.adopt(stored)
        seat.learn()

    def write_all(
        self, keys: Iterable[Key], collection: str, name: str | None, value: Any
    ) -> Expected:
        """Change the field *name* of all under *keys*, or delete them if it is None."""
        for key, seat in self.seats.items():
            if key[0] == collection and seat.state != "clean":
                raise Refused
        guests = {seat.twin for seat in self.seats.values()}
        part = frozenset[str]() if name is None else None
        intents, untouched = [], []
        for key in list(keys):
            twin = self.take(key, self.world.records[key], part)
            assert twin is not None
            seat = self.seats[key]
            if name is None:
                seat.wanted = False
            else:
                twin.values[name] = value
            if seat.state == "clean":
                untouched.append(seat)
            else:
                intents.append(self.intent(seat))
        expected = self.commit(intents, bulk=True)
        expected.fates |= dict.fromkeys(untouched, "unchanged")
        for seat in expected.fates:
            if seat.twin not in guests and self.of(seat.twin) is not None:
                del self.seats[seat.twin.key]
        return expected


def _covers(one: frozenset[str] | None, other: frozenset[str] | None) -> bool:
    """Tell whether the part *one* has all that *other* has; None is everything."""
    return one is None or (other is not None and other <= one)


def _rest(stored: Stored | None, known: set[str] | None) -> Document:
    if stored is None or known is None:
        return {}
    return {key: value for key, value in stored.document.items() if key not in known}


def _is_so(intent: Intent, stored: Stored) -> bool:
    """Tell whether somebody else made a record exactly what it was to become."""
    assert intent.target is not None
    document = stored.document
    if intent.known is not None:
        keys = intent.known | intent.target.keys()
        document = {key: value for key, value in document.items() if key in keys}
    return equal(document, intent.target) and all(
        _is_permitted(name, stored.permissions[name], wanted)
        for name, wanted in intent.permissions.items()
    )


def _is_permitted(name: str, found: set[str], wanted: set[str]) -> bool:
    """Tell whether *found* is what was *wanted*; one who may write, too, may be who wrote it."""
    return wanted <= found and len(found - wanted) <= (name == "write")
