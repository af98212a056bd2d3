"""
What a user wants of records, beyond setting their fields: to undo, to merge, to move, to see it.

Nothing here is sent.  A record is changed in place, so that whoever holds it keeps it.

A write whose fate is not known may have been undone here since.  If it turns out to have been
applied, that is the server's change now, as if somebody else had made it: the record takes it,
and nothing is written back.  Only what was edited after the undoing stays an edit.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager, suppress
from copy import deepcopy
from typing import Any, Final, TypeVar

from kinto_orm.exceptions import InvalidRequest, ValidationError
from kinto_orm.flow import Document
from kinto_orm.flow.json import same
from kinto_orm.models.binding import unbound
from kinto_orm.models.layout import load
from kinto_orm.models.links import Link, connect, links_of
from kinto_orm.models.parts import keys_of, load_part, part_of, take_keys
from kinto_orm.models.permissions import (
    adopt_permissions,
    edit_permissions,
    permission_edits,
    undo_permissions,
)
from kinto_orm.models.records import Record
from kinto_orm.models.state import HELD
from kinto_orm.session.committing import Committing
from kinto_orm.session.conflicts import set_keys
from kinto_orm.session.field_changes import FieldChange, field_changes
from kinto_orm.session.identity import Entry, Key
from kinto_orm.session.results import Outcome
from kinto_orm.session.snapshots import base_of, is_dirty, loaded_of, target_of, without_stamps
from kinto_orm.session.three_way import three_way


R = TypeVar("R", bound=Record)

_MISSING: Final = object()


class Editing(Committing):
    """Undoes, merges, moves and shows what is not committed."""

    #: Whether a block of `begin` is open.
    _is_begun = False

    # -- Looking at it -------------------------------------------------------------------------

    def changes(self, *records: Record) -> tuple[FieldChange, ...]:
        """
        Return what the next commit would change, value by value: of *records*, or of all.

        Printed, each is a line for somebody to read: ``Todo work/todos/milk: done: false → true``.
        What a patch without loading will change (see `patch`) is not known, and not among them.

        Raises:
            InvalidRequest: If one of *records* is not in the session.
            UnsendableValue: If a record holds what cannot be sent.
        """
        return tuple(each for entry in self._chosen(records) for each in self._shown(entry))

    def _shown(self, entry: Entry) -> Iterable[FieldChange]:
        """Give what is to be changed of a record."""
        if entry.wanted:
            return field_changes(self._change(entry, target_of(entry.record)))
        return () if entry.loaded is None else field_changes(self._change(entry, None))

    def _chosen(self, records: Iterable[Record]) -> list[Entry]:
        """Return the entries of *records*, each once; all, if there are none."""
        return list(dict.fromkeys(map(self._mine, records))) or list(self._known)

    # -- Undoing it ----------------------------------------------------------------------------

    def rollback(self, *records: Record) -> None:
        """
        Undo what was not committed: of *records*, or of all.  Nothing is sent.

        Changed records become what was loaded, in place, with their permissions; the lists and the
        embedded records in them are made anew.  Those that were to be deleted, or moved, are wanted
        again.  Those that were to be created are forgotten; these objects stay as they are.

        A write of which it is not known whether it was applied cannot be undone here.  The next
        commit finds out; if it was, the record becomes what the server has, and what was edited
        since stays an edit: of a record that was deleted, a conflict.  A creation like that is
        forgotten, too: `get` tells whether it is there.

        Raises:
            InvalidRequest: If one of *records* is not in the session.
            ValidationError: If what was loaded does not fit its class; nothing is undone.
            ConcurrentUseError: If a commit is under way.
        """
        with self._guard:
            entries = self._chosen(records)
            fresh = {entry: _as_loaded(entry) for entry in entries if _is_changed(entry)}
            for entry in entries:
                entry.blind = None
                if entry.loaded is None or entry.loaded.get("last_modified") is None:
                    self._forget(entry)
                    continue
                entry.want()
                entry.undone = tuple(entry.sent)
                if entry in fresh:
                    _become(entry.record, fresh[entry])

    def note(self, outcome: Outcome) -> None:
        """Take *outcome* into the session; of a write that was undone here, as the server's."""
        entry = self._known.of(outcome.write.change.record)
        if entry is None or outcome.write not in entry.undone:
            super().note(outcome)
            return
        record, base, local = entry.record, base_of(entry.record), target_of(entry.record)
        edits = permission_edits(record)
        if outcome.is_gone and entry.wanted and (edits or not same(base, local)):
            # Edited since: that meets a conflict, as if somebody else had deleted it.
            entry.sent.clear()
            entry.undone = ()
            return
        super().note(outcome)
        if entry.sent:
            return  # It is still not known.
        entry.undone = ()
        if entry.loaded is None:
            self._known.drop(record)
            return
        undo_permissions(record)
        edit_permissions(record, edits)
        theirs = without_stamps(entry.loaded)
        joined = three_way(base or {}, local, theirs, sets=set_keys(record)).document
        with suppress(ValidationError):  # What does not fit stays an edit.
            take_keys(record, joined, _changed_keys(local, joined))

    @contextmanager
    def _all_or_nothing(self) -> Generator[None]:
        """Undo all changes that are made inside if it fails."""
        if self._is_begun:
            msg = "begin() inside begin(): the outer block commits what is changed in it"
            raise InvalidRequest(msg)
        if waiting := len(self.new) + len(self.dirty) + len(self.deleted):
            msg = (
                f"the session has {waiting} uncommitted change{'s'[: waiting > 1]}, which would be"
                " undone with those of the block: commit() or rollback() before begin()"
            )
            raise InvalidRequest(msg)
        self._is_begun = True
        try:
            yield
        except BaseException:
            self.rollback()
            raise
        finally:
            self._is_begun = False

    # -- Merging -------------------------------------------------------------------------------

    def merge(self, record: R) -> R:
        """
        Return this session's object for *record*, with the changes that *record* has.

        The record given was loaded by another session, unpickled, or made; it stays as it is.
        If the session does not know it, it takes in a copy, with what it was loaded from and its
        changes.  If it does, what was changed in *record* is put over what the session has.

        If both were loaded from the same version, that is all.  Otherwise one of them does not
        know what the other was changed for, and nothing is put over a change: a path that both
        changed, to something different, is refused.

        Raises:
            InvalidRequest: If both have changed the same, if they are of different classes, if it
                is to be deleted here, or if it was loaded under another id.  Nothing is changed.
            ValidationError: If the changes do not fit the class.  Nothing is changed.
            InvalidId: If Kinto does not take its id.
        """
        if record in self:
            return record
        key = self._key(type(record), record.id)
        entry = self._known.find(key)
        if entry is None:
            copy = self._copied(record)
            self._take_in(key, copy)
            return copy
        self._check_mergeable(entry, record)
        self._put_over(entry, record)
        mine: Any = entry.record
        return mine  # type: ignore[no-any-return]

    def _check_mergeable(self, entry: Entry, record: Record) -> None:
        mine = entry.record
        if unbound(type(mine)) is not unbound(type(record)):
            msg = f"{entry.key} is a {type(mine).__name__} here, not a {type(record).__name__}"
            raise InvalidRequest(msg)
        if not entry.wanted:
            msg = (
                f"{type(mine).__name__} {entry.key} is to be deleted here: add() it first, if it is"
                " to stay"
            )
            raise InvalidRequest(msg)

    def _put_over(self, entry: Entry, record: Record) -> None:
        """Put what was changed in *record* over what the session has of it."""
        mine, base, local = entry.record, base_of(record) or {}, target_of(record)
        edits, loaded = permission_edits(record), loaded_of(record)
        is_same = loaded is not None and _version(loaded) == _version(entry.loaded)
        changed = _changed_keys(base, local) - {"id"}
        if is_same and loaded is not None:
            self._complete(entry, loaded, part_of(record))
            if edits and not mine.permissions.is_loaded:
                adopt_permissions(mine, record.__dict__.get("_acl"))
        remote = target_of(mine)
        sides = (_only(each, changed) for each in (base, local, remote))
        merged = three_way(*sides, sets=set_keys(mine))
        unknown = [key for key in changed if not _is_known(mine, key)]
        if not is_same:
            _refuse(entry, f"both changed {_listed(merged.clashes)}", merged.clashes)
            _refuse(entry, f"it has not loaded {_listed(unknown)}, which changed", unknown)
        if not mine.permissions.is_loaded:
            names = [f"permissions.{name}" for name in edits]
            _refuse(entry, f"it has not loaded {_listed(names)}, which changed", names)
        take_keys(mine, {**_but(remote, changed), **merged.document}, changed)
        connect(mine, [(name, self._own(link)) for name, link in links_of(record)])
        edit_permissions(mine, edits)

    def _copied(self, record: R) -> R:
        """Return a copy of *record*, whose links lead to records of this session."""
        links: dict[int, Any] = {id(link): self._own(link) for _, link in links_of(record)}
        return deepcopy(record, links)

    def _own(self, link: Link[Any]) -> Link[Any]:
        """Return *link* as one of a record of this session."""
        own, target = Link[Any](str(link)), link.record_or(None)
        if target is None:
            return own
        entry = self._known.find(Key(*self._place(type(target)), target.id))
        if entry is not None:
            own._lead_to(entry.record)
        elif target.last_modified is None:  # New, as the link is: to be added, too.
            own._lead_to(target)
        return own

    # -- Moving --------------------------------------------------------------------------------

    def move(self, record: R, place: type[R]) -> R:
        """
        Return a copy of *record* at another place, to be created; *record* is to be deleted.

            session.move(todo, Todo.at(collection="archive"))

        It is deleted only when the copy is on the server.  Should the copy be expunged or rolled
        back, it stays; should the copy be deleted, it goes.  Rolled back itself, or added again,
        it stays, too.

        The copy has the id, the values and the `extra`, with all changes; not the permissions, for
        what may be done there is another matter.

        Args:
            record: A record that was loaded, or was added to the session.
            place: Its class, bound there.

        Raises:
            TypeError: If *place* is of another class.
            InvalidRequest: If it is there already, if the session has another object for it, if
                it is to be deleted, or if it is neither loaded nor in the session.
            NotLoaded: If it was loaded in part.
        """
        entry = self._known.of(record)
        if entry is not None and not entry.wanted:
            msg = f"{type(record).__name__} {entry.key} cannot be moved: it is to be deleted"
            raise InvalidRequest(msg)
        if entry is None and loaded_of(record) is None:
            msg = f"{record!r} cannot be moved: it was not loaded, nor added to the session"
            raise InvalidRequest(msg)
        copy = record.copy_to(place)
        if self._key(type(copy), copy.id) == self._key(type(record), record.id):
            msg = f"{record!r} cannot be moved: it is there already"
            raise InvalidRequest(msg)
        if entry is None:
            self.add(record)
        self.add(copy)
        self._follow(self._mine(record), self._mine(copy))
        return copy

    def _follow(self, entry: Entry, copy: Entry) -> None:
        """Have *entry* go when *copy* is there; what waited for *entry* to be there, too."""
        if entry.loaded is None:
            for origin in list(entry.origins):
                origin.follow(copy)
        self.delete(entry.record)
        if self._known.of(entry.record) is entry:
            entry.follow(copy)


