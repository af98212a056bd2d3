"""
A plugin for Kinto that serves the files of kinto-attachment, at ``/v1/attachments/…``.

In life a web server or a bucket in a cloud does; for a client that makes no difference.
"""

from __future__ import annotations

from typing import Any


#: What Kinto is made of, by the folder in which it keeps files.
_registries: dict[str, Any] = {}


def includeme(config: Any) -> None:
    """Have Kinto serve what is in its folder to anybody."""
    from pyramid.security import NO_PERMISSION_REQUIRED

    folder = config.get_settings()["attachment.base_path"]
    _registries[folder] = config.registry
    config.add_static_view("attachments", folder, permission=NO_PERMISSION_REQUIRED)


def say_where(folder: str, base_url: str | None, capability: str | None = None) -> None:
    """
    Have Kinto say where it keeps files, as the settings do that it starts with.

    Args:
        folder: Its folder.
        base_url: What the locations in records begin with, from now on.
        capability: What it says of itself, if that is something else.
    """
    from kinto_attachment.storage import IFileStorage

    registry = _registries[folder]
    registry.getUtility(IFileStorage).base_url = base_url or ""
    registry.api_capabilities["attachments"]["base_url"] = capability or base_url
