"""
One of several processes that write to a bucket at the same time.

    python -m runs.worker URL BUCKET NAME TURNS

It waits for a line on its standard input; then, in each turn, it creates records and changes
some of those that it created before.  At its end it prints what its commits have said, as JSON:
of each record, the title and the timestamp that it was said to have.
"""

from __future__ import annotations

import json
import sys

from typing import Any

from kinto_orm import Client, CommitError, Session
from session.models import Todo


#: How many records are created in a turn, and how many of the turn before are changed.
CREATED, CHANGED = 40, 15


def work(url: str, bucket: str, name: str, turns: int) -> dict[str, list[Any]]:
    """Do it; return what each record was said to have, by id."""
    said: dict[str, list[Any]] = {}
    with Client(server_url=url, auth=("embedded", "server"), bucket=bucket) as client:
        session = Session(client)
        before: list[Todo] = []
        for turn in range(turns):
            new = [Todo(id=f"{name}-{turn}-{number}", title="new") for number in range(CREATED)]
            for todo in before[:CHANGED]:
                todo.title = f"changed in turn {turn}"
            session.add_all(new)
            try:
                result = session.commit()
            except CommitError as error:
                result = error.result
            for record in (*result.created, *result.updated):
                assert isinstance(record, Todo)
                said[record.id] = [record.title, record.last_modified]
            before = new
    return said


if __name__ == "__main__":
    _, url, bucket, name, turns = sys.argv
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    json.dump(work(url, bucket, name, int(turns)), sys.stdout)
