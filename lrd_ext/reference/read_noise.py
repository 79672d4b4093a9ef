# SPDX-License-Identifier: Apache-2.0
"""The distributions of read noise, by name. Mirrors csrc/noise/read_noise.h."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .normal import normal_quantile
from .quantile_table import table_quantile
from .tukey_lambda import tukey_lambda_quantile, tukey_lambda_std

if TYPE_CHECKING:
    from ..params import NoiseParams

#: Deviates of scale 1, float64, from int64 words in [0, 2^32) and a shape, which not every distribution has:
#: of "empirical" a table of quantiles.
QUANTILES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "none": lambda word, shape: torch.zeros_like(word, dtype=torch.float64),
    "gaussian": lambda word, shape: normal_quantile(word),
    "tukey_lambda": tukey_lambda_quantile,
    "empirical": table_quantile,
}

#: Standard deviation at scale 1, of the shape; of a table it is 1 by what NoiseParams accepts.
UNIT_STDS: dict[str, Callable[[float], float]] = {
    "none": lambda shape: 0.0,
    "gaussian": lambda shape: 1.0,
    "tukey_lambda": tukey_lambda_std,
    "empirical": lambda shape: 1.0,
}


def read_std(p: NoiseParams) -> Tensor:
    """Return the standard deviation of each sample's read noise, (B,) float64, DN."""
    models = [p.read] * len(p) if isinstance(p.read, str) else p.read
    units = [UNIT_STDS[name](shape) for name, shape in zip(models, p.tukey_lambda.tolist(), strict=True)]
    return p.sigma_read.double() * torch.tensor(units, dtype=torch.float64, device=p.sigma_read.device)


def read_noise(word: Tensor, p: NoiseParams) -> Tensor:
    """Draw read noise, each sample by its own distribution; 0 for "none".

    Args:
        word: (B, 4, h, w) int64, values in [0, 2^32).
        p: figures of B samples, or of one for all.

    Returns: (B, 4, h, w) float64, DN.

    Raises:
        KeyError: a distribution this module does not know.
    """
    sigma = p.sigma_read.double()[:, None, None, None]
    if isinstance(p.read, str):
        return sigma * QUANTILES[p.read](word, _shapes(p, p.read))
    deviate = torch.zeros_like(word, dtype=torch.float64)
    for name in set(p.read):
        those = [i for i, model in enumerate(p.read) if model == name]
        deviate[those] = QUANTILES[name](word[those], _shapes(p, name)[those])
    return sigma * deviate


def _shapes(p: NoiseParams, name: str) -> Tensor:
    if name == "empirical" and p.read_table is not None:
        return p.read_table
    return p.tukey_lambda[:, None, None, None]
