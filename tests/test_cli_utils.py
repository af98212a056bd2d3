"""Options of commands, as kinto-http has them."""

from __future__ import annotations

import argparse
import getpass
import inspect
import io
import logging

from collections.abc import Callable, Iterator

import pytest

from kinto_orm.cli_utils import (
    AuthAction,
    add_parser_options,
    create_client_from_args,
    get_auth,
    setup_logger,
)
from kinto_orm.embedded import KintoServer
from kinto_orm.transport.auth import BearerTokenAuth
from server.kinds import on


SECRET = "pass word:2"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Answer questions for a password; give what was asked."""
    questions: list[str] = []

    def answer(prompt: str) -> str:
        questions.append(prompt)
        return SECRET

    monkeypatch.setattr(getpass, "getpass", answer)
    return questions


class TestOptions:
    def test_are_those_of_kinto_http(self) -> None:
        """Each option has the names and the place that it has in kinto-http."""
        long = ["--server", "http://s/v1", "--auth", "u:p", "--bucket", "b", "--collection", "c"]
        long += ["--retry", "3", "--retry-after", "2", "--ignore-batch-4xx", "--verbose"]
        short = ["-s", "http://s/v1", "-a", "u:p", "-b", "b", "-c", "c"]
        short += ["--retry=3", "--retry-after=2", "--ignore-batch-4xx", "-v"]
        for arguments in (long, short):
            assert vars(add_parser_options().parse_args(arguments)) == {
                "server": "http://s/v1",
                "auth": ("u", "p"),
                "bucket": "b",
                "collection": "c",
                "retry": 3,
                "retry_after": 2,
                "ignore_batch_4xx": True,
                "verbosity": logging.INFO,
            }

    def test_default_to_nothing(self) -> None:
        """What is not given is None; so is *retry*, which leaves it to the client."""
        assert vars(add_parser_options().parse_args([])) == {
            **dict.fromkeys(("server", "auth", "bucket", "collection", "retry", "retry_after")),
            "ignore_batch_4xx": False,
            "verbosity": None,
        }

    def test_have_defaults_of_their_own(self) -> None:
        """Defaults are given in the order of kinto-http, or by name."""
        parser = add_parser_options(None, "http://s/v1", "u:p", 2, 5, True, "b", "c")  # noqa: FBT003
        assert vars(parser.parse_args([])) == {
            "server": "http://s/v1",
            "auth": "u:p",
            "retry": 2,
            "retry_after": 5,
            "ignore_batch_4xx": True,
            "bucket": "b",
            "collection": "c",
            "verbosity": None,
        }
        assert parser.parse_args(["--auth", "v:q"]).auth == ("v", "q")

    def test_have_the_signature_of_kinto_http(self) -> None:
        """Names and order of the arguments are those of kinto-http."""
        assert list(inspect.signature(add_parser_options).parameters) == [
            *("parser", "default_server", "default_auth", "default_retry", "default_retry_after"),
            *("default_ignore_batch_4xx", "default_bucket", "default_collection"),
            *("include_bucket", "include_collection", "kwargs"),
        ]

    def test_can_do_without_bucket_and_collection(self) -> None:
        """A command that needs neither has no such options."""
        args = add_parser_options(include_bucket=False, include_collection=False).parse_args([])
        assert not {"bucket", "collection"} & vars(args).keys()

    def test_are_added_to_a_parser(self) -> None:
        """A parser that is given keeps what it has; a new one is made as is said."""
        parser = argparse.ArgumentParser()
        parser.add_argument("--mine")
        assert add_parser_options(parser) is parser
        assert parser.parse_args(["--mine", "x", "-b", "b"]).mine == "x"
        assert add_parser_options(prog="counter", description="Count.").prog == "counter"

    @pytest.mark.parametrize(
        ("option", "level"),
        [
            *(("-v", logging.INFO), ("-q", logging.CRITICAL), ("-D", logging.DEBUG)),
            *(("--quiet", logging.CRITICAL), ("--debug", logging.DEBUG)),
        ],
    )
    def test_say_how_much_to_say(self, option: str, level: int) -> None:
        """Three options are a level of logging."""
        assert add_parser_options().parse_args([option]).verbosity == level


class TestCredentials:
    def parsed(self, given: str) -> object:
        return add_parser_options().parse_args(["--auth", given]).auth

    @pytest.mark.parametrize(
        ("given", "pair"),
        [
            ("user:pass", ("user", "pass")),
            ("user:pass word", ("user", "pass word")),
            ("user:a:b c", ("user", "a:b c")),
            ("user:", ("user", "")),
        ],
    )
    def test_are_a_name_and_a_password(self, given: str, pair: tuple[str, str]) -> None:
        """What is behind the first colon is a password, whatever is in it."""
        assert self.parsed(given) == pair
        assert get_auth(given) == pair

    @pytest.mark.parametrize(
        ("given", "type", "token"),
        [
            ("Bearer token", "Bearer", "token"),
            ("Bearer tok:en", "Bearer", "tok:en"),
            ("bearer+id tok:en", "bearer+id", "tok:en"),
        ],
    )
    def test_are_a_token(self, given: str, type: str, token: str) -> None:
        """K49: a first word without a colon says that a token follows, colons or not."""
        assert self.parsed(given) == BearerTokenAuth(token=token, type=type)

    def test_lack_a_password(self, asked: list[str]) -> None:
        """A name alone has its password asked for."""
        assert self.parsed("user") == ("user", SECRET)
        assert get_auth("user") == ("user", SECRET)
        assert len(asked) == 2
        assert all("user" in question for question in asked)

    @pytest.mark.parametrize("given", ["", " ", "Bearer ", "Bearer to\nken"])
    def test_are_wrong(
        self, given: str, asked: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What cannot be right, as from a variable that is not set, is a usage error."""
        with pytest.raises(SystemExit) as left:
            self.parsed(given)
        assert left.value.code == 2
        assert "argument -a/--auth" in capsys.readouterr().err
        assert asked == []

    def test_may_be_left_out(self) -> None:
        """The action can be that of an option without a value, too."""
        parser = argparse.ArgumentParser()
        parser.add_argument("--origin-auth", action=AuthAction, nargs="?")
        assert parser.parse_args(["--origin-auth"]).origin_auth is None

    def test_are_not_shown(self) -> None:
        """Neither help nor options that are logged show a password or a token."""
        parser = add_parser_options(
            default_auth=f"user:{SECRET}", formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        assert "pass" not in parser.format_help().replace("password", "")
        assert SECRET not in repr(parser.parse_args(["--auth", f"user:{SECRET}"]))
        assert "token-1" not in repr(parser.parse_args(["--auth", "Bearer token-1"]))
        assert repr(get_auth(f"user:{SECRET}")) == "('user', '***')"


@on("memory")
class TestClient:
    def test_is_made_of_options(self, server: KintoServer, bucket: str) -> None:
        """A client is made as the options say, and works."""
        user, password = server.auth
        given = ["-s", server.url, "-a", f"{user}:{password}", "-b", bucket, "-c", "things"]
        given += ["--retry", "1", "--retry-after", "1", "--ignore-batch-4xx"]
        with create_client_from_args(add_parser_options().parse_args(given)) as client:
            assert (client.bucket_name, client.collection_name) == (bucket, "things")
            client.create_bucket()
            assert client.create_collection()["data"]["id"] == "things"

    def test_takes_a_default_of_any_form(self, server: KintoServer, bucket: str) -> None:
        """Credentials by default may be text, a pair, or an auth object."""
        for auth in (":".join(server.auth), server.auth):
            parser = add_parser_options(default_server=server.url, default_auth=auth)
            with create_client_from_args(parser.parse_args(["-b", bucket])) as client:
                client.create_bucket(if_not_exists=True)

    def test_is_made_of_some_options(self, server: KintoServer) -> None:
        """Options that are not there are left to the client."""
        args = argparse.Namespace(server=server.url)
        with create_client_from_args(args) as client:
            assert client.server_url == server.url
            assert (client.bucket_name, client.collection_name) == (None, None)

    def test_has_no_bucket_if_none_is_given(self, server: KintoServer) -> None:
        """Without ``--bucket``, nothing is written to the default bucket unasked."""
        args = add_parser_options(default_server=server.url).parse_args([])
        with create_client_from_args(args) as client:
            assert client.bucket_name is None


class TestLogger:
    @pytest.fixture
    def logger(self) -> Iterator[logging.Logger]:
        """Give a logger without handlers."""
        logger = logging.getLogger("tests.cli_utils")
        yield logger
        logger.handlers.clear()
        logger.setLevel(logging.NOTSET)

    @pytest.fixture
    def parse(self) -> Callable[..., argparse.Namespace]:
        parser = add_parser_options()
        return lambda *options: parser.parse_args(options)

    def test_writes_to_standard_error(
        self,
        logger: logging.Logger,
        parse: Callable[..., argparse.Namespace],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Each message is written once, however often the logger is set up."""
        monkeypatch.setattr("sys.stderr", stream := io.StringIO())
        for _ in range(3):
            setup_logger(logger, parse("--verbose"))
        logger.info("done")
        logger.debug("details")
        assert stream.getvalue() == "done\n"

    def test_keeps_other_handlers(
        self, logger: logging.Logger, parse: Callable[..., argparse.Namespace]
    ) -> None:
        """A handler that somebody else has added does not count, and stays."""
        logger.addHandler(other := logging.StreamHandler(io.StringIO()))
        setup_logger(logger, parse())
        assert len(logger.handlers) == 2
        assert other in logger.handlers

    def test_keeps_its_level(
        self, logger: logging.Logger, parse: Callable[..., argparse.Namespace]
    ) -> None:
        """Without an option, and without options at all, the level stays as it is."""
        logger.setLevel(logging.ERROR)
        setup_logger(logger, parse())
        setup_logger(logger, argparse.Namespace())
        assert logger.level == logging.ERROR
        setup_logger(logger, parse("-D"))
        assert logger.level == logging.DEBUG
