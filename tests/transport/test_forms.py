"""Uploads as bytes: read back by the parser of the standard library."""

from __future__ import annotations

import io
import re

from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from hypothesis import example, given
from hypothesis import strategies as st

from flow.scripts import LAW
from kinto_orm.exceptions import AttachmentError, UnsendableValue
from kinto_orm.flow import Form
from kinto_orm.transport.forms import BLOCK, Parts, opened


#: What a file may be called: any text but control characters and halves of characters.
NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30)


def contents(parts: Parts, size: int | None = None) -> bytes:
    """Return all bytes of *parts*, *size* at a time."""
    read = parts.read if size is None else lambda: parts.read(size)
    return b"".join(iter(read, b""))


def parsed(content_type: str, body: bytes) -> list[tuple[str, str | None, str, bytes]]:
    """Return name, file name, type and content of each part of a form."""
    message = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    assert message.is_multipart()
    assert not message.defects
    found = []
    for part in message.get_payload():
        assert isinstance(part, Message)
        name, filename = (_parameter(part, each) for each in ("name", "filename"))
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        assert name is not None
        found.append((name, filename, part.get_content_type(), content))
    return found


def _parameter(part: Message, name: str) -> str | None:
    """Return a parameter of a disposition: quoted, with backslashes, in UTF-8 (RFC 7578, 4.2)."""
    (raw,) = (value for key, value in part.raw_items() if key.lower() == "content-disposition")
    text = str(raw).encode("ascii", "surrogateescape").decode()
    found = re.search(rf'; {name}="((?:[^"\\]|\\.)*)"', text)
    return None if found is None else re.sub(r"\\(.)", r"\1", found[1])


def form(content: bytes = b"", **options: Any) -> Form:
    """Return a form with a file in it."""
    given = {"filename": "a.txt", "mimetype": "text/plain", **options}
    return Form(io.BytesIO(content), **given)


class TestBytes:
    @LAW
    @given(
        content=st.binary(max_size=200),
        filename=NAMES,
        data=st.text(st.characters(exclude_categories=["Cs"])),
        size=st.none() | st.integers(1, 50),
    )
    @example(content=b"\r\n--", filename='"', data="\r\n", size=1)
    @example(content=b"\r\n", filename="\\", data='{"é": "\\n"}', size=None)
    @example(content=b"--\r\n\0\xff", filename='a";name="x', data="", size=7)
    def test_law(self, content: bytes, filename: str, data: str, size: int | None) -> None:
        """Names and contents arrive as they are, however they are read; the length is right."""
        fields = {"data": data, "permissions": "{}"}
        with opened(form(content, filename=filename, fields=fields)) as parts:
            length, body = parts.len, contents(parts, size)
            assert parts.read() == b""
        assert length == len(body)
        assert parsed(parts.content_type, body) == [
            ("data", None, "application/json", data.encode()),
            ("permissions", None, "application/json", b"{}"),
            ("attachment", filename, "text/plain", content),
        ]

    @pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
    def test_large(self, size: int) -> None:
        """A file is read in parts, whatever its size."""
        content = bytes(size)
        with opened(form(content)) as parts:
            pieces = list(iter(parts.read, b""))
        assert max(map(len, pieces)) <= BLOCK
        assert parsed(parts.content_type, b"".join(pieces))[-1][-1] == content

    def test_boundaries(self) -> None:
        """Each time there is another boundary, so that no file can foresee it."""
        found = set()
        for _ in range(20):
            with opened(form()) as parts:
                found.add(parts.content_type)
        assert len(found) == 20


class TestSources:
    def test_from_its_start(self) -> None:
        """A file that was read is read from its start, at each attempt; it stays open."""
        file = io.BytesIO(b"content")
        file.read(3)
        for _ in range(3):
            with opened(Form(file, "a", "text/plain")) as parts:
                assert parsed(parts.content_type, contents(parts))[0][-1] == b"content"
        assert not file.closed

    def test_path(self, tmp_path: Path) -> None:
        """The file at a path is opened for each attempt, and closed."""
        path = tmp_path / "a.txt"
        for content in (b"first", b"second"):
            path.write_bytes(content)
            with opened(Form(path, "a.txt", "text/plain")) as parts:
                assert parsed(parts.content_type, contents(parts))[0][-1] == content
            path.unlink()
        with pytest.raises(FileNotFoundError), opened(Form(path, "a.txt", "text/plain")):
            pass

    def test_grows(self) -> None:
        """What is written to a file while it is sent is not sent: the length is promised."""
        file = io.BytesIO(b"content")
        with opened(Form(file, "a", "text/plain")) as parts:
            length = parts.len
            file.getbuffer()
            file.seek(0, 2)
            file.write(b", and more")
            file.seek(0)
            body = contents(parts)
        assert len(body) == length
        assert parsed(parts.content_type, body)[0][-1] == b"content"

    def test_shrinks(self) -> None:
        """A file that becomes shorter cannot be sent as it was promised."""
        file = io.BytesIO(b"content")
        with opened(Form(file, "a", "text/plain")) as parts:
            file.truncate(3)
            with pytest.raises(AttachmentError, match="became 4 bytes shorter"):
                contents(parts)


class TestRefused:
    @pytest.mark.parametrize("filename", ["", "a\nb", "a\r\nX: y", "a\0", "\x7f", "\ud800", "\x85"])
    def test_names(self, filename: str) -> None:
        """A name that would end the line, or is no text, is refused."""
        with pytest.raises(UnsendableValue, match="cannot be the name of a file"):
            opened(form(filename=filename)).__enter__()

    @pytest.mark.parametrize("mimetype", ["text/plain\r\nX: y", "té/xt", "text/\0"])
    def test_types(self, mimetype: str) -> None:
        """So is a type that could not be in a header."""
        with pytest.raises(UnsendableValue, match="is not the type of a file"):
            opened(form(mimetype=mimetype)).__enter__()
