# SPDX-License-Identifier: Apache-2.0
"""UNet: the net of SID and ELD, in any size."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .denoiser import PLANES, Denoiser, checked_size

_SLOPE = 0.2  # of the leaky ReLU


class UNet(Denoiser):
    """Levels of two 3x3 convolutions with leaky ReLU, halved by maxima and grown by transposed convolutions.

    With the defaults, the published net: 32, 64, 128, 256 and 512 channels, leaky ReLU of slope 0.2, a 1x1
    convolution at the end, no normalization, no residual: 7.76 million weights, 31 MB. Width 16 with 4 levels
    has 0.48 million, 1.9 MB.

    Args:
        width: channels of the first level; each further level has twice as many.
        levels: number of levels.
        residual: give what is added to the input, in place of the picture itself.
        conditioned: take the noise level of each site as four more channels.
        cfa: phase whose sites the planes hold.

    Raises:
        ValueError: an argument out of range.

    Source: Chen et al., CVPR 2018 (SID), for the net; Wei et al., CVPR 2020 (ELD), for raw to raw with it.
    """

    def __init__(
        self,
        width: int = 32,
        levels: int = 5,
        *,
        residual: bool = False,
        conditioned: bool = False,
        cfa: str = "RGGB",
    ) -> None:
        self.width = checked_size("UNet", "width", width, 1, 256)
        self.levels = checked_size("UNet", "levels", levels, 1, 6)
        super().__init__(
            levels=levels, reach=_reach(levels), residual=residual, conditioned=conditioned, cfa=cfa
        )
        widths = [width * 2**level for level in range(levels)]
        inputs = [self.planes_in, *widths[:-1]]
        self.down = nn.ModuleList(_two(a, b) for a, b in zip(inputs, widths, strict=True))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, 2) for w in reversed(widths[:-1]))
        self.join = nn.ModuleList(_two(2 * w, w) for w in reversed(widths[:-1]))
        self.last = nn.Conv2d(width, PLANES, 1)
        if self.residual:
            nn.init.zeros_(self.last.weight)
            nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def body(self, given: Tensor) -> Tensor:
        """Run the net; see :meth:`Denoiser.body`."""
        x, across = given, []
        for level, block in enumerate(self.down):
            x = block(functional.max_pool2d(x, 2) if level else x)
            across.append(x)
        for grow, block, same in zip(self.up, self.join, reversed(across[:-1]), strict=True):
            x = block(torch.cat([grow(x), same], 1))
        return self.last(x)

    def configuration(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "width": self.width,
            "levels": self.levels,
            "residual": self.residual,
            "conditioned": self.conditioned,
            "cfa": self.cfa,
        }


def _two(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        conv = nn.Conv2d(channels, outputs, 3, padding=1)
        nn.init.kaiming_normal_(conv.weight, _SLOPE)
        layers += [conv, nn.LeakyReLU(_SLOPE, inplace=True)]
    return nn.Sequential(*layers)


def _reach(levels: int) -> int:
    """Cells to each side: two convolutions down and two up at each level, two in the last, and its grid."""
    last = 2 ** (levels - 1)
    return 4 * (last - 1) + 2 * last + (last - 1)
