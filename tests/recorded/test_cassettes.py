"""What is in the cassettes, whatever recorded them."""

from __future__ import annotations

import pytest

from recorded import test_client, test_recorded
from recorded.conftest import CASSETTES, RECORDING, cassette_of


pytestmark = pytest.mark.skipif(RECORDING, reason="what is being recorded is not there yet")


def expected() -> set[str]:
    """Return the names of the cassettes that there must be."""
    both = [name for name in dir(test_client) if name.startswith("test_")]
    alone = [name for name in dir(test_recorded) if name.startswith("test_")]
    tests = [*alone, *(f"{name}[{kind}]" for name in both for kind in ("blocking", "awaiting"))]
    return {cassette_of(test) for test in tests}


def test_one_for_each_test() -> None:
    """Each test has its cassette, and there are no others."""
    assert {path.name for path in CASSETTES.iterdir()} == expected()


def test_no_secret_is_kept() -> None:
    """No cassette holds credentials, or where it was recorded."""
    for path in CASSETTES.iterdir():
        text = path.read_text()
        assert "uthorization" not in text
        assert "127.0.0.1" not in text
        assert "localhost" not in text
        assert "c2VydmVy" not in text  # The password, in base64.
        assert "basicauth:" not in text
        assert "s3cr3t" not in text
        assert "$2b$" not in text  # A hash of bcrypt.
        assert "ser-agent" not in text.lower()
        assert "et-cookie" not in text.lower()
