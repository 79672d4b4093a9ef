# SPDX-License-Identifier: Apache-2.0
"""How far the black level of each site wanders from frame to frame."""

from __future__ import annotations

import numpy as np
from scipy import stats

from .intervals import Estimate, root


def level_drift(site_means: np.ndarray, own: float) -> Estimate:
    """Estimate the deviation of the level of a site from frame to frame, DN.

    Args:
        site_means: (n, 4) level of each site in each of n frames, n >= 2, DN.
        own: variance that noise of pixels, rows and columns puts into such a level, DN^2.
    """
    freedom = site_means.shape[1] * (len(site_means) - 1)
    seen = float(site_means.var(axis=0, ddof=1).mean())
    low, high = (seen * freedom / float(end) for end in stats.chi2.ppf([0.975, 0.025], freedom))
    return root(Estimate(seen - own, low - own, high - own))
