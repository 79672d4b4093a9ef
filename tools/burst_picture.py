# SPDX-License-Identifier: Apache-2.0
"""The picture docs/images/burst.png, of docs/concepts/identity.md: what averaging a burst leaves."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from lrd_ext import NoiseParams
from lrd_ext.augment import burst
from lrd_ext.inspection.dark_electrons import dark_electrons
from lrd_ext.report import write_png
from lrd_ext.report.figure import BLUE, INK, RED, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TARGET = Path(__file__).parents[1] / "docs" / "images" / "burst.png"
LEVELS = {"K": 2.0, "ratio": 1.0, "white": 1023.0, "black": 64.0}
FIXED = {
    "sigma_prnu": 0.02, "sigma_dsnu": 1.5, "sigma_row_fixed": 0.5, "sigma_col_fixed": 1.0,
    "dark_current": 2.0, "dark_current_spread": 0.4, "exposure_s": 0.5,
}  # fmt: skip
TEMPORAL = {"read": "gaussian", "sigma_read": 5.0, "sigma_row": 1.5}
DN = {"seed": 7, "sensor": 3, "output": "dn_float", "clip": "none"}
#: Frames that are averaged, the electrons of the flat field they show, and its side.
COUNTS, ELECTRONS, SIDE = (1, 2, 4, 8, 16, 32, 64, 128, 256), 10.0, 512


def predicted() -> tuple[float, float]:
    """Return the variance that every frame draws anew and that of the body, DN^2."""
    p = NoiseParams(**LEVELS, **FIXED, **TEMPORAL)
    signal, dark = float(p.K) * ELECTRONS, dark_electrons(p)
    drawn_anew = float(p.K) ** 2 * (ELECTRONS + dark.mean) + 5.0**2 + 1.5**2 + 1 / 12
    offsets = sum(float(s) ** 2 for s in (p.sigma_dsnu, p.sigma_row_fixed, p.sigma_col_fixed))
    # Of the dark electrons' variance their own shot noise is the mean.
    body = offsets + float(p.K) ** 2 * (dark.variance - dark.mean) + (float(p.sigma_prnu) * signal) ** 2
    return drawn_anew, body


def measured() -> list[float]:
    """Return the standard deviation over the pixels of the averages of a flat field, DN."""
    scene = torch.full((SIDE, SIDE), ELECTRONS * LEVELS["K"] / (LEVELS["white"] - LEVELS["black"]))
    params, total, found = NoiseParams(**LEVELS, **FIXED, **TEMPORAL), torch.zeros(SIDE, SIDE).double(), []
    for first, last in zip((0, *COUNTS), COUNTS, strict=False):
        # A clip for each stretch of frames, of one body: together they are one long burst.
        frames = burst(scene, params, frames=last - first, clip_index=last, **DN)["noisy"]
        total += frames.double().sum(0)
        found.append(float((total / last).std()))
    return found


def draw() -> Figure:
    """Draw a frame, the average of 16, what no average removes, and the deviation over their number."""
    scene, silent = _scene(), {"shot": False}
    params = NoiseParams(**LEVELS, **FIXED, **TEMPORAL)
    frames = burst(scene, params, frames=16, **DN)["noisy"]
    floor = burst(scene, NoiseParams(**LEVELS, **FIXED, **silent), frames=1, quantize="none", **DN)["noisy"]
    figure, [axes] = new_figure(1, 4, (13.0, 2.6))
    for ax, values, title in zip(
        axes,
        (frames[0], frames.mean(0), floor[0]),
        ("one frame", "16 averaged", "averaged without end"),
        strict=False,
    ):
        ax.imshow(values, cmap="gray", vmin=-5, vmax=37, interpolation="nearest")
        ax.set_title(title, fontsize=11)
        ax.grid(False)
        ax.set(xticks=[], yticks=[])
    _draw_curve(axes[3])
    return figure


def _scene(height: int = 64, width: int = 96) -> torch.Tensor:
    """Return a mosaic of light, 2 to 15 electrons, with a disc and three bars."""
    row, column = np.mgrid[:height, :width]
    electrons = 2 + 6.0 * column / width
    electrons[(row - 24) ** 2 + (column - 28) ** 2 < 200] = 15
    electrons[44:58, 52:88][:, np.arange(36) % 12 < 5] = 1
    return torch.tensor(electrons * LEVELS["K"] / 959, dtype=torch.float32)


def _draw_curve(ax: Axes) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    drawn_anew, body = predicted()
    n, found = np.array(COUNTS), np.array(measured())
    curve = np.sqrt(drawn_anew / n + body)
    ax.plot(n, found, "o", ms=5, color=INK, label="measured")
    ax.plot(n, curve, color=RED, lw=1.5, label="predicted")
    ax.axhline(math.sqrt(body), color=BLUE, lw=1.5, ls="--", label="the body's part")
    ax.plot(n, np.sqrt(drawn_anew / n), color=INK, lw=0.9, ls=":", label="1/√N alone")
    ax.set(xscale="log", yscale="log", xlabel="frames averaged, N", ylabel="standard deviation [DN]")
    for axis, ticks in ((ax.xaxis, COUNTS[::2]), (ax.yaxis, (1, 2, 3, 5, 8))):
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter("{x:g}")
    ax.legend(frameon=False, fontsize=8)
    print(f"floor {math.sqrt(body):.4f} DN; measured over predicted: ", np.round(found / curve, 4).tolist())


if __name__ == "__main__":
    write_png(TARGET, draw())
