# SPDX-License-Identifier: Apache-2.0
"""The noise level told to a conditioned net is the scatter of the noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lrd_ext import NoiseParams, fused_synth, load_profile
from lrd_ext.denoise import noise_level
from lrd_ext.denoise.noise_level import noise_level_of_profile
from lrd_ext.profiles import to_noise_profile


@pytest.fixture
def params():
    return NoiseParams.cat(
        [
            load_profile("sony_a7s2").at(3200, 10).without_bias(),
            load_profile("canon_70d").at(800, 4, read="gaussian").without_bias(),
        ]
    )


def test_it_is_the_standard_deviation_of_drawn_noise(params):
    for light in (0.002, 0.05, 0.4):
        clean = torch.full((2, 4, 256, 256), light)
        noisy = fused_synth(clean, params, seed=1, clip="none")
        drawn = noisy.std((2, 3))
        told = noise_level(clean, params)[:, :, 0, 0]
        # 65536 deviates, heavy tails and lines among them.
        assert torch.allclose(told, drawn, rtol=0.02), (light, told, drawn)


def test_what_a_sensor_adds_is_in_it(params):
    figures = {"sigma_prnu": 0.05, "sigma_dsnu": 20.0, "dark_current": 40.0, "exposure_s": 1.0, "step": 16.0}
    sensor = params.with_figures(**{name: torch.full((2,), value) for name, value in figures.items()})
    for light in (0.0, 0.05, 0.4):
        clean = torch.full((2, 4, 256, 256), light)
        drawn = fused_synth(clean, sensor, seed=1, clip="none").std((2, 3))
        told = noise_level(clean, sensor)[:, :, 0, 0]
        assert torch.allclose(told, drawn, rtol=0.02), (light, told, drawn)
        assert (told > 1.02 * noise_level(clean, params)[:, :, 0, 0]).all()


def test_below_black_only_what_needs_no_light_counts(params):
    dark = noise_level(torch.full((2, 4, 1, 1), -0.3), params)
    assert torch.equal(dark, noise_level(torch.zeros(2, 4, 1, 1), params))


def test_a_noise_profile_tells_the_same():
    own = load_profile("sony_a7s2").at(3200, 10).without_bias()
    noisy = torch.rand(1, 4, 8, 8)
    told = noise_level_of_profile(noisy, to_noise_profile(own), 10.0, "RGGB")
    assert torch.allclose(told, noise_level(noisy, own), rtol=1e-5)


def test_planes_of_a_noise_profile_go_to_their_colours():
    pairs = np.array([[1.0, 0.0], [4.0, 0.0], [9.0, 0.0]])
    told = noise_level_of_profile(torch.ones(4, 1, 1), pairs, 1.0, "GBRG")
    assert told.flatten().tolist() == [2.0, 3.0, 1.0, 2.0]
