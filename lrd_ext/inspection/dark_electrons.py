# SPDX-License-Identifier: Apache-2.0
"""The electrons that come without light: their distribution over the pixels of a frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from lrd_ext.params import NoiseParams


class Cumulants(NamedTuple):
    """Of a number of electrons: mean, variance, fourth cumulant."""

    mean: float
    variance: float
    c4: float


def dark_electrons(params: NoiseParams) -> Cumulants:
    """Predict dark current and hot pixels of one frame, their own shot noise included.

    The mean electrons D of a pixel are log-normal, and of a hot one the mean and an exponential deviate; a
    blinking one has that in half of the frames. The electrons are Poisson's of mean D, whose factorial
    moments are the moments of D.

    Args:
        params: a batch of 1; without shot noise the electrons are D itself.
    """
    moments = [_moment(params, k) for k in range(1, 5)]
    if params.shot:
        a, b, c, d = moments
        moments = [a, a + b, a + 3 * b + c, a + 7 * b + 6 * c + d]  # Stirling's numbers
    return _cumulants(moments)


def _moment(p: NoiseParams, k: int) -> float:
    """Mean of the k-th power of D over pixels."""
    exposure, spread = float(p.exposure_s), float(p.dark_current_spread)
    mean, more = float(p.dark_current) * exposure, float(p.hot_current) * exposure
    lit = float(p.hot_fraction) * (1 - float(p.blink_fraction) / 2)
    dark = float(p.hot_fraction) - lit
    hot = sum(math.comb(k, j) * mean ** (k - j) * more**j * math.factorial(j) for j in range(k + 1))
    plain = mean**k * math.exp(spread**2 * k * (k - 1) / 2)
    return (1 - lit - dark) * plain + lit * hot + dark * mean**k


def _cumulants(moments: Sequence[float]) -> Cumulants:
    a, b, c, d = moments
    variance = b - a**2
    fourth = d - 4 * a * c + 6 * a**2 * b - 3 * a**4
    return Cumulants(a, variance, fourth - 3 * variance**2)
