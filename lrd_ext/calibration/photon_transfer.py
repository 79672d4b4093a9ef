# SPDX-License-Identifier: Apache-2.0
"""Photon transfer: temporal variance over mean from pairs of flats, a robust line, K from its slope."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from lrd_ext.estimators.intervals import Estimate, from_error, misfit_factor, root
from lrd_ext.estimators.rounding import rounding_variance
from lrd_ext.estimators.variance_line import VarianceLine, fit_variance_line

from .gain_by_level import LevelGain, covering, disagree, gain_by_level, low_light_gain

#: Levels above this share of saturation stay out of the line.
HIGHEST = 0.8
#: A flat with more of its pixels than this at white has lost part of its noise.
CLIPPED = 1e-4
FEWEST_LEVELS = 3
#: Name of the level of points that are darks.
DARKS = "darks"


@dataclasses.dataclass(frozen=True)
class PairPoint:
    """One pair of flats at one site.

    ``mean`` above black [DN], ``variance`` of one frame's temporal noise without row and column noise [DN^2],
    ``kurtosis`` (excess) of the difference, ``count`` of pixels, ``clipped`` the fraction at white.
    """

    site: int
    level: str
    mean: float
    variance: float
    kurtosis: float
    count: int
    clipped: float

    @property
    def relative_error(self) -> float:
        """Standard error of a variance over itself: var(s^2) = s^4 (2 + kurtosis)/n."""
        return math.sqrt(max(2 + self.kurtosis, 1.0) / self.count)

    @property
    def error(self) -> float:
        """Standard error of ``variance`` by itself, DN^2."""
        return self.relative_error * self.variance


@dataclasses.dataclass(frozen=True)
class SiteLine:
    """The line of one site through its points."""

    site: int
    line: VarianceLine
    points: tuple[PairPoint, ...]

    @property
    def K(self) -> Estimate:  # noqa: N802, the field's letter
        """Gain, DN/e-."""
        return self.line.K


@dataclasses.dataclass(frozen=True)
class PhotonTransfer:
    """Gain at one ISO: K of all sites [DN/e-], each site's line, the chance that sites differ this much.

    ``saturation`` in DN above black; ``left_out`` names levels; ``by_level`` holds the gain of each level
    against the darks; ``with_darks`` tells that darks had to stand in for levels of light that are missing;
    ``step`` of the values, DN. The interval of K covers what levels disagree in.
    """

    K: Estimate
    lines: tuple[SiteLine, ...]
    p_sites: float
    saturation: float
    left_out: tuple[str, ...]
    by_level: tuple[LevelGain, ...] = ()
    with_darks: bool = False
    step: float = 1.0

    @property
    def far_off(self) -> tuple[float, ...]:
        """Means of the levels, DN above black, of which a site lies too far off its line to count in full."""
        off: dict[str, list[float]] = {}
        for own in self.lines:
            for p, used in zip(own.points, own.line.used, strict=True):
                if not used:
                    off.setdefault(p.level, []).append(p.mean)
        return tuple(sorted(float(np.mean(means)) for means in off.values()))

    @property
    def low_light(self) -> Estimate | None:
        """Gain of the lowest third of the levels, DN/e-."""
        return low_light_gain(self.by_level)

    @property
    def drifts(self) -> bool:
        """Whether the gain changes with the light by more than chance allows."""
        return disagree(self.by_level)

    @property
    def chi2_per_dof(self) -> float:
        """Misfit of all lines: 1 where points lie as near as their errors say."""
        return sum(own.line.chi2 for own in self.lines) / max(sum(own.line.dof for own in self.lines), 1)

    @property
    def bend(self) -> float:
        """Curvature: share of the variance of the brightest level that a parabola puts down to x^2."""
        shares = []
        for own in self.lines:
            mean, variance = np.array([(p.mean, p.variance) for p in own.points]).T
            top = float(mean.max())
            if len(mean) > 3:
                parabola = np.polyfit(mean / top, variance, 2, w=1 / own.line.errors)
                shares.append(float(parabola[0] / parabola.sum()))
        return float(np.mean(shares)) if shares else 0.0

    @property
    def read_noise(self) -> Estimate:
        """Read noise from the intercepts, DN: rough: a black level off by x moves them by K x."""
        offsets = [own.line.offset for own in self.lines]
        errors = np.array([offset.error for offset in offsets])
        variance = float(np.mean([offset.value for offset in offsets])) - rounding_variance(self.step)
        return root(from_error(variance, float(np.sqrt((errors**2).sum())) / len(errors)))


def pair_point(
    first: np.ndarray,
    second: np.ndarray,
    site: int,
    level: str,
    black: float,
    white: float,
    lowest: float = -1.0,
) -> PairPoint:
    """Measure one pair of flats at one site.

    The second is scaled to the brightness of the first before they are subtracted, so that PRNU and shading
    cancel even where the lamp flickered. Row and column means of the difference are taken away.

    Args:
        first: (h, w) uint16, one CFA site of a flat, raw DN.
        second: the same of the other flat.
        site: number of the site, 0 to 3.
        level: name of the level of light.
        black: black level of the site, raw DN.
        white: where the range ends, raw DN.
        lowest: a value at which it is cut below, raw DN.

    Source: Janesick, Photon Transfer, 2007, ch. 5; EMVA 1288 Rel. 3.1, section 6.6.
    """
    a, b = first.astype(np.float32), second.astype(np.float32)
    lights = [float(frame.mean(dtype=np.float64)) - black for frame in (a, b)]
    gain = lights[0] / lights[1] if min(lights) > 0 and 0.5 < lights[0] / lights[1] < 2 else 1.0
    d = a - np.float32(gain) * b
    d -= d.mean(axis=1, dtype=np.float64).astype(np.float32)[:, None]
    d -= d.mean(axis=0, dtype=np.float64).astype(np.float32)[None, :]
    h, w = d.shape
    squares = d * d
    free = max((h - 1) * (w - 1), 1)
    variance = float(squares.sum(dtype=np.float64)) / free
    fourth = float(np.square(squares, out=squares).mean(dtype=np.float64))
    clipped = max(float(((frame >= white) | (frame <= lowest)).mean()) for frame in (first, second))
    kurtosis = fourth / (variance * free / d.size) ** 2 - 3 if variance > 0 else 0.0
    return PairPoint(site, level, sum(lights) / 2, variance / (1 + gain**2), kurtosis, d.size, clipped)


def saturation_level(points: Sequence[PairPoint], range_dn: float) -> float:
    """Return the mean above black at which the sensor saturates, DN: the median over sites.

    Where the variance falls after its highest point, that point is saturation; else the converter's white is.

    Source: EMVA 1288 Rel. 3.1, section 6.6.
    """
    by_site = []
    for site in sorted({p.site for p in points}):
        curve = sorted((p.mean, p.variance) for p in points if p.site == site)
        top = max(range(len(curve)), key=lambda i, c=curve: c[i][1])  # type: ignore[misc]
        falls = any(v < 0.9 * curve[top][1] for _, v in curve[top + 1 :])
        by_site.append(min(curve[top][0], range_dn) if falls else range_dn)
    return float(np.median(by_site)) if by_site else range_dn


def photon_transfer(
    points: Sequence[PairPoint], range_dn: float, darks: Sequence[PairPoint] = (), step: float = 1.0
) -> PhotonTransfer | str:
    """Fit one line per site and join the slopes.

    Args:
        points: pairs of flats at one ISO, all sites.
        range_dn: white minus black, DN.
        darks: the darks by site as points of no light; in the line only where flats are of too few levels.
        step: step of the values, DN.

    Returns: the gain, or a text that says why there is none.
    """
    saturation = saturation_level(points, range_dn)
    usable = [
        p for p in points if p.clipped <= CLIPPED and 0 < p.mean <= HIGHEST * saturation and p.variance > 0
    ]
    out = tuple(sorted({p.level for p in points} - {p.level for p in usable}))
    if usable and len({p.level for p in usable}) < FEWEST_LEVELS:
        usable += darks
    levels = {p.level for p in usable}
    why = f" ({len(out)} left out: clipped or above {HIGHEST:.0%} of saturation, shoot darker)" if out else ""
    if len(levels) < (FEWEST_LEVELS - 1 if darks else FEWEST_LEVELS):
        return f"K needs pairs of flats at {FEWEST_LEVELS} or more levels of light, got {len(levels)}{why}"
    with_darks = any(p.level == DARKS for p in usable)
    reach = [
        (min(means), max(means))
        for means in ([p.mean for p in usable if p.site == s] for s in range(4))
        if means
    ]
    if not with_darks and any(high < 1.5 * low for low, high in reach):
        return (
            f"K needs flats of different brightness: the brightest are less than 1.5 times the darkest{why}"
        )
    lines = tuple(_site_line([p for p in usable if p.site == s]) for s in sorted({p.site for p in usable}))
    K, p_sites = _join(lines)
    if K.value <= 0:
        return "variance does not grow with the light: these are not flats of a linear sensor"
    gains = gain_by_level([p for p in usable if p.level != DARKS], darks)
    return PhotonTransfer(covering(K, gains), lines, p_sites, saturation, out, gains, with_darks, step)


def _site_line(points: list[PairPoint]) -> SiteLine:
    mean = np.array([p.mean for p in points])
    variance = np.array([p.variance for p in points])
    relative = np.array([p.relative_error for p in points])

    def errors(K: float, offset: float) -> np.ndarray:
        return relative * np.maximum(K * mean + offset, 0.05 * variance)

    return SiteLine(points[0].site, fit_variance_line(mean, variance, errors), tuple(points))


def _join(lines: Sequence[SiteLine]) -> tuple[Estimate, float]:
    slopes = np.array([line.K.value for line in lines])
    weight = np.array([line.K.error for line in lines]) ** -2.0
    K = float((weight * slopes).sum() / weight.sum())
    chi2, dof = float((weight * (slopes - K) ** 2).sum()), len(lines) - 1
    p = float(stats.chi2.sf(chi2, dof)) if dof else 1.0
    return from_error(K, weight.sum() ** -0.5 * misfit_factor(chi2, dof), float(slopes.std())), p
