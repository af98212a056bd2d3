"""Typed records on a Kinto server, changed in a unit of work."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from kinto_orm.client.clients import AsyncClient as AsyncClient
from kinto_orm.client.clients import Client as Client
from kinto_orm.endpoints import Endpoints as Endpoints
from kinto_orm.exceptions import BackoffException as BackoffException
from kinto_orm.exceptions import BucketNotFound as BucketNotFound
from kinto_orm.exceptions import CollectionNotFound as CollectionNotFound
from kinto_orm.exceptions import CommitError as CommitError
from kinto_orm.exceptions import ConcurrentUseError as ConcurrentUseError
from kinto_orm.exceptions import Conflict as Conflict
from kinto_orm.exceptions import ConflictError as ConflictError
from kinto_orm.exceptions import InvalidId as InvalidId
from kinto_orm.exceptions import KintoBatchException as KintoBatchException
from kinto_orm.exceptions import KintoException as KintoException
from kinto_orm.exceptions import NotLoaded as NotLoaded
from kinto_orm.exceptions import NotModified as NotModified
from kinto_orm.exceptions import RecordNotFound as RecordNotFound
from kinto_orm.exceptions import SchemaViolation as SchemaViolation
from kinto_orm.exceptions import StalePlanError as StalePlanError
from kinto_orm.exceptions import UnsavedChangesWarning as UnsavedChangesWarning
from kinto_orm.exceptions import ValidationError as ValidationError
from kinto_orm.flow import RetryPolicy as RetryPolicy
from kinto_orm.models.attachments import Attachment as Attachment
from kinto_orm.models.conditions import Condition as Condition
from kinto_orm.models.converters import converter as converter
from kinto_orm.models.faults import Fault as Fault
from kinto_orm.models.fields import Embedded as Embedded
from kinto_orm.models.fields import Field as Field
from kinto_orm.models.fields import embedded as embedded
from kinto_orm.models.fields import field as field
from kinto_orm.models.links import Link as Link
from kinto_orm.models.links import link as link
from kinto_orm.models.permissions import Authenticated as Authenticated
from kinto_orm.models.permissions import Everyone as Everyone
from kinto_orm.models.permissions import Group as Group
from kinto_orm.models.permissions import Permissions as Permissions
from kinto_orm.models.permissions import Principal as Principal
from kinto_orm.models.permissions import User as User
from kinto_orm.models.records import EmbeddedRecord as EmbeddedRecord
from kinto_orm.models.records import Record as Record
from kinto_orm.patch_type import BasicPatch as BasicPatch
from kinto_orm.patch_type import JSONPatch as JSONPatch
from kinto_orm.patch_type import MergePatch as MergePatch
from kinto_orm.query.items import Invalid as Invalid
from kinto_orm.query.items import Tombstone as Tombstone
from kinto_orm.query.queries import AsyncQuery as AsyncQuery
from kinto_orm.query.queries import Query as Query
from kinto_orm.session.planning import Plan as Plan
from kinto_orm.session.results import CommitResult as CommitResult
from kinto_orm.session.sessions import AsyncSession as AsyncSession
from kinto_orm.session.sessions import Session as Session
from kinto_orm.transport.auth import BearerTokenAuth as BearerTokenAuth
from kinto_orm.transport.auth import TokenAuth as TokenAuth
from kinto_orm.transport.sessions import create_session as create_session
from kinto_orm.transport.wire import Timeout as Timeout


if _TYPE_CHECKING:
    from kinto_orm.ensuring import Ensured as Ensured
    from kinto_orm.ensuring import ensure as ensure
    from kinto_orm.transport.login import BrowserOAuth as BrowserOAuth

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
