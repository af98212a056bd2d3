"""The site: ``make docs``."""

from __future__ import annotations

import re

from importlib import metadata
from typing import Any

from sphinx.application import Sphinx


project = "kinto-orm"
version = release = metadata.version(project)
html_title = f"{project} {release}"
html_theme = "furo"
html_copy_source = False

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
highlight_language = "default"  # Python where it is; what is not is no error.

# -- The reference -----------------------------------------------------------------------------

default_role = "py:obj"  # What docstrings have in single backquotes.
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # Properties would be described twice.
napoleon_custom_sections = [("Class keywords", "params_style")]
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
add_module_names = False


def prepared(
    _app: Sphinx, what: str, _name: str, _obj: Any, _options: Any, lines: list[str]
) -> None:
    """Have a docstring say to Sphinx what it says to people."""
    text = [_linked(line) for line in lines]
    lines.clear()
    if what in ("attribute", "property"):
        lines.append("")  # Or napoleon takes what is before a colon for a type.
    for line in text:
        if line.startswith("    ") and _after_paragraph(lines):
            lines += ["::", ""]  # An example, or a drawing: it is shown as it is.
        lines.append(line)


def _linked(line: str) -> str:
    """Return *line* with links to what it names of these pages."""
    rule = re.compile(r"\bdocs/protocol\.md, ([A-Z]\d+)")
    line = rule.sub(lambda found: f":ref:`{found[1]} <{found[1].lower()}>`", line)
    line = re.sub(r"\bdocs/(\w+)\.md\b", r":doc:`\1`", line)
    return re.sub(r"^(Class keywords)\b.*:$", r"\1:", line)


def _after_paragraph(lines: list[str]) -> bool:
    """Tell whether *lines* end with an empty one, behind a text that is not indented."""
    before = [line for line in lines if line.strip()]
    return bool(before) and not lines[-1].strip() and not before[-1].startswith(" ")


def left_out(
    _app: Sphinx, what: str, _name: str, obj: Any, _skip: object, _options: Any
) -> bool | None:
    """Leave functions out where a module stands for its classes."""
    return True if what == "module" and not isinstance(obj, type) else None


def signed(
    _app: Sphinx, what: str, _name: str, _obj: Any, _options: Any, given: str | None, _gives: str
) -> tuple[str, str] | None:
    """Leave out how exceptions are made: the package makes them."""
    return ("", "") if given and what == "exception" else None


def setup(app: Sphinx) -> None:
    """Register what is above."""
    app.connect("autodoc-process-docstring", prepared, priority=400)  # Napoleon has 500.
    app.connect("autodoc-process-signature", signed)
    app.connect("autodoc-skip-member", left_out)
