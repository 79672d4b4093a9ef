# SPDX-License-Identifier: Apache-2.0
"""A first estimate of black level, read and row noise from the masked border of ordinary pictures."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from .dark_frames import site_planes
from .intervals import Estimate, from_frames, root
from .row_column import two_way

#: Pictures farther from their median than this many deviations are left out of a figure.
OUTLIER = 5.0


@dataclasses.dataclass(frozen=True)
class BorderEstimate:
    """What the borders of ``pictures`` of one ISO tell: bias by site, read and row noise, DN."""

    iso: float
    pictures: int
    bias: tuple[Estimate, ...]
    read: Estimate
    row: Estimate


def measure_border(strip: np.ndarray | None) -> np.ndarray:
    """Measure the masked strip of one picture by itself: fixed columns and rows count as noise of the frame.

    Args:
        strip: (h, w) uint16, even sides, raw DN; None for a picture without one.

    Returns: (9,) black by site [raw DN], mean square of the rest and variance of row means [DN^2], h, w,
        excess kurtosis of the rest; (0,) without a strip.
    """
    if strip is None:
        return np.zeros(0)
    black = np.array([plane.mean(dtype=np.float64) for plane in site_planes(strip)])
    residual = strip.astype(np.float64)
    for plane, level in zip(site_planes(residual), black, strict=True):
        plane -= level
    rows, _, rest = two_way(residual)
    h, w = rest.shape
    squares = np.square(rest)
    pixel = float(squares.sum()) / ((h - 1) * (w - 1))
    kurtosis = float(np.square(squares).mean()) / max(float(squares.mean()) ** 2, 1e-300) - 3
    # Even and odd rows were each centred by the levels of their sites.
    return np.array([*black, pixel, float(np.square(rows).sum()) / (h - 2), h, w, kurtosis])


def estimate_border(iso: float, measured: np.ndarray, blacks: np.ndarray) -> BorderEstimate:
    """Join what the strips of n pictures of one ISO gave, by their means, outliers left out.

    Args:
        iso: ISO speed.
        measured: (n, 9) as ``measure_border`` gives it.
        blacks: (n, 4) black level by site that each file tells, raw DN.
    """
    pixel, rows, h, w, kurtosis = np.median(measured[:, 4:], axis=0)
    tails = max(2 + kurtosis, 0.2)
    read = _joined(measured[:, 4] - 1 / 12, pixel * math.sqrt(tails / (h * w)))
    # The row means hold pixel/w of the pixels beside the rows' own.
    own = measured[:, 5] - measured[:, 4] / w
    row = _joined(own, math.hypot(rows * math.sqrt(2 / (h - 2)), pixel / w * math.sqrt(tails / (h * w))))
    # Half the rows hold a site, and each of its pixels counts once in h*w/4.
    error = math.sqrt(pixel / (h * w / 4) + max(rows - pixel / w, 0.0) / (h / 2))
    bias = tuple(_joined(over, error) for over in (measured[:, :4] - blacks).T)
    return BorderEstimate(iso, len(measured), bias, root(read), root(row))


def _joined(single: np.ndarray, error: float) -> Estimate:
    """Join estimates of single pictures (n,) with a standard error each that theory gives."""
    off = np.abs(single - np.median(single))
    # A mean, not the median: that of the same pictures scatters by a quarter more.
    kept = single[off <= OUTLIER * max(error, 1.4826 * float(np.median(off)))]
    return from_frames(float(kept.mean()), error / math.sqrt(len(kept)), kept)
