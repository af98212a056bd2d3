"""Making many objects that stay, while the garbage collector waits."""

from __future__ import annotations

import gc

from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def collected_later() -> Generator[None]:
    """
    Put off the collection of garbage for what is a matter of milliseconds.

    The collector looks through all young objects each time that 700 more were made, and now and
    then through all there are.  A page of records is many thousands of objects, none of which is
    garbage, so that this is a third of the time that it takes to load one.

    It is the whole interpreter's.  If it is off already it stays so.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
