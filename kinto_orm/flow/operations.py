"""
How an operation is declared: a generator method and a decorator.

To a type checker, the decorators say what a call gives on each kind of driver.  At run time a
driver class has plain functions in the place of its operations (see `Driver`), so that `help()`,
`inspect`, mocks and tracebacks meet nothing unusual.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload


if TYPE_CHECKING:
    from kinto_orm.flow.drivers import Awaiting, Blocking, Recording
    from kinto_orm.flow.messages import Program, Stream
    from kinto_orm.flow.pending import Pending


P = ParamSpec("P")
T = TypeVar("T")


class operation(Generic[P, T]):  # noqa: N801 (a decorator)
    """Mark a generator method as an operation, which returns one result."""

    def __init__(self, flow: Callable[Concatenate[Any, P], Program[T]]) -> None:
        self.flow = flow
        self.__doc__ = flow.__doc__

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type[Any]) -> Self: ...

        @overload
        def __get__(self, instance: Blocking, owner: type[Any]) -> Callable[P, T]: ...

        @overload
        def __get__(
            self, instance: Awaiting, owner: type[Any]
        ) -> Callable[P, Coroutine[Any, Any, T]]: ...

        @overload
        def __get__(self, instance: Recording, owner: type[Any]) -> Callable[P, Pending[T]]: ...

        def __get__(self, instance: object, owner: type[Any]) -> Any: ...


class stream(Generic[P, T]):  # noqa: N801 (a decorator)
    """Mark a generator method as a listing, which is read item after item."""

    def __init__(self, flow: Callable[Concatenate[Any, P], Stream[T]]) -> None:
        self.flow = flow
        self.__doc__ = flow.__doc__

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type[Any]) -> Self: ...

        @overload
        def __get__(
            self, instance: Blocking, owner: type[Any]
        ) -> Callable[P, Generator[T, None, None]]: ...

        @overload
        def __get__(
            self, instance: Awaiting, owner: type[Any]
        ) -> Callable[P, AsyncGenerator[T, None]]: ...

        def __get__(self, instance: object, owner: type[Any]) -> Any: ...
