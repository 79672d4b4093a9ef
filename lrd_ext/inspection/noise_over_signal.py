# SPDX-License-Identifier: Apache-2.0
"""The photon transfer curve of two files: variance of the noise over signal, and a straight line in it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from lrd_ext.estimators.intervals import Estimate, from_error
from lrd_ext.estimators.variance_line import VarianceLine, fit_variance_line

#: Bins of equal width in the root of the signal, in which shot noise is even.
BINS = 40
#: Pixels a bin needs at a site.
FEWEST = 200
#: A bin with more of its pixels than this at 0 or white has lost part of its noise.
CLIPPED = 1e-3


@dataclasses.dataclass(frozen=True)
class Bins:
    """Noise by expected signal and site, only bins that count; (n,) each, DN and DN^2.

    ``offset`` is the mean of noisy minus expected, ``variance`` that of the noise about it. ``sigma_prnu`` is
    the photo response, a share of the signal, that bends the line of variance over signal: known before.
    """

    site: np.ndarray
    count: np.ndarray
    signal: np.ndarray
    offset: np.ndarray
    variance: np.ndarray
    sigma_prnu: float = dataclasses.field(default=0.0, kw_only=True)

    @property
    def response(self) -> np.ndarray:
        """Variance of the photo response, (n,) DN^2; without it the variance is a straight line."""
        return (self.sigma_prnu * self.signal) ** 2

    @property
    def several_levels(self) -> bool:
        """Whether there is light of different strength to tell a slope from an offset."""
        return bool(np.ptp(self.signal) > 0.01 * self.signal.max())


def gather(
    expected: np.ndarray,
    noise: np.ndarray,
    site: np.ndarray,
    clipped: np.ndarray,
    sigma_prnu: float = 0.0,
) -> tuple[Bins, float]:
    """Gather the noise in bins of expected signal by site.

    Args:
        expected: (n,) DN above black, >= 0.
        noise: (n,) noisy minus expected, DN.
        site: (n,) site 0 to 3.
        clipped: (n,) whether the noisy pixel is at 0 or at white.
        sigma_prnu: photo response, a share of the signal.

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
    sites = np.arange(4 * BINS) % 4
    kept = (values[keep] for values in (sites, count, signal, offset, variance))
    return Bins(*kept, sigma_prnu=sigma_prnu), left_out


def fit_offsets(bins: Bins, line: VarianceLine) -> tuple[np.ndarray, np.ndarray, Estimate]:
    """Fit noise mean = bias of the site + (scale - 1)*signal.

    Returns: bias (4,) and its standard errors (4,), DN (NaN for a site without bins), and the scale.
    """
    weight = np.sqrt(bins.count / np.maximum(line(bins.signal) + bins.response, 1e-12))
    sites = np.unique(bins.site)
    design = [(bins.site == s).astype(float) for s in sites] + ([bins.signal] if bins.several_levels else [])
    matrix = np.stack(design, axis=1) * weight[:, None]
    found = np.linalg.lstsq(matrix, bins.offset * weight, rcond=None)[0]
    errors = np.sqrt(np.diag(np.linalg.pinv(matrix.T @ matrix)))
    bias, bias_error = np.full(4, np.nan), np.full(4, np.nan)
    bias[sites], bias_error[sites] = found[: len(sites)], errors[: len(sites)]
    if not bins.several_levels:
        return bias, bias_error, from_error(1.0, math.nan)
    return bias, bias_error, from_error(1 + float(found[-1]), float(errors[-1]))


def fit_line(bins: Bins, dark_c4: float = 0.0) -> VarianceLine:
    """Fit the straight line under the photo response; K is NaN where there is one level of light only.

    A variance of n samples has the variance (2 v^2 + c4)/n; c4 = K^3*signal + dark_c4.

    Args:
        bins: variance over signal.
        dark_c4: fourth cumulant of the noise at zero light, DN^4.

    Source: mean-variance line of Foi et al., IEEE TIP 17(10), 2008.
    """
    if not bins.several_levels:
        return _flat(bins, dark_c4)

    def errors(K: float, offset: float) -> np.ndarray:
        return error_of_variance(bins, K, offset, dark_c4)

    return fit_variance_line(bins.signal, bins.variance - bins.response, errors, nonnegative=True)


def _flat(bins: Bins, dark_c4: float) -> VarianceLine:
    weight = bins.count / bins.count.sum()
    variance = float((weight * bins.variance).sum())
    error = math.sqrt((2 * variance**2 + dark_c4) / bins.count.sum())
    own = error_of_variance(bins, 0.0, variance, dark_c4)
    unknown, all_of_them = from_error(math.nan, math.nan), np.ones(len(own), bool)
    misses = (bins.variance - variance) / own
    return VarianceLine(unknown, from_error(variance, error), own, misses, all_of_them)


def error_of_variance(bins: Bins, K: float, offset: float, dark_c4: float) -> np.ndarray:
    """Return the standard error of each bin's variance, (n,) DN^2, if the line K, offset is right."""
    variance = np.maximum(K * bins.signal + offset + bins.response, 1e-6)
    c4 = np.maximum(K**3 * bins.signal + dark_c4, -(variance**2))
    return np.sqrt((2 * variance**2 + c4) / bins.count)
