"""Typed records on a Kinto server, changed in a unit of work."""

from kinto_orm.client.clients import AsyncClient as AsyncClient, Client as Client
from kinto_orm.exceptions import CommitError as CommitError, Conflict as Conflict
from kinto_orm.exceptions import ConflictError as ConflictError
from kinto_orm.exceptions import KintoException as KintoException
from kinto_orm.exceptions import RecordNotFound as RecordNotFound
from kinto_orm.exceptions import UnsavedChangesWarning as UnsavedChangesWarning
from kinto_orm.exceptions import ValidationError as ValidationError
from kinto_orm.flow import RetryPolicy as RetryPolicy
from kinto_orm.models.converters import converter as converter
from kinto_orm.models.fields import Embedded as Embedded, Field as Field
from kinto_orm.models.fields import embedded as embedded, field as field
from kinto_orm.models.records import EmbeddedRecord as EmbeddedRecord, Record as Record
from kinto_orm.patch_type import BasicPatch as BasicPatch, JSONPatch as JSONPatch
from kinto_orm.patch_type import MergePatch as MergePatch
from kinto_orm.session.planning import Plan as Plan
from kinto_orm.session.results import CommitResult as CommitResult
from kinto_orm.session.sessions import AsyncSession as AsyncSession, Session as Session
