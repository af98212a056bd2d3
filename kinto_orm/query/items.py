"""What a query gives besides records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import field, frozen

from kinto_orm.exceptions import ValidationError


#: The id of the record that stands for a lock (see `session.locking`).  Queries pass it over.
LOCK: Final = "kinto-orm-lock"


@frozen
class Tombstone:
    """
    What is left of a record that was deleted.

    Attributes:
        id: Its id.
        last_modified: When it was deleted, in milliseconds since the epoch by the server's clock.
    """

    id: str
    last_modified: int


@frozen(eq=False)
class Invalid:
    """
    A document that does not fit its class (see `Query.on_invalid`).

    Attributes:
        id: The id of the record.
        last_modified: When it was last changed, in milliseconds since the epoch.
        document: All of it, as the server has it.
        error: What is wrong with it.
    """

    id: str
    last_modified: int
    document: Mapping[str, Any] = field(repr=False)
    error: ValidationError
