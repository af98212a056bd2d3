"""
Single changes, in the text of a plan.

The text has where the record is, which class it is of, the document that was loaded and the one
that it shall be.  A patch of a record that was not loaded has none of these: it is all there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from kinto_orm.client.paths import checked
from kinto_orm.exceptions import InvalidRequest
from kinto_orm.flow.json import copied, same
from kinto_orm.flow.messages import Document, Request
from kinto_orm.models.binding import like, unbound
from kinto_orm.models.kinds import kind_of
from kinto_orm.models.layout import layout_of, load
from kinto_orm.models.parts import keys_of, load_part, stand_in
from kinto_orm.models.permissions import Permissions
from kinto_orm.models.records import Record
from kinto_orm.models.state import PART
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
from kinto_orm.session.plan_parts import Part
from kinto_orm.session.snapshots import without_stamps
from kinto_orm.transport.codec import encode


#: The kinds of patches by their names; those that derive from others come first.
_KINDS: Final[dict[str, type[PatchType]]] = {
    kind.__name__: kind
    for kind in (GuardedJSONPatch, JSONPatch, BasicPatch, WholeDocument, MergePatch)
}

_WRITE: Final = {
    *("class", "bucket", "collection", "id", "action", "last_modified", "base", "target"),
    *("permissions", "all_permissions", "known_keys", "patch", "blind", "after"),
    *("form", "request"),
}

#: What a change does not have that is a patch of a record that was not loaded.
_NOT_LOADED: Final[Document] = {
    "last_modified": None,
    "base": None,
    "target": None,
    "permissions": {},
    "all_permissions": {},
    "known_keys": None,
}


# -- Writing -----------------------------------------------------------------------------------


def written_change(write: Write, keys: Mapping[int, Key]) -> Document:
    """
    Return *write* as it is in a text.

    Args:
        write: The write.
        keys: Which records the plan writes, by the identity of their objects.

    Raises:
        InvalidRequest: If it is a patch of a kind that is not the package's.
    """
    change = write.change
    # Of a copy that is on the server already, nothing is to be written, and nobody waits.
    after = None if change.after is None else keys.get(id(change.after))
    return {
        "class": type(change.record).__name__,
        "bucket": change.key.bucket,
        "collection": change.key.collection,
        "id": change.key.id,
        "action": change.action,
        **(_sides_of(change) if change.blind is None else _NOT_LOADED),
        "patch": _name_of(change.patch) or MergePatch.__name__,
        "blind": None if change.blind is None else _written_patch(change.blind),
        "after": None if after is None else str(after),
        "form": write.form,
        "request": written_request(write.request),
    }


def _sides_of(change: Change) -> Document:
    return {
        "last_modified": change.version,
        "base": change.base,
        "target": change.target,
        "permissions": dict(change.permissions),
        "all_permissions": dict(change.all_permissions) if change.permissions else {},
        "known_keys": None if change.keys is None else sorted(change.keys),
    }


def _name_of(patch: type[PatchType]) -> str | None:
    """Return the name of the kind that *patch* is, if it is one of the package's."""
    named = (name for name, kind in _KINDS.items() if issubclass(patch, kind))
    return next(named, None)


def _written_patch(patch: PatchType) -> Document:
    name = _name_of(type(patch))
    if name is None or patch.content_type != _KINDS[name].content_type:
        msg = (
            f"a plan with a {type(patch).__name__} cannot be kept as text: it is a kind of its own"
        )
        raise InvalidRequest(msg)
    return {"kind": name, "body": patch.body}


def written_request(request: Request) -> Document:
    """Return *request* as it is in a text."""
    return {
        "method": request.method,
        "path": request.path,
        "headers": dict(request.headers),
        "body": request.body,
    }


# -- Reading -----------------------------------------------------------------------------------


