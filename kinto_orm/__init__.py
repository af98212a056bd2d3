"""
Typed records on a Kinto server, changed in a unit of work.

A name is loaded when it is first asked for: a program that uses a client alone loads no records and
no sessions, and one that looks at errors loads neither.
"""

import threading as _threading
import typing as _typing

from importlib import import_module as _import_module

from kinto_orm.exceptions import (
    BackoffException,
    BucketNotFound,
    CollectionNotFound,
    CommitError,
    ConcurrentUseError,
    Conflict,
    ConflictError,
    ConflictKind,
    InvalidId,
    KintoBatchException,
    KintoException,
    NotLoaded,
    NotModified,
    RecordNotFound,
    SchemaViolation,
    StalePlanError,
    UnlockedWarning,
    UnsavedChangesWarning,
    ValidationError,
)


if _typing.TYPE_CHECKING:
    from kinto_orm.client.clients import AsyncClient, Client
    from kinto_orm.endpoints import Endpoints
    from kinto_orm.ensuring import Ensured, ensure
    from kinto_orm.flow import RetryPolicy
    from kinto_orm.models.attachments import Attachment
    from kinto_orm.models.conditions import Condition
    from kinto_orm.models.converters import converter
    from kinto_orm.models.faults import Fault
    from kinto_orm.models.fields import Embedded, Field, embedded, field
    from kinto_orm.models.links import Link, link
    from kinto_orm.models.permissions import (
        Authenticated,
        Everyone,
        Group,
        Permissions,
        Principal,
        User,
    )
    from kinto_orm.models.policies import OnConflict
    from kinto_orm.models.records import EmbeddedRecord, Record
    from kinto_orm.patch_type import (
        BasicPatch,
        GuardedJSONPatch,
        JSONPatch,
        MergePatch,
        WholeDocument,
    )
    from kinto_orm.query.items import Invalid, Tombstone
    from kinto_orm.query.queries import AsyncQuery, Query
    from kinto_orm.session.events import listen, unlisten
    from kinto_orm.session.field_changes import FieldChange
    from kinto_orm.session.plans import Plan
    from kinto_orm.session.progress import Progress
    from kinto_orm.session.results import CommitResult
    from kinto_orm.session.sessions import AsyncSession, Session
    from kinto_orm.session.snapshots import MISSING, NOT_LOADED
    from kinto_orm.session.staleness import Difference
    from kinto_orm.session.three_way import Merged, three_way
    from kinto_orm.transport.auth import BearerTokenAuth, TokenAuth
    from kinto_orm.transport.login import BrowserOAuth
    from kinto_orm.transport.sessions import create_session
    from kinto_orm.transport.wire import Timeout

__all__ = [
    "MISSING",
    "NOT_LOADED",
    "AsyncClient",
    "AsyncQuery",
    "AsyncSession",
    "Attachment",
    "Authenticated",
    "BackoffException",
    "BasicPatch",
    "BearerTokenAuth",
    "BrowserOAuth",
    "BucketNotFound",
    "Client",
    "CollectionNotFound",
    "CommitError",
    "CommitResult",
    "ConcurrentUseError",
    "Condition",
    "Conflict",
    "ConflictError",
    "ConflictKind",
    "Difference",
    "Embedded",
    "EmbeddedRecord",
    "Endpoints",
    "Ensured",
    "Everyone",
    "Fault",
    "Field",
    "FieldChange",
    "Group",
    "GuardedJSONPatch",
    "Invalid",
    "InvalidId",
    "JSONPatch",
    "KintoBatchException",
    "KintoException",
    "Link",
    "MergePatch",
    "Merged",
    "NotLoaded",
    "NotModified",
    "OnConflict",
    "Permissions",
    "Plan",
    "Principal",
    "Progress",
    "Query",
    "Record",
    "RecordNotFound",
    "RetryPolicy",
    "SchemaViolation",
    "Session",
    "StalePlanError",
    "Timeout",
    "TokenAuth",
    "Tombstone",
    "UnlockedWarning",
    "UnsavedChangesWarning",
    "User",
    "ValidationError",
    "WholeDocument",
    "converter",
    "create_session",
    "embedded",
    "ensure",
    "field",
    "link",
    "listen",
    "three_way",
    "unlisten",
]

#: Where names are that are loaded late, as the imports above say.
_PLACES = {
    name: module
    for module, names in {
        "kinto_orm.client.clients": "AsyncClient Client",
        "kinto_orm.endpoints": "Endpoints",
        "kinto_orm.ensuring": "Ensured ensure",
        "kinto_orm.flow": "RetryPolicy",
        "kinto_orm.models.attachments": "Attachment",
        "kinto_orm.models.conditions": "Condition",
        "kinto_orm.models.converters": "converter",
        "kinto_orm.models.faults": "Fault",
        "kinto_orm.models.fields": "Embedded Field embedded field",
        "kinto_orm.models.links": "Link link",
        "kinto_orm.models.permissions": "Authenticated Everyone Group Permissions Principal User",
        "kinto_orm.models.policies": "OnConflict",
        "kinto_orm.models.records": "EmbeddedRecord Record",
        "kinto_orm.patch_type": "BasicPatch GuardedJSONPatch JSONPatch MergePatch WholeDocument",
        "kinto_orm.query.items": "Invalid Tombstone",
        "kinto_orm.query.queries": "AsyncQuery Query",
        "kinto_orm.session.events": "listen unlisten",
        "kinto_orm.session.field_changes": "FieldChange",
        "kinto_orm.session.plans": "Plan",
        "kinto_orm.session.progress": "Progress",
        "kinto_orm.session.results": "CommitResult",
        "kinto_orm.session.sessions": "AsyncSession Session",
        "kinto_orm.session.snapshots": "MISSING NOT_LOADED",
        "kinto_orm.session.staleness": "Difference",
        "kinto_orm.session.three_way": "Merged three_way",
        "kinto_orm.transport.auth": "BearerTokenAuth TokenAuth",
        "kinto_orm.transport.login": "BrowserOAuth",
        "kinto_orm.transport.sessions": "create_session",
        "kinto_orm.transport.wire": "Timeout",
    }.items()
    for name in names.split()
}

#: What the imports above would make attributes of the package, too.
_MODULES = frozenset(place.split(".")[1] for place in _PLACES.values())

#: Threads load in turn.  Python has a lock for each module, and lets one of two that wait for each
#: other have a module that is not complete: a package, and what is in it, are two.
_LOADING = _threading.RLock()


if not _typing.TYPE_CHECKING:  # To a checker, there would be any name then.

    def __getattr__(name: str) -> object:
        """Load what is asked for."""
        if name not in _PLACES and name not in _MODULES:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        with _LOADING:
            if name not in _PLACES:
                return _import_module(f"{__name__}.{name}")
            found = getattr(_import_module(_PLACES[name]), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    """Return what there is, loaded or not."""
    return sorted({*globals(), *_PLACES, *_MODULES})
