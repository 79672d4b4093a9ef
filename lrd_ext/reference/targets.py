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
    if p.has_sensor:
        dark = dark + sensor_variance(p, rounded=rounded)
    variance = (dark + ROUNDING_VARIANCE * rounded)[:, None, None, None].expand(signal.shape)
    electrons = (signal * (1 / p.K)[:, None, None, None]).double().clamp(0.0, MAX_MEAN)
    if p.shot:
        variance = variance + K**2 * electrons
    if p.has_sensor:
        variance = variance + (p.sigma_prnu.double()[:, None, None, None] * K * electrons) ** 2
    level = variance.sqrt() * ratio / (p.white[:, None] - p.black).double()[:, :, None, None]
    return torch.where(torch.isnan(signal), torch.nan, level)


def sensor_variance(p: NoiseParams, *, rounded: bool) -> Tensor:
    """Return what the sensor adds to the variance without light, (B,) float64, DN^2.

    Hot pixels are not in it, too few to be a noise level; the photo response follows the signal.

    Args:
        p: figures of B samples.
        rounded: whether the converter rounds, or adds uniform noise in its place.
    """
    offsets = (p.sigma_dsnu, p.sigma_row_fixed, p.sigma_col_fixed, p.sigma_drift)
    variance = sum((sigma.double() ** 2 for sigma in offsets), torch.zeros_like(p.K, dtype=torch.float64))
    for waves in (p.row_waves, p.col_waves):
        variance = variance + (waves[..., 0].double() ** 2).sum(1) / 2
    K, electrons = p.K.double(), p.dark_current.double() * p.exposure_s.double()
    variance = variance + (K * electrons) ** 2 * torch.expm1(p.dark_current_spread.double() ** 2)
    if p.shot:
        variance = variance + K**2 * electrons
    return variance + ROUNDING_VARIANCE * rounded * (p.step.double() ** 2 - 1)
