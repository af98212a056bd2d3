"""A look at the server after a commit, to see that it has what it said it had written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kinto_orm.exceptions import KintoException, NotConfirmed
from kinto_orm.flow import Program
from kinto_orm.session.changes import Write
from kinto_orm.session.results import EFFECTS, Fate, Outcome
from kinto_orm.session.sights import Sight, looked_up
from kinto_orm.session.snapshots import Stored, changed_paths, overlaps, without_stamps


def verified(outcomes: Iterable[Outcome]) -> Program[list[Outcome]]:
    """
    Return what is to be corrected of *outcomes*, after a look at the records: one read for 25.

    What somebody has written since is no contradiction, as long as it does not undo this.
    """
    last = {id(each.write.change.record): each for each in outcomes}
    told = [each for each in last.values() if each.fate in EFFECTS]
    sights = yield from looked_up([each.write.change.key for each in told])
    return list(_corrected(told, sights))


def _corrected(told: Sequence[Outcome], sights: Sequence[Sight]) -> Iterable[Outcome]:
    for outcome, sight in zip(told, sights, strict=True):
        problem = _problem(outcome, sight)
        if problem is not None:
            change = outcome.write.change
            name = f"{type(change.record).__name__} {change.key}"
            error = NotConfirmed(f"{name} was {_said(outcome)}, said the server, but {problem}")
            error.record = change.record
            error.__cause__ = sight if isinstance(sight, KintoException) else None
            yield Outcome(outcome.write, Fate.ERROR, outcome.stored, error)


def _said(outcome: Outcome) -> str:
    return {Fate.MERGED: "updated"}.get(outcome.fate, outcome.fate.value)


def _problem(outcome: Outcome, sight: Sight) -> str | None:
    """Return what contradicts *outcome*; None if nothing does."""
    if isinstance(sight, KintoException):
        return f"it could not be read afterwards: {sight}"
    if outcome.fate is Fate.DELETED:
        return None if sight is None else f"it is there, as of {sight.version}"
    if sight is None:
        return "it is not there: it was deleted since, or never written"
    version = None if outcome.stored is None else outcome.stored.version
    if sight.version == version:
        return None
    undone = _undone(outcome.write, sight)
    if undone:
        return f"at {sight.version} it is something else there: {', '.join(undone)}. Refresh it"
    return None


def _undone(write: Write, found: Stored) -> list[str]:
    """Return the paths that *write* changed, and that are something else in what was *found*."""
    change = write.change
    ours = changed_paths(change.base or {}, change.target or {})
    apart = changed_paths(change.target or {}, without_stamps(found.document))
    permitted = found.permissions or {}
    # More than was permitted is no contradiction: somebody may have permitted that since.
    missing = [
        f"permissions.{name}"
        for name, members in change.permissions.items()
        if not set(members) <= set(permitted.get(name, ()))
    ]
    return [path for path in apart if overlaps(path, ours)] + missing
