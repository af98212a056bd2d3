"""What the tests of queries keep on a server."""

from __future__ import annotations

from typing import Any

from kinto_orm import Field, Link, Record, field, link


class Person(Record, collection="people"):
    """Somebody."""

    name: Field[str]
    boss: Link[Person | None] = link(default=None)


class Post(Record, collection="todos"):
    """Something that somebody wrote."""

    title: Field[str]
    stars: Field[int] = field(default=0)
    tags: Field[list[str]] = field(factory=list)
    counts: Field[dict[str, int]] = field(factory=dict)
    note: Field[str | None] = field(default=None)
    answer: Field[str | None] = field(default=None, null=True)
    author: Link[Person | None] = link(default=None)
    readers: Field[list[Link[Person]]] = field(factory=list)
    anything: Field[Any] = field(default=None)


def posts(count: int) -> list[dict[str, Any]]:
    """Return so many documents, with the ids p0, p1, …"""
    return [{"id": f"p{n}", "title": f"title {n}", "stars": n} for n in range(count)]
