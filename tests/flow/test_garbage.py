"""The collection of garbage is put off, and never for longer than was said."""

from __future__ import annotations

import gc

from collections.abc import Iterator

import pytest

from kinto_orm.flow.garbage import collected_later


@pytest.fixture(autouse=True)
def on() -> Iterator[None]:
    """Have the collector on, before and after."""
    gc.enable()
    yield
    gc.enable()


def test_meanwhile() -> None:
    """It is off meanwhile, and on afterwards."""
    with collected_later():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_after_an_error() -> None:
    """It is on again after an error, too."""
    with pytest.raises(KeyError), collected_later():
        raise KeyError
    assert gc.isenabled()


def test_stays_off() -> None:
    """Who has turned it off finds it off."""
    gc.disable()
    with collected_later():
        assert not gc.isenabled()
    assert not gc.isenabled()


def test_inside_another() -> None:
    """Within another one, only the outer turns it on again."""
    with collected_later():
        with collected_later():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
