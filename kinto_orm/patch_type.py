"""
The ways to say what a PATCH changes.

    client.patch_record(id="milk", changes=MergePatch({"done": True, "due": None}))
    Session(client, patch=JSONPatch)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from kinto_orm.flow.messages import Document
from kinto_orm.flow.pointers import guarded


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


class GuardedJSONPatch(JSONPatch):
    """
    Apply operations if what they change is still as it was (RFC 6902, ``test``).

    What an operation replaces, removes or moves is tested first, so that the server refuses the
    whole patch (400) if it has something else there; whatever else changed does not matter.  A
    session sends ``If-Match`` as well: there the tests are a second lock, which holds even where a
    precondition is lost on the way.  In a batch there can be none: such a change travels alone.

    Args:
        operations: As for `JSONPatch`.
        original: The data as it was loaded.

    Raises:
        InvalidRequest: If *operations* cannot be applied to *original*.
    """

    def __init__(self, operations: Sequence[dict[str, Any]], original: Document) -> None:
        super().__init__(guarded(operations, {"data": original}))


class WholeDocument(_DataPatch):
    """
    Replace the whole object: what a session sends is no PATCH then, but a PUT.

    It is for ``Session(client, patch=WholeDocument)``.  A client has ``update_…`` for that.
    """

    content_type = "application/json"


def checked_kind(kind: type[PatchType]) -> type[PatchType]:
    """
    Return *kind*, if it is a kind of patch.

    Raises:
        TypeError: If it is none.
    """
    if isinstance(kind, type) and issubclass(kind, PatchType):
        return kind
    msg = (
        f"patch must be MergePatch, JSONPatch, GuardedJSONPatch, BasicPatch or WholeDocument, not"
        f" {kind!r}"
    )
    raise TypeError(msg)
