# SPDX-License-Identifier: Apache-2.0
"""Tables of quantiles of distributions that no shape describes, for the tests of read "empirical"."""

from __future__ import annotations

import numpy as np
from scipy import special, stats

from lrd_ext.read_models import READ_MODELS, standard_table
from lrd_ext.reference.quantile_table import knot_probabilities


def hump_cdf(x):
    """Distribution function of a normal deviate, of which 4 % lie about 4 with half the spread."""
    return 0.96 * special.ndtr(x) + 0.04 * special.ndtr((x - 4) / 0.5)


def hump_quantiles():
    """Return its quantiles at the knots, by bisection."""
    p = knot_probabilities().numpy()
    low, high = np.full(p.shape, -10.0), np.full(p.shape, 20.0)
    upper = p > 0.5  # there the upper tail, which float64 resolves
    rest = np.where(upper, p[::-1], p)
    for _ in range(80):
        x = (low + high) / 2
        tail = 0.96 * special.ndtr(-x) + 0.04 * special.ndtr((4 - x) / 0.5)
        below = np.where(upper, tail > rest, hump_cdf(x) < rest)
        low, high = np.where(below, x, low), np.where(below, high, x)
    return np.sort((low + high) / 2)


def skewed_quantiles():
    """Return quantiles of the gamma distribution of shape 2: one tail normal-like short, the other long."""
    p = knot_probabilities().numpy()
    return np.where(p < 0.5, stats.gamma(2).ppf(p), stats.gamma(2).isf(p[::-1]))


HUMP, SKEWED = (standard_table(q).astype(np.float32) for q in (hump_quantiles(), skewed_quantiles()))


def tables_for(*read):
    """What NoiseParams wants beside these read models: a table, or nothing."""
    return {"read_table": HUMP} if any(READ_MODELS[name].tabled for name in read) else {}
