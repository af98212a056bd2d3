"""The records that all contestants read and change, as JSON has them; the same ones each time."""

from __future__ import annotations

from random import Random
from typing import Any, Final, TypeAlias
from uuid import UUID


Document: TypeAlias = dict[str, Any]

BUCKET: Final = "bench"
COLLECTION: Final = "people"

#: Where the records are, below the root of a server.
RECORDS: Final = f"/buckets/{BUCKET}/collections/{COLLECTION}/records"

#: When the newest one was written, in milliseconds since the epoch; each other a bit before.
NEWEST: Final = 1_750_000_000_000
_APART: Final = 7

_FIRST = ("Ada", "Alan", "Barbara", "Edsger", "Frances", "Grace", "Ken", "Margaret", "Niklaus")
_LAST = ("Allen", "Dijkstra", "Hamilton", "Hopper", "Liskov", "Lovelace", "Thompson", "Turing")
_WORDS = ("amber", "basalt", "cedar", "delta", "ember", "fjord", "granite", "heather", "indigo")
_STREETS = ("Elm Road", "Harbour Street", "Mill Lane", "Station Road", "Orchard Close")
_CITIES = ("Bergen", "Ghent", "Leiden", "Porto", "Tartu", "Uppsala", "York", "Zürich")


class Documents:
    """As many records as are asked for, newest first, as Kinto gives them."""

    def __init__(self) -> None:
        self._random = Random(20)
        self._made: list[Document] = []

    def first(self, count: int) -> list[Document]:
        """Return the first *count* records."""
        while len(self._made) < count:
            self._made.append(self._next())
        return self._made[:count]

    def _next(self) -> Document:
        pick, number = self._random.choice, self._random.randrange
        first, last = pick(_FIRST), pick(_LAST)
        return {
            "id": str(UUID(int=self._random.getrandbits(128), version=4)),
            "name": f"{first} {last}",
            "email": f"{first}.{last}@example.org".lower(),
            "visits": number(10_000),
            "active": number(2) == 1,
            "score": number(10_000) / 100,
            "notes": " ".join(self._random.choices(_WORDS, k=6)),
            "born": f"{number(1940, 2005)}-{number(1, 13):02}-{number(1, 29):02}",
            "tags": self._random.sample(_WORDS, 3),
            "address": {
                "street": f"{number(1, 200)} {pick(_STREETS)}",
                "city": pick(_CITIES),
                "zip": str(number(10_000, 99_999)),
            },
            "last_modified": NEWEST - _APART * len(self._made),
        }


def changed(document: Document, number: int) -> Document:
    """Return the attributes of *document* that a change of one leaf of it gives other values."""
    kind = number % 3
    if kind == 0:
        return {"name": f"Renamed {number}"}
    if kind == 1:  # As a whole: in a batch Kinto replaces attributes, whatever the content type.
        return {"address": {**document["address"], "city": f"Town {number}"}}
    return {"born": f"2010-01-{number % 28 + 1:02}"}


def fresh(number: int, document: Document) -> Document:
    """Return what is in *document* as the content of a new record."""
    kept = {key: value for key, value in document.items() if key not in ("id", "last_modified")}
    return {**kept, "visits": number}
