# SPDX-License-Identifier: Apache-2.0
"""What a value of noise tells of others: row and column means, the sites of a cell, neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from .values import as_planes

#: Lags of row and column means; how far neighbours reach down and across.
LAGS = 8
REACH = (3, 4)


def line_autocovariance(mosaic: np.ndarray, axis: str, lags: int = LAGS) -> np.ndarray:
    """Return the autocovariance of row or column means at lags 0 to ``lags``, (lags + 1,).

    Sums are divided by the number of pairs; the mean over all planes (..., H, W), each about its own mean.

    Raises:
        ValueError: axis is neither "row" nor "col", or there are not more lines than lags.
    """
    if axis not in ("row", "col"):
        raise ValueError(f"line_autocovariance: axis must be row or col, got {axis!r}")
    lines = mosaic.mean(axis=-1 if axis == "row" else -2, dtype=np.float64)
    count = lines.shape[-1]
    if count <= lags:
        raise ValueError(f"line_autocovariance: lags must be below {count}, the number of lines, got {lags}")
    lines = lines - lines.mean(axis=-1, keepdims=True)
    return np.array([np.mean(lines[..., k:] * lines[..., : count - k]) for k in range(lags + 1)])


def line_autocorrelation(noise: Any, axis: str, lags: int = LAGS) -> np.ndarray:
    """Return the autocorrelation of row or column means at lags 1 to ``lags``, (lags,).

    Args:
        noise: mosaics (..., H, W), array or tensor.
        axis: "row" or "col".
        lags: how many lines apart at most.

    Raises:
        ValueError: a shape or an argument that does not fit, or values that are not finite.
    """
    covariance = line_autocovariance(as_planes(noise, "line_autocorrelation: noise"), axis, lags)
    return correlations(covariance)


def correlations(covariance: np.ndarray) -> np.ndarray:
    """Return an autocovariance at lags above 0 as shares of that at lag 0; zeros where nothing varies."""
    return covariance[1:] / covariance[0] if covariance[0] > 0 else np.zeros(len(covariance) - 1)


def site_covariance(noise: Any) -> np.ndarray:
    """Return the covariance of the four sites of a 2 x 2 cell, (4, 4), about the mean of each site.

    Args:
        noise: mosaics (..., H, W) with even H and W, array or tensor.

    Raises:
        ValueError: a shape that does not fit, or values that are not finite.
    """
    mosaic = as_planes(noise, "site_covariance: noise")
    if mosaic.shape[-2] % 2 or mosaic.shape[-1] % 2:
        raise ValueError(f"site_covariance: noise must have even H and W, got shape {mosaic.shape}")
    sites = np.stack([mosaic[..., r::2, c::2].ravel() for r in (0, 1) for c in (0, 1)])
    return np.cov(sites.astype(np.float64), ddof=0)


def neighbour_covariance(noise: Any, reach: tuple[int, int] = REACH) -> np.ndarray:
    """Return the covariance of values with their neighbours on the mosaic, each plane about its mean.

    Args:
        noise: mosaics (..., H, W), array or tensor.
        reach: (down, across) how far neighbours may lie.

    Returns: (down + 1, 2 across + 1), [dy, across + dx] for the neighbour dy below and dx to the right, so
        that [0, across] is the variance; row 0 is symmetric.

    Raises:
        ValueError: a shape that does not fit, or values that are not finite.
    """
    mosaic = as_planes(noise, "neighbour_covariance: noise")
    down, across = reach
    height, width = mosaic.shape[-2:]
    if height <= down or width <= across:
        raise ValueError(f"neighbour_covariance: noise must be larger than {reach}, got {mosaic.shape}")
    mosaic = mosaic - mosaic.mean(axis=(-2, -1), keepdims=True, dtype=np.float64).astype(mosaic.dtype)
    found = np.zeros((down + 1, 2 * across + 1))
    for dy in range(down + 1):
        for dx in range(-across if dy else 0, across + 1):
            here = mosaic[..., : height - dy, max(-dx, 0) : width - max(dx, 0)]
            there = mosaic[..., dy:, max(dx, 0) : width - max(-dx, 0)]
            found[dy, across + dx] = np.vdot(here, there) / here.size
    found[0, :across] = found[0, :across:-1]
    return found
