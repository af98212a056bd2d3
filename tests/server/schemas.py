"""Two schemas of collections, which do not agree on *title*."""

from __future__ import annotations

from typing import Any


TEXT: dict[str, Any] = {"type": "object", "properties": {"title": {"type": "string"}}}
NUMBER: dict[str, Any] = {"type": "object", "properties": {"title": {"type": "integer"}}}
