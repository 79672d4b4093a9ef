# SPDX-License-Identifier: Apache-2.0
"""The learned generator in plain torch: N_init and the conv stack on it. Mirrors csrc/noise/conv_tile.h.

n_gen = sigma_init * (N_init at the sites + stack(N_init)), on packed 2x2 cells. That the noise is learned on
dark frames and added to physical shot noise is Zhang et al., ICCV 2023 (LRD). Their network is a UNet; this
small stack, its line channels and its residual form are our choices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from .normal import normal_quantile
from .philox import Component, words

if TYPE_CHECKING:
    from collections.abc import Sequence

NEGATIVE_SLOPE = 0.2


def draw_n_init(
    seed: Tensor, index: Tensor, cell_rows: int, cell_cols: int, origin: tuple[int, int], halo: int
) -> Tensor:
    """Draw the generator's input N(0, 1).

    Args:
        seed: () int64.
        index: (B,) int64, identity of each sample.
        cell_rows: height of the result's window without its halo, cells.
        cell_cols: width likewise.
        origin: (row, col) of the window's first cell on the sensor. Cells outside the sensor exist too:
            coordinates are taken mod 2^32.
        halo: cells drawn around the window on each side.

    Returns: (B, 8, cell_rows + 2 halo, cell_cols + 2 halo) float64: the four sites in site order, then one
        value for each of a cell's two mosaic rows and two mosaic columns, repeated along their line.
    """
    device = index.device
    rows = torch.arange(cell_rows + 2 * halo, device=device) + (origin[0] - halo)
    cols = torch.arange(cell_cols + 2 * halo, device=device) + (origin[1] - halo)
    zero = torch.zeros(1, dtype=torch.int64, device=device)
    sites = normal_quantile(words(seed, index, Component.GENERATOR, rows, cols))
    row_lines = normal_quantile(words(seed, index, Component.GENERATOR_ROW, rows, zero)[:, :2])
    col_lines = normal_quantile(words(seed, index, Component.GENERATOR_COLUMN, zero, cols)[:, :2])
    size = (-1, -1, *sites.shape[2:])
    return torch.cat([sites, row_lines.expand(size), col_lines.expand(size)], dim=1)


def convolve(
    n_init: Tensor, sigma_init: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor], log_sigma: bool
) -> Tensor:
    """Turn N_init into noise. Differentiable; computes in n_init's dtype.

    Args:
        n_init: (B, 8, h + 2 L, w + 2 L), see :func:`draw_n_init`; L is the number of convolutions.
        sigma_init: (B,) or (1,), DN, > 0.
        weights: L tensors (C_out, C_in, 3, 3), the last with C_out = 4.
        biases: L tensors (C_out,).
        log_sigma: whether the first convolution has a ninth input channel, log(sigma_init).

    Returns: (B, 4, h, w), DN.
    """
    sigma = sigma_init.to(n_init.dtype)[:, None, None, None]
    x = n_init
    if log_sigma:
        x = torch.cat([x, torch.log(sigma).expand(x.shape[0], 1, *x.shape[2:])], dim=1)
    halo = len(weights)
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        x = functional.conv2d(x, weight.to(x.dtype), bias.to(x.dtype))
        if layer < halo - 1:
            x = functional.leaky_relu(x, NEGATIVE_SLOPE)
    return sigma * (n_init[:, :4, halo:-halo, halo:-halo] + x)
