"""What it takes to import the package."""

from __future__ import annotations

import ast
import subprocess
import sys

from importlib import import_module
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import get_type_hints

import pytest

import kinto_orm


#: What few programs need, and takes long to load.
LATER = (
    "aiohttp", "asyncio", "http.server", "jsonschema", "kinto", "kinto_orm.cli.progress",
    "kinto_orm.embedded", "kinto_orm.ensuring", "kinto_orm.models.schema", "kinto_orm.testing",
    "kinto_orm.transport.awaiting", "kinto_orm.transport.login", "rich", "waitress", "webbrowser",
)  # fmt: skip

#: What a program needs when it makes a request, and not before.
TO_REQUEST = ("email.parser", "http.client", "requests", "ssl", "urllib3")

#: What clients know nothing of.
OF_RECORDS = ("cattrs", "kinto_orm.models.records", "kinto_orm.query", "kinto_orm.session")


def loaded(statement: str) -> set[str]:
    """Return the modules that a *statement* has loaded, in a process of its own."""
    program = f"{statement}\nimport sys\nprint(*sys.modules)"
    command = [sys.executable, "-c", program]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_what_is_loaded_late() -> None:
    """Programs load neither event loops, nor servers, nor what else few need."""
    found = loaded("from kinto_orm import Client, Record, Session")
    assert "kinto_orm.session.sessions" in found
    assert found.isdisjoint({*LATER, *TO_REQUEST})


def test_what_the_package_loads() -> None:
    """The package itself loads the exceptions alone."""
    found = {name for name in loaded("import kinto_orm") if name.startswith("kinto_orm.")}
    assert {name for name in found if not name.startswith("kinto_orm.exceptions")} == set()


def test_what_a_client_loads() -> None:
    """A program that has a client alone does not load records and sessions."""
    assert loaded("from kinto_orm import Client").isdisjoint({*LATER, *TO_REQUEST, *OF_RECORDS})


def test_what_a_request_takes() -> None:
    """A client is ready to make requests: the first one loads nothing more."""
    found = loaded("from kinto_orm import Client\nClient(server_url='http://localhost/v1')")
    assert found.issuperset(TO_REQUEST)


def test_annotations() -> None:
    """What the arguments of a client are can be looked up, by who puts programs together."""
    assert "auth" in get_type_hints(kinto_orm.Client.__init__)
    assert "auth" in get_type_hints(kinto_orm.create_session)


def test_places() -> None:
    """Each name is what the import that checkers see would give."""
    tree = ast.parse(Path(kinto_orm.__file__).read_text())
    imports = [each for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)]
    ours = [each for each in imports if (each.module or "").startswith("kinto_orm")]
    said = {alias.name: each.module for each in ours for alias in each.names}
    assert said.keys() == set(kinto_orm.__all__)
    for name, module in said.items():
        found = getattr(kinto_orm, name)
        if not isinstance(found, ModuleType):  # As kinto_orm.embedded, once that is imported.
            assert found is getattr(import_module(module or ""), name)
    for module in {(each.module or "").split(".")[1] for each in ours}:
        assert getattr(kinto_orm, module) is import_module(f"kinto_orm.{module}")


def test_no_circles() -> None:
    """No module of the package asks the package for a name, under a lock of its own."""
    folder = Path(kinto_orm.__file__).parent
    for file in folder.rglob("*.py"):
        for each in ast.walk(ast.parse(file.read_text())):
            if isinstance(each, ast.ImportFrom) and each.module == "kinto_orm":
                assert not {alias.name for alias in each.names} & set(kinto_orm.__all__), file


def test_names_at_once() -> None:
    """Threads that ask for the first time at the same moment all get the same."""
    program = """
        from concurrent.futures import ThreadPoolExecutor
        from threading import Barrier
        import kinto_orm
        names = kinto_orm.__all__
        barrier = Barrier(8)
        def found(number):
            barrier.wait()
            order = names[number * 8 :] + names[: number * 8]
            return {name: id(getattr(kinto_orm, name)) for name in order}
        with ThreadPoolExecutor(8) as threads:
            one, *others = threads.map(found, range(8))
        assert all(one == other for other in others)
    """
    assert "kinto_orm.transport.login" in loaded(dedent(program))


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
        _ = kinto_orm.nope  # type: ignore[attr-defined]
