"""
The short way to tell that a record is as it was loaded.

It is one function for each class, written as source: much of a document is in the record as the
very same objects, and most records that a commit looks at are clean.  It says "certainly", or
"most likely changed"; or nothing, by None or any error: then longer tests decide (see `clean`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from types import NoneType
from typing import Any, Final, TypeAlias, get_args

import attrs

from attrs import NOTHING

from kinto_orm.flow.messages import Document
from kinto_orm.models.forms import is_ours
from kinto_orm.models.source import Source, indented
from kinto_orm.models.specs import Spec
from kinto_orm.models.state import EXTRA, HELD, PART
from kinto_orm.models.types import is_closed, is_model, members_of, model_of, origin_of, plain


#: Tells whether a record certainly stands for a document; False if that is not likely, either.
Certain: TypeAlias = Callable[[Any, Document], bool | None]

#: Returns the fields of a record that are not certainly as a document has them, which has them all.
Doubts: TypeAlias = Callable[[Any, Document], list[Spec]]

#: Types of which many values are one object each, so that a default is known by its identity.
_SINGLE: Final = (str, int, bool, float)

#: What makes empty values.
_EMPTY: Final = (list, dict, set)


class Certainty:
    """
    Writes the function for a class.

    Args:
        model: The class.
        specs: Its fields.
        holds_extra: Tells whether `extra` is in a document.
        certain_of: Returns the function for another class.
    """

    def __init__(
        self,
        model: type[Any],
        specs: Iterable[Spec],
        *,
        holds_extra: Callable[[Any, Document], bool],
        certain_of: Callable[[Any], Certain],
    ) -> None:
        self._model, self._specs = model, tuple(specs)
        self._holds_extra, self._certain_of = holds_extra, certain_of
        self._source = Source()

    def doubts(self) -> Doubts:
        """Return the function that gives the fields of a record that are not certainly the same."""
        source = self._source = Source()
        source.add("doubts = []")
        for spec in self._specs:
            source.add(*self._compared(spec, f"doubts.append({source.name(spec)})"))
        source.add("return doubts")
        function: Doubts = source.function("record, document", self._model)
        return function

    def certain(self) -> Certain:
        """Return the function that looks at a whole record."""
        source, model = Source(), self._model
        self._source = source
        holds_extra = source.name(self._holds_extra)
        compared = {spec: self._compared(spec) for spec in self._specs}
        beside = 2 * model._is_record + (model._tag is not None)
        if model._is_record:
            source.add(
                f"if record.{HELD} is not None: return None",
                "if record.id is not document['id']: return False",
                "if 'last_modified' not in document: return None",
            )
        if model._tag is not None:
            source.add(f"if document[{model._tag_field!r}] != {model._tag!r}: return None")
        source.add(f"extra = record.{EXTRA}")
        # A document that has as many keys as there may be, and lacks none.
        source.add(f"if not extra and len(document) == {beside + len(self._specs)}:")
        source.add(*indented(line for lines in compared.values() for line in lines))
        source.add("    return True")
        if model._is_record:  # What a part lacks need not be the default.
            source.add(f"if record.{PART} is not None: return None")
        source.add(f"n = {beside + sum(spec.default is NOTHING for spec in self._specs)}")
        if model._is_record and all(spec.key != "schema" for spec in self._specs):
            source.add("if 'schema' in document: n += 1")  # It is the server's.
        for spec, lines in compared.items():
            self._add_field(spec, lines)
        source.add(
            "if not extra: return n == len(document) or None",
            f"return n + len(extra) == len(document) and {holds_extra}(extra, document) or None",
        )
        function: Certain = source.function("record, document", model)
        return function

    def _add_field(self, spec: Spec, compared: list[str]) -> None:
        """Have a field *compared* that a document may lack, if it has a default."""
        source = self._source
        if spec.default is NOTHING:
            source.add(*compared)
            return
        source.add(f"if {spec.key!r} in document:", *indented(["n += 1", *compared]))
        other = self._other(spec)
        source.add(f"elif {other}: return None" if other else "else: return None")

    def _other(self, spec: Spec) -> str:
        """Return what is true if a field whose key is missing may have another than its default."""
        source, default, value = self._source, spec.default, f"record.{spec.name}"
        if default is None and (spec.exact or not spec.null):
            return f"{value} is not None"
        if default.__class__ in _SINGLE and spec.exact:
            return f"{value} is not {source.name(default)}"
        made: Any = default.factory if isinstance(default, attrs.Factory) else None  # type: ignore[arg-type]
        if made not in _EMPTY or not is_ours(spec.converter.get_unstructure_hook(spec.kind)):
            return ""
        first = f"record._made[{spec.key!r}] != {source.name(spec.encoded(made()))}"
        return f"{value} or {value}.__class__ is not {made.__name__} or {first}"

    def _compared(self, spec: Spec, other: str = "return False") -> list[str]:
        """Return what does *other* unless the value of a field is what is written."""
        source, value, written = self._source, f"record.{spec.name}", f"document[{spec.key!r}]"
        if spec.test is None:
            return [other.replace("False", "None")]
        if spec.is_verbatim and is_closed(spec.kind):
            return [f"if {value} is not {written}: {other}"]
        lines = self._tested(spec.kind, spec, other)
        lines = lines or [f"if not {source.name(spec.test)}(v, w): {other}"]
        return [f"v = {value}", f"w = {written}", *lines]

    def _tested(self, kind: Any, spec: Spec, other: str) -> list[str]:
        """Return the same of *v* and *w*, for types whose test is short enough."""
        source, bare, members = self._source, plain(kind), members_of(kind)
        if not is_ours(spec.converter.get_unstructure_hook(kind)):
            return []
        if len(members) == 2 and NoneType in members:
            (inner,) = (member for member in members if member is not NoneType)
            lines = self._tested(inner, spec, other)
            return ["if v is not w or v is not None:", *indented(lines)] if lines else []
        if bare is int:
            return [f"if v is not w or v.__class__ is not int: {other}"]
        if bare is date:
            read = source.name(date.fromisoformat)
            same = f"v.__class__ is {source.name(date)} and v == {read}(w)"
            return [f"if not ({same}): {other}"]
        if is_model(bare):
            return self._inside(bare, other)
        items = get_args(bare)
        is_texts = origin_of(bare) is list and [plain(each) for each in items] == [str]
        if is_texts and is_ours(spec.converter.get_unstructure_hook(items[0])):
            return _texts(other)
        return []

    def _inside(self, kind: Any, other: str) -> list[str]:
        """Return the same for embedded records of one class, which know what they are of."""
        source, model, certain_of = self._source, model_of(kind), self._certain_of
        if model is None or model is not kind or model._is_record or model._tag_field:
            return []
        certain = source.later(lambda: certain_of(kind))
        known = f"v.__class__ is {source.name(model)} and v._document is w"
        return [f"if not ({known} and {certain}(v, w)): {other}"]


def _texts(other: str) -> list[str]:
    """Return what does *other* unless *v* is the list of texts *w*."""
    return [
        f"if v.__class__ is not list or v != w: {other}",
        "else:",
        "    for each in v:",
        "        if each.__class__ is not str:",
        f"            {other}",
        "            break",
    ]
