# SPDX-License-Identifier: Apache-2.0
"""LowLightNoise as the noise model of a deepinv physics."""

from __future__ import annotations

from typing import Any

import torch
from deepinv.physics import NoiseModel
from torch import Tensor

from lrd_ext.augment import LowLightNoise
from lrd_ext.datasets.crops import LIMIT

#: What else LowLightNoise is told, where the physics is given it; the rest is for other parts of the physics.
_TOLD = ("black", "white", "cfa", "iso", "ratio", "layout", "origin", "order")


class LowLightNoiseModel(NoiseModel):
    """Low-light raw noise on measurements, (B, 4, h, w) packed or (B, 1, H, W) mosaics, linear in [0, 1].

    ``physics(x, index=batch["index"])`` gives every sample the noise of its own identity; without ``index``
    identities are drawn from ``rng``, as deepinv draws noise.

    Args:
        noise: what draws it.
        rng: where identities come from; None for torch's own generator.
    """

    def __init__(self, noise: LowLightNoise, rng: torch.Generator | None = None) -> None:
        super().__init__(rng=rng)
        self.noise = noise

    def forward(
        self, x: Tensor, index: int | Tensor | None = None, seed: int | None = None, **told: Any
    ) -> Tensor:
        """Return the noisy measurements, normalized and times the ratio.

        Args:
            x: measurements.
            index: identities, an int or (B,); None to draw them.
            seed: of ``rng``, set before; None leaves it.
            told: what :meth:`LowLightNoise.forward` takes besides.
        """
        self.rng_manual_seed(seed)
        if index is None:
            device = "cpu" if self.rng is None else self.rng.device
            index = torch.randint(LIMIT, (len(x),), generator=self.rng, device=device)
        return self.noise(x, index, **{name: told[name] for name in _TOLD if name in told})["noisy"]
