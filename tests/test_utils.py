"""Records compared and sorted, texts made into ids: on their own, and as a real server does it."""

from __future__ import annotations

import copy
import hashlib
import json
import tracemalloc

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from functools import cmp_to_key
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest

from hypothesis import given, settings
from hypothesis import strategies as st

from kinto_orm.client.paths import ID
from kinto_orm.embedded import KintoServer
from kinto_orm.exceptions import InvalidId
from kinto_orm.flow.json import same
from kinto_orm.utils import (
    chunks,
    collection_diff,
    compute_sha256,
    json_dumps,
    json_iso_datetime,
    quote,
    records_equal,
    slugify,
    sort_records,
    urljoin,
)
from server.kinds import on, on_both_storages
from server.wire import Wire
from strategies import scalars, values


Records = list[dict[str, Any]]

ids = st.sampled_from("abcdef")
document = st.fixed_dictionaries({}, optional={"n": scalars, "m": st.lists(scalars, max_size=2)})


@st.composite
def collections(draw: st.DrawFn) -> Records:
    """Give the records of a collection, each with an id of its own."""
    documents = draw(st.dictionaries(ids, document, max_size=6))
    stamps = draw(st.permutations(range(len(documents))))
    return [
        {**document, "id": id, "last_modified": stamp}
        for (id, document), stamp in zip(documents.items(), stamps, strict=True)
    ]


class TestEquality:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ({}, {"last_modified": 1}),
            ({"last_modified": 2}, {"last_modified": 1}),
            ({"schema": 1700000000000}, {"schema": 1700000000001}),
            ({"schema": 1700000000000}, {}),
            ({"n": 1}, {"n": 1.0}),
            ({"n": [{"m": 0}]}, {"n": [{"m": -0.0}]}),
        ],
    )
    def test_of_records(self, one: dict[str, Any], other: dict[str, Any]) -> None:
        """What the server sets does not count; 1 and 1.0 are one number."""
        assert records_equal(one, other)
        assert records_equal(other, one)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ({"schema": "v1"}, {"schema": "v2"}),
            ({"schema": {"type": "object"}}, {}),
            ({"schema": "v1"}, {"schema": 1700000000000}),
            ({"schema": True}, {"schema": False}),
            ({"schema": None}, {}),
        ],
    )
    def test_k48_counts_a_schema_of_the_user(
        self, one: dict[str, Any], other: dict[str, Any]
    ) -> None:
        """K48: a field *schema* that no server has written is one like any other."""
        assert not records_equal(one, other)
        assert not records_equal(other, one)

    @pytest.mark.parametrize(
        ("one", "other"), [(1, True), (0, False), (None, False), ("1", 1), ([1], [True]), ([], {})]
    )
    def test_heeds_types(self, one: Any, other: Any) -> None:
        """True is not 1, at any depth."""
        assert not same(one, other)
        assert not records_equal({"n": {"m": one}}, {"n": {"m": other}})

    @given(values, values)
    def test_is_that_of_json(self, one: Any, other: Any) -> None:
        """Two values are equal if they are the same text, but for the order of keys."""
        texts = [json.dumps(value, sort_keys=True) for value in (one, other)]
        assert same(one, other) == (texts[0] == texts[1])
        assert same(one, copy.deepcopy(one))


