"""Two changes of one document are made one, or it is said where that cannot be: examples."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from apps import App
from kinto_orm import ConflictError
from kinto_orm.flow.json import copied, same
from kinto_orm.session.three_way import Merged, three_way
from session.models import Address, Todo


Document = dict[str, Any]


def merged(base: Any, local: Any, remote: Any, **options: Any) -> tuple[Any, tuple[str, ...]]:
    """Return the merge of three values, under the key ``a``, and what clashes."""
    found = three_way({"a": base}, {"a": local}, {"a": remote}, **options)
    return found.document["a"], found.clashes


class TestObjects:
    """Key by key."""

    @pytest.mark.parametrize(
        ("base", "local", "remote", "document", "clashes"),
        [
            # Different keys.
            ({"x": 1, "y": 1}, {"x": 2, "y": 1}, {"x": 1, "y": 2}, {"x": 2, "y": 2}, []),
            ({"x": 1}, {"x": 1, "y": 1}, {"x": 1, "z": 1}, {"x": 1, "y": 1, "z": 1}, []),
            ({"x": 1, "y": 1}, {"x": 1}, {"y": 1}, {}, []),
            ({"x": 1, "y": 1}, {"y": 1}, {"x": 1, "y": 2}, {"y": 2}, []),
            # The same on both sides.
            ({"x": 1}, {"x": 2}, {"x": 2}, {"x": 2}, []),
            ({"x": 1}, {}, {}, {}, []),
            ({}, {"x": 1}, {"x": 1}, {"x": 1}, []),
            # Something different.
            ({"x": 1}, {"x": 2}, {"x": 3}, {"x": 2}, ["x"]),
            ({}, {"x": 1}, {"x": 2}, {"x": 1}, ["x"]),
            ({"x": 1}, {"x": True}, {"x": 2}, {"x": True}, ["x"]),
            ({"x": True}, {"x": 1}, {"x": True}, {"x": 1}, []),  # A boolean is no number.
            ({"x": 0}, {"x": True}, {"x": 1}, {"x": True}, ["x"]),
            ({"x": 1}, {"x": None}, {}, {"x": None}, ["x"]),  # A null is no missing key.
            # Objects in objects.
            (
                {"o": {"x": 1}},
                {"o": {"x": 2}},
                {"o": {"x": 1, "y": 1}},
                {"o": {"x": 2, "y": 1}},
                [],
            ),
            ({"o": {"x": 1}}, {"o": {"x": 2}}, {"o": {"x": 3}}, {"o": {"x": 2}}, ["o.x"]),
            ({"o": {"x": 1}}, {}, {"o": {"x": 1}}, {}, []),
            ({"o": {"x": 1}}, {}, {"o": {"x": 2}}, {}, ["o"]),
            ({"o": {"x": 1}}, {"o": {"x": 2}}, {}, {"o": {"x": 2}}, ["o"]),
            ({}, {"o": {"x": 1}}, {"o": {"y": 1}}, {"o": {"x": 1, "y": 1}}, []),
            ({}, {"o": {"x": 1}}, {"o": {"x": 2}}, {"o": {"x": 1}}, ["o.x"]),
            # Other types.
            ({"x": 1}, {"x": {}}, {"x": []}, {"x": {}}, ["x"]),
            ({"x": {"y": 1}}, {"x": 5}, {"x": {"y": 2}}, {"x": 5}, ["x"]),
            ({"x": None}, {"x": {"y": 1}}, {"x": {"z": 1}}, {"x": {"y": 1}}, ["x"]),
            ({}, {"x": [1]}, {"x": [2]}, {"x": [1]}, ["x"]),
        ],
    )
    def test_examples(
        self, base: Any, local: Any, remote: Any, document: Any, clashes: list[str]
    ) -> None:
        """What one side changed is taken; what both changed clashes, as deep as objects go."""
        found = three_way(base, local, remote)
        assert same(found.document, document)
        assert found.clashes == tuple(clashes)

    def test_which_side(self) -> None:
        """At a clash one side is taken as a whole, removed or not; elsewhere both are."""
        base = {"x": 1, "o": {"y": 1}, "z": 1}
        local = {"x": 2, "z": 2}
        remote = {"x": 3, "o": {"y": 2}, "z": 1}
        assert three_way(base, local, remote) == Merged({"x": 2, "z": 2}, ("o", "x"))
        found = three_way(base, local, remote, prefer="remote")
        assert found == Merged({"x": 3, "o": {"y": 2}, "z": 2}, ("o", "x"))

    def test_long_floats(self) -> None:
        """A float that the server spells otherwise is no change; its spelling stays."""
        long, spelt = 0.30000000000000004, 0.3
        assert merged(spelt, long, spelt) == merged(spelt, spelt, long) == (long, ())
        assert merged(1, long, spelt) == (spelt, ())
        assert merged(long, 1, spelt) == (1, ())
        assert merged(spelt, long, 1) == (1, ())
        assert merged([long, 1], [long, 2], [spelt, 1, 3]) == ([spelt, 2, 3], ())
        assert merged([long, 1], [1, 2], [spelt, 1]) == ([1, 2], ())

    def test_arguments_stay(self) -> None:
        """None of the three documents is changed."""
        sides: list[Document] = [
            {"o": {"x": 1}, "l": [1, {"y": 1, "z": 1}]},
            {"o": {"x": 2}, "l": [1, {"y": 2, "z": 1}, 3], "s": ["a"]},
            {"o": {"x": 1, "y": 1}, "l": [0, 1, {"y": 1, "z": 1}], "s": ["b"]},
        ]
        before = copied(sides)
        three_way(*sides, sets=["s"])
        assert sides == before


class TestLists:
    """Item by item, where it is certain what became of each."""

    @pytest.mark.parametrize(
        ("base", "local", "remote", "expected"),
        [
            # New items at different places.
            ("abc", "abcx", "zabc", "zabcx"),
            ("abc", "axbc", "abyc", "axbyc"),
            ("", "x", "", "x"),
            # The same at the same place, once.
            ("abc", "abxc", "abxc", "abxc"),
            ("abc", "abxc", "abxcy", "abxcy"),
            # Items that are gone.
            ("abc", "ab", "bc", "b"),
            ("abcd", "ad", "abd", "ad"),
            ("abc", "", "abcx", "x"),
            ("abc", "ac", "abxc", "axc"),
            # One in the place of another.
            ("abc", "xbc", "aby", "xby"),
            ("abc", "xbc", "ayc", "xyc"),
            ("abc", "axc", "abyc", "axyc"),
            ("abc", "axc", "abcy", "axcy"),
            ("abc", "xbc", "xbcy", "xbcy"),
            # Items that moved.
            ("abcd", "dabc", "axbcd", "daxbc"),
            ("abcd", "bcda", "abd", "bda"),
            ("abcde", "eabcd", "eabxcd", "eabxcd"),
            ("abcdefg", "bcadefg", "abcdgef", "bcadgef"),
            # Copies, where they stay or come with what is new.
            ("abab", "ababx", "zabab", "zababx"),
            ("aaaa", "aaxaa", "aaaay", "aaxaay"),
            ("aba", "abax", "yba", "ybax"),
            ("aba", "abax", "yaba", "yabax"),
            # Many changed, if the other side did something elsewhere.
            ("abcdef", "xyzdef", "abcdew", "xyzdew"),
            ("abcdef", "badef", "abcdew", "badew"),
        ],
    )
    def test_merged(self, base: str, local: str, remote: str, expected: str) -> None:
        """What was done at different places is done."""
        assert merged(list(base), list(local), list(remote)) == (list(expected), ())

    @pytest.mark.parametrize(
        ("base", "local", "remote"),
        [
            ("abc", "abcx", "abcy"),  # Which comes first?
            ("", "x", "y"),
            ("abc", "axbc", "abcx"),  # One x, or two?
            ("abc", "xbc", "abxc"),
            ("abc", "ac", "axc"),  # Gone, or another?
            ("abcd", "dabc", "abc"),  # At another place, or gone?
            ("abcd", "dabc", "abcx"),
            ("abcd", "dabc", "adbc"),  # Where to?
            ("abcd", "bcda", "abcdx"),
            ("abcde", "eabcd", "eabcdx"),
            ("abcd", "dabc", "abcxd"),  # Does x go with d?
            ("abcd", "bcda", "axbcd"),
            ("abcde", "ebcda", "zbcde"),  # Is z what a is now?
            ("ab", "ba", "abx"),  # Which of the two moved?
            ("abc", "xyc", "azc"),  # Which of x and y was b?
            ("abcd", "xd", "abyd"),
            ("abcd", "axd", "ax"),
            ("aaa", "aa", "aaab"),  # Which one went?
            ("aaaa", "aaba", "caaa"),
            ("abac", "bacad", "zabac"),  # Did one go, and one come, or did it move?
            ("abc", "cba", "abcx"),
        ],
    )
    def test_clashing(self, base: str, local: str, remote: str) -> None:
        """What may be meant in two ways is not guessed: the whole list clashes."""
        sides = list(base), list(local), list(remote)
        assert merged(*sides) == (list(local), ("a",))
        assert merged(*sides, prefer="remote") == (list(remote), ("a",))

    def test_one_item_that_both_replaced(self) -> None:
        """An item between the same neighbours is that item, and clashes alone."""
        assert merged([1, 2, 3], [1, 20, 3], [1, 21, 3, 4]) == ([1, 20, 3, 4], ("a[1]",))
        assert merged([1, 2, 3], [20, 3], [21, 3]) == ([20, 3], ("a",))

    def test_lists_in_lists(self) -> None:
        """A list in a list is merged as well, and clashes alone."""
        assert merged([[1], [2]], [[1, 3], [2]], [[0, 1], [2], [4]]) == ([[0, 1, 3], [2], [4]], ())
        found = merged([[1], [2]], [[1, 3], [2]], [[1, 4], [2]], prefer="remote")
        assert found == ([[1, 4], [2]], ("a[0]",))


class TestObjectsInLists:
    """An object in a list is looked into where both sides know which one it is."""

    BASE: ClassVar[list[Document]] = [
        {"city": "Rome", "nights": 2},
        {"city": "Oslo", "nights": 1},
        {"city": "Bonn", "nights": 1},
    ]

    @pytest.mark.parametrize(
        ("local", "remote", "expected", "clashes"),
        [
            # One key here, another one there.
            (
                [("Rome", 2), ("Oslo", 5), ("Bonn", 1)],
                [("Rome", 2), ("Bergen", 1), ("Bonn", 1)],
                [("Rome", 2), ("Bergen", 5), ("Bonn", 1)],
                [],
            ),
            # All of them here.
            (
                [("Rome", 3), ("Oslo", 3), ("Bonn", 3)],
                [("Rome", 2), ("Bergen", 1), ("Bonn", 1), ("Paris", 1)],
                [("Rome", 3), ("Bergen", 3), ("Bonn", 3), ("Paris", 1)],
                [],
            ),
            # The same key.
            (
                [("Paris", 1), ("Rome", 2), ("Oslo", 5), ("Bonn", 1)],
                [("Rome", 2), ("Oslo", 6), ("Bonn", 3)],
                [("Paris", 1), ("Rome", 2), ("Oslo", 5), ("Bonn", 3)],
                ["a[2].nights"],
            ),
            # Changed here, gone there.
            (
                [("Rome", 2), ("Oslo", 5), ("Bonn", 1)],
                [("Rome", 2), ("Bonn", 1)],
                [("Rome", 2), ("Oslo", 5), ("Bonn", 1)],
                ["a"],
            ),
            # Changed here, and moved there.
            (
                [("Rome", 2), ("Oslo", 1), ("Bonn", 5)],
                [("Bonn", 1), ("Rome", 2), ("Oslo", 1)],
                [("Rome", 2), ("Oslo", 1), ("Bonn", 5)],
                ["a"],
            ),
            # Changed and moved here, another one changed there.
            (
                [("Bonn", 5), ("Rome", 2), ("Oslo", 1)],
                [("Rome", 2), ("Oslo", 7), ("Bonn", 1)],
                [("Bonn", 5), ("Rome", 2), ("Oslo", 7)],
                [],
            ),
        ],
    )
    def test_examples(self, local: Any, remote: Any, expected: Any, clashes: list[str]) -> None:
        """What is different about an object tells which one it was."""
        sides = [
            [{"city": city, "nights": nights} for city, nights in side]
            for side in (local, remote, expected)
        ]
        assert merged(self.BASE, *sides[:2]) == (sides[2], tuple(clashes))

    def test_another_object_in_its_place(self) -> None:
        """An object that has nothing of the old one is another: it is not mixed with that."""
        base, local = [{"do": "shop"}], [{"do": "cook"}]
        remote = [{"do": "shop", "done": True}]
        assert merged(base, local, remote) == (local, ("a[0]",))
        assert merged(base, local, remote, prefer="remote") == (remote, ("a[0]",))

    def test_another_id(self) -> None:
        """An object with another id is another, whatever else they share."""
        base = [{"id": 1, "do": "shop"}]
        local, remote = [{"id": 2, "do": "shop"}], [{"id": 1, "do": "shop", "done": True}]
        assert merged(base, local, remote) == (local, ("a[0]",))
        other, new = {"id": 3, "do": "cook"}, {"id": 4, "do": "wash"}
        found = merged([*base, other], [other, *local], [new, *base, other])
        assert found == ([new, other, *local], ())

    def test_either(self) -> None:
        """Two objects that traded what was different about them are not told apart."""
        base = [{"n": 1, "c": "x"}, {"n": 2, "c": "y"}]
        local = [{"n": 1, "c": "y"}, {"n": 2, "c": "x"}]
        remote = [{"n": 1, "c": "x"}, {"n": 2, "c": "y", "d": 1}]
        assert merged(base, local, remote) == (local, ("a",))

    def test_of_two(self) -> None:
        """An object that has something of two others is neither for certain."""
        one, other, between = {"n": 1, "c": "x"}, {"n": 2, "c": "y"}, {"n": 3}
        local = [{"n": 1, "c": "y"}, between]
        remote = [{**one, "d": 1}, between, other]
        assert merged([one, between, other], local, remote) == (local, ("a",))


class TestSets:
    """Lists whose order says nothing."""

    @pytest.mark.parametrize(
        ("base", "local", "remote", "expected"),
        [
            ("ab", "abx", "aby", "abyx"),
            ("ab", "a", "b", ""),
            ("ab", "b", "abc", "bc"),
            ("ab", "ba", "abc", "abc"),
            ("ab", "abc", "bba", "abc"),
            ("a", "ax", "xa", "xa"),
            ("abc", "", "abcd", "d"),
        ],
    )
    def test_examples(self, base: str, local: str, remote: str, expected: str) -> None:
        """They have what the remote one has and the local one gained, less what that lost."""
        found = merged(list(base), list(local), list(remote), sets=["a"])
        assert found == (list(expected), ())

    @pytest.mark.parametrize(
        ("base", "local", "remote", "document"),
        [
            ({}, {"s": [1]}, {"s": [2]}, {"s": [2, 1]}),
            ({"s": [1]}, {}, {"s": [1, 2]}, {"s": [2]}),
            ({"s": [1]}, {"s": [1, 2]}, {}, {"s": [2]}),
            ({"s": [1]}, {}, {"s": []}, {}),
            ({"s": [1]}, {}, {"s": [1]}, {}),
            ({"s": []}, {}, {"s": []}, {}),
            ({"s": [1]}, {"s": [1, True]}, {"s": [1, 2]}, {"s": [1, 2, True]}),
        ],
    )
    def test_missing(self, base: Any, local: Any, remote: Any, document: Any) -> None:
        """A set that is missing is empty."""
        found = three_way(base, local, remote, sets=["s"])
        assert same(found.document, document)
        assert found.clashes == ()

    def test_what_is_no_list(self) -> None:
        """A null under such a key is a value like others, and may clash."""
        assert merged([1], None, [1, 2], sets=["a"]) == (None, ("a",))


class TestConflicts:
    """What a conflict says."""

    def test_fields(self, app: App) -> None:
        """The fields of a conflict are the paths that clash, not all that both sides touched."""
        stops = [{"city": "Rome"}, {"city": "Oslo", "zip": "1"}]
        app.create([{"id": "x", "title": "Trip", "tags": ["a", "b"], "stops": stops}])
        one, other = app.session(), app.session()
        mine, theirs = one.get_one(Todo, "x"), other.get_one(Todo, "x")
        theirs.tags.append("theirs")
        theirs.stops[1].city = "Bergen"
        other.commit()
        mine.tags.insert(0, "mine")
        mine.stops[1].city = "Bonn"
        mine.stops.insert(0, Address(city="Paris"))
        with pytest.raises(ConflictError) as caught:
            one.commit()
        (conflict,) = caught.value.result.conflicts
        assert conflict.fields == ("stops[2].city",)
        assert "both sides changed stops[2].city" in str(conflict)

    def test_created_twice(self, app: App) -> None:
        """Of a record that both sides created, what they have in common does not clash."""
        session = app.session()
        session.add(Todo(id="x", title="Mine", priority=1, note="n"))
        app.create([{"id": "x", "title": "Theirs", "priority": 1, "done": True}])
        with pytest.raises(ConflictError) as caught:
            session.commit()
        (conflict,) = caught.value.result.conflicts
        assert conflict.fields == ("done", "title")
