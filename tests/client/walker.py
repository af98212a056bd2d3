"""
A program that walks through a list of records, page after page.

It is given, as arguments: whether it is to block or to await; what to do; the root of the server;
a bucket.  It prints numbers.
"""

from __future__ import annotations

import asyncio
import inspect
import sys

from collections.abc import AsyncIterator, Iterable
from typing import Any

from kinto_orm import AsyncClient, AsyncSession, Client, Field, Record, Session
from kinto_orm.embedded import KintoServer
from peaks import peak


#: How many frames a walk may add to the stack, however many pages there are.
FRAMES = 120

#: After how many records to look at the memory for the first time.
FIRST = 20_000


async def each(items: Any) -> AsyncIterator[Any]:
    """Give the *items* that a client of either kind goes through."""
    if isinstance(items, Iterable):
        for item in items:
            yield item
    else:
        async for item in items:
            yield item


async def pages(client: Any) -> None:
    """
    Walk in each way, a record to a page, on a stack that is not deep; print how many came.

    One way goes to the end, which takes a while; the others go on for twice the frames there are.
    """
    sys.setrecursionlimit(len(inspect.stack()) + FRAMES)
    found = client.get_records(_limit=1, pages=float("inf"))
    sys.stdout.write(f"{len(await found if inspect.isawaitable(found) else found)}\n")
    some: dict[str, Any] = {"_limit": 1, "pages": 2 * FRAMES}
    for items in (client.get_paginated_records(**some), client.iter_records(**some)):
        sys.stdout.write(f"{sum([1 async for _ in each(items)])}\n")


async def records(client: Any) -> None:
    """Walk through large pages; print how much memory that took, early and in the end."""
    early = count = 0
    async for _ in each(client.iter_records(_limit=10_000)):
        count += 1
        early = early or (peak() if count == FIRST else 0)
    sys.stdout.write(f"{count}\n{early}\n{peak()}\n")


class Many(Record, collection="many"):
    """A record of the list."""

    n: Field[int]
    text: Field[str]


async def queried(client: Any) -> None:
    """Walk through a query; print how much memory that took, early and in the end."""
    kind: Any = Session if isinstance(client, Client) else AsyncSession
    early = count = 0
    async for _ in each(kind(client).query(Many).page_size(2_500).untracked()):
        count += 1
        early = early or (peak() if count == FIRST else 0)
    sys.stdout.write(f"{count}\n{early}\n{peak()}\n")


async def main(way: str, what: str, url: str, bucket: str) -> None:
    """Do what the arguments say."""
    kind: Any = {"blocking": Client, "awaiting": AsyncClient}[way]
    client = kind(server_url=url, auth=KintoServer.auth, bucket=bucket, collection="many")
    try:
        await {"pages": pages, "records": records, "queried": queried}[what](client)
    finally:
        closed = client.close()
        if inspect.isawaitable(closed):
            await closed


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
