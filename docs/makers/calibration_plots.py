# SPDX-License-Identifier: Apache-2.0
"""Plots of a good calibration beside those of one that went wrong, of frames made and calibrated here."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lrd_ext import NoiseParams, fused_synth
from lrd_ext.calibration import Calibration, Levels, calibrate, find_frames
from lrd_ext.report import calibration_plots as plots
from lrd_ext.report.figure import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHAPE, _BLACK, _WHITE = (192, 256), 256, 4095
_CAMERA = NoiseParams(
    K=1.6, ratio=1, white=_WHITE, black=_BLACK, read="gaussian", sigma_read=4, sigma_row=0.5, sigma_col=0.2
)
_LEVELS = (0.03, 0.08, 0.15, 0.25, 0.35, 0.45, 0.6, 0.75)

#: What goes wrong with the raw DN of a frame of some level of light, 0 for a dark, and of some number.
_Defect = Callable[[np.ndarray, float, int], np.ndarray]


def draw() -> dict[str, Figure]:
    """Return the pairs of plots by name, the good one at the left."""
    good = _calibrated(_none)
    saturating, sharing, banded, glowing = map(_calibrated, (_saturate, _share, _band, _glow))
    tailed = _calibrated(_none, read="tukey_lambda", tukey_lambda=-0.25, sigma_read=2.0)
    return {
        "photon_transfer": _pair(lambda ax, c: plots.draw_curve(ax, c, c.isos[0]), good, saturating),
        "residuals": _pair(lambda ax, c: plots.draw_residuals(ax, c, c.isos[0]), good, sharing),
        "quantiles": _pair(lambda ax, c: plots.draw_quantiles(ax, c.isos[0]), good, tailed),
        "spectrum": _pair(lambda ax, c: plots.draw_spectra(ax, c.isos[0]), good, banded),
        "shading": _pair(lambda ax, c: plots.draw_shading(ax.figure, ax, c.isos[0]), good, glowing),
    }


def _none(frame: np.ndarray, level: float, index: int) -> np.ndarray:
    return frame


def _share(frame: np.ndarray, level: float, index: int) -> np.ndarray:
    """Let neighbours of a site share charge, more of it the fuller they are."""
    share = 0.06 * level
    return (1 - share) * frame + share * np.roll(frame, 2, axis=1)


def _saturate(frame: np.ndarray, level: float, index: int) -> np.ndarray:
    """Bend the light as a full well does, from half of the range on."""
    light = frame - _BLACK
    over = np.maximum(light - 1700, 0)
    return _BLACK + np.minimum(light, 1700) + over / (1 + over / 1500)


def _band(frame: np.ndarray, level: float, index: int) -> np.ndarray:
    """Add bands of 12 rows to darks, elsewhere in each frame."""
    rows = np.arange(frame.shape[0])[:, None]
    return frame + (1.0 * np.sin(2 * np.pi * rows / 12 + 2.4 * index) if level == 0 else 0)


def _glow(frame: np.ndarray, level: float, index: int) -> np.ndarray:
    """Add the glow of an amplifier at a corner to darks."""
    rows, columns = np.mgrid[: frame.shape[0], : frame.shape[1]]
    return frame + (12 * np.exp(-np.hypot(rows, columns) / 50) if level == 0 else 0)


def _calibrated(defect: _Defect, **noise: Any) -> Calibration:
    params = _CAMERA if not noise else NoiseParams.from_dict(_CAMERA.to_dict() | noise)
    levels = [0.0] * 10 + [level for level in _LEVELS for _ in range(2)]
    with (
        tempfile.TemporaryDirectory() as folder,
        open(Path(folder) / "frames.csv", "w", newline="") as listed,
    ):
        rows = csv.writer(listed)
        rows.writerow(["file", "kind", "iso", "exposure_s"])
        for index, level in enumerate(levels):
            drawn = fused_synth(torch.full(_SHAPE, level), params, seed=1, index=index, output="dn")
            frame = np.clip(np.rint(defect(drawn.numpy().astype(float), level, index)), 0, _WHITE)
            np.save(Path(folder) / f"{index}.npy", frame.astype(np.uint16))
            rows.writerow([f"{index}.npy", "flat" if level else "dark", 800, 0.1 + level])
        listed.flush()
        return calibrate(find_frames(folder, Levels((_BLACK,) * 4, _WHITE, "RGGB")))


def _pair(panel: Callable[[Any, Calibration], None], good: Calibration, bad: Calibration) -> Figure:
    figure, axes = new_figure(1, 2, (11.0, 3.8))
    for ax, found, title in zip(axes[0], (good, bad), ("good", "something is wrong"), strict=True):
        panel(ax, found)
        ax.set_title(f"{title}\n{ax.get_title()}", fontsize=10)
    return figure
