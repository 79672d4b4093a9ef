# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from lrd_ext.estimators.histogram_distance import kl_divergence, ks_distance


def discrete_normal(sigma, bins=801):
    edges = np.arange(bins + 1) - bins / 2
    return np.diff(stats.norm.cdf(edges / sigma))


def test_kl_of_two_normals_is_the_closed_form():
    # Bins of 1 DN are fine beside 20 and 25 DN: the discretised pair has the divergence of the continuous.
    expected = math.log(25 / 20) + 20**2 / (2 * 25**2) - 0.5
    assert kl_divergence(discrete_normal(20), discrete_normal(25)) == pytest.approx(expected, rel=1e-3)


def test_kl_is_scipys_where_all_bins_are_filled():
    p, q = discrete_normal(30, 101), discrete_normal(40, 101)
    assert kl_divergence(p, 7 * q) == pytest.approx(stats.entropy(p, q), rel=1e-12)


def test_kl_skips_empty_bins_without_making_the_rest_sum_to_one():
    assert kl_divergence([1, 1, 0, 2], [4, 0, 4, 8]) == pytest.approx(0.25 * math.log(1))
    assert kl_divergence([1, 4], [4, 0]) == pytest.approx(0.2 * math.log(0.2 / 1))


def test_kl_with_eps_pays_for_bins_only_the_real_fills():
    expected = (0.5 + 1e-10) * (math.log((0.5 + 1e-10) / (1 + 1e-10)) + math.log((0.5 + 1e-10) / 1e-10))
    assert kl_divergence([1, 1], [1, 0], eps=1e-10) == pytest.approx(expected, rel=1e-12)


def test_kl_with_totals_counts_what_lies_outside_the_bins():
    expected = 0.1 * math.log(0.1 / 0.2) + 0.3 * math.log(0.3 / 0.1)
    assert kl_divergence([1, 3], [4, 2], totals=(10, 20)) == pytest.approx(expected, rel=1e-12)


def test_ks_is_scipys_two_sample_statistic():
    g = np.random.default_rng(3)
    a, b = g.poisson(6.0, 4000), g.poisson(6.4, 3000)
    counts = [np.bincount(v, minlength=40) for v in (a, b)]
    assert ks_distance(*counts) == pytest.approx(stats.ks_2samp(a, b).statistic, abs=1e-12)


@pytest.mark.parametrize("distance", [kl_divergence, ks_distance])
@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        ([1, 2], [1, 2, 3], "same bins, got 2 and 3"),
        ([0, 0], [1, 2], "real must hold at least one count"),
        ([1, 2], [1, -2], "fake must hold finite counts"),
        ([1, math.nan], [1, 2], "real must hold finite counts"),
        ([[1, 2]], [1, 2], r"real must be \(bins,\), got shape \(1, 2\)"),
    ],
)
def test_refused(distance, real, fake, message):
    with pytest.raises(ValueError, match=message):
        distance(real, fake)
