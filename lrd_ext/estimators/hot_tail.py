# SPDX-License-Identifier: Apache-2.0
"""Hot pixels as a share of all with an exponential tail, some of which blink."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy import stats

from .intervals import NORMAL_95, Estimate

#: With fewer hot pixels than this above the threshold nothing is told of their tail.
FEWEST = 12
#: With fewer frames than this a pixel that blinks may well have been on in all of them.
FRAMES_TO_BLINK = 6


@dataclasses.dataclass(frozen=True)
class HotTail:
    """Share of pixels that are hot, mean of their exponential tail, share of these that blink.

    ``mean`` in the unit of the values; ``blink`` None where frames are too few; ``levels`` (m,) of those
    above ``threshold``, with ``blinking`` (m,) bool.
    """

    fraction: Estimate
    mean: Estimate
    blink: Estimate | None
    levels: np.ndarray
    blinking: np.ndarray
    threshold: float

    def variance_below(self, limit: float, frames: int, scale: float = 1.0) -> float:
        """Return what hot pixels too dim to be found add to the variance over pixels.

        Args:
            limit: mean over the frames above which they are found.
            frames: how many were averaged.
            scale: of the values to those the tail was measured in, as of another exposure time.
        """
        blink = self.blink.value if self.blink else 0.0
        on = np.arange(1, frames + 1) / frames  # share of the frames in which a pixel is on
        share = blink * stats.binom.pmf(np.arange(1, frames + 1), frames, 0.5)
        share[-1] += 1 - blink
        mean = scale * self.mean.value * on
        u = limit / mean
        found = share * mean**2 * (2 - np.exp(-u) * (u**2 + 2 * u + 2))
        return self.fraction.value * float(found.sum())


def hot_tail(values: np.ndarray, pixels: int, threshold: float, seen_above: float) -> HotTail | None:
    """Estimate share, tail and blinking of hot pixels from those that stand out far.

    An exponential deviate has no memory: what lies above any threshold is exponential of the same mean again,
    so pixels below it, some lost in the noise, are not needed.

    Args:
        values: (n, m) of m pixels in n frames above what a pixel that is not hot would have.
        pixels: how many there are in all.
        threshold: level from which on pixels count, when on: several times the noise of one frame.
        seen_above: mean over the frames above which a pixel is among the m.

    Returns: None with fewer than FEWEST pixels above the threshold.
    """
    n = len(values)
    on = values > values.max(axis=0, initial=0.0) / 2
    count = on.sum(axis=0)
    levels = np.where(on, values, 0.0).sum(axis=0) / np.maximum(count, 1)
    used = (levels > threshold) & (count > 0)
    levels, blinking = levels[used], count[used] < n
    m, blinks = len(levels), int(blinking.sum())
    if m < FEWEST:
        return None
    mean = float(levels.mean()) - threshold
    missed = blinks * (1 / _seen(n, threshold, mean, seen_above) - 1) if n >= FRAMES_TO_BLINK else 0.0
    share = (m + missed) / pixels * math.exp(threshold / mean)
    half = NORMAL_95 * math.sqrt((1 + (threshold / mean) ** 2) / m)
    ends = stats.chi2.ppf([0.975, 0.025], 2 * m)
    return HotTail(
        fraction=Estimate(share, share * math.exp(-half), min(share * math.exp(half), 1.0)),
        mean=Estimate(mean, *(2 * m * mean / float(end) for end in ends)),
        blink=_blink(blinks, m, missed) if n >= FRAMES_TO_BLINK else None,
        levels=levels,
        blinking=blinking,
        threshold=threshold,
    )


def _seen(n: int, threshold: float, mean: float, seen_above: float) -> float:
    """Return the share of blinking pixels above the threshold that are found, and found to blink.

    On in k of n frames, a pixel of level A shows a mean of A k/n.
    """
    quantile = (np.arange(200) + 0.5) / 200
    level = threshold - mean * np.log1p(-quantile)
    fewest = np.floor(n * np.minimum(seen_above / level, 1.0))
    return max(float(stats.binom.cdf(n - 1, n, 0.5) - stats.binom.cdf(fewest, n, 0.5).mean()), 0.05)


def _blink(blinks: int, m: int, missed: float) -> Estimate:
    factor = (blinks + missed) / max(blinks, 1) * m / (m + missed)
    low = float(stats.beta.ppf(0.025, blinks, m - blinks + 1)) if blinks else 0.0
    high = float(stats.beta.ppf(0.975, blinks + 1, m - blinks)) if blinks < m else 1.0
    return Estimate(factor * blinks / m, factor * low, min(factor * high, 1.0))
