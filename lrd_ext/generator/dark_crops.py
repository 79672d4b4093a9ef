# SPDX-License-Identifier: Apache-2.0
"""Random crops of real darks, at even places so that sites stay sites, and pictures of crops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .dark_store import Darks


def random_crops(
    darks: Sequence[Darks], count: int, side: int, draw: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Cut crops of frames drawn anew for each.

    Args:
        darks: of each camera and ISO; equally likely.
        count: how many crops.
        side: cells a side.
        draw: where random numbers come from.

    Returns: noise (count, 4, side, side) float32, DN about the level of its site, and which of ``darks`` each
        is of (count,) int64.

    Raises:
        ValueError: the frames are smaller than a crop.
    """
    which = torch.randint(len(darks), (count,), generator=draw)
    return torch.stack([_crop(darks[int(k)], side, draw) for k in which]), which


def _crop(darks: Darks, side: int, draw: torch.Generator) -> Tensor:
    room = [size // 2 - side for size in darks.shape]
    if min(room) < 0:
        raise ValueError(
            f"patch: crops of {side} cells need frames of {2 * side} x {2 * side} pixels, got {darks.shape}"
        )
    frame = int(torch.randint(len(darks), (), generator=draw))
    top, left = (int(torch.randint(r + 1, (), generator=draw)) for r in room)
    return darks.packed(frame, slice(top, top + side), slice(left, left + side))


def side_by_side(real: Tensor, made: Tensor) -> np.ndarray:
    """Return crops (n, 4, h, w), in standard deviations, real above made ones, (H, W, 3) uint8."""
    rows = [torch.cat(list(functional.pixel_shuffle(crops, 2)[:, 0]), 1) for crops in (real, made)]
    grey = ((torch.cat(rows) / 6 + 0.5).clamp(0, 1) * 255).to(torch.uint8).cpu().numpy()
    return np.repeat(grey[..., None], 3, 2)
