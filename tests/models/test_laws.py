"""Laws that hold for every class, whatever its fields are."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kinto_orm.flow.json import copied, same
from kinto_orm.models.merging import aligned, merged
from kinto_orm.models.survival import lost_of_record
from kinto_orm.session.snapshots import is_dirty
from kinto_orm.transport.codec import decode, encode
from models.kinds import Case, cases
from strategies import pairs, values


#: A class takes a while to compile.
slow = settings(
    deadline=None,
    max_examples=150,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
    ],
)


def reordered(value: Any) -> Any:
    """Return *value* with the keys of its objects the other way round."""
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(item) for item in value] if isinstance(value, list) else value


def not_surviving(record: Any) -> list[Any]:
    """Return what a commit would refuse of *record*."""
    again = type(record).from_document(decode(encode(record.to_document())))
    return list(lost_of_record(record, again))


class TestDocuments:
    """Documents of generated classes."""

    @slow
    @given(cases())
    def test_loading_is_no_change(self, case: Case) -> None:
        """A document comes out as it went in, whatever of it is declared, at any depth."""
        record = case.model.from_document(case.document)
        assert same(record.to_document(), case.document)
        assert not is_dirty(record)
        assert not not_surviving(record)

    @slow
    @given(cases())
    def test_order_is_no_change(self, case: Case) -> None:
        """The order of keys tells nothing."""
        record = case.model.from_document(case.document)
        other = case.model.from_document(reordered(case.document))
        assert same(record.to_document(), other.to_document())
        for spec in case.model._specs():
            setattr(record, spec.name, getattr(other, spec.name))
        assert not is_dirty(record)

    @slow
    @given(cases(), st.data())
    def test_a_change_is_one_of_its_field(self, case: Case, data: st.DataObject) -> None:
        """Setting a field changes its key alone, to what means the new value."""
        record = case.model.from_document(case.document)
        other = case.model.from_document(case.other)
        spec = data.draw(st.sampled_from(case.model._specs()))
        setattr(record, spec.name, getattr(other, spec.name))
        document = record.to_document()
        rest = {key: value for key, value in document.items() if key != spec.key}
        assert same(rest, {key: v for key, v in case.document.items() if key != spec.key})
        assert not not_surviving(record)
        again = case.model.from_document(copied(document))
        assert not is_dirty(again)

    @slow
    @given(cases())
    def test_values_survive(self, case: Case) -> None:
        """A new record with any values comes back equal, and shares nothing with its model."""
        record = case.model.from_document(case.document)
        other = record.evolve()
        assert not not_surviving(other)
        again = case.model.from_document(other.to_document())
        assert same(again.to_document(), other.to_document())
        assert (other.last_modified, other.id, other.extra) == (None, record.id, record.extra)


class TestMerging:
    """A change, made to what was written."""

    @given(pairs)
    def test_of_what_is_exact(self, pair: tuple[Any, Any]) -> None:
        """Where nothing is undeclared, the new value comes out."""
        old, new = pair
        assert same(merged(copied(old), old, new), new)

    @given(values, values)
    def test_no_change(self, written: Any, value: Any) -> None:
        """What did not change stays as it is written, whatever that is."""
        assert merged(written, value, copied(value)) is written

    @given(st.lists(values, max_size=6), st.lists(values, max_size=6))
    def test_no_item_is_two(self, old: list[Any], new: list[Any]) -> None:
        """Each item of a list is one of the old list, at the most."""
        origins = [origin for origin in aligned(old, new) if origin is not None]
        assert len(origins) == len(set(origins))

    @given(st.permutations(list(range(6))), st.integers(0, 5))
    def test_items_that_moved(self, order: list[int], gone: int) -> None:
        """Items are found wherever they are, so that what they have besides goes with them."""
        old = [{"n": n, "default": None} for n in range(6)]
        written = [{"n": n, "besides": str(n)} for n in range(6)]
        new = [old[n] for n in order if n != gone]
        assert merged(written, old, new) == [written[n] for n in order if n != gone]

    @given(st.permutations(list("abcdef")), st.integers(0, 6))
    def test_values_that_moved(self, keys: list[str], kept: int) -> None:
        """A value that is under another key now goes there with what it has besides."""
        old = {key: {"n": key, "default": None} for key in "abcdef"}
        written = {key: {"n": key, "besides": key} for key in "abcdef"}
        names = {key: key if place < kept else f"new {key}" for place, key in enumerate(keys)}
        new = {names[key]: old[key] for key in keys}
        assert merged(written, old, new) == {names[key]: written[key] for key in keys}
