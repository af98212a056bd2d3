"""The clients: one that blocks, one that awaits, and what they record batches with."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar

from kinto_orm.client.endpoints.accounts import AccountEndpoints
from kinto_orm.client.endpoints.attachments import AttachmentEndpoints
from kinto_orm.client.endpoints.buckets import BucketEndpoints
from kinto_orm.client.endpoints.collections import CollectionEndpoints
from kinto_orm.client.endpoints.groups import GroupEndpoints
from kinto_orm.client.endpoints.history import HistoryEndpoints
from kinto_orm.client.endpoints.objects import Id
from kinto_orm.client.endpoints.records import RecordEndpoints
from kinto_orm.client.endpoints.review import ReviewEndpoints
from kinto_orm.client.endpoints.server import batch_limit, server_root
from kinto_orm.client.paths import Endpoints
from kinto_orm.exceptions import KintoBatchException, ResponseError
from kinto_orm.flow import Awaiting, Blocking, Program, Recording, RetryPolicy, together
from kinto_orm.flow.pending import Pending
from kinto_orm.transport.credentials import Credentials
from kinto_orm.transport.sessions import (
    DEFAULT_TIMEOUT,
    AsyncHTTPSession,
    HTTPSession,
    Known,
    RecordingSession,
    Seconds,
)


T = TypeVar("T")
S = TypeVar("S")


class AllEndpoints(
    RecordEndpoints,
    CollectionEndpoints,
    GroupEndpoints,
    BucketEndpoints,
    HistoryEndpoints,
    AttachmentEndpoints,
    ReviewEndpoints,
    AccountEndpoints,
):
    """Every endpoint of a Kinto server."""


class _ClientBase(AllEndpoints):
    """What the clients have in common: whom they ask, and for what by default."""

    #: What a session is made of.
    _session_type: ClassVar[Callable[..., Any]]

    session: Any

    def __init__(
        self,
        *,
        server_url: str | None = None,
        session: Any = None,
        auth: Credentials = None,
        bucket: Id | None = "default",
        collection: Id | None = None,
        retry: RetryPolicy | int | None = None,
        retry_after: float | None = None,
        timeout: Seconds = DEFAULT_TIMEOUT,
        ignore_batch_4xx: bool = False,
        headers: Mapping[str, str] | None = None,
        dry_mode: bool = False,
    ) -> None:
        given: dict[str, Any] = {
            "server_url": server_url,
            "auth": auth,
            "retry": retry,
            "retry_after": retry_after,
            "timeout": None if timeout is DEFAULT_TIMEOUT else timeout,
            "headers": headers,
            "dry_mode": dry_mode or None,
        }
        options = {name: value for name, value in given.items() if value is not None}
        if timeout is None:
            options["timeout"] = None
        self.session, self._owns_session = self._made(session, options)
        self.bucket_name = bucket
        self.collection_name = collection
        self.ignore_batch_4xx = ignore_batch_4xx
        self.endpoints: Endpoints = Endpoints()
        self._port: Any = self.session._port

    def _made(self, session: Any, options: dict[str, Any]) -> tuple[Any, bool]:
        """Return the session to use, and whether it is the client's own."""
        if isinstance(session, (HTTPSession, AsyncHTTPSession)):
            if not isinstance(session, self._session_type):  # type: ignore[arg-type]
                msg = f"{type(self).__name__} needs a session of its own kind, not {session!r}"
                raise TypeError(msg)
            if "server_url" in options or "auth" in options:
                msg = "a session knows its server and its credentials: give it, or these"
                raise AttributeError(msg)
            return (session.evolve(**options), True) if options else (session, False)
        if session is None and not {"server_url", "auth"} & options.keys():
            msg = "which server? Give server_url (and auth), or a session"
            raise AttributeError(msg)
        return self._session_type(**options, http=session), True

    def __repr__(self) -> str:
        name, dry = type(self).__name__, ", dry run" if self.dry_mode else ""
        where = f"bucket={self.bucket_name!r}, collection={self.collection_name!r}"
        return f"<{name} {self.server_url}, {where}{dry}>"

    @property
    def server_url(self) -> str:
        """Return the root of the server's API."""
        url: str = self.session.server_url
        return url

    @property
    def dry_mode(self) -> bool:
        """Tell whether writes are logged and not sent."""
        dry: bool = self.session.dry_mode
        return dry

    def clone(self, **changes: Any) -> Self:
        """
        Return a client with these arguments changed; it keeps everything else.

        It shares the session, and its connections, unless something of that changes.
        """
        of_session: dict[str, Any] = {
            name: changes.pop(name)
            for name in (
                "server_url",
                "auth",
                "retry",
                "retry_after",
                "timeout",
                "headers",
                "dry_mode",
            )
            if name in changes
        }
        kept: dict[str, Any] = {
            "bucket": self.bucket_name,
            "collection": self.collection_name,
            "ignore_batch_4xx": self.ignore_batch_4xx,
        }
        has_its_own = bool(of_session) and "session" not in changes
        if "session" not in changes:
            kept["session"] = self.session.evolve(**of_session) if of_session else self.session
            of_session = {}
        made = type(self)(**{**kept, **of_session, **changes})
        made._owns_session = made._owns_session or has_its_own
        return made

    def _governed(self, program: Generator[S, Any, T]) -> Generator[Any, Any, T]:
        """Return *program* with retries, and in a dry run without its writes."""
        governed: Generator[Any, Any, T] = self.session._governed(program)
        return governed

    @property
    def _known(self) -> Known:
        known: Known = self.session.known
        return known

    @property
    def _root(self) -> str:
        return self.server_url

    @property
    def _limit(self) -> int | None:
        """Return how many requests fit in a batch, if that is known."""
        info = self.session.known.info
        return None if info is None else batch_limit(info)

    def _batch_limit(self) -> Program[int]:
        """Return how many requests fit in a batch; the server is asked once."""
        return batch_limit((yield from server_root(self.session.known)))

    def _recorder(self, options: dict[str, Any]) -> BatchClient:
        """Return what records a batch, with the client's own objects where none are given."""
        options.setdefault("bucket", self.bucket_name)
        options.setdefault("collection", self.collection_name)
        return BatchClient(self, **options)

    def _send(self, batch: BatchClient) -> Program[None]:
        """Make the requests of *batch*, and raise what failed."""
        if not batch.recorded:
            return
        limit = 1 if len(batch.recorded) == 1 else (yield from self._batch_limit())
        yield from together(batch.recorded, limit, self.session.retry)
        errors = [
            pending.error
            for pending in batch.recorded
            if pending.error is not None and not (batch.ignore_batch_4xx and _is_4xx(pending.error))
        ]
        if errors:
            answers = {"responses": [pending.answer for pending in batch.recorded]}
            outcomes = [_outcome(pending) for pending in batch.recorded]
            raise KintoBatchException(errors, [(answers, {})], outcomes)


