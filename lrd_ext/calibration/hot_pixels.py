# SPDX-License-Identifier: Apache-2.0
"""Pixels whose dark value stands out of their neighbours of the same site."""

from __future__ import annotations

import numpy as np

from lrd_ext.raw import SITES

#: How far out a pixel must lie, in standard deviations: far beyond normal noise, since tails are heavy.
LIMIT = 8.0
#: The share of pixels by which the scatter is judged at most.
_SAMPLE = 1 << 18


def find_hot_pixels(mean: np.ndarray, error: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Find pixels that differ from the median of the 5 x 5 neighbours of their site, hot ones and dead ones.

    Args:
        mean: (H, W) float, mean of darks, DN.
        error: standard error of the mean of a normal pixel, DN: the least scatter believed.

    Returns: (m, 2) row and column, rows rising, (m,) excess over the median, and the excess from which on
        pixels are found at every site, DN.
    """
    found = [_in_plane(mean[r::2, c::2], error) for r, c in SITES]
    places = np.concatenate([2 * at + np.array(site) for (at, _, _), site in zip(found, SITES, strict=True)])
    excess = np.concatenate([e for _, e, _ in found])
    order = np.lexsort((places[:, 1], places[:, 0]))
    return places[order], excess[order], max(limit for _, _, limit in found)


def _in_plane(plane: np.ndarray, error: float) -> tuple[np.ndarray, np.ndarray, float]:
    found, excess, limit = _beyond(plane, plane, error)
    if len(found):  # those found no longer lift the means about their neighbours
        cold = plane.copy()
        cold[found[:, 0], found[:, 1]] -= excess
        found, excess, limit = _beyond(plane, cold, error)
    return found, excess, limit


def _beyond(plane: np.ndarray, cold: np.ndarray, error: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Return places, excess and its limit in a plane; ``cold`` is the plane for means of neighbours."""
    from scipy import ndimage

    # A box mean is fast and finds all that may be hot, and the neighbours they spoil; the median then
    # decides.
    deviation = plane - ndimage.uniform_filter(cold, 5, mode="reflect")
    step = max(deviation.size // _SAMPLE, 1)
    sample = np.abs(deviation.ravel()[::step])
    # The median of 24 has pi/2/24 of a pixel's variance of its own.
    limit = LIMIT * max(1.4826 * float(np.median(sample)), error) * float(np.sqrt(1 + np.pi / 48))
    candidates = np.argwhere(np.abs(deviation) > 0.77 * limit)
    if not len(candidates):
        return candidates, np.empty(0), limit
    padded = np.pad(plane, 2, mode="reflect")
    offsets = [(r, c) for r in range(5) for c in range(5) if (r, c) != (2, 2)]
    around = np.stack([padded[candidates[:, 0] + r, candidates[:, 1] + c] for r, c in offsets])
    excess = plane[candidates[:, 0], candidates[:, 1]] - np.median(around, axis=0)
    out = np.abs(excess) > limit
    return candidates[out], excess[out].astype(np.float64), limit
