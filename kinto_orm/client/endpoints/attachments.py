"""
Files at records (the plugin `kinto-attachment`).

They are read and written in parts, whatever their size.  What comes from the server is not
trusted (docs/protocol.md, D5): the name of a file is never a path, a file is asked for where the
server keeps its files and nowhere else, without credentials, and it takes its place only when its
size and its hash are right.
"""

from __future__ import annotations

import json
import mimetypes
import os
import unicodedata

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urljoin, urlsplit

from kinto_orm.client.endpoints.objects import Id, Permissions, accepted, fetch
from kinto_orm.client.endpoints.server import ServerEndpoints, server_root
from kinto_orm.exceptions import AttachmentError, InvalidRequest
from kinto_orm.flow import Document, Form, Program, Request, Response, Work, operation
from kinto_orm.flow.messages import Download
from kinto_orm.flow.recovering import hashes, sha256
from kinto_orm.transport.codec import encode, jsonable


#: How much of a file is written at once, in bytes.
_BLOCK: Final = 2**18

#: What leads elsewhere, here or on other systems.
_NOT_IN_NAMES: Final = frozenset("/\\:" if os.name == "nt" else "/\\")

#: What means something in a URL (RFC 3986, section 2.2), and what encodes the rest.
_IN_URLS: Final = ":/?#[]@!$&'()*+,;=%"


class AttachmentEndpoints(ServerEndpoints):
    """Endpoints of the files at records."""

    @operation
    def download_attachment(
        self,
        record: Mapping[str, Any],
        filepath: str | os.PathLike[str] | None = None,
        save_metadata: bool = False,  # noqa: FBT001, FBT002 (as kinto-http's)
        overwrite: bool = False,  # noqa: FBT001, FBT002
        chunk_size: int = _BLOCK,
    ) -> Program[str]:
        """
        Download the file at a record; return where it is.

        Nothing is sent if it is there already.  If anything goes wrong, what was there stays.

        Args:
            record: Data of the record.
            filepath: Where to write it, or a folder to write it to, under the name that the record
                says; if omitted, the folder where the program runs.
            save_metadata: Whether to write *record* beside it, to a file with the suffix
                ``.meta.json``.
            overwrite: Whether to replace another file.
            chunk_size: How much is written at once, in bytes.

        Raises:
            ValueError: If the record has no attachment.
            FileExistsError: If another file is there, and not *overwrite*.
            AttachmentError: If its name is none, if it is said to be elsewhere, or if it is not
                what the record says.
        """
        import secrets  # With what few programs need.

        attachment = _of(record)
        target: Path = yield Work(lambda: _target(attachment, filepath))
        if not (yield Work(lambda: _is_there(target, attachment, overwrite=overwrite))):
            info = yield from server_root(self._known)
            url = _url(info, self._root, attachment["location"])
            # Beside its place, so that it can take it at once; its own name may be as long as
            # names can be.
            part = target.with_name(f".{secrets.token_hex(8)}.part")
            try:
                yield from _downloaded(url, part, attachment, chunk_size)
                yield Work(lambda: part.replace(target))
            finally:
                part.unlink(missing_ok=True)
        if save_metadata:
            yield Work(lambda: _save_metadata(target, record))
        return str(target)

    @operation
    def add_attachment(
        self,
        id: Id,
        filepath: str | os.PathLike[str],
        filename: str | None = None,
        bucket: Id | None = None,
        collection: Id | None = None,
        data: Document | None = None,
        permissions: Permissions | None = None,
        mimetype: str | None = None,
    ) -> Program[dict[str, Any]]:
        """
        Upload a file to a record, which is created if there is none.

        Args:
            id: Id of the record.
            filepath: Where the file is.
            filename: What it is called there; if omitted, as here.
            bucket: Id of the bucket; if omitted, that of the client.
            collection: Id of the collection; if omitted, that of the client.
            data: Attributes of the record to replace.
            permissions: Permissions of the record to replace.
            mimetype: What it is; if omitted, what its name says.

        Returns:
            What the server says of it: ``filename``, ``hash`` (SHA-256), ``location``,
            ``mimetype``, ``size`` in bytes.

        Raises:
            OSError: If the file cannot be read; nothing is sent.
            AttachmentError: If the server has something else.
        """
        path = self._path("attachment", bucket, collection, id=id)
        for part in (data, permissions):
            if part is not None and not isinstance(part, dict):
                # The server would refuse it too late: when the file before it is gone.
                msg = f"data and permissions must be dictionaries, not {part!r}"
                raise InvalidRequest(msg)
        if data is not None and str(data.get("id", id)) != str(id):
            msg = f"which record? Both id={id!r} and {data['id']!r} in data are given"
            raise InvalidRequest(msg)
        source = Path(filepath)
        digest: str = yield Work(lambda: sha256(source))
        name = source.name if filename is None else filename
        kind = mimetype or mimetypes.guess_type(name)[0] or "application/octet-stream"
        fields = {"data": data, "permissions": permissions}
        texts = {
            name: encode(jsonable(part)).decode()
            for name, part in fields.items()
            if part is not None
        }
        request = Request("POST", path, body=Form(source, name, kind, texts))
        response: Response = yield request
        attachment: dict[str, Any] = accepted(request, response).body
        if not response.rehearsed and digest not in hashes(attachment):
            msg = f"{path}: the server has something else than {source}: was it changed meanwhile?"
            raise AttachmentError(msg, request=request, response=response)
        return attachment

    @operation
    def remove_attachment(
        self, id: Id, bucket: Id | None = None, collection: Id | None = None
    ) -> Program[None]:
        """
        Remove the file from a record, which stays.

        The record is looked at first: the server would create one that does not exist.

        Raises:
            RecordNotFound: If there is no such record.
        """
        there = yield from fetch(self._path("record", bucket, collection, id=id), leads=True)
        if there["data"].get("attachment") is None:
            return
        path = self._path("attachment", bucket, collection, id=id)
        response: Response = yield (request := Request("DELETE", path))
        accepted(request, response)


