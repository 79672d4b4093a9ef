# SPDX-License-Identifier: Apache-2.0
"""Poisson probabilities by plain summation: an oracle that shares nothing with the code under test.

scipy.special.pdtr, pdtrc and torch.special.gammaincc all cut a series short once the mean is large (the upper
tail of mean 1e7 is 4 % off at 1e-6). Summing the terms is exact to rounding at any mean.
"""

from __future__ import annotations

import numpy as np


class PoissonTable:
    """F(k) and 1 - F(k) over every k that a 32-bit word can reach.

    ``cdf`` and ``survival`` are indexed by k - first - 1: element 0 belongs to k = first - 1, where F is 0.
    """

    def __init__(self, mean):
        half = int(14 * np.sqrt(mean) + 60)  # 14 standard deviations: what lies outside is below 1e-40
        self.first = max(int(mean) - half, 0)
        k = np.arange(self.first, int(mean) + half, dtype=np.float64)
        # Terms relative to the first, each ratio exact to half an ulp; their sum makes them probabilities.
        logarithm = (
            np.concatenate([[0.0], np.cumsum(np.log(mean / k[1:]))])
            if mean > 0
            else np.where(k > 0, -np.inf, 0.0)
        )
        term = np.exp(logarithm - logarithm.max())
        term /= term.sum()
        self.cdf = np.concatenate([[0.0], np.cumsum(term)])
        self.survival = np.concatenate([np.cumsum(term[::-1])[::-1], [0.0]])

    def at(self, k):
        """F(k), for whole k of any sign."""
        return self.cdf[np.clip(np.asarray(k, dtype=np.int64) - self.first + 1, 0, self.cdf.size - 1)]

    def above(self, k):
        """1 - F(k) without cancellation."""
        return self.survival[np.clip(np.asarray(k, dtype=np.int64) - self.first + 1, 0, self.cdf.size - 1)]
