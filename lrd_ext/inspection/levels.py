# SPDX-License-Identifier: Apache-2.0
"""Levels of a mosaic by CFA site: range, percentiles, and how much lies at the ends of the histogram."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from lrd_ext.estimators.rounding import quantization_step
from lrd_ext.raw import SITES, site_labels

if TYPE_CHECKING:
    from lrd_ext.raw import Raw


@dataclasses.dataclass(frozen=True)
class SiteLevels:
    """Values of one CFA site of the active area: raw DN, and fractions of its pixels in [0, 1]."""

    label: str
    black: float
    minimum: int
    permille: int
    median: int
    permille_999: int
    maximum: int
    at_zero: float
    below_black: float
    at_white: float


def site_levels(raw: Raw) -> tuple[SiteLevels, ...]:
    """Describe the active area by CFA site.

    Args:
        raw: the picture.

    Returns: four entries in the order of the mosaic's sites (0,0), (0,1), (1,0), (1,1); a site without a
        pixel in the active area is left out. ``permille`` and ``permille_999`` are the 0.1 and 99.9
        percentiles.
    """
    found = []
    for site, label in enumerate(site_labels(raw.cfa)):
        values = _site_values(raw, site)
        if values.size:
            found.append(_describe(values, label, float(raw.black[site]), raw.white))
    return tuple(found)


def step_of_values(raw: Raw) -> float:
    """Return the step of the active area's values, DN: 4 where 12-bit values were shifted by two bits.

    Where digital gain differs between sites, the root mean square of their steps.
    """
    counts = [np.bincount(raw.active[r::2, c::2].ravel(), minlength=65536) for r, c in SITES]
    common = quantization_step(np.sum(counts, axis=0))
    if common > 1:
        return common
    return float(np.sqrt(np.square([quantization_step(own) for own in counts]).mean()))


def active_sites(raw: Raw) -> list[tuple[int, int, int]]:
    """Return (site of the mosaic, row, column) for the four first pixels of the active area."""
    top, left = raw.active_area[:2]
    return [(2 * ((r + top) % 2) + (c + left) % 2, r, c) for r, c in SITES]


def _site_values(raw: Raw, site: int) -> np.ndarray:
    row, column = next((r, c) for s, r, c in active_sites(raw) if s == site)
    return raw.active[row::2, column::2]


def _describe(values: np.ndarray, label: str, black: float, white: float) -> SiteLevels:
    counts = np.bincount(values.ravel(), minlength=65536)
    below = np.cumsum(counts)
    low, middle, high = (int(np.searchsorted(below, q * values.size)) for q in (0.001, 0.5, 0.999))
    used = np.flatnonzero(counts)
    return SiteLevels(
        label=label,
        black=black,
        minimum=int(used[0]),
        permille=low,
        median=middle,
        permille_999=high,
        maximum=int(used[-1]),
        at_zero=float(counts[0] / values.size),
        below_black=float(counts[: int(np.ceil(black))].sum() / values.size),
        at_white=float(counts[int(np.ceil(white)) :].sum() / values.size),
    )
