"""Large files take no more memory than small ones."""

from __future__ import annotations

import hashlib

from collections.abc import Generator
from pathlib import Path

import pytest

from kinto_orm import Client
from kinto_orm.embedded import KintoServer
from peaks import peaks

from .conftest import Keeper


MIB = 2**20

#: How much more memory a file of 64 MiB may take than one of 1 MiB.
GROWTH = 16 * MIB


@pytest.fixture
def owner(keeper: Keeper, bucket: str) -> Generator[Client]:
    """Give a client whose bucket and collection, *big*, are new; the server gives out files."""
    url = keeper.server.url
    keeper.say_where(f"{url}/attachments/")
    with Client(server_url=url, auth=KintoServer.auth, bucket=bucket, collection="big") as client:
        client.create_bucket()
        client.create_collection()
        yield client
        client.delete_bucket()  # Takes the files with it.


@pytest.mark.early
@pytest.mark.parametrize("way", ["blocking", "awaiting"])
def test_up_and_down(way: str, owner: Client, tmp_path: Path) -> None:
    """64 MiB go up and come back, whole, in the memory that 1 MiB needs."""
    sizes = {tmp_path / "small.bin": MIB, tmp_path / "large.bin": 64 * MIB}
    for path, size in sizes.items():
        with path.open("wb") as file:  # Sparse, but for its end.
            file.seek(size - 5)
            file.write(b"there")
    place = (owner.server_url, str(owner.bucket_name))
    small, large = peaks("attachments.courier", way, *place, *map(str, sizes))
    assert large - small < GROWTH
    backs = {path: path.with_suffix(".back") for path in sizes}
    assert {path: backs[path].stat().st_size for path in sizes} == sizes
    hashes = {
        each["attachment"]["size"]: each["attachment"]["hash"] for each in owner.get_records()
    }
    for path, size in sizes.items():
        with backs[path].open("rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == hashes[size]
        backs[path].unlink()
        path.unlink()
