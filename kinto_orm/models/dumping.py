"""
From a record to the document that it stands for.

That is the document that it was loaded from, but for what the user changed.  So a key that the
class does not declare stays; a key that was missing stays missing while the field has its default;
and a value that was not changed stays as it was written, even if this library would write it
otherwise (``2024-01-01T00:00:00Z``).  A record is dirty if what it dumps differs from what it was
loaded from: nothing is noted when a field is set, and changes deep inside lists and dictionaries
count as any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, Final

from kinto_orm.exceptions import InvalidRequest, UnsendableValue
from kinto_orm.flow.json import copied, same
from kinto_orm.flow.messages import Document
from kinto_orm.models.clean import Comparison
from kinto_orm.models.specs import Spec
from kinto_orm.models.state import EXTRA


if TYPE_CHECKING:
    from kinto_orm.models.records import Model


_MISSING: Final = object()


class Dumping:
    """
    Writes the records of a class.

    Args:
        model: The class.
        specs: Its fields.
        keys: Their keys, and those of the system.
        comparison: Tells which fields of a record are not certainly as they are written.
    """

    def __init__(
        self,
        model: type[Any],
        specs: Sequence[Spec],
        keys: AbstractSet[str],
        comparison: Comparison,
    ) -> None:
        self._model, self._specs, self._keys = model, specs, keys
        self._comparison = comparison
        self._declared = frozenset(spec.key for spec in specs)

    def document(self, record: Model) -> Document:
        """Return the document that *record* stands for, without ``last_modified``."""
        state = record.__dict__
        written: Document | None = state.get("_document")
        if written is None:
            written = state.get("_form")  # Of a record that was deleted.
        document: Document = {}
        if self._model._is_record:
            document["id"] = state["id"]
            if written is not None and "schema" in written and "schema" not in self._declared:
                document["schema"] = written["schema"]
        if self._model._tag is not None:
            document[self._model._tag_field] = self._model._tag
        if extra := state.get(EXTRA):
            self._add_extra(document, extra, state)
        if written is None or not self._dump_over(document, written, record):
            for spec in self._specs:
                if written is not None and self._is_kept(spec, written, state):
                    document[spec.key] = written[spec.key]
                else:
                    self._dump_field(document, spec, written, state)
        return document

    def _is_kept(self, spec: Spec, written: Document, state: Mapping[str, Any]) -> bool:
        """Tell whether a field certainly is as it is *written*."""
        if spec.key not in written or spec.name not in state:
            return False
        return spec.stands_for(state[spec.name], written[spec.key])

    def _dump_over(self, document: Document, written: Document, record: Model) -> bool:
        """Put in *document* what is *written* of all fields, but for what is not; or tell no."""
        try:
            doubts = self._comparison.doubts(record, written)
            kept = {spec.key: written[spec.key] for spec in self._specs}
        except Exception:  # noqa: BLE001 (a key is missing, or a value; or a test cannot read one)
            return False
        document |= kept
        for spec in doubts:
            found: Document = {}
            self._dump_field(found, spec, written, record.__dict__)
            if found:
                document[spec.key] = found[spec.key]
            else:
                del document[spec.key]
        return True

    def _dump_field(
        self, document: Document, spec: Spec, written: Document | None, state: Mapping[str, Any]
    ) -> None:
        """Put in *document* what a field is written as, if it is."""
        value = state.get(spec.name, _MISSING)
        if value is _MISSING:
            return  # Of a record that was loaded in part.
        before = _MISSING if written is None else written.get(spec.key, _MISSING)
        wire = value if spec.dump is None else self._encoded(spec, value, state)
        if before is not _MISSING:
            if not spec.exact:
                wire = self._rewritten(spec, before, value, wire, state)
            elif same(before, wire):
                wire = before
            if wire is before is None:
                document[spec.key] = None
                return
        elif written is not None and spec.is_default(value, state.get("_made", {})):
            return
        if wire is not None or value is not None or spec.null:
            document[spec.key] = wire

    def _encoded(self, spec: Spec, value: Any, state: Mapping[str, Any]) -> Any:
        try:
            return spec.encoded(value)
        except InvalidRequest:
            raise
        except Exception as error:
            msg = f"{self._called(state)}: {spec.name} cannot be {value!r:.60}: {error}"
            raise UnsendableValue(msg) from error

    def _rewritten(
        self, spec: Spec, written: Any, value: Any, wire: Any, state: Mapping[str, Any]
    ) -> Any:
        try:
            return spec.rewritten(written, value, wire)
        except UnsendableValue as error:
            msg = f"{self._called(state)}: {spec.name}: {error}"
            raise UnsendableValue(msg) from error

    def _called(self, state: Mapping[str, Any]) -> str:
        """Return how messages call the record with this *state*."""
        return (
            f"{self._model.__name__} {state['id']!r}"
            if self._model._is_record
            else self._model.__name__
        )

    def _add_extra(
        self, document: Document, extra: Mapping[str, Any], state: Mapping[str, Any]
    ) -> None:
        for key, value in extra.items():
            if key in self._keys or key == "__permissions__":
                what = "a field" if key in self._declared else "a key of Kinto's own"
                msg = f"{self._called(state)}: extra holds {key!r}, which is {what}: set that"
                raise UnsendableValue(msg)
            document[key] = copied(value)
