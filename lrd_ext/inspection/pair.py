# SPDX-License-Identifier: Apache-2.0
"""The noise between a clean and a noisy file of the same scene."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from lrd_ext.estimators.intervals import Estimate, from_error
from lrd_ext.estimators.line_noise import as_deviation, line_noise
from lrd_ext.estimators.rounding import ROUNDING, rounding_variance
from lrd_ext.estimators.variance_line import VarianceLine

from .expectation import above_black, expected_signal
from .levels import step_of_values
from .noise_over_signal import Bins, fit_line, fit_offsets, gather

if TYPE_CHECKING:
    from lrd_ext.raw import Raw

#: Pixels the shape of the dark noise is measured on, and parts they are cut into for its error.
_DARK_PIXELS, _PARTS = 20_000, 20


@dataclasses.dataclass(frozen=True)
class DarkNoise:
    """The noise where there is least light: excess kurtosis, and a histogram for the eye.

    ``signal`` and ``signal_variance`` are mean and variance of the expected signal there, DN and DN^2;
    ``edges`` and ``counts`` the histogram of the noise without its mean, DN.
    """

    count: int
    signal: float
    signal_variance: float
    variance: float
    kurtosis: Estimate
    edges: np.ndarray
    counts: np.ndarray

    @property
    def c4(self) -> float:
        """Fourth cumulant, DN^4; 0 where it cannot be told."""
        return self.kurtosis.value * self.variance**2 if math.isfinite(self.kurtosis.value) else 0.0


@dataclasses.dataclass(frozen=True)
class PairReport:
    """Noise measured between two files, DN of the noisy one.

    ``bias`` and ``bias_error`` are per site of the mosaic; ``scale`` is how bright the noisy file is over
    what the clean one and the ratio promise; ``sigma_read`` is the deviation at zero light without row,
    column and rounding noise; ``left_out`` the fraction of pixels in bins left out for clipping.
    """

    bins: Bins
    line: VarianceLine
    sigma_read: Estimate
    sigma_row: Estimate
    sigma_col: Estimate
    bias: np.ndarray
    bias_error: np.ndarray
    scale: Estimate
    dark: DarkNoise
    left_out: float

    @property
    def K(self) -> Estimate:  # noqa: N802, the field's letter
        """Gain, DN/e-; NaN where there is one level of light only."""
        return self.line.K

    def fitted(self, signal: np.ndarray) -> np.ndarray:
        """Return the variance by the fitted line, and the photo response it was fitted beside, DN^2."""
        return self.line(signal) + (self.bins.sigma_prnu * signal) ** 2


def inspect_pair(clean: Raw, noisy: Raw, ratio: float, sigma_prnu: float = 0.0) -> PairReport:
    """Measure the noise of a dark picture against a clean one of the same scene.

    The clean picture counts as noiseless: its own noise adds about 1/ratio of the shot noise. Only the active
    area counts, and pixels below the clean picture's white level.

    Args:
        clean: the well-exposed picture.
        noisy: the dark one, same size and CFA phase.
        ratio: how many times less light it got.
        sigma_prnu: photo response to take off the variance, a share of the signal: it grows with the
            signal's square, and no straight line goes through it.

    Raises:
        ValueError: the files do not fit each other, or there is nothing to measure.
    """
    top, left, bottom, right = noisy.active_area
    area = np.s_[top:bottom, left:right]
    expected = expected_signal(clean, noisy, ratio)[area]
    noise = above_black(noisy)[area] - expected
    raw = noisy.mosaic[area]
    site = 2 * ((np.arange(top, bottom) % 2)[:, None]) + np.arange(left, right) % 2
    known = np.isfinite(expected)
    if not known.any():
        raise ValueError(
            "the clean file is at its white level everywhere: nothing can be expected of the other"
        )
    clipped = (raw == 0) | (raw >= noisy.white)
    bins, left_out = gather(expected[known], noise[known], site[known], clipped[known], sigma_prnu)
    return _measure(expected, noise, site, bins, left_out, step_of_values(noisy))


def _measure(
    expected: np.ndarray, noise: np.ndarray, site: np.ndarray, bins: Bins, left_out: float, step: float
) -> PairReport:
    line = fit_line(bins)
    bias, bias_error, scale = fit_offsets(bins, line)
    usable = np.isfinite(expected) & np.isfinite(bias)[site] & (expected <= bins.signal.max() * 1.05)
    offset = bias.astype(np.float32)[site] + np.float32(scale.value - 1) * expected
    residual = np.where(usable, noise - offset, 0)
    dark = _dark_noise(expected[usable], residual[usable], line, step)
    line = fit_line(bins, dark.c4)
    row = col = from_error(0.0, 0.0)
    for _ in range(3):  # the pixels' own variance is what row and column noise leave, and the reverse
        signal = np.where(usable, expected, np.float32(0))
        own = line(signal) + (bins.sigma_prnu * signal) ** 2 - row.value**2 - col.value**2
        weight = np.where(usable, 1 / np.maximum(own, 0.01 * max(line.offset.value, ROUNDING)), 0).astype(
            np.float32
        )
        row, col = line_noise(residual, weight, 1), line_noise(residual, weight, 0)
    read = line.offset.value - row.value**2 - col.value**2 - rounding_variance(step)
    read_error = math.hypot(line.offset.error, row.square_error, col.square_error)
    return PairReport(
        bins=bins,
        line=line,
        sigma_read=as_deviation(read, read_error),
        sigma_row=row,
        sigma_col=col,
        bias=bias,
        bias_error=np.sqrt(bias_error**2 + _line_error(row, weight, 1) + _line_error(col, weight, 0)),
        scale=scale,
        dark=dark,
        left_out=left_out,
    )


def _line_error(line: Estimate, weight: np.ndarray, axis: int) -> float:
    """Return the variance line noise leaves in a mean over one site, which every second line holds."""
    total = weight.sum(axis, dtype=np.float64)
    return 2 * line.value**2 * float((total**2).sum() / total.sum() ** 2)


def _dark_noise(expected: np.ndarray, residual: np.ndarray, line: VarianceLine, step: float) -> DarkNoise:
    """Take the pixels whose shot noise is a tenth of the rest at most, or else the darkest ones."""
    K = line.K.value
    limit = 0.1 * line.offset.value / K if K > 0 else math.inf
    least = np.partition(expected, min(_DARK_PIXELS, len(expected) - 1))[min(_DARK_PIXELS, len(expected) - 1)]
    chosen = expected <= max(limit, float(least))
    signal, noise = expected[chosen].astype(np.float64), residual[chosen].astype(np.float64)
    noise -= noise.mean()
    parts = [_kurtosis(part) for part in np.array_split(noise, _PARTS) if part.size > 3]
    error = float(np.std(parts, ddof=1) / math.sqrt(len(parts))) if len(parts) > 1 else math.nan
    # Whole steps a bin: finer ones would show the comb of rounded values.
    width = step * max(1, math.ceil(16 * float(noise.std()) / 120 / step))
    half = math.ceil(8 * float(noise.std()) / width) + 1
    counts, edges = np.histogram(noise, bins=(np.arange(-half, half + 2) - 0.5) * width)
    return DarkNoise(
        count=int(chosen.sum()),
        signal=float(signal.mean()),
        signal_variance=float(signal.var()),
        variance=float(noise.var()),
        kurtosis=from_error(_kurtosis(noise), error),
        edges=edges,
        counts=counts,
    )


def _kurtosis(values: np.ndarray) -> float:
    """Excess kurtosis: 0 for the normal distribution."""
    squares = (values - values.mean()) ** 2
    square = float(squares.mean())
    return float((squares**2).mean()) / square**2 - 3 if square else math.nan
