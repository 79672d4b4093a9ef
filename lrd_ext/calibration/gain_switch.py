# SPDX-License-Identifier: Apache-2.0
"""Gain over ISO: the straight line, and the ISO at which a dual-gain sensor switches."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy import optimize, stats

from lrd_ext.estimators.intervals import SUSPICION, Estimate, from_error, misfit_factor

#: A branch is believed whole while read noise follows sigma^2 = (a K)^2 + b^2 this well (ln), K/ISO likewise.
READ_MISFIT = 0.1
GAIN_MISFIT = 0.08
#: A split must make the misfit this many times smaller.
GAIN_OF_SPLIT = 2.5


@dataclasses.dataclass(frozen=True)
class GainLine:
    """K = per_iso*ISO + offset; ``misfit`` the largest relative residual, ``p`` the chance of those.

    ``errors`` are the standard errors of the two; ``tested`` tells whether there were ISOs enough for ``p``.
    """

    per_iso: float
    offset: float
    misfit: float
    p: float
    errors: tuple[float, float] = (0.0, 0.0)
    tested: bool = True

    @property
    def per_iso_estimate(self) -> Estimate:
        """K over ISO with its interval, DN/e-."""
        return from_error(self.per_iso, self.errors[0])

    @property
    def offset_estimate(self) -> Estimate:
        """K at ISO 0 with its interval, DN/e-."""
        return from_error(self.offset, self.errors[1])


def read_misfit(K: np.ndarray, sigma: np.ndarray, cut: int | None = None) -> float:
    """Return how far read noise lies from sigma^2 = (a K)^2 + b^2, a and b >= 0: root mean square of ln.

    Noise before the gain grows with K, noise after it stays: no branch can fall with K. Branches share the
    converter, so b.

    Args:
        K: (n,) DN/e-.
        sigma: (n,) read noise, DN.
        cut: index of the last ISO of the low branch, None for a single branch.
    """
    late = np.arange(len(K)) > (len(K) if cut is None else cut)
    design = np.stack([K**2 * ~late, K**2 * late, np.ones_like(K)], axis=1) / sigma[:, None] ** 2
    found, _ = optimize.nnls(design, np.ones_like(K))
    return float(np.sqrt(np.mean((0.5 * np.log(np.maximum(design @ found, 1e-12))) ** 2)))


def find_branches(
    iso: Sequence[float], sigma_read: Sequence[float], K: Sequence[float] | None
) -> list[tuple[int, int]]:
    """Split rising ISOs into gain branches.

    A branch is split where one line cannot hold its read noise, or its K over ISO, and two can. Without K
    (darks alone) ISO stands for it.

    Args:
        iso: (n,) rising.
        sigma_read: (n,) standard deviation of the read noise, DN.
        K: (n,) DN/e-, or None.

    Returns: first and last index of each branch.
    """
    isos, sigmas = np.asarray(iso, float), np.asarray(sigma_read, float)
    gains = isos if K is None else np.asarray(K, float)
    return _split(isos, sigmas, gains, 0, len(isos) - 1)


def _split(iso: np.ndarray, sigma: np.ndarray, K: np.ndarray, first: int, last: int) -> list[tuple[int, int]]:
    part = slice(first, last + 1)
    own_iso, own_sigma, own_K = iso[part], sigma[part], K[part]

    def lack(cut: int | None) -> float:
        gains = [own_K / own_iso] if cut is None else np.split(own_K / own_iso, [cut + 1])
        bend = math.sqrt(sum(float(((np.log(g) - np.log(g).mean()) ** 2).sum()) for g in gains) / len(own_K))
        return math.hypot(read_misfit(own_K, own_sigma, cut) / READ_MISFIT, bend / GAIN_MISFIT)

    whole = lack(None)
    if last == first or whole <= 1:
        return [(first, last)]
    cuts = {cut: lack(cut) for cut in range(last - first)}
    # Where several cuts do as well, the switch is where read noise falls most.
    near = [cut for cut in cuts if cuts[cut] < min(cuts.values()) + 0.1]
    cut = min(near, key=lambda c: own_sigma[c + 1] / own_sigma[c])
    if cuts[cut] > whole / GAIN_OF_SPLIT:
        return [(first, last)]
    a, b = (first, first + cut), (first + cut + 1, last)
    return _split(iso, sigma, K, *a) + _split(iso, sigma, K, *b)


def fit_gain_line(iso: Sequence[float], K: Sequence[Estimate]) -> GainLine:
    """Fit K over ISO within a branch, with an offset only where the data demand one.

    The test of linearity asks whether K = c*ISO + offset explains K within its intervals.
    """
    isos, gains = np.asarray(iso, float), np.array([k.value for k in K])
    errors = np.maximum(np.array([k.error for k in K]), 1e-6 * gains)
    design = isos[:, None] / errors[:, None]
    found, chi2 = _weighted_line(design, gains / errors)
    if len(isos) >= 3 and chi2 > stats.chi2.isf(SUSPICION, len(isos) - 1):
        with_offset = np.stack([isos, np.ones_like(isos)], axis=1) / errors[:, None]
        bent, bent_chi2 = _weighted_line(with_offset, gains / errors)
        if bent_chi2 < chi2 / GAIN_OF_SPLIT and bent[0] > 0 and (bent[0] * isos + bent[1]).min() > 0:
            design, found, chi2 = with_offset, bent, bent_chi2
    dof = len(isos) - len(found)
    per_iso, offset = float(found[0]), float(found[1]) if len(found) == 2 else 0.0
    misfit = float(np.abs(gains / (per_iso * isos + offset) - 1).max())
    own = np.sqrt(np.diag(np.linalg.inv(design.T @ design))) * misfit_factor(chi2, dof)
    p = float(stats.chi2.sf(chi2, dof)) if dof > 0 else 1.0
    return GainLine(per_iso, offset, misfit, p, (float(own[0]), float(own[-1]) if offset else 0.0), dof > 0)


def _weighted_line(design: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float]:
    found = np.linalg.lstsq(design, target, rcond=None)[0]
    return found, float(((design @ found - target) ** 2).sum())
