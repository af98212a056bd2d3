"""
Random programs: two sessions, and somebody else, on one server, and a model of all of it.

Each rule does something to a session and to its model, and compares what both say.  After each
step everything is compared: what is on the server, and what each session and each object says of
itself.  What happens often is what may go wrong: changes that meet others.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from kinto_orm import ConflictError
from kinto_orm.exceptions import InvalidRequest, NotLoaded, StalePlanError
from session.models import Todo

from .bench import Bench, chosen, if_any, modelled, some
from .desks import Intents, Refused
from .edits import edits_of
from .kinds import KINDS, PEAK, TODO, TOWN, Document, Peak, Place, Town, kind_of, texts
from .reports import check_plan, check_result, check_sent
from .twins import Twin, new_twin, twin_of
from .world import COLLECTIONS, FIRST, IDS, KEYS, Key


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


class Machine(Bench):
    """Any program: what is done to the sessions, and by somebody else."""

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

    @if_any(Bench.stored)
    @rule(keys=some(Bench.stored), data=st.data())
    def somebody_changes(self, keys: list[Key], data: st.DataObject) -> None:
        """Somebody changes a field of some records."""
        for key in keys:
            kind = kind_of(key[0], before := self.world.records[key].document)
            name = data.draw(st.sampled_from(sorted(kind.rules)), label="field")
            value = data.draw(kind.rules[name].values, label="value")
            self._write(key, {**before, name: value})

    @if_any(Bench.held)
    @rule(where=chosen(Bench.held), more=st.sets(st.sampled_from(PRINCIPALS), max_size=1))
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

    @if_any(Bench.stored)
    @rule(key=chosen(Bench.stored))
    def somebody_deletes(self, key: Key) -> None:
        """Somebody deletes a record."""
        self.raw.delete_record(id=key[1], collection=key[0], safe=False)
        self.world.delete(key)

    @if_any(Bench.stored)
    @rule(key=chosen(Bench.stored), name=st.sampled_from(["read", "write"]), members=principals)
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

    @if_any(Bench.twins)
    @rule(side=sides, where=chosen(Bench.twins))
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

    @if_any(Bench.twins)
    @rule(side=sides, where=chosen(Bench.twins))
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

    @if_any(Bench.held)
    @rule(where=chosen(Bench.held), all_of_it=seldom)
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

    @if_any(Bench.loaded)
    @rule(places=some(Bench.loaded), data=st.data())
    def edit(self, places: list[tuple[int, Key]], data: st.DataObject) -> None:
        """Change some records that were loaded."""
        for where in places:
            self.edit_any(where, data)

    @if_any(Bench.twins)
    @rule(where=chosen(Bench.twins), data=st.data())
    def edit_any(self, where: tuple[int, Key], data: st.DataObject) -> None:
        """Change an object, new, deleted or in no session as it may be."""
        twin = self._twin(where)
        change = data.draw(edits_of(twin), label="edit")
        if change is not None:
            change.make(twin)

    @if_any(Bench.twins)
    @rule(
        where=chosen(Bench.twins), name=st.sampled_from(["read", "write"]),
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

    @if_any(Bench.held)
    @rule(where=chosen(Bench.held))
    def refresh(self, where: tuple[int, Key]) -> None:
        """Read a record again: it is as the server has it, permissions included."""
        session, desk, twin = self.sessions[where[0]], self.desks[where[0]], self._twin(where)
        self._same(lambda: session.refresh(twin.record), lambda: desk.refresh(twin))

    @if_any(Bench.held)
    @rule(where=chosen(Bench.held))
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
        ahead, between = data.draw(st.tuples(st.booleans(), st.booleans()))
        if between and (keys := self.stored()):
            self.somebody_changes([data.draw(st.sampled_from(keys))], data)
            self._observe()
        self.commit(side, ahead=ahead)

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
        intents = modelled(model)
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
