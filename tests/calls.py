"""
How many calls a program makes, of functions of Python and of C.

Unlike the time that it takes, that is the same on each machine, and at each run.  What a function
of C does inside is one call, however long it takes.
"""

from __future__ import annotations

import gc
import sys

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias


#: How often each function was called, by its name; fractions where that is a mean.
Calls: TypeAlias = Mapping[str, float]


def counted(prepare: Callable[[], Callable[[], object]]) -> Calls:
    """
    Return the calls of what *prepare* gives, without those of *prepare* itself.

    All of it is done once before, so that what is worked out on first use does not count.
    """
    prepare()()
    do, calls = prepare(), Counter[tuple[str, str]]()

    def note(frame: FrameType, event: str, function: Any) -> None:
        if event == "call":
            code = frame.f_code
            calls[code.co_filename, code.co_qualname] += 1
        elif event == "c_call":
            calls[function.__module__ or "builtins", function.__qualname__] += 1

    before, is_collecting = sys.getprofile(), gc.isenabled()
    gc.disable()  # What is called when garbage is collected is called at some time or other.
    sys.setprofile(note)
    try:
        do()
    finally:
        sys.setprofile(before)
        if is_collecting:
            gc.enable()
    named = Counter[str]()
    for (where, name), number in calls.items():
        named[f"{Path(where).name}: {name}"] += number
    return named


def of_each(prepare: Callable[[int], Callable[[], object]], count: int) -> Calls:
    """
    Return the calls that each of *count* things takes, if *prepare* gives what is done to so many.

    What does not depend on their number drops out: it is those that as many more take.
    """
    few, many = counted(partial(prepare, count)), counted(partial(prepare, 2 * count))
    names = many.keys() | few.keys()
    return {name: (many.get(name, 0) - few.get(name, 0)) / count for name in names}


def total(calls: Calls) -> float:
    """Return how many *calls* there are."""
    return sum(calls.values())


def listed(calls: Calls, most: int = 10) -> str:
    """Return the functions that have the *most* calls, one on a line."""
    names = sorted(calls, key=lambda name: -calls[name])[:most]
    return "\n".join(f"{calls[name]:10.2f}  {name}" for name in names)
