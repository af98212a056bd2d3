"""
Everything that this package raises.

    KintoException
     ├── InvalidRequest (ValueError)      refused before anything was sent
     │    ├── InvalidId                     an id that Kinto does not take
     │    ├── MissingId (KeyError, TypeError)  it was not said which object is meant
     │    ├── UnsendableValue               a value that JSON or Kinto cannot hold
     │    └── UnsupportedQuery              a condition that the server cannot express
     ├── TransportError                   no usable answer came
     │    ├── NotSent                       the request did not reach the server
     │    │    └── BackoffException             the server asks for a pause that is too long
     │    └── AnswerLost                    it may have: the outcome is unknown
     ├── ResponseError                    the server refused
     │    ├── NotModified                   304
     │    ├── BadRequest                    400
     │    ├── Unauthorized                  401
     │    ├── Forbidden                     403
     │    ├── NotFound                      404
     │    │    ├── BucketNotFound
     │    │    │    └── BucketHidden (Forbidden)  or the user may not see it
     │    │    ├── CollectionNotFound
     │    │    └── RecordNotFound
     │    ├── TransactionConflict           409
     │    ├── PreconditionFailed            412
     │    │    └── SnapshotMoved                while a list was read
     │    ├── TooManyRequests               429
     │    └── ServerError                   5xx
     ├── AttachmentError                  a file that is not what the server says, or a bad name
     ├── ValidationError (ValueError)     a document does not fit its class
     │    └── SchemaViolation (BadRequest)  nor, says the server, the schema of its collection
     ├── NotLoaded                        a part of a record that was not asked for
     ├── MultipleRecordsFound             one() met several
     ├── ConcurrentUseError               a session used from two places at once
     ├── StalePlanError                   a plan whose records have moved on
     ├── Conflict                         a record was changed elsewhere, too
     ├── NotConfirmed                     a look at the server found something else than was written
     ├── KintoBatchException              some operations of a client's batch failed
     ├── OutcomeUnknown                   a write whose fate could not be found out
     ├── EmbeddedServerError              the embedded server did not start, or does not run
     ├── NotAttempted                     a write that a failure before it kept back
     └── CommitError (ExceptionGroup)     a commit that did not succeed in everything
          └── ConflictError                 because of conflicts alone

    UserWarning
     ├── UnsavedChangesWarning            a session was left with changes that are discarded
     └── UnlockedWarning                  a collection could not be locked
"""

from kinto_orm.exceptions.base import KintoException
from kinto_orm.exceptions.commits import (
    CommitError,
    ConcurrentUseError,
    Conflict,
    ConflictError,
    ConflictKind,
    NotAttempted,
    NotConfirmed,
    OutcomeUnknown,
    StalePlanError,
)
from kinto_orm.exceptions.records import (
    AttachmentError,
    MultipleRecordsFound,
    NotLoaded,
    SchemaViolation,
    ValidationError,
)
from kinto_orm.exceptions.refusals import (
    InvalidId,
    InvalidRequest,
    MissingId,
    UnsendableValue,
    UnsupportedQuery,
)
from kinto_orm.exceptions.responses import (
    BadRequest,
    BucketHidden,
    BucketNotFound,
    CollectionNotFound,
    Forbidden,
    KintoBatchException,
    NotFound,
    NotModified,
    PreconditionFailed,
    RecordNotFound,
    ResponseError,
    ServerError,
    SnapshotMoved,
    TooManyRequests,
    TransactionConflict,
    Unauthorized,
)
from kinto_orm.exceptions.transport import (
    AnswerLost,
    BackoffException,
    EmbeddedServerError,
    NotSent,
    TransportError,
)
from kinto_orm.exceptions.warnings import UnlockedWarning, UnsavedChangesWarning


__all__ = [
    "AnswerLost",
    "AttachmentError",
    "BackoffException",
    "BadRequest",
    "BucketHidden",
    "BucketNotFound",
    "CollectionNotFound",
    "CommitError",
    "ConcurrentUseError",
    "Conflict",
    "ConflictError",
    "ConflictKind",
    "EmbeddedServerError",
    "Forbidden",
    "InvalidId",
    "InvalidRequest",
    "KintoBatchException",
    "KintoException",
    "MissingId",
    "MultipleRecordsFound",
    "NotAttempted",
    "NotConfirmed",
    "NotFound",
    "NotLoaded",
    "NotModified",
    "NotSent",
    "OutcomeUnknown",
    "PreconditionFailed",
    "RecordNotFound",
    "ResponseError",
    "SchemaViolation",
    "ServerError",
    "SnapshotMoved",
    "StalePlanError",
    "TooManyRequests",
    "TransactionConflict",
    "TransportError",
    "Unauthorized",
    "UnlockedWarning",
    "UnsavedChangesWarning",
    "UnsendableValue",
    "UnsupportedQuery",
    "ValidationError",
]

# Tracebacks and pickles name the place that all are imported from, not the file that one is in.
for _name in __all__:
    if isinstance(_found := globals()[_name], type):
        _found.__module__ = __name__
