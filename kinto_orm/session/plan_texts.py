"""
A plan as text (JSON), for another process.

The text has for each write where the record is, which class it is of, the document that was loaded
and the one that it shall be.  That is enough to work out the requests; they are in it as well, for
those who read it.  When it is read, they are worked out again, and must be the same: a text cannot
have a session send what no change of a record amounts to.

Nothing is imported because a text says so: who reads it says which classes there are.
"""

from __future__ import annotations

import json

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final, NoReturn

from attrs import frozen

from kinto_orm.client.paths import checked
from kinto_orm.exceptions import InvalidRequest
from kinto_orm.flow.json import copied, same
from kinto_orm.flow.messages import Document, Request
from kinto_orm.models.binding import like, unbound
from kinto_orm.models.layout import kind_of, layout_of, load
from kinto_orm.models.parts import PART, keys_of, load_part
from kinto_orm.models.permissions import NAMES, Lists, Permissions
from kinto_orm.models.records import Record
from kinto_orm.patch_type import (
    BasicPatch,
    GuardedJSONPatch,
    JSONPatch,
    MergePatch,
    PatchType,
    WholeDocument,
)
from kinto_orm.session.changes import Change, Write
from kinto_orm.session.identity import Key
from kinto_orm.session.planning import check, planned, room_for
from kinto_orm.session.plans import Plan


_FORMAT: Final = "kinto-orm plan"
_VERSION: Final = 1

#: The kinds of patches by their names; those that derive from others come first.
_KINDS: Final[dict[str, type[PatchType]]] = {
    kind.__name__: kind
    for kind in (GuardedJSONPatch, JSONPatch, BasicPatch, WholeDocument, MergePatch)
}

_PLAN: Final = {"format", "version", "locked", "chunks"}
_WRITE: Final = {
    *("class", "bucket", "collection", "id", "action", "last_modified", "base", "target"),
    *("permissions", "all_permissions", "known_keys", "patch", "form", "request"),
}


# -- Writing -----------------------------------------------------------------------------------


def plan_text(plan: Plan) -> str:
    """Return *plan* as text."""
    chunks = [[_written(write) for write in chunk] for chunk in plan.chunks]
    document = {"format": _FORMAT, "version": _VERSION, "locked": plan.locked, "chunks": chunks}
    return json.dumps(document, indent=2, ensure_ascii=False)


def _written(write: Write) -> Document:
    change = write.change
    return {
        "class": type(change.record).__name__,
        "bucket": change.key.bucket,
        "collection": change.key.collection,
        "id": change.key.id,
        "action": change.action,
        "last_modified": change.version,
        "base": change.base,
        "target": change.target,
        "permissions": dict(change.permissions),
        "all_permissions": dict(change.all_permissions) if change.permissions else {},
        "known_keys": None if change.keys is None else sorted(change.keys),
        "patch": _name_of(change.patch),
        "form": write.form,
        "request": _request(write.request),
    }


def _name_of(patch: type[PatchType]) -> str:
    named = (name for name, kind in _KINDS.items() if issubclass(patch, kind))
    return next(named, MergePatch.__name__)


def _request(request: Request) -> Document:
    return {
        "method": request.method,
        "path": request.path,
        "headers": dict(request.headers),
        "body": request.body,
    }


# -- Reading -----------------------------------------------------------------------------------


def plan_in(text: str | bytes, models: Iterable[type[Record]]) -> Plan:
    """
    Return the plan that *text* has.

    Raises:
        InvalidRequest: If it has none, or one that *models* do not amount to.
    """
    try:
        return _plan(_At(_decoded(text), ""), list(_with_kinds(models)))
    except RecursionError:
        _At(None, "").refuse("it is nested too deeply")


def _plan(root: _At, kinds: Sequence[type[Record]]) -> Plan:
    root.has_just(_PLAN)
    root.part("format").must_be(_FORMAT)
    root.part("version").must_be(_VERSION)
    chunks = [list(chunk.items()) for chunk in root.part("chunks").items()]
    changes = [[_change(write, kinds) for write in chunk] for chunk in chunks]
    listed = [change for chunk in changes for change in chunk]
    check(listed)
    locked = root.part("locked").truth()
    room = max((room_for(each, locked=locked) for each in changes), default=1)
    plan = planned(listed, room, locked=locked)
    _compare(chunks, plan)
    return Plan(plan.chunks, locked=locked, detached=True)