def _is_4xx(error: Exception) -> bool:
    return isinstance(error, ResponseError) and 400 <= error.status < 500


def _outcome(pending: Pending[Any]) -> Any:
    return pending.result() if pending.error is None else pending.error


class BatchClient(AllEndpoints, Recording):
    """
    Has the methods of a client, and records what is asked of it (see `Client.batch`).

    Attributes:
        session: The raw way: its requests are recorded as well.
    """

    def __init__(
        self,
        client: Any,
        *,
        bucket: Id | None,
        collection: Id | None,
        ignore_batch_4xx: bool | None = None,
    ) -> None:
        super().__init__()
        self.bucket_name = bucket
        self.collection_name = collection
        self.ignore_batch_4xx: bool = (
            client.ignore_batch_4xx if ignore_batch_4xx is None else ignore_batch_4xx
        )
        self.session: RecordingSession = RecordingSession(client.session, self.recorded)

    @property
    def _known(self) -> Known:
        return self.session.known

    @property
    def _root(self) -> str:
        return self.session.server_url

    def __repr__(self) -> str:
        return f"<BatchClient with {len(self.recorded)} requests>"

    def clone(self, *, bucket: Id | None = None, collection: Id | None = None) -> BatchClient:
        """Return one that records for the same batch, with another bucket or collection."""
        made = BatchClient(
            self,
            bucket=self.bucket_name if bucket is None else bucket,
            collection=self.collection_name if collection is None else collection,
        )
        made.recorded = made.session.recorded = self.recorded
        return made

    def results(self) -> list[Any]:
        """
        Return what the server answered to each operation, in order, errors included.

        These are whole bodies, as kinto-http has them: ``{"data": …, "permissions": …}``.  What the
        methods return is the result of their handles.

        Raises:
            RuntimeError: If the batch has not been sent yet.
            KintoException: If an operation had no answer.
        """
        return [pending.body for pending in self.recorded]


