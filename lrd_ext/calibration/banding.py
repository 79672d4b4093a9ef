# SPDX-License-Identifier: Apache-2.0
"""Banding: lines in the spectrum of row and column means."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from lrd_ext.estimators.intervals import from_error, root

#: Waves of fewer periods over the frame are drift, not banding.
SLOWEST = 4


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
