# SPDX-License-Identifier: Apache-2.0
"""The report of a calibration: one HTML file that needs nothing else, and its plots as PNG beside it."""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from lrd_ext.calibration.results import Calibration
from lrd_ext.calibration.verdict import verdict
from lrd_ext.profiles import CameraProfile
from lrd_ext.version import __version__

from .calibration_plots import all_plots
from .calibration_tables import all_tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Stands in the head of every report, by which the next run knows that it may replace it.
_MARK = '<meta name="generator" content="lrd calibrate'
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
    """Return the folder beside the report, named after it, in which its plots lie as PNG."""
    return page.with_name(f"{page.stem}_plots")


def is_report(path: Path) -> bool:
    """Tell whether a file is a report of this command, by the mark in its head."""
    with open(path, "rb") as file:
        return _MARK.encode() in file.read(1024)


def report_files(page: Path, found: Calibration, profile: CameraProfile) -> dict[Path, bytes]:
    """Return the report and its plots, which are in its page too, as what each file shall hold."""
    files, figures = {}, []
    for name, caption, figure in all_plots(found):
        png = _png(figure)
        files[plots_folder(page) / f"{name}.png"] = png
        figures.append(_figure_html(caption, png))
    return {page: _page(found, profile, figures).encode(), **files}


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()


def _figure_html(caption: str, png: bytes) -> str:
    data = base64.b64encode(png).decode()
    text = escape(caption)
    image = f'<img alt="{text}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}<figcaption>{text}</figcaption></figure>"


def _page(found: Calibration, profile: CameraProfile, figures: list[str]) -> str:
    s = found.sensor
    title = f"Calibration of {escape(profile.name)}"
    black = ", ".join(f"{b:g}" for b in s.black)
    facts = (
        f"{escape(profile.camera)}, {escape(s.cfa)}, {s.shape[0]} x {s.shape[1]} pixels, "
        f"black {black}, white {s.white:g}; frames: {found.frames}. lrd_ext {__version__}"
    )
    points = "".join(f"<li>{escape(line)}</li>" for line in verdict(found))
    tables = "".join(f"<h2>{escape(head)}</h2>{table}" for head, table in all_tables(found, profile))
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'{_MARK} (lrd_ext {__version__})"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1><p>{facts}</p>"
        f'<h2>Verdict</h2><ul class="verdict">{points}</ul>{tables}'
        f"{'<h2>Plots</h2>' if figures else ''}{''.join(figures)}</body></html>"
    )