def _is_changed(entry: Entry) -> bool:
    """Tell whether there is something to undo in a record that was loaded."""
    if entry.loaded is None:
        return False
    try:
        return is_dirty(entry.record)
    except (InvalidRequest, RecursionError):  # It holds what cannot be written, or itself.
        return True


def _as_loaded(entry: Entry) -> Record:
    """Return the record of *entry* as it was loaded."""
    model, part, loaded = type(entry.record), part_of(entry.record), entry.loaded
    fresh: Record = load(model, loaded) if part is None else load_part(model, loaded or {}, part)
    return fresh


def _become(record: Record, fresh: Record) -> None:
    """Have *record* be as *fresh*; its permissions as they were, its links as far as known."""
    state = record.__dict__
    connect(fresh, links_of(record))
    kept = {name: state[name] for name in ("_acl", HELD) if name in state}
    state.clear()
    state.update(fresh.__dict__, **kept)
    undo_permissions(record)


# -- Three ways --------------------------------------------------------------------------------


def _changed_keys(one: Document, other: Document) -> set[str]:
    return {
        key
        for key in one.keys() | other.keys()
        if not same(one.get(key, _MISSING), other.get(key, _MISSING))
    }


def _only(document: Document, keys: set[str]) -> Document:
    return {key: value for key, value in document.items() if key in keys}


def _but(document: Document, keys: set[str]) -> Document:
    return {key: value for key, value in document.items() if key not in keys}


def _version(document: Document | None) -> int | None:
    return None if document is None else document.get("last_modified")


def _is_known(record: Record, key: str) -> bool:
    """Tell whether it is known what *record* has under *key*."""
    known = keys_of(record)
    return known is None or key in known


def _listed(paths: Iterable[str]) -> str:
    return ", ".join(sorted(paths))


def _refuse(entry: Entry, why: str, paths: Collection[str]) -> None:
    """Refuse to merge into *entry*, if there are *paths* that cannot be merged."""
    if not paths:
        return
    name, version = f"{type(entry.record).__name__} {entry.key}", _version(entry.loaded)
    known = "is new" if version is None else f"was loaded from version {version}"
    msg = (
        f"{name} cannot be merged: the one in this session {known}, and {why}. Set the fields of"
        " that one, or refresh it and merge again"
    )
    raise InvalidRequest(msg)