def _decoded(text: str | bytes) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object)
    except ValueError as error:
        msg = f"this is no plan, or not all of one: {error}"
        raise InvalidRequest(msg) from error


def _object(pairs: list[tuple[str, Any]]) -> Document:
    """Return an object; refuse one that would say one thing to a reader, and another to us."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        msg = f"{next(name for name in names if names.count(name) > 1)!r} is there twice"
        raise ValueError(msg)
    return found


def _compare(chunks: Sequence[Sequence[_At]], plan: Plan) -> None:
    """Refuse a text whose requests are not those of *plan*, which its changes amount to."""
    if [len(chunk) for chunk in chunks] != [len(chunk) for chunk in plan.chunks]:
        _At(None, "chunks").refuse("these changes do not travel together like this")
    keys = set[Key]()
    for read, made in zip(chunks, plan.chunks, strict=True):
        for at, write in zip(read, made, strict=True):
            if write.change.key in keys:
                at.refuse(f"it writes {write.change.key} a second time")
            keys.add(write.change.key)
            if not same(at.part("request").value, _request(write.request)):
                at.part("request").refuse("its change amounts to another request; make a new plan")


@frozen
class _At:
    """
    A value in a text.

    Attributes:
        value: The value.
        place: Where it is.
    """

    value: Any
    place: str

    def refuse(self, reason: str) -> NoReturn:
        """Raise that the text is wrong here."""
        msg = f"this is no plan that can be committed: {self.place or 'the text'}: {reason}"
        raise InvalidRequest(msg)

    def has_just(self, keys: Collection[str]) -> None:
        """Refuse what is no object with just these *keys*."""
        if not isinstance(self.value, dict):
            self.refuse("an object was expected")
        for key in keys - self.value.keys():
            self.refuse(f"{key!r} is missing")
        for key in self.value.keys() - keys:
            self.refuse(f"{key!r} is not known")

    def part(self, key: str) -> _At:
        """Return what is under *key*."""
        return _At(self.value[key], f"{self.place}.{key}" if self.place else key)

    def items(self) -> Iterator[_At]:
        """Give the items of a list."""
        if not isinstance(self.value, list):
            self.refuse("a list was expected")
        for index, item in enumerate(self.value):
            yield _At(item, f"{self.place}[{index}]")

    def must_be(self, expected: Any) -> None:
        """Refuse what is not as *expected*."""
        if not same(self.value, expected):
            self.refuse(f"{expected!r} was expected, not {self.value!r:.60}")

    def text(self) -> str:
        """Return a text."""
        if not isinstance(self.value, str):
            self.refuse("text was expected")
        return self.value

    def truth(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            self.refuse("true or false was expected")
        found: bool = self.value
        return found

    def document(self) -> Document | None:
        """Return an object, or None."""
        if self.value is not None and not isinstance(self.value, dict):
            self.refuse("an object was expected, or null")
        found: Document | None = self.value
        return found

    def version(self) -> int | None:
        """Return a timestamp, or None."""
        is_one = isinstance(self.value, int) and not isinstance(self.value, bool)
        if self.value is not None and not (is_one and self.value >= 0):
            self.refuse("a timestamp in milliseconds was expected, or null")
        found: int | None = self.value
        return found

    def texts(self) -> list[str]:
        """Return a list of texts."""
        return [item.text() for item in self.items()]

    def lists(self) -> Lists:
        """Return the principals of permissions."""
        if not isinstance(self.value, dict) or self.value.keys() - NAMES:
            self.refuse("permissions were expected")
        return {name: self.part(name).texts() for name in self.value}


def _change(at: _At, kinds: Sequence[type[Record]]) -> Change:
    """Return the change that is written *at* some place."""
    at.has_just(_WRITE)
    model = _model(at, kinds)
    try:
        change = _made(at, model)
    except (InvalidRequest, ValueError, TypeError) as error:
        if str(error).startswith("this is no plan"):
            raise
        at.refuse(str(error))
    at.part("action").must_be(change.action)
    if not change.is_one:
        at.refuse("there is nothing to write")
    if change.target is not None and not same(change.record._dump(), change.target):
        at.part("target").refuse(f"as a {model.__name__} is now, it would not be written like this")
    return change


def _made(at: _At, model: type[Record]) -> Change:
    where = {name: at.part(name).text() for name in ("bucket", "collection", "id")}
    key = Key(
        **{"id": checked("record", where.pop("id")), **{k: checked(k, v) for k, v in where.items()}}
    )
    version, base, target = _sides(at, key)
    loaded = None if base is None else {**base, "last_modified": version}
    permissions, known = at.part("permissions").lists(), at.part("known_keys")
    keys = None if known.value is None else frozenset(known.texts())
    record = _record(model, loaded, target, keys)
    if type(record) is not model or keys_of(record) != keys:
        known.refuse(f"this is not a {model.__name__} with these keys")
    if base is None:
        record.permissions = Permissions(**permissions)
    return Change(
        record=record,
        key=key,
        loaded=loaded,
        target=target,
        patch=_patch(at.part("patch")),
        permissions=permissions,
        all_permissions=at.part("all_permissions").lists(),
        keys=keys,
    )


def _sides(at: _At, key: Key) -> tuple[int | None, Document | None, Document | None]:
    """Return the version that was loaded, the document of that, and the one that it shall be."""
    version = at.part("last_modified").version()
    base, target = at.part("base").document(), at.part("target").document()
    for name, document in (("base", base), ("target", target)):
        if document is not None and (document.get("id") != key.id or "last_modified" in document):
            at.part(name).refuse(f"this is no document of {key}, without its timestamp")
    if (base is None) != (version is None) or (base is None and target is None):
        at.refuse("'last_modified', 'base' and 'target' do not fit together")
    return version, base, target


def _patch(at: _At) -> type[PatchType]:
    if at.text() not in _KINDS:
        at.refuse(f"{at.value!r} is no kind of patch")
    return _KINDS[at.value]


# -- Records -----------------------------------------------------------------------------------


def _with_kinds(models: Iterable[type[Record]]) -> Iterator[type[Record]]:
    """Give *models*, each with its kinds, at the same place."""
    for model in models:
        yield model
        for kind in unbound(model)._tags.values():
            if issubclass(kind, unbound(model)):
                yield like(kind, model)


def _model(at: _At, kinds: Sequence[type[Record]]) -> type[Record]:
    """Return the class of the record *at* some place, out of *kinds*."""
    name, bucket, collection = (at.part(key).text() for key in ("class", "bucket", "collection"))
    found = {
        kind: None
        for kind in kinds
        if kind.__name__ == name
        and kind._bucket in (None, bucket)
        and kind._collection in (None, collection)
    }
    if len(found) != 1:
        which = "several classes are" if found else "no class is"
        at.refuse(
            f"{which} called {name}, with records in {bucket}/{collection}: give the one that is"
            f" meant, models=[{name}, …]"
        )
    return next(iter(found))


def _record(
    model: type[Record],
    loaded: Document | None,
    target: Document | None,
    keys: frozenset[str] | None,
) -> Record:
    """Return a record that was *loaded* like this, and then changed to stand for *target*."""
    document = dict(copied(loaded if target is None else target))
    if loaded is not None:
        document["last_modified"] = loaded["last_modified"]
    if keys is None:
        record: Record = load(model, document)
    else:
        record = _part(model, document, keys)
    if loaded is None:  # It is written as it was; so is a record that is created again.
        record.__dict__.update(_document=None, last_modified=None, _form=document)
    else:
        record.__dict__["_document"] = loaded
    return record


def _part(model: type[Record], document: Document, keys: frozenset[str]) -> Record:
    """Return a record of which *keys* were loaded; others in *document* were set since."""
    specs = layout_of(kind_of(model, document)).specs
    part = frozenset(spec.name for spec in specs if spec.key in keys)
    given = frozenset(spec.name for spec in specs if spec.key in document)
    record: Record = load_part(model, document, part | given)
    record.__dict__[PART] = part
    return record
