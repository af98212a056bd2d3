"""What is to become of a record that was changed elsewhere, too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from kinto_orm.exceptions import Conflict, InvalidRequest


if TYPE_CHECKING:
    from kinto_orm.models.records import Record


#: Ways to resolve a conflict; `"raise"` leaves it to the program.
Policy: TypeAlias = Literal["raise", "merge", "client_wins", "server_wins"]

#: What a function may say of a conflict: a policy, the document that the record shall be, a record
#: that is so, or None, which raises it.
Verdict: TypeAlias = "Policy | Mapping[str, Any] | Record | None"

#: A function that is asked about each conflict.
Resolver: TypeAlias = Callable[[Conflict], "Verdict | Awaitable[Verdict]"]

#: What *on_conflict* may be.
OnConflict: TypeAlias = Policy | Resolver

_POLICIES: Final = get_args(Policy)


def checked_policy(given: Any) -> Any:
    """
    Return *given*, if it can be an *on_conflict*.

    Raises:
        InvalidRequest: If not.
    """
    if given in _POLICIES or callable(given):
        return given
    known = ", ".join(map(repr, _POLICIES))
    msg = f"on_conflict is {given!r}: it must be one of {known}, or a function of a conflict"
    raise InvalidRequest(msg)
