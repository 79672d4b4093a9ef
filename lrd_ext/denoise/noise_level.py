# SPDX-License-Identifier: Apache-2.0
"""How strong the noise is at each site of a noisy picture: what a conditioned denoiser is told."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lrd_ext.cfa import site_colours
from lrd_ext.params import NoiseParams
from lrd_ext.read_models import read_model
from lrd_ext.reference.targets import sensor_variance


def noise_level(noisy: Tensor, params: NoiseParams) -> Tensor:
    """Return the standard deviation of the noise, estimated from the noisy picture itself.

    sqrt(K * y + read^2 + row^2 + column^2 + 1/12) in DN, y the noisy value above black, at least 0; brought
    to the unit of ``noisy``. What a sensor adds is counted with it, hot pixels left out.

    Args:
        noisy: (B, 4, h, w), above black, divided by the range, times the ratio.
        params: of the noise, batch B or 1.

    Returns: (B, 4, h, w) float32, in the unit of ``noisy``.

    Source: Foi et al., IEEE TIP 17(10), 2008, for the variance linear in the signal.
    """
    scale = (params.white[:, None] - params.black) / params.ratio[:, None]  # DN in one unit of noisy
    gain = params.K if params.shot else torch.zeros_like(params.K)
    constant = _constant_variance(params)
    per_unit = (gain[:, None] / scale)[:, :, None, None]
    fixed = (constant[:, None] / scale.square())[:, :, None, None]
    light = noisy.clamp(min=0)
    variance = light * per_unit.to(noisy) + fixed.to(noisy)
    if params.has_sensor:
        variance = variance + (params.sigma_prnu[:, None, None, None].to(noisy) * light) ** 2
    return torch.sqrt(variance)


def noise_level_of_profile(noisy: Tensor, pairs: np.ndarray, ratio: float, cfa: str) -> Tensor:
    """Return the same from a DNG's NoiseProfile: variance S * x + O at x in [0, 1] of the range.

    Args:
        noisy: (..., 4, h, w), above black, divided by the range, times the ratio.
        pairs: (n, 2), (S, O) of R, G, B; other numbers of planes count as one, their mean.
        ratio: what ``noisy`` was multiplied by.
        cfa: phase of noisy's sites.
    """
    if len(pairs) == 3:
        by_site = pairs[["RGB".index(colour[0]) for colour in site_colours(cfa)]]
    else:
        by_site = np.broadcast_to(pairs.mean(0), (4, 2))
    scaled = torch.from_numpy(by_site * (ratio, ratio**2)).to(noisy)
    s, o = scaled[:, 0, None, None], scaled[:, 1, None, None]
    return torch.sqrt(noisy.clamp(min=0) * s + o)


def _constant_variance(params: NoiseParams) -> Tensor:
    """Variance of all that does not depend on the signal, DN^2, (B,)."""
    models = (params.read,) * len(params) if isinstance(params.read, str) else params.read
    if len(models) == 1:
        models = models * len(params)
    figures = zip(models, params.sigma_read.tolist(), params.tukey_lambda.tolist(), strict=True)
    read = torch.tensor([read_model(name).std(scale, shape) for name, scale, shape in figures])
    lines = params.sigma_row.square() + params.sigma_col.square()
    if params.has_sensor:
        lines = lines + sensor_variance(params, rounded=True).to(lines)
    return read.to(lines).square() + lines + 1 / 12
