"""The examples are whole programs, and run."""

from __future__ import annotations

import json
import subprocess
import sys

from pathlib import Path

import pytest

from samples import ROOT, real, search_config, translation_models


def demo(*arguments: object) -> str:
    """Run the demo; return what it prints."""
    return example("demo.py", *arguments)


def example(name: str, *arguments: object) -> str:
    """Run an example; return what it prints."""
    command = [sys.executable, str(ROOT / "examples" / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_the_demo_on_our_own_collection() -> None:
    """It shows what was sent, and what is on the server then."""
    output = demo()
    assert "Commit, with nothing changed: 6 unchanged; 0 requests" in output
    assert "5 records in 1 request" in output
    assert "1 created, 3 updated, 1 deleted, 2 unchanged; 1 request" in output
    assert "fig.bed.soil.ph: 6.8 -> 7.0" in output
    assert 'quince.labels: ["fruit"] -> ["fruit", "jelly"]' in output
    assert '-5 °C" -> nothing' in output
    assert "2 of 6 records are as they were" in output
    assert "Commit, with nothing changed since: 6 unchanged; 0 requests" in output


@pytest.mark.parametrize("documents", real("search-config-v2", search_config()))
def test_the_demo_on_search_config(tmp_path: Path, documents: list[dict[str, object]]) -> None:
    """On a dump of Remote Settings it changes what it says, and nothing else."""
    dump = tmp_path / "search-config-v2.json"
    dump.write_text(json.dumps({"data": documents}))
    output = demo(dump)
    assert "(AvailableLocales, DefaultEngines, Engine, EngineOrders)" in output
    assert "1 deleted" in output
    assert "3 requests" in output


@pytest.mark.parametrize("documents", real("translations-models", translation_models()))
def test_the_demo_on_translations(tmp_path: Path, documents: list[dict[str, object]]) -> None:
    """626 changed records are 26 requests."""
    dump = tmp_path / "translations-models.json"
    dump.write_text(json.dumps({"data": documents}))
    assert "626 updated; 26 requests" in demo(dump)


def test_the_demo_on_anything(tmp_path: Path) -> None:
    """Records of which nothing is known are edited, too."""
    dump = tmp_path / "whatever.json"
    dump.write_text(json.dumps({"data": [{"id": "a", "x": {"y": [None, 1.5, "ü"]}}, {"id": "b"}]}))
    output = demo(dump)
    assert "Loaded 2 records (Anything)" in output
    assert 'a.marked: nothing -> {"by": "the demo"}' in output
    assert "2 updated" in output


@pytest.mark.parametrize("documents", real("search-config-v2", search_config()))
def test_the_mirror(tmp_path: Path, documents: list[dict[str, object]]) -> None:
    """The job writes what went astray, and nothing when nothing did."""
    dump = tmp_path / "dump.json"
    dump.write_text(json.dumps({"data": documents}))
    assert example("mirror.py", dump).splitlines() == [
        f"first:  {len(documents)} created, 0 updated, 0 deleted",
        "second: 1 created, 1 updated, 1 deleted",
        f"third:  {len(documents)} records, all as they should be",
        "status: to-review",
    ]


def test_the_newsroom() -> None:
    """Links, permissions, schemas and a staging copy, in as few requests as the pages say."""
    assert example("newsroom.py").splitlines() == [
        "news: created",
        "news/people: created",
        "news/articles: created",
        "staging: created",
        "staging/articles: created",
        "",
        "would change: ['displayFields']",
        "filled: 6 created; 1 request",
        "refused: 1 created, 1 failed, 6 unchanged; 1 request",
        (
            "  Article news/articles/hail was not written: the schema of its collection forbids"
            " this: headline: '' should be non-empty"
        ),
        "Rain, by Ann, edited by nobody",
        "Snow, by Ann, edited by nobody",
        "Sun, by Bob, edited by Ann",
        "Wind, by Bob, edited by Ann",
        "published: 4 updated, 3 unchanged; 1 request",
        "staged: 4 created, 7 unchanged; 1 request",
        "1 deleted; 1 request",
        "2 updated; 1 request",
        "deleted: fog",
        "changed: snow",
        "changed: sun",
    ]


def test_the_editors() -> None:
    """Three people edit at once, and nobody's work is lost."""
    assert example("editors.py").splitlines() == [
        "filled: 2 created; 1 request",
        "Ann: 1 updated; 1 request",
        "Bob: 1 merged; 2 requests",
        "   By Ann. It rains. It is wet. More tomorrow. ['local', 'weather']",
        "Ann: 1 updated; 1 request",
        "Bob: headline clashes",
        "Bob: 1 merged; 1 request",
        "   Heavy rain in the north",
        "Cleo: 1 deleted; 1 request",
        "Ann: deleted by them",
        "Ann: 1 created, 1 unchanged; 2 requests",
        "readers: 15",
    ]
