# SPDX-License-Identifier: Apache-2.0
"""What every page shares: one HTML file that needs nothing else, and its plots as PNG beside it."""

from __future__ import annotations

import base64
import dataclasses
import io
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from lrd_ext.version import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE = """
:root{color-scheme:light dark;--ink:#222;--paper:#fff;--soft:#5b6166;--rule:#d8dbde;--box:#f2f5f7;
--mark:#0072b2}
@media(prefers-color-scheme:dark){:root{--ink:#e4e6e8;--paper:#15181b;--soft:#a5adb3;--rule:#3a4147;--box:#20262b;
--mark:#56b4e9}img{filter:brightness(.88)}}
body{font:15px/1.5 system-ui,sans-serif;max-width:1180px;margin:2em auto;padding:0 1em;color:var(--ink);
background:var(--paper)}
h1{font-size:1.6em;line-height:1.2}h2{font-size:1.2em;margin-top:2em}
a{color:var(--mark)}code{overflow-wrap:anywhere}
table{border-collapse:collapse;margin:1em 0;font-size:13px;font-variant-numeric:tabular-nums}
th,td{padding:.25em .7em;border-bottom:1px solid var(--rule);text-align:right;vertical-align:top}
td{white-space:nowrap}th{max-width:11em;vertical-align:bottom}
th:first-child,td:first-child{text-align:left}
table.words th,table.words td{text-align:left;white-space:normal}
img{max-width:100%;border:1px solid var(--rule);border-radius:4px;background:#fff}
ul.verdict{background:var(--box);border-left:4px solid var(--mark);
padding:.6em 1.2em .6em 2.2em}
figure{margin:1.5em 0}figcaption{font-size:13px;color:var(--soft)}figcaption b{color:var(--ink)}
figcaption ul{margin:.3em 0;padding-left:1.3em}
.scroll{overflow-x:auto}small{color:var(--soft)}
@media(max-width:700px){figure img{max-width:none;width:900px}}
@media print{:root{--ink:#000;--paper:#fff;--soft:#444;--rule:#bbb;--box:#fff;--mark:#000}
body{max-width:none;margin:0;font-size:10pt}figure,tr,ul.verdict{break-inside:avoid}h2{break-after:avoid}
.scroll{overflow:visible}table{font-size:7.5pt}img{filter:none}}
"""

#: Heads of the table that tells how to read the plots of a page.
_GUIDE_HEAD = ("plot", "what is wrong if it does not look like that")


@dataclasses.dataclass(frozen=True)
class Plot:
    """A figure of a page: the name of its file, what it is, and how to read it.

    ``reading`` holds a line for each panel: what one sees, and what it should look like.
    """

    name: str
    title: str
    reading: tuple[str, ...]
    figure: Figure


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
        f'<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>{shown}</h1>{body}</body></html>"
    )


def table_html(head: Sequence[str], rows: Iterable[Sequence[str]], *, words: bool = False) -> str:
    """Return a table, of numbers or of ``words``; the head is plain text, cells are HTML."""
    first = "".join(f"<th>{escape(h)}</th>" for h in head)
    rest = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    kind = ' class="words"' if words else ""
    return f'<div class="scroll"><table{kind}><tr>{first}</tr>{rest}</table></div>'


def verdict_html(lines: Iterable[str]) -> str:
    """Return lines of plain text as the list at the head of a page."""
    points = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<h2>Verdict</h2><ul class="verdict">{points}</ul>'


def with_plots(
    page: Path, plots: Iterable[Plot], guide: Iterable[tuple[str, str]]
) -> tuple[str, dict[Path, bytes]]:
    """Return plots and how to read them as HTML, and the PNG files that lie beside the page.

    Args:
        page: where the page goes.
        plots: the plots.
        guide: for each kind of panel what is wrong if it does not look as it should, HTML.
    """
    files, figures = {}, []
    for plot in plots:
        png = _png(plot.figure)
        files[plots_folder(page) / f"{plot.name}.png"] = png
        figures.append(_figure_html(plot, png))
    if not figures:
        return "", {}
    table = table_html(_GUIDE_HEAD, guide, words=True)
    return f'<h2>Plots</h2>{"".join(figures)}<h2 id="guide">How to read the plots</h2>{table}', files


def _png(figure: Figure) -> bytes:
    """Return a figure in 256 colours, which takes a third of the room."""
    from PIL import Image

    drawn, buffer = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=100, metadata={"Software": None})
    picture = Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _figure_html(plot: Plot, png: bytes) -> str:
    data, title = base64.b64encode(png).decode(), escape(plot.title)
    lines = "".join(f"<li>{escape(line)}</li>" for line in plot.reading)
    told = f'<b>{title}</b>. <a href="#guide">What is wrong if it looks otherwise</a><ul>{lines}</ul>'
    image = f'<img alt="{title}" src="data:image/png;base64,{data}">'
    return f'<figure><div class="scroll">{image}</div><figcaption>{told}</figcaption></figure>'
