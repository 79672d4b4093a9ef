# SPDX-License-Identifier: Apache-2.0
"""What training takes beside the noisy frame: clean target and noise level. Mirrors csrc/noise/targets.h.

Source: the variance of each component is that of the noise model, Wei et al., CVPR 2020, section 3; a map of
noise levels as a denoiser's input, Zhang et al., "FFDNet", IEEE TIP 27(9), 2018.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .poisson import MAX_MEAN
from .read_noise import read_std

if TYPE_CHECKING:
    from ..params import NoiseParams

ROUNDING_VARIANCE = 1 / 12  # of U(-1/2, 1/2)


def clean_target(cells: Tensor, p: NoiseParams) -> Tensor:
    """Normalize clean cells: (v - black) / (white - black), float32, the same bits on every executor.

    Args:
        cells: (B, 4, h, w) uint16 raw DN; floats are normalized already and given back as float32.
        p: figures of B samples, or of one for all.
    """
    if cells.dtype != torch.uint16:
        return cells.to(torch.float32)
    black, white = p.black[:, :, None, None], p.white[:, None, None, None]
    return (cells.to(torch.int32).to(torch.float32) - black) / (white - black)


def noise_level(signal: Tensor, p: NoiseParams, sigma_init: Tensor | None, *, rounded: bool) -> Tensor:
    """Return the standard deviation of the noise at each site, in the unit of the normalized output.

    Args:
        signal: (B, 4, h, w) float32, DN of the short exposure; NaN stays.
        p: figures of B samples, or of one for all.
        sigma_init: (B,) or (1,), DN, of a generator; None without one.
        rounded: whether the converter rounds, or adds uniform noise in its place.

    Returns: (B, 4, h, w) float64.
    """
    K, ratio = (v.double()[:, None, None, None] for v in (p.K, p.ratio))
    dark = read_std(p) ** 2 + p.sigma_row.double() ** 2 + p.sigma_col.double() ** 2
    if sigma_init is not None:
        dark = dark + sigma_init.double() ** 2
    variance = (dark + ROUNDING_VARIANCE * rounded)[:, None, None, None].expand(signal.shape)
    if p.shot:
        electrons = (signal * (1 / p.K)[:, None, None, None]).double().clamp(0.0, MAX_MEAN)
        variance = variance + K**2 * electrons
    level = variance.sqrt() * ratio / (p.white[:, None] - p.black).double()[:, :, None, None]
    return torch.where(torch.isnan(signal), torch.nan, level)
