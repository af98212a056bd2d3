"""Flows around flows: how retries and dry runs see each request, how pages become a list."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import Any, TypeVar

from kinto_orm.flow.messages import Page, Program, Request, Response, Step, Stream


T = TypeVar("T")
S = TypeVar("S")


def around(
    program: Generator[S, Any, T], make: Callable[[Request], Program[Response]]
) -> Generator[S | Step, Any, T]:
    """Run *program*, whose requests are made by *make*; its other steps pass."""
    try:
        step = next(program)
        while True:
            try:
                if isinstance(step, Request):
                    answer: Any = yield from make(step)
                else:
                    answer = yield step
            except BaseException as error:  # noqa: BLE001 (raised inside the flow)
                step = program.throw(error)
            else:
                step = program.send(answer)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        program.close()


def collected(pages: Stream[T]) -> Program[list[T]]:
    """Return all items of *pages*."""
    found: list[T] = []

    def keep(items: Sequence[T]) -> Program[None]:
        found.extend(items)
        return
        yield  # A program that has no step to make.

    yield from consumed(pages, keep)
    return found


def consumed(pages: Stream[T], consume: Callable[[Sequence[T]], Program[None]]) -> Program[None]:
    """Have *consume* run for the items of each of *pages*, before the next one is asked for."""
    with closing(pages):
        try:
            step = next(pages)
            while True:
                if isinstance(step, Page):
                    yield from consume(step.items)
                    step = next(pages)
                    continue
                try:
                    answer: Any = yield step
                except BaseException as error:  # noqa: BLE001 (raised inside the stream)
                    step = pages.throw(error)
                else:
                    step = pages.send(answer)
        except StopIteration:
            return
