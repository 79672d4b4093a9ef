# SPDX-License-Identifier: Apache-2.0
"""The distributions of read noise, by name. Mirrors csrc/noise/read_noise.h."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .normal import normal_quantile
from .tukey_lambda import tukey_lambda_quantile

if TYPE_CHECKING:
    from ..params import NoiseParams

#: Deviates of scale 1, float64, from int64 words in [0, 2^32) and a shape, which not every distribution has.
QUANTILES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "none": lambda word, shape: torch.zeros_like(word, dtype=torch.float64),
    "gaussian": lambda word, shape: normal_quantile(word),
    "tukey_lambda": tukey_lambda_quantile,
}


def read_noise(word: Tensor, p: NoiseParams) -> Tensor:
    """Draw read noise, each sample by its own distribution; 0 for "none".

    Args:
        word: (B, 4, h, w) int64, values in [0, 2^32).
        p: figures of B samples, or of one for all.

    Returns: (B, 4, h, w) float64, DN.

    Raises:
        KeyError: a distribution this module does not know.
    """
    sigma, shape = (v[:, None, None, None] for v in (p.sigma_read.double(), p.tukey_lambda))
    if isinstance(p.read, str):
        return sigma * QUANTILES[p.read](word, shape)
    deviate = torch.zeros_like(word, dtype=torch.float64)
    for name in set(p.read):
        those = [i for i, model in enumerate(p.read) if model == name]
        deviate[those] = QUANTILES[name](word[those], shape[those])
    return sigma * deviate
