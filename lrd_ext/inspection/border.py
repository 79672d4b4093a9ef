# SPDX-License-Identifier: Apache-2.0
"""The masked border: pixels that saw no light tell the black level and the noise at zero light."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from lrd_ext.raw import SITES

from .lines import Estimate, line_noise

if TYPE_CHECKING:
    from lrd_ext.raw import Raw

#: Pixels next to the active area left out: light and the edge of the mask reach into them.
MARGIN = 4
#: A strip narrower than this says little.
NARROWEST = 8


@dataclasses.dataclass(frozen=True)
class MaskedStrip:
    """One strip of masked pixels beside the active area.

    ``mean`` and ``std`` are per site of the mosaic, raw DN; ``sigma_read`` is what is left of the deviation
    without row and column noise, DN. Defective pixels count: nothing is cut off.
    """

    name: str
    shape: tuple[int, int]
    mean: np.ndarray
    std: np.ndarray
    sigma_read: float
    sigma_row: Estimate
    sigma_col: Estimate


def masked_border(raw: Raw) -> tuple[MaskedStrip, ...]:
    """Measure every strip beside the active area that is at least 8 pixels wide, the largest first.

    Args:
        raw: the picture, with its masked border.
    """
    strips = [_measure(name, area, r, c) for name, area, r, c in _strips(raw)]
    return tuple(sorted(strips, key=lambda strip: -strip.shape[0] * strip.shape[1]))


def _strips(raw: Raw) -> Iterator[tuple[str, np.ndarray, int, int]]:
    """Give the strips' names, pixels, and place of their first pixel."""
    top, left, bottom, right = raw.active_area
    height, width = raw.mosaic.shape
    sides = {
        "left": (top, bottom, 0, left - MARGIN),
        "top": (0, top - MARGIN, left, right),
        "right": (top, bottom, right + MARGIN, width),
        "bottom": (bottom + MARGIN, height, left, right),
    }
    for name, (r0, r1, c0, c1) in sides.items():
        if min(r1 - r0, c1 - c0) >= NARROWEST:
            yield name, raw.mosaic[r0:r1, c0:c1], r0, c0


def _measure(name: str, area: np.ndarray, row: int, column: int) -> MaskedStrip:
    residual = area.astype(np.float64)
    mean, std = np.zeros(4), np.zeros(4)
    for r, c in SITES:
        plane = residual[(r - row) % 2 :: 2, (c - column) % 2 :: 2]
        mean[2 * r + c], std[2 * r + c] = plane.mean(), plane.std(ddof=1)
        plane -= plane.mean()
    variance = float((std**2).mean())
    weight = np.full(residual.shape, 1 / variance if variance else 1.0)
    rows, columns = (line_noise(residual, weight, axis) for axis in (1, 0))
    own = math.sqrt(max(variance - rows.value**2 - columns.value**2, 0.0))
    return MaskedStrip(name, (area.shape[0], area.shape[1]), mean, std, own, rows, columns)
