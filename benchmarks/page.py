"""The page of the documentation: docs/benchmarks.md, made from a template and from results."""

from __future__ import annotations

from pathlib import Path

from benchmarks.results import Results


def write_page(results: Results, docs: Path) -> None:
    """Write the page, its pictures, and the results that they are made from."""
