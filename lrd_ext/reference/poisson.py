# SPDX-License-Identifier: Apache-2.0
"""Quantile of the Poisson distribution from 32-bit words. Mirrors csrc/noise/poisson.h."""

from __future__ import annotations

import torch
from torch import Tensor

from .normal import normal_quantile

#: Means above this count as this: float32 cannot resolve single electrons there.
MAX_MEAN = 1e7


def poisson_quantile(word: Tensor, mean: Tensor) -> Tensor:
    """Map words to Poisson counts: the smallest k with F(k; mean) >= u, u = (word + 1/2) / 2^32.

    Args:
        word: int64, values in [0, 2^32).
        mean: expected count, broadcastable to ``word``; values <= 0 and NaN give 0, above 1e7 count as 1e7.

    Returns: float64 whole numbers of the broadcast shape.
    """
    mean = torch.nan_to_num(mean.double(), nan=0.0, posinf=MAX_MEAN, neginf=0.0).clamp(0.0, MAX_MEAN)
    u = (word.double() + 0.5) * 2.0**-32
    # Starts from a Cornish-Fisher guess, then walks to the exact answer with the CDF itself.
    z = normal_quantile(word)
    k = torch.floor(mean + torch.sqrt(mean) * z + (z * z - 1) / 6 + 0.5).clamp_min(0.0)
    while bool((move := (_cdf(k, mean) < u)).any()):
        k = torch.where(move, k + 1, k)
    while bool((move := ((k > 0) & (_cdf(k - 1, mean) >= u))).any()):
        k = torch.where(move, k - 1, k)
    return k


def _cdf(k: Tensor, mean: Tensor) -> Tensor:
    # F(k; mean) is the upper regularized incomplete gamma function Q(k + 1, mean). Torch's (like SciPy's)
    # cuts its series short at large means: the error is 2e-10 at mean 100 and 1.4e-7 at 1e7.
    return torch.special.gammaincc(k + 1, mean)
