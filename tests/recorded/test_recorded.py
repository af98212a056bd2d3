"""The main job against recorded answers of a real Kinto, where no server can run."""

from __future__ import annotations

import asyncio

from typing import Any

import pytest

from kinto_orm import AsyncClient, AsyncSession, Client, ConflictError, Field, Record, Session


class Note(Record, bucket="recorded", collection="notes"):
    """What is recorded."""

    text: Field[str]


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
