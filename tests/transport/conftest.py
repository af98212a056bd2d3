"""Both transports in turn, and a proxy for which no server is needed."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from faults import FaultProxy

from . import drivers


driver = drivers.driver


@pytest.fixture
def proxy() -> Generator[FaultProxy]:
    """Give a proxy with no server behind it: each answer has to be made up."""
    with FaultProxy("http://127.0.0.1:9/v1") as proxy:
        yield proxy
