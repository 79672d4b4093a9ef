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
    mosaic = _even(torch.randn(crops, 2 * height, 2 * width, generator=draw), 2)
    rows = _even_lines(torch.randn(crops, 2 * height, 1, generator=draw)).view(crops, height, 2)
    columns = _even_lines(torch.randn(crops, 2 * width, 1, generator=draw)).view(crops, width, 2)
    size = (crops, 2, height, width)
    parts = [
        functional.pixel_unshuffle(mosaic[:, None], 2),
        rows.transpose(1, 2)[..., None].expand(size),
        columns.transpose(1, 2)[:, :, None].expand(size),
    ]
    return functional.pad(torch.cat(parts, 1), (halo,) * 4, mode="circular")


def _even_lines(noise: Tensor) -> Tensor:
    """Flatten the spectrum of sequences (B, n, 1), and let what has no period cancel over four of them.

    What is made of lines is nearly linear in them: their spectrum has to be exact. So is their power at
    frequency 0, each crop's mean, which would be learned as a mean of the noise; and at 1/2, by parity.
    """
    noise = _flat(_even(noise))
    number = torch.arange(len(noise))[:, None, None]
    turns = 1.0 - 2 * (torch.arange(noise.shape[1]) % 2)[:, None]
    for wave, sign in ((torch.ones_like(turns), 1 - 2 * (number % 2)), (turns, 1 - 2 * (number // 2 % 2))):
        found = (noise * wave).mean(1, keepdim=True)
        noise = noise + (sign / noise.shape[1] ** 0.5 - found) * wave
    return noise


def _even(noise: Tensor, cells: int = 1) -> Tensor:
    """Flatten the spectrum of each field (B, h, w) and give it normal scores, in turn.

    Scores are dealt out to each site of cells of this many pixels a side by itself.
    """
    sites = functional.pixel_unshuffle(noise[:, None], cells)
    n = sites.shape[2] * sites.shape[3]
    scores = torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)
    scores = (scores / scores.square().mean().sqrt()).to(noise.dtype)
    for _ in range(_ROUNDS):
        sites = functional.pixel_unshuffle(_flat(noise)[:, None], cells)
        rank = sites.flatten(2).argsort(2).argsort(2)
        noise = functional.pixel_shuffle(scores[rank].view_as(sites), cells)[:, 0]
    return noise


def _flat(noise: Tensor) -> Tensor:
    """Give every frequency of each field (B, h, w) the same power, of unit variance in all."""
    waves = torch.fft.fft2(noise, norm="ortho")
    return torch.fft.ifft2(waves / waves.abs().clamp_min(1e-12), norm="ortho").real
