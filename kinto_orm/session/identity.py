"""One object for each record of a session."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field, frozen

from kinto_orm.client.paths import record_path
from kinto_orm.exceptions import InvalidRequest
from kinto_orm.models.records import Record


@frozen(order=True)
class Key:
    """Which record it is."""

    bucket: str
    collection: str
    id: str

    @property
    def path(self) -> str:
        """Return its path on the server."""
        return record_path(self.bucket, self.collection, self.id)

    def __str__(self) -> str:
        return f"{self.bucket}/{self.collection}/{self.id}"


@define
class IdentityMap:
    """
    The records of a session, each under its key.

    They are held strongly: a change would be lost with a record that nobody else holds.
    """

    _records: dict[Key, Record] = field(factory=dict[Key, Record])
    _keys: dict[int, Key] = field(factory=dict[int, Key])

    def __iter__(self) -> Iterator[tuple[Key, Record]]:
        return iter(list(self._records.items()))

    def __len__(self) -> int:
        return len(self._records)

    def find(self, key: Key) -> Record | None:
        """Return the record under *key*, if it is here."""
        return self._records.get(key)

    def key(self, record: Record) -> Key | None:
        """Return the key of *record*, or None if it is not here.  Identity counts, not equality."""
        return self._keys.get(id(record))

    def put(self, key: Key, record: Record) -> None:
        """
        Keep *record* under *key*.

        Raises:
            InvalidRequest: If another object stands for the same record.
        """
        other = self._records.setdefault(key, record)
        if other is not record:
            msg = (
                f"{type(record).__name__} {key}: the session has another object for this record."
                " Change that one, or expunge it first"
            )
            raise InvalidRequest(msg)
        self._keys[id(record)] = key

    def drop(self, record: Record) -> None:
        """Forget *record*."""
        key = self._keys.pop(id(record), None)
        if key is not None:
            del self._records[key]

    def clear(self) -> None:
        """Forget all records."""
        self._records.clear()
        self._keys.clear()
