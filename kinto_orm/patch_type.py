"""
The ways to say what a PATCH changes.

    client.patch_record(id="milk", changes=MergePatch({"done": True, "due": None}))
    Session(client, patch=JSONPatch)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from kinto_orm.flow.messages import Document


class PatchType:
    """
    What a PATCH changes, and how that is written.

    Attributes:
        content_type: Media type of the request.
        body: Body of the request.
    """

    content_type: ClassVar[str]
    body: Any


class _DataPatch(PatchType):
    """A patch that is shaped as the object it changes."""

    def __init__(
        self, data: Document | None = None, permissions: dict[str, list[str]] | None = None
    ) -> None:
        self.data = data
        self.permissions = permissions

    @property
    def body(self) -> dict[str, Any]:
        """Return the body of the request."""
        parts = {"data": self.data, "permissions": self.permissions}
        return {name: part for name, part in parts.items() if part is not None}


class BasicPatch(_DataPatch):
    """Replace the attributes that are given, each as a whole; keep the others."""

    content_type = "application/json"


class MergePatch(_DataPatch):
    """Merge what is given, objects into objects; null removes a key (RFC 7396)."""

    content_type = "application/merge-patch+json"


class JSONPatch(PatchType):
    """
    Apply operations, in order, all or none (RFC 6902).

    Paths begin with ``/data`` or ``/permissions``.
    """

    content_type = "application/json-patch+json"

    def __init__(self, operations: Sequence[dict[str, Any]]) -> None:
        self.body: list[dict[str, Any]] = list(operations)
