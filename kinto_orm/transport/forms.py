"""
Forms with a file, as bytes: what an upload is made of.

The file is read while it is sent, so that its size does not matter.  Names are in UTF-8 (RFC 7578,
section 5.1), with quotes behind a backslash, which the server takes away (RFC 2616, section 2.2).
What browsers write for a quote, ``%22``, would stay as it is.
"""

from __future__ import annotations

import secrets
import unicodedata

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from attrs import define

from kinto_orm.exceptions import AttachmentError, UnsendableValue
from kinto_orm.flow.messages import Form


#: How much of a file is read at once, in bytes.
BLOCK: Final = 2**18


@define
class Parts:
    """
    The bytes of a form, to be read once.

    Attributes:
        content_type: Media type of the whole.
        len: How many bytes there are (the name that *requests* looks for).
    """

    content_type: str
    len: int
    _head: bytes
    _file: BinaryIO
    _left: int
    _tail: bytes

    def read(self, size: int = BLOCK) -> bytes:
        """
        Return the next bytes, *size* at the most; none at the end.

        Raises:
            AttachmentError: If the file has become shorter since it was opened.
        """
        if self._head:
            part, self._head = self._head[:size], self._head[size:]
        elif self._left:
            # Not what was written behind since: the server would take it for another request.
            part = self._file.read(min(size, self._left))
            if not part:
                msg = f"the file became {self._left} bytes shorter while it was sent"
                raise AttachmentError(msg)
            self._left -= len(part)
        else:
            part, self._tail = self._tail[:size], self._tail[size:]
        return part


@contextmanager
def opened(form: Form) -> Generator[Parts]:
    """Give the bytes of *form*, from its start; its file is closed in the end if it is a path."""
    boundary = secrets.token_hex(16)
    head = b"".join(
        _part(boundary, name, value.encode(), "application/json")
        for name, value in form.fields.items()
    )
    head += _part_head(boundary, f'attachment"; filename="{_quoted(form.filename)}', form.mimetype)
    tail = f"\r\n--{boundary}--\r\n".encode()
    with _source(form) as file:
        size = file.seek(0, 2)
        file.seek(0)
        kind = f"multipart/form-data; boundary={boundary}"
        yield Parts(kind, len(head) + size + len(tail), head, file, size, tail)


@contextmanager
def _source(form: Form) -> Generator[BinaryIO]:
    if isinstance(form.source, Path):
        with form.source.open("rb") as file:
            yield file
    else:
        yield form.source


def _part(boundary: str, name: str, content: bytes, mimetype: str) -> bytes:
    return _part_head(boundary, _quoted(name), mimetype) + content + b"\r\n"


def _part_head(boundary: str, name: str, mimetype: str) -> bytes:
    if not (mimetype.isascii() and mimetype.isprintable()):
        msg = f"{mimetype!r} is not the type of a file: it is not printable ASCII"
        raise UnsendableValue(msg)
    disposition = f'Content-Disposition: form-data; name="{name}"'
    return f"--{boundary}\r\n{disposition}\r\nContent-Type: {mimetype}\r\n\r\n".encode()


def _quoted(text: str) -> str:
    if not text or any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
        msg = f"{text!r} cannot be the name of a file there: it is empty, or no text"
        raise UnsendableValue(msg)
    return text.replace("\\", "\\\\").replace('"', '\\"')
