"""
A program for kinto-http 11 runs after its imports are changed.

What kinto-http has is in ``kinto_http_11.json``: facts only, as its version 11.11.0 gives them to
`inspect`.  A name or a default that is another one here must be in `WANTED`, and on the page
docs/from-kinto-http.md.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re

from pathlib import Path
from typing import Any, Final

import pytest

import kinto_orm

from kinto_orm import AsyncClient, Client
from kinto_orm.client.clients import BatchClient
from kinto_orm.exceptions import BackoffException, KintoBatchException, KintoException


FACTS: Final = json.loads(Path(__file__).with_name("kinto_http_11.json").read_text())
PAGE: Final = Path(__file__).parents[2] / "docs" / "from-kinto-http.md"

#: Names that mean something else here, or are elsewhere.
ELSEWHERE: Final = {"Session": "transport.HTTPSession"}

#: Names that are gone.
GONE: Final = {("utils", "MAX_LENGTH_INT"), ("Session", "backoff")}

#: Calls that took any keywords there, and have names for them here.
NAMED: Final = {"Client.download_attachment", "Session.request"}

#: Defaults that are others, by call and keyword: what they are here, and why.
WANTED: Final[dict[tuple[str, str], tuple[Any, str]]] = {
    ("Client", "retry"): (None, "what can do no harm is tried again"),
    ("Client", "timeout"): (kinto_orm.Timeout(), "nobody wants to wait for ever"),
    ("Session", "retry"): (None, "as that of a client"),
    ("Session", "timeout"): (kinto_orm.Timeout(), "as that of a client"),
    ("cli_utils.add_parser_options", "default_retry"): (None, "as that of a client"),
    **{
        (f"Client.update_{kind}", "safe"): (None, "True has a meaning of its own: K13")
        for kind in ("bucket", "group", "collection", "record")
    },
    **{
        (name, "message"): ("", "None was no text")
        for name in ("KintoException", "BucketNotFound", "CollectionNotFound")
    },
}


def found(name: str) -> Any:
    """Return what is here for a dotted *name* of kinto-http's."""
    first, _, rest = name.partition(".")
    thing: Any = kinto_orm
    for part in [*ELSEWHERE.get(first, first).split("."), *filter(None, rest.split("."))]:
        if inspect.ismodule(thing) and not hasattr(thing, part):
            thing = importlib.import_module(f"{thing.__name__}.{part}")
        else:
            thing = getattr(thing, part)
    return thing


def parameters(name: str) -> dict[str, inspect.Parameter]:
    """Return the parameters of what is here for a call of kinto-http's."""
    call = found(name)
    signature = inspect.signature(call.__init__ if inspect.isclass(call) else call)
    return {each.name: each for each in signature.parameters.values() if each.name != "self"}


def is_on_the_page(name: str) -> bool:
    """Tell whether the page says something of *name*, set as code."""
    return re.search(rf"`[^`\n]*\b{re.escape(name)}\b[^`\n]*`", PAGE.read_text()) is not None


@pytest.mark.parametrize(
    ("module", "name"),
    [(module, name) for module, names in FACTS["modules"].items() for name in names],
)
def test_names(module: str, name: str) -> None:
    """Each name is where it was."""
    if (module, name) in GONE:
        assert is_on_the_page(name)
        return
    thing = found(".".join(filter(None, (module, name))))
    assert thing is not None
    if name in ELSEWHERE:
        assert is_on_the_page(f"kinto_orm.{ELSEWHERE[name]}")


@pytest.mark.parametrize("name", FACTS["calls"])
def test_calls(name: str) -> None:
    """Each call takes the same arguments, and means the same if one is left out."""
    facts = FACTS["calls"][name]
    here = parameters(name)
    is_open = any(each.kind is each.VAR_KEYWORD for each in here.values())
    for keyword, default in {**facts.get("positional", {}), **facts.get("keyword", {})}.items():
        assert keyword in here, f"{name} has no {keyword}="
        ours = here[keyword].default
        if default is None:  # It must be given there.
            continue
        if (name, keyword) in WANTED:
            assert ours == WANTED[name, keyword][0]
            assert repr(ours) != default, "that is no difference"
            assert is_on_the_page(keyword)
        else:
            assert repr(ours) == default, f"{name}({keyword}=) is another by default"
    assert is_open or not facts.get("open") or name in NAMED, f"{name} takes no other keywords"


@pytest.mark.parametrize("name", FACTS["calls"])
def test_positions(name: str) -> None:
    """What may be given without its name, may still be, in the same order."""
    names = list(FACTS["calls"][name].get("positional", {}))
    here = [
        each.name
        for each in parameters(name).values()
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    assert here[: len(names)] == names


def test_required() -> None:
    """What had not to be given there, has not to be given here."""
    for name, facts in FACTS["calls"].items():
        given = {**facts.get("positional", {}), **facts.get("keyword", {})}
        for each in parameters(name).values():
            if each.default is each.empty and each.kind not in (
                each.VAR_KEYWORD,
                each.VAR_POSITIONAL,
            ):
                assert given.get(each.name) is None
                assert each.name in given or facts.get("open")


def test_wanted() -> None:
    """The table of differences has no more than there are."""
    for name, keyword in WANTED:
        facts = FACTS["calls"][name]
        assert keyword in {**facts.get("positional", {}), **facts.get("keyword", {})}


def test_attributes() -> None:
    """Clients, sessions and exceptions have the same attributes."""
    with Client(server_url="http://kinto.invalid/v1") as client, client.batch() as batch:
        have: dict[str, list[Any]] = {
            "Client": [client, batch],
            "Session": [client.session],
            "KintoException": [KintoException("no")],
            "KintoBatchException": [KintoBatchException([], [])],
            "BackoffException": [BackoffException("wait", 5)],
        }
        for kind, things in have.items():
            for name in FACTS["attributes"][kind]:
                if (kind, name) in GONE:
                    assert is_on_the_page(name)
                else:
                    assert any(hasattr(thing, name) for thing in things), f"{kind}.{name}"


def test_awaiting() -> None:
    """A client that awaits has all the methods that it had, as coroutines; few exceptions."""
    not_awaited = {"clone", "batch", "get_endpoint", "get_paginated_records"}
    for name in FACTS["async"]:
        method = getattr(AsyncClient, name)
        assert inspect.iscoroutinefunction(method) == (name not in not_awaited), name
        assert is_on_the_page(name)


def test_batched() -> None:
    """A batch has all the methods of a client, but for those that read page after page."""
    for name in FACTS["calls"]:
        kind, _, method = name.partition(".")
        if kind == "Client" and method not in ("", "batch"):
            assert callable(getattr(BatchClient, method))
