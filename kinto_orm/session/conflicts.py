"""
What a conflict is resolved to: a document, or nothing, or no resolution at all.

Nobody's change is dropped unless a policy says so: where the two sides changed different things,
both are kept, whatever the policy.  It only decides where they clash.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from kinto_orm.exceptions import Conflict, InvalidRequest
from kinto_orm.flow.messages import Call, Document, Program
from kinto_orm.models.layout import layout_of
from kinto_orm.models.policies import OnConflict, Policy, checked_policy
from kinto_orm.models.records import Record
from kinto_orm.models.types import is_set
from kinto_orm.session.changes import Change
from kinto_orm.session.snapshots import agree, without_stamps
from kinto_orm.session.three_way import Merged, Side, three_way


_PREFERRED: Final[Mapping[str, Side]] = {"client_wins": "local", "server_wins": "remote"}


@frozen
class Resolution:
    """
    What a record shall be after a conflict.

    Attributes:
        document: Its document, without a timestamp; None if there shall be none.
    """

    document: Document | None


def resolved(conflict: Conflict, policy: OnConflict, change: Change) -> Program[Resolution | None]:
    """Return what *policy* makes of *conflict*, met by *change*; None if it is to be raised."""
    if not callable(policy):
        return _by_policy(conflict, policy, change)
    verdict: Any = yield Call(lambda: policy(conflict))
    if verdict is None:
        return None
    if isinstance(verdict, Record):
        verdict = verdict._dump()
    if isinstance(verdict, Mapping):
        return Resolution(_document(conflict, verdict))
    return _by_policy(conflict, checked_policy(verdict), change)


def _document(conflict: Conflict, given: Mapping[str, Any]) -> Document:
    """Return the document that a function gave, as one that can be written."""
    document = without_stamps(given)
    if document.setdefault("id", conflict.record.id) != conflict.record.id:
        msg = f"a conflict of {conflict.record.id!r} was resolved to a document of another id"
        raise InvalidRequest(msg)
    return document


def _by_policy(conflict: Conflict, policy: Policy, change: Change) -> Resolution | None:
    """Return what *policy* makes of *conflict*, met by *change*; None if it is to be raised."""
    if policy == "raise":
        return None
    local, remote = conflict.local, conflict.remote
    if remote is None:
        gone = {"client_wins": Resolution(local), "server_wins": Resolution(None)}
        return gone.get(policy)
    theirs = without_stamps(remote)
    if local is None:
        untouched = conflict.base is not None and agree(conflict.record, conflict.base, theirs)
        if policy == "client_wins" or untouched:
            return Resolution(None)
        return Resolution(theirs) if policy == "server_wins" else None
    prefer = _PREFERRED.get(policy, "local")
    merged = joined(change, conflict.base or {}, local, theirs, prefer=prefer)
    is_clash = bool(merged.clashes) and policy == "merge"
    return None if is_clash else Resolution(merged.document)


def joined(
    change: Change, base: Document, local: Document, theirs: Document, *, prefer: Side = "local"
) -> Merged:
    """Return what both sides made of *base*, the *local* one by *change*, made one."""
    # What was set without being loaded is set whatever it was.
    blind = {key: theirs[key] for key in change.unseen if key in theirs}
    sets = set_keys(change.record)
    return three_way({**base, **blind}, local, theirs, prefer=prefer, sets=sets)


def set_keys(record: Record) -> frozenset[str]:
    """Return the keys of *record* whose lists are sets."""
    specs = layout_of(type(record)).specs
    return frozenset(spec.key for spec in specs if is_set(spec.kind))
