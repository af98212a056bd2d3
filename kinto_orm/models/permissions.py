"""
Who may do what with a record.

A list of records never says so, and to who may not write a record the server does not say it
either (docs/protocol.md, P5).  So permissions have a state of their own, "not loaded", in which
they cannot be read or changed: what is not known cannot be told from what is not there.
"""

from __future__ import annotations

import re

from collections.abc import Iterable, Iterator, Mapping, MutableSet
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeAlias, overload

from kinto_orm.exceptions import InvalidRequest, NotLoaded
from kinto_orm.models.state import HELD


if TYPE_CHECKING:
    from kinto_orm.models.records import Record


#: Permissions as documents have them: the principals that have each.
Lists: TypeAlias = Mapping[str, Iterable[str]]

#: A change of a permission: who had it, and who shall have it.
Edit: TypeAlias = tuple[frozenset[str], frozenset[str]]

#: What may be permitted on a record.
NAMES: Final = ("read", "write")

_GROUP: Final = re.compile(r"/buckets/[^/]+/groups/[^/]+")


class Principal(str):
    """
    Somebody who may be permitted something: a user, a group, or one of the two sets of all users.

    It is a string, and equal to it.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        if not isinstance(text, str) or not text or text != text.strip():
            msg = f"{text!r} is no principal: give a user ('account:ann'), a group, or Everyone"
            raise InvalidRequest(msg)
        return super().__new__(cls, text)

    def __repr__(self) -> str:
        known = {"system.Everyone": "Everyone", "system.Authenticated": "Authenticated"}
        return known.get(self, f"{type(self).__name__}({str(self)!r})")


class User(Principal):
    """A user, by how he logs in and his name there: ``User("account:ann")``."""

    __slots__ = ()


class Group(Principal):
    """A group of users, by its path: ``Group("/buckets/work/groups/editors")``."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        if _GROUP.fullmatch(text) is None:
            msg = f"{text!r} is no group: give its path, '/buckets/…/groups/…'"
            raise InvalidRequest(msg)
        return super().__new__(cls, text)


#: Whoever asks, without credentials, too.
Everyone: Final = Principal("system.Everyone")

#: Whoever has credentials that the server knows.
Authenticated: Final = Principal("system.Authenticated")


def principal(text: str) -> Principal:
    """Return *text* as what it stands for."""
    if isinstance(text, Principal):
        return text
    if not isinstance(text, str) or text.startswith("system."):
        return Principal(text)
    return Group(text) if _GROUP.fullmatch(text) is not None else User(text)


class Principals(MutableSet[Principal]):
    """A set of principals; strings that name some may be given in their place."""

    def __init__(self, members: Iterable[str] = ()) -> None:
        if isinstance(members, str):
            msg = f"give a list or set of principals, not {members!r}"
            raise InvalidRequest(msg)
        self._members = {principal(each) for each in members}

    def __contains__(self, member: object) -> bool:
        return member in self._members

    def __iter__(self) -> Iterator[Principal]:
        return iter(sorted(self._members))

    def __len__(self) -> int:
        return len(self._members)

    def __eq__(self, other: object) -> bool:
        return self._members == (other._members if isinstance(other, Principals) else other)

    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "{" + ", ".join(map(repr, self)) + "}"

    def add(self, value: str) -> None:
        """Permit it to *value*, too."""
        self._members.add(principal(value))

    def discard(self, value: str) -> None:
        """Permit it to *value* no more."""
        self._members.discard(principal(value))


class Permissions:
    """
    Who may read and write a record.

    Who writes a record is always added to those who may write it, by the server.

    Args:
        read: Who may read it, besides those who may write it.
        write: Who may change and delete it.
    """

    def __init__(self, *, read: Iterable[str] = (), write: Iterable[str] = ()) -> None:
        self._held: dict[str, Principals] | None = {
            "read": Principals(read),
            "write": Principals(write),
        }
        #: As the server has them; empty for a record that it does not have.
        self._loaded: dict[str, frozenset[str]] = {}
        self._of = "a record"

    @classmethod
    def _of_server(cls, lists: Lists | None, of: str) -> Self:
        """Return the permissions that the server has, or such as are not loaded; *of* what."""
        made = cls()
        made._of = of
        if lists is None:
            made._held = None
        else:
            made._adopt(lists)
        return made

    def __repr__(self) -> str:
        if self._held is None:
            return "<Permissions: not loaded>"
        return f"Permissions(read={self._held['read']!r}, write={self._held['write']!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Permissions) and self._held == other._held

    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    @property
    def is_loaded(self) -> bool:
        """Tell whether it is known who may do what."""
        return self._held is not None

    @property
    def read(self) -> Principals:
        """
        Return who may read the record, besides those who may write it.

        Raises:
            NotLoaded: If that is not known.
        """
        return self._known()["read"]

    @read.setter
    def read(self, members: Iterable[str]) -> None:
        """Permit reading to *members*, and to nobody else."""
        self._known()["read"] = Principals(members)

    @property
    def write(self) -> Principals:
        """
        Return who may change and delete the record.

        Raises:
            NotLoaded: If that is not known.
        """
        return self._known()["write"]

    @write.setter
    def write(self, members: Iterable[str]) -> None:
        """Permit writing to *members*, and to nobody else but who writes this."""
        self._known()["write"] = Principals(members)

    def _known(self) -> dict[str, Principals]:
        if self._held is None:
            msg = (
                f"the permissions of {self._of} are not loaded: lists do not have them. Read them"
                " with session.load_permissions(record), or session.refresh(record). If they are"
                " not there even then, you may not write the record, and the server hides them"
            )
            raise NotLoaded(msg)
        return self._held

    # -- What a session needs ------------------------------------------------------------------

    def _lists(self) -> dict[str, list[str]]:
        """Return all of them, as documents have them."""
        return {name: [str(each) for each in held] for name, held in (self._held or {}).items()}

    def _changes(self) -> dict[str, list[str]]:
        """Return those that are not as the server has them."""
        return {
            name: members
            for name, members in self._lists().items()
            if set(members) != self._loaded.get(name, frozenset())
        }

    def _adopt(self, lists: Lists, sent: Lists | None = None) -> None:
        """
        Take *lists* as what the server has.

        Args:
            lists: All permissions.
            sent: What was sent; edits since then stay edits.
        """
        loaded = {name: frozenset(lists.get(name, ())) for name in NAMES}
        held = {}
        for name in NAMES:
            now = set(self._lists().get(name, ()))
            then = set((sent or {}).get(name, self._loaded.get(name, ())))
            held[name] = Principals((loaded[name] | (now - then)) - (then - now))
        self._held, self._loaded = held, loaded


