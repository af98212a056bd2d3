"""
The main job against recorded answers of a real Kinto, where no server can run.

The cassettes are in the folder beside this file.  ``make record`` records them again, from an
embedded Kinto; they are not written by hand.  They hold no credentials, and no address but that
of a server that does not exist.
"""

from __future__ import annotations

import asyncio
import os
import re

from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import vcr

from kinto_orm import AsyncClient, AsyncSession, Client, ConflictError, Field, Record, Session
from kinto_orm.embedded import KintoServer


CASSETTES = Path(__file__).with_name("cassettes")
RECORDING = "KINTO_ORM_RECORD" in os.environ

#: Where the recorded server seems to be.
URL = "http://kinto.invalid/v1"


class Note(Record, bucket="recorded", collection="notes"):
    """What is recorded."""

    text: Field[str]


def without_address(request: Any) -> Any:
    """Return a request to be kept: to a server that does not exist."""
    path = request.uri.partition("/v1")[2]
    request.uri = URL + path
    return request


def without_traces(response: Any) -> Any:
    """Return a response to be kept: without where it came from, and for whom."""
    for name in ("Server", "Date", "Content-Length"):
        response["headers"].pop(name, None)
    body = response["body"]["string"]
    body = re.sub(rb"http://127\.0\.0\.1:\d+/v1", URL.encode(), body)
    # An id that is derived from the password.
    response["body"]["string"] = re.sub(rb"basicauth:[0-9a-f]+", b"account:somebody", body)
    return response


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Generator[dict[str, Any]]:
    """Give the arguments of a client, whose exchange is recorded or played back."""
    recorder = vcr.VCR(
        cassette_library_dir=str(CASSETTES),
        record_mode=vcr.mode.ALL if RECORDING else vcr.mode.NONE,
        match_on=["method", "path", "query", "body"],
        filter_headers=["Authorization", "User-Agent", "Host"],
        before_record_request=without_address,
        before_record_response=without_traces,
        decode_compressed_response=True,
    )
    with ExitStack() as stack:
        if RECORDING:
            server = stack.enter_context(KintoServer())
            url, auth = server.url, server.auth
        else:
            url, auth = URL, ("nobody", "nothing")
        name = request.node.originalname.removeprefix("test_")
        cassette = stack.enter_context(recorder.use_cassette(f"{name}.yaml"))
        yield {"server_url": url, "auth": auth}
        if not RECORDING:
            assert cassette.all_played


def test_blocking(place: dict[str, Any]) -> None:
    """Records are created, read, changed in a batch and alone; a conflict is told."""
    with Client(**place) as client:
        client.create_bucket(id="recorded")
        client.create_collection(id="notes", bucket="recorded")
        session = Session(client)
        session.add_all(Note(id=ident, text=f"Note {ident}") for ident in "abc")
        assert len(session.commit().created) == 3
        other = Session(client)
        one, two, three = other.query(Note).all()
        one.text, two.text = "changed", "changed, too"
        assert str(other.commit()) == "2 updated, 1 unchanged; 1 request"
        three.text = "alone"
        assert other.commit().updated == (three,)
        for note in session.query(Note).filter(Note.text == "alone"):
            session.delete(note)
        assert len(session.commit().deleted) == 1
        three.text = "too late"
        with pytest.raises(ConflictError) as caught:
            other.commit()
        assert caught.value.result.conflicts[0].remote is None


def test_awaiting(place: dict[str, Any]) -> None:
    """The same with an event loop."""

    async def main() -> None:
        async with AsyncClient(**place) as client:
            await client.create_bucket(id="recorded")
            await client.create_collection(id="notes", bucket="recorded")
            session = AsyncSession(client)
            session.add_all(Note(id=ident, text=f"Note {ident}") for ident in "abc")
            assert len((await session.commit()).created) == 3
            async for note in session.query(Note).filter(Note.text != "Note b"):
                note.text += "!"
            assert str(await session.commit()) == "2 updated, 1 unchanged; 1 request"

    asyncio.run(main())


@pytest.mark.skipif(RECORDING, reason="what is being recorded is not there yet")
def test_no_secret_is_kept() -> None:
    """No cassette holds credentials, or where it was recorded."""
    texts = [path.read_text() for path in CASSETTES.glob("*.yaml")]
    assert len(texts) == 2
    for text in texts:
        assert "uthorization" not in text
        assert "127.0.0.1" not in text
        assert "c2VydmVy" not in text  # The password, in base64.
        assert "basicauth:" not in text
