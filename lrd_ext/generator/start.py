# SPDX-License-Identifier: Apache-2.0
"""Weights a LiteGenerator starts its training with: Gaussian noise, and features that can bend it."""

from __future__ import annotations

import torch
from torch import nn

from .lite import LiteGenerator

#: Thresholds of the bends that shape tails, sigma_init.
_NEAR, _FAR = 1.2, 2.2
_SITES, _LINES = range(4), range(4, 8)


def start(generator: LiteGenerator, draw: torch.Generator) -> None:
    """Set the weights: each hidden channel follows one input, from a threshold on, up or down.

    Tails are bent sites, line structure is filtered lines; pairs of opposite sign pass anything through leaky
    ReLUs unchanged. Small random weights break the symmetry; the last layer begins near zero.

    Args:
        generator: changed in place.
        draw: where random numbers come from.
    """
    features = [
        *((channel, sign, _NEAR) for channel in _SITES for sign in (1, -1)),
        *((channel, sign, 0.0) for channel in _LINES for sign in (1, -1)),
        *((channel, sign, _FAR) for channel in _SITES for sign in (1, -1)),
        *((channel, sign, 0.0) for channel in _SITES for sign in (1, -1)),
    ]
    first, *hidden, last = (conv for conv in generator.convs if isinstance(conv, nn.Conv2d))
    with torch.no_grad():
        for conv in (first, *hidden, last):
            conv.weight.normal_(0, 0.01 if conv is last else 0.03, generator=draw)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        for k, (channel, sign, threshold) in zip(range(first.out_channels), features, strict=False):
            first.weight[k, channel, 1, 1] += sign
            first.bias[k] -= threshold  # type: ignore[index]
        for conv in hidden:
            for k in range(min(conv.in_channels, conv.out_channels)):
                conv.weight[k, k, 1, 1] += 1
