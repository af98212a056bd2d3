r"""
A job that keeps a collection equal to a source of truth, with the client alone.

    python examples/mirror.py path/to/dump.json
    python examples/mirror.py path/to/dump.json --server https://host/v1 --auth name:password \
        --bucket staging --collection regions

The source is a dump, ``{"data": [record, …]}``.  What differs is written in batches, and then a
review is asked for.  Without ``--server`` the job runs twice against a Kinto of its own, so that
there is something to see.
"""

from __future__ import annotations

import json

from pathlib import Path
from typing import Any

from kinto_orm import Client, cli_utils
from kinto_orm.embedded import KintoServer
from kinto_orm.utils import collection_diff


Document = dict[str, Any]


def mirror(client: Client, source: list[Document]) -> str:
    """Make the client's collection equal to *source*; say what that took."""
    client.create_bucket(if_not_exists=True)
    client.create_collection(if_not_exists=True)
    there = client.get_records(snapshot=True)
    create, update, delete = collection_diff(source, there)
    if not (create or update or delete):
        return f"{len(there)} records, all as they should be"
    with client.batch() as batch:
        for record in create:
            batch.create_record(data=_content(record))
        for old, new in update:
            batch.update_record(data=_content(new), if_match=old["last_modified"])
        for old in delete:
            batch.delete_record(id=old["id"], if_match=old["last_modified"])
    client.request_review("Updated from the source")
    return f"{len(create)} created, {len(update)} updated, {len(delete)} deleted"


def _content(record: Document) -> Document:
    """Return *record* without what the server sets."""
    return {
        name: value for name, value in record.items() if name not in ("last_modified", "schema")
    }


def rehearse(source: list[Document]) -> None:
    """Run the job twice on a Kinto of its own, with some records that went astray between."""
    with (
        KintoServer() as server,
        Client(
            server_url=server.url, auth=server.auth, bucket="staging", collection="mirror"
        ) as client,
    ):
        print(f"first:  {mirror(client, source)}")
        client.patch_record(id=source[0]["id"], data={"note": "edited by hand"})
        client.delete_record(id=source[1]["id"])
        client.create_record(id="astray")
        print(f"second: {mirror(client, source)}")
        print(f"third:  {mirror(client, source)}")
        print(f"status: {client.get_collection()['data']['status']}")


def main() -> None:
    """Run the job as the command line says."""
    parser = cli_utils.add_parser_options(description="Make a collection equal to a dump.")
    parser.add_argument("dump", type=Path)
    args = parser.parse_args()
    source = json.loads(args.dump.read_text())["data"]
    if args.server is None:
        rehearse(source)
        return
    with cli_utils.create_client_from_args(args) as client:
        print(mirror(client, source))


if __name__ == "__main__":
    main()
