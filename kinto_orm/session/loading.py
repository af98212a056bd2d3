"""What was read, taken into a session: one object for each record, brought up to date."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Generator, Iterable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from kinto_orm.exceptions import InvalidRequest
from kinto_orm.flow import Document, Program
from kinto_orm.models.binding import unbound
from kinto_orm.models.layout import builder_of, load
from kinto_orm.models.links import connect, links_of
from kinto_orm.models.parts import complete, load_part, part_of
from kinto_orm.models.permissions import Lists, adopt_permissions, outdate_permissions
from kinto_orm.models.records import Record
from kinto_orm.patch_type import PatchType
from kinto_orm.query.reading import Answered, Loaded
from kinto_orm.query.selects import Select
from kinto_orm.session.events import announcing, is_heard
from kinto_orm.session.identity import Entry, Key
from kinto_orm.session.sights import looked_up
from kinto_orm.session.snapshots import Stored
from kinto_orm.session.unit import UnitOfWork


R = TypeVar("R", bound=Record)

#: How many queries a session remembers the answers to.
_QUERIES: Final = 100


class Loading(UnitOfWork):
    """Takes in what is read."""

    def __init__(self, client: Any, patch: type[PatchType]) -> None:
        super().__init__(client, patch)
        self._answers: OrderedDict[tuple[Any, ...], Answered] = OrderedDict()
        #: Records that were read, until that has been announced.
        self._read_lately = deque[Record]()

    def _governed(self, program: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Return *program* with what goes around each; what it reads is announced."""
        governed = super()._governed(program)
        if not is_heard("loaded"):
            return governed
        return announcing(governed, self, self._read_lately)

    def _heard_of(self, record: Record) -> None:
        """Note that *record* was read."""
        if is_heard("loaded"):
            self._read_lately.append(record)

    def clear(self) -> None:
        """Forget all records, with their changes."""
        super().clear()
        self._answers.clear()

    # -- Records -------------------------------------------------------------------------------

    def _take(
        self,
        model: type[R],
        document: Document,
        part: frozenset[str] | None = None,
        permissions: Lists | None = None,
    ) -> R | None:
        """
        Return the record of the session that *document*, which was just read, stands for.

        One that is in the session is brought up to date, unless it has local changes.  One that
        is to be deleted counts as gone.

        Args:
            model: Its class, or a base of that.
            document: What was read.
            part: The names of the fields that were asked for; None if all were.
            permissions: Its permissions, if they were read, too.
        """
        key = Key(*self._place(model), document["id"])
        settled = self._known.settled((key.bucket, key.collection), key.id)
        if (
            settled is not None
            and part is None
            and permissions is None
            and _is_now(settled, document)
        ):
            return self._as(model, key, settled)
        entry = self._known.find(key)
        if entry is not None and not entry.wanted:
            return None
        if entry is None:
            return self._loaded(model, key, document, part, permissions)
        before = (entry.loaded or {}).get("last_modified")
        if before is None and entry.loaded is not None:  # A stand-in (see `patching`).
            self._complete(entry, document, part)
            entry.record.__dict__["last_modified"] = document["last_modified"]
        elif before == document.get("last_modified"):
            self._complete(entry, document, part)
        elif _is_newer(document, before) and entry.is_clean and _covers(part, entry.record):
            fresh = _made(model, document, part)
            if unbound(type(fresh)) is not unbound(type(entry.record)):  # Of another kind now.
                self._known.drop(entry.record)
                return self._loaded(model, key, document, part, permissions)
            self._replace(entry, fresh, document)
        known = (entry.loaded or {}).get("last_modified")
        if permissions is not None and known == document.get("last_modified"):
            adopt_permissions(entry.record, permissions)
        return self._as(model, key, entry.record)

    def _take_all(
        self, model: type[Any], ids: Sequence[str], documents: Sequence[Document]
    ) -> list[Any]:
        """Return the records of whole *documents*, which have these *ids*; not those that go."""
        place, take = self._place(model), partial(self._take, model)
        build, make = builder_of(model), partial(load, model)
        absent = self._known.absent(place, ids) if is_heard("loaded") else []
        try:
            return self._known.load(place, ids, documents, build=build, make=make, meet=take)
        finally:
            self._read_lately += self._known.present(place, absent)

    def _as(self, model: type[R], key: Key, record: Record) -> R:
        """Return *record*, the one under *key*, as one of *model*."""
        if not _is_a(record, model):
            msg = f"{key} is a {type(record).__name__}, not a {model.__name__}"
            raise InvalidRequest(msg)
        found: Any = record
        return found  # type: ignore[no-any-return]

    def _loaded(
        self,
        model: type[R],
        key: Key,
        document: Document,
        part: frozenset[str] | None,
        permissions: Lists | None,
    ) -> R:
        record: R = _made(model, document, part)
        adopt_permissions(record, permissions)
        self._known.put(Entry(key, record, document))
        self._heard_of(record)
        return record

    def _complete(self, entry: Entry, document: Document, part: frozenset[str] | None) -> None:
        """Give the record of *entry* fields of the same version that it has not loaded yet."""
        if not _covers_all(part_of(entry.record), part):
            complete(entry.record, document, part)
            entry.loaded = entry.record.__dict__["_document"]

    def _replace(
        self, entry: Entry, fresh: Record, document: Document, permissions: Lists | None = None
    ) -> None:
        """Have the record of *entry* be as *fresh*, whatever was to become of it."""
        connect(fresh, links_of(entry.record))
        adopt_permissions(fresh, permissions)
        outdate_permissions(entry.record)
        entry.record.__dict__.clear()
        entry.record.__dict__.update(fresh.__dict__)
        entry.loaded, entry.blind = document, None
        entry.want()
        entry.outdate()
        self._heard_of(entry.record)

    def _here(
        self,
        model: type[Any],
        ident: str,
        part: frozenset[str] | None = None,
        version: int | None = None,
    ) -> tuple[bool, Any]:
        """
        Tell whether the session has a record, as it is wanted, and return it; None if it is to go.

        Args:
            model: Its class.
            ident: Its id.
            part: The names of the fields that are wanted; None for all.
            version: The timestamp that it must have, unless it has local changes.
        """
        key = self._key(model, ident)
        settled = self._known.settled((key.bucket, key.collection), ident)
        if settled is not None and version == _version_of(settled) and _is_a(settled, model):
            return True, settled
        entry = self._known.find(key)
        if entry is None or not _is_a(entry.record, model):
            return False, None
        if not entry.wanted:
            return True, None
        if not _covers_all(part_of(entry.record), part):
            return False, None
        known = (entry.loaded or {}).get("last_modified")
        if version not in (None, known) and entry.is_clean:
            return False, None
        return True, entry.record

    def _freshened(self, select: Select, documents: Sequence[Document]) -> Program[list[Loaded]]:
        """
        Return *documents*, with how much of the record each has.

        A part of a newer version does not do for a record that has more than that: it is read
        as a whole.
        """
        part = select.part
        if part is None or not select.tracked:
            return [(document, part) for document in documents]
        place = self._place(select.model)
        keys = {document["id"]: Key(*place, document["id"]) for document in documents}
        stale = [
            keys[document["id"]]
            for document in documents
            if self._is_stale(keys[document["id"]], document, part)
        ]
        sights = yield from looked_up(stale)
        found = dict(zip((key.id for key in stale), sights, strict=True))
        loaded: list[Loaded] = []
        for document in documents:
            sight = found.get(document["id"], document)
            if isinstance(sight, Stored):
                loaded.append((sight.document, None))
            elif sight is document:
                loaded.append((document, part))
            elif isinstance(sight, Exception):
                raise sight
        return loaded

    def _is_stale(self, key: Key, document: Document, part: frozenset[str]) -> bool:
        entry = self._known.find(key)
        return (
            entry is not None
            and entry.loaded is not None
            and _is_newer(document, entry.loaded.get("last_modified"))
            and not _covers(part, entry.record)
            and entry.is_clean
        )

    # -- Answers -------------------------------------------------------------------------------

    def _recall(self, select: Select) -> Answered | None:
        """Return what *select* gave when it was last asked for."""
        return self._answers.get(self._question(select))

    def _remember(self, select: Select, answered: Answered) -> None:
        """Keep what *select* gave."""
        question = self._question(select)
        self._answers[question] = answered
        self._answers.move_to_end(question)
        if len(self._answers) > _QUERIES:
            self._answers.popitem(last=False)

    def _question(self, select: Select) -> tuple[Any, ...]:
        """Return what has the same answer, as long as nothing changes."""
        place = self._place(select.model)
        return (select.model, place, select.part, select.limit, *select.params())


