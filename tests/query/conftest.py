"""A collection to ask."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from kinto_orm import Client
from kinto_orm.embedded import KintoServer

from .stores import Store


@pytest.fixture
def store(server: KintoServer, bucket: str) -> Generator[Store]:
    """Give an empty collection on each kind of server."""
    with Client(
        server_url=server.url, auth=server.auth, bucket=bucket, collection="samples"
    ) as client:
        client.create_bucket()
        client.create_collection()
        yield Store(client)
