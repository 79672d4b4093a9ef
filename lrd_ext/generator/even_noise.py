# SPDX-License-Identifier: Apache-2.0
"""N_init drawn evenly: normal noise whose histogram and spectrum are those of the law, not of a sample.

Statistics of what a generator makes of it scatter several times less than from independent draws, so that a
few crops tell how its weights should change. For fitting only: real use draws N_init from Philox.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_ROUNDS = 4


def even_n_init(crops: int, height: int, width: int, halo: int, draw: torch.Generator) -> Tensor:
    """Draw a periodic N_init with the halo a stack consumes.

    Args:
        crops: how many crops; each mosaic and each sequence of lines is even by itself.
        height: of a crop, cells.
        width: of a crop, cells.
        halo: cells added on each side, taken from the opposite one.
        draw: where random numbers come from.

    Returns: (crops, 8, height + 2 halo, width + 2 halo) float32: four sites, two rows, two columns.
    """
    mosaic = _even(torch.randn(crops, 2 * height, 2 * width, generator=draw))
    # What is made of lines is nearly linear in them: their spectrum has to be exact.
    rows = _flat(_even(torch.randn(crops, 2 * height, 1, generator=draw))).view(crops, height, 2)
    columns = _flat(_even(torch.randn(crops, 1, 2 * width, generator=draw))).view(crops, width, 2)
    size = (crops, 2, height, width)
    parts = [
        functional.pixel_unshuffle(mosaic[:, None], 2),
        rows.transpose(1, 2)[..., None].expand(size),
        columns.transpose(1, 2)[:, :, None].expand(size),
    ]
    return functional.pad(torch.cat(parts, 1), (halo,) * 4, mode="circular")


def _even(noise: Tensor) -> Tensor:
    """Flatten the spectrum of each field (B, h, w) and give it normal scores, in turn."""
    n = noise.shape[1] * noise.shape[2]
    scores = torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)
    scores = (scores / scores.square().mean().sqrt()).to(noise.dtype)
    for _ in range(_ROUNDS):
        rank = _flat(noise).flatten(1).argsort(1).argsort(1)
        noise = scores[rank].view_as(noise)
    return noise


def _flat(noise: Tensor) -> Tensor:
    """Give every frequency of each field (B, h, w) the same power, of unit variance in all."""
    waves = torch.fft.fft2(noise, norm="ortho")
    return torch.fft.ifft2(waves / waves.abs().clamp_min(1e-12), norm="ortho").real
