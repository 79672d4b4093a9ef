# SPDX-License-Identifier: Apache-2.0
"""Plots of what a sensor adds: drift over frames, dark current over time, hot pixels and their tail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lrd_ext.calibration.results import Calibration, IsoResult
from lrd_ext.raw import site_labels

from .figure import BLUE, COLOURS, INK, MARKERS, RED, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lrd_ext.calibration.dark_series import DarkCurrent

#: Most hot pixels that are drawn.
_DRAWN = 5000

DRIFT = ("Level of every dark by site. The points should scatter about 0 and go nowhere.",)
DARK_CURRENT = (
    "Top left: level of every dark by site. The points should scatter about 0 and go nowhere.",
    "Top right: level over exposure time. The points should lie on the line: dark current is steady.",
    "Below left: how many pixels rise faster. The steps should follow the line until few are left.",
    "Below right: where they are. They should be scattered, those that blink too.",
)


def draw_sensor(found: Calibration, r: IsoResult) -> Figure:
    """Draw drift over the frames and, of darks of several exposure times, dark current and hot pixels."""
    rows = 2 if r.currents else 1
    figure, axes = new_figure(rows, rows, (13.0, 7.5) if r.currents else (6.5, 3.8))
    _draw_drift(axes[0, 0], found, r)
    if r.currents:
        _draw_levels(axes[0, 1], r)
        current = max(r.currents, key=lambda c: len(c.hot))
        K = r.transfer.K.value if r.transfer else None
        _draw_tail(axes[1, 0], current, K, found.sensor.shape)
        _draw_places(axes[1, 1], current, found.sensor.shape)
    return figure


def _draw_drift(ax: Axes, found: Calibration, r: IsoResult) -> None:
    assert r.dark is not None
    assert r.fixed is not None
    levels = r.dark.levels - r.dark.levels.mean(axis=0)
    labels = site_labels(found.sensor.cfa)
    for site, (label, colour, marker) in enumerate(zip(labels, COLOURS, MARKERS, strict=True)):
        ax.plot(
            np.arange(len(levels)) + 1,
            levels[:, site],
            marker,
            ls="-",
            lw=0.5,
            ms=4,
            color=colour,
            label=label,
        )
    sigma = r.fixed.drift.value
    ax.axhspan(-1.96 * sigma, 1.96 * sigma, color="#ccc", alpha=0.4, label="19 of 20")
    ax.set(xlabel="dark [number in the order of the names]", ylabel="level less the mean [DN]")
    ax.set_title(f"ISO {r.iso:g}, {r.dark.exposure_s:g} s: drift of {sigma:.3g} DN", fontsize=9)
    ax.margins(y=0.25)
    ax.legend(fontsize=7, ncols=5, loc="upper center", columnspacing=1, handletextpad=0.3)


def _draw_levels(ax: Axes, r: IsoResult) -> None:
    """Draw the level of the darks over exposure time, in a colour by temperature."""
    for current, colour in zip(r.currents, (BLUE, RED, *COLOURS[1:3], INK), strict=False):
        times = np.array([t for t, _ in current.levels])
        level = [e for _, e in current.levels]
        value = np.array([e.value for e in level])
        bars = [[e.value - e.low for e in level], [e.high - e.value for e in level]]
        at = "" if current.temperature_c is None else f"{current.temperature_c:g} °C: "
        ax.errorbar(times, value, bars, fmt="o", ms=4, capsize=2, color=colour)
        ends = np.array([0.0, times.max()])
        start = float(np.mean(value - current.rate.value * times))
        label = f"{at}{current.rate.value:.4g} DN/s"
        ax.plot(ends, start + current.rate.value * ends, lw=1, color=colour, label=label)
    rates = [c.rate.value / r.transfer.K.value for c in r.currents] if r.transfer else []
    electrons = f", {max(rates):.4g} e-/s" if rates else ""
    ax.set(xlabel="exposure time of the darks [s]", ylabel="mean over black [DN]")
    ax.set_title(f"Dark current over time{electrons}", fontsize=9)
    ax.legend(fontsize=8)


def _draw_tail(ax: Axes, current: DarkCurrent, K: float | None, shape: tuple[int, int]) -> None:
    """Draw how many pixels have more than a current, and the exponential fitted above the threshold."""
    tail, unit = current.tail, "DN/s" if K is None else "e-/s"
    ax.set(xlabel=f"current over that of the others [{unit}]", ylabel="pixels with more [count]")
    if tail is None:
        ax.set_title(f"{len(current.hot)} hot pixels: too few to tell their tail", fontsize=9)
        return
    per_unit = 1 / (current.longest * (K or 1.0))
    levels = np.sort(tail.levels) * per_unit
    count = np.arange(len(levels), 0, -1)
    ax.step(levels, count, where="post", color=BLUE, lw=1.2, label="measured")
    ends = np.array([0.0, levels[-1]])
    mean = tail.mean.value * per_unit
    line = tail.fraction.value * shape[0] * shape[1] * np.exp(-ends / mean)
    ax.plot(ends, line, "--", color=INK, lw=1, label=f"exponential of mean {mean:.3g} {unit}")
    ax.axvline(tail.threshold * per_unit, color="#999", ls=":", lw=1, label="counted from here on")
    ax.set_yscale("log")
    ax.set_ylim(0.7, 2 * float(line[0]))
    blink = "" if tail.blink is None else f", {tail.blink.value:.0%} of them blink"
    ax.set_title(f"Hot pixels: {1e6 * tail.fraction.value:.0f} per million{blink}", fontsize=9)
    ax.legend(fontsize=8)


def _draw_places(ax: Axes, current: DarkCurrent, shape: tuple[int, int]) -> None:
    on = current.values > current.values.max(axis=0, initial=0.0) / 2
    blinks = (on.sum(axis=0) < len(on)) if len(on) else np.zeros(0, bool)
    brightest = np.argsort(-current.values.max(axis=0, initial=0.0))[:_DRAWN]
    for which, colour, label in ((~blinks, RED, "steady"), (blinks, BLUE, "blink")):
        shown = current.hot[brightest[which[brightest]]]
        ax.scatter(shown[:, 1], shown[:, 0], s=4, c=colour, label=label)
    ax.set(xlim=(0, shape[1]), ylim=(shape[0], 0), xlabel="column", ylabel="row")
    ax.set_title(f"{len(current.hot)} pixels that rise far faster than their neighbours", fontsize=9)
    ax.legend(fontsize=8, loc="upper right")
