# SPDX-License-Identifier: Apache-2.0
"""The photon transfer curve of two files: variance of the noise over signal, and a straight line in it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

#: Bins of equal width in the root of the signal, in which shot noise is even.
BINS = 40
#: Pixels a bin needs at a site.
FEWEST = 200
#: A bin with more of its pixels than this at 0 or white has lost part of its noise.
CLIPPED = 1e-3


@dataclasses.dataclass(frozen=True)
class Bins:
    """Noise by expected signal and site, only bins that count; (n,) each, DN and DN^2.

    ``offset`` is the mean of noisy minus expected, ``variance`` that of the noise about it.
    """

    site: np.ndarray
    count: np.ndarray
    signal: np.ndarray
    offset: np.ndarray
    variance: np.ndarray

    @property
    def several_levels(self) -> bool:
        """Whether there is light of different strength to tell a slope from an offset."""
        return bool(np.ptp(self.signal) > 0.01 * self.signal.max())


@dataclasses.dataclass(frozen=True)
class Line:
    """variance = K*signal + offset, with standard errors; K is NaN where there is one level of light only.

    ``misfit`` is chi^2 per degree of freedom: 1 where the points lie as near the line as their errors say.
    """

    K: float
    K_error: float
    offset: float
    offset_error: float
    misfit: float

    def __call__(self, signal: np.ndarray) -> np.ndarray:
        """Return the variance at a signal, DN^2."""
        return (self.K if math.isfinite(self.K) else 0.0) * signal + self.offset


def gather(
    expected: np.ndarray, noise: np.ndarray, site: np.ndarray, clipped: np.ndarray
) -> tuple[Bins, float]:
    """Gather the noise in bins of expected signal by site.

    Args:
        expected: (n,) DN above black, >= 0.
        noise: (n,) noisy minus expected, DN.
        site: (n,) site 0 to 3.
        clipped: (n,) whether the noisy pixel is at 0 or at white.

    Returns: the bins, and the fraction of pixels in bins left out for clipping.

    Raises:
        ValueError: no bin has enough pixels that are not clipped.
    """
    top = float(expected.max())
    cell = np.sqrt(expected / top) * BINS if top > 0 else np.zeros_like(expected)
    key = np.minimum(cell.astype(np.int64), BINS - 1) * 4 + site
    count = np.bincount(key, minlength=4 * BINS)

    def mean_of(values: np.ndarray) -> np.ndarray:
        return np.bincount(key, weights=values, minlength=4 * BINS) / np.maximum(count, 1)

    signal, offset, lost = mean_of(expected), mean_of(noise), mean_of(clipped)
    variance = mean_of((noise - offset[key]) ** 2) * count / np.maximum(count - 1, 1)
    keep = (count >= FEWEST) & (lost <= CLIPPED)
    if not keep.any():
        raise ValueError(
            f"no level of light has {FEWEST} pixels a site without clipping at 0 or white; "
            f"{clipped.mean():.1%} of all pixels are clipped"
        )
    left_out = float(count[lost > CLIPPED].sum() / count.sum())
    kept = (np.arange(4 * BINS) % 4, count, signal, offset, variance)
    return Bins(*(values[keep] for values in kept)), left_out


def fit_offsets(bins: Bins, line: Line) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Fit noise mean = bias of the site + (scale - 1)*signal.

    Returns: bias (4,) and its standard errors (4,), DN (NaN for a site without bins), scale and its standard
        error.
    """
    weight = np.sqrt(bins.count / np.maximum(line(bins.signal), 1e-12))
    sites = np.unique(bins.site)
    design = [(bins.site == s).astype(float) for s in sites] + ([bins.signal] if bins.several_levels else [])
    matrix = np.stack(design, axis=1) * weight[:, None]
    found = np.linalg.lstsq(matrix, bins.offset * weight, rcond=None)[0]
    errors = np.sqrt(np.diag(np.linalg.pinv(matrix.T @ matrix)))
    bias, bias_error = np.full(4, np.nan), np.full(4, np.nan)
    bias[sites], bias_error[sites] = found[: len(sites)], errors[: len(sites)]
    if not bins.several_levels:
        return bias, bias_error, 1.0, math.nan
    return bias, bias_error, 1 + float(found[-1]), float(errors[-1])


def fit_line(bins: Bins, dark_c4: float = 0.0) -> Line:
    """Fit the straight line, weighted by how well each variance is known and robust against outliers.

    A variance of n samples has the variance (2 v^2 + c4)/n. Its own v would favour what came out low by
    chance, so the line's is taken, anew in each of a few rounds; c4 = K^3*signal + dark_c4.

    Args:
        bins: variance over signal.
        dark_c4: fourth cumulant of the noise at zero light, DN^4.

    Source: mean-variance line of Foi et al., IEEE TIP 17(10), 2008; soft L1 loss of SciPy's least_squares.
    """
    from scipy.optimize import least_squares

    if not bins.several_levels:
        return _flat(bins, dark_c4)
    slope, offset = np.polyfit(
        bins.signal, bins.variance, 1, w=np.sqrt(bins.count) / bins.variance.clip(1e-9)
    )
    guess = np.array([max(slope, 1e-6), max(offset, 1e-6)])
    for _ in range(5):
        error = error_of_variance(bins, guess[0], guess[1], dark_c4)

        def misses(x: np.ndarray, error: np.ndarray = error) -> np.ndarray:
            return (x[0] * bins.signal + x[1] - bins.variance) / error

        fit = least_squares(
            misses, guess, bounds=(0, np.inf), loss="soft_l1", f_scale=3.0, x_scale=guess + 1e-9
        )
        guess = fit.x
    design = np.stack([bins.signal, np.ones_like(bins.signal)], axis=1) / error[:, None]
    misfit = float((misses(fit.x) ** 2).sum() / max(len(bins.signal) - 2, 1))
    errors = np.sqrt(np.diag(np.linalg.pinv(design.T @ design)) * max(misfit, 1.0))
    return Line(float(fit.x[0]), float(errors[0]), float(fit.x[1]), float(errors[1]), misfit)


def _flat(bins: Bins, dark_c4: float) -> Line:
    weight = bins.count / bins.count.sum()
    variance = float((weight * bins.variance).sum())
    error = math.sqrt((2 * variance**2 + dark_c4) / bins.count.sum())
    return Line(math.nan, math.nan, variance, error, math.nan)


def error_of_variance(bins: Bins, K: float, offset: float, dark_c4: float) -> np.ndarray:
    """Return the standard error of each bin's variance, (n,) DN^2, if the line K, offset is right."""
    variance = np.maximum(K * bins.signal + offset, 1e-6)
    c4 = np.maximum(K**3 * bins.signal + dark_c4, -(variance**2))
    return np.sqrt((2 * variance**2 + c4) / bins.count)
