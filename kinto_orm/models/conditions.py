"""What a query asks of records, as values.  Fields make them; `query.encoding` sends them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, TypeAlias

from attrs import frozen

from kinto_orm.exceptions import UnsupportedQuery
from kinto_orm.models.matching import canonical, found_at, fulfils


if TYPE_CHECKING:
    from kinto_orm.models.locations import Location
    from kinto_orm.models.records import Record


#: How values are compared, by the names that Kinto's filters have; two more are kinds of ``like``.
Operator: TypeAlias = Literal[
    "eq", "not", "lt", "max", "gt", "min", "in", "exclude", "has",
    "like", "startswith", "endswith", "contains", "contains_any",
]  # fmt: skip

#: Of each operator, the one that finds exactly what it does not, also among missing keys (F5).
_OPPOSITES: Final[Mapping[Operator, Operator]] = {
    "eq": "not", "not": "eq",
    "lt": "min", "min": "lt",
    "gt": "max", "max": "gt",
    "in": "exclude", "exclude": "in",
}  # fmt: skip

#: Operators that match a record which lacks the field (F5).
_FINDING_MISSING: Final = frozenset({"not", "exclude", "gt", "min"})

#: Operators whose value is a pattern, and nothing that the field could have.
PATTERNS: Final = frozenset({"like", "startswith", "endswith"})

#: Operators with several values.
SEVERAL: Final = frozenset({"in", "exclude", "contains", "contains_any"})

_SYMBOLS: Final = {"eq": "==", "not": "!=", "lt": "<", "max": "<=", "gt": ">", "min": ">="}
_METHODS: Final = {"in": "in_", "exclude": "not_in"}

_NO_OR: Final = (
    "Kinto has no 'or', but for the values of one field: Todo.title.in_(['a', 'b']). Make a query"
    " for each side, and join what they find by id; or read the records, and keep those that"
    " match one side (condition.matches(record))"
)


class _Expression:
    """Something that may be asked for: conditions are joined with ``&``."""

    def __bool__(self) -> NoReturn:
        msg = (
            "a condition is neither true nor false: join conditions with & instead of 'and', and"
            " compare once instead of 1 < x < 2"
        )
        raise TypeError(msg)


@frozen(eq=False, repr=False)
class Condition(_Expression):
    """
    What a record must fulfil, as in ``Todo.priority > 3``.

    Conditions are equal if they say the same.  The `repr` is the expression that makes it.

    Attributes:
        field: The field that is compared.
        operator: How.
        value: With what, as the record has it: a `datetime`, say; a tuple if there are several.
    """

    field: Location
    operator: Operator
    value: Any

    def __repr__(self) -> str:
        shown, operator, value = self.field._shown, self.operator, self.value
        if operator in _SYMBOLS:
            return f"{shown} {_SYMBOLS[operator]} {value!r}"
        if operator == "has":
            return f"{shown}.exists()" if value else f"{shown}.missing()"
        if operator == "contains":
            return f"{shown}.contains({', '.join(map(repr, value))})"
        given = list(value) if operator in SEVERAL else value
        return f"{shown}.{_METHODS.get(operator, operator)}({given!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Condition) and self._said() == other._said()

    def __hash__(self) -> int:
        return hash(self._said())

    def __and__(self, other: Condition | All) -> All:
        return All((self,)) & other

    def __or__(self, other: Condition | All) -> Condition:
        """
        Match what either side does: equalities of one field, which become `Field.in_`.

        Raises:
            UnsupportedQuery: If they are something else, for which Kinto has no words.
        """
        if not isinstance(other, (Condition, All)):
            return NotImplemented
        if not isinstance(other, Condition) or self.field._identity != other.field._identity:
            msg = f"({self!r}) | ({other!r}): {_NO_OR}"
            raise UnsupportedQuery(msg)
        if not {self.operator, other.operator} <= {"eq", "in"}:
            msg = f"({self!r}) | ({other!r}): of one field, Kinto takes values alone. {_NO_OR}"
            raise UnsupportedQuery(msg)
        return Condition(self.field, "in", (*self._values(), *other._values()))

    def __invert__(self) -> Condition:
        """
        Match all other records; those that lack the field are among them, or not, accordingly.

        Raises:
            UnsupportedQuery: If the server has no words for that.
        """
        if self.operator == "has":
            return Condition(self.field, "has", value=not self.value)
        if self.operator not in _OPPOSITES:
            msg = (
                f"~({self!r}): Kinto cannot ask for what is not so, with {self.operator}. Read the"
                " records, and keep those for which condition.matches(record) is false"
            )
            raise UnsupportedQuery(msg)
        return Condition(self.field, _OPPOSITES[self.operator], self.value)

    def present(self) -> All:
        """
        Match only records that have the field, besides.

        Of use for ``!=``, ``>``, ``>=`` and `not_in`, which match also records that lack it.

        Raises:
            UnsupportedQuery: If the condition is that it is missing.
        """
        if self.operator == "has" and not self.value:
            msg = f"{self!r} matches no record that has the field"
            raise UnsupportedQuery(msg)
        if self.operator not in _FINDING_MISSING:
            return All((self,))
        return All((Condition(self.field, "has", value=True), self))

    def matches(self, record: Record | Mapping[str, Any]) -> bool:
        """
        Tell whether the server would find *record*, if it had it as it is here.

        The server compares documents, not values: a key that is missing there is missing,
        whatever the default of the field (docs/queries.md has what else to know).

        Args:
            record: A record, or a document.

        Raises:
            UnsendableValue: If the value of the condition is none of the field.
        """
        document = record if isinstance(record, Mapping) else record.to_document()
        model = None if isinstance(record, Mapping) else type(record)
        return fulfils(found_at(document, self.field._path), self.operator, self.wired(model))

    def wired(self, model: type[Any] | None = None) -> Any:
        """
        Return the value as documents have it.

        Args:
            model: The class of the records, which may have a converter of its own.

        Raises:
            UnsendableValue: If it is none of the field.
        """
        if self.operator == "has" or self.operator in PATTERNS:
            return self.value
        if self.operator in ("in", "exclude"):
            return [self.field._wired(each, model) for each in self.value]
        if self.operator in SEVERAL:  # Of items, there may be fewer than in a value.
            return self.field._wired(list(self.value), model, check=False)
        return self.field._wired(self.value, model)

    def _values(self) -> tuple[Any, ...]:
        return (self.value,) if self.operator == "eq" else self.value

    def _said(self) -> Hashable:
        value = self.wired()
        several = self.operator in SEVERAL
        meant = frozenset(map(canonical, value)) if several else canonical(value)
        return self.field._identity, self.operator, meant


@frozen(eq=False, repr=False)
class All(_Expression):
    """
    Conditions, all of which a record must fulfil.

    Their order makes no difference.
    """

    conditions: tuple[Condition, ...]

    def __repr__(self) -> str:
        return " & ".join(f"({each!r})" for each in self.conditions)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, All) and {*self.conditions} == {*other.conditions}

    def __hash__(self) -> int:
        return hash(frozenset(self.conditions))

    def __and__(self, other: Condition | All) -> All:
        if not isinstance(other, (Condition, All)):
            return NotImplemented
        more = other.conditions if isinstance(other, All) else (other,)
        return All((*self.conditions, *more))

    def __or__(self, other: Condition | All) -> NoReturn:
        """
        Refuse: Kinto has no words for it.

        Raises:
            UnsupportedQuery: Always.
        """
        msg = f"({self!r}) | ({other!r}): {_NO_OR}"
        raise UnsupportedQuery(msg)

    def __invert__(self) -> NoReturn:
        """
        Refuse: that one of several is not so is an 'or'.

        Raises:
            UnsupportedQuery: Always.
        """
        msg = f"~({self!r}) is true if one of these is false: {_NO_OR}"
        raise UnsupportedQuery(msg)

    def matches(self, record: Record | Mapping[str, Any]) -> bool:
        """
        Tell whether *record*, or a document, fulfils all conditions: see `Condition.matches`.

        Raises:
            UnsendableValue: If the value of a condition is none of its field.
        """
        return all(each.matches(record) for each in self.conditions)


@frozen(eq=False, repr=False)
class Order:
    """
    What records are sorted by.

    Attributes:
        field: By the values of which field.
        descending: Whether the greatest comes first.
    """

    field: Location
    descending: bool = False

    def __repr__(self) -> str:
        return f"{'-' if self.descending else '+'}{self.field._shown}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Order) and self._said() == other._said()

    def __hash__(self) -> int:
        return hash(self._said())

    def _said(self) -> Hashable:
        return self.field._identity, self.descending
