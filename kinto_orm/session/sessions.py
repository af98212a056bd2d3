"""Sessions: units of work, one that blocks and one that awaits."""

from __future__ import annotations

import warnings

from types import TracebackType
from typing import Any, Self, TypeVar, overload

from kinto_orm.client.clients import AsyncClient, Client
from kinto_orm.exceptions import UnsavedChangesWarning
from kinto_orm.flow import Awaiting, Blocking
from kinto_orm.models.records import Record
from kinto_orm.patch_type import MergePatch, PatchType
from kinto_orm.query.queries import AsyncQuery, Query, QueryBase
from kinto_orm.query.questions import select_of
from kinto_orm.session.committing import Committing


R = TypeVar("R", bound=Record)
T = TypeVar("T")


class SessionBase(Committing):
    """
    A unit of work, without the waiting.

    It knows the records that were loaded through it or added to it, one object for each, and
    writes what is new, changed or deleted when `commit` is called, and only then.
    """

    def __init__(self, client: Any, *, patch: type[PatchType] = MergePatch) -> None:
        super().__init__(client, patch)

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
    """

    client: Client

    def __init__(self, client: Client, *, patch: type[PatchType] = MergePatch) -> None:
        super().__init__(client, patch=patch)

    @overload
    def query(self, model: type[R]) -> Query[R]: ...
    @overload
    def query(self, model: QueryBase[T]) -> Query[T]: ...
    def query(self, model: Any) -> Query[Any]:
        """Look for records of *model*, or for what a query of another session looks for."""
        return Query(self, select_of(model))

    def close(self) -> None:
        """Forget all records, with their changes; records stay as they are."""
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
        patch: As for `Session`.
    """

    client: AsyncClient

    def __init__(self, client: AsyncClient, *, patch: type[PatchType] = MergePatch) -> None:
        super().__init__(client, patch=patch)

    @overload
    def query(self, model: type[R]) -> AsyncQuery[R]: ...
    @overload
    def query(self, model: QueryBase[T]) -> AsyncQuery[T]: ...
    def query(self, model: Any) -> AsyncQuery[Any]:
        """Look for records of *model*, or for what a query of another session looks for."""
        return AsyncQuery(self, select_of(model))

    async def close(self) -> None:
        """Forget all records, with their changes; records stay as they are."""
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
