"""Work that is run again when somebody else was first, and the lock that makes that exact."""

from __future__ import annotations

import multiprocessing

from collections.abc import Callable
from typing import Any

import pytest

from apps import COMBINATIONS, App
from kinto_orm import Client, ConflictError, Field, Record, Session, field
from kinto_orm.embedded import KintoServer
from kinto_orm.exceptions import InvalidRequest, UnlockedWarning
from kinto_orm.query.items import LOCK
from session.models import Todo


on_memory = pytest.mark.parametrize("app", COMBINATIONS[:2], indirect=True)


class Counter(Record, collection="todos"):
    """What many count with."""

    count: Field[int] = field(default=0)


def working(app: App, work: Callable[[Any], Any]) -> Any:
    """Return *work*, a function of a wrapped session, as the sessions of *app* want it."""
    if not app.awaiting:
        return work

    async def awaited(session: Any) -> Any:
        found = work(session)
        return await found if hasattr(found, "__await__") else found

    return awaited


class TestRetry:
    """`session.retry(work)`."""

    def increment(self, app: App, *, meanwhile: Callable[[], None]) -> Any:
        """Return work that increments a counter; *meanwhile* something happens."""

        def work(session: Any) -> int:
            counter = session.get_one(Counter, "c")
            meanwhile()
            counter.count += 1
            return int(counter.count)

        async def awaited(session: Any) -> int:
            counter = await session.get_one(Counter, "c")
            meanwhile()
            counter.count += 1
            return int(counter.count)

        return awaited if app.awaiting else work

    def test_somebody_was_first(self, app: App) -> None:
        """The work is run again with what the other wrote, and its result returned."""
        app.create([{"id": "c", "count": 0, "note": "n"}])
        others = iter([10, 20])

        def meanwhile() -> None:
            if (count := next(others, None)) is not None:
                app.raw.patch_record(id="c", data={"count": count})

        session = app.session(on_conflict="client_wins")
        assert session.retry(self.increment(app, meanwhile=meanwhile)) == 21
        assert app.stored()["c"]["count"] == 21
        assert session.commit().requests == 0
        reads = [each for each in session.sent if each.method == "GET" and "records" in each.path]
        assert len(reads) == 1  # A conflict says what is there.

    def test_the_work_commits_itself(self, app: App) -> None:
        """Work that commits is run again as well."""
        app.create([{"id": "c", "count": 0}])
        runs: list[int] = []

        def before(count: int) -> None:
            runs.append(count)
            if len(runs) == 1:
                app.raw.patch_record(id="c", data={"count": 10})

        def work(session: Any) -> None:
            counter = session.get_one(Counter, "c")
            before(counter.count)
            counter.count += 1
            session.commit()

        async def awaited(session: Any) -> None:
            counter = await session.get_one(Counter, "c")
            before(counter.count)
            counter.count += 1
            await session.commit()

        app.session().retry(awaited if app.awaiting else work)
        assert runs == [0, 10]
        assert app.stored()["c"]["count"] == 11

    def test_the_same_done_elsewhere(self, app: App) -> None:
        """What somebody else has written exactly so is no reason to do without this."""
        app.create([{"id": "c", "count": 0}])
        others = iter([1])

        def meanwhile() -> None:
            if (count := next(others, None)) is not None:
                app.raw.patch_record(id="c", data={"count": count})

        assert app.session().retry(self.increment(app, meanwhile=meanwhile)) == 2
        assert app.stored()["c"]["count"] == 2

    def test_too_often(self, app: App) -> None:
        """When it has been tried often enough, the conflict is raised."""
        app.create([{"id": "c", "count": 0}])
        runs: list[int] = []

        def meanwhile() -> None:
            runs.append(1)
            app.raw.patch_record(id="c", data={"count": 100 * len(runs)})

        with pytest.raises(ConflictError) as caught:
            app.session().retry(self.increment(app, meanwhile=meanwhile), attempts=3)
        assert len(runs) == 3
        assert "tried 3 times" in caught.value.__notes__[-1]
        assert app.stored()["c"]["count"] == 300

    def test_deleted_meanwhile(self, app: App) -> None:
        """Work whose record was deleted meets none when it is run again."""
        app.create([{"id": "c", "count": 0}])

        def change(counter: Any) -> bool:
            if counter is None:
                return False
            app.raw.delete_record(id="c")
            counter.count += 1
            return True

        def work(session: Any) -> bool:
            return change(session.get(Counter, "c"))

        async def awaited(session: Any) -> bool:
            return change(await session.get(Counter, "c"))

        assert app.session().retry(awaited if app.awaiting else work) is False
        assert app.stored() == {}

    def test_a_part_was_written(self, app: App) -> None:
        """Work of which a part was written is not run again, unless that does no harm."""
        app.create([{"id": "c", "count": 0}, {"id": "d", "count": 0}])
        runs: list[int] = []

        def change(counters: list[Any]) -> None:
            runs.append(1)
            if len(runs) == 1:
                app.raw.patch_record(id="d", data={"count": 10})
            for counter in counters:
                counter.count += 1

        def work(session: Any) -> None:
            change([session.get_one(Counter, ident) for ident in "cd"])

        async def awaited(session: Any) -> None:
            change([await session.get_one(Counter, ident) for ident in "cd"])

        chosen: Any = awaited if app.awaiting else work
        session = app.session()
        with pytest.raises(ConflictError) as caught:
            session.retry(chosen)
        assert len(runs) == 1
        assert "repeatable=True" in caught.value.__notes__[-1]
        assert {each["count"] for each in app.stored().values()} == {1, 10}
        runs.clear()
        app.session().retry(chosen, repeatable=True)
        assert len(runs) == 2
        assert {key: each["count"] for key, each in app.stored().items()} == {"c": 3, "d": 11}

    @on_memory
    def test_changes_before(self, app: App) -> None:
        """A session with changes is refused: they would be undone."""
        session = app.session()
        session.add(Todo(title="a"))
        with pytest.raises(InvalidRequest, match="changes that are not committed"):
            session.retry(working(app, lambda _: None))
        session.commit()
        with pytest.raises(InvalidRequest, match="not 0 times"):
            session.retry(working(app, lambda _: None), attempts=0)

    def test_what_the_work_raises(self, app: App) -> None:
        """An error of the work is raised; the session is as the work left it, and usable."""
        app.create([{"id": "c", "count": 0}])

        def meanwhile() -> None:
            raise LookupError

        session = app.session()
        with pytest.raises(LookupError):
            session.retry(self.increment(app, meanwhile=meanwhile))
        assert session.get_one(Counter, "c").count == 0


