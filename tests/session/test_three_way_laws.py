"""Two changes of one document are made one: laws."""

from __future__ import annotations

import random
import re

from collections.abc import Callable, Collection, Iterator
from typing import Any, ClassVar

import pytest

from hypothesis import event, given
from hypothesis import strategies as st

from kinto_orm.flow.json import copied, hashable, same
from kinto_orm.session.three_way import Merged, merge_sets, three_way
from samples import real, search_config, translation_models
from strategies import scalars, triples, values


Document = dict[str, Any]
Triple = tuple[Document, Document, Document]

#: Small objects with lists of few values: much of it is the same on both sides, and often twice.
narrow: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([None, True, 1, 2, "x"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=6,
)
narrow_objects = st.dictionaries(st.sampled_from("abc"), narrow, max_size=3)

#: A document and what two sides made of it: edits of it, or anything at all.
any_triples = triples() | st.tuples(narrow_objects, narrow_objects, narrow_objects)

#: Objects in objects, without lists.
flat: st.SearchStrategy[Any] = st.recursive(
    st.integers(0, 3), lambda inner: st.dictionaries(st.sampled_from("abc"), inner), max_leaves=6
)
flat_objects = st.dictionaries(st.sampled_from("abc"), flat)


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give each scalar in *value*, and each key, with the keys that lead there."""
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, path)
    else:
        yield path, hashable(value)


# -- All documents ---------------------------------------------------------------------------------


class TestLaws:
    """What holds whatever the documents are."""

    @given(any_triples)
    def test_identity(self, triple: Triple) -> None:
        """A change that one side made, or both, is the merge."""
        base, changed, _ = triple
        again = copied(base)
        for sides in (
            (base, again, changed),
            (base, changed, again),
            (base, changed, copied(changed)),
        ):
            found = three_way(*sides)
            assert same(found.document, changed)
            assert found.clashes == ()

    @given(any_triples)
    def test_symmetry(self, triple: Triple) -> None:
        """It does not matter which side is which, but for the indices in paths."""
        base, local, remote = triple
        one = three_way(base, local, remote)
        other = three_way(base, remote, local, prefer="remote")
        assert same(one.document, other.document)
        assert without_indices(one) == without_indices(other)

    @given(any_triples)
    def test_nothing_is_made_up(self, triple: Triple) -> None:
        """Each scalar and each key is one that a side has, below the same keys."""
        base, local, remote = triple
        found = three_way(base, local, remote)
        assert {*leaves(found.document)} <= {*leaves(local), *leaves(remote)}

    @given(any_triples)
    def test_clashes_are_where_it_matters(self, triple: Triple) -> None:
        """It matters which side is preferred if, and only if, something clashes."""
        local, remote = three_way(*triple), three_way(*triple, prefer="remote")
        assert local.clashes == remote.clashes
        event("clashes" if local.clashes else "merged")
        assert same(local.document, remote.document) == (not local.clashes)

    @given(narrow_objects, narrow_objects, narrow_objects)
    def test_what_is_preferred(self, base: Any, local: Any, remote: Any) -> None:
        """At a path that clashes there is what the preferred side has there."""
        for prefer, side in (("local", local), ("remote", remote)):
            found = three_way(base, local, remote, prefer=prefer)  # type: ignore[arg-type]
            for path in found.clashes:
                if "[" not in path:  # An index is of no use after the merge.
                    assert same(at(found.document, path), at(side, path))

    @given(any_triples)
    def test_remote_and_the_merge(self, triple: Triple) -> None:
        """What was merged is a change of the remote document: to merge it again changes nothing."""
        base, local, remote = triple
        document = three_way(base, local, remote).document
        assert same(three_way(remote, document, remote).document, document)

    @given(flat_objects, flat_objects, flat_objects, st.sampled_from(["local", "remote"]))
    def test_again(self, base: Any, local: Any, remote: Any, prefer: Any) -> None:
        """To merge the merge with either side gives the merge, where there are no lists."""
        found = three_way(base, local, remote, prefer=prefer)
        again = three_way(base, found.document, remote, prefer=prefer)
        assert same(again.document, found.document)
        assert {*again.clashes} <= {*found.clashes}


def without_indices(found: Merged) -> list[str]:
    """Return the paths that clash, without the indices in them."""
    return sorted(re.sub(r"\[\d+\]", "[]", path) for path in found.clashes)


_NOTHING = object()


def at(document: Any, path: str) -> Any:
    """Return what *document* has at *path*."""
    for key in path.split("."):
        document = document.get(key, _NOTHING) if isinstance(document, dict) else _NOTHING
    return document


# -- Sets --------------------------------------------------------------------------------------


@given(*[st.lists(scalars, max_size=6)] * 3)
def test_sets(base: Any, local: Any, remote: Any) -> None:
    """They are what sets of Python would be, and have nothing twice that remote has once."""
    before, here, there = (set(map(hashable, each)) for each in (base, local, remote))
    found = list(map(hashable, merge_sets(base, local, remote)))
    assert set(found) == (there | (here - before)) - (before - here)
    assert all(found.count(key) <= max(1, list(map(hashable, remote)).count(key)) for key in found)


# -- Edits at different places -----------------------------------------------------------------

Path = tuple[str, ...]
Edit = tuple[Path, Any]

#: What an edit sets a key to when it removes it.
GONE = object()

replacements = values | st.just(GONE)


def key_paths(document: Any, above: Path = ()) -> Iterator[Path]:
    """Give the path of each key in *document*, and of one in each object that is not there yet."""
    if isinstance(document, dict):
        yield (*above, "new")
        for key, value in document.items():
            yield (*above, key)
            yield from key_paths(value, (*above, key))


def edited(document: Any, edits: Collection[Edit]) -> Any:
    """Return *document* after *edits*."""
    document = copied(document)
    for (*above, last), value in edits:
        inner = document
        for key in above:
            inner = inner[key]
        if value is GONE:
            inner.pop(last, None)
        else:
            inner[last] = value
    return document


def are_apart(one: Path, other: Path) -> bool:
    """Tell whether neither of two paths leads to the other."""
    shorter = min(len(one), len(other))
    return one[:shorter] != other[:shorter]


@st.composite
def edits_apart(draw: st.DrawFn) -> tuple[Document, list[Edit], list[Edit]]:
    """Give an object, and edits of two sides, each at a path of its own."""
    document = draw(flat_objects | narrow_objects)
    taken: list[Path] = []
    for path in draw(st.permutations(sorted({*key_paths(document)}))):
        if all(are_apart(path, other) for other in taken):
            taken.append(path)
    edits = [(path, draw(replacements)) for path in taken]
    middle = draw(st.integers(0, len(edits)))
    return document, edits[:middle], edits[middle:]


class TestObjectsEditedApart:
    """Sides that edit an object at different paths."""

    @given(edits_apart())
    def test_both(self, case: tuple[Document, list[Edit], list[Edit]]) -> None:
        """The merge of two edits is one after the other."""
        base, ours, theirs = case
        found = three_way(base, edited(base, ours), edited(base, theirs))
        assert found.clashes == ()
        assert same(found.document, edited(base, [*ours, *theirs]))

    @given(edits_apart(), st.data())
    def test_a_second_round(
        self, case: tuple[Document, list[Edit], list[Edit]], data: st.DataObject
    ) -> None:
        """To merge with a first and then with a second version is to merge with the second."""
        base, ours, theirs = case
        local, first = edited(base, ours), edited(base, theirs)
        second = data.draw(flat_objects | st.just(first).flatmap(any_edit))
        once = three_way(base, local, second, prefer="remote")
        between = three_way(base, local, first)
        twice = three_way(first, between.document, second, prefer="remote")
        assert same(once.document, twice.document)
        assert once.clashes == twice.clashes


@st.composite
def any_edit(draw: st.DrawFn, document: Document) -> Document:
    """Give *document* after an edit."""
    path = draw(st.sampled_from(sorted({*key_paths(document)})))
    result: Document = edited(document, [(path, draw(replacements))])
    return result


#: Where in a list something is done: to which item, or before which one.
Place = tuple[str, int]


def places(size: int) -> list[Place]:
    """Return all places in a list of that size, in order."""
    return [place for n in range(size + 1) for place in (("before", n), ("at", n))][:-1]


@st.composite
def places_apart(draw: st.DrawFn, sides: int, between: int) -> tuple[int, list[list[Place]]]:
    """
    Give the size of a list, and for each side places in it.

    No two sides have the same place, and *between* items are between two places of any side.
    """
    size = draw(st.integers(0, 12))
    taken: list[list[Place]] = [[] for _ in range(sides)]
    last = [-9.0] * sides
    for place in places(size):
        at = place[1] + (0.5 if place[0] == "at" else 0)
        free = [side for side in range(sides) if at - last[side] >= between + 1]
        side = draw(st.sampled_from([None, *free]))
        if side is not None:
            taken[side].append(place)
            last[side] = at
    return size, taken


def items_edited(base: list[Any], edits: dict[Place, Any]) -> list[Any]:
    """Return *base* with items replaced or removed, and new ones before some."""
    result: list[Any] = []
    for n in range(len(base) + 1):
        if ("before", n) in edits:
            result.append(edits["before", n])
        if n < len(base) and edits.get(("at", n)) is not GONE:
            result.append(edits.get(("at", n), base[n]))
    return result


def as_numbers(n: int) -> Any:
    """Return an item that is a number."""
    return n


def as_objects(n: int) -> Any:
    """Return an item that has something of its own, and something that all have."""
    return {"n": n, "kind": "item", "none": None}


def as_lists(n: int) -> Any:
    """Return an item that is a list."""
    return [n, [n]]


def draw_edits(
    data: st.DataObject, places: list[Place], item: Callable[[int], Any], start: int
) -> dict[Place, Any]:
    """Give for each place something new, or for an item maybe nothing."""
    return {
        (kind, n): GONE if kind == "at" and data.draw(st.booleans()) else item(start + k)
        for k, (kind, n) in enumerate(places)
    }


@pytest.mark.parametrize("item", [as_numbers, as_objects, as_lists])
class TestListsEditedApart:
    """Sides that edit a list of different items at different places."""

    @given(data=st.data())
    def test_both(self, item: Callable[[int], Any], data: st.DataObject) -> None:
        """Items come, go and are replaced on both sides, next to each other, too."""
        size, taken = data.draw(places_apart(2, between=1))
        base = [item(n) for n in range(size)]
        ours, theirs = (
            draw_edits(data, each, item, 100 * side) for side, each in enumerate(taken, 1)
        )
        local, remote = items_edited(base, ours), items_edited(base, theirs)
        found = three_way({"a": base}, {"a": local}, {"a": remote})
        assert found == Merged({"a": items_edited(base, {**ours, **theirs})})

    @given(data=st.data())
    def test_one_moved(self, item: Callable[[int], Any], data: st.DataObject) -> None:
        """An item that moved on one side is where it went, whatever the other did elsewhere."""
        size = data.draw(st.integers(4, 12))
        base = [item(n) for n in range(size)]
        origin = data.draw(st.integers(0, size - 1))
        far = [n for n in range(size + 1) if n <= origin - 2 or n >= origin + 3]
        ours = {("at", origin): GONE, ("before", data.draw(st.sampled_from(far))): base[origin]}
        beside = {*ours, ("before", origin), ("before", origin + 1)}
        place = data.draw(st.sampled_from([each for each in places(size) if each not in beside]))
        theirs = draw_edits(data, [place], item, 100)
        sides = {"a": base}, {"a": items_edited(base, ours)}, {"a": items_edited(base, theirs)}
        assert three_way(*sides) == Merged({"a": items_edited(base, {**ours, **theirs})})

    @given(data=st.data())
    def test_three_rounds(self, item: Callable[[int], Any], data: st.DataObject) -> None:
        """What was merged is merged with the next version, which was edited at another place."""
        size, (taken,) = data.draw(places_apart(1, between=1))
        base = [item(n) for n in range(size)]
        sides = [data.draw(st.integers(0, 2)) for _ in taken]
        ours, theirs, later = (
            draw_edits(
                data,
                [place for place, whose in zip(taken, sides, strict=True) if whose == side],
                item,
                100 * (side + 1),
            )
            for side in range(3)
        )
        local = {"a": items_edited(base, ours)}
        first = {"a": items_edited(base, theirs)}
        second = {"a": items_edited(base, {**theirs, **later})}
        between = three_way({"a": base}, local, first).document
        found = three_way(first, between, second)
        assert found == Merged({"a": items_edited(base, {**ours, **theirs, **later})})


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=8), st.integers(0, 8))
def test_keys_of_items(changed: list[tuple[bool, bool]], new: int) -> None:
    """Sides that change different keys of the items of a list, many or all, are made one."""
    base = [{"n": n, "x": "x", "y": "y"} for n, _ in enumerate(changed, 1)]
    local = [
        item | {"x": "z"} if ours else item for item, (ours, _) in zip(base, changed, strict=True)
    ]
    remote = [
        item | {"y": "z"} if their else item for item, (_, their) in zip(base, changed, strict=True)
    ]
    both = [
        item | {key: "z" for key, is_so in zip("xy", sides, strict=True) if is_so}
        for item, sides in zip(base, changed, strict=True)
    ]
    for items in (remote, both):
        items.insert(new, {"n": -1})
    assert three_way({"a": base}, {"a": local}, {"a": remote}) == Merged({"a": both})


@st.composite
def lists_of_one(draw: st.DrawFn, start: int) -> Callable[[list[int]], list[int]]:
    """Give a function that removes items and puts in others, in any number and anywhere."""
    gone = draw(st.sets(st.integers(0, 9)))
    come = draw(st.lists(st.tuples(st.integers(0, 10), st.integers(start, start + 9)), max_size=4))

    def edit(base: list[int]) -> list[int]:
        new = {number: place for place, number in come}
        return [
            each
            for n in range(len(base) + 1)
            for each in [*(k for k, place in new.items() if place == n), *base[n : n + 1]]
            if each not in gone
        ]

    return edit


@given(st.integers(0, 10), lists_of_one(10), lists_of_one(15))
def test_order(
    size: int, ours: Callable[[list[int]], list[int]], theirs: Callable[[list[int]], list[int]]
) -> None:
    """Each side finds its items in its order, with nothing lost, twice, or back again."""
    base = list(range(size))
    local, remote = ours(base), theirs(base)
    found = three_way({"a": base}, {"a": local}, {"a": remote})
    result = found.document["a"]
    event("clashes" if found.clashes else "merged")
    if not found.clashes:
        kept = {*base} & {*local} & {*remote}
        assert sorted(result) == sorted(kept | ({*local, *remote} - {*base}))
        for side in (local, remote):
            assert [n for n in side if n in result] == [n for n in result if n in side]


@given(st.integers(0, 6).flatmap(lambda size: st.permutations(range(size))), lists_of_one(10))
def test_moves(local: list[int], theirs: Callable[[list[int]], list[int]]) -> None:
    """What one side moved is in its order, without what the other removed, and with what is new."""
    base = sorted(local)
    remote = theirs(base)
    found = three_way({"a": base}, {"a": local}, {"a": remote})
    result = found.document["a"]
    event("clashes" if found.clashes else "merged")
    if not found.clashes:
        assert [n for n in result if n in base] == [n for n in local if n in remote]
        assert sorted(n for n in result if n not in base) == sorted({*remote} - {*base})


# -- Copies and size ---------------------------------------------------------------------------


@given(*[st.lists(st.sampled_from("ab"), max_size=6)] * 3)
def test_copies(base: list[str], local: list[str], remote: list[str]) -> None:
    """Of equal items, as many come and go as on both sides: at least as many as on one of them."""
    found = three_way({"a": base}, {"a": local}, {"a": remote})
    event("clashes" if found.clashes else "merged")
    if not found.clashes and local != remote:
        for value in "ab":
            before, here, there = (each.count(value) for each in (base, local, remote))
            bounds = sorted([here - before, there - before, here + there - 2 * before])
            change = found.document["a"].count(value) - before
            if (here - before) * (there - before) > 0:
                assert bounds[0] <= change <= bounds[2]
            else:
                assert change == here + there - 2 * before


class Text(str):
    """A text that counts how often texts are compared."""

    __slots__ = ()
    compared: ClassVar[int] = 0

    def __eq__(self, other: object) -> bool:
        Text.compared += 1
        return super().__eq__(other)

    __hash__ = str.__hash__


@pytest.mark.parametrize("item", [Text, lambda _: Text("x"), lambda n: Text(n % 7)])
@pytest.mark.parametrize(
    "edit",
    [
        lambda items, n: items.insert(n, Text("new")),
        lambda items, n: items.__setitem__(n, Text(f"new {n}")),
        lambda items, n: items.pop(n),
        lambda items, n: items.insert(n // 2, items.pop(n)),
        lambda items, n: items.__setitem__(slice(n, None), reversed(items[n:])),
    ],
)
def test_size(item: Callable[[int], Text], edit: Callable[[list[Text], int], None]) -> None:
    """Lists of many items take time in proportion to them, whatever they hold."""
    size = 10_000
    base = [item(n) for n in range(size)]
    local, remote = list(base), list(base)
    edit(local, 10)
    edit(remote, size - 10)
    Text.compared = 0
    three_way({"a": base}, {"a": local}, {"a": remote})
    assert Text.compared < 50 * size


# -- Real documents ----------------------------------------------------------------------------


def all_paths(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give the path of each value in *value*, in objects and in lists."""
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*above, key)
            yield from all_paths(item, (*above, key))


@pytest.mark.parametrize(
    "documents",
    [
        *real("search-config-v2", search_config()),
        *real("translations-models", translation_models()),
    ],
)
def test_real_documents(documents: list[Document]) -> None:
    """Two edits of different values, in lists or not, are both there; few are in doubt."""
    chance = random.Random(1)
    clashing = 0
    for base in documents:
        ours, theirs = chance.sample(list(all_paths(base)), 2)
        while not are_apart(ours, theirs):
            ours, theirs = chance.sample(list(all_paths(base)), 2)
        edits = [(ours, "ours"), (theirs, "theirs")]
        local, remote = (edited(base, [each]) for each in edits)
        found = three_way(base, local, remote)
        if found.clashes:
            clashing += 1
            assert any(isinstance(key, int) for key in (*ours, *theirs))
        else:
            assert found.document == edited(base, edits)
    assert clashing < len(documents) / 20
