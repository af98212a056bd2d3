"""Who may do what, as values."""

from __future__ import annotations

import copy
import pickle

import pytest

from kinto_orm import (
    Authenticated,
    Everyone,
    Field,
    Group,
    NotLoaded,
    Permissions,
    Principal,
    Record,
    User,
    field,
)
from kinto_orm.exceptions import InvalidRequest
from kinto_orm.models.permissions import (
    outdate_permissions,
    permission_changes,
    permitted,
    principal,
)


class Note(Record, collection="notes"):
    """A record."""

    text: Field[str] = field(default="")


class TestPrincipals:
    """Those who may be permitted something."""

    def test_they_are_strings(self) -> None:
        """A principal is equal to its text, and says what it is."""
        assert User("account:ann") == "account:ann"
        assert repr(User("account:ann")) == "User('account:ann')"
        assert repr(Group("/buckets/b/groups/g")) == "Group('/buckets/b/groups/g')"
        assert (repr(Everyone), repr(Authenticated)) == ("Everyone", "Authenticated")
        assert Everyone == "system.Everyone"
        assert pickle.loads(pickle.dumps(User("account:ann"))) == "account:ann"

    @pytest.mark.parametrize(
        ("text", "kind"),
        [
            ("account:ann", User),
            ("/buckets/b/groups/g", Group),
            ("system.Everyone", Principal),
            ("portier:ann@example.com", User),
        ],
    )
    def test_text_is_recognized(self, text: str, kind: type[Principal]) -> None:
        """What a server says becomes what it stands for."""
        assert type(principal(text)) is kind

    @pytest.mark.parametrize("text", ["", " account:ann", 3, None])
    def test_what_is_none(self, text: object) -> None:
        """What cannot be a principal is refused."""
        with pytest.raises(InvalidRequest, match="is no principal"):
            Permissions().read.add(text)  # type: ignore[arg-type]

    def test_a_group_has_a_path(self) -> None:
        """The mere id of a group is refused."""
        with pytest.raises(InvalidRequest, match="give its path"):
            Group("editors")

    def test_one_string_is_no_set(self) -> None:
        """A string in the place of a list is a mistake."""
        with pytest.raises(InvalidRequest, match="give a list or set"):
            Permissions(read="system.Everyone")


class TestPermissions:
    """The permissions of a record."""

    def test_of_a_new_record(self) -> None:
        """They are empty, or what was given; each record has its own."""
        shared = Permissions(read=[Everyone], write={"account:ann"})
        one, other = Note(permissions=shared), Note(permissions=shared)
        one.permissions.read.discard(Everyone)
        assert len(one.permissions.read) == 0
        assert other.permissions.read == {Everyone}
        assert shared.read == {Everyone}
        assert Note().permissions == Permissions()
        assert repr(other.permissions) == (
            "Permissions(read={Everyone}, write={User('account:ann')})"
        )
        with pytest.raises(TypeError, match="must be Permissions"):
            Note(permissions={"read": []})  # type: ignore[arg-type]

    def test_not_loaded(self) -> None:
        """Those of a record that was loaded without them say so, and how to load them."""
        note = Note.from_document({"id": "n", "last_modified": 1})
        assert not note.permissions.is_loaded
        for use in (
            lambda: note.permissions.read,
            lambda: note.permissions.write.add(Everyone),
            lambda: setattr(note.permissions, "read", []),
            lambda: setattr(note, "permissions", Permissions()),
        ):
            with pytest.raises(NotLoaded, match=r"Note 'n' are not loaded.*load_permissions"):
                use()
        assert repr(note.permissions) == "<Permissions: not loaded>"

    def test_sets(self) -> None:
        """They are sets: of principals, or of their texts."""
        permissions = Permissions()
        permissions.read |= {"account:ann", Everyone}
        permissions.read.remove(Everyone)
        assert "account:ann" in permissions.read
        assert list(permissions.read) == [User("account:ann")]
        permissions.write = [Group("/buckets/b/groups/g")]
        assert len(permissions.write) == 1
        assert permissions == Permissions(read=["account:ann"], write=["/buckets/b/groups/g"])

    def test_changes(self) -> None:
        """What is as the server has it is no change."""
        note = Note.from_document({"id": "n", "last_modified": 1})
        note.permissions._adopt({"read": ["account:a"], "write": ["account:b"]})
        note.permissions.read.add("account:c")
        assert permission_changes(note) == {"read": ["account:a", "account:c"]}
        note.permissions.read.discard("account:c")
        note.permissions.write = {"account:b"}
        assert permission_changes(note) == {}

    def test_edits_while_under_way(self) -> None:
        """What was edited after it was sent stays an edit, added to what the server has."""
        note = Note.from_document({"id": "n", "last_modified": 1})
        permissions = note.permissions
        permissions._adopt({"read": ["account:a"]})
        permissions.read.add("account:b")
        sent = permissions._changes()
        permissions.read.add("account:c")
        permissions.write.add("account:d")
        permissions._adopt({"read": ["account:a", "account:b"], "write": ["account:me"]}, sent)
        assert permissions.read == {"account:a", "account:b", "account:c"}
        assert permissions.write == {"account:d", "account:me"}
        assert set(permissions._changes()) == {"read", "write"}

    def test_held_ones(self) -> None:
        """Who holds the permissions of a record that was loaded anew notices."""
        note = Note(permissions=Permissions(read=[Everyone]))
        held = note.permissions
        outdate_permissions(note)
        with pytest.raises(NotLoaded):
            held.read.add("account:ann")

    def test_copies(self) -> None:
        """A copy of a record has permissions of its own."""
        note = Note(permissions=Permissions(read=[Everyone]))
        for copied in (copy.deepcopy(note), pickle.loads(pickle.dumps(note))):
            copied.permissions.read.clear()
            assert note.permissions.read == {Everyone}

    def test_the_name_is_taken(self) -> None:
        """They are no key of the document."""
        assert "permissions" not in Note(permissions=Permissions(read=[Everyone])).to_document()


@pytest.mark.parametrize(
    ("found", "wanted", "yes"),
    [
        ({"read": ["a"], "write": ["me"]}, {"read": ["a"]}, True),
        ({"read": ["a", "b"], "write": ["me"]}, {"read": ["a"]}, False),
        ({"write": ["me"]}, {"read": []}, True),
        ({"write": ["me", "a"]}, {"write": ["a"]}, True),
        ({"write": ["me"]}, {"write": ["a"]}, False),
        ({}, {"read": []}, False),
        (None, {"read": ["a"]}, False),
    ],
)
def test_permitted(found: dict[str, list[str]], wanted: dict[str, list[str]], *, yes: bool) -> None:
    """The server adds who wrote to those who may write; what it hides was not written by us."""
    assert permitted(found, wanted) is yes
