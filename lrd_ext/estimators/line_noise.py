# SPDX-License-Identifier: Apache-2.0
"""Row and column noise: the deviation of an offset that all pixels of a line share, without bias.

The variance of line means holds the pixels' own noise besides, var/W of it: taken for row noise, it would add
8 % at ISO 25600 of an A7S II and 800 pixels a row. Here it is taken off. Where all lines are of equal
precision this is the analysis of variance (Searle, Casella, McCulloch, Variance Components, 1992, ch. 4).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from .intervals import Estimate, from_error, from_frames, root


def two_way(residual: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split a frame into row means, column means and the rest.

    Args:
        residual: (H, W) float, DN; it is changed: the rest takes its place.

    Returns: row means (H,), column means (W,), both about the mean of all, and the rest (H, W).
    """
    rows = residual.mean(axis=1, dtype=np.float64)
    columns = residual.mean(axis=0, dtype=np.float64)
    mean = rows.mean()
    residual -= rows.astype(residual.dtype)[:, None]
    residual -= (columns - mean).astype(residual.dtype)[None, :]
    return rows - mean, columns - mean, residual


def between_variance(mean: np.ndarray, own: np.ndarray, spent: int = 1) -> tuple[float, float]:
    """Split the scatter of means into their own variances and the variance between them.

    Args:
        mean: (n,) means of groups, DN.
        own: (n,) variance each mean has by itself, DN^2.
        spent: degrees of freedom that were spent on centring the means.

    Returns: the variance between groups and its standard error, DN^2. Groups of equal precision give it
        without bias, so below zero at times; others at least 0.

    Source: restricted maximum likelihood for groups of unequal precision, by fixed point: Viechtbauer, Bias
    and efficiency of meta-analytic variance estimators, J. of Educational and Behavioral Statistics 30, 2005.
    """
    n, free = len(mean), len(mean) - spent
    between = float(np.square(mean - mean.mean()).sum() / free - own.mean())
    if np.ptp(own) > 1e-9 * float(own.mean()):
        between = _restricted_likelihood(mean, own, max(between, 0.0))
    whole = own + between
    if not whole.any():
        return between, 0.0
    return between, math.sqrt(2 * n / free / float((whole**-2.0).sum()))


def _restricted_likelihood(mean: np.ndarray, own: np.ndarray, between: float) -> float:
    for _ in range(200):
        weight = 1 / (own + between)
        centre = (weight * mean).sum() / weight.sum()
        beyond = (weight**2 * ((mean - centre) ** 2 - own)).sum() / (weight**2).sum()
        last, between = between, max(float(beyond + 1 / weight.sum()), 0.0)
        if abs(between - last) <= 1e-9 * (between + float(own.min())):
            break
    return between


def line_noise(residual: np.ndarray, weight: np.ndarray, axis: int) -> Estimate:
    """Estimate the standard deviation of the offset common to each line of one frame.

    Args:
        residual: (H, W), noise with its mean taken off, DN.
        weight: (H, W), one over the variance of a pixel without line noise, 1/DN^2; 0 leaves a pixel out.
        axis: 1 for rows (an offset per row), 0 for columns.

    Returns: the deviation in DN; NaN with fewer than three lines.
    """
    total = weight.sum(axis, dtype=np.float64)
    used = total > 0
    if used.sum() < 3:
        return from_error(math.nan, math.nan)
    mean = (residual * weight).sum(axis, dtype=np.float64)[used] / total[used]
    return as_deviation(*between_variance(mean, 1 / total[used]))


def as_deviation(variance: float, error: float) -> Estimate:
    """Turn a variance and its standard error into a deviation; what lies below zero counts as zero."""
    return root(from_error(max(variance, 0.0), error))


@dataclasses.dataclass(frozen=True)
class FrameLines:
    """Row or column means of n frames, DN^2 each: what they share out between lines and what pixels put in.

    ``between`` (n,) variance between the lines of a frame, see ``between_variance``; ``own`` (n,) what the
    pixels' noise puts into the variance of line means; ``lines`` of a frame, pixels per line (``length``);
    ``free`` is the number of frames less those spent on their mean.
    """

    between: np.ndarray
    own: np.ndarray
    lines: int
    length: int
    free: int

    @property
    def naive(self) -> float:
        """What the plain standard deviation of line means says, the pixels' share included, DN."""
        return math.sqrt(max(float((self.between + self.own).mean()), 0.0))

    def noise(self, kurtosis: float = 0.0) -> Estimate:
        """Estimate the deviation of the lines' offsets over all frames, DN.

        Args:
            kurtosis: excess kurtosis of the pixel noise.
        """
        value, own = float(self.between.mean()), float(self.own.mean())
        cells = self.free * (self.lines - 1)
        of_lines = 2 * (value + own) ** 2 / cells
        of_pixels = (2 + kurtosis) * own**2 / (cells * (self.length - 1))
        square = from_frames(value, math.sqrt(of_lines + of_pixels), self.between)
        sigma = math.sqrt(max(value, 0.0))
        return root(square, square.spread / (2 * sigma) if sigma > 0 else math.sqrt(square.spread))
