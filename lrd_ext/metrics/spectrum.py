# SPDX-License-Identifier: Apache-2.0
"""The power spectrum of noise in bands, and how far two of them are apart."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from .values import as_planes

#: Bands of the spectrum of row means and of column means, and of the plane along each frequency.
LINE_BANDS = 16
PLANE_BANDS = (16, 8)


@dataclasses.dataclass(frozen=True, eq=False)
class Spectrum:
    """Mean power of planes in equal bands of frequency; white noise has its variance in every one.

    ``rows`` (bands,) is the spectrum of row means over 0 to 1/2 cycles a row, times the row's length;
    ``columns`` likewise; ``plane`` (bands, bands) everything else, over -1/2 to 1/2 cycles down and 0 to 1/2
    across. All in the square of the noise's unit.
    """

    rows: np.ndarray
    columns: np.ndarray
    plane: np.ndarray

    def __add__(self, other: Spectrum) -> Spectrum:
        return Spectrum(self.rows + other.rows, self.columns + other.columns, self.plane + other.plane)

    def __truediv__(self, number: float) -> Spectrum:
        return Spectrum(self.rows / number, self.columns / number, self.plane / number)


def power_spectrum(noise: Any) -> Spectrum:
    """Return the power spectrum in bands, the mean over all planes, each about its own mean.

    Args:
        noise: (..., H, W), H and W at least 4, array or tensor. A mosaic keeps frequencies between
            its sites, packed planes do not.

    Raises:
        ValueError: a shape that does not fit, or values that are not finite.
    """
    from scipy import fft

    planes = as_planes(noise, "power_spectrum: noise")
    height, width = planes.shape[-2:]
    if min(height, width) < 4:
        raise ValueError(f"power_spectrum: noise must be at least 4 x 4, got shape {planes.shape}")
    power = np.zeros((height, width // 2 + 1))
    flat = planes.reshape(-1, height, width)
    for plane in flat:
        power += np.abs(fft.rfft2(plane)) ** 2
    power /= len(flat) * height * width
    down = np.concatenate([power[(height + 1) // 2 :, 1:], power[1 : (height + 1) // 2, 1:]])
    return Spectrum(
        rows=in_bands(power[1 : height // 2 + 1, 0], 0, LINE_BANDS),
        columns=in_bands(power[0, 1:], 0, LINE_BANDS),
        plane=in_bands(in_bands(down, 0, PLANE_BANDS[0]), 1, PLANE_BANDS[1]),
    )


def in_bands(power: np.ndarray, axis: int, bands: int) -> np.ndarray:
    """Return means over bands of nearly equal width along an axis."""
    size = power.shape[axis]
    edges = np.linspace(0, size, min(bands, size) + 1).astype(int)
    widths = np.diff(edges).reshape([-1 if i == axis else 1 for i in range(power.ndim)])
    return np.add.reduceat(power, edges[:-1], axis) / widths


def psd_distance(real: Any, fake: Any) -> float:
    """Return the root mean square difference of two power spectra in bands, decibels.

    Row means, column means and the rest of the plane count a third each, so that a few coloured lines weigh
    as much as grain. 0 is the same spectrum, 3 twice the power everywhere.

    Args:
        real: (..., H, W), see :func:`power_spectrum`, or a Spectrum.
        fake: of the same H and W, or a Spectrum.

    Returns: dB; infinity where one has no power at all in a band.

    Raises:
        ValueError: a shape that does not fit, or values that are not finite.
    """
    p, q = (v if isinstance(v, Spectrum) else power_spectrum(v) for v in (real, fake))
    squares = []
    for part in ("rows", "columns", "plane"):
        a, b = getattr(p, part), getattr(q, part)
        if a.shape != b.shape:
            raise ValueError(
                f"psd_distance: real and fake must be of one size, got bands {a.shape}, {b.shape}"
            )
        squares.append(float(np.mean(_decibels(a, b) ** 2)))
    return math.sqrt(sum(squares) / 3)


def _decibels(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(a == b, 0.0, 10 * np.log10(b / a))
