# SPDX-License-Identifier: Apache-2.0
"""Darks of one ISO at several exposure times: how fast each pixel rises, and which rise far faster."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from lrd_ext.estimators.dark_current import log_normal_of, rate_of_levels
from lrd_ext.estimators.hot_tail import HotTail, hot_tail
from lrd_ext.estimators.intervals import Estimate, from_error, from_scatter

from .dark_frames import DarkStatistics, Read, mean_frame, site_planes, spatial_variances, without_pixels
from .emva1288 import HIGH_PASS
from .hot_pixels import find_hot_pixels

#: Hot pixels count from so many standard deviations of one frame, so that on is told from off.
_ON = 10.0
#: ... and from so many times what is found at all, so that those are found too that are off in most frames.
_FOUND = 2.5
#: Levels of darks are on a line over exposure time within this share of their rise ...
_OFF_LINE = 0.02
#: ... or within so many standard errors.
_FAR = 4.0


@dataclasses.dataclass(frozen=True)
class SeriesStatistics:
    """What is kept of darks at several exposure times.

    ``variance`` (4,) of the pixels' rates by site, without slow shading, lines and hot pixels, and ``noise``
    (4,) what temporal noise puts into it [DN^2/s^2]; ``kurtosis`` (excess) of the rates; ``hot`` (m, 2) row
    and column of pixels that rise far faster than their neighbours; ``values`` (n, m) of theirs above the
    neighbours in the frames of the longest time, ``longest`` [s], DN; ``seen_above`` mean of such values from
    which on pixels are found; ``frame_noise`` of a pixel in one of those frames, DN.
    """

    variance: np.ndarray
    noise: np.ndarray
    kurtosis: float
    hot: np.ndarray
    values: np.ndarray
    longest: float
    seen_above: float
    frame_noise: float


@dataclasses.dataclass(frozen=True)
class DarkCurrent:
    """Dark current at one ISO and temperature.

    ``rate`` [DN/s]; ``spread`` of its logarithm over pixels, None where no current is seen; ``tail`` of hot
    pixels, DN at ``longest`` seconds, None with too few; ``levels`` of darks [DN above black] by exposure
    time [s]; ``hot`` (m, 2) and ``values`` (n, m) of the statistics.
    """

    temperature_c: float | None
    rate: Estimate
    spread: Estimate | None
    tail: HotTail | None
    longest: float
    levels: tuple[tuple[float, Estimate], ...]
    hot: np.ndarray
    values: np.ndarray

    @property
    def off_line(self) -> bool:
        """Whether three levels or more are off a line over exposure time: not of dark current alone."""
        times, levels = np.array([(t, e.value) for t, e in self.levels]).T
        if len(times) < 3:
            return False
        off = np.abs(np.polyval(np.polyfit(times, levels, 1), times) - levels)
        errors = np.array([e.error for _, e in self.levels])
        return bool((off > np.maximum(_OFF_LINE * np.ptp(levels), _FAR * errors)).any())


def series_statistics(series: Sequence[tuple[float, Sequence[Read], DarkStatistics]]) -> SeriesStatistics:
    """Measure how pixels rise over exposure times; frames are read once, those of the longest time twice.

    Args:
        series: exposure time [s], two or more different ones, functions that give its frames, what was kept.
    """
    times, frames = np.array([t for t, _, _ in series]), np.array([len(reads) for _, reads, _ in series])
    centred = frames * (times - np.average(times, weights=frames))
    weights = centred / (centred * times).sum()
    last = int(np.argmax(times))
    slope, longest_mean = None, np.zeros(0)
    for i, (_, reads, _) in enumerate(series):
        mean, _ = mean_frame(reads)
        longest_mean = mean if i == last else longest_mean
        slope = mean * np.float32(weights[i]) + (0 if slope is None else slope)
    assert slope is not None
    kept = [weights[i] ** 2 * d.pixel.mean(axis=0) / d.frames for i, (_, _, d) in enumerate(series)]
    noise = np.sum(kept, axis=0)
    error = math.sqrt(float(noise.mean()))
    places, excess, limit = find_hot_pixels(slope, error)
    hot = places[excess > 0]
    neighbours = without_pixels(longest_mean, places)[hot[:, 0], hot[:, 1]]
    planes = [np.ascontiguousarray(plane) for plane in site_planes(without_pixels(slope, places))]
    _, reads, d = series[last]
    return SeriesStatistics(
        variance=np.array([spatial_variances(plane)[1] for plane in planes]),
        noise=noise,
        kurtosis=float(np.mean([_kurtosis(plane) for plane in planes])),
        hot=hot,
        values=np.stack([read()[hot[:, 0], hot[:, 1]] - neighbours for read in reads]).astype(np.float32),
        longest=float(times[last]),
        seen_above=limit * float(times[last]),
        frame_noise=math.sqrt(float(d.pixel.mean())),
    )


def _kurtosis(plane: np.ndarray) -> float:
    squares = np.square(plane - plane.mean(dtype=np.float64))
    return float(np.square(squares).mean() / max(float(squares.mean()) ** 2, 1e-300)) - 3


def dark_current(
    s: SeriesStatistics, exposure_s: np.ndarray, level: np.ndarray, pixels: int, temperature_c: float | None
) -> DarkCurrent:
    """Estimate dark current and hot pixels.

    Args:
        s: statistics of the darks.
        exposure_s: (n,) of every frame.
        level: (n,) mean of every frame above black without hot pixels, DN.
        pixels: of a frame.
        temperature_c: of the darks, deg C, None where nobody told.
    """
    rate, spread, tail = rate_of_levels(exposure_s, level), None, None
    seen = rate
    for _ in range(2):  # hot pixels first without, then with what the spread tells, and the other way round
        if seen.low > 0:
            rate, spread = _over_pixels(s, seen, pixels, tail)
        tail = _tail(s, rate.value, spread.value if spread else 0.0, pixels)
    times = np.unique(exposure_s)
    levels = tuple((float(t), from_scatter(level[exposure_s == t])) for t in times)
    return DarkCurrent(temperature_c, rate, spread, tail, s.longest, levels, s.hot, s.values)


def _over_pixels(
    s: SeriesStatistics, seen: Estimate, pixels: int, tail: HotTail | None
) -> tuple[Estimate, Estimate]:
    """Return the rate, DN/s, and its spread, those pixels too that stand out like hot ones."""
    # For a hot pixel stands the median of its neighbours, which varies by pi/2/8 of what a pixel does.
    kept = 1 - (1 - math.pi / 16) * len(s.hot) / pixels
    whole, cut = float(s.variance.mean()) / kept, s.seen_above / s.longest
    error = whole * math.sqrt((2 * HIGH_PASS + max(s.kurtosis, -1.0)) / pixels)
    dim = tail.variance_below(s.seen_above, len(s.values)) / s.longest**2 if tail else 0.0
    variance = from_error(whole - float(s.noise.mean()) - dim, error)
    ends = [log_normal_of(seen.value, v, cut) for v in (variance.value, variance.low, variance.high)]
    rate, spread = ends[0][0], Estimate(*(end[1] for end in ends))
    # As a share of a rate that is not known exactly either.
    spread = spread.blurred(spread.value * seen.error / seen.value)
    spread = dataclasses.replace(spread, low=max(spread.low, 0.0))
    # These are the rates of so many pixels, not of all there may be.
    own = rate * math.sqrt(math.expm1(spread.value**2) / pixels)
    return seen.scaled(rate / seen.value).blurred(own), spread


def _tail(s: SeriesStatistics, rate: float, spread: float, pixels: int) -> HotTail | None:
    # What stands out of the median of its neighbours stands out less of their mean.
    skew = rate * s.longest * -math.expm1(-(spread**2) / 2)
    threshold = max(_FOUND * s.seen_above, _ON * s.frame_noise)
    values = s.values.astype(np.float64) - skew
    return hot_tail(values, pixels, threshold, s.seen_above - skew) if values.size else None
