"""
What programs around Kinto do with records and texts; the names are those of kinto-http.

Nothing here asks a server.  Records are plain dictionaries, as the client gives them, and are
never changed.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

from kinto_orm.client.paths import ID
from kinto_orm.exceptions import InvalidId
from kinto_orm.flow.json import same


T = TypeVar("T")

Document: TypeAlias = dict[str, Any]

_MISSING: Final = object()


# -- Records -----------------------------------------------------------------------------------


def collection_diff(
    src: Iterable[Document],
    dest: Iterable[Document],
    *,
    equal: Callable[[Document, Document], bool] | None = None,
) -> tuple[list[Document], list[tuple[Document, Document]], list[Document]]:
    """
    Return what has to be done to *dest* for it to have the records of *src*.

    Neither is changed.

    Args:
        src: The records that there should be.  Of several with one id, the last counts.
        dest: The records that there are.
        equal: Tells whether two records, one of each, are equal; `records_equal` by default.

    Returns:
        Three lists: records to create; pairs of a record to update, as *dest* has it, and what
        is to be there, without ``last_modified``; records to delete.
    """
    equal = equal or records_equal
    wanted = {record["id"]: record for record in src}
    there = {record["id"]: record for record in dest}
    to_create = [record for id, record in wanted.items() if id not in there]
    to_update = [
        (there[id], _without(record, "last_modified"))
        for id, record in wanted.items()
        if id in there and not equal(record, there[id])
    ]
    to_delete = [record for id, record in there.items() if id not in wanted]
    return to_create, to_update, to_delete


def records_equal(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """
    Tell whether two records are equal, but for what the server sets.

    That is ``last_modified``, and a ``schema`` that is an integer: where records are validated,
    Kinto writes the version of the schema there (docs/protocol.md, D4).  Any other *schema* is the
    user's own.  Values are compared as by `same`.
    """
    return same(_own(a), _own(b))


def _own(record: Mapping[str, Any]) -> Document:
    """Return *record* without what the server sets."""
    schema = record.get("schema")
    if isinstance(schema, int) and not isinstance(schema, bool):
        return _without(record, "last_modified", "schema")
    return _without(record, "last_modified")


def _without(record: Mapping[str, Any], *names: str) -> Document:
    return {name: value for name, value in record.items() if name not in names}


# -- Order -------------------------------------------------------------------------------------


def sort_records(records: Iterable[Document], sort: str) -> list[Document]:
    """
    Return *records* in the order that a Kinto server would list them in.

    By type that is null, text, numbers, false and true, lists, objects; then records that do not
    have the field (docs/protocol.md, F5).  Texts are in the order of their code points.  A list
    comes before a longer one, an object before one with more keys.  That is PostgreSQL's order,
    but for an empty list, which it has before null.  Kinto's memory storage does not sort
    objects, nor lists of different lengths in the same way.

    Args:
        records: They keep their order where *sort* makes no difference.
        sort: Names of fields, with a ``-`` for the opposite order, separated by commas:
            ``"name,-last_modified"``.  Dots lead into objects (``"address.city"``), unless the
            record has a field of exactly that name.
    """
    ordered = list(records)
    for field in reversed([each.strip() for each in sort.split(",")]):
        if name := field.lstrip("+-"):
            ordered.sort(key=_by(name), reverse=field.startswith("-"))
    return ordered


def _by(name: str) -> Callable[[Document], tuple[Any, ...]]:
    return lambda record: _rank(_found(record, name))


def _found(record: Mapping[str, Any], path: str) -> Any:
    """Return what *record* has at a dotted *path*."""
    if path in record:
        return record[path]
    first, _, rest = path.partition(".")
    inner = record.get(first)
    return _found(inner, rest) if rest and isinstance(inner, Mapping) else _MISSING


def _rank(value: Any) -> tuple[Any, ...]:
    """Return what puts *value* in its place among values of all types."""
    if value is _MISSING:
        return (6,)
    if value is None:
        return (0,)
    if isinstance(value, bool):
        return 3, value
    if isinstance(value, (int, float)):
        return 2, value
    if isinstance(value, (list, tuple)):
        return 4, len(value), [_rank(item) for item in value]
    if isinstance(value, Mapping):
        keys: list[str] = sorted(value, key=_as_stored)
        return 5, len(value), [(key, _rank(value[key])) for key in keys]
    return 1, str(value)


def _as_stored(key: str) -> tuple[int, str]:
    """Return what puts the keys of an object in PostgreSQL's order: short ones come first."""
    return len(key.encode(errors="surrogatepass")), key


# -- Texts and files ---------------------------------------------------------------------------


def slugify(value: object) -> str:
    """
    Return an id that Kinto takes, made of the text of *value*.

    A valid id stays as it is.  Of anything else, what cannot be put as ASCII is left out, letters
    become small, and what is between words a single hyphen.  So different texts can become the
    same id.  The client never does this on its own: it sends ids as they are, or refuses them.

    Raises:
        InvalidId: If nothing remains (a `ValueError`).
    """
    text = str(value)
    if ID.fullmatch(text):
        return text
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.sub(r"[^\w\s-]", "", ascii_text.lower()).strip()
    slug = re.sub(r"[-\s]+", "-", words).strip("-").lstrip("-_")
    if not slug:
        msg = f"nothing of {text!r} can be part of an id"
        raise InvalidId(msg)
    return slug


def urljoin(server_url: str, path: str) -> str:
    """Return *server_url* and *path* with one slash in between."""
    return f"{server_url.rstrip('/')}/{path.lstrip('/')}"


def quote(text: object) -> str:
    """
    Return a timestamp as it is written in `If-Match`: in double quotes, once.

    A ``*`` stays bare, as it must (docs/protocol.md, P1).
    """
    bare = str(text).strip('"')
    return bare if bare == "*" else f'"{bare}"'


def chunks(lst: list[T], n: int) -> Iterator[list[T]]:
    """Give the items of *lst* in parts of *n*, the last of which may be shorter; all if n <= 0."""
    if n <= 0:
        yield lst
        return
    for start in range(0, len(lst), n):
        yield lst[start : start + n]


def json_iso_datetime(obj: Any) -> str:
    """
    Return a date, or a date and time, as ISO 8601 has it: a *default* for `json.dumps`.

    Raises:
        TypeError: If it is anything else.
    """
    if isinstance(obj, date):  # Of which datetime is a kind.
        return obj.isoformat()
    msg = f"{obj!r} is a {type(obj).__name__}, which JSON does not have"
    raise TypeError(msg)


def json_dumps(obj: Any, **options: Any) -> str:
    """Return *obj* as JSON, with dates in ISO 8601; *options* are those of `json.dumps`."""
    options.setdefault("default", json_iso_datetime)
    return json.dumps(obj, **options)


def compute_sha256(filepath: str | Path) -> str:
    """Return the SHA-256 of a file in hexadecimal; it is read in blocks."""
    with Path(filepath).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
