"""
Three people edit one collection at once, each with a copy of their own, and nobody's work is lost.

    python examples/editors.py

It runs on a Kinto in this process, on PostgreSQL.  What they do:

- Ann and Bob change different things of one article: both changes are kept.
- They change the same line: that is a conflict, which a function resolves, or a person.
- Cleo deletes an article that Ann is still working on.
- All three count the readers of an article with one counter, at the same time.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from kinto_orm import Client, Conflict, ConflictError, Field, Record, Session, ensure, field
from kinto_orm.embedded import KintoServer


class Article(Record, bucket="paper", collection="articles"):
    """A piece of news."""

    headline: Field[str]
    text: Field[list[str]] = field(factory=list)
    topics: Field[set[str]] = field(factory=set)
    readers: Field[int] = field(default=0)


def longer_headline(conflict: Conflict) -> dict[str, Any] | Literal["merge"]:
    """Take the longer headline; leave all else to the merge, or to a person."""
    if conflict.local is None or conflict.remote is None or conflict.fields != ("headline",):
        return "merge"
    longer = max(conflict.local["headline"], conflict.remote["headline"], key=len)
    return {**conflict.remote, "headline": longer}


def fill(client: Client) -> None:
    """Have something to edit."""
    ensure(client, Article)
    with Session(client) as session:
        session.add(Article(id="rain", headline="Rain", text=["It rains.", "It is wet."]))
        session.add(Article(id="snow", headline="Snow", text=["It snows."]))
        print("filled:", session.commit())


def edit_different_things(ann: Session, bob: Session) -> None:
    """Have two of them change one article in different places."""
    hers, his = ann.get_one(Article, "rain"), bob.get_one(Article, "rain")
    hers.text.insert(0, "By Ann.")
    hers.topics.add("weather")
    his.text.append("More tomorrow.")
    his.topics.add("local")
    print("Ann:", ann.commit())
    print("Bob:", bob.commit(on_conflict="merge"))
    print("  ", *his.text, sorted(his.topics))


def edit_the_same_line(ann: Session, bob: Session) -> None:
    """Have two of them change one headline."""
    hers, his = ann.get_one(Article, "rain"), bob.get_one(Article, "rain")
    ann.refresh(hers)
    hers.headline, his.headline = "Heavy rain in the north", "Rain at last"
    print("Ann:", ann.commit())
    try:
        bob.commit(on_conflict="merge")
    except ConflictError as error:
        print("Bob:", *error.result.conflicts[0].fields, "clashes")
    print("Bob:", bob.commit(on_conflict=longer_headline))
    print("  ", his.headline)


def delete_meanwhile(ann: Session, cleo: Session) -> None:
    """Have one of them delete what another one edits."""
    hers = ann.get_one(Article, "snow")
    cleo.delete(cleo.get_one(Article, "snow"))
    hers.text.append("It is cold.")
    print("Cleo:", cleo.commit())
    try:
        ann.commit(on_conflict="merge")
    except ConflictError as error:
        print("Ann:", error.result.conflicts[0].kind)
    print("Ann:", ann.commit(on_conflict="client_wins"))


def read(session: Session) -> None:
    """Count one reader more."""
    session.get_one(Article, "rain").readers += 1


def count_readers(client: Client) -> None:
    """Have three of them count as fast as they can."""

    def count(_: int) -> None:
        for _ in range(5):
            Session(client).retry(read, attempts=100)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(count, range(3)))
    print("readers:", Session(client).get_one(Article, "rain").readers)


def main() -> None:
    """Run the whole of it."""
    with (
        KintoServer(storage="postgresql") as server,
        Client(server_url=server.url, auth=server.auth) as client,
    ):
        fill(client)
        ann, bob, cleo = Session(client), Session(client), Session(client)
        edit_different_things(ann, bob)
        edit_the_same_line(ann, bob)
        delete_meanwhile(ann, cleo)
        count_readers(client)


if __name__ == "__main__":
    main()
