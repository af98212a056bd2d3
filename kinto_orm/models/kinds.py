"""Classes that share a collection, or a field: which of them a document is of, by its tag."""

from __future__ import annotations

import inspect

from typing import Any

from kinto_orm.models.binding import like, unbound
from kinto_orm.models.faults import Faulty, Unfit, faults_of
from kinto_orm.models.types import model_of


def base_of_kinds(model: type[Any]) -> type[Any]:
    """Return the class that has all kinds of record of a collection, of which *model* is one."""
    origin = unbound(model)
    base = next((base for base in origin.__mro__ if base.__dict__.get("_tags")), origin)
    return like(base, model)


def kind_of(kind: Any, document: Any) -> Any:
    """
    Return the class that *document* is of: *kind*, or the subclass that its tag names.

    A tag that no class has stands for the base of all kinds.
    """
    model = model_of(kind)
    assert model is not None
    if (origin := unbound(model)) is not model:
        return like(kind_of(origin, document), model)
    if not model._tags or not isinstance(document, dict):
        return kind
    tag = document.get(model._tag_field)
    found = model._tags.get(tag) if isinstance(tag, str) else None
    if found is not None and issubclass(found, model):
        return kind if found is model else found
    known = [each for each, named in model._tags.items() if issubclass(named, model)]
    is_base = found is None and "_tags" in model.__dict__ and not inspect.isabstract(model)
    if is_base or (found is None and not known):
        return kind
    raise Faulty(faults_of(Unfit(" or ".join(map(repr, known)), tag), model._tag_field))
