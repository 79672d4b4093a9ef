# SPDX-License-Identifier: Apache-2.0
"""LowLightNoise as a kornia augmentation: what kornia#1261 asks for."""

from __future__ import annotations

from typing import Any

import torch
from kornia.augmentation import IntensityAugmentationBase2D
from torch import Tensor

from lrd_ext.augment import LowLightNoise
from lrd_ext.datasets.crops import LIMIT


class RandomLowLightNoise(IntensityAugmentationBase2D):
    """Put low-light noise on a batch of linear raw pictures, (B, 4, h, w) packed or (B, 1, H, W) mosaics.

    kornia draws parameters at random and keeps them in ``_params``; those of this augmentation are the
    identities of the samples, ``index``. So ``aug(clean, params=aug._params)`` repeats the noise, and
    ``aug(clean, index=batch["index"])`` gives every sample the noise of its own identity, the same on every
    machine. Values are neither clamped before nor after.

    Args:
        noise: what draws it; ISO and ratio must be its own, not "item".
        same_on_batch: one identity, so one setting and one field of noise, for all.
        p, keepdim: as kornia has them.
    """

    def __init__(
        self, noise: LowLightNoise, same_on_batch: bool = False, p: float = 1.0, keepdim: bool = False
    ) -> None:
        super().__init__(p=p, same_on_batch=same_on_batch, p_batch=1.0, keepdim=keepdim)
        self.noise = noise

    def generate_parameters(self, batch_shape: tuple[int, ...]) -> dict[str, Tensor]:
        """Draw an identity for each sample from torch's generator."""
        drawn = torch.randint(LIMIT, (1 if self.same_on_batch else batch_shape[0],))
        return {"index": drawn.expand(batch_shape[0]).clone()}

    def apply_transform(
        self,
        input: Tensor,
        params: dict[str, Tensor],
        flags: dict[str, Any],
        transform: Tensor | None = None,
    ) -> Tensor:
        """Return the noisy pictures."""
        return self.noise(input, params["index"])["noisy"]
