# SPDX-License-Identifier: Apache-2.0
"""The drawings of the concept pages: each shows what the library really computes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lrd_ext import NoiseParams, fused_synth
from lrd_ext.cfa import PATTERNS
from lrd_ext.raw import BAYER, ORDERS, QUAD, SITES, XTRANS, pack, remosaic, site_labels, unpack
from lrd_ext.report import write_png
from lrd_ext.report.figure import BLUE, COLOURS, INK, RED, new_figure

from . import calibration_plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEVELS = {"K": 2.0, "ratio": 1.0, "white": 1023.0, "black": 64.0}
_READ = {"read": "tukey_lambda", "sigma_read": 5.0, "tukey_lambda": -0.1}
_LINES = {"sigma_row": 4.0, "sigma_col": 2.0}
_FILTERS = {"R": RED, "G": COLOURS[1], "Gr": COLOURS[1], "Gb": COLOURS[2], "B": BLUE}


def draw(folder: Path) -> None:
    """Write every drawing."""
    for name, figure in {
        "noise_model": noise_model(),
        "identity": identity(),
        "cfa": cfa(),
        "packing": packing(),
        "large_patterns": large_patterns(),
        "levels": levels(),
        **{f"calibration_{name}": figure for name, figure in calibration_plots.draw().items()},
    }.items():
        write_png(folder / f"{name}.png", figure)


def _scene(height: int = 48, width: int = 72) -> torch.Tensor:
    """Return a mosaic of light, 0 to 30 electrons, with a disc and three bars."""
    row, column = np.mgrid[:height, :width]
    electrons = 4 + 14.0 * column / width
    electrons[(row - 18) ** 2 + (column - 22) ** 2 < 110] = 30
    electrons[34:43, 40:66][:, np.arange(26) % 9 < 4] = 1
    return torch.tensor(electrons * _LEVELS["K"] / 959, dtype=torch.float32)


def noise_model() -> Figure:
    """Draw one scene as component after component joins."""
    clean, more = _scene(), {"seed": 3, "output": "dn_float", "clip": "none"}
    plain: dict[str, Any] = {"quantize": "none"} | more
    steps = {
        "clean signal": clean * 959,
        "+ shot": fused_synth(clean, NoiseParams(**_LEVELS), **plain),
        "+ read": fused_synth(clean, NoiseParams(**_LEVELS, **_READ), **plain),
        "+ row and column": fused_synth(clean, NoiseParams(**_LEVELS, **_READ, **_LINES), **plain),
        "rounded": fused_synth(clean, NoiseParams(**_LEVELS, **_READ, **_LINES), **more),
    }
    figure, axes = new_figure(2, len(steps), (13.0, 4.6))
    for (title, values), picture, line in zip(steps.items(), *axes, strict=True):
        _show(picture, values, title, (-20, 80))
        line.plot(steps["clean signal"][18], color=RED, lw=0.9)
        line.plot(values[18], color=INK, lw=0.9, drawstyle="steps-mid")
        line.set(ylim=(-35, 110), xlabel="column")
        line.set_title("row 18", fontsize=9)
    axes[1, 0].set_ylabel("DN above black")
    return figure


def _show(axes: Axes, values: torch.Tensor, title: str, limits: tuple[float, float]) -> None:
    axes.imshow(values, cmap="gray", vmin=limits[0], vmax=limits[1], interpolation="nearest")
    axes.set_title(title, fontsize=11)
    axes.grid(False)
    axes.set(xticks=[], yticks=[])


def identity() -> Figure:
    """Draw the noise of a frame, of a crop of it made alone, and of the next index."""
    params, dark = NoiseParams(**_LEVELS, **_READ, **_LINES), torch.zeros(48, 72)
    top, left, height, width = 12, 30, 20, 28
    more: dict[str, Any] = {"seed": 7, "output": "dn_float"}
    crop = dark[top : top + height, left : left + width]
    frames = {
        "seed 7, index 0": fused_synth(dark, params, **more),
        f"the same, only the crop at ({top}, {left})": fused_synth(crop, params, **more, origin=(top, left)),
        "seed 7, index 1": fused_synth(dark, params, **more, index=1),
        "seed 8, index 0": fused_synth(dark, params, **(more | {"seed": 8})),
    }
    figure, axes = new_figure(1, len(frames), (13.0, 2.7))
    for ax, (title, values) in zip(axes[0], frames.items(), strict=True):
        _show(ax, values, title, (-25, 25))
    axes[0, 0].add_patch(_frame(left - 0.5, top - 0.5, width, height))
    axes[0, 1].add_patch(_frame(-0.5, -0.5, width, height))
    return figure


def _frame(x: float, y: float, width: float, height: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), width, height, fill=False, color=RED, lw=2.5)


def cfa() -> Figure:
    """Draw the four phases: which colour each site of a cell has."""
    figure, axes = new_figure(1, len(BAYER), (9.0, 2.5))
    for ax, phase in zip(axes[0], BAYER, strict=True):
        for (row, column), colour in zip(SITES, site_labels(phase), strict=True):
            _cell(ax, column, row, colour, f"{colour}\n({row},{column})")
        ax.set_title(phase, fontsize=11)
        _bare(ax, (0, 2), (2, 0))
    return figure


def packing() -> Figure:
    """Draw the planes of a packed frame, by order, for two phases."""
    figure, axes = new_figure(1, len(ORDERS), (11.0, 2.3))
    for ax, order in zip(axes[0], ORDERS, strict=True):
        for line, phase in enumerate(("RGGB", "GRBG")):
            for plane, site in enumerate(_planes(order, phase)):
                colour = site_labels(phase)[site]
                _cell(ax, plane, line, colour, f"{colour}\n{SITES[site]}".replace(" ", ""))
            ax.text(-0.12, line + 0.5, phase, ha="right", va="center", fontsize=9)
        ax.set_title(f'order="{order}", planes 0 to 3', fontsize=10)
        _bare(ax, (-0.9, 4), (2, 0))
    return figure


def large_patterns() -> Figure:
    """Draw X-Trans and quad-Bayer: colour and packed plane of each pixel, and quad-Bayer after remosaic."""
    moved, phase = remosaic(np.arange(16).reshape(4, 4), QUAD)
    figure, axes = new_figure(1, 3, (9.5, 3.4))
    drawn = {
        f"{XTRANS}, plane of 9": (XTRANS, _plane_of_each_pixel(XTRANS, 6)),
        f"{QUAD}, plane of 16": (QUAD, _plane_of_each_pixel(QUAD, 4)),
        f"{QUAD} remosaiced: {phase}": (phase, moved),
    }
    for ax, (title, (pattern, numbers)) in zip(axes[0], drawn.items(), strict=True):
        for (row, column), number in np.ndenumerate(numbers):
            colour = PATTERNS[pattern].at(row, column)
            _cell(ax, column, row, colour, f"{colour}\n{number}")
        ax.set_title(title, fontsize=10)
        _bare(ax, (0, len(numbers)), (len(numbers), 0))
    return figure


def _plane_of_each_pixel(cfa: str, cell: int) -> np.ndarray:
    packed = pack(np.zeros((cell, cell), int), cfa=cfa)
    return unpack(np.zeros_like(packed) + np.arange(len(packed))[:, None, None], cfa=cfa)


def _planes(order: str, phase: str) -> Sequence[int]:
    """Return the site each plane holds, as ``pack`` lays them."""
    return pack(np.arange(4).reshape(2, 2), order, cfa=phase).ravel().tolist()


def _cell(ax: Axes, x: float, y: float, colour: str, text: str) -> None:
    from matplotlib.patches import Rectangle

    ax.add_patch(Rectangle((x, y), 1, 1, facecolor=_FILTERS[colour], edgecolor="white", lw=2))
    ax.text(x + 0.5, y + 0.5, text, ha="center", va="center", color="white", fontsize=9, weight="bold")


def _bare(ax: Axes, x: tuple[float, float], y: tuple[float, float]) -> None:
    ax.grid(False)
    ax.axis("off")
    ax.set(xlim=x, ylim=y, aspect="equal")


def levels() -> Figure:
    """Draw the histograms of a dark, a lit and a saturated frame between the two ends of a raw range."""
    params = NoiseParams(
        K=1.5, ratio=1.0, white=400.0, black=64.0, read="gaussian", sigma_read=16.0, bias=10.0
    )
    figure, [[ax]] = new_figure(1, 1, (11.0, 3.4))
    frames = {"dark frame": (0.0, INK), "half lit": (0.45, BLUE), "near saturation": (0.97, RED)}
    for label, (signal, colour) in frames.items():
        drawn = fused_synth(torch.full((400, 400), signal), params, seed=1, output="dn")
        counts = np.bincount(drawn.ravel().numpy(), minlength=401)
        ax.fill_between(
            np.arange(401), counts / counts.sum(), step="mid", color=colour, alpha=0.55, label=label
        )
    for at, text in (
        (64, "black level 64"),
        (74, "where the dark\nreally lies: + bias"),
        (400, "white level 400"),
    ):
        ax.axvline(at, color=INK, lw=1, ls="-" if at != 74 else ":")
        ax.text(
            at + (3 if at == 74 else -3),
            0.0295,
            text,
            ha="left" if at == 74 else "right",
            va="top",
            fontsize=9,
        )
    ax.set(xlim=(-6, 412), ylim=(0, 0.03), xlabel="raw DN", ylabel="share of pixels")
    ax.legend(fontsize=9, loc="upper center")
    return figure
