"""
What a program can be told of, and whom it tells: events of sessions and of classes of records.

    @listen(Todo, "loaded")
    def check(todo: Todo) -> None: ...

A handler of an awaiting session may be a coroutine function.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import Any, Final, Literal, TypeAlias, TypeVar, get_args, overload

from kinto_orm.exceptions import Conflict, InvalidRequest
from kinto_orm.flow import Program
from kinto_orm.flow.messages import Call
from kinto_orm.models.records import Record
from kinto_orm.session.changes import Write
from kinto_orm.session.results import CommitResult, Outcome


#: Events of a session as a whole.
SessionEvent: TypeAlias = Literal["before_commit", "after_commit"]

#: Events of single records.
RecordEvent: TypeAlias = Literal["before_send", "after_send", "loaded", "conflict"]

Event: TypeAlias = SessionEvent | RecordEvent

_OF_SESSIONS: Final = get_args(SessionEvent)
_OF_RECORDS: Final = get_args(RecordEvent)

#: Where the handlers of a session, or of a class, are.
_PLACE: Final = "_handlers"

#: Events that somebody has ever listened to: most programs listen to none.
_heard: Final[set[str]] = set()

BeforeCommit = TypeVar("BeforeCommit", bound=Callable[[Any], object])
AfterCommit = TypeVar("AfterCommit", bound=Callable[[Any, CommitResult], object])
BeforeSend = TypeVar("BeforeSend", bound=Callable[[Write], object])
AfterSend = TypeVar("AfterSend", bound=Callable[[Outcome], object])
OnLoaded = TypeVar("OnLoaded", bound=Callable[[Any], object])
OnConflicts = TypeVar("OnConflicts", bound=Callable[[Conflict], object])


@overload
def listen(
    target: object, event: Literal["before_commit"]
) -> Callable[[BeforeCommit], BeforeCommit]: ...
@overload
def listen(
    target: object, event: Literal["after_commit"]
) -> Callable[[AfterCommit], AfterCommit]: ...
@overload
def listen(target: object, event: Literal["before_send"]) -> Callable[[BeforeSend], BeforeSend]: ...
@overload
def listen(target: object, event: Literal["after_send"]) -> Callable[[AfterSend], AfterSend]: ...
@overload
def listen(target: object, event: Literal["loaded"]) -> Callable[[OnLoaded], OnLoaded]: ...
@overload
def listen(target: object, event: Literal["conflict"]) -> Callable[[OnConflicts], OnConflicts]: ...
def listen(target: Any, event: Any) -> Callable[[Any], Any]:
    """
    Have the function that is decorated called at each *event* of *target*.

    | event | called with | when |
    | --- | --- | --- |
    | `before_commit` | the session | before a commit looks for changes: what is changed, added or deleted here is written, too |
    | `before_send` | a `Write` | for each write of the plan, before the first one is sent |
    | `after_send` | an `Outcome` | for each write, when the request that it was in has been answered |
    | `conflict` | a `Conflict` | before it is resolved, or raised |
    | `loaded` | the record | when it was read from the server and taken into the session |
    | `after_commit` | the session and the `CommitResult` | when all is done, before an error is raised |

    What a handler raises, the commit raises.  Before anything is sent, that stops it, with nothing
    sent.  Later, what was done is done, and the session knows it.

    Args:
        target: A session; a class of sessions, for all of them; or, for what happens to single
            records, a class of records, with its subclasses.
        event: The name of the event.

    Raises:
        InvalidRequest: If *target* has no such event.
    """  # noqa: E501 (a table)
    _check(target, event)

    def decorate(handler: Any) -> Any:
        place = vars(target).get(_PLACE)
        if place is None:
            place = {}
            setattr(target, _PLACE, place)
        place.setdefault(event, []).append(handler)
        _heard.add(event)
        return handler

    return decorate


def unlisten(target: Any, event: Event, handler: Callable[..., Any]) -> None:
    """
    Have *handler* called no more at each *event* of *target*.

    Raises:
        InvalidRequest: If it was not.
    """
    handlers: list[Any] = vars(target).get(_PLACE, {}).get(event, [])
    if handler not in handlers:
        msg = f"{handler!r} does not listen to {event!r} of {target!r}"
        raise InvalidRequest(msg)
    handlers.remove(handler)


def _check(target: Any, event: str) -> None:
    is_of_records = isinstance(target, type) and issubclass(target, Record)
    known = _OF_RECORDS if is_of_records else (*_OF_SESSIONS, *_OF_RECORDS)
    if event not in known:
        msg = f"{target!r} has no event {event!r}; there are: {', '.join(known)}"
        raise InvalidRequest(msg)


def is_heard(event: Event) -> bool:
    """Tell whether anybody may be listening to *event*."""
    return event in _heard


def _handlers_of(event: Event, session: object, record: Record | None = None) -> Iterator[Any]:
    """Give who listens to *event*: at the class of *session*, at itself, at that of *record*."""
    if event not in _heard:
        return
    for kind in reversed(type(session).__mro__):
        yield from kind.__dict__.get(_PLACE, {}).get(event, ())
    yield from vars(session).get(_PLACE, {}).get(event, ())
    if record is not None:
        for kind in reversed(type(record).__mro__):
            yield from kind.__dict__.get(_PLACE, {}).get(event, ())


def announced(
    event: Event, session: object, *given: Any, record: Record | None = None
) -> Program[None]:
    """Call with what is *given* whoever listens to *event*."""
    for handler in list(_handlers_of(event, session, record)):
        yield Call(partial(handler, *given))


def announcing(
    program: Generator[Any, Any, Any], session: object, read: deque[Record]
) -> Generator[Any, Any, Any]:
    """Run *program*; announce the records that it has *read* before it goes on, and at its end."""
    try:
        step = next(program)
        while True:
            yield from _announced_as_loaded(session, read)
            try:
                answer = yield step
            except BaseException as error:  # noqa: BLE001 (raised inside the program)
                step = program.throw(error)
            else:
                step = program.send(answer)
    except StopIteration as stop:
        yield from _announced_as_loaded(session, read)
        return stop.value
    finally:
        program.close()


def _announced_as_loaded(session: object, read: deque[Record]) -> Program[None]:
    while read:
        record = read.popleft()
        yield from announced("loaded", session, record, record=record)
