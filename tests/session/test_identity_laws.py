"""What a session has is what a plain dictionary would have, whatever is done in whatever order."""

from __future__ import annotations

from typing import Any

import pytest

from attrs import define, field
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kinto_orm import Client, Field, Record, Session
from kinto_orm import field as record_field
from kinto_orm.exceptions import InvalidRequest
from kinto_orm.flow.json import copied
from kinto_orm.session.identity import Key


class Note(Record, bucket="b", collection="notes"):
    """A record with a value that is changed in place."""

    title: Field[str] = record_field(default="")
    tags: Field[list[str]] = record_field(factory=list)


#: Nothing is sent.
CLIENT = Client(server_url="http://localhost/v1")

IDS = ("a", "b", "c", "d", "e")


@define(eq=False)
class Known:
    """
    What must be true of a record.

    Attributes:
        record: The object.
        content: What it holds.
        base: What it was loaded from; None if it is new.
        wanted: Whether it is to stay.
    """

    record: Note
    content: dict[str, Any]
    base: dict[str, Any] | None = None
    wanted: bool = field(default=True)

    @property
    def is_dirty(self) -> bool:
        """Tell whether it was changed since it was loaded."""
        return self.wanted and self.base is not None and self.content != _content(self.base)


def _content(document: dict[str, Any]) -> dict[str, Any]:
    return {"title": document["title"], "tags": list(document["tags"])}


def some(attribute: str) -> st.SearchStrategy[Any]:
    """Give one of what the machine has."""
    return st.runner().flatmap(lambda machine: st.sampled_from(getattr(machine, attribute)()))


