"""
Whether a record certainly stands for the document that it was loaded from.

Most records of a session are not changed, and a commit looks at all of them.  So this is found out
without writing a record again, by the tests of its fields (see `sameness`).  It says "certainly",
or nothing: then the record is written and compared (see `layout`), which has the last word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from kinto_orm.flow.messages import Document
from kinto_orm.models.certainty import Certain, Certainty, Doubts
from kinto_orm.models.sameness import is_same_json
from kinto_orm.models.state import EXTRA


if TYPE_CHECKING:
    from kinto_orm.models.records import Model
    from kinto_orm.models.specs import Spec


_ABSENT: Final = object()
_MISSING: Final = object()


class Comparison:
    """The test for records of a class, embedded or not."""

    def __init__(
        self,
        model: type[Any],
        specs: Iterable[Spec],
        keys: AbstractSet[str],
        certain_of: Callable[[Any], Certain],
    ) -> None:
        specs = tuple(specs)
        self._certainty = Certainty(
            model, specs, holds_extra=self._holds_extra, certain_of=certain_of
        )
        self._fields = tuple(
            (spec.name, spec.key, spec.is_verbatim, spec.test or spec.is_written, spec)
            for spec in specs
        )
        self._is_record: bool = model._is_record
        self._tag: str | None = model._tag
        self._tag_field: str = model._tag_field
        #: How many keys a document has that lacks none, and has none that is not declared.
        self._count = len(specs) + (2 if self._is_record else 0) + (self._tag is not None)
        #: Where a schema is the server's: it stays as it is.
        self._has_schema = all(spec.key != "schema" for spec in specs)
        #: What `extra` must not hold.
        self._not_extra = keys | {"__permissions__"}

    @cached_property
    def certain(self) -> Certain:
        """Return what says so of most records; of others that they were changed, or nothing."""
        return self._certainty.certain()

    @cached_property
    def doubts(self) -> Doubts:
        """Return what gives the fields of which that is not certain."""
        return self._certainty.doubts()

    def holds(self, record: Model, document: Document) -> bool:
        """Tell whether *record* certainly stands for *document*."""
        try:
            if self.certain(record, document):
                return True
        except Exception:  # noqa: BLE001, S110 (the tests of the fields decide)
            pass
        state, missing = record.__dict__, 0
        try:
            for name, key, is_verbatim, test, spec in self._fields:
                value, written = state.get(name, _ABSENT), document.get(key, _MISSING)
                if is_verbatim and value is written:
                    continue
                if written is _MISSING:
                    if not _may_be_missing(spec, value, state):
                        return False
                    missing += 1
                elif value is _ABSENT or not test(value, written):
                    return False
            return self._holds_beside(state, document, missing)
        except Exception:  # noqa: BLE001 (what a test cannot read is not certain)
            return False

    def _holds_beside(self, state: Mapping[str, Any], document: Document, missing: int) -> bool:
        """Tell the same of what is no field, where *missing* fields are not in the document."""
        count = self._count - missing
        if self._is_record:
            if state["id"] != document["id"] or "last_modified" not in document:
                return False
            if self._has_schema and "schema" in document:
                count += 1
        if self._tag is not None and document.get(self._tag_field) != self._tag:
            return False
        if extra := state.get(EXTRA):
            count += len(extra)
            return count == len(document) and self._holds_extra(extra, document)
        # As many keys as are accounted for: there is none besides.
        return count == len(document)

    def _holds_extra(self, extra: Any, document: Document) -> bool:
        return (
            extra.__class__ is dict
            and self._not_extra.isdisjoint(extra)
            and all(is_same_json(value, document[key]) for key, value in extra.items())
        )


def _may_be_missing(spec: Spec, value: Any, state: Mapping[str, Any]) -> bool:
    """Tell whether a document may lack a field that has this *value*."""
    if value is _ABSENT:
        return True
    part = state.get("_part")
    if part is not None and spec.name not in part:
        return False  # It was set without being loaded.
    return (value is None and not spec.null) or spec.is_default(value, state.get("_made", {}))
