"""
The classes of records that the model knows, and how their documents come about.

What a document says of a field is worked out here once more, from what the pages promise: None
removes a key unless it is kept as null, a default that is not in a document may stay out of it, a
moment keeps the form that it was written in.
"""

from __future__ import annotations

import json

from copy import deepcopy
from datetime import datetime
from typing import Any, Final

from attrs import frozen
from hypothesis import strategies as st

from kinto_orm import Field, JSONPatch, Record, field
from session.models import Address, Todo


Document = dict[str, Any]


class Place(Record, collection="places", tag_field="kind"):
    """Somewhere: a town or a peak."""

    name: Field[str]
    note: Field[str | None] = field(default=None)


class Town(Place, tag="town"):
    """A place with people."""

    people: Field[int] = field(default=0)
    names: Field[dict[str, str]] = field(factory=dict)


class Peak(Place, tag="peak", patch=JSONPatch):
    """A place without."""

    height: Field[int]
    #: What can be seen, nested as deep as one likes.
    views: Field[list[dict[str, int]]] = field(factory=list)


#: In the place of a default, if a value must be given.
REQUIRED: Final = object()


@frozen
class Rule:
    """
    How a field is kept.

    Attributes:
        default: Its default, as JSON.
        values: Values that it may be given, as JSON.
        null: Whether None is kept as null.
    """

    default: Any
    values: st.SearchStrategy[Any]
    null: bool = False


@frozen(eq=False)
class Kind:
    """
    A class of records.

    Attributes:
        model: The class.
        base: The class that has all kinds of its collection.
        collection: Where its records are.
        tag: What all its documents have.
        rules: Its fields, by name; all have their name for a key.
        extra: What its documents may have besides.
    """

    model: type[Record]
    base: type[Record]
    collection: str
    tag: Document
    rules: dict[str, Rule]
    extra: st.SearchStrategy[Document]

    def documents(self) -> st.SearchStrategy[Document]:
        """Give what somebody else may write: no field but the required ones need be there."""
        required = {name: r.values for name, r in self.rules.items() if r.default is REQUIRED}
        optional = {
            name: st.none() | rule.values if rule.default is None else rule.values
            for name, rule in self.rules.items()
            if rule.default is not REQUIRED
        }
        return st.builds(
            lambda fields, extra: {**self.tag, **extra, **fields},
            st.fixed_dictionaries(required, optional=optional),
            self.extra,
        )

    def loaded(self, document: Document, names: frozenset[str]) -> Document:
        """Return the values of the fields *names* in *document*."""
        return {
            name: deepcopy(document.get(name, rule.default))
            for name, rule in self.rules.items()
            if name in names
        }

    def undeclared(self, document: Document) -> Document:
        """Return what *document* has besides."""
        own = {"id", *self.tag, *self.rules}
        return {key: deepcopy(value) for key, value in document.items() if key not in own}


def equal(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are the same; ``1`` is not ``true``."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def python(name: str, value: Any) -> Any:
    """Return the value of a field that *value* is the JSON of."""
    if name == "due" and value is not None:
        return datetime.fromisoformat(value)
    if name == "address" and value is not None:
        return address(value)
    if name == "stops":
        return [address(each) for each in value]
    return deepcopy(value)


def written(name: str, value: Any) -> Any:
    """
    Return the JSON of a field that is given the value which *value* is the JSON of.

    Moments are the same if their offsets are, too.
    """
    if name == "due" and value is not None:
        return datetime.fromisoformat(value).isoformat()
    return deepcopy(value)


def address(value: Document) -> Address:
    """Return the address that *value* is the JSON of."""
    extra = {key: deepcopy(each) for key, each in value.items() if key not in ("city", "zip")}
    return Address(city=value["city"], zip_code=value.get("zip"), extra=extra)


texts = st.sampled_from(["", "a", "b"])
numbers = st.integers(0, 2)
lists = st.lists(texts, max_size=3)
addresses = st.fixed_dictionaries({"city": texts}, optional={"zip": texts, "more": numbers})
objects = st.dictionaries(texts, numbers, max_size=2)

#: The same two moments, in two forms each; the first is how it is written anew.
MOMENTS: Final = ("2026-01-02T03:04:05+00:00", "2027-01-02T03:04:05+00:00")
moments = st.sampled_from([*MOMENTS, "2026-01-02T03:04:05Z", "2027-01-02T04:04:05+01:00"])

#: What a class does not declare.
extras = st.dictionaries(
    st.sampled_from(["more", "less"]),
    st.none() | st.booleans() | numbers | objects | lists | st.just({"deep": {"er": None}}),
    max_size=2,
)

TODO: Final = Kind(
    Todo,
    Todo,
    "todos",
    {},
    {
        "title": Rule(REQUIRED, texts),
        "done": Rule(default=False, values=st.booleans()),
        "priority": Rule(0, numbers),
        "tags": Rule([], lists),
        "due": Rule(None, moments),
        "note": Rule(None, texts),
        "answer": Rule(None, texts, null=True),
        "address": Rule(None, addresses),
        "stops": Rule([], st.lists(addresses, max_size=3)),
    },
    extras,
)
_place = {"name": Rule(REQUIRED, texts), "note": Rule(None, texts)}
TOWN: Final = Kind(
    Town,
    Place,
    "places",
    {"kind": "town"},
    {
        **_place,
        "people": Rule(0, numbers),
        "names": Rule({}, st.dictionaries(texts, texts, max_size=2)),
    },
    extras,
)
PEAK: Final = Kind(
    Peak,
    Place,
    "places",
    {"kind": "peak"},
    {
        **_place,
        "height": Rule(REQUIRED, numbers),
        "views": Rule([], st.lists(objects, max_size=2)),
    },
    extras,
)
KINDS: Final = {"Todo": TODO, "Town": TOWN, "Peak": PEAK}


def kind_of(collection: str, document: Document) -> Kind:
    """Return which kind of record *document* is."""
    if collection == "todos":
        return TODO
    return TOWN if document["kind"] == "town" else PEAK