class TestDifference:
    def test_says_what_is_to_be_done(self) -> None:
        """It gives records to create, pairs of records to update, and records to delete."""
        src = [
            {"id": "new", "last_modified": 1},
            {"id": "changed", "n": 2, "last_modified": 2},
            {"id": "same", "n": 1, "last_modified": 3},
        ]
        dest = [
            {"id": "gone", "last_modified": 4},
            {"id": "same", "n": 1, "last_modified": 5},
            {"id": "changed", "n": 1, "last_modified": 6},
        ]
        assert collection_diff(src, dest) == (
            [src[0]],
            [({"id": "changed", "n": 1, "last_modified": 6}, {"id": "changed", "n": 2})],
            [dest[0]],
        )

    def test_reads_anything_once(self) -> None:
        """Either side may be a generator."""

        def one() -> Iterator[dict[str, Any]]:
            yield {"id": "a"}

        assert collection_diff(one(), one()) == ([], [], [])
        assert collection_diff(one(), iter(())) == ([{"id": "a"}], [], [])

    def test_takes_the_last_of_several(self) -> None:
        """Of records with one id the last counts, so that none is created twice."""
        src = [{"id": "a", "n": 1}, {"id": "a", "n": 2}]
        assert collection_diff(src, []) == ([{"id": "a", "n": 2}], [], [])
        assert collection_diff(src, [{"id": "a", "n": 2}]) == ([], [], [])

    def test_asks_what_is_equal(self) -> None:
        """What counts as equal can be said."""
        assert collection_diff([{"id": "a", "n": 1}], [{"id": "a"}], equal=lambda *_: True) == (
            [],
            [],
            [],
        )

    @settings(max_examples=60)
    @given(collections(), collections())
    def test_k48_changes_neither_side(self, src: Records, dest: Records) -> None:
        """K48: it leads from *dest* to *src*, and both are afterwards what they were before."""
        before = copy.deepcopy((src, dest))
        to_create, to_update, to_delete = collection_diff(src, dest)
        result = {record["id"]: record for record in dest}
        for record in to_delete:
            del result[record["id"]]
        for there, record in to_update:
            assert result[record["id"]] is there
            assert "last_modified" not in record
            result[record["id"]] = record
        for record in to_create:
            assert record["id"] not in result
            result[record["id"]] = record
        assert result.keys() == {record["id"] for record in src}
        assert all(records_equal(record, result[record["id"]]) for record in src)
        assert collection_diff(src, result.values()) == ([], [], [])
        assert (src, dest) == before


# -- Order -------------------------------------------------------------------------------------


def found(record: Any, path: str) -> list[Any]:
    """Return what *record* has at *path*, in a list; an empty one if it has nothing."""
    if path in record:
        return [record[path]]
    head, dot, rest = path.partition(".")
    return found(record[head], rest) if dot and isinstance(record.get(head), dict) else []


def place(value: Any) -> int:
    """Return the place of the type of *value* in F5."""
    kinds: list[type[Any] | tuple[type[Any], ...]] = [bool, type(None), str, (int, float), list]
    order = [3, 0, 1, 2, 4]
    return next((at for kind, at in zip(kinds, order, strict=True) if isinstance(value, kind)), 5)


def unfolded(value: dict[str, Any]) -> list[Any]:
    """Return keys and values in turn, short keys first."""
    keys = sorted(value, key=lambda key: (len(key.encode()), key))
    return [part for key in keys for part in (key, value[key])]


def compared(one: Any, other: Any) -> int:
    """Return -1, 0 or 1, as *one* comes before, with or after *other*."""
    if place(one) != place(other):
        return -1 if place(one) < place(other) else 1
    if isinstance(one, (list, dict)) and len(one) != len(other):
        return -1 if len(one) < len(other) else 1
    if isinstance(one, dict):
        one, other = unfolded(one), unfolded(other)
    if isinstance(one, list):
        return next(filter(None, map(compared, one, other)), 0)
    return 0 if one is None else (one > other) - (one < other)


def comparison(sort: list[tuple[str, str]]) -> Callable[[Any, Any], int]:
    """Return how two records compare by these signs and names of fields."""

    def compare(one: Any, other: Any) -> int:
        for sign, name in sort:
            values = found(one, name), found(other, name)
            missing = [not each for each in values]
            result = compared(*missing) if any(missing) else compared(values[0][0], values[1][0])
            if result:
                return -result if sign == "-" else result
        return 0

    return compare


names = st.sampled_from(["a", "b", "c", "a.b", "a.b.c", "missing"])


@given(
    st.lists(st.fixed_dictionaries({}, optional={"a": values, "b": values, "a.b": values})),
    st.lists(st.tuples(st.sampled_from(["", "-", "+"]), names), min_size=1, max_size=3),
)
def test_k48_sorting_agrees_with_comparing(records: Records, sort: list[tuple[str, str]]) -> None:
    """K48: records of any values are in the order that comparing two at a time gives."""
    spec = ",".join(sign + name for sign, name in sort)
    assert sort_records(records, spec) == sorted(records, key=cmp_to_key(comparison(sort)))


