"""
A newsroom: articles with their authors, who may read them, and a staging copy.

    python examples/newsroom.py

It runs on a Kinto of its own, and prints what it does and how many requests that took.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from kinto_orm import (
    Client,
    CommitError,
    Everyone,
    Field,
    Link,
    Permissions,
    Record,
    Session,
    Tombstone,
    ensure,
    field,
    link,
)
from kinto_orm.embedded import KintoServer


class State(StrEnum):
    """How far an article has come."""

    DRAFT = "draft"
    PUBLISHED = "published"


class Person(Record, bucket="news", collection="people"):
    """Somebody who writes, or has others write."""

    name: Field[str] = field(metadata={"description": "As it stands below an article."})
    editor: Link[Person | None] = link(default=None)


class Article(Record, bucket="news", collection="articles", rename="camelCase"):
    """Something to read."""

    headline: Field[str] = field(metadata={"json_schema": {"minLength": 1}})
    author: Link[Person]
    state: Field[State] = field(default=State.DRAFT)
    published_at: Field[datetime | None] = field(default=None)
    reading_time: Field[timedelta] = field(default=timedelta(minutes=5))
    tags: Field[list[str]] = field(factory=list)


def provide(client: Client) -> None:
    """Create the bucket and the collections, with the schemas of their classes."""
    staging = Article.at(bucket="staging")
    print(ensure(client, Person, Article, staging, schema=True, sort="-last_modified"))
    different = ensure(client, Article, display_fields=[Article.headline, Article.state])
    print(f"\nwould change: {[each.key for each in different.differences]}")


def fill(session: Session) -> None:
    """Write some people, and some articles that everybody may read."""
    ann = Person(id="ann", name="Ann")
    bob = Person(id="bob", name="Bob", editor=ann)
    session.add_all([ann, bob])
    for number, headline in enumerate(["Rain", "Sun", "Snow", "Wind"]):
        session.add(
            Article(
                id=headline.lower(),
                headline=headline,
                author=bob if number % 2 else ann,
                tags=["weather", headline.lower()],
                permissions=Permissions(read=[Everyone]),
            )
        )
    print(f"filled: {session.commit()}")


def refuse(session: Session) -> None:
    """Try to write what the schema forbids: that record is refused, the others are not."""
    session.add(Article(id="hail", headline="", author="ann"))
    session.add(Article(id="fog", headline="Fog", author="ann", tags=["weather"]))
    try:
        session.commit()
    except CommitError as error:
        print(f"refused: {error.result}")
        print(f"  {error.result.errors[0]}")
        session.expunge(error.result.errors[0].record)


def publish(session: Session) -> None:
    """Publish what is about the weather and no fog, and take back who may read one of them."""
    about = Article.tags.contains("weather") & ~(Article.headline == "Fog")
    articles = session.query(Article).filter(about, Article.state == State.DRAFT)
    for article in articles.include(Article.author, Person.editor):
        article.state = State.PUBLISHED
        article.published_at = datetime(2025, 3, 1, 12, tzinfo=UTC)
        editor = article.author.record.editor
        name = "nobody" if editor is None else editor.record.name
        print(f"{article.headline}, by {article.author.record.name}, edited by {name}")
    snow = session.get_one(Article, "snow")
    session.load_permissions(snow)
    snow.permissions.read.discard(Everyone)
    print(f"published: {session.commit()}")


def stage(session: Session) -> None:
    """Copy what is published to the staging bucket."""
    staging = Article.at(bucket="staging")
    published = session.query(Article).filter(Article.published_at.exists())
    session.add_all([article.copy_to(staging) for article in published])
    print(f"staged: {session.commit()}")


def watch(client: Client, since: int) -> None:
    """Print what has changed since a moment."""
    with Session(client) as session:
        for each in session.query(Article).with_deleted().since(since).only(Article.headline):
            print("deleted:" if isinstance(each, Tombstone) else "changed:", each.id)


def main() -> None:
    """Do all of it."""
    with (
        KintoServer(experimental_collection_schema_validation=True) as server,
        Client(server_url=server.url, auth=server.auth) as client,
    ):
        provide(client)
        with Session(client) as session:
            fill(session)
            refuse(session)
            publish(session)
            stage(session)
            moment = session.query(Article).timestamp()
            print(session.query(Article).filter(Article.headline == "Fog").delete())
            print(session.query(Article).filter(Article.headline.like("s*")).update(tags=["old"]))
        watch(client, moment)


if __name__ == "__main__":
    main()
