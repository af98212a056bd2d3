"""Typed records on a Kinto server, changed in a unit of work."""

from kinto_orm.client.clients import AsyncClient as AsyncClient
from kinto_orm.client.clients import Client as Client
from kinto_orm.exceptions import CommitError as CommitError
from kinto_orm.exceptions import Conflict as Conflict
from kinto_orm.exceptions import ConflictError as ConflictError
from kinto_orm.exceptions import InvalidId as InvalidId
from kinto_orm.exceptions import KintoException as KintoException
from kinto_orm.exceptions import RecordNotFound as RecordNotFound
from kinto_orm.exceptions import UnsavedChangesWarning as UnsavedChangesWarning
from kinto_orm.exceptions import ValidationError as ValidationError
from kinto_orm.flow import RetryPolicy as RetryPolicy
from kinto_orm.models.converters import converter as converter
from kinto_orm.models.fields import Embedded as Embedded
from kinto_orm.models.fields import Field as Field
from kinto_orm.models.fields import embedded as embedded
from kinto_orm.models.fields import field as field
from kinto_orm.models.records import EmbeddedRecord as EmbeddedRecord
from kinto_orm.models.records import Record as Record
from kinto_orm.patch_type import BasicPatch as BasicPatch
from kinto_orm.patch_type import JSONPatch as JSONPatch
from kinto_orm.patch_type import MergePatch as MergePatch
from kinto_orm.session.planning import Plan as Plan
from kinto_orm.session.results import CommitResult as CommitResult
from kinto_orm.session.sessions import AsyncSession as AsyncSession
from kinto_orm.session.sessions import Session as Session
