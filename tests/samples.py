"""
Collections to test with.

Ours are made here, in the shapes of those that Firefox ships, with what these do not have: keys
that no class declares, at every depth, nulls, and text of all kinds.  The real ones are not part
of this project; tests use them as well where they are found: in the folder that the variable
KINTO_ORM_DUMPS names, or beside the checkout, in a folder ``data/remote-settings``.
"""

from __future__ import annotations

import json
import os
import random
import uuid

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest


Document = dict[str, Any]

ROOT = Path(__file__).parent.parent


def dumped(name: str) -> list[Document] | None:
    """Return the records of a real collection, or None if there is no dump of it."""
    folders: Iterable[Path] = ROOT.parent.glob("*/data/remote-settings")
    if "KINTO_ORM_DUMPS" in os.environ:
        folders = [Path(os.environ["KINTO_ORM_DUMPS"])]
    for folder in folders:
        if (path := folder / f"{name}.json").is_file():
            records: list[Document] = json.loads(path.read_bytes())["data"]
            return records
    return None


def real(name: str, ours: list[Document]) -> list[Any]:
    """Return a parameter for a test: the real collection if there is a dump of it, or else ours."""
    found = dumped(name)
    return [pytest.param(ours, id="ours") if found is None else pytest.param(found, id="real")]


def search_config() -> list[Document]:
    """Return 157 records of four kinds."""
    chance = random.Random(1)
    return [
        {
            **_head(chance, "availableLocales"),
            "locales": ["de", "fr", "ja-JP-macos", "zh-TW"],
        },
        {
            **_head(chance, "defaultEngines"),
            "globalDefault": "engine-1",
            "specificDefaults": [
                {"default": "engine-2", "environment": {"locales": ["zh-CN"], "regions": ["cn"]}},
                {"default": "engine-3", "environment": {"distributions": ["ours"], "since": 140}},
            ],
        },
        {
            **_head(chance, "engineOrders"),
            "orders": [{"environment": {"channels": ["nightly"]}, "order": ["engine-1", "*"]}],
        },
        *(_engine(chance, number) for number in range(154)),
    ]


def _head(chance: random.Random, kind: str) -> Document:
    return {
        "id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        "recordType": kind,
        "schema": 1_700_000_000_000 + chance.randrange(10**9),
    }


def _engine(chance: random.Random, number: int) -> Document:
    def url(kind: str) -> Document:
        found: Document = {
            "base": f"https://engine-{number}.example/{kind}",
            "params": [{"name": "q", "value": "{searchTerms}"}, {"name": "x", "flag": None}],
            "searchTermParamName": "q",
        }
        if chance.random() < 0.3:
            found["undeclared"] = {"deep": [{"er": None}, 1.5, True], "größe": "日本 \u2028"}
        return found

    engine = _head(chance, "engine") | {
        "identifier": f"engine-{number}",
        "base": {
            "name": f"Engine {number}",
            "classification": chance.choice(["general", "unknown"]),
            "urls": {kind: url(kind) for kind in ("search", "suggestions")[: 1 + number % 2]},
            "undeclared": [1, {"two": 2}],
        },
        "variants": [
            {"environment": {"allRegionsAndLocales": True}, "optional": False},
            {"environment": {"locales": ["de"]}, "subVariants": [{"environment": {}, "x": None}]},
        ][: number % 3],
    }
    if number % 5 == 0:
        engine |= {"notes": None, "reviewed": {"by": "somebody", "when": [2026, 11]}}
    return engine


def translation_models() -> list[Document]:
    """Return 626 flat records with an attachment."""
    chance = random.Random(2)
    return [_translation_model(chance, number) for number in range(626)]


def _translation_model(chance: random.Random, number: int) -> Document:
    head = _head(chance, "")
    del head["recordType"]
    name = f"model-{number}.bin"
    model = head | {
        "name": name,
        "version": f"{1 + number % 3}.0",
        "fileType": chance.choice(["model", "vocab", "lex"]),
        "fromLang": "en",
        "toLang": chance.choice(["de", "fr", "ja"]),
        "filter_expression": "" if number % 2 else "env.channel == 'nightly'",
        "attachment": {
            "filename": name,
            "hash": f"{chance.getrandbits(256):064x}",
            "location": f"main-workspace/translations-models/{head['id']}.bin",
            "mimetype": "application/octet-stream",
            "size": chance.randrange(10**7),
        },
    }
    if number % 7 == 0:
        model["undeclared"] = {"number": number}
    return model
