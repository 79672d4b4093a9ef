# SPDX-License-Identifier: Apache-2.0
"""The baselines: the same noise models as a user would write them in plain torch, with its random numbers."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def plain_generated(
    clean: Tensor, K: Tensor, ratio: Tensor, black: Tensor, white: Tensor, sigma: float, generator: nn.Module
) -> Tensor:
    """Shot noise and a conv stack's noise on packed frames.

    Args:
        clean: (B, 4, h, w), normalized float; the result is like it.
        K: (B, 1, 1, 1), gain, DN per electron.
        ratio: (B, 1, 1, 1), exposure ratio.
        black: (B, 4, 1, 1), DN.
        white: (B, 1, 1, 1), DN.
        sigma: sigma_init, DN.
        generator: a LiteGenerator; computes in the dtype of its weights.
    """
    batch, _, height, width = clean.shape
    height, width = height + 2 * generator.halo, width + 2 * generator.halo
    options = {"device": clean.device, "dtype": generator.convs[0].weight.dtype}
    rows = torch.randn(batch, 2, height, 1, **options).expand(-1, -1, -1, width)
    columns = torch.randn(batch, 2, 1, width, **options).expand(-1, -1, height, -1)
    sites = torch.randn(batch, 4, height, width, **options)
    learned = generator(torch.cat([sites, rows, columns], dim=1), sigma)
    signal = clean.to(torch.float32) * (white - black) / ratio
    noisy = K * torch.poisson(signal.clamp_min(0) / K) + learned
    raw = (black + noisy).round().clamp(min=0.0).minimum(white)
    return ((raw - black) / (white - black) * ratio).to(clean.dtype)


def plain_synth(
    clean: Tensor, K: Tensor, ratio: Tensor, black: Tensor, white: Tensor, sigma: Tensor
) -> Tensor:
    """Shot, Gaussian read, row and column noise on packed frames.

    Args:
        clean: (B, 4, h, w), normalized float or uint16 DN; the result is like it.
        K: (B, 1, 1, 1), gain, DN per electron.
        ratio: (B, 1, 1, 1), exposure ratio.
        white: (B, 1, 1, 1), DN.
        black: (B, 4, 1, 1), DN.
        sigma: (3, B, 1, 1, 1): read, row and column noise, DN.
    """
    span = white - black
    raw_input = clean.dtype == torch.uint16
    signal = clean.to(torch.float32)
    signal = (signal - black) / ratio if raw_input else signal * span / ratio
    noisy = K * torch.poisson(signal.clamp_min(0) / K)
    noisy = noisy + sigma[0] * torch.randn_like(noisy)
    batch, _, height, width = clean.shape
    # One value a mosaic line: sites 0 and 1 share a row, 0 and 2 a column.
    rows = sigma[1] * torch.randn(batch, 2, height, 1, device=clean.device)
    columns = sigma[2] * torch.randn(batch, 2, 1, width, device=clean.device)
    noisy = noisy + rows.repeat_interleave(2, dim=1) + columns.repeat(1, 2, 1, 1)
    raw = (black + noisy).round().clamp(min=0.0).minimum(white)
    return raw.to(torch.uint16) if raw_input else ((raw - black) / span * ratio).to(clean.dtype)
