"""
Accounts: users with a password (the plugin `kinto.plugins.accounts`).

The server gives the hash of a password to whoever may read the account (docs/protocol.md, D6).
Nothing here passes it on.
"""

from __future__ import annotations

from typing import Any, Final

from kinto_orm.client.endpoints import listing, objects
from kinto_orm.client.endpoints.listing import Asked
from kinto_orm.client.endpoints.objects import Id, Object, content
from kinto_orm.client.endpoints.server import ServerEndpoints
from kinto_orm.client.paths import path_of
from kinto_orm.exceptions import InvalidRequest
from kinto_orm.flow import Document, Flow, Program, Request, operation
from kinto_orm.flow.refusals import existing_of


#: The most bytes of a password that the server can hash; more make it fail (D6).
_LONGEST_PASSWORD: Final = 72


class _Confidential(dict[str, Any]):
    """
    A body with a password, which is sent, and neither shown nor pickled.

    Requests are part of errors, which are logged and go to other processes: those of a batch have
    the bodies of all that is in it.
    """

    def __repr__(self) -> str:
        return "<confidential>"

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, ()


class AccountEndpoints(ServerEndpoints):
    """Endpoints of accounts."""

    @operation
    def get_account(self, id: Id) -> Flow[Object]:
        """
        Return an account, without the hash of its password.

        Raises:
            Forbidden: If there is none, or it is not the user's own.
        """
        found = yield from objects.fetch(path_of("account", id=id))
        return _shown(found)

    @operation
    def get_accounts(self, /, **filters: Any) -> Program[list[Document]]:
        """Return the accounts that the user may see, without the hashes of their passwords."""
        found = yield from listing.read_all(Asked(path_of("accounts"), filters))
        return [_without_password(each) for each in found]

    @operation
    def create_account(
        self, id: Id, *, password: str, data: Document | None = None
    ) -> Flow[Object]:
        """
        Create an account.

        Args:
            id: Name of the user; the principal is ``account:`` and that.
            password: At most 72 bytes in UTF-8.
            data: What else to keep of the user.

        Raises:
            PreconditionFailed: If it exists, or may exist: to others the server does not say.
        """
        return (yield from _written("PUT", id, password, data, {"If-None-Match": "*"}))

    @operation
    def change_password(self, id: Id, *, password: str) -> Flow[Object]:
        """
        Give an account another password.

        A client that uses the old one is not the user's any more: make another with
        ``client.clone(auth=(id, password))``.

        Raises:
            Forbidden: If there is no such account, or it is not the user's own.
        """
        return (yield from _written("PATCH", id, password, {}, {}))

    @operation
    def delete_account(self, id: Id, *, if_exists: bool = False) -> Flow[Document | None]:
        """Delete an account; return its tombstone, or None if there is none and *if_exists*."""
        path = path_of("account", id=id)
        gone = yield from objects.delete(path, safe=None, if_match=None, if_exists=if_exists)
        return None if gone is None else _without_password(gone)


def _written(
    method: str, id: Id, password: str, data: Document | None, headers: dict[str, str]
) -> Flow[Object]:
    if not isinstance(password, str) or not password:
        msg = "a password must be a text that is not empty"
        raise InvalidRequest(msg)
    if len(password.encode()) > _LONGEST_PASSWORD:
        msg = f"a password can have {_LONGEST_PASSWORD} bytes in UTF-8: the server fails at more"
        raise InvalidRequest(msg)
    body = _Confidential(data={**(data or {}), "password": password})
    response = yield (request := Request(method, path_of("account", id=id), {}, headers, body))
    _without_password(existing_of(response) or {})
    content(request, response)
    return _shown(response.body)


def _shown(found: Any) -> Object:
    return Object(data=_without_password(found["data"]), permissions=found["permissions"])


def _without_password(data: Document) -> Document:
    """Return *data*, from which the hash was taken: a batch gives the very same answer."""
    data.pop("password", None)
    return data
