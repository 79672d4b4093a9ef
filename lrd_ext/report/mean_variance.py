# SPDX-License-Identifier: Apache-2.0
"""The noise between two files as a picture: variance over signal, what is off, the dark noise's shape."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lrd_ext.inspection.noise_over_signal import error_of_variance
from lrd_ext.raw import site_labels

from .figure import BLUE, COLOURS, INK, MARKERS, ORANGE, new_figure, plain_log, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lrd_ext.inspection import PairReport, Prediction

_SIGNAL = "expected signal [DN above black]"


def draw_pair(report: PairReport, prediction: Prediction | None, cfa: str) -> Figure:
    """Draw mean and variance with the fitted and the predicted line, their differences, and the dark noise.

    Args:
        report: what was measured between the files.
        prediction: what was to be expected; None draws the measurement alone.
        cfa: CFA phase of the sites.
    """
    figure, [(curve, rest, dark)] = new_figure(1, 3, (14.0, 4.6))
    _draw_curve(curve, report, prediction, cfa)
    _draw_rest(rest, report, prediction)
    _draw_dark(dark, report)
    if prediction is not None:
        figure.suptitle(shown(f"predicted: {prediction.title}"))
    return figure


def _draw_curve(axis: Axes, report: PairReport, p: Prediction | None, cfa: str) -> None:
    b = report.bins
    for site, (label, colour, marker) in enumerate(zip(site_labels(cfa), COLOURS, MARKERS, strict=True)):
        here = b.site == site
        axis.plot(b.signal[here], b.variance[here], marker, ms=4, color=colour, label=label)
    x = np.concatenate([[0.0], np.geomspace(1e-2, 1, 300) * float(b.signal.max()) * 1.05])
    axis.plot(x, report.fitted(x), "-", color=INK, lw=1, label="fitted")
    if p is not None and p.K is not None:
        axis.plot(x, p.variance(x), "--", color=ORANGE, lw=1.5, label="predicted")
    axis.set(title="noise over light", ylabel="noise variance [DN²]")
    plain_log(axis)
    _scale_signal(axis, report)
    axis.legend(frameon=False, fontsize=9)


def _draw_rest(axis: Axes, report: PairReport, p: Prediction | None) -> None:
    """Draw the four sites together: one point a level of light."""
    b = report.bins
    predicted = p is not None and p.K is not None
    against = p.variance(b.signal) if p is not None and p.K is not None else report.fitted(b.signal)
    K = report.K.value if report.K.value > 0 else 0.0
    error = 100 * error_of_variance(b, K, report.line.offset.value, report.dark.c4) / against
    level = np.unique(np.round(b.signal / max(float(b.signal.max()), 1e-9), 3), return_inverse=True)[1]
    weight = np.bincount(level, error**-2)
    off = 100 * (b.variance / against - 1)
    signal, off = (np.bincount(level, v / error**2) / weight for v in (b.signal, off))
    axis.errorbar(signal, off, weight**-0.5, fmt="o", color=INK, ms=4, lw=1)
    axis.axhline(0, color=ORANGE if predicted else INK, lw=1.5)
    against_what = "prediction" if predicted else "fitted line"
    axis.set(title=f"off the {against_what}: should be 0", ylabel="off [%], ± 1 standard error")
    _scale_signal(axis, report)


def _scale_signal(axis: Axes, report: PairReport) -> None:
    """Make the axis linear up to the signal whose shot noise is that of no light, logarithmic above."""
    from matplotlib.ticker import MaxNLocator

    K, top = report.K.value, float(report.bins.signal.max())
    dim = min(max(1.0, report.line.offset.value / K), max(1.0, top)) if K > 0 else 1.0
    axis.set_xscale("asinh", linear_width=dim)
    # Powers of ten far below dim would lie on top of the 0.
    powers = [t for t in 10.0 ** np.arange(6) if 0.5 * dim < t <= 1.3 * top]
    ticks = [0.0, *powers] if len(powers) > 1 else MaxNLocator(5).tick_values(0, max(top, dim))
    axis.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axis.set(xlabel=_SIGNAL, xlim=(-0.2 * dim, max(1.3 * top, dim)))


def _draw_dark(axis: Axes, report: PairReport) -> None:
    d = report.dark
    centre, width = (d.edges[:-1] + d.edges[1:]) / 2, d.edges[1] - d.edges[0]
    axis.stairs(d.counts / (d.count * width), d.edges, color=BLUE, fill=True, alpha=0.6, label="measured")
    normal = np.exp(-(centre**2) / (2 * d.variance)) / math.sqrt(2 * math.pi * d.variance)
    axis.plot(centre, normal, "-", color=INK, lw=1, label="normal of the same deviation")
    axis.set_yscale("log")
    axis.set_ylim(0.3 / (d.count * width), 100 * float(normal.max()))
    axis.set(
        title=f"dark noise, excess kurtosis {d.kurtosis.value:.2f}",
        xlabel="noise [DN]",
        ylabel="share per DN",
    )
    axis.legend(frameon=False, fontsize=9, loc="upper left")
