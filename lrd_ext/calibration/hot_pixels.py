# SPDX-License-Identifier: Apache-2.0
"""Pixels whose dark value stands out of their neighbours of the same site."""

from __future__ import annotations

import numpy as np

from lrd_ext.raw import SITES

#: How far out a pixel must lie, in standard deviations: far beyond normal noise, since tails are heavy.
LIMIT = 8.0
#: The share of pixels by which the scatter is judged at most.
_SAMPLE = 1 << 18


def find_hot_pixels(mean: np.ndarray, error: float) -> tuple[np.ndarray, np.ndarray]:
    """Find pixels that differ from the median of the 5 x 5 neighbours of their site, hot ones and dead ones.

    Args:
        mean: (H, W) float, mean of darks, DN.
        error: standard error of the mean of a normal pixel, DN: the least scatter believed.

    Returns: (m, 2) row and column, rows rising, and (m,) excess over the median, DN.
    """
    found = [_in_plane(mean[r::2, c::2], error) for r, c in SITES]
    places = np.concatenate([2 * at + np.array(site) for (at, _), site in zip(found, SITES, strict=True)])
    excess = np.concatenate([e for _, e in found])
    order = np.lexsort((places[:, 1], places[:, 0]))
    return places[order], excess[order]


def _in_plane(plane: np.ndarray, error: float) -> tuple[np.ndarray, np.ndarray]:
    from scipy import ndimage

    # A box mean is fast and finds all that may be hot, and the neighbours they spoil; the median then
    # decides.
    deviation = plane - ndimage.uniform_filter(plane, 5, mode="reflect")
    step = max(deviation.size // _SAMPLE, 1)
    sample = np.abs(deviation.ravel()[::step])
    scatter = max(1.4826 * float(np.median(sample)), error)
    candidates = np.argwhere(np.abs(deviation) > 0.8 * LIMIT * scatter)
    if not len(candidates):
        return candidates, np.empty(0)
    padded = np.pad(plane, 2, mode="reflect")
    offsets = [(r, c) for r in range(5) for c in range(5) if (r, c) != (2, 2)]
    around = np.stack([padded[candidates[:, 0] + r, candidates[:, 1] + c] for r, c in offsets])
    excess = plane[candidates[:, 0], candidates[:, 1]] - np.median(around, axis=0)
    # The median of 24 has pi/2/24 of a pixel's variance of its own.
    out = np.abs(excess) > LIMIT * scatter * np.sqrt(1 + np.pi / 48)
    return candidates[out], excess[out].astype(np.float64)
