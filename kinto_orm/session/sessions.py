"""Sessions: units of work, one that blocks and one that awaits."""

from __future__ import annotations

import warnings

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from kinto_orm.client.clients import AsyncClient, Client
from kinto_orm.exceptions import UnsavedChangesWarning
from kinto_orm.flow import Awaiting, Blocking
from kinto_orm.models.policies import OnConflict, checked_policy
from kinto_orm.models.records import Record
from kinto_orm.patch_type import MergePatch, PatchType
from kinto_orm.query.queries import AsyncQuery, Query, QueryBase
from kinto_orm.query.questions import select_of
from kinto_orm.session.committing import check_ways
from kinto_orm.session.progress import Progress
from kinto_orm.session.repeating import ATTEMPTS, Repeating


R = TypeVar("R", bound=Record)
T = TypeVar("T")


class SessionBase(Repeating):
    """
    A unit of work, without the waiting.

    It knows the records that were loaded through it or added to it, one object for each, and
    writes what is new, changed or deleted when `commit` is called, and only then.
    """

    def __init__(
        self,
        client: Any,
        *,
        patch: type[PatchType] = MergePatch,
        on_conflict: OnConflict = "raise",
        lock: bool = False,
    ) -> None:
        super().__init__(client, patch, on_conflict=checked_policy(on_conflict), lock=lock)

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"<{name} with {len(self._known)} records, {len(self.new)} new>"

    # -- Leaving -------------------------------------------------------------------------------

    def _left(self, *, failed: bool) -> None:
        """Discard what was not committed, and say so unless an error is on its way."""
        try:
            changes = 0 if failed else len(self.new) + len(self.dirty) + len(self.deleted)
        finally:
            self.clear()
        if changes:
            plural = "" if changes == 1 else "s"
            warnings.warn(
                f"the session was left with {changes} uncommitted change{plural}",
                UnsavedChangesWarning,
                stacklevel=3,
            )


class Session(SessionBase, Blocking):
    """
    A unit of work.

        with Session(client) as session:
            for todo in session.query(Todo).filter(Todo.done == False):
                todo.done = True
            session.commit()

    Args:
        client: The client that it asks.
        patch: How a change is written: `MergePatch`, `JSONPatch`, `GuardedJSONPatch`, `BasicPatch`
            or `WholeDocument`; a class may say otherwise for its records, and a commit for all.
        on_conflict: What becomes of records that were changed elsewhere since they were loaded; a
            class may say otherwise for its records, and a commit for all.  *"raise"*: they are
            reported.  *"merge"*: changes of different things are joined, and sent again; a clash is
            reported.  *"client_wins"*, *"server_wins"*: the same, and where both sides changed the
            same, one wins.  Or a function of a `Conflict`, which gives one of these, a document, or
            None to report it.
        lock: Whether those who write the same records at the same time are kept waiting, if they
            lock, too (see `locking`).
    """

    client: Client

    def __init__(
        self,
        client: Client,
        *,
        patch: type[PatchType] = MergePatch,
        on_conflict: OnConflict = "raise",
        lock: bool = False,
    ) -> None:
        _check_client(client, Client, self)
        super().__init__(client, patch=patch, on_conflict=on_conflict, lock=lock)

    @overload
    def query(self, model: type[R]) -> Query[R]: ...
    @overload
    def query(self, model: QueryBase[T]) -> Query[T]: ...
    def query(self, model: Any) -> Query[Any]:
        """Look for records of *model*, or for what a query of another session looks for."""
        return Query(self, select_of(model))

    def retry(
        self,
        work: Callable[[Self], T],
        *,
        attempts: int = ATTEMPTS,
        lock: bool = True,
        repeatable: bool = False,
    ) -> T:
        """
        Run *work*, which reads, changes and commits; run it again if somebody else was first.

        What it has not committed at its end, this does.  On a conflict its changes are undone, the
        records of the conflict are as the server has them, and it is run from its start, however
        conflicts are resolved otherwise.

        Args:
            work: A function of the session.
            attempts: How often it is run at the most.
            lock: Whether those who write the same records at the same time are kept waiting: all
                who use `retry`.  Without it, on PostgreSQL, two of them can both be told that they
                were first (P3).
            repeatable: Whether it may be run again though a part of what it changed was written.

        Returns:
            What *work* returned.

        Raises:
            ConflictError: If it met a conflict each time; or if a part of what it changed was
                written, so that to run it again would do that twice.
            InvalidRequest: If the session has changes already.
            CommitError: If records could not be written.
        """
        result: T = self._run(
            self._repeated(work, attempts=attempts, lock=lock, repeatable=repeatable)
        )
        return result

    @contextmanager
    def begin(
        self,
        *,
        patch: type[PatchType] | None = None,
        on_conflict: OnConflict | None = None,
        lock: bool | None = None,
        verify: bool = False,
        progress: Callable[[Progress], object] | None = None,
    ) -> Generator[Self]:
        """
        Commit when the block ends, as `commit` does with these, and undo its changes if it fails.

            with Session(client) as session, session.begin():
                session.get_one(Todo, "milk").done = True

        What a commit inside the block has written is not undone.  If the commit at its end fails,
        what was not written stays a change, as after any commit.

        Raises:
            InvalidRequest: If the session has changes already, or is inside another such block; or
                if *on_conflict* is none.
            TypeError: If *patch* is no kind of patch.
            CommitError: As `commit`.
        """
        check_ways(patch, on_conflict)
        with self._all_or_nothing():
            yield self
        self.commit(
            patch=patch, on_conflict=on_conflict, lock=lock, verify=verify, progress=progress
        )

    def close(self) -> None:
        """
        Forget all records, with their changes; records stay as they are.

        There is nothing else to close: the session can be used again, as a new one.
        """
        self.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._left(failed=exc is not None)


