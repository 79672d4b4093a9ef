# SPDX-License-Identifier: Apache-2.0
"""The plots of a comparison of noise sources with real darks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from lrd_ext.evaluation import Evaluation, IsoEvaluation
from lrd_ext.metrics.noise_summary import NoiseSummary

from .figure import INK, SOURCES, STRETCH_STD, new_figure, plain_log, shown
from .page import Plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Pixels a side of the pictures, and lines of the profiles.
PICTURE, PROFILE = 192, 160
_ACROSS = 4


_PICTURES = (
    "Grey goes from -{0:g} to {0:g} standard deviations of the real noise in all. The others should look "
    "like the real darks: the same grain, stripes as strong and as wide.",
)
_CURVES = (
    "Top, the first three: power by stripe width, of row means, column means and grain. Each colour should "
    "follow the black line.",
    "Top right: how often a value is farther from 0 than so much. Each colour should follow the black line.",
    "Below left: quantiles less those of the real darks. The curves should lie at 0.",
    "Below, second and third: the first row and column means of one frame. They should jump about alike.",
    "Below right: how much neighbours know of each other. Each colour should follow the black line.",
)


def noise_plots(found: Evaluation) -> Iterator[Plot]:
    """Give every plot."""
    for at in found.isos:
        title = f"ISO {at.iso:g}: the middle of one frame of each, {PICTURE} x {PICTURE} pixels at most"
        reading = tuple(line.format(STRETCH_STD) for line in _PICTURES)
        yield Plot(f"pictures_iso{at.iso:g}", title, reading, draw_pictures(at))
        title = f"ISO {at.iso:g}: spectra, values and lines"
        yield Plot(f"curves_iso{at.iso:g}", title, _CURVES, draw_curves(at))


def draw_pictures(at: IsoEvaluation) -> Figure:
    """Draw one frame of real noise and of each candidate at equal stretch."""
    frames = [("real darks", at.frame), *((c.name, c.frame) for c in at.candidates)]
    rows = math.ceil(len(frames) / _ACROSS)
    figure, axes = new_figure(rows, _ACROSS, (11.6, 3.1 * rows))
    limit = STRETCH_STD * at.real.std
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, (name, frame) in zip(axes.flat, frames, strict=False):
        ax.imshow(_middle(frame), cmap="gray", vmin=-limit, vmax=limit, interpolation="nearest")
        ax.set_title(shown(name), fontsize=10)
    return figure


def _middle(frame: np.ndarray) -> np.ndarray:
    top, left = (max(size - PICTURE, 0) // 2 for size in frame.shape)
    return frame[top : top + PICTURE, left : left + PICTURE]


def draw_curves(at: IsoEvaluation) -> Figure:
    """Draw spectra of rows, columns and grain, QQ, tails, and row and column profiles of one frame."""
    figure, axes = new_figure(2, 4, (16.0, 7.6))
    for ax, part, title in (
        (axes[0, 0], "rows", "Row means"),
        (axes[0, 1], "columns", "Column means"),
        (axes[0, 2], "plane", "Grain along rows"),
    ):
        _draw_spectrum(ax, at, part)
        ax.set_title(title, fontsize=9)
    _draw_tails(axes[0, 3], at)
    _draw_qq(axes[1, 0], at)
    _draw_profiles(axes[1, 1], at, 1, "row")
    _draw_profiles(axes[1, 2], at, 0, "column")
    _draw_neighbours(axes[1, 3], at)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9)
    return figure


def _all(at: IsoEvaluation) -> Iterator[tuple[str, NoiseSummary, str, float]]:
    """Give name, sums, colour and line width of the real darks and every candidate."""
    yield "real darks", at.real, INK, 2.4
    for i, c in enumerate(at.candidates):
        yield c.name, c.summary, SOURCES[i % len(SOURCES)], 1.2


def _draw_spectrum(ax: Axes, at: IsoEvaluation, part: str) -> None:
    for name, summary, colour, width in _all(at):
        power = getattr(summary.spectrum, part) / summary.frames
        power = power.mean(axis=0) if part == "plane" else power
        frequency = (np.arange(len(power)) + 0.5) / (2 * len(power))
        visible = power > 1e-6 * at.real.std**2
        ax.plot(frequency[visible], power[visible], color=colour, lw=width, label=shown(name))
    ax.set(xlabel="cycles per pixel", xlim=(0, 0.5), ylabel="power [DN²]")
    plain_log(ax)


def _draw_tails(ax: Axes, at: IsoEvaluation) -> None:
    for _, summary, colour, width in _all(at):
        beyond = np.cumsum(summary.counts[::-1])[::-1]
        half = len(summary.counts) // 2
        both = beyond[half + 1 :] + np.cumsum(summary.counts)[half - 1 :: -1]
        seen = both > 0
        distance = np.arange(half)[seen] + 0.5
        ax.plot(distance / at.real.std, both[seen] / summary.counts.sum(), color=colour, lw=width)
    ax.set(yscale="log", xlabel="distance from 0 [real standard deviations]", xlim=(0, 8), ylabel="share")
    ax.set_title("Share of values beyond", fontsize=9)


def _draw_qq(ax: Axes, at: IsoEvaluation) -> None:
    p = np.unique(np.concatenate([10.0 ** np.arange(-6, -1, 0.25), np.linspace(0.05, 0.5, 30)]))
    p = np.concatenate([p, 1 - p[::-1]])
    p = p[np.minimum(p, 1 - p) * at.real.counts.sum() >= 5]  # an extreme of fewer values is chance
    real = _quantiles(at.real, p)
    for _, summary, colour, width in _all(at):
        ax.plot(real, _quantiles(summary, p) - real, ".-", ms=3, color=colour, lw=width / 2)
    ax.set(xlabel="quantile of the real darks [DN]", ylabel="quantile less that of the real darks [DN]")
    ax.set_title("QQ", fontsize=9)


def _quantiles(summary: NoiseSummary, p: np.ndarray) -> np.ndarray:
    """Return quantiles, straight between the edges of the bins that hold values."""
    held = summary.counts > 0
    share = np.cumsum(summary.counts[held]) / summary.counts.sum()
    upper = summary.dn[held] + 0.5
    return np.interp(p, [0.0, *share], [upper[0] - 1, *upper])


def _draw_profiles(ax: Axes, at: IsoEvaluation, axis: int, what: str) -> None:
    """Draw the means of the first lines of one frame of each, one above the other."""
    frames = [at.frame, *(c.frame for c in at.candidates)]
    means = [frame.mean(axis=axis)[:PROFILE] for frame in frames]
    apart = 6 * float(np.std(means[0])) or 1.0
    for i, (mean, (_, _, colour, width)) in enumerate(zip(means, _all(at), strict=True)):
        ax.plot(mean - mean.mean() - i * apart, color=colour, lw=max(width / 2, 0.8))
    ax.set(xlabel=what, ylabel="mean [DN], each moved down")
    ax.set_title(f"{what.capitalize()} means of one frame", fontsize=9)


def _draw_neighbours(ax: Axes, at: IsoEvaluation) -> None:
    """Draw the correlation with neighbours in the same row and one and two rows below."""
    across = at.real.neighbours.shape[1] // 2
    for _, summary, colour, width in _all(at):
        variance = summary.neighbours[0, across]
        if variance > 0:
            rows = [summary.neighbours[0, across + 1 :], *summary.neighbours[1:3]]
            ax.plot(np.concatenate(rows) / variance, color=colour, lw=width, marker=".", ms=4)
    ends = np.cumsum([across, 2 * across + 1])
    for end in ends:
        ax.axvline(end - 0.5, color="#999", lw=0.8)
    middles = [across / 2 - 0.5, across + across, 3 * across + 1 + across]
    ax.set_xticks(middles, ["same row, right", "one row below", "two rows below"])
    ax.set_ylabel("correlation")
    ax.set_title("Correlation with neighbours", fontsize=9)
