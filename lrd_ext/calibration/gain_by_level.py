# SPDX-License-Identifier: Apache-2.0
"""The gain level by level of light: whether it drifts, and what it is where low-light pictures are."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from lrd_ext.estimators.intervals import SUSPICION, Estimate, from_error, misfit_factor

if TYPE_CHECKING:
    from .photon_transfer import PairPoint


@dataclasses.dataclass(frozen=True)
class LevelGain:
    """Gain at one level of light, DN/e-: variance above that of the darks over the mean [DN] above theirs."""

    level: str
    mean: float
    K: Estimate


def gain_by_level(points: Sequence[PairPoint], darks: Sequence[PairPoint]) -> tuple[LevelGain, ...]:
    """Return the gain at every level of light, the darkest first; none without darks.

    Args:
        points: pairs of flats at one ISO, all sites.
        darks: the darks by site as points of no light.
    """
    dark = {p.site: p for p in darks}
    found = []
    for level in {p.level for p in points}:
        own = [p for p in points if p.level == level and p.site in dark and p.mean > dark[p.site].mean]
        if own:
            mean = float(np.mean([p.mean for p in own]))
            found.append(LevelGain(level, mean, _joined([_gain(p, dark[p.site]) for p in own])))
    return tuple(sorted(found, key=lambda gain: gain.mean))


def _gain(p: PairPoint, dark: PairPoint) -> Estimate:
    light = p.mean - dark.mean
    return from_error((p.variance - dark.variance) / light, float(np.hypot(p.error, dark.error)) / light)


def _joined(gains: Sequence[Estimate]) -> Estimate:
    """Join gains by their precision; what chance does not allow widens the interval."""
    values, weight = np.array([g.value for g in gains]), np.array([g.error for g in gains]) ** -2.0
    mean = float((weight * values).sum() / weight.sum())
    chi2 = float((weight * (values - mean) ** 2).sum())
    return from_error(mean, float(weight.sum() ** -0.5) * misfit_factor(chi2, len(gains) - 1))


def low_light_gain(gains: Sequence[LevelGain]) -> Estimate | None:
    """Return the gain of the lowest third of the levels, DN/e-; None with fewer than three levels."""
    return _joined([g.K for g in gains[: len(gains) // 3]]) if len(gains) >= 3 else None


def covering(K: Estimate, gains: Sequence[LevelGain]) -> Estimate:
    """Return K with an interval that reaches the lowest and the highest third, where levels disagree."""
    if len(gains) < 3 or not disagree(gains):
        return K
    third = len(gains) // 3
    ends = [_joined([g.K for g in own]).value for own in (gains[:third], gains[-third:])]
    return dataclasses.replace(K, low=min(K.low, *ends), high=max(K.high, *ends))


def disagree(gains: Sequence[LevelGain]) -> bool:
    """Tell whether the gain changes with the light by more than chance allows."""
    if len(gains) < 2:
        return False
    values, weight = np.array([g.K.value for g in gains]), np.array([g.K.error for g in gains]) ** -2.0
    mean = (weight * values).sum() / weight.sum()
    chi2 = float((weight * (values - mean) ** 2).sum())
    return chi2 > float(stats.chi2.isf(SUSPICION, len(gains) - 1))