def read_change(at: Part, kinds: Sequence[type[Record]]) -> Change:
    """
    Return the change that is written *at* some place; it waits for no other.

    Raises:
        InvalidRequest: If there is none, or one that none of *kinds* amounts to.
    """
    at.has_just(_WRITE)
    model = _model(at, kinds)
    is_blind = at.part("blind").value is not None
    try:
        change = _blind(at, model) if is_blind else _made(at, model)
    except (InvalidRequest, ValueError, TypeError) as error:
        if str(error).startswith("this is no plan"):
            raise
        at.refuse(str(error))
    at.part("action").must_be(change.action)
    if not change.is_one:
        at.refuse("there is nothing to write")
    is_as_written = change.target is None or same(change.record._dump(), change.target)
    if not is_as_written:
        at.part("target").refuse(f"as a {model.__name__} is now, it would not be written like this")
    return change


def _key(at: Part) -> Key:
    where = {name: at.part(name).text() for name in ("bucket", "collection")}
    return Key(
        **{name: checked(name, given) for name, given in where.items()},
        id=checked("record", at.part("id").text()),
    )


def _made(at: Part, model: type[Record]) -> Change:
    key = _key(at)
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
        patch=_kind(at.part("patch")),
        permissions=permissions,
        all_permissions=at.part("all_permissions").lists(),
        keys=keys,
    )


def _sides(at: Part, key: Key) -> tuple[int | None, Document | None, Document | None]:
    """Return the version that was loaded, the document of that, and the one that it shall be."""
    version = at.part("last_modified").version()
    base, target = at.part("base").document(), at.part("target").document()
    for name, document in (("base", base), ("target", target)):
        if document is not None and (document.get("id") != key.id or "last_modified" in document):
            at.part(name).refuse(f"this is no document of {key}, without its timestamp")
    if (base is None) != (version is None) or (base is None and target is None):
        at.refuse("'last_modified', 'base' and 'target' do not fit together")
    return version, base, target


def _blind(at: Part, model: type[Record]) -> Change:
    """Return a patch of a record that was not loaded."""
    for name, nothing in _NOT_LOADED.items():
        at.part(name).must_be(nothing)
    key = _key(at)
    record = stand_in(model, key.id)
    loaded: Document = record.__dict__["_document"]
    return Change(
        record=record,
        key=key,
        loaded=loaded,
        target=without_stamps(loaded),
        patch=_kind(at.part("patch")),
        keys=keys_of(record),
        blind=_patch(at.part("blind")),
    )


def _kind(at: Part) -> type[PatchType]:
    if at.text() not in _KINDS:
        at.refuse(f"{at.value!r} is no kind of patch")
    return _KINDS[at.value]


def _patch(at: Part) -> PatchType:
    """Return a patch, as it was given."""
    at.has_just({"kind", "body"})
    kind, body = _kind(at.part("kind")), at.part("body")
    if issubclass(kind, JSONPatch):
        patch: PatchType = _operations(kind, body)
    elif issubclass(kind, (BasicPatch, MergePatch)):
        body.has_only({"data", "permissions"})
        data, permissions = body.maybe("data").document(), body.maybe("permissions")
        patch = kind(data, None if permissions.value is None else permissions.lists())
    else:
        at.refuse(f"a {kind.__name__} is for records that were loaded")
    encode(patch.body)
    return patch


def _operations(kind: type[JSONPatch], body: Part) -> JSONPatch:
    """Return a patch of operations; one that is guarded has its tests among these already."""
    patch = kind.__new__(kind)
    JSONPatch.__init__(patch, [operation.object() for operation in body.items()])
    return patch


# -- Records -----------------------------------------------------------------------------------


def with_kinds(models: Iterable[type[Record]]) -> Iterator[type[Record]]:
    """Give *models*, each with its kinds, at the same place."""
    for model in models:
        yield model
        for kind in unbound(model)._tags.values():
            if issubclass(kind, unbound(model)):
                yield like(kind, model)


def _model(at: Part, kinds: Sequence[type[Record]]) -> type[Record]:
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
