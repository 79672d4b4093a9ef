# SPDX-License-Identifier: Apache-2.0
"""NAFNet: blocks without activation functions, small, and of bounded reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .denoiser import PLANES, Denoiser, checked_size


class NAFNet(Denoiser):
    """A U-shaped net of NAF blocks, residual, with one block at each level on the way up.

    A block: layer normalization, 1x1 convolution to twice the channels, 3x3 depthwise convolution, gate (one
    half times the other), channel attention, 1x1 convolution, times a weight, added; then layer
    normalization, 1x1 convolution, gate, 1x1 convolution, times a weight, added. Width 16 with blocks
    (1, 1, 1, 2) has 0.41 million weights, 1.6 MB; width 32 has 1.6 million, 6.4 MB.

    The paper's channel attention averages over the whole picture, so that no two tilings would agree. Ours
    averages over ``window`` cells to each side of a cell, at the block's scale, in training and in use.

    Args:
        width: channels of the first level; each further level has twice as many.
        blocks: blocks of each level on the way down, the last number those of the middle.
        window: cells from the centre to the edge of the attention's window.
        conditioned: take the noise level of each site as four more channels.
        cfa: phase whose sites the planes hold.

    Raises:
        ValueError: an argument out of range.

    Source: Chen et al., ECCV 2022 (NAFNet), sections 3 and 4; Chu et al., ECCV 2022 (TLC), for means over
        windows in place of the whole picture.
    """

    def __init__(
        self,
        width: int = 16,
        blocks: Sequence[int] = (1, 1, 1, 2),
        *,
        window: int = 4,
        conditioned: bool = False,
        cfa: str = "RGGB",
    ) -> None:
        self.width = checked_size("NAFNet", "width", width, 1, 256)
        self.blocks = [checked_size("NAFNet", "blocks", number, 1, 64) for number in blocks]
        self.window = checked_size("NAFNet", "window", window, 0, 64)
        levels = checked_size("NAFNet", "number of blocks", len(self.blocks), 1, 6)
        reach = _reach(self.blocks, self.window)
        super().__init__(levels=levels, reach=reach, residual=True, conditioned=conditioned, cfa=cfa)
        widths = [width * 2**level for level in range(levels)]
        self.first = nn.Conv2d(self.planes_in, width, 3, padding=1)
        self.down = nn.ModuleList(
            nn.Sequential(*(_Block(w, window) for _ in range(n)))
            for w, n in zip(widths, self.blocks, strict=True)
        )
        self.halve = nn.ModuleList(nn.Conv2d(w, 2 * w, 2, 2) for w in widths[:-1])
        self.grow = nn.ModuleList(nn.Conv2d(2 * w, 4 * w, 1, bias=False) for w in reversed(widths[:-1]))
        self.up = nn.ModuleList(_Block(w, window) for w in reversed(widths[:-1]))
        self.last = nn.Conv2d(width, PLANES, 3, padding=1)

    def body(self, given: Tensor) -> Tensor:
        """Run the net; see :meth:`Denoiser.body`."""
        x, across = self.first(given), []
        for block, halve in zip(self.down, self.halve, strict=False):  # the middle is not halved
            x = block(x)
            across.append(x)
            x = halve(x)
        x = self.down[-1](x)
        for grow, block, same in zip(self.grow, self.up, reversed(across), strict=True):
            x = block(functional.pixel_shuffle(grow(x), 2) + same)
        return self.last(x)

    def configuration(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "width": self.width,
            "blocks": self.blocks,
            "window": self.window,
            "conditioned": self.conditioned,
            "cfa": self.cfa,
        }


class _Block(nn.Module):
    def __init__(self, channels: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.norms = nn.ModuleList(nn.LayerNorm(channels, eps=1e-6) for _ in range(2))
        self.spread = nn.Conv2d(channels, 2 * channels, 1)
        self.depthwise = nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels)
        self.attention = nn.Conv2d(channels, channels, 1)
        self.mix = nn.Conv2d(channels, channels, 1)
        self.wide, self.narrow = nn.Conv2d(channels, 2 * channels, 1), nn.Conv2d(channels, channels, 1)
        self.weights = nn.Parameter(torch.zeros(2, channels, 1, 1))  # a fresh block passes its input on

    def forward(self, x: Tensor) -> Tensor:
        """Run the block on (B, channels, h, w)."""
        y = _gate(self.depthwise(self.spread(_normalized(self.norms[0], x))))
        x = x + self.weights[0] * self.mix(y * self.attention(_local_mean(y, self.window)))
        y = _gate(self.wide(_normalized(self.norms[1], x)))
        return x + self.weights[1] * self.narrow(y)


def _normalized(norm: nn.Module, x: Tensor) -> Tensor:
    """Normalize the channels of each cell."""
    return norm(x.movedim(1, 3)).movedim(3, 1)


def _gate(x: Tensor) -> Tensor:
    one, other = x.chunk(2, 1)
    return one * other


def _local_mean(x: Tensor, window: int) -> Tensor:
    """Mean over the square of 2 window + 1 cells a side, as much of it as lies in the picture."""
    side = 2 * window + 1
    for kernel, padding in (((side, 1), (window, 0)), ((1, side), (0, window))):
        x = functional.avg_pool2d(x, kernel, 1, padding, count_include_pad=False)
    return x


def _reach(blocks: Sequence[int], window: int) -> int:
    """Cells to each side: first and last convolution, blocks at their scale, the last level's grid."""
    of_block, last = 1 + window, 2 ** (len(blocks) - 1)
    down = sum(number * of_block * 2**level for level, number in enumerate(blocks))
    up = sum(of_block * 2**level for level in range(len(blocks) - 1))
    return 2 + down + up + (last - 1)