class TestOrder:
    def test_of_two_fields(self) -> None:
        """The first field counts most; a minus turns its order round."""
        records = [{"a": a, "b": b} for a, b in [(1, 1), (2, 2), (1, 3), (2, 4)]]
        assert [(r["a"], r["b"]) for r in sort_records(records, "a,-b")] == [
            (1, 3),
            (1, 1),
            (2, 4),
            (2, 2),
        ]
        assert sort_records(records, " a , -b ") == sort_records(records, "a,-b")
        assert sort_records(records, "+a,-b,") == sort_records(records, "a,-b")

    @pytest.mark.parametrize("sort", ["a", "-a", "", "missing", "-missing"])
    def test_is_kept_where_nothing_differs(self, sort: str) -> None:
        """Records that compare equal stay as they stand; the list that is given is not changed."""
        records = [{"a": 1, "n": n} for n in range(5)]
        assert sort_records(iter(records), sort) == records
        assert sort_records(records, sort) is not records

    def test_k48_of_numbers_is_theirs(self) -> None:
        """K48: negative numbers and fractions stand where they belong."""
        numbers = [10, -2, 1.5, -10, 0, 2.25, 10**20, -0.5]
        records = [{"n": n} for n in numbers]
        assert [r["n"] for r in sort_records(records, "n")] == sorted(numbers)
        assert [r["n"] for r in sort_records(records, "-n")] == sorted(numbers, reverse=True)

    def test_k48_of_texts_is_that_of_code_points(self) -> None:
        """K48: any text can be sorted, in both directions."""
        texts = ["", "A", "B", "Z", "a", "z", "é", "€", "\uf000", "\U0001f600"]
        records = [{"t": t} for t in reversed(texts)]
        assert [r["t"] for r in sort_records(records, "t")] == texts
        assert [r["t"] for r in sort_records(records, "-t")] == texts[::-1]
        assert len(sort_records([{"t": {"\ud800": 1}}, {"t": {"a": 1}}], "t")) == 2

    def test_of_what_json_does_not_have(self) -> None:
        """Dates, say, are sorted as their texts."""
        records = [{"t": date(2024, 1, day)} for day in (3, 1, 2)]
        assert [r["t"].day for r in sort_records(records, "t")] == [1, 2, 3]


#: Values of all types, as both storages sort them.
ALL_TYPES: list[Any] = [
    *(None, "", "10", "A", "Z", "a", "a b", "a_b", "ab", "é", "€", "\uf000", "\U0001f600"),
    *(-10, -2, -0.5, 0, 1, 1.5, 2, 10, 10**15, False, True, [1, 2], {"a": 1}),
]


@pytest.fixture
def wire(server: KintoServer) -> Iterator[Wire]:
    """Give a connection to the server."""
    with Wire(server.url, server.auth) as wire:
        yield wire


def stored(wire: Wire, bucket: str, documents: Records) -> str:
    """Store *documents* out of order, with ids; return the path of the list."""
    path = f"/buckets/{bucket}/collections/things"
    wire.put(f"/buckets/{bucket}")
    wire.put(path)
    size = len(documents)
    order = [7 * n % size for n in range(size)]
    assert sorted(order) == list(range(size))
    for first in range(0, size, 25):
        wire.store(f"{path}/records", {f"r{n}": documents[n] for n in order[first : first + 25]})
    return f"{path}/records"


@on_both_storages
@pytest.mark.parametrize("sort", ["v,id", "-v,id", "m,-v,id", "o.v,-id", "-o.v,id"])
def test_k48_sorting_agrees_with_the_server(wire: Wire, bucket: str, sort: str) -> None:
    """K48, F5: records are in the order that the server lists them in."""
    documents: Records = [
        {"v": value, "m": n % 3, "o": {"v": value} if n % 5 else value}
        for n, value in enumerate(ALL_TYPES)
    ]
    records = stored(wire, bucket, [*documents, {"m": 1}])
    listed = wire.get(f"{records}?_sort=id").data
    assert len(listed) == len(ALL_TYPES) + 1
    assert sort_records(listed, sort) == wire.get(f"{records}?_sort={sort}").data


@on("postgresql")
@pytest.mark.parametrize("sort", ["v,id", "-v,id"])
def test_lists_and_objects_are_sorted_as_by_postgresql(wire: Wire, bucket: str, sort: str) -> None:
    """Short ones come first, then what is in them counts; memory storage cannot sort them."""
    documents: list[Any] = [
        *([None], ["a"], [-1], [9], [False], [[1]], [{}], [1, 2], [2, 1], [1, 1, 1]),
        *({}, {"B": 1}, {"a": 0}, {"a": 1}, {"b": 1}, {"zz": 0}, {"a": 1, "b": 0}),
        *({"a": 2, "b": 0}, {"b": 0, "aa": 0}),
    ]
    records = stored(wire, bucket, [{"v": value} for value in documents])
    listed = wire.get(f"{records}?_sort=id").data
    assert sort_records(listed, sort) == wire.get(f"{records}?_sort={sort}").data


