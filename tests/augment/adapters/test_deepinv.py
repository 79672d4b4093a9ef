# SPDX-License-Identifier: Apache-2.0
"""LowLightNoiseModel in a deepinv physics: the noise of the direct call."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("torchvision", reason="torchvision: not installed, which deepinv needs")
pytest.importorskip("deepinv", reason="deepinv: not installed")
from deepinv.physics import Denoising, Inpainting

from lrd_ext.augment.adapters.deepinv import LowLightNoiseModel


def test_a_physics_with_identities_makes_the_noise_of_the_direct_call(noise, clean):
    physics, index = Denoising(LowLightNoiseModel(noise)), torch.arange(7, 12)
    assert torch.equal(physics(clean, index=index), noise(clean, index)["noisy"])
    mask = Inpainting((4, 16, 24), mask=0.5, noise_model=LowLightNoiseModel(noise))
    masked = mask.mask * noise(mask.A(clean), index)["noisy"]  # deepinv lets no noise into the holes
    assert torch.equal(mask(clean, index=index), masked)


def test_without_identities_the_generator_of_the_physics_decides(noise, clean):
    model = LowLightNoiseModel(noise, rng=torch.Generator().manual_seed(3))
    physics = Denoising(model)
    first = physics(clean, seed=9)
    assert torch.equal(physics(clean, seed=9), first)
    assert not torch.equal(physics(clean), first)
    index = torch.randint(2**56, (5,), generator=torch.Generator().manual_seed(9))
    assert torch.equal(first, noise(clean, index)["noisy"])
