"""Sphinx: pages in Markdown, notebooks as they are, the reference from docstrings."""

import os
import sys
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).parent
project = "rdbound"
author = copyright = "The rdbound authors"
release = version = version_of("rdbound")
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx-mathjax-offline",  # formulas render without a network
]
autosummary_generate = False
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
# The tests execute the notebooks; RDBOUND_DOCS_EXECUTE=1 shows what they draw here too.
nb_execution_mode = "force" if os.environ.get("RDBOUND_DOCS_EXECUTE") else "off"
nb_execution_timeout = 600
nb_execution_raise_on_error = True
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "undoc-members": False}
napoleon_use_ivar = True
suppress_warnings = [
    "ref.python",  # `bytes` in a signature is a type, and a column of tables too
    "docutils",  # |x| and *shape in docstrings are mathematics and jaxtyping, not markup
]
exclude_patterns = ["_build", "config_table.md", "checkpoints_list.md"]
html_theme = "furo"
html_title = f"rdbound {version}"
html_static_path: list[str] = []


def _generate(app) -> None:
    """Write the pages that are made from the package."""
    sys.path.insert(0, str(HERE))
    from generate import generate

    generate()


def _with_literal_blocks(app, what, name, obj, options, lines: list[str]) -> None:
    """Formulas and examples stand indented in docstrings: here they are literal blocks."""
    out: list[str] = []
    literal = False
    for place, line in enumerate(lines):
        indented = line.startswith("    ")
        opens = indented and not literal and (place == 0 or not lines[place - 1].strip())
        if opens:
            out += ["::", ""]
        literal = opens or (literal and (indented or not line.strip()))
        out.append(line)
    lines[:] = out


def setup(app) -> None:
    """Before any page is read."""
    app.connect("builder-inited", _generate)
    app.connect("autodoc-process-docstring", _with_literal_blocks, priority=400)
