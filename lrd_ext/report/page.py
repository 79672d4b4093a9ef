# SPDX-License-Identifier: Apache-2.0
"""What every page shares: one HTML file that needs nothing else, and its plots as PNG beside it."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from lrd_ext.version import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:1180px;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0;font-size:13px}
th,td{padding:.25em .7em;border-bottom:1px solid #ddd;text-align:right;vertical-align:top}
td{white-space:nowrap}th{max-width:11em;vertical-align:bottom}
th:first-child,td:first-child{text-align:left}
img{max-width:100%;border:1px solid #eee}
ul.verdict{list-style-position:inside;background:#f4f6f7;border-left:4px solid #2471a3;padding:.6em 1.2em}
figure{margin:1.5em 0}figcaption{font-size:13px;color:#555}
.scroll{overflow-x:auto}small{color:#777}
"""


def plots_folder(page: Path) -> Path:
    """Return the folder beside a page, named after it, in which its plots lie as PNG."""
    return page.with_name(f"{page.stem}_plots")


def mark(command: str) -> str:
    """Return the start of the tag in the head of every page a command makes, by which it knows its own."""
    return f'<meta name="generator" content="{command}'


def document(command: str, title: str, body: str) -> str:
    """Return a page.

    Args:
        command: the command that makes it, as in "lrd calibrate".
        title: plain text.
        body: HTML.
    """
    shown = escape(title)
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'{mark(command)} (lrd_ext {__version__})"><title>{shown}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{shown}</h1>{body}</body></html>"
    )


def table_html(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the head is plain text, cells are HTML."""
    first = "".join(f"<th>{escape(h)}</th>" for h in head)
    rest = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{first}</tr>{rest}</table></div>'


def verdict_html(lines: Iterable[str]) -> str:
    """Return lines of plain text as the list at the head of a page."""
    points = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<h2>Verdict</h2><ul class="verdict">{points}</ul>'


def with_plots(page: Path, plots: Iterable[tuple[str, str, Figure]]) -> tuple[str, dict[Path, bytes]]:
    """Return plots (name, caption, figure) as HTML, and the PNG files that lie beside the page."""
    files, figures = {}, []
    for name, caption, figure in plots:
        png = _png(figure)
        files[plots_folder(page) / f"{name}.png"] = png
        figures.append(_figure_html(caption, png))
    return ("<h2>Plots</h2>" if figures else "") + "".join(figures), files


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()


def _figure_html(caption: str, png: bytes) -> str:
    data = base64.b64encode(png).decode()
    text = escape(caption)
    image = f'<img alt="{text}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}<figcaption>{text}</figcaption></figure>"