class Client(_ClientBase, Blocking):
    """
    A client that blocks.

    Threads may share it.  Use it as a context manager, or `close` it.

    Args:
        server_url: Root of the server's API: ``https://host/v1``.
        session: An `HTTPSession` to share, instead of *server_url* and *auth*; or a session of
            *requests* to use, with its proxies, certificates and adapters.
        auth: ``(name, password)``, ``"name:password"``, ``"Bearer token"``, or an auth object of
            requests.  Without, requests are anonymous (``~/.netrc`` is not read).
        bucket: Bucket of whatever names none.
        collection: Collection of whatever names none.
        retry: When and how often a request is made again; a number stands for so many times.
        retry_after: Seconds of each pause before that, whatever the server says.
        timeout: Seconds to wait: for a connection and for an answer, or both as one number; None
            for ever.  By default 5 and 30.
        ignore_batch_4xx: Whether a batch does not raise what the server refused (4xx).
        headers: Headers of each request.
        dry_mode: Whether writes are logged (by ``kinto_orm.dry_run``) and not sent.

    Attributes:
        session: What makes the requests; ``session.request`` is the raw way.
        bucket_name: The bucket of whatever names none.
        collection_name: The collection of whatever names none.
        endpoints: The paths of the server.
    """

    _session_type = HTTPSession
    session: HTTPSession

    @contextmanager
    def batch(self, **options: Any) -> Generator[BatchClient]:
        """
        Record operations; make their requests together on leaving the block.

        Each call gives a handle, whose `result()` is there after the block.  Nothing is sent if
        the block raises.

        Args:
            options: *bucket*, *collection* and *ignore_batch_4xx*, if they are to be others than
                the client's.

        Raises:
            KintoBatchException: If some failed; the others succeeded.
        """
        batch = self._recorder(options)
        try:
            yield batch
        finally:
            batch.recorded.closed = True
        self._run(self._send(batch))

    def close(self) -> None:
        """Close the connections, unless the session is another one's."""
        if self._owns_session:
            self.session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AsyncClient(_ClientBase, Awaiting):
    """
    A client that awaits: it has the methods of `Client`, as coroutines.

    The tasks of one event loop may share it.  Needs the extra ``kinto-orm[async]``.  Its *session*
    is an `AsyncHTTPSession`, or a session of *aiohttp*.
    """

    _session_type = AsyncHTTPSession
    session: AsyncHTTPSession

    @asynccontextmanager
    async def batch(self, **options: Any) -> AsyncGenerator[BatchClient]:
        """Record operations; make their requests together on leaving the block."""
        batch = self._recorder(options)
        try:
            yield batch
        finally:
            batch.recorded.closed = True
        await self._run(self._send(batch))

    async def close(self) -> None:
        """Close the connections, unless the session is another one's."""
        if self._owns_session:
            await self.session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
