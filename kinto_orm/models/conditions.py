"""What a query asks of records, as values.  Fields make them; `query.encoding` sends them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeAlias

from attrs import field as attribute
from attrs import frozen


if TYPE_CHECKING:
    from kinto_orm.models.fields import Field


#: How values are compared, by the names that Kinto's filters have.
Operator: TypeAlias = Literal["eq", "not", "lt", "max", "gt", "min", "in", "exclude", "has"]


class _Expression:
    """Something that may be asked for: conditions are joined with ``&``."""

    def __bool__(self) -> NoReturn:
        msg = (
            "a condition is neither true nor false: join conditions with & instead of 'and', and"
            " compare once instead of 1 < x < 2"
        )
        raise TypeError(msg)


@frozen(eq=False)
class Condition(_Expression):
    """
    What a record must fulfil, as in ``Todo.priority > 3``.

    Attributes:
        field: The field that is compared.
        operator: How.
        value: With what, as the record has it: a `datetime`, say.
    """

    field: Field[Any]
    operator: Operator
    value: Any

    def __and__(self, other: Condition | All) -> All:
        return All((self,)) & other


@frozen(eq=False)
class All(_Expression):
    """Conditions, all of which a record must fulfil."""

    conditions: tuple[Condition, ...]

    def __and__(self, other: Condition | All) -> All:
        more = other.conditions if isinstance(other, All) else (other,)
        return All((*self.conditions, *more))


@frozen
class Order:
    """What records are sorted by."""

    field: Field[Any] = attribute(eq=False)
    descending: bool = False