# -- Texts and files ---------------------------------------------------------------------------


class TestSlugs:
    @pytest.mark.parametrize(
        ("text", "slug"),
        [
            ("Buy milk", "buy-milk"),
            ("  two   words \n", "two-words"),
            ("été 1", "ete-1"),
            ("foo.bar", "foobar"),
            ("_private", "private"),
            ("-5 °C", "5-c"),
            ("a \N{EN DASH} b", "a-b"),
            ("ﬁne ²", "fine-2"),
            (42, "42"),
        ],
    )
    def test_k75_need_no_unidecode(self, text: object, slug: str) -> None:
        """K75: what Unicode itself can put as ASCII becomes an id; the rest is left out."""
        assert slugify(text) == slug

    def test_k75_no_gpl_is_needed(self) -> None:
        """K75: the package does not want Unidecode, which is under the GPL."""
        assert not [name for name in requires("kinto-orm") or () if "unidecode" in name.lower()]

    @pytest.mark.parametrize("text", ["", " ", "日本", "-_-", "...", "\0"])
    def test_of_nothing_are_refused(self, text: str) -> None:
        """A text of which nothing remains is an error, not an empty id."""
        with pytest.raises(ValueError, match="nothing of") as caught:
            slugify(text)
        assert isinstance(caught.value, InvalidId)

    @given(st.text("aZ09_-", min_size=1).filter(ID.fullmatch))
    def test_of_ids_are_these(self, id: str) -> None:
        """A valid id stays as it is, capitals included."""
        assert slugify(id) == id

    @given(st.text(max_size=20))
    def test_are_ids(self, text: str) -> None:
        """Whatever comes out is an id, which another turn does not change."""
        try:
            slug = slugify(text)
        except InvalidId:
            return
        assert ID.fullmatch(slug)
        assert slugify(slug) == slug


class TestTexts:
    @pytest.mark.parametrize("server", ["https://a.b/v1", "https://a.b/v1/", "https://a.b/v1//"])
    @pytest.mark.parametrize("path", ["buckets", "/buckets"])
    def test_urls_are_joined_by_one_slash(self, server: str, path: str) -> None:
        """There is one slash between a server and a path, however many there were."""
        assert urljoin(server, path) == "https://a.b/v1/buckets"

    @pytest.mark.parametrize(
        ("stamp", "quoted"), [(12, '"12"'), ("12", '"12"'), ('"12"', '"12"'), ("*", "*")]
    )
    def test_timestamps_are_quoted_once(self, stamp: object, quoted: str) -> None:
        """P1: a timestamp is in double quotes; the asterisk, which means any, is bare."""
        assert quote(stamp) == quoted

    def test_chunks(self) -> None:
        """A list comes in parts of a size, the last one shorter, none of them empty."""
        assert list(chunks([1, 2, 3, 4, 5], 2)) == [[1, 2], [3, 4], [5]]
        assert list(chunks([1, 2], 2)) == [[1, 2]]
        assert list(chunks([], 2)) == []

    @pytest.mark.parametrize("size", [0, -1])
    def test_chunks_without_a_limit(self, size: int) -> None:
        """A size that is none leaves the list in one part."""
        assert list(chunks([1, 2, 3], size)) == [[1, 2, 3]]

    def test_dates_in_json(self) -> None:
        """Dates, and dates with a time, are written as ISO 8601; options are those of json."""
        moment = datetime(2024, 2, 29, 12, 30, tzinfo=UTC)
        assert json_dumps({"b": moment, "a": moment.date()}, sort_keys=True) == (
            '{"a": "2024-02-29", "b": "2024-02-29T12:30:00+00:00"}'
        )
        assert json_dumps(object, default=lambda _: "anything") == '"anything"'
        assert json_iso_datetime(moment) == moment.isoformat()

    def test_other_things_in_json(self) -> None:
        """What neither JSON nor ISO 8601 knows is a TypeError."""
        with pytest.raises(TypeError, match="is a set"):
            json_dumps({1})


def test_a_file_is_not_read_as_a_whole(tmp_path: Path) -> None:
    """The hash of a file needs no more memory than a block of it."""
    path = tmp_path / "large"
    content = b"kinto" * 800_000
    path.write_bytes(content)
    tracemalloc.start()
    try:
        found = compute_sha256(str(path))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == compute_sha256(path) == hashlib.sha256(content).hexdigest()
    assert peak < len(content) / 4
