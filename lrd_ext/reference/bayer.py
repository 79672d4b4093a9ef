# SPDX-License-Identifier: Apache-2.0
"""Mosaic and packed layouts of 2x2 CFA cells. Mirrors Frames in csrc/request.h.

Site order is (0,0), (0,1), (1,0), (1,1) everywhere, whatever colours the CFA puts there.
"""

from __future__ import annotations

import torch
from torch import Tensor

SITE_ORDER = (0, 1, 2, 3)


def to_cells(frame: Tensor, packed: bool, channels: tuple[int, ...] = SITE_ORDER) -> Tensor:
    """View (B, H, W) mosaics or (B, 4, H/2, W/2) packed frames as (B, 4, H/2, W/2), channels by site.

    ``channels`` says which packed channel holds each site.
    """
    if packed:
        return frame if channels == SITE_ORDER else frame[:, list(channels)]
    return torch.stack([frame[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], dim=1)


def from_cells(cells: Tensor, packed: bool, channels: tuple[int, ...] = SITE_ORDER) -> Tensor:
    """Inverse of :func:`to_cells`."""
    if packed:
        return cells if channels == SITE_ORDER else cells[:, [channels.index(c) for c in SITE_ORDER]]
    batch, _, h, w = cells.shape
    return cells.reshape(batch, 2, 2, h, w).permute(0, 3, 1, 4, 2).reshape(batch, 2 * h, 2 * w)


def rows_of_cells(pairs: Tensor) -> Tensor:
    """Spread one value per mosaic row, (B, 2, h, 1) with the upper row first, to cells (B, 4, h, 1)."""
    return pairs.repeat_interleave(2, dim=1)


def columns_of_cells(pairs: Tensor) -> Tensor:
    """Spread one value per mosaic column, (B, 2, 1, w) with the left column first, to cells (B, 4, 1, w)."""
    return pairs.repeat(1, 2, 1, 1)
