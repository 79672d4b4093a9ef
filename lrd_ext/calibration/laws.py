# SPDX-License-Identifier: Apache-2.0
"""The joint log-linear law of a gain branch: ln(sigma) = slope*ln(K) + intercept + N(0, spread)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from lrd_ext.estimators.intervals import NORMAL_95, Estimate
from lrd_ext.profiles.records import is_spread

#: ln K must range over this much; below, a slope means nothing.
_LEAST_REACH = 1e-9


@dataclasses.dataclass(frozen=True)
class FittedLaw:
    """The law of one sigma in one branch, slope and intercept with intervals."""

    slope: Estimate
    intercept: Estimate
    spread: float


def fit_law(K: Sequence[float], sigma: Sequence[Estimate]) -> FittedLaw | None:
    """Fit the law to the ISOs of a branch; None where a sigma is not clearly above 0, or K does not change.

    The spread is that of the ISOs about the law and of the frames within an ISO together. Intervals are
    Student's by the scatter about the law, or come from the intervals of the sigmas where these are wider
    than that scatter, as with two ISOs, which lie on any line.

    Args:
        K: (n,) DN/e-.
        sigma: (n,) DN.

    Source: joint law of Wei et al., CVPR 2020, section 4.
    """
    if len(K) < 2 or not all(is_spread(e.value, e.spread, e.low) for e in sigma):
        return None
    x, y = np.log(K), np.log([e.value for e in sigma])
    if np.ptp(x) < _LEAST_REACH:
        return None
    design = np.stack([x, np.ones_like(x)], axis=1)
    found = np.linalg.lstsq(design, y, rcond=None)[0]
    dof = max(len(x) - 2, 1)
    about = float(((y - design @ found) ** 2).sum()) / dof
    measured = float(np.mean([(e.error / e.value) ** 2 for e in sigma]))
    reach = NORMAL_95 if measured >= about else float(stats.t.ppf(0.975, dof))
    covariance = np.linalg.inv(design.T @ design) * max(about, measured)
    halves = reach * np.sqrt(np.diag(covariance))
    slope, intercept = (
        Estimate(float(v), float(v - half), float(v + half)) for v, half in zip(found, halves, strict=True)
    )
    frames = float(np.mean([(e.spread / e.value) ** 2 for e in sigma]))
    return FittedLaw(slope, intercept, math.sqrt(about + frames))
