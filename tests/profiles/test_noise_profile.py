# SPDX-License-Identifier: Apache-2.0
"""The DNG tag NoiseProfile, both ways."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from lrd_ext import fused_synth
from lrd_ext.params import NoiseParams
from lrd_ext.profiles import ProfileError, from_noise_profile, load_profile, to_noise_profile


def test_worked_example_of_a_sony_a7s2_at_iso_3200():
    # S = 3.06016/15871; O = ((2.0417721*std(TL))^2 + 0.44543457^2 + 1/12) / 15871^2
    read = 2.0417721 * stats.tukeylambda.std(-0.034863412)
    expected = [3.06016 / 15871, (read**2 + 0.44543457**2 + 1 / 12) / 15871**2]
    pairs = to_noise_profile(load_profile("sony_a7s2").at(3200))
    assert (pairs.dtype, pairs.shape) == (np.float64, (3, 2))
    np.testing.assert_allclose(pairs, [expected] * 3, rtol=1e-6)


def test_planes_take_their_own_black_level_in_every_phase():
    params = NoiseParams(K=2, ratio=1, white=1100, black=[100, 120, 80, 60])
    np.testing.assert_allclose(to_noise_profile(params, "RGGB")[:, 0], [2 / 1000, 2 / 1000, 2 / 1040])
    np.testing.assert_allclose(to_noise_profile(params, "GBRG")[:, 0], [2 / 1020, 2 / 1020, 2 / 980])
    np.testing.assert_allclose(to_noise_profile(params, "MONO")[:, 0], [2 / 1010])


def test_pairs_describe_simulated_noise():
    params = NoiseParams(
        K=3.0, ratio=1, white=4095, black=255, read="gaussian", sigma_read=5.0, sigma_row=2.0, sigma_col=1.0
    )
    generator = torch.Generator().manual_seed(5)
    x, n = 0.25, 200_000
    draw = torch.poisson(torch.full((n,), x * 3840 / 3.0), generator=generator) * 3.0
    draw += torch.randn(3, n, generator=generator).mul(torch.tensor([[5.0], [2.0], [1.0]])).sum(0)
    variance = ((draw + 255).round() / 3840).double().var().item()
    shot, offset = to_noise_profile(params)[1]
    assert shot * x + offset == pytest.approx(variance, rel=4 * (2 / n) ** 0.5)


def test_without_shot_noise_s_is_zero():
    assert to_noise_profile(NoiseParams(K=2, ratio=1, white=100, black=0, shot=False))[:, 0].tolist() == [
        0,
        0,
        0,
    ]


def test_pairs_become_a_profile_of_one_iso():
    # LRD issue 5: a DNG's pair gives the Poisson and the Gaussian parameter; here a 10-bit sensor.
    profile = from_noise_profile([(2e-3, 4e-6)], iso=800, black=64, white=1023, bits=10)
    at = profile.at(800)
    assert at.K.item() == pytest.approx(2e-3 * 959)
    assert (at.read, at.sigma_read.item()) == ("gaussian", pytest.approx(2e-3 * 959))
    back = to_noise_profile(at)
    np.testing.assert_allclose(back[:, 0], 2e-3, rtol=1e-6)
    np.testing.assert_allclose(back[:, 1], 4e-6 + 1 / 12 / 959**2, rtol=1e-6)


def test_three_pairs_are_averaged_over_the_four_sites():
    at = from_noise_profile([(1e-3, 0), (2e-3, 0), (3e-3, 4e-6)], iso=100, black=[0, 0, 0, 0], white=1000).at(
        100
    )
    assert at.K.item() == pytest.approx(2.0)
    assert at.sigma_read.item() == pytest.approx(1.0)


def test_figures_of_planes_that_differ_are_kept_in_a_note():
    differing = from_noise_profile([(1e-3, 0), (2e-3, 1e-6), (3e-3, 4e-6)], iso=100, black=24, white=1024)
    (note,) = differing.notes
    assert note.endswith("by plane: 1 and 0; 2 and 1; 3 and 2.")
    assert from_noise_profile([(1e-3, 4e-6)] * 3, iso=100, black=24, white=1024).notes == ()


@pytest.mark.parametrize(
    "pairs", [[1e-3, 1e-6], [(1e-3, 1e-6)] * 2, [(0, 1e-6)], [(1e-3, -1e-6)], [(np.nan, 0)]]
)
def test_bad_pairs_are_refused(pairs):
    with pytest.raises(ValueError, match="from_noise_profile: pairs must be"):
        from_noise_profile(pairs, iso=100, black=0, white=1000)


def test_bad_level_batch_or_phase_is_refused():
    with pytest.raises(ProfileError, match="white must be"):
        from_noise_profile([(1e-3, 0)], iso=100, black=1000, white=1000)
    with pytest.raises(ValueError, match="one sample, got 2"):
        to_noise_profile(NoiseParams(K=[1, 2], ratio=1, white=100, black=0))
    with pytest.raises(ValueError, match="cfa must be one of"):
        to_noise_profile(NoiseParams(K=1, ratio=1, white=100, black=0), "RGBW")


def test_what_a_sensor_adds_without_light_is_in_the_offset():
    """Dark frames of 400 bodies: the variance of a value about its mean is O; photo response is not in it."""
    figures = {
        "sigma_dsnu": 2.0, "sigma_row_fixed": 1.0, "sigma_col_fixed": 1.5, "sigma_drift": 1.0, "step": 4.0,
        "row_waves": [[1.5, 12.5]], "dark_current": 3.0, "dark_current_spread": 0.6, "exposure_s": 0.5,
    }  # fmt: skip
    params = NoiseParams(K=2, ratio=1, white=4095, black=512, read="gaussian", sigma_read=3, **figures)
    frames = fused_synth(torch.zeros(400, 64, 64), params, seed=2, sensor=torch.arange(400), output="dn")
    drawn = frames.double().numpy().reshape(400, -1)
    offset = to_noise_profile(params)[0, 1]
    assert drawn.var() / 3583**2 == pytest.approx(offset, rel=0.01)  # the least of the parts is 3.4 % of it
    bright = to_noise_profile(params.with_figures(sigma_prnu=torch.tensor([0.01])))
    np.testing.assert_array_equal(bright, to_noise_profile(params))
    without = NoiseParams(K=2, ratio=1, white=4095, black=512, read="gaussian", sigma_read=3)
    assert to_noise_profile(without)[0, 1] < 0.5 * offset
    np.testing.assert_allclose(to_noise_profile(without, step=4)[0, 1] * 3583**2, 9 + 16 / 12)