class Machine(RuleBasedStateMachine):
    """A session, and a dictionary of what must be in it."""

    def __init__(self) -> None:
        super().__init__()
        self.session = Session(CLIENT)
        #: By id; what is new in the order in which it was added.
        self.model: dict[str, Known] = {}
        #: What was let go.
        self.loose: list[Known] = []
        #: All versions of each document that the server had.
        self.served = {ident: [self._document(ident, 0)] for ident in IDS[:3]}

    def _document(self, ident: str, version: int) -> dict[str, Any]:
        return {"id": ident, "last_modified": 5 + version, "title": f"v{version}", "tags": ["t"]}

    def known(self) -> list[Known]:
        """Return what is in the session."""
        return list(self.model.values())

    def let_go(self) -> list[Known]:
        """Return what is not in it any more."""
        return self.loose

    # -- Reading -------------------------------------------------------------------------------

    @rule(ident=st.sampled_from(IDS[:3]))
    def change_elsewhere(self, ident: str) -> None:
        """Have somebody else change a record."""
        self.served[ident].append(self._document(ident, len(self.served[ident])))

    @rule(ids=st.lists(st.sampled_from(IDS[:3]), unique=True), data=st.data())
    def load(self, ids: list[str], data: st.DataObject) -> None:
        """Take in what was read, now or some time ago."""
        documents = [copied(data.draw(st.sampled_from(self.served[ident]))) for ident in ids]
        taken = self.session._take_all(Note, ids, documents)
        wanted = [id_ for id_ in ids if id_ not in self.model or self.model[id_].wanted]
        assert [record.id for record in taken] == wanted
        for record in taken:
            known = self.model.get(record.id)
            (document,) = (each for each in documents if each["id"] == record.id)
            if known is None:
                self.model[record.id] = Known(record, _content(document), document)
                continue
            assert record is known.record
            is_newer = known.base and known.base["last_modified"] < document["last_modified"]
            if is_newer and not known.is_dirty:
                known.content, known.base = _content(document), document

    # -- Changing ------------------------------------------------------------------------------

    @rule(ident=st.sampled_from(IDS))
    def add_new(self, ident: str) -> None:
        """Add a new record, for which there must be room."""
        record = Note(id=ident, title="new")
        if ident in self.model:
            with pytest.raises(InvalidRequest, match="another object"):
                self.session.add(record)
            return
        self.session.add(record)
        self.model[ident] = Known(record, {"title": "new", "tags": []})

    @precondition(lambda self: self.loose)
    @rule(known=some("let_go"))
    def add_again(self, known: Known) -> None:
        """Add a record that was let go."""
        ident = known.record.id
        if ident in self.model:
            with pytest.raises(InvalidRequest, match="another object"):
                self.session.add(known.record)
            return
        self.session.add(known.record)
        self.loose.remove(known)
        self.model[ident] = known
        known.wanted = True

    @precondition(lambda self: self.model)
    @rule(known=some("known"))
    def keep(self, known: Known) -> None:
        """Add a record that is there: it is to stay."""
        self.session.add(known.record)
        known.wanted = True

    @precondition(lambda self: self.model)
    @rule(known=some("known"))
    def delete(self, known: Known) -> None:
        """Delete a record; one that is new is let go."""
        self.session.delete(known.record)
        known.wanted = False
        if known.base is None:
            self.loose.append(self.model.pop(known.record.id))

    @precondition(lambda self: self.model)
    @rule(known=some("known"))
    def expunge(self, known: Known) -> None:
        """Let a record go."""
        self.session.expunge(known.record)
        self.loose.append(self.model.pop(known.record.id))

    @precondition(lambda self: self.model)
    @rule(known=some("known"), change=st.sampled_from(["title", "tags", "back"]))
    def edit(self, known: Known, change: str) -> None:
        """Change a record, or undo what was changed."""
        record, content = known.record, known.content
        if change == "title":
            record.title = content["title"] = "edited"
        elif change == "tags":
            record.tags.append("more")
            content["tags"].append("more")
        elif known.base is not None:
            known.content = _content(known.base)
            record.title, record.tags = known.content["title"], list(known.content["tags"])

    # -- Asking --------------------------------------------------------------------------------

    @rule(ident=st.sampled_from(IDS))
    def find(self, ident: str) -> None:
        """Ask for what is known of a record, by its key."""
        entry, known = self.session._known.find(Key("b", "notes", ident)), self.model.get(ident)
        assert (entry and entry.record) is (known and known.record)

    @precondition(lambda self: self.model)
    @rule(known=some("known"))
    def ask_of(self, known: Known) -> None:
        """Ask for what is known of a record, by itself."""
        entry = self.session._known.of(known.record)
        assert entry is not None
        assert (entry.key.id, entry.wanted) == (known.record.id, known.wanted)
        assert entry.loaded == known.base
        assert entry.is_dirty is known.is_dirty

    @precondition(lambda self: self.loose)
    @rule(known=some("let_go"))
    def ask_of_another(self, known: Known) -> None:
        """Ask for what is known of a record that was let go."""
        assert self.session._known.of(known.record) is None
        assert known.record not in self.session

    # -- What must be true ---------------------------------------------------------------------

    @invariant()
    def it_has_what_it_must_have(self) -> None:
        """There is one object for each record, and nothing is lost."""
        records = self.session._known.records()
        assert {id(each) for each in records} == {id(each.record) for each in self.known()}
        assert len(records) == len(self.session._known) == len(self.model)
        for known in self.known() + self.loose:
            record = known.record
            assert {"title": record.title, "tags": record.tags} == known.content
            assert (record in self.session) is (self.model.get(record.id) is known)

    @invariant()
    def it_knows_what_changed(self) -> None:
        """What is new, in its order; what is dirty; what is to be deleted; and nothing else."""
        new = [each.record for each in self.known() if each.base is None]
        assert [id(each) for each in self.session.new] == [id(each) for each in new]
        dirty = {id(each.record) for each in self.known() if each.is_dirty}
        deleted = {id(each.record) for each in self.known() if not each.wanted}
        suspects = {id(each.record) for each in self.session._known.suspects()}
        assert dirty | deleted | {id(each) for each in new} <= suspects
        assert {id(each) for each in self.session.dirty} == dirty
        assert {id(each) for each in self.session.deleted} == deleted


TestIdentity = Machine.TestCase
TestIdentity.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