def _made(model: type[R], document: Document, part: frozenset[str] | None) -> R:
    """Return the record that *document*, or a part of it, stands for."""
    made: R = load(model, document) if part is None else load_part(model, document, part)
    return made


def _is_a(record: Record, model: type[Any]) -> bool:
    """Tell whether *record* is one of *model*, wherever that is bound: its key says where it is."""
    return isinstance(record, unbound(model))


def _version_of(record: Record) -> int | None:
    """Return the timestamp that a settled *record* was loaded with."""
    document: Document = record.__dict__.get("_document") or {}
    return document.get("last_modified")


def _is_now(record: Record, document: Document) -> bool:
    """Tell whether a settled *record* has all of *document*, which was just read."""
    return _version_of(record) == document.get("last_modified") is not None


def _is_newer(document: Document, version: int | None) -> bool:
    return version is not None and document.get("last_modified", 0) > version


def _covers(part: Iterable[str] | None, record: Record) -> bool:
    """Tell whether *part* has all that *record* has loaded."""
    return _covers_all(None if part is None else frozenset(part), part_of(record))


def _covers_all(part: frozenset[str] | None, other: frozenset[str] | None) -> bool:
    """Tell whether *part* has all that *other* has; None is all there is."""
    return part is None or (other is not None and other <= part)
