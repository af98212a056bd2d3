"""Which servers a fact is tested on, when that is not all of them."""

from __future__ import annotations

import pytest


#: Those that differ in how they store: for what has nothing to do with history.
STORAGES = ("memory", "postgresql")


def on(*kinds: str) -> pytest.MarkDecorator:
    """Run a test on servers of these kinds only."""
    return pytest.mark.parametrize("server", kinds, indirect=True)


on_both_storages = on(*STORAGES)
on_memory = on("memory", "memory+history")
on_postgresql = on("postgresql", "postgresql+history")
