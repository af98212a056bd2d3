"""
Forms with a file, as bytes: what an upload is made of.

The file is read while it is sent, so that its size does not matter.  Names are in UTF-8 (RFC 7578,
section 5.1), with quotes behind a backslash, which the server takes away (RFC 2616, section 2.2).
What browsers write for a quote, ``%22``, would stay as it is.
"""

from __future__ import annotations

import secrets

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from attrs import define

from kinto_orm.exceptions import UnsendableValue
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
    _tail: bytes

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, *size* at the most; none at the end."""
        if self._head:
            part, self._head = _cut(self._head, size)
            return part
        part = self._file.read(BLOCK if size < 0 else size)
        if not part:
            part, self._tail = _cut(self._tail, size)
        return part


def _cut(data: bytes, size: int) -> tuple[bytes, bytes]:
    return (data, b"") if size < 0 else (data[:size], data[size:])


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
        size = len(head) + file.seek(0, 2) + len(tail)
        file.seek(0)
        yield Parts(f"multipart/form-data; boundary={boundary}", size, head, file, tail)


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
    disposition = f'Content-Disposition: form-data; name="{name}"'
    return f"--{boundary}\r\n{disposition}\r\nContent-Type: {mimetype}\r\n\r\n".encode()


def _quoted(text: str) -> str:
    if not text or not text.isprintable():
        msg = f"{text!r} cannot be the name of a file there: it is empty, or not printable"
        raise UnsendableValue(msg)
    return text.replace("\\", "\\\\").replace('"', '\\"')
