# SPDX-License-Identifier: Apache-2.0
"""A first estimate of black level, read and row noise from the masked border of ordinary pictures."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from .dark_frames import site_planes
from .intervals import Estimate, from_error, root
from .row_column import two_way


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

    Returns: (8,) black by site [raw DN], mean square of the rest and variance of row means [DN^2], h, w;
        (0,) without a strip.
    """
    if strip is None:
        return np.zeros(0)
    black = np.array([plane.mean(dtype=np.float64) for plane in site_planes(strip)])
    residual = strip.astype(np.float64)
    for plane, level in zip(site_planes(residual), black, strict=True):
        plane -= level
    rows, _, rest = two_way(residual)
    h, w = rest.shape
    pixel = float(np.square(rest).sum()) / ((h - 1) * (w - 1))
    return np.array([*black, pixel, float(rows.var(ddof=1)), h, w])


def estimate_border(iso: float, measured: np.ndarray, blacks: np.ndarray) -> BorderEstimate:
    """Join what the strips of n pictures of one ISO gave, by their medians.

    Args:
        iso: ISO speed.
        measured: (n, 8) as ``measure_border`` gives it.
        blacks: (n, 4) black level by site that each file tells, raw DN.
    """
    n = len(measured)
    pixel, rows, h, w = np.median(measured[:, 4:], axis=0)
    read = from_error(pixel - 1 / 12, pixel * math.sqrt(2 / (h * w * n)))
    # The row means hold pixel/w of the pixels beside the rows' own.
    row = from_error(rows - pixel / w, rows * math.sqrt(2 / (h * n)))
    # Half the rows hold a site, and each of its pixels counts once in h*w/4.
    error = math.sqrt((pixel / (h * w / 4) + max(rows - pixel / w, 0.0) / (h / 2)) / n)
    bias = tuple(from_error(float(b), error) for b in np.median(measured[:, :4] - blacks, axis=0))
    return BorderEstimate(iso, n, bias, root(read), root(row))
