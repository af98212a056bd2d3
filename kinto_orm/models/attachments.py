"""What records say of the files that are attached to them."""

from __future__ import annotations

from kinto_orm.models.fields import Embedded, Field, embedded, field
from kinto_orm.models.records import EmbeddedRecord


class OriginalFile(EmbeddedRecord):
    """
    A file as it was before the server compressed it.

    Attributes:
        hash: SHA-256, in hexadecimal digits.
        size: In bytes.
        filename: What it was called where it came from.
        mimetype: What it is.
    """

    hash: Field[str] = field(read_only=True)
    size: Field[int] = field(read_only=True)
    filename: Field[str | None] = field(default=None, read_only=True)
    mimetype: Field[str | None] = field(default=None, read_only=True)


class Attachment(EmbeddedRecord):
    """
    What the server says of the file at a record (its plugin *kinto-attachment*).

        class Model(Record, bucket="main", collection="models"):
            file: Embedded[Attachment | None] = embedded(
                default=None, key="attachment", read_only=True
            )

    The server writes it, when a file is uploaded (see `Session.attach`): nothing in it can be set.
    A record whose file was removed has None.

    Attributes:
        hash: SHA-256 of the file, in hexadecimal digits.
        size: In bytes.
        filename: What it was called where it came from: anything, and so no path to write to.
        mimetype: What it is, such as ``image/png``.
        location: Where it is: a URL, or the end of one.
        original: The file before the server compressed it, if it did.
    """

    hash: Field[str] = field(read_only=True)
    size: Field[int] = field(read_only=True)
    filename: Field[str] = field(read_only=True)
    mimetype: Field[str] = field(read_only=True)
    location: Field[str] = field(read_only=True)
    original: Embedded[OriginalFile | None] = embedded(default=None, read_only=True)
