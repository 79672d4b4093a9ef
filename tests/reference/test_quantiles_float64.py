# SPDX-License-Identifier: Apache-2.0
"""The reference's quantiles against SciPy: the specification itself is held to float64 accuracy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from poisson_cdf import PoissonTable
from scipy import special, stats

from lrd_ext.reference.normal import lower_tail, normal_quantile
from lrd_ext.reference.poisson import poisson_quantile
from lrd_ext.reference.tukey_lambda import tukey_lambda_quantile

EDGES = np.concatenate([np.arange(2000), 2**31 + np.arange(-1000, 1000), 2**32 - 1 - np.arange(2000)])
WORDS = np.unique(np.concatenate([EDGES, np.random.default_rng(0).integers(0, 2**32, 50_000)]))
ONE_WORD = 2.0**-32

# torch.special.gammaincc, on which the reference's Poisson stands, is off by up to 2e-10 in float64 at means
# of tens to thousands, and cuts a series short from 1e6 on: 4e-11 at 1e6, 1.5e-7 at 1e7 (as does pdtr).
CDF_ERROR = {1e6: ONE_WORD, 1e7: 2e-7}


def upper_half_mirrored(words):
    """(p, side): quantiles are taken of the lower tail, where float64 resolves u, and mirrored."""
    p = (np.minimum(words, 2**32 - 1 - words) + 0.5) * ONE_WORD
    return p, np.where(words < 2**31, 1.0, -1.0)


def test_lower_tail_is_exact():
    p, sign = lower_tail(torch.from_numpy(WORDS))
    expected, side = upper_half_mirrored(WORDS)
    assert np.array_equal(p.numpy(), expected)
    assert np.array_equal(sign.numpy(), -side)
    assert p.min().item() == 2.0**-33


def test_normal_equals_scipy():
    p, side = upper_half_mirrored(WORDS)
    np.testing.assert_allclose(
        normal_quantile(torch.from_numpy(WORDS)).numpy(), side * stats.norm.ppf(p), rtol=1e-12, atol=1e-14
    )


@pytest.mark.parametrize(
    "shape", [-0.49, -0.3, -0.14, -0.1, -1e-3, -1e-6, 0.0, 1e-6, 1e-3, 0.1, 0.14, 0.3, 0.5, 1.0, 5.0]
)
def test_tukey_lambda_equals_scipy(shape):
    p, side = upper_half_mirrored(WORDS)
    got = tukey_lambda_quantile(torch.from_numpy(WORDS), torch.tensor(shape, dtype=torch.float64)).numpy()
    # atol: near u = 1/2 both are differences of two numbers near log 2, each rounded to 1e-16.
    np.testing.assert_allclose(got, side * stats.tukeylambda.ppf(p, shape), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("mean", [1e-6, 0.01, 0.3, 1.0, 3.7, 9.99, 10.0, 12.0, 40.0, 200.0, 1e4, 1e6, 1e7])
def test_poisson_is_the_smallest_count_with_cdf_at_least_u(mean):
    mean = float(np.float32(mean))
    k = (
        poisson_quantile(torch.from_numpy(WORDS), torch.tensor(mean, dtype=torch.float64))
        .numpy()
        .astype(np.int64)
    )
    exact, u = PoissonTable(mean), (WORDS + 0.5) * ONE_WORD
    error = CDF_ERROR.get(mean, ONE_WORD)
    assert np.max(u - exact.at(k)) <= error
    assert np.max(exact.at(k - 1) - u) <= error


@pytest.mark.parametrize("mean", [0.01, 0.3, 1.0, 3.7, 10.0, 40.0, 200.0, 1e4])
def test_poisson_equals_scipy_ppf(mean):
    u = (WORDS + 0.5) * ONE_WORD
    expected = stats.poisson.ppf(u, mean)
    got = poisson_quantile(torch.from_numpy(WORDS), torch.tensor(mean, dtype=torch.float64)).numpy()
    # Only a word nearer to a step than gammaincc is accurate may differ.
    near = np.minimum(
        np.abs(stats.poisson.cdf(expected, mean) - u), np.abs(stats.poisson.cdf(expected - 1, mean) - u)
    )
    differs = got != expected
    assert np.all(near[differs] <= ONE_WORD)
    assert differs.sum() <= 2


@pytest.mark.parametrize("mean", [0.0, -1.0, -np.inf, np.nan])
def test_poisson_of_nothing_is_zero(mean):
    assert not poisson_quantile(torch.from_numpy(WORDS), torch.tensor(mean)).any()


@pytest.mark.parametrize("mean", [1e8, np.inf])
def test_poisson_means_above_1e7_count_as_1e7(mean):
    words = torch.from_numpy(WORDS[::20])
    assert torch.equal(
        poisson_quantile(words, torch.tensor(mean)), poisson_quantile(words, torch.tensor(1e7))
    )


@pytest.mark.parametrize("mean", [0.5, 7.0, 100.0, 1e4])
def test_oracle_agrees_with_scipy_where_scipy_is_accurate(mean):
    exact = PoissonTable(mean)
    k = np.arange(int(mean + 8 * np.sqrt(mean) + 20))
    np.testing.assert_allclose(exact.at(k), special.pdtr(k, mean), rtol=1e-11, atol=1e-40)
    np.testing.assert_allclose(exact.above(k), special.pdtrc(k, mean), rtol=1e-11, atol=1e-40)
