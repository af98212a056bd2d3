"""Collections of Remote Settings, as records: the example knows all that is in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kinto_orm import EmbeddedRecord, Record
from kinto_orm.flow.json import same
from kinto_orm.models.survival import lost_of_record
from kinto_orm.session.snapshots import is_dirty
from remote_settings import FileType, Region, SearchConfig, TranslationModel
from samples import dumped, search_config, translation_models


COLLECTIONS: list[tuple[type[Record], str, list[dict[str, Any]]]] = [
    (SearchConfig, "search-config-v2", search_config()),
    (TranslationModel, "translations-models", translation_models()),
    (Region, "regions", []),
]


def inside(value: Any) -> Iterator[Any]:
    """Give *value* and all records in it."""
    if isinstance(value, (Record, EmbeddedRecord)):
        yield value
        for spec in type(value)._specs():
            yield from inside(getattr(value, spec.name))
    elif isinstance(value, list):
        for item in value:
            yield from inside(item)


@pytest.mark.parametrize(("model", "name", "ours"), COLLECTIONS)
def test_all_is_declared(model: type[Record], name: str, ours: list[dict[str, Any]]) -> None:
    """Every document comes out as it went in; of a real one, nothing is left in `extra`."""
    real = dumped(name)
    for document in ours if real is None else real:
        record = model.from_document(document)
        assert same(record.to_document(), document)
        assert not is_dirty(record)
        assert not list(lost_of_record(record, model.from_document(document)))
        assert real is None or not any(each.extra for each in inside(record))


def test_what_is_not_known() -> None:
    """A type of file that nobody has heard of is refused, and not taken for another."""
    document = translation_models()[0]
    assert isinstance(TranslationModel.from_document(document).file_type, FileType)
    with pytest.raises(ValueError, match="fileType: expected a FileType, found 'tar'"):
        TranslationModel.from_document({**document, "fileType": "tar"})
