"""The only part that does I/O: what makes the steps of a flow."""

from kinto_orm.transport.sessions import AsyncHTTPSession as AsyncHTTPSession
from kinto_orm.transport.sessions import HTTPSession as HTTPSession
