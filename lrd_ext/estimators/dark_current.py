# SPDX-License-Identifier: Apache-2.0
"""Dark current: its rate from levels over exposure time, its spread over pixels, its doubling temperature."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy import optimize, stats

from .intervals import NORMAL_95, Estimate, from_error, misfit_factor

#: Beyond this spread the variance of what is not cut no longer rises with it.
MOST_SPREAD = 1.5


def rate_of_levels(exposure_s: np.ndarray, level: np.ndarray) -> Estimate:
    """Estimate how fast the level of darks rises with exposure time, DN/s, with Student's interval.

    Args:
        exposure_s: (n,) exposure times, two or more different ones, n >= 3.
        level: (n,) mean of each frame, DN.
    """
    fit = stats.linregress(exposure_s, level)
    half = float(stats.t.ppf(0.975, len(level) - 2)) * float(fit.stderr)
    return Estimate(float(fit.slope), float(fit.slope) - half, float(fit.slope) + half)


def cut_log_normal(spread: float, cut: float) -> tuple[float, float]:
    """Return mean and variance of a log-normal of mean 1 whose largest values count as its median.

    Args:
        spread: deviation of its logarithm, above 0.
        cut: how far above the median values are put to it.
    """
    median = math.exp(-(spread**2) / 2)
    end = math.log1p(cut / median) / spread
    below, by_value, by_square = (float(p) for p in stats.norm.cdf(end - spread * np.arange(3)))
    mean = by_value + (1 - below) * median
    square = math.exp(spread**2) * by_square + (1 - below) * median**2
    return mean, square - mean**2


def log_normal_of(mean: float, variance: float, cut: float) -> tuple[float, float]:
    """Return mean and spread of the log-normal whose values, cut as by ``cut_log_normal``, vary like that.

    Args:
        mean: of the values, above 0.
        variance: of the values.
        cut: in the unit of the values.
    """
    whole, spread = mean, 0.0
    for _ in range(4):
        relative = variance / whole**2
        ends = (1e-6, MOST_SPREAD)
        if relative <= cut_log_normal(ends[0], cut / whole)[1]:
            return mean, 0.0
        if relative >= cut_log_normal(ends[1], cut / whole)[1]:
            return whole, ends[1]
        spread = float(optimize.brentq(lambda s: cut_log_normal(s, cut / whole)[1] - relative, *ends))  # noqa: B023
        whole = mean / cut_log_normal(spread, cut / whole)[0]
    return whole, spread


@dataclasses.dataclass(frozen=True)
class Activation:
    """Dark current over temperature T in deg C: rate 2^((T - reference_c)/doubling_c)."""

    rate: Estimate
    reference_c: float
    doubling_c: Estimate


def activation(
    temperature_c: np.ndarray, rate: np.ndarray, error: np.ndarray, reference_c: float
) -> Activation | None:
    """Fit a straight line through the logarithm of dark current; None unless it clearly grows.

    Args:
        temperature_c: (n,) of the darks, two or more different ones, deg C.
        rate: (n,) dark current, above 0.
        error: (n,) its standard error.
        reference_c: temperature at which the rate is told, deg C.
    """
    weight = (rate / np.maximum(error, 1e-6 * rate)) ** 2 * math.log(2) ** 2
    middle = float((weight * temperature_c).sum() / weight.sum())
    off, doublings = temperature_c - middle, np.log2(rate)
    spread = float((weight * off**2).sum())
    slope = float((weight * off * doublings).sum()) / spread
    level = float((weight * doublings).sum() / weight.sum())
    misfit = float((weight * (doublings - level - slope * off) ** 2).sum())
    wider = misfit_factor(misfit, len(rate) - 2)
    half = NORMAL_95 * wider / math.sqrt(spread)
    if slope - half <= 0:
        return None
    at = float(2 ** (level + slope * (reference_c - middle)))
    doublings_error = wider * math.sqrt(1 / float(weight.sum()) + (reference_c - middle) ** 2 / spread)
    doubling = Estimate(1 / slope, 1 / (slope + half), 1 / (slope - half))
    return Activation(from_error(at, at * math.log(2) * doublings_error), reference_c, doubling)
