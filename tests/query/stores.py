"""A collection of a real Kinto, filled and asked in few requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from attrs import define, field

from kinto_orm import Client
from kinto_orm.models.conditions import Condition
from kinto_orm.query.encoding import encoded


@define
class Store:
    """
    A collection.

    Attributes:
        client: Knows the collection.
        documents: What is in it, by id, as the server has it.
    """

    client: Client
    documents: dict[str, dict[str, Any]] = field(factory=dict[str, dict[str, Any]])

    def replace(self, documents: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """Store *documents* instead of what there is; return them by their new ids."""
        given = {f"d{number}": each for number, each in enumerate(documents)}
        with self.client.batch() as batch:
            for ident in self.documents.keys() - given.keys():
                batch.delete_record(id=ident)
            for ident, document in given.items():
                batch.update_record(id=ident, data=dict(document))
        answers = batch.results()[-len(given) :]
        stamps = [answer["data"]["last_modified"] for answer in answers]
        self.documents = {
            ident: {**document, "id": ident, "last_modified": stamp}
            for (ident, document), stamp in zip(given.items(), stamps, strict=True)
        }
        return self.documents

    def found(self, *conditions: Condition) -> set[str]:
        """Return the ids of what the server finds."""
        # Tombstones are found by their timestamps, too (T5).
        return {each["id"] for each in self.listed(encoded(conditions)) if not each.get("deleted")}

    def listed(self, asked: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
        """Return what the server finds with these parameters."""
        path = self.client.get_endpoint("records")
        body, _ = self.client.session.request("get", f"{path}?{urlencode(list(asked))}")
        found: list[dict[str, Any]] = body["data"]
        return found
