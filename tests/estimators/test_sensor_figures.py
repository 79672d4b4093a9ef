# SPDX-License-Identifier: Apache-2.0
"""Fixed lines, drift, dark current, hot pixels: estimates against planted truth, moments against SciPy's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from lrd_ext.estimators.dark_current import activation, cut_log_normal, log_normal_of, rate_of_levels
from lrd_ext.estimators.fixed_lines import fixed_lines
from lrd_ext.estimators.hot_tail import hot_tail
from lrd_ext.estimators.level_drift import level_drift


def covered(estimates, truth):
    """Whether 95 % intervals hold the truth as often as they should: 999 in 1000 studies of 100 do."""
    hits = sum(e.low <= truth <= e.high for e in estimates)
    return stats.binomtest(hits, len(estimates), 0.95).pvalue > 1e-3


def test_fixed_rows_are_told_from_those_that_change():
    rng, found = np.random.default_rng(1), []
    for _ in range(100):
        temporal = 0.6 * rng.normal(size=(8, 300))
        shading = 5 * np.sin(np.arange(300) / 200) + np.tile([0.0, 3.0], 150)  # sites differ
        profile = 0.4 * rng.normal(size=300) + temporal.mean(axis=0) + shading + 0.1 * rng.normal(size=300)
        found.append(fixed_lines(profile, temporal - temporal.mean(axis=0), 0.1**2))
    assert np.mean([e.value for e in found]) == pytest.approx(0.4, rel=0.02)
    assert covered(found, 0.4)


def test_drift_is_what_noise_does_not_explain():
    rng, own = np.random.default_rng(2), 0.01
    found = [level_drift(rng.normal(0, math.hypot(0.2, 0.1), (16, 4)), own) for _ in range(100)]
    assert covered(found, 0.2)
    assert level_drift(rng.normal(0, 0.1, (16, 4)), 0.012).low == 0


def test_rate_is_the_slope_of_levels_that_drift():
    rng, times = np.random.default_rng(3), np.repeat([0.01, 10.0, 30.0], 8)
    found = [rate_of_levels(times, 3 + 0.7 * times + rng.normal(0, 0.2, 24)) for _ in range(100)]
    assert covered(found, 0.7)


@pytest.mark.parametrize(("spread", "cut"), [(0.1, 1.5), (0.4, 1.5), (0.8, 6.0)])
def test_moments_of_the_log_normal_are_those_of_scipy(spread, cut):
    law = stats.lognorm(spread, scale=math.exp(-(spread**2) / 2))
    value = law.ppf((np.arange(1_000_000) + 0.5) / 1_000_000)
    value[value > law.median() + cut] = law.median()
    assert cut_log_normal(spread, cut) == pytest.approx((value.mean(), value.var()), rel=2e-3)
    mean, variance = cut_log_normal(spread, cut)
    assert log_normal_of(20 * mean, 400 * variance, 20 * cut) == pytest.approx((20, spread), rel=1e-3)


def test_no_variance_is_no_spread():
    assert log_normal_of(5.0, -0.1, 10.0) == (5.0, 0.0)


def test_doubling_temperature():
    rng, t = np.random.default_rng(4), np.array([10.0, 20.0, 30.0, 40.0])
    truth = 0.8 * 2 ** ((t - 25) / 6.5)
    found = [activation(t, truth * (1 + 0.02 * rng.normal(size=4)), 0.02 * truth, 25.0) for _ in range(100)]
    assert covered([a.doubling_c for a in found], 6.5)
    assert covered([a.rate for a in found], 0.8)
    assert activation(t, np.array([1.0, 1.01, 0.99, 1.0]), np.full(4, 0.02), 25.0) is None


def blinking(rng, share, *, frames=12, pixels=100_000, mean=800.0, blink=0.3):
    """Values of the pixels seen above 40 DN on average, with a noise of 4 DN a frame."""
    hot = rng.binomial(pixels, share)
    level, blinks = rng.exponential(mean, hot), rng.uniform(size=hot) < blink
    on = np.where(blinks, rng.uniform(size=(frames, hot)) < 0.5, True)
    values = on * level + rng.normal(0, 4, (frames, hot))
    return values[:, values.mean(axis=0) > 40]


def test_hot_pixels_with_a_tail_some_of_which_blink():
    rng, found = np.random.default_rng(5), []
    for _ in range(100):
        found.append(hot_tail(blinking(rng, 0.004), 100_000, 100.0, 40.0))
    assert np.mean([t.fraction.value for t in found]) == pytest.approx(0.004, rel=0.02)
    assert np.mean([t.mean.value for t in found]) == pytest.approx(800, rel=0.02)
    for name, truth in (("fraction", 0.004), ("mean", 800.0), ("blink", 0.3)):
        assert covered([getattr(t, name) for t in found], truth), name


def test_few_hot_pixels_tell_nothing_and_few_frames_nothing_of_blinking():
    rng = np.random.default_rng(6)
    assert hot_tail(blinking(rng, 1e-4), 100_000, 100.0, 40.0) is None
    assert hot_tail(blinking(rng, 0.01, frames=4), 100_000, 100.0, 40.0).blink is None


def test_variance_of_pixels_too_dim_to_be_found():
    rng = np.random.default_rng(7)
    tail = hot_tail(blinking(rng, 0.05), 100_000, 100.0, 40.0)
    level, blinks = rng.exponential(tail.mean.value, 400_000), rng.uniform(size=400_000) < tail.blink.value
    seen = level * np.where(blinks, rng.binomial(8, 0.5, 400_000) / 8, 1.0)
    expected = tail.fraction.value * np.mean(np.where(seen < 300, seen**2, 0))
    assert tail.variance_below(300.0, 8) == pytest.approx(expected, rel=0.02)
