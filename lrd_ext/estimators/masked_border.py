# SPDX-License-Identifier: Apache-2.0
"""The masked border: pixels beside the active area that saw no light tell black level and dark noise."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from .intervals import Estimate, from_frames, root
from .line_noise import as_deviation, between_variance, two_way
from .rounding import ROUNDING

if TYPE_CHECKING:
    from lrd_ext.raw import Raw

#: Pixels next to the active area left out: light and the edge of the mask reach into them.
MARGIN = 4
#: A strip narrower than this says little: 8 pixels still tell each line's mean to a third of their deviation.
NARROWEST = 8
#: Pictures farther from their median than this many deviations are left out of a figure.
OUTLIER = 5.0


@dataclasses.dataclass(frozen=True)
class StripStatistics:
    """What one strip of masked pixels tells: of a single frame, so that fixed patterns count as its noise.

    ``mean`` and ``std`` (4,) are by site of the mosaic, raw DN; ``pixel`` the mean square of what row and
    column means leave, ``rows`` and ``columns`` the variance between their means and its standard error,
    DN^2; ``kurtosis`` the excess of the rest. Defective pixels count: nothing is cut off.
    """

    mean: np.ndarray
    std: np.ndarray
    pixel: float
    rows: tuple[float, float]
    columns: tuple[float, float]
    kurtosis: float
    height: int
    width: int

    @property
    def pixel_error(self) -> float:
        """Standard error of ``pixel``, DN^2."""
        return self.pixel * math.sqrt(max(2 + self.kurtosis, 0.2) / (self.height * self.width))

    @property
    def read(self) -> Estimate:
        """Read noise without row, column and rounding noise, DN."""
        return as_deviation(self.pixel - ROUNDING, self.pixel_error)

    @property
    def row(self) -> Estimate:
        """Row noise, DN."""
        return as_deviation(*self.rows)

    @property
    def column(self) -> Estimate:
        """Column noise, DN."""
        return as_deviation(*self.columns)

    def to_array(self) -> np.ndarray:
        """Return all numbers in one row, (16,)."""
        return np.concatenate([np.ravel(value) for value in dataclasses.astuple(self)])

    @classmethod
    def from_array(cls, row: np.ndarray) -> StripStatistics:
        """Return what ``to_array`` was made of."""
        pixel, r, r_error, c, c_error, kurtosis, height, width = (float(v) for v in row[8:])
        return cls(row[:4], row[4:8], pixel, (r, r_error), (c, c_error), kurtosis, int(height), int(width))


@dataclasses.dataclass(frozen=True)
class BorderEstimate:
    """What the borders of ``pictures`` of one ISO tell: bias by site, read and row noise, DN."""

    iso: float
    pictures: int
    bias: tuple[Estimate, ...]
    read: Estimate
    row: Estimate


def masked_strips(raw: Raw) -> dict[str, np.ndarray]:
    """Return the masked strips left, above, right and below of the active area, (h, w) uint16, raw DN.

    A strip starts at an even row and column and has even sides, so that its sites are the mosaic's; those
    narrower than NARROWEST are left out.
    """
    top, left, bottom, right = raw.active_area
    height, width = raw.mosaic.shape
    sides = {
        "left": (top, bottom, 0, left - MARGIN),
        "top": (0, top - MARGIN, left, right),
        "right": (top, bottom, right + MARGIN, width),
        "bottom": (bottom + MARGIN, height, left, right),
    }
    strips = {}
    for name, (r0, r1, c0, c1) in sides.items():
        strip = _even(raw.mosaic[max(r0 + r0 % 2, 0) : max(r1, 0), max(c0 + c0 % 2, 0) : max(c1, 0)])
        if min(strip.shape) >= NARROWEST:
            strips[name] = strip
    return strips


def _even(strip: np.ndarray) -> np.ndarray:
    return strip[: strip.shape[0] // 2 * 2, : strip.shape[1] // 2 * 2]


def strip_statistics(strip: np.ndarray) -> StripStatistics:
    """Measure one strip (h, w) uint16 of even sides, raw DN."""
    residual = strip.astype(np.float64)
    mean, std = np.zeros(4), np.zeros(4)
    for site in range(4):
        plane = residual[site // 2 :: 2, site % 2 :: 2]
        mean[site], std[site] = plane.mean(), plane.std(ddof=1)
        plane -= mean[site]
    rows, columns, rest = two_way(residual)
    h, w = rest.shape
    squares = np.square(rest)
    pixel = float(squares.sum()) / ((h - 1) * (w - 1))
    kurtosis = float(np.square(squares).mean()) / max(float(squares.mean()) ** 2, 1e-300) - 3
    # Even and odd lines were each centred by the levels of their sites.
    between = [between_variance(m, np.full(len(m), pixel / n), 2) for m, n in ((rows, w), (columns, h))]
    return StripStatistics(mean, std, pixel, between[0], between[1], kurtosis, h, w)


def measure_border(raw: Raw) -> dict[str, StripStatistics]:
    """Measure every strip beside the active area, by its name, the largest first."""
    strips = sorted(masked_strips(raw).items(), key=lambda item: -item[1].size)
    return {name: strip_statistics(strip) for name, strip in strips}


def estimate_border(iso: float, strips: list[StripStatistics], blacks: np.ndarray) -> BorderEstimate:
    """Join what the strips of n pictures of one ISO gave, by their means, outliers left out.

    Args:
        iso: ISO speed.
        strips: one of every picture.
        blacks: (n, 4) black level by site that each file tells, raw DN.
    """
    pixels, rows = (np.array([getattr(s, name) for s in strips]) for name in ("pixel", "rows"))
    pixel, of_pixels, h, w = (
        float(np.median([getattr(s, name) for s in strips]))
        for name in ("pixel", "pixel_error", "height", "width")
    )
    read = _joined(pixels - ROUNDING, of_pixels)
    own, own_error = np.median(rows, axis=0)
    row = _joined(rows[:, 0], math.hypot(own_error, of_pixels / w))
    # Half the rows hold a site, and each of its pixels counts once in h*w/4.
    error = math.sqrt(pixel / (h * w / 4) + max(own, 0.0) / (h / 2))
    over = np.array([s.mean for s in strips]) - blacks
    return BorderEstimate(
        iso, len(strips), tuple(_joined(one, error) for one in over.T), root(read), root(row)
    )


def _joined(single: np.ndarray, error: float) -> Estimate:
    """Join estimates of single pictures (n,) with a standard error each that theory gives."""
    off = np.abs(single - np.median(single))
    # A mean, not the median: that of the same pictures scatters by a quarter more.
    kept = single[off <= OUTLIER * max(error, 1.4826 * float(np.median(off)))]
    return from_frames(float(kept.mean()), error / math.sqrt(len(kept)), kept)
