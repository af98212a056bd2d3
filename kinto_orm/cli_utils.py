"""
Options that commands around Kinto have in common, and a client made of them.

    parser = add_parser_options(description="Count the records.", default_server="…/v1")
    args = parser.parse_args()
    setup_logger(logger, args)
    with create_client_from_args(args) as client:
        ...
"""

from __future__ import annotations

import argparse
import getpass
import logging

from collections.abc import Sequence
from typing import Any, Final

from kinto_orm.client.clients import Client
from kinto_orm.transport.auth import BearerTokenAuth
from kinto_orm.transport.credentials import Credentials


#: Which argument of the client an option is.
_ARGUMENTS: Final = {
    "server": "server_url",
    "auth": "auth",
    "bucket": "bucket",
    "collection": "collection",
    "retry": "retry",
    "retry_after": "retry_after",
    "ignore_batch_4xx": "ignore_batch_4xx",
}


class _NameAndPassword(tuple[str, str]):
    """A pair that does not show its second half, so that arguments can be logged."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"({self[0]!r}, '***')"


class _Console(logging.StreamHandler[Any]):
    """A handler that can be told from those that others have added."""


def get_auth(auth: str) -> tuple[str, str]:
    """Return the name and the password in ``"name:password"``; a missing password is asked for."""
    name, colon, password = auth.partition(":")
    if not colon:
        password = getpass.getpass(f"Password of {name}: ")
    return _NameAndPassword((name, password))


class AuthAction(argparse.Action):
    """
    Take credentials from the command line, for `Client`.

    ``name:password`` is a user, ``name`` one whose password is asked for; a first word without a
    colon, as in ``Bearer token``, is the type of a token.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 (argparse's signature)
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        """Set the option to a pair, or to a `BearerTokenAuth`."""
        if values is None:
            return
        given = str(values)
        if not given.strip():
            raise argparse.ArgumentError(self, "it is empty; is a variable not set?")
        try:
            setattr(namespace, self.dest, _credentials(given))
        except ValueError as error:
            raise argparse.ArgumentError(self, str(error)) from None


def _credentials(given: str) -> Credentials:
    kind, space, token = given.partition(" ")
    if space and ":" not in kind:
        return BearerTokenAuth(token=token, type=kind)
    return get_auth(given)


def add_parser_options(
    parser: argparse.ArgumentParser | None = None,
    default_server: str | None = None,
    default_auth: Credentials = None,
    default_retry: int | None = None,
    default_retry_after: float | None = None,
    default_ignore_batch_4xx: bool = False,  # noqa: FBT001, FBT002
    default_bucket: str | None = None,
    default_collection: str | None = None,
    include_bucket: bool = True,  # noqa: FBT001, FBT002
    include_collection: bool = True,  # noqa: FBT001, FBT002
    **kwargs: Any,
) -> argparse.ArgumentParser:
    """
    Add the options that say how to reach a server; return the parser.

    They are ``--server``, ``--auth``, ``--bucket``, ``--collection``, ``--retry``,
    ``--retry-after``, ``--ignore-batch-4xx``, ``--verbose``, ``--quiet`` and ``--debug``.

    Args:
        parser: What to add them to; if omitted, a new one.
        default_server: Root of the server's API.
        default_auth: Credentials, in any form that `Client` takes; the help does not show them.
        default_retry: How often to try again; None leaves that to the client.
        default_retry_after: Seconds between attempts; None leaves that to server and client.
        default_ignore_batch_4xx: Whether a batch passes over what the server refuses.
        default_bucket: Id of a bucket.
        default_collection: Id of a collection.
        include_bucket: Whether there is ``--bucket``.
        include_collection: Whether there is ``--collection``.
        **kwargs: What else a new parser is made with.
    """
    if parser is None:
        parser = argparse.ArgumentParser(**kwargs)
    add = parser.add_argument
    add("-s", "--server", default=default_server, help="root of the server's API, with its version")
    # As a default of the option, it would show in the help of some formatters.
    parser.set_defaults(auth=default_auth)
    add(
        "-a",
        "--auth",
        action=AuthAction,
        default=argparse.SUPPRESS,
        help="who asks: name:password, or name alone to be asked for the password,"
        " or a token: 'Bearer token'",
    )
    if include_bucket:
        add("-b", "--bucket", default=default_bucket, help="id of the bucket")
    if include_collection:
        add("-c", "--collection", default=default_collection, help="id of the collection")
    _add_retries(parser, default_retry, default_retry_after)
    add(
        "--ignore-batch-4xx",
        action="store_true",
        default=default_ignore_batch_4xx,
        help="go on when the server refuses a part of a batch",
    )
    _add_verbosity(parser)
    return parser


def _add_retries(
    parser: argparse.ArgumentParser, retry: int | None, retry_after: float | None
) -> None:
    parser.add_argument(
        "--retry", type=int, default=retry, help="how often to try again when a request fails"
    )
    parser.add_argument(
        "--retry-after",
        type=float,
        default=retry_after,
        help="seconds between attempts, where the server does not say",
    )


def _add_verbosity(parser: argparse.ArgumentParser) -> None:
    levels = {
        "verbose": (logging.INFO, "say what is done"),
        "quiet": (logging.CRITICAL, "say nothing but that it cannot go on"),
        "debug": (logging.DEBUG, "say all that there is to say"),
    }
    for name, (level, text) in levels.items():
        short = "-D" if name == "debug" else f"-{name[0]}"
        parser.add_argument(
            short, f"--{name}", action="store_const", const=level, dest="verbosity", help=text
        )


def create_client_from_args(args: argparse.Namespace) -> Client:
    """
    Return a client as the options of `add_parser_options` say.

    An option that *args* does not have is left to the client.  One that is None is given to it:
    without ``--bucket``, the client has no bucket of its own, not even *default*, of which any
    access would create something.
    """
    given: dict[str, Any] = {"bucket": None, **vars(args)}
    return Client(**{_ARGUMENTS[name]: given[name] for name in _ARGUMENTS if name in given})


def setup_logger(logger: logging.Logger, args: argparse.Namespace) -> None:
    """Have *logger* write to standard error, once, and no more than the options ask for."""
    if not any(isinstance(handler, _Console) for handler in logger.handlers):
        logger.addHandler(_Console())
    if (level := getattr(args, "verbosity", None)) is not None:
        logger.setLevel(level)
