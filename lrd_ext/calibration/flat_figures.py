# SPDX-License-Identifier: Apache-2.0
"""Figures of an ISO that its flats tell beside the gain: PRNU, linearity error, capacity and the like."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lrd_ext.estimators.intervals import Estimate
from lrd_ext.estimators.rounding import rounding_variance

from .emva1288 import (
    LinearityError,
    StandardFigures,
    linearity_error,
    photo_nonuniformity,
    standard_figures,
)
from .photon_transfer import PhotonTransfer
from .results import DarkGroup, FlatGroup, ReadNoise


def _usable(group: FlatGroup, K: PhotonTransfer) -> bool:
    return group.name not in K.left_out


def prnu_of(
    flats: Sequence[FlatGroup], dark: DarkGroup, K: PhotonTransfer, read: ReadNoise
) -> tuple[Estimate | None, Estimate | None]:
    """Return PRNU of pixels (slow shading, rows, columns taken out) and of all, nearest half saturation."""
    usable = [g for g in flats if _usable(g, K)]
    if not usable:
        return None, None
    best = min(usable, key=lambda g: abs(float(g.statistics.mean.mean()) - 0.5 * K.saturation))
    s, d = best.statistics, dark.statistics
    lines = read.row.value**2 + read.col.value**2
    pixels = d.height * d.width // 4
    signal = s.mean - np.array([b.value for b in dark.bias])
    # Mean of the squared signal: light that falls off to the corners weighs by its square.
    squared = np.sqrt(signal**2 + np.maximum(s.spatial - s.spatial_white, 0.0))
    pixel = d.pixel.mean(axis=0)
    white_dark = np.maximum(d.spatial_white - pixel / d.frames, 0.0)
    all_dark = np.maximum(d.spatial - (pixel + lines) / d.frames, 0.0)
    return (
        photo_nonuniformity(s.spatial_white, white_dark, s.variance / s.frames, squared, pixels),
        photo_nonuniformity(s.spatial, all_dark, (s.variance + lines) / s.frames, signal, pixels),
    )


def standard_of(
    flats: Sequence[FlatGroup], dark: DarkGroup, K: PhotonTransfer, read: ReadNoise
) -> StandardFigures:
    """Return what the standard's report lists of an ISO."""
    bias = float(np.mean([b.value for b in dark.bias]))
    noise = math.sqrt(
        read.gaussian.value**2 + read.row.value**2 + read.col.value**2 + rounding_variance(read.step)
    )
    counted = [(g.photons, float(g.statistics.mean.mean()) - bias) for g in flats if g.photons is not None]
    return standard_figures(K.K, K.saturation - bias, noise, counted)


def linearity_of(
    flats: Sequence[FlatGroup], dark: DarkGroup | None, K: PhotonTransfer
) -> LinearityError | None:
    """Return how far the levels of flats lie off a straight line over exposure time, None with too few."""
    bias = float(np.mean([b.value for b in dark.bias])) if dark else 0.0
    clean = [g for g in flats if float(g.statistics.pairs[:, :, 4].max()) <= 1e-4]
    return linearity_error(
        [g.exposure_s for g in clean], [float(g.statistics.mean.mean()) - bias for g in clean], K.saturation
    )
