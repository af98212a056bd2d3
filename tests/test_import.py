"""What it takes to import the package."""

from __future__ import annotations

import subprocess
import sys

from types import ModuleType

import pytest

import kinto_orm


#: What few programs need, and takes long to load.
LATER = (
    "aiohttp", "asyncio", "http.server", "jsonschema", "kinto", "kinto_orm.cli.progress",
    "kinto_orm.embedded", "kinto_orm.ensuring", "kinto_orm.models.schema", "kinto_orm.testing",
    "kinto_orm.transport.awaiting", "kinto_orm.transport.login", "rich", "waitress", "webbrowser",
)  # fmt: skip


def loaded(statement: str) -> set[str]:
    """Return the modules that a *statement* has loaded, in a process of its own."""
    program = f"{statement}\nimport sys\nprint(*sys.modules)"
    command = [sys.executable, "-c", program]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_what_is_loaded_late() -> None:
    """Importing the package loads neither event loops, nor servers, nor what else few need."""
    found = loaded("import kinto_orm")
    assert "kinto_orm.session.sessions" in found
    assert found.isdisjoint(LATER)


@pytest.mark.parametrize("name", ["ensure", "Ensured", "BrowserOAuth"])
def test_names_are_there(name: str) -> None:
    """What is loaded late is found, and listed, like any other name."""
    assert name in dir(kinto_orm)
    assert getattr(kinto_orm, name).__name__ == name
    assert f"kinto_orm.{'transport.login' if name == 'BrowserOAuth' else 'ensuring'}" in loaded(
        f"from kinto_orm import {name}"
    )


def by_kind(name: str) -> tuple[bool, bool, str]:
    """Return what puts constants before classes, and these before functions."""
    return not name.isupper(), name[0].islower(), name


def test_everything_is_named() -> None:
    """What ``from kinto_orm import *`` gives is what there is, in order."""
    names: dict[str, object] = {}
    exec("from kinto_orm import *", names)
    assert names.keys() - {"__builtins__"} == set(kinto_orm.__all__)
    assert kinto_orm.__all__ == sorted(kinto_orm.__all__, key=by_kind)
    public = {name for name in vars(kinto_orm) if not name.startswith("_")}
    modules = {name for name in public if isinstance(getattr(kinto_orm, name), ModuleType)}
    assert public - modules <= set(kinto_orm.__all__)


def test_a_name_that_is_not_there() -> None:
    """Any other name is an AttributeError, as usual."""
    with pytest.raises(AttributeError, match="module 'kinto_orm' has no attribute 'nope'"):
        _ = kinto_orm.nope