class TestLock:
    """A batch that locks lets no other one that does so in between."""

    def test_what_is_sent(self, app: App) -> None:
        """The lock is the first of a batch and gone at its end; a creation needs none."""
        app.create([{"id": "c", "count": 0}])
        session = app.session(lock=True)
        session.add(Counter(id="new"))
        plan = session.plan()
        assert LOCK not in str(plan.requests[0].path)
        session.commit()
        counter = session.get_one(Counter, "c")
        counter.count = 1
        (request,) = session.plan().requests
        entries = [(each.method, each.path.rpartition("/")[2]) for each in request.parts]
        assert entries == [("PUT", LOCK), ("PATCH", "c"), ("DELETE", LOCK)]
        assert session.commit().updated == (counter,)
        assert app.stored()["c"]["count"] == 1
        assert sorted(app.stored()) == ["c", "new"]

    def test_the_limit_of_a_batch(self, app: App) -> None:
        """With its locks, a batch has no more requests than the server takes."""
        app.raw.create_collection(id="others", if_not_exists=True)
        app.create([{"id": f"c{i:02}", "count": 0} for i in range(30)])
        app.create([{"id": f"c{i:02}", "count": 0} for i in range(3)], "others")
        session = app.session(lock=True)
        others = session.query(Counter.at(collection="others")).all()
        counters = [*session.query(Counter), *others]
        for counter in counters:
            counter.count += 1
        sizes = [len(request.body["requests"]) for request in session.plan().requests]
        assert sizes == [25, 14]
        assert len(session.commit().updated) == 33
        assert {each["count"] for each in app.stored("others").values()} == {1}
        assert {each["count"] for each in app.stored().values()} == {1}

    def test_nobody_sees_it(self, app: App) -> None:
        """A query does not give what is left of a lock."""
        app.create([{"id": "c", "count": 0}])
        session = app.session(lock=True)
        session.get_one(Counter, "c").count = 1
        session.commit()
        found = session.query(Counter).with_deleted().since(0).all()
        assert [each.id for each in found] == ["c"]

    def test_where_it_is_not_allowed(self, app: App) -> None:
        """Who may not create records is warned that nothing was locked; the write is made."""
        app.create([{"id": "c", "count": 0}])
        app.raw.patch_record(id="c", permissions={"write": ["system.Everyone"]})
        app.raw.patch_bucket(id=app.bucket, permissions={"read": ["system.Everyone"]})
        client = app.client(auth=None)
        session = app.session(client, lock=True)
        counter = session.get_one(Counter, "c")
        counter.count = 1
        with pytest.warns(UnlockedWarning, match="could not be written to lock"):
            assert session.commit().updated == (counter,)
        assert app.stored()["c"]["count"] == 1

    @pytest.mark.parametrize("app", COMBINATIONS[2:], indirect=True)
    def test_a_conflict_in_it(self, app: App) -> None:
        """A conflict in a locked batch is one, and the lock is gone."""
        app.create([{"id": "c", "count": 0}, {"id": "d", "count": 0}])
        session = app.session(lock=True)
        c, d = session.get_one(Counter, "c"), session.get_one(Counter, "d")
        app.raw.patch_record(id="c", data={"count": 5})
        c.count = d.count = 1
        with pytest.raises(ConflictError) as caught:
            session.commit()
        assert caught.value.result.updated == (d,)
        assert sorted(app.stored()) == ["c", "d"]


def count_up(url: str, auth: tuple[str, str], bucket: str, times: int) -> None:
    """Increment a counter *times*, in a process of its own."""
    with Client(server_url=url, auth=auth, bucket=bucket) as client:

        def work(session: Session) -> None:
            session.get_one(Counter, "c").count += 1

        for _ in range(times):
            Session(client).retry(work, attempts=1000)


class TestProcesses:
    """Several processes count with one counter."""

    @pytest.mark.parametrize("kind", ["postgresql", "postgresql+history"])
    def test_counters_add_up(
        self, servers: Callable[[str], KintoServer], bucket: str, kind: str
    ) -> None:
        """Four processes increment one counter: none of their increments is lost (P3)."""
        server = servers(kind)
        times = 10
        with Client(server_url=server.url, auth=server.auth, bucket=bucket) as raw:
            raw.create_bucket()
            raw.create_collection(id="todos")
            raw.create_record(collection="todos", id="c", data={"count": 0})
            context = multiprocessing.get_context("spawn")
            processes = [
                context.Process(target=count_up, args=(server.url, server.auth, bucket, times))
                for _ in range(4)
            ]
            for process in processes:
                process.start()
            for process in processes:
                process.join()
            assert [process.exitcode for process in processes] == [0, 0, 0, 0]
            assert raw.get_record(collection="todos", id="c")["data"]["count"] == 4 * times
