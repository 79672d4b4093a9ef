# SPDX-License-Identifier: Apache-2.0
"""The sheet of `lrd evaluate denoiser`: where the images of lowest PSNR went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lrd_ext.evaluation import DenoiserEvaluation

from .figure import new_figure, shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: In pictures the brightest 1 % of the clean one is white; an error of so much of white is full red or blue.
_WHITE_QUANTILE, _ERROR = 0.99, 0.25
_GAMMA = 1 / 2.2
_TITLES = ("input", "denoised", "ground truth", "error")


def draw_worst(found: DenoiserEvaluation, order: str) -> Figure:
    """Draw input, prediction, ground truth and error around the largest error of the worst images.

    The three pictures of an image share one white point and grey-world white balance, those of its ground
    truth. The error is that of the green channels' mean: blue is too dark, red too bright.

    Args:
        found: a run with a denoiser.
        order: of the packed channels, "rggb" or "rgbg".

    Raises:
        ValueError: no denoiser ran.
    """
    if not found.worst:
        raise ValueError("there is nothing to draw: no denoiser ran")
    figure, axes = new_figure(len(found.worst), 4, (11.6, 3.1 * len(found.worst)))
    greens = [1, 3] if order == "rgbg" else [1, 2]
    for row, case in zip(axes, found.worst, strict=True):
        pictures = [_rgb(planes, greens) for planes in (case.noisy, case.made, case.clean)]
        balance = pictures[2].mean((0, 1))[1] / np.maximum(pictures[2].mean((0, 1)), 1e-6)
        white = max(float(np.quantile(pictures[2] * balance, _WHITE_QUANTILE)), 1e-6)
        for ax, picture in zip(row, pictures, strict=False):
            ax.imshow(np.clip(picture * balance / white, 0, 1) ** _GAMMA, interpolation="nearest")
        error = (pictures[1] - pictures[2])[..., 1] / white
        row[3].imshow(error, cmap="RdBu_r", vmin=-_ERROR, vmax=_ERROR, interpolation="nearest")
        for ax, title in zip(row, _TITLES, strict=True):
            ax.set_axis_off()
            ax.set_title(title, fontsize=9)
        score = case.score
        row[0].set_title(f"{shown(score.id)}\n{score.psnr_in:.2f} dB", fontsize=8)
        row[1].set_title(f"denoised\n{score.psnr:.2f} dB, SSIM {score.ssim:.4f}", fontsize=8)
    return figure


def _rgb(planes: np.ndarray, greens: list[int]) -> np.ndarray:
    """Return (h, w, 3) of packed planes R, G, G, B or R, G, B, G."""
    blue = 6 - sum(greens)
    return np.stack([planes[0], planes[greens].mean(0), planes[blue]], -1)
