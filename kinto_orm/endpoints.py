"""The paths of a Kinto server, by name; here, since programs for kinto-http look for it here."""

from __future__ import annotations

from kinto_orm.client.paths import Endpoints


__all__ = ["Endpoints"]