def _of(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what *record* says of its file."""
    attachment = record.get("attachment")
    if not attachment:
        msg = f"the record {record.get('id')!r} has no attachment"
        raise ValueError(msg)
    kinds = {"location": str, "hash": str, "size": int}
    for name, kind in kinds.items():
        if not isinstance(attachment, Mapping) or not isinstance(attachment.get(name), kind):
            msg = f"the attachment of the record {record.get('id')!r} has no {name}"
            raise AttachmentError(msg)
    return attachment


def _target(attachment: Mapping[str, Any], filepath: str | os.PathLike[str] | None) -> Path:
    """Return where to write."""
    target = Path.cwd() if filepath is None else Path(filepath)
    return target / _name(attachment) if target.is_dir() else target


def _name(attachment: Mapping[str, Any]) -> str:
    """Return what the server calls a file, if that is a name and not a path."""
    name = attachment.get("filename")
    is_name = (
        isinstance(name, str)
        and name not in ("", ".", "..")
        and not set(name) & _NOT_IN_NAMES
        and not any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name)
    )
    if not is_name:
        msg = f"the attachment is called {name!r}, which is no name for a file: give filepath="
        raise AttachmentError(msg)
    assert isinstance(name, str)
    return name


def _is_there(target: Path, attachment: Mapping[str, Any], *, overwrite: bool) -> bool:
    """
    Tell whether *target* is the file at a record.

    Raises:
        FileExistsError: If it is another, and not to be replaced.
    """
    if not target.exists():
        return False
    if target.stat().st_size == attachment.get("size") and sha256(target) == attachment["hash"]:
        return True
    if not overwrite:
        msg = f"{target} exists and is not the attachment: give overwrite=True to replace it"
        raise FileExistsError(msg)
    return False


def _url(info: Mapping[str, Any], server_url: str, location: str) -> str:
    """Return the whole URL of a file, which must be where the server keeps them."""
    capability = info.get("capabilities", {}).get("attachments")
    if capability is None:
        msg = "the server has no attachments: its plugin kinto-attachment is not enabled"
        raise AttachmentError(msg)
    if not capability.get("base_url"):
        msg = "the server does not say where its attachments are (attachment.base_url)"
        raise AttachmentError(msg)
    base: str = urljoin(f"{server_url}/", capability["base_url"].rstrip("/") + "/")
    url = _joined(base, quote(location, safe=_IN_URLS, errors="replace"))
    if url is None:
        msg = f"the attachment is said to be at {location!r}, which is not where {base} is"
        raise AttachmentError(msg)
    return url


def _joined(base: str, location: str) -> str | None:
    """Return the URL of the file at *location* if it is on the host of *base*, or None."""
    try:
        url = urljoin(base, location)
        if not url.startswith(base) and urlsplit(location)[:2] == ("", ""):
            url = urljoin(base, location.lstrip("/"))
        parts, given = urlsplit(url), unquote(urlsplit(location).path)
    except ValueError:
        return None
    is_there = (
        parts[:2] == urlsplit(base)[:2]
        and ".." not in given.replace("\\", "/").split("/")
        and not parts.path.endswith("/")
    )
    return url if is_there else None


def _downloaded(url: str, part: Path, attachment: Mapping[str, Any], block: int) -> Program[None]:
    """Write the file at *url* to *part*, and compare it to what the record says."""
    yield Work(lambda: part.parent.mkdir(parents=True, exist_ok=True))
    into = Download(part, block, enough=attachment["size"])
    request = Request("GET", urlsplit(url).path, url=url, into=into)
    response: Response = yield request
    seen = accepted(request, response).body
    for name in ("size", "hash"):
        if seen[name] != attachment[name]:
            msg = (
                f"GET {url}: {name} is {seen[name]}, and not {attachment[name]} as the record says;"
                " nothing was kept"
            )
            raise AttachmentError(msg, request=request, response=response)


def _save_metadata(target: Path, record: Mapping[str, Any]) -> None:
    beside = target.with_name(f"{target.name}.meta.json")
    beside.write_text(json.dumps(dict(record)), encoding="utf-8")