class AsyncSession(SessionBase, Awaiting):
    """
    A unit of work that awaits: it has the methods of `Session`, those that ask as coroutines.

    Args:
        client: The client that it asks.
        patch, on_conflict, lock: As for `Session`.
    """

    client: AsyncClient

    def __init__(
        self,
        client: AsyncClient,
        *,
        patch: type[PatchType] = MergePatch,
        on_conflict: OnConflict = "raise",
        lock: bool = False,
    ) -> None:
        _check_client(client, AsyncClient, self)
        super().__init__(client, patch=patch, on_conflict=on_conflict, lock=lock)

    @overload
    def query(self, model: type[R]) -> AsyncQuery[R]: ...
    @overload
    def query(self, model: QueryBase[T]) -> AsyncQuery[T]: ...
    def query(self, model: Any) -> AsyncQuery[Any]:
        """Look for records of *model*, or for what a query of another session looks for."""
        return AsyncQuery(self, select_of(model))

    async def retry(
        self,
        work: Callable[[Self], Awaitable[T]],
        *,
        attempts: int = ATTEMPTS,
        lock: bool = True,
        repeatable: bool = False,
    ) -> T:
        """Run *work*, a coroutine function, as `Session.retry` does."""
        result: T = await self._run(
            self._repeated(work, attempts=attempts, lock=lock, repeatable=repeatable)
        )
        return result

    @asynccontextmanager
    async def begin(
        self,
        *,
        patch: type[PatchType] | None = None,
        on_conflict: OnConflict | None = None,
        lock: bool | None = None,
        verify: bool = False,
        progress: Callable[[Progress], object] | None = None,
    ) -> AsyncGenerator[Self]:
        """
        Commit when the block ends, as `commit` does with these, and undo its changes if it fails.

            async with AsyncSession(client) as session, session.begin():
                (await session.get_one(Todo, "milk")).done = True

        What a commit inside the block has written is not undone.  If the commit at its end fails,
        what was not written stays a change, as after any commit.

        Raises:
            InvalidRequest: If the session has changes already, or is inside another such block; or
                if *on_conflict* is none.
            TypeError: If *patch* is no kind of patch.
            CommitError: As `commit`.
        """
        check_ways(patch, on_conflict)
        with self._all_or_nothing():
            yield self
        await self.commit(
            patch=patch, on_conflict=on_conflict, lock=lock, verify=verify, progress=progress
        )

    async def close(self) -> None:
        """
        Forget all records, with their changes; records stay as they are.

        There is nothing else to close: the session can be used again, as a new one.
        """
        self.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._left(failed=exc is not None)


def _check_client(client: object, kind: type[Client | AsyncClient], session: SessionBase) -> None:
    """Refuse a client that waits in another way than its session."""
    if not isinstance(client, kind):
        found, wanted = type(client).__name__, kind.__name__
        msg = f"{type(session).__name__} takes a kinto_orm.{wanted}, not a value of type {found}"
        raise TypeError(msg)
