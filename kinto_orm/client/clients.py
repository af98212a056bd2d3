"""The clients: one that blocks, one that awaits, and what they record batches with."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar

from kinto_orm.client.endpoints.buckets import BucketEndpoints
from kinto_orm.client.endpoints.collections import CollectionEndpoints
from kinto_orm.client.endpoints.records import RecordEndpoints
from kinto_orm.client.endpoints.server import batch_limit, server_root
from kinto_orm.exceptions import KintoBatchException
from kinto_orm.flow import (
    Awaiting,
    Blocking,
    Pacing,
    Program,
    Recording,
    RetryPolicy,
    retrying,
    together,
)
from kinto_orm.transport import awaiting, blocking
from kinto_orm.transport.auth import Credentials
from kinto_orm.transport.dry import rehearsing
from kinto_orm.transport.wire import Server, Timeout


T = TypeVar("T")
S = TypeVar("S")


class AllEndpoints(RecordEndpoints, CollectionEndpoints, BucketEndpoints):
    """Every endpoint of a Kinto server."""


class _ClientBase(AllEndpoints):
    """What the clients have in common: whom they ask, and how persistently."""

    #: What makes the steps of its flows.
    _transport: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        *,
        server_url: str,
        auth: Credentials = None,
        bucket: str | None = "default",
        collection: str | None = None,
        retry: RetryPolicy | None = None,
        timeout: float | tuple[float | None, float | None] | Timeout | None = Timeout(),  # noqa: B008
        headers: Mapping[str, str] | None = None,
        dry_mode: bool = False,
    ) -> None:
        self.bucket_name = bucket
        self.collection_name = collection
        self.dry_mode = dry_mode
        self._server = Server(server_url, dict(headers or {}))
        self._timeout = _timeout(timeout)
        self._retry = RetryPolicy() if retry is None else retry
        self._pacing = Pacing()
        self._limit: int | None = None
        self._port: Any = self._transport(self._server, auth, self._timeout)

    def __repr__(self) -> str:
        name, dry = type(self).__name__, ", dry run" if self.dry_mode else ""
        where = f"bucket={self.bucket_name!r}, collection={self.collection_name!r}"
        return f"<{name} {self._server.url}, {where}{dry}>"

    @property
    def server_url(self) -> str:
        """Return the root of the server's API."""
        return self._server.url

    def _governed(self, program: Generator[S, Any, T]) -> Generator[Any, Any, T]:
        """Return *program* with retries, and in a dry run without its writes."""
        if self.dry_mode:
            program = rehearsing(program)  # type: ignore[assignment]
        return retrying(program, self._retry, self._pacing)

    def _batch_limit(self) -> Program[int]:
        """Return how many requests fit in a batch; the server is asked once."""
        if self._limit is None:
            self._limit = batch_limit((yield from server_root()))
        return self._limit

    def _recorder(self, bucket: str | None, collection: str | None) -> BatchClient:
        """Return what records a batch, with the client's own objects where none are given."""
        return BatchClient(
            self.bucket_name if bucket is None else bucket,
            self.collection_name if collection is None else collection,
        )

    def _send(self, batch: BatchClient) -> Program[None]:
        """Make the requests of *batch*, and raise what failed."""
        if not batch.recorded:
            return
        limit = 1 if len(batch.recorded) == 1 else (yield from self._batch_limit())
        yield from together(batch.recorded, limit)
        errors = [pending.error for pending in batch.recorded if pending.error is not None]
        if errors:
            raise KintoBatchException(errors, [_outcome(pending) for pending in batch.recorded])


def _outcome(pending: Any) -> Any:
    return pending.result() if pending.error is None else pending.error


def _timeout(given: float | tuple[float | None, float | None] | Timeout | None) -> Timeout:
    if isinstance(given, Timeout):
        return given
    return Timeout(*given) if isinstance(given, tuple) else Timeout(given, given)


class BatchClient(AllEndpoints, Recording):
    """Has the methods of a client, and records what is asked of it (see `Client.batch`)."""

    def __init__(self, bucket: str | None, collection: str | None) -> None:
        super().__init__()
        self.bucket_name = bucket
        self.collection_name = collection

    def __repr__(self) -> str:
        return f"<BatchClient with {len(self.recorded)} requests>"

    def results(self) -> list[Any]:
        """Return what each operation returned, in order; raise what the first one raised."""
        return [pending.result() for pending in self.recorded]


class Client(_ClientBase, Blocking):
    """
    A client that blocks.

    Threads may share it.  Use it as a context manager, or `close` it.

    Args:
        server_url: Root of the server's API: ``https://host/v1``.
        auth: ``(name, password)``, ``"name:password"``, ``"Bearer token"``, or an auth object of
            requests.  Without, requests are anonymous (``~/.netrc`` is not read).
        bucket: Bucket of whatever names none.
        collection: Collection of whatever names none.
        retry: When and how often a request is made again.
        timeout: Seconds to wait: for a connection and for an answer, or both as one number; None
            for ever.  By default 5 and 30.
        headers: Headers of each request.
        dry_mode: Whether writes are logged (by ``kinto_orm.dry_run``) and not sent.
    """

    _transport = blocking.Blocking

    @contextmanager
    def batch(
        self, *, bucket: str | None = None, collection: str | None = None
    ) -> Generator[BatchClient]:
        """
        Record operations; make their requests together on leaving the block.

        Each call gives a handle, whose `result()` is there after the block.  Nothing is sent if
        the block raises.

        Raises:
            KintoBatchException: If some failed; the others succeeded.
        """
        batch = self._recorder(bucket, collection)
        yield batch
        self._run(self._send(batch))

    def close(self) -> None:
        """Close the connections."""
        self._port.close()

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

    The tasks of one event loop may share it.  Needs the extra ``kinto-orm[async]``.
    """

    _transport = awaiting.Awaiting

    @asynccontextmanager
    async def batch(
        self, *, bucket: str | None = None, collection: str | None = None
    ) -> AsyncGenerator[BatchClient]:
        """Record operations; make their requests together on leaving the block."""
        batch = self._recorder(bucket, collection)
        yield batch
        await self._run(self._send(batch))

    async def close(self) -> None:
        """Close the connections."""
        await self._port.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
