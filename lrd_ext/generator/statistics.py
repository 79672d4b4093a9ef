# SPDX-License-Identifier: Apache-2.0
"""The statistics of noise that stage 1 matches, in units of sigma_init; differentiable.

Noise comes as packed crops (B, 4, h, w), channels in site order. Crops of real frames end at their edges.
Noise made of a periodic input is periodic, and ``wraps`` lets every pair of pixels count, round the edge too.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

#: Lags of line means that are compared, mosaic rows or columns.
LINE_LAGS = 20
#: Offsets of cells, (down, across), at which covariances of sites are compared.
OFFSETS = ((0, 0), (0, 1), (0, 2), (1, -1), (1, 0), (1, 1), (2, 0))
#: Bands of vertical and of horizontal frequency in which power is compared.
BANDS = 12


class Statistics(NamedTuple):
    """What is compared of noise: of one crop or unit, or stacked in front by unit or ISO.

    ``quantiles`` (4, 81) of each site at the probabilities of a target; ``lines`` (2, 20) autocovariance of
    row means, of column means; ``sites`` (7, 4, 4) covariance of site i with site j of the cell at each of
    OFFSETS; ``spectrum`` (12, 12) log of the power by vertical and horizontal frequency.
    """

    quantiles: Tensor
    lines: Tensor
    sites: Tensor
    spectrum: Tensor


def quantiles(noise: Tensor, levels: Tensor) -> Tensor:
    """Return each site's quantiles (4, n) at probabilities (4, n): sorted samples stand at (i + 1/2) / n."""
    ordered = noise.transpose(0, 1).reshape(4, -1).sort(dim=1).values
    n = ordered.shape[1]
    position = (levels * n - 0.5).clamp(0, n - 1)
    low = position.floor().long().clamp(max=max(n - 2, 0))
    share = (position - low).to(noise)
    return ordered.gather(1, low) * (1 - share) + ordered.gather(1, (low + 1).clamp(max=n - 1)) * share


def second_order(noise: Tensor, *, wraps: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Return ``lines`` (2, 20), ``sites`` (7, 4, 4) and power (12, 12), not yet its log, of all crops."""
    return line_covariances(noise, wraps), site_covariances(noise, wraps), power_in_bands(noise, wraps)


def line_covariances(noise: Tensor, wraps: bool = False) -> Tensor:
    """Return autocovariances of the crops' row means and column means (2, 20)."""
    mosaic = functional.pixel_shuffle(noise, 2)[:, 0]
    return torch.stack([_autocovariance(mosaic.mean(axis), wraps) for axis in (2, 1)])


def _autocovariance(means: Tensor, wraps: bool) -> Tensor:
    n = means.shape[1]
    if wraps:
        return torch.stack([(means * means.roll(-k, 1)).mean() for k in range(LINE_LAGS)])
    return torch.stack([(means[:, k:] * means[:, : n - k]).mean() for k in range(LINE_LAGS)])


def site_covariances(noise: Tensor, wraps: bool = False) -> Tensor:
    """Return covariances of every site with every site of the cell at each offset (7, 4, 4)."""
    pairs = [_pair(noise, *offset, wraps) for offset in OFFSETS]
    return torch.stack([_by_site(here) @ _by_site(there).T / here[:, 0].numel() for here, there in pairs])


def _by_site(noise: Tensor) -> Tensor:
    return noise.transpose(0, 1).reshape(4, -1)


def _pair(noise: Tensor, down: int, across: int, wraps: bool) -> tuple[Tensor, Tensor]:
    if wraps:
        return noise, noise.roll((-down, -across), (2, 3))
    height, width = noise.shape[2:]
    left, right = max(-across, 0), max(across, 0)
    here = noise[:, :, : height - down, left : width - right]
    return here, noise[:, :, down:, right : width - left]


def power_in_bands(noise: Tensor, wraps: bool = False) -> Tensor:
    """Return power by vertical and horizontal frequency, 0 to 1/2 per pixel of the mosaic, in bands (12, 12).

    What is cut out of a frame is windowed (Hann), so that its edges make no power. The half of frequency 0
    that lies in a band counts: what the window spreads to both sides then adds up to the same.
    """
    mosaic = functional.pixel_shuffle(noise, 2)[:, 0]
    height, width = mosaic.shape[1:]
    window = torch.ones_like(mosaic[0]) if wraps else _hann(height, mosaic)[:, None] * _hann(width, mosaic)
    power = torch.fft.rfft2(mosaic * window).abs().square().mean(0) / window.square().sum()
    both = power[: height // 2] + power.flip(0).roll(1, 0)[: height // 2]  # of either vertical sign
    share = torch.ones_like(both[:, : width // 2])
    share[0], share[:, 0] = share[0] / 2, share[:, 0] / 2
    parts = [
        functional.adaptive_avg_pool2d(p[None], BANDS)[0] for p in (both[:, : width // 2] * share, share)
    ]
    return parts[0] / parts[1] / 2


def _hann(length: int, like: Tensor) -> Tensor:
    return torch.hann_window(length, periodic=False, dtype=like.dtype, device=like.device)
