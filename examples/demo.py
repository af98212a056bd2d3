"""
The main job, on a real Kinto in this process: load records, edit them, commit them.

    python examples/demo.py                  # A small collection of our own.
    python examples/demo.py path/to/dump.json

A dump is ``{"data": [record, …]}``, as Kinto serves a collection.  Those of Remote Settings that
`remote_settings` knows are loaded into its classes; any other into a class without fields.
"""

from __future__ import annotations

import json
import sys
import time

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import garden
import remote_settings

from kinto_orm import Client, Plan, Record, Session
from kinto_orm.embedded import KintoServer


BUCKET = "demo"

Document = dict[str, Any]


class Anything(Record, collection="anything"):
    """A record of which nothing is known."""


# -- What is edited, by collection -------------------------------------------------------------


def edit_garden(session: Session) -> None:
    """Change something deep, something in a list, remove a key, add and delete a record."""
    trees = session.query(garden.Tree).filter(garden.Tree.bed.soil.acidity < 7.0)
    for tree in trees:
        tree.bed.soil.acidity = 7.0
    session.get_one(garden.Tree, "quince").labels.append("jelly")
    rosemary = session.get_one(garden.Shrub, "rosemary")
    rosemary.note = None
    thyme = garden.Shrub(id="thyme", name="Thyme", planted=date(2026, 4, 1), bed=rosemary.bed)
    session.add(thyme)
    session.delete(session.get_one(garden.Thing, "sundial"))


def edit_search_config(session: Session) -> None:
    """Have every third engine say so, ask for one in another way, and let one go."""
    engines = session.query(remote_settings.Engine).all()
    for engine in engines[::3]:
        engine.notes = "Seen by the demo"
    search = engines[1].base.urls.search
    assert search is not None
    search.parameters.append(remote_settings.Parameter(name="demo", value="1"))
    engines[2].base.charset = None
    engines[2].base.aliases.append("demo")
    session.delete(engines[-1])


def edit_translation_models(session: Session) -> None:
    """Give every model another version."""
    for model in session.query(remote_settings.TranslationModel):
        model.version = f"{model.version}.1"


def edit_regions(session: Session) -> None:
    """Correct the type of every file."""
    for region in session.query(remote_settings.Region):
        region.attachment.mimetype = "application/geo+json"


def edit_anything(session: Session) -> None:
    """Mark every record, in a key that no class declares."""
    for record in session.query(Anything):
        record.extra["marked"] = {"by": "the demo"}


JOBS: dict[str, tuple[type[Record], Callable[[Session], None]]] = {
    "garden": (garden.Thing, edit_garden),
    "search-config-v2": (remote_settings.SearchConfig, edit_search_config),
    "regions": (remote_settings.Region, edit_regions),
    "translations-models": (remote_settings.TranslationModel, edit_translation_models),
}


# -- The job -----------------------------------------------------------------------------------


def main(arguments: Sequence[str]) -> None:
    """Run the job on a dump, or on our own collection."""
    path = Path(arguments[0]) if arguments else Path(__file__).with_name("garden.json")
    documents: list[Document] = json.loads(path.read_bytes())["data"]
    model, edit = JOBS.get(path.stem, (Anything, edit_anything))
    collection = path.stem if path.stem in JOBS else "anything"

    began = time.perf_counter()
    with (
        KintoServer() as server,
        Client(server_url=server.url, auth=server.auth, bucket=BUCKET) as client,
        Session(client) as session,
    ):
        say(f"A Kinto at {server.url}, ready after {time.perf_counter() - began:.1f} s")
        fill(client, collection, documents)
        before = stored(client, collection)
        say(f"Filled with the {len(before)} records of {path.name}, as they are")

        began = time.perf_counter()
        records = session.query(model).all()
        kinds = sorted({type(record).__name__ for record in records})
        say(f"Loaded {len(records)} records ({', '.join(kinds)}) in {since(began)}")
        say(f"Commit, with nothing changed: {session.commit()}")

        edit(session)
        began = time.perf_counter()
        plan = session.plan()
        say(f"Edited; planned in {since(began)}:")
        show_plan(plan)

        began = time.perf_counter()
        result = session.commit(plan)
        say(f"Committed in {since(began)}: {result}")

        say("On the server now, compared with before:")
        show_differences(before, stored(client, collection))
        say(f"Commit, with nothing changed since: {session.commit()}")


def fill(client: Client, collection: str, documents: list[Document]) -> None:
    """Create the collection, with *documents* in it."""
    client.create_bucket()
    client.create_collection(id=collection)
    with client.batch(collection=collection) as batch:
        for document in documents:
            content = {key: document[key] for key in document if key != "last_modified"}
            batch.create_record(data=content)


def stored(client: Client, collection: str) -> dict[str, Document]:
    """Return what the server has, by id."""
    return {record["id"]: record for record in client.get_records(collection=collection)}


# -- What is shown -----------------------------------------------------------------------------


def say(text: str) -> None:
    """Print a step of the job."""
    print(f"\n* {text}")


def since(began: float) -> str:
    """Return how long ago it *began*."""
    return f"{(time.perf_counter() - began) * 1000:.0f} ms"


def show_plan(plan: Plan, most: int = 12) -> None:
    """Print the requests of *plan*, or the first ones of a long plan."""
    lines = str(plan).splitlines()
    for line in lines[:most]:
        print(f"    {line.replace(f'/buckets/{BUCKET}/collections/', '…/')}")
    if len(lines) > most:
        print(f"    … and {len(lines) - most} lines more")


def show_differences(
    before: dict[str, Document], after: dict[str, Document], most: int = 12
) -> None:
    """Print what is different on the server, value by value."""
    lines = [
        f"{ident}{path}: {old} -> {new}"
        for ident in sorted(before.keys() | after.keys())
        for path, old, new in differences(before.get(ident), after.get(ident))
    ]
    same = sum(before[ident] == after.get(ident) for ident in before)
    for line in lines[:most]:
        print(f"    {line}")
    if len(lines) > most:
        print(f"    … and {len(lines) - most} differences more")
    print(f"    {same} of {len(before)} records are as they were, byte for byte")


def differences(old: Any, new: Any, path: str = "") -> list[tuple[str, str, str]]:
    """Return where two values differ, and how; timestamps do not count."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            found
            for key in dict.fromkeys([*old, *new])
            if key != "last_modified"
            for found in differences(old.get(key), new.get(key), f"{path}.{key}")
        ]
    return [] if old == new else [(path, shown(old), shown(new))]


def shown(value: Any) -> str:
    """Return *value* as JSON, cut to what fits on a line."""
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:40]} … {text[-16:]}"


if __name__ == "__main__":
    main(sys.argv[1:])
