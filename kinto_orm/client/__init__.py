"""Every endpoint of a Kinto server, written once; and the clients."""

from kinto_orm.client.clients import AsyncClient as AsyncClient
from kinto_orm.client.clients import Client as Client
