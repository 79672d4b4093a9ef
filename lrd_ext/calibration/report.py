# SPDX-License-Identifier: Apache-2.0
"""The report of a calibration: one HTML file that needs nothing else, and its plots as PNG beside it."""

from __future__ import annotations

import base64
import io
import os
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from lrd_ext.profiles import CameraProfile
from lrd_ext.raw.atomic import replacing
from lrd_ext.version import __version__

from .intervals import Estimate
from .plots import all_plots
from .results import Calibration
from .verdict import verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:1180px;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0;font-size:13px}
th,td{padding:.25em .7em;border-bottom:1px solid #ddd;text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}
img{max-width:100%;border:1px solid #eee}
.verdict{background:#f4f6f7;border-left:4px solid #2471a3;padding:.6em 1.2em}
figure{margin:1.5em 0}figcaption{font-size:13px;color:#555}
.scroll{overflow-x:auto}small{color:#777}
"""
_FIGURES = (
    ("K", "K [DN/e-]"),
    ("sigma_gaussian", "read std [DN]"),
    ("sigma_tukey_lambda", "Tukey-lambda scale [DN]"),
    ("tukey_lambda", "shape"),
    ("sigma_row", "row [DN]"),
    ("sigma_col", "column [DN]"),
)


def write_report(path: str | os.PathLike[str], found: Calibration, profile: CameraProfile) -> None:
    """Write the report to ``path`` and its plots, as PNG, to a folder beside it named after it."""
    target = Path(path)
    folder = target.with_name(f"{target.stem}_plots")
    folder.mkdir(exist_ok=True)
    figures = []
    for name, caption, figure in all_plots(found):
        png = _png(figure)
        with replacing(folder / f"{name}.png") as file:
            file.write(png)
        figures.append(_figure_html(caption, png))
    with replacing(target) as file:
        file.write(_page(found, profile, figures).encode())


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
        f"{escape(s.make)} {escape(s.model)}, {escape(s.cfa)}, {s.shape[0]} x {s.shape[1]} pixels, "
        f"black {black}, white {s.white:g}; {found.frames} frames. lrd_ext {__version__}"
    )
    points = "".join(f"<li>{escape(line)}</li>" for line in verdict(found))
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1><p>{facts}</p>"
        f'<h2>Verdict</h2><ul class="verdict">{points}</ul>'
        f'<h2>Figures with 95 % intervals</h2><div class="scroll">{_table(profile)}</div>'
        f'<h2>Which model of read noise</h2><div class="scroll">{_models(found)}</div>'
        f'<h2>EMVA 1288 and per-site figures</h2><div class="scroll">{_emva(found)}</div>'
        f'<h2>Black-level error</h2><div class="scroll">{_bias(found)}</div>'
        f"{_left_out(found)}<h2>Plots</h2>{''.join(figures)}</body></html>"
    )


def _rows(head: list[str], rows: list[list[str]]) -> str:
    first = "".join(f"<th>{escape(h)}</th>" for h in head)
    rest = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{first}</tr>{rest}</table>"


def _table(profile: CameraProfile) -> str:
    rows = []
    for row in profile.rows:
        cells = [f"{row.iso:g}"]
        for name, _ in _FIGURES:
            value, interval = getattr(row, name), (row.interval95 or {}).get(name)
            shown = "-" if value is None else f"{value:.5g}"
            cells.append(
                shown + (f"<br><small>{interval[0]:.5g} to {interval[1]:.5g}</small>" if interval else "")
            )
        rows.append(cells)
    return _rows(["ISO", *(title for _, title in _FIGURES)], rows)


def _models(found: Calibration) -> str:
    rows = []
    for r in found.measured:
        if r.read is not None:
            g, t = r.read.models["gaussian"], r.read.models["tukey_lambda"]
            figures = (g.kld, t.kld, g.ks, t.ks, g.r2, t.r2, r.read.ppcc[0])
            rows.append(
                [f"{r.iso:g}", *(f"{v:.4g}" for v in figures[:4]), *(f"{v:.5f}" for v in figures[4:])]
            )
    head = ["ISO", "KLD Gaussian", "KLD Tukey-lambda", "KS Gaussian", "KS Tukey-lambda"]
    return _rows([*head, "r² Gaussian", "r² Tukey-lambda", "PPCC shape (bracket -0.3 to 0.3)"], rows)


def _emva(found: Calibration) -> str:
    rows = []
    for r in found.isos:
        dsnu = "-" if r.read is None else f"{r.read.dsnu.value:.4g} / {r.read.dsnu_white.value:.4g}"
        prnu = " / ".join(_percent(e) for e in (r.prnu_all, r.prnu))
        bend = r.linearity
        linear = (
            "-" if bend is None else f"{bend.lowest:+.2f} / {bend.highest:+.2f} / {bend.mean_absolute:.2f}"
        )
        K = "-" if r.transfer is None else " ".join(f"{line.K.value:.5g}" for line in r.transfer.lines)
        read = "-" if r.read is None else " ".join(f"{v:.4g}" for v in r.read.pixel)
        hot = "-" if r.dark is None else str(len(r.dark.statistics.hot))
        rows.append([f"{r.iso:g}", dsnu, prnu, linear, K, read, hot])
    head = [
        "ISO",
        "DSNU all / pixels [DN]",
        "PRNU all / pixels [%]",
        "linearity error low / high / mean abs. [%]",
    ]
    return _rows([*head, "K by site", "read by site [DN]", "hot pixels"], rows)


def _percent(e: Estimate | None) -> str:
    return "-" if e is None else f"{100 * e.value:.3g} ({100 * e.low:.3g} to {100 * e.high:.3g})"


def _bias(found: Calibration) -> str:
    rows = [
        [f"{g.iso:g}", f"{g.exposure_s:g}", str(g.statistics.frames)]
        + [f"{b.value:+.3f}<br><small>{b.low:+.3f} to {b.high:+.3f}</small>" for b in g.bias]
        for g in found.darks
    ]
    return _rows(["ISO", "exposure [s]", "darks", "site (0,0) [DN]", "(0,1)", "(1,0)", "(1,1)"], rows)


def _left_out(found: Calibration) -> str:
    if not found.left_out and not found.unpaired:
        return ""
    rows = [[escape(name), escape(reason)] for name, reason in found.left_out.items()]
    rows += [[escape(name), "no second frame like it"] for name in found.unpaired]
    return "<h2>Frames left out</h2>" + _rows(["frame", "reason"], rows)
