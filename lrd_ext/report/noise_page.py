# SPDX-License-Identifier: Apache-2.0
"""The page of `lrd evaluate noise`: verdict, distances, pictures and curves."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

from lrd_ext.evaluation import Evaluation, IsoEvaluation, verdict
from lrd_ext.evaluation.advice import excess
from lrd_ext.evaluation.noise import title_of
from lrd_ext.metrics.noise_summary import TAILS, tail_share
from lrd_ext.version import __version__

from .noise_plots import noise_plots
from .page import document, table_html, verdict_html, with_plots

_LEGEND = (
    "<p>Every distance is 0 for equal noise. The floor is that of real darks from other real darks: the mean "
    "over splits of the frames, and the highest, of tails at least what such counts scatter. <b>Bold</b> is "
    "what lies beyond the highest: there the source can be told from real darks. KLD falls below 0 where a "
    "source leaves bins of real values empty, which all presets but 2shots skip. Rivals were fitted to other "
    "darks than those they are measured against.</p>"
)


_GUIDE = (
    ("pictures", "smoother or rougher grain: another shape; no stripes: rows and columns are missing"),
    (
        "row and column means",
        "a colour below black at the left: broad bands are missing; spikes of black alone: banding",
    ),
    ("grain", "black falls to one side: neighbours share noise, which a formula does not draw"),
    (
        "share beyond, quantiles",
        "black above the colour at the right: the tails are too light; try tukey_lambda",
    ),
    ("correlation", "black off 0 where the colour is at 0: only a generator or recorded darks have that"),
)


def noise_report_files(page: Path, found: Evaluation) -> dict[Path, bytes]:
    """Return the page and its plots, which are in the page too, as what each file shall hold."""
    plots, files = with_plots(page, noise_plots(found), _GUIDE)
    body = "".join([_facts(found), verdict_html(verdict(found)), *_tables(found), plots])
    title = f"Noise of {found.fake} against the darks of {Path(found.real).name}"
    return {page: document("lrd evaluate noise", title, body).encode(errors="backslashreplace"), **files}


def _facts(found: Evaluation) -> str:
    fixed = "and their mean frame" if found.settings.dark_shading else "(fixed patterns count as noise)"
    return (
        f"<p>Real darks: {escape(found.real)}, less the mean of each site {fixed}. "
        f"Seed {found.settings.seed}. lrd_ext {__version__}</p>"
    )


def _tables(found: Evaluation) -> Iterator[str]:
    for i, at in enumerate(found.isos):
        yield (
            f"<h2>ISO {at.iso:g}</h2>{_LEGEND if i == 0 else ''}<p>{at.fitted} darks to fit to, {at.held} "
            f"held out, {at.shape[0]} x {at.shape[1]} pixels; standard deviation {at.real.std:.3g} DN; "
            f"{at.hot} hot pixels left out.</p>"
        )
        yield _distances(at)
        yield _tails(at)


def _distances(at: IsoEvaluation) -> str:
    head = ["distance", "floor", "highest", *(c.name for c in at.candidates)]
    rows = []
    for name, floor in at.floor.items():
        cells = [f"{floor.mean:.2g}", f"{floor.highest:.2g}"]
        for c in at.candidates:
            value = f"{c.distances[name]:.3g}"
            cells.append(f"<b>{value}</b>" if excess(at, c, name) > 1 else value)
        rows.append([escape(title_of(name)), *cells])
    return table_html(head, rows)


def _tails(at: IsoEvaluation) -> str:
    head = ["values per million", "real", *(c.name for c in at.candidates)]
    summaries = [at.real, *(c.summary for c in at.candidates)]
    rows = [
        [f"beyond {k} σ", *(f"{1e6 * tail_share(s, k, at.real.std):.3g}" for s in summaries)] for k in TAILS
    ]
    deviations = ["standard deviation [DN]", *(f"{s.std:.4g}" for s in summaries)]
    return table_html(head, [*rows, deviations])
