"""Real collections, modelled as a whole: loaded, edited, committed, and compared."""

from __future__ import annotations

import json

from collections.abc import Callable
from typing import Any

import pytest

from apps import COMBINATIONS, App
from kinto_orm import Record
from remote_settings import (
    AvailableLocales,
    DefaultEngines,
    Engine,
    EngineOrders,
    FileType,
    Region,
    SearchConfig,
    TranslationModel,
)
from samples import dumped, search_config, translation_models


Document = dict[str, Any]


def edit_search(record: Any) -> None:
    """Change something deep inside, whatever kind of record it is."""
    if isinstance(record, Engine):
        search: Any = record.base.urls.search
        search.base += "?"
        record.base.aliases.append("new")
    elif isinstance(record, DefaultEngines):
        record.specific[0].environment.locales = ["zz"]
    elif isinstance(record, EngineOrders):
        del record.orders[0].order[0]
    elif isinstance(record, AvailableLocales):
        record.locales.reverse()


def edit_search_document(document: Document) -> None:
    """Do the same to a document."""
    kind = document["recordType"]
    if kind == "engine":
        document["base"]["urls"]["search"]["base"] += "?"
        document["base"].setdefault("aliases", []).append("new")
    elif kind == "defaultEngines":
        document["specificDefaults"][0]["environment"]["locales"] = ["zz"]
    elif kind == "engineOrders":
        del document["orders"][0]["order"][0]
    else:
        document["locales"].reverse()


def edit_model(record: Any) -> None:
    """Change a text and an enumeration, and remove a key."""
    record.version += "a"
    record.file_type = FileType.LEXICON
    record.hash = None


def edit_model_document(document: Document) -> None:
    """Do the same to a document."""
    document["version"] += "a"
    document["fileType"] = "lex"
    document.pop("hash", None)


def edit_region(record: Any) -> None:
    """Add what the class does not declare."""
    record.extra["checked"] = {"by": ["somebody", None]}


def edit_region_document(document: Document) -> None:
    """Do the same to a document."""
    document["checked"] = {"by": ["somebody", None]}


MODELS = translation_models()

REGIONS = [
    {"id": "world", "schema": 1, "attachment": MODELS[0]["attachment"]},
    {"id": "moon", "attachment": MODELS[1]["attachment"]},
]

COLLECTIONS = [
    (SearchConfig, "search-config-v2", search_config(), edit_search, edit_search_document),
    (TranslationModel, "translations-models", MODELS, edit_model, edit_model_document),
    (Region, "regions", REGIONS, edit_region, edit_region_document),
]


@pytest.mark.early
@pytest.mark.parametrize("app", [COMBINATIONS[1], COMBINATIONS[3]], indirect=True)
@pytest.mark.parametrize(("model", "name", "ours", "edit", "edit_document"), COLLECTIONS)
def test_edited_and_committed(
    app: App,
    model: type[Record],
    name: str,
    ours: list[Document],
    edit: Callable[[Any], None],
    edit_document: Callable[[Document], None],
) -> None:
    """Each record that was edited is as its document is after the same edit; no other changed."""
    documents = [
        {key: value for key, value in each.items() if key != "last_modified"}
        for each in dumped(name) or ours
    ]
    app.create(documents, name)
    session = app.session()
    records = session.query(model).all()
    assert len(records) == len(documents)
    assert session.dirty == ()

    expected = app.stored(name)
    edited = records[::2]
    for record in edited:
        edit(record)
        edit_document(expected[record.id])
    result = session.commit()
    assert len(result.updated) == len(edited)
    assert result.requests == -(-len(edited) // 25)

    stored = app.stored(name)
    for record in edited:
        expected[record.id]["last_modified"] = stored[record.id]["last_modified"]
    assert as_bytes(stored) == as_bytes(expected)
    assert session.dirty == ()
    assert as_bytes({each.id: each.to_document() for each in records}) == as_bytes(stored)


def as_bytes(documents: dict[str, Document]) -> list[bytes]:
    """Return the bytes of each document, with keys in the same order: PostgreSQL keeps none."""
    return [json.dumps(documents[ident], sort_keys=True).encode() for ident in sorted(documents)]
