"""Links, permissions, classes bound elsewhere; what queries give besides records."""

from collections.abc import AsyncGenerator, Generator
from typing import Any, Literal, assert_type

from kinto_orm import (
    AsyncQuery,
    AsyncSession,
    Authenticated,
    CommitResult,
    Everyone,
    Field,
    Group,
    Invalid,
    Link,
    Permissions,
    Principal,
    Query,
    Record,
    Session,
    Tombstone,
    User,
    ValidationError,
    field,
    link,
)
from kinto_orm.models.conditions import Condition
from kinto_orm.models.links import LinkField
from kinto_orm.models.permissions import Principals


class Person(Record, collection="people"):
    name: Field[str]
    boss: Link["Person | None"] = link(default=None)


class Post(Record, bucket="blog", collection="posts"):
    title: Field[str]
    author: Link[Person]
    editor: Link[Person | None] = link(default=None, key="edited-by")
    readers: Field[list[Link[Person]]] = field(factory=list)


def made(ann: Person, post: Post) -> None:
    Post(title="x", author=ann)
    Post(title="x", author="ann", editor=ann)
    Post(title="x", author=Link(ann), editor=None, readers=[Link(ann), Link("bob")])
    Post(title="x")  # E
    Post(title="x", author=3)  # E
    Post(title="x", author=None)  # E
    Post(title="x", author=post)  # E
    Post(title="x", author=ann, readers=[ann])  # E


def links(post: Post, ann: Person) -> None:
    assert_type(post.author, Link[Person])
    assert_type(post.author.id, str)
    assert_type(post.author.record, Person)
    assert_type(post.author.record.name, str)
    assert_type(post.author.is_loaded, bool)
    assert_type(post.author.record_or(None), Person | None)
    assert_type(post.editor, Link[Person] | None)
    assert_type(post.readers[0].record, Person)
    assert_type(ann.boss, Link[Person] | None)
    post.author = ann
    post.author = "ann"
    post.editor = None
    post.author = None  # E
    post.author = post  # E
    _ = post.editor.record  # E
    _ = post.author.name  # E


def compared(ann: Person, post: Post) -> None:
    assert_type(Post.author, LinkField[Person])
    assert_type(Post.editor, LinkField[Person])
    assert_type(Post.author == ann, Condition)
    assert_type(Post.author == "ann", Condition)
    assert_type(Post.editor.is_(None), Condition)
    assert_type(Post.author.in_([ann, "bob"]), Condition)
    Post.author.is_(post)  # E


def permissions(post: Post) -> None:
    assert_type(post.permissions, Permissions)
    assert_type(post.permissions.read, Principals)
    assert_type(list(post.permissions.write), list[Principal])
    assert_type(post.permissions.is_loaded, bool)
    post.permissions.read.add(Everyone)
    post.permissions.read.add("account:ann")
    post.permissions.read |= {Authenticated, User("account:bob")}
    post.permissions.write.discard(Group("/buckets/blog/groups/editors"))
    post.permissions = Permissions(read=[Everyone], write={"account:ann"})
    Person(name="x", permissions=Permissions(read=[Everyone]))
    post.permissions.read.add(3)  # E
    post.permissions = {"read": []}  # E
    post.permissions.fly.add(Everyone)  # E
    Person(name="x", permissions="everyone")  # E
    Permissions(fly=[Everyone])  # E


def bound(session: Session) -> None:
    assert_type(Post.at(bucket="preview"), type[Post])
    assert_type(session.query(Post.at(bucket="preview")), Query[Post])
    assert_type(session.get(Post.at(bucket="a", collection="b"), "x"), Post | None)
    Post.at("preview")  # E
    Post.at(bucket=3)  # E


def queries(session: Session, ann: Person) -> None:
    query = session.query(Post)
    assert_type(query.include(Post.author, Post.readers, Person.boss), Query[Post])
    assert_type(query.only(Post.title, Post.author), Query[Post])
    assert_type(query.since(5).before("9").page_size(3).untracked().snapshot(), Query[Post])
    assert_type(query.with_deleted(), Query[Post | Tombstone])
    assert_type(query.with_deleted().all(), list[Post | Tombstone])
    assert_type(query.on_invalid("keep"), Query[Post | Invalid])
    assert_type(query.on_invalid("skip").first(), Post | None)
    assert_type(query.on_invalid("keep").with_deleted().one(), Post | Invalid | Tombstone)
    assert_type(query.pages(), Generator[list[Post], None, None])
    assert_type(query.timestamp(), int)
    assert_type(query.delete(), CommitResult)
    assert_type(query.update(title="x"), CommitResult)
    assert_type(session.query(query), Query[Post])
    assert_type(session.query(query.with_deleted()), Query[Post | Tombstone])
    assert_type(query == query.limit(3), bool)
    assert_type(hash(query), int)
    assert_type(session.load_permissions(ann, ann), None)
    for found in query.on_invalid("keep"):
        if isinstance(found, Invalid):
            assert_type(found.error, ValidationError)
        else:
            assert_type(found, Post)

    query.include("author")  # E
    query.only("title")  # E
    query.since(None)  # E
    query.page_size("3")  # E
    query.on_invalid("ignore")  # E
    query.untracked(3)  # E
    session.load_permissions("x")  # E


async def awaited(session: AsyncSession, how: Literal["raise", "skip"]) -> None:
    query = session.query(Post)
    assert_type(query.with_deleted(), AsyncQuery[Post | Tombstone])
    assert_type(await query.on_invalid("keep").all(), list[Post | Invalid])
    assert_type(await query.on_invalid(how).all(), list[Post])
    assert_type(query.pages(), AsyncGenerator[list[Post], None])
    assert_type(await query.timestamp(), int)
    assert_type(await query.delete(), CommitResult)
    assert_type(await query.update(title="x"), CommitResult)
    assert_type(session.query(query.include(Post.author)), AsyncQuery[Post])
    assert_type([each.title async for each in query], list[str])
    await session.load_permissions(await query.one())


def values(tombstone: Tombstone, invalid: Invalid) -> None:
    assert_type((tombstone.id, tombstone.last_modified), tuple[str, int])
    assert_type((invalid.id, invalid.last_modified), tuple[str, int])
    _: Any = invalid.document["title"]
    invalid.document["title"] = 3  # E
