"""
A program that carries files up to a server, and down again.

It is given, as arguments: whether it is to block or to await; the root of the server; a bucket;
and the files.  It prints, for each, how much memory it took at the most so far, in bytes.
"""

from __future__ import annotations

import asyncio
import sys

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kinto_orm import AsyncClient, Client
from kinto_orm.embedded import KintoServer
from peaks import peak


def blocking(url: str, bucket: str, files: list[str]) -> None:
    """Carry *files* with a client that blocks."""
    with Client(server_url=url, auth=KintoServer.auth, bucket=bucket, collection="big") as client:
        for n, file in enumerate(files):
            client.add_attachment(f"b{n}", file)
            record = client.get_record(id=f"b{n}")["data"]
            client.download_attachment(record, Path(file).with_suffix(".back"), overwrite=True)
            sys.stdout.write(f"{peak()}\n")


def awaiting(url: str, bucket: str, files: list[str]) -> None:
    """Carry *files* with a client that awaits."""

    async def main() -> None:
        place: dict[str, Any] = {"bucket": bucket, "collection": "big"}
        async with AsyncClient(server_url=url, auth=KintoServer.auth, **place) as client:
            for n, file in enumerate(files):
                await client.add_attachment(f"a{n}", file)
                record = (await client.get_record(id=f"a{n}"))["data"]
                target = Path(file).with_suffix(".back")
                await client.download_attachment(record, target, overwrite=True)
                sys.stdout.write(f"{peak()}\n")

    asyncio.run(main())


if __name__ == "__main__":
    WAYS: dict[str, Callable[[str, str, list[str]], None]] = {
        "blocking": blocking,
        "awaiting": awaiting,
    }
    WAYS[sys.argv[1]](sys.argv[2], sys.argv[3], sys.argv[4:])
