# SPDX-License-Identifier: Apache-2.0
"""Linearity error, DSNU and PRNU by the definitions of EMVA 1288 Rel. 3.1."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from lrd_ext.estimators.intervals import Estimate, from_error, root

#: A 5 x 5 high-pass leaves neighbours correlated: a variance varies more by this (sum of rho^2).
HIGH_PASS = 1.13


@dataclasses.dataclass(frozen=True)
class LinearityError:
    """Deviation of the mean signal from a straight line over exposure, per cent of the line (section 7)."""

    lowest: float
    highest: float
    mean_absolute: float


@dataclasses.dataclass(frozen=True)
class StandardFigures:
    """What the standard's report lists of one ISO.

    ``saturation`` capacity [e-]; ``threshold`` absolute sensitivity threshold [e-]; ``snr_max`` as a ratio;
    ``dynamic_range`` as a ratio; ``dark_noise`` temporal noise of the darks [DN], rounding included;
    ``efficiency`` quantum efficiency, None without photon counts.
    """

    saturation: float
    threshold: float
    snr_max: float
    dynamic_range: float
    dark_noise: float
    efficiency: float | None


def standard_figures(
    K: Estimate, saturation: float, dark_noise: float, counted: Sequence[tuple[float, float]]
) -> StandardFigures:
    """Return saturation capacity, sensitivity threshold, largest SNR, dynamic range and quantum efficiency.

    Args:
        K: gain, DN/e-.
        saturation: mean at which the sensor saturates, DN above the darks.
        dark_noise: temporal standard deviation of the darks, rounding included, DN.
        counted: (photons a pixel got, mean above the darks [DN]) of levels of which that was counted.

    Source: EMVA 1288 Rel. 3.1, eq. (17), (20), (25) to (28); efficiency: slope of the mean over photons below
    70 % of saturation (section 6.5), over K.
    """
    capacity = saturation / K.value
    threshold = math.sqrt((dark_noise / K.value) ** 2 + 0.25) + 0.5
    below = np.array([(p, y) for p, y in counted if y < 0.7 * saturation])
    efficiency = None
    if len(below) >= 2 and np.ptp(below[:, 0]) > 0:
        efficiency = float(np.polyfit(below[:, 0], below[:, 1], 1)[0]) / K.value
    return StandardFigures(
        capacity, threshold, math.sqrt(capacity), capacity / threshold, dark_noise, efficiency
    )


def dark_nonuniformity(
    spatial: np.ndarray, temporal: float, frames: int, pixels: int, high_pass: bool = False
) -> Estimate:
    """Return DSNU in DN: the spatial deviation of darks less the temporal noise left in their mean.

    Args:
        spatial: (4,) spatial variance of the mean of the frames by site, DN^2.
        temporal: temporal variance of one frame, DN^2.
        frames: how many were averaged.
        pixels: number of pixels of a site.
        high_pass: whether ``spatial`` is what a 5 x 5 high-pass left.

    Source: EMVA 1288 Rel. 3.1, section 8.2, eq. (45).
    """
    whole = float(spatial.mean())
    error = whole * math.sqrt((HIGH_PASS if high_pass else 1.0) * 2 / (len(spatial) * pixels))
    return root(from_error(whole - temporal / frames, error))


def photo_nonuniformity(
    spatial: np.ndarray, spatial_dark: np.ndarray, remaining: np.ndarray, signal: np.ndarray, pixels: int
) -> Estimate:
    """Return PRNU: the spatial standard deviation at half saturation less that in the dark, over the signal.

    Args:
        spatial: (4,) spatial variance of the mean of flats by site, DN^2.
        spatial_dark: (4,) the same of darks without temporal noise, DN^2.
        remaining: (4,) temporal variance left in the mean of the flats, DN^2.
        signal: (4,) mean of the flats above the darks, DN.
        pixels: number of pixels of a site.

    Source: EMVA 1288 Rel. 3.1, section 8.2, eq. (44); applied to each CFA site, root mean square over sites.
    """
    own = (spatial - remaining - spatial_dark) / signal**2
    # The mean of a pair and its difference, which gives the remaining variance, are independent.
    squares = (HIGH_PASS * spatial**2 + remaining**2) / signal**4
    error = math.sqrt(float(squares.sum()) * 2 / pixels) / len(spatial)
    return root(from_error(float(own.mean()), error))


def linearity_error(
    exposure_s: Sequence[float], signal: Sequence[float], saturation: float
) -> LinearityError | None:
    """Return the linearity error between 5 % and 95 % of saturation, None with fewer than 3 levels there.

    The line minimises relative deviations, as the standard asks.

    Source: EMVA 1288 Rel. 3.1, section 7, eq. (39) to (42).
    """
    x, y = np.asarray(exposure_s, float), np.asarray(signal, float)
    inside = (y >= 0.05 * saturation) & (y <= 0.95 * saturation)
    x, y = x[inside], y[inside]
    if len(np.unique(x)) < 3:
        return None
    design = np.stack([x, np.ones_like(x)], axis=1) / y[:, None]
    line = np.stack([x, np.ones_like(x)], axis=1) @ np.linalg.lstsq(design, np.ones_like(y), rcond=None)[0]
    deviation = 100 * (y - line) / line
    return LinearityError(float(deviation.min()), float(deviation.max()), float(np.abs(deviation).mean()))
