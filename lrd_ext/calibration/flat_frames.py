# SPDX-License-Identifier: Apache-2.0
"""One pass over the flats of an ISO and level: pairs for photon transfer, the mean's spatial variance."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from lrd_ext.estimators.rounding import find_cut, quantization_step

from .dark_frames import Read, site_planes, spatial_variances, value_counts, without_pixels
from .photon_transfer import PairPoint, pair_point


@dataclasses.dataclass(frozen=True)
class FlatStatistics:
    """What is kept of the flats of one ISO and level, all in DN.

    ``pairs`` (p, 4, 5): mean, variance, kurtosis, count, clipped of each pair and site, see PairPoint;
    ``spatial``, ``spatial_white`` (4,) spatial variance of the mean of the frames; ``frames`` in that mean;
    ``step`` of the values.
    """

    pairs: np.ndarray
    spatial: np.ndarray
    spatial_white: np.ndarray
    frames: int
    step: float = 1.0

    def points(self, level: str) -> list[PairPoint]:
        """Return the pairs as points of the photon transfer curve."""
        return [
            PairPoint(site, level, float(p[0]), float(p[1]), float(p[2]), int(p[3]), float(p[4]))
            for pair in self.pairs
            for site, p in enumerate(pair)
        ]

    @property
    def mean(self) -> np.ndarray:
        """Mean above black by site, (4,)."""
        return self.pairs[:, :, 0].mean(axis=0)

    @property
    def variance(self) -> np.ndarray:
        """Temporal variance by site without row and column noise, (4,)."""
        return self.pairs[:, :, 1].mean(axis=0)


def flat_statistics(
    frames: Sequence[Read], black: np.ndarray, white: float, hot: np.ndarray | None = None
) -> FlatStatistics:
    """Measure flats in pairs, first with second, third with fourth; one left over is not used.

    Args:
        frames: functions that give a frame, (H, W) uint16, H and W even, in the order they were shot.
        black: black level by site (4,), raw DN.
        white: white level, raw DN.
        hot: (m, 2) row and column of pixels that darks show to be hot: they count for no spatial variance.

    Raises:
        ValueError: fewer than two frames.
    """
    if len(frames) < 2:
        raise ValueError(f"flat_statistics: frames must be at least 2, got {len(frames)}")
    pairs, total, counts = [], None, np.zeros((4, 65536), np.int64)
    for i in range(0, len(frames) - 1, 2):
        first, second = frames[i](), frames[i + 1]()
        own = value_counts(first) + value_counts(second)
        counts += own
        points = [
            pair_point(a, b, site, "", float(black[site]), *_ends(own[site], white))
            for site, (a, b) in enumerate(zip(site_planes(first), site_planes(second), strict=True))
        ]
        pairs.append([[p.mean, p.variance, p.kurtosis, p.count, p.clipped] for p in points])
        both = first.astype(np.uint32) + second
        total = both if total is None else np.add(total, both, out=total)
    assert total is not None
    mean = (total / np.float64(2 * len(pairs))).astype(np.float32)
    if hot is not None:
        mean = without_pixels(mean, hot)
    spatial = np.array([spatial_variances(np.ascontiguousarray(plane)) for plane in site_planes(mean)])
    step = max(quantization_step(own) for own in counts)
    return FlatStatistics(np.array(pairs), spatial[:, 0], spatial[:, 1], 2 * len(pairs), step)


def _ends(counts: np.ndarray, white: float) -> tuple[float, float]:
    """Return the values at which the range ends, raw DN: the file's white, or pile-ups within it."""
    cut = find_cut(counts, quantization_step(counts))
    high = white if cut.high is None else min(white, cut.high)
    return high, -1.0 if cut.low is None else cut.low
