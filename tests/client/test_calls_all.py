"""Whether each call of a client is tested in each way."""

from __future__ import annotations

import inspect
import re

from pathlib import Path

from kinto_orm import AsyncClient, Client
from kinto_orm.client.clients import AllEndpoints, BatchClient
from kinto_orm.flow.operations import operation, stream


KINDS = ("bucket", "group", "collection", "record")

#: What is tested in tests/attachments: it takes a server and files of its own.
ELSEWHERE = {"add_attachment", "download_attachment", "remove_attachment"}


def calls() -> dict[str, type]:
    """Return what a client can be asked, by name: an operation or a stream."""
    members = {name: inspect.getattr_static(AllEndpoints, name) for name in dir(AllEndpoints)}
    return {
        name: type(member)
        for name, member in members.items()
        if isinstance(member, (operation, stream))
    }


def called() -> set[str]:
    """Return the names of what is called in the files ``test_calls_…``."""
    texts = [path.read_text() for path in Path(__file__).parent.glob("test_calls_*.py")]
    text = "\n".join(texts)
    names = set(re.findall(r"\.(\w+)\b", text)) | set(re.findall(r"\"(iter_\w+)\"", text))
    for kind in KINDS:
        names |= {f"{method}_{kind}" for method in re.findall(r"\bthing\.(\w+)\(", text)}
        names |= {name.format(kind) for name in re.findall(r"\"(\w+_\{\}s?)\"", text)}
    return names


def test_all() -> None:
    """None is forgotten."""
    assert len(calls()) > 50
    assert calls().keys() - ELSEWHERE <= called()


def test_ways() -> None:
    """Both clients and a batch have all of them, with the same arguments and documentation."""
    for name in calls():
        blocking, awaiting = getattr(Client, name), getattr(AsyncClient, name)
        batched = getattr(BatchClient, name)
        for other in (awaiting, batched):
            assert other.__doc__ == blocking.__doc__
            arguments = inspect.signature(other).parameters
            assert arguments == inspect.signature(blocking).parameters
        assert inspect.iscoroutinefunction(awaiting) == (calls()[name] is operation)


def test_documented() -> None:
    """Each is in the page of the client, in an example that is executed."""
    page = Path(__file__).parents[2] / "docs" / "client.md"
    examples = "\n".join(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
    others = {"batch", "clone", "close", "get_endpoint"}
    shown = set(re.findall(r"\.(\w+)\(", examples))
    assert calls().keys() | others <= shown
