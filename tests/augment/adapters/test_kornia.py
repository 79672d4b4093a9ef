# SPDX-License-Identifier: Apache-2.0
"""RandomLowLightNoise in kornia's AugmentationSequential: the noise of the direct call, repeatable."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("kornia", reason="kornia: not installed")
from kornia.augmentation import AugmentationSequential, RandomHorizontalFlip

from lrd_ext.augment.adapters.kornia import RandomLowLightNoise


def test_identities_given_make_the_noise_of_the_direct_call(noise, clean):
    index = torch.arange(40, 45)
    assert torch.equal(RandomLowLightNoise(noise)(clean, index=index), noise(clean, index)["noisy"])
    mosaics = clean.reshape(5, 1, 32, 48)
    assert torch.equal(RandomLowLightNoise(noise)(mosaics, index=index), noise(mosaics, index)["noisy"])


def test_in_a_sequence_the_drawn_identities_tell_the_noise_and_repeat_it(noise, clean):
    sequence = AugmentationSequential(RandomLowLightNoise(noise), RandomHorizontalFlip(p=1.0))
    torch.manual_seed(5)
    made = sequence(clean)
    index = sequence._params[0].data["index"]
    assert len(index.unique()) == 5
    assert torch.equal(made, noise(clean, index)["noisy"].flip(-1))
    assert torch.equal(sequence(clean, params=sequence._params), made)
    assert not torch.equal(sequence(clean), made)
    torch.manual_seed(5)
    assert torch.equal(sequence(clean), made)


def test_samples_left_out_are_clean(noise, clean):
    torch.manual_seed(0)
    aug = RandomLowLightNoise(noise, p=0.5)
    made = aug(clean)
    applied = aug._params["batch_prob"] > 0.5
    assert 0 < applied.sum() < 5
    direct = noise(clean, aug._params["index"])["noisy"]
    for i, noisy in enumerate(applied):
        assert torch.equal(made[i], direct[i] if noisy else clean[i])


def test_one_identity_for_the_batch(noise):
    aug = RandomLowLightNoise(noise, same_on_batch=True)
    made = aug(torch.full((3, 4, 8, 8), 0.3))
    assert torch.equal(made[0], made[1])
    assert torch.equal(made[0], made[2])
