"""
What a server says of data that a schema forbids, and where in the data that is.

It names the last step of the path alone, and for a missing key some other one (docs/protocol.md,
D4).  So the data is searched for that step: where there is one such place, that is the path.
"""

from __future__ import annotations

import re

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from kinto_orm.flow.faults import Fault
from kinto_orm.flow.messages import Request, Response


#: What Kinto says of a request that is none, whatever the schema is.
_OF_THE_REQUEST: Final = re.compile(
    r"Required$|Cannot modify |Object id |Provide at least |Unrecognized keys |Invalid JSON"
    r"|Should be a JSON |JSON Patch |.* is not a mapping type: |.* is not iterable",
    re.DOTALL,
)

#: What jsonschema says of a missing key.
_MISSING: Final = re.compile(r"(['\"])(.*)\1 is a required property", re.DOTALL)


def is_violation(request: Request, response: Response) -> bool:
    """Tell whether *response* is a refusal of a record by the schema of its collection."""
    return (
        response.status == 400
        and request.writes
        and "/records" in request.path
        and any(_is_of_data(detail) for detail in _details(response))
    )


def faults_of(response: Response, data: Any) -> list[Fault]:
    """
    Return what is wrong with *data*, each with its path, as far as that can be told.

    The path is the step that the server names if several places have it, or none.
    """
    return [_fault(detail, data) for detail in _details(response) if _is_of_data(detail)]


def _details(response: Response) -> list[Mapping[str, Any]]:
    body = response.body
    details = body.get("details") if isinstance(body, Mapping) else None
    if not isinstance(details, Sequence) or isinstance(details, str):
        return []
    return [detail for detail in details if isinstance(detail, Mapping)]


def _is_of_data(detail: Mapping[str, Any]) -> bool:
    description = detail.get("description")
    return (
        detail.get("location") == "body"
        and detail.get("name") not in (None, "")
        and isinstance(description, str)
        and not _OF_THE_REQUEST.match(description)
    )


def _fault(detail: Mapping[str, Any], data: Any) -> Fault:
    step, description = detail["name"], detail["description"]
    if isinstance(step, (dict, list)):
        return Fault("", description)  # A part of the schema, which is of the document as a whole.
    if (missing := _MISSING.fullmatch(description)) is not None:
        return Fault(_path_of_missing(missing[2], step, data), description)
    found = [(path, value) for path, last, value in _places(data, "") if last == step]
    # The value comes first in what most keywords say.
    shown = [(path, value) for path, value in found if description.startswith(repr(value))]
    if len(one := shown or found) == 1:
        return Fault(one[0][0], description, found=one[0][1])
    return Fault(str(step), description)


def _path_of_missing(key: str, step: Any, data: Any) -> str:
    """
    Return the path of a *key* that is missing: in what *step* names, or in *data* itself.

    In the second case *step* is a key as well, the last one that *data* must have.
    """
    places = [
        f"{path}.{key}"
        for path, last, value in _places(data, "")
        if last == step and isinstance(value, Mapping) and key not in value
    ]
    if isinstance(step, str) and (not isinstance(data, Mapping) or key not in data):
        places.append(key)
    return places[0] if len(places) == 1 else key


def _places(value: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Give each place inside *value*: its path, the last step of that, and what is there."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            deeper = f"{path}.{key}" if path else str(key)
            yield deeper, key, inner
            yield from _places(inner, deeper)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield f"{path}[{index}]", index, inner
            yield from _places(inner, f"{path}[{index}]")
