"""
Random programs: two sessions, and somebody else, on one server, and a model of all of it.

Each rule does something to a session and to its model, and compares what both say.  After each
step everything is compared: what is on the server, and what each session and each object says of
itself.
"""

from __future__ import annotations

import asyncio
import uuid

from collections.abc import Callable
from itertools import product
from typing import Any, Final, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from apps import App
from kinto_orm import Client, ConflictError, JSONPatch, MergePatch
from kinto_orm.exceptions import InvalidRequest, NotLoaded, RecordNotFound, StalePlanError
from session.models import Todo

from .desks import Desk, Intents, Missing, Refused
from .edits import edits_of
from .kinds import KINDS, PEAK, TODO, TOWN, Document, Peak, Place, Town, kind_of, texts
from .reports import check_plan, check_result, check_sent
from .twins import Twin, new_twin, twin_of
from .world import COLLECTIONS, FIRST, IDS, KEYS, Key, World, as_sets


F = TypeVar("F", bound=Callable[..., Any])

#: What a query may ask for: a class, fields to load, and whether one is enough.
ASKED: Final = [
    (Todo, None), (Todo, None), (Place, None), (Town, None), (Peak, None),
    (Todo, (Todo.title,)), (Todo, (Todo.title, Todo.tags)), (Todo, (Todo.address, Todo.due)),
    (Place, (Place.name,)), (Town, (Town.names, Town.name)),
]  # fmt: skip

PRINCIPALS: Final = ["system.Everyone", "account:ann", "account:bob"]

principals = st.lists(st.sampled_from(PRINCIPALS), max_size=2, unique=True)
sides = st.sampled_from([0, 1])
titles = st.sampled_from([None, None, None, None, "", "a", "b"])
seldom = st.sampled_from([False, False, False, False, True])
documents = st.sampled_from(sorted(KINDS)).flatmap(
    lambda name: st.tuples(st.just(name), st.sampled_from(IDS), KINDS[name].documents())
)


def _chosen(offered: Callable[[Any], list[Any]]) -> st.SearchStrategy[Any]:
    """Give one of what the machine has at that moment."""
    return st.runner().flatmap(lambda machine: st.sampled_from(offered(machine)))


def _some(offered: Callable[[Any], list[Any]]) -> st.SearchStrategy[list[Any]]:
    """Give some of what the machine has."""
    return st.runner().flatmap(
        lambda machine: st.lists(
            st.sampled_from(offered(machine)), min_size=1, max_size=3, unique=True
        )
    )


def _if_any(offered: Callable[[Any], list[Any]]) -> Callable[[F], F]:
    """Leave out a rule as long as the machine has nothing to choose from."""
    return precondition(lambda machine: bool(offered(machine)))


