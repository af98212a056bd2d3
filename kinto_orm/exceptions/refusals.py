"""What is refused here, before anything is sent."""

from __future__ import annotations

from kinto_orm.exceptions.base import KintoException


class InvalidRequest(KintoException, ValueError):
    """A request would have been wrong, so that none was sent."""


class InvalidId(InvalidRequest):
    """An id does not match Kinto's pattern (see docs/protocol.md, D2)."""


class MissingId(InvalidRequest, KeyError, TypeError):
    """It was not said which object is meant, and the client has none of its own."""


class UnsendableValue(InvalidRequest):
    """A value cannot be sent without being changed (see docs/protocol.md, D1)."""


class UnsupportedQuery(InvalidRequest):
    """A condition cannot be expressed to the server (see docs/protocol.md, F4)."""
