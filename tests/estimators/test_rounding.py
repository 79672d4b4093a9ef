# SPDX-License-Identifier: Apache-2.0
"""Steps of values, what they add to noise, and values piled up at the ends of the range."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lrd_ext.estimators.rounding import find_cut, middles_of_codes, quantization_step, rounding_variance


def in_steps(x, step: float):
    return np.floor(step * np.rint(x / step) + 0.5)


def values(sigma: float, step: float, level: float = 512.0, count: int = 40_000, seed: int = 1):
    """Noise rounded to codes, codes to whole DN."""
    x = np.random.default_rng(seed).normal(level, sigma, count)
    return np.clip(in_steps(x, step), 0, 65535).astype(int)


def counts(v):
    return np.bincount(v, minlength=65536)


@pytest.mark.parametrize("step", [1, 2, 3, 4, 7, 16, 4 / 3, 3 / 2, 5 / 4, 8 / 3])
@pytest.mark.parametrize("sigma", [3.0, 20.0])
def test_step_is_found(step, sigma):
    if sigma / step < (0.3 if step == round(step) else 1.5):
        pytest.skip("too few values to tell")
    assert quantization_step(counts(values(sigma, step))) == pytest.approx(step)


@pytest.mark.parametrize("step", [2, 4, 16])
def test_step_of_a_picture_is_found_though_no_value_is_frequent(step):
    v = in_steps(512 + 15_000 * np.random.default_rng(5).beta(0.8, 2, 400_000), step).astype(int)
    v[:200] += 1
    assert quantization_step(counts(v)) == step


def test_a_few_repaired_pixels_hide_no_step():
    v = values(30, 16)
    v[:20] += 5
    assert quantization_step(counts(v)) == 16


@pytest.mark.parametrize("sigma", [0.2, 0.3, 0.6, 5.0])
def test_whole_values_have_a_step_of_one(sigma):
    assert quantization_step(counts(values(sigma, 1))) == 1


@pytest.mark.parametrize("step", [1, 4, 16, 4 / 3, 3 / 2, 5 / 4])
def test_variance_of_rounding_is_what_the_values_show(step):
    sigma = 30.0
    x = np.random.default_rng(2).normal(500, sigma, 2_000_000)
    error = in_steps(x, step) - x
    assert rounding_variance(step) == pytest.approx(float(error.var()), rel=0.01)


@pytest.mark.parametrize("step", [4 / 3, 3 / 2, 5 / 4, 8 / 3])
def test_middles_of_codes_are_a_step_apart_and_keep_the_mean(step):
    x = np.random.default_rng(4).normal(511.7, 9, 200_000)
    v = in_steps(x, step).astype(int)
    table = middles_of_codes(counts(v))
    near = np.unique(v[np.abs(v - 512) < 20])
    np.testing.assert_allclose(np.diff(table[near]), step, atol=1e-3)
    assert float(np.mean(table[v] - v)) == pytest.approx(0, abs=0.02)
    assert float((table[v] - x).var()) == pytest.approx(step**2 / 12, rel=0.01)


@pytest.mark.parametrize("step", [1, 4, 16])
def test_whole_steps_are_codes_already(step):
    assert middles_of_codes(counts(values(9, step))) is None


def test_values_cut_at_zero_are_found_with_their_share():
    v = np.maximum(np.rint(np.random.default_rng(3).normal(0, 6, 100_000)), 0).astype(int)
    cut = find_cut(counts(v))
    assert (cut.low, cut.high) == (0, None)
    assert cut.share == pytest.approx(float((v == 0).mean()))


def test_values_piled_up_below_white_are_found():
    v = np.minimum(values(40, 1, level=15_000), 15_050)
    assert find_cut(counts(v)).high == 15_050


@pytest.mark.parametrize("sigma", [0.3, 2.0, 40.0])
def test_noise_that_is_not_cut_has_no_pile_up(sigma):
    v = values(sigma, 1)
    v[:100] = 0  # dead pixels
    v[100:200] = 16_383  # hot ones
    cut = find_cut(counts(v))
    assert (cut.low, cut.high) == (None, None)


def test_heavy_tails_of_few_values_have_no_step():
    for seed in range(40):
        uniform = np.random.default_rng(seed).uniform(size=50_000)
        x = 512 + 0.33 * stats.tukeylambda.ppf(uniform, -0.12)
        assert quantization_step(counts(np.rint(x).astype(int))) == 1
