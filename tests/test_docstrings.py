"""What is public is documented, what is documented is true, and files keep to the house's rules."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import kinto_orm

from kinto_orm import exceptions
from kinto_orm.exceptions import KintoException


ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "kinto_orm"
FILES = sorted(PACKAGE.rglob("*.py"))

#: Lines that a file may have.
LENGTH = 400

#: Folders of what is made, not written.
MADE = re.compile(r"\.git|\.venv|\..*_cache|\.hypothesis|__pycache__|_build|dist|.*\.egg-info")


def modules() -> Iterator[ModuleType]:
    """Give the package and all public modules in it."""
    yield kinto_orm
    for found in pkgutil.walk_packages(kinto_orm.__path__, "kinto_orm."):
        if not any(part.startswith("_") for part in found.name.split(".")):
            yield importlib.import_module(found.name)


def named(path: Path) -> str:
    """Return *path* as a test is called by it."""
    return path.relative_to(ROOT).as_posix()


# -- Docstrings --------------------------------------------------------------------------------


def documented(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, str | None]]:
    """Give the public classes and functions in *tree*, with their names and docstrings."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            if node.name.startswith("_") or _is_overload(node):
                continue
            yield prefix + node.name, ast.get_docstring(node)
            if isinstance(node, ast.ClassDef):
                yield from documented(node, f"{prefix}{node.name}.")


def _is_overload(node: ast.AST) -> bool:
    """Tell whether *node* is one of several signatures: the last one has the docstring."""
    decorators = getattr(node, "decorator_list", [])
    return any(isinstance(each, ast.Name) and each.id == "overload" for each in decorators)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_docstrings(path: Path) -> None:
    """Every public name has a docstring that begins with a sentence, or leads to a list."""
    tree = ast.parse(path.read_text())
    faults: list[str] = []
    for name, text in [("the module", ast.get_docstring(tree)), *documented(tree)]:
        if text is None:
            faults.append(f"{name} has no docstring")
        elif not text.partition("\n\n")[0].endswith((".", ":", "?", "…")):
            faults.append(f"{name}: the first sentence has no end")
    assert not faults, "\n".join([named(path), *faults])


def test_docstrings_at_run_time() -> None:
    """What `help` shows has a text, also where a decorator or a driver made it."""
    missing = [
        f"{name}.{member}"
        for name, value in vars(kinto_orm).items()
        if inspect.isclass(value)
        for member, found in inspect.getmembers(value)
        if not member.startswith("_") and is_ours(found) and not inspect.getdoc(found)
    ]
    assert not missing


def is_ours(member: object) -> bool:
    """Tell whether *member* of a class is a method or a property that the package has written."""
    if isinstance(member, property):
        return True
    module = getattr(member, "__module__", None) or ""
    return inspect.isroutine(member) and module.startswith("kinto_orm")


# -- The hierarchy of exceptions ---------------------------------------------------------------


def drawn() -> dict[str, tuple[str, ...]]:
    """Return the bases of each exception, as the docstring of the module draws them."""
    line = re.compile(
        r"^(?P<indent>[ │├└─]*)(?P<name>[A-Z]\w+)(?: \((?P<more>[\w, ]+)\))?(?:  .*)?$"
    )
    bases: dict[str, tuple[str, ...]] = {}
    above: list[tuple[int, str]] = []
    text = inspect.getdoc(exceptions) or ""
    for found in filter(None, map(line.match, text.splitlines())):
        depth = len(found["indent"])
        while above and above[-1][0] >= depth:
            above.pop()
        if above or found["name"] == "KintoException":
            more = found["more"].split(", ") if found["more"] else []
            bases[found["name"]] = (*(name for _, name in above[-1:]), *more)
            above.append((depth, found["name"]))
    return bases


def test_every_exception_is_drawn() -> None:
    """The drawing has every public exception of the package, and no other."""
    found = {
        value.__name__
        for module in modules()
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, KintoException)
        if not value.__name__.startswith("_")
    }
    assert found == drawn().keys()


@pytest.mark.parametrize(("name", "bases"), drawn().items())
def test_the_drawing_is_true(name: str, bases: tuple[str, ...]) -> None:
    """Each exception is derived from what it is drawn below, and from what stands beside it."""
    actual = {base.__name__ for base in getattr(exceptions, name).__bases__}
    assert actual == set(bases or ("Exception",))


# -- Files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=named)
def test_length(path: Path) -> None:
    """A file is short enough to be read at a time."""
    lines = path.read_text().count("\n")
    assert lines <= LENGTH


def written() -> Iterator[Path]:
    """Give the files of the repository that somebody wrote."""
    folders = [ROOT]
    for folder in folders:
        for path in folder.iterdir():
            if MADE.fullmatch(path.name):
                continue
            if path.is_dir():
                folders.append(path)
            else:
                yield path


def test_no_machine_is_named() -> None:
    """No file names a folder of the machine that it was written on."""
    # A bucket may be called "work", as in /buckets/work/collections.
    machine = re.compile(rb"(?<![\w.*}])/(?:work|root)/|/tmp/[w]")
    found = [named(path) for path in written() if machine.search(path.read_bytes())]
    assert not found
