"""Laws of undoing and merging, for records of any class: nothing is lost, nothing shared."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kinto_orm import Client, Session
from kinto_orm.flow.json import copied, same
from kinto_orm.session.snapshots import is_dirty
from models.kinds import Case, cases
from models.test_laws import slow as slower


#: What is set and merged has laws of its own; here, fewer classes will do.
slow = settings(slower, max_examples=60)

#: Nothing is sent.
CLIENT = Client(server_url="http://localhost/v1", bucket="b", collection="c")


def loaded(case: Case) -> Any:
    """Return a record of the class, as if it had been read."""
    return case.model.from_document({**case.document, "last_modified": 7})


def edit(record: Any, case: Case, data: st.DataObject) -> None:
    """Set some of its fields to other values."""
    other = case.model.from_document(copied(case.other))
    for spec in data.draw(st.lists(st.sampled_from(case.model._specs()), unique_by=id)):
        setattr(record, spec.name, getattr(other, spec.name))
    if data.draw(st.booleans()):
        record.extra["besides"] = {"n": [1]}


class TestRollback:
    """Undoing."""

    @slow
    @given(cases(), st.data())
    def test_it_is_as_it_was_loaded(self, case: Case, data: st.DataObject) -> None:
        """Whatever was set, the record stands for the document that was loaded."""
        session, record = Session(CLIENT), loaded(case)
        before = copied(record.to_document())
        session.add(record)
        edit(record, case, data)
        session.rollback()
        assert same(record.to_document(), before)
        assert not session.changes()
        edit(record, case, data)
        session.rollback(record)
        assert same(record.to_document(), before)


class TestMerge:
    """Merging."""

    @slow
    @given(cases(), st.data())
    def test_into_a_session_without_it(self, case: Case, data: st.DataObject) -> None:
        """The copy stands for the same, and has changed the same."""
        session, record = Session(CLIENT), loaded(case)
        edit(record, case, data)
        mine = session.merge(record)
        assert same(mine.to_document(), record.to_document())
        assert session.is_modified(mine) is is_dirty(record)
        before = copied(record.to_document())
        edit(mine, case, data)
        session.rollback()
        assert same(record.to_document(), before)

    @slow
    @given(cases(), st.data())
    def test_over_what_is_there(self, case: Case, data: st.DataObject) -> None:
        """A clean record becomes as the other; a second time, nothing is left to do."""
        session, record = Session(CLIENT), loaded(case)
        mine = session.merge(record)
        edit(record, case, data)
        for _ in range(2):
            assert session.merge(record) is mine
            assert same(mine.to_document(), record.to_document())
        changed = {change.path for change in session.changes()}
        other = Session(CLIENT)
        other.merge(record)
        assert changed == {change.path for change in other.changes()}

    @slow
    @given(cases(), st.data())
    def test_of_what_did_not_change(self, case: Case, data: st.DataObject) -> None:
        """A record that did not change changes nothing, whatever there is."""
        session, record = Session(CLIENT), loaded(case)
        mine = session.merge(record)
        edit(mine, case, data)
        before = copied(mine.to_document())
        session.merge(record)
        assert same(mine.to_document(), before)
