# SPDX-License-Identifier: Apache-2.0
"""Row, column and pixel noise apart, without bias: two-way analysis of variance of dark frames.

The variance of row means holds sigma_read^2/W of the pixels besides sigma_row^2; W times it, minus the mean
square of what rows and columns leave, gives sigma_row^2 (field: Searle, Casella, McCulloch, Variance
Components, 1992, ch. 4).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from .intervals import Estimate, from_error, from_frames, root

#: Waves of fewer periods over the frame are drift, not banding.
SLOWEST = 4


@dataclasses.dataclass(frozen=True)
class MeanSquares:
    """Mean squares of single frames, DN^2, each already divided by its degrees of freedom.

    ``row`` and ``col`` (n,) are W times the variance of row means and H times that of column means; ``pixel``
    (n,) is that of the rest. ``height`` and ``width`` of the mosaic; ``frames`` is n, of which one was spent
    on the mean of the frames (``temporal``), or none.
    """

    row: np.ndarray
    col: np.ndarray
    pixel: np.ndarray
    height: int
    width: int
    temporal: bool = True

    @property
    def free(self) -> int:
        """Number of frames less those spent on their mean."""
        return max(len(self.row) - (1 if self.temporal else 0), 1)


def two_way(residual: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split a frame into row means, column means and the rest.

    Args:
        residual: (H, W) float, DN; it is changed: the rest takes its place.

    Returns: row means (H,), column means (W,), both about the mean of all, and the rest (H, W).
    """
    rows = residual.mean(axis=1, dtype=np.float64)
    columns = residual.mean(axis=0, dtype=np.float64)
    mean = rows.mean()
    residual -= rows.astype(residual.dtype)[:, None]
    residual -= (columns - mean).astype(residual.dtype)[None, :]
    return rows - mean, columns - mean, residual


def line_noise(squares: MeanSquares, axis: str, kurtosis: float = 0.0) -> Estimate:
    """Estimate sigma_row or sigma_col without the pixels' share, DN.

    Args:
        squares: mean squares of the frames.
        axis: "row" or "col".
        kurtosis: excess kurtosis of the pixel noise.

    Raises:
        ValueError: axis is neither.
    """
    if axis not in ("row", "col"):
        raise ValueError(f"line_noise: axis must be row or col, got {axis!r}")
    lines, length = (squares.height, squares.width) if axis == "row" else (squares.width, squares.height)
    own = squares.row if axis == "row" else squares.col
    per_frame = (own - squares.pixel) / length
    value = float(per_frame.mean())
    of_lines = 2 * float(own.mean()) ** 2 / (squares.free * (lines - 1))
    of_pixels = (
        (2 + kurtosis) * float(squares.pixel.mean()) ** 2 / (squares.free * (lines - 1) * (length - 1))
    )
    square = from_frames(value, math.sqrt(of_lines + of_pixels) / length, per_frame)
    sigma = math.sqrt(max(value, 0.0))
    spread = square.spread / (2 * sigma) if sigma > 0 else math.sqrt(square.spread)
    return root(square, spread)


def naive_line_noise(squares: MeanSquares, axis: str) -> float:
    """Give what the plain standard deviation of row or column means says, the pixels' share included, DN."""
    own, length = (squares.row, squares.width) if axis == "row" else (squares.col, squares.height)
    return math.sqrt(float(own.mean()) / length)


def line_spectrum(lines: np.ndarray) -> np.ndarray:
    """Return the power of a sequence of line means at 1/n, 2/n ... below 1/2 cycles a line, of mean 1.

    Args:
        lines: (n,) row or column means, DN.
    """
    power = np.abs(np.fft.rfft(lines - lines.mean()))[1:] ** 2
    # The highest frequency of an even sequence has one degree of freedom, not two: left out.
    power = power[: (len(lines) - 1) // 2]
    return power / max(float(power.mean()), 1e-300)


@dataclasses.dataclass(frozen=True)
class BandingLine:
    """A line in the spectrum: cycles per row or column, amplitude of its sine [DN], its 95 % interval."""

    cycles: float
    amplitude: float
    low: float
    high: float


def banding(power: np.ndarray, frames: int, sigma_lines: float, lines: int) -> tuple[BandingLine, ...]:
    """Find lines that stand out of a spectrum averaged over frames.

    White noise gives each power the distribution Gamma(frames)/frames about its level (the median, so that
    lines do not raise it); what it would exceed once in 1000 spectra is a line.

    Args:
        power: (m,) mean spectrum, mean 1.
        frames: how many independent spectra were averaged; residuals about the mean of n frames count n - 1.
        sigma_lines: standard deviation of the line means, DN.
        lines: number of rows or columns.
    """
    from scipy import stats

    gamma = stats.gamma(frames, scale=1 / frames)
    level = float(np.median(power)) / float(gamma.median())
    limit = level * float(gamma.isf(1e-3 / len(power)))
    # Mean power 1 stands for the variance spread evenly over m frequencies.
    share = 2 * sigma_lines**2 / len(power)
    found = []
    for i in np.flatnonzero(power > limit):
        if i + 1 >= SLOWEST:
            # |s + z|^2, z of power level: mean s^2 + level, variance level^2 + 2 level s^2.
            own = float(power[i]) - level
            error = math.sqrt((level**2 + 2 * level * own) / frames)
            sine = root(from_error(share * own, share * error))
            found.append(BandingLine((int(i) + 1) / lines, sine.value, sine.low, sine.high))
    return tuple(sorted(found, key=lambda line: -line.amplitude)[:20])
