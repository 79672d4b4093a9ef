# SPDX-License-Identifier: Apache-2.0
"""Whole pictures through a denoiser, at once or by tiles that leave no seam."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .denoiser import Denoiser

#: Cells a side of a tile: what a net of moderate width takes stays below a GB.
TILE = 256


@torch.inference_mode()
def denoise_packed(
    net: Denoiser, noisy: Tensor, noise_level: Tensor | None = None, *, tile: int | None = TILE
) -> Tensor:
    """Denoise pictures of any size.

    Every tile is cut with as much around it as an output can depend on, on the grid the net halves its input
    by: two tilings differ by the rounding of float32 alone.

    Args:
        net: a denoiser.
        noisy: (B, 4, h, w) or (4, h, w), see :meth:`Denoiser.forward`.
        noise_level: of the same shape, for a conditioned net.
        tile: cells a side, filled up to a multiple of ``net.multiple``; None denoises the picture at once.

    Returns: float32 of noisy's shape, on its device.

    Raises:
        ValueError: a shape or tile that does not fit.
    """
    if tile is not None and tile < 1:
        raise ValueError(f"denoise_packed: tile must be at least 1 cell, got {tile}")
    if noisy.ndim == 3:
        level = None if noise_level is None else noise_level[None]
        return denoise_packed(net, noisy[None], level, tile=tile)[0]
    weight = next(net.parameters())
    made = torch.empty_like(noisy, dtype=torch.float32)
    for inner, outer, kept in _windows(noisy.shape[2], noisy.shape[3], tile, net):
        level = None if noise_level is None else noise_level[:, :, outer[0], outer[1]].to(weight)
        out = net(noisy[:, :, outer[0], outer[1]].to(weight), level)
        made[:, :, inner[0], inner[1]] = out[:, :, kept[0], kept[1]].to(made)
    return made


_Window = tuple[slice, slice]


def _windows(
    height: int, width: int, tile: int | None, net: Denoiser
) -> Iterator[tuple[_Window, _Window, _Window]]:
    """Yield where each tile lies, what is cut for it, and where it lies in that."""
    side = max(height, width) if tile is None else tile
    side = -(-side // net.multiple) * net.multiple
    rows, columns = (list(_spans(n, side, net.halo)) for n in (height, width))
    for row in rows:
        for column in columns:
            inner, outer, kept = zip(row, column, strict=True)
            yield inner, outer, kept


def _spans(length: int, side: int, halo: int) -> Iterator[tuple[slice, slice, slice]]:
    for start in range(0, length, side):
        end = min(start + side, length)
        low = max(start - halo, 0)
        yield slice(start, end), slice(low, min(end + halo, length)), slice(start - low, end - low)
