"""Typed records on a Kinto server, changed in a unit of work."""

from kinto_orm.client.clients import AsyncClient as AsyncClient, Client as Client
from kinto_orm.patch_type import BasicPatch as BasicPatch, JSONPatch as JSONPatch
from kinto_orm.patch_type import MergePatch as MergePatch
