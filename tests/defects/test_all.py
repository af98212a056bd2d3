"""Each known defect of the other client has a test of ours, by its number."""

from __future__ import annotations

import re

from pathlib import Path
from types import ModuleType

import pytest


#: The numbers of docs/from-kinto-http.md.
NUMBERS = (*range(1, 18), *range(20, 31), *range(40, 51), *range(60, 64), *range(70, 76))

_TESTS = Path(__file__).parent.parent

_NAMED = re.compile(r"^ *(?:async )?def test_k(\d+)_", re.MULTILINE)


@pytest.fixture(scope="module")
def tested() -> set[int]:
    """Give the numbers that test functions are named after."""
    texts = (path.read_text() for path in _TESTS.rglob("test_*.py"))
    return {int(number) for text in texts for number in _NAMED.findall(text)}


@pytest.fixture(autouse=True)
def _of_our_own(peer: ModuleType) -> None:
    if peer.__name__ != "kinto_orm":
        pytest.skip("says nothing of another client")


@pytest.mark.parametrize("number", NUMBERS)
def test_each_has_a_test(tested: set[int], number: int) -> None:
    """There is a test function that is named after the defect: ``test_k40_…``."""
    assert number in tested


def test_no_other_is_named(tested: set[int]) -> None:
    """No test is named after a number that stands for nothing."""
    assert tested <= set(NUMBERS)
