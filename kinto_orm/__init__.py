"""Typed records on a Kinto server, changed in a unit of work."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from kinto_orm.client.clients import AsyncClient, Client
from kinto_orm.endpoints import Endpoints
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
from kinto_orm.patch_type import BasicPatch, GuardedJSONPatch, JSONPatch, MergePatch, WholeDocument
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
from kinto_orm.transport.sessions import create_session
from kinto_orm.transport.wire import Timeout


if _TYPE_CHECKING:
    from kinto_orm.ensuring import Ensured, ensure
    from kinto_orm.transport.login import BrowserOAuth

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

#: What few programs need, and takes long to load: it is, when it is first asked for.
_LATER = {
    "BrowserOAuth": "kinto_orm.transport.login",
    "Ensured": "kinto_orm.ensuring",
    "ensure": "kinto_orm.ensuring",
}


def __getattr__(name: str) -> _Any:
    """Load what is loaded late."""
    if name not in _LATER:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    found = getattr(_import_module(_LATER[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Return what there is, loaded or not."""
    return sorted({*globals(), *_LATER})
