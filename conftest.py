"""
README.md and the pages of docs/, executed; and which tests come first.

Each page is one test, which runs its ``python`` blocks from top to bottom, as if they were one
program.  (Sybil's own plugin makes a test of each block; pytest-xdist may then hand the blocks of
a page to different processes.)

A page finds a Kinto of its own: *server* and *client* are there, and so is an empty collection
*todos* in the bucket *work*, and an empty *folder*.  If it has a comment ``% plugins``, that Kinto
keeps files and publishes changes.  What a block prints is compared with its lines that begin with
``# ->``, if it has any; ``...`` in them stands for anything.
"""

from __future__ import annotations

import re
import sys

from collections.abc import Generator, Iterable
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import pytest

from sybil import Document, Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.example import SybilFailure
from sybil.parsers.myst import CodeBlockParser

from kinto_orm import Client
from kinto_orm.embedded import KintoServer


#: What a line begins with that says what is printed.
OUTPUT = "# ->"

_run = PythonEvaluator()


def evaluate(example: Example) -> str | None:
    """Run a block; return how what it printed differs from what it says it prints."""
    with redirect_stdout(StringIO()) as out:
        _run(example)
    lines = [line.strip() for line in example.parsed.splitlines()]
    expected = [line.removeprefix(OUTPUT).strip() for line in lines if line.startswith(OUTPUT)]
    printed = [line.strip() for line in out.getvalue().splitlines()]
    if not expected or matches(expected, printed):
        return None
    return "\n".join(["the page says:", *expected, "", "but it is:", *printed])


def matches(expected: Iterable[str], printed: Iterable[str]) -> bool:
    """Tell whether what was *printed* is as *expected*, with anything in the place of ``...``."""
    pattern = re.escape("\n".join(expected)).replace(re.escape("..."), ".*")
    return re.fullmatch(pattern, "\n".join(printed)) is not None


PAGES = Sybil(
    parsers=[CodeBlockParser("python", evaluate)],
    patterns=["README.md", "docs/*.md"],
)


@contextmanager
def surroundings(document: Document) -> Generator[None]:
    """Give the blocks of *document* a module to be in, and a Kinto."""
    module = ModuleType("page")
    document.namespace = module.__dict__
    sys.modules[module.__name__] = module
    try:
        with (
            TemporaryDirectory() as folder,
            TemporaryDirectory() as files,
            serving(files if "\n% plugins\n" in document.text else None) as server,
            Client(server_url=server.url, auth=server.auth) as client,
        ):
            client.create_bucket(id="work")
            client.create_collection(id="todos", bucket="work")
            document.namespace.update(server=server, client=client, folder=Path(folder))
            yield
    finally:
        del sys.modules[module.__name__]


@contextmanager
def serving(files: str | None) -> Generator[KintoServer]:
    """Give a Kinto; one with plugins if there is a folder for the *files* that it keeps."""
    if files is None:
        with KintoServer() as server:
            yield server
        return
    from attachments.serving import say_where

    settings = {
        "includes": "kinto_attachment attachments.serving kinto_changes",
        "kinto.attachment.base_path": files,
        "kinto.changes.resources": "/buckets/work",
    }
    with KintoServer(**settings) as server:  # type: ignore[arg-type]
        say_where(files, f"{server.url}/attachments/")
        yield server


class Page(pytest.File):
    """A page, which is one test if it has anything to run."""

    def collect(self) -> Iterable[pytest.Item]:
        """Give the test of the page."""
        document = PAGES.parse(self.path)
        if document.regions:
            yield Program.from_parent(self, name="python", document=document)


class Program(pytest.Item):
    """The blocks of a page."""

    def __init__(self, *, document: Document, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.document = document

    def runtest(self) -> None:
        """Run them."""
        with surroundings(self.document):
            for example in self.document.examples():
                example.evaluate()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return what went wrong, from the page on."""
        if isinstance(excinfo.value, SybilFailure):
            return str(excinfo.value)
        excinfo.traceback = excinfo.traceback.cut(path=self.path)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Return how the test is called in reports."""
        return self.path, None, self.path.name


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Page | None:
    """Collect pages."""
    return Page.from_parent(parent, path=file_path) if PAGES.should_parse(file_path) else None


def pytest_configure(config: pytest.Config) -> None:
    """Make the marks known."""
    config.addinivalue_line("markers", "early: takes long; several processes share the work best")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long."""
    items.sort(key=lambda item: item.get_closest_marker("early") is None)
