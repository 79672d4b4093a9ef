# SPDX-License-Identifier: Apache-2.0
"""The residual of a noisy picture: as a picture, and its histogram and line spectra against a prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .figure import BLUE, INK, RED, STRETCH_STD, new_figure, plain_log

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lrd_ext.inspection import Residual


def residual_picture(residual: Residual) -> np.ndarray:
    """Return the noise as grey, (H, W) uint8: black and white are 3.5 predicted standard deviations off 0."""
    scale = np.float32(127.5 / (STRETCH_STD * residual.std))
    return np.clip(residual.noise * scale + np.float32(128), 0, 255).astype(np.uint8)


def draw_residual(residual: Residual) -> Figure:
    """Draw the histogram of the noise and the spectra of row and column means, with what is predicted."""
    figure, axes = new_figure(1, 3, (14.0, 4.6))
    histogram, rows, columns = axes[0]
    _draw_histogram(histogram, residual)
    height, width = residual.noise.shape
    _draw_spectrum(rows, residual.rows, residual.predicted_rows, "row", height)
    _draw_spectrum(columns, residual.columns, residual.predicted_columns, "column", width)
    return figure


def _draw_histogram(ax: Axes, r: Residual) -> None:
    inner = slice(1, -1)  # the ends hold all beyond them
    ax.stairs(r.counts[inner], r.edges[inner], color=BLUE, fill=True, alpha=0.5, label="residual")
    centre = (r.edges[:-1] + r.edges[1:]) / 2
    shown = r.predicted_counts > 0.1
    shown[[0, -1]] = False
    ax.plot(centre[shown], r.predicted_counts[shown], color=RED, lw=1.5, label="predicted")
    ax.set_yscale("log")
    ax.set_ylim(0.5, 20 * float(r.counts.max()))
    ax.set(xlabel="noisy less expected [DN]", ylabel=f"pixels a bin of {r.edges[1] - r.edges[0]:g} DN")
    ax.set_title("Residual: bars follow the line", fontsize=10)
    ax.legend(frameon=False, fontsize=9, loc="upper left")


def _draw_spectrum(ax: Axes, power: np.ndarray, predicted: np.ndarray, what: str, lines: int) -> None:
    frequency = (np.arange(len(power)) + 0.5) / (2 * len(power))
    # Each band is the mean of so many powers, every one exponentially distributed.
    chance = 2 * predicted * (max(lines // 2, 1) / len(power)) ** -0.5
    edges = np.arange(len(power) + 1) / (2 * len(power))
    low, high = (np.append(v, v[-1]) for v in (np.maximum(predicted - chance, 0), predicted + chance))
    ax.fill_between(edges, low, high, step="post", color=RED, alpha=0.12, lw=0, label="95 % by chance")
    ax.stairs(predicted, edges, baseline=None, color=RED, lw=1.5, label="predicted")
    ax.plot(frequency, power, ".-", color=INK, lw=1, label="residual")
    ax.set(xlabel=f"cycles per {what}", ylabel="power [DN²]", xlim=(0, 0.5))
    ax.set_title(f"Spectrum of {what} means: points in the band", fontsize=10)
    plain_log(ax)
    if ax.get_yscale() == "linear":
        ax.set_ylim(0, 1.2 * ax.dataLim.y1)
    ax.legend(frameon=False, fontsize=9)
