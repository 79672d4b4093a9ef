# SPDX-License-Identifier: Apache-2.0
"""Dark frames on disk as training reads them."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor

from lrd_ext.cfa import SITES


@dataclasses.dataclass(frozen=True, eq=False)
class Darks:
    """Darks of one camera and ISO.

    ``frames`` (n, H, W) uint16 raw DN, on disk or in memory; ``levels`` (n, 4) mean of every frame's sites,
    raw DN: black, bias and drift, which are no part of the noise; ``shading`` (4, H/2, W/2) float32 fixed
    pattern about them, DN, or None.
    """

    iso: float
    frames: np.ndarray
    levels: np.ndarray
    shading: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a frame, pixels."""
        return self.frames.shape[1], self.frames.shape[2]

    def packed(self, frame: int, rows: slice = slice(None), columns: slice = slice(None)) -> Tensor:
        """Return noise (4, h, w) float32 of a window in cells, DN about the level of its site."""
        planes = [self.frames[frame, r::2, c::2][rows, columns] for r, c in SITES]
        noise = np.stack(planes).astype(np.float32)
        noise -= self.levels[frame].astype(np.float32)[:, None, None]
        if self.shading is not None:
            noise -= self.shading[:, rows, columns]
        return torch.from_numpy(noise)