class Machine(RuleBasedStateMachine):
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

    # -- Somebody else -------------------------------------------------------------------------

    @initialize(
        todos=st.tuples(*(TODO.documents() for _ in FIRST)),
        places=st.tuples(*(TOWN.documents() | PEAK.documents() for _ in FIRST)),
        loaded=st.booleans(),
        curious=st.booleans(),
    )
    def begin(
        self,
        todos: tuple[Document, ...],
        places: tuple[Document, ...],
        loaded: bool,  # noqa: FBT001
        curious: bool,  # noqa: FBT001
    ) -> None:
        """Have something everywhere from the start."""
        self.curious = curious
        given = [*zip(FIRST, todos, strict=True)], [*zip(FIRST, places, strict=True)]
        for collection, documents in zip(COLLECTIONS, given, strict=True):
            for ident, document in documents:
                self._write((collection, ident), document)
        self._observe()
        for side, model in product((0, 1), (Todo, Place)) if loaded else ():
            self.query(side, (model, None), title=None, first=False, kept=True)

    def _write(self, key: Key, document: Document) -> None:
        self.raw.update_record(id=key[1], collection=key[0], data=document, safe=False)
        self.world.write(key, {**document, "id": key[1]})

    @rule(given=documents)
    def somebody_writes(self, given: tuple[str, str, Document]) -> None:
        """Somebody creates a record, or replaces one: another kind may be in its place then."""
        name, ident, document = given
        self._write((KINDS[name].collection, ident), document)

    @_if_any(stored)
    @rule(keys=_some(stored), data=st.data())
    def somebody_changes(self, keys: list[Key], data: st.DataObject) -> None:
        """Somebody changes a field of some records."""
        for key in keys:
            kind = kind_of(key[0], before := self.world.records[key].document)
            name = data.draw(st.sampled_from(sorted(kind.rules)), label="field")
            value = data.draw(kind.rules[name].values, label="value")
            self._write(key, {**before, name: value})

    @_if_any(held)
    @rule(where=_chosen(held), more=st.sets(st.sampled_from(PRINCIPALS), max_size=1))
    def somebody_does_the_same(self, where: tuple[int, Key], more: set[str]) -> None:
        """Somebody makes the very change that a session is about to make, or one that is alike."""
        twin = self._twin(where)
        if twin.part is not None:
            return
        document, lists = twin.document(), twin.changed_permissions()
        if "write" in lists:
            lists["write"] |= more
        if lists and twin.key in self.world.records:  # A PUT with some of them empties the others.
            lists = {**self.world.records[twin.key].permissions, **lists}
        self.raw.update_record(
            id=twin.ident,
            collection=twin.key[0],
            data=document,
            permissions={name: sorted(members) for name, members in lists.items()},
            safe=False,
        )
        self.world.write(twin.key, document, lists)

    @_if_any(stored)
    @rule(key=_chosen(stored))
    def somebody_deletes(self, key: Key) -> None:
        """Somebody deletes a record."""
        self.raw.delete_record(id=key[1], collection=key[0], safe=False)
        self.world.delete(key)

    @_if_any(stored)
    @rule(key=_chosen(stored), name=st.sampled_from(["read", "write"]), members=principals)
    def somebody_permits(self, key: Key, name: str, members: list[str]) -> None:
        """Somebody changes who may do what with a record."""
        self.raw.patch_record(id=key[1], collection=key[0], permissions={name: members}, safe=False)
        self.world.write(key, self.world.records[key].document, {name: set(members)})

    # -- What needs no server ------------------------------------------------------------------

    @rule(side=sides, given=documents, read=principals, even_so=seldom)
    def add_new(
        self,
        side: int,
        given: tuple[str, str, Document],
        read: list[str],
        even_so: bool,  # noqa: FBT001
    ) -> None:
        """Add a new record: seldom one that is there already."""
        name, ident, document = given
        kind = KINDS[name]
        if (kind.collection, ident) in self.world.records and not even_so:
            return
        values = kind.loaded(document, frozenset(kind.rules))
        twin = new_twin(kind, ident, values, kind.undeclared(document), read)
        self._add(side, twin)

    @_if_any(twins)
    @rule(side=sides, where=_chosen(twins))
    def add_again(self, side: int, where: tuple[int, Key]) -> None:
        """Add an object that was loaded or deleted, or move one from the other session."""
        twin = self._twin(where)
        if where[0] == 1 - side:
            self.sessions[1 - side].expunge(twin.record)
            self.desks[1 - side].expunge(twin.key)
        self._add(side, twin)

    def _add(self, side: int, twin: Twin) -> None:
        session, desk = self.sessions[side], self.desks[side]
        self._same(lambda: session.add(twin.record), lambda: desk.add(twin))
        if desk.of(twin) is None:
            self._let_go(twin)
        elif self.loose.get(twin.key) is twin:
            del self.loose[twin.key]

    @_if_any(twins)
    @rule(side=sides, where=_chosen(twins))
    def delete(self, side: int, where: tuple[int, Key]) -> None:
        """Delete a record, of the session or of none."""
        twin = self._twin(where)
        if where[0] == 1 - side:
            side = 1 - side
        session, desk = self.sessions[side], self.desks[side]
        self._same(lambda: session.delete(twin.record), lambda: desk.delete(twin))
        if desk.of(twin) is None:
            self._let_go(twin)
        elif self.loose.get(twin.key) is twin:
            del self.loose[twin.key]

    @_if_any(held)
    @rule(where=_chosen(held), all_of_it=seldom)
    def forget(self, where: tuple[int, Key], all_of_it: bool) -> None:  # noqa: FBT001
        """Have a session forget a record, or everything."""
        side, twin = where[0], self._twin(where)
        session, desk = self.sessions[side], self.desks[side]
        if all_of_it:
            session.clear()
            twins = [seat.twin for seat in desk.seats.values()]
            desk.seats.clear()
        else:
            session.expunge(twin.record)
            desk.expunge(twin.key)
            twins = [twin]
        for each in twins:
            self._let_go(each)

    @_if_any(loaded)
    @rule(places=_some(loaded), data=st.data())
    def edit(self, places: list[tuple[int, Key]], data: st.DataObject) -> None:
        """Change some records that were loaded."""
        for where in places:
            self.edit_any(where, data)

    @_if_any(twins)
    @rule(where=_chosen(twins), data=st.data())
    def edit_any(self, where: tuple[int, Key], data: st.DataObject) -> None:
        """Change an object, new, deleted or in no session as it may be."""
        twin = self._twin(where)
        change = data.draw(edits_of(twin), label="edit")
        if change is not None:
            change.make(twin)

    @_if_any(twins)
    @rule(
        where=_chosen(twins), name=st.sampled_from(["read", "write"]),
        who=st.sampled_from(PRINCIPALS), add=st.booleans(),
    )  # fmt: skip
    def permit(self, where: tuple[int, Key], name: str, who: str, add: bool) -> None:  # noqa: FBT001
        """Change who may do what, if that is known."""
        twin = self._twin(where)
        assert twin.record.permissions.is_loaded == (twin.permissions is not None)
        try:
            found = getattr(twin.record.permissions, name)
        except NotLoaded:
            assert twin.permissions is None
            return
        assert twin.permissions is not None
        (found.add if add else found.discard)(who)
        twin.permissions[name] = twin.permissions[name] - {who} | ({who} if add else set())

    # -- Reading -------------------------------------------------------------------------------

    @rule(side=sides, key=st.sampled_from(KEYS), strict=st.booleans())
    def get(self, side: int, key: Key, strict: bool) -> None:  # noqa: FBT001
        """Get a record by its id: what the session has is not asked for."""
        session, desk = self.sessions[side], self.desks[side]
        model, before = Todo if key[0] == "todos" else Place, len(session.sent)
        asks = desk.needs_request(key)
        method = session.get_one if strict else session.get
        found, twin = self._same(
            lambda: method(model, key[1]), lambda: desk.get(key, strict=strict)
        )
        assert len(session.sent) - before == asks
        self._bind(side)
        assert found is (None if twin is None else twin.record)

    @rule(
        side=sides, asked=st.sampled_from(ASKED), title=titles, first=seldom,
        kept=st.sampled_from([True, True, False]),
    )  # fmt: skip
    def query(
        self,
        side: int,
        asked: Any,
        title: str | None,
        first: bool,  # noqa: FBT001
        kept: bool,  # noqa: FBT001
    ) -> None:
        """Look for records, as a whole or in part; the session keeps them, or does not."""
        model, only = asked
        session, desk = self.sessions[side], self.desks[side]
        question, keys = self._question(session, model, title)
        part = None
        if only is not None:
            question, part = question.only(*only), frozenset(each._name for each in only)
        if not kept:
            self._look(question.untracked(), keys, part)
            return
        found, twins = self._same(
            lambda: [each for each in [question.first()] if each] if first else question.all(),
            lambda: list(desk.query(model, keys, part, 1 if first else None)),
        )
        self._bind(side)
        if twins is not None:
            assert list(map(id, found)) == [id(twin.record) for twin in twins]

    def _look(self, question: Any, keys: list[Key], part: frozenset[str] | None) -> None:
        """Compare what the session does not keep: it is as the server has it."""
        found = question.all()
        assert [record.id for record in found] == [ident for _, ident in keys]
        assert question.count() == len(keys)
        for record, key in zip(found, keys, strict=True):
            twin = twin_of(key, self.world.records[key], part)
            twin.record = record
            twin.check(self.world.stamp(twin.version))

    def _question(self, session: Any, model: Any, title: str | None) -> tuple[Any, list[Key]]:
        """Return a query, and where the server finds something."""
        collection = "todos" if model is Todo else "places"
        tags = [kind.tag["kind"] for kind in KINDS.values() if kind.model is model and kind.tag]
        idents = self.world.among(collection, tags)
        question, name = session.query(model), "title" if model is Todo else "name"
        keys = [(collection, ident) for ident in idents]
        if title is None:
            return question, keys
        documents = {key: self.world.records[key].document for key in keys}
        return question.filter(**{name: title}), [
            key for key in keys if documents[key][name] == title
        ]

    @_if_any(held)
    @rule(where=_chosen(held))
    def refresh(self, where: tuple[int, Key]) -> None:
        """Read a record again: it is as the server has it, permissions included."""
        session, desk, twin = self.sessions[where[0]], self.desks[where[0]], self._twin(where)
        self._same(lambda: session.refresh(twin.record), lambda: desk.refresh(twin))

    @_if_any(held)
    @rule(where=_chosen(held))
    def load_permissions(self, where: tuple[int, Key]) -> None:
        """Read who may do what with a record: its changes stay."""
        session, desk, twin = self.sessions[where[0]], self.desks[where[0]], self._twin(where)
        self._same(
            lambda: session.load_permissions(twin.record),
            lambda: desk.load_permissions(twin),
        )
        self._bind(where[0])

    # -- Writing -------------------------------------------------------------------------------

    @rule(side=sides)
    def plan(self, side: int) -> None:
        """Plan a commit: nothing is written, and the plan says what is to be done."""
        session, desk = self.sessions[side], self.desks[side]
        plan, intents = self._same(session.plan, desk.intents)
        if intents is not None:
            check_plan(plan, intents, self.app.bucket)
            self.plans[side] = plan, intents

    @rule(side=sides, data=st.data())
    def work(self, side: int, data: st.DataObject) -> None:
        """Do what most programs do: read, change some, commit; somebody may come in between."""
        for where in self.loaded():
            if where[0] == side and self._is_outdated(where):
                self.refresh(where)
        for model in (Todo, Place):
            self.query(side, (model, None), title=None, first=False, kept=True)
        found = [where for where in self.loaded() if where[0] == side]
        if not found:
            return
        self.edit(data.draw(st.lists(st.sampled_from(found), min_size=1, max_size=3)), data)
        if keys := data.draw(st.lists(st.sampled_from(self.stored()), max_size=1)):
            self.somebody_changes(keys, data)
            self._observe()
        self.commit(side, ahead=data.draw(st.booleans()))

    @rule(side=sides, data=st.data())
    def work_again(self, side: int, data: st.DataObject) -> None:
        """Do so twice as often as other things."""
        self.work(side, data)

    @rule(side=sides, ahead=st.booleans())
    def commit(self, side: int, ahead: bool) -> None:  # noqa: FBT001
        """Commit what there is to write; what a plan says before is what is sent."""
        session, desk = self.sessions[side], self.desks[side]
        if not ahead:
            self._commit(side, session.commit, desk.intents)
            return
        plan, intents = self._same(session.plan, desk.intents)
        if intents is not None:
            check_plan(plan, intents, self.app.bucket)
            before = len(session.writes)
            self._commit(side, session.commit, lambda: intents)
            sent, said = session.writes[before:], plan.requests
            assert [(each.path, each.body) for each in sent] == [
                (each.path, each.body) for each in said
            ]

    @precondition(lambda self: any(self.plans))
    @rule(side=sides)
    def commit_plan(self, side: int) -> None:
        """Commit a plan that was made at some time: that is sent, or nothing."""
        made = self.plans[side]
        if made is None:
            return
        session, desk = self.sessions[side], self.desks[side]
        plan, intents = made
        stale = [desk.is_stale(intent) for intent in intents]
        before = len(session.sent)
        try:
            self._commit(side, lambda: session.commit(plan), lambda: desk.along_with(intents))
        except StalePlanError:
            assert True in stale or None in stale
            assert len(session.sent) == before
        else:
            assert True not in stale

    def _commit(self, side: int, call: Callable[[], Any], model: Callable[[], Intents]) -> None:
        """Make a commit, and compare what is sent and what is said with the model."""
        session, desk = self.sessions[side], self.desks[side]
        before, error = len(session.sent), None
        intents = _modelled(model)
        try:
            result = call()
        except ConflictError as conflicts:
            result, error = conflicts.result, conflicts
        except InvalidRequest:
            assert intents is Refused
            assert len(session.sent) == before
            return
        assert intents is not Refused
        sent = session.sent[before:]
        expected = desk.commit(intents)
        self.written[side] += result.requests
        check_sent(sent, intents, result, self.app.bucket)
        check_result(result, error, expected, self.world)
        for key in (each.seat.twin.key for each in intents if each.permissions):
            self._check_permissions(key)
        for seat in expected.fates:
            self._settle(side, seat.twin)

    @rule(
        side=sides, model=st.sampled_from([Todo, Place, Town]), title=titles,
        value=st.none() | texts,
    )  # fmt: skip
    def write_all(self, side: int, model: Any, title: str | None, value: str | None) -> None:
        """Give a field of all that a query finds a value, or delete what it finds."""
        name = "title" if model is Todo else "name"
        if value is not None or title is not None:
            self._write_all(side, model, title, None if value is None else name, value)

    def _write_all(
        self, side: int, model: Any, title: str | None, name: str | None, value: Any
    ) -> None:
        session, desk = self.sessions[side], self.desks[side]
        question, keys = self._question(session, model, title)
        collection, before = "todos" if model is Todo else "places", len(session.writes)
        guests = {seat.twin for seat in desk.seats.values()}
        result, expected = self._same(
            lambda: question.delete() if name is None else question.update(**{name: value}),
            lambda: desk.write_all(keys, collection, name, value),
        )
        if expected is None:
            return
        self.written[side] += result.requests
        assert len(session.writes) - before == result.requests
        for fate in ("updated", "deleted", "unchanged"):
            records = {record.id: record for record in getattr(result, fate)}
            seats = [seat for seat, what in expected.fates.items() if what == fate]
            assert records.keys() == {seat.twin.ident for seat in seats}
            for seat in seats:
                if seat.twin in guests:
                    assert records[seat.twin.ident] is seat.twin.record
                    self._settle(side, seat.twin)
        assert result.ok

    # -- Comparing -----------------------------------------------------------------------------

    def _same(self, call: Callable[[], Any], model: Callable[[], Any]) -> tuple[Any, Any]:
        """Do something to a session and to its model; both must refuse it, or neither."""
        expected = _modelled(model)
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


def _modelled(model: Callable[[], Any]) -> Any:
    """Return what *model* gives, or how it refuses."""
    try:
        return model()
    except (Refused, Missing) as refusal:
        return type(refusal)
