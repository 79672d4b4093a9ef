# SPDX-License-Identifier: Apache-2.0
"""Estimates with their 95 % interval, from a known standard error or from the scatter over frames."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from scipy import stats

#: A scatter over frames is believed over the analytic error only where chance would give it in 1 of 1000
#: cases.
SUSPICION = 1e-3
#: Residuals about the mean of fewer frames tell nothing of their scatter: two mirror each other.
FEW = 4
NORMAL_95 = 1.959963984540054


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A figure, its 95 % interval, and its scatter from frame to frame (0 for none), all in one unit."""

    value: float
    low: float
    high: float
    spread: float = 0.0

    @property
    def error(self) -> float:
        """Half the width of the interval over 1.96: the standard error where the interval is symmetric."""
        return (self.high - self.low) / (2 * NORMAL_95)

    @property
    def square_error(self) -> float:
        """Standard error of the square of a deviation that ``root`` made."""
        return (self.high**2 - self.value**2) / NORMAL_95

    def scaled(self, factor: float) -> Estimate:
        """Return the figure in another unit."""
        return Estimate(*(factor * v for v in (self.value, self.low, self.high, self.spread)))

    def blurred(self, error: float) -> Estimate:
        """Return the figure with an independent error more."""
        half = NORMAL_95 * error
        low, high = math.hypot(self.value - self.low, half), math.hypot(self.high - self.value, half)
        return Estimate(self.value, self.value - low, self.value + high, self.spread)

    def shifted(self, by: float) -> Estimate:
        """Return the figure from another zero."""
        return Estimate(self.value + by, self.low + by, self.high + by, self.spread)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON values."""
        return {"value": self.value, "interval95": [self.low, self.high]}


def from_error(value: float, error: float, spread: float = 0.0) -> Estimate:
    """Make an estimate with a normal interval of known standard error."""
    return Estimate(value, value - NORMAL_95 * error, value + NORMAL_95 * error, spread)


def from_scatter(samples: np.ndarray) -> Estimate:
    """Estimate the mean of independent samples (n,), n >= 2, with Student's interval."""
    n = len(samples)
    value, spread = float(np.mean(samples)), float(np.std(samples, ddof=1))
    half = float(stats.t.ppf(0.975, n - 1)) * spread / math.sqrt(n)
    return Estimate(value, value - half, value + half, spread)


def from_frames(value: float, error: float, per_frame: np.ndarray) -> Estimate:
    """Make an interval from an analytic standard error, unless the frames scatter more than it allows.

    Residuals about the mean of n frames have a variance of (n-1)/n each, which widens the scatter's own
    interval.

    Args:
        value: estimate of all frames together.
        error: its standard error by theory, for frames that differ by nothing but the noise itself.
        per_frame: (n,) estimates of single frames.
    """
    n = len(per_frame)
    if n < FEW:
        return from_error(value, error)
    spread = float(np.std(per_frame, ddof=1))
    excess = (spread**2 / n) / max(error**2, 1e-300) * (n - 1)
    if excess <= stats.chi2.isf(SUSPICION, n - 1):
        return from_error(value, error, spread)
    half = float(stats.t.ppf(0.975, n - 1)) * spread / math.sqrt(n - 1)
    return Estimate(value, value - half, value + half, spread)


def root(square: Estimate, spread: float = 0.0) -> Estimate:
    """Take the square root of an estimate of a variance; what lies below zero counts as zero."""
    low, value, high = (math.sqrt(max(v, 0.0)) for v in (square.low, square.value, square.high))
    return Estimate(value, low, high, spread)


def misfit_factor(chi2: float, dof: int) -> float:
    """Return by how much to widen errors: sqrt(chi2/dof) where chance would not give it, else 1."""
    if dof < 1 or chi2 <= stats.chi2.isf(SUSPICION, dof):
        return 1.0
    return math.sqrt(chi2 / dof)
