# SPDX-License-Identifier: Apache-2.0
"""What the body of a camera adds at every site. Mirrors csrc/noise/body.h.

Its draws are keyed by the body in place of the sample: the same in every frame. Photo response (PRNU) and
offset (DSNU) of pixels are the terms of EMVA standard 1288, release 4.0, section 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from . import bayer
from .dark_current import dark_electrons
from .normal import normal_quantile, two_normals
from .philox import Component, words

if TYPE_CHECKING:
    from ..params import NoiseParams


class BodyWords:
    """The random words of the bodies of one request, and of its frames."""

    def __init__(self, seed: Tensor, sensor: Tensor, index: Tensor, rows: Tensor, cols: Tensor) -> None:
        """Take the identities, (B,) int64 each, and the coordinates of the cells."""
        self.seed, self.sensor, self.index, self.rows, self.cols = seed, sensor, index, rows, cols

    def of_body(self, component: Component) -> Tensor:
        """Words of each site, (B, 4, h, w)."""
        return words(self.seed, self.sensor, component, self.rows, self.cols)

    def of_frame(self, component: Component) -> Tensor:
        """Words of each site that differ from frame to frame, (B, 4, h, w)."""
        return words(self.seed, self.index, component, self.rows, self.cols)

    def lines(self, component: Component, rows: Tensor, cols: Tensor) -> Tensor:
        """The body's words of two lines a cell."""
        return words(self.seed, self.sensor, component, rows, cols)[:, :2]


def body_signal(signal: Tensor, p: NoiseParams, draw: BodyWords) -> Tensor:
    """Return y (1 + g) + K D, (B, 4, h, w) float64, DN: K times the mean of Poisson's electrons.

    Args:
        signal: y, (B, 4, h, w) float32, DN of the short exposure; NaN stays.
        p: figures of B samples, or of one for all.
        draw: the words.
    """
    response, _ = two_normals(draw.of_body(Component.PATTERN))
    bright = signal.double() * (1 + _sample(p.sigma_prnu) * response)
    return bright + _sample(p.K) * dark_electrons(p, draw)


def body_offset(p: NoiseParams, draw: BodyWords) -> Tensor:
    """Return the fixed offsets of pixels, rows and columns, (B, 4, h, w) float64, DN."""
    _, level = two_normals(draw.of_body(Component.PATTERN))
    zero = torch.zeros(1, dtype=torch.int64, device=level.device)
    rows = normal_quantile(draw.lines(Component.FIXED_ROW, draw.rows, zero))
    columns = normal_quantile(draw.lines(Component.FIXED_COLUMN, zero, draw.cols))
    fixed = _sample(p.sigma_row_fixed) * bayer.rows_of_cells(rows)
    fixed = fixed + _sample(p.sigma_col_fixed) * bayer.columns_of_cells(columns)
    return fixed + _sample(p.sigma_dsnu) * level


def _sample(values: Tensor) -> Tensor:
    return values.double()[:, None, None, None]