class PermissionsAttribute:
    """
    The attribute `permissions` of records.

    The value is made when it is first asked for: of most records, nobody asks.
    """

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type[Any]) -> Permissions: ...
    def __get__(self, instance: Any, owner: type[Any]) -> Any:
        if instance is None:
            return self
        state = instance.__dict__
        found = state.get(HELD)
        if found is None:
            is_new = state.get("_document") is None
            of = f"{type(instance).__name__} {state['id']!r}"
            lists = {} if is_new else state.get("_acl")
            found = state[HELD] = Permissions._of_server(lists, of)
        return found

    def __set__(self, instance: Any, value: Permissions) -> None:
        now: Permissions = self.__get__(instance, type(instance))
        for name, members in _checked(value)._known().items():
            now._known()[name] = Principals(members)


class GivenPermissions:
    """Where the constructor puts what it is given; a copy is kept, so that no two share one."""

    def __get__(self, instance: Any, owner: type[Any]) -> Any:
        """Return what is kept."""
        return self if instance is None else instance.__dict__.get(HELD)

    def __set__(self, instance: Any, value: Permissions | None) -> None:
        if value is not None:
            checked = _checked(value)
            instance.__dict__[HELD] = Permissions(read=checked.read, write=checked.write)


def _checked(value: Permissions) -> Permissions:
    if not isinstance(value, Permissions):
        msg = f"permissions must be Permissions(read=…, write=…), not {value!r}"
        raise TypeError(msg)
    return value


def permission_changes(record: Record) -> dict[str, list[str]]:
    """Return the permissions of *record* that are not as the server has them."""
    permissions: Permissions | None = record.__dict__.get(HELD)
    return {} if permissions is None else permissions._changes()


def all_permissions(record: Record) -> dict[str, list[str]]:
    """Return all permissions of *record* as they shall be, as far as they are known."""
    permissions: Permissions | None = record.__dict__.get(HELD)
    if permissions is not None:
        return permissions._lists()
    return {name: list(members) for name, members in (record.__dict__.get("_acl") or {}).items()}


def forget_permissions(record: Record) -> None:
    """Note that the server does not have *record*: what it shall permit stays, if it is known."""
    state = record.__dict__
    known = all_permissions(record)
    state["_acl"] = state[HELD] = None
    if known:
        lists = {name: known.get(name, ()) for name in NAMES}
        state[HELD] = Permissions(**lists)


def outdate_permissions(record: Record) -> None:
    """Have who holds the permissions of *record* notice that they are not its own any more."""
    known: Permissions | None = record.__dict__.get(HELD)
    if known is not None:
        known._held = None


def hide_permissions(record: Record) -> None:
    """Note that the permissions of *record* may have changed: they are not known any more."""
    outdate_permissions(record)
    record.__dict__.update({HELD: None, "_acl": None})


def adopt_permissions(record: Record, lists: Lists | None, sent: Lists | None = None) -> None:
    """
    Take *lists* as the permissions of *record* on the server; edits since they were *sent* stay.

    None, or none at all, means that the server does not show them.
    """
    state = record.__dict__
    known = state.get(HELD)
    state["_acl"] = lists or None
    if known is None:
        return
    if lists:
        known._adopt(lists, sent)
    elif not known._changes():
        del state[HELD]


def permission_edits(record: Record) -> dict[str, Edit]:
    """Return for each permission that was changed since it was loaded what was changed of it."""
    known: Permissions | None = record.__dict__.get(HELD)
    if known is None:
        return {}
    edits = {}
    for name, members in known._changes().items():
        before = known._loaded.get(name, frozenset())
        edits[name] = (before, frozenset(members))
    return edits


def edit_permissions(record: Record, edits: Mapping[str, Edit]) -> None:
    """Make *edits* to the permissions of *record*, which are loaded: who was added is, too."""
    for name, (before, after) in edits.items():
        held = record.permissions._known()[name]
        record.permissions._known()[name] = Principals(
            (set(held) | (after - before)) - (before - after)
        )


def undo_permissions(record: Record) -> None:
    """Have *record* permit what it did when it was loaded."""
    known: Permissions | None = record.__dict__.get(HELD)
    if known is not None and known.is_loaded:
        known._held = {name: Principals(known._loaded.get(name, ())) for name in NAMES}


def permitted(found: Lists | None, wanted: Lists) -> bool:
    """
    Tell whether permissions that were *found* are as *wanted*.

    To those who may write, the server adds who wrote: one more than was wanted, at the most.
    """
    if not found:
        return False  # Who wrote may see them.
    for name, members in wanted.items():
        missing, more = set(members) - set(found.get(name, ())), set(found.get(name, ()))
        more -= set(members)
        if missing or len(more) > (name == "write"):
            return False
    return True
