# SPDX-License-Identifier: Apache-2.0
"""How Sphinx builds the site: `make docs`, without a network; a warning is an error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS), str(DOCS.parent), str(DOCS.parent / "tools")]

from makers import api_pages, camera_pages, command_pages, drawings  # noqa: E402

import lrd_ext  # noqa: E402

project = "lrd_ext"
author = "The lrd_ext authors"
copyright = "2026, The lrd_ext authors"
version = release = lrd_ext.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["build", "makers"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # pages of results begin their parts at any depth

nb_execution_mode = "force"
nb_execution_timeout = 300  # of a cell, on a loaded machine; a notebook takes half a minute of processor time
nb_execution_raise_on_error = True
nb_execution_show_tb = True  # a failed cell ends the build, and is shown

autodoc_class_signature = "separated"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"lrd_ext {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False

#: Folder of what is made at build time; no part of the repository.
MADE = DOCS / "made"


def _write(folder: Path, pages: dict[str, str], suffix: str) -> None:
    """Write pages; untouched where they are the same, and without those of an earlier build."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"*{suffix}"):
        if old.stem not in pages:
            old.unlink()
    for name, text in pages.items():
        path = folder / f"{name}{suffix}"
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def _make(app: Any) -> None:
    _write(MADE / "api", api_pages.pages(), ".rst")
    _write(MADE / "commands", command_pages.pages(), ".md")
    _write(MADE / "cameras", camera_pages.pages(), ".md")
    draw_once(MADE / "cameras", camera_pages.draw)
    draw_once(MADE / "drawings", drawings.draw)


def draw_once(folder: Path, draw: Callable[[Path], None]) -> None:
    """Draw, unless that was done after the last change of the code: plots take most of the time."""
    done = folder / ".drawn"
    code = [p for root in ("lrd_ext", "docs/makers") for p in (DOCS.parent / root).rglob("*.py")]
    code += (DOCS.parent / "lrd_ext/profiles/library").glob("*.json")
    if not done.exists() or done.stat().st_mtime < max(p.stat().st_mtime for p in code):
        draw(folder)
        done.touch()


def _tidy(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    api_pages.tidy_docstring(lines)


def setup(app: Any) -> dict[str, bool]:
    """Make pages before Sphinx looks for them, and tidy docstrings as it reads them."""
    app.connect("builder-inited", _make)
    app.connect("autodoc-process-docstring", _tidy, priority=400)  # before napoleon
    return {"parallel_read_safe": True, "parallel_write_safe": True}
